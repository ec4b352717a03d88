//! Pooling, patches of planes, and planes in other sizes.

use super::{output, slice, unsupported};
use crate::Result;
use crate::device::{Input, Output};
use crate::dtype::with_dtype;
use gradus_kernels::Machine;
use gradus_kernels::patches::{fold as fold_patches, unfold as unfold_patches};
use gradus_kernels::pool::{self as kernels, Pool};
use gradus_kernels::resize::{self, Resize};

pub(super) fn max(
    on: Machine,
    pool: Pool,
    inputs: &[Input<'_>],
    outputs: &mut [Output<'_>],
) -> Result<()> {
    let x = &inputs[0];
    let (values, indices) = outputs.split_at_mut(1);
    let indices = indices.first_mut().map(output::<i32>);
    with_dtype!(x.dtype, float T => {
        kernels::max_pool::<T>(on, pool, slice(x), output(&mut values[0]), indices);
    }, else return unsupported("pooling", x.dtype));
    Ok(())
}

pub(super) fn average(
    on: Machine,
    pool: Pool,
    inputs: &[Input<'_>],
    outputs: &mut [Output<'_>],
) -> Result<()> {
    let (x, out) = (&inputs[0], &mut outputs[0]);
    with_dtype!(x.dtype, float T => {
        kernels::average_pool::<T>(on, pool, slice(x), output(out));
    }, else return unsupported("pooling", x.dtype));
    Ok(())
}

pub(super) fn average_adjoint(
    on: Machine,
    pool: Pool,
    inputs: &[Input<'_>],
    outputs: &mut [Output<'_>],
) -> Result<()> {
    let (x, out) = (&inputs[0], &mut outputs[0]);
    with_dtype!(x.dtype, float T => {
        kernels::average_unpool::<T>(on, pool, slice(x), output(out));
    }, else return unsupported("pooling", x.dtype));
    Ok(())
}

pub(super) fn scatter(on: Machine, inputs: &[Input<'_>], outputs: &mut [Output<'_>]) -> Result<()> {
    let (x, indices, out) = (&inputs[0], slice(&inputs[1]), &mut outputs[0]);
    let planes = out.shape[0];
    with_dtype!(x.dtype, float T => {
        kernels::scatter_planes::<T>(on, planes, slice(x), indices, output(out));
    }, else return unsupported("pooling", x.dtype));
    Ok(())
}

pub(super) fn gather(on: Machine, inputs: &[Input<'_>], outputs: &mut [Output<'_>]) -> Result<()> {
    let (x, indices, out) = (&inputs[0], slice(&inputs[1]), &mut outputs[0]);
    let planes = out.shape[0];
    with_dtype!(x.dtype, float T => {
        kernels::gather_planes::<T>(on, planes, slice(x), indices, output(out));
    }, else return unsupported("pooling", x.dtype));
    Ok(())
}

pub(super) fn unfold(
    on: Machine,
    pool: Pool,
    inputs: &[Input<'_>],
    outputs: &mut [Output<'_>],
) -> Result<()> {
    let (x, out) = (&inputs[0], &mut outputs[0]);
    with_dtype!(x.dtype, float T => {
        unfold_patches::<T>(on, pool, slice(x), output(out));
    }, else return unsupported("unfolding", x.dtype));
    Ok(())
}

pub(super) fn fold(
    on: Machine,
    pool: Pool,
    inputs: &[Input<'_>],
    outputs: &mut [Output<'_>],
) -> Result<()> {
    let (x, out) = (&inputs[0], &mut outputs[0]);
    with_dtype!(x.dtype, float T => {
        fold_patches::<T>(on, pool, slice(x), output(out));
    }, else return unsupported("folding", x.dtype));
    Ok(())
}

pub(super) fn resize(
    on: Machine,
    resize: &Resize,
    inputs: &[Input<'_>],
    outputs: &mut [Output<'_>],
) -> Result<()> {
    let (x, out) = (&inputs[0], &mut outputs[0]);
    with_dtype!(x.dtype, float T => {
        resize::resize::<T>(on, resize, slice(x), output(out));
    }, else return unsupported("resizing", x.dtype));
    Ok(())
}

pub(super) fn resize_adjoint(
    on: Machine,
    resize: &Resize,
    inputs: &[Input<'_>],
    outputs: &mut [Output<'_>],
) -> Result<()> {
    let (x, out) = (&inputs[0], &mut outputs[0]);
    with_dtype!(x.dtype, float T => {
        resize::adjoint::<T>(on, resize, slice(x), output(out));
    }, else return unsupported("resizing", x.dtype));
    Ok(())
}
