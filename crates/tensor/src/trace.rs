//! Watching which ops run.

use crate::autograd;
use crate::op::{Op, Spec};
use crate::storage::Buffer;
use crate::{Layout, Tensor};
use std::cell::RefCell;
use std::collections::HashMap;

/// One op that ran.
#[derive(Clone, Debug)]
pub struct Event {
    /// The op's name.
    pub name: &'static str,
    /// What its inputs were.
    pub inputs: Vec<Spec>,
    /// Where each of them came from.
    pub sources: Vec<Source>,
    /// Which of the inputs are leaves that gradients are wanted by, each by its identity; see
    /// [`Tensor::leaf_id`].
    pub leaves: Vec<Option<u64>>,
    /// What its output was.
    pub output: Spec,
    /// Operations on numbers.
    pub flops: u64,
}

/// Where an input of an op came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// One of the tensors that were named before, counted from 0.
    Named(usize),
    /// The op of an earlier event, counted from 0.
    Op(usize),
    /// From elsewhere: a constant, say.
    Elsewhere,
}

/// What is seen of a body that is traced.
#[derive(Default)]
struct Trace {
    events: Vec<Event>,
    /// Where tensors came from, by their memory and their layout. They are kept until the end, so
    /// that none gets the memory of another.
    known: HashMap<*const Buffer, Vec<(Tensor, Source)>>,
}

thread_local! {
    static TRACE: RefCell<Trace> = RefCell::default();
}

impl Trace {
    fn source(&self, x: &Tensor) -> Source {
        let (memory, layout) = place(x);
        let same = self.known.get(&memory).into_iter().flatten();
        let last = same.rev().find(|(known, _)| place(known).1 == layout);
        last.map_or(Source::Elsewhere, |(_, source)| *source)
    }

    fn learn(&mut self, x: &Tensor, source: Source) {
        // Without its history, which it would hold.
        self.known.entry(place(x).0).or_default().push((x.detach(), source));
    }
}

/// Where a tensor's elements are.
fn place(x: &Tensor) -> (*const Buffer, Layout) {
    let view = x.view();
    (std::ptr::from_ref(view.buffer), *view.layout)
}

/// Runs `body` and lists the ops that it applied on this thread, in order.
pub fn trace<R>(body: impl FnOnce() -> R) -> (R, Vec<Event>) {
    trace_named(&[], body)
}

/// The same, with tensors that events know again as [`Source::Named`], the first of several that are
/// the same.
///
/// ```
/// use gradus_tensor::{Source, Tensor, trace_named};
///
/// let x = Tensor::from([1.0, 4.0]);
/// let (_, events) = trace_named(&[&x], || &x * &x.sqrt());
/// assert_eq!(events[0].sources, [Source::Named(0)]);
/// assert_eq!(events[1].sources, [Source::Named(0), Source::Op(0)]);
/// ```
pub fn trace_named<R>(named: &[&Tensor], body: impl FnOnce() -> R) -> (R, Vec<Event>) {
    let mut own = Trace::default();
    for (number, x) in named.iter().enumerate() {
        if own.source(x) == Source::Elsewhere {
            own.learn(x, Source::Named(number));
        }
    }
    let outer = TRACE.replace(own);
    let result = autograd::with_mode(|mode| mode.watched = true, body);
    let Trace { events, .. } = TRACE.replace(outer);
    (result, events)
}

pub(crate) fn record(op: &impl Op, inputs: &[&Tensor], specs: &[Spec], output: &Tensor) {
    TRACE.with_borrow_mut(|trace| {
        let event = Event {
            name: op.name(),
            inputs: specs.to_vec(),
            sources: inputs.iter().map(|input| trace.source(input)).collect(),
            leaves: inputs.iter().map(|input| input.leaf_id()).collect(),
            output: output.spec(),
            flops: op.flops(specs, &output.spec()),
        };
        trace.learn(output, Source::Op(trace.events.len()));
        trace.events.push(event);
    });
}
