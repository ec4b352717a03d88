//! Normalisation of rows that lie side by side: layer norm, group norm, RMS norm.

use super::{
    Affine, Correlation, Deviation, Given, InputGradient, Normalize, Scaling, ShiftAndScale,
    corrected, of_run,
};
use crate::math::Real;
use crate::memory::{Scratch, scratch};
use crate::rows::{
    Code, Same, Writer, add_of, both_sums_of, rows_per_task, sum_of, sums_of, write_of,
};
use crate::simd::{Routine, Simd, Vector, prefetch};
use crate::threads::Shared;
use crate::tiles::{is_large, lumps, part_of};
use crate::{Chunks, Float, Machine};

/// How rows are normalised.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RowNorm {
    /// What is added to the variance, or to the mean square.
    pub epsilon: f64,
    /// Take the mean off. Else numbers are divided by the root of their mean square.
    pub centered: bool,
    /// How many numbers in a row have the same weight and bias: element i of all the rows has those
    /// of index ⌊i / run⌋, from 0 again after the last.
    pub run: usize,
}

/// The numbers of a weight or bias that belong to the row that starts at `start`, where each number
/// has its own.
#[inline(always)]
fn of_row<'a, T>(given: Option<&'a [T]>, default: &'a [T], start: usize, len: usize) -> &'a [T] {
    match given {
        Some(given) => &given[start % given.len()..][..len],
        None => default,
    }
}

impl RowNorm {
    /// Ones in the place of weights and zeros in that of biases that are wanted number by number but
    /// not given.
    fn defaults<T: Float>(self, affine: Affine<'_, T>, len: usize) -> [Scratch<T>; 2] {
        let wanted = |given: Option<&[T]>| if self.run == 1 && given.is_none() { len } else { 0 };
        let (mut ones, mut zeros) = (scratch(wanted(affine.weight)), scratch(wanted(affine.bias)));
        ones.fill(T::ONE);
        zeros.fill(T::ZERO);
        [ones, zeros]
    }

    fn check<T>(self, affine: Affine<'_, T>, len: usize) {
        assert!(self.run > 0 && len.is_multiple_of(self.run));
        for given in [affine.weight, affine.bias].into_iter().flatten() {
            assert!(!given.is_empty() && (given.len() * self.run).is_multiple_of(len));
        }
    }
}

/// The mean of a row and 1 / √(variance + ε).
#[inline(always)]
fn moments<S: Simd, T: Float>(isa: S, norm: RowNorm, x: &[T]) -> [f64; 2] {
    let count = x.len() as f64;
    let [mean, variance] = if norm.centered {
        let guess = sum_of(isa, Same, [x]) / count;
        corrected(guess, sums_of(isa, Deviation(Scaling::new(guess, 1.0)), x), count)
    } else {
        [0.0, sums_of(isa, Same, x)[1] / count]
    };
    [mean, 1.0 / (variance + norm.epsilon).sqrt()]
}

/// Normalises each row of `len` numbers: yᵢ = (xᵢ - mean) / √(variance + ε) · wᵢ + bᵢ. Writes the
/// mean and the factor 1 / √(variance + ε) of each row beside it.
///
/// # Panics
/// If the lengths do not fit.
pub fn normalize_rows<T: Float>(
    on: Machine,
    norm: RowNorm,
    len: usize,
    (x, affine): (&[T], Affine<'_, T>),
    out: &mut [T],
    statistics: &mut [[f64; 2]],
) {
    assert!(x.len() == out.len() && statistics.len() * len == x.len());
    if out.is_empty() {
        return;
    }
    norm.check(affine, len);
    let defaults = &norm.defaults(affine, len);
    let part = rows_per_task(len);
    let large = is_large(out);
    let chunks = (Chunks::new(out, part * len), Chunks::new(statistics, part));
    on.for_each(chunks, x.len() / 2, |index, (out, statistics)| {
        let first = index * part;
        let x = &x[first * len..][..out.len()];
        on.isa.run(RowsTask { norm, len, x, affine, defaults, first, out, statistics, large });
    });
}

struct RowsTask<'a, T> {
    norm: RowNorm,
    len: usize,
    x: &'a [T],
    affine: Affine<'a, T>,
    defaults: &'a [Scratch<T>; 2],
    first: usize,
    out: &'a mut [T],
    statistics: &'a mut [[f64; 2]],
    large: bool,
}

