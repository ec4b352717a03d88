//! Weights of classes and samples, and sampling by them.

use crate::augment::stream;

/// The weight of each class that makes all count alike: N / (classes · N of the class); 0 for a class
/// that does not occur. scikit-learn: `compute_class_weight("balanced")`.
///
/// ```
/// use gradus_data::class_weights;
///
/// assert_eq!(class_weights(&[0, 0, 0, 1], 2), [4.0 / 6.0, 2.0]);
/// ```
///
/// # Panics
/// If a class is not below the number of classes.
#[track_caller]
pub fn class_weights(classes: &[u32], count: usize) -> Vec<f64> {
    let mut counts = vec![0u64; count];
    for &class in classes {
        assert!((class as usize) < count, "class {class} is none of {count}, counted from 0");
        counts[class as usize] += 1;
    }
    let present = counts.iter().filter(|&&own| own > 0).count() as f64;
    let weight = |own: u64| match own {
        0 => 0.0,
        own => classes.len() as f64 / (present * own as f64),
    };
    counts.into_iter().map(weight).collect()
}

/// The numbers of `count` samples, drawn with replacement: each time, a sample is as likely as its
/// weight says. They depend on the weights, the seed and the epoch alone.
pub(crate) fn draw(weights: &[f64], count: usize, seed: u64, epoch: u64) -> Vec<usize> {
    let mut rng = stream(seed, epoch);
    let sum = |total: &mut f64, weight: &f64| {
        *total += weight;
        Some(*total)
    };
    let ends: Vec<f64> = weights.iter().scan(0.0, sum).collect();
    let total = ends.last().copied().unwrap_or(0.0);
    // Rounding may bring a number up to the total itself, where no sample of no weight may stand.
    let last = weights.iter().rposition(|&weight| weight > 0.0).unwrap_or(0);
    let place = |x: f64| ends.partition_point(|&end| end <= x).min(last);
    (0..count).map(|_| place(rng.uniform() * total)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_count_alike() {
        let classes = [2, 2, 2, 0, 0, 2];
        let weights = class_weights(&classes, 4);
        assert_eq!(weights, [1.5, 0.0, 0.75, 0.0]);
        assert!(class_weights(&[], 0).is_empty());
    }

    #[test]
    #[should_panic(expected = "class 3 is none of 2, counted from 0")]
    fn classes_are_below_their_number() {
        class_weights(&[3], 2);
    }

    #[test]
    fn draws_are_as_likely_as_the_weights_say() {
        let weights = [1.0, 0.0, 2.0, 5.0, 0.0];
        let drawn = draw(&weights, 80_000, 3, 0);
        let count = |index| drawn.iter().filter(|&&own| own == index).count() as f64 / 10_000.0;
        for (index, weight) in weights.into_iter().enumerate() {
            assert!((count(index) - weight).abs() < 0.1, "{}", count(index));
        }
        assert_eq!(drawn, draw(&weights, 80_000, 3, 0));
        assert_ne!(drawn, draw(&weights, 80_000, 3, 1));
        assert_ne!(drawn, draw(&weights, 80_000, 4, 0));
    }
}
