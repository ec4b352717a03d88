//! Products too small or too thin for packing to pay.

use super::{Bias, Matrix, Size, add_bias};
use crate::memory::scratch;
use crate::simd::{Routine, Simd, Vector};
use crate::threads::Shared;
use crate::{Float, Machine};
use std::ops::Range;

/// Up to this many multiplications, the plain loops are faster than packing.
pub(super) const WORK: usize = 4096;

/// How many numbers of a thin product's result one task computes at least, and at most.
const PART: [usize; 2] = [128, 512];

/// Into how many tasks a thin product is cut, if that leaves each enough to do.
const PARTS: usize = 16;

/// How many lines of a matrix are multiplied by a vector at a time.
const LINES: usize = 4;

/// A matrix of so many numbers lies in no inner cache: it is read row by row, as it lies in memory.
pub(super) const LARGE: usize = 1 << 18;

/// So many rows are many beside the sums of all parts.
const DEEP: usize = 8 * PARTS;

/// Multiplies matrices of which one is a vector, or which are very small.
pub(super) fn matmul<'a, T: Float>(
    on: Machine,
    size: Size,
    left: &(impl Fn(usize) -> Matrix<'a, T> + Sync),
    right: &(impl Fn(usize) -> Matrix<'a, T> + Sync),
    bias: Bias<'_, T>,
    out: &mut [T],
) {
    let Size { rows, columns, depth, .. } = size;
    let each = rows * columns;
    assert_eq!(out.len(), size.batch * each);
    if out.is_empty() {
        return;
    }
    if depth == 0 {
        // Matrices without depth may have no memory in which a line could start.
        out.fill(T::ZERO);
        for (row, out) in out.chunks_exact_mut(columns).enumerate() {
            add_bias(bias, row % rows, 0, out);
        }
        return;
    }
    // A product with a column vector is the mirrored product with a row vector.
    let mirrored = columns == 1 && rows > 1;
    let vector = rows == 1 || columns == 1;
    let operands = |batch: usize| match mirrored {
        true => (right(batch).transposed(), left(batch).transposed()),
        false => (left(batch), right(batch)),
    };
    let bias = if mirrored { mirror(bias) } else { bias };
    let large = each * depth >= LARGE && depth >= DEEP;
    if vector && large && operands(0).1.column_stride == 1 {
        return by_rows(on, size, &operands, bias, out);
    }
    let [least, most] = PART;
    let part = if vector { each.div_ceil(PARTS).clamp(least, most) } else { each };
    let parts = each.div_ceil(part);
    let cost_ns = size.batch * each * depth / 4;
    let out = Shared::new(out);
    on.parallel(size.batch * parts, cost_ns, |task| {
        let (batch, start) = (task / parts, task % parts * part);
        let len = part.min(each - start);
        // SAFETY: the parts of different tasks do not overlap.
        let out = unsafe { out.slice(batch * each + start, len) };
        let (a, b) = operands(batch);
        if vector {
            let depth = 0..depth;
            on.isa.run(RowTimesMatrix { row: a, matrix: b, depth, start, out: &mut *out });
            add_bias(bias, 0, start, out);
        } else {
            on.isa.run(Plain { a, b, columns, depth, out: &mut *out });
            for (row, out) in out.chunks_exact_mut(columns).enumerate() {
                add_bias(bias, row, 0, out);
            }
        }
    });
}

/// Multiplies a row and a large matrix whose rows lie in memory: each task some of them, and then their
/// sums are added.
fn by_rows<'a, T: Float>(
    on: Machine,
    size: Size,
    operands: &(impl Fn(usize) -> (Matrix<'a, T>, Matrix<'a, T>) + Sync),
    bias: Bias<'_, T>,
    out: &mut [T],
) {
    let (each, depth) = (size.rows * size.columns, size.depth);
    let mut sums = scratch(size.batch * PARTS * each);
    let shared = Shared::new(&mut sums);
    on.parallel(size.batch * PARTS, size.batch * each * depth / 4, |task| {
        let part = task % PARTS;
        let depth = part * depth / PARTS..(part + 1) * depth / PARTS;
        // SAFETY: no other task has these sums.
        let out = unsafe { shared.slice(task * each, each) };
        let (row, matrix) = operands(task / PARTS);
        on.isa.run(RowTimesMatrix { row, matrix, depth, start: 0, out });
    });
    let part = each.div_ceil(PARTS).max(PART[0]);
    let parts = each.div_ceil(part);
    let out = Shared::new(out);
    on.parallel(size.batch * parts, size.batch * each * PARTS / 4, |task| {
        let (batch, start) = (task / parts, task % parts * part);
        let len = part.min(each - start);
        // SAFETY: the parts of different tasks do not overlap.
        let out = unsafe { out.slice(batch * each + start, len) };
        out.fill(T::ZERO);
        let sums = &sums[batch * PARTS * each..][..PARTS * each];
        on.isa.run(AddLines {
            lines: sums.chunks_exact(each).map(|line| &line[start..][..len]),
            out,
        });
        add_bias(bias, 0, start, out);
    });
}

