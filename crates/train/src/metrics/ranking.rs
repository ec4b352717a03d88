//! How well outputs put samples into order.

use super::input::{is_binary, numbers, refuse, rows, softmax, truths};
use super::overlap::mean;
use super::{Metric, figures};
use crate::state::State;
use gradus_tensor::{Error, Result, Tensor};

figures! {
    /// What a [`RankingMetric`] says about an order.
    RankingFigure: "figure of rankings";
    /// The area under the curve of true against false positives: how often a sample of the class is
    /// above one that is not, ties counting half. scikit-learn: `roc_auc_score`.
    RocAuc = "roc_auc",
    /// Σ (Rₙ - Rₙ₋₁) Pₙ, precision P at each rise of recall R: the area under their curve, as steps.
    /// scikit-learn: `average_precision_score`.
    AveragePrecision = "average_precision",
}

/// The settings of [`RankingMetric`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RankingOptions {
    /// How many classes there are.
    pub classes: usize,
    /// Also records the figure of each class.
    pub per_class: bool,
}

impl Default for RankingOptions {
    fn default() -> Self {
        Self { classes: 2, per_class: false }
    }
}

/// A figure of the order into which a model puts samples. With two classes it is that of class 1; with
/// more, the mean over each class against all others, by softmax of the outputs. A class that is never
/// true, or always, has no order and is left out.
///
/// All outputs are kept until it is reset: 8 bytes a sample and class.
///
/// # Shapes
/// `output: [B, C]` before softmax, or `[B]` or `[B, 1]` before a sigmoid, and `target: [B]` of class
/// numbers.
#[derive(Clone, Debug)]
pub struct RankingMetric {
    figure: RankingFigure,
    options: RankingOptions,
    /// One score a sample if there are two classes, else one a class.
    scores: Vec<f64>,
    truths: Vec<i64>,
}

impl RankingMetric {
    /// A figure with settings.
    ///
    /// # Errors
    /// If there are fewer than two classes.
    pub fn new(figure: RankingFigure, options: RankingOptions) -> Result<Self> {
        if options.classes < 2 {
            let (name, classes) = (figure.name(), options.classes);
            return Err(Error::Setting(format!("{name}: {classes} classes: give 2 or more")));
        }
        Ok(Self { figure, options, scores: vec![], truths: vec![] })
    }

    /// How many scores a sample has.
    fn width(&self) -> usize {
        if self.options.classes == 2 { 1 } else { self.options.classes }
    }

    /// The figure of each class that scores are for; none where it is never or always true.
    fn of_classes(&self) -> Vec<Option<f64>> {
        let width = self.width();
        let of_class = |column: usize| {
            let class = if width == 1 { 1 } else { column as i64 };
            let scores = self.scores.iter().skip(column).step_by(width);
            let mut samples: Vec<(f64, bool)> =
                scores.zip(&self.truths).map(|(&x, &truth)| (x, truth == class)).collect();
            if samples.iter().any(|(x, _)| x.is_nan()) {
                return Some(f64::NAN);
            }
            samples.sort_by(|(a, _), (b, _)| b.total_cmp(a));
            match self.figure {
                RankingFigure::RocAuc => roc_auc(&samples),
                RankingFigure::AveragePrecision => average_precision(&samples),
            }
        };
        (0..width).map(of_class).collect()
    }
}

/// Samples of the same score, one group after another, as counts of right and of wrong ones.
fn groups(samples: &[(f64, bool)]) -> impl Iterator<Item = (f64, f64)> {
    // Zeros of both signs are the same.
    samples.chunk_by(|a, b| a.0 == b.0).map(|group| {
        let right = group.iter().filter(|(_, right)| *right).count();
        (right as f64, (group.len() - right) as f64)
    })
}

/// The share of pairs in order, of samples from the highest score down.
fn roc_auc(samples: &[(f64, bool)]) -> Option<f64> {
    let (mut above, mut wrong, mut area) = (0.0, 0.0, 0.0);
    for (rights, wrongs) in groups(samples) {
        area += wrongs * (above + rights / 2.0);
        above += rights;
        wrong += wrongs;
    }
    (above > 0.0 && wrong > 0.0).then(|| area / (above * wrong))
}

fn average_precision(samples: &[(f64, bool)]) -> Option<f64> {
    let (mut right, mut count, mut sum) = (0.0, 0.0, 0.0);
    for (rights, wrongs) in groups(samples) {
        right += rights;
        count += rights + wrongs;
        sum += rights * right / count;
    }
    (right > 0.0).then(|| sum / right)
}

impl Metric for RankingMetric {
    fn name(&self) -> &str {
        self.figure.name()
    }

    fn update(&mut self, output: &Tensor, target: &Tensor) {
        let (name, classes) = (self.figure.name(), self.options.classes);
        let truths = truths(name, output, target);
        if let Some(truth) = truths.iter().find(|truth| !(0..classes as i64).contains(truth)) {
            refuse(name, format_args!("there is no class {truth}, counted from 0, of {classes}"));
        }
        if is_binary(output) && classes == 2 {
            self.scores.extend(numbers(output));
        } else {
            let rows = rows(name, output);
            if rows.width != classes {
                let width = rows.width;
                refuse(name, format_args!("outputs are of {width} classes, not of {classes}"));
            }
            for row in rows.rows() {
                match row {
                    // The order of differences is that of probabilities, and finer.
                    [no, yes] => self.scores.push(yes - no),
                    _ => self.scores.extend(softmax(row)),
                }
            }
        }
        self.truths.extend(truths);
    }

    fn value(&self) -> f64 {
        mean(self.of_classes().into_iter().flatten())
    }

    fn figures(&self) -> Vec<(String, f64)> {
        let classes = self.of_classes();
        let value = mean(classes.iter().copied().flatten());
        let mut figures = vec![(self.name().to_string(), value)];
        if self.options.per_class && classes.len() > 1 {
            let own = classes.into_iter().enumerate();
            figures.extend(own.map(|(class, value)| {
                (format!("{}_{class}", self.name()), value.unwrap_or(f64::NAN))
            }));
        }
        figures
    }

    fn reset(&mut self) {
        (self.scores, self.truths) = (vec![], vec![]);
    }

    fn state(&self) -> State {
        State::new()
            .with_tensor("scores", Tensor::from(self.scores.clone()))
            .with_tensor("truths", Tensor::from(self.truths.clone()))
    }

    fn load_state(&mut self, state: &State) -> Result<()> {
        let scores: Vec<f64> = state.tensor("scores")?.try_to_vec()?;
        let truths: Vec<i64> = state.tensor("truths")?.try_to_vec()?;
        if scores.len() != truths.len() * self.width() {
            let (name, count) = (self.name(), scores.len());
            let message = format!(
                "{count} saved scores of {name} are not those of {} samples and {} classes",
                truths.len(),
                self.options.classes
            );
            return Err(Error::Mismatch(message));
        }
        (self.scores, self.truths) = (scores, truths);
        Ok(())
    }
}
