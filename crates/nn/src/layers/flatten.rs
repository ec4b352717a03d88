//! Joining axes.

use crate::{Layer, Module};
use gradus_tensor::Tensor;

/// Joins all axes but the first, the batch: `[B, …] -> [B, N]`. PyTorch: `torch.nn.Flatten`.
#[derive(Clone, Copy, Debug, Default, Module)]
pub struct Flatten;

impl Layer for Flatten {
    fn forward(&self, x: &Tensor) -> Tensor {
        if x.rank() < 2 { x.clone() } else { x.flatten(1, -1) }
    }
}
