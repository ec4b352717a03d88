//! Matrix products, `C = A · B` with an optional bias.
//!
//! Small products are cut into parts, one for each thread, which does all that follows alone. The product
//! is cut along its depth into blocks, so deep that panels of them stay in the inner caches
//! (`engine`). For each block the rows of `A` are packed into panels, once for all tasks. A task
//! takes some columns, packs them into panels too, and multiplies every panel of `A` with every one of
//! its own: in registers (`tile`), or by the tiles of a processor that has any (`tiled`).
//!
//! Panels for registers hold numbers as they are or, where [`Precision`] allows it and the processor is
//! faster so, pairs of them rounded to `bf16`; those for tiles hold the parts of split numbers.
//!
//! A right operand that will come again, the weight of a model in use, is packed once (`kept`).
//!
//! Operands are anything that can be packed ([`Operand`]): a matrix with any strides, or lines that lie
//! anywhere, as the states of a recurrent layer do.
//!
//! Very small products and those with a vector have loops of their own in `small`.

mod engine;
mod kept;
mod pack;
mod small;
mod tile;
mod tiled;

pub(crate) use engine::{Engine, InRegisters, Unit};
pub use kept::Constant;
pub use pack::{Ahead, Cut, Operand, Plane};
#[cfg(test)]
pub(crate) use tiled::tests::Modelled;
pub(crate) use tiled::{InTiles, PartsUnit, may_split_numbers, parts};
pub use tiled::{PART, SIDE, STEP_BYTES, TileUnit, TileWork, products};

use crate::memory::{ALIGN, Scratch, scratch};
use crate::multiplier::{self, Unrounded};
use crate::threads::Shared;
use crate::{Element, Float, Machine, Precision};
use engine::{PanelWork, Shape, Tile};
use std::ops::Range;

/// How many bytes of `B` one task packs at most: they stay in the second-level cache.
const GROUP: usize = 288 << 10;

/// Panels less deep count as if they had so many steps: of short ones a task would get too many.
const SHALLOW: usize = 256;

/// How many panels of `A` a task packs at most: so many that what lies side by side in memory is read
/// at once, and so few that the lines of all of them fit into the innermost cache.
const PACKED_AT_ONCE: usize = 8;

/// Products that take one core so long at most are cut into a few parts, each of which packs for itself:
/// to pack something twice takes less time than to hand it from core to core. Of larger ones the panels
/// are shared, and there are more tasks, so that a thread that is held up leaves some to the others.
const ALONE_NS: usize = 20_000_000;

/// A right operand of fewer bytes stays in the second-level cache.
const SMALL_BYTES: usize = 512 << 10;

/// How many tasks are wanted at least of larger ones, however few columns there are.
const TASKS: usize = 16;

/// The size of a batch of matrix products.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// How many products there are.
    pub batch: usize,
    /// Rows of `A` and `C`.
    pub rows: usize,
    /// Columns of `B` and `C`.
    pub columns: usize,
    /// Columns of `A`, rows of `B`.
    pub depth: usize,
}

impl Size {
    /// An estimate of the time the products take one core.
    pub(crate) fn cost_ns(self) -> usize {
        self.batch * (self.rows * self.columns * self.depth / 32 + self.rows * self.columns / 4)
    }
}

/// What is added to the product.
#[derive(Clone, Copy, Debug)]
pub enum Bias<'a, T> {
    /// Nothing.
    None,
    /// One number for each row.
    Rows(&'a [T]),
    /// One number for each column.
    Columns(&'a [T]),
}

/// A matrix in memory: element (i, j) is `data[offset + i * row_stride + j * column_stride]`.
#[derive(Clone, Copy, Debug)]
pub struct Matrix<'a, T> {
    /// The memory the matrix lies in.
    pub data: &'a [T],
    /// Where element (0, 0) lies.
    pub offset: usize,
    /// The distance between rows.
    pub row_stride: isize,
    /// The distance between columns.
    pub column_stride: isize,
}

impl<'a, T: Float> Matrix<'a, T> {
    /// A matrix whose rows of `columns` numbers lie one after another.
    pub fn row_major(data: &'a [T], columns: usize) -> Self {
        Self { data, offset: 0, row_stride: columns as isize, column_stride: 1 }
    }

