//! How numbers are spread.

use gradus_tensor::{DType, Tensor};

/// How many numbers fall into each of some bins of equal width, from the smallest to the largest.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Histogram {
    /// The smallest number.
    pub min: f64,
    /// The largest number.
    pub max: f64,
    /// Their sum.
    pub sum: f64,
    /// The sum of their squares.
    pub sum_of_squares: f64,
    /// How many are in each bin, the lowest first. A number between two bins is in the upper one; of
    /// numbers that are all equal there is one bin, and of none there is none.
    pub counts: Vec<u64>,
    /// How many are not finite, and in no bin.
    pub not_finite: u64,
}

/// How many bins there are, if nothing is said.
const BINS: usize = 40;

impl Histogram {
    /// The histogram of a tensor's numbers in 40 bins.
    ///
    /// ```
    /// use gradus_tensor::Tensor;
    /// use gradus_train::Histogram;
    ///
    /// let histogram = Histogram::of(&Tensor::from([0.0, 1.0, 1.0, 4.0]));
    /// assert_eq!((histogram.min, histogram.max, histogram.sum), (0.0, 4.0, 6.0));
    /// assert_eq!(histogram.counts.iter().sum::<u64>(), 4);
    /// ```
    pub fn of(x: &Tensor) -> Self {
        Self::with_bins(x, BINS)
    }

    /// The histogram of a tensor's numbers in so many bins.
    ///
    /// # Panics
    /// If there is to be no bin.
    #[track_caller]
    pub fn with_bins(x: &Tensor, bins: usize) -> Self {
        assert!(bins > 0, "a histogram of 0 bins: give 1 or more");
        let mut numbers = x.detach().to_dtype(DType::F64).to_vec::<f64>();
        let all = numbers.len();
        numbers.retain(|number| number.is_finite());
        let min = numbers.iter().copied().reduce(f64::min).unwrap_or(0.0);
        let max = numbers.iter().copied().reduce(f64::max).unwrap_or(0.0);
        let bins = if min < max { bins } else { numbers.len().min(1) };
        let mut counts = vec![0; bins];
        for number in &numbers {
            // Divided first, since the width of the largest numbers is infinite.
            let place = (number / 2.0 - min / 2.0) / (max / 2.0 - min / 2.0);
            counts[((place * bins as f64) as usize).min(bins - 1)] += 1;
        }
        let sum = numbers.iter().sum();
        let sum_of_squares = numbers.iter().map(|number| number * number).sum();
        let not_finite = (all - numbers.len()) as u64;
        Self { min, max, sum, sum_of_squares, counts, not_finite }
    }

    /// The upper end of each bin.
    pub fn ends(&self) -> Vec<f64> {
        let bins = self.counts.len();
        let end = |bin: usize| {
            let share = (bin + 1) as f64 / bins as f64;
            if bin + 1 == bins { self.max } else { self.min * (1.0 - share) + self.max * share }
        };
        (0..bins).map(end).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_finite_number_is_counted_once() {
        let numbers = Tensor::from([-1.0, 1.0, f64::NAN, 0.0, f64::INFINITY, 0.999, -0.875]);
        let histogram = Histogram::of(&numbers);
        assert_eq!((histogram.min, histogram.max, histogram.not_finite), (-1.0, 1.0, 2));
        let found: Vec<(usize, u64)> =
            histogram.counts.iter().copied().enumerate().filter(|&(_, count)| count > 0).collect();
        assert_eq!(found, [(0, 1), (2, 1), (20, 1), (39, 2)]);
        let ends = histogram.ends();
        assert!((ends[0] + 0.95).abs() < 1e-12 && ends[39] == 1.0, "{ends:?}");
        let two = Histogram::with_bins(&Tensor::from([0.0, 0.1, 0.49, 0.5, 1.0]), 2);
        assert_eq!(two.counts, [3, 2]);
    }

    #[test]
    fn few_equal_and_huge_numbers_have_histograms_too() {
        assert_eq!(Histogram::of(&Tensor::zeros([0])), Histogram::default());
        let same = Histogram::of(&Tensor::from([3.0f32, 3.0]));
        assert_eq!((same.counts.clone(), same.ends()), (vec![2], vec![3.0]));
        let huge = Histogram::of(&Tensor::from([f64::MIN, f64::MAX]));
        assert_eq!((huge.counts[0], huge.counts[BINS - 1]), (1, 1));
    }
}
