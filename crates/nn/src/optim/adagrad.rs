//! Adagrad.

use super::check_not_negative;
use super::groups::{Decay, Groups, Method, State};
use crate::Param;
use gradus_tensor::kernel::optimizer::{self, Rule, Step};
use gradus_tensor::{Result, Tensor};

/// The settings of [`Adagrad`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdagradOptions {
    /// η, how far a step goes.
    pub learning_rate: f64,
    /// δ, by which later steps go less far: η / (1 + δ (t - 1)).
    pub learning_rate_decay: f64,
    /// λ, the factor of a parameter that is added to its gradient.
    pub weight_decay: f64,
    /// What the sum of squares starts from.
    pub initial_accumulator: f64,
    /// ε, what keeps the division from zero.
    pub epsilon: f64,
    /// Go up the gradient.
    pub maximize: bool,
}

impl Default for AdagradOptions {
    fn default() -> Self {
        Self {
            learning_rate: 1e-2,
            learning_rate_decay: 0.0,
            weight_decay: 0.0,
            initial_accumulator: 0.0,
            epsilon: 1e-10,
            maximize: false,
        }
    }
}

/// Steps that shorten as gradients add up: s ← s + g², p ← p - η / (1 + δ (t - 1)) · g / (√s + ε).
///
/// # Source
/// Duchi, Hazan, Singer 2011, "Adaptive Subgradient Methods for Online Learning and Stochastic
/// Optimization", figure 1; PyTorch: `torch.optim.Adagrad`.
#[derive(Debug)]
pub struct Adagrad(pub(super) Groups<AdagradOptions>);

impl Method for AdagradOptions {
    fn name(&self) -> &'static str {
        "adagrad"
    }

    #[track_caller]
    fn check(&self) {
        check_not_negative("adagrad", "learning rate", self.learning_rate);
        check_not_negative("adagrad", "learning rate's decay", self.learning_rate_decay);
        check_not_negative("adagrad", "weight decay", self.weight_decay);
        check_not_negative("adagrad", "initial accumulator", self.initial_accumulator);
        check_not_negative("adagrad", "epsilon", self.epsilon);
    }

    fn learning_rate(&mut self) -> &mut f64 {
        &mut self.learning_rate
    }

    fn start(&self, param: &Tensor) -> State {
        let tensors = vec![param.full_like(self.initial_accumulator)];
        State { names: &["sum"], tensors, ..State::default() }
    }

    fn step(&self, _: &Param, _: &Tensor, state: &mut State) -> Result<Option<Step>> {
        let before = (state.steps - 1) as f64;
        let rate = self.learning_rate / (1.0 + before * self.learning_rate_decay);
        let rule = Rule::Adagrad(optimizer::Adagrad { rate, epsilon: self.epsilon });
        let step = Decay::coupled(self.weight_decay, self.maximize).step(rule);
        Ok(Some(step))
    }
}
