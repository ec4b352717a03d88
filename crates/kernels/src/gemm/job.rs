//! A product of packed panels, cut into tasks.

use super::engine::{Engine, PanelWork, Shape, Tile, Unit};
use super::{Ahead, Bias, Cut, Operand, Operands, Size, add_bias};
use crate::memory::{ALIGN, Scratch, scratch};
use crate::threads::Shared;
use crate::{Element, Float, Machine};
use std::ops::Range;

/// How many bytes of `B` one task packs at most: they stay in the second-level cache.
const GROUP: usize = 288 << 10;

/// Panels less deep count as if they had so many steps: of short ones a task would get too many.
const SHALLOW: usize = 256;

/// How many panels of `A` a task packs at most: so many that what lies side by side in memory is read
/// at once, and so few that the lines of all of them fit into the innermost cache.
const PACKED_AT_ONCE: usize = 8;

/// A right operand of fewer bytes stays in the second-level cache.
const SMALL_BYTES: usize = 512 << 10;

/// How many tasks are wanted at least of larger ones, however few columns there are.
const TASKS: usize = 16;

/// What all tasks of a batch of products need.
pub(super) struct Job<'a, T, L, R> {
    pub(super) size: Size,
    pub(super) shape: Shape,
    pub(super) operands: &'a Operands<'a, T, L, R>,
    pub(super) bias: Bias<'a, T>,
    pub(super) out: Shared<'a, T>,
}

impl<T: Float, L: Sync, R: Sync> Job<'_, T, L, R> {
    /// Computes some rows and columns of some products; the panels of these columns may be there already.
    pub(super) fn part<E, A, B>(
        &self,
        on: Machine,
        [batches, rows, columns]: [Range<usize>; 3],
        kept: Option<&[E::Packed]>,
    ) where
        E: Engine<T>,
        A: Operand<T>,
        B: Operand<T>,
        L: Fn(usize) -> A,
        R: Fn(usize) -> B,
    {
        let Self { size, shape, operands, bias, .. } = *self;
        let lens = [batches.len(), rows.len(), columns.len()];
        let cost_ns = Size { batch: lens[0], rows: lens[1], columns: lens[2], ..size }.cost_ns();
        let row_panels = rows.len().div_ceil(shape.rows);
        let column_panels = columns.len().div_ceil(shape.columns);
        if batches.is_empty() || row_panels == 0 || column_panels == 0 {
            return;
        }
        let steps = size.depth.div_ceil(shape.step);
        let block = depth_of_blocks(shape, steps);
        let line = shape.len * size_of::<E::Packed>();
        let most = GROUP / (block.max(shape.depth.min(SHALLOW)) * shape.columns * line);
        let wanted = if on.threads == 1 { 1 } else { TASKS };
        let column_group = (column_panels * batches.len()).div_ceil(wanted).clamp(1, most);
        let column_groups = column_panels.div_ceil(column_group);
        // Few columns: cut the rows too, though each part then packs the same columns again.
        let row_groups = wanted.div_ceil(batches.len() * column_groups).min(row_panels.div_ceil(4));
        let row_group = row_panels.div_ceil(row_groups);
        let row_groups = row_panels.div_ceil(row_group);

        // A cache line more than a panel takes: where that is a power of two, all that are packed at
        // once would lie in the same few places of the innermost cache.
        let panel = shape.rows * block * shape.len + ALIGN / size_of::<E::Packed>();
        let pack = (batches.len() * row_panels).div_ceil(wanted).clamp(1, PACKED_AT_ONCE);
        let packs = row_panels.div_ceil(pack);
        let mut left_panels: Scratch<E::Packed> = scratch(batches.len() * row_panels * panel);
        let is_large = size.columns * size.depth * size_of::<T>() >= SMALL_BYTES;
        let mut start = 0;
        loop {
            let end = steps.min(start + block);
            let last = end == steps;
            let depth = start * shape.step..size.depth.min(end * shape.step);
            let kept = kept.map(|kept| {
                let line = shape.line(columns.len());
                &kept[start * line..end * line]
            });
            let shared = Shared::new(&mut left_panels);
            on.parallel(batches.len() * packs, cost_ns / 8, |task| {
                let (batch, first) = (task / packs, task % packs * pack);
                let last = row_panels.min(first + pack);
                let across =
                    rows.start + first * shape.rows..rows.end.min(rows.start + last * shape.rows);
                // SAFETY: no other task packs these panels.
                let panels = unsafe {
                    shared.slice((batch * row_panels + first) * panel, (last - first) * panel)
                };
                let operand = &(operands.left)(batches.start + batch);
                let cut = Cut { depth: depth.clone(), across, width: shape.rows };
                E::run(on.isa, PackLeft { operand, cut, panels: (panels, panel) });
            });
            let tasks = batches.len() * column_groups * row_groups;
            on.parallel(tasks, cost_ns, |task| {
                // Tasks that follow each other take the same rows: their panels stay in the cache.
                let (rest, column_group_index) = (task / column_groups, task % column_groups);
                let (batch, row_group_index) = (rest / row_groups, rest % row_groups);
                let left = &left_panels[batch * row_panels * panel..][..row_panels * panel];
                let group = column_group * shape.columns;
                let first = columns.start + column_group_index * group;
                let next = columns.end.min(first + on.threads * group);
                let batch = batches.start + batch;
                let task = Task {
                    size,
                    right: &(operands.right)(batch),
                    kept: kept.map(|kept| {
                        &kept[(end - start) * shape.line(column_group_index * group)..]
                    }),
                    left,
                    panel,
                    rows: rows.clone(),
                    row_panels: row_group_index * row_group
                        ..row_panels.min((row_group_index + 1) * row_group),
                    columns: first..columns.end.min(first + group),
                    ahead: if is_large { next..columns.end.min(next + group) } else { 0..0 },
                    depth: depth.clone(),
                    bias: if last { bias } else { Bias::None },
                    out: &self.out,
                    out_start: batch * size.rows * size.columns,
                };
                E::run(on.isa, task);
            });
            start = end;
            if last {
                break;
            }
        }
    }
}

