//! Schedules made of others, and of functions.

use super::{Schedule, share};

/// Any function of the step.
///
/// ```
/// use gradus_nn::schedule::{Lambda, Schedule};
///
/// let schedule = Lambda(|step| 0.1 / (1.0 + step as f64));
/// assert_eq!(schedule.learning_rate(9), 0.01);
/// ```
///
/// # Source
/// PyTorch: `torch.optim.lr_scheduler.LambdaLR` and `MultiplicativeLR`, whose functions give
/// factors.
#[derive(Clone, Copy, Debug)]
pub struct Lambda<F>(
    /// The function.
    pub F,
);

impl<F: Fn(u64) -> f64 + Send> Schedule for Lambda<F> {
    fn learning_rate(&self, step: u64) -> f64 {
        (self.0)(step)
    }
}

/// The product of schedules: give one of them the learning rate to start from, and the others 1. The
/// momentum is that of the first that has one.
///
/// # Source
/// PyTorch: `torch.optim.lr_scheduler.ChainedScheduler`.
pub struct Chained(
    /// The schedules.
    pub Vec<Box<dyn Schedule>>,
);

impl Schedule for Chained {
    fn learning_rate(&self, step: u64) -> f64 {
        self.0.iter().map(|schedule| schedule.learning_rate(step)).product()
    }

    fn momentum(&self, step: u64) -> Option<f64> {
        self.0.iter().find_map(|schedule| schedule.momentum(step))
    }
}

/// Schedules one after another, each from its own step 0 on.
///
/// # Source
/// PyTorch: `torch.optim.lr_scheduler.SequentialLR`.
pub struct Sequence {
    /// Schedules, each with how many steps it lasts.
    pub parts: Vec<(Box<dyn Schedule>, u64)>,
    /// The schedule after them.
    pub last: Box<dyn Schedule>,
}

impl Sequence {
    /// The schedule of a step, and which of its own steps that is.
    fn part(&self, mut step: u64) -> (&dyn Schedule, u64) {
        for (schedule, steps) in &self.parts {
            if step < *steps {
                return (&**schedule, step);
            }
            step -= steps;
        }
        (&*self.last, step)
    }
}

impl Schedule for Sequence {
    fn learning_rate(&self, step: u64) -> f64 {
        let (schedule, step) = self.part(step);
        schedule.learning_rate(step)
    }

    fn momentum(&self, step: u64) -> Option<f64> {
        let (schedule, step) = self.part(step);
        schedule.momentum(step)
    }
}

/// Up a line to the first learning rate of another schedule, which then begins.
///
/// # Source
/// Goyal et al. 2017, "Accurate, Large Minibatch SGD: Training ImageNet in 1 Hour", section 2.2;
/// PyTorch: `SequentialLR` of a `LinearLR` and the other schedule.
pub struct WarmUp {
    /// The first learning rate as a multiple of the other schedule's first.
    pub factor: f64,
    /// How many steps it takes.
    pub steps: u64,
    /// The other schedule.
    pub then: Box<dyn Schedule>,
}

impl Schedule for WarmUp {
    fn learning_rate(&self, step: u64) -> f64 {
        if step >= self.steps {
            return self.then.learning_rate(step - self.steps);
        }
        let share = share(step, self.steps);
        self.then.learning_rate(0) * (self.factor + (1.0 - self.factor) * share)
    }

    fn momentum(&self, step: u64) -> Option<f64> {
        self.then.momentum(step.saturating_sub(self.steps))
    }
}
