//! Cross-validation: each sample is once in the part that is held out.

use crate::{Dataset, Subset};
use gradus_tensor::{DType, OpError, Result, Rng};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A data set in two parts.
#[derive(Clone)]
pub struct Fold {
    /// The samples to learn from.
    pub train: Subset,
    /// Those that are held out.
    pub valid: Subset,
}

/// A data set in k random parts of the same size or nearly so: each fold holds out one of them. They
/// depend on the seed alone. scikit-learn: `KFold(shuffle=True)`.
///
/// ```
/// use gradus_data::{Dataset, TensorDataset, k_fold};
/// use gradus_tensor::Tensor;
///
/// let set = TensorDataset::new(Tensor::zeros([10, 3]), Tensor::zeros([10]));
/// let folds = k_fold(set, 5, 1);
/// assert_eq!((folds.len(), folds[0].train.len(), folds[0].valid.len()), (5, 8, 2));
/// ```
///
/// # Panics
/// If k is below 2 or above the number of samples.
#[track_caller]
pub fn k_fold(dataset: impl Dataset + 'static, k: usize, seed: u64) -> Vec<Fold> {
    let count = dataset.len();
    check(k, count);
    let order = Rng::new(seed).permutation(count);
    let mut parts = vec![0; count];
    for (place, &index) in order.iter().enumerate() {
        parts[index] = place * k / count;
    }
    folds(dataset, k, &order, &parts)
}

/// As [`k_fold`], with each class spread evenly over the parts. The classes are the targets, whole
/// numbers. scikit-learn: `StratifiedKFold(shuffle=True)`.
///
/// # Errors
/// If a sample cannot be read, or its target is not one number.
///
/// # Panics
/// If k is below 2 or above the number of samples.
#[track_caller]
pub fn stratified_k_fold(
    dataset: impl Dataset + 'static,
    k: usize,
    seed: u64,
) -> Result<Vec<Fold>> {
    check(k, dataset.len());
    let order = Rng::new(seed).permutation(dataset.len());
    let mut classes: BTreeMap<i64, Vec<usize>> = BTreeMap::new();
    for &index in &order {
        classes.entry(class(&dataset, index)?).or_default().push(index);
    }
    // Dealt out like cards, class after class: where one ends, the next goes on, lest the first
    // parts get all that is left over.
    let mut parts = vec![0; dataset.len()];
    for (place, &index) in classes.values().flatten().enumerate() {
        parts[index] = place % k;
    }
    Ok(folds(dataset, k, &order, &parts))
}

fn class(dataset: &dyn Dataset, index: usize) -> Result<i64> {
    let sample = dataset.sample(index)?;
    let target = sample.target();
    if target.count() != 1 {
        let message = format_args!(
            "the target of sample {index} has the shape {}: classes are single numbers",
            target.shape()
        );
        return Err(OpError::of("stratified_k_fold", message).into());
    }
    Ok(target.to_dtype(DType::I64).item())
}

/// The folds of a data set whose samples have the numbers of their parts.
fn folds(dataset: impl Dataset + 'static, k: usize, order: &[usize], parts: &[usize]) -> Vec<Fold> {
    let dataset: Arc<dyn Dataset> = Arc::new(dataset);
    let subset = |keep: &dyn Fn(usize) -> bool| {
        let indices: Vec<usize> =
            order.iter().copied().filter(|&index| keep(parts[index])).collect();
        Subset::new(dataset.clone(), indices)
    };
    (0..k)
        .map(|held| Fold {
            train: subset(&|part| part != held),
            valid: subset(&|part| part == held),
        })
        .collect()
}

#[track_caller]
fn check(k: usize, count: usize) {
    assert!(
        (2..=count).contains(&k),
        "{count} samples cannot be split into {k} folds: give 2 or more, each with a sample"
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TensorDataset;
    use gradus_tensor::Tensor;

    fn numbered(count: i64, classes: Vec<i64>) -> TensorDataset {
        TensorDataset::new(Tensor::arange(0, count, 1), Tensor::from(classes))
    }

    /// That each sample is held out once, and learnt from in all other folds.
    fn check_folds(folds: &[Fold], count: usize) {
        let mut held: Vec<usize> =
            folds.iter().flat_map(|fold| fold.valid.indices().to_vec()).collect();
        held.sort_unstable();
        assert!(held.into_iter().eq(0..count));
        for fold in folds {
            let mut all = [fold.train.indices(), fold.valid.indices()].concat();
            all.sort_unstable();
            assert!(all.into_iter().eq(0..count));
        }
    }

    #[test]
    fn each_sample_is_held_out_once() {
        let folds = |seed| k_fold(numbered(11, vec![0; 11]), 3, seed);
        check_folds(&folds(4), 11);
        let sizes: Vec<usize> = folds(4).iter().map(|fold| fold.valid.len()).collect();
        assert_eq!(sizes, [4, 4, 3]);
        let first = |seed| folds(seed)[0].valid.indices().to_vec();
        assert_eq!(first(4), first(4));
        assert_ne!(first(4), first(5));
    }

    #[test]
    fn classes_are_spread_evenly() {
        let classes: Vec<i64> = (0..50).map(|i| if i < 33 { 0 } else { 1 + i % 2 }).collect();
        let folds = stratified_k_fold(numbered(50, classes.clone()), 5, 1).unwrap();
        check_folds(&folds, 50);
        for fold in &folds {
            assert_eq!(fold.valid.len(), 10);
            for class in 0..3 {
                let total = classes.iter().filter(|&&own| own == class).count();
                let held = fold.valid.indices().iter().filter(|&&i| classes[i] == class).count();
                assert!(held == total / 5 || held == total.div_ceil(5), "{held} of {total}");
            }
        }
    }

    #[test]
    fn a_class_is_one_number() {
        let set = TensorDataset::new(Tensor::zeros([4, 2]), Tensor::zeros([4, 3]));
        let error = stratified_k_fold(set, 2, 0).err().unwrap().to_string();
        assert!(error.contains("shape [3]"), "{error}");
    }

    #[test]
    #[should_panic(expected = "3 samples cannot be split into 4 folds")]
    fn each_fold_has_a_sample() {
        k_fold(numbered(3, vec![0; 3]), 4, 0);
    }
}
