//! RMSprop.

use super::groups::{Decay, Groups, Method, State};
use super::{check_not_negative, check_share};
use crate::Param;
use gradus_tensor::kernel::optimizer::{self, Rule, Step};
use gradus_tensor::{Result, Tensor};

/// The settings of [`RmsProp`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RmsPropOptions {
    /// η, how far a step goes.
    pub learning_rate: f64,
    /// α, how much of the mean square is kept.
    pub alpha: f64,
    /// ε, what keeps the division from zero.
    pub epsilon: f64,
    /// λ, the factor of a parameter that is added to its gradient.
    pub weight_decay: f64,
    /// μ, how much of the last direction is kept.
    pub momentum: f64,
    /// Divide by the standard deviation of the gradients, not by the root of their mean square.
    pub centred: bool,
    /// Go up the gradient.
    pub maximize: bool,
}

impl Default for RmsPropOptions {
    fn default() -> Self {
        Self {
            learning_rate: 1e-2,
            alpha: 0.99,
            epsilon: 1e-8,
            weight_decay: 0.0,
            momentum: 0.0,
            centred: false,
            maximize: false,
        }
    }
}

/// Gradients divided by their usual size: v ← α v + (1 - α) g², d = g / (√v + ε), p ← p - η d, or
/// with momentum b ← μ b + d, p ← p - η b. Centred, m² is taken off v, where
/// m ← α m + (1 - α) g.
///
/// # Source
/// Tieleman, Hinton 2012, "Neural Networks for Machine Learning", lecture 6.5; Graves 2013,
/// "Generating Sequences With Recurrent Neural Networks", equations 38 to 41, for the centred form;
/// PyTorch: `torch.optim.RMSprop`.
#[derive(Debug)]
pub struct RmsProp(pub(super) Groups<RmsPropOptions>);

impl Method for RmsPropOptions {
    fn name(&self) -> &'static str {
        "rmsprop"
    }

    #[track_caller]
    fn check(&self) {
        check_not_negative("rmsprop", "learning rate", self.learning_rate);
        check_not_negative("rmsprop", "epsilon", self.epsilon);
        check_not_negative("rmsprop", "weight decay", self.weight_decay);
        check_not_negative("rmsprop", "momentum", self.momentum);
        check_share("rmsprop", "alpha", self.alpha);
    }

    fn learning_rate(&mut self) -> &mut f64 {
        &mut self.learning_rate
    }

    /// One that started without momentum remembers no direction, and so cannot get any.
    fn momentum(&mut self) -> Option<&mut f64> {
        (self.momentum != 0.0).then_some(&mut self.momentum)
    }

    fn start(&self, param: &Tensor) -> State {
        let names: &[&str] = match (self.centred, self.momentum != 0.0) {
            (false, false) => &["square_avg"],
            (true, false) => &["square_avg", "grad_avg"],
            (false, true) => &["square_avg", "momentum_buffer"],
            (true, true) => &["square_avg", "grad_avg", "momentum_buffer"],
        };
        State::zeros(names, param)
    }

    fn step(&self, _: &Param, _: &Tensor, _: &mut State) -> Result<Option<Step>> {
        let Self { learning_rate: rate, alpha, epsilon, momentum, centred, .. } = *self;
        let rule = Rule::RmsProp(optimizer::RmsProp { rate, alpha, epsilon, momentum, centred });
        let step = Decay::coupled(self.weight_decay, self.maximize).step(rule);
        Ok(Some(step))
    }
}
