//! Stochastic gradient descent.

use super::check_not_negative;
use super::groups::{Decay, Groups, Method, State};
use crate::Param;
use gradus_tensor::kernel::optimizer::{Descent, Momentum, Rule, Step};
use gradus_tensor::{Result, Tensor};

/// The settings of [`Sgd`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SgdOptions {
    /// η, how far a step goes.
    pub learning_rate: f64,
    /// μ, how much of the last direction is kept.
    pub momentum: f64,
    /// τ, how much of the gradient is left out of the direction, but for the first step.
    pub dampening: f64,
    /// λ, the factor of a parameter that is added to its gradient.
    pub weight_decay: f64,
    /// Nesterov's look ahead: with momentum and without dampening only.
    pub nesterov: bool,
    /// Go up the gradient.
    pub maximize: bool,
}

impl Default for SgdOptions {
    fn default() -> Self {
        Self {
            learning_rate: 1e-3,
            momentum: 0.0,
            dampening: 0.0,
            weight_decay: 0.0,
            nesterov: false,
            maximize: false,
        }
    }
}

/// Stochastic gradient descent, p ← p - η g, with momentum: v ← μ v + (1 - τ) g, p ← p - η v, or
/// p ← p - η (g + μ v) with Nesterov's look ahead; λ p is first added to g.
///
/// # Source
/// Sutskever, Martens, Dahl, Hinton 2013, "On the importance of initialization and momentum in deep
/// learning"; PyTorch: `torch.optim.SGD`.
#[derive(Debug)]
pub struct Sgd(pub(super) Groups<SgdOptions>);

impl Method for SgdOptions {
    fn name(&self) -> &'static str {
        "sgd"
    }

    #[track_caller]
    fn check(&self) {
        check_not_negative("sgd", "learning rate", self.learning_rate);
        check_not_negative("sgd", "momentum", self.momentum);
        check_not_negative("sgd", "weight decay", self.weight_decay);
        assert!(
            !self.nesterov || (self.momentum > 0.0 && self.dampening == 0.0),
            "sgd: Nesterov's look ahead wants a positive momentum and no dampening, not a momentum \
             of {} and a dampening of {}",
            self.momentum,
            self.dampening
        );
    }

    fn learning_rate(&mut self) -> &mut f64 {
        &mut self.learning_rate
    }

    /// One that started without momentum remembers no direction, and so cannot get any.
    fn momentum(&mut self) -> Option<&mut f64> {
        (self.momentum != 0.0).then_some(&mut self.momentum)
    }

    fn start(&self, param: &Tensor) -> State {
        let names: &[&str] = if self.momentum == 0.0 { &[] } else { &["momentum_buffer"] };
        State::zeros(names, param)
    }

    fn step(&self, _: &Param, _: &Tensor, state: &mut State) -> Result<Option<Step>> {
        let Self { learning_rate: rate, momentum, dampening, nesterov, .. } = *self;
        let rule = match state.tensors.is_empty() {
            true => Rule::Descent(Descent { rate }),
            false => {
                // The first direction is the whole gradient.
                let share = if state.steps == 1 { 1.0 } else { 1.0 - dampening };
                Rule::Momentum(Momentum { rate, momentum, share, nesterov })
            }
        };
        let step = Decay::coupled(self.weight_decay, self.maximize).step(rule);
        Ok(Some(step))
    }
}
