//! Adam and AdamW.

use super::{Memory, Optimizer};
use crate::Param;
use gradus_tensor::kernel::{AdamStep, Kernel};
use gradus_tensor::{Gradients, Result, Tensor};

/// The settings of [`Adam`] and [`AdamW`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamOptions {
    /// η, how far a step goes.
    pub learning_rate: f64,
    /// β₁, how much of the mean gradient is kept.
    pub beta1: f64,
    /// β₂, how much of the mean square is kept.
    pub beta2: f64,
    /// ε, what keeps the division from zero.
    pub epsilon: f64,
    /// λ, the weight decay: by way of the gradient in Adam, off the parameter itself in AdamW.
    pub weight_decay: f64,
}

impl Default for AdamOptions {
    /// As in PyTorch's Adam, without weight decay.
    fn default() -> Self {
        Self { learning_rate: 1e-3, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weight_decay: 0.0 }
    }
}

/// Adam: m ← β₁ m + (1 - β₁) g, v ← β₂ v + (1 - β₂) g², and
/// p ← p - η m̂ / (√v̂ + ε) with m̂ = m / (1 - β₁ᵗ), v̂ = v / (1 - β₂ᵗ); λ p is first added to g.
///
/// # Source
/// Kingma, Ba 2015, "Adam: A Method for Stochastic Optimization", algorithm 1; PyTorch:
/// `torch.optim.Adam`.
#[derive(Debug)]
pub struct Adam {
    options: AdamOptions,
    decoupled: bool,
    memory: Memory,
}

impl Adam {
    /// An optimizer of parameters.
    pub fn new(params: Vec<Param>, options: AdamOptions) -> Self {
        let memory = Memory::new(params, &["exp_avg", "exp_avg_sq"]);
        Self { options, decoupled: false, memory }
    }
}

impl Optimizer for Adam {
    fn step(&mut self, gradients: &Gradients) {
        let AdamOptions { learning_rate, beta1, beta2, epsilon, weight_decay } = self.options;
        let decoupled = self.decoupled;
        self.memory.for_each(gradients, |param, gradient, state, step| {
            let step =
                AdamStep { learning_rate, beta1, beta2, epsilon, weight_decay, decoupled, step };
            param.update(&Kernel::Adam(step), &[gradient], state)
        });
    }

    fn learning_rate(&self) -> f64 {
        self.options.learning_rate
    }

    fn set_learning_rate(&mut self, learning_rate: f64) {
        self.options.learning_rate = learning_rate;
    }

    fn state_dict(&self) -> Vec<(String, Tensor)> {
        self.memory.state_dict()
    }

    fn load_state_dict(&mut self, state: &[(String, Tensor)]) -> Result<()> {
        self.memory.load_state_dict(state)
    }
}

/// AdamW: Adam whose weight decay does not go by way of the gradient: p ← p - η λ p before each
/// step.
///
/// # Source
/// Loshchilov, Hutter 2019, "Decoupled Weight Decay Regularization", algorithm 2; PyTorch:
/// `torch.optim.AdamW`, whose weight decay is 0.01 unless another is given.
#[derive(Debug)]
pub struct AdamW(Adam);

impl AdamW {
    /// An optimizer of parameters.
    pub fn new(params: Vec<Param>, options: AdamOptions) -> Self {
        Self(Adam { decoupled: true, ..Adam::new(params, options) })
    }
}

impl Optimizer for AdamW {
    fn step(&mut self, gradients: &Gradients) {
        self.0.step(gradients);
    }

    fn learning_rate(&self) -> f64 {
        self.0.learning_rate()
    }

    fn set_learning_rate(&mut self, learning_rate: f64) {
        self.0.set_learning_rate(learning_rate);
    }

    fn state_dict(&self) -> Vec<(String, Tensor)> {
        self.0.state_dict()
    }

    fn load_state_dict(&mut self, state: &[(String, Tensor)]) -> Result<()> {
        self.0.load_state_dict(state)
    }
}