    #[inline(always)]
    fn at(&self, row: usize, column: usize) -> T {
        let step = row as isize * self.row_stride + column as isize * self.column_stride;
        self.data[self.offset.wrapping_add_signed(step)]
    }

    /// The matrix mirrored at its diagonal.
    fn transposed(self) -> Self {
        Self { row_stride: self.column_stride, column_stride: self.row_stride, ..self }
    }

    fn as_left(&self) -> Plane<'a, T> {
        let Self { data, offset, row_stride, column_stride } = *self;
        Plane { data, offset, depth_stride: column_stride, across_stride: row_stride }
    }

    fn as_right(&self) -> Plane<'a, T> {
        self.transposed().as_left()
    }
}

/// Multiplies matrices: `out[b] = left(b) · right(b) + bias`.
///
/// `out` holds `batch` matrices of `rows` rows and `columns` columns, row by row.
///
/// # Panics
/// If `out` or the bias has another length, or a matrix reaches beyond its memory.
pub fn matmul<'a, T: Float>(
    on: Machine,
    precision: Precision,
    size: Size,
    left: impl Fn(usize) -> Matrix<'a, T> + Sync,
    right: impl Fn(usize) -> Matrix<'a, T> + Sync,
    bias: Bias<'_, T>,
    out: &mut [T],
) {
    let work = size.rows * size.columns * size.depth;
    if work <= small::WORK || size.rows == 1 || size.columns == 1 {
        return small::matmul(on, size, &left, &right, bias, out);
    }
    let (left, right) = (|batch| left(batch).as_left(), |batch| right(batch).as_right());
    packed(on, precision, size, Operands { left, right, constant: None }, bias, out);
}

/// Multiplies by a matrix that will come again: `out = left · right + bias`; see [`matmul`]. If the
/// left one has 2 to 256 rows, or one that is rounded to `bf16`, what is packed of the right one is kept
/// with its memory from the second time on (see [`Block::derived`](crate::memory::Block::derived)), which
/// takes about as much memory again.
///
/// # Panics
/// If there is more than one product, and where [`matmul`] does.
pub fn matmul_by_constant<T: Float>(
    on: Machine,
    precision: Precision,
    size: Size,
    left: Matrix<'_, T>,
    right: Constant<'_, T>,
    bias: Bias<'_, T>,
    out: &mut [T],
) {
    assert_eq!(size.batch, 1, "a constant is the operand of one product");
    if right.is_worth_keeping(on, precision, size) {
        let matrix = right.matrix;
        let operands = Operands {
            left: |_| left.as_left(),
            right: |_| matrix.as_right(),
            constant: Some(right),
        };
        return packed(on, precision, size, operands, bias, out);
    }
    matmul(on, precision, size, |_| left, |_| right.matrix, bias, out);
}

/// The operands of a batch of products, by their index.
pub struct Operands<'a, T, L, R> {
    /// Gives the left operand of a product.
    pub left: L,
    /// Gives the right operand of a product.
    pub right: R,
    /// The right operand of the only product, if it will come again.
    pub constant: Option<Constant<'a, T>>,
}

/// Multiplies packed operands: `out[b] = left(b) · right(b) + bias`; see [`matmul`].
///
/// # Panics
/// If `out` or the bias has another length.
pub fn packed<T, A, B, L, R>(
    on: Machine,
    precision: Precision,
    size: Size,
    operands: Operands<'_, T, L, R>,
    bias: Bias<'_, T>,
    out: &mut [T],
) where
    T: Float,
    A: Operand<T>,
    B: Operand<T>,
    L: Fn(usize) -> A + Sync,
    R: Fn(usize) -> B + Sync,
{
    assert_eq!(out.len(), size.batch * size.rows * size.columns);
    match tiled::parts::<T>(on, precision, size) {
        Some(1) => return packed_by::<T, T::Tiled<1>, A, B, L, R>(on, size, operands, bias, out),
        Some(parts) if tiled::may_split(on, size, &operands) => match parts {
            2 => return packed_by::<T, T::Tiled<2>, A, B, L, R>(on, size, operands, bias, out),
            _ => return packed_by::<T, T::Tiled<3>, A, B, L, R>(on, size, operands, bias, out),
        },
        _ => {}
    }
    if multiplier::rounds::<T>(on, precision) {
        packed_by::<T, InRegisters<T::Rounded>, A, B, L, R>(on, size, operands, bias, out);
    } else {
        packed_by::<T, InRegisters<Unrounded>, A, B, L, R>(on, size, operands, bias, out);
    }
}

