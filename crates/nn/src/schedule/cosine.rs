//! Learning rates along half a cosine.

use super::{Schedule, share};
use std::f64::consts::PI;

/// From one learning rate down to another along half a cosine:
/// η(t) = η₁ + (η₀ - η₁) (1 + cos(π t / T)) / 2, and η₁ from then on.
///
/// # Source
/// Loshchilov, Hutter 2017, "SGDR: Stochastic Gradient Descent with Warm Restarts", equation 5,
/// without restarts; PyTorch: `torch.optim.lr_scheduler.CosineAnnealingLR`, which goes back up after
/// T.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cosine {
    /// η₀, the learning rate of the first step.
    pub start: f64,
    /// η₁, the learning rate at the end.
    pub end: f64,
    /// T, how many steps it takes.
    pub steps: u64,
}

impl Schedule for Cosine {
    fn learning_rate(&self, step: u64) -> f64 {
        along(self.start, self.end, share(step, self.steps))
    }
}

/// Half cosines one after another, each `growth` times as long as the one before.
///
/// # Source
/// Loshchilov, Hutter 2017, "SGDR: Stochastic Gradient Descent with Warm Restarts", equation 5;
/// PyTorch: `torch.optim.lr_scheduler.CosineAnnealingWarmRestarts`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CosineRestarts {
    /// η₀, the learning rate of the first step and after each restart.
    pub start: f64,
    /// η₁, the learning rate that each half cosine goes towards.
    pub end: f64,
    /// T₀, how many steps the first one takes.
    pub steps: u64,
    /// How many times as long as the one before each is.
    pub growth: u64,
}

impl Schedule for CosineRestarts {
    fn learning_rate(&self, step: u64) -> f64 {
        let (mut step, mut steps) = (step, self.steps.max(1));
        if self.growth <= 1 {
            step %= steps;
        }
        while step >= steps {
            step -= steps;
            steps = steps.saturating_mul(self.growth);
        }
        along(self.start, self.end, share(step, steps))
    }
}

/// Between two numbers along half a cosine.
pub(super) fn along(start: f64, end: f64, share: f64) -> f64 {
    end + (start - end) * (1.0 + (PI * share).cos()) / 2.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cosine_goes_from_start_to_end() {
        let schedule = Cosine { start: 0.1, end: 0.02, steps: 10 };
        let rates = [0, 5, 10, 99].map(|step| schedule.learning_rate(step));
        for (rate, wanted) in rates.into_iter().zip([0.1, 0.06, 0.02, 0.02]) {
            assert!((rate - wanted).abs() < 1e-15);
        }
    }
}
