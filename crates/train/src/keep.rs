//! Which checkpoints are written, and which are kept.

use crate::checkpoint::{Checkpoint, naming, write_weights};
use crate::history::History;
use gradus_nn::Module;
use gradus_nn::schedule::Goal;
use gradus_tensor::{Error, Result};
use serde_json::json;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// When [`Checkpoints`] are written, and how many are kept.
#[derive(Clone, Debug, PartialEq)]
pub struct CheckpointOptions {
    /// The figure by which the best weights are known, such as `valid_loss`.
    pub monitor: String,
    /// Which figures are better.
    pub goal: Goal,
    /// Writes one after every so many epochs, and after the last.
    pub every_epochs: usize,
    /// Also writes one after every so many steps of the optimizer.
    pub every_steps: Option<usize>,
    /// Also writes one when so many seconds have passed since the last.
    pub every_seconds: Option<f64>,
    /// How many are kept to go on from, the newest included: with 2 or more, there is an earlier one
    /// if the newest is damaged.
    pub keep_last: usize,
    /// Keeps that of every so many epochs for good, as `epoch-NUMBER.safetensors`.
    pub keep_every_epochs: Option<usize>,
}

impl Default for CheckpointOptions {
    /// One after each epoch; the last two are kept.
    fn default() -> Self {
        Self {
            monitor: "valid_loss".into(),
            goal: Goal::Lowest,
            every_epochs: 1,
            every_steps: None,
            every_seconds: None,
            keep_last: 2,
            keep_every_epochs: None,
        }
    }
}

impl CheckpointOptions {
    /// Refuses numbers that cannot be.
    ///
    /// # Errors
    /// [`Error::Setting`], which says which.
    pub fn check(&self) -> Result<()> {
        let counts = [
            ("every_epochs", Some(self.every_epochs)),
            ("every_steps", self.every_steps),
            ("keep_last", Some(self.keep_last)),
            ("keep_every_epochs", self.keep_every_epochs),
        ];
        for (name, count) in counts {
            if count == Some(0) {
                return Err(Error::Setting(format!("checkpoints: {name} is 0: give 1 or more")));
            }
        }
        match self.every_seconds {
            Some(seconds) if seconds.is_nan() || seconds < 0.0 => Err(Error::Setting(format!(
                "checkpoints: every_seconds is {seconds}: give zero or a positive number"
            ))),
            _ => Ok(()),
        }
    }
}

/// Has a [`Trainer`](crate::Trainer) write, in a folder that it makes, `last.safetensors`, from which the training
/// can go on, and `best.safetensors`, the weights of the epoch in which a figure was best: the
/// averages, if a callback averages them. The one before `last.safetensors` is
/// `last-1.safetensors`, and so on.
#[derive(Clone, Debug)]
pub struct Checkpoints {
    folder: PathBuf,
    options: CheckpointOptions,
    /// True if `last.safetensors` is known to be whole: only such a one takes the place of another.
    whole: bool,
    written: Instant,
}

/// What a training goes on from; see [`Checkpoints::newest`].
#[derive(Clone, Debug)]
pub struct Newest {
    /// The checkpoint.
    pub checkpoint: Checkpoint,
    /// Its file.
    pub path: PathBuf,
    /// What was wrong with newer ones, in one sentence.
    pub warning: Option<String>,
}

impl Checkpoints {
    /// Writes to a folder after each epoch, and knows the best by the lowest of a figure such as
    /// `valid_loss`.
    pub fn new(folder: impl Into<PathBuf>, monitor: impl Into<String>) -> Self {
        let options = CheckpointOptions { monitor: monitor.into(), ..Default::default() };
        Self { folder: folder.into(), options, whole: false, written: Instant::now() }
    }

