//! Cross-validation.

use gradus_data::Fold;
use gradus_tensor::Result;

/// The figures of each fold.
#[derive(Clone, Debug, PartialEq)]
pub struct CrossValidation {
    /// Figures by name, fold by fold.
    pub folds: Vec<Vec<(String, f64)>>,
}

impl CrossValidation {
    /// A figure of each fold that has it.
    pub fn figures(&self, name: &str) -> Vec<f64> {
        let figures = self.folds.iter().flatten();
        figures.filter(|(own, _)| own == name).map(|(_, figure)| *figure).collect()
    }

    /// The mean of a figure over the folds; NaN if none has it.
    pub fn mean(&self, name: &str) -> f64 {
        let figures = self.figures(name);
        figures.iter().sum::<f64>() / figures.len() as f64
    }

    /// The standard deviation of a figure between folds, √(Σ (x - mean)² / (k - 1)); NaN if fewer
    /// than two have it.
    pub fn std(&self, name: &str) -> f64 {
        let (figures, mean) = (self.figures(name), self.mean(name));
        let squares: f64 = figures.iter().map(|x| (x - mean).powi(2)).sum();
        (squares / (figures.len() as f64 - 1.0)).sqrt()
    }
}

/// Trains and evaluates a model for each fold. `run` gets the number of the fold, from 0 on, and the
/// fold; it makes a new model and gives its figures, those of
/// [`Trainer::evaluate`](crate::Trainer::evaluate), say.
///
/// ```
/// use gradus_data::{DataLoader, LoaderOptions, TensorDataset, k_fold};
/// use gradus_nn::{Linear, Module, Sgd, SgdOptions, losses::mse_loss};
/// use gradus_tensor::{Rng, Tensor};
/// use gradus_train::{Trainer, cross_validate};
///
/// # fn main() -> gradus_tensor::Result<()> {
/// let x = Tensor::randn([96, 3], &mut Rng::new(1));
/// let y = x.sum(1).unsqueeze(1);
/// let folds = k_fold(TensorDataset::new(x, y), 3, 0);
/// let outcome = cross_validate(&folds, |fold, parts| {
///     let model = Linear::new(3, 1, &mut Rng::new(fold as u64));
///     let options = SgdOptions { learning_rate: 0.1, ..Default::default() };
///     let optimizer = Sgd::new(model.params(), options);
///     let mut trainer = Trainer::new(model, mse_loss, optimizer).epochs(20);
///     let loader = |part| DataLoader::new(part, LoaderOptions::default());
///     trainer.fit(&loader(parts.train.clone()), None)?;
///     trainer.evaluate(&loader(parts.valid.clone()))
/// })?;
/// assert!(outcome.mean("loss") < 0.01);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// Those of `run`.
pub fn cross_validate(
    folds: &[Fold],
    mut run: impl FnMut(usize, &Fold) -> Result<Vec<(String, f64)>>,
) -> Result<CrossValidation> {
    let outcomes = folds.iter().enumerate().map(|(number, fold)| run(number, fold));
    Ok(CrossValidation { folds: outcomes.collect::<Result<_>>()? })
}
