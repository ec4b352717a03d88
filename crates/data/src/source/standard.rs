//! Scaling numbers to mean 0 and standard deviation 1, channel by channel, a batch at a time.

use super::table::encoder::moments;
use crate::{Batch, Dataset, Sample};
use gradus_tensor::{DType, Device, Error, OpError, Result, Shape, Tensor};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// The mean and the standard deviation of each channel, which is the first axis of a sample. Pixels
/// of `u8` count as 0 to 1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Standard {
    /// The mean of each channel.
    pub mean: Vec<f64>,
    /// The standard deviation of each.
    pub deviation: Vec<f64>,
}

/// So many samples are looked at together.
const TOGETHER: usize = 64;

impl Standard {
    /// What is told, each for all channels.
    ///
    /// # Errors
    /// If there are not as many means as deviations, or a deviation is not above 0.
    pub fn new(mean: Vec<f64>, deviation: Vec<f64>) -> Result<Self> {
        let own = Self { mean, deviation };
        own.check(own.mean.len())?;
        Ok(own)
    }

    /// Refuses what does not scale so many channels.
    pub(super) fn check(&self, channels: usize) -> Result<()> {
        let Self { mean, deviation } = self;
        let fits = [mean.len(), deviation.len()] == [channels; 2]
            && mean.iter().all(|x| x.is_finite())
            && deviation.iter().all(|x| x.is_finite() && *x > 0.0);
        if fits {
            return Ok(());
        }
        Err(Error::Setting(format!(
            "mean = {mean:?} and deviation = {deviation:?} do not fit: give one of each for a \
             channel, the deviations above 0"
        )))
    }

    /// What some samples of a data set hold, those left out that cannot be read.
    ///
    /// # Errors
    /// If none of them can.
    pub fn learn(dataset: &dyn Dataset, indices: &[usize]) -> Result<Self> {
        let mut channels = Channels::default();
        let mut fault = None;
        for part in indices.chunks(TOGETHER) {
            match dataset.batch(part) {
                Ok(batch) => channels.add(batch.input())?,
                // One bad file must not cost the others their part.
                Err(_) => {
                    for &index in part {
                        match dataset.batch(&[index]) {
                            Ok(batch) => channels.add(batch.input())?,
                            Err(error) => fault = fault.or(Some(error)),
                        }
                    }
                }
            }
        }
        match (channels.is_empty(), fault) {
            (true, Some(fault)) => Err(fault),
            _ => Ok(channels.finish()),
        }
    }

    /// Samples `[B, channels, ...]` as `f32`: (x - mean) / deviation.
    ///
    /// # Errors
    /// If they have another number of channels.
    pub fn apply(&self, x: &Tensor) -> Result<Tensor> {
        let shape = *x.shape();
        if shape.rank() < 2 || shape[1] != self.mean.len() {
            let message = format_args!(
                "samples of shape {shape} do not have the {} channels that were learnt",
                self.mean.len()
            );
            return Err(OpError::of("standardise", message).into());
        }
        if x.dtype() == DType::U8 {
            return self.look_up(x);
        }
        let lens: Vec<usize> =
            (0..shape.rank()).map(|axis| if axis == 1 { shape[1] } else { 1 }).collect();
        let part =
            |numbers: Vec<f32>| Tensor::try_from_slice(&numbers, lens[..].into(), x.device());
        let mean = part(self.mean.iter().map(|&x| x as f32).collect())?;
        let factor = part(self.deviation.iter().map(|&x| (1.0 / x) as f32).collect())?;
        Ok((&x.to_dtype(DType::F32) - &mean) * &factor)
    }

    /// Each of the 256 levels of a channel becomes a number once, and not once for each pixel.
    fn look_up(&self, x: &Tensor) -> Result<Tensor> {
        let table = |(&mean, &deviation): (&f64, &f64)| -> [f32; 256] {
            std::array::from_fn(|level| ((level as f64 / 255.0 - mean) / deviation) as f32)
        };
        let tables: Vec<[f32; 256]> = self.mean.iter().zip(&self.deviation).map(table).collect();
        let shape: Shape = *x.shape();
        let pixels: Vec<u8> = x.try_to_vec()?;
        let plane = shape[2..].iter().product::<usize>();
        let mut numbers = Vec::with_capacity(pixels.len());
        if plane > 0 {
            for (pixels, table) in pixels.chunks(plane).zip(tables.iter().cycle()) {
                numbers.extend(pixels.iter().map(|&level| table[level as usize]));
            }
        }
        Tensor::try_from_slice(&numbers, shape, Device::cpu())
    }
}

/// What was seen of each channel.
#[derive(Default)]
struct Channels {
    /// How often each level occurs, for pixels.
    levels: Vec<[u64; 256]>,
    /// The moments of batches, for other numbers: how many numbers, their mean and their variance.
    parts: Vec<Vec<(f64, f64, f64)>>,
}

impl Channels {
    fn is_empty(&self) -> bool {
        self.levels.is_empty() && self.parts.is_empty()
    }

    fn add(&mut self, x: &Tensor) -> Result<()> {
        let shape = *x.shape();
        let channels = if shape.rank() < 2 { 1 } else { shape[1] };
        let plane = shape.iter().skip(2).product::<usize>().max(1);
        if x.dtype() == DType::U8 {
            self.levels.resize(channels, [0; 256]);
            for (place, pixels) in x.try_to_vec::<u8>()?.chunks(plane).enumerate() {
                let counts = &mut self.levels[place % channels];
                pixels.iter().for_each(|&level| counts[level as usize] += 1);
            }
            return Ok(());
        }
        self.parts.resize(channels, vec![]);
        let numbers: Vec<f64> = x.to_dtype(DType::F64).try_to_vec()?;
        for (channel, parts) in self.parts.iter_mut().enumerate() {
            let own = || numbers.chunks(plane).skip(channel).step_by(channels).flatten().copied();
            let (mean, deviation) = moments(own());
            parts.push((own().count() as f64, mean, deviation * deviation));
        }
        Ok(())
    }

