//! From files to data sets: reading, dividing, learning the encoder, encoding.

mod files;
mod pictures;
mod tables;

use super::answer::Targets;
use super::encoder::Encoder;
use super::folder::Parts;
use super::options::{DataOptions, Source};
use super::picture::{ImageOptions, cifar, open_idx};
use super::split::{Division, Keys, SplitBy, SplitOptions, divide};
use super::standard::Standard;
use super::table::csv::CsvOptions;
use super::table::json_lines::JsonLinesOptions;
use super::words::{LABEL, TEXT, TextFilesOptions, read_labelled};
use crate::weights::class_weights;
use crate::{Dataset, Subset};
use gradus_tensor::{Error, Result};
use std::sync::Arc;

/// Data to train a model with, and what was learnt of it.
#[derive(Clone)]
pub struct Prepared {
    /// To learn from, as the model is given it.
    pub train: Arc<dyn Dataset>,
    /// To validate with.
    pub valid: Option<Arc<dyn Dataset>>,
    /// To be tested with.
    pub test: Option<Arc<dyn Dataset>>,
    /// How data becomes what the model is given, and what its answers mean.
    pub encoder: Encoder,
    /// The samples to learn from before they are standardised.
    raw: Arc<dyn Dataset>,
    /// The class of each of them, if they have classes.
    classes: Option<Arc<[u32]>>,
}

impl Prepared {
    /// Changes the samples to learn from before they are standardised: pictures while they are still
    /// of `u8`, as augmentation takes them.
    ///
    /// ```
    /// use gradus_data::source::{DataOptions, Source, prepare};
    /// use gradus_data::{Augment, Dataset, Sample};
    /// use std::sync::Arc;
    ///
    /// # fn main() -> gradus_tensor::Result<()> {
    /// let mut prepared = prepare(&DataOptions::of(Source::Digits), 1)?;
    /// prepared.augment(|pictures| {
    ///     Arc::new(Augment::new(pictures, 1, |sample, _| {
    ///         let mirrored = sample.input().flip(&[2]);
    ///         Ok(Sample::new(mirrored, sample.target().clone()))
    ///     }))
    /// });
    /// assert_eq!(prepared.train.batch(&[0, 1])?.input().shape(), [2, 1, 28, 28]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn augment(&mut self, change: impl FnOnce(Arc<dyn Dataset>) -> Arc<dyn Dataset>) {
        self.raw = change(self.raw.clone());
        self.train = self.encoder.finish(self.raw.clone());
    }

    /// The samples to learn from before they are standardised.
    pub fn raw(&self) -> &Arc<dyn Dataset> {
        &self.raw
    }

    /// The class of each sample to learn from, if they have classes.
    pub fn classes(&self) -> Option<&[u32]> {
        self.classes.as_deref()
    }

    /// The weight of each class that makes all count alike, if there are classes; see
    /// [`class_weights`].
    pub fn class_weights(&self) -> Option<Vec<f64>> {
        Some(class_weights(self.classes()?, self.encoder.outputs()))
    }

    /// The weight of each sample to learn from that makes a weighted sampling draw all classes
    /// alike, if there are classes.
    pub fn sample_weights(&self) -> Option<Vec<f64>> {
        let weights = self.class_weights()?;
        Some(self.classes()?.iter().map(|&class| weights[class as usize]).collect())
    }
}

/// Reads data, divides it, and learns from the part to learn from how it becomes what a model is
/// given. The same files, options and seed give the same.
///
/// # Errors
/// If the options cannot be, or a file cannot be read or is not what they say: with its name, its
/// line if it has lines, and the cure.
pub fn prepare(options: &DataOptions, seed: u64) -> Result<Prepared> {
    Task { options, seed, known: None }.prepare()
}

/// Reads and divides data as [`prepare`] does, for a model that was trained: how it becomes what the
/// model is given, and what answers mean, is what the model's encoder says and not learnt anew.
///
/// ```
/// use gradus_data::source::{DataOptions, Encoder, Source, prepare, prepare_for};
///
/// # fn main() -> gradus_tensor::Result<()> {
/// let options = DataOptions::of(Source::Digits);
/// let kept = prepare(&options, 1)?.encoder.to_json()?;
/// let prepared = prepare_for(&Encoder::from_json(&kept)?, &options, 1)?;
/// assert_eq!(prepared.encoder.to_json()?, kept);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// As [`prepare`], and if the data is not of the kind or the shape that the model learnt from, or
/// holds a class that it was not taught.
pub fn prepare_for(encoder: &Encoder, options: &DataOptions, seed: u64) -> Result<Prepared> {
    Task { options, seed, known: Some(encoder) }.prepare()
}

/// Data to be prepared.
#[derive(Clone, Copy)]
struct Task<'a> {
    options: &'a DataOptions,
    seed: u64,
    /// What a model has learnt already; none if it is to be learnt now.
    known: Option<&'a Encoder>,
}