/// Adds lines to a line.
struct AddLines<'a, T, I> {
    lines: I,
    out: &'a mut [T],
}

impl<'a, T: Float, I: Iterator<Item = &'a [T]>> Routine for AddLines<'_, T, I> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, isa: S) {
        for line in self.lines {
            add_scaled(isa, [T::ONE], [line], self.out);
        }
    }
}

fn mirror<T>(bias: Bias<'_, T>) -> Bias<'_, T> {
    match bias {
        Bias::None => Bias::None,
        Bias::Rows(bias) => Bias::Columns(bias),
        Bias::Columns(bias) => Bias::Rows(bias),
    }
}

/// A product by its definition: each number the sum of its products, one after another.
struct Plain<'a, T> {
    a: Matrix<'a, T>,
    b: Matrix<'a, T>,
    columns: usize,
    depth: usize,
    out: &'a mut [T],
}

impl<T: Float> Routine for Plain<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, isa: S) {
        let Self { a, b, columns, depth, out } = self;
        let (left, right) = (a.as_left(), b.as_right());
        let lanes = T::Vector::<S>::LANES;
        for (i, out) in out.chunks_exact_mut(columns).enumerate() {
            if b.column_stride == 1 {
                for (part, out) in out.chunks_mut(lanes).enumerate() {
                    let mut sum = T::Vector::<S>::splat(isa, T::ZERO);
                    for k in 0..depth {
                        let line = right.line(k, part * lanes, out.len());
                        let factor = T::Vector::<S>::splat(isa, a.at(i, k));
                        sum = sum + factor * T::Vector::<S>::load_chunk(isa, line);
                    }
                    sum.store_chunk(out);
                }
            } else if b.row_stride == 1 && a.column_stride == 1 {
                let row = left.line(0, i, depth);
                for (j, out) in out.iter_mut().enumerate() {
                    let products = row.iter().zip(right.line(0, j, depth));
                    *out = products.fold(T::ZERO, |sum, (x, y)| sum.plus(x.times(*y)));
                }
            } else {
                for (j, out) in out.iter_mut().enumerate() {
                    *out =
                        (0..depth).fold(T::ZERO, |sum, k| sum.plus(a.at(i, k).times(b.at(k, j))));
                }
            }
        }
    }
}

/// Some numbers of the product of a row and a matrix, from column `start` on, summed over some depth.
struct RowTimesMatrix<'a, T> {
    row: Matrix<'a, T>,
    matrix: Matrix<'a, T>,
    depth: Range<usize>,
    start: usize,
    out: &'a mut [T],
}

