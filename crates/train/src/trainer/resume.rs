//! What is saved of a training, and going on from it.

use super::Trainer;
use super::batches::Running;
use crate::checkpoint::Checkpoint;
use crate::keep::{Checkpoints, remove_unfinished, restored};
use crate::metrics::Mean;
use crate::skipped::Skipped;
use crate::state::State;
use gradus_nn::{Accumulator, Layer};
use gradus_tensor::{Error, Result};
use serde_json::{Map, Value};
use std::collections::HashMap;
use std::path::PathBuf;

/// The part of a checkpoint that is the loop's own.
const LOOP: &str = "loop";

/// The part that says what was left out.
const SKIPPED: &str = "skipped";

/// Where a training goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resumed {
    /// From which file.
    pub path: PathBuf,
    /// How many epochs are done.
    pub epochs: usize,
    /// How many batches of the next epoch are done.
    pub batches: usize,
    /// What was wrong with newer checkpoints, in one sentence, if they are damaged.
    pub warning: Option<String>,
}

impl<M: Layer> Trainer<M> {
    /// Everything that the training needs to go on from here to the same bits.
    pub fn checkpoint(&self) -> Checkpoint {
        let whole = Checkpoint::capture(&self.model, &*self.optimizer, &self.history);
        let mut checkpoint = whole.with(LOOP, self.loop_state());
        if let Some(reason) = &self.wishes.stop {
            checkpoint = checkpoint.with("stop", State::new().with("reason", reason.as_str()));
        }
        let skipped = (SKIPPED.to_string(), self.skipped.state());
        let metrics = self.metrics.iter().map(|metric| (metric.name(), metric.state()));
        let metrics = numbered("metric", metrics);
        let callbacks = self.callbacks.iter().map(|callback| (callback.name(), callback.state()));
        let callbacks = numbered("callback", callbacks);
        metrics
            .into_iter()
            .chain(callbacks)
            .chain([skipped])
            .filter(|(_, state)| !state.is_empty())
            .fold(checkpoint, |checkpoint, (name, state)| checkpoint.with(name, state))
    }

    /// What is saved of the loop itself.
    fn loop_state(&self) -> State {
        let state = self.running.state(self.position.batches);
        state.with("precision", self.precision.to_string())
    }

    /// Goes on from a checkpoint.
    ///
    /// # Errors
    /// [`Error::Mismatch`], if it is that of another model, optimizer, precision, or set of callbacks
    /// and metrics.
    pub fn restore(&mut self, checkpoint: &Checkpoint) -> Result<()> {
        self.check_parts(checkpoint)?;
        self.check_precision(checkpoint)?;
        self.history = checkpoint.restore(&self.model, &mut *self.optimizer)?;
        (self.running, self.position.batches) = match checkpoint.part(LOOP) {
            Some(state) => Running::load(state, || Accumulator::new(self.optimizer.params()))?,
            None => Default::default(),
        };
        let reason = checkpoint.part("stop").map(|state| state.text("reason").map(String::from));
        self.wishes.stop = reason.transpose()?;
        let skipped = checkpoint.part(SKIPPED).map(Skipped::load);
        self.skipped = skipped.transpose()?.unwrap_or_default();
        let metrics = self.metrics.iter_mut();
        let metrics = metrics.map(|metric| (metric.name().to_string(), metric));
        for (name, metric) in numbered("metric", metrics) {
            checkpoint.part(&name).map_or(Ok(()), |state| metric.load_state(state))?;
        }
        let callbacks = self.callbacks.iter_mut();
        let callbacks = callbacks.map(|callback| (callback.name().to_string(), callback));
        for (name, callback) in numbered("callback", callbacks) {
            checkpoint.part(&name).map_or(Ok(()), |state| callback.load_state(state))?;
        }
        Ok(())
    }

    /// Refuses a checkpoint that holds the state of a part which this training lacks.
    fn check_parts(&self, checkpoint: &Checkpoint) -> Result<()> {
        let metrics = numbered("metric", self.metrics.iter().map(|metric| (metric.name(), ())));
        let callbacks = self.callbacks.iter().map(|callback| (callback.name(), ()));
        let callbacks = numbered("callback", callbacks);
        let known = |name: &str| metrics.iter().chain(&callbacks).any(|(own, ())| own == name);
        let ours = |name: &&str| name.starts_with("metric ") || name.starts_with("callback ");
        match checkpoint.parts().filter(ours).find(|name| !known(name)) {
            None => Ok(()),
            Some(name) => Err(Error::Mismatch(format!(
                "the checkpoint holds the state of the {name}, which this training lacks: add it, \
                 for without it the training would go another way"
            ))),
        }
    }

