//! The parameters of one direction of a recurrent layer, and going through sequences with them.

use super::RecurrentState;
use crate::{Init, Module, Param, Path, Visitor};
use gradus_tensor::kernel::{Cell, Steps};
use gradus_tensor::ops::{Recurrence, walk};
use gradus_tensor::{OpError, Rng, Tensor};

/// The function of a plain recurrent network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RnnActivation {
    /// tanh.
    #[default]
    Tanh,
    /// max(x, 0).
    Relu,
}

/// Where the reset gate of a GRU acts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum GruReset {
    /// On the product with the hidden state, n = tanh(x + r ∘ (W h + b)), as in PyTorch.
    #[default]
    AfterProduct,
    /// On the hidden state, n = tanh(x + W (r ∘ h) + b), as in Cho et al. 2014.
    BeforeProduct,
}

/// What is computed at each time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Kind {
    Rnn(RnnActivation),
    Lstm,
    Gru(GruReset),
}

impl Kind {
    fn gates(self) -> usize {
        match self {
            Self::Rnn(_) => Cell::Tanh,
            Self::Lstm => Cell::Lstm,
            Self::Gru(_) => Cell::Gru,
        }
        .gates()
    }

    pub(super) fn has_cell_state(self) -> bool {
        self == Self::Lstm
    }
}

/// How large the parameters are, and which there are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    pub(super) kind: Kind,
    pub(super) hidden: usize,
    pub(super) bias: bool,
    /// The length of an LSTM's output, if it is a product of the hidden state.
    pub(super) projection: Option<usize>,
    pub(super) peepholes: bool,
}

impl Plan {
    /// The length of an output.
    pub(super) fn outputs(&self) -> usize {
        self.projection.unwrap_or(self.hidden)
    }
}

/// The parameters of one direction of a recurrent layer, or of a cell. Gates come in the order i, f,
/// g, o of an LSTM and r, z, n of a GRU.
#[derive(Debug)]
pub struct RecurrentWeights {
    /// By which inputs are multiplied, `[G H, I]` for G gates.
    pub weight_ih: Param,
    /// By which the hidden state is multiplied, `[G H, H]`, or `[G H, P]` if outputs are projected.
    pub weight_hh: Param,
    /// What is added to the product of inputs, `[G H]`.
    pub bias_ih: Option<Param>,
    /// What is added to the product of the hidden state, `[G H]`.
    pub bias_hh: Option<Param>,
    /// By which the output of an LSTM is multiplied, `[P, H]`.
    pub weight_hr: Option<Param>,
    /// How an LSTM's gates i, f and o see the cell state, `[3 H]`.
    pub weight_ch: Option<Param>,
    plan: Plan,
}

impl RecurrentWeights {
    /// Parameters that are all uniform in ±1 / √H.
    #[track_caller]
    pub(super) fn new(plan: Plan, inputs: usize, rng: &mut Rng) -> Self {
        let bound = 1.0 / (plan.hidden.max(1) as f64).sqrt();
        let mut draw = |shape: &[usize]| {
            Param::new(Init::Uniform { low: -bound, high: bound }.draw(shape, rng))
        };
        let (hidden, outputs) = (plan.hidden, plan.outputs());
        let rows = plan.kind.gates().saturating_mul(hidden);
        Self {
            weight_ih: draw(&[rows, inputs]),
            weight_hh: draw(&[rows, outputs]),
            bias_ih: plan.bias.then(|| draw(&[rows])),
            bias_hh: plan.bias.then(|| draw(&[rows])),
            weight_hr: plan.projection.map(|outputs| draw(&[outputs, hidden])),
            weight_ch: plan.peepholes.then(|| draw(&[3 * hidden])),
            plan,
        }
    }

    /// Shows the parameters to a visitor, their names followed by a suffix.
    pub(super) fn visit(&self, path: &mut Path, visitor: &mut dyn Visitor, suffix: &str) {
        let params = [
            ("weight_ih", Some(&self.weight_ih)),
            ("weight_hh", Some(&self.weight_hh)),
            ("bias_ih", self.bias_ih.as_ref()),
            ("bias_hh", self.bias_hh.as_ref()),
            ("weight_hr", self.weight_hr.as_ref()),
            ("weight_ch", self.weight_ch.as_ref()),
        ];
        for (name, param) in params {
            if let Some(param) = param {
                path.enter(&format!("{name}{suffix}"));
                param.visit(path, visitor);
                path.leave();
            }
        }
    }

    /// How long an input is.
    pub(super) fn inputs(&self) -> usize {
        self.weight_ih.tensor().len_of(1)
    }

    /// A state of zeros for a batch of inputs like x.
    pub(super) fn zeros(&self, x: &Tensor, batch: usize) -> RecurrentState {
        let zeros = |len: usize| Tensor::zeros(([batch, len], x.dtype(), x.device()));
        let cell = self.plan.kind.has_cell_state().then(|| zeros(self.plan.hidden));
        RecurrentState { hidden: zeros(self.plan.outputs()), cell }
    }

