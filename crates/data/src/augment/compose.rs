//! Changes made of others. They take changes of any kind of sample.

use super::{Picture, Transform, chance, setting};
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
        let mut runs = self.0.chunk_by(|one, next| one.is_of_pictures() && next.is_of_pictures());
        runs.try_fold(sample, |sample, run| match run {
            [change] => change.apply(sample, rng),
            // Changes of pictures that follow each other share one.
            several => {
                let mut picture = Picture::of_sample(&sample)?;
                several.iter().try_for_each(|change| change.change_picture(&mut picture, rng))?;
                Ok(picture.into_sample(&sample))
            }
        })
    }

    fn is_of_pictures(&self) -> bool {
        !self.0.is_empty() && self.0.iter().all(Transform::is_of_pictures)
    }

    fn change_picture(&self, picture: &mut Picture, rng: &mut Rng) -> Result<()> {
        self.0.iter().try_for_each(|change| change.change_picture(picture, rng))
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

    fn pick(&self, rng: &mut Rng) -> &dyn Transform {
        let mut left = rng.uniform() * self.weights.iter().sum::<f64>();
        let picked = self.weights.iter().position(|weight| {
            left -= weight;
            left < 0.0
        });
        // Rounding may leave nothing: then it is the last that has a weight.
        let last = || self.weights.iter().rposition(|&weight| weight > 0.0);
        &*self.changes[picked.or_else(last).expect("one has a weight")]
    }
}

impl Transform for OneOf {
    fn apply(&self, sample: Sample, rng: &mut Rng) -> Result<Sample> {
        self.pick(rng).apply(sample, rng)
    }

    fn is_of_pictures(&self) -> bool {
        self.changes.iter().all(Transform::is_of_pictures)
    }

    fn change_picture(&self, picture: &mut Picture, rng: &mut Rng) -> Result<()> {
        self.pick(rng).change_picture(picture, rng)
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

    fn is_of_pictures(&self) -> bool {
        self.change.is_of_pictures()
    }

    fn change_picture(&self, picture: &mut Picture, rng: &mut Rng) -> Result<()> {
        match chance(self.probability, rng) {
            true => self.change.change_picture(picture, rng),
            false => Ok(()),
        }
    }
}