    /// Refuses a checkpoint of a training whose products lose more or less.
    fn check_precision(&self, checkpoint: &Checkpoint) -> Result<()> {
        let Some(state) = checkpoint.part(LOOP) else {
            return Ok(());
        };
        // Before there was a choice, nothing was lost.
        let saved = state.get("precision").and_then(Value::as_str);
        let (saved, own) = (saved.unwrap_or("highest"), self.precision.to_string());
        match saved == own {
            true => Ok(()),
            false => Err(Error::Mismatch(format!(
                "the checkpoint is of a training whose products have the precision {saved}, not \
                 {own}: go on with {saved}, for with {own} the training would go another way"
            ))),
        }
    }

    /// Goes on from the newest whole checkpoint in the folder of [`Trainer::checkpoints`], if there
    /// is one.
    ///
    /// # Errors
    /// If all are damaged, or [`Error::Mismatch`] as [`Trainer::restore`].
    pub fn resume(&mut self) -> Result<Option<Resumed>> {
        let Some(folder) = self.checkpoints.as_ref().map(|own| own.folder().to_path_buf()) else {
            return Ok(None);
        };
        remove_unfinished(&folder);
        let Some(newest) = Checkpoints::newest(folder)? else {
            return Ok(None);
        };
        restored(&newest, || self.restore(&newest.checkpoint))?;
        if let Some(checkpoints) = &mut self.checkpoints {
            checkpoints.resumed_from(&newest.path);
        }
        let (epochs, batches) = (self.history.len(), self.running.batches);
        Ok(Some(Resumed { path: newest.path, epochs, batches, warning: newest.warning }))
    }

    /// Writes a checkpoint, if the training has any.
    pub(super) fn save(&mut self) -> Result<()> {
        let checkpoint = self.checkpoints.is_some().then(|| self.checkpoint());
        match self.checkpoints.as_mut().zip(checkpoint) {
            Some((checkpoints, checkpoint)) => checkpoints.write(&checkpoint),
            None => Ok(()),
        }
    }

    /// Writes what is due after an epoch.
    pub(super) fn save_epoch(&mut self) -> Result<()> {
        let Some(checkpoints) = self.checkpoints.clone() else {
            return Ok(());
        };
        let epoch = self.history.len();
        self.with_averages(|trainer| checkpoints.write_best(&trainer.model, &trainer.history))?;
        let ending = epoch == self.epochs || self.wished_ending().is_some();
        let wanted = std::mem::take(&mut self.wishes.save);
        // Written last: whatever happens before, the training goes on from the epoch before.
        if checkpoints.is_due_after(epoch) || ending || wanted {
            self.save()?;
            checkpoints.keep(epoch)?;
        }
        Ok(())
    }
}

/// Parts with the names that checkpoints know them by: of several with one name each has a number.
fn numbered<T>(
    kind: &str,
    parts: impl Iterator<Item = (impl Into<String>, T)>,
) -> Vec<(String, T)> {
    let mut seen: HashMap<String, usize> = HashMap::new();
    let parts = parts.map(|(name, part)| {
        let name = name.into();
        let count = seen.entry(name.clone()).or_default();
        *count += 1;
        let name = if *count == 1 { name } else { format!("{name} {count}") };
        (format!("{kind} {name}"), part)
    });
    parts.collect()
}

impl Running {
    /// What is saved of an epoch in progress, which has so many batches.
    fn state(&self, batches: usize) -> State {
        let mut state = State::new()
            .with("batches", self.batches)
            .with("of", batches)
            .with("steps", self.steps)
            .with("skipped", self.skipped)
            .with("loss", Value::Object(self.loss.state().values().clone()))
            .with_number("seconds", self.seconds)
            .with_number("learning_rate", self.learning_rate);
        if let Some(figures) = &self.figures {
            let (names, values): (Vec<&str>, Vec<f64>) =
                figures.iter().map(|(name, value)| (name.as_str(), *value)).unzip();
            state = state.with("names", names).with_numbers("values", &values);
        }
        match self.gathered.as_ref().filter(|gathered| !gathered.is_empty()) {
            Some(gathered) => state.with_tensors(gathered.state_dict()),
            None => state,
        }
    }

    /// The epoch in progress that was saved, and how many batches it has.
    fn load(state: &State, gathered: impl FnOnce() -> Accumulator) -> Result<(Self, usize)> {
        let mut loss = Mean::default();
        let empty = Map::new();
        let values = state.get("loss").and_then(Value::as_object).unwrap_or(&empty);
        loss.load_state(&State::of(values.clone(), vec![]))?;
        let mut running = Self {
            batches: state.count("batches")? as usize,
            steps: state.count("steps")? as usize,
            skipped: state.count("skipped")?,
            loss,
            gathered: None,
            seconds: state.number("seconds")?,
            learning_rate: state.number("learning_rate")?,
            figures: None,
        };
        if let Some(names) = state.get("names").and_then(Value::as_array) {
            let names = names.iter().map(|name| name.as_str().unwrap_or_default().to_string());
            running.figures = Some(names.zip(state.numbers("values")?).collect());
        }
        if !state.tensors().is_empty() {
            let mut accumulator = gathered();
            accumulator.load_state_dict(state.tensors())?;
            running.gathered = Some(accumulator);
        }
        Ok((running, state.count("of")? as usize))
    }
}
