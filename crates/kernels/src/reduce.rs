//! Reductions: sum, product, maximum and minimum, and where the extremes lie.
//!
//! What a number of the result is made of is cut into blocks of fixed length, whatever the number
//! of threads, and the blocks' results are combined in their order. Sums of `f32` add the sums of
//! blocks in `f64`, so their error does not grow with the length.

use crate::chain::Chain;
use crate::element::{Element, Float, Number};
use crate::memory::scratch;
use crate::simd::{Routine, Simd, Vector};
use crate::strided::{Axes, Strided, TILE, Tiles};
use crate::threads::Shared;
use crate::{Bool, Chunks, Isa, Machine};
use std::ops::{Add, Mul, Range};

/// What a reduction computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reduction {
    /// x₁ + x₂ + …; 0 of nothing.
    Sum,
    /// x₁ · x₂ · …; 1 of nothing.
    Product,
    /// The largest number, NaN if there is one; the lowest number there is of nothing.
    Max,
    /// The smallest number, NaN if there is one; the highest number there is of nothing.
    Min,
}

impl Reduction {
    fn start<T: Number>(self) -> T {
        match self {
            Self::Sum => T::ZERO,
            Self::Product => T::ONE,
            Self::Max => T::LOWEST,
            Self::Min => T::HIGHEST,
        }
    }

    #[inline(always)]
    fn combine<T: Number>(self, x: T, y: T) -> T {
        match self {
            Self::Sum => x.plus(y),
            Self::Product => x.times(y),
            Self::Max => {
                if y > x || y.is_nan() {
                    y
                } else {
                    x
                }
            }
            Self::Min => {
                if y < x || y.is_nan() {
                    y
                } else {
                    x
                }
            }
        }
    }
}

/// How many numbers a block has.
const BLOCK: usize = 16 * TILE;

/// Reduces the axes of `x` behind the first `kept` ones: out[i…] = reduction of x[i…, j…] over j….
///
/// # Panics
/// If `out` does not have as many elements as the kept axes.
pub fn reduce<T: Reducible>(
    on: Machine,
    reduction: Reduction,
    x: Strided<'_, T>,
    kept: usize,
    out: &mut [T],
) {
    let memory = Memory { data: x.data, tiles: Tiles::new(x) };
    reduce_view(on, reduction, &View::new(x.offset, x.shape, x.strides, kept, memory), out);
}

/// Reduces a view of the results of a chain as [`reduce`] would the view of their memory, which they
/// are never written to. The bits are the same. False if that cannot be done for such a view.
///
/// # Panics
/// As [`reduce`], or if the view reaches beyond the results.
pub fn reduce_chain<T: Reducible + Float>(
    on: Machine,
    reduction: Reduction,
    chain: &Chain<'_, T>,
    (shape, strides): (&[usize], &[isize]),
    kept: usize,
    out: &mut [T],
) -> bool {
    let results = Results { chain, isa: on.isa };
    let view = View::new(0, shape, strides, kept, results);
    let fits = view.columns_are_contiguous() || Axes::joined(shape, strides).is_contiguous();
    if fits {
        reduce_view(on, reduction, &view, out);
    }
    fits
}

fn reduce_view<T: Reducible>(
    on: Machine,
    reduction: Reduction,
    view: &View<impl Numbers<Number = T>>,
    out: &mut [T],
) {
    assert_eq!(out.len(), view.kept.len());
    if view.columns_are_contiguous() {
        return reduce_columns(on, reduction, view, out);
    }
    let blocks = view.reduced.len().div_ceil(BLOCK);
    let cost_ns = view.kept.len() * view.reduced.len() / 4;
    if blocks <= 1 {
        let rows = (BLOCK / view.reduced.len().max(1)).max(1);
        on.for_each(Chunks::new(out, rows), cost_ns, |index, out| {
            on.isa.run(RowsTask { reduction, view, first: index * rows, out });
        });
        return;
    }
    // Long rows: several tasks for each, whose results are then combined in order.
    let mut partial = scratch::<T>(out.len() * blocks);
    on.for_each(Chunks::new(&mut partial, 1), cost_ns, |index, partial| {
        let (row, block) = (index / blocks, index % blocks);
        let (start, end) = (block * BLOCK, view.reduced.len().min((block + 1) * BLOCK));
        partial[0] = on.isa.run(BlockTask { reduction, view, row, start, end });
    });
    for (out, partial) in out.iter_mut().zip(partial.chunks_exact(blocks)) {
        *out = T::combine_blocks(reduction, partial);
    }
}

