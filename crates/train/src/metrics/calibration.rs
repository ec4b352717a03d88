//! How far probabilities can be believed.

use super::input::{is_binary, numbers, refuse, rows, softmax, truths};
use super::{Metric, figures};
use crate::state::State;
use gradus_tensor::{Error, Result, Tensor};

figures! {
    /// What a [`ProbabilityMetric`] says about the probabilities p of classes.
    ProbabilityFigure: "figure of probabilities";
    /// The expected calibration error Σ |accuracy - confidence| n / N over bins of the confidence,
    /// which is the probability of the guess. Source: Guo et al. 2017, "On Calibration of Modern
    /// Neural Networks", equation 3.
    CalibrationError = "calibration_error",
    /// The mean of Σ (p - y)² over classes, y being 1 for the true one and 0 else; with two classes
    /// half of it, (p₁ - y)². scikit-learn: `brier_score_loss`.
    Brier = "brier",
    /// The mean of -ln p of the true class. scikit-learn: `log_loss`.
    LogLoss = "log_loss",
}

/// The settings of [`ProbabilityMetric`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProbabilityOptions {
    /// In how many bins, all as wide, confidences are gathered for the calibration error.
    pub bins: usize,
}

impl Default for ProbabilityOptions {
    fn default() -> Self {
        Self { bins: 15 }
    }
}

/// A figure of the probabilities that a model gives to classes.
///
/// # Shapes
/// `output: [B, C, …]` before softmax, or `[B]` or `[B, 1]` before a sigmoid; `target: [B, …]` of class
/// numbers.
#[derive(Clone, Debug)]
pub struct ProbabilityMetric {
    figure: ProbabilityFigure,
    /// Of each bin: how many samples, the sum of their confidences, and how many are right.
    bins: Vec<[f64; 3]>,
    sum: f64,
    count: u64,
}

impl ProbabilityMetric {
    /// A figure with settings.
    ///
    /// # Errors
    /// If there are no bins.
    pub fn new(figure: ProbabilityFigure, options: ProbabilityOptions) -> Result<Self> {
        if !(1..=1_000_000).contains(&options.bins) {
            let (name, bins) = (figure.name(), options.bins);
            return Err(Error::Setting(format!("{name}: bins is {bins}: give 1 to 1000000")));
        }
        Ok(Self { figure, bins: vec![[0.0; 3]; options.bins], sum: 0.0, count: 0 })
    }

    fn add(&mut self, logits: &[f64], truth: usize) {
        self.count += 1;
        if logits.iter().any(|x| x.is_nan()) {
            self.sum = f64::NAN;
            return;
        }
        match self.figure {
            ProbabilityFigure::LogLoss => {
                let largest = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                let total: f64 = logits.iter().map(|x| (x - largest).exp()).sum();
                self.sum += largest + total.ln() - logits[truth];
            }
            ProbabilityFigure::Brier => {
                let p = softmax(logits);
                let square = |(class, p): (usize, &f64)| (p - f64::from(class == truth)).powi(2);
                let sum: f64 = p.iter().enumerate().map(square).sum();
                self.sum += if p.len() == 2 { sum / 2.0 } else { sum };
            }
            ProbabilityFigure::CalibrationError => {
                let p = softmax(logits);
                // The first of the largest, as for accuracy.
                let best = (0..p.len()).rev().max_by(|&a, &b| p[a].total_cmp(&p[b]));
                let Some(guess) = best else { return };
                // Bins are open on the left: (0, 1/n], (1/n, 2/n] and so on.
                let bins = self.bins.len();
                let index = ((p[guess] * bins as f64).ceil() as usize).clamp(1, bins) - 1;
                let [count, confidence, right] = &mut self.bins[index];
                *count += 1.0;
                *confidence += p[guess];
                *right += f64::from(guess == truth);
            }
        }
    }
}

impl Metric for ProbabilityMetric {
    fn name(&self) -> &str {
        self.figure.name()
    }

    fn update(&mut self, output: &Tensor, target: &Tensor) {
        let name = self.figure.name();
        let truths = truths(name, output, target);
        let mut add = |logits: &[f64], truth: i64| match usize::try_from(truth) {
            Ok(truth) if truth < logits.len() => self.add(logits, truth),
            _ => refuse(
                name,
                format_args!("there is no class {truth}, counted from 0, of {}", logits.len()),
            ),
        };
        if is_binary(output) {
            numbers(output).iter().zip(truths).for_each(|(&x, truth)| add(&[0.0, x], truth));
        } else {
            rows(name, output).rows().zip(truths).for_each(|(row, truth)| add(row, truth));
        }
    }

    fn value(&self) -> f64 {
        let count = self.count as f64;
        let gaps = self.bins.iter().map(|[_, confidence, right]| (right - confidence).abs());
        match self.figure {
            ProbabilityFigure::CalibrationError => (self.sum + gaps.sum::<f64>()) / count,
            _ => self.sum / count,
        }
    }

    fn reset(&mut self) {
        self.bins.fill([0.0; 3]);
        (self.sum, self.count) = (0.0, 0);
    }

    fn state(&self) -> State {
        State::new()
            .with_numbers("bins", &self.bins.concat())
            .with_number("sum", self.sum)
            .with("count", self.count)
    }

    fn load_state(&mut self, state: &State) -> Result<()> {
        let bins = state.numbers("bins")?;
        if bins.len() != 3 * self.bins.len() {
            let (name, count) = (self.name(), self.bins.len());
            return Err(Error::Mismatch(format!("the saved bins of {name} are not {count}")));
        }
        self.bins = bins.chunks(3).map(|bin| [bin[0], bin[1], bin[2]]).collect();
        (self.sum, self.count) = (state.number("sum")?, state.count("count")?);
        Ok(())
    }
}
