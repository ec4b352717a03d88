//! LARS.

use super::check_not_negative;
use super::groups::{Decay, Groups, Method, State};
use crate::Param;
use crate::gradients::norm;
use gradus_tensor::kernel::optimizer::{Momentum, Rule, Step};
use gradus_tensor::{Result, Tensor};

/// The settings of [`Lars`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LarsOptions {
    /// γ, the global learning rate.
    pub learning_rate: f64,
    /// μ, how much of the last direction is kept.
    pub momentum: f64,
    /// β, the factor of a parameter that is added to its gradient.
    pub weight_decay: f64,
    /// η, how far a parameter may go in relation to its size.
    pub trust: f64,
    /// Go up the gradient.
    pub maximize: bool,
}

impl Default for LarsOptions {
    fn default() -> Self {
        Self { learning_rate: 0.1, momentum: 0.9, weight_decay: 0.0, trust: 1e-3, maximize: false }
    }
}

/// Momentum with a learning rate for each parameter, by its size: λ = η ‖p‖ / (‖g‖ + β ‖p‖),
/// v ← μ v + γ λ (g + β p), p ← p - v. Where ‖p‖ or ‖g‖ is zero, λ is 1.
///
/// # Source
/// You, Gitman, Ginsburg 2017, "Large Batch Training of Convolutional Networks", algorithm 1.
/// PyTorch has none.
#[derive(Debug)]
pub struct Lars(pub(super) Groups<LarsOptions>);

impl Method for LarsOptions {
    fn name(&self) -> &'static str {
        "lars"
    }

    #[track_caller]
    fn check(&self) {
        check_not_negative("lars", "learning rate", self.learning_rate);
        check_not_negative("lars", "momentum", self.momentum);
        check_not_negative("lars", "weight decay", self.weight_decay);
        check_not_negative("lars", "trust", self.trust);
    }

    fn learning_rate(&mut self) -> &mut f64 {
        &mut self.learning_rate
    }

    fn momentum(&mut self) -> Option<&mut f64> {
        Some(&mut self.momentum)
    }

    fn start(&self, param: &Tensor) -> State {
        State::zeros(&["momentum_buffer"], param)
    }

    fn step(&self, param: &Param, gradient: &Tensor, _: &mut State) -> Result<Option<Step>> {
        let (size, slope) = (norm(&param.tensor().detach()), norm(gradient));
        let local = match size > 0.0 && slope > 0.0 {
            true => self.trust * size / (slope + self.weight_decay * size),
            false => 1.0,
        };
        let share = self.learning_rate * local;
        let rule =
            Rule::Momentum(Momentum { rate: 1.0, momentum: self.momentum, share, nesterov: false });
        let step = Decay::coupled(self.weight_decay, self.maximize).step(rule);
        Ok(Some(step))
    }
}