/// Where the numbers of a reduction come from.
trait Numbers: Sync {
    /// Their type.
    type Number;

    /// How long the buffer must be in which `len` numbers are read.
    fn space(&self, len: usize) -> usize;

    /// The numbers of the view in row-major order, from `start` on.
    fn read<'b>(
        &'b self,
        start: usize,
        len: usize,
        buffer: &'b mut [Self::Number],
    ) -> &'b [Self::Number];

    /// The numbers as they lie in memory, from a position on.
    fn at<'b>(
        &'b self,
        position: usize,
        len: usize,
        buffer: &'b mut [Self::Number],
    ) -> &'b [Self::Number];
}

struct Memory<'a, T> {
    data: &'a [T],
    tiles: Tiles<'a, T>,
}

impl<T: Element> Numbers for Memory<'_, T> {
    type Number = T;

    fn space(&self, len: usize) -> usize {
        len
    }

    #[inline(always)]
    fn read<'b>(&'b self, start: usize, len: usize, buffer: &'b mut [T]) -> &'b [T] {
        self.tiles.read(start, &mut buffer[..len])
    }

    #[inline(always)]
    fn at<'b>(&'b self, position: usize, len: usize, _: &'b mut [T]) -> &'b [T] {
        &self.data[position..][..len]
    }
}

/// The results of a chain, of which a view in row-major order is as they would lie in memory.
struct Results<'a, T> {
    chain: &'a Chain<'a, T>,
    isa: Isa,
}

impl<T: Float> Numbers for Results<'_, T> {
    type Number = T;

    fn space(&self, len: usize) -> usize {
        self.chain.space(len)
    }

    fn read<'b>(&'b self, start: usize, len: usize, buffer: &'b mut [T]) -> &'b [T] {
        self.chain.read(self.isa, start, len, buffer)
    }

    fn at<'b>(&'b self, position: usize, len: usize, buffer: &'b mut [T]) -> &'b [T] {
        self.chain.read(self.isa, position, len, buffer)
    }
}

/// The input of a reduction, its axes parted in two.
struct View<N> {
    offset: usize,
    kept: Axes,
    reduced: Axes,
    numbers: N,
}

impl<N> View<N> {
    fn new(offset: usize, shape: &[usize], strides: &[isize], kept: usize, numbers: N) -> Self {
        Self {
            offset,
            kept: Axes::joined(&shape[..kept], &strides[..kept]),
            reduced: Axes::joined(&shape[kept..], &strides[kept..]),
            numbers,
        }
    }

    /// True if neighbours in the result come from neighbours in memory, and those that are summed
    /// do not lie side by side.
    fn columns_are_contiguous(&self) -> bool {
        self.kept.is_contiguous() && self.kept.len() >= 8 && self.reduced.rank == 1
    }
}

/// Numbers that can be reduced, by blocks.
pub trait Reducible: Number {
    /// Reduces numbers that lie side by side.
    fn reduce_slice<S: Simd>(isa: S, reduction: Reduction, x: &[Self]) -> Self;
    /// Reduces each column of `x` into the column of `out`.
    fn reduce_rows<S: Simd>(isa: S, reduction: Reduction, x: &[Self], out: &mut [Self]);
    /// Combines the results of blocks, in their order.
    fn combine_blocks(reduction: Reduction, blocks: &[Self]) -> Self;
}

