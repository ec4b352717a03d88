//! The largest number of each window, and where it lies.

use super::quads::{self, Quads};
use super::{Grid, Pool, Span, Window};
use crate::memory::{ALIGN, scratch};
use crate::simd::{MAX_LANES, Mask, Routine, Simd, Vector};
use crate::tiles::is_large;
use crate::{Chunks, Element, Float, Machine, Number};
use std::ops::Range;

/// out = the largest number of each window, NaN if there is one; `indices` = where in its plane it
/// lies: the first of several, and the last NaN.
///
/// A window that lies in the padding alone gives minus infinity.
///
/// # Panics
/// If the slices do not hold the same number of planes.
pub fn max_pool<T: Float>(
    on: Machine,
    pool: Pool,
    x: &[T],
    out: &mut [T],
    indices: Option<&mut [i32]>,
) {
    let planes = pool.planes(x.len(), out.len());
    let grid = &Grid::new(pool);
    let (chunk, cost_ns) = (grid.chunk(), grid.cost_ns(planes));
    match indices {
        Some(indices) => {
            let chunks = (Chunks::new(out, chunk), Chunks::new(indices, chunk));
            on.for_each(chunks, cost_ns, |index, (out, indices)| {
                let first = index * grid.rows;
                on.isa.run(MaxTask { grid, x, first, out, indices, wanted: true });
            });
        }
        None => on.for_each(Chunks::new(out, chunk), cost_ns, |index, out| {
            let indices = &mut scratch(out.len());
            let first = index * grid.rows;
            on.isa.run(MaxTask { grid, x, first, out, indices, wanted: false });
        }),
    }
}

/// Some rows of the result.
struct MaxTask<'a, T> {
    grid: &'a Grid,
    x: &'a [T],
    /// The number of the first row.
    first: usize,
    out: &'a mut [T],
    indices: &'a mut [i32],
    /// Whether somebody will read the indices.
    wanted: bool,
}

/// How many numbers ahead of a row of windows those are asked for that a later one reads, if all are
/// more than the caches hold.
const AHEAD: usize = 1024;

impl<T: Float> Routine for MaxTask<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, isa: S) {
        let width = self.grid.pool.output[2];
        if self.grid.has_quads() && self.grid.pool.input_len() <= EXACT {
            return self.quads(isa);
        }
        let rows = self.out.chunks_exact_mut(width).zip(self.indices.chunks_exact_mut(width));
        let windows = self.grid.rows_from(self.first);
        let is_large = is_large(self.x);
        let mut asked = 0;
        for ((out, indices), (plane, depth, height)) in rows.zip(windows) {
            let x = &self.x[plane..][..self.grid.pool.input_len()];
            let row = Row { grid: self.grid, x, depth, height };
            if is_large {
                let ahead = plane + self.grid.start(depth, height) + AHEAD;
                for at in (asked.max(ahead - AHEAD)..ahead).step_by(ALIGN / size_of::<T>()) {
                    isa.prefetch(self.x.as_ptr().wrapping_add(at));
                }
                asked = ahead;
            }
            match self.grid.pool.windows[2] {
                Window::Sliding { size, stride: 2, padding, dilation: 1 }
                    if self.grid.pool.input_len() <= EXACT =>
                {
                    let wanted = self.wanted.then_some(&mut *indices);
                    let within =
                        row.by_vectors(isa, &self.x[plane..], [size, padding], out, wanted);
                    row.by_windows(0..within.start, out, indices);
                    row.by_windows(within.end..width, out, indices);
                }
                Window::Sliding { size, stride, padding, dilation } if width >= 4 => {
                    let taps = Taps { size, padding, dilation };
                    match stride {
                        1 => row.by_taps::<1>(taps, 1, out, indices),
                        _ => row.by_taps::<0>(taps, stride, out, indices),
                    }
                }
                _ => row.by_windows(0..width, out, indices),
            }
        }
    }
}

impl<T: Float> MaxTask<'_, T> {
    /// Windows of two by two numbers, side by side.
    #[inline(always)]
    fn quads<S: Simd>(self, isa: S) {
        let Self { grid, x, first, out, indices, wanted } = self;
        let (width, lanes) = (grid.pool.output[2], T::Vector::<S>::LANES);
        let starts = (0..out.len()).step_by(width);
        for (start, (plane, depth, height)) in starts.zip(grid.rows_from(first)) {
            let (upper, below) = (grid.start(depth, height), grid.strides().1);
            let end = start + width;
            let mut done = start;
            while done < end && done + lanes <= out.len() {
                let place = upper + 2 * (done - start);
                let Some(quads) = quads::read(isa, x, plane + place, plane + place + below) else {
                    break;
                };
                if wanted {
                    let (largest, at) = largest_of(isa, quads, place, below);
                    largest.store(&mut out[done..]);
                    at.store_ints(&mut indices[done..]);
                } else {
                    let Quads { upper, lower } = quads;
                    let largest = upper.0.maximum(upper.1).maximum(lower.0.maximum(lower.1));
                    largest.store(&mut out[done..]);
                }
                done += lanes;
            }
            if done < end {
                let x = &x[plane..][..grid.pool.input_len()];
                let (out, indices) = (&mut out[done..end], &mut indices[done..end]);
                let place = upper + 2 * (done - start);
                largest_of_rows(x, place, below, out, indices);
            }
        }
    }
}

