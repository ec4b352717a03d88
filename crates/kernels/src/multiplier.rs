//! What the tiles of matrix products multiply: numbers as they are, or pairs of them rounded to
//! `bf16`.
//!
//! A [`Format`] says what operands are packed to. It is chosen before the instruction set is, as it
//! decides how much is packed. A [`Multiplier`] is what an instruction set can do with packed numbers;
//! like a token of [`Simd`] it can only be had where the processor has the instructions. Kernels are
//! written once, as [`Work`] for any multiplier.

use crate::gemm::{Cut, Operand, Plane};
use crate::memory::{Scratch, scratch};
use crate::simd::{MAX_LANES, Routine, Simd, Vector};
use crate::{Element, Float, Isa, Machine, Number, Precision};
use bytemuck::{cast_slice, cast_slice_mut};
use std::marker::PhantomData;
use std::ops::Deref;

/// Multiplies packed numbers in registers. A packed number has `STEPS` steps of depth of one row of
/// the left operand or one column of the right one.
pub trait Multiplier: Copy + Send + Sync {
    /// The instruction set that has the instructions.
    type Isa: Simd;
    /// The type of the operands' numbers and of the sums.
    type Scalar: Float;
    /// A packed number.
    type Packed: Element;
    /// A register full of packed numbers.
    type Factors: Copy;
    /// A register full of sums, as many as there are factors in a register.
    type Sums: Vector<Isa = Self::Isa, Scalar = Self::Scalar>;
    /// How many numbers are packed to one.
    const STEPS: usize;

    /// The token of the instruction set.
    fn isa(self) -> Self::Isa;
    /// A register full of one packed number.
    fn splat(self, packed: Self::Packed) -> Self::Factors;
    /// Reads a register of packed numbers.
    ///
    /// # Safety
    /// `from` must be valid for reads of as many packed numbers as there are sums in a register.
    unsafe fn read(self, from: *const Self::Packed) -> Self::Factors;
    /// Adds to each sum its product, which is the sum of those of all steps.
    fn multiply_add(
        self,
        left: Self::Factors,
        right: Self::Factors,
        sums: Self::Sums,
    ) -> Self::Sums;

    /// Numbers as packed ones, if they need no packing.
    fn as_packed(numbers: &[Self::Scalar]) -> Option<&[Self::Packed]>;
    /// Space for packed numbers as space for numbers, if these need no packing.
    fn as_numbers(packed: &mut [Self::Packed]) -> Option<&mut [Self::Scalar]>;
    /// Packs lines of numbers, each of which is a step of depth: number j of `STEPS` lines becomes
    /// packed number j of one line. What is missing of the last one counts as zeros.
    ///
    /// # Panics
    /// If there is not as much space as needed, or lines are neither whole vectors nor as long as a
    /// tile has rows.
    fn pack_lines(self, numbers: &[Self::Scalar], width: usize, packed: &mut [Self::Packed]);
    /// Packs numbers that are steps of depth: `STEPS` neighbours become one packed number.
    ///
    /// # Panics
    /// If there is not as much space as needed.
    fn pack_neighbours(self, numbers: &[Self::Scalar], packed: &mut [Self::Packed]);
    /// Packs a vector of neighbours; see [`Multiplier::pack_neighbours`].
    ///
    /// # Panics
    /// If there is not as much space as needed.
    fn write_neighbours(self, numbers: Self::Sums, packed: &mut [Self::Packed]);
    /// Packs a vector of each of `STEPS` lines; see [`Multiplier::pack_lines`]. What comes behind the
    /// first `STEPS` does not count.
    ///
    /// # Panics
    /// If there is not as much space as needed.
    fn write_lines(self, lines: [Self::Sums; MOST_STEPS], packed: &mut [Self::Packed]);
}

/// The most numbers that are packed to one.
pub(crate) const MOST_STEPS: usize = 2;

/// How many steps of depth are packed at a time: they stay in the innermost cache in between.
const AT_ONCE: usize = 64;

/// Of lines of depth, so many numbers are.
const LINE: usize = 128;

/// Packs a part of an operand: `panel[k * width + j]` becomes steps of depth k of number j.
pub(crate) struct Pack<'a, P, A> {
    pub(crate) operand: &'a A,
    pub(crate) cut: Cut,
    /// The panels, and how far apart they start.
    pub(crate) panels: (&'a mut [P], usize),
}

