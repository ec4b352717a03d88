//! Sets of pictures, in memory or in files.

use super::files::read_one;
use super::fit::Form;
use crate::source::answer::Targets;
use crate::source::cache::Cache;
use crate::{Batch, Dataset, Sample};
use gradus_tensor::{Device, Result, Tensor};
use std::path::PathBuf;
use std::sync::Arc;

/// Pictures of one form in memory, a byte a number: `u8` `[B, C, H, W]`, to be standardised when a
/// batch is made.
#[derive(Clone)]
pub struct Pixels {
    bytes: Arc<[u8]>,
    shape: [usize; 3],
    targets: Arc<Targets>,
}

impl Pixels {
    /// As many pictures as targets, each of `[C, H, W]` numbers.
    ///
    /// # Panics
    /// If there are not as many.
    #[track_caller]
    pub fn new(bytes: impl Into<Arc<[u8]>>, shape: [usize; 3], targets: Targets) -> Self {
        let bytes = bytes.into();
        let (count, size) = (targets.len(), shape.iter().product::<usize>());
        assert!(
            bytes.len() == count * size,
            "{} numbers are not those of {count} pictures of {shape:?}",
            bytes.len()
        );
        Self { bytes, shape, targets: targets.into() }
    }

    /// What the pictures show.
    pub fn targets(&self) -> &Targets {
        &self.targets
    }

    /// The channels, rows and columns of a picture.
    pub fn shape(&self) -> [usize; 3] {
        self.shape
    }
}

impl Dataset for Pixels {
    fn len(&self) -> usize {
        self.targets.len()
    }

    fn sample(&self, index: usize) -> Result<Sample> {
        Ok(self.batch(&[index])?.single())
    }

    fn batch(&self, indices: &[usize]) -> Result<Batch> {
        let size: usize = self.shape.iter().product();
        let mut pixels = Vec::with_capacity(indices.len() * size);
        for &index in indices {
            pixels.extend_from_slice(&self.bytes[index * size..(index + 1) * size]);
        }
        stack(&pixels, indices, self.shape, &self.targets)
    }
}

/// Pixels end to end, as a batch.
fn stack(
    pixels: &[u8],
    indices: &[usize],
    [channels, height, width]: [usize; 3],
    targets: &Targets,
) -> Result<Batch> {
    let shape = [indices.len(), channels, height, width].into();
    let input = Tensor::try_from_slice(pixels, shape, Device::cpu())?;
    Ok(Batch::new(input, targets.gather(indices)?))
}

/// Pictures in files, decoded and brought into one form when they are asked for, of which as many as
/// may be are kept in memory.
pub struct Pictures {
    paths: Vec<PathBuf>,
    targets: Targets,
    form: Form,
    cache: Cache<u8>,
}

impl Pictures {
    /// As many files as targets, of which `cache_bytes` may be kept in memory.
    pub(in crate::source) fn new(
        paths: Vec<PathBuf>,
        targets: Targets,
        form: Form,
        cache_bytes: u64,
    ) -> Self {
        let cache = Cache::new(paths.len(), cache_bytes);
        Self { paths, targets, form, cache }
    }
}

impl Dataset for Pictures {
    fn len(&self) -> usize {
        self.paths.len()
    }

    fn sample(&self, index: usize) -> Result<Sample> {
        Ok(self.batch(&[index])?.single())
    }

    fn batch(&self, indices: &[usize]) -> Result<Batch> {
        let Form { channels, height, width, .. } = self.form;
        let mut pixels = Vec::with_capacity(indices.len() * self.form.count());
        for &index in indices {
            self.cache.append(index, &mut pixels, || read_one(&self.paths[index], &self.form))?;
        }
        stack(&pixels, indices, [channels, height, width], &self.targets)
    }
}

#[cfg(test)]
mod tests {
    use super::super::fit::Fit;
    use super::*;
    use crate::image::{Colour, Image, write_png};

    #[test]
    fn pictures_in_memory_are_gathered() {
        let bytes: Vec<u8> = (0..24).collect();
        let set = Pixels::new(bytes, [2, 2, 2], Targets::Classes(vec![7, 8, 9]));
        let batch = set.batch(&[2, 0]).unwrap();
        assert_eq!(batch.input().shape(), [2, 2, 2, 2]);
        let wanted: Vec<u8> = (16..24).chain(0..8).collect();
        assert_eq!(batch.input().to_vec::<u8>(), wanted);
        assert_eq!(batch.target().to_vec::<i64>(), [9, 7]);
        assert_eq!(set.sample(1).unwrap().input().shape(), [2, 2, 2]);
    }

    #[test]
    fn pictures_in_files_are_kept_as_memory_allows() {
        let folder = tempfile::tempdir().unwrap();
        let path = |number: u8| folder.path().join(format!("{number}.png"));
        for number in 0..4 {
            let image = Image::new(2, 1, Colour::Grey, vec![number, 100]).unwrap();
            write_png(path(number), &image).unwrap();
        }
        let form = Form { channels: 1, height: 1, width: 2, fit: Fit::Crop };
        let paths = (0..4).map(path).collect();
        let set = Pictures::new(paths, Targets::Classes(vec![0; 4]), form, 5);
        let wanted = [3, 100, 1, 100, 3, 100];
        assert_eq!(set.batch(&[3, 1, 3]).unwrap().input().to_vec::<u8>(), wanted);
        assert!(set.batch(&[0]).is_ok());
        (0..4).for_each(|number| std::fs::remove_file(path(number)).unwrap());
        // Two of two bytes each fit into five.
        assert!(set.batch(&[3, 1]).is_ok());
        let error = set.batch(&[3, 0]).err().unwrap().to_string();
        let name = path(0).display().to_string();
        assert!(error.starts_with(&name) && error.ends_with("check the path"), "{error}");
    }
}