    /// Writes to a folder as options say.
    ///
    /// # Errors
    /// Those of [`CheckpointOptions::check`].
    pub fn with_options(folder: impl Into<PathBuf>, options: CheckpointOptions) -> Result<Self> {
        options.check()?;
        Ok(Self { folder: folder.into(), options, whole: false, written: Instant::now() })
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The options.
    pub fn options(&self) -> &CheckpointOptions {
        &self.options
    }

    /// The newest whole checkpoint of a folder; none if it has no checkpoint at all.
    ///
    /// # Errors
    /// If there are checkpoints and all are damaged.
    pub fn newest(folder: impl AsRef<Path>) -> Result<Option<Newest>> {
        let folder = folder.as_ref();
        let mut damage: Vec<Error> = vec![];
        for path in candidates(folder)? {
            match Checkpoint::read(&path) {
                Ok(checkpoint) => {
                    let warning = damage.first().map(|error| {
                        format!("{error}; going on from the one before, {}", path.display())
                    });
                    return Ok(Some(Newest { checkpoint, path, warning }));
                }
                Err(error) => damage.push(error),
            }
        }
        damage.into_iter().next().map_or(Ok(None), Err)
    }

    /// Makes the folder, if it is not there.
    pub(crate) fn make_folder(&self) -> Result<()> {
        fs::create_dir_all(&self.folder).map_err(|error| Error::io(&self.folder, error))
    }

    /// True if a checkpoint is due after a batch that completed the step of a number.
    pub(crate) fn is_due(&self, step: Option<u64>) -> bool {
        let every = self.options.every_steps.map(|every| every as u64);
        let by_steps = step.zip(every).is_some_and(|(step, every)| step.is_multiple_of(every));
        let seconds = self.options.every_seconds;
        by_steps || seconds.is_some_and(|every| self.written.elapsed().as_secs_f64() >= every)
    }

    /// True if a checkpoint is due after an epoch.
    pub(crate) fn is_due_after(&self, epoch: usize) -> bool {
        epoch.is_multiple_of(self.options.every_epochs) || self.keeps(epoch)
    }

    fn keeps(&self, epoch: usize) -> bool {
        self.options.keep_every_epochs.is_some_and(|every| epoch.is_multiple_of(every))
    }

    /// Writes the weights if the last epoch of the history is the best.
    pub(crate) fn write_best<M: Module + ?Sized>(
        &self,
        model: &M,
        history: &History,
    ) -> Result<()> {
        let Some(epoch) = history.epochs().last() else {
            return Ok(());
        };
        epoch.figure(&self.options.monitor)?;
        // Where the figure never was a number, the last epoch is as good as any.
        let best = history.best(&self.options.monitor, self.options.goal).unwrap_or(epoch);
        if best.number != epoch.number {
            return Ok(());
        }
        let description = json!({ "kind": "weights", "figures": epoch.to_json() });
        write_weights(self.folder.join("best.safetensors"), model, description)
    }

    /// Writes `last.safetensors`, of which the one before is kept.
    pub(crate) fn write(&mut self, checkpoint: &Checkpoint) -> Result<()> {
        let last = self.number(0);
        if self.whole {
            self.shift()?;
        }
        checkpoint.write(&last)?;
        (self.whole, self.written) = (true, Instant::now());
        Ok(())
    }

    /// Keeps `last.safetensors` for good, if it is that of an epoch to be kept.
    pub(crate) fn keep(&self, epoch: usize) -> Result<()> {
        match self.keeps(epoch) {
            true => link(&self.number(0), &self.folder.join(format!("epoch-{epoch}.safetensors"))),
            false => Ok(()),
        }
    }

    /// Says that the training went on from a file.
    pub(crate) fn resumed_from(&mut self, path: &Path) {
        self.whole = path == self.number(0);
    }

    fn number(&self, number: usize) -> PathBuf {
        self.folder.join(match number {
            0 => "last.safetensors".to_string(),
            number => format!("last-{number}.safetensors"),
        })
    }

    /// Makes each of the last ones the one before; `last.safetensors` stays until it is replaced, so
    /// that there is one at any time.
    fn shift(&self) -> Result<()> {
        for number in (1..self.options.keep_last.saturating_sub(1)).rev() {
            let (from, to) = (self.number(number), self.number(number + 1));
            match fs::rename(&from, &to) {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    return Err(Error::io(from, error));
                }
                _ => {}
            }
        }
        match self.options.keep_last {
            1 => Ok(()),
            _ => link(&self.number(0), &self.number(1)),
        }
    }
}

/// Gives a file a second name, or copies it where the file system knows no second names.
fn link(from: &Path, to: &Path) -> Result<()> {
    match fs::remove_file(to) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(Error::io(to, error)),
        _ => {}
    }
    if fs::hard_link(from, to).is_ok() {
        return Ok(());
    }
    fs::copy(from, to).map(|_| ()).map_err(|error| Error::io(to, error))
}

/// Removes what a program that was killed while it wrote has left in a folder. Nobody else writes
/// there: a folder is that of one training.
pub(crate) fn remove_unfinished(folder: &Path) {
    for path in fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()) {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if name.starts_with(".gradus-") && name.ends_with(".part") {
            // What cannot be removed takes space, and does no other harm.
            let _ = fs::remove_file(path);
        }
    }
}

/// The files of a folder that a training may go on from, the newest first.
fn candidates(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(vec![]),
        Err(error) => return Err(Error::io(folder, error)),
    };
    let mut found: Vec<((bool, i64), PathBuf)> = vec![];
    for path in entries.flatten().map(|entry| entry.path()) {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let Some(stem) = name.strip_suffix(".safetensors") else {
            continue;
        };
        let number = |prefix: &str| stem.strip_prefix(prefix)?.parse::<u32>().ok();
        // `last` before `last-1`; of those that are kept for good the highest epoch first.
        let order = match (stem, number("last-"), number("epoch-")) {
            ("last", _, _) => (false, 0),
            (_, Some(number), _) => (false, number.into()),
            (_, _, Some(epoch)) => (true, -i64::from(epoch)),
            _ => continue,
        };
        found.push((order, path));
    }
    found.sort();
    Ok(found.into_iter().map(|(_, path)| path).collect())
}

/// Restores a checkpoint by a function, whose complaints then name the file.
pub(crate) fn restored<R>(newest: &Newest, restore: impl FnOnce() -> Result<R>) -> Result<R> {
    restore().map_err(|error| naming(&newest.path, error))
}
