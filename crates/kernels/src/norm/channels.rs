//! Normalisation of channels: batch norm.

use super::{
    Affine, Correlation, Deviation, Given, InputGradient, Scaling, ShiftAndScale, corrected, of_run,
};
use crate::math::Real;
use crate::rows::{Code, Same, both_sums_of, rows_per_task, sum_of, sums_of, write_of};
use crate::simd::{Mask, Routine, Simd, Vector};
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
    /// What comes behind it, in the same pass.
    pub behind: Behind,
}

/// What is done to normalised numbers y in the same pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Behind {
    /// Nothing.
    Nothing,
    /// max(y, 0).
    Relu,
    /// max(y + z, 0) of the numbers z of another tensor.
    AddRelu,
}

impl ChannelNorm {
    /// What a channel with a mean and a variance is scaled by.
    #[inline(always)]
    fn scaling<T: Float>(self, [mean, variance]: [f64; 2]) -> Scaling<T> {
        Scaling::new(mean, 1.0 / (variance + self.epsilon).sqrt())
    }

    fn check_added<T>(self, x: &[T], added: Option<&[T]>) {
        let wanted = (self.behind == Behind::AddRelu).then_some(x.len());
        assert_eq!(added.map(<[T]>::len), wanted);
    }

    /// How the numbers of the channel of a plane are normalised.
    #[inline(always)]
    fn code<T: Float>(
        self,
        scaling: Scaling<T>,
        affine: Affine<'_, T>,
        plane: usize,
    ) -> ShiftAndScale<T> {
        let factor = T::from_f64(scaling.scale.to_f64() * of_run(affine.weight, 1.0, plane));
        let bias = T::from_f64(of_run(affine.bias, 0.0, plane));
        ShiftAndScale { scaling, factor, bias }
    }
}

/// max(y, 0) of what another code computes of x.
#[derive(Clone, Copy)]
struct Rectified<C>(C);

impl<T: Float, C: Code<T, 1>> Code<T, 1> for Rectified<C> {
    #[inline(always)]
    fn apply<V: Vector<Scalar = T> + Real>(self, x: [V; 1]) -> V {
        let y = self.0.apply(x);
        y.maximum(y.zero())
    }
}

/// max(y + z, 0) of x and z.
impl<T: Float, C: Code<T, 1>> Code<T, 2> for Rectified<C> {
    #[inline(always)]
    fn apply<V: Vector<Scalar = T> + Real>(self, [x, z]: [V; 2]) -> V {
        let y = self.0.apply([x]) + z;
        y.maximum(y.zero())
    }
}

/// Which part of the gradient g by the results reaches what they are made of. The first of the
/// numbers are x and g.
trait Gate<T: Float, const N: usize>: Copy {
    fn pass<V: Vector<Scalar = T> + Real>(self, numbers: [V; N]) -> V;
}

/// All of it.
#[derive(Clone, Copy)]
struct Open;

impl<T: Float> Gate<T, 2> for Open {
    #[inline(always)]
    fn pass<V: Vector<Scalar = T> + Real>(self, [_, g]: [V; 2]) -> V {
        g
    }
}

/// That by results above zero, which are computed once more, and NaN's.
#[derive(Clone, Copy)]
struct Above<T>(ShiftAndScale<T>);

#[inline(always)]
fn where_above<V: Vector>(y: V, g: V) -> V {
    V::select(y.greater(y.zero()).or(y.is_nan()), g, g.zero())
}

impl<T: Float> Gate<T, 2> for Above<T> {
    #[inline(always)]
    fn pass<V: Vector<Scalar = T> + Real>(self, [x, g]: [V; 2]) -> V {
        where_above(self.0.apply([x]), g)
    }
}

/// With z behind g.
impl<T: Float> Gate<T, 3> for Above<T> {
    #[inline(always)]
    fn pass<V: Vector<Scalar = T> + Real>(self, [x, g, z]: [V; 3]) -> V {
        where_above(self.0.apply([x]) + z, g)
    }
}

/// A code of x and of the part of g that passes a gate.
#[derive(Clone, Copy)]
struct Gated<G, C>(G, C);

impl<T: Float, G: Gate<T, N>, C: Code<T, 2>, const N: usize> Code<T, N> for Gated<G, C> {
    #[inline(always)]
    fn apply<V: Vector<Scalar = T> + Real>(self, numbers: [V; N]) -> V {
        self.1.apply([numbers[0], self.0.pass(numbers)])
    }
}

/// g.
#[derive(Clone, Copy)]
struct Second;

impl<T: Float> Code<T, 2> for Second {
    #[inline(always)]
    fn apply<V: Vector<Scalar = T> + Real>(self, [_, g]: [V; 2]) -> V {
        g
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

/// Normalises each channel by its mean and variance: y = (x - mean) / √(variance + ε) · w + b, and
/// then what comes [`Behind`]; `added` are the numbers z for [`Behind::AddRelu`].
///
/// # Panics
/// If the lengths do not fit.
pub fn normalize_channels<T: Float>(
    on: Machine,
    norm: ChannelNorm,
    planes: Planes,
    (x, affine, added): (&[T], Affine<'_, T>, Option<&[T]>),
    statistics: &[[f64; 2]],
    out: &mut [T],
) {
    assert!(x.len() == planes.count() && x.len() == out.len());
    assert_eq!(statistics.len(), planes.channels);
    for given in [affine.weight, affine.bias].into_iter().flatten() {
        assert_eq!(given.len(), planes.channels);
    }
    norm.check_added(x, added);
    if out.is_empty() {
        return;
    }
    let part = rows_per_task(planes.inner);
    on.for_each(Chunks::new(out, part * planes.inner), x.len() / 4, |index, out| {
        let first = index * part;
        on.isa.run(ChannelsTask { norm, planes, x, affine, added, statistics, first, out });
    });
}

struct ChannelsTask<'a, T> {
    norm: ChannelNorm,
    planes: Planes,
    x: &'a [T],
    affine: Affine<'a, T>,
    added: Option<&'a [T]>,
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
            let code = self.norm.code(scaling, self.affine, plane);
            match (self.norm.behind, self.added) {
                (Behind::Nothing, _) => write_of(isa, code, [x], out),
                (_, None) => write_of(isa, Rectified(code), [x], out),
                (_, Some(z)) => {
                    write_of(isa, Rectified(code), [x, &z[plane * inner..][..inner]], out);
                }
            }
        }
    }
}