/// Multiplies operands in panels as an engine wants them.
fn packed_by<T, E, A, B, L, R>(
    on: Machine,
    size: Size,
    operands: Operands<'_, T, L, R>,
    bias: Bias<'_, T>,
    out: &mut [T],
) where
    T: Float,
    E: Engine<T>,
    A: Operand<T>,
    B: Operand<T>,
    L: Fn(usize) -> A + Sync,
    R: Fn(usize) -> B + Sync,
{
    let shape = E::run(on.isa, AskShape);
    let job = Job { size, shape, operands: &operands, bias, out: Shared::new(out) };
    let Size { batch, rows, columns, .. } = size;
    let alone = Machine { threads: 1, ..on };
    let shares = on.shares(size.cost_ns());
    let kept = operands.constant.and_then(|constant| constant.panels::<E>(on, size, shape));
    if kept.is_none() && (!shares || size.cost_ns() > ALONE_NS) {
        let on = if shares { on } else { alone };
        return job.part::<E, A, B>(on, [0..batch, 0..rows, 0..columns], None);
    }
    let [row_part, column_part] = match &kept {
        Some(kept) => kept.part(on, rows),
        None => parts_alone(on, size, shape),
    };
    let row_part = row_part.next_multiple_of(shape.rows).max(1);
    let column_part = column_part.next_multiple_of(shape.align).max(1);
    let [row_parts, column_parts] = [rows.div_ceil(row_part), columns.div_ceil(column_part)];
    on.parallel(batch * row_parts * column_parts, size.cost_ns(), |task| {
        let (rest, column) = (task / column_parts, task % column_parts * column_part);
        let (batch, row) = (rest / row_parts, rest % row_parts * row_part);
        let rows = row..rows.min(row + row_part);
        let columns = column..columns.min(column + column_part);
        let kept = kept.as_ref().map(|kept| kept.part_from(columns.start));
        job.part::<E, A, B>(alone, [batch..batch + 1, rows, columns], kept);
    });
}

/// How many rows and columns the parts of a product have, each of which packs what it reads for itself: as
/// many as give all threads the same work, and so that they pack the least.
fn parts_alone(on: Machine, size: Size, shape: Shape) -> [usize; 2] {
    let Size { batch, rows, columns, .. } = size;
    let wanted = match batch {
        _ if batch >= 4 * on.threads => 1,
        _ => (1..=on.threads).find(|parts| (batch * parts).is_multiple_of(on.threads)).unwrap_or(1),
    };
    let possible = (1..=wanted.min(rows.div_ceil(shape.rows)))
        .filter(|row_parts| wanted.is_multiple_of(*row_parts));
    let packed = |row_parts: &usize| rows / row_parts + columns / (wanted / row_parts);
    let row_parts = possible.min_by_key(packed).unwrap_or(1);
    [rows.div_ceil(row_parts), columns.div_ceil(wanted / row_parts)]
}

/// What all tasks of a batch of products need.
struct Job<'a, T, L, R> {
    size: Size,
    shape: Shape,
    operands: &'a Operands<'a, T, L, R>,
    bias: Bias<'a, T>,
    out: Shared<'a, T>,
}

impl<T: Float, L: Sync, R: Sync> Job<'_, T, L, R> {
    /// Computes some rows and columns of some products; the panels of these columns may be there already.
    fn part<E, A, B>(
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
fn depth_of_blocks(shape: Shape, steps: usize) -> usize {
    let steps = steps.max(1);
    steps.div_ceil(steps.div_ceil(shape.depth))
}

/// Asks a unit how it wants its panels.
struct AskShape;

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
struct PackRight<'a, P, B> {
    operand: &'a B,
    depth: Range<usize>,
    columns: Range<usize>,
    panels: &'a mut [P],
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

/// Adds the bias to a part of a row of `C` that starts at a column.
#[inline(always)]
fn add_bias<T: Float>(bias: Bias<'_, T>, row: usize, column: usize, c: &mut [T]) {
    match bias {
        Bias::None => {}
        Bias::Rows(bias) => {
            for c in c {
                *c = c.plus(bias[row]);
            }
        }
        Bias::Columns(bias) => {
            for (c, &bias) in c.iter_mut().zip(&bias[column..]) {
                *c = c.plus(bias);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Isa;
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
