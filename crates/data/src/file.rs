//! Reading files of outside origin.

use gradus_tensor::{Error, Result};
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// The bytes of a file, if they are not more than `limit`.
///
/// # Errors
/// If it cannot be read, or is larger.
pub(crate) fn read(path: &Path, limit: usize) -> Result<Vec<u8>> {
    let mut bytes = vec![];
    let file = File::open(path).map_err(|error| Error::io(path, error))?;
    file.take(limit as u64 + 1).read_to_end(&mut bytes).map_err(|error| Error::io(path, error))?;
    if bytes.len() > limit {
        let message = format_args!("is larger than the {limit} bytes that are read at most");
        return Err(Error::format(path.display(), message));
    }
    Ok(bytes)
}

/// Names the file in a complaint about bytes that came from it.
pub(crate) fn in_file<T>(path: &Path, result: Result<T>) -> Result<T> {
    result.map_err(|error| match error {
        Error::Format { message, .. } => Error::format(path.display(), message),
        error => error,
    })
}

/// What files that gzip compressed begin with.
pub(crate) const GZIP: [u8; 2] = [0x1f, 0x8b];

/// No stream of deflate unpacks to more than so many times its size.
///
/// # Source
/// zlib's technical notes: "the limit is 1032:1".
pub(crate) const MOST_INFLATED: usize = 1032;
