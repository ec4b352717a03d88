//! Learning rates that change as training goes on.

use std::f64::consts::PI;

/// A learning rate for each step.
pub trait Schedule: Send {
    /// The learning rate of a step, the first being 0.
    fn learning_rate(&self, step: u64) -> f64;
}

/// From one learning rate down to another along half a cosine:
/// η(t) = η₁ + (η₀ - η₁) (1 + cos(π t / T)) / 2, and η₁ from then on.
///
/// # Source
/// Loshchilov, Hutter 2017, "SGDR: Stochastic Gradient Descent with Warm Restarts", equation 5,
/// without restarts; PyTorch: `torch.optim.lr_scheduler.CosineAnnealingLR`.
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
        let share = step.min(self.steps) as f64 / self.steps.max(1) as f64;
        self.end + (self.start - self.end) * (1.0 + (PI * share).cos()) / 2.0
    }
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
