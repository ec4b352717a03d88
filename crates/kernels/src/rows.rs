//! Loops over rows of numbers that lie side by side: what softmax, losses and norms are made of.
//!
//! What is done to each number is a [`Code`]: a type, not a closure, so that it is compiled into
//! the loop for each instruction set.

use crate::math::Real;
use crate::memory::{Scratch, scratch};
use crate::simd::{MAX_LANES, PastCaches, Simd, Vector};
use crate::strided::TILE;
use crate::tiles::LUMP;
use crate::{Float, Number};

/// How many numbers one task takes, if its rows are shorter.
const TASK: usize = 16 * TILE;

/// How many rows of a length one task takes.
pub(crate) fn rows_per_task(len: usize) -> usize {
    (TASK / len.max(1)).max(1)
}

/// A number made of `N` numbers that lie in the same place of `N` rows.
pub(crate) trait Code<T: Float, const N: usize>: Copy {
    fn apply<V: Vector<Scalar = T> + Real>(self, x: [V; N]) -> V;
}

/// The vectors in one place of `N` rows.
#[inline(always)]
fn load<S: Simd, T: Float, const N: usize>(
    isa: S,
    rows: [&[T]; N],
    start: usize,
) -> [T::Vector<S>; N] {
    let mut vectors = [T::Vector::<S>::splat(isa, T::ZERO); N];
    for (vector, row) in vectors.iter_mut().zip(rows) {
        *vector = T::Vector::<S>::load(isa, &row[start..]);
    }
    vectors
}

/// The last vectors of `N` rows, filled up with ones.
#[inline(always)]
fn load_rest<S: Simd, T: Float, const N: usize>(
    isa: S,
    rows: [&[T]; N],
    start: usize,
    end: usize,
) -> [T::Vector<S>; N] {
    let mut vectors = [T::Vector::<S>::splat(isa, T::ZERO); N];
    for (vector, row) in vectors.iter_mut().zip(rows) {
        *vector = T::Vector::<S>::load_partial(isa, &row[start..end], T::ONE);
    }
    vectors
}

/// A vector whose first `count` lanes are those of `x`, the others zero.
#[inline(always)]
fn keep_lanes<V: Vector>(x: V, count: usize) -> V {
    let mut lanes = [V::Scalar::ZERO; MAX_LANES];
    x.store_partial(&mut lanes[..count]);
    V::load(x.isa(), &lanes)
}

/// Σ code(xᵢ): four vectors wide over each tile, the tiles' sums added in `f64`.
#[inline(always)]
pub(crate) fn sum_of<S: Simd, T: Float, const N: usize>(
    isa: S,
    code: impl Code<T, N>,
    x: [&[T]; N],
) -> f64 {
    let lanes = T::Vector::<S>::LANES;
    let len = x[0].len();
    let mut total = 0.0;
    let mut tile = 0;
    while tile < len {
        let end = len.min(tile + TILE);
        let mut sums = [T::Vector::<S>::splat(isa, T::ZERO); 4];
        let mut start = tile;
        while start + 4 * lanes <= end {
            for (i, sum) in sums.iter_mut().enumerate() {
                *sum = *sum + code.apply(load(isa, x, start + i * lanes));
            }
            start += 4 * lanes;
        }
        while start + lanes <= end {
            sums[0] = sums[0] + code.apply(load(isa, x, start));
            start += lanes;
        }
        if start < end {
            let rest = code.apply(load_rest(isa, x, start, end));
            sums[1] = sums[1] + keep_lanes(rest, end - start);
        }
        total += ((sums[0] + sums[1]) + (sums[2] + sums[3])).sum().to_f64();
        tile = end;
    }
    total
}

/// Σ first(xᵢ) and Σ second(xᵢ), each added as by [`sum_of`].
#[inline(always)]
pub(crate) fn both_sums_of<S: Simd, T: Float, const N: usize>(
    isa: S,
    (first, second): (impl Code<T, N>, impl Code<T, N>),
    x: [&[T]; N],
) -> [f64; 2] {
    let lanes = T::Vector::<S>::LANES;
    let len = x[0].len();
    let zeros = [T::Vector::<S>::splat(isa, T::ZERO); 4];
    let mut totals = [0.0; 2];
    let mut tile = 0;
    while tile < len {
        let end = len.min(tile + TILE);
        let [mut a, mut b] = [zeros; 2];
        let mut start = tile;
        while start + 4 * lanes <= end {
            for (i, (a, b)) in a.iter_mut().zip(&mut b).enumerate() {
                let x = load(isa, x, start + i * lanes);
                (*a, *b) = (*a + first.apply(x), *b + second.apply(x));
            }
            start += 4 * lanes;
        }
        while start + lanes <= end {
            let x = load(isa, x, start);
            (a[0], b[0]) = (a[0] + first.apply(x), b[0] + second.apply(x));
            start += lanes;
        }
        if start < end {
            let x = load_rest(isa, x, start, end);
            a[1] = a[1] + keep_lanes(first.apply(x), end - start);
            b[1] = b[1] + keep_lanes(second.apply(x), end - start);
        }
        totals[0] += ((a[0] + a[1]) + (a[2] + a[3])).sum().to_f64();
        totals[1] += ((b[0] + b[1]) + (b[2] + b[3])).sum().to_f64();
        tile = end;
    }
    totals
}