impl<T: Float, P: Element, A: Operand<T>> Work<T, P> for Pack<'_, P, A> {
    type Output = ();

    #[inline(always)]
    fn run<M: Multiplier<Scalar = T, Packed = P>>(self, multiplier: M) {
        let Self { operand, cut, panels: (panels, distance) } = self;
        let isa = multiplier.isa();
        if let Some(panels) = M::as_numbers(panels) {
            return operand.pack_panels(isa, cut, (panels, distance));
        }
        let (across, width) = (cut.across.len(), cut.width);
        if let Some(plane) = operand.as_plane() {
            let lanes = M::Sums::LANES;
            if plane.depth_stride == 1 {
                return pack_columns(multiplier, plane, cut, (panels, distance));
            }
            let whole = across.is_multiple_of(width) && across.is_multiple_of(lanes);
            let fits = width == lanes / 2 || width.is_multiple_of(lanes);
            if plane.across_stride == 1 && whole && fits {
                return pack_rows(multiplier, plane, cut, (panels, distance));
            }
        }
        let count = across.div_ceil(width);
        let mut numbers = scratch(count * AT_ONCE.min(cut.depth.len()) * width);
        for (index, start) in cut.depth.clone().step_by(AT_ONCE).enumerate() {
            let depth = start..cut.depth.end.min(start + AT_ONCE);
            let (len, steps) = (depth.len() * width, depth.len().div_ceil(M::STEPS));
            let numbers = &mut numbers[..count * len];
            operand.pack_panels(isa, Cut { depth, ..cut.clone() }, (numbers, len));
            let place = index * (AT_ONCE / M::STEPS) * width;
            for (panel, numbers) in panels.chunks_mut(distance).zip(numbers.chunks_exact(len)) {
                multiplier.pack_lines(numbers, width, &mut panel[place..][..steps * width]);
            }
        }
    }
}

/// Packs a matrix whose numbers lie one behind the other in depth: neighbours become packed numbers,
/// and these are turned as if they were numbers of 32 bits.
#[inline(always)]
fn pack_columns<M: Multiplier>(
    multiplier: M,
    plane: &Plane<'_, M::Scalar>,
    cut: Cut,
    (panels, distance): (&mut [M::Packed], usize),
) {
    let Cut { depth, across, width } = cut;
    let mut lines = scratch(width * (LINE / M::STEPS));
    for (first, panel) in across.clone().step_by(width).zip(panels.chunks_mut(distance)) {
        let count = width.min(across.end - first);
        for (index, start) in depth.clone().step_by(LINE).enumerate() {
            let len = LINE.min(depth.end - start);
            let steps = len.div_ceil(M::STEPS);
            let lines = &mut lines[..count * steps];
            for (j, line) in lines.chunks_exact_mut(steps).enumerate() {
                multiplier.pack_neighbours(plane.line(start, first + j, len), line);
            }
            let data: &[f32] = cast_slice(lines);
            let turned = Plane { data, offset: 0, depth_stride: 1, across_stride: steps as isize };
            let panel = &mut panel[index * (LINE / M::STEPS) * width..][..steps * width];
            let cut = Cut { depth: 0..steps, across: 0..count, width };
            turned.pack(multiplier.isa(), cut, cast_slice_mut(panel));
        }
    }
}

/// Packs a matrix whose numbers lie one behind the other across, in whole vectors.
#[inline(always)]
fn pack_rows<M: Multiplier>(
    multiplier: M,
    plane: &Plane<'_, M::Scalar>,
    cut: Cut,
    (panels, distance): (&mut [M::Packed], usize),
) {
    let Cut { depth, across, width } = cut;
    let (isa, lanes) = (multiplier.isa(), M::Sums::LANES);
    let zero = M::Sums::splat(isa, M::Scalar::ZERO);
    for (index, step) in depth.clone().step_by(M::STEPS).enumerate() {
        let steps = M::STEPS.min(depth.end - step);
        for start in (0..across.len()).step_by(lanes) {
            let mut lines = [zero; MOST_STEPS];
            for (i, line) in lines.iter_mut().enumerate().take(steps) {
                *line = M::Sums::load(isa, plane.line(step + i, across.start + start, lanes));
            }
            let place = start / width * distance + index * width + start % width;
            if width.is_multiple_of(lanes) {
                multiplier.write_lines(lines, &mut panels[place..][..lanes]);
                continue;
            }
            // A vector goes to two panels.
            let mut packed = [M::Packed::default(); MAX_LANES];
            multiplier.write_lines(lines, &mut packed[..lanes]);
            panels[place..][..width].copy_from_slice(&packed[..width]);
            panels[place + distance..][..width].copy_from_slice(&packed[width..lanes]);
        }
    }
}

/// Packed numbers, where they lie or copied.
pub(crate) enum PackedNumbers<'a, P: Element> {
    InPlace(&'a [P]),
    Copied(Scratch<P>),
}

