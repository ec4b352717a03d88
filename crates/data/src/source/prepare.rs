//! From files to data sets: reading, dividing, learning the encoder, encoding.

use super::answer::{Answers, Targets};
use super::arrays::{self, ArrayOptions, Arrays};
use super::cache;
use super::encoder::{Encoder, Input, read_table};
use super::folder::{self, Parts};
use super::options::{DataOptions, Source};
#[cfg(feature = "audio")]
use super::picture::open_folder;
use super::picture::{
    ImageFolderOptions, ImageOptions, Listed, Pictures, Pixels, cifar, form_of, open_idx,
    open_pictures,
};
use super::split::{Division, Keys, SplitBy, SplitOptions, divide};
use super::standard::Standard;
use super::table::columns::{Kind, TableOptions, dates};
use super::table::csv::CsvOptions;
use super::table::encoder::TableEncoder;
use super::table::frame::Frame;
use super::table::json_lines::JsonLinesOptions;
use super::table::target::TargetEncoder;
use super::words::{
    LABEL, LanguageOptions, TEXT, TextEncoder, TextFilesOptions, TextSet, Vocabulary, read_labelled,
};
use crate::augment::stream;
use crate::digits;
use crate::text::Windows;
use crate::weights::class_weights;
use crate::{Dataset, Subset, TensorDataset, text};
use gradus_tensor::{DType, Device, Error, Result, Tensor};
use std::path::{Path, PathBuf};
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
    let DataOptions { split, table, text, images, .. } = options;
    split.check()?;
    match &options.source {
        Source::Digits => embedded_digits(split, images, seed),
        Source::Idx(idx) => {
            let (parts, names) = open_idx(idx)?;
            pictures(parts, Answers::Classes(names), split, images, seed)
        }
        Source::Cifar(cifar) => {
            let (parts, names) = cifar::open(cifar)?;
            pictures(parts, Answers::Classes(names), split, images, seed)
        }
        Source::ImageFolder(folder) => image_folder(folder, options, seed),
        Source::Csv(csv) => {
            let parts = Parts::find(&csv.path, csv.valid.as_deref(), csv.test.as_deref())?;
            let parts = parts.try_map(|path| read_tables(&path, &["csv", "tsv", "gz"], csv))?;
            tables(parts, csv, options, seed)
        }
        Source::JsonLines(JsonLinesOptions { path, valid, test }) => {
            let csv = CsvOptions::default();
            let parts = Parts::find(path, valid.as_deref(), test.as_deref())?;
            let parts = parts.try_map(|path| read_tables(&path, &["jsonl", "ndjson"], &csv))?;
            tables(parts, &csv, options, seed)
        }
        #[cfg(feature = "parquet")]
        Source::Parquet(super::ParquetOptions { path, valid, test }) => {
            let csv = CsvOptions::default();
            let parts = Parts::find(path, valid.as_deref(), test.as_deref())?;
            let parts = parts.try_map(|path| read_tables(&path, &["parquet"], &csv))?;
            tables(parts, &csv, options, seed)
        }
        #[cfg(feature = "audio")]
        Source::Audio(folder) => sounds(folder, options, seed),
        Source::Text(TextFilesOptions { path, valid, test }) => {
            let parts = Parts::find(path, valid.as_deref(), test.as_deref())?;
            let parts = parts.try_map(|path| read_labelled(&path))?;
            let table = TableOptions {
                target: vec![LABEL.into()],
                text: vec![TEXT.into()],
                ..table.clone()
            };
            let options = DataOptions { table, ..options.clone() };
            tables(parts, &CsvOptions::default(), &options, seed)
        }
        Source::Language(language) => language_model(language, split, text),
        Source::Arrays(arrays) => array_files(arrays, split, images, seed),
    }
}

/// A table in a file, or in all files of a folder that have one of these endings.
fn read_tables(path: &Path, endings: &[&str], csv: &CsvOptions) -> Result<Frame> {
    if !path.is_dir() {
        return read_table(path, csv);
    }
    let files = folder::files(path, endings)?;
    if files.is_empty() {
        let message = format_args!("holds no file that ends in .{}", endings.join(" or ."));
        return Err(Error::format(path.display(), message));
    }
    let mut all = Frame::default();
    for file in files {
        all.append(read_table(&file, csv)?)?;
    }
    Ok(all)
}

