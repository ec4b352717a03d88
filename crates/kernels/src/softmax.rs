//! Softmax and its logarithm over rows, and the cross-entropy of rows of logits.
//!
//! A row's numbers are first shifted by the largest, so nothing overflows. A row of which all
//! numbers are minus infinity, or one is infinity or NaN, gives NaN.

use crate::math::Real;
use crate::memory::scratch;
use crate::reduce::{Reduction, fold};
use crate::rows::{
    Code, ExpMinus, Product, Same, Times, Writer, change, rows_per_task, sum_of, write_of,
};
use crate::simd::{Routine, Simd, Vector, prefetch};
use crate::tiles::{is_large, lumps, part_of};
use crate::{Chunks, Float, Machine};

/// Which of two functions of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Softmax {
    /// yᵢ = e^xᵢ / Σⱼ e^xⱼ
    Plain,
    /// yᵢ = xᵢ - ln Σⱼ e^xⱼ
    Log,
}

/// Computes softmax, or its logarithm, of each row of `len` numbers.
///
/// # Panics
/// If `out` is not as long as `x`, or that is no multiple of `len`.
pub fn softmax<T: Float>(on: Machine, function: Softmax, len: usize, x: &[T], out: &mut [T]) {
    assert_eq!(x.len(), out.len());
    if out.is_empty() {
        return;
    }
    assert_eq!(x.len() % len, 0);
    let part = rows_per_task(len) * len;
    on.for_each(Chunks::new(out, part), x.len(), |index, out| {
        let x = &x[index * part..][..out.len()];
        on.isa.run(SoftmaxTask { function, len, x, out });
    });
}

struct SoftmaxTask<'a, T> {
    function: Softmax,
    len: usize,
    x: &'a [T],
    out: &'a mut [T],
}

impl<T: Float> Routine for SoftmaxTask<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, isa: S) {
        let rows = self.x.chunks_exact(self.len).zip(self.out.chunks_exact_mut(self.len));
        for (x, out) in rows {
            let highest = fold(isa, Reduction::Max, x);
            match self.function {
                Softmax::Plain => {
                    write_of(isa, ExpMinus(highest), [x], out);
                    let sum = sum_of(isa, Same, [&*out]);
                    change(isa, Times(T::from_f64(1.0 / sum)), out);
                }
                Softmax::Log => {
                    let sum = sum_of(isa, ExpMinus(highest), [x]);
                    let code = MinusBoth(highest, T::from_f64(sum.ln()));
                    write_of(isa, code, [x], out);
                }
            }
        }
    }
}

/// x - a - b.
#[derive(Clone, Copy)]
struct MinusBoth<T>(T, T);

impl<T: Float> Code<T, 1> for MinusBoth<T> {
    #[inline(always)]
    fn apply<V: Vector<Scalar = T> + Real>(self, [x]: [V; 1]) -> V {
        x - V::splat(x.isa(), self.0) - V::splat(x.isa(), self.1)
    }
}

/// The gradient by x, from the result y and the gradient g of y, row by row: of softmax
/// yᵢ (gᵢ - Σⱼ gⱼ yⱼ), of its logarithm gᵢ - e^yᵢ Σⱼ gⱼ.
///
/// # Panics
/// If the lengths differ, or are no multiple of `len`.
pub fn softmax_gradient<T: Float>(
    on: Machine,
    function: Softmax,
    len: usize,
    (y, grad): (&[T], &[T]),
    out: &mut [T],
) {
    assert!(y.len() == out.len() && grad.len() == out.len());
    if out.is_empty() {
        return;
    }
    assert_eq!(y.len() % len, 0);
    let part = rows_per_task(len) * len;
    on.for_each(Chunks::new(out, part), y.len(), |index, out| {
        let place = index * part..index * part + out.len();
        let (y, grad) = (&y[place.clone()], &grad[place]);
        on.isa.run(GradientTask { function, len, y, grad, out });
    });
}

struct GradientTask<'a, T> {
    function: Softmax,
    len: usize,
    y: &'a [T],
    grad: &'a [T],
    out: &'a mut [T],
}

