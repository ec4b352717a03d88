//! AdaBelief.

use super::groups::{Decay, Groups, Method, State};
use super::{check_adam, filled};
use crate::Param;
use gradus_tensor::kernel::optimizer::{Adam, Belief, Rule, Step};
use gradus_tensor::{Result, Tensor};

/// The settings of [`AdaBelief`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdaBeliefOptions {
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

impl Default for AdaBeliefOptions {
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

/// Adam that goes far where gradients are as foretold: m ← β₁ m + (1 - β₁) g,
/// s ← β₂ s + (1 - β₂) (g - m)² + ε, and p ← p - η m̂ / (√ŝ + ε).
///
/// # Source
/// Zhuang, Tang, Ding, Tatikonda, Dvornek, Papademetris, Duncan 2020, "AdaBelief Optimizer: Adapting
/// Stepsizes by the Belief in Observed Gradients", algorithm 2. PyTorch has none.
#[derive(Debug)]
pub struct AdaBelief(pub(super) Groups<AdaBeliefOptions>);

impl Method for AdaBeliefOptions {
    fn name(&self) -> &'static str {
        "adabelief"
    }

    #[track_caller]
    fn check(&self) {
        let rates = [self.learning_rate, self.epsilon, self.weight_decay];
        check_adam("adabelief", rates, [self.beta1, self.beta2]);
    }

    fn learning_rate(&mut self) -> &mut f64 {
        &mut self.learning_rate
    }

    fn momentum(&mut self) -> Option<&mut f64> {
        Some(&mut self.beta1)
    }

    fn start(&self, param: &Tensor) -> State {
        State::zeros(&["exp_avg", "exp_avg_var"], param)
    }

    fn step(&self, _: &Param, _: &Tensor, state: &mut State) -> Result<Option<Step>> {
        let Self { learning_rate, beta1, beta2, epsilon, weight_decay, maximize, .. } = *self;
        let rule = Rule::Belief(Belief(Adam {
            size: learning_rate / filled(beta1, state.steps),
            root: filled(beta2, state.steps).sqrt(),
            beta1,
            beta2,
            epsilon,
        }));
        let decoupled = self.decoupled.then_some(learning_rate);
        Ok(Some(Decay { weight_decay, decoupled, maximize }.step(rule)))
    }
}