/// How many steps deep the blocks are: all about as deep.
pub(super) fn depth_of_blocks(shape: Shape, steps: usize) -> usize {
    let steps = steps.max(1);
    steps.div_ceil(steps.div_ceil(shape.depth))
}

/// Asks a unit how it wants its panels.
pub(super) struct AskShape;

impl<T: Float, P: Element> PanelWork<T, P> for AskShape {
    type Output = Shape;

    #[inline(always)]
    fn run<U: Unit<T, P>>(self, _: U) -> Shape {
        U::SHAPE
    }
}

/// Packs some rows of the left operand.
struct PackLeft<'a, P, A> {
    operand: &'a A,
    cut: Cut,
    /// The panels, and how far apart they start.
    panels: (&'a mut [P], usize),
}

impl<T: Float, P: Element, A: Operand<T>> PanelWork<T, P> for PackLeft<'_, P, A> {
    type Output = ();

    #[inline(always)]
    fn run<U: Unit<T, P>>(self, unit: U) {
        unit.pack_left(self.operand, self.cut, self.panels);
    }
}

/// Packs some columns of the right operand, panel behind panel.
pub(super) struct PackRight<'a, P, B> {
    pub(super) operand: &'a B,
    pub(super) depth: Range<usize>,
    pub(super) columns: Range<usize>,
    pub(super) panels: &'a mut [P],
}

impl<T: Float, P: Element, B: Operand<T>> PanelWork<T, P> for PackRight<'_, P, B> {
    type Output = ();

    #[inline(always)]
    fn run<U: Unit<T, P>>(self, unit: U) {
        let line = self.depth.len().div_ceil(U::SHAPE.step) * U::SHAPE.len;
        // The last panel may be narrower than the others.
        let Range { start, end } = self.columns;
        let middle = start + (end - start) / U::SHAPE.columns * U::SHAPE.columns;
        let (wide, narrow) = self.panels.split_at_mut((middle - start) * line);
        let width = (end - middle).next_multiple_of(U::SHAPE.align);
        for (across, width, panels) in
            [(start..middle, U::SHAPE.columns, wide), (middle..end, width, narrow)]
        {
            if line > 0 && !across.is_empty() {
                let cut = Cut { depth: self.depth.clone(), across, width };
                unit.pack_right(self.operand, cut, (panels, line * width));
            }
        }
    }
}

/// One block of depth of some rows and columns of one product.
struct Task<'a, T, P, B> {
    size: Size,
    right: &'a B,
    /// The packed panels from these columns on, if there are any.
    kept: Option<&'a [P]>,
    /// The packed panels of these rows.
    left: &'a [P],
    /// The distance between those panels.
    panel: usize,
    /// The rows that are packed, and which panels of them this task multiplies.
    rows: Range<usize>,
    row_panels: Range<usize>,
    columns: Range<usize>,
    /// The columns that this thread takes next, if they have to come from memory.
    ahead: Range<usize>,
    depth: Range<usize>,
    bias: Bias<'a, T>,
    out: &'a Shared<'a, T>,
    /// Where this product's `C` starts.
    out_start: usize,
}

impl<T: Float, P: Element, B: Operand<T>> PanelWork<T, P> for Task<'_, T, P, B> {
    type Output = ();

    #[inline(always)]
    fn run<U: Unit<T, P>>(self, unit: U) {
        let steps = self.depth.len().div_ceil(U::SHAPE.step);
        let panels = self.columns.len().div_ceil(U::SHAPE.columns);
        let mut packed;
        let right = match self.kept {
            Some(kept) => kept,
            None => {
                packed = scratch(panels * steps * U::SHAPE.len * U::SHAPE.columns);
                let (depth, columns) = (self.depth.clone(), self.columns.clone());
                PackRight { operand: self.right, depth, columns, panels: &mut packed }.run(unit);
                &packed
            }
        };
        let mut share = 0;
        for row_panel in self.row_panels.clone() {
            for index in 0..panels {
                let ahead = self.ahead(share, panels, steps * U::SHAPE.line(U::SHAPE.columns));
                self.tile(unit, right, steps, [row_panel, index], ahead);
                share += 1;
            }
        }
    }
}

