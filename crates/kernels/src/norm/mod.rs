//! Normalisation: numbers shifted and scaled to mean 0 and variance 1, row by row or channel by
//! channel.
//!
//! A first pass guesses the mean; a second takes the deviations from it, which give the variance and
//! what the guess lost to rounding. Statistics are `f64`, and deviations are taken from a mean in two
//! parts, so that numbers far from zero keep their accuracy.

mod channels;
mod rows;

pub use channels::{
    Behind, ChannelNorm, Planes, channel_moments, normalize_channels, normalize_channels_gradient,
};
pub use rows::{RowNorm, normalize_rows, normalize_rows_gradient};

use crate::Float;
use crate::math::Real;
use crate::rows::Code;
use crate::simd::Vector;

/// What the numbers of a normalised group are shifted by and scaled with.
#[derive(Clone, Copy)]
struct Scaling<T> {
    mean: T,
    /// What the mean lost when it was rounded.
    mean_rest: T,
    /// 1 / √(variance + ε).
    scale: T,
}

impl<T: Float> Scaling<T> {
    #[inline(always)]
    fn new(mean: f64, scale: f64) -> Self {
        let rounded = T::from_f64(mean);
        let mean_rest = T::from_f64(mean - rounded.to_f64());
        Self { mean: rounded, mean_rest, scale: T::from_f64(scale) }
    }

    /// x - mean.
    #[inline(always)]
    fn deviation<V: Vector<Scalar = T>>(self, x: V) -> V {
        x - V::splat(x.isa(), self.mean) - V::splat(x.isa(), self.mean_rest)
    }

    /// (x - mean) · scale.
    #[inline(always)]
    fn normal<V: Vector<Scalar = T>>(self, x: V) -> V {
        self.deviation(x) * V::splat(x.isa(), self.scale)
    }
}

/// x - mean.
#[derive(Clone, Copy)]
struct Deviation<T>(Scaling<T>);

impl<T: Float> Code<T, 1> for Deviation<T> {
    #[inline(always)]
    fn apply<V: Vector<Scalar = T> + Real>(self, [x]: [V; 1]) -> V {
        self.0.deviation(x)
    }
}

/// The mean and the variance of `count` numbers, from a first guess of the mean and from the sums of
/// their deviations from it and of the squares of those.
///
/// # Source
/// Chan, Golub, LeVeque 1983, "Algorithms for Computing the Sample Variance", equation 1.7.
#[inline(always)]
fn corrected(guess: f64, [sum, squares]: [f64; 2], count: f64) -> [f64; 2] {
    let correction = sum / count;
    let variance = squares / count - correction * correction;
    // Not `max`, which would hide NaN.
    [guess + correction, if variance < 0.0 { 0.0 } else { variance }]
}

/// normal(x) · w + b.
#[derive(Clone, Copy)]
struct Normalize<T>(Scaling<T>);

impl<T: Float> Code<T, 3> for Normalize<T> {
    #[inline(always)]
    fn apply<V: Vector<Scalar = T> + Real>(self, [x, w, b]: [V; 3]) -> V {
        self.0.normal(x).mul_add(w, b)
    }
}

/// (x - mean) · factor + bias.
#[derive(Clone, Copy)]
struct ShiftAndScale<T> {
    scaling: Scaling<T>,
    factor: T,
    bias: T,
}

impl<T: Float> Code<T, 1> for ShiftAndScale<T> {
    #[inline(always)]
    fn apply<V: Vector<Scalar = T> + Real>(self, [x]: [V; 1]) -> V {
        let isa = x.isa();
        self.scaling.deviation(x).mul_add(V::splat(isa, self.factor), V::splat(isa, self.bias))
    }
}

/// g · normal(x).
#[derive(Clone, Copy)]
struct Correlation<T>(Scaling<T>);

impl<T: Float> Code<T, 2> for Correlation<T> {
    #[inline(always)]
    fn apply<V: Vector<Scalar = T> + Real>(self, [x, g]: [V; 2]) -> V {
        g * self.0.normal(x)
    }
}

/// g · w · normal(x).
impl<T: Float> Code<T, 3> for Correlation<T> {
    #[inline(always)]
    fn apply<V: Vector<Scalar = T> + Real>(self, [x, g, w]: [V; 3]) -> V {
        g * w * self.0.normal(x)
    }
}

/// The gradient by x: factor · g - shift - normal(x) · slope, where g may come with its own weight.
#[derive(Clone, Copy)]
struct InputGradient<T> {
    scaling: Scaling<T>,
    factor: T,
    shift: T,
    slope: T,
}

impl<T: Float> InputGradient<T> {
    /// (factor · g - level - normal(x) · slope) · scale.
    #[inline(always)]
    fn new(scaling: Scaling<T>, factor: f64, level: f64, slope: f64) -> Self {
        let times_scale = |x: f64| T::from_f64(x * scaling.scale.to_f64());
        Self {
            scaling,
            factor: times_scale(factor),
            shift: times_scale(level),
            slope: times_scale(slope),
        }
    }

    #[inline(always)]
    fn by<V: Vector<Scalar = T>>(self, x: V, g: V) -> V {
        let isa = x.isa();
        let level = g.mul_add(V::splat(isa, self.factor), -V::splat(isa, self.shift));
        (-self.scaling.normal(x)).mul_add(V::splat(isa, self.slope), level)
    }
}

impl<T: Float> Code<T, 2> for InputGradient<T> {
    #[inline(always)]
    fn apply<V: Vector<Scalar = T> + Real>(self, [x, g]: [V; 2]) -> V {
        self.by(x, g)
    }
}

impl<T: Float> Code<T, 3> for InputGradient<T> {
    #[inline(always)]
    fn apply<V: Vector<Scalar = T> + Real>(self, [x, g, w]: [V; 3]) -> V {
        self.by(x, g * w)
    }
}

/// The weights and biases of what is normalised; none are ones and zeros.
#[derive(Clone, Copy, Debug)]
pub struct Affine<'a, T> {
    /// What normalised numbers are multiplied with.
    pub weight: Option<&'a [T]>,
    /// What is then added.
    pub bias: Option<&'a [T]>,
}

/// The weight or bias of a run; they start again after the last.
#[inline(always)]
fn of_run<T: Float>(given: Option<&[T]>, default: f64, run: usize) -> f64 {
    given.map_or(default, |given| given[run % given.len()].to_f64())
}

/// What the gradients of a normalisation are computed from.
#[derive(Clone, Copy, Debug)]
pub struct Given<'a, T> {
    /// What was normalised.
    pub x: &'a [T],
    /// The gradient by the result.
    pub grad: &'a [T],
    /// The weights; none are ones.
    pub weight: Option<&'a [T]>,
    /// The biases; none are zeros. They matter only where something comes [`Behind`].
    pub bias: Option<&'a [T]>,
    /// What was added for [`Behind::AddRelu`].
    pub added: Option<&'a [T]>,
    /// Of each row the mean and 1 / √(variance + ε); of each channel the mean and the variance.
    pub statistics: &'a [[f64; 2]],
}

impl<'a, T> Given<'a, T> {
    /// Without weights and biases.
    pub fn new(x: &'a [T], grad: &'a [T], statistics: &'a [[f64; 2]]) -> Self {
        Self { x, grad, weight: None, bias: None, added: None, statistics }
    }
}
