//! The data that a recipe can name, and what may be done to samples.

use super::augment::Change;
use crate::recipe::entry::{Entry, Product, entry};
use gradus_data::augment::{AugmentBatches, Compose, Transform};
use gradus_data::digits::{self, CLASSES};
use gradus_data::text::{self, Characters, Windows};
use gradus_data::{Augment, Dataset, Sample, Subset, random_split};
use gradus_tensor::op::Spec;
use gradus_tensor::{Error, Result};
use std::path::PathBuf;
use std::sync::Arc;

/// What the data wants a model to answer.
#[derive(Clone, Debug, PartialEq)]
pub enum Answers {
    /// One of these classes.
    Classes(Vec<String>),
    /// So many numbers.
    Numbers(usize),
    /// The next of so many tokens, at each place.
    NextToken(usize),
}

impl Answers {
    /// How many numbers a model gives for an answer.
    pub fn width(&self) -> usize {
        match self {
            Self::Classes(names) => names.len(),
            Self::Numbers(count) | Self::NextToken(count) => *count,
        }
    }
}

/// Data, read and divided.
#[derive(Clone)]
pub struct Source {
    /// To learn from.
    pub train: Arc<dyn Dataset>,
    /// To validate with.
    pub valid: Option<Arc<dyn Dataset>>,
    /// To be tested with.
    pub test: Option<Arc<dyn Dataset>>,
    /// How many tokens there are, where a model is given tokens.
    pub vocabulary: Option<usize>,
    /// What a model is to answer.
    pub answers: Answers,
}

impl Source {
    /// What a model is given: a batch of so many samples.
    ///
    /// # Errors
    /// If the first sample cannot be read.
    pub fn input(&self, batch: usize) -> Result<Spec> {
        self.spec(batch, |sample| sample.input())
    }

    /// What a model is to answer: the targets of a batch of so many samples.
    ///
    /// # Errors
    /// If the first sample cannot be read.
    pub fn target(&self, batch: usize) -> Result<Spec> {
        self.spec(batch, |sample| sample.target())
    }

    fn spec(&self, batch: usize, part: fn(&Sample) -> &gradus_tensor::Tensor) -> Result<Spec> {
        let sample = self.train.sample(0)?;
        let shape = [&[batch], &part(&sample).shape()[..]].concat();
        Ok((&shape[..], part(&sample).dtype()).into())
    }

    /// The data with changes to the samples to learn from, anew in each epoch.
    pub fn changed(self, changes: Vec<Change>, seed: u64) -> Self {
        let change = |train: Arc<dyn Dataset>, change| -> Arc<dyn Dataset> {
            match change {
                Change::Sample(change) => Arc::new(Augment::with(train, seed, change)),
                Change::Batch(change) => Arc::new(AugmentBatches::new(train, seed, change)),
            }
        };
        let train = together(changes).into_iter().fold(self.train, change);
        Self { train, ..self }
    }
}

/// Changes with those of samples that follow each other as one, which then share a random stream.
fn together(changes: Vec<Change>) -> Vec<Change> {
    let (samples, mut all): (Vec<Change>, Vec<Change>) =
        changes.into_iter().partition(|change| matches!(change, Change::Sample(_)));
    let samples: Vec<Box<dyn Transform>> = samples
        .into_iter()
        .filter_map(|change| match change {
            Change::Sample(change) => Some(change),
            Change::Batch(_) => None,
        })
        .collect();
    if !samples.is_empty() {
        all.insert(0, Change::Sample(Box::new(Compose::new(samples))));
    }
    all
}

impl Product for Source {
    /// The seed.
    type Site = u64;
    const NAME: &'static str = "data";
    const NOUN: &'static str = "kind of data";

    fn entries() -> Vec<Entry<Self>> {
        vec![
            entry! {
                digits(seed): "Handwritten digits, [1, 28, 28]: the 12,000 of MNIST's within the program, or a folder in MNIST's format.";
                path: Option<PathBuf> => "A folder that holds the four files of MNIST or of a set like it, plain or gzipped.";
                valid: f64 = 0.1, 0.0..1.0 => "The share of the training digits to validate with.";
                => read_digits(path, valid, *seed)
            },
            entry! {
                text(_): "A text, character by character, in windows: the model says what comes next.";
                path: PathBuf => "The file, in UTF-8, plain or gzipped.";
                window: usize = 128, 1.. => "How many characters a window has.";
                valid: f64 = 0.1, 0.0..1.0 => "The share at the end of the text to validate with.";
                => read_text(&path, window, valid)
            },
        ]
    }
}

fn read_digits(path: Option<PathBuf>, valid: f64, seed: u64) -> Result<Source> {
    let digits = match path {
        Some(folder) => digits::from_folder(folder)?,
        None => digits::embedded()?,
    };
    let (train, valid) = divided(Arc::new(digits.train), valid, seed);
    let answers = Answers::Classes((0..CLASSES).map(|digit| digit.to_string()).collect());
    Ok(Source { train, valid, test: Some(Arc::new(digits.test)), vocabulary: None, answers })
}

/// Samples in two parts by chance.
fn divided(
    set: Arc<dyn Dataset>,
    share: f64,
    seed: u64,
) -> (Arc<dyn Dataset>, Option<Arc<dyn Dataset>>) {
    let held = (set.len() as f64 * share) as usize;
    if held == 0 {
        return (set, None);
    }
    let mut parts = random_split(set.clone(), &[set.len() - held, held], seed).into_iter();
    let mut next = || -> Arc<dyn Dataset> { Arc::new(parts.next().expect("there are two parts")) };
    (next(), Some(next()))
}

fn read_text(path: &PathBuf, window: usize, valid: f64) -> Result<Source> {
    let text = text::read(path)?;
    let characters = Characters::of(&text);
    let windows = Windows::new(characters.encode(&text)?, window);
    let (count, held) = (windows.len(), (windows.len() as f64 * valid) as usize);
    if count - held == 0 {
        let path = path.display();
        return Err(Error::format(
            path,
            format_args!("has no window of {window} characters to learn from"),
        ));
    }
    let part = |range: std::ops::Range<usize>| -> Arc<dyn Dataset> {
        Arc::new(Subset::new(windows.clone(), range.collect::<Vec<_>>()))
    };
    Ok(Source {
        train: part(0..count - held),
        valid: (held > 0).then(|| part(count - held..count)),
        test: None,
        vocabulary: Some(characters.len()),
        answers: Answers::NextToken(characters.len()),
    })
}
