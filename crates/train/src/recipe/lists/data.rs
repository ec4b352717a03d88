//! The data that a recipe can name.

use super::augment::Change;
use crate::recipe::entry::{
    Entry, Outline, Product, Settings, field, option_fields, option_read, section,
};
use crate::recipe::field::{Field, Kind, POSITIVE, Setting, choices};
use crate::recipe::tree::{Node, Value};
use gradus_data::augment::{AugmentBatches, Compose, Transform};
use gradus_data::source::*;
use gradus_data::{Augment, Dataset};
use gradus_tensor::Result;
use gradus_tensor::op::Spec;
use std::ops::Deref;
use std::path::PathBuf;
use std::sync::Arc;

/// Data, read and divided, with what was learnt of the part to learn from.
#[derive(Clone)]
pub struct Data(
    /// It.
    pub Prepared,
);

impl Deref for Data {
    type Target = Prepared;

    fn deref(&self) -> &Prepared {
        &self.0
    }
}

/// What a model is given: a batch of so many samples.
pub fn input(encoder: &Encoder, batch: usize) -> Spec {
    let shape = [&[batch], &encoder.shape()[..]].concat();
    (&shape[..], encoder.dtype()).into()
}

impl Data {
    /// What a model is given: a batch of so many samples.
    pub fn input(&self, batch: usize) -> Spec {
        input(&self.0.encoder, batch)
    }

    /// What a model is to answer: the targets of a batch of so many samples.
    ///
    /// # Errors
    /// If the first sample cannot be read.
    pub fn target(&self, batch: usize) -> Result<Spec> {
        let sample = self.0.train.sample(0)?;
        let shape = [&[batch], &sample.target().shape()[..]].concat();
        Ok((&shape[..], sample.target().dtype()).into())
    }

    /// What a model's answers mean.
    pub fn answers(&self) -> &Answers {
        self.0.encoder.answers()
    }

    /// The data with changes to the samples to learn from, anew in each epoch: those of samples
    /// before they are standardised, those of batches after.
    pub fn changed(mut self, changes: Vec<Change>, seed: u64) -> Self {
        let mut samples: Vec<Box<dyn Transform>> = vec![];
        let mut batches = vec![];
        for change in changes {
            match change {
                Change::Sample(change) => samples.push(change),
                Change::Batch(change) => batches.push(change),
            }
        }
        if !samples.is_empty() {
            let all = Compose::new(samples);
            self.0.augment(|raw| Arc::new(Augment::with(raw, seed, all)));
        }
        for change in batches {
            let train: Arc<dyn Dataset> = self.0.train.clone();
            self.0.train = Arc::new(AugmentBatches::new(train, seed, change));
        }
        self
    }
}

choices! {
    SplitBy { Random = "random", Stratified = "stratified", Group = "group", Time = "time" }
    Fit { Stretch = "stretch", Crop = "crop", Pad = "pad" }
    Unit { Word = "word", Character = "character", Byte = "byte" }
    Keep { Start = "start", End = "end" }
    Task { Auto = "auto", Classification = "classification", Regression = "regression", Labels = "labels" }
    AudioFeatures { LogMel = "log_mel", Waveform = "waveform" }
    Categories { OneHot = "one_hot", Index = "index" }
    Scale { Standard = "standard", MinMax = "min_max", None = "none" }
    date::DateOrder { YearMonthDay = "year_month_day", DayMonthYear = "day_month_year", MonthDayYear = "month_day_year" }
}

impl Setting for char {
    fn kind() -> Kind {
        Kind::Sign
    }
    fn read(node: &Node) -> Option<Self> {
        let text = String::read(node)?;
        let mut signs = text.chars();
        signs.next().filter(|_| signs.next().is_none())
    }
    fn write(&self) -> Option<Value> {
        Some(Value::Text(self.to_string()))
    }
}

section! {
    SplitOptions {
        valid, 0.0..1.0 => "The part to validate with, where it has no files of its own.";
        test, 0.0..1.0 => "The part to be tested with.";
        by => "By which rule samples are held out.";
        column => "The column of groups or of times.";
        folds, 2.. => "In how many parts all is cut that is not tested with, for cross-validation: see gradus train --folds.";
        fold, 1.. => "Which of these parts is validated with.";
    }
}

section! {
    ImageOptions {
        height, 1.. => "The height that all get; if not given, their own.";
        width, 1.. => "The width that all get; if not given, their own.";
        fit => "What is done where the shape is another.";
        channels, 1..=4 => "1 for grey, 3 for colours; if not given, 1 if all are grey.";
        mean => "The mean of each channel that is taken off, white being 1; if not given, that of the training pictures.";
        deviation => "The standard deviation of each channel that it is divided by.";
        cache_bytes => "How many bytes of memory may hold pictures; if not given, 1 GiB.";
    }
}

