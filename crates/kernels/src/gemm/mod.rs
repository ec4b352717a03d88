//! Matrix products, `C = A · B` with an optional bias.
//!
//! The product is cut along its depth into blocks of about `DEPTH`, or of up to `FEW_ROWS_DEPTH` if
//! there are few rows. For each block the rows of `A` are packed into panels of `TILE_ROWS` rows, once
//! for all tasks. A task takes some columns, packs
//! them into panels of `TILE_VECTORS` vectors, and multiplies every panel of `A` with every one of
//! its own in registers.
//!
//! Panels hold numbers as they are or, where [`Precision`] allows it and the processor is faster so,
//! pairs of them rounded to `bf16`.
//!
//! Operands are anything that can be packed ([`Operand`]): a matrix with any strides, or an image
//! seen as the matrix of its patches, so that a convolution is a matrix product without a copy of
//! those patches.
//!
//! Very small products and those with a vector have loops of their own in `small`.

mod pack;
mod small;
mod tile;

pub use pack::{Cut, Operand, Plane};

use crate::memory::{Scratch, scratch};
use crate::multiplier::{self, Format, Multiplier, Pack, Unrounded, Work};
use crate::simd::{Routine, Simd, Vector};
use crate::threads::Shared;
use crate::{Element, Float, Machine, Precision};
use std::ops::Range;
use tile::Tile;

/// How many packed numbers are multiplied and summed in registers before they are added to `C`: a
/// panel of `A` and one of `B` of this depth stay in the inner caches.
const DEPTH: usize = 256;

/// As many are if all rows of `A` have at most [`FEW_ROWS`]: the blocks are cut less often, and what is read from the second-level cache instead of the first is little.
const FEW_ROWS_DEPTH: usize = 512;

/// So many rows are few.
const FEW_ROWS: usize = 256;

/// How many bytes of `B` one task packs at most: they stay in the second-level cache.
const GROUP: usize = 288 << 10;

/// How many panels of `A` a task packs at most: so many that what lies side by side in memory is read
/// at once, and so few that the lines of all of them fit into the innermost cache.
const PACKED_AT_ONCE: usize = 8;

/// How many tasks are wanted at least, however few columns there are.
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
    let operands = Operands {
        left: |batch| left(batch).as_left(),
        right: |batch| right(batch).as_right(),
        shared_left: false,
    };
    packed(on, precision, size, operands, bias, out);
}

/// The operands of a batch of products, by their index.
pub struct Operands<L, R> {
    /// Gives the left operand of a product.
    pub left: L,
    /// Gives the right operand of a product.
    pub right: R,
    /// True if all products have the same left operand, which is then packed once.
    pub shared_left: bool,
}

/// Multiplies packed operands: `out[b] = left(b) · right(b) + bias`; see [`matmul`].
///
/// # Panics
/// If `out` or the bias has another length.
pub fn packed<T, A, B, L, R>(
    on: Machine,
    precision: Precision,
    size: Size,
    operands: Operands<L, R>,
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
    if multiplier::rounds::<T>(on, precision) {
        packed_to::<T, T::Rounded, A, B, L, R>(on, size, operands, bias, out);
    } else {
        packed_to::<T, Unrounded, A, B, L, R>(on, size, operands, bias, out);
    }
}

