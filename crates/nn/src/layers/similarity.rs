//! How alike two tensors of vectors are.

use crate::Module;
use gradus_tensor::Tensor;

/// y = x₁ · x₂ / (max(‖x₁‖, ε) max(‖x₂‖, ε)) along an axis: the cosine of the angle between both.
///
/// # Source
/// PyTorch: `torch.nn.CosineSimilarity`.
#[derive(Clone, Copy, Debug, Module)]
pub struct CosineSimilarity {
    /// The axis of the vectors; negative numbers count from the end.
    pub axis: isize,
    /// ε, what keeps the division from zero.
    pub epsilon: f64,
}

/// As in PyTorch: along axis 1, with ε = 10⁻⁸.
impl Default for CosineSimilarity {
    fn default() -> Self {
        Self { axis: 1, epsilon: 1e-8 }
    }
}

impl CosineSimilarity {
    /// The cosines for two tensors, which broadcast.
    #[track_caller]
    pub fn forward(&self, first: &Tensor, second: &Tensor) -> Tensor {
        let product = (first * second).sum(self.axis);
        let length = |x: &Tensor| x.norm(2.0, self.axis).clamp(self.epsilon, f64::INFINITY);
        product / (length(first) * length(second))
    }
}

/// y = ‖x₁ - x₂ + ε‖ₚ along the last axis.
///
/// # Source
/// PyTorch: `torch.nn.PairwiseDistance`.
#[derive(Clone, Copy, Debug, Module)]
pub struct PairwiseDistance {
    /// Which norm; see [`Tensor::norm`].
    pub p: f64,
    /// ε, what keeps the distance from zero, where it has no gradient.
    pub epsilon: f64,
    /// Leaves the axis, with length 1.
    pub keepdim: bool,
}

/// As in PyTorch: p = 2 and ε = 10⁻⁶, without the axis.
impl Default for PairwiseDistance {
    fn default() -> Self {
        Self { p: 2.0, epsilon: 1e-6, keepdim: false }
    }
}

impl PairwiseDistance {
    /// The distances of two tensors, which broadcast.
    #[track_caller]
    pub fn forward(&self, first: &Tensor, second: &Tensor) -> Tensor {
        let distance = (first - second + self.epsilon).norm(self.p, -1);
        if self.keepdim { distance.unsqueeze(-1) } else { distance }
    }
}
