//! Averaged stochastic gradient descent.

use super::check_not_negative;
use super::groups::{Decay, Groups, Method, State};
use crate::Param;
use gradus_tensor::kernel::optimizer::{self, Rule, Step};
use gradus_tensor::{Result, Tensor};

/// The settings of [`Asgd`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AsgdOptions {
    /// η₀, how far the first step goes.
    pub learning_rate: f64,
    /// λ, the decay of the parameter, and of the learning rate with it.
    pub lambda: f64,
    /// α, the power by which the learning rate decays.
    pub alpha: f64,
    /// t₀, the step from which on parameters are averaged.
    pub start: f64,
    /// The factor of a parameter that is added to its gradient.
    pub weight_decay: f64,
    /// Go up the gradient.
    pub maximize: bool,
}

impl Default for AsgdOptions {
    fn default() -> Self {
        Self {
            learning_rate: 1e-2,
            lambda: 1e-4,
            alpha: 0.75,
            start: 1e6,
            weight_decay: 0.0,
            maximize: false,
        }
    }
}

/// Stochastic gradient descent that also keeps the average of what it went through:
/// p ← (1 - λ ηₜ) p - ηₜ g with ηₜ₊₁ = η₀ / (1 + λ η₀ t)^α, and a ← a + μₜ (p - a) with
/// μₜ₊₁ = 1 / max(1, t - t₀). The average is `ax` in the state.
///
/// # Source
/// Polyak, Juditsky 1992, "Acceleration of stochastic approximation by averaging"; PyTorch:
/// `torch.optim.ASGD`.
#[derive(Debug)]
pub struct Asgd(pub(super) Groups<AsgdOptions>);

impl Method for AsgdOptions {
    fn name(&self) -> &'static str {
        "asgd"
    }

    #[track_caller]
    fn check(&self) {
        check_not_negative("asgd", "learning rate", self.learning_rate);
        check_not_negative("asgd", "weight decay", self.weight_decay);
    }

    fn learning_rate(&mut self) -> &mut f64 {
        &mut self.learning_rate
    }

    fn start(&self, param: &Tensor) -> State {
        let numbers = vec![("eta", self.learning_rate), ("mu", 1.0)];
        State { numbers, ..State::zeros(&["ax"], param) }
    }

    fn step(&self, _: &Param, _: &Tensor, state: &mut State) -> Result<Option<Step>> {
        let (rate, share) = (state.numbers[0].1, state.numbers[1].1);
        let rule = Rule::Asgd(optimizer::Asgd { rate, share });
        let step = Decay::coupled(self.weight_decay, self.maximize).step(rule);
        let steps = state.steps as f64;
        let slowed = 1.0 + self.lambda * self.learning_rate * steps;
        state.numbers[0].1 = self.learning_rate / slowed.powf(self.alpha);
        state.numbers[1].1 = 1.0 / (steps - self.start).max(1.0);
        Ok(Some(Step { kept: 1.0 - self.lambda * rate, ..step }))
    }
}
