//! How good a model's answers are.

use crate::state::State;
use gradus_tensor::{DType, Result, Tensor};
use std::fmt::Debug;

/// A figure about a model's answers, gathered batch by batch.
pub trait Metric: Debug + Send {
    /// The name under which the figure is recorded.
    fn name(&self) -> &str;
    /// Takes in the answers to a batch.
    fn update(&mut self, output: &Tensor, target: &Tensor);
    /// The figure over all that was taken in; NaN if that is nothing.
    fn value(&self) -> f64;
    /// All figures that are recorded, by name: the value alone, unless there are more.
    fn figures(&self) -> Vec<(String, f64)> {
        vec![(self.name().to_string(), self.value())]
    }
    /// Forgets what was taken in.
    fn reset(&mut self);
    /// What was taken in, for a training that is interrupted in an epoch.
    fn state(&self) -> State;
    /// Goes on from what [`Metric::state`] gave.
    ///
    /// # Errors
    /// [`Error::Mismatch`](gradus_tensor::Error::Mismatch), if that was something else.
    fn load_state(&mut self, state: &State) -> Result<()>;
}

/// The share of samples whose largest output is that of the right class.
///
/// # Shapes
/// `output: [B, C]`, `target: [B]` of class numbers.
#[derive(Clone, Debug, Default)]
pub struct Accuracy {
    right: u64,
    count: u64,
}

impl Metric for Accuracy {
    fn name(&self) -> &str {
        "accuracy"
    }

    fn update(&mut self, output: &Tensor, target: &Tensor) {
        // Of shares of classes, as of mixed samples, the largest is the right one.
        let target = match target.shape() == output.shape() {
            true => target.argmax(-1),
            false => target.to_dtype(DType::I64),
        };
        let right = output.detach().argmax(-1).eq(&target);
        self.right += right.sum(..).item::<i64>() as u64;
        self.count += target.count() as u64;
    }

    fn value(&self) -> f64 {
        self.right as f64 / self.count as f64
    }

    fn reset(&mut self) {
        *self = Self::default();
    }

    fn state(&self) -> State {
        State::new().with("right", self.right).with("count", self.count)
    }

    fn load_state(&mut self, state: &State) -> Result<()> {
        *self = Self { right: state.count("right")?, count: state.count("count")? };
        Ok(())
    }
}

/// The mean of numbers, each counted as often as it says.
#[derive(Clone, Debug, Default)]
pub struct Mean {
    sum: f64,
    count: u64,
}

impl Mean {
    /// Takes in a number that stands for `count` of its kind.
    pub fn add(&mut self, value: f64, count: u64) {
        self.sum += value * count as f64;
        self.count += count;
    }

    /// The mean; NaN of nothing.
    pub fn value(&self) -> f64 {
        self.sum / self.count as f64
    }

    /// What was taken in.
    pub fn state(&self) -> State {
        State::new().with_number("sum", self.sum).with("count", self.count)
    }

    /// Goes on from what [`Mean::state`] gave.
    ///
    /// # Errors
    /// [`Error::Mismatch`](gradus_tensor::Error::Mismatch), if that was something else.
    pub fn load_state(&mut self, state: &State) -> Result<()> {
        *self = Self { sum: state.number("sum")?, count: state.count("count")? };
        Ok(())
    }
}

/// How often each class was taken for each: `counts[truth][guess]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfusionMatrix {
    counts: Vec<Vec<u64>>,
}

impl ConfusionMatrix {
    /// A matrix of `classes` classes, without answers.
    pub fn new(classes: usize) -> Self {
        Self { counts: vec![vec![0; classes]; classes] }
    }

    /// Takes in an answer.
    ///
    /// # Panics
    /// If there is no such class.
    pub fn add(&mut self, truth: usize, guess: usize) {
        self.counts[truth][guess] += 1;
    }

    /// The counts, `[truth][guess]`.
    pub fn counts(&self) -> &[Vec<u64>] {
        &self.counts
    }

    /// The share of right answers.
    pub fn accuracy(&self) -> f64 {
        let right: u64 = (0..self.counts.len()).map(|class| self.counts[class][class]).sum();
        let all: u64 = self.counts.iter().flatten().sum();
        right as f64 / all as f64
    }
}