/// Divides the first part for those that are not given, by what a function says of a column or of
/// the classes.
fn divided<T>(
    parts: &Parts<T>,
    count: usize,
    keys: &Keys,
    split: &SplitOptions,
    seed: u64,
) -> Result<Division> {
    if split.folds.is_some() && parts.valid.is_some() {
        let message = "split: folds are held out of what is learnt from, but there are files to \
                       validate with: leave one out";
        return Err(Error::Setting(message.into()));
    }
    let own = SplitOptions {
        valid: if parts.valid.is_some() { 0.0 } else { split.valid },
        test: if parts.test.is_some() { 0.0 } else { split.test },
        ..split.clone()
    };
    divide(count, keys, &own, seed)
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

/// The keys to divide a table by.
fn keys_of_table(frame: &Frame, split: &SplitOptions, table: &TableOptions) -> Result<Keys> {
    match (split.by, &split.column) {
        (SplitBy::Stratified, _) => match (&table.target[..], table.task(frame)?) {
            ([target], super::Task::Classification) => {
                Ok(Keys::Names(TargetEncoder::strata(frame, target)?))
            }
            _ => Err(no_classes()),
        },
        (SplitBy::Group, Some(column)) => Ok(Keys::Names(TargetEncoder::strata(frame, column)?)),
        (SplitBy::Time, Some(column)) => {
            let rows: Vec<usize> = (0..frame.rows()).collect();
            let plain = super::table::columns::numbers(frame, column, &rows, '.');
            let times = plain.or_else(|_| dates(frame, column, &rows, table.date_order))?;
            match times.iter().position(|time| time.is_nan()) {
                Some(row) => Err(frame.complaint(row, column, "there is no time to divide by")),
                None => Ok(Keys::Times(times)),
            }
        }
        _ => Ok(Keys::None),
    }
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

/// Pictures in memory.
fn pictures(
    parts: Parts<Pixels>,
    answers: Answers,
    split: &SplitOptions,
    images: &ImageOptions,
    seed: u64,
) -> Result<Prepared> {
    images.check()?;
    let [channels, height, width] = parts.train.shape();
    let own = (Some(height), Some(width), Some(channels));
    let told = (images.height.or(own.0), images.width.or(own.1), images.channels.or(own.2));
    if told != own {
        let message = format!(
            "images: these are of {channels} channels and {height} by {width} pixels, and are not \
             made larger or smaller: leave height, width and channels out"
        );
        return Err(Error::Setting(message));
    }
    let targets = parts.train.targets();
    let keys = keys_of(targets, split)?;
    let division = divided(&parts, targets.len(), &keys, split, seed)?;
    let standard = standard_of(images, channels, &parts.train, &division.train)?;
    let form = super::picture::Form { channels, height, width, fit: images.fit };
    let encoder = Encoder::new(Input::Image { form, standard }, answers);
    let classes = targets.classes(&division.train);
    let raw = parts.try_map(|part| Ok(Arc::new(part) as Arc<dyn Dataset>))?;
    Ok(finish(raw, &division, encoder, classes))
}

/// The digits within the library.
fn embedded_digits(split: &SplitOptions, images: &ImageOptions, seed: u64) -> Result<Prepared> {
    let digits = digits::embedded()?;
    let part = |set: &digits::DigitSet| -> Result<Pixels> {
        let classes: Vec<i64> = set.labels().try_to_vec()?;
        let classes = classes.into_iter().map(|class| class as u32).collect();
        let (x, shape) = (set.images(), [1, 28, 28]);
        Ok(Pixels::new(x.try_to_vec::<u8>()?, shape, Targets::Classes(classes)))
    };
    let parts = Parts { train: part(&digits.train)?, valid: None, test: Some(part(&digits.test)?) };
    let names = (0..digits::CLASSES).map(|class| class.to_string()).collect();
    pictures(parts, Answers::Classes(names), split, images, seed)
}

/// So many files of a folder show how they are scaled.
const MOST_MEASURED: usize = 1000;

/// Files and what to tell of them, divided, with the answers learnt.
struct Told {
    parts: Parts<Listed>,
    division: Division,
    encoder: TargetEncoder,
    answers: Answers,
    classes: Option<Vec<u32>>,
}

impl Told {
    fn new(parts: Parts<Listed>, options: &DataOptions, seed: u64) -> Result<Self> {
        let frame = &parts.train.frame;
        let mut table = options.table.clone();
        if table.target.is_empty() {
            let names = frame.names();
            let other = names.into_iter().find(|name| *name != parts.train.name_column);
            let nothing = || Error::format(frame.origin().display(), "has no column to be told");
            table.target = vec![other.ok_or_else(nothing)?.to_string()];
        }
        table.target.iter().try_for_each(|name| frame.column(name).map(drop))?;
        let keys = keys_of_table(frame, &options.split, &table)?;
        let division = divided(&parts, frame.rows(), &keys, &options.split, seed)?;
        let (encoder, answers) = TargetEncoder::learn(frame, &division.train, &table, '.')?;
        let classes = encoder.encode(frame, &division.train, &answers)?;
        let classes = match classes {
            Targets::Classes(classes) => Some(classes),
            Targets::Numbers(..) => None,
        };
        Ok(Self { parts, division, encoder, answers, classes })
    }

    /// What a function makes of the files and the targets of each part.
    fn open(
        &self,
        make: impl Fn(Vec<PathBuf>, Targets) -> Result<Arc<dyn Dataset>>,
    ) -> Result<Parts<Arc<dyn Dataset>>> {
        self.parts.as_ref().try_map(|part| {
            let rows: Vec<usize> = (0..part.frame.rows()).collect();
            let targets = self.encoder.encode(&part.frame, &rows, &self.answers)?;
            make(part.files.clone(), targets)
        })
    }

    /// Some of the samples to learn from, by chance.
    fn measured(&self, seed: u64) -> Vec<usize> {
        let train = &self.division.train;
        let order = stream(seed, 1).permutation(train.len());
        order.into_iter().take(MOST_MEASURED).map(|place| train[place]).collect()
    }
}

/// Pictures in files.
fn image_folder(folder: &ImageFolderOptions, options: &DataOptions, seed: u64) -> Result<Prepared> {
    let images = &options.images;
    let told = Told::new(open_pictures(folder)?, options, seed)?;
    let form = form_of(&told.parts.train.files, images)?;
    let cache_bytes = images.cache_bytes.unwrap_or(cache::BYTES);
    let raw =
        told.open(|files, targets| Ok(Arc::new(Pictures::new(files, targets, form, cache_bytes))))?;
    let standard = standard_of(images, form.channels, &*raw.train, &told.measured(seed))?;
    let encoder = Encoder::new(Input::Image { form, standard }, told.answers);
    Ok(finish(raw, &told.division, encoder, told.classes))
}

/// Sounds in files.
#[cfg(feature = "audio")]
fn sounds(
    folder: &super::AudioFolderOptions,
    options: &DataOptions,
    seed: u64,
) -> Result<Prepared> {
    use super::audio::{AudioEncoder, Sounds, decode::ENDINGS};
    let super::AudioFolderOptions { path, valid, test, labels, name_column } = folder.clone();
    let folder = ImageFolderOptions { path, valid, test, labels, name_column };
    let told = Told::new(open_folder(&folder, &ENDINGS)?, options, seed)?;
    let sound = AudioEncoder::learn(&told.parts.train.files, &options.audio)?;
    let cache_bytes = options.audio.cache_bytes.unwrap_or(cache::BYTES);
    let raw =
        told.open(|files, targets| Ok(Arc::new(Sounds::new(files, targets, sound, cache_bytes)?)))?;
    let standard = Standard::learn(&*raw.train, &told.measured(seed))?;
    let encoder = Encoder::new(Input::Audio { sound, standard }, told.answers);
    Ok(finish(raw, &told.division, encoder, told.classes))
}

/// Rows of tables: of numbers, categories and dates, or of one text.
fn tables(
    parts: Parts<Frame>,
    csv: &CsvOptions,
    options: &DataOptions,
    seed: u64,
) -> Result<Prepared> {
    let DataOptions { split, table, .. } = options;
    let frame = &parts.train;
    let features = table.features(frame, split.column.as_deref())?;
    let keys = keys_of_table(frame, split, table)?;
    let division = divided(&parts, frame.rows(), &keys, split, seed)?;
    let (targets, answers) = TargetEncoder::learn(frame, &division.train, table, csv.decimal)?;
    let whole = |frame: &Frame| (0..frame.rows()).collect::<Vec<usize>>();
    let input = match &features[..] {
        [(column, Kind::Text)] => {
            let texts = texts_of(frame, column, &division.train)?;
            let texts = TextEncoder::learn(texts.iter().map(String::as_str), &options.text)?;
            Input::Text { texts, column: column.clone(), csv: csv.clone() }
        }
        _ => {
            if let Some((name, _)) = features.iter().find(|(_, kind)| *kind == Kind::Text) {
                let others: Vec<&str> =
                    features.iter().map(|(own, _)| &own[..]).filter(|own| own != name).collect();
                let message = format!(
                    "table: the column {name} is text beside {}: put either under ignore, or list \
                     the text under categorical",
                    others.join(", ")
                );
                return Err(Error::Setting(message));
            }
            let rows = &division.train;
            let columns = TableEncoder::learn(frame, rows, &features, table, csv.decimal)?;
            if columns.width() == 0 {
                let message = "has no category that is frequent enough: lower min_count";
                return Err(Error::format(frame.origin().display(), message));
            }
            Input::Table { columns, csv: csv.clone() }
        }
    };
    let encoder = Encoder::new(input, answers);
    let encoded = |frame: &Frame, rows: &[usize]| -> Result<Arc<dyn Dataset>> {
        let known = targets.encode(frame, rows, encoder.answers())?;
        match encoder.input() {
            Input::Text { texts, column, .. } => {
                let own = texts_of(frame, column, rows)?;
                let own = own.iter().map(String::as_str);
                Ok(Arc::new(TextSet::new(own, texts, known)))
            }
            Input::Table { columns, .. } => {
                let numbers = columns.encode(frame, rows)?;
                let shape = [rows.len(), columns.width()].into();
                let input = Tensor::try_from_slice(&numbers, shape, Device::cpu())?;
                let all: Vec<usize> = (0..rows.len()).collect();
                Ok(Arc::new(TensorDataset::new(input, known.gather(&all)?)))
            }
            _ => Err(Error::Setting("data: a table becomes rows or texts".into())),
        }
    };
    let known = targets.encode(frame, &division.train, encoder.answers())?;
    let classes = known.classes(&whole_of(&division.train));
    let train = encoded(frame, &division.train)?;
    let held = |given: &Option<Frame>, rows: &[usize]| match given {
        Some(frame) => encoded(frame, &whole(frame)).map(Some),
        None if rows.is_empty() => Ok(None),
        None => encoded(frame, rows).map(Some),
    };
    Ok(Prepared {
        valid: held(&parts.valid, &division.valid)?,
        test: held(&parts.test, &division.test)?,
        raw: train.clone(),
        train,
        classes: classes.map(Arc::from),
        encoder,
    })
}

fn whole_of(rows: &[usize]) -> Vec<usize> {
    (0..rows.len()).collect()
}

/// The texts of a column; one that is missing is empty.
fn texts_of(frame: &Frame, column: &str, rows: &[usize]) -> Result<Vec<String>> {
    let cells = &frame.column(column)?.cells;
    Ok(rows.iter().map(|&row| cells.text(row).unwrap_or_default()).collect())
}

/// A long text of which the next token is told.
fn language_model(
    options: &LanguageOptions,
    split: &SplitOptions,
    text_options: &super::TextOptions,
) -> Result<Prepared> {
    if split.folds.is_some() {
        let message = "split: a long text has no folds, for windows would be torn: leave them out";
        return Err(Error::Setting(message.into()));
    }
    if split.by != SplitBy::Random {
        let message = "split: of a long text, the end is held out: leave by and column out";
        return Err(Error::Setting(message.into()));
    }
    let parts = Parts::find(&options.path, options.valid.as_deref(), options.test.as_deref())?;
    let path: PathBuf = parts.train.clone();
    let parts = parts.try_map(text::read)?;
    let all = &parts.train;
    let part = |given: &Option<String>, part: f64| match given {
        Some(_) => 0,
        None => (all.len() as f64 * part) as usize,
    };
    // A character is not cut in two.
    let border = |place: usize| all.floor_char_boundary(place);
    let last = border(all.len() - part(&parts.test, split.test));
    let first = border(last - part(&parts.valid, split.valid).min(last));
    let vocabulary = Vocabulary::learn([&all[..first]], text_options)?;
    let length = text_options.length.unwrap_or(super::words::WINDOW);
    let windows = |text: &str, name: &str| -> Result<Arc<dyn Dataset>> {
        let numbers: Vec<i64> = vocabulary.encode(text).into_iter().map(i64::from).collect();
        if numbers.len() <= length {
            let message = format_args!(
                "has {} tokens {name}, not the {} of a window and the next: give more text or a \
                 smaller length",
                numbers.len(),
                length + 1
            );
            return Err(Error::format(path.display(), message));
        }
        Ok(Arc::new(Windows::new(Tensor::from(numbers), length)))
    };
    let train = windows(&all[..first], "to learn from")?;
    let held = |given: &Option<String>, own: &str, name: &str| match given {
        Some(text) => windows(text, name).map(Some),
        None if own.is_empty() => Ok(None),
        None => windows(own, name).map(Some),
    };
    let valid = held(&parts.valid, &all[first..last], "to validate with")?;
    let test = held(&parts.test, &all[last..], "to be tested with")?;
    let encoder = Encoder::new(Input::Language { vocabulary, length }, Answers::NextToken);
    Ok(Prepared { raw: train.clone(), train, valid, test, encoder, classes: None })
}

/// Arrays of NumPy, as pictures if they are of bytes.
fn array_files(
    options: &ArrayOptions,
    split: &SplitOptions,
    images: &ImageOptions,
    seed: u64,
) -> Result<Prepared> {
    let parts = arrays::open(options)?;
    let count = parts.train.input.len_of(0);
    // Numbers are scaled by those to learn from, so that these must be known first; classes are
    // known before, and may be divided by.
    let rows: Vec<usize> = (0..count).collect();
    let first = arrays::answers(&parts, &rows, options)?;
    let keys = keys_of(&arrays::targets(&parts.train, &first)?, split)?;
    let division = divided(&parts, count, &keys, split, seed)?;
    let answers = arrays::answers(&parts, &division.train, options)?;
    let shape = parts.train.input.shape()[1..].to_vec();
    if let Some(other) = [&parts.valid, &parts.test]
        .into_iter()
        .flatten()
        .find(|other| other.input.shape()[1..] != shape[..])
    {
        let message = format!(
            "arrays: those to learn from are of shape {shape:?}, others of {}",
            other.input.shape()
        );
        return Err(Error::Setting(message));
    }
    if let (DType::U8, &[channels @ (1 | 3), height, width]) =
        (parts.train.input.dtype(), &shape[..])
    {
        let pixels = |part: Arrays| {
            let targets = arrays::targets(&part, &answers)?;
            Ok(Pixels::new(part.input.try_to_vec::<u8>()?, [channels, height, width], targets))
        };
        let parts = parts.try_map(pixels)?;
        return pictures(parts, answers.clone(), split, images, seed);
    }
    let set = |part: Arrays| -> Result<Arc<dyn Dataset>> {
        let targets = arrays::targets(&part, &answers)?;
        let rows: Vec<usize> = (0..targets.len()).collect();
        let input = part.input.to_dtype(DType::F32);
        Ok(Arc::new(TensorDataset::new(input, targets.gather(&rows)?)))
    };
    let known = arrays::targets(&parts.train, &answers)?;
    let raw = parts.try_map(set)?;
    let standard = standard_of(images, shape[0], &*raw.train, &division.train)?;
    let classes = known.classes(&division.train);
    let encoder = Encoder::new(Input::Tensor { shape, standard }, answers);
    Ok(finish(raw, &division, encoder, classes))
}
