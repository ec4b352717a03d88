//! The folder of a training, opened to use its model.

use crate::folds;
use gradus_data::Dataset;
use gradus_data::source::Encoder;
use gradus_nn::{Layer, Module};
use gradus_tensor::{Error, Result};
use gradus_train::recipe::lists::data::Data;
use gradus_train::recipe::{Answered, Draft, Recipe};
use gradus_train::{RunFolder, read_weights};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A trained model and what it was trained by.
pub struct Trained {
    /// The recipe.
    pub recipe: Recipe,
    /// What the model is given, and what its answers mean.
    pub encoder: Encoder,
    /// The model, with its best weights.
    pub model: Box<dyn Layer>,
}

/// The recipe of a run, as it was resolved.
///
/// # Errors
/// If it cannot be read.
pub fn recipe(run: &RunFolder) -> Result<Draft> {
    // Of a run without configuration not even the recipe is to be trusted.
    run.read_config()?;
    Draft::read(run.file("recipe.toml"))
}

impl Trained {
    /// Opens a run.
    ///
    /// # Errors
    /// If it is not the folder of a training that has finished an epoch, or something in it cannot
    /// be read.
    pub fn open(run: &RunFolder) -> Result<Self> {
        let recipe = recipe(run)?.check()?;
        if folds::of(run)?.is_some() {
            let path = run.path().display();
            return Err(Error::Setting(format!(
                "{path} is a cross-validation: give the folder of one of its folds, as {path}/fold-1"
            )));
        }
        let weights = run.file("best.safetensors");
        if !weights.is_file() {
            let path = run.path().display();
            return Err(Error::Setting(format!(
                "{path} has no best.safetensors yet: no epoch was finished; go on with gradus \
                 train --resume {path}"
            )));
        }
        let encoder = Encoder::read(run.file("encoder.json"))?;
        let model = recipe.untrained(&encoder)?;
        read_weights(weights, &model)?;
        model.eval();
        Ok(Self { recipe, encoder, model })
    }
}

/// A path that still leads to the same folder from elsewhere.
///
/// # Errors
/// If it leads nowhere.
pub fn absolute(path: &Path) -> Result<PathBuf> {
    path.canonicalize().map_err(|error| Error::io(path, error))
}

/// A trained model's answers to what was held out.
pub struct Asked {
    /// The folder of the run.
    pub path: PathBuf,
    /// The recipe.
    pub recipe: Recipe,
    /// What figures are called: `test` or `valid`.
    pub part: &'static str,
    /// The answers.
    pub answered: Answered,
}

impl Asked {
    /// Asks the model of a run about what its recipe holds out, or about data from elsewhere.
    ///
    /// # Errors
    /// If the run or the data cannot be read, or nothing is held out.
    pub fn of(path: PathBuf, data: Option<&Path>) -> Result<Self> {
        let run = RunFolder::open(path)?;
        let Trained { recipe, encoder, model } = Trained::open(&run)?;
        let data = recipe.data_for(encoder, data)?;
        let path = run.path().to_path_buf();
        let Some((part, samples)) = held_out(&data) else {
            let path = path.display();
            let message = format!("{path} holds out no data to test with: give some with --data");
            return Err(Error::Setting(message));
        };
        let answered = recipe.answered(&data, &*model, samples)?;
        Ok(Self { path, recipe, part, answered })
    }
}

/// The samples that a model is tested with, and what figures over them are called: those that were
/// kept for testing, or else those for validation.
pub fn held_out(data: &Data) -> Option<(&'static str, &Arc<dyn Dataset>)> {
    let test = data.test.as_ref().map(|part| ("test", part));
    test.or(data.valid.as_ref().map(|part| ("valid", part)))
}