impl<T: Float> Routine for RowsTask<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, isa: S) {
        let (len, run) = (self.len, self.norm.run);
        let Affine { weight, bias } = self.affine;
        let mut writer = Writer::new(self.large);
        let rows = self.x.chunks_exact(len).zip(self.out.chunks_exact_mut(len));
        for (row, ((x, out), statistics)) in rows.zip(self.statistics).enumerate() {
            let start = (self.first + row) * len;
            *statistics = moments(isa, self.norm, x);
            let [mean, scale] = *statistics;
            let scaling = Scaling::new(mean, scale);
            if run == 1 {
                let w = of_row(weight, &self.defaults[0], start, len);
                let b = of_row(bias, &self.defaults[1], start, len);
                let next = &self.x[(row + 1) * len..];
                for place in lumps(len) {
                    prefetch(isa, part_of(next, &place));
                    let inputs = [x, w, b].map(|row| &row[place.clone()]);
                    writer.write_of(isa, Normalize(scaling), inputs, &mut out[place]);
                }
                continue;
            }
            for (i, (x, out)) in x.chunks_exact(run).zip(out.chunks_exact_mut(run)).enumerate() {
                let factor = T::from_f64(scale * of_run(weight, 1.0, start / run + i));
                let bias = T::from_f64(of_run(bias, 0.0, start / run + i));
                write_of(isa, ShiftAndScale { scaling, factor, bias }, [x], out);
            }
        }
    }
}

/// How many rows' gradients by weights and biases are added as they are, before their sum is added to
/// others' in `f64`.
const BLOCK: usize = 64;

/// How many parts rows are divided in, whose sums for the weights and biases are then added.
const PARTS: usize = 64;

/// The gradients of [`normalize_rows`] by x, and by the weights and biases, from x, the statistics
/// and the gradient g of the result. With n the normalised row and h = g · w:
/// by x it is (hᵢ - mean h - nᵢ · mean(h n)) / √(variance + ε), by a weight Σ g n, by a bias Σ g.
///
/// `by_weight` and `by_bias` are as long as the weights and biases, or empty if they are not
/// wanted.
///
/// # Panics
/// If the lengths do not fit.
pub fn normalize_rows_gradient<T: Float>(
    on: Machine,
    norm: RowNorm,
    len: usize,
    given: Given<'_, T>,
    [by_x, by_weight, by_bias]: [&mut [T]; 3],
) {
    let Given { x, grad, weight, statistics, .. } = given;
    assert!(x.len() == grad.len() && x.len() == by_x.len() && statistics.len() * len == x.len());
    let affine = Affine { weight, bias: None };
    let params = by_weight.len().max(by_bias.len());
    by_weight.fill(T::ZERO);
    by_bias.fill(T::ZERO);
    if x.is_empty() {
        return;
    }
    norm.check(affine, len);
    assert!((params * norm.run).is_multiple_of(len));
    assert!([by_weight.len(), by_bias.len()].iter().all(|&n| n == 0 || n == params));
    let defaults = &norm.defaults(affine, len);
    let rows = x.len() / len;
    let part = rows_per_task(len).max(rows.div_ceil(PARTS));
    let parts = rows.div_ceil(part);
    // For each part the gradient by the weights and that by the biases, not yet added to the
    // others'. Where nothing is wanted they are empty.
    let mut sums = scratch::<f64>(parts * 2 * params);
    sums.fill(0.0);
    let shared = Shared::new(&mut sums);
    let large = is_large(by_x);
    on.for_each(Chunks::new(by_x, part * len), x.len(), |index, by_x| {
        // SAFETY: each task has sums of its own.
        let sums = unsafe { shared.slice(index * 2 * params, 2 * params) };
        let first = index * part;
        on.isa.run(RowsGradientTask { norm, len, given, defaults, first, by_x, sums, large });
    });
    if params == 0 {
        return;
    }
    // Part after part, as they lie in memory: number by number would jump from one to the next.
    let (totals, others) = sums.split_at_mut(2 * params);
    for sums in others.chunks_exact(2 * params) {
        for (total, sum) in totals.iter_mut().zip(sums) {
            *total += sum;
        }
    }
    for (by, totals) in [by_weight, by_bias].into_iter().zip(totals.chunks_exact(params)) {
        for (by, &total) in by.iter_mut().zip(totals) {
            *by = T::from_f64(total);
        }
    }
}

struct RowsGradientTask<'a, T> {
    norm: RowNorm,
    len: usize,
    given: Given<'a, T>,
    defaults: &'a [Scratch<T>; 2],
    first: usize,
    by_x: &'a mut [T],
    sums: &'a mut [f64],
    large: bool,
}

