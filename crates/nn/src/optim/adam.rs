//! Adam and AdamW.

use super::groups::{Decay, Groups, Method, State};
use super::{check_adam, filled};
use crate::Param;
use gradus_tensor::kernel::optimizer::{self, Rule, Step};
use gradus_tensor::{Result, Tensor};

/// The settings of [`Adam`] and [`AdamW`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamOptions {
    /// η, how far a step goes.
    pub learning_rate: f64,
    /// β₁, how much of the mean gradient is kept.
    pub beta1: f64,
    /// β₂, how much of the mean square is kept.
    pub beta2: f64,
    /// ε, what keeps the division from zero.
    pub epsilon: f64,
    /// λ, the weight decay. None by default; see [`AdamOptions::adamw`].
    pub weight_decay: f64,
    /// Take the decay off the parameter itself, as AdamW always does, not by way of the gradient.
    pub decoupled: bool,
    /// Divide by the largest mean square so far (AMSGrad).
    pub amsgrad: bool,
    /// Go up the gradient.
    pub maximize: bool,
}

impl Default for AdamOptions {
    /// As in PyTorch's Adam, without weight decay.
    fn default() -> Self {
        Self {
            learning_rate: 1e-3,
            beta1: 0.9,
            beta2: 0.999,
            epsilon: 1e-8,
            weight_decay: 0.0,
            decoupled: false,
            amsgrad: false,
            maximize: false,
        }
    }
}

impl AdamOptions {
    /// As in PyTorch's AdamW, with a weight decay of 0.01.
    ///
    /// ```
    /// use gradus_nn::{AdamOptions, AdamW, Linear, Module};
    /// use gradus_tensor::Rng;
    ///
    /// let model = Linear::new(4, 2, &mut Rng::new(1));
    /// let options = AdamOptions { learning_rate: 3e-4, ..AdamOptions::adamw() };
    /// let optimizer = AdamW::new(model.params(), options);
    /// ```
    pub fn adamw() -> Self {
        Self { weight_decay: 0.01, ..Self::default() }.decoupling()
    }

    /// With the decay taken off the parameter itself.
    pub(super) fn decoupling(self) -> Self {
        Self { decoupled: true, ..self }
    }
}

/// Adam: m ← β₁ m + (1 - β₁) g, v ← β₂ v + (1 - β₂) g², and
/// p ← p - η m̂ / (√v̂ + ε) with m̂ = m / (1 - β₁ᵗ), v̂ = v / (1 - β₂ᵗ); λ p is first added to g.
/// AMSGrad has the largest v so far in place of v.
///
/// # Source
/// Kingma, Ba 2015, "Adam: A Method for Stochastic Optimization", algorithm 1; Reddi, Kale, Kumar
/// 2018, "On the Convergence of Adam and Beyond", algorithm 2; PyTorch: `torch.optim.Adam`.
#[derive(Debug)]
pub struct Adam(pub(super) Groups<AdamOptions>);

/// AdamW: Adam whose weight decay does not go by way of the gradient: p ← p - η λ p before each
/// step.
///
/// # Source
/// Loshchilov, Hutter 2019, "Decoupled Weight Decay Regularization", algorithm 2; PyTorch:
/// `torch.optim.AdamW`, whose weight decay is 0.01 unless another is given: that of
/// [`AdamOptions::adamw`].
#[derive(Debug)]
pub struct AdamW(pub(super) Groups<AdamOptions>);

impl Method for AdamOptions {
    fn name(&self) -> &'static str {
        if self.decoupled { "adamw" } else { "adam" }
    }

    #[track_caller]
    fn check(&self) {
        let rates = [self.learning_rate, self.epsilon, self.weight_decay];
        check_adam(self.name(), rates, [self.beta1, self.beta2]);
    }

    fn learning_rate(&mut self) -> &mut f64 {
        &mut self.learning_rate
    }

    fn momentum(&mut self) -> Option<&mut f64> {
        Some(&mut self.beta1)
    }

    fn start(&self, param: &Tensor) -> State {
        let names: &[&str] = match self.amsgrad {
            true => &["exp_avg", "exp_avg_sq", "max_exp_avg_sq"],
            false => &["exp_avg", "exp_avg_sq"],
        };
        State::zeros(names, param)
    }

    fn step(&self, _: &Param, _: &Tensor, state: &mut State) -> Result<Option<Step>> {
        let Self { learning_rate, beta1, beta2, epsilon, weight_decay, maximize, .. } = *self;
        let rule = Rule::Adam(optimizer::Adam {
            size: learning_rate / filled(beta1, state.steps),
            root: filled(beta2, state.steps).sqrt(),
            beta1,
            beta2,
            epsilon,
        });
        let decoupled = self.decoupled.then_some(learning_rate);
        Ok(Some(Decay { weight_decay, decoupled, maximize }.step(rule)))
    }
}
