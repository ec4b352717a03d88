//! What was learnt of the training data, kept beside the model: how new data becomes what the model
//! is given, and what its answers mean.

use super::answer::{Answer, Answers};
#[cfg(feature = "audio")]
use super::audio::AudioEncoder;
use super::folder;
use super::picture::{Form, read_one};
use super::standard::{Standard, Standardised};
use super::table::csv::{self, CsvOptions};
use super::table::encoder::TableEncoder;
use super::table::frame::{Cells, Column, Frame, Texts};
use super::table::json_lines;
use super::words::{TextEncoder, Vocabulary, check_length};
use crate::{Dataset, text};
use gradus_tensor::io::{atomic::write_atomically, npy};
use gradus_tensor::{DType, Device, Error, Result, Shape, Tensor};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

/// How data becomes what a model is given, by what the training data holds, and what the model's
/// answers mean. It is kept with a model, for without it the model cannot be asked anything.
///
/// ```
/// use gradus_data::source::{CsvOptions, DataOptions, Encoder, Source, TableOptions, prepare};
///
/// # fn main() -> gradus_tensor::Result<()> {
/// # let folder = tempfile::tempdir().unwrap();
/// # let path = folder.path().join("sizes.csv");
/// let mut text = String::from("size,colour,kind\n");
/// for number in 0..40 {
///     text += ["1,red,apple\n", "9,green,melon\n"][number % 2];
/// }
/// std::fs::write(&path, text).unwrap();
/// let path = path.to_str().unwrap().to_string();
/// let mut options = DataOptions::of(Source::Csv(CsvOptions { path, ..Default::default() }));
/// options.table.target = vec!["kind".into()];
/// let prepared = prepare(&options, 1)?;
/// assert_eq!(prepared.encoder.shape(), [3]);
///
/// let encoder = Encoder::from_json(&prepared.encoder.to_json()?)?;
/// let row = encoder.encode_row(&[("size", "9"), ("colour", "green")])?.to_vec::<f32>();
/// assert!(row[0] > 0.9 && row[1..] == [1.0, 0.0]);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Encoder {
    input: Input,
    answers: Answers,
}

/// What a model is given.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Input {
    /// Pictures of a form, standardised: `[C, H, W]` of `f32`.
    Image {
        /// Their size and colour.
        form: Form,
        /// How they are scaled.
        standard: Standard,
    },
    /// Rows of a table: `[D]` of `f32`.
    Table {
        /// What was learnt of each column.
        columns: TableEncoder,
        /// How files of text are read.
        csv: CsvOptions,
    },
    /// Texts of a length: `[T]` of `i64`.
    Text {
        /// What was learnt of words.
        texts: TextEncoder,
        /// The column of texts in a table.
        column: String,
        /// How files of text are read.
        csv: CsvOptions,
    },
    /// Windows of a long text: `[T]` of `i64`.
    Language {
        /// What was learnt of words.
        vocabulary: Vocabulary,
        /// The length of a window.
        length: usize,
    },
    /// Sound: `[1, mels, frames]` or `[1, samples]` of `f32`.
    #[cfg(feature = "audio")]
    Audio {
        /// How sound becomes numbers.
        sound: AudioEncoder,
        /// How they are scaled.
        standard: Standard,
    },
    /// Arrays of a shape, standardised: of `f32`.
    Tensor {
        /// The shape of one.
        shape: Vec<usize>,
        /// How they are scaled.
        standard: Standard,
    },
}

impl Encoder {
    pub(super) fn new(input: Input, answers: Answers) -> Self {
        Self { input, answers }
    }

    /// What the model is given.
    pub fn input(&self) -> &Input {
        &self.input
    }

    /// What its answers mean.
    pub fn answers(&self) -> &Answers {
        &self.answers
    }

