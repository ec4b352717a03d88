//! Complaints about what files hold.

use gradus_tensor::{Error, Result};
use std::path::Path;

/// Names the file in a complaint about what came from it.
pub(crate) fn in_file<T>(path: &Path, result: Result<T>) -> Result<T> {
    result.map_err(|error| match error {
        Error::Format { message, .. } => Error::format(path.display(), message),
        error => error,
    })
}
