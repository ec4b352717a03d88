//! Right operands that are packed once, and kept with their memory for the next time.

use super::engine::{Engine, Shape};
use super::job::{PackRight, depth_of_blocks};
use super::{Matrix, Size, small};
use crate::memory::{Block, Scratch, scratch};
use crate::multiplier::rounds;
use crate::threads::Shared;
use crate::{Element, Float, Isa, Machine, Precision};
use std::any::TypeId;
use std::sync::{Arc, OnceLock};

/// To multiply more rows takes so long that packing is next to nothing.
const FEW_ROWS: usize = 256;

/// No part is wider: there are more of them, so that a thread that is held up leaves some to the others.
const WIDEST: usize = 2048;

/// A right operand that will come again as it is.
#[derive(Clone, Copy, Debug)]
pub struct Constant<'a, T> {
    /// The numbers.
    pub matrix: Matrix<'a, T>,
    /// The memory they lie in.
    pub memory: &'a Block,
}

/// What the panels depend on, beside the numbers.
#[derive(PartialEq)]
struct Key {
    engine: TypeId,
    isa: Isa,
    layout: Layout,
    offset: usize,
    strides: [isize; 2],
}

/// The panels of all columns.
pub(super) struct Kept<P>(Arc<(Key, OnceLock<Scratch<P>>)>);

impl<P: Element> Kept<P> {
    /// How many of so many rows, and how many columns, the parts of a product have.
    pub(super) fn part(&self, on: Machine, rows: usize) -> [usize; 2] {
        let Layout { columns, part, .. } = self.0.0.layout;
        let row_parts = on.threads.div_ceil(columns.div_ceil(part));
        [rows.div_ceil(row_parts), part]
    }

    /// The panels of a part, by its first column.
    pub(super) fn part_from(&self, column: usize) -> &[P] {
        let (Key { layout, .. }, panels) = &*self.0;
        let panels = panels.get().expect("they were packed before they were handed out");
        &panels[layout.steps() * layout.shape.line(column)..]
    }
}

impl<T: Float> Constant<'_, T> {
    /// True if it pays to keep what is packed: for a row alone, if that is rounded and so half as much to
    /// read from memory.
    pub(super) fn is_worth_keeping(&self, on: Machine, precision: Precision, size: Size) -> bool {
        let Size { rows, columns, depth, .. } = size;
        columns > 1
            && match rows {
                1 => rounds::<T>(on, precision) && columns * depth >= small::LARGE,
                2..=FEW_ROWS => rows * columns * depth > small::WORK,
                _ => false,
            }
    }

    /// The panels, if they are kept or this is the second time that somebody asks for them.
    pub(super) fn panels<E: Engine<T>>(
        &self,
        on: Machine,
        size: Size,
        shape: Shape,
    ) -> Option<Kept<E::Packed>> {
        let layout = Layout::new(on, size, shape);
        let Matrix { offset, row_stride, column_stride, .. } = self.matrix;
        let strides = [row_stride, column_stride];
        let key = Key { engine: TypeId::of::<E>(), isa: on.isa, layout, offset, strides };
        let mut is_first = false;
        let panels = self.memory.derived(key, || {
            is_first = true;
            OnceLock::new()
        });
        if is_first {
            return None;
        }
        panels.1.get_or_init(|| layout.pack::<T, E>(on, self.matrix));
        Some(Kept(panels))
    }
}

/// How the panels of a right operand lie: those of a part of the columns one behind the other, block of
/// depth by block of depth.
#[derive(Clone, Copy, PartialEq)]
struct Layout {
    shape: Shape,
    depth: usize,
    columns: usize,
    /// How many columns each part has but the last.
    part: usize,
}

impl Layout {
    /// That for products of a size, which is the same for all numbers of rows.
    fn new(on: Machine, size: Size, shape: Shape) -> Self {
        let Size { depth, columns, .. } = size;
        let wanted = on.threads * columns.div_ceil(on.threads * WIDEST);
        let parts = wanted.min(columns.div_ceil(shape.columns));
        let part = columns.div_ceil(parts).next_multiple_of(shape.align);
        Self { shape, depth, columns, part }
    }

    /// How many steps deep the panels are.
    fn steps(self) -> usize {
        self.depth.div_ceil(self.shape.step)
    }

    /// Packs all columns.
    fn pack<T: Float, E: Engine<T>>(
        self,
        on: Machine,
        matrix: Matrix<'_, T>,
    ) -> Scratch<E::Packed> {
        let Self { shape, depth, columns, part } = self;
        let (operand, steps) = (&matrix.as_right(), self.steps());
        let block = depth_of_blocks(shape, steps);
        let mut panels = scratch(steps * shape.line(columns));
        let shared = Shared::new(&mut panels);
        let blocks = steps.div_ceil(block);
        on.parallel(columns.div_ceil(part) * blocks, columns * depth, |task| {
            let (first, start) = (task / blocks * part, task % blocks * block);
            let (columns, end) = (first..columns.min(first + part), steps.min(start + block));
            let line = shape.line(columns.len());
            let at = steps * shape.line(first) + start * line;
            // SAFETY: no other task packs this block of this part.
            let panels = unsafe { shared.slice(at, (end - start) * line) };
            let depth = start * shape.step..depth.min(end * shape.step);
            E::run(on.isa, PackRight { operand, depth, columns, panels });
        });
        panels
    }
}
