//! Recurrent layers upon each other, each in one or both directions.

use super::weights::{Plan, RecurrentWeights};
use super::{PackedSequence, RecurrentState};
use crate::{Dropout, Layer, Module, Path, Visitor};
use gradus_tensor::kernel::Steps;
use gradus_tensor::{OpError, Rng, Tensor};

/// What the options of all recurrent layers have in common.
#[derive(Clone, Copy, Debug)]
pub(super) struct StackOptions {
    pub(super) num_layers: usize,
    pub(super) batch_first: bool,
    pub(super) dropout: f64,
    pub(super) bidirectional: bool,
}

/// Recurrent layers upon each other.
#[derive(Debug)]
pub(super) struct Stack {
    /// What errors call it.
    name: &'static str,
    /// The directions of the first layer, then those of the next.
    weights: Vec<RecurrentWeights>,
    dropout: Option<Dropout>,
    plan: Plan,
    options: StackOptions,
}

impl Stack {
    #[track_caller]
    pub(super) fn new(
        name: &'static str,
        inputs: usize,
        (plan, options): (Plan, StackOptions),
        rng: &mut Rng,
    ) -> Self {
        let StackOptions { num_layers, dropout, bidirectional, .. } = options;
        if num_layers == 0 {
            panic!("{}", OpError::of(name, "has no layer: give num_layers of at least 1"));
        }
        if dropout > 0.0 && num_layers == 1 {
            let message = "dropout acts between layers, of which there is one: stack two of them, \
                           or put a Dropout behind it";
            panic!("{}", OpError::of(name, message));
        }
        if let Some(outputs) = plan.projection.filter(|&len| len == 0 || len >= plan.hidden) {
            let hidden = plan.hidden;
            let message = format_args!("cannot project {hidden} numbers to {outputs}: give fewer");
            panic!("{}", OpError::of(name, message));
        }
        let directions = 1 + bidirectional as usize;
        let mut weights = Vec::with_capacity(num_layers * directions);
        for layer in 0..num_layers {
            let inputs = if layer == 0 { inputs } else { directions * plan.outputs() };
            for _ in 0..directions {
                weights.push(RecurrentWeights::new(plan, inputs, rng));
            }
        }
        let dropout = (dropout > 0.0).then(|| Dropout::new(dropout, rng));
        Self { name, weights, dropout, plan, options }
    }

    fn directions(&self) -> usize {
        1 + self.options.bidirectional as usize
    }

    pub(super) fn weights(&self, layer: usize, backwards: bool) -> &RecurrentWeights {
        let directions = self.directions();
        let index = layer * directions + backwards as usize;
        assert!(
            layer < self.options.num_layers && (backwards as usize) < directions,
            "{} of {} layers and {directions} directions has no such weights",
            self.name,
            self.options.num_layers,
        );
        &self.weights[index]
    }

    /// Goes through sequences `[B, T, I]`, `[T, B, I]` or `[T, I]`.
    #[track_caller]
    pub(super) fn run(
        &self,
        x: &Tensor,
        state: Option<&RecurrentState>,
    ) -> (Tensor, RecurrentState) {
        if !matches!(x.rank(), 2 | 3) || x.len_of(-1) != self.weights[0].inputs() {
            let axes = if self.options.batch_first { "B, T" } else { "T, B" };
            let inputs = self.weights[0].inputs();
            let shape = x.shape();
            self.fail(format_args!("takes [{axes}, {inputs}] or [T, {inputs}], not {shape}"));
        }
        if x.rank() == 2 {
            let state = state.map(|state| state.map(|state| state.unsqueeze(1)));
            let steps = Steps::time_first(x.len_of(0), 1);
            let (output, state) = self.run_rows(x, &steps, state.as_ref());
            return (output, state.map(|state| state.squeeze(1)));
        }
        let [first, second] = [x.len_of(0), x.len_of(1)];
        let steps = match self.options.batch_first {
            true => Steps::batch_first(first, second),
            false => Steps::time_first(first, second),
        };
        let rows = x.reshape([steps.rows(), x.len_of(2)]);
        let (output, state) = self.run_rows(&rows, &steps, state);
        (output.reshape([first, second, output.len_of(1)]), state)
    }