    fn finish(self) -> Standard {
        let pixels = self.levels.iter().map(|counts| {
            let level = |(level, &count): (usize, &u64)| (count as f64, level as f64 / 255.0, 0.0);
            together(&counts.iter().enumerate().map(level).collect::<Vec<_>>())
        });
        let numbers = self.parts.iter().map(|parts| together(parts));
        let (mean, deviation) = pixels.chain(numbers).unzip();
        Standard { mean, deviation }
    }
}

/// The mean and the standard deviation of parts, each with its count, mean and variance. What does
/// not vary is not scaled.
fn together(parts: &[(f64, f64, f64)]) -> (f64, f64) {
    let count: f64 = parts.iter().map(|(count, ..)| count).sum();
    if count == 0.0 {
        return (0.0, 1.0);
    }
    let mean = parts.iter().map(|(count, mean, _)| count * mean).sum::<f64>() / count;
    let spread = |&(count, own, variance): &(f64, f64, f64)| {
        count * (variance + (own - mean) * (own - mean))
    };
    let deviation = (parts.iter().map(spread).sum::<f64>() / count).sqrt();
    (mean, if deviation > 1e-12 { deviation } else { 1.0 })
}

/// A data set whose batches are standardised.
#[derive(Clone)]
pub struct Standardised {
    dataset: Arc<dyn Dataset>,
    standard: Arc<Standard>,
}

impl Standardised {
    /// The samples of a data set, standardised batch by batch.
    pub fn new(dataset: Arc<dyn Dataset>, standard: Standard) -> Self {
        Self { dataset, standard: Arc::new(standard) }
    }
}

impl Dataset for Standardised {
    fn len(&self) -> usize {
        self.dataset.len()
    }

    fn sample(&self, index: usize) -> Result<Sample> {
        let sample = self.dataset.sample(index)?;
        let input = self.standard.apply(&sample.input().unsqueeze(0))?.squeeze(0);
        Ok(Sample::new(input, sample.target().clone()).of_kind(sample.kind().clone()))
    }

    fn batch(&self, indices: &[usize]) -> Result<Batch> {
        let batch = self.dataset.batch(indices)?;
        Ok(Batch::new(self.standard.apply(batch.input())?, batch.target().clone()))
    }

    fn in_epoch(&self, epoch: u64) -> Option<Arc<dyn Dataset>> {
        let dataset = self.dataset.in_epoch(epoch)?;
        Some(Arc::new(Self { dataset, standard: self.standard.clone() }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TensorDataset;
    use gradus_tensor::Rng;

    #[test]
    fn pixels_and_numbers_agree() {
        let mut rng = Rng::new(1);
        let pixels: Vec<u8> = (0..200 * 3 * 4).map(|_| rng.below(256) as u8).collect();
        let pixels = Tensor::from_vec(pixels, [200, 3, 2, 2]);
        let numbers = pixels.to_dtype(DType::F32) / 255.0;
        let set = |x: &Tensor| TensorDataset::new(x.clone(), Tensor::zeros([200]));
        let indices: Vec<usize> = (0..150).collect();
        let learnt = Standard::learn(&set(&pixels), &indices).unwrap();
        let other = Standard::learn(&set(&numbers), &indices).unwrap();
        let close = |a: &[f64], b: &[f64]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-7);
        assert!(close(&learnt.mean, &other.mean) && learnt.mean.len() == 3);
        assert!(close(&learnt.deviation, &other.deviation));
        let all = |x: &Tensor| {
            let set = Standardised::new(Arc::new(set(x)), learnt.clone());
            let batch = set.batch(&indices).unwrap().input().clone();
            let alone = set.sample(7).unwrap().input().to_vec::<f32>();
            assert_eq!(batch.select(0, 7).to_vec::<f32>(), alone);
            batch
        };
        let (a, b) = (all(&pixels), all(&numbers));
        assert!((&a - &b).abs().max(..).item::<f32>() < 1e-5);
        for channel in 0..3 {
            let own = a.select(1, channel).to_dtype(DType::F64);
            assert!(own.mean(..).item::<f64>().abs() < 1e-6);
            let square = (&own * &own).mean(..).item::<f64>();
            assert!((square - 1.0).abs() < 1e-5);
        }
    }

    #[test]
    fn what_does_not_vary_or_fit() {
        let set = TensorDataset::new(Tensor::ones([5, 2]), Tensor::zeros([5]));
        let learnt = Standard::learn(&set, &[0, 1]).unwrap();
        assert_eq!((learnt.mean.clone(), learnt.deviation.clone()), (vec![1.0; 2], vec![1.0; 2]));
        let error = learnt.apply(&Tensor::zeros([5, 3])).unwrap_err().to_string();
        let wanted = "standardise: samples of shape [5, 3] do not have the 2 channels that were \
                      learnt";
        assert_eq!(error, wanted);
        let error = Standard::new(vec![0.5], vec![0.0]).unwrap_err().to_string();
        let wanted = "mean = [0.5] and deviation = [0.0] do not fit: give one of each for a \
                      channel, the deviations above 0";
        assert_eq!(error, wanted);
    }
}
