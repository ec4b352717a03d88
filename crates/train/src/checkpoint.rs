//! Saving a training so that it can go on as if it had never stopped.

use crate::callback::{Callback, Session};
use crate::history::History;
use gradus_nn::{Module, Optimizer};
use gradus_tensor::io::atomic::write_atomically;
use gradus_tensor::io::safetensors::{self, Contents};
use gradus_tensor::{Error, Result, Tensor};
use serde_json::{Value, json};
use std::io::Write;
use std::path::{Path, PathBuf};

/// The key of the metadata of our safetensors files.
const METADATA: &str = "gradus";

/// Everything a training needs to go on: the model's and the optimizer's state, the positions of the
/// model's random streams, and the history.
#[derive(Clone, Debug)]
pub struct Checkpoint {
    model: Vec<(String, Tensor)>,
    optimizer: Vec<(String, Tensor)>,
    streams: Vec<(String, (u64, u64))>,
    history: History,
}

impl Checkpoint {
    /// The state of a training.
    pub fn capture<M: Module + ?Sized>(
        model: &M,
        optimizer: &dyn Optimizer,
        history: &History,
    ) -> Self {
        Self {
            model: model.state_dict(),
            optimizer: optimizer.state_dict(),
            streams: model.named_streams(),
            history: history.clone(),
        }
    }

    /// Puts a model and an optimizer into this state, and gives the history.
    ///
    /// # Errors
    /// [`Error::Mismatch`], if the state is that of another model or optimizer.
    pub fn restore<M: Module + ?Sized>(
        &self,
        model: &M,
        optimizer: &mut dyn Optimizer,
    ) -> Result<History> {
        model.load_state_dict(&self.model)?;
        optimizer.load_state_dict(&self.optimizer)?;
        model.load_streams(&self.streams)?;
        Ok(self.history.clone())
    }

    /// Puts a model and an optimizer into the state that a file holds, and gives the history.
    ///
    /// # Errors
    /// As [`Checkpoint::read`] and [`Checkpoint::restore`].
    pub fn restore_from<M: Module + ?Sized>(
        path: impl AsRef<Path>,
        model: &M,
        optimizer: &mut dyn Optimizer,
    ) -> Result<History> {
        let path = path.as_ref();
        Self::read(path)?.restore(model, optimizer).map_err(|error| naming(path, error))
    }

    /// Writes the checkpoint to one file, whole or not at all: tensors under `model.` and
    /// `optimizer.`, all else as JSON in the metadata. The same JSON is then written beside it, to
    /// be read by people.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn write(&self, path: impl AsRef<Path>) -> Result<()> {
        let prefixed = |prefix: &str, state: &[(String, Tensor)]| -> Vec<(String, Tensor)> {
            state.iter().map(|(name, x)| (format!("{prefix}.{name}"), x.clone())).collect()
        };
        let mut tensors = prefixed("model", &self.model);
        tensors.extend(prefixed("optimizer", &self.optimizer));
        // 64-bit integers do not survive every reader of JSON: they are written as texts.
        let streams: Vec<Value> = self
            .streams
            .iter()
            .map(|(name, (key, position))| json!([name, key.to_string(), position.to_string()]))
            .collect();
        let description = json!({
            "kind": "checkpoint",
            "epoch": self.history.len(),
            "history": self.history.to_json(),
            "streams": streams,
        });
        write_described(path.as_ref(), tensors, description)
    }

    /// Reads what [`Checkpoint::write`] wrote.
    ///
    /// # Errors
    /// If the file cannot be read, is damaged, or is no checkpoint.
    pub fn read(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let contents = safetensors::read(path)?;
        let broken = |what: &str| Error::format(path.display(), format_args!("{what}"));
        let text = contents
            .text(METADATA)
            .ok_or_else(|| broken("holds tensors, but is no checkpoint of a training"))?;
        let description: Value = serde_json::from_str(text)
            .map_err(|error| broken(&format!("its description is damaged: {error}")))?;
        let streams = description["streams"].as_array().into_iter().flatten().map(|stream| {
            let number = |index: usize| stream[index].as_str()?.parse().ok();
            Some((stream[0].as_str()?.to_string(), (number(1)?, number(2)?)))
        });
        let streams = streams.collect::<Option<Vec<_>>>();
        let (Some("checkpoint"), Some(streams)) = (description["kind"].as_str(), streams) else {
            return Err(broken("holds tensors, but is no checkpoint of a training"));
        };
        let part = |prefix: &str| -> Vec<(String, Tensor)> {
            let named = contents.tensors.iter();
            named
                .filter_map(|(name, x)| Some((name.strip_prefix(prefix)?.to_string(), x.clone())))
                .collect()
        };
        Ok(Self {
            model: part("model."),
            optimizer: part("optimizer."),
            streams,
            history: History::from_json(&description["history"])?,
        })
    }
}