/// Implements [`Reducible`] for floats, by vectors.
macro_rules! reducible_float {
    ($($name:ident)*) => {$(
        impl Reducible for $name {
            #[inline(always)]
            fn reduce_slice<S: Simd>(isa: S, reduction: Reduction, x: &[Self]) -> Self {
                match reduction {
                    Reduction::Sum => sum_slice(isa, x),
                    _ => fold(isa, reduction, x),
                }
            }
            #[inline(always)]
            fn reduce_rows<S: Simd>(isa: S, reduction: Reduction, x: &[Self], out: &mut [Self]) {
                match reduction {
                    Reduction::Sum => fold_row(isa, Sum, x, out),
                    Reduction::Product => fold_row(isa, Product, x, out),
                    Reduction::Max => fold_row(isa, Largest, x, out),
                    Reduction::Min => fold_row(isa, Smallest, x, out),
                }
            }
            fn combine_blocks(reduction: Reduction, blocks: &[Self]) -> Self {
                match reduction {
                    Reduction::Sum => blocks.iter().map(|&x| x as f64).sum::<f64>() as Self,
                    _ => blocks.iter().fold(reduction.start(), |a, &b| reduction.combine(a, b)),
                }
            }
        }
    )*};
}
reducible_float!(f32 f64);

/// Implements [`Reducible`] for integers, one by one.
macro_rules! reducible_integer {
    ($($name:ident)*) => {$(
        impl Reducible for $name {
            #[inline(always)]
            fn reduce_slice<S: Simd>(_: S, reduction: Reduction, x: &[Self]) -> Self {
                x.iter().fold(reduction.start(), |a, &b| reduction.combine(a, b))
            }
            #[inline(always)]
            fn reduce_rows<S: Simd>(_: S, reduction: Reduction, x: &[Self], out: &mut [Self]) {
                for (out, &x) in out.iter_mut().zip(x) {
                    *out = reduction.combine(*out, x);
                }
            }
            fn combine_blocks(reduction: Reduction, blocks: &[Self]) -> Self {
                blocks.iter().fold(reduction.start(), |a, &b| reduction.combine(a, b))
            }
        }
    )*};
}
reducible_integer!(i64 i32 u8 Bool);

/// The sum of a slice: four vectors wide over each tile, the tiles' sums added in `f64`.
#[inline(always)]
pub(crate) fn sum_slice<S: Simd, T: Float>(isa: S, x: &[T]) -> T {
    let mut total = 0.0;
    for tile in x.chunks(TILE) {
        total += fold_vectors(isa, Sum, tile).to_f64();
    }
    T::from_f64(total)
}

/// How two numbers, or the lanes of two vectors, become one.
///
/// A type for each way, not a closure: a closure would be compiled on its own, without the
/// instruction set of the loop it is used in.
trait Combine<T: Float>: Copy {
    /// What changes no number it is combined with.
    const START: T;
    fn vectors<V: Vector<Scalar = T>>(self, a: V, b: V) -> V;
    fn numbers(self, a: T, b: T) -> T;
}

/// For each way: its name, its start, and how it combines vectors and numbers.
macro_rules! combine {
    ($($name:ident, $start:ident, $vectors:path, $numbers:path;)*) => {$(
        #[derive(Clone, Copy)]
        struct $name;

        impl<T: Float> Combine<T> for $name {
            const START: T = T::$start;
            #[inline(always)]
            fn vectors<V: Vector<Scalar = T>>(self, a: V, b: V) -> V {
                $vectors(a, b)
            }
            #[inline(always)]
            fn numbers(self, a: T, b: T) -> T {
                $numbers(a, b)
            }
        }
    )*};
}

combine! {
    Sum, ZERO, Add::add, Number::plus;
    Product, ONE, Mul::mul, Number::times;
    Largest, LOWEST, Vector::maximum, Float::maximum;
    Smallest, HIGHEST, Vector::minimum, Float::minimum;
}

