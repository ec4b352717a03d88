//! Reductions, by the type of their elements.

use super::{deferred, output, strided, unsupported};
use crate::Result;
use crate::device::{Input, Output};
use crate::dtype::with_dtype;
use gradus_kernels::{self as kernels, Extreme, Machine, Reduction};

pub(super) fn reduce(
    on: Machine,
    reduction: Reduction,
    kept: usize,
    inputs: &[Input<'_>],
    outputs: &mut [Output<'_>],
) -> Result<()> {
    let (x, out) = (&inputs[0], &mut outputs[0]);
    if deferred::reduce(on, reduction, kept, x, out) {
        return Ok(());
    }
    with_dtype!(x.dtype, computed T => {
        kernels::reduce::<T>(on, reduction, strided(x), kept, output(out));
    }, else return unsupported("a reduction", x.dtype));
    Ok(())
}

pub(super) fn arg_extreme(
    on: Machine,
    extreme: Extreme,
    kept: usize,
    inputs: &[Input<'_>],
    outputs: &mut [Output<'_>],
) -> Result<()> {
    let (x, out) = (&inputs[0], &mut outputs[0]);
    with_dtype!(x.dtype, all T => {
        kernels::arg_extreme::<T>(on, extreme, strided(x), kept, output(out));
    });
    Ok(())
}
