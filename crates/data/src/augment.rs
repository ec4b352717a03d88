//! Changes that are drawn anew in each epoch.

use crate::{Dataset, Sample};
use gradus_tensor::{DType, OpError, Result, Rng, Tensor};
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

/// The settings of [`random_affine`]: how far the changes go at most.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AffineOptions {
    /// The turn, in degrees to either side.
    pub degrees: f64,
    /// The change of size: 0.1 makes the image up to 1.1 times as large or as small.
    pub scale: f64,
    /// The shift along each axis, in pixels to either side.
    pub shift_pixels: f64,
    /// What comes in over the edge.
    pub fill: f64,
}

/// A change for [`Augment`]: turns, scales and shifts an image about its centre, all amounts up to
/// the most being equally likely. Pixels of the new image lie between those of the old one and are
/// interpolated linearly.
///
/// # Shapes
/// `[.., H, W] -> [.., H, W]`.
///
/// # Errors
/// The change fails on samples with fewer than two axes.
pub fn random_affine(
    options: AffineOptions,
) -> impl Fn(Sample, &mut Rng) -> Result<Sample> + Send + Sync + 'static {
    move |sample, rng| {
        let mut within = |most: f64| (2.0 * rng.uniform() - 1.0) * most;
        let affine = Affine {
            radians: within(options.degrees).to_radians(),
            scale: within(options.scale.ln_1p()).exp(),
            shift: [within(options.shift_pixels), within(options.shift_pixels)],
        };
        let moved = affine.apply(sample.input(), options.fill as f32)?;
        Ok(Sample::new(moved, sample.target().clone()))
    }
}

/// A turn clockwise, then a change of size, then a shift down and right.
#[derive(Clone, Copy, Debug)]
struct Affine {
    radians: f64,
    scale: f64,
    shift: [f64; 2],
}

impl Affine {
    fn apply(self, x: &Tensor, fill: f32) -> Result<Tensor> {
        let shape = *x.shape();
        let &[.., height, width] = &shape[..] else {
            let message = format_args!("an image has two axes at least, not shape {shape}");
            return Err(OpError::of("random_affine", message).into());
        };
        let centre = [height, width].map(|len| (len as f64 - 1.0) / 2.0);
        let (sin, cos) = self.radians.sin_cos();
        let pixels = x.to_dtype(DType::F32).try_to_vec::<f32>()?;
        let mut moved = Vec::with_capacity(pixels.len());
        for plane in pixels.chunks(height * width) {
            for place in 0..height * width {
                // Where this pixel comes from: everything backwards.
                let down = (place / width) as f64 - centre[0] - self.shift[0];
                let right = (place % width) as f64 - centre[1] - self.shift[1];
                let row = (cos * down - sin * right) / self.scale + centre[0];
                let column = (sin * down + cos * right) / self.scale + centre[1];
                let pixel = |row: f64, column: f64| {
                    let inside = (0.0..height as f64).contains(&row)
                        && (0.0..width as f64).contains(&column);
                    if inside { plane[row as usize * width + column as usize] } else { fill }
                };
                moved.push(between(pixel, row, column));
            }
        }
        Ok(Tensor::from_vec(moved, shape).to_dtype(x.dtype()))
    }
}

/// The number at a place between the pixels of an image, by linear interpolation.
fn between(pixel: impl Fn(f64, f64) -> f32, row: f64, column: f64) -> f32 {
    let (top, left) = (row.floor(), column.floor());
    let (down, right) = ((row - top) as f32, (column - left) as f32);
    let line = |row| pixel(row, left) * (1.0 - right) + pixel(row, left + 1.0) * right;
    line(top) * (1.0 - down) + line(top + 1.0) * down
}

/// The random stream with a number, of those that belong to a seed.
pub(crate) fn stream(seed: u64, number: u64) -> Rng {
    Rng::from_state((seed, number)).split()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Concat, Map, Subset, TensorDataset};

    #[test]
    fn images_are_turned_scaled_and_shifted() {
        let still = Affine { radians: 0.0, scale: 1.0, shift: [0.0, 0.0] };
        let image = Tensor::arange(0.0f32, 18.0, 1.0).reshape([2, 3, 3]);
        let check = |affine: Affine, wanted: [f32; 9]| {
            let moved = affine.apply(&image, -1.0).unwrap();
            assert_eq!(moved.shape(), [2, 3, 3]);
            for (pixel, wanted) in moved.to_vec::<f32>().iter().zip(wanted) {
                assert!((pixel - wanted).abs() < 1e-5, "{affine:?}: {moved}");
            }
        };
        check(still, [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]);
        let down = Affine { shift: [1.0, 0.0], ..still };
        check(down, [-1.0, -1.0, -1.0, 0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
        let half_right = Affine { shift: [0.0, 0.5], ..still };
        check(half_right, [-0.5, 0.5, 1.5, 1.0, 3.5, 4.5, 2.5, 6.5, 7.5]);
        let quarter_turn = Affine { radians: std::f64::consts::FRAC_PI_2, ..still };
        check(quarter_turn, [6.0, 3.0, 0.0, 7.0, 4.0, 1.0, 8.0, 5.0, 2.0]);
        let twice = Affine { scale: 2.0, ..still };
        check(twice, [2.0, 2.5, 3.0, 3.5, 4.0, 4.5, 5.0, 5.5, 6.0]);
        assert!(still.apply(&Tensor::zeros([3]), 0.0).is_err());
    }

    #[test]
    fn images_move_all_ways_within_their_bounds() {
        let dot = (0..81).map(|place| if place == 40 { 1.0f32 } else { 0.0 });
        let set =
            TensorDataset::new(Tensor::from_vec(dot.collect(), [1, 1, 9, 9]), Tensor::zeros([1]));
        let options = AffineOptions { degrees: 30.0, scale: 0.2, shift_pixels: 2.0, fill: 0.0 };
        let moved = Augment::new(set, 1, random_affine(options));
        // The dot is the centre, which only shifts move.
        let centre = |epoch| {
            let x = moved.in_epoch(epoch).unwrap().sample(0).unwrap().input().squeeze(0);
            let place = Tensor::arange(-4.0f32, 5.0, 1.0);
            let mean = |axis| ((x.sum(axis) * &place).sum(..) / x.sum(..)).item::<f32>();
            (mean(1), mean(0))
        };
        let centres: Vec<(f32, f32)> = (0..400).map(centre).collect();
        for side in [|c: &(f32, f32)| c.0, |c: &(f32, f32)| c.1] {
            let highest = centres.iter().map(side).fold(0.0, f32::max);
            let lowest = centres.iter().map(side).fold(0.0, f32::min);
            assert!((1.8..2.3).contains(&highest), "{highest}");
            assert!((-2.3..-1.8).contains(&lowest), "{lowest}");
        }
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