/// Reduces a slice four vectors wide.
#[inline(always)]
pub(crate) fn fold<S: Simd, T: Float>(isa: S, reduction: Reduction, x: &[T]) -> T {
    match reduction {
        Reduction::Sum => fold_vectors(isa, Sum, x),
        Reduction::Product => fold_vectors(isa, Product, x),
        Reduction::Max => fold_vectors(isa, Largest, x),
        Reduction::Min => fold_vectors(isa, Smallest, x),
    }
}

#[inline(always)]
fn fold_vectors<S: Simd, T: Float, C: Combine<T>>(isa: S, code: C, x: &[T]) -> T {
    let lanes = T::Vector::<S>::LANES;
    let mut totals = [T::Vector::<S>::splat(isa, C::START); 4];
    let mut chunks = x.chunks_exact(4 * lanes);
    for x in &mut chunks {
        for (i, total) in totals.iter_mut().enumerate() {
            *total = code.vectors(*total, T::Vector::<S>::load(isa, &x[i * lanes..]));
        }
    }
    for (total, x) in totals.iter_mut().zip(chunks.remainder().chunks(lanes)) {
        *total = code.vectors(*total, T::Vector::<S>::load_partial(isa, x, C::START));
    }
    let pairs = [code.vectors(totals[0], totals[1]), code.vectors(totals[2], totals[3])];
    code.vectors(pairs[0], pairs[1]).fold_lanes(|a, b| code.numbers(a, b))
}

#[inline(always)]
fn fold_row<S: Simd, T: Float>(isa: S, code: impl Combine<T>, x: &[T], out: &mut [T]) {
    let lanes = T::Vector::<S>::LANES;
    for (x, out) in x.chunks(lanes).zip(out.chunks_mut(lanes)) {
        if out.len() == lanes {
            let total = T::Vector::<S>::load(isa, out);
            code.vectors(total, T::Vector::<S>::load(isa, x)).store(out);
        } else {
            let total = T::Vector::<S>::load_partial(isa, out, T::ONE);
            code.vectors(total, T::Vector::<S>::load_partial(isa, x, T::ONE)).store_partial(out);
        }
    }
}

/// Rows short enough for one block each.
struct RowsTask<'a, T, N> {
    reduction: Reduction,
    view: &'a View<N>,
    first: usize,
    out: &'a mut [T],
}

impl<T: Reducible, N: Numbers<Number = T>> Routine for RowsTask<'_, T, N> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, isa: S) {
        let len = self.view.reduced.len();
        // Several short rows are read at a time.
        let rows = (TILE / len.max(1)).clamp(1, self.out.len().max(1));
        let mut buffer = scratch(self.view.numbers.space(rows * len));
        for (index, out) in self.out.chunks_mut(rows).enumerate() {
            let start = (self.first + index * rows) * len;
            let numbers = self.view.numbers.read(start, out.len() * len, &mut buffer);
            for (row, out) in out.iter_mut().enumerate() {
                *out = T::reduce_slice(isa, self.reduction, &numbers[row * len..][..len]);
            }
        }
    }
}

/// One block of a long row.
struct BlockTask<'a, N> {
    reduction: Reduction,
    view: &'a View<N>,
    row: usize,
    start: usize,
    end: usize,
}

impl<N: Numbers<Number: Reducible>> Routine for BlockTask<'_, N> {
    type Output = N::Number;

    #[inline(always)]
    fn run<S: Simd>(self, isa: S) -> N::Number {
        let len = self.end - self.start;
        let mut buffer = scratch(self.view.numbers.space(len));
        let start = self.row * self.view.reduced.len() + self.start;
        let numbers = self.view.numbers.read(start, len, &mut buffer);
        Reducible::reduce_slice(isa, self.reduction, numbers)
    }
}

/// How many rows of columns are combined before their result is added to the others'.
pub(crate) const ROWS: usize = 256;

/// How many columns one task takes.
const COLUMNS: usize = 1024;