impl<T: Float> Routine for RowsGradientTask<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, isa: S) {
        let Self { norm, given, defaults, .. } = self;
        let gradient = RowGradient { norm, given, ones: &defaults[0] };
        let mut block = scratch::<T>(self.sums.len());
        let writer = &mut Writer::new(self.large);
        let params = self.sums.len() / 2;
        for (index, by_x) in self.by_x.chunks_mut(BLOCK * self.len).enumerate() {
            block.fill(T::ZERO);
            let (by_weight, by_bias) = block.split_at_mut(params);
            for (row, by_x) in by_x.chunks_exact_mut(self.len).enumerate() {
                let row = self.first + index * BLOCK + row;
                let start = row * self.len;
                let [mean, scale] = given.statistics[row];
                let scaling = Scaling::new(mean, scale);
                let params = (&mut *by_weight, &mut *by_bias);
                if norm.run == 1 {
                    gradient.row(isa, start, scaling, (by_x, writer), params);
                } else {
                    gradient.row_of_runs(isa, start, scaling, (by_x, writer), params);
                }
            }
            for (sum, &value) in self.sums.iter_mut().zip(block.iter()) {
                *sum += value.to_f64();
            }
        }
    }
}

/// What the gradient of a row depends on, beside the row.
struct RowGradient<'a, T> {
    norm: RowNorm,
    given: Given<'a, T>,
    ones: &'a [T],
}

/// g · w.
#[derive(Clone, Copy)]
struct Weighted;

impl<T: Float> Code<T, 3> for Weighted {
    #[inline(always)]
    fn apply<V: Vector<Scalar = T> + Real>(self, [_, g, w]: [V; 3]) -> V {
        g * w
    }
}

impl<T: Float> RowGradient<'_, T> {
    /// One row, each of whose numbers has its own weight and bias.
    #[inline(always)]
    fn row<S: Simd>(
        &self,
        isa: S,
        start: usize,
        scaling: Scaling<T>,
        (by_x, writer): (&mut [T], &mut Writer<T>),
        (by_weight, by_bias): (&mut [T], &mut [T]),
    ) {
        let len = by_x.len();
        let given = [self.given.x, self.given.grad];
        let [x, grad] = given.map(|rows| &rows[start..][..len]);
        let w = of_row(self.given.weight, self.ones, start, len);
        let sums = both_sums_of(isa, (Weighted, Correlation(scaling)), [x, grad, w]);
        let [level, slope] = sums.map(|sum| sum / len as f64);
        let level = if self.norm.centered { level } else { 0.0 };
        let code = InputGradient::new(scaling, 1.0, level, slope);
        let first = |params: &[T]| if params.is_empty() { 0 } else { start % params.len() };
        let (first_weight, first_bias) = (first(by_weight), first(by_bias));
        for place in lumps(len) {
            for rows in given {
                prefetch(isa, part_of(&rows[start + len..], &place));
            }
            let inputs @ [x, grad, _] = [x, grad, w].map(|row| &row[place.clone()]);
            writer.write_of(isa, code, inputs, &mut by_x[place.clone()]);
            if !by_weight.is_empty() {
                let sums = &mut by_weight[first_weight + place.start..][..place.len()];
                add_of(isa, Correlation(scaling), [x, grad], sums);
            }
            if !by_bias.is_empty() {
                let sums = &mut by_bias[first_bias + place.start..][..place.len()];
                add_of(isa, Same, [grad], sums);
            }
        }
    }

    /// One row in runs of numbers that have the same weight and bias.
    #[inline(always)]
    fn row_of_runs<S: Simd>(
        &self,
        isa: S,
        start: usize,
        scaling: Scaling<T>,
        (by_x, writer): (&mut [T], &mut Writer<T>),
        (by_weight, by_bias): (&mut [T], &mut [T]),
    ) {
        let run = self.norm.run;
        let [x, grad] = [self.given.x, self.given.grad].map(|rows| &rows[start..][..by_x.len()]);
        let weight = |i| of_run(self.given.weight, 1.0, start / run + i);
        let (mut level, mut slope) = (0.0, 0.0);
        for (i, (x, grad)) in x.chunks_exact(run).zip(grad.chunks_exact(run)).enumerate() {
            let sum = sum_of(isa, Same, [grad]);
            let correlation = sum_of(isa, Correlation(scaling), [x, grad]);
            level += sum * weight(i);
            slope += correlation * weight(i);
            add_to(by_weight, start / run + i, correlation);
            add_to(by_bias, start / run + i, sum);
        }
        let count = x.len() as f64;
        let level = if self.norm.centered { level / count } else { 0.0 };
        let rows = x.chunks_exact(run).zip(grad.chunks_exact(run));
        for (i, ((x, grad), by_x)) in rows.zip(by_x.chunks_exact_mut(run)).enumerate() {
            let code = InputGradient::new(scaling, weight(i), level, slope / count);
            for place in lumps(run) {
                let inputs = [x, grad].map(|row| &row[place.clone()]);
                writer.write_of(isa, code, inputs, &mut by_x[place]);
            }
        }
    }
}

/// Adds to the sum of a run, if sums are wanted.
#[inline(always)]
fn add_to<T: Float>(sums: &mut [T], run: usize, value: f64) {
    if !sums.is_empty() {
        let place = run % sums.len();
        sums[place] = sums[place].plus(T::from_f64(value));
    }
}
