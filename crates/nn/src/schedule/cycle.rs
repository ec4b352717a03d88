//! Learning rates that go up and down, and momentum the other way round.

use super::Schedule;
use super::cosine::along;

/// How [`OneCycle`] goes between two numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Anneal {
    /// Along half a cosine.
    #[default]
    Cosine,
    /// Along a line.
    Line,
}

impl Anneal {
    fn between(self, start: f64, end: f64, share: f64) -> f64 {
        match self {
            Self::Cosine => along(start, end, share),
            Self::Line => start + (end - start) * share,
        }
    }
}

/// Up from `peak / division` to `peak`, then down to `peak / (division · final_division)`; the
/// momentum goes down and up meanwhile.
///
/// ```
/// use gradus_nn::schedule::{OneCycle, Schedule};
///
/// let schedule = OneCycle { peak: 0.1, steps: 100, ..Default::default() };
/// assert!((schedule.learning_rate(0) - 0.1 / 25.0).abs() < 1e-12);
/// assert_eq!(schedule.momentum(0), Some(0.95));
/// ```
///
/// # Source
/// Smith, Topin 2019, "Super-Convergence: Very Fast Training of Neural Networks Using Large Learning
/// Rates"; PyTorch: `torch.optim.lr_scheduler.OneCycleLR`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OneCycle {
    /// The largest learning rate.
    pub peak: f64,
    /// How many steps there are; from then on the last learning rate stays.
    pub steps: u64,
    /// Which part of the steps goes up.
    pub rise: f64,
    /// How it goes between two learning rates.
    pub anneal: Anneal,
    /// The peak as a multiple of the first learning rate.
    pub division: f64,
    /// The first learning rate as a multiple of the last.
    pub final_division: f64,
    /// Goes down to the first learning rate as fast as it went up, before it goes to the last.
    pub three_phases: bool,
    /// The smallest and the largest momentum; none to leave momentum alone.
    pub momentum: Option<(f64, f64)>,
}

impl Default for OneCycle {
    fn default() -> Self {
        Self {
            peak: 1e-3,
            steps: 1000,
            rise: 0.3,
            anneal: Anneal::default(),
            division: 25.0,
            final_division: 1e4,
            three_phases: false,
            momentum: Some((0.85, 0.95)),
        }
    }
}

impl OneCycle {
    /// Between the numbers at the start, at the peak, after it and at the end.
    fn at(&self, step: u64, [start, peak, back, end]: [f64; 4]) -> f64 {
        let last = self.steps.saturating_sub(1) as f64;
        let rise = self.rise * self.steps as f64;
        let phases: &[(f64, f64, f64)] = match self.three_phases {
            true => &[(rise - 1.0, start, peak), (2.0 * rise - 2.0, peak, back), (last, back, end)],
            false => &[(rise - 1.0, start, peak), (last, peak, end)],
        };
        let step = (step as f64).min(last);
        let mut begin = 0.0;
        for &(finish, from, to) in phases {
            if step <= finish {
                let share = if finish > begin { (step - begin) / (finish - begin) } else { 1.0 };
                return self.anneal.between(from, to, share);
            }
            begin = finish;
        }
        end
    }
}

impl Schedule for OneCycle {
    fn learning_rate(&self, step: u64) -> f64 {
        let start = self.peak / self.division;
        self.at(step, [start, self.peak, start, start / self.final_division])
    }

    fn momentum(&self, step: u64) -> Option<f64> {
        let (low, high) = self.momentum?;
        Some(self.at(step, [high, low, high, high]))
    }
}

/// How the height of [`Cyclic`]'s triangles goes on.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum CyclicMode {
    /// Each triangle is as high as the first.
    #[default]
    Triangular,
    /// Each triangle is half as high as the one before.
    Halving,
    /// The height is multiplied by γ on each step.
    Exponential(
        /// γ.
        f64,
    ),
}

/// Up and down a line between two learning rates, again and again; momentum goes down and up.
///
/// # Source
/// Smith 2017, "Cyclical Learning Rates for Training Neural Networks"; PyTorch:
/// `torch.optim.lr_scheduler.CyclicLR`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cyclic {
    /// The lowest learning rate.
    pub low: f64,
    /// The highest.
    pub high: f64,
    /// How many steps it goes up.
    pub up: u64,
    /// How many steps it goes down.
    pub down: u64,
    /// How the height of the triangles goes on.
    pub mode: CyclicMode,
    /// The smallest and the largest momentum; none to leave momentum alone.
    pub momentum: Option<(f64, f64)>,
}

impl Default for Cyclic {
    fn default() -> Self {
        let mode = CyclicMode::default();
        Self { low: 1e-4, high: 1e-2, up: 2000, down: 2000, mode, momentum: Some((0.8, 0.9)) }
    }
}

impl Cyclic {
    /// Where between low and high a step is.
    fn height(&self, step: u64) -> f64 {
        let (up, down) = (self.up.max(1), self.down.max(1));
        let (cycle, place) = (step / (up + down), step % (up + down));
        let height = match place <= up {
            true => place as f64 / up as f64,
            false => (up + down - place) as f64 / down as f64,
        };
        height
            * match self.mode {
                CyclicMode::Triangular => 1.0,
                CyclicMode::Halving => 0.5f64.powf(cycle as f64),
                CyclicMode::Exponential(gamma) => gamma.powf(step as f64),
            }
    }
}

impl Schedule for Cyclic {
    fn learning_rate(&self, step: u64) -> f64 {
        self.low + (self.high - self.low) * self.height(step)
    }

    fn momentum(&self, step: u64) -> Option<f64> {
        let (low, high) = self.momentum?;
        Some(high - (high - low) * self.height(step))
    }
}
