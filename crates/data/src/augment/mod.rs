//! Changes that are drawn anew in each epoch: of pictures with what is drawn on them, of texts, sounds
//! and rows of tables, and of whole batches.
//!
//! A [`Transform`] changes a sample, a [`PictureTransform`] a [`Picture`] with its boxes, mask and key
//! points, a [`BatchTransform`] a batch. Everything that moves in a picture is moved by one
//! [`Geometry`]. [`Augment`] and [`AugmentBatches`] are the data sets of what they make; [`Normalised`]
//! comes between, as changes of colour are of pixels from 0 to 1, or 0 to 255.
//!
//! ```
//! use gradus_data::augment::{
//!     Augment, Compose, CropOptions, FlipOptions, HorizontalFlip, Normalised, RandomCrop,
//! };
//! use gradus_data::{Dataset, TensorDataset};
//! use gradus_tensor::{DType, Tensor};
//!
//! # fn main() -> gradus_tensor::Result<()> {
//! let images = Tensor::zeros(([10, 3, 32, 32], DType::U8));
//! let set = TensorDataset::new(images, Tensor::zeros(([10], DType::I64)));
//! let changes = Compose::new(vec![
//!     Box::new(RandomCrop::new(CropOptions::default())?),
//!     Box::new(HorizontalFlip::new(FlipOptions::default())?),
//! ]);
//! let set = Augment::with(set, 1, changes);
//! let set = Normalised::new(set, &[0.49, 0.48, 0.45], &[0.25, 0.24, 0.26])?;
//! assert_eq!(set.batch(&[3, 1])?.input().shape(), [2, 3, 32, 32]);
//! # Ok(())
//! # }
//! ```

mod colour;
mod compose;
mod erase;
mod filter;
mod geometry;
mod matrix;
mod mix;
mod normalise;
mod picture;
mod place;
mod policy;
mod resample;
mod sequence;
mod setting;
mod sheet;
mod warp;

pub use colour::{ColourJitter, ColourJitterOptions, Grayscale, GrayscaleOptions};
pub use compose::{Compose, OneOf, Sometimes};
pub use erase::{Cutout, CutoutOptions, Erasing, ErasingOptions};
pub use filter::{BlurOptions, GaussianBlur, GaussianNoise, NoiseOptions};
pub use geometry::Geometry;
pub use matrix::Matrix;
pub use mix::{CutMix, CutMixOptions, MixUp, MixUpOptions};
pub use normalise::Normalised;
pub use picture::{KeyPoint, Picture, Pixels, Planes, Region};
pub use place::{
    CentreCrop, CentreCropOptions, CropOptions, FlipOptions, HorizontalFlip, Pad, PadOptions,
    RandomCrop, RandomResizedCrop, Resize, ResizeOptions, ResizedCropOptions, VerticalFlip,
};
pub use policy::{
    AutoAugment, AutoAugmentOptions, RandAugment, RandAugmentOptions, TrivialAugment,
    TrivialAugmentOptions,
};
pub use sequence::{
    AudioNoise, AudioNoiseOptions, AudioShift, AudioShiftOptions, FeatureNoise,
    FeatureNoiseOptions, SpecAugment, SpecAugmentOptions, TokenDropout, TokenDropoutOptions,
    TokenSwap, TokenSwapOptions,
};
pub use sheet::{SheetOptions, contact_sheet};
pub use warp::{Affine, AffineOptions, Perspective, PerspectiveOptions, Rotation, RotationOptions};

use crate::{Batch, Dataset, Sample, TargetKind};
use gradus_tensor::{OpError, Result, Rng};
use std::fmt::Debug;
use std::sync::Arc;

/// A change of a sample.
pub trait Transform: Debug + Send + Sync {
    /// What the sample becomes, with random numbers of its own.
    ///
    /// # Errors
    /// If the sample is of another kind than the change takes.
    fn apply(&self, sample: Sample, rng: &mut Rng) -> Result<Sample>;

    /// True for a change of pictures: then [`Transform::change_picture`] does what
    /// [`Transform::apply`] does to a sample, so that several changes need one [`Picture`] only, and a
    /// batch no tensor for each of its samples.
    fn is_of_pictures(&self) -> bool {
        false
    }

    /// Changes a picture, with random numbers of its own.
    ///
    /// # Errors
    /// If this is no change of pictures, or of others than this one.
    fn change_picture(&self, _picture: &mut Picture, _rng: &mut Rng) -> Result<()> {
        Err(OpError::of("augment", format_args!("{self:?} is no change of pictures")).into())
    }
}

/// A change of a picture with what is drawn on it; as a [`Transform`], of a sample whose input is a
/// picture, and of its target as its [`TargetKind`] says.
pub trait PictureTransform: Debug + Send + Sync {
    /// Changes the picture, with random numbers of its own.
    ///
    /// # Errors
    /// If the picture is of another kind than the change takes.
    fn change(&self, picture: &mut Picture, rng: &mut Rng) -> Result<()>;
}