impl<T: Float> Routine for GradientTask<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, isa: S) {
        let inputs = self.y.chunks_exact(self.len).zip(self.grad.chunks_exact(self.len));
        for ((y, grad), out) in inputs.zip(self.out.chunks_exact_mut(self.len)) {
            match self.function {
                Softmax::Plain => {
                    let sum = T::from_f64(sum_of(isa, Product, [y, grad]));
                    write_of(isa, PlainGradient(sum), [y, grad], out);
                }
                Softmax::Log => {
                    let sum = T::from_f64(sum_of(isa, Same, [grad]));
                    write_of(isa, LogGradient(sum), [y, grad], out);
                }
            }
        }
    }
}

/// y (g - sum).
#[derive(Clone, Copy)]
struct PlainGradient<T>(T);

impl<T: Float> Code<T, 2> for PlainGradient<T> {
    #[inline(always)]
    fn apply<V: Vector<Scalar = T> + Real>(self, [y, g]: [V; 2]) -> V {
        y * (g - V::splat(y.isa(), self.0))
    }
}

/// g - e^y sum.
#[derive(Clone, Copy)]
struct LogGradient<T>(T);

impl<T: Float> Code<T, 2> for LogGradient<T> {
    #[inline(always)]
    fn apply<V: Vector<Scalar = T> + Real>(self, [y, g]: [V; 2]) -> V {
        (-y.exp()).mul_add(V::splat(y.isa(), self.0), g)
    }
}

/// The settings of [`cross_entropy`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CrossEntropy {
    /// ε, how much of the target is spread evenly over all classes.
    pub label_smoothing: f64,
    /// Rows with this target count for nothing.
    pub ignore_index: Option<i64>,
    /// What becomes of the losses of the rows.
    pub total: Total,
}

/// What becomes of the losses of rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Total {
    /// They are given as they are.
    Rows,
    /// Their sum.
    Sum,
    /// Their sum divided by the sum of the weights of their classes, those of ignored rows left out.
    Mean,
}

/// The rows of logits, the class each belongs to, and the weights of the classes.
#[derive(Clone, Copy, Debug)]
pub struct Labelled<'a, T> {
    /// The logits, row by row.
    pub logits: &'a [T],
    /// How many classes there are: the length of a row.
    pub classes: usize,
    /// The class of each row.
    pub target: &'a [i64],
    /// The weight of each class; none is 1 for each.
    pub weight: Option<&'a [T]>,
}

impl<T: Float> Labelled<'_, T> {
    /// The first target that is no class and is not ignored.
    pub fn first_bad_target(&self, ignore_index: Option<i64>) -> Option<i64> {
        let is_class = |target: i64| usize::try_from(target).is_ok_and(|c| c < self.classes);
        let mut targets = self.target.iter().copied();
        targets.find(|&target| Some(target) != ignore_index && !is_class(target))
    }

    fn check(&self, rows: usize, ignore_index: Option<i64>) {
        assert!(self.target.len() == rows && self.logits.len() == rows * self.classes);
        assert!(self.weight.is_none_or(|weight| weight.len() == self.classes));
        assert_eq!(self.first_bad_target(ignore_index), None);
    }

    /// The class of a row, unless it is ignored.
    #[inline(always)]
    fn class(&self, row: usize, ignore_index: Option<i64>) -> Option<usize> {
        let target = self.target[row];
        (Some(target) != ignore_index).then_some(target as usize)
    }

    /// The sum of the weights of the rows that are not ignored.
    fn total_weight(&self, ignore_index: Option<i64>) -> f64 {
        let classes = (0..self.target.len()).filter_map(|row| self.class(row, ignore_index));
        classes.fold(0.0, |total, class| total + self.weight_of(class))
    }

    #[inline(always)]
    fn row(&self, row: usize) -> &[T] {
        &self.logits[row * self.classes..][..self.classes]
    }

    #[inline(always)]
    fn weight_of(&self, class: usize) -> f64 {
        self.weight.map_or(1.0, |weight| weight[class].to_f64())
    }
}

