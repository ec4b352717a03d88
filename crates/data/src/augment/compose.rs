//! Changes made of others. They take changes of any kind of sample.

use super::{Transform, chance, setting};
use crate::Sample;
use gradus_tensor::{Result, Rng};

/// One change after another. PyTorch: `torchvision.transforms.Compose`.
#[derive(Debug, Default)]
pub struct Compose(Vec<Box<dyn Transform>>);

impl Compose {
    /// These changes, in this order.
    pub fn new(changes: Vec<Box<dyn Transform>>) -> Self {
        Self(changes)
    }
}

impl Transform for Compose {
    fn apply(&self, sample: Sample, rng: &mut Rng) -> Result<Sample> {
        self.0.iter().try_fold(sample, |sample, change| change.apply(sample, rng))
    }
}

/// One change of several, picked anew each time. PyTorch: `torchvision.transforms.RandomChoice`.
#[derive(Debug)]
pub struct OneOf {
    changes: Vec<Box<dyn Transform>>,
    weights: Vec<f64>,
}

impl OneOf {
    /// One of these changes, each as likely as its weight says.
    ///
    /// # Errors
    /// If there are not as many weights as changes, or no change can be picked.
    pub fn new(changes: Vec<Box<dyn Transform>>, weights: Vec<f64>) -> Result<Self> {
        let (count, given) = (changes.len(), weights.len());
        if count != given {
            let message = format_args!("{count} changes have {given} weights: give one for each");
            return Err(setting::wrong("one_of", message));
        }
        for &weight in &weights {
            setting::between("one_of", "a weight", weight, [0.0, 1e9])?;
        }
        if weights.iter().sum::<f64>() == 0.0 {
            return Err(setting::wrong("one_of", "there is no change with a weight: give one"));
        }
        Ok(Self { changes, weights })
    }
}

impl Transform for OneOf {
    fn apply(&self, sample: Sample, rng: &mut Rng) -> Result<Sample> {
        let mut left = rng.uniform() * self.weights.iter().sum::<f64>();
        let picked = self.weights.iter().position(|weight| {
            left -= weight;
            left < 0.0
        });
        // Rounding may leave nothing: then it is the last that has a weight.
        let last = || self.weights.iter().rposition(|&weight| weight > 0.0);
        match picked.or_else(last) {
            Some(index) => self.changes[index].apply(sample, rng),
            None => Ok(sample),
        }
    }
}

/// A change that is made with a probability. PyTorch: `torchvision.transforms.RandomApply`.
#[derive(Debug)]
pub struct Sometimes {
    change: Box<dyn Transform>,
    probability: f64,
}

impl Sometimes {
    /// The change, as often as the probability says.
    ///
    /// # Errors
    /// If the probability is none.
    pub fn new(change: Box<dyn Transform>, probability: f64) -> Result<Self> {
        setting::probability("sometimes", "probability", probability)?;
        Ok(Self { change, probability })
    }
}

impl Transform for Sometimes {
    fn apply(&self, sample: Sample, rng: &mut Rng) -> Result<Sample> {
        if chance(self.probability, rng) { self.change.apply(sample, rng) } else { Ok(sample) }
    }
}
