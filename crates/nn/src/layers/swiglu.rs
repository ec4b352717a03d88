//! The gated feed-forward layer of Transformers.

use crate::{Layer, Linear, Module};
use gradus_tensor::{Rng, Tensor};

/// y = W₂ (silu(W x) ⊙ V x): a feed-forward layer one half of which opens and closes the other.
///
/// # Shapes
/// `x: [.., D] -> [.., D]`, with `gate_proj.weight` (W) and `up_proj.weight` (V): `[H, D]`, and
/// `down_proj.weight` (W₂): `[D, H]`.
///
/// # Source
/// Shazeer 2020, "GLU Variants Improve Transformer", equation 6. The names are those of LLaMA's
/// layers in the transformers library; PyTorch has no such layer.
///
/// ```
/// use gradus_nn::{Layer, SwiGlu};
/// use gradus_tensor::{Rng, Tensor};
///
/// let layer = SwiGlu::new(12, 32, &mut Rng::new(1));
/// assert_eq!(layer.forward(&Tensor::ones([2, 7, 12])).shape(), [2, 7, 12]);
/// ```
#[derive(Debug, Module)]
pub struct SwiGlu {
    /// W, whose product goes through silu.
    pub gate_proj: Linear,
    /// V.
    pub up_proj: Linear,
    /// W₂, back to as many features as x has.
    pub down_proj: Linear,
}

impl SwiGlu {
    /// A layer of `features` features with `hidden` between the projections, without biases.
    #[track_caller]
    pub fn new(features: usize, hidden: usize, rng: &mut Rng) -> Self {
        Self {
            gate_proj: Linear::new(features, hidden, rng).without_bias(),
            up_proj: Linear::new(features, hidden, rng).without_bias(),
            down_proj: Linear::new(hidden, features, rng).without_bias(),
        }
    }
}

impl Layer for SwiGlu {
    fn forward(&self, x: &Tensor) -> Tensor {
        self.down_proj.forward(&(self.gate_proj.forward(x).silu() * self.up_proj.forward(x)))
    }
}