impl<T: PictureTransform> Transform for T {
    fn apply(&self, sample: Sample, rng: &mut Rng) -> Result<Sample> {
        let mut picture = Picture::of_sample(&sample)?;
        self.change(&mut picture, rng)?;
        Ok(picture.into_sample(&sample))
    }

    fn is_of_pictures(&self) -> bool {
        true
    }

    fn change_picture(&self, picture: &mut Picture, rng: &mut Rng) -> Result<()> {
        self.change(picture, rng)
    }
}

impl Transform for Box<dyn Transform> {
    fn apply(&self, sample: Sample, rng: &mut Rng) -> Result<Sample> {
        (**self).apply(sample, rng)
    }

    fn is_of_pictures(&self) -> bool {
        (**self).is_of_pictures()
    }

    fn change_picture(&self, picture: &mut Picture, rng: &mut Rng) -> Result<()> {
        (**self).change_picture(picture, rng)
    }
}

/// A change of a batch as a whole.
pub trait BatchTransform: Debug + Send + Sync {
    /// What the batch becomes, with random numbers of its own.
    ///
    /// # Errors
    /// If the batch is of another kind than the change takes.
    fn apply(&self, batch: Batch, rng: &mut Rng) -> Result<Batch>;
}

type Function = dyn Fn(Sample, &mut Rng) -> Result<Sample> + Send + Sync;

/// What is done to each sample, with random numbers.
#[derive(Clone)]
enum Change {
    Function(Arc<Function>),
    Transform(Arc<dyn Transform>),
}

/// A data set whose samples are changed at random, differently in each epoch.
///
/// What a sample becomes depends on the seed, the epoch and its number alone: not on the order in
/// which samples are asked for, nor on the threads that do.
///
/// ```
/// use gradus_data::augment::Augment;
/// use gradus_data::{Dataset, Sample, TensorDataset};
/// use gradus_tensor::{Rng, Tensor};
///
/// let set = TensorDataset::new(Tensor::zeros([10, 3]), Tensor::zeros([10]));
/// let noisy = Augment::new(set, 1, |sample, rng| {
///     let noise = Tensor::randn(sample.input().shape(), rng) * 0.1;
///     Ok(Sample::new(sample.input() + &noise, sample.target().clone()))
/// });
/// let third = noisy.in_epoch(3).unwrap();
/// assert_eq!(third.len(), 10);
/// ```
#[derive(Clone)]
pub struct Augment {
    dataset: Arc<dyn Dataset>,
    change: Change,
    seed: u64,
    epoch: u64,
    kind: Option<TargetKind>,
}

impl Augment {
    /// The samples that `change` makes of those of a data set. Before [`Dataset::in_epoch`] says
    /// otherwise, they are those of epoch 0.
    pub fn new(
        dataset: impl Dataset + 'static,
        seed: u64,
        change: impl Fn(Sample, &mut Rng) -> Result<Sample> + Send + Sync + 'static,
    ) -> Self {
        Self::of(dataset, seed, Change::Function(Arc::new(change)))
    }

    /// The samples that a transform makes of those of a data set.
    pub fn with(
        dataset: impl Dataset + 'static,
        seed: u64,
        transform: impl Transform + 'static,
    ) -> Self {
        Self::of(dataset, seed, Change::Transform(Arc::new(transform)))
    }

    fn of(dataset: impl Dataset + 'static, seed: u64, change: Change) -> Self {
        Self { dataset: Arc::new(dataset), change, seed, epoch: 0, kind: None }
    }

    /// Says of what kind the targets are, where the data set does not.
    pub fn targets(self, kind: TargetKind) -> Self {
        Self { kind: Some(kind), ..self }
    }

    /// A sample that is not changed yet, and the random numbers that it is changed by.
    fn unchanged(&self, index: usize) -> Result<(Sample, Rng)> {
        let (key, _) = stream(self.seed, self.epoch).state();
        let sample = self.dataset.sample(index)?;
        let sample = match &self.kind {
            Some(kind) => sample.of_kind(kind.clone()),
            None => sample,
        };
        Ok((sample, stream(key, index as u64)))
    }
}

impl Dataset for Augment {
    fn len(&self) -> usize {
        self.dataset.len()
    }

    fn sample(&self, index: usize) -> Result<Sample> {
        let (sample, mut rng) = self.unchanged(index)?;
        match &self.change {
            Change::Function(change) => change(sample, &mut rng),
            Change::Transform(transform) => transform.apply(sample, &mut rng),
        }
    }