/// Multiplies operands packed to a format.
fn packed_to<T, F, A, B, L, R>(
    on: Machine,
    size: Size,
    operands: Operands<L, R>,
    bias: Bias<'_, T>,
    out: &mut [T],
) where
    T: Float,
    F: Format<T>,
    A: Operand<T>,
    B: Operand<T>,
    L: Fn(usize) -> A + Sync,
    R: Fn(usize) -> B + Sync,
{
    let tile = on.isa.run(TileSize(std::marker::PhantomData::<T>));
    let left_batches = if operands.shared_left { size.batch.min(1) } else { size.batch };
    let row_panels = size.rows.div_ceil(tile.rows);
    let column_panels = size.columns.div_ceil(tile.columns);
    if row_panels == 0 || column_panels == 0 {
        return;
    }
    let steps = size.depth.div_ceil(F::STEPS);
    let block = depth_of_blocks(size.rows, steps);
    let most = GROUP / (block.max(DEPTH) * tile.columns * size_of::<F::Packed>());
    let column_group = (column_panels * size.batch).div_ceil(TASKS).clamp(1, most);
    let column_groups = column_panels.div_ceil(column_group);
    // Few columns: cut the rows too, though each part then packs the same columns again.
    let row_groups = TASKS.div_ceil(size.batch.max(1) * column_groups).min(row_panels.div_ceil(4));
    let row_group = row_panels.div_ceil(row_groups);
    let row_groups = row_panels.div_ceil(row_group);

    let panel = tile.rows * block;
    let pack = (left_batches * row_panels).div_ceil(TASKS).clamp(1, PACKED_AT_ONCE);
    let packs = row_panels.div_ceil(pack);
    let mut left_panels: Scratch<F::Packed> = scratch(left_batches * row_panels * panel);
    let out = Shared::new(out);
    let mut start = 0;
    loop {
        let end = steps.min(start + block);
        let last = end == steps;
        let depth = start * F::STEPS..size.depth.min(end * F::STEPS);
        let shared = Shared::new(&mut left_panels);
        on.parallel(left_batches * packs, size.cost_ns() / 8, |task| {
            let (batch, first) = (task / packs, task % packs * pack);
            let last = row_panels.min(first + pack);
            let rows = first * tile.rows..size.rows.min(last * tile.rows);
            // SAFETY: no other task packs these panels.
            let panels = unsafe {
                shared.slice((batch * row_panels + first) * panel, (last - first) * panel)
            };
            let (operand, depth) = ((operands.left)(batch), depth.clone());
            let cut = Cut { depth, across: rows, width: tile.rows };
            F::run(on.isa, Pack { operand: &operand, cut, panels: (panels, panel) });
        });
        let tasks = size.batch * column_groups * row_groups;
        on.parallel(tasks, size.cost_ns(), |task| {
            // Tasks that follow each other take the same rows: their panels stay in the cache.
            let (rest, column_group_index) = (task / column_groups, task % column_groups);
            let (batch, row_group_index) = (rest / row_groups, rest % row_groups);
            let left = if operands.shared_left { 0 } else { batch };
            let columns = column_group_index * column_group * tile.columns;
            let task = Task {
                size,
                right: &(operands.right)(batch),
                left: &left_panels[left * row_panels * panel..][..row_panels * panel],
                panel,
                row_panels: row_group_index * row_group
                    ..row_panels.min((row_group_index + 1) * row_group),
                columns: columns..size.columns.min(columns + column_group * tile.columns),
                depth: depth.clone(),
                bias: if last { bias } else { Bias::None },
                out: &out,
                out_start: batch * size.rows * size.columns,
            };
            F::run(on.isa, task);
        });
        start = end;
        if last {
            break;
        }
    }
}

/// How many packed numbers deep the blocks are: all about as deep.
fn depth_of_blocks(rows: usize, depth: usize) -> usize {
    let most = if rows <= FEW_ROWS { FEW_ROWS_DEPTH } else { DEPTH };
    let depth = depth.max(1);
    depth.div_ceil(depth.div_ceil(most))
}

/// Asks an instruction set for the size of its tile.
struct TileSize<T>(std::marker::PhantomData<T>);

#[derive(Clone, Copy)]
struct TileShape {
    rows: usize,
    columns: usize,
}

impl<T: Float> Routine for TileSize<T> {
    type Output = TileShape;

    #[inline(always)]
    fn run<S: Simd>(self, _: S) -> TileShape {
        TileShape { rows: S::TILE_ROWS, columns: S::TILE_VECTORS * T::Vector::<S>::LANES }
    }
}

/// One block of depth of some rows and columns of one product.
struct Task<'a, T, P, B> {
    size: Size,
    right: &'a B,
    /// The packed panels of all rows.
    left: &'a [P],
    /// The distance between those panels.
    panel: usize,
    row_panels: Range<usize>,
    columns: Range<usize>,
    depth: Range<usize>,
    bias: Bias<'a, T>,
    out: &'a Shared<'a, T>,
    /// Where this product's `C` starts.
    out_start: usize,
}

