//! Looking for a learning rate.

use gradus_data::{Batch, DataLoader};
use gradus_tensor::Result;

/// The settings of [`Trainer::find_learning_rate`](crate::Trainer::find_learning_rate).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FinderOptions {
    /// The first learning rate.
    pub lowest: f64,
    /// The last.
    pub highest: f64,
    /// How many batches are trained, unless the loss runs away before.
    pub steps: usize,
    /// How much of the running mean of the losses is kept.
    pub smoothing: f64,
    /// Ends where the mean is so many times the best so far.
    pub runaway: f64,
}

impl Default for FinderOptions {
    fn default() -> Self {
        Self { lowest: 1e-6, highest: 1.0, steps: 100, smoothing: 0.95, runaway: 4.0 }
    }
}

/// The losses at growing learning rates.
///
/// # Source
/// Smith 2017, "Cyclical Learning Rates for Training Neural Networks", section 3.3.
#[derive(Clone, Debug, PartialEq)]
pub struct RateCurve {
    /// Learning rates, each the same number of times as large as the one before.
    pub rates: Vec<f64>,
    /// The running mean of the loss at each, corrected for its start.
    pub losses: Vec<f64>,
}

impl RateCurve {
    /// The learning rate at which the loss falls fastest; none if it never falls.
    pub fn steepest(&self) -> Option<f64> {
        // Over the neighbours on both sides, which lie as far apart everywhere.
        let slopes = self.losses.windows(3).map(|three| three[2] - three[0]);
        let steepest = slopes.enumerate().min_by(|(_, a), (_, b)| a.total_cmp(b));
        steepest.filter(|(_, slope)| *slope < 0.0).map(|(index, _)| self.rates[index + 1])
    }

    /// A learning rate to start with: a tenth of that at which the loss is lowest, where it is still
    /// falling and not about to run away; none if the first loss is the lowest.
    pub fn suggestion(&self) -> Option<f64> {
        let numbered = self.losses.iter().enumerate().filter(|(_, loss)| !loss.is_nan());
        let (index, _) = numbered.min_by(|(_, a), (_, b)| a.total_cmp(b))?;
        (index > 0).then(|| self.rates[index] / 10.0)
    }
}

/// Trains batches with growing learning rates, beginning anew with the data where it ends.
#[track_caller]
pub(crate) fn sweep(
    loader: &DataLoader,
    options: FinderOptions,
    mut train: impl FnMut(&Batch, f64) -> f64,
) -> Result<RateCurve> {
    let FinderOptions { lowest, highest, steps, smoothing, runaway } = options;
    assert!(
        0.0 < lowest && lowest < highest && steps > 2,
        "find_learning_rate: from {lowest} to {highest} in {steps} steps: give two positive numbers \
         in order and 3 steps or more"
    );
    assert!(!loader.is_empty(), "find_learning_rate: the loader has no batch");
    let factor = (highest / lowest).powf(1.0 / (steps - 1) as f64);
    let mut curve = RateCurve { rates: vec![], losses: vec![] };
    let (mut mean, mut best) = (0.0, f64::INFINITY);
    let batches = (0..).flat_map(|epoch| loader.epoch(epoch));
    for (step, batch) in batches.take(steps).enumerate() {
        let rate = lowest * factor.powf(step as f64);
        mean = smoothing * mean + (1.0 - smoothing) * train(&batch?, rate);
        let loss = mean / (1.0 - smoothing.powf((step + 1) as f64));
        curve.rates.push(rate);
        curve.losses.push(loss);
        best = best.min(loss);
        if !loss.is_finite() || loss > runaway * best {
            break;
        }
    }
    Ok(curve)
}
