//! The folder that a training leaves behind.

use crate::callback::{Callback, Session};
use crate::checkpoint::write_json;
use gradus_tensor::io::atomic::write_atomically;
use gradus_tensor::{Error, Result};
use serde_json::Value;
use std::fs;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

/// The folder of one training: `config.json`, `metrics.jsonl`, `best.safetensors`,
/// `last.safetensors`, each with a JSON description, `result.json` and `report.html`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunFolder(PathBuf);

impl RunFolder {
    /// Makes the first folder among `runs/NAME-1`, `runs/NAME-2` … that does not exist.
    ///
    /// # Errors
    /// If it cannot be made.
    pub fn create(runs: impl AsRef<Path>, name: &str) -> Result<Self> {
        let runs = runs.as_ref();
        fs::create_dir_all(runs).map_err(|error| Error::io(runs, error))?;
        let mut number = Self::numbers(runs, name)?.into_iter().max().unwrap_or(0);
        loop {
            number += 1;
            let path = runs.join(format!("{name}-{number}"));
            match fs::create_dir(&path) {
                Ok(()) => return Ok(Self(path)),
                // Another training was faster.
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => return Err(Error::io(path, error)),
            }
        }
    }

    /// The folder of this path, made if it is not there.
    ///
    /// # Errors
    /// If it cannot be made.
    pub fn create_at(path: impl Into<PathBuf>) -> Result<Self> {
        let path = path.into();
        fs::create_dir_all(&path).map_err(|error| Error::io(&path, error))?;
        Ok(Self(path))
    }

    /// The folder of an earlier training.
    ///
    /// # Errors
    /// If it is none.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self> {
        let run = Self(path.into());
        if run.file("config.json").is_file() {
            return Ok(run);
        }
        let path = run.path().display();
        Err(Error::Setting(format!(
            "{path} is not the folder of a training: it has no config.json"
        )))
    }

    /// The folder with the highest number of a name, of those that hold the settings of a training:
    /// what was killed before it wrote them has not begun.
    ///
    /// # Errors
    /// If there is none.
    pub fn newest(runs: impl AsRef<Path>, name: &str) -> Result<Self> {
        let runs = runs.as_ref();
        let mut numbers = Self::numbers(runs, name)?;
        numbers.sort_unstable();
        let folders = numbers.iter().rev().map(|number| runs.join(format!("{name}-{number}")));
        match folders.map(Self::open).find_map(Result::ok) {
            Some(run) => Ok(run),
            None => {
                let runs = runs.display();
                Err(Error::Setting(format!("there is no earlier training {name}-… in {runs}")))
            }
        }
    }

    /// The numbers of the folders of a name.
    fn numbers(runs: &Path, name: &str) -> Result<Vec<u64>> {
        let entries = match fs::read_dir(runs) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(vec![]),
            Err(error) => return Err(Error::io(runs, error)),
        };
        let number = |entry: fs::DirEntry| {
            let file = entry.file_name();
            file.to_str()?.strip_prefix(name)?.strip_prefix('-')?.parse().ok()
        };
        Ok(entries.flatten().filter_map(number).collect())
    }

    /// The folder's path.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The path of a file in it.
    pub fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Writes the settings of the training.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn write_config(&self, config: &Value) -> Result<()> {
        write_json(self.file("config.json"), config)
    }

    /// The settings of the training.
    ///
    /// # Errors
    /// If the file cannot be read or is damaged.
    pub fn read_config(&self) -> Result<Value> {
        let path = self.file("config.json");
        let text = fs::read_to_string(&path).map_err(|error| Error::io(&path, error))?;
        parse(&path, &text)
    }

    /// The text in a file of the folder; none if there is no such file.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn read_text(&self, name: &str) -> Result<Option<String>> {
        let path = self.file(name);
        match fs::read_to_string(&path) {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::io(path, error)),
        }
    }

    /// What a JSON file of the folder holds; none if there is no such file.
    ///
    /// # Errors
    /// If it cannot be read or is damaged.
    pub fn read_json(&self, name: &str) -> Result<Option<Value>> {
        let text = self.read_text(name)?;
        text.map(|text| parse(&self.file(name), &text)).transpose()
    }
}

fn parse(path: &Path, text: &str) -> Result<Value> {
    let damaged = |error| Error::format(path.display(), format_args!("is damaged: {error}"));
    serde_json::from_str(text).map_err(damaged)
}

/// After each epoch writes the figures of all epochs to a file, one JSON object a line.
#[derive(Clone, Debug)]
pub struct MetricsFile(PathBuf);

impl MetricsFile {
    /// Writes to a path.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }
}

impl Callback for MetricsFile {
    // A training that was killed between this file and its checkpoint goes on from an epoch before.
    fn on_start(&mut self, session: &mut Session<'_>) -> Result<()> {
        if self.0.exists() { self.on_epoch_end(session) } else { Ok(()) }
    }

    fn on_epoch_end(&mut self, session: &mut Session<'_>) -> Result<()> {
        let lines = session.history.to_json_lines();
        write_atomically(&self.0, |file| file.write_all(lines.as_bytes()))
    }
}
