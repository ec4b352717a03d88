//! Learning rates that change as training goes on.
//!
//! A schedule gives a learning rate for each step. Where an optimizer has several groups of
//! parameters, that is the first group's: the others keep their ratios to it.
//!
//! ```
//! use gradus_nn::schedule::{Cosine, Schedule, WarmUp};
//!
//! let cosine = Cosine { start: 0.1, end: 0.0, steps: 900 };
//! let schedule = WarmUp { factor: 0.0, steps: 100, then: Box::new(cosine) };
//! assert_eq!(schedule.learning_rate(50), 0.05);
//! assert_eq!(schedule.learning_rate(100), 0.1);
//! ```

mod combine;
mod cosine;
mod cycle;
mod decay;
mod plateau;

pub use combine::{Chained, Lambda, Sequence, WarmUp};
pub use cosine::{Cosine, CosineRestarts};
pub use cycle::{Anneal, Cyclic, CyclicMode, OneCycle};
pub use decay::{
    Constant, Exponential, InverseSquareRoot, Linear, MultiStep, Noam, Polynomial, Step,
};
pub use plateau::{Goal, ReduceOnPlateau, ReduceOnPlateauOptions, Threshold};

/// A learning rate for each step.
pub trait Schedule: Send {
    /// The learning rate of a step, the first being 0.
    fn learning_rate(&self, step: u64) -> f64;

    /// How much of the last direction is kept on a step, for a schedule that says so; it is what
    /// [`Optimizer::set_momentum`](crate::Optimizer::set_momentum) takes.
    fn momentum(&self, _step: u64) -> Option<f64> {
        None
    }
}

impl<S: Schedule + ?Sized> Schedule for Box<S> {
    fn learning_rate(&self, step: u64) -> f64 {
        (**self).learning_rate(step)
    }

    fn momentum(&self, step: u64) -> Option<f64> {
        (**self).momentum(step)
    }
}

/// Which part of some steps is done, from 0 to 1.
fn share(step: u64, steps: u64) -> f64 {
    if steps == 0 { 1.0 } else { step.min(steps) as f64 / steps as f64 }
}
