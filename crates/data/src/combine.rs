//! Data sets made from others.

use crate::{Batch, Dataset, Sample};
use gradus_tensor::{Result, Rng};
use std::sync::Arc;

/// Some samples of a data set, in an order of their own. PyTorch: `torch.utils.data.Subset`.
#[derive(Clone)]
pub struct Subset {
    dataset: Arc<dyn Dataset>,
    indices: Arc<[usize]>,
}

impl Subset {
    /// The samples with these numbers.
    ///
    /// # Panics
    /// If a sample does not exist.
    #[track_caller]
    pub fn new(dataset: impl Dataset + 'static, indices: impl Into<Arc<[usize]>>) -> Self {
        let (indices, len) = (indices.into(), dataset.len());
        if let Some(index) = indices.iter().find(|&&index| index >= len) {
            panic!("a subset of {len} samples, counted from 0, cannot have sample {index}");
        }
        Self { dataset: Arc::new(dataset), indices }
    }

    /// The numbers of the samples in the whole data set.
    pub fn indices(&self) -> &[usize] {
        &self.indices
    }
}

impl Dataset for Subset {
    fn len(&self) -> usize {
        self.indices.len()
    }

    fn sample(&self, index: usize) -> Result<Sample> {
        self.dataset.sample(self.indices[index])
    }

    fn batch(&self, indices: &[usize]) -> Result<Batch> {
        let indices: Vec<usize> = indices.iter().map(|&index| self.indices[index]).collect();
        self.dataset.batch(&indices)
    }

    fn in_epoch(&self, epoch: u64) -> Option<Arc<dyn Dataset>> {
        let dataset = self.dataset.in_epoch(epoch)?;
        Some(Arc::new(Self { dataset, indices: self.indices.clone() }))
    }
}

/// Parts of a data set in random order, which depends on the seed alone. PyTorch:
/// `torch.utils.data.random_split`.
///
/// ```
/// use gradus_data::{Dataset, TensorDataset, random_split};
/// use gradus_tensor::Tensor;
///
/// let set = TensorDataset::new(Tensor::zeros([10, 3]), Tensor::zeros([10]));
/// let parts = random_split(set, &[8, 2], 1);
/// assert_eq!((parts[0].len(), parts[1].len()), (8, 2));
/// ```
///
/// # Panics
/// If the lengths do not add up to that of the data set.
#[track_caller]
pub fn random_split(dataset: impl Dataset + 'static, lens: &[usize], seed: u64) -> Vec<Subset> {
    let total = lens.iter().fold(0usize, |sum, &len| sum.saturating_add(len));
    let count = dataset.len();
    assert!(
        total == count,
        "{count} samples cannot be split into parts of {lens:?}: that is {total}"
    );
    let dataset: Arc<dyn Dataset> = Arc::new(dataset);
    let order = Rng::new(seed).permutation(count);
    let mut rest = &order[..];
    let mut part = |&len: &usize| {
        let (indices, after) = rest.split_at(len);
        rest = after;
        Subset { dataset: dataset.clone(), indices: indices.into() }
    };
    lens.iter().map(&mut part).collect()
}

/// Data sets one after another. PyTorch: `torch.utils.data.ConcatDataset`.
#[derive(Clone)]
pub struct Concat {
    parts: Vec<Arc<dyn Dataset>>,
    /// Where each part ends.
    ends: Vec<usize>,
}

impl Concat {
    /// The samples of these data sets, one set after another.
    pub fn new(parts: Vec<Arc<dyn Dataset>>) -> Self {
        let sum = |end: &mut usize, part: &Arc<dyn Dataset>| {
            *end += part.len();
            Some(*end)
        };
        let ends = parts.iter().scan(0, sum).collect();
        Self { parts, ends }
    }
}

impl Dataset for Concat {
    fn len(&self) -> usize {
        self.ends.last().copied().unwrap_or(0)
    }

    fn sample(&self, index: usize) -> Result<Sample> {
        let part = self.ends.partition_point(|&end| end <= index);
        let start = part.checked_sub(1).map_or(0, |before| self.ends[before]);
        self.parts[part].sample(index - start)
    }

