//! Steps of optimizers.

use super::{output, slice, unsupported};
use crate::Result;
use crate::device::{Input, Output};
use crate::dtype::with_dtype;
use gradus_kernels::Machine;
use gradus_kernels::optimizer::{self, Step};

pub(super) fn update(
    on: Machine,
    step: Step,
    inputs: &[Input<'_>],
    outputs: &mut [Output<'_>],
) -> Result<()> {
    with_dtype!(inputs[0].dtype, float T => {
        let (grads, values) = (inputs.iter().map(slice), outputs.iter_mut().map(output));
        optimizer::update::<T>(on, step, grads, values);
    }, else return unsupported("an optimizer", inputs[0].dtype));
    Ok(())
}
