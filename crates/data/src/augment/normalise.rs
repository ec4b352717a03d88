//! Pixels as models take them.

use super::setting;
use crate::{Batch, Dataset, Sample};
use gradus_tensor::{DType, Device, OpError, Result, Tensor};
use std::sync::Arc;

/// A data set whose pictures are normalised when a batch is made: (x - mean) / deviation in each
/// channel, x being from 0 to 1. Until then pictures of `u8` stay as small as they are. PyTorch:
/// `torchvision.transforms.Normalize`.
///
/// # Shapes
/// `[C, H, W]` of `u8`, or of `f32` from 0 to 1, become `f32`.
#[derive(Clone)]
pub struct Normalised {
    dataset: Arc<dyn Dataset>,
    /// What is done to x from 0 to 1 in each channel: x · scale + shift.
    scales: Arc<[(f32, f32)]>,
    /// What each of 256 levels becomes in each channel.
    levels: Arc<[[f32; 256]]>,
}

impl Normalised {
    /// The samples of a data set, with the mean and the standard deviation of each channel.
    ///
    /// # Errors
    /// If there are not as many of both, or a deviation is not above 0.
    pub fn new(dataset: impl Dataset + 'static, means: &[f64], deviations: &[f64]) -> Result<Self> {
        let name = "normalise";
        if means.len() != deviations.len() || means.is_empty() {
            let message = format_args!(
                "{} means and {} deviations: give one of each for each channel",
                means.len(),
                deviations.len()
            );
            return Err(setting::wrong(name, message));
        }
        for (&mean, &deviation) in means.iter().zip(deviations) {
            setting::between(name, "a mean", mean, [f64::MIN, f64::MAX])?;
            setting::between(name, "a deviation", deviation, [1e-12, f64::MAX])?;
        }
        let channels = || means.iter().zip(deviations);
        let scales = channels().map(|(m, d)| ((1.0 / d) as f32, (-m / d) as f32)).collect();
        let level = |x: usize, m: f64, d: f64| ((x as f64 / 255.0 - m) / d) as f32;
        let levels = channels().map(|(&m, &d)| std::array::from_fn(|x| level(x, m, d))).collect();
        Ok(Self { dataset: Arc::new(dataset), scales, levels })
    }

    /// Pictures `[.., C, H, W]` as models take them.
    fn normalise(&self, x: &Tensor) -> Result<Tensor> {
        let shape = *x.shape();
        let channels = self.levels.len();
        let &[.., count, height, width] = &shape[..] else {
            let message = format_args!("a picture is [C, H, W], not of shape {shape}");
            return Err(OpError::of("normalise", message).into());
        };
        if count != channels {
            let message = format_args!(
                "there are a mean and a deviation for each of {channels} channels, and pictures \
                 have {count}"
            );
            return Err(OpError::of("normalise", message).into());
        }
        let area = (height * width).max(1);
        let mut normalised = Vec::with_capacity(shape.count());
        match x.dtype() {
            DType::U8 => {
                let pixels = x.try_to_vec::<u8>()?;
                for (plane, levels) in pixels.chunks_exact(area).zip(self.levels.iter().cycle()) {
                    normalised.extend(plane.iter().map(|&x| levels[x as usize]));
                }
            }
            DType::F32 => {
                let pixels = x.try_to_vec::<f32>()?;
                for (plane, (scale, shift)) in
                    pixels.chunks_exact(area).zip(self.scales.iter().cycle())
                {
                    normalised.extend(plane.iter().map(|x| x * scale + shift));
                }
            }
            other => {
                let message = format_args!("takes pixels of u8 or f32, not {other}");
                return Err(OpError::of("normalise", message).into());
            }
        }
        Tensor::try_from_slice(&normalised, shape, Device::cpu())
    }
}

impl Dataset for Normalised {
    fn len(&self) -> usize {
        self.dataset.len()
    }

    fn sample(&self, index: usize) -> Result<Sample> {
        let sample = self.dataset.sample(index)?;
        let input = self.normalise(sample.input())?;
        Ok(sample.with_input(input))
    }

    fn batch(&self, indices: &[usize]) -> Result<Batch> {
        let batch = self.dataset.batch(indices)?;
        Ok(Batch::new(self.normalise(batch.input())?, batch.target().clone()))
    }

    fn in_epoch(&self, epoch: u64) -> Option<Arc<dyn Dataset>> {
        let dataset = self.dataset.in_epoch(epoch)?;
        Some(Arc::new(Self { dataset, ..self.clone() }))
    }
}
