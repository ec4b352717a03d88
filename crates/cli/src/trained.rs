//! The folder of a training, opened to use its model.

use crate::folds;
use gradus_data::Dataset;
use gradus_data::source::{Answers, Encoder};
use gradus_nn::{Layer, Module};
use gradus_tensor::{DType, Error, Result, Tensor};
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
fn held_out(data: &Data) -> Option<(&'static str, &Arc<dyn Dataset>)> {
    let test = data.test.as_ref().map(|part| ("test", part));
    test.or(data.valid.as_ref().map(|part| ("valid", part)))
}

/// What a model said of samples that have a class each.
#[derive(Default)]
pub struct Classified {
    /// Its probabilities, sample by sample.
    pub probabilities: Vec<Vec<f32>>,
    /// The classes it takes the samples for.
    pub guesses: Vec<usize>,
    /// The classes they are.
    pub truths: Vec<usize>,
}

impl Classified {
    /// Takes in the scores `[B, C]` of samples and their classes `[B]`.
    pub fn add(&mut self, output: &Tensor, target: &Tensor) {
        let numbers = |x: Tensor| x.to_vec::<i64>().into_iter().map(|x| x as usize);
        let probabilities = output.softmax(-1).to_dtype(DType::F32);
        self.guesses.extend(numbers(probabilities.argmax(-1)));
        self.truths.extend(numbers(target.to_dtype(DType::I64)));
        let rows = probabilities.to_vec::<f32>();
        self.probabilities.extend(rows.chunks(output.len_of(-1)).map(<[f32]>::to_vec));
    }

    /// The numbers of the samples that were taken for another class.
    pub fn mistakes(&self) -> impl Iterator<Item = usize> {
        (0..self.truths.len()).filter(|&index| self.guesses[index] != self.truths[index])
    }
}

/// How a model does on held-out samples.
pub struct Test {
    /// What figures are called: `test` or `valid`.
    pub name: &'static str,
    /// The samples.
    pub part: Arc<dyn Dataset>,
    /// The loss and the metrics.
    pub figures: Vec<(String, f64)>,
    /// What it said of each, where samples have classes.
    pub classified: Option<Classified>,
}

/// Tests a model with what was held out, if anything was.
///
/// # Errors
/// If a sample cannot be read.
pub fn test(recipe: &Recipe, data: &Data, model: &dyn Layer) -> Result<Option<Test>> {
    let Some((name, part)) = held_out(data) else {
        return Ok(None);
    };
    let mut classified = matches!(data.answers(), Answers::Classes(_)).then(Classified::default);
    let figures = recipe.evaluate(data, model, part, |output, target| {
        if let Some(classified) = classified.as_mut().filter(|_| output.rank() == 2) {
            classified.add(output, target);
        }
    })?;
    Ok(Some(Test { name, part: part.clone(), figures, classified }))
}

impl Test {
    /// All figures in a line: shares in percent.
    pub fn sentence(&self) -> String {
        let figure = |(name, value): &(String, f64)| match name.ends_with("accuracy") {
            true => format!(
                "{} {name} {:.2} % of {} samples",
                self.name,
                100.0 * value,
                self.part.len()
            ),
            false => format!("{} {:.4}", name.replace('_', " "), value),
        };
        self.figures.iter().map(figure).collect::<Vec<_>>().join(", ")
    }
}
