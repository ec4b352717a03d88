//! Files that grow by a line of JSON as a training goes on.

use gradus_tensor::io::atomic::write_atomically;
use gradus_tensor::{Error, Result};
use serde_json::Value;
use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

/// A file of JSON lines, open to be appended to.
#[derive(Debug)]
pub(crate) struct Lines {
    path: PathBuf,
    file: File,
}

impl Lines {
    /// Opens a file, which is made if it is not there.
    pub fn open(path: PathBuf) -> Result<Self> {
        match OpenOptions::new().create(true).append(true).open(&path) {
            Ok(file) => Ok(Self { path, file }),
            Err(error) => Err(Error::io(path, error)),
        }
    }

    /// Opens a file whose lines each have a `step`, after those of later steps are taken out: what a
    /// training that was killed wrote after its last checkpoint.
    pub fn open_until(path: PathBuf, step: u64) -> Result<Self> {
        keep_until(&path, step)?;
        Self::open(path)
    }

    /// Writes a line at once, so that who looks on sees it whole.
    pub fn append(&mut self, line: &Value) -> Result<()> {
        let written = self.file.write_all(format!("{line}\n").as_bytes());
        written.map_err(|error| Error::io(&self.path, error))
    }
}

/// Takes the lines of later steps out of a file, and those that were cut off.
fn keep_until(path: &Path, step: u64) -> Result<()> {
    let text = match fs::read(path) {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(Error::io(path, error)),
    };
    let kept = text.split_inclusive('\n').filter(|line| {
        let line: Option<Value> =
            line.strip_suffix('\n').and_then(|line| serde_json::from_str(line).ok());
        line.and_then(|line| line["step"].as_u64()).is_some_and(|own| own <= step)
    });
    let kept: String = kept.collect();
    if kept == text {
        return Ok(());
    }
    write_atomically(path, |file| file.write_all(kept.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_later_steps_and_parts_of_lines_are_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("steps.jsonl");
        keep_until(&path, 3).unwrap();
        assert!(!path.exists());
        let kept = "{\"step\":1}\n{\"step\":3}\n";
        fs::write(&path, format!("{kept}{{\"step\":4}}\n{{\"step\":2}}x\n{{\"step\":3}}")).unwrap();
        keep_until(&path, 3).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), kept);
        keep_until(&path, 0).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "");
    }

    #[test]
    fn lines_after_the_last_checkpoint_are_left_out() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("steps.jsonl");
        keep_until(&path, 3).unwrap();
        fs::write(&path, "{\"step\":2}\n{\"step\":3}\n{\"step\":4}\n{\"st").unwrap();
        keep_until(&path, 3).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "{\"step\":2}\n{\"step\":3}\n");
    }
}
