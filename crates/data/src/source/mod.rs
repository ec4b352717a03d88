//! Data from files: readers of many formats, dividing, and what is learnt of the part to learn from.
//!
//! [`prepare`] reads what [`DataOptions`] name and gives [`Prepared`]: data sets to train with, and
//! the [`Encoder`] that belongs to the model from then on. Sizes that a file's header claims are
//! checked before memory is taken for them, and a complaint names the file, what is wrong, and the
//! cure.
//!
//! ```
//! use gradus_data::source::{DataOptions, Source, prepare};
//!
//! # fn main() -> gradus_tensor::Result<()> {
//! let prepared = prepare(&DataOptions::of(Source::Digits), 1)?;
//! assert_eq!((prepared.train.len(), prepared.valid.unwrap().len()), (9_000, 1_000));
//! assert_eq!(prepared.encoder.shape(), [1, 28, 28]);
//! assert_eq!(prepared.encoder.outputs(), 10);
//! # Ok(())
//! # }
//! ```

mod answer;
mod arrays;
#[cfg(feature = "audio")]
mod audio;
mod cache;
mod encoder;
mod folder;
mod look;
mod options;
mod picture;
mod prepare;
pub mod split;
mod standard;
mod table;
pub mod words;

pub use answer::{Answer, Answers, Number, Targets};
pub use arrays::ArrayOptions;
/// Sound in files: WAV and FLAC.
#[cfg(feature = "audio")]
pub use audio::decode as sound_file;
#[cfg(feature = "audio")]
pub use audio::{AudioEncoder, AudioFeatures, AudioFolderOptions, AudioOptions};
pub use encoder::{Encoder, Input};
pub use look::{Role, Seen, SeenColumn, look};
#[cfg(feature = "parquet")]
pub use options::ParquetOptions;
pub use options::{DataOptions, Source};
/// The binary files of CIFAR-10 and CIFAR-100.
pub use picture::cifar;
/// Pictures in files of several formats.
pub use picture::decode as picture_file;
pub use picture::{
    CifarOptions, Fit, Form, IdxOptions, ImageFolderOptions, ImageOptions, Pictures, Pixels,
};
pub use prepare::{Prepared, prepare, prepare_for};
pub use split::{SplitBy, SplitOptions};
pub use standard::{Standard, Standardised};
pub use table::columns::{Categories, Kind, Scale, TableOptions, Task};
/// Tables as text.
pub use table::csv;
pub use table::csv::CsvOptions;
/// Dates and times as numbers.
pub use table::date;
pub use table::encoder::TableEncoder;
pub use table::frame;
pub use table::json_lines;
pub use table::json_lines::JsonLinesOptions;
#[cfg(feature = "parquet")]
pub use table::parquet;
pub use words::{
    Keep, LanguageOptions, TextEncoder, TextFilesOptions, TextOptions, Unit, Vocabulary,
};
