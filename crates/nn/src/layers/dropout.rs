//! Dropout as a layer.

use crate::{Layer, Mode, Module, Stream};
use gradus_tensor::{Rng, Tensor};

/// Leaves out numbers at random while the model is trained, and scales up the others; see
/// [`Tensor::dropout`]. In evaluation the output is the input. PyTorch: `torch.nn.Dropout`.
#[derive(Debug, Module)]
pub struct Dropout {
    /// How likely a number is left out.
    pub p: f64,
    mode: Mode,
    stream: Stream,
}

impl Dropout {
    /// A layer that leaves out numbers with a probability, drawn from a stream split off from
    /// `rng`.
    pub fn new(p: f64, rng: &mut Rng) -> Self {
        Self { p, mode: Mode::default(), stream: Stream::new(rng) }
    }
}

impl Dropout {
    /// True if the output differs from the input.
    pub(crate) fn is_active(&self) -> bool {
        self.p > 0.0 && self.mode.is_training()
    }
}

impl Layer for Dropout {
    fn forward(&self, x: &Tensor) -> Tensor {
        if !self.mode.is_training() {
            return x.clone();
        }
        self.stream.draw(|rng| x.dropout(self.p, rng))
    }
}
