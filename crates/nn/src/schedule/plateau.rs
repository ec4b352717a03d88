//! A learning rate that falls when a figure stops getting better.

/// Which figures are better.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Goal {
    /// Smaller ones: losses.
    #[default]
    Lowest,
    /// Larger ones: accuracies.
    Highest,
}

/// By how much a figure must be better to count.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Threshold {
    /// By this part of the best.
    Relative(f64),
    /// By this number.
    Absolute(f64),
}

impl Threshold {
    /// True if a figure is better than the best so far by so much.
    pub fn is_better(self, goal: Goal, figure: f64, best: f64) -> bool {
        match (goal, self) {
            (Goal::Lowest, Self::Relative(part)) => figure < best * (1.0 - part),
            (Goal::Lowest, Self::Absolute(margin)) => figure < best - margin,
            (Goal::Highest, Self::Relative(part)) => figure > best * (1.0 + part),
            (Goal::Highest, Self::Absolute(margin)) => figure > best + margin,
        }
    }
}

/// The settings of [`ReduceOnPlateau`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ReduceOnPlateauOptions {
    /// Which figures are better.
    pub goal: Goal,
    /// By how much a figure must be better to count.
    pub threshold: Threshold,
    /// How many figures may be no better before the learning rate falls.
    pub patience: u64,
    /// The factor by which it falls.
    pub factor: f64,
    /// How many figures after that do not count.
    pub cooldown: u64,
    /// The lowest learning rate.
    pub lowest: f64,
    /// A change that is no larger is not made.
    pub epsilon: f64,
}

impl Default for ReduceOnPlateauOptions {
    fn default() -> Self {
        Self {
            goal: Goal::Lowest,
            threshold: Threshold::Relative(1e-4),
            patience: 10,
            factor: 0.1,
            cooldown: 0,
            lowest: 0.0,
            epsilon: 1e-8,
        }
    }
}

/// Lowers the learning rate when a figure has not got better for a while.
///
/// It is no [`Schedule`](super::Schedule), since it goes by figures: call it after each epoch.
///
/// ```
/// use gradus_nn::schedule::{ReduceOnPlateau, ReduceOnPlateauOptions};
///
/// let options = ReduceOnPlateauOptions { patience: 1, ..Default::default() };
/// let mut plateau = ReduceOnPlateau::new(options);
/// let mut rate = 0.1;
/// for loss in [3.0, 2.0, 2.0, 2.0] {
///     rate = plateau.step(loss, rate);
/// }
/// assert_eq!(rate, 0.1 * 0.1);
/// ```
///
/// # Source
/// PyTorch: `torch.optim.lr_scheduler.ReduceLROnPlateau`.
#[derive(Clone, Debug, PartialEq)]
pub struct ReduceOnPlateau {
    options: ReduceOnPlateauOptions,
    /// The best figure so far; the worst there is before the first.
    best: f64,
    /// How many figures in a row were no better.
    bad: u64,
    /// How many figures more do not count.
    resting: u64,
}

impl ReduceOnPlateau {
    /// One that has seen no figure.
    ///
    /// # Panics
    /// If the factor is not below 1.
    #[track_caller]
    pub fn new(options: ReduceOnPlateauOptions) -> Self {
        let factor = options.factor;
        assert!(factor < 1.0, "reduce on plateau: the factor is {factor}: give one below 1");
        let best = match options.goal {
            Goal::Lowest => f64::INFINITY,
            Goal::Highest => f64::NEG_INFINITY,
        };
        Self { options, best, bad: 0, resting: 0 }
    }

    /// Takes a figure and the learning rate that led to it; gives the next learning rate.
    pub fn step(&mut self, figure: f64, learning_rate: f64) -> f64 {
        let options = self.options;
        if options.threshold.is_better(options.goal, figure, self.best) {
            self.best = figure;
            self.bad = 0;
        } else {
            self.bad += 1;
        }
        if self.resting > 0 {
            self.resting -= 1;
            self.bad = 0;
        }
        if self.bad <= options.patience {
            return learning_rate;
        }
        (self.resting, self.bad) = (options.cooldown, 0);
        let lower = (learning_rate * options.factor).max(options.lowest);
        if learning_rate - lower > options.epsilon { lower } else { learning_rate }
    }
}
