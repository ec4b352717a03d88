//! Changes that are drawn anew in each epoch.

use crate::{Dataset, Sample};
use gradus_tensor::ops::PadMode;
use gradus_tensor::{Result, Rng};
use std::sync::Arc;

/// What is done to each sample, with random numbers.
type Change = dyn Fn(Sample, &mut Rng) -> Result<Sample> + Send + Sync;

/// A data set whose samples are changed at random, differently in each epoch.
///
/// What a sample becomes depends on the seed, the epoch and its number alone: not on the order in
/// which samples are asked for, nor on the threads that do.
///
/// ```
/// use gradus_data::{Augment, Dataset, Sample, TensorDataset};
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
    change: Arc<Change>,
    seed: u64,
    epoch: u64,
}

impl Augment {
    /// The samples that `change` makes of those of a data set. Before [`Dataset::in_epoch`] says
    /// otherwise, they are those of epoch 0.
    pub fn new(
        dataset: impl Dataset + 'static,
        seed: u64,
        change: impl Fn(Sample, &mut Rng) -> Result<Sample> + Send + Sync + 'static,
    ) -> Self {
        Self { dataset: Arc::new(dataset), change: Arc::new(change), seed, epoch: 0 }
    }
}

impl Dataset for Augment {
    fn len(&self) -> usize {
        self.dataset.len()
    }

    fn sample(&self, index: usize) -> Result<Sample> {
        let (key, _) = stream(self.seed, self.epoch).state();
        (self.change)(self.dataset.sample(index)?, &mut stream(key, index as u64))
    }

    fn in_epoch(&self, epoch: u64) -> Option<Arc<dyn Dataset>> {
        let dataset = self.dataset.in_epoch(epoch).unwrap_or_else(|| self.dataset.clone());
        Some(Arc::new(Self { dataset, change: self.change.clone(), seed: self.seed, epoch }))
    }
}

/// A change for [`Augment`]: moves an image by up to `most` pixels up or down and left or right, all
/// ways equally likely. What comes in over the edge is `fill`.
///
/// # Shapes
/// `[.., H, W] -> [.., H, W]`. The change panics on samples with fewer axes.
pub fn random_shift(
    most: usize,
    fill: f64,
) -> impl Fn(Sample, &mut Rng) -> Result<Sample> + Send + Sync + 'static {
    move |sample, rng| {
        let x = sample.input();
        let framed = x.pad(&[(most, most); 2], PadMode::Constant(fill));
        let moved = (x.rank() - 2..x.rank()).fold(framed, |moved, axis| {
            let start = rng.below(2 * most as u64 + 1) as usize;
            moved.narrow(axis as isize, start, x.shape()[axis])
        });
        Ok(Sample::new(moved, sample.target().clone()))
    }
}

/// The random stream with a number, of those that belong to a seed.
pub(crate) fn stream(seed: u64, number: u64) -> Rng {
    Rng::from_state((seed, number)).split()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Concat, Map, Subset, TensorDataset};
    use gradus_tensor::{DType, Tensor};

    #[test]
    fn images_move_all_ways() {
        let dot = (0..7 * 8).map(|place| if place == 3 * 8 + 4 { 1.0f32 } else { 0.0 });
        let dot = Tensor::from_vec(dot.collect(), [1, 7, 8]);
        let set = TensorDataset::new(dot.unsqueeze(0), Tensor::zeros([1]));
        let moved = Augment::new(set, 1, random_shift(2, 0.5));
        let mut places: Vec<i64> = vec![];
        for epoch in 0..400 {
            let x = moved.in_epoch(epoch).unwrap().sample(0).unwrap().input().clone();
            assert_eq!(x.shape(), [1, 7, 8]);
            let place = x.argmax(..).item::<i64>();
            let (down, right) = (place / 8 - 3, place % 8 - 4);
            let came_in = 7 * 8 - (7 - down.abs()) * (8 - right.abs());
            assert_eq!(x.eq_scalar(0.5).to_dtype(DType::I64).sum(..).item::<i64>(), came_in);
            places.push(place);
        }
        places.sort();
        places.dedup();
        assert_eq!(places.len(), 25);
    }

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
