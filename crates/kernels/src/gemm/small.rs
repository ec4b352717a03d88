//! Products too small or too thin for packing to pay.

use super::{Bias, Matrix, Size, add_bias};
use crate::simd::{Routine, Simd, Vector};
use crate::threads::Shared;
use crate::{Float, Machine};

/// Up to this many multiplications, the plain loops are faster than packing.
pub(super) const WORK: usize = 4096;

/// How many numbers of a thin product's result one task computes at least, and at most.
const PART: [usize; 2] = [128, 512];

/// Into how many tasks a thin product is cut, if that leaves each enough to do.
const PARTS: usize = 16;

/// How many lines of a matrix are multiplied by a vector at a time.
const LINES: usize = 4;

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
    if each == 0 {
        return;
    }
    // A product with a column vector is the mirrored product with a row vector.
    let mirrored = columns == 1 && rows > 1;
    let vector = rows == 1 || columns == 1;
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
        let (a, b) = (left(batch), right(batch));
        let (a, b) = if mirrored { (b.transposed(), a.transposed()) } else { (a, b) };
        if vector {
            let bias = if mirrored { mirror(bias) } else { bias };
            on.isa.run(RowTimesMatrix { row: a, matrix: b, depth, start, out: &mut *out });
            add_bias(bias, 0, start, out);
        } else {
            plain(a, b, columns, depth, out);
            for (row, out) in out.chunks_exact_mut(columns).enumerate() {
                add_bias(bias, row, 0, out);
            }
        }
    });
}

fn mirror<T>(bias: Bias<'_, T>) -> Bias<'_, T> {
    match bias {
        Bias::None => Bias::None,
        Bias::Rows(bias) => Bias::Columns(bias),
        Bias::Columns(bias) => Bias::Rows(bias),
    }
}

/// The product by its definition.
fn plain<T: Float>(
    a: Matrix<'_, T>,
    b: Matrix<'_, T>,
    columns: usize,
    depth: usize,
    out: &mut [T],
) {
    for (i, out) in out.chunks_exact_mut(columns).enumerate() {
        out.fill(T::ZERO);
        for k in 0..depth {
            let left = a.at(i, k);
            if b.column_stride == 1 {
                let plane = b.as_right();
                for (sum, &right) in out.iter_mut().zip(plane.line(k, 0, columns)) {
                    *sum = sum.plus(left.times(right));
                }
            } else {
                for (j, sum) in out.iter_mut().enumerate() {
                    *sum = sum.plus(left.times(b.at(k, j)));
                }
            }
        }
    }
}

/// Some numbers of the product of a row and a matrix, from column `start` on.
struct RowTimesMatrix<'a, T> {
    row: Matrix<'a, T>,
    matrix: Matrix<'a, T>,
    depth: usize,
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
            let row = &row.data[row.offset..][..depth];
            let line = |j: usize| {
                let column = first.wrapping_add_signed(j as isize * matrix.column_stride);
                &matrix.data[column..][..depth]
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
        for k in 0..depth {
            let factor = row.at(0, k);
            if matrix.column_stride == 1 {
                let line = first.wrapping_add_signed(k as isize * matrix.row_stride);
                add_scaled(isa, factor, &matrix.data[line..][..out.len()], out);
            } else {
                for (j, sum) in out.iter_mut().enumerate() {
                    *sum = sum.plus(factor.times(matrix.at(k, start + j)));
                }
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

/// Adds `factor · x` to `sums`.
#[inline(always)]
pub(crate) fn add_scaled<S: Simd, T: Float>(isa: S, factor: T, x: &[T], sums: &mut [T]) {
    let lanes = T::Vector::<S>::LANES;
    let factor = T::Vector::<S>::splat(isa, factor);
    for (x, sum) in x.chunks(lanes).zip(sums.chunks_mut(lanes)) {
        if sum.len() == lanes {
            let total =
                factor.mul_add(T::Vector::<S>::load(isa, x), T::Vector::<S>::load(isa, sum));
            total.store(sum);
        } else {
            let x = T::Vector::<S>::load_partial(isa, x, T::ZERO);
            let total = factor.mul_add(x, T::Vector::<S>::load_partial(isa, sum, T::ZERO));
            total.store_partial(sum);
        }
    }
}
