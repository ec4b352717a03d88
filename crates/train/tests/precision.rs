//! Trainings whose products are rounded.

mod common;

use common::*;
use gradus_data::{DataLoader, LoaderOptions, Subset};
use gradus_nn::Module;
use gradus_tensor::{Error, Isa, Precision};
use gradus_train::recipe::{Draft, Recipe};
use tempfile::TempDir;

/// The recipe of the digits, with a precision.
fn digits(precision: Precision) -> Recipe {
    let text = include_str!("../../../recipes/digits.toml");
    let mut draft = Draft::parse("digits.toml", text).unwrap();
    draft.set(&format!("run.precision={precision}")).unwrap();
    draft.check().unwrap()
}

/// The loss over the last of some steps with the digits, and the first weight after them.
fn trained(precision: Precision) -> (f64, Vec<f32>) {
    let recipe = digits(precision);
    assert_eq!(recipe.run().precision, precision);
    let data = recipe.data().unwrap();
    let job = recipe.job(&data, recipe.model(&data).unwrap()).unwrap();
    let part = |range: std::ops::Range<usize>| {
        let set = Subset::new(data.train.clone(), range.collect::<Vec<_>>());
        DataLoader::new(set, LoaderOptions { batch_size: 64, ..Default::default() })
    };
    let mut trainer = job.trainer.epochs(1);
    trainer.fit(&part(0..2560), None).unwrap();
    let figures = trainer.evaluate(&part(2560..3584)).unwrap();
    let loss = figures.iter().find(|(name, _)| name == "loss").unwrap().1;
    let weight = trainer.model().named_params().remove(2).1.tensor();
    (loss, weight.to_vec())
}

#[test]
fn digits_are_learnt_as_well_with_rounded_products() {
    let (exact, exact_weight) = trained(Precision::Highest);
    let (rounded, rounded_weight) = trained(Precision::Medium);
    let rounds = Isa::from_environment().is_ok_and(Isa::multiplies_pairs);
    assert_eq!(exact_weight != rounded_weight, rounds);
    assert!(exact < 0.5, "nothing was learnt: {exact}");
    assert!((rounded - exact).abs() < 0.05 * exact, "{rounded} with rounding, {exact} without");
    assert_eq!(trained(Precision::High).1, exact_weight);
    assert_eq!(trained(Precision::Medium).1, rounded_weight);
}

#[test]
fn a_checkpoint_is_of_one_precision() {
    let folder = TempDir::new().unwrap();
    let mut first = trainer(folder.path(), 1).precision(Precision::Medium).epochs(1);
    first.fit(&train(), &valid()).unwrap();
    let Err(Error::Mismatch(message)) = trainer(folder.path(), 1).resume() else {
        panic!("the precision changed in silence");
    };
    assert!(message.contains("precision medium, not highest"), "{message}");
    let mut again = trainer(folder.path(), 1).precision(Precision::Medium);
    assert_eq!(again.resume().unwrap().unwrap().epochs, 1);
    again.fit(&train(), &valid()).unwrap();
    let whole = TempDir::new().unwrap();
    let mut whole_training = trainer(whole.path(), 1).precision(Precision::Medium);
    whole_training.fit(&train(), &valid()).unwrap();
    assert_same(folder.path(), whole.path(), "resumed");
}
