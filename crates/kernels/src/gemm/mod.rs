//! Matrix products, `C = A · B` with an optional bias.
//!
//! Small products are cut into parts, one for each thread, which does all that follows alone (`job`). The
//! product is cut along its depth into blocks, so deep that panels of them stay in the inner caches
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
mod job;
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

use crate::multiplier::{self, Unrounded};
use crate::threads::Shared;
use crate::{Float, Machine, Precision};
use engine::Shape;
use job::{AskShape, Job};

/// Products that take one core so long at most are cut into a few parts, each of which packs for itself:
/// to pack something twice takes less time than to hand it from core to core. Of larger ones the panels
/// are shared, and there are more tasks, so that a thread that is held up leaves some to the others.
const ALONE_NS: usize = 20_000_000;

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
