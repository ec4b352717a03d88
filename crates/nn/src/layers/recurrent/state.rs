//! What a recurrent network remembers.

use gradus_tensor::Tensor;

/// What a recurrent network remembers between times.
///
/// # Shapes
/// Of a layer `hidden: [L, B, H]`, where L counts the directions of all layers (forwards, backwards,
/// then those of the next layer); of a cell `[B, H]`. Without a batch there is no B.
#[derive(Clone, Debug)]
pub struct RecurrentState {
    /// h.
    pub hidden: Tensor,
    /// c, which only LSTMs have.
    pub cell: Option<Tensor>,
}

impl RecurrentState {
    /// The state of a network that is no LSTM.
    pub fn new(hidden: Tensor) -> Self {
        Self { hidden, cell: None }
    }

    /// The state of an LSTM.
    pub fn lstm(hidden: Tensor, cell: Tensor) -> Self {
        Self { hidden, cell: Some(cell) }
    }

    /// The same numbers, from which no gradient flows back: how truncated back-propagation ends a
    /// window.
    pub fn detach(&self) -> Self {
        self.map(Tensor::detach)
    }

    /// The state with a function applied to its tensors.
    #[track_caller]
    pub(super) fn map(&self, function: impl Fn(&Tensor) -> Tensor) -> Self {
        Self { hidden: function(&self.hidden), cell: self.cell.as_ref().map(function) }
    }
}
