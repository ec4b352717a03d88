//! Rprop.

use super::check_not_negative;
use super::groups::{Decay, Groups, Method, State};
use crate::Param;
use gradus_tensor::kernel::optimizer::{self, Rule, Step};
use gradus_tensor::{Result, Tensor};

/// The settings of [`Rprop`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RpropOptions {
    /// The size of the first step. It has no effect after that.
    pub learning_rate: f64,
    /// η⁻, the factor by which a step size shrinks where the gradient turns.
    pub shrink: f64,
    /// η⁺, the factor by which it grows where the gradient keeps its sign.
    pub grow: f64,
    /// The smallest step size.
    pub smallest: f64,
    /// The largest step size.
    pub largest: f64,
    /// Go up the gradient.
    pub maximize: bool,
}

impl Default for RpropOptions {
    fn default() -> Self {
        Self {
            learning_rate: 1e-2,
            shrink: 0.5,
            grow: 1.2,
            smallest: 1e-6,
            largest: 50.0,
            maximize: false,
        }
    }
}

/// Resilient propagation, for gradients over all data: each element has a step size of its own,
/// which grows by η⁺ where the gradient keeps its sign and shrinks by η⁻ where it turns;
/// p ← p - step size · sign(g), and no step where it has just turned.
///
/// # Source
/// Riedmiller, Braun 1993, "A direct adaptive method for faster backpropagation learning: the RPROP
/// algorithm", equations 4 to 7, in the form Rprop⁻ without steps back; PyTorch:
/// `torch.optim.Rprop`.
#[derive(Debug)]
pub struct Rprop(pub(super) Groups<RpropOptions>);

impl Method for RpropOptions {
    fn name(&self) -> &'static str {
        "rprop"
    }

    #[track_caller]
    fn check(&self) {
        check_not_negative("rprop", "learning rate", self.learning_rate);
        assert!(
            0.0 < self.shrink && self.shrink < 1.0 && 1.0 < self.grow,
            "rprop: step sizes shrink by {} and grow by {}: give a number between 0 and 1, and one \
             above 1",
            self.shrink,
            self.grow
        );
        assert!(
            0.0 <= self.smallest && self.smallest <= self.largest,
            "rprop: step sizes go from {} to {}: give two numbers from 0 on in order",
            self.smallest,
            self.largest
        );
    }

    fn learning_rate(&mut self) -> &mut f64 {
        &mut self.learning_rate
    }

    fn start(&self, param: &Tensor) -> State {
        let tensors = vec![param.zeros_like(), param.full_like(self.learning_rate)];
        State { names: &["prev", "step_size"], tensors, ..State::default() }
    }

    fn step(&self, _: &Param, _: &Tensor, _: &mut State) -> Result<Option<Step>> {
        let Self { shrink, grow, smallest, largest, maximize, .. } = *self;
        let rule = Rule::Rprop(optimizer::Rprop { shrink, grow, smallest, largest });
        Ok(Some(Decay::coupled(0.0, maximize).step(rule)))
    }
}