    /// `image`, `table`, `text`, `language`, `audio` or `tensor`.
    pub fn kind(&self) -> &'static str {
        match self.input {
            Input::Image { .. } => "image",
            Input::Table { .. } => "table",
            Input::Text { .. } => "text",
            Input::Language { .. } => "language",
            #[cfg(feature = "audio")]
            Input::Audio { .. } => "audio",
            Input::Tensor { .. } => "tensor",
        }
    }

    /// The shape of one input, without the axis of the batch.
    pub fn shape(&self) -> Shape {
        match &self.input {
            Input::Image { form, .. } => [form.channels, form.height, form.width].into(),
            Input::Table { columns, .. } => columns.width().into(),
            Input::Text { texts, .. } => texts.length.into(),
            Input::Language { length, .. } => (*length).into(),
            #[cfg(feature = "audio")]
            Input::Audio { sound, .. } => sound.shape(),
            Input::Tensor { shape, .. } => shape[..].into(),
        }
    }

    /// The type of its numbers: `i64` for text, else `f32`.
    pub fn dtype(&self) -> DType {
        match self.input {
            Input::Text { .. } | Input::Language { .. } => DType::I64,
            _ => DType::F32,
        }
    }

    /// How many different numbers an input of text may have, for an embedding.
    pub fn vocabulary(&self) -> Option<&Vocabulary> {
        match &self.input {
            Input::Text { texts, .. } => Some(&texts.vocabulary),
            Input::Language { vocabulary, .. } => Some(vocabulary),
            _ => None,
        }
    }

    /// How many numbers a model is to give: one for each class, label or number, or one for each
    /// entry of the vocabulary at each place.
    pub fn outputs(&self) -> usize {
        let vocabulary = || self.vocabulary().map_or(0, Vocabulary::len);
        self.answers.width().unwrap_or_else(vocabulary)
    }

    /// A data set as the model is given it: of pictures, sound and arrays, what still has to be
    /// standardised, batch by batch; else the same.
    pub fn finish(&self, dataset: Arc<dyn Dataset>) -> Arc<dyn Dataset> {
        let standard = match &self.input {
            Input::Image { standard, .. } | Input::Tensor { standard, .. } => standard,
            #[cfg(feature = "audio")]
            Input::Audio { standard, .. } => standard,
            _ => return dataset,
        };
        Arc::new(Standardised::new(dataset, standard.clone()))
    }

    /// What a file holds, as the model is given it, `[N, ...]`: one picture or sound, all rows of a
    /// table, each line of a text, the whole text for a language model, all arrays of an npy file.
    ///
    /// # Errors
    /// If the file cannot be read, or holds something else than what was learnt from.
    pub fn encode_file(&self, path: impl AsRef<Path>) -> Result<Tensor> {
        let path = path.as_ref();
        match &self.input {
            Input::Image { form, standard } => {
                let shape = [1, form.channels, form.height, form.width].into();
                let pixels = read_one(path, form)?;
                standard.apply(&Tensor::try_from_slice(&pixels, shape, Device::cpu())?)
            }
            Input::Table { columns, csv } => {
                let frame = read_table(path, csv)?;
                let rows: Vec<usize> = (0..frame.rows()).collect();
                let numbers = columns.encode(&frame, &rows)?;
                let shape = [rows.len(), columns.width()].into();
                Tensor::try_from_slice(&numbers, shape, Device::cpu())
            }
            Input::Text { texts, column, csv } => {
                if !folder::has_ending(path, &TABLES) {
                    let text = text::read(path)?;
                    return texts.encode(text.lines().filter(|line| !line.trim().is_empty()));
                }
                let frame = read_table(path, csv)?;
                let cells = &frame.column(column)?.cells;
                let all: Vec<String> =
                    (0..frame.rows()).map(|row| cells.text(row).unwrap_or_default()).collect();
                texts.encode(all.iter().map(String::as_str))
            }
            Input::Language { .. } => self.encode_text(&text::read(path)?),
            #[cfg(feature = "audio")]
            Input::Audio { sound, standard } => standard.apply(&sound.read(path)?.unsqueeze(0)),
            Input::Tensor { shape, standard } => {
                let x = npy::read(path)?;
                if x.rank() != shape.len() + 1 || x.shape()[1..] != shape[..] {
                    let message = format_args!(
                        "holds arrays of shape {}, where [N, ...] of {shape:?} were learnt from",
                        x.shape()
                    );
                    return Err(Error::format(path.display(), message));
                }
                standard.apply(&x)
            }
        }
    }

    /// A row of a table by the names of its columns, as the model is given it, `[1, D]`. A column
    /// that is left out is missing.
    ///
    /// # Errors
    /// If the model is not of a table, there is no such column, or a value is not what it holds.
    pub fn encode_row(&self, row: &[(&str, &str)]) -> Result<Tensor> {
        let (columns, csv) = match &self.input {
            Input::Table { columns, csv } => (columns, csv),
            Input::Text { texts, column, .. } => {
                let text = row.iter().find(|(name, _)| name == column).map(|(_, text)| *text);
                let missing =
                    || Error::Setting(format!("the row has no column {column}: give one"));
                return texts.encode(std::iter::once(text.ok_or_else(missing)?));
            }
            _ => {
                let message = format!("a model of kind {} takes files, not rows", self.kind());
                return Err(Error::Setting(message));
            }
        };
        let known = columns.columns();
        if let Some((name, _)) = row.iter().find(|(name, _)| !known.contains(name)) {
            let known = known.join(", ");
            let message = format!("the model knows no column {name}: it knows {known}");
            return Err(Error::Setting(message));
        }
        let cells = |name: &str| {
            let value = row.iter().find(|(own, _)| *own == name).map(|(_, value)| value.trim());
            let value = value.filter(|value| csv.missing.iter().all(|missing| missing != value));
            Cells::Text([value].into_iter().collect::<Texts>())
        };
        let columns_of_row =
            known.iter().map(|name| Column { name: name.to_string(), cells: cells(name) });
        let frame = Frame::new(Path::new("the row"), columns_of_row.collect(), vec![1])?;
        let numbers = columns.encode(&frame, &[0])?;
        Tensor::try_from_slice(&numbers, [1, columns.width()].into(), Device::cpu())
    }

    /// A text as the model is given it: `[1, T]`, padded or cut; for a language model all of it.
    ///
    /// # Errors
    /// If the model is not of text.
    pub fn encode_text(&self, text: &str) -> Result<Tensor> {
        match &self.input {
            Input::Text { texts, .. } => texts.encode(std::iter::once(text)),
            Input::Language { vocabulary, .. } => {
                let numbers: Vec<i64> =
                    vocabulary.encode(text).into_iter().map(i64::from).collect();
                Tensor::try_from_slice(&numbers, [1, numbers.len()].into(), Device::cpu())
            }
            _ => {
                let message = format!("a model of kind {} takes no text", self.kind());
                Err(Error::Setting(message))
            }
        }
    }

    /// What a model's outputs `[B, ...]` say; see [`Answers::decode`].
    ///
    /// # Errors
    /// If they are of another shape.
    pub fn decode(&self, outputs: &Tensor) -> Result<Vec<Answer>> {
        self.answers.decode(outputs)
    }

    /// As text, to be kept with a model.
    ///
    /// # Errors
    /// If a number is not finite.
    pub fn to_json(&self) -> Result<String> {
        let failed = |error: serde_json::Error| Error::format("encoder", error);
        serde_json::to_string_pretty(self).map_err(failed)
    }

    /// What [`Encoder::to_json`] gave.
    ///
    /// # Errors
    /// If it is something else.
    pub fn from_json(text: &str) -> Result<Self> {
        let damaged = |error: &dyn fmt::Display| {
            Error::format("encoder", format_args!("is damaged: {error}: copy it once more"))
        };
        let own: Self = serde_json::from_str(text).map_err(|error| damaged(&error))?;
        own.check().map_err(|error| damaged(&error))?;
        Ok(own)
    }

    /// Refuses what nothing was ever learnt as: a file may say anything.
    fn check(&self) -> Result<()> {
        match &self.input {
            Input::Image { form, standard } => {
                form.check()?;
                standard.check(form.channels)?;
            }
            Input::Table { columns, .. } => columns.check()?,
            Input::Text { texts, .. } => check_length(texts.length)?,
            Input::Language { length, .. } => check_length(*length)?,
            #[cfg(feature = "audio")]
            Input::Audio { sound, standard } => {
                sound.check(sound.samples as f64)?;
                standard.check(1)?;
            }
            Input::Tensor { shape, standard } => {
                // A batch has an axis more.
                let batch = Shape::try_new(&[&[1], &shape[..]].concat())?;
                if shape.is_empty() || batch.checked_count().is_none() {
                    return Err(Error::Setting(format!("there are no arrays of shape {shape:?}")));
                }
                standard.check(shape[0])?;
            }
        }
        match self.outputs() {
            0 => Err(Error::Setting("there is nothing to tell".into())),
            _ => Ok(()),
        }
    }

    /// Writes it to a file, whole or not at all.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write(&self, path: impl AsRef<Path>) -> Result<()> {
        let json = self.to_json()?;
        write_atomically(path, |file| file.write_all(json.as_bytes()))
    }

    /// What [`Encoder::write`] wrote.
    ///
    /// # Errors
    /// If it cannot be read or is something else.
    pub fn read(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        crate::file::in_file(path, Self::from_json(&text::read(path)?))
    }

    /// What the model is given and asked, in a sentence.
    pub fn describe(&self) -> String {
        let shape = self.shape();
        let given = match &self.input {
            Input::Image { .. } => format!("pictures of {shape} numbers"),
            Input::Table { columns, .. } => {
                format!("{shape} numbers of the columns {}", columns.columns().join(", "))
            }
            Input::Text { texts, .. } => {
                format!("texts of {shape} of {} words", texts.vocabulary.len())
            }
            Input::Language { vocabulary, .. } => {
                format!("windows of {shape} of {} tokens", vocabulary.len())
            }
            #[cfg(feature = "audio")]
            Input::Audio { .. } => format!("sound of {shape} numbers"),
            Input::Tensor { .. } => format!("arrays of shape {shape}"),
        };
        let asked = match &self.answers {
            Answers::Classes(names) => format!("one of {} classes", names.len()),
            Answers::Labels(names) => format!("which of {} labels hold", names.len()),
            Answers::Mask(names) => format!("one of {} classes for each pixel", names.len()),
            Answers::Numbers(numbers) => {
                let names: Vec<&str> = numbers.iter().map(|number| &number.name[..]).collect();
                names.join(", ")
            }
            Answers::NextToken => "the next token".into(),
        };
        format!("from {given}, tell {asked}")
    }
}

/// How the names of files of tables end.
const TABLES: [&str; 7] = ["csv", "tsv", "data", "gz", "jsonl", "ndjson", "parquet"];

/// The table in a file, by how its name ends: JSON lines, Parquet, or else values between signs.
pub(super) fn read_table(path: &Path, csv: &CsvOptions) -> Result<Frame> {
    let name = path.to_string_lossy().to_lowercase();
    let name = name.strip_suffix(".gz").unwrap_or(&name);
    match name.rsplit('.').next() {
        Some("jsonl" | "ndjson") => json_lines::read(path),
        #[cfg(feature = "parquet")]
        Some("parquet") => super::table::parquet::read(path),
        #[cfg(not(feature = "parquet"))]
        Some("parquet") => {
            let message = "is of Parquet, which this program was built without: build it with the \
                           feature parquet, or write the table as CSV";
            Err(Error::format(path.display(), message))
        }
        _ => csv::read(path, csv),
    }
}