/// The planes whose places floats of 32 bits can count.
const EXACT: usize = 1 << 24;

/// The largest numbers of windows, and their places.
#[inline(always)]
fn largest_of<S: Simd, V: Vector<Isa = S>>(
    isa: S,
    quads: Quads<V>,
    place: usize,
    below: usize,
) -> (V, V) {
    let Quads { upper: (mut best, second), lower: (third, fourth) } = quads;
    let mut even = [V::Scalar::ZERO; MAX_LANES];
    for (i, even) in even.iter_mut().enumerate() {
        *even = V::Scalar::from_f64(2.0 * i as f64);
    }
    let places = V::load(isa, &even) + best.of(place as f64);
    let mut at = places;
    for (value, step) in [(second, 1), (third, below), (fourth, below + 1)] {
        let larger = value.greater(best).or(value.is_nan());
        best = V::select(larger, value, best);
        at = V::select(larger, places + best.of(step as f64), at);
    }
    (best, at)
}

/// The largest numbers of windows of two by two, whose upper row starts at `place`.
#[inline(always)]
fn largest_of_rows<T: Float>(
    x: &[T],
    place: usize,
    below: usize,
    out: &mut [T],
    indices: &mut [i32],
) {
    for (i, (out, index)) in out.iter_mut().zip(indices).enumerate() {
        let first = place + 2 * i;
        let (mut best, mut at) = (x[first], first);
        for place in [first + 1, first + below, first + below + 1] {
            let larger = is_larger(x[place], best);
            best = if larger { x[place] } else { best };
            at = if larger { place } else { at };
        }
        *out = best;
        *index = at as i32;
    }
}

/// The places of the windows along the last axis.
#[derive(Clone, Copy)]
struct Taps {
    size: usize,
    padding: usize,
    dilation: usize,
}

/// One row of the result.
struct Row<'a, T> {
    grid: &'a Grid,
    /// The plane.
    x: &'a [T],
    depth: Span,
    height: Span,
}

/// True if a number takes the place of the largest one before it.
#[inline(always)]
fn is_larger<T: Float>(value: T, best: T) -> bool {
    (value > best) | value.is_nan()
}

