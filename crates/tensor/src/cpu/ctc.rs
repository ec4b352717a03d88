//! Connectionist temporal classification, by the type of its elements.

use super::{Gathered, output, strided, unsupported};
use crate::device::{Input, Output};
use crate::dtype::with_dtype;
use crate::{OpError, Result};
use gradus_kernels::Machine;
use gradus_kernels::ctc::{self as kernels, Ctc, Sequences};

pub(super) fn ctc(
    on: Machine,
    settings: Ctc,
    inputs: &[Input<'_>],
    outputs: &mut [Output<'_>],
) -> Result<()> {
    let [loss, alpha] = outputs else { unreachable!("the kernel has two outputs") };
    let lists = Lists::new(on, inputs);
    with_dtype!(inputs[0].dtype, float T => {
        let sequences = lists.of::<T>(settings, &inputs[0])?;
        kernels::ctc::<T>(on, settings, sequences, (output(loss), output(alpha)));
    }, else return unsupported("ctc", inputs[0].dtype));
    Ok(())
}

pub(super) fn gradient(
    on: Machine,
    settings: Ctc,
    inputs: &[Input<'_>],
    outputs: &mut [Output<'_>],
) -> Result<()> {
    let lists = Lists::new(on, inputs);
    with_dtype!(inputs[0].dtype, float T => {
        let sequences = lists.of::<T>(settings, &inputs[0])?;
        let (alpha, grad) = (Gathered::new(on, &inputs[4]), Gathered::new(on, &inputs[5]));
        kernels::ctc_gradient::<T>(on, settings, sequences, (&alpha, &grad), output(&mut outputs[0]));
    }, else return unsupported("ctc", inputs[0].dtype));
    Ok(())
}

/// The labels, and how many steps and labels count.
struct Lists<'a> {
    labels: Gathered<'a, i64>,
    steps: Gathered<'a, i64>,
    counts: Gathered<'a, i64>,
}

impl<'a> Lists<'a> {
    fn new(on: Machine, inputs: &[Input<'a>]) -> Self {
        let list = |index: usize| Gathered::new(on, &inputs[index]);
        Self { labels: list(1), steps: list(2), counts: list(3) }
    }

    fn of<'b, T: gradus_kernels::Float>(
        &'b self,
        settings: Ctc,
        log_probabilities: &Input<'b>,
    ) -> Result<Sequences<'b, T>> {
        let Self { labels, steps, counts } = self;
        let log_probabilities = strided(log_probabilities);
        let sequences = Sequences { log_probabilities, labels, steps, counts };
        let Some(label) = sequences.first_bad_label(settings) else { return Ok(sequences) };
        let (classes, blank) = (sequences.log_probabilities.shape[2], settings.blank);
        let message = format_args!(
            "there is a label {label}: with {classes} classes, labels go from 0 to {} and are not \
             the blank, {blank}",
            classes.saturating_sub(1)
        );
        Err(OpError::new(message).into())
    }
}
