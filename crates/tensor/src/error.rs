//! What can go wrong.

use crate::DType;
use gradus_kernels::memory::OutOfMemory;
use std::fmt;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// A result whose error is Gradus's own unless another is named.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Of a complaint about a file, about so many bytes are shown.
const MAX_MESSAGE: usize = 500;

/// Everything that can go wrong, each with one sentence that says what and, where there is one, the
/// cure.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// An operation was applied to inputs it does not take.
    Op(OpError),
    /// The system refused to give memory.
    OutOfMemory(OutOfMemory),
    /// A device cannot run a kernel.
    Unsupported {
        /// The device.
        device: String,
        /// What it was asked to do.
        what: String,
    },
    /// A file could not be read or written.
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The bytes of a file or a message do not have the form they should.
    Format {
        /// Where the bytes come from.
        origin: String,
        /// What is wrong with them.
        message: String,
    },
    /// A setting has a value that cannot be.
    Setting(String),
    /// Saved tensors do not fit the model they are loaded into.
    Mismatch(String),
}

impl Error {
    /// An input or output error of a file; the error itself, if it is one of Gradus that came by
    /// way of one of the system.
    pub fn io(path: impl AsRef<Path>, source: std::io::Error) -> Self {
        match source.downcast::<Self>() {
            Ok(error) => error,
            Err(source) => Self::Io { path: path.as_ref().to_path_buf(), source },
        }
    }

    /// A complaint about the form of bytes that come from `origin`. Signs that would speak to a
    /// terminal are escaped, and what is too long is cut: both may come from the bytes.
    pub fn format(origin: impl fmt::Display, message: impl fmt::Display) -> Self {
        let mut shown = String::new();
        for sign in message.to_string().chars() {
            if shown.len() >= MAX_MESSAGE {
                shown.push('…');
                break;
            }
            match sign.is_control() {
                true => shown.extend(sign.escape_default()),
                false => shown.push(sign),
            }
        }
        Self::Format { origin: origin.to_string(), message: shown }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Op(error) => error.fmt(f),
            Self::OutOfMemory(error) => error.fmt(f),
            Self::Unsupported { device, what } => write!(f, "the device {device} cannot {what}"),
            Self::Io { path, source } => {
                write!(f, "{}: {source}", path.display())?;
                match cure(source) {
                    Some(cure) => write!(f, ": {cure}"),
                    None => Ok(()),
                }
            }
            Self::Format { origin, message } => write!(f, "{origin}: {message}"),
            Self::Setting(message) | Self::Mismatch(message) => f.write_str(message),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io { source, .. } => Some(source),
            _ => None,
        }
    }
}

/// What helps against an error of the system, if it is a common one.
fn cure(error: &std::io::Error) -> Option<&'static str> {
    Some(match error.kind() {
        ErrorKind::UnexpectedEof => "the file was cut off, so copy it again",
        // Who writes an error's sentence also writes its cure.
        _ if error.raw_os_error().is_none() => return None,
        ErrorKind::NotFound => "check the path",
        ErrorKind::PermissionDenied => "check who owns the file and its folder",
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => "free some space, or write elsewhere",
        ErrorKind::ReadOnlyFilesystem => "write elsewhere",
        ErrorKind::IsADirectory | ErrorKind::NotADirectory => "name a file",
        _ => return None,
    })
}

/// By way of which an error passes through functions that write.
impl From<Error> for std::io::Error {
    fn from(error: Error) -> Self {
        Self::other(error)
    }
}

impl From<OpError> for Error {
    fn from(error: OpError) -> Self {
        Self::Op(error)
    }
}

impl From<OutOfMemory> for Error {
    fn from(error: OutOfMemory) -> Self {
        Self::OutOfMemory(error)
    }
}

/// Inputs that an operation does not take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpError {
    op: &'static str,
    message: String,
}

impl OpError {
    /// A complaint that names shapes and numbers. Whoever applies the operation adds its name.
    pub fn new(message: impl fmt::Display) -> Self {
        Self { op: "", message: message.to_string() }
    }

    /// The complaint of an operation.
    pub fn of(op: &'static str, message: impl fmt::Display) -> Self {
        Self { op, message: message.to_string() }
    }

    /// The same complaint, in the name of an operation.
    pub fn named(mut self, op: &'static str) -> Self {
        if self.op.is_empty() {
            self.op = op;
        }
        self
    }

    /// The complaint that an operation does not take a type of number.
    pub fn dtype(dtype: DType, wanted: &str) -> Self {
        Self::new(format_args!("takes {wanted}, not {dtype}: convert with to_dtype"))
    }
}

impl fmt::Display for OpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.op.is_empty() {
            return f.write_str(&self.message);
        }
        write!(f, "{}: {}", self.op, self.message)
    }
}

impl std::error::Error for OpError {}

/// Leaves a function with an [`OpError`] that says what is wrong with the inputs.
macro_rules! reject {
    ($($message:tt)*) => {
        return Err($crate::error::OpError::new(format_args!($($message)*)).into())
    };
}
pub(crate) use reject;

/// Panics with an error's sentence: what a caller's mistake leads to.
#[track_caller]
pub(crate) fn fail(error: impl fmt::Display) -> ! {
    panic!("{error}")
}
