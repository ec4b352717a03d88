//! Pooling, patches of planes, and planes in other sizes.

use super::{output, slice, unsupported};
use crate::Result;
use crate::device::{Input, Output};
use crate::dtype::with_dtype;
use gradus_kernels::pool::{self as kernels, Pool};
use gradus_kernels::resize::{self, Resize};
use gradus_kernels::{Machine, patches};

/// Kernels from one input of floats to one output, with settings: the function here, the type of the
/// settings, the function that computes, and what it is called where it does not know a type.
macro_rules! of_one_input {
    ($($name:ident($settings:ty) = $kernel:path, $what:literal;)*) => {$(
        pub(super) fn $name(
            on: Machine,
            settings: $settings,
            inputs: &[Input<'_>],
            outputs: &mut [Output<'_>],
        ) -> Result<()> {
            let (x, out) = (&inputs[0], &mut outputs[0]);
            with_dtype!(x.dtype, float T => {
                $kernel(on, settings, slice::<T>(x), output(out));
            }, else return unsupported($what, x.dtype));
            Ok(())
        }
    )*};
}

of_one_input! {
    average(Pool) = kernels::average_pool, "pooling";
    average_adjoint(Pool) = kernels::average_unpool, "pooling";
    unfold(Pool) = patches::unfold, "unfolding";
    fold(Pool) = patches::fold, "folding";
    resize(&Resize) = resize::resize, "resizing";
    resize_adjoint(&Resize) = resize::adjoint, "resizing";
}

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
