//! Normalisation of channels: batch norm.

use super::{
    Affine, Correlation, Deviation, Given, InputGradient, Scaling, ShiftAndScale, corrected, of_run,
};
use crate::rows::{Same, rows_per_task, sum_of, sums_of, write_of};
use crate::simd::{Routine, Simd};
use crate::threads::Shared;
use crate::{Chunks, Float, Machine};

/// The shape of what is normalised channel by channel: `[batch, channels, inner]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Planes {
    /// B.
    pub batch: usize,
    /// C.
    pub channels: usize,
    /// How many numbers of a channel lie side by side.
    pub inner: usize,
}

impl Planes {
    fn count(self) -> usize {
        self.batch * self.channels * self.inner
    }

    /// Where the numbers of a channel lie in each element of the batch.
    #[inline(always)]
    fn starts(self, channel: usize) -> impl Iterator<Item = usize> {
        (0..self.batch).map(move |b| (b * self.channels + channel) * self.inner)
    }

    /// How many channels one task takes.
    fn part(self) -> usize {
        rows_per_task(self.batch * self.inner)
    }
}

/// How channels are normalised.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ChannelNorm {
    /// What is added to the variance.
    pub epsilon: f64,
    /// The means and variances are constants. Else they are those of the channels themselves.
    pub constant: bool,
}

impl ChannelNorm {
    /// What a channel with a mean and a variance is scaled by.
    #[inline(always)]
    fn scaling<T: Float>(self, [mean, variance]: [f64; 2]) -> Scaling<T> {
        Scaling::new(mean, 1.0 / (variance + self.epsilon).sqrt())
    }
}

/// The mean of each channel and its variance: the mean squared deviation from it.
///
/// # Panics
/// If the lengths do not fit.
pub fn channel_moments<T: Float>(on: Machine, planes: Planes, x: &[T], out: &mut [[f64; 2]]) {
    assert!(x.len() == planes.count() && out.len() == planes.channels);
    let part = planes.part();
    on.for_each(Chunks::new(out, part), x.len() / 4, |index, out| {
        on.isa.run(MomentsTask { planes, x, first: index * part, out });
    });
}

struct MomentsTask<'a, T> {
    planes: Planes,
    x: &'a [T],
    first: usize,
    out: &'a mut [[f64; 2]],
}

impl<T: Float> Routine for MomentsTask<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, isa: S) {
        let Planes { batch, inner, .. } = self.planes;
        let count = (batch * inner) as f64;
        for (i, out) in self.out.iter_mut().enumerate() {
            let mut sum = 0.0;
            for start in self.planes.starts(self.first + i) {
                sum += sum_of(isa, Same, [&self.x[start..][..inner]]);
            }
            let guess = sum / count;
            let code = Deviation(Scaling::new(guess, 1.0));
            let mut sums = [0.0; 2];
            for start in self.planes.starts(self.first + i) {
                let [sum, squares] = sums_of(isa, code, &self.x[start..][..inner]);
                sums = [sums[0] + sum, sums[1] + squares];
            }
            *out = corrected(guess, sums, count);
        }
    }
}

/// Normalises each channel by its mean and variance: y = (x - mean) / √(variance + ε) · w + b.
///
/// # Panics
/// If the lengths do not fit.
pub fn normalize_channels<T: Float>(
    on: Machine,
    norm: ChannelNorm,
    planes: Planes,
    (x, affine): (&[T], Affine<'_, T>),
    statistics: &[[f64; 2]],
    out: &mut [T],
) {
    assert!(x.len() == planes.count() && x.len() == out.len());
    assert_eq!(statistics.len(), planes.channels);
    for given in [affine.weight, affine.bias].into_iter().flatten() {
        assert_eq!(given.len(), planes.channels);
    }
    if out.is_empty() {
        return;
    }
    let part = rows_per_task(planes.inner);
    on.for_each(Chunks::new(out, part * planes.inner), x.len() / 4, |index, out| {
        on.isa.run(ChannelsTask { norm, planes, x, affine, statistics, first: index * part, out });
    });
}

struct ChannelsTask<'a, T> {
    norm: ChannelNorm,
    planes: Planes,
    x: &'a [T],
    affine: Affine<'a, T>,
    statistics: &'a [[f64; 2]],
    first: usize,
    out: &'a mut [T],
}