/// Σ code(xᵢ) and Σ code(xᵢ)², added as by [`sum_of`].
#[inline(always)]
pub(crate) fn sums_of<S: Simd, T: Float>(isa: S, code: impl Code<T, 1>, x: &[T]) -> [f64; 2] {
    let lanes = T::Vector::<S>::LANES;
    let zeros = [T::Vector::<S>::splat(isa, T::ZERO); 2];
    let mut totals = [0.0; 2];
    for tile in x.chunks(TILE) {
        let (mut sums, mut squares) = (zeros, zeros);
        let mut start = 0;
        while start + lanes <= tile.len() {
            let value = code.apply(load(isa, [tile], start));
            let place = start / lanes % 2;
            sums[place] = sums[place] + value;
            squares[place] = value.mul_add(value, squares[place]);
            start += lanes;
        }
        if start < tile.len() {
            let rest = code.apply(load_rest(isa, [tile], start, tile.len()));
            let value = keep_lanes(rest, tile.len() - start);
            sums[0] = sums[0] + value;
            squares[0] = value.mul_add(value, squares[0]);
        }
        totals[0] += (sums[0] + sums[1]).sum().to_f64();
        totals[1] += (squares[0] + squares[1]).sum().to_f64();
    }
    totals
}

/// outᵢ = code(xᵢ).
#[inline(always)]
pub(crate) fn write_of<S: Simd, T: Float, const N: usize>(
    isa: S,
    code: impl Code<T, N>,
    x: [&[T]; N],
    out: &mut [T],
) {
    let lanes = T::Vector::<S>::LANES;
    let (len, mut start) = (out.len(), 0);
    while start + lanes <= len {
        code.apply(load(isa, x, start)).store(&mut out[start..]);
        start += lanes;
    }
    if start < len {
        code.apply(load_rest(isa, x, start, len)).store_partial(&mut out[start..]);
    }
}

/// Writes results lump by lump, past the caches if they are large.
pub(crate) struct Writer<T> {
    past: Option<PastCaches>,
    /// Where those that go past the caches are computed.
    results: Scratch<T>,
}

impl<T: Float> Writer<T> {
    pub(crate) fn new(large: bool) -> Self {
        Self { past: large.then(PastCaches::new), results: scratch(if large { LUMP } else { 0 }) }
    }

    /// outᵢ = code(xᵢ), of a lump at most.
    #[inline(always)]
    pub(crate) fn write_of<S: Simd, const N: usize>(
        &mut self,
        isa: S,
        code: impl Code<T, N>,
        x: [&[T]; N],
        out: &mut [T],
    ) {
        match &self.past {
            None => write_of(isa, code, x, out),
            Some(past) => {
                let results = &mut self.results[..out.len()];
                write_of(isa, code, x, results);
                past.copy(isa, results, out);
            }
        }
    }
}

/// outᵢ ← outᵢ + code(xᵢ).
#[inline(always)]
pub(crate) fn add_of<S: Simd, T: Float, const N: usize>(
    isa: S,
    code: impl Code<T, N>,
    x: [&[T]; N],
    out: &mut [T],
) {
    let lanes = T::Vector::<S>::LANES;
    let (len, mut start) = (out.len(), 0);
    while start + lanes <= len {
        let sum = T::Vector::<S>::load(isa, &out[start..]) + code.apply(load(isa, x, start));
        sum.store(&mut out[start..]);
        start += lanes;
    }
    if start < len {
        let sum = T::Vector::<S>::load_partial(isa, &out[start..], T::ZERO);
        (sum + code.apply(load_rest(isa, x, start, len))).store_partial(&mut out[start..]);
    }
}

/// xᵢ ← code(xᵢ).
#[inline(always)]
pub(crate) fn change<S: Simd, T: Float>(isa: S, code: impl Code<T, 1>, x: &mut [T]) {
    for chunk in x.chunks_mut(T::Vector::<S>::LANES) {
        code.apply([T::Vector::<S>::load_chunk(isa, chunk)]).store_chunk(chunk);
    }
}

/// factor · x.
#[derive(Clone, Copy)]
pub(crate) struct Times<T>(pub(crate) T);

impl<T: Float> Code<T, 1> for Times<T> {
    #[inline(always)]
    fn apply<V: Vector<Scalar = T> + Real>(self, [x]: [V; 1]) -> V {
        V::splat(x.isa(), self.0) * x
    }
}

/// x itself.
#[derive(Clone, Copy)]
pub(crate) struct Same;

impl<T: Float> Code<T, 1> for Same {
    #[inline(always)]
    fn apply<V: Vector<Scalar = T> + Real>(self, [x]: [V; 1]) -> V {
        x
    }
}

/// x · y.
#[derive(Clone, Copy)]
pub(crate) struct Product;

impl<T: Float> Code<T, 2> for Product {
    #[inline(always)]
    fn apply<V: Vector<Scalar = T> + Real>(self, [x, y]: [V; 2]) -> V {
        x * y
    }
}

/// e^(x - shift).
#[derive(Clone, Copy)]
pub(crate) struct ExpMinus<T>(pub(crate) T);

impl<T: Float> Code<T, 1> for ExpMinus<T> {
    #[inline(always)]
    fn apply<V: Vector<Scalar = T> + Real>(self, [x]: [V; 1]) -> V {
        (x - V::splat(x.isa(), self.0)).exp()
    }
}
