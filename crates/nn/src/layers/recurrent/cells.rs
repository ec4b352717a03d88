//! Recurrent cells: one time of a recurrent layer, for loops of one's own.

use super::weights::{Kind, Plan, RecurrentWeights};
use super::{GruReset, RecurrentState, RnnActivation};
use crate::{Module, Path, Visitor};
use gradus_tensor::kernel::Steps;
use gradus_tensor::{OpError, Rng, Tensor};

/// Defines cells.
macro_rules! cells {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Debug)]
        pub struct $name(RecurrentWeights);

        impl $name {
            /// The cell without its biases.
            pub fn without_bias(mut self) -> Self {
                (self.0.bias_ih, self.0.bias_hh) = (None, None);
                self
            }

            /// The parameters.
            pub fn weights(&self) -> &RecurrentWeights {
                &self.0
            }

            /// The state after one input, from the one before it or from zeros.
            ///
            /// # Shapes
            /// `x: [B, I]`, states `[B, H]`; or both without B.
            ///
            /// # Panics
            /// If the cell does not take the input, or the state is not that of this cell and
            /// batch.
            #[track_caller]
            pub fn step(&self, x: &Tensor, state: Option<&RecurrentState>) -> RecurrentState {
                step(stringify!($name), &self.0, x, state)
            }
        }

        impl Module for $name {
            fn visit(&self, path: &mut Path, visitor: &mut dyn Visitor) {
                self.0.visit(path, visitor, "");
            }
        }
    )*};
}

cells! {
    /// One time of a [`Rnn`](crate::Rnn): h' = tanh(W x + b + U h + d). PyTorch:
    /// `torch.nn.RNNCell`.
    RnnCell;
    /// One time of a [`Lstm`](crate::Lstm). PyTorch: `torch.nn.LSTMCell`.
    ///
    /// ```
    /// use gradus_nn::LstmCell;
    /// use gradus_tensor::{Rng, Tensor};
    ///
    /// let cell = LstmCell::new(3, 8, &mut Rng::new(1));
    /// let mut state = None;
    /// for _ in 0..5 {
    ///     state = Some(cell.step(&Tensor::ones([2, 3]), state.as_ref()));
    /// }
    /// assert_eq!(state.unwrap().hidden.shape(), [2, 8]);
    /// ```
    LstmCell;
    /// One time of a [`Gru`](crate::Gru). PyTorch: `torch.nn.GRUCell`.
    GruCell;
}

impl RnnCell {
    /// A cell from `inputs` to `hidden` features.
    #[track_caller]
    pub fn new(inputs: usize, hidden: usize, rng: &mut Rng) -> Self {
        Self::with_activation(inputs, hidden, RnnActivation::Tanh, rng)
    }

    /// A cell with another function.
    #[track_caller]
    pub fn with_activation(
        inputs: usize,
        hidden: usize,
        activation: RnnActivation,
        rng: &mut Rng,
    ) -> Self {
        Self(RecurrentWeights::new(plan(Kind::Rnn(activation), hidden), inputs, rng))
    }
}

impl LstmCell {
    /// A cell from `inputs` to `hidden` features.
    #[track_caller]
    pub fn new(inputs: usize, hidden: usize, rng: &mut Rng) -> Self {
        Self(RecurrentWeights::new(plan(Kind::Lstm, hidden), inputs, rng))
    }

    /// A cell whose gates see the cell state; see [`Lstm`](crate::Lstm).
    #[track_caller]
    pub fn with_peepholes(inputs: usize, hidden: usize, rng: &mut Rng) -> Self {
        let plan = Plan { peepholes: true, ..plan(Kind::Lstm, hidden) };
        Self(RecurrentWeights::new(plan, inputs, rng))
    }
}

impl GruCell {
    /// A cell from `inputs` to `hidden` features.
    #[track_caller]
    pub fn new(inputs: usize, hidden: usize, rng: &mut Rng) -> Self {
        Self::with_reset(inputs, hidden, GruReset::AfterProduct, rng)
    }

    /// A cell whose reset gate acts elsewhere.
    #[track_caller]
    pub fn with_reset(inputs: usize, hidden: usize, reset: GruReset, rng: &mut Rng) -> Self {
        Self(RecurrentWeights::new(plan(Kind::Gru(reset), hidden), inputs, rng))
    }
}

fn plan(kind: Kind, hidden: usize) -> Plan {
    Plan { kind, hidden, bias: true, projection: None, peepholes: false }
}

#[track_caller]
fn step(
    name: &'static str,
    weights: &RecurrentWeights,
    x: &Tensor,
    state: Option<&RecurrentState>,
) -> RecurrentState {
    let inputs = weights.inputs();
    if !matches!(x.rank(), 1 | 2) || x.len_of(-1) != inputs {
        let message = format_args!("takes [B, {inputs}] or [{inputs}], not {}", x.shape());
        panic!("{}", OpError::of(name, message));
    }
    if x.rank() == 1 {
        let state = state.map(|state| state.map(|state| state.unsqueeze(0)));
        let state = step(name, weights, &x.unsqueeze(0), state.as_ref());
        return state.map(|state| state.squeeze(0));
    }
    let batch = x.len_of(0);
    let zeros;
    let state = match state {
        Some(state) => state,
        None => {
            zeros = weights.zeros(x, batch);
            &zeros
        }
    };
    weights.run(x, &Steps::time_first(1, batch), state).1
}