    fn in_epoch(&self, epoch: u64) -> Option<Arc<dyn Dataset>> {
        let changed: Vec<_> = self.parts.iter().map(|part| part.in_epoch(epoch)).collect();
        if changed.iter().all(Option::is_none) {
            return None;
        }
        let parts = changed.into_iter().zip(&self.parts);
        let parts = parts.map(|(changed, part)| changed.unwrap_or_else(|| part.clone())).collect();
        Some(Arc::new(Self { parts, ends: self.ends.clone() }))
    }
}

/// What is done to each sample.
type Change = dyn Fn(Sample) -> Result<Sample> + Send + Sync;

/// A data set whose samples a function has changed, each time one is asked for.
#[derive(Clone)]
pub struct Map {
    dataset: Arc<dyn Dataset>,
    change: Arc<Change>,
}

impl Map {
    /// The samples that `change` makes of those of a data set.
    pub fn new(
        dataset: impl Dataset + 'static,
        change: impl Fn(Sample) -> Result<Sample> + Send + Sync + 'static,
    ) -> Self {
        Self { dataset: Arc::new(dataset), change: Arc::new(change) }
    }
}

impl Dataset for Map {
    fn len(&self) -> usize {
        self.dataset.len()
    }

    fn sample(&self, index: usize) -> Result<Sample> {
        (self.change)(self.dataset.sample(index)?)
    }

    fn in_epoch(&self, epoch: u64) -> Option<Arc<dyn Dataset>> {
        let dataset = self.dataset.in_epoch(epoch)?;
        Some(Arc::new(Self { dataset, change: self.change.clone() }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TensorDataset;
    use gradus_tensor::Tensor;

    fn counting(start: i64, count: i64) -> TensorDataset {
        let numbers = Tensor::arange(start, start + count, 1);
        TensorDataset::new(numbers.clone(), numbers)
    }

    fn numbers(set: &dyn Dataset) -> Vec<i64> {
        let all: Vec<usize> = (0..set.len()).collect();
        let singly: Vec<i64> = all.iter().map(|&i| set.sample(i).unwrap().input().item()).collect();
        assert_eq!(set.batch(&all).unwrap().input().to_vec::<i64>(), singly);
        singly
    }

    #[test]
    fn a_split_gives_each_sample_once_and_always_the_same() {
        let split = |seed| random_split(counting(0, 100), &[70, 0, 30], seed);
        let parts = split(5);
        assert_eq!(parts.iter().map(Dataset::len).collect::<Vec<_>>(), [70, 0, 30]);
        let order: Vec<usize> = parts.iter().flat_map(|part| part.indices().to_vec()).collect();
        let mut sorted = order.clone();
        sorted.sort_unstable();
        assert_ne!(order, sorted);
        assert!(sorted.into_iter().eq(0..100));
        let indices = |parts: &[Subset]| parts[2].indices().to_vec();
        assert_eq!(indices(&parts), indices(&split(5)));
        assert_ne!(indices(&parts), indices(&split(6)));
        let wanted: Vec<i64> = parts[2].indices().iter().map(|&i| i as i64).collect();
        assert_eq!(numbers(&parts[2]), wanted);
    }

    #[test]
    #[should_panic(expected = "10 samples cannot be split into parts of [8, 3]: that is 11")]
    fn a_split_takes_every_sample() {
        random_split(counting(0, 10), &[8, 3], 0);
    }

    #[test]
    #[should_panic(expected = "a subset of 3 samples, counted from 0, cannot have sample 3")]
    fn a_subset_has_samples_that_exist() {
        Subset::new(counting(0, 3), [0, 3]);
    }

    #[test]
    fn sets_one_after_another() {
        let parts: Vec<Arc<dyn Dataset>> =
            vec![Arc::new(counting(0, 2)), Arc::new(counting(7, 0)), Arc::new(counting(10, 3))];
        assert_eq!(numbers(&Concat::new(parts)), [0, 1, 10, 11, 12]);
        assert!(Concat::new(vec![]).is_empty());
    }

    #[test]
    fn a_function_changes_each_sample() {
        let double = |sample: Sample| Ok(Sample::new(sample.input() * 2, sample.target().clone()));
        assert_eq!(numbers(&Map::new(counting(1, 3), double)), [2, 4, 6]);
    }
}
