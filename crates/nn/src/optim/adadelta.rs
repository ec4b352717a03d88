//! Adadelta.

use super::groups::{Decay, Groups, Method, State};
use super::{check_not_negative, check_share};
use crate::Param;
use gradus_tensor::kernel::optimizer::{self, Rule, Step};
use gradus_tensor::{Result, Tensor};

/// The settings of [`Adadelta`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdadeltaOptions {
    /// η, the factor of a step, which finds its own length.
    pub learning_rate: f64,
    /// ρ, how much of the mean squares is kept.
    pub rho: f64,
    /// ε, what keeps the division from zero and lets the first step be made.
    pub epsilon: f64,
    /// λ, the factor of a parameter that is added to its gradient.
    pub weight_decay: f64,
    /// Go up the gradient.
    pub maximize: bool,
}

impl Default for AdadeltaOptions {
    fn default() -> Self {
        Self { learning_rate: 1.0, rho: 0.9, epsilon: 1e-6, weight_decay: 0.0, maximize: false }
    }
}

/// Steps in the units of the parameter: v ← ρ v + (1 - ρ) g², Δ = g √(u + ε) / √(v + ε),
/// u ← ρ u + (1 - ρ) Δ², p ← p - η Δ.
///
/// # Source
/// Zeiler 2012, "ADADELTA: An Adaptive Learning Rate Method", algorithm 1; PyTorch:
/// `torch.optim.Adadelta`.
#[derive(Debug)]
pub struct Adadelta(pub(super) Groups<AdadeltaOptions>);

impl Method for AdadeltaOptions {
    fn name(&self) -> &'static str {
        "adadelta"
    }

    #[track_caller]
    fn check(&self) {
        check_not_negative("adadelta", "learning rate", self.learning_rate);
        check_not_negative("adadelta", "epsilon", self.epsilon);
        check_not_negative("adadelta", "weight decay", self.weight_decay);
        check_share("adadelta", "rho", self.rho);
    }

    fn learning_rate(&mut self) -> &mut f64 {
        &mut self.learning_rate
    }

    fn start(&self, param: &Tensor) -> State {
        State::zeros(&["square_avg", "acc_delta"], param)
    }

    fn step(&self, _: &Param, _: &Tensor, _: &mut State) -> Result<Option<Step>> {
        let Self { learning_rate: rate, rho, epsilon, .. } = *self;
        let rule = Rule::Adadelta(optimizer::Adadelta { rate, rho, epsilon });
        let step = Decay::coupled(self.weight_decay, self.maximize).step(rule);
        Ok(Some(step))
    }
}