/// Writes a model's weights under PyTorch's keys, with a description, and the description beside it
/// as JSON.
///
/// # Errors
/// If the file cannot be written.
pub fn write_weights<M: Module + ?Sized>(
    path: impl AsRef<Path>,
    model: &M,
    description: Value,
) -> Result<()> {
    write_described(path.as_ref(), model.state_dict(), description)
}

/// Gives a model the weights in a file.
///
/// # Errors
/// If the file cannot be read, or holds the weights of another model.
pub fn read_weights<M: Module + ?Sized>(path: impl AsRef<Path>, model: &M) -> Result<()> {
    let path = path.as_ref();
    let contents = safetensors::read(path)?;
    model.load_state_dict(&contents.tensors).map_err(|error| naming(path, error))
}

/// Says in which file the state of something else was.
fn naming(path: &Path, error: Error) -> Error {
    match error {
        Error::Mismatch(message) => Error::Mismatch(format!("{}: {message}", path.display())),
        error => error,
    }
}

fn write_described(path: &Path, tensors: Vec<(String, Tensor)>, description: Value) -> Result<()> {
    let metadata = vec![(METADATA.to_string(), description.to_string())];
    safetensors::write(path, &Contents { tensors, metadata })?;
    write_json(path.with_extension("json"), &description)
}

/// Writes JSON to be read by people, whole or not at all.
///
/// # Errors
/// If the file cannot be written.
pub fn write_json(path: impl AsRef<Path>, value: &Value) -> Result<()> {
    write_atomically(path, |file| writeln!(file, "{value:#}"))
}

/// After each epoch writes `best.safetensors`, the weights of the epoch in which a figure was
/// lowest, and `last.safetensors`, from which the training can go on.
#[derive(Clone, Debug)]
pub struct Checkpoints {
    folder: PathBuf,
    monitor: String,
}

impl Checkpoints {
    /// Writes to a folder, and goes by a figure such as `valid_loss`.
    pub fn new(folder: impl Into<PathBuf>, monitor: impl Into<String>) -> Self {
        Self { folder: folder.into(), monitor: monitor.into() }
    }
}

impl Callback for Checkpoints {
    fn on_epoch_end(&mut self, session: &mut Session<'_>) -> Result<()> {
        let history = session.history;
        let Some(epoch) = history.epochs().last() else {
            return Ok(());
        };
        // Where the figure never was a number, the last epoch is as good as any.
        let best = history.lowest(&self.monitor).unwrap_or(epoch);
        if best.number == epoch.number {
            let description = json!({ "kind": "weights", "figures": epoch.to_json() });
            write_weights(self.folder.join("best.safetensors"), session.model, description)?;
        }
        // Written last: whatever happens before, the training goes on from the epoch before.
        let checkpoint = Checkpoint::capture(session.model, session.optimizer, history);
        checkpoint.write(self.folder.join("last.safetensors"))
    }
}
