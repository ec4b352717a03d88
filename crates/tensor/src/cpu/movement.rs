//! Kernels that move elements.

use super::{output, strided};
use crate::Result;
use crate::device::{Input, Output};
use crate::dtype::with_dtype;
use gradus_kernels::{self as kernels, Machine};

pub(super) fn concat(
    on: Machine,
    axis: usize,
    inputs: &[Input<'_>],
    outputs: &mut [Output<'_>],
) -> Result<()> {
    let inner: usize = outputs[0].shape[axis + 1..].iter().product();
    with_dtype!(outputs[0].dtype, all T => {
        let parts: Vec<_> = inputs
            .iter()
            .map(|input| (strided::<T>(input), input.shape()[axis] * inner))
            .collect();
        kernels::concat(on, &parts, output(&mut outputs[0]));
    });
    Ok(())
}

pub(super) fn overwrite(
    on: Machine,
    (axis, start): (usize, usize),
    inputs: &[Input<'_>],
    outputs: &mut [Output<'_>],
) -> Result<()> {
    let (x, out) = (&inputs[0], &mut outputs[0]);
    let inner: usize = out.shape[axis + 1..].iter().product();
    let part = start * inner..(start + x.shape()[axis]) * inner;
    let row = (out.shape[axis] * inner, part);
    with_dtype!(x.dtype, all T => kernels::overwrite::<T>(on, strided(x), row, output(out)));
    Ok(())
}

pub(super) fn pad(
    on: Machine,
    before: &[usize],
    value: f64,
    inputs: &[Input<'_>],
    outputs: &mut [Output<'_>],
) -> Result<()> {
    let (x, out) = (&inputs[0], &mut outputs[0]);
    let shape = out.shape;
    with_dtype!(x.dtype, all T => {
        let value = kernels::Element::from_f64(value);
        kernels::pad::<T>(on, strided(x), before, value, &shape, output(out));
    });
    Ok(())
}
