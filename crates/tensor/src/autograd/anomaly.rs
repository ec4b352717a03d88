//! Finding the op that made the first NaN.

use super::{no_grad, with_mode};
use crate::op::Grads;
use crate::{Shape, Tensor};
use std::cell::RefCell;
use std::fmt;

/// When something happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// While an op computed its output.
    Forward,
    /// While an op computed gradients.
    Backward,
}

/// The first NaN.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Anomaly {
    /// The op that made it.
    pub op: &'static str,
    /// When.
    pub phase: Phase,
    /// The shape of the tensor it is in.
    pub shape: Shape,
    /// How many NaNs that tensor holds.
    pub count: usize,
}

impl fmt::Display for Anomaly {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { op, phase, shape, count } = self;
        let what = match phase {
            Phase::Forward => "output",
            Phase::Backward => "gradient",
        };
        write!(f, "the first NaN came from {op}: {count} in its {what} of shape {shape}")
    }
}

thread_local! {
    static FOUND: RefCell<Option<Anomaly>> = const { RefCell::new(None) };
}

/// Runs `body`, backward passes included, and searches every result for NaN. Gives what `body`
/// gives, and the first NaN that an op made on this thread, if one did.
///
/// This looks at every number: it is for finding a fault, not for training.
pub fn detect_anomaly<R>(body: impl FnOnce() -> R) -> (R, Option<Anomaly>) {
    let outer = FOUND.take();
    let result = with_mode(|mode| mode.anomaly = true, body);
    let found = FOUND.replace(outer);
    (result, found)
}

pub(crate) fn check_forward(op: &'static str, output: &Tensor) {
    check(op, Phase::Forward, output);
}

pub(super) fn check_backward(op: &'static str, grads: &Grads) {
    grads.iter().flatten().for_each(|grad| check(op, Phase::Backward, grad));
}

fn check(op: &'static str, phase: Phase, tensor: &Tensor) {
    if FOUND.with_borrow(Option::is_some) || tensor.device().is_shape_only() {
        return;
    }
    let unwatched = |mode: &mut super::Mode| (mode.anomaly, mode.watched) = (false, false);
    let count = with_mode(unwatched, || no_grad(|| tensor.detach().count_nan()));
    if count > 0 {
        FOUND.set(Some(Anomaly { op, phase, shape: *tensor.shape(), count }));
    }
}