/// For each row x with target t and weights w, with l = ln Σ e^xᵢ: the loss
/// (1 - ε) wₜ (l - xₜ) + ε/C Σᵢ wᵢ (l - xᵢ), and l. The loss of an ignored row is 0. If the losses
/// are totalled, there is one number for them, and behind the l another: by what their sum was divided.
///
/// # Panics
/// If the lengths do not fit, or a target is no class.
pub fn cross_entropy<T: Float>(
    on: Machine,
    options: CrossEntropy,
    rows: Labelled<'_, T>,
    loss: &mut [T],
    log_sum: &mut [f64],
) {
    let count = rows.target.len();
    rows.check(count, options.ignore_index);
    let (log_sum, divisor) = log_sum.split_at_mut(count);
    if options.total == Total::Rows {
        return row_losses(on, options, rows, loss, log_sum);
    }
    let ([loss], [divisor]) = (loss, divisor) else { panic!("the losses have one total") };
    let mut losses = scratch::<T>(count);
    row_losses(on, options, rows, &mut losses, log_sum);
    *divisor = match options.total {
        Total::Mean => rows.total_weight(options.ignore_index),
        _ => 1.0,
    };
    *loss = T::from_f64(losses.iter().fold(0.0, |sum, loss| sum + loss.to_f64()) / *divisor);
}

fn row_losses<T: Float>(
    on: Machine,
    options: CrossEntropy,
    rows: Labelled<'_, T>,
    loss: &mut [T],
    log_sum: &mut [f64],
) {
    assert_eq!(loss.len(), log_sum.len());
    let part = rows_per_task(rows.classes);
    let chunks = (Chunks::new(loss, part), Chunks::new(log_sum, part));
    on.for_each(chunks, rows.logits.len(), |index, (loss, log_sum)| {
        on.isa.run(LossTask { options, rows, first: index * part, loss, log_sum });
    });
}

struct LossTask<'a, T> {
    options: CrossEntropy,
    rows: Labelled<'a, T>,
    first: usize,
    loss: &'a mut [T],
    log_sum: &'a mut [f64],
}

impl<T: Float> Routine for LossTask<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, isa: S) {
        let CrossEntropy { label_smoothing, ignore_index, .. } = self.options;
        for (i, (loss, log_sum)) in self.loss.iter_mut().zip(self.log_sum).enumerate() {
            let x = self.rows.row(self.first + i);
            let highest = fold(isa, Reduction::Max, x);
            let next = &self.rows.logits[(self.first + i + 1) * x.len()..];
            let mut sum = 0.0;
            for place in lumps(x.len()) {
                prefetch(isa, part_of(next, &place));
                sum += sum_of(isa, ExpMinus(highest), [&x[place]]);
            }
            let rest = sum.ln();
            let highest = highest.to_f64();
            *log_sum = highest + rest;
            let Some(class) = self.rows.class(self.first + i, ignore_index) else {
                *loss = T::ZERO;
                continue;
            };
            // Shifted by the largest before the small logarithm comes in, which would else be lost
            // beside large logits.
            let mut total = rest - (x[class].to_f64() - highest);
            total *= (1.0 - label_smoothing) * self.rows.weight_of(class);
            if label_smoothing != 0.0 {
                let (sum, weights) = match self.rows.weight {
                    None => (sum_of(isa, Same, [x]), x.len() as f64),
                    Some(weight) => {
                        (sum_of(isa, Product, [x, weight]), sum_of(isa, Same, [weight]))
                    }
                };
                let even = label_smoothing / x.len() as f64;
                total += even * ((highest + rest) * weights - sum);
            }
            *loss = T::from_f64(total);
        }
    }
}

