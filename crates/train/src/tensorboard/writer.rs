//! Files of events.

use super::wire::Message;
use super::{graph, record};
use crate::histogram::Histogram;
use gradus_data::image::{Image, encode_png};
use gradus_nn::Summary;
use gradus_tensor::{Error, Result};
use serde_json::Value;
use std::fs::{self, File, OpenOptions};
use std::io::{BufWriter, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// Writes what TensorBoard shows: figures, histograms, pictures, texts, the model's graph, settings.
///
/// A name with a slash, as `loss/train`, puts what it names into a group. Steps count from wherever
/// the caller begins.
///
/// ```
/// use gradus_train::{EventWriter, Histogram};
/// use gradus_tensor::Tensor;
///
/// # fn main() -> gradus_tensor::Result<()> {
/// # let folder = tempfile::tempdir().unwrap();
/// # let folder = folder.path();
/// let mut writer = EventWriter::create(folder)?;
/// for step in 0..100 {
///     writer.scalar("loss", step, 1.0 / (step + 1) as f64)?;
/// }
/// writer.histogram("weights", 99, &Histogram::of(&Tensor::from([0.1, -0.3])))?;
/// writer.flush()?;
/// # Ok(())
/// # }
/// ```
///
/// # Source
/// The messages of TensorFlow: event.proto, summary.proto, tensor.proto and graph.proto of
/// `tensorflow/core`, plugin_data.proto of TensorBoard's `hparams`. PyTorch's name is
/// `torch.utils.tensorboard.SummaryWriter`.
#[derive(Debug)]
pub struct EventWriter {
    path: PathBuf,
    file: BufWriter<File>,
}

/// The type of texts in TensorFlow.
const DT_STRING: i64 = 7;

/// What a plugin is given: settings are data of its own, texts are tensors.
const DATA_CLASS_TENSOR: i64 = 2;

impl EventWriter {
    /// Makes a new file in a folder, and the folder if it is not there.
    ///
    /// # Errors
    /// If they cannot be made.
    pub fn create(folder: impl AsRef<Path>) -> Result<Self> {
        let folder = folder.as_ref();
        fs::create_dir_all(folder).map_err(|error| Error::io(folder, error))?;
        let (path, file) = new_file(folder)?;
        let mut writer = Self { path, file: BufWriter::new(file) };
        writer.write(event(0).text(3, "brain.Event:2"))?;
        Ok(writer)
    }

    /// The file that is written to.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Says that from a step on a training goes on that was interrupted: what an earlier file holds
    /// of that step and later ones is not shown any more.
    ///
    /// # Errors
    /// If the file cannot be written, as with all that follow.
    pub fn restart(&mut self, step: u64) -> Result<()> {
        // `SessionLog.START`.
        self.write(event(step).message(7, Message::default().integer(1, 1)))
    }

    /// Writes a figure. TensorBoard keeps 32 bits of it.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn scalar(&mut self, name: &str, step: u64, value: f64) -> Result<()> {
        self.value(step, Message::default().text(1, name).float(2, value as f32))
    }

    /// Writes how numbers are spread.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn histogram(&mut self, name: &str, step: u64, histogram: &Histogram) -> Result<()> {
        self.value(step, Message::default().text(1, name).message(5, spread(histogram)))
    }

    /// Writes a picture.
    ///
    /// # Errors
    /// If the file cannot be written or the picture is too large for PNG.
    pub fn image(&mut self, name: &str, step: u64, image: &Image) -> Result<()> {
        let picture = Message::default()
            .integer(1, image.height() as i64)
            .integer(2, image.width() as i64)
            .integer(3, image.colour().channels() as i64)
            .bytes(4, &encode_png(image)?);
        self.value(step, Message::default().text(1, name).message(4, picture))
    }

    /// Writes a text, which is shown as Markdown.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn text(&mut self, name: &str, step: u64, text: &str) -> Result<()> {
        let shape = Message::default().message(2, Message::default().integer(1, 1));
        let tensor = Message::default().integer(1, DT_STRING).message(2, shape).text(8, text);
        let value = Message::default()
            .text(1, name)
            .message(8, tensor)
            .message(9, plugin("text", Message::default()).integer(4, DATA_CLASS_TENSOR));
        self.value(step, value)
    }

    /// Writes what a model is made of: its input, its parameters and its ops, each with its shape and
    /// with what it takes, in boxes for the modules.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn graph(&mut self, summary: &Summary) -> Result<()> {
        self.write(event(0).message(4, graph::message(summary)))
    }

    /// Writes the settings of a training, for the table that compares trainings. What is neither a
    /// number nor a truth value is written as a text.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn settings(&mut self, settings: &serde_json::Map<String, Value>) -> Result<()> {
        let start = settings
            .iter()
            .fold(Message::default(), |start, (name, value)| start.entry(1, name, setting(value)));
        // `STATUS_SUCCESS`: what is still running has no status of its own there.
        let end = Message::default().integer(1, 1);
        let parts =
            [("_hparams_/session_start_info", 3, start), ("_hparams_/session_end_info", 4, end)];
        parts.into_iter().try_for_each(|(name, field, part)| {
            let data = Message::default().message(field, part);
            self.value(0, Message::default().text(1, name).message(9, plugin("hparams", data)))
        })
    }

    /// Hands on to the system what was written.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn flush(&mut self) -> Result<()> {
        self.file.flush().map_err(|error| Error::io(&self.path, error))
    }

    /// Writes a value of a `Summary`.
    fn value(&mut self, step: u64, value: Message) -> Result<()> {
        self.write(event(step).message(5, Message::default().message(1, value)))
    }

    fn write(&mut self, event: Message) -> Result<()> {
        record::write(&mut self.file, &event.finish()).map_err(|error| Error::io(&self.path, error))
    }
}

