//! Watching which ops run.

use crate::Tensor;
use crate::autograd;
use crate::op::{Op, Spec};
use std::cell::RefCell;

/// One op that ran.
#[derive(Clone, Debug)]
pub struct Event {
    /// The op's name.
    pub name: &'static str,
    /// What its inputs were.
    pub inputs: Vec<Spec>,
    /// Which of the inputs are leaves that gradients are wanted by, each by its identity; see
    /// [`Tensor::leaf_id`].
    pub leaves: Vec<Option<u64>>,
    /// What its output was.
    pub output: Spec,
    /// Operations on numbers.
    pub flops: u64,
}

thread_local! {
    static EVENTS: RefCell<Vec<Event>> = const { RefCell::new(Vec::new()) };
}

/// Runs `body` and lists the ops that it applied on this thread, in order.
pub fn trace<R>(body: impl FnOnce() -> R) -> (R, Vec<Event>) {
    let outer = EVENTS.take();
    let result = autograd::with_mode(|mode| mode.watched = true, body);
    let events = EVENTS.replace(outer);
    (result, events)
}

pub(crate) fn record(op: &impl Op, inputs: &[&Tensor], specs: &[Spec], output: &Tensor) {
    let event = Event {
        name: op.name(),
        inputs: specs.to_vec(),
        leaves: inputs.iter().map(|input| input.leaf_id()).collect(),
        output: output.spec(),
        flops: op.flops(specs, &output.spec()),
    };
    EVENTS.with_borrow_mut(|events| events.push(event));
}
