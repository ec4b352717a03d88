//! Softmax and cross-entropy, by the type of their elements.

use super::{Gathered, output, unsupported};
use crate::device::{Input, Output};
use crate::dtype::with_dtype;
use crate::{OpError, Result};
use gradus_kernels::{self as kernels, CrossEntropy, Labelled, Machine, Softmax};

pub(super) fn softmax(
    on: Machine,
    function: Softmax,
    inputs: &[Input<'_>],
    outputs: &mut [Output<'_>],
) -> Result<()> {
    let (x, out) = (&inputs[0], &mut outputs[0]);
    let len = last_len(x);
    with_dtype!(x.dtype, float T => {
        kernels::softmax::<T>(on, function, len, &Gathered::new(on, x), output(out));
    }, else return unsupported("softmax", x.dtype));
    Ok(())
}

pub(super) fn softmax_gradient(
    on: Machine,
    function: Softmax,
    inputs: &[Input<'_>],
    outputs: &mut [Output<'_>],
) -> Result<()> {
    let (y, grad, out) = (&inputs[0], &inputs[1], &mut outputs[0]);
    let len = last_len(y);
    with_dtype!(y.dtype, float T => {
        let (y, grad) = (Gathered::<T>::new(on, y), Gathered::<T>::new(on, grad));
        kernels::softmax_gradient::<T>(on, function, len, (&y, &grad), output(out));
    }, else return unsupported("softmax", y.dtype));
    Ok(())
}

pub(super) fn cross_entropy(
    on: Machine,
    options: CrossEntropy,
    inputs: &[Input<'_>],
    outputs: &mut [Output<'_>],
) -> Result<()> {
    let [loss, log_sum] = outputs else { unreachable!("the kernel has two outputs") };
    with_dtype!(inputs[0].dtype, float T => {
        let rows = Rows::<T>::new(on, inputs, inputs.get(2));
        rows.check(options)?;
        kernels::cross_entropy::<T>(on, options, rows.view(), output(loss), output(log_sum));
    }, else return unsupported("cross-entropy", inputs[0].dtype));
    Ok(())
}

pub(super) fn cross_entropy_gradient(
    on: Machine,
    options: CrossEntropy,
    inputs: &[Input<'_>],
    outputs: &mut [Output<'_>],
) -> Result<()> {
    with_dtype!(inputs[0].dtype, float T => {
        let rows = Rows::<T>::new(on, inputs, inputs.get(4));
        rows.check(options)?;
        let given = (&*Gathered::new(on, &inputs[2]), &*Gathered::new(on, &inputs[3]));
        let out = output(&mut outputs[0]);
        kernels::cross_entropy_gradient::<T>(on, options, rows.view(), given, out);
    }, else return unsupported("cross-entropy", inputs[0].dtype));
    Ok(())
}

/// The length of the last axis.
fn last_len(x: &Input<'_>) -> usize {
    x.shape().last().copied().unwrap_or(1)
}

/// Rows of logits with their classes and the classes' weights.
struct Rows<'a, T: kernels::Float> {
    logits: Gathered<'a, T>,
    classes: usize,
    target: Gathered<'a, i64>,
    weight: Option<Gathered<'a, T>>,
}

impl<'a, T: kernels::Float> Rows<'a, T> {
    fn new(on: Machine, inputs: &[Input<'a>], weight: Option<&Input<'a>>) -> Self {
        Self {
            logits: Gathered::new(on, &inputs[0]),
            classes: last_len(&inputs[0]),
            target: Gathered::new(on, &inputs[1]),
            weight: weight.map(|weight| Gathered::new(on, weight)),
        }
    }

    fn view(&self) -> Labelled<'_, T> {
        let Self { logits, classes, target, weight } = self;
        Labelled { logits, classes: *classes, target, weight: weight.as_deref() }
    }

    fn check(&self, options: CrossEntropy) -> Result<()> {
        let Some(target) = self.view().first_bad_target(options.ignore_index) else {
            return Ok(());
        };
        let classes = self.classes;
        let message = format_args!(
            "there is a target {target}, but the logits are of {classes} classes: targets go from 0 \
             to {}",
            classes.saturating_sub(1)
        );
        Err(OpError::of("cross_entropy", message).into())
    }
}
