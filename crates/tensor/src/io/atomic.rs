//! Files that are there whole or not at all.

use crate::{Error, Result};
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, ErrorKind, Write};
use std::path::{Path, PathBuf};

/// Writes a file so that, whatever happens, either all of it is at `path` or what was there before.
///
/// `write` writes to a new file in the same folder, which is then handed to the disk and renamed;
/// if anything fails it is removed. What a link at `path` leads to is replaced, not the link, and
/// keeps its permissions. What is no file, such as `/dev/stdout`, is written to directly.
///
/// # Errors
/// If the file cannot be written; the error names the path and the cure.
///
/// ```
/// use gradus_tensor::io::atomic::write_atomically;
/// use std::io::Write;
///
/// let path = std::env::temp_dir().join("gradus-written-atomically.txt");
/// write_atomically(&path, |file| writeln!(file, "whole"))?;
/// assert_eq!(std::fs::read_to_string(&path).unwrap(), "whole\n");
/// # std::fs::remove_file(path).unwrap();
/// # Ok::<(), gradus_tensor::Error>(())
/// ```
pub fn write_atomically(
    path: impl AsRef<Path>,
    write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
) -> Result<()> {
    let path = path.as_ref();
    replace(path, write).map_err(|error| Error::io(path, error))
}

fn replace(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
) -> io::Result<()> {
    let before = match fs::metadata(path) {
        Ok(metadata) if metadata.is_dir() => {
            return Err(io::Error::new(ErrorKind::IsADirectory, "is a folder: name a file"));
        }
        Ok(metadata) if !metadata.is_file() => {
            let mut writer = BufWriter::new(OpenOptions::new().write(true).open(path)?);
            write(&mut writer)?;
            return writer.flush();
        }
        Ok(metadata) => Some(metadata),
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    let target = match before {
        Some(_) => fs::canonicalize(path)?,
        None => path.to_path_buf(),
    };
    let folder = match target.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let (file, unfinished) = Unfinished::create(folder)?;
    if let Some(before) = before {
        file.set_permissions(before.permissions())?;
    }
    let mut writer = BufWriter::new(file);
    write(&mut writer)?;
    let file = writer.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.sync_all()?;
    drop(file);
    fs::rename(&unfinished.0, &target)?;
    // Nothing is left to be removed.
    std::mem::forget(unfinished);
    sync_folder(folder)
}

/// Has the disk remember that a file of a folder was renamed.
fn sync_folder(folder: &Path) -> io::Result<()> {
    if cfg!(not(unix)) {
        return Ok(());
    }
    match File::open(folder)?.sync_all() {
        // Some file systems of networks cannot, and need not.
        Err(error) if matches!(error.kind(), ErrorKind::InvalidInput | ErrorKind::Unsupported) => {
            Ok(())
        }
        result => result,
    }
}

/// The path of a file that is removed when this is dropped.
struct Unfinished(PathBuf);

impl Unfinished {
    /// Makes a file in a folder under a name that no other has.
    fn create(folder: &Path) -> io::Result<(File, Self)> {
        let process = std::process::id();
        for attempt in 0..10_000 {
            let path = folder.join(format!(".gradus-{process}-{attempt}.part"));
            match OpenOptions::new().write(true).create_new(true).open(&path) {
                Ok(file) => return Ok((file, Self(path))),
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) if error.kind() == ErrorKind::NotFound => {
                    let folder = folder.display();
                    let message = format!("there is no folder {folder}: make it first");
                    return Err(io::Error::new(ErrorKind::NotFound, message));
                }
                Err(error) => return Err(error),
            }
        }
        let message = format!("{} is full of files .gradus-*.part: remove them", folder.display());
        Err(io::Error::new(ErrorKind::AlreadyExists, message))
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        // Whatever went wrong before is what the caller must hear of.
        let _ = fs::remove_file(&self.0);
    }
}