impl<T: Float> Row<'_, T> {
    /// Where the plane's rows that the windows cover start.
    #[inline(always)]
    fn starts(&self) -> impl Iterator<Item = usize> {
        let (by_depth, by_height) = self.grid.strides();
        let height = self.height;
        self.depth
            .positions()
            .flat_map(move |d| height.positions().map(move |h| d * by_depth + h * by_height))
    }

    /// All windows at once, one of their places after another.
    #[inline(always)]
    fn by_taps<const STRIDE: usize>(
        &self,
        taps: Taps,
        stride: usize,
        out: &mut [T],
        indices: &mut [i32],
    ) {
        let stride = if STRIDE > 0 { STRIDE } else { stride };
        let width = self.grid.pool.input[2];
        let start = self.starts().next().unwrap_or(0);
        out.fill(T::NEG_INFINITY);
        for (index, span) in indices.iter_mut().zip(&self.grid.spans[2]) {
            *index = (start + span.first) as i32;
        }
        for start in self.starts() {
            let row = &self.x[start..][..width];
            for tap in 0..taps.size {
                let offset = tap * taps.dilation;
                // The windows whose place lies within the row.
                let from = taps.padding.saturating_sub(offset).div_ceil(stride);
                let end = (width + taps.padding).saturating_sub(offset).div_ceil(stride);
                let (from, end) = (from.min(out.len()), end.min(out.len()));
                if from >= end {
                    continue;
                }
                let first = from * stride + offset - taps.padding;
                let x = &row[first..=first + (end - from - 1) * stride];
                let (out, indices) = (&mut out[from..end], &mut indices[from..end]);
                let place = (start + first) as i32;
                for (j, (best, at)) in out.iter_mut().zip(indices).enumerate() {
                    // SAFETY: `x` ends with the place of the last window, number j is not beyond.
                    let value = unsafe { *x.get_unchecked(j * stride) };
                    let larger = is_larger(value, *best);
                    *best = if larger { value } else { *best };
                    *at = if larger { place + (j * stride) as i32 } else { *at };
                }
            }
        }
    }

    /// Windows that start two places apart, as many at once as a vector has lanes; says which, of which
    /// all places lie within the row. There may be more numbers behind the plane's.
    #[inline(always)]
    fn by_vectors<S: Simd>(
        &self,
        isa: S,
        x: &[T],
        [size, padding]: [usize; 2],
        out: &mut [T],
        mut indices: Option<&mut [i32]>,
    ) -> Range<usize> {
        let lanes = T::Vector::<S>::LANES;
        let first = padding.div_ceil(2).min(out.len());
        let last = (self.grid.pool.input[2] + padding).checked_sub(size).map(|places| places / 2);
        let end = last.map_or(0, |last| (last + 1).min(out.len()));
        let mut done = first;
        while done < end && first + lanes <= end {
            // The last vector may have windows of the one before it.
            let window = done.min(end - lanes);
            let place = 2 * window - padding;
            let largest = match &mut indices {
                Some(indices) => self.vector(isa, x, size, place).map(|(largest, at)| {
                    at.store_ints(&mut indices[window..]);
                    largest
                }),
                None => self.values(isa, x, size, place),
            };
            let Some(largest) = largest else { break };
            largest.store(&mut out[window..]);
            done = window + lanes;
        }
        first..done
    }

    /// The largest numbers of windows whose first one starts at a place of each row, and where they lie;
    /// none if too few numbers follow.
    #[inline(always)]
    fn vector<S: Simd>(
        &self,
        isa: S,
        x: &[T],
        size: usize,
        place: usize,
    ) -> Option<(T::Vector<S>, T::Vector<S>)> {
        let lanes = T::Vector::<S>::LANES;
        let mut best = T::Vector::<S>::splat(isa, T::NEG_INFINITY);
        let mut even = [T::ZERO; MAX_LANES];
        for (i, even) in even.iter_mut().enumerate() {
            *even = T::from_f64(2.0 * i as f64);
        }
        let even = T::Vector::<S>::load(isa, &even);
        let start = self.starts().next().unwrap_or(0);
        let mut at = even + best.of((start + place) as f64);
        for start in self.starts() {
            for tap in (0..size).step_by(2) {
                let first = start + place + tap;
                let x = x.get(first..)?.get(..2 * lanes)?;
                let load = T::Vector::<S>::load;
                let (one, other) = load(isa, x).deinterleave(load(isa, &x[lanes..]));
                for (value, place) in
                    [(one, first), (other, first + 1)].into_iter().take(size - tap)
                {
                    let larger = value.greater(best).or(value.is_nan());
                    best = T::Vector::<S>::select(larger, value, best);
                    at = T::Vector::<S>::select(larger, even + best.of(place as f64), at);
                }
            }
        }
        Some((best, at))
    }

    /// The largest numbers alone, as [`Row::vector`] finds them: those of columns come first.
    #[inline(always)]
    fn values<S: Simd>(&self, isa: S, x: &[T], size: usize, place: usize) -> Option<T::Vector<S>> {
        let lanes = T::Vector::<S>::LANES;
        let lowest = T::Vector::<S>::splat(isa, T::NEG_INFINITY);
        let mut best = lowest;
        let (by_depth, by_height) = self.grid.strides();
        for tap in (0..size).step_by(2) {
            let mut columns = [lowest; 2];
            // These two loops are much faster than one over `starts`.
            for depth in self.depth.positions() {
                for height in self.height.positions() {
                    let first = depth * by_depth + height * by_height + place + tap;
                    let x = x.get(first..)?.get(..2 * lanes)?;
                    for (column, x) in columns.iter_mut().zip(x.chunks_exact(lanes)) {
                        *column = column.maximum(T::Vector::<S>::load(isa, x));
                    }
                }
            }
            let (one, other) = columns[0].deinterleave(columns[1]);
            best = best.maximum(one);
            if tap + 1 < size {
                best = best.maximum(other);
            }
        }
        Some(best)
    }

    /// One window after another.
    #[inline(always)]
    fn by_windows(&self, which: Range<usize>, out: &mut [T], indices: &mut [i32]) {
        let (out, indices) = (&mut out[which.clone()], &mut indices[which.clone()]);
        let windows = out.iter_mut().zip(indices).zip(&self.grid.spans[2][which]);
        for ((out, index), span) in windows {
            let start = self.starts().next().unwrap_or(0);
            let (mut best, mut at) = (T::NEG_INFINITY, start + span.first);
            for start in self.starts() {
                for place in span.positions() {
                    let value = self.x[start + place];
                    let larger = is_larger(value, best);
                    best = if larger { value } else { best };
                    at = if larger { start + place } else { at };
                }
            }
            *out = best;
            *index = at as i32;
        }
    }
}
