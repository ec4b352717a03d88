//! Learning rates that stay, or fall by a formula.

use super::{Schedule, share};

/// η(t) = η₀: the same learning rate on each step. PyTorch's `ConstantLR`, which changes it once, is
/// a [`Sequence`](super::Sequence) of two.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Constant(
    /// η₀.
    pub f64,
);

impl Schedule for Constant {
    fn learning_rate(&self, _: u64) -> f64 {
        self.0
    }
}

/// From one learning rate to another along a line: η(t) = η₀ + (η₁ - η₀) t / T, and η₁ from then on.
///
/// # Source
/// PyTorch: `torch.optim.lr_scheduler.LinearLR`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Linear {
    /// η₀, the learning rate of the first step.
    pub start: f64,
    /// η₁, the learning rate at the end.
    pub end: f64,
    /// T, how many steps it takes.
    pub steps: u64,
}

impl Schedule for Linear {
    fn learning_rate(&self, step: u64) -> f64 {
        self.start + (self.end - self.start) * share(step, self.steps)
    }
}

/// η(t) = η₀ γ^⌊t / size⌋.
///
/// # Source
/// PyTorch: `torch.optim.lr_scheduler.StepLR`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    /// η₀, the learning rate of the first step.
    pub start: f64,
    /// After how many steps it falls.
    pub size: u64,
    /// γ, the factor by which it does.
    pub gamma: f64,
}

impl Schedule for Step {
    fn learning_rate(&self, step: u64) -> f64 {
        self.start * self.gamma.powf((step / self.size.max(1)) as f64)
    }
}

/// η(t) = η₀ γⁿ, where n milestones have been reached.
///
/// # Source
/// PyTorch: `torch.optim.lr_scheduler.MultiStepLR`.
#[derive(Clone, Debug, PartialEq)]
pub struct MultiStep {
    /// η₀, the learning rate of the first step.
    pub start: f64,
    /// The steps on which it falls.
    pub milestones: Vec<u64>,
    /// γ, the factor by which it does.
    pub gamma: f64,
}

impl Schedule for MultiStep {
    fn learning_rate(&self, step: u64) -> f64 {
        let reached = self.milestones.iter().filter(|&&milestone| milestone <= step).count();
        self.start * self.gamma.powf(reached as f64)
    }
}

/// η(t) = η₀ γᵗ.
///
/// # Source
/// PyTorch: `torch.optim.lr_scheduler.ExponentialLR`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Exponential {
    /// η₀, the learning rate of the first step.
    pub start: f64,
    /// γ, the factor of each step.
    pub gamma: f64,
}

impl Schedule for Exponential {
    fn learning_rate(&self, step: u64) -> f64 {
        self.start * self.gamma.powf(step as f64)
    }
}

/// η(t) = η₀ (1 - t / T)^power, and 0 from T on.
///
/// # Source
/// PyTorch: `torch.optim.lr_scheduler.PolynomialLR`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Polynomial {
    /// η₀, the learning rate of the first step.
    pub start: f64,
    /// T, how many steps it takes.
    pub steps: u64,
    /// The power; 1 for a line.
    pub power: f64,
}

impl Schedule for Polynomial {
    fn learning_rate(&self, step: u64) -> f64 {
        self.start * (1.0 - share(step, self.steps)).powf(self.power)
    }
}

/// η(t) = factor · D^(-1/2) min(n^(-1/2), n · w^(-3/2)) with n = t + 1: up a line for w steps, then
/// down with the square root.
///
/// # Source
/// Vaswani et al. 2017, "Attention Is All You Need", equation 3. PyTorch has none.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Noam {
    /// The factor of all.
    pub factor: f64,
    /// D, how many features the model's vectors have.
    pub features: usize,
    /// w, how many steps it warms up.
    pub warm_up: u64,
}

impl Schedule for Noam {
    fn learning_rate(&self, step: u64) -> f64 {
        let (number, warm_up) = ((step + 1) as f64, self.warm_up.max(1) as f64);
        let slope = number.powf(-0.5).min(number * warm_up.powf(-1.5));
        self.factor * (self.features as f64).powf(-0.5) * slope
    }
}

/// η(t) = η₀ √(k / max(t + 1, k)): constant for k steps, then down with the square root.
///
/// # Source
/// Raffel et al. 2020, "Exploring the Limits of Transfer Learning with a Unified Text-to-Text
/// Transformer", section 3.1.2. PyTorch has none.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct InverseSquareRoot {
    /// η₀, the learning rate of the first steps.
    pub start: f64,
    /// k, how many steps it stays.
    pub stay: u64,
}

impl Schedule for InverseSquareRoot {
    fn learning_rate(&self, step: u64) -> f64 {
        let stay = self.stay.max(1) as f64;
        self.start * (stay / stay.max((step + 1) as f64)).sqrt()
    }
}