    /// Goes through sequences of different lengths.
    #[track_caller]
    pub(super) fn run_packed(
        &self,
        x: &PackedSequence,
        state: Option<&RecurrentState>,
    ) -> (PackedSequence, RecurrentState) {
        let inputs = self.weights[0].inputs();
        let shape = x.data().shape();
        if shape.rank() != 2 || shape[1] != inputs {
            self.fail(format_args!("takes packed rows of {inputs} numbers, not {shape}"));
        }
        let state = state.map(|state| state.map(|state| x.sorted(state, 1)));
        let steps = Steps::packed(x.batch_sizes().to_vec());
        let (output, state) = self.run_rows(x.data(), &steps, state.as_ref());
        (x.with_data(output), state.map(|state| x.unsorted(state, 1)))
    }

    #[track_caller]
    fn run_rows(
        &self,
        x: &Tensor,
        steps: &Steps,
        state: Option<&RecurrentState>,
    ) -> (Tensor, RecurrentState) {
        if let Some(state) = state {
            self.check_state(state, steps.batch());
        }
        let directions = self.directions();
        let backwards = steps.clone().reversed();
        let mut x = x.clone();
        let mut last = vec![];
        for (layer, weights) in self.weights.chunks(directions).enumerate() {
            if let Some(dropout) = self.dropout.as_ref().filter(|_| layer > 0) {
                x = dropout.forward(&x);
            }
            let mut outputs = vec![];
            for (direction, weights) in weights.iter().enumerate() {
                let first = match state {
                    Some(state) => state.map(|state| state.select(0, last.len())),
                    None => weights.zeros(&x, steps.batch()),
                };
                let steps = if direction == 0 { steps } else { &backwards };
                let (output, state) = weights.run(&x, steps, &first);
                outputs.push(output);
                last.push(state);
            }
            x = match &outputs[..] {
                [output] => output.clone(),
                outputs => Tensor::cat(outputs, 1),
            };
        }
        (x, stacked(&last))
    }

    #[track_caller]
    fn check_state(&self, state: &RecurrentState, batch: usize) {
        let hidden = (Some(&state.hidden), self.plan.outputs(), "hidden");
        let cell = (state.cell.as_ref(), self.plan.hidden, "cell");
        for (state, len, what) in [hidden, cell] {
            let Some(state) = state else { continue };
            let wanted = [self.weights.len(), batch, len];
            if state.shape() != wanted {
                let shape = state.shape();
                self.fail(format_args!("wants a {what} state {wanted:?}, not {shape}"));
            }
        }
    }

    #[track_caller]
    fn fail(&self, message: impl std::fmt::Display) -> ! {
        panic!("{}", OpError::of(self.name, message))
    }
}

/// The last states of all directions as one.
fn stacked(states: &[RecurrentState]) -> RecurrentState {
    let hidden: Vec<Tensor> = states.iter().map(|state| state.hidden.clone()).collect();
    let cells: Vec<Tensor> = states.iter().filter_map(|state| state.cell.clone()).collect();
    let cell = (!cells.is_empty()).then(|| Tensor::stack(&cells, 0));
    RecurrentState { hidden: Tensor::stack(&hidden, 0), cell }
}

impl Module for Stack {
    fn visit(&self, path: &mut Path, visitor: &mut dyn Visitor) {
        let directions = self.directions();
        for (index, weights) in self.weights.iter().enumerate() {
            let direction = if index % directions == 1 { "_reverse" } else { "" };
            weights.visit(path, visitor, &format!("_l{}{direction}", index / directions));
        }
        path.enter("dropout");
        self.dropout.visit(path, visitor);
        path.leave();
    }
}
