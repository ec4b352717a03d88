//! Normalisations, by the type of their elements.

use super::{Gathered, output, unsupported};
use crate::Result;
use crate::device::{Input, Output};
use crate::dtype::with_dtype;
use gradus_kernels::norm::{self as kernels, Affine, Behind, ChannelNorm, Given, Planes, RowNorm};
use gradus_kernels::{Float, Machine};

pub(super) fn rows(
    on: Machine,
    norm: RowNorm,
    inputs: &[Input<'_>],
    outputs: &mut [Output<'_>],
) -> Result<()> {
    let [out, statistics] = outputs else { unreachable!("the kernel has two outputs") };
    let (x, len) = (&inputs[0], inputs[0].shape()[1]);
    let statistics = output::<f64>(statistics).as_chunks_mut().0;
    with_dtype!(x.dtype, float T => {
        let (x, params) = (Gathered::new(on, x), Params::<T>::new(on, &inputs[1..]));
        let given = (&*x, params.view());
        kernels::normalize_rows(on, norm, len, given, output(out), statistics);
    }, else return unsupported("a normalisation", x.dtype));
    Ok(())
}

pub(super) fn rows_gradient(
    on: Machine,
    norm: RowNorm,
    inputs: &[Input<'_>],
    outputs: &mut [Output<'_>],
) -> Result<()> {
    let len = inputs[0].shape()[1];
    with_dtype!(inputs[0].dtype, float T => {
        let given = Inputs::<T>::new(on, &inputs[..3], &inputs[3..]);
        kernels::normalize_rows_gradient(on, norm, len, given.view(), all(outputs));
    }, else return unsupported("a normalisation", inputs[0].dtype));
    Ok(())
}

pub(super) fn channel_moments(
    on: Machine,
    inputs: &[Input<'_>],
    outputs: &mut [Output<'_>],
) -> Result<()> {
    let x = &inputs[0];
    let out = output::<f64>(&mut outputs[0]).as_chunks_mut().0;
    with_dtype!(x.dtype, float T => {
        kernels::channel_moments::<T>(on, planes(x), &Gathered::new(on, x), out);
    }, else return unsupported("a normalisation", x.dtype));
    Ok(())
}

pub(super) fn channels(
    on: Machine,
    norm: ChannelNorm,
    inputs: &[Input<'_>],
    outputs: &mut [Output<'_>],
) -> Result<()> {
    let (x, statistics) = (&inputs[0], Gathered::<f64>::new(on, &inputs[1]));
    let (planes, statistics) = (planes(x), statistics.as_chunks().0);
    let (added, params) = parts(norm, &inputs[2..]);
    with_dtype!(x.dtype, float T => {
        let added = added.map(|added| Gathered::<T>::new(on, added));
        let (x, params) = (Gathered::new(on, x), Params::<T>::new(on, params));
        let given = (&*x, params.view(), added.as_deref());
        let out = output(&mut outputs[0]);
        kernels::normalize_channels(on, norm, planes, given, statistics, out);
    }, else return unsupported("a normalisation", x.dtype));
    Ok(())
}

pub(super) fn channels_gradient(
    on: Machine,
    norm: ChannelNorm,
    inputs: &[Input<'_>],
    outputs: &mut [Output<'_>],
) -> Result<()> {
    let planes = planes(&inputs[0]);
    let (added, params) = parts(norm, &inputs[3..]);
    with_dtype!(inputs[0].dtype, float T => {
        let added = added.map(|added| Gathered::<T>::new(on, added));
        let given = Inputs::<T>::new(on, &inputs[..3], params);
        let given = Given { added: added.as_deref(), ..given.view() };
        kernels::normalize_channels_gradient(on, norm, planes, given, all(outputs));
    }, else return unsupported("a normalisation", inputs[0].dtype));
    Ok(())
}

fn planes(x: &Input<'_>) -> Planes {
    let shape = x.shape();
    Planes { batch: shape[0], channels: shape[1], inner: shape[2] }
}

/// The input that is added, if one is, and those behind it.
fn parts<'a, 'b>(
    norm: ChannelNorm,
    inputs: &'b [Input<'a>],
) -> (Option<&'b Input<'a>>, &'b [Input<'a>]) {
    match inputs {
        [added, rest @ ..] if norm.behind == Behind::AddRelu => (Some(added), rest),
        _ => (None, inputs),
    }
}

/// Up to so many outputs, those that are not there empty.
fn all<'a, T: Float, const N: usize>(outputs: &'a mut [Output<'_>]) -> [&'a mut [T]; N] {
    let mut slices: [&mut [T]; N] = std::array::from_fn(|_| &mut [][..]);
    for (slice, out) in slices.iter_mut().zip(outputs) {
        *slice = output(out);
    }
    slices
}

/// Weights and biases, if they are given.
struct Params<'a, T: Float> {
    weight: Option<Gathered<'a, T>>,
    bias: Option<Gathered<'a, T>>,
}

impl<'a, T: Float> Params<'a, T> {
    fn new(on: Machine, inputs: &[Input<'a>]) -> Self {
        let gather = |index: usize| inputs.get(index).map(|input| Gathered::new(on, input));
        Self { weight: gather(0), bias: gather(1) }
    }

    fn view(&self) -> Affine<'_, T> {
        Affine { weight: self.weight.as_deref(), bias: self.bias.as_deref() }
    }
}

/// What gradients are computed from.
struct Inputs<'a, T: Float> {
    x: Gathered<'a, T>,
    grad: Gathered<'a, T>,
    statistics: Gathered<'a, f64>,
    params: Params<'a, T>,
}

impl<'a, T: Float> Inputs<'a, T> {
    fn new(on: Machine, inputs: &[Input<'a>], params: &[Input<'a>]) -> Self {
        Self {
            x: Gathered::new(on, &inputs[0]),
            grad: Gathered::new(on, &inputs[1]),
            statistics: Gathered::new(on, &inputs[2]),
            params: Params::new(on, params),
        }
    }

    fn view(&self) -> Given<'_, T> {
        let Affine { weight, bias } = self.params.view();
        let statistics = self.statistics.as_chunks().0;
        Given { weight, bias, ..Given::new(&self.x, &self.grad, statistics) }
    }
}