impl<T: Float, P: Element, B: Operand<T>> Task<'_, T, P, B> {
    /// What memory is asked for beside a tile, by how many there were before it: of so many panels, each of
    /// so many packed numbers.
    #[inline(always)]
    fn ahead(&self, share: usize, panels: usize, panel: usize) -> Ahead {
        match self.kept {
            // The next panel. Only the first rows bring it from memory.
            Some(kept) if share < panels => {
                Ahead::part_of(kept, (share + 1) * panel..(share + 2) * panel)
            }
            Some(_) => Ahead::NOTHING,
            None => {
                let part = [self.depth.clone(), self.ahead.clone()];
                self.right.ahead(part, [share, self.row_panels.len() * panels])
            }
        }
    }

    /// Computes the tile of a panel of rows and one of this task's columns.
    #[inline(always)]
    fn tile<U: Unit<T, P>>(
        &self,
        unit: U,
        right: &[P],
        steps: usize,
        [rows, columns]: [usize; 2],
        ahead: Ahead,
    ) {
        let shape = U::SHAPE;
        let left = &self.left[rows * self.panel..][..steps * shape.rows * shape.len];
        let right = &right[columns * steps * shape.columns * shape.len..];
        let row = self.rows.start + rows * shape.rows;
        let column = self.columns.start + columns * shape.columns;
        let rows = shape.rows.min(self.rows.end - row);
        let columns = shape.columns.min(self.columns.end - column);
        let first = self.out_start + row * self.size.columns + column;
        let width = columns.next_multiple_of(shape.align);
        let (c_stride, accumulate) = (self.size.columns, self.depth.start > 0);
        // SAFETY: the rows lie within `C`, where no other task reads or writes.
        unsafe {
            let c = self.out.pointer(first);
            unit.multiply(Tile {
                left,
                right,
                width,
                steps,
                rows,
                columns,
                c,
                c_stride,
                accumulate,
                ahead,
            });
        }
        if !matches!(self.bias, Bias::None) {
            for i in 0..rows {
                // SAFETY: the row lies within the tile, where no other task reads or writes.
                let c = unsafe { self.out.slice(first + i * self.size.columns, columns) };
                add_bias(self.bias, row + i, column, c);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Isa;
    use crate::gemm::{InRegisters, Matrix, Plane};
    use crate::multiplier::Unrounded;

    #[test]
    fn parts_that_share_panels_have_the_bits_of_those_that_do_not() {
        let number = |i: usize| ((i * 7919) % 1013) as f32 / 1013.0 - 0.5;
        for (batch, rows, columns, depth) in [(1, 70, 300, 1700), (3, 9, 37, 33), (2, 200, 5, 801)]
        {
            let size = Size { batch, rows, columns, depth };
            let a: Vec<f32> = (0..batch * rows * depth).map(number).collect();
            let b: Vec<f32> = (7..7 + batch * depth * columns).map(number).collect();
            let bias: Vec<f32> = (0..rows).map(number).collect();
            let operands = &Operands {
                left: |i: usize| Matrix::row_major(&a[i * rows * depth..], depth).as_left(),
                right: |i: usize| Matrix::row_major(&b[i * depth * columns..], columns).as_right(),
                constant: None,
            };
            for isa in Isa::available() {
                type Registers = InRegisters<Unrounded>;
                let shape = <Registers as Engine<f32>>::run(isa, AskShape);
                let products = |threads: usize, cut: [usize; 3]| {
                    let mut out = vec![f32::NAN; batch * rows * columns];
                    let bias = Bias::Rows(&bias);
                    let job = Job { size, shape, operands, bias, out: Shared::new(&mut out) };
                    let lens = [batch, rows, columns];
                    let on = Machine { isa, threads };
                    for part in 0..8 {
                        // Before and behind the cut of each axis.
                        let part = [0, 1, 2].map(|axis| match part >> axis & 1 {
                            0 => 0..cut[axis],
                            _ => cut[axis]..lens[axis],
                        });
                        job.part::<InRegisters<Unrounded>, Plane<'_, f32>, Plane<'_, f32>>(
                            on, part, None,
                        );
                    }
                    out
                };
                let whole = products(1, [batch, rows, columns]);
                assert!(whole.iter().all(|sum| sum.is_finite()));
                assert_eq!(whole, products(3, [batch, rows, columns]), "{isa} {size:?}");
                assert_eq!(whole, products(3, [1, shape.rows, shape.align.min(columns)]));
            }
        }
    }
}
