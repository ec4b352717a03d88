//! Random numbers.

use super::{output, strided, unsupported};
use crate::Result;
use crate::device::{Input, Output};
use crate::dtype::with_dtype;
use gradus_kernels::Machine;
use gradus_kernels::dropout::{Dropout, dropout as drop_out};
use gradus_kernels::random::{Distribution, fill as fill_random};

pub(super) fn fill(
    on: Machine,
    distribution: Distribution,
    stream: (u64, u64),
    outputs: &mut [Output<'_>],
) -> Result<()> {
    with_dtype!(outputs[0].dtype, float T => {
        fill_random::<T>(on, distribution, stream, output(&mut outputs[0]));
    }, else return unsupported("random numbers", outputs[0].dtype));
    Ok(())
}

pub(super) fn dropout(
    on: Machine,
    settings: Dropout,
    inputs: &[Input<'_>],
    outputs: &mut [Output<'_>],
) -> Result<()> {
    with_dtype!(outputs[0].dtype, float T => {
        drop_out::<T>(on, settings, strided(&inputs[0]), output(&mut outputs[0]));
    }, else return unsupported("dropout", outputs[0].dtype));
    Ok(())
}
