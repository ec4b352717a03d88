//! A set of digits.

use super::{MEAN, STANDARD_DEVIATION};
use crate::image::{Colour, Image};
use crate::{Batch, Dataset, Sample};
use gradus_tensor::{DType, Device, Result, Tensor};
use std::fmt;
use std::sync::Arc;

/// Images of digits, 28 by 28 pixels of white ink on black, and the digits that they show.
///
/// As a data set it gives normalised inputs `[B, 1, 28, 28]` of `f32` and targets `[B]` of `i64`.
/// Copying it copies a reference.
#[derive(Clone)]
pub struct DigitSet {
    pixels: Arc<[u8]>,
    labels: Arc<[u8]>,
    /// The input that each brightness becomes.
    levels: Arc<[f32]>,
}

impl DigitSet {
    pub(super) const HEIGHT: usize = 28;
    pub(super) const WIDTH: usize = 28;
    const PIXELS: usize = Self::HEIGHT * Self::WIDTH;

    /// As many images as labels, which are below the number of classes.
    pub(super) fn new(pixels: Vec<u8>, labels: Vec<u8>) -> Self {
        let brightness: Vec<u8> = (0..=u8::MAX).collect();
        let levels = normalise(&Tensor::from(brightness)).to_vec();
        Self { pixels: pixels.into(), labels: labels.into(), levels: levels.into() }
    }

    /// The number of digits.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// True if there is no digit.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// All images as they were scanned, `u8` `[N, 1, 28, 28]`, black being 0 and white 255. A model
    /// takes them [normalised](normalise).
    pub fn images(&self) -> Tensor {
        Tensor::from_slice(&self.pixels, [self.len(), 1, Self::HEIGHT, Self::WIDTH])
    }

    /// What each image shows, `i64` `[N]`.
    pub fn labels(&self) -> Tensor {
        Tensor::from(self.labels.iter().map(|&label| label as i64).collect::<Vec<_>>())
    }

    /// What one image shows.
    ///
    /// # Panics
    /// If there is no such image.
    #[track_caller]
    pub fn label(&self, index: usize) -> usize {
        self.labels[index] as usize
    }

    /// One image as a picture in grey.
    ///
    /// # Panics
    /// If there is no such image.
    #[track_caller]
    pub fn picture(&self, index: usize) -> Image {
        let pixels = self.pixels_of(index).to_vec();
        Image::filled(Self::WIDTH, Self::HEIGHT, Colour::Grey, pixels)
    }

    #[track_caller]
    fn pixels_of(&self, index: usize) -> &[u8] {
        &self.pixels[index * Self::PIXELS..][..Self::PIXELS]
    }
}

impl Dataset for DigitSet {
    fn len(&self) -> usize {
        self.labels.len()
    }

    fn sample(&self, index: usize) -> Result<Sample> {
        Ok(self.batch(&[index])?.single())
    }

    fn batch(&self, indices: &[usize]) -> Result<Batch> {
        let mut inputs = Vec::with_capacity(indices.len() * Self::PIXELS);
        for &index in indices {
            inputs.extend(self.pixels_of(index).iter().map(|&pixel| self.levels[pixel as usize]));
        }
        let targets: Vec<i64> = indices.iter().map(|&index| self.labels[index] as i64).collect();
        let shape = [indices.len(), 1, Self::HEIGHT, Self::WIDTH].into();
        let input = Tensor::try_from_slice(&inputs, shape, Device::cpu())?;
        Ok(Batch::new(input, Tensor::from(targets)))
    }
}

impl fmt::Debug for DigitSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DigitSet").field("len", &self.len()).finish_non_exhaustive()
    }
}

/// Brightness from 0 to 255 as models take it: (x / 255 - [`MEAN`]) / [`STANDARD_DEVIATION`], of any
/// shape, as `f32`.
///
/// # Panics
/// If x is not of `u8`.
#[track_caller]
pub fn normalise(x: &Tensor) -> Tensor {
    assert!(x.dtype() == DType::U8, "normalise takes brightness as u8, not {}", x.dtype());
    (x.to_dtype(DType::F32) / 255.0 - MEAN) / STANDARD_DEVIATION
}
