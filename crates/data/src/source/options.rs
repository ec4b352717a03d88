//! What data to read, and how it is prepared.

use super::arrays::ArrayOptions;
#[cfg(feature = "audio")]
use super::audio::{AudioFolderOptions, AudioOptions};
use super::picture::{CifarOptions, IdxOptions, ImageFolderOptions, ImageOptions};
use super::split::SplitOptions;
use super::table::columns::TableOptions;
use super::table::csv::CsvOptions;
use super::table::json_lines::JsonLinesOptions;
use super::words::{LanguageOptions, TextFilesOptions, TextOptions};
use serde::{Deserialize, Serialize};

/// What data to read, how it is divided, and how it becomes what a model is given.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DataOptions {
    /// Where it lies, and in which format.
    pub source: Source,
    /// How samples are held out.
    #[serde(default)]
    pub split: SplitOptions,
    /// What tables hold.
    #[serde(default)]
    pub table: TableOptions,
    /// How text becomes numbers.
    #[serde(default)]
    pub text: TextOptions,
    /// How pictures become numbers.
    #[serde(default)]
    pub images: ImageOptions,
    /// How sound becomes numbers.
    #[cfg(feature = "audio")]
    #[serde(default)]
    pub audio: AudioOptions,
}

impl DataOptions {
    /// Data from a source, all else by default.
    pub fn of(source: Source) -> Self {
        Self {
            source,
            split: SplitOptions::default(),
            table: TableOptions::default(),
            text: TextOptions::default(),
            images: ImageOptions::default(),
            #[cfg(feature = "audio")]
            audio: AudioOptions::default(),
        }
    }

    /// The same kind of data at another place, with nothing held out: for a trained model to be asked
    /// about all of it, or about what is to be tested with where the place says so, as a folder with
    /// `train` and `test` does.
    pub fn elsewhere(&self, path: impl Into<String>) -> Self {
        let path = path.into();
        let mut options = self.clone();
        options.split = SplitOptions { valid: 0.0, ..Default::default() };
        let (own, parts) = match &mut options.source {
            Source::Digits => {
                options.source = Source::Idx(IdxOptions { path, ..Default::default() });
                return options;
            }
            Source::Idx(idx) => (&mut idx.path, None),
            Source::Cifar(cifar) => (&mut cifar.path, None),
            Source::ImageFolder(own) => (&mut own.path, Some((&mut own.valid, &mut own.test))),
            Source::Csv(own) => (&mut own.path, Some((&mut own.valid, &mut own.test))),
            Source::JsonLines(own) => (&mut own.path, Some((&mut own.valid, &mut own.test))),
            #[cfg(feature = "parquet")]
            Source::Parquet(own) => (&mut own.path, Some((&mut own.valid, &mut own.test))),
            #[cfg(feature = "audio")]
            Source::Audio(own) => (&mut own.path, Some((&mut own.valid, &mut own.test))),
            Source::Text(own) => (&mut own.path, Some((&mut own.valid, &mut own.test))),
            Source::Language(own) => (&mut own.path, Some((&mut own.valid, &mut own.test))),
            Source::Arrays(own) => {
                (own.targets, own.valid, own.test) = Default::default();
                (&mut own.path, None)
            }
        };
        *own = path;
        if let Some((valid, test)) = parts {
            (*valid, *test) = (None, None);
        }
        options
    }
}

/// Where data lies, and in which format.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Source {
    /// The handwritten digits within the library.
    Digits,
    /// Pictures and classes in files of the IDX format, such as MNIST.
    Idx(IdxOptions),
    /// CIFAR-10 or CIFAR-100, the binary version.
    Cifar(CifarOptions),
    /// Pictures in folders.
    ImageFolder(ImageFolderOptions),
    /// A table as text.
    Csv(CsvOptions),
    /// A table with an object in each line.
    JsonLines(JsonLinesOptions),
    /// A table in the format of Parquet.
    #[cfg(feature = "parquet")]
    Parquet(ParquetOptions),
    /// Sounds in folders.
    #[cfg(feature = "audio")]
    Audio(AudioFolderOptions),
    /// Texts with labels.
    Text(TextFilesOptions),
    /// A long text, of which the next token is to be told.
    Language(LanguageOptions),
    /// Arrays of NumPy.
    Arrays(ArrayOptions),
}

/// Where tables in the format of Parquet lie.
#[cfg(feature = "parquet")]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ParquetOptions {
    /// The file to learn from, or a folder of such.
    pub path: String,
    /// One to validate with; without it, rows are held out of the first.
    pub valid: Option<String>,
    /// One to be tested with.
    pub test: Option<String>,
}