impl Task<'_> {
    fn prepare(&self) -> Result<Prepared> {
        self.options.split.check()?;
        match &self.options.source {
            Source::Digits => self.digits(),
            Source::Idx(idx) => {
                let (parts, names) = open_idx(idx)?;
                self.pictures(parts, names)
            }
            Source::Cifar(cifar) => {
                let (parts, names) = cifar::open(cifar)?;
                self.pictures(parts, names)
            }
            Source::ImageFolder(folder) => self.image_folder(folder),
            Source::Csv(csv) => {
                let [valid, test] = [&csv.valid, &csv.test].map(Option::as_deref);
                let parts = Parts::find(&csv.path, valid, test)?;
                self.table_files(parts, &["csv", "tsv", "gz"], csv)
            }
            Source::JsonLines(JsonLinesOptions { path, valid, test }) => {
                let parts = Parts::find(path, valid.as_deref(), test.as_deref())?;
                self.table_files(parts, &["jsonl", "ndjson"], &CsvOptions::default())
            }
            #[cfg(feature = "parquet")]
            Source::Parquet(super::ParquetOptions { path, valid, test }) => {
                let parts = Parts::find(path, valid.as_deref(), test.as_deref())?;
                self.table_files(parts, &["parquet"], &CsvOptions::default())
            }
            #[cfg(feature = "audio")]
            Source::Audio(folder) => self.sounds(folder),
            Source::Text(TextFilesOptions { path, valid, test }) => {
                let parts = Parts::find(path, valid.as_deref(), test.as_deref())?;
                let mut options = self.options.clone();
                options.table.target = vec![LABEL.into()];
                options.table.text = vec![TEXT.into()];
                let task = Task { options: &options, ..*self };
                task.tables(parts.try_map(|path| read_labelled(&path))?, &CsvOptions::default())
            }
            Source::Language(language) => self.language_model(language),
            Source::Arrays(arrays) => self.arrays(arrays),
        }
    }

    /// Divides the first part for those that are not given, by what is known of each sample.
    fn divide<T>(&self, parts: &Parts<T>, count: usize, keys: &Keys) -> Result<Division> {
        let split = &self.options.split;
        if split.folds.is_some() && parts.valid.is_some() {
            let message = "split: folds are held out of what is learnt from, but there are files \
                           to validate with: leave one out";
            return Err(Error::Setting(message.into()));
        }
        let own = SplitOptions {
            valid: if parts.valid.is_some() { 0.0 } else { split.valid },
            test: if parts.test.is_some() { 0.0 } else { split.test },
            ..split.clone()
        };
        divide(count, keys, &own, self.seed)
    }
}

/// That a model's encoder is not of the kind of data that it is to be asked about.
fn other_kind(known: &Encoder) -> Error {
    let kind = known.kind();
    Error::Setting(format!("data: the model learnt from data of kind {kind}, which this is not"))
}

/// The keys to divide sets without columns by.
fn keys_of(targets: &Targets, split: &SplitOptions) -> Result<Keys> {
    match (split.by, targets) {
        (SplitBy::Random, _) => Ok(Keys::None),
        (SplitBy::Stratified, Targets::Classes(classes)) => {
            Ok(Keys::Names(classes.iter().map(u32::to_string).collect()))
        }
        (SplitBy::Stratified, Targets::Numbers(..)) => Err(no_classes()),
        (SplitBy::Group | SplitBy::Time, _) => {
            let message = "split: by group and by time are for tables: this data has no columns";
            Err(Error::Setting(message.into()))
        }
    }
}

fn no_classes() -> Error {
    let message = "split: stratified needs classes, but the target is of numbers: use random";
    Error::Setting(message.into())
}

/// The parts of a whole, as the options and the files say.
fn finish(
    raw: Parts<Arc<dyn Dataset>>,
    division: &Division,
    encoder: Encoder,
    classes: Option<Vec<u32>>,
) -> Prepared {
    let part = |indices: &[usize]| -> Arc<dyn Dataset> {
        Arc::new(Subset::new(raw.train.clone(), indices))
    };
    let held = |given: &Option<Arc<dyn Dataset>>, indices: &[usize]| {
        let own = || (!indices.is_empty()).then(|| part(indices));
        given.clone().or_else(own).map(|set| encoder.finish(set))
    };
    let train = if division.train.len() == raw.train.len() {
        raw.train.clone()
    } else {
        part(&division.train)
    };
    Prepared {
        train: encoder.finish(train.clone()),
        valid: held(&raw.valid, &division.valid),
        test: held(&raw.test, &division.test),
        raw: train,
        classes: classes.map(Arc::from),
        encoder,
    }
}

/// How pictures are scaled: as told, or by those to learn from.
fn standard_of(
    images: &ImageOptions,
    channels: usize,
    set: &dyn Dataset,
    indices: &[usize],
) -> Result<Standard> {
    let (Some(mean), Some(deviation)) = (&images.mean, &images.deviation) else {
        return Standard::learn(set, indices);
    };
    // One number may stand for all channels.
    let spread = |numbers: &Vec<f64>| match numbers[..] {
        [single] => vec![single; channels],
        _ => numbers.clone(),
    };
    let standard = Standard::new(spread(mean), spread(deviation))?;
    if standard.mean.len() != channels {
        let message = format!(
            "images: mean and deviation are of {} channels, but the pictures have {channels}",
            standard.mean.len()
        );
        return Err(Error::Setting(message));
    }
    Ok(standard)
}
