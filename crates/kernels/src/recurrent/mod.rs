//! Recurrent networks: a cell that goes through whole sequences.

mod cell;
mod product;
mod sequence;
mod steps;

pub use sequence::{Gradients, Inputs, Results, forward, gradient};
pub use steps::Steps;

/// What is computed at each time, of the gates' inputs x, the products W h with the hidden state
/// before, and the state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cell {
    /// h' = tanh(x + W h).
    Tanh,
    /// h' = max(x + W h, 0).
    Relu,
    /// c' = f ∘ c + i ∘ g and h' = o ∘ tanh c', with i, f, o = σ(x + W h) and g = tanh(x + W h);
    /// gates come in the order i, f, g, o.
    Lstm,
    /// h' = (1 - z) ∘ n + z ∘ h, with r, z = σ(x + W h) and n = tanh(x + r ∘ (W h + b)); gates come
    /// in the order r, z, n.
    Gru,
}

impl Cell {
    /// How many gates it has: how many numbers x has for each one of h.
    pub fn gates(self) -> usize {
        match self {
            Self::Tanh | Self::Relu => 1,
            Self::Lstm => 4,
            Self::Gru => 3,
        }
    }

    /// How many numbers are saved for each one of h: those of an LSTM are i, f, g, o and c', those
    /// of a GRU r, z, n and W h + b.
    pub fn saved(self) -> usize {
        match self {
            Self::Tanh | Self::Relu => 0,
            Self::Lstm => 5,
            Self::Gru => 4,
        }
    }

    /// True if it has a state c beside h.
    pub fn has_cell_state(self) -> bool {
        self == Self::Lstm
    }
}