/// The gradient by the logits, from what [`cross_entropy`] gave beside the losses and the gradient by
/// each loss, or by their total: with g for the gradient by a row's loss,
/// g (S e^(xᵢ - l) - qᵢ) with qᵢ = (1 - ε) wₜ [i = t] + ε/C wᵢ and S = Σ q.
///
/// # Panics
/// If the lengths do not fit, or a target is no class.
pub fn cross_entropy_gradient<T: Float>(
    on: Machine,
    options: CrossEntropy,
    rows: Labelled<'_, T>,
    (log_sum, grad): (&[f64], &[T]),
    out: &mut [T],
) {
    let count = rows.target.len();
    let (log_sum, divisor) = log_sum.split_at(count);
    rows.check(count, options.ignore_index);
    assert_eq!(out.len(), rows.logits.len());
    let grad = match (options.total, divisor, grad) {
        (Total::Rows, [], grad) if grad.len() == count => RowGradients::Each(grad),
        (Total::Sum | Total::Mean, [divisor], [grad]) => {
            RowGradients::Same(grad.to_f64() / divisor)
        }
        _ => panic!("there is a gradient for each loss"),
    };
    if out.is_empty() {
        return;
    }
    let part = rows_per_task(rows.classes);
    let cost_ns = out.len();
    let large = is_large(out);
    on.for_each(Chunks::new(out, part * rows.classes), cost_ns, |index, out| {
        let first = index * part;
        on.isa.run(LossGradientTask { options, rows, first, log_sum, grad, out, large });
    });
}

/// The gradients by the losses of rows.
#[derive(Clone, Copy)]
enum RowGradients<'a, T> {
    Each(&'a [T]),
    Same(f64),
}

impl<T: Float> RowGradients<'_, T> {
    #[inline(always)]
    fn of(self, row: usize) -> f64 {
        match self {
            Self::Each(gradients) => gradients[row].to_f64(),
            Self::Same(gradient) => gradient,
        }
    }
}

struct LossGradientTask<'a, T> {
    options: CrossEntropy,
    rows: Labelled<'a, T>,
    first: usize,
    log_sum: &'a [f64],
    grad: RowGradients<'a, T>,
    out: &'a mut [T],
    large: bool,
}

impl<T: Float> Routine for LossGradientTask<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, isa: S) {
        let CrossEntropy { label_smoothing, ignore_index, .. } = self.options;
        let even = label_smoothing / self.rows.classes as f64;
        let weights = match self.rows.weight {
            None => self.rows.classes as f64,
            Some(weight) => sum_of(isa, Same, [weight]),
        };
        let mut writer = Writer::new(self.large);
        for (i, out) in self.out.chunks_exact_mut(self.rows.classes).enumerate() {
            let row = self.first + i;
            let Some(class) = self.rows.class(row, ignore_index) else {
                out.fill(T::ZERO);
                continue;
            };
            let (x, grad) = (self.rows.row(row), self.grad.of(row));
            let hit = (1.0 - label_smoothing) * self.rows.weight_of(class);
            let shift = T::from_f64(self.log_sum[row]);
            let code = Spread {
                shift,
                shift_rest: T::from_f64(self.log_sum[row] - shift.to_f64()),
                scale: T::from_f64(grad * (hit + even * weights)),
                even: T::from_f64(grad * even),
            };
            for place in lumps(x.len()) {
                let (x, out) = (&x[place.clone()], &mut out[place.clone()]);
                match self.rows.weight {
                    None => writer.write_of(isa, code, [x], out),
                    Some(weight) => writer.write_of(isa, code, [x, &weight[place]], out),
                }
            }
            out[class] = out[class].minus(T::from_f64(grad * hit));
        }
    }
}

/// scale · e^(x - shift) - even · w, the shift in two parts: what a large one loses to rounding
/// would be a factor of the power.
#[derive(Clone, Copy)]
struct Spread<T> {
    shift: T,
    shift_rest: T,
    scale: T,
    even: T,
}

impl<T: Float> Spread<T> {
    #[inline(always)]
    fn spread<V: Vector<Scalar = T> + Real>(self, x: V, even: V) -> V {
        let isa = x.isa();
        let power = (x - V::splat(isa, self.shift) - V::splat(isa, self.shift_rest)).exp();
        power.mul_add(V::splat(isa, self.scale), -even)
    }
}

impl<T: Float> Code<T, 1> for Spread<T> {
    #[inline(always)]
    fn apply<V: Vector<Scalar = T> + Real>(self, [x]: [V; 1]) -> V {
        self.spread(x, V::splat(x.isa(), self.even))
    }
}

impl<T: Float> Code<T, 2> for Spread<T> {
    #[inline(always)]
    fn apply<V: Vector<Scalar = T> + Real>(self, [x, weight]: [V; 2]) -> V {
        self.spread(x, V::splat(x.isa(), self.even) * weight)
    }
}
