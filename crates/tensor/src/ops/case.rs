//! What is known of every op beside its code: the list from which tests and tables derive.

use crate::{DType, Rng, Shape, Tensor};
use std::fmt;
use std::ops::Range;

/// One op in the list: what it computes, and inputs to try it on.
#[derive(Debug)]
pub struct Case {
    /// The name under which errors speak of it.
    pub name: &'static str,
    /// What it computes.
    pub formula: &'static str,
    /// What PyTorch calls it; empty if PyTorch has no such function.
    pub torch: &'static str,
    /// Which derivatives it has.
    pub gradient: Gradient,
    /// Inputs to try it on, and how to apply it.
    pub samples: fn() -> Vec<Sample>,
}

/// Which derivatives an op has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gradient {
    /// Gradients, and gradients of gradients.
    Twice,
    /// None: the output is no float, or a step function whose derivative is zero.
    None,
}

impl fmt::Display for Gradient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Twice => "first, second",
            Self::None => "none",
        })
    }
}

/// A call of an op on inputs of given shapes.
pub struct Sample {
    /// What sets this call apart from the op's others.
    pub label: &'static str,
    /// What the inputs are like.
    pub inputs: Vec<Arg>,
    /// The call.
    pub call: Call,
}

/// A function of tensors.
pub type Call = Box<dyn Fn(&[Tensor]) -> Tensor>;

/// What an input of a sample is like.
#[derive(Clone, Debug)]
pub struct Arg {
    /// Its shape.
    pub shape: Shape,
    /// Its numbers.
    pub numbers: Numbers,
}

/// Which numbers an input holds.
#[derive(Clone, Debug)]
pub enum Numbers {
    /// Floats from a range, by which gradients are checked.
    Floats(Range<f64>),
    /// Floats from a range, at least 0.05 apart from each other: for ops that compare their inputs.
    Distinct(Range<f64>),
    /// Indices below a bound.
    Indices(usize),
    /// Truth values.
    Bools,
}

impl Sample {
    /// A call with inputs of floats from one range.
    pub fn floats(
        shapes: &[&[usize]],
        range: Range<f64>,
        call: impl Fn(&[Tensor]) -> Tensor + 'static,
    ) -> Self {
        let args = shapes.iter().map(|&shape| Arg::floats(shape, range.clone())).collect();
        Self::new(args, call)
    }

    /// A call with inputs of any kind.
    pub fn new(inputs: Vec<Arg>, call: impl Fn(&[Tensor]) -> Tensor + 'static) -> Self {
        Self { label: "", inputs, call: Box::new(call) }
    }

    /// The same call under a label.
    pub fn label(mut self, label: &'static str) -> Self {
        self.label = label;
        self
    }
}

impl Arg {
    /// An input of floats from a range.
    pub fn floats(shape: &[usize], range: Range<f64>) -> Self {
        Self { shape: shape.into(), numbers: Numbers::Floats(range) }
    }

    /// An input of floats from a range, no two of them alike.
    pub fn distinct(shape: &[usize], range: Range<f64>) -> Self {
        Self { shape: shape.into(), numbers: Numbers::Distinct(range) }
    }

    /// An input of indices below a bound.
    pub fn indices(shape: &[usize], below: usize) -> Self {
        Self { shape: shape.into(), numbers: Numbers::Indices(below) }
    }

    /// An input of truth values.
    pub fn bools(shape: &[usize]) -> Self {
        Self { shape: shape.into(), numbers: Numbers::Bools }
    }

    /// True if gradients are checked by this input.
    pub fn is_float(&self) -> bool {
        matches!(self.numbers, Numbers::Floats(_) | Numbers::Distinct(_))
    }

    /// Such an input, of `f64` where it is of floats.
    pub fn draw(&self, rng: &mut Rng) -> Tensor {
        let count = self.shape.count();
        let uniform = |rng: &mut Rng| Tensor::rand((self.shape, DType::F64), rng);
        match &self.numbers {
            Numbers::Floats(range) => uniform(rng) * (range.end - range.start) + range.start,
            Numbers::Distinct(range) => {
                let step = (range.end - range.start) / (count + 1) as f64;
                assert!(step >= 0.05, "{count} numbers do not keep apart in {range:?}");
                let apart = |place: usize| range.start + (place as f64 + 0.77) * step;
                let numbers: Vec<f64> = rng.permutation(count).into_iter().map(apart).collect();
                Tensor::from_vec(numbers, self.shape)
            }
            Numbers::Indices(below) => (uniform(rng) * *below as f64).floor().to_dtype(DType::I64),
            Numbers::Bools => uniform(rng).lt(&Tensor::full((), 0.5).to_dtype(DType::F64)),
        }
    }
}
