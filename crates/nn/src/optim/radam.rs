//! RAdam.

use super::groups::{Decay, Groups, Method, State};
use super::{check_adam, filled};
use crate::Param;
use gradus_tensor::kernel::optimizer::{Adam, Rectifying, Rule, Step};
use gradus_tensor::{Result, Tensor};

/// The settings of [`RAdam`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RAdamOptions {
    /// η, how far a step goes.
    pub learning_rate: f64,
    /// β₁, how much of the mean gradient is kept.
    pub beta1: f64,
    /// β₂, how much of the mean square is kept.
    pub beta2: f64,
    /// ε, what keeps the division from zero.
    pub epsilon: f64,
    /// λ, the weight decay.
    pub weight_decay: f64,
    /// Take the decay off the parameter itself, not by way of the gradient.
    pub decoupled: bool,
    /// Go up the gradient.
    pub maximize: bool,
}

impl Default for RAdamOptions {
    fn default() -> Self {
        Self {
            learning_rate: 1e-3,
            beta1: 0.9,
            beta2: 0.999,
            epsilon: 1e-8,
            weight_decay: 0.0,
            decoupled: false,
            maximize: false,
        }
    }
}

/// Adam that does not trust its mean square before it has seen enough: with ρ = 2 / (1 - β₂) - 1 and
/// ρₜ = ρ - 2 t β₂ᵗ / (1 - β₂ᵗ), the step is η m̂ while ρₜ ≤ 5, and then η r m̂ √(1 - β₂ᵗ) / (√v + ε)
/// with r = √((ρₜ - 4) (ρₜ - 2) ρ / ((ρ - 4) (ρ - 2) ρₜ)).
///
/// # Source
/// Liu, Jiang, He, Chen, Liu, Gao, Han 2020, "On the Variance of the Adaptive Learning Rate and
/// Beyond", algorithm 2; PyTorch: `torch.optim.RAdam`, whose bound of 5 (the paper has 4) this is.
#[derive(Debug)]
pub struct RAdam(pub(super) Groups<RAdamOptions>);

impl Method for RAdamOptions {
    fn name(&self) -> &'static str {
        "radam"
    }

    #[track_caller]
    fn check(&self) {
        let rates = [self.learning_rate, self.epsilon, self.weight_decay];
        check_adam("radam", rates, [self.beta1, self.beta2]);
    }

    fn learning_rate(&mut self) -> &mut f64 {
        &mut self.learning_rate
    }

    fn momentum(&mut self) -> Option<&mut f64> {
        Some(&mut self.beta1)
    }

    fn start(&self, param: &Tensor) -> State {
        State::zeros(&["exp_avg", "exp_avg_sq"], param)
    }

    fn step(&self, _: &Param, _: &Tensor, state: &mut State) -> Result<Option<Step>> {
        let Self { learning_rate, beta1, beta2, epsilon, weight_decay, maximize, .. } = *self;
        let size = learning_rate / filled(beta1, state.steps);
        let filled = filled(beta2, state.steps);
        let limit = 2.0 / (1.0 - beta2) - 1.0;
        let known = limit - 2.0 * state.steps as f64 * (1.0 - filled) / filled;
        let rule = if known > 5.0 {
            let variance = (known - 4.0) * (known - 2.0) * limit;
            let factor = (variance / ((limit - 4.0) * (limit - 2.0) * known)).sqrt();
            let size = size * factor * filled.sqrt();
            Rule::Adam(Adam { size, root: 1.0, beta1, beta2, epsilon })
        } else {
            Rule::Rectifying(Rectifying { size, beta1, beta2 })
        };
        let decoupled = self.decoupled.then_some(learning_rate);
        Ok(Some(Decay { weight_decay, decoupled, maximize }.step(rule)))
    }
}