/// The gradients of [`normalize_channels`] by x, the weights and the biases: with n the normalised
/// channel, by x it is w (gᵢ - mean g - nᵢ · mean(g n)) / √(variance + ε), without the means if the
/// statistics are constants; by the weight it is Σ g n, by the bias Σ g. Where what came behind made
/// zero of a result, g counts as zero; what then counts is the gradient by z, the last of the
/// outputs, which is empty where there is no z.
///
/// # Panics
/// If the lengths do not fit.
pub fn normalize_channels_gradient<T: Float>(
    on: Machine,
    norm: ChannelNorm,
    planes: Planes,
    given: Given<'_, T>,
    [by_x, by_weight, by_bias, by_added]: [&mut [T]; 4],
) {
    let count = planes.count();
    assert!(given.x.len() == count && given.grad.len() == count && by_x.len() == count);
    assert!(given.statistics.len() == planes.channels);
    for given in [given.weight, given.bias].into_iter().flatten() {
        assert_eq!(given.len(), planes.channels);
    }
    assert!(by_weight.len() == planes.channels && by_bias.len() == planes.channels);
    norm.check_added(given.x, given.added);
    assert_eq!(by_added.len(), given.added.map_or(0, <[T]>::len));
    let part = planes.part();
    let (by_x, by_added) = (&Shared::new(by_x), &Shared::new(by_added));
    let chunks = (Chunks::new(by_weight, part), Chunks::new(by_bias, part));
    on.for_each(chunks, count, |index, (by_weight, by_bias)| {
        let first = index * part;
        let by = By { x: by_x, added: by_added, weight: by_weight, bias: by_bias };
        on.isa.run(ChannelsGradientTask { norm, planes, given, first, by });
    });
}

/// Where the gradients go.
struct By<'a, 'b, T> {
    x: &'a Shared<'b, T>,
    added: &'a Shared<'b, T>,
    weight: &'a mut [T],
    bias: &'a mut [T],
}

struct ChannelsGradientTask<'a, 'b, T> {
    norm: ChannelNorm,
    planes: Planes,
    given: Given<'a, T>,
    first: usize,
    by: By<'a, 'b, T>,
}

impl<T: Float> Routine for ChannelsGradientTask<'_, '_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, isa: S) {
        let Given { x, grad, weight, bias, added, statistics } = self.given;
        for i in 0..self.by.bias.len() {
            let channel = self.first + i;
            let scaling = self.norm.scaling(statistics[channel]);
            let above = Above(self.norm.code(scaling, Affine { weight, bias }, channel));
            let place = (channel, scaling);
            let sums = match (self.norm.behind, added) {
                (Behind::Nothing, _) => self.channel(isa, place, Open, [x, grad]),
                (_, None) => self.channel(isa, place, above, [x, grad]),
                (_, Some(z)) => self.channel(isa, place, above, [x, grad, z]),
            };
            [self.by.bias[i], self.by.weight[i]] = sums.map(T::from_f64);
        }
    }
}

impl<T: Float> ChannelsGradientTask<'_, '_, T> {
    /// Writes the gradients by the numbers of a channel, and gives those by its bias and its weight.
    #[inline(always)]
    fn channel<S: Simd, const N: usize>(
        &self,
        isa: S,
        (channel, scaling): (usize, Scaling<T>),
        gate: impl Gate<T, N>,
        numbers: [&[T]; N],
    ) -> [f64; 2] {
        let Planes { batch, inner, .. } = self.planes;
        let (mut sum, mut correlation) = (0.0, 0.0);
        for start in self.planes.starts(channel) {
            let codes = (Gated(gate, Second), Gated(gate, Correlation(scaling)));
            let sums = both_sums_of(isa, codes, numbers.map(|x| &x[start..][..inner]));
            (sum, correlation) = (sum + sums[0], correlation + sums[1]);
        }
        let count = (batch * inner) as f64;
        let w = of_run(self.given.weight, 1.0, channel);
        let (level, slope) = match self.norm.constant {
            true => (0.0, 0.0),
            false => (w * sum / count, w * correlation / count),
        };
        let code = Gated(gate, InputGradient::new(scaling, w, level, slope));
        for start in self.planes.starts(channel) {
            let numbers = numbers.map(|x| &x[start..][..inner]);
            // SAFETY: each channel is one task's, and its planes do not overlap.
            let by_x = unsafe { self.by.x.slice(start, inner) };
            write_of(isa, code, numbers, by_x);
            if self.by.added.len() > 0 {
                // SAFETY: as above.
                let by_added = unsafe { self.by.added.slice(start, inner) };
                write_of(isa, Gated(gate, Second), numbers, by_added);
            }
        }
        [sum, correlation]
    }
}