impl<T: Float> Routine for RowTimesMatrix<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, isa: S) {
        let Self { row, matrix, depth, start, out } = self;
        let first = matrix.offset.wrapping_add_signed(start as isize * matrix.column_stride);
        if matrix.row_stride == 1 && row.column_stride == 1 {
            let row = &row.data[row.offset..][depth.clone()];
            let line = |j: usize| {
                let column = first.wrapping_add_signed(j as isize * matrix.column_stride);
                &matrix.data[column..][depth.clone()]
            };
            let whole = out.len() / LINES * LINES;
            for (group, out) in out[..whole].chunks_exact_mut(LINES).enumerate() {
                let lines: [&[T]; LINES] = std::array::from_fn(|j| line(group * LINES + j));
                out.copy_from_slice(&dots(isa, row, lines));
            }
            for (j, out) in out.iter_mut().enumerate().skip(whole) {
                [*out] = dots(isa, row, [line(j)]);
            }
            return;
        }
        out.fill(T::ZERO);
        if matrix.column_stride == 1 {
            let len = out.len();
            let line = |k: usize| {
                &matrix.data[first.wrapping_add_signed(k as isize * matrix.row_stride)..][..len]
            };
            let middle = depth.start + depth.len() / LINES * LINES;
            for k in (depth.start..middle).step_by(LINES) {
                let at: [usize; LINES] = std::array::from_fn(|i| k + i);
                add_scaled(isa, at.map(|k| row.at(0, k)), at.map(line), out);
            }
            for k in middle..depth.end {
                add_scaled(isa, [row.at(0, k)], [line(k)], out);
            }
            return;
        }
        for k in depth {
            let factor = row.at(0, k);
            for (j, sum) in out.iter_mut().enumerate() {
                *sum = sum.plus(factor.times(matrix.at(k, start + j)));
            }
        }
    }
}

/// The scalar products of a vector with some others, each the same bits whatever is beside it.
#[inline(always)]
fn dots<S: Simd, T: Float, const N: usize>(isa: S, x: &[T], lines: [&[T]; N]) -> [T; N] {
    let lanes = T::Vector::<S>::LANES;
    let mut sums = [[T::Vector::<S>::splat(isa, T::ZERO); 2]; N];
    let whole = x.len() / (2 * lanes) * (2 * lanes);
    for start in (0..whole).step_by(2 * lanes) {
        for half in 0..2 {
            let place = start + half * lanes;
            let x = T::Vector::<S>::load(isa, &x[place..]);
            for (line, sums) in lines.iter().zip(&mut sums) {
                sums[half] = x.mul_add(T::Vector::<S>::load(isa, &line[place..]), sums[half]);
            }
        }
    }
    let mut results = [T::ZERO; N];
    for ((line, sums), result) in lines.iter().zip(sums).zip(&mut results) {
        let mut sum = sums[0] + sums[1];
        for (x, y) in x[whole..].chunks(lanes).zip(line[whole..].chunks(lanes)) {
            let x = T::Vector::<S>::load_partial(isa, x, T::ZERO);
            sum = x.mul_add(T::Vector::<S>::load_partial(isa, y, T::ZERO), sum);
        }
        *result = sum.sum();
    }
    results
}

/// Adds the products of factors with lines to `sums`, one line after another.
#[inline(always)]
pub(crate) fn add_scaled<S: Simd, T: Float, const N: usize>(
    isa: S,
    factors: [T; N],
    lines: [&[T]; N],
    sums: &mut [T],
) {
    let lanes = T::Vector::<S>::LANES;
    let lines = lines.map(|line| &line[..sums.len()]);
    // Not `map`: its closure would be compiled without the instruction set.
    let mut vectors = [T::Vector::<S>::splat(isa, T::ZERO); N];
    for (vector, factor) in vectors.iter_mut().zip(factors) {
        *vector = T::Vector::<S>::splat(isa, factor);
    }
    let whole = sums.len() / lanes * lanes;
    for start in (0..whole).step_by(lanes) {
        let mut total = T::Vector::<S>::load(isa, &sums[start..]);
        for (factor, line) in vectors.iter().zip(lines) {
            total = factor.mul_add(T::Vector::<S>::load(isa, &line[start..]), total);
        }
        total.store(&mut sums[start..]);
    }
    let rest = &mut sums[whole..];
    let mut total = T::Vector::<S>::load_partial(isa, rest, T::ZERO);
    for (factor, line) in vectors.iter().zip(lines) {
        total = factor.mul_add(T::Vector::<S>::load_partial(isa, &line[whole..], T::ZERO), total);
    }
    total.store_partial(rest);
}
