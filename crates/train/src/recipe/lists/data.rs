//! The data that a recipe can name, and what may be done to samples.

use crate::recipe::entry::{Entry, Product, entry};
use gradus_data::augment::{Affine, AffineOptions, Transform};
use gradus_data::digits::{self, CLASSES};
use gradus_data::text::{self, Characters, Windows};
use gradus_data::{Augment, Dataset, Sample, Subset, random_split};
use gradus_tensor::op::Spec;
use gradus_tensor::{Error, Result, Rng};
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
        if changes.is_empty() {
            return self;
        }
        let all = move |sample: Sample, rng: &mut Rng| {
            changes.iter().try_fold(sample, |sample, Change(change)| change(sample, rng))
        };
        Self { train: Arc::new(Augment::new(self.train, seed, all)), ..self }
    }
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

/// What is done to a sample, with random numbers.
type Changing = dyn Fn(Sample, &mut Rng) -> Result<Sample> + Send + Sync;

/// A change of a sample.
pub struct Change(
    /// It.
    pub Box<Changing>,
);

impl Product for Change {
    type Site = ();
    const NAME: &'static str = "augmentations";
    const NOUN: &'static str = "augmentation";

    fn entries() -> Vec<Entry<Self>> {
        vec![entry! {
            affine(_): "Turns, scales and shifts images about their centre.";
            degrees: f64 = 10.0, 0.0..=180.0 => "The turn, to either side at most.";
            scale: f64 = 0.1, 0.0..=10.0 => "The change of size at most: 0.1 for up to 1.1 times as large or as small.";
            shift: f64 = 0.1, 0.0..=1.0 => "The shift along each axis at most, as a share of the side.";
            fill: f64 = 0.0 => "What comes in over the edge, as the model is given it.";
            => {
                let shift = [shift, shift];
                let affine = Affine::new(AffineOptions { degrees, scale, shift, fill, ..Default::default() })?;
                Ok(Change(Box::new(move |sample, rng| affine.apply(sample, rng))))
            }
        }]
    }
}
