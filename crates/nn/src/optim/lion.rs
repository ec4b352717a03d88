//! Lion.

use super::groups::{Decay, Groups, Method, State};
use super::{check_not_negative, check_share};
use crate::Param;
use gradus_tensor::kernel::optimizer::{self, Rule, Step};
use gradus_tensor::{Result, Tensor};

/// The settings of [`Lion`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LionOptions {
    /// η, how far a step goes; a third to a tenth of Adam's.
    pub learning_rate: f64,
    /// β₁, how much the mean counts in the direction.
    pub beta1: f64,
    /// β₂, how much of the mean is kept.
    pub beta2: f64,
    /// λ, the weight decay, taken off the parameter itself.
    pub weight_decay: f64,
    /// Go up the gradient.
    pub maximize: bool,
}

impl Default for LionOptions {
    fn default() -> Self {
        Self { learning_rate: 1e-4, beta1: 0.9, beta2: 0.99, weight_decay: 0.0, maximize: false }
    }
}

/// Steps of the same length in every element: p ← p - η (sign(β₁ m + (1 - β₁) g) + λ p), then
/// m ← β₂ m + (1 - β₂) g.
///
/// # Source
/// Chen, Liang, Huang, Real, Wang, Liu, Pham, Dong, Luong, Hsieh, Lu, Le 2023, "Symbolic Discovery of
/// Optimization Algorithms", algorithm 2. PyTorch has none.
#[derive(Debug)]
pub struct Lion(pub(super) Groups<LionOptions>);

impl Method for LionOptions {
    fn name(&self) -> &'static str {
        "lion"
    }

    #[track_caller]
    fn check(&self) {
        check_not_negative("lion", "learning rate", self.learning_rate);
        check_not_negative("lion", "weight decay", self.weight_decay);
        check_share("lion", "a beta", self.beta1);
        check_share("lion", "a beta", self.beta2);
    }

    fn learning_rate(&mut self) -> &mut f64 {
        &mut self.learning_rate
    }

    fn momentum(&mut self) -> Option<&mut f64> {
        Some(&mut self.beta1)
    }

    fn start(&self, param: &Tensor) -> State {
        State::zeros(&["exp_avg"], param)
    }

    fn step(&self, _: &Param, _: &Tensor, _: &mut State) -> Result<Option<Step>> {
        let Self { learning_rate: rate, beta1, beta2, weight_decay, maximize } = *self;
        let rule = Rule::Lion(optimizer::Lion { rate, beta1, beta2 });
        let decay = Decay { weight_decay, decoupled: Some(rate), maximize };
        Ok(Some(decay.step(rule)))
    }
}