impl<T: Float> Routine for ChannelsTask<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, isa: S) {
        let Planes { channels, inner, .. } = self.planes;
        for (i, out) in self.out.chunks_exact_mut(inner).enumerate() {
            let plane = self.first + i;
            let x = &self.x[plane * inner..][..inner];
            let scaling = self.norm.scaling::<T>(self.statistics[plane % channels]);
            let factor =
                T::from_f64(scaling.scale.to_f64() * of_run(self.affine.weight, 1.0, plane));
            let bias = T::from_f64(of_run(self.affine.bias, 0.0, plane));
            write_of(isa, ShiftAndScale { scaling, factor, bias }, [x], out);
        }
    }
}

/// The gradients of [`normalize_channels`] by x, the weights and the biases: with n the normalised
/// channel, by x it is w (gᵢ - mean g - nᵢ · mean(g n)) / √(variance + ε), without the means if the
/// statistics are constants; by the weight it is Σ g n, by the bias Σ g.
///
/// # Panics
/// If the lengths do not fit.
pub fn normalize_channels_gradient<T: Float>(
    on: Machine,
    norm: ChannelNorm,
    planes: Planes,
    given: Given<'_, T>,
    [by_x, by_weight, by_bias]: [&mut [T]; 3],
) {
    let count = planes.count();
    assert!(given.x.len() == count && given.grad.len() == count && by_x.len() == count);
    assert!(given.statistics.len() == planes.channels);
    assert!(given.weight.is_none_or(|weight| weight.len() == planes.channels));
    assert!(by_weight.len() == planes.channels && by_bias.len() == planes.channels);
    let part = planes.part();
    let shared = &Shared::new(by_x);
    let chunks = (Chunks::new(by_weight, part), Chunks::new(by_bias, part));
    on.for_each(chunks, count, |index, (by_weight, by_bias)| {
        let first = index * part;
        on.isa.run(ChannelsGradientTask { norm, planes, given, first, shared, by_weight, by_bias });
    });
}

struct ChannelsGradientTask<'a, 'b, T> {
    norm: ChannelNorm,
    planes: Planes,
    given: Given<'a, T>,
    first: usize,
    shared: &'a Shared<'b, T>,
    by_weight: &'a mut [T],
    by_bias: &'a mut [T],
}

impl<T: Float> Routine for ChannelsGradientTask<'_, '_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, isa: S) {
        let Planes { batch, inner, .. } = self.planes;
        let Given { x, grad, weight, statistics } = self.given;
        let count = (batch * inner) as f64;
        for (i, (by_weight, by_bias)) in self.by_weight.iter_mut().zip(self.by_bias).enumerate() {
            let channel = self.first + i;
            let scaling = self.norm.scaling(statistics[channel]);
            let (mut sum, mut correlation) = (0.0, 0.0);
            for start in self.planes.starts(channel) {
                let (x, grad) = (&x[start..][..inner], &grad[start..][..inner]);
                sum += sum_of(isa, Same, [grad]);
                correlation += sum_of(isa, Correlation(scaling), [x, grad]);
            }
            (*by_weight, *by_bias) = (T::from_f64(correlation), T::from_f64(sum));
            let w = of_run(weight, 1.0, channel);
            let (level, slope) = match self.norm.constant {
                true => (0.0, 0.0),
                false => (w * sum / count, w * correlation / count),
            };
            let code = InputGradient::new(scaling, w, level, slope);
            for start in self.planes.starts(channel) {
                // SAFETY: each channel is one task's, and its planes do not overlap.
                let by_x = unsafe { self.shared.slice(start, inner) };
                write_of(isa, code, [&x[start..][..inner], &grad[start..][..inner]], by_x);
            }
        }
    }
}