impl<P: Element> Deref for PackedNumbers<'_, P> {
    type Target = [P];

    #[inline(always)]
    fn deref(&self) -> &[P] {
        match self {
            Self::InPlace(packed) => packed,
            Self::Copied(packed) => packed,
        }
    }
}

/// Something that is computed with packed numbers, for any multiplier.
pub trait Work<T: Float, P> {
    /// What the work gives back.
    type Output;
    /// Does the work. Mark it `#[inline(always)]`, and all it calls in its hot loops.
    fn run<M: Multiplier<Scalar = T, Packed = P>>(self, multiplier: M) -> Self::Output;
}

/// What numbers are packed to.
pub trait Format<T: Float>: Copy + Send + Sync + 'static {
    /// A packed number.
    type Packed: Element;
    /// How many numbers are packed to one.
    const STEPS: usize;

    /// True if an instruction set multiplies such numbers on this processor.
    fn is_available(isa: Isa) -> bool;

    /// Runs work compiled for an instruction set.
    ///
    /// # Panics
    /// If the processor cannot do it.
    fn run<W: Work<T, Self::Packed>>(isa: Isa, work: W) -> W::Output;
}

/// True if operands are rounded: a precision allows it, and the processor is faster so.
pub(crate) fn rounds<T: Float>(on: Machine, precision: Precision) -> bool {
    precision.rounds() && T::Rounded::STEPS > 1 && T::Rounded::is_available(on.isa)
}

/// Numbers as they are.
#[derive(Clone, Copy, Debug)]
pub struct Unrounded;

impl<T: Float> Format<T> for Unrounded {
    type Packed = T;
    const STEPS: usize = 1;

    fn is_available(isa: Isa) -> bool {
        isa.is_available()
    }

    #[inline]
    fn run<W: Work<T, T>>(isa: Isa, work: W) -> W::Output {
        isa.run(InVectors(work, PhantomData))
    }
}

/// Work that multiplies vectors of numbers as they are.
struct InVectors<T, W>(W, PhantomData<T>);

impl<T: Float, W: Work<T, T>> Routine for InVectors<T, W> {
    type Output = W::Output;

    #[inline(always)]
    fn run<S: Simd>(self, isa: S) -> W::Output {
        self.0.run(Vectors::<T::Vector<S>>(isa))
    }
}

/// Multiplies vectors of numbers as they are.
#[derive(Clone, Copy)]
pub(crate) struct Vectors<V: Vector>(pub(crate) V::Isa);

impl<V: Vector> Multiplier for Vectors<V> {
    type Isa = V::Isa;
    type Scalar = V::Scalar;
    type Packed = V::Scalar;
    type Factors = V;
    type Sums = V;
    const STEPS: usize = 1;

    #[inline(always)]
    fn isa(self) -> V::Isa {
        self.0
    }
    #[inline(always)]
    fn splat(self, packed: V::Scalar) -> V {
        V::splat(self.0, packed)
    }
    #[inline(always)]
    unsafe fn read(self, from: *const V::Scalar) -> V {
        // SAFETY: the caller vouches for the numbers.
        unsafe { V::read(self.0, from) }
    }
    #[inline(always)]
    fn multiply_add(self, left: V, right: V, sums: V) -> V {
        left.mul_add(right, sums)
    }
    #[inline(always)]
    fn as_packed(numbers: &[V::Scalar]) -> Option<&[V::Scalar]> {
        Some(numbers)
    }
    #[inline(always)]
    fn as_numbers(packed: &mut [V::Scalar]) -> Option<&mut [V::Scalar]> {
        Some(packed)
    }
    #[inline(always)]
    fn pack_lines(self, numbers: &[V::Scalar], _: usize, packed: &mut [V::Scalar]) {
        packed.copy_from_slice(numbers);
    }
    #[inline(always)]
    fn pack_neighbours(self, numbers: &[V::Scalar], packed: &mut [V::Scalar]) {
        packed.copy_from_slice(numbers);
    }
    #[inline(always)]
    fn write_neighbours(self, numbers: V, packed: &mut [V::Scalar]) {
        numbers.store(packed);
    }
    #[inline(always)]
    fn write_lines(self, [line, ..]: [V; MOST_STEPS], packed: &mut [V::Scalar]) {
        line.store(packed);
    }
}

/// Pairs of numbers rounded to `bf16`: the first in the low half, the second in the high half of 32
/// bits.
#[derive(Clone, Copy, Debug)]
pub struct Bf16Pairs;

impl Format<f32> for Bf16Pairs {
    type Packed = i32;
    const STEPS: usize = 2;

    fn is_available(isa: Isa) -> bool {
        isa.multiplies_pairs()
    }

    #[inline]
    fn run<W: Work<f32, i32>>(isa: Isa, work: W) -> W::Output {
        isa.run_pairs(work)
    }
}