section! {
    TextOptions {
        unit => "What is numbered.";
        lower_case => "Drop the difference between large and small letters; if not given, of words only.";
        min_count, 1.. => "What occurs less often counts as unknown.";
        max_size, 3.. => "The most words or characters that are known.";
        length, 1.. => "How many words or characters a text becomes, or a window has.";
        keep => "Which end of a text that is too long is kept.";
    }
}

section! {
    TableOptions {
        target => "The columns to be told.";
        task => "What kind of answer that is.";
        numeric => "Columns of numbers. What no list names is seen by its cells.";
        categorical => "Columns of names or codes.";
        date => "Columns of dates, with or without a time.";
        text => "Columns of words.";
        ignore => "Columns to leave out.";
        date_order => "In which order day, month and year stand.";
        categories => "How a category becomes numbers.";
        min_count, 1.. => "A category that fewer rows have counts as unknown.";
        max_categories, 1.. => "The most categories of a column.";
        scale => "How numbers are scaled.";
        mark_missing => "Also give the model whether a number is missing.";
        separator => "What stands between labels, if a target holds several.";
        unit => "What the numbers that are told are measured in.";
    }
}

section! {
    AudioOptions {
        rate, 1.. => "How many numbers make a second; if not given, as the sounds have it.";
        seconds, POSITIVE => "How long all sounds get; if not given, as the longest, but no more than ten.";
        features => "What the model is given: a spectrogram, or the sound itself.";
        window, 2.. => "How many numbers a frame of a spectrogram is made of; if not given, 25 milliseconds.";
        hop, 1.. => "How many numbers lie between frames; if not given, 10 milliseconds.";
        mels, 1.. => "How many pitches a spectrogram tells.";
        cache_bytes => "How many bytes of memory may hold sounds; if not given, 1 GiB.";
    }
}

fn audio() -> Field {
    field!(audio: AudioOptions => "How sound becomes numbers.")
}

fn table() -> Field {
    field!(table: TableOptions => "What the columns hold.")
}

fn text() -> Field {
    field!(text: TextOptions => "How text becomes numbers.")
}

fn images() -> Field {
    field!(images: ImageOptions => "How pictures become numbers.")
}

/// Settings of which some are paths: the first of them must be given.
fn with_paths(mut fields: Vec<Field>) -> Vec<Field> {
    for field in &mut fields {
        match field.name {
            "path" => (field.kind, field.default, field.required) = (Kind::Path, None, true),
            "valid" | "test" | "labels" | "targets" | "masks" => {
                if matches!(field.kind, Kind::Text) {
                    field.kind = Kind::Path;
                }
            }
            _ => {}
        }
    }
    fields
}

/// Each kind of data in files: what a recipe calls it, its options, what it is, the sections that it
/// has, and its settings, whose defaults are those of the options.
macro_rules! sources {
    ($($kind:ident = $type:ident($options:ty), [$($section:ident),*], $doc:literal { $($fields:tt)* })*) => {
        vec![$(Entry {
            outline: Outline {
                kind: stringify!($kind),
                doc: $doc,
                fields: [
                    with_paths(option_fields!($options { $($fields)* })),
                    vec![$($section()),*],
                ].concat(),
            },
            make: |settings, site| {
                let options = option_read!(*settings, $options { $($fields)* });
                let mut options = DataOptions::of(Source::$type(options));
                options.split = settings.get("split");
                $(options.$section = settings.get(stringify!($section));)*
                site.prepare(options)
            },
        }),*]
    };
}

/// How data is prepared.
#[derive(Clone)]
pub struct DataSite {
    /// The seed.
    pub seed: u64,
    /// What a model has learnt of it already.
    pub known: Option<Encoder>,
    /// Where it lies, if elsewhere than the recipe says.
    pub elsewhere: Option<String>,
}

impl DataSite {
    fn prepare(&self, options: DataOptions) -> Result<Data> {
        let options = match &self.elsewhere {
            Some(path) => options.elsewhere(path),
            None => options,
        };
        match &self.known {
            Some(known) => prepare_for(known, &options, self.seed),
            None => prepare(&options, self.seed),
        }
        .map(Data)
    }
}

impl Product for Data {
    type Site = DataSite;
    const NAME: &'static str = "data";
    const NOUN: &'static str = "kind of data";

    fn common() -> Vec<Field> {
        vec![field!(split: SplitOptions => "How samples are held out.")]
    }

