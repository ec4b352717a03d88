//! Adam and AdamW.

use super::{Memory, Optimizer, check_not_negative};
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
    /// λ, the weight decay: by way of the gradient in Adam, off the parameter itself in AdamW. None
    /// by default; see [`AdamOptions::adamw`].
    pub weight_decay: f64,
}

impl Default for AdamOptions {
    /// As in PyTorch's Adam, without weight decay.
    fn default() -> Self {
        Self { learning_rate: 1e-3, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weight_decay: 0.0 }
    }
}

impl AdamOptions {
    /// As in PyTorch's AdamW, with a weight decay of 0.01.
    ///
    /// ```
    /// use gradus_nn::{AdamOptions, AdamW, Linear, Module};
    /// use gradus_tensor::Rng;
    ///
    /// let model = Linear::new(4, 2, &mut Rng::new(1));
    /// let options = AdamOptions { learning_rate: 3e-4, ..AdamOptions::adamw() };
    /// let optimizer = AdamW::new(model.params(), options);
    /// ```
    pub fn adamw() -> Self {
        Self { weight_decay: 0.01, ..Self::default() }
    }

    /// Refuses settings that cannot be.
    #[track_caller]
    fn check(&self, optimizer: &str) {
        check_not_negative(optimizer, "learning rate", self.learning_rate);
        check_not_negative(optimizer, "epsilon", self.epsilon);
        check_not_negative(optimizer, "weight decay", self.weight_decay);
        for beta in [self.beta1, self.beta2] {
            assert!(
                (0.0..1.0).contains(&beta),
                "{optimizer}: a beta is {beta}: give a number from 0 to below 1"
            );
        }
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
    ///
    /// # Panics
    /// If the learning rate, ε or the weight decay is negative, or a β is not from 0 to below 1.
    #[track_caller]
    pub fn new(params: Vec<Param>, options: AdamOptions) -> Self {
        options.check("adam");
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
/// `torch.optim.AdamW`, whose weight decay is 0.01 unless another is given: that of
/// [`AdamOptions::adamw`].
#[derive(Debug)]
pub struct AdamW(Adam);

impl AdamW {
    /// An optimizer of parameters. [`AdamOptions::adamw`] has PyTorch's settings.
    ///
    /// # Panics
    /// As [`Adam::new`].
    #[track_caller]
    pub fn new(params: Vec<Param>, options: AdamOptions) -> Self {
        options.check("adamw");
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