    fn batch(&self, indices: &[usize]) -> Result<Batch> {
        let Change::Transform(transform) = &self.change else {
            return Batch::of(self, indices);
        };
        if !transform.is_of_pictures() {
            return Batch::of(self, indices);
        }
        let changed = indices.iter().map(|&index| {
            let (sample, mut rng) = self.unchanged(index)?;
            let mut picture = Picture::of_sample(&sample)?;
            transform.change_picture(&mut picture, &mut rng)?;
            Ok((picture, sample))
        });
        Picture::into_batch(changed.collect::<Result<_>>()?)
    }

    fn in_epoch(&self, epoch: u64) -> Option<Arc<dyn Dataset>> {
        let dataset = self.dataset.in_epoch(epoch).unwrap_or_else(|| self.dataset.clone());
        Some(Arc::new(Self { dataset, epoch, ..self.clone() }))
    }
}

impl BatchTransform for Box<dyn BatchTransform> {
    fn apply(&self, batch: Batch, rng: &mut Rng) -> Result<Batch> {
        (**self).apply(batch, rng)
    }
}

/// A data set whose batches are changed at random, differently in each epoch.
///
/// What a batch becomes depends on the seed, the epoch and the numbers of its samples alone. A
/// sample is what a batch of it alone becomes, so that shapes are the same.
#[derive(Clone)]
pub struct AugmentBatches {
    dataset: Arc<dyn Dataset>,
    transform: Arc<dyn BatchTransform>,
    seed: u64,
    epoch: u64,
}

impl AugmentBatches {
    /// The batches that a transform makes of those of a data set.
    pub fn new(
        dataset: impl Dataset + 'static,
        seed: u64,
        transform: impl BatchTransform + 'static,
    ) -> Self {
        Self { dataset: Arc::new(dataset), transform: Arc::new(transform), seed, epoch: 0 }
    }
}

impl Dataset for AugmentBatches {
    fn len(&self) -> usize {
        self.dataset.len()
    }

    fn sample(&self, index: usize) -> Result<Sample> {
        Ok(self.batch(&[index])?.single())
    }

    fn batch(&self, indices: &[usize]) -> Result<Batch> {
        let start = stream(self.seed, self.epoch);
        let mut rng = indices.iter().fold(start, |rng, &index| stream(rng.state().0, index as u64));
        self.transform.apply(self.dataset.batch(indices)?, &mut rng)
    }

    fn in_epoch(&self, epoch: u64) -> Option<Arc<dyn Dataset>> {
        let dataset = self.dataset.in_epoch(epoch).unwrap_or_else(|| self.dataset.clone());
        Some(Arc::new(Self { dataset, epoch, ..self.clone() }))
    }
}

/// True as often as a probability says.
fn chance(probability: f64, rng: &mut Rng) -> bool {
    rng.uniform() < probability
}

/// A number from a range, all being equally likely.
fn within([low, high]: [f64; 2], rng: &mut Rng) -> f64 {
    low + (high - low) * rng.uniform()
}

/// The random stream with a number, of those that belong to a seed.
pub(crate) fn stream(seed: u64, number: u64) -> Rng {
    Rng::from_state((seed, number)).split()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Concat, Map, Subset, TensorDataset};
    use gradus_tensor::Tensor;

    #[test]
    fn a_sample_depends_on_seed_epoch_and_number_alone() {
        let zeros = TensorDataset::new(Tensor::zeros([50]), Tensor::zeros([50]));
        let noisy = |seed| {
            Augment::new(zeros.clone(), seed, |sample, rng| {
                let noise = Tensor::from(rng.uniform());
                Ok(Sample::new(noise, sample.target().clone()))
            })
        };
        // However the set is wrapped, the epoch reaches it.
        let subset = Subset::new(noisy(1), (0..50).rev().collect::<Vec<_>>());
        let concat = Concat::new(vec![Arc::new(subset), Arc::new(zeros.clone())]);
        let wrapped = Map::new(concat, Ok);
        let value = |set: &dyn Dataset, i| set.sample(i).unwrap().input().item::<f64>();
        let mut seen: Vec<f64> = vec![];
        for epoch in 0..3 {
            let (plain, wrapped) =
                (noisy(1).in_epoch(epoch).unwrap(), wrapped.in_epoch(epoch).unwrap());
            let values: Vec<f64> = (0..50).map(|i| value(&plain, i)).collect();
            assert!((0..50).rev().all(|i| value(&plain, i) == values[i]));
            assert!((0..50).all(|i| value(&wrapped, i) == values[49 - i]));
            seen.extend(&values);
            let other = noisy(2).in_epoch(epoch).unwrap();
            seen.extend((0..50).map(|i| value(&other, i)));
        }
        seen.sort_by(f64::total_cmp);
        seen.dedup();
        assert_eq!(seen.len(), 300);
        assert!(zeros.in_epoch(1).is_none());
    }
}
