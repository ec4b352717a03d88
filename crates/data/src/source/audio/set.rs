//! Sounds in files, read when they are asked for.

use super::encoder::AudioEncoder;
use super::spectrogram::Spectrogram;
use crate::source::answer::Targets;
use crate::source::cache::Cache;
use crate::{Batch, Dataset, Sample};
use gradus_tensor::{Device, Result, Tensor};
use std::path::PathBuf;

/// Sounds in files, of which as many as may be are kept in memory.
pub(in crate::source) struct Sounds {
    paths: Vec<PathBuf>,
    targets: Targets,
    encoder: AudioEncoder,
    spectrogram: Option<Spectrogram>,
    cache: Cache<f32>,
}

impl Sounds {
    /// As many files as targets, of which `cache_bytes` may be kept in memory.
    pub(in crate::source) fn new(
        paths: Vec<PathBuf>,
        targets: Targets,
        encoder: AudioEncoder,
        cache_bytes: u64,
    ) -> Result<Self> {
        let cache = Cache::new(paths.len(), cache_bytes);
        let spectrogram = encoder.spectrogram()?;
        Ok(Self { paths, targets, encoder, spectrogram, cache })
    }
}

impl Dataset for Sounds {
    fn len(&self) -> usize {
        self.paths.len()
    }

    fn sample(&self, index: usize) -> Result<Sample> {
        Ok(self.batch(&[index])?.single())
    }

    fn batch(&self, indices: &[usize]) -> Result<Batch> {
        let shape = self.encoder.shape();
        let mut all = Vec::with_capacity(indices.len() * shape.count());
        for &index in indices {
            self.cache.append(index, &mut all, || {
                let path = &self.paths[index];
                self.encoder.read_with(path, self.spectrogram.as_ref())?.try_to_vec()
            })?;
        }
        let lens = [&[indices.len()], &shape[..]].concat();
        let input = Tensor::try_from_slice(&all, lens[..].into(), Device::cpu())?;
        Ok(Batch::new(input, self.targets.gather(indices)?))
    }
}
