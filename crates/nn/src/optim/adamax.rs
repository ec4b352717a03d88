//! Adamax.

use super::groups::{Decay, Groups, Method, State};
use super::{check_adam, filled};
use crate::Param;
use gradus_tensor::kernel::optimizer::{self, Rule, Step};
use gradus_tensor::{Result, Tensor};

/// The settings of [`Adamax`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamaxOptions {
    /// η, how far a step goes.
    pub learning_rate: f64,
    /// β₁, how much of the mean gradient is kept.
    pub beta1: f64,
    /// β₂, how much of the largest magnitude is kept.
    pub beta2: f64,
    /// ε, what keeps the division from zero.
    pub epsilon: f64,
    /// λ, the factor of a parameter that is added to its gradient.
    pub weight_decay: f64,
    /// Go up the gradient.
    pub maximize: bool,
}

impl Default for AdamaxOptions {
    fn default() -> Self {
        Self {
            learning_rate: 2e-3,
            beta1: 0.9,
            beta2: 0.999,
            epsilon: 1e-8,
            weight_decay: 0.0,
            maximize: false,
        }
    }
}

/// Adam with the largest magnitude in place of the mean square: m ← β₁ m + (1 - β₁) g,
/// u ← max(β₂ u, |g| + ε), p ← p - η / (1 - β₁ᵗ) · m / u.
///
/// # Source
/// Kingma, Ba 2015, "Adam: A Method for Stochastic Optimization", algorithm 2; PyTorch:
/// `torch.optim.Adamax`.
#[derive(Debug)]
pub struct Adamax(pub(super) Groups<AdamaxOptions>);

impl Method for AdamaxOptions {
    fn name(&self) -> &'static str {
        "adamax"
    }

    #[track_caller]
    fn check(&self) {
        let rates = [self.learning_rate, self.epsilon, self.weight_decay];
        check_adam("adamax", rates, [self.beta1, self.beta2]);
    }

    fn learning_rate(&mut self) -> &mut f64 {
        &mut self.learning_rate
    }

    fn momentum(&mut self) -> Option<&mut f64> {
        Some(&mut self.beta1)
    }

    fn start(&self, param: &Tensor) -> State {
        State::zeros(&["exp_avg", "exp_inf"], param)
    }

    fn step(&self, _: &Param, _: &Tensor, state: &mut State) -> Result<Option<Step>> {
        let Self { learning_rate, beta1, beta2, epsilon, .. } = *self;
        let size = learning_rate / filled(beta1, state.steps);
        let rule = Rule::Adamax(optimizer::Adamax { size, beta1, beta2, epsilon });
        let step = Decay::coupled(self.weight_decay, self.maximize).step(rule);
        Ok(Some(step))
    }
}
