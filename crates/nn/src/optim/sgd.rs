//! Stochastic gradient descent.

use super::{Memory, Optimizer, check_not_negative};
use crate::Param;
use gradus_tensor::kernel::{Kernel, SgdStep};
use gradus_tensor::{Gradients, Result, Tensor};

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
}

impl Default for SgdOptions {
    fn default() -> Self {
        Self {
            learning_rate: 1e-3,
            momentum: 0.0,
            dampening: 0.0,
            weight_decay: 0.0,
            nesterov: false,
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
pub struct Sgd {
    options: SgdOptions,
    memory: Memory,
}

impl Sgd {
    /// An optimizer of parameters.
    ///
    /// # Panics
    /// If the learning rate, the momentum or the weight decay is negative, or Nesterov's look ahead
    /// is wanted without momentum or with dampening.
    #[track_caller]
    pub fn new(params: Vec<Param>, options: SgdOptions) -> Self {
        let SgdOptions { learning_rate, momentum, dampening, weight_decay, nesterov } = options;
        check_not_negative("sgd", "learning rate", learning_rate);
        check_not_negative("sgd", "momentum", momentum);
        check_not_negative("sgd", "weight decay", weight_decay);
        assert!(
            !nesterov || (momentum > 0.0 && dampening == 0.0),
            "sgd: Nesterov's look ahead wants a positive momentum and no dampening, not a momentum \
             of {momentum} and a dampening of {dampening}"
        );
        let names: &[&str] = if momentum == 0.0 { &[] } else { &["momentum_buffer"] };
        Self { options, memory: Memory::new(params, names) }
    }
}

impl Optimizer for Sgd {
    fn step(&mut self, gradients: &Gradients) {
        let SgdOptions { learning_rate, momentum, dampening, weight_decay, nesterov } =
            self.options;
        self.memory.for_each(gradients, |param, gradient, state, steps| {
            // The first direction is the whole gradient.
            let dampening = if steps == 1 { 0.0 } else { dampening };
            let step = SgdStep { learning_rate, momentum, dampening, weight_decay, nesterov };
            param.update(&Kernel::Sgd(step), &[gradient], state)
        });
    }

    fn learning_rate(&self) -> f64 {
        self.options.learning_rate
    }

    fn set_learning_rate(&mut self, learning_rate: f64) {
        self.options.learning_rate = learning_rate;
    }

    fn state_dict(&self) -> Vec<(String, Tensor)> {
        self.memory.state_dict()
    }

    fn load_state_dict(&mut self, state: &[(String, Tensor)]) -> Result<()> {
        self.memory.load_state_dict(state)
    }
}