    /// Goes through the rows of x, `[N, I]`, from a state `[B, H]`.
    #[track_caller]
    pub(super) fn run(
        &self,
        x: &Tensor,
        steps: &Steps,
        state: &RecurrentState,
    ) -> (Tensor, RecurrentState) {
        self.check(state);
        let (bias, hidden_bias) = self.biases();
        let gates = x.linear(&self.weight_ih.tensor(), bias.as_ref());
        let (weight, hidden) = (self.weight_hh.tensor(), &state.hidden);
        let Recurrence { output, hidden, cell } = match (self.plan.kind, &state.cell) {
            (Kind::Rnn(RnnActivation::Tanh), _) => gates.rnn_tanh_sequence(&weight, hidden, steps),
            (Kind::Rnn(RnnActivation::Relu), _) => gates.rnn_relu_sequence(&weight, hidden, steps),
            (Kind::Gru(GruReset::AfterProduct), _) => {
                gates.gru_sequence(&weight, hidden_bias.as_ref(), hidden, steps)
            }
            (Kind::Gru(GruReset::BeforeProduct), _) => {
                reset_before_product(&gates, &weight, hidden, steps)
            }
            (Kind::Lstm, Some(cell)) if self.weight_hr.is_none() && self.weight_ch.is_none() => {
                gates.lstm_sequence(&weight, hidden, cell, steps)
            }
            (Kind::Lstm, Some(cell)) => self.extended_lstm(&gates, hidden, cell, steps),
            (Kind::Lstm, None) => unreachable!("the state was checked"),
        };
        (output, RecurrentState { hidden, cell })
    }

    /// Checks that a state is of the right kind; of its shapes, ops complain.
    #[track_caller]
    fn check(&self, state: &RecurrentState) {
        let message = match (self.plan.kind.has_cell_state(), &state.cell) {
            (true, None) => "an LSTM wants a state with a cell: see RecurrentState::lstm",
            (false, Some(_)) => "only LSTMs have a cell, but the state has one",
            _ => return,
        };
        panic!("{}", OpError::of("the state", message));
    }

    /// The bias of all gates, and, for a GRU that resets a product, that of this product.
    fn biases(&self) -> (Option<Tensor>, Option<Tensor>) {
        let (Some(inputs), Some(hidden)) = (&self.bias_ih, &self.bias_hh) else {
            return (None, None);
        };
        let (inputs, hidden) = (inputs.tensor(), hidden.tensor());
        if self.plan.kind != Kind::Gru(GruReset::AfterProduct) {
            return (Some(inputs + hidden), None);
        }
        let size = self.plan.hidden;
        let gates = hidden.narrow(0, 0, 2 * size).pad_axis(0, (0, size), 0.0);
        (Some(inputs + gates), Some(hidden.narrow(0, 2 * size, size)))
    }

    /// An LSTM with peepholes or a projection, time by time.
    fn extended_lstm(
        &self,
        gates: &Tensor,
        hidden: &Tensor,
        cell: &Tensor,
        steps: &Steps,
    ) -> Recurrence {
        let weight = self.weight_hh.tensor();
        let projection = self.weight_hr.as_ref().map(Param::tensor);
        let peepholes = self.weight_ch.as_ref().map(|weight| weight.tensor().chunk(0, 3));
        let states = vec![hidden.clone(), cell.clone()];
        let (output, mut states) = walk(gates, steps, states, |x, states| {
            let old = &states[1];
            let gates = (x + states[0].linear(&weight, None)).chunk(1, 4);
            let seen = |gate: usize, peephole: usize, cell: &Tensor| match &peepholes {
                Some(peepholes) => (&gates[gate] + &peepholes[peephole] * cell).sigmoid(),
                None => gates[gate].sigmoid(),
            };
            let cell = seen(1, 1, old) * old + seen(0, 0, old) * gates[2].tanh();
            let hidden = seen(3, 2, &cell) * cell.tanh();
            let hidden = match &projection {
                Some(projection) => hidden.linear(projection, None),
                None => hidden,
            };
            vec![hidden, cell]
        });
        Recurrence { output, cell: states.pop(), hidden: states.remove(0) }
    }
}

/// A GRU whose reset gate acts on the hidden state, time by time.
fn reset_before_product(
    gates: &Tensor,
    weight: &Tensor,
    hidden: &Tensor,
    steps: &Steps,
) -> Recurrence {
    let size = hidden.len_of(1);
    let (of_gates, of_candidate) =
        (weight.narrow(0, 0, 2 * size), weight.narrow(0, 2 * size, size));
    let (output, mut states) = walk(gates, steps, vec![hidden.clone()], |x, states| {
        let hidden = &states[0];
        let of_x = x.split(1, &[2 * size, size]);
        let gates = (&of_x[0] + hidden.linear(&of_gates, None)).sigmoid().chunk(1, 2);
        let product = (&gates[0] * hidden).linear(&of_candidate, None);
        let new = (&of_x[1] + product).tanh();
        vec![&new + &gates[1] * (hidden - &new)]
    });
    Recurrence { output, cell: None, hidden: states.remove(0) }
}
