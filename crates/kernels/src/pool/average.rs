//! The mean of each window, and its adjoint.

use super::{Grid, Pool, Span, Window, quads};
use crate::reduce::sum_slice;
use crate::simd::{Routine, Simd, Vector};
use crate::{Chunks, Float, Machine};

/// The most places of a window whose sum is added up in the type of the numbers.
const SHORT: usize = 64;

/// out = the mean of each window, its sum divided by the number of its places.
///
/// # Panics
/// If the slices do not hold the same number of planes, or a window is dilated.
pub fn average_pool<T: Float>(on: Machine, pool: Pool, x: &[T], out: &mut [T]) {
    let planes = pool.planes(x.len(), out.len());
    check(pool);
    let grid = &Grid::new(pool);
    on.for_each(Chunks::new(out, grid.chunk()), grid.cost_ns(planes), |index, out| {
        on.isa.run(AverageTask { grid, x, first: index * grid.rows, out });
    });
}

/// out = the adjoint of [`average_pool`]: each number of `x`, divided by the number of its window's
/// places, is added to all of them.
///
/// # Panics
/// As [`average_pool`].
pub fn average_unpool<T: Float>(on: Machine, pool: Pool, x: &[T], out: &mut [T]) {
    let planes = pool.planes(out.len(), x.len());
    check(pool);
    if out.is_empty() {
        return;
    }
    let grid = &Grid::new(pool);
    let group = grid.planes();
    let chunk = group * pool.input_len();
    on.for_each(Chunks::new(out, chunk), grid.cost_ns(planes), |index, out| {
        on.isa.run(AdjointTask { grid, x, first: index * group, out });
    });
}

fn check(pool: Pool) {
    let dilated = |window: &Window| matches!(window, Window::Sliding { dilation: 2.., .. });
    assert!(!pool.windows.iter().any(dilated), "means are of windows without dilation");
}

impl Grid {
    /// By how much the sum of a window is divided along one axis.
    #[inline(always)]
    fn divisor(&self, span: Span) -> usize {
        if self.pool.counts_padding { span.with_padding } else { span.places }
    }
}

/// Some rows of the result.
struct AverageTask<'a, T> {
    grid: &'a Grid,
    x: &'a [T],
    /// The number of the first row.
    first: usize,
    out: &'a mut [T],
}

impl<T: Float> Routine for AverageTask<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, isa: S) {
        let pool = self.grid.pool;
        if self.grid.has_quads() {
            return self.quads(isa);
        }
        let rows = self.out.chunks_exact_mut(pool.output[2]);
        for (out, (plane, depth, height)) in rows.zip(self.grid.rows_from(self.first)) {
            let row =
                Row { grid: self.grid, x: &self.x[plane..][..pool.input_len()], depth, height };
            match pool.windows[2] {
                Window::Sliding { size, stride, padding, .. }
                    if out.len() >= 4 && pool.places() <= SHORT =>
                {
                    match stride {
                        1 => row.sums_by_taps::<1>(size, padding, 1, out),
                        2 => row.sums_by_taps::<2>(size, padding, 2, out),
                        _ => row.sums_by_taps::<0>(size, padding, stride, out),
                    }
                }
                _ => row.sums_by_windows(isa, out),
            }
            let divisor = self.grid.divisor(depth) * self.grid.divisor(height);
            for (out, &span) in out.iter_mut().zip(&self.grid.spans[2]) {
                *out = out.over(divisor * self.grid.divisor(span));
            }
        }
    }
}

impl<T: Float> AverageTask<'_, T> {
    /// Windows of two by two numbers, side by side.
    #[inline(always)]
    fn quads<S: Simd>(self, isa: S) {
        let Self { grid, x, first, out } = self;
        let (width, lanes) = (grid.pool.output[2], T::Vector::<S>::LANES);
        let quarter = T::from_f64(0.25);
        let quarters = T::Vector::<S>::splat(isa, quarter);
        let starts = (0..out.len()).step_by(width);
        for (start, (plane, depth, height)) in starts.zip(grid.rows_from(first)) {
            let (upper, below) = (plane + grid.start(depth, height), grid.strides().1);
            let end = start + width;
            let mut done = start;
            while done < end && done + lanes <= out.len() {
                let place = upper + 2 * (done - start);
                let Some(quads) = quads::read(isa, x, place, place + below) else { break };
                let sums = quads.upper.0 + quads.upper.1 + quads.lower.0 + quads.lower.1;
                (sums * quarters).store(&mut out[done..]);
                done += lanes;
            }
            for (i, out) in out[done.min(end)..end].iter_mut().enumerate() {
                let place = upper + 2 * (done - start + i);
                let sum = x[place].plus(x[place + 1]).plus(x[place + below]);
                *out = sum.plus(x[place + below + 1]).times(quarter);
            }
        }
    }
}

