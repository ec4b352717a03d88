//! Normalisations, by the type of their elements.

use super::{Gathered, output, unsupported};
use crate::Result;
use crate::device::{Input, Output};
use crate::dtype::with_dtype;
use gradus_kernels::norm::{self as kernels, Affine, ChannelNorm, Given, Planes, RowNorm};
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
        let given = Inputs::<T>::new(on, inputs);
        let outputs = three_outputs(outputs);
        kernels::normalize_rows_gradient(on, norm, len, given.view(), outputs);
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
    with_dtype!(x.dtype, float T => {
        let (x, params) = (Gathered::new(on, x), Params::<T>::new(on, &inputs[2..]));
        let (given, out) = ((&*x, params.view()), output(&mut outputs[0]));
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
    with_dtype!(inputs[0].dtype, float T => {
        let given = Inputs::<T>::new(on, inputs);
        let outputs = three_outputs(outputs);
        kernels::normalize_channels_gradient(on, norm, planes, given.view(), outputs);
    }, else return unsupported("a normalisation", inputs[0].dtype));
    Ok(())
}

fn planes(x: &Input<'_>) -> Planes {
    let shape = x.shape();
    Planes { batch: shape[0], channels: shape[1], inner: shape[2] }
}

/// Up to three outputs, those that are not there empty.
fn three_outputs<'a, T: Float>(outputs: &'a mut [Output<'_>]) -> [&'a mut [T]; 3] {
    let mut slices = [&mut [][..], &mut [], &mut []];
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
    weight: Option<Gathered<'a, T>>,
}

impl<'a, T: Float> Inputs<'a, T> {
    fn new(on: Machine, inputs: &[Input<'a>]) -> Self {
        Self {
            x: Gathered::new(on, &inputs[0]),
            grad: Gathered::new(on, &inputs[1]),
            statistics: Gathered::new(on, &inputs[2]),
            weight: inputs.get(3).map(|weight| Gathered::new(on, weight)),
        }
    }

    fn view(&self) -> Given<'_, T> {
        Given {
            x: &self.x,
            grad: &self.grad,
            weight: self.weight.as_deref(),
            statistics: self.statistics.as_chunks().0,
        }
    }
}
