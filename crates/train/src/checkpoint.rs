//! Saving a training so that it can go on as if it had never stopped.

use crate::checksum;
use crate::history::History;
use crate::state::State;
use gradus_nn::{Module, Optimizer};
use gradus_tensor::io::atomic::write_atomically;
use gradus_tensor::io::safetensors::Contents;
use gradus_tensor::{Error, Result, Tensor};
use serde_json::{Map, Value, json};
use std::collections::HashSet;
use std::io::Write;
use std::path::Path;

/// The key of the metadata of our safetensors files.
const METADATA: &str = "gradus";

/// Everything a training needs to go on: the model's and the optimizer's state, the positions of the
/// model's random streams, which parameters are frozen, the history, and what other parts remember.
///
/// [`Trainer::checkpoint`](crate::Trainer::checkpoint) makes one that also holds the position in the
/// epoch, metrics and callbacks; with [`Checkpoint::capture`] a hand-written loop makes its own.
#[derive(Clone, Debug)]
pub struct Checkpoint {
    model: Vec<(String, Tensor)>,
    optimizer: Vec<(String, Tensor)>,
    streams: Vec<(String, (u64, u64))>,
    frozen: Vec<String>,
    learning_rate: f64,
    momentum: Option<f64>,
    history: History,
    parts: Vec<(String, State)>,
}

impl Checkpoint {
    /// The state of a training.
    pub fn capture<M: Module + ?Sized>(
        model: &M,
        optimizer: &dyn Optimizer,
        history: &History,
    ) -> Self {
        let named = model.named_params().into_iter();
        let frozen = named.filter(|(_, param)| !param.is_trainable()).map(|(name, _)| name);
        Self {
            model: model.state_dict(),
            optimizer: optimizer.state_dict(),
            streams: model.named_streams(),
            frozen: frozen.collect(),
            learning_rate: optimizer.learning_rate(),
            momentum: optimizer.momentum(),
            history: history.clone(),
            parts: vec![],
        }
    }

    /// Also holds what another part of the training remembers.
    pub fn with(mut self, part: impl Into<String>, state: State) -> Self {
        self.parts.push((part.into(), state));
        self
    }

    /// What a part remembered, if it is among those that were given to [`Checkpoint::with`].
    pub fn part(&self, name: &str) -> Option<&State> {
        self.parts.iter().find(|(own, _)| own == name).map(|(_, state)| state)
    }

    /// The names of the parts.
    pub fn parts(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().map(|(name, _)| name.as_str())
    }

    /// What was recorded of the training.
    pub fn history(&self) -> &History {
        &self.history
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
        let frozen: HashSet<&str> = self.frozen.iter().map(String::as_str).collect();
        for (name, param) in model.named_params() {
            match frozen.contains(name.as_str()) {
                true => param.freeze(),
                false => param.unfreeze(),
            }
        }
        optimizer.set_learning_rate(self.learning_rate);
        if let Some(momentum) = self.momentum.filter(|_| optimizer.momentum().is_some()) {
            optimizer.set_momentum(momentum);
        }
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

    /// Writes the checkpoint to one file, whole or not at all: tensors under `model.`, `optimizer.`
    /// and `part.`, all else as JSON in the metadata, and a checksum of every byte. The same JSON is
    /// then written beside it, to be read by people.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn write(&self, path: impl AsRef<Path>) -> Result<()> {
        let prefixed = |prefix: &str, state: &[(String, Tensor)]| -> Vec<(String, Tensor)> {
            state.iter().map(|(name, x)| (format!("{prefix}.{name}"), x.clone())).collect()
        };
        let mut tensors = prefixed("model", &self.model);
        tensors.extend(prefixed("optimizer", &self.optimizer));
        for (index, (_, state)) in self.parts.iter().enumerate() {
            tensors.extend(prefixed(&format!("part.{index}"), state.tensors()));
        }
        write_described(path.as_ref(), tensors, self.description())
    }

