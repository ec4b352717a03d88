//! NAdam.

use super::groups::{Decay, Groups, Method, State};
use super::{check_adam, check_not_negative, filled};
use crate::Param;
use gradus_tensor::kernel::optimizer::{Nadam, Rule, Step};
use gradus_tensor::{Result, Tensor};

/// The settings of [`NAdam`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NAdamOptions {
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
    /// ψ, how fast the momentum warms up.
    pub momentum_decay: f64,
    /// Take the decay off the parameter itself, not by way of the gradient.
    pub decoupled: bool,
    /// Go up the gradient.
    pub maximize: bool,
}

impl Default for NAdamOptions {
    fn default() -> Self {
        Self {
            learning_rate: 2e-3,
            beta1: 0.9,
            beta2: 0.999,
            epsilon: 1e-8,
            weight_decay: 0.0,
            momentum_decay: 4e-3,
            decoupled: false,
            maximize: false,
        }
    }
}

/// Adam with Nesterov's look ahead: with the means of [`Adam`](super::Adam),
/// μₜ = β₁ (1 - 0.96^(tψ) / 2) and Πₜ = μ₁ ⋯ μₜ,
/// p ← p - η ((1 - μₜ) / (1 - Πₜ) · g + μₜ₊₁ / (1 - Πₜ₊₁) · m) / (√v̂ + ε).
///
/// # Source
/// Dozat 2016, "Incorporating Nesterov Momentum into Adam", algorithm 2; PyTorch:
/// `torch.optim.NAdam`.
#[derive(Debug)]
pub struct NAdam(pub(super) Groups<NAdamOptions>);

impl NAdamOptions {
    /// μₜ, the momentum of a step.
    fn momentum_of(&self, step: u64) -> f64 {
        self.beta1 * (1.0 - 0.5 * 0.96f64.powf(step as f64 * self.momentum_decay))
    }
}

impl Method for NAdamOptions {
    fn name(&self) -> &'static str {
        "nadam"
    }

    #[track_caller]
    fn check(&self) {
        let rates = [self.learning_rate, self.epsilon, self.weight_decay];
        check_adam("nadam", rates, [self.beta1, self.beta2]);
        check_not_negative("nadam", "momentum decay", self.momentum_decay);
    }

    fn learning_rate(&mut self) -> &mut f64 {
        &mut self.learning_rate
    }

    fn momentum(&mut self) -> Option<&mut f64> {
        Some(&mut self.beta1)
    }

    fn start(&self, param: &Tensor) -> State {
        let numbers = vec![("mu_product", 1.0)];
        State { numbers, ..State::zeros(&["exp_avg", "exp_avg_sq"], param) }
    }

    fn step(&self, _: &Param, _: &Tensor, state: &mut State) -> Result<Option<Step>> {
        let Self { learning_rate, beta1, beta2, epsilon, weight_decay, maximize, .. } = *self;
        let (now, next) = (self.momentum_of(state.steps), self.momentum_of(state.steps + 1));
        let product = &mut state.numbers[0].1;
        *product *= now;
        let rule = Rule::Nadam(Nadam {
            gradient_size: learning_rate * (1.0 - now) / (1.0 - *product),
            mean_size: learning_rate * next / (1.0 - *product * next),
            root: filled(beta2, state.steps).sqrt(),
            beta1,
            beta2,
            epsilon,
        });
        let decoupled = self.decoupled.then_some(learning_rate);
        Ok(Some(Decay { weight_decay, decoupled, maximize }.step(rule)))
    }
}
