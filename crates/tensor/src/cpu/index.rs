//! Kernels that go by indices.

use super::{Gathered, output, strided, unsupported};
use crate::device::{Input, Output};
use crate::dtype::with_dtype;
use crate::{Error, OpError, Result};
use gradus_kernels::{self as kernels, Machine, Order};

/// The indices of an input, if they lie within an axis of another one.
fn indices<'a>(
    on: Machine,
    input: &Input<'a>,
    x: &Input<'_>,
    axis: usize,
) -> Result<Gathered<'a, i64>> {
    let indices = Gathered::new(on, input);
    let len = x.shape()[axis];
    match kernels::out_of_range(&indices, len) {
        None => Ok(indices),
        Some(index) if index < 0 => Err(Error::Op(OpError::new(format_args!(
            "index {index} is negative: those of axis {axis}, of length {len}, count from 0"
        )))),
        Some(index) => Err(Error::Op(OpError::new(format_args!(
            "index {index} is not below the length of axis {axis}, {len}"
        )))),
    }
}

pub(super) fn gather(
    on: Machine,
    axis: usize,
    inputs: &[Input<'_>],
    outputs: &mut [Output<'_>],
) -> Result<()> {
    let (x, out) = (&inputs[0], &mut outputs[0]);
    let indices = indices(on, &inputs[1], x, axis)?;
    with_dtype!(x.dtype, all T => {
        kernels::gather::<T>(on, strided(x), axis, &indices, output(out));
    });
    Ok(())
}

pub(super) fn index_select(
    on: Machine,
    axis: usize,
    inputs: &[Input<'_>],
    outputs: &mut [Output<'_>],
) -> Result<()> {
    let (x, out) = (&inputs[0], &mut outputs[0]);
    let indices = indices(on, &inputs[1], x, axis)?;
    with_dtype!(x.dtype, all T => {
        kernels::index_select::<T>(on, strided(x), axis, &indices, output(out));
    });
    Ok(())
}

pub(super) fn scatter(
    on: Machine,
    axis: usize,
    inputs: &[Input<'_>],
    outputs: &mut [Output<'_>],
) -> Result<()> {
    let (x, source, out) = (&inputs[0], &inputs[2], &mut outputs[0]);
    let indices = indices(on, &inputs[1], x, axis)?;
    with_dtype!(x.dtype, all T => {
        let source = strided::<T>(source);
        kernels::scatter(on, strided(x), axis, &indices, source, output(out));
    });
    Ok(())
}

pub(super) fn scatter_add(
    on: Machine,
    axis: usize,
    inputs: &[Input<'_>],
    outputs: &mut [Output<'_>],
) -> Result<()> {
    let (x, source, out) = (&inputs[0], &inputs[2], &mut outputs[0]);
    let indices = indices(on, &inputs[1], x, axis)?;
    with_dtype!(x.dtype, computed T => {
        let source = strided::<T>(source);
        kernels::scatter_add(on, strided(x), axis, &indices, source, output(out));
    }, else return unsupported("scatter_add", x.dtype));
    Ok(())
}

pub(super) fn index_add(
    on: Machine,
    axis: usize,
    inputs: &[Input<'_>],
    outputs: &mut [Output<'_>],
) -> Result<()> {
    let (x, source, out) = (&inputs[0], &inputs[2], &mut outputs[0]);
    let indices = indices(on, &inputs[1], x, axis)?;
    with_dtype!(x.dtype, computed T => {
        let source = strided::<T>(source);
        kernels::index_add(on, strided(x), axis, &indices, source, output(out));
    }, else return unsupported("index_add", x.dtype));
    Ok(())
}

pub(super) fn argsort(
    on: Machine,
    order: Order,
    inputs: &[Input<'_>],
    outputs: &mut [Output<'_>],
) -> Result<()> {
    let (x, out) = (&inputs[0], &mut outputs[0]);
    let count = out.shape[out.shape.rank() - 1];
    with_dtype!(x.dtype, all T => {
        kernels::argsort::<T>(on, order, strided(x), count, output(out));
    });
    Ok(())
}