/// Reduces the columns of a matrix whose rows are contiguous.
fn reduce_columns<T: Reducible>(
    on: Machine,
    reduction: Reduction,
    view: &View<impl Numbers<Number = T>>,
    out: &mut [T],
) {
    let (rows, columns) = (view.reduced.len(), out.len());
    let blocks = rows.div_ceil(ROWS).max(1);
    let parts = columns.div_ceil(COLUMNS);
    let mut partial = scratch::<T>(blocks * columns);
    let shared = Shared::new(&mut partial);
    on.parallel(blocks * parts, rows * columns / 4, |task| {
        let (block, start) = (task / parts, task % parts * COLUMNS);
        let len = COLUMNS.min(columns - start);
        // SAFETY: each task has columns of a block of its own.
        let out = unsafe { shared.slice(block * columns + start, len) };
        let rows = block * ROWS..rows.min((block + 1) * ROWS);
        on.isa.run(ColumnsTask { reduction, view, rows, start, out });
    });
    combine_rows(reduction, &partial, out);
}

/// out = the rows that lie one after another, combined in their order.
pub(crate) fn combine_rows<T: Number>(reduction: Reduction, rows: &[T], out: &mut [T]) {
    out.fill(reduction.start());
    for row in rows.chunks_exact(out.len()) {
        for (out, &x) in out.iter_mut().zip(row) {
            *out = reduction.combine(*out, x);
        }
    }
}

/// out += x.
pub(crate) struct AddRow<'a, T> {
    pub(crate) x: &'a [T],
    pub(crate) out: &'a mut [T],
}

impl<T: Float> Routine for AddRow<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, isa: S) {
        fold_row(isa, Sum, self.x, self.out);
    }
}

/// Some columns of a block of rows.
struct ColumnsTask<'a, T, N> {
    reduction: Reduction,
    view: &'a View<N>,
    rows: Range<usize>,
    start: usize,
    out: &'a mut [T],
}

impl<T: Reducible, N: Numbers<Number = T>> Routine for ColumnsTask<'_, T, N> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, isa: S) {
        let numbers = &self.view.numbers;
        let mut buffer = scratch(numbers.space(self.out.len()));
        self.out.fill(self.reduction.start());
        for row in self.rows {
            let step = row as isize * self.view.reduced.strides[0];
            let first = self.view.offset.wrapping_add_signed(step) + self.start;
            let x = numbers.at(first, self.out.len(), &mut buffer);
            T::reduce_rows(isa, self.reduction, x, self.out);
        }
    }
}

/// Which extreme is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extreme {
    /// The largest number.
    Max,
    /// The smallest number.
    Min,
}

/// Finds where, along the axes of `x` behind the first `kept` ones, the extreme lies: the row-major
/// index of its first occurrence, or of the first NaN.
///
/// # Panics
/// If `out` does not have as many elements as the kept axes, or if there is nothing to look in.
pub fn arg_extreme<T: Element>(
    on: Machine,
    extreme: Extreme,
    x: Strided<'_, T>,
    kept: usize,
    out: &mut [i64],
) {
    let view = View::new(x.offset, x.shape, x.strides, kept, Tiles::new(x));
    assert_eq!(out.len(), view.kept.len());
    let len = view.reduced.len();
    assert!(len > 0 || out.is_empty());
    let rows = (BLOCK / len.max(1)).max(1);
    on.for_each(Chunks::new(out, rows), view.kept.len() * len, |index, out| {
        let mut buffer = scratch(len);
        for (row, out) in out.iter_mut().enumerate() {
            let row = view.numbers.read((index * rows + row) * len, &mut buffer);
            let mut best = 0;
            for (i, &value) in row.iter().enumerate().skip(1) {
                let better = match extreme {
                    Extreme::Max => value > row[best],
                    Extreme::Min => value < row[best],
                };
                if (better || value.is_nan()) && !row[best].is_nan() {
                    best = i;
                }
            }
            *out = best as i64;
        }
    });
}
