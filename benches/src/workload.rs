//! What a workload is, and what Gradus is to reach at it.

use crate::limit::Limit;
use gradus::nn::{Module, Optimizer};
use gradus::tensor::{Tensor, no_grad};

/// Something that every framework can be asked to do.
pub struct Workload {
    /// What the command line and the peers call it.
    pub name: &'static str,
    /// What the table calls it.
    pub title: &'static str,
    /// How PyTorch can do it in `f32`, apart from the plain way: names that its script knows.
    pub variants: &'static [&'static str],
    /// Whether products of numbers rounded to `bf16` are timed too.
    pub rounded: bool,
    /// What bounds a step.
    pub limit: Limit,
    /// Whether the peers' losses are the same. Numbers of few bits are compared with whole ones.
    pub exact: bool,
    /// What is to be reached.
    pub bars: &'static [Bar],
    /// Makes it ready.
    pub make: fn() -> Box<dyn Task>,
}

/// How many times better than another Gradus is to be at least.
#[derive(Clone, Copy, Debug)]
pub struct Bar {
    /// Better than whom, and in what.
    pub ratio: Ratio,
    /// The least that the ratio may be.
    pub at_least: f64,
}

/// A figure of another, divided by that of Gradus.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ratio {
    /// The time of PyTorch's fastest variant that computes in `f32`.
    Best,
    /// The time of PyTorch as it is.
    Default,
    /// The time of PyTorch's autocast, by that of [`Precision::Medium`](gradus::tensor::Precision).
    Rounded,
    /// The most memory that PyTorch's process ever had.
    Memory,
    /// The time from the start of PyTorch's process to the end of its first step.
    FirstStep,
    /// The time of candle.
    Candle,
}

impl Ratio {
    /// What is compared.
    pub fn described(self) -> &'static str {
        match self {
            Self::Best => "to PyTorch's best",
            Self::Default => "to PyTorch as it is",
            Self::Rounded => "bf16",
            Self::Memory => "memory",
            Self::FirstStep => "first step",
            Self::Candle => "to candle",
        }
    }
}

impl Workload {
    /// The bar of a ratio.
    pub fn bar(&self, ratio: Ratio) -> Option<f64> {
        self.bars.iter().find(|bar| bar.ratio == ratio).map(|bar| bar.at_least)
    }
}

/// A workload that is ready to run.
pub trait Task {
    /// Runs a step and returns its loss, or some number of its output.
    fn step(&mut self) -> f64;

    /// All that the peers need in order to do the same: weights `model.KEY`, inputs `x`, `y` ….
    fn tensors(&self) -> Vec<(String, Tensor)>;
}

/// The training of a model on one batch.
pub struct Training<M, O> {
    pub model: M,
    pub optimizer: O,
    pub x: Tensor,
    pub y: Tensor,
    pub loss: fn(&M, &Tensor, &Tensor) -> Tensor,
}

impl<M: Module, O: Optimizer> Task for Training<M, O> {
    fn step(&mut self) -> f64 {
        let loss = (self.loss)(&self.model, &self.x, &self.y);
        self.optimizer.step(&loss.backward());
        f64::from(loss.item::<f32>())
    }

    fn tensors(&self) -> Vec<(String, Tensor)> {
        with_inputs(&self.model, [("x", &self.x), ("y", &self.y)])
    }
}

/// The use of a model.
pub struct Inference<M> {
    pub model: M,
    pub x: Tensor,
    pub forward: fn(&M, &Tensor) -> Tensor,
}

impl<M: Module> Task for Inference<M> {
    fn step(&mut self) -> f64 {
        no_grad(|| f64::from((self.forward)(&self.model, &self.x).mean(..).item::<f32>()))
    }

    fn tensors(&self) -> Vec<(String, Tensor)> {
        with_inputs(&self.model, [("x", &self.x)])
    }
}

fn with_inputs<'a>(
    model: &dyn Module,
    inputs: impl IntoIterator<Item = (&'a str, &'a Tensor)>,
) -> Vec<(String, Tensor)> {
    let weights = model.state_dict().into_iter().map(|(key, x)| (format!("model.{key}"), x));
    let inputs = inputs.into_iter().map(|(name, x)| (name.to_string(), x.detach()));
    weights.chain(inputs).collect()
}
