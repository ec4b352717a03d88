//! Recurrent networks: layers that go through sequences, and the cells they are made of.

mod cells;
mod layers;
mod packed;
mod stack;
mod state;
mod weights;

pub use cells::{GruCell, LstmCell, RnnCell};
pub use layers::{Gru, GruOptions, Lstm, LstmOptions, Recurrent, Rnn, RnnOptions};
pub use packed::{PackedSequence, PadOptions};
pub use state::RecurrentState;
pub use weights::{GruReset, RecurrentWeights, RnnActivation};