/// More numbers than any tile has.
const MAX_TILE: usize = 8 * 3 * 16;

impl<T: Float, P: Element, B: Operand<T>> Work<T, P> for Task<'_, T, P, B> {
    type Output = ();

    #[inline(always)]
    fn run<M: Multiplier<Scalar = T, Packed = P>>(self, multiplier: M) {
        let tile_rows = M::Isa::TILE_ROWS;
        let tile_columns = M::Isa::TILE_VECTORS * M::Sums::LANES;
        let depth = self.depth.len().div_ceil(M::STEPS);
        let panels = self.columns.len().div_ceil(tile_columns);
        let mut right = scratch(panels * depth * tile_columns);
        // The last panel may be narrower than the others.
        let Range { start, end } = self.columns;
        let middle = start + (end - start) / tile_columns * tile_columns;
        let (wide, narrow) = right.split_at_mut((middle - start) * depth);
        let width = (end - middle).next_multiple_of(M::Sums::LANES);
        for (across, width, panels) in
            [(start..middle, tile_columns, wide), (middle..end, width, narrow)]
        {
            if depth > 0 && !across.is_empty() {
                let cut = Cut { depth: self.depth.clone(), across, width };
                Pack { operand: self.right, cut, panels: (panels, depth * width) }.run(multiplier);
            }
        }
        for row_panel in self.row_panels.clone() {
            let left = &self.left[row_panel * self.panel..][..depth * tile_rows];
            for index in 0..panels {
                let right = &right[index * depth * tile_columns..];
                self.tile(multiplier, left, right, row_panel * tile_rows, index * tile_columns);
            }
        }
    }
}

impl<T: Float, P: Element, B> Task<'_, T, P, B> {
    /// Computes the tile that starts at a row of `C` and a column of this task. It is as wide as the
    /// panel at the front of `right`: the tile's columns in whole vectors.
    #[inline(always)]
    fn tile<M: Multiplier<Scalar = T, Packed = P>>(
        &self,
        multiplier: M,
        left: &[P],
        right: &[P],
        row: usize,
        column: usize,
    ) {
        let (tile_rows, lanes) = (M::Isa::TILE_ROWS, M::Sums::LANES);
        let column = self.columns.start + column;
        let rows = tile_rows.min(self.size.rows - row);
        let columns = (M::Isa::TILE_VECTORS * lanes).min(self.size.columns - column);
        let vectors = columns.div_ceil(lanes);
        let width = vectors * lanes;
        let first = self.out_start + row * self.size.columns + column;
        let accumulate = self.depth.start > 0;
        let depth = left.len() / tile_rows;
        let (a, b) = (left.as_ptr(), right[..depth * width].as_ptr());
        if rows == tile_rows && columns == width {
            // SAFETY: the panels are `depth` packed numbers deep, and the whole tile lies within
            // `C`, where no other task writes.
            unsafe {
                let (c, c_stride) = (self.out.pointer(first), self.size.columns);
                let tile = Tile { vectors, depth, a, b, c, c_stride, accumulate };
                tile::compute(multiplier, tile);
            }
        } else {
            let mut edge = [T::ZERO; MAX_TILE];
            // SAFETY: the panels are `depth` packed numbers deep, and `edge` holds the largest tile.
            unsafe {
                let (c, c_stride) = (edge.as_mut_ptr(), width);
                let tile = Tile { vectors, depth, a, b, c, c_stride, accumulate: false };
                tile::compute(multiplier, tile);
            }
            for (i, edge) in edge.chunks_exact(width).take(rows).enumerate() {
                // SAFETY: the row lies within the tile, where no other task reads or writes.
                let c = unsafe { self.out.slice(first + i * self.size.columns, columns) };
                for (c, &sum) in c.iter_mut().zip(edge) {
                    *c = if accumulate { c.plus(sum) } else { sum };
                }
            }
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