    fn entries() -> Vec<Entry<Self>> {
        let digits = Entry {
            outline: Outline {
                kind: "digits",
                doc: "12,000 of MNIST's handwritten digits, [1, 28, 28], within the program.",
                fields: vec![
                    field!(path: Option<PathBuf> => "A folder with the files of MNIST, or of a set like it, in their place."),
                    images(),
                ],
            },
            make: |settings: &Settings<'_>, site: &mut DataSite| {
                let source = match settings.get::<Option<String>>("path") {
                    Some(path) => Source::Idx(IdxOptions { path, ..Default::default() }),
                    None => Source::Digits,
                };
                let mut options = DataOptions::of(source);
                options.split = settings.get("split");
                options.images = settings.get("images");
                site.prepare(options)
            },
        };
        [vec![digits], pictures(), tables()].into_iter().flatten().collect()
    }
}

fn pictures() -> Vec<Entry<Data>> {
    sources! {
        idx = Idx(IdxOptions), [images], "Pictures and classes in files of the IDX format, such as MNIST." {
            path => "The folder of the files `train-images-idx3-ubyte` and so on, plain or gzipped.";
            classes => "The names of the classes; if not given, their numbers.";
        }
        cifar = Cifar(CifarOptions), [images], "CIFAR-10 or CIFAR-100, the binary version." {
            path => "The folder of the files `data_batch_1.bin` and so on.";
            coarse => "Tell the 20 coarse classes of CIFAR-100.";
        }
        image_folder = ImageFolder(ImageFolderOptions), [images, table], "Pictures in folders, which are classes, or with a table of labels or masks." {
            path => "The folder to learn from; it may hold the folders `train`, `valid` and `test`.";
            valid => "One to validate with; if not given, pictures are held out.";
            test => "One to be tested with.";
            labels => "A table of the names of the files and of what to tell.";
            name_column => "The column of names; if not given, the first.";
            masks => "A folder of masks in PNG, under the names of the pictures: the grey level or the place in the palette of a pixel is its class.";
            ignore => "The level of masks that says nothing of a pixel.";
            classes => "The names of the classes of masks; if not given, their numbers.";
        }
        audio = Audio(AudioFolderOptions), [audio, table], "Sounds (WAV, FLAC) in folders, which are classes, or with a table of labels." {
            path => "The folder to learn from; it may hold the folders `train`, `valid` and `test`.";
            valid => "One to validate with; if not given, sounds are held out.";
            test => "One to be tested with.";
            labels => "A table of the names of the files and of what to tell.";
            name_column => "The column of names; if not given, the first.";
        }
        arrays = Arrays(ArrayOptions), [images], "Arrays of NumPy." {
            path => "The npz file with `x` and `y`, or the npy file of inputs.";
            targets => "The npy file of targets.";
            valid => "The npy files of inputs and targets to validate with.";
            test => "The npy files of inputs and targets to be tested with.";
            channels_last => "The channels of pictures are the last axis.";
            classes => "The names of the classes; if not given, their numbers.";
        }
    }
}

fn tables() -> Vec<Entry<Data>> {
    sources! {
        csv = Csv(CsvOptions), [table, text], "A table as text: CSV, TSV and the like." {
            path => "The file to learn from, plain or gzipped, or a folder of such.";
            valid => "One to validate with; if not given, rows are held out.";
            test => "One to be tested with.";
            delimiter => "What stands between values; if not given, it is seen.";
            quote => "What stands around values with a delimiter in them.";
            decimal => "The sign before a number's fraction.";
            header => "The first line has the names of the columns.";
            names => "The names of the columns, if there is no header or others are wanted.";
            skip_lines => "How many lines to leave out at the start.";
            comment => "A line that begins so is left out.";
            trim => "Drop spaces around values.";
            trim_end => "What to drop from the end of values.";
            missing => "What stands for a value that is missing.";
        }
        json_lines = JsonLines(JsonLinesOptions), [table, text], "A table with an object in each line." {
            path => "The file to learn from, plain or gzipped, or a folder of such.";
            valid => "One to validate with; if not given, rows are held out.";
            test => "One to be tested with.";
        }
        parquet = Parquet(ParquetOptions), [table, text], "A table in the format of Parquet." {
            path => "The file to learn from, or a folder of such.";
            valid => "One to validate with; if not given, rows are held out.";
            test => "One to be tested with.";
        }
        text = Text(TextFilesOptions), [table, text], "Texts with labels: folders that are classes, or lines." {
            path => "The file or folder to learn from; a folder may hold `train`, `valid` and `test`.";
            valid => "One to validate with; if not given, texts are held out.";
            test => "One to be tested with.";
        }
        language = Language(LanguageOptions), [text], "A long text, of which the next word or character is to be told." {
            path => "The file to learn from, plain or gzipped.";
            valid => "One to validate with; if not given, the end of the first is held out.";
            test => "One to be tested with.";
        }
    }
}
