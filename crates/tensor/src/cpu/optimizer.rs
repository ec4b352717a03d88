//! Steps of optimizers.

use super::{output, slice, unsupported};
use crate::Result;
use crate::device::{Input, Output};
use crate::dtype::with_dtype;
use gradus_kernels::Machine;
use gradus_kernels::optimizer::{
    AdamStep, SgdStep, adam as adam_step, sgd as sgd_step, sgd_momentum,
};

pub(super) fn sgd(
    on: Machine,
    step: SgdStep,
    inputs: &[Input<'_>],
    outputs: &mut [Output<'_>],
) -> Result<()> {
    with_dtype!(inputs[0].dtype, float T => match outputs {
        [param, direction] => {
            sgd_momentum::<T>(on, step, slice(&inputs[0]), output(param), output(direction));
        }
        outputs => sgd_step::<T>(on, step, slice(&inputs[0]), output(&mut outputs[0])),
    }, else return unsupported("an optimizer", inputs[0].dtype));
    Ok(())
}

pub(super) fn adam(
    on: Machine,
    step: AdamStep,
    inputs: &[Input<'_>],
    outputs: &mut [Output<'_>],
) -> Result<()> {
    let [param, mean, square] = outputs else {
        unreachable!("Adam updates a parameter and two means");
    };
    with_dtype!(inputs[0].dtype, float T => {
        let state = (output(param), output(mean), output(square));
        adam_step::<T>(on, step, slice(&inputs[0]), state);
    }, else return unsupported("an optimizer", inputs[0].dtype));
    Ok(())
}