/// An `Event` of now, still without content.
fn event(step: u64) -> Message {
    Message::default().double(1, now().as_secs_f64()).integer(2, step as i64)
}

/// A `SummaryMetadata`: which part of TensorBoard shows a value.
fn plugin(name: &str, data: Message) -> Message {
    let data = Message::default().text(1, name).bytes(2, &data.finish());
    Message::default().message(1, data)
}

/// A `HistogramProto`. Its reader takes a bin to begin where the one before it ends, and the first
/// one at `min`.
fn spread(histogram: &Histogram) -> Message {
    let counts: Vec<f64> = histogram.counts.iter().map(|&count| count as f64).collect();
    Message::default()
        .double(1, histogram.min)
        .double(2, histogram.max)
        .double(3, counts.iter().sum())
        .double(4, histogram.sum)
        .double(5, histogram.sum_of_squares)
        .doubles(6, &histogram.ends())
        .doubles(7, &counts)
}

/// A setting as a `google.protobuf.Value`.
fn setting(value: &Value) -> Message {
    match value {
        Value::Bool(truth) => Message::default().boolean(4, *truth),
        Value::String(text) => Message::default().text(3, text),
        value => match value.as_f64() {
            Some(number) => Message::default().double(2, number),
            None => Message::default().text(3, &value.to_string()),
        },
    }
}

/// The time since 1970; none before that.
fn now() -> std::time::Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// A file with a name that no other has and TensorBoard knows for one of its own. It reads them in
/// the order of their names: later ones must come later.
fn new_file(folder: &Path) -> Result<(PathBuf, File)> {
    let seconds = now().as_secs();
    let mut number = 0;
    loop {
        let path = folder.join(format!("events.out.tfevents.{seconds:010}.{number:03}.gradus"));
        match OpenOptions::new().write(true).create_new(true).open(&path) {
            Ok(file) => return Ok((path, file)),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => number += 1,
            Err(error) => return Err(Error::io(path, error)),
        }
    }
}