/// Division by a count.
trait Over {
    fn over(self, count: usize) -> Self;
}

impl<T: Float> Over for T {
    #[inline(always)]
    fn over(self, count: usize) -> Self {
        T::from_f64(self.to_f64() / count as f64)
    }
}

/// One row of the result.
struct Row<'a, T> {
    grid: &'a Grid,
    /// The plane.
    x: &'a [T],
    depth: Span,
    height: Span,
}

impl<T: Float> Row<'_, T> {
    /// All windows at once, one of their places after another.
    #[inline(always)]
    fn sums_by_taps<const STRIDE: usize>(
        &self,
        size: usize,
        padding: usize,
        stride: usize,
        out: &mut [T],
    ) {
        let stride = if STRIDE > 0 { STRIDE } else { stride };
        let (by_depth, by_height) = self.grid.strides();
        let width = self.grid.pool.input[2];
        out.fill(T::ZERO);
        for depth in self.depth.positions() {
            for height in self.height.positions() {
                let row = &self.x[depth * by_depth + height * by_height..][..width];
                for tap in 0..size {
                    // The windows whose place lies within the row.
                    let from = padding.saturating_sub(tap).div_ceil(stride).min(out.len());
                    let end = (width + padding).saturating_sub(tap).div_ceil(stride).min(out.len());
                    if from >= end {
                        continue;
                    }
                    let first = from * stride + tap - padding;
                    let x = &row[first..=first + (end - from - 1) * stride];
                    for (j, sum) in out[from..end].iter_mut().enumerate() {
                        // SAFETY: `x` ends with the place of the last window, number j is not
                        // beyond.
                        *sum = sum.plus(unsafe { *x.get_unchecked(j * stride) });
                    }
                }
            }
        }
    }

    /// One window after another, whose rows are summed by vectors.
    #[inline(always)]
    fn sums_by_windows<S: Simd>(&self, isa: S, out: &mut [T]) {
        let (by_depth, by_height) = self.grid.strides();
        let [_, heights, width] = self.grid.pool.input;
        for (out, span) in out.iter_mut().zip(&self.grid.spans[2]) {
            let mut sum = 0.0;
            for depth in self.depth.positions() {
                let plane = &self.x[depth * by_depth..][..by_depth];
                if span.places == width && self.height.places == heights {
                    // The whole plane is one row.
                    sum += sum_of(isa, plane);
                    continue;
                }
                for height in self.height.positions() {
                    sum += sum_of(isa, &plane[height * by_height..][span.first..][..span.places]);
                }
            }
            *out = T::from_f64(sum);
        }
    }
}

/// The sum of numbers side by side: by vectors, or in `f64` if there are few.
#[inline(always)]
fn sum_of<S: Simd, T: Float>(isa: S, x: &[T]) -> f64 {
    if x.len() < 16 {
        return x.iter().map(|x| x.to_f64()).sum();
    }
    sum_slice(isa, x).to_f64()
}

/// Some planes of the adjoint.
struct AdjointTask<'a, T> {
    grid: &'a Grid,
    x: &'a [T],
    /// The number of the first plane.
    first: usize,
    out: &'a mut [T],
}

impl<T: Float> Routine for AdjointTask<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let pool = self.grid.pool;
        let (by_depth, by_height) = self.grid.strides();
        let rows = pool.output[0] * pool.output[1];
        self.out.fill(T::ZERO);
        let planes = self.out.chunks_exact_mut(pool.input_len());
        for (plane, out) in (self.first..).zip(planes) {
            let x = self.x[plane * pool.output_len()..][..pool.output_len()]
                .chunks_exact(pool.output[2].max(1));
            let windows = self.grid.rows_from(plane * rows);
            for (x, (_, depth, height)) in x.zip(windows) {
                let divisor = self.grid.divisor(depth) * self.grid.divisor(height);
                for (&value, &span) in x.iter().zip(&self.grid.spans[2]) {
                    let share = value.over(divisor * self.grid.divisor(span));
                    for depth in depth.positions() {
                        for height in height.positions() {
                            let start = depth * by_depth + height * by_height + span.first;
                            for sum in &mut out[start..][..span.places] {
                                *sum = sum.plus(share);
                            }
                        }
                    }
                }
            }
        }
    }
}