    /// All but the tensors.
    fn description(&self) -> Value {
        // 64-bit integers do not survive every reader of JSON: they are written as texts.
        let streams: Vec<Value> = self
            .streams
            .iter()
            .map(|(name, (key, position))| json!([name, key.to_string(), position.to_string()]))
            .collect();
        let parts = self.parts.iter();
        let parts: Vec<Value> =
            parts.map(|(name, state)| json!({"name": name, "values": state.values()})).collect();
        json!({
            "kind": "checkpoint",
            "epoch": self.history.len(),
            "learning_rate": self.learning_rate,
            "momentum": self.momentum,
            "frozen": self.frozen,
            "history": self.history.to_json(),
            "streams": streams,
            "parts": parts,
        })
    }

    /// Reads what [`Checkpoint::write`] wrote.
    ///
    /// # Errors
    /// If the file cannot be read, is damaged by so much as a bit, or is no checkpoint.
    pub fn read(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let (contents, checked) = checksum::read(path)?;
        let broken = |what: &str| Error::format(path.display(), format_args!("{what}"));
        let text = contents
            .text(METADATA)
            .ok_or_else(|| broken("holds tensors, but is no checkpoint of a training"))?;
        let description: Value = serde_json::from_str(text)
            .map_err(|error| broken(&format!("its description is damaged: {error}")))?;
        if description["kind"] != "checkpoint" {
            return Err(broken("holds tensors, but is no checkpoint of a training"));
        }
        if !checked {
            return Err(broken("is a checkpoint without a checksum, so it is damaged"));
        }
        Self::from_parts(&contents, &description)
            .ok_or_else(|| broken("is a checkpoint of another version, or is damaged"))
    }

    fn from_parts(contents: &Contents, description: &Value) -> Option<Self> {
        let streams = description["streams"].as_array()?.iter().map(|stream| {
            let number = |index: usize| stream[index].as_str()?.parse().ok();
            Some((stream[0].as_str()?.to_string(), (number(1)?, number(2)?)))
        });
        let under = |prefix: &str| -> Vec<(String, Tensor)> {
            let named = contents.tensors.iter();
            named
                .filter_map(|(name, x)| Some((name.strip_prefix(prefix)?.to_string(), x.clone())))
                .collect()
        };
        let parts = description["parts"].as_array()?.iter().enumerate().map(|(index, part)| {
            let values: &Map<String, Value> = part["values"].as_object()?;
            let state = State::of(values.clone(), under(&format!("part.{index}.")));
            Some((part["name"].as_str()?.to_string(), state))
        });
        let frozen = description["frozen"].as_array()?.iter();
        let frozen = frozen.map(|name| Some(name.as_str()?.to_string()));
        Some(Self {
            model: under("model."),
            optimizer: under("optimizer."),
            streams: streams.collect::<Option<_>>()?,
            frozen: frozen.collect::<Option<_>>()?,
            learning_rate: description["learning_rate"].as_f64()?,
            momentum: description["momentum"].as_f64(),
            history: History::from_json(&description["history"]).ok()?,
            parts: parts.collect::<Option<_>>()?,
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
/// If the file cannot be read, is damaged, or holds the weights of another model.
pub fn read_weights<M: Module + ?Sized>(path: impl AsRef<Path>, model: &M) -> Result<()> {
    let path = path.as_ref();
    let (contents, _) = checksum::read(path)?;
    model.load_state_dict(&contents.tensors).map_err(|error| naming(path, error))
}

/// Says in which file the state of something else was.
pub(crate) fn naming(path: &Path, error: Error) -> Error {
    match error {
        Error::Mismatch(message) => Error::Mismatch(format!("{}: {message}", path.display())),
        error => error,
    }
}

fn write_described(path: &Path, tensors: Vec<(String, Tensor)>, description: Value) -> Result<()> {
    let metadata = vec![(METADATA.to_string(), description.to_string())];
    checksum::write(path, Contents { tensors, metadata })?;
    write_json(path.with_extension("json"), &description)
}

/// Writes JSON to be read by people, whole or not at all.
///
/// # Errors
/// If the file cannot be written.
pub fn write_json(path: impl AsRef<Path>, value: &Value) -> Result<()> {
    write_atomically(path, |file| writeln!(file, "{value:#}"))
}
