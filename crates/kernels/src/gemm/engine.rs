//! Who multiplies packed panels: registers, or the tiles of a processor that has any.
//!
//! An [`Engine`] says what operands are packed to; it is chosen before the instruction set is. A
//! [`Unit`] packs and multiplies; it can only be had where the processor has the instructions.

use super::pack::{Ahead, Cut, Operand};
use super::tile::{self, Registers};
use crate::multiplier::{Format, Multiplier, Pack, Work};
use crate::simd::{Simd, Vector};
use crate::{Element, Float, Isa};
use std::marker::PhantomData;

/// A way to multiply panels.
pub trait Engine<T: Float>: 'static {
    /// A packed number.
    type Packed: Element;

    /// True if the engine multiplies tiles, and this processor has them beside an instruction set.
    fn has_tiles(isa: Isa) -> bool;

    /// Runs work compiled for an instruction set.
    ///
    /// # Panics
    /// If the processor cannot do it.
    fn run<W: PanelWork<T, Self::Packed>>(isa: Isa, work: W) -> W::Output;
}

/// Something that is computed with panels, for any unit.
pub trait PanelWork<T: Float, P: Element> {
    /// What the work gives back.
    type Output;
    /// Does the work. Mark it `#[inline(always)]`, and all it calls in its hot loops.
    fn run<U: Unit<T, P>>(self, unit: U) -> Self::Output;
}

/// How a unit wants its panels. Depth is counted in steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// How many rows a panel of the left operand has.
    pub(super) rows: usize,
    /// How many columns a panel of the right operand has, if it is not the last.
    pub(super) columns: usize,
    /// Panels are multiples of so many columns wide.
    pub(super) align: usize,
    /// How many numbers a step is deep.
    pub(super) step: usize,
    /// How many packed numbers a step of a row or column takes.
    pub(super) len: usize,
    /// How many steps deep the panels should be at most: a left one then stays in the innermost cache, and
    /// the right ones in the second. The deeper, the less often sums are added to those in memory.
    pub(crate) depth: usize,
}

impl Shape {
    /// How many packed numbers a step of the panels of so many columns takes.
    pub(super) fn line(self, columns: usize) -> usize {
        columns.next_multiple_of(self.align) * self.len
    }
}

/// Packs panels and multiplies them.
pub trait Unit<T: Float, P: Element>: Copy + Send + Sync {
    /// How it wants its panels.
    const SHAPE: Shape;

    /// Packs rows of the left operand into panels that start so far apart. What the last panel lacks
    /// counts as zeros.
    fn pack_left<A: Operand<T>>(self, operand: &A, cut: Cut, panels: (&mut [P], usize));

    /// Packs columns of the right operand into panels that start so far apart.
    fn pack_right<B: Operand<T>>(self, operand: &B, cut: Cut, panels: (&mut [P], usize));

    /// Multiplies two panels.
    ///
    /// # Safety
    /// `c` must be valid for `columns` numbers in each of `rows` rows that lie `c_stride` numbers
    /// apart, and nobody else may read or write these.
    ///
    /// # Panics
    /// If a panel is not as long as its steps and width say.
    unsafe fn multiply(self, tile: Tile<'_, T, P>);
}

/// A tile of a product.
#[derive(Clone, Copy, Debug)]
pub struct Tile<'a, T, P> {
    /// The panel of the left operand.
    pub(super) left: &'a [P],
    /// The panel of the right operand.
    pub(super) right: &'a [P],
    /// How wide the latter is.
    pub(super) width: usize,
    /// How many steps deep both are.
    pub(super) steps: usize,
    /// How many rows of the tile are rows of the product.
    pub(super) rows: usize,
    /// How many columns of the tile are columns of the product.
    pub(super) columns: usize,
    /// Where the product lies.
    pub(super) c: *mut T,
    /// The distance between its rows.
    pub(super) c_stride: usize,
    /// Whether the sums are added to what lies there.
    pub(super) accumulate: bool,
    /// What memory is asked for meanwhile.
    pub(super) ahead: Ahead,
}

/// Multiplies numbers of a format in registers.
#[derive(Clone, Copy, Debug)]
pub struct InRegisters<F>(PhantomData<F>);

impl<T: Float, F: Format<T>> Engine<T> for InRegisters<F> {
    type Packed = F::Packed;

    fn has_tiles(_: Isa) -> bool {
        false
    }

    #[inline]
    fn run<W: PanelWork<T, F::Packed>>(isa: Isa, work: W) -> W::Output {
        F::run(isa, WithMultiplier(work))
    }
}

/// Work on panels for a multiplier.
struct WithMultiplier<W>(W);

impl<T: Float, P: Element, W: PanelWork<T, P>> Work<T, P> for WithMultiplier<W> {
    type Output = W::Output;

    #[inline(always)]
    fn run<M: Multiplier<Scalar = T, Packed = P>>(self, multiplier: M) -> W::Output {
        self.0.run(InRegister(multiplier))
    }
}

/// Multiplies panels with a multiplier.
#[derive(Clone, Copy)]
struct InRegister<M>(M);

/// More numbers than any tile in registers has.
const MAX_TILE: usize = 8 * 3 * 16;

impl<T: Float, P: Element, M: Multiplier<Scalar = T, Packed = P>> Unit<T, P> for InRegister<M> {
    const SHAPE: Shape = Shape {
        rows: M::Isa::TILE_ROWS,
        columns: M::Isa::TILE_VECTORS * M::Sums::LANES,
        align: M::Sums::LANES,
        step: M::STEPS,
        len: 1,
        depth: 800,
    };

    #[inline(always)]
    fn pack_left<A: Operand<T>>(self, operand: &A, cut: Cut, panels: (&mut [P], usize)) {
        Pack { operand, cut, panels }.run(self.0);
    }

    #[inline(always)]
    fn pack_right<B: Operand<T>>(self, operand: &B, cut: Cut, panels: (&mut [P], usize)) {
        Pack { operand, cut, panels }.run(self.0);
    }

    #[inline(always)]
    unsafe fn multiply(self, tile: Tile<'_, T, P>) {
        let Tile { width, steps, rows, columns, c, c_stride, accumulate, ahead, .. } = tile;
        let whole = Self::SHAPE.rows;
        let a = tile.left[..steps * whole].as_ptr();
        let b = tile.right[..steps * width].as_ptr();
        let vectors = width / M::Sums::LANES;
        let registers =
            Registers { rows, vectors, depth: steps, a, b, c, c_stride, accumulate, ahead };
        if rows == whole && columns == width {
            // SAFETY: the panels are as long as they must be, and the caller vouches for the tile.
            unsafe { tile::compute(self.0, registers) };
            return;
        }
        let mut edge = [T::ZERO; MAX_TILE];
        let c = edge.as_mut_ptr();
        let registers = Registers { c, c_stride: width, accumulate: false, ..registers };
        // SAFETY: the panels are as long as they must be, and `edge` holds the largest tile.
        unsafe { tile::compute(self.0, registers) };
        for (i, edge) in edge.chunks_exact(width).take(rows).enumerate() {
            // SAFETY: the caller vouches for the rows.
            let c = unsafe { std::slice::from_raw_parts_mut(tile.c.add(i * c_stride), columns) };
            for (c, &sum) in c.iter_mut().zip(edge) {
                *c = if accumulate { c.plus(sum) } else { sum };
            }
        }
    }
}
