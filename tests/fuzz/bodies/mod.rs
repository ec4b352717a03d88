//! What every reader of outside bytes holds to, whatever the bytes are: it never panics, gives no
//! more than such bytes can hold, complains in one sentence, and what it accepts is written and
//! read again as the same.

mod media;
mod settings;
mod tables;
mod tensors;

pub use media::{try_cifar, try_picture, try_png, try_sound};
pub use settings::{try_assignment, try_encoder, try_history, try_recipe};
pub use tables::{try_csv, try_json_lines, try_labelled, try_parquet};
pub use tensors::{try_idx, try_npy, try_npz, try_pt, try_safetensors};

use gradus_tensor::Result;

/// Tries a reader on some bytes, and says whether it accepted them.
pub type Body = fn(&[u8]) -> bool;

/// All of them, by the name of the format.
pub const BODIES: [(&str, Body); 17] = [
    ("safetensors", try_safetensors),
    ("npy", try_npy),
    ("npz", try_npz),
    ("pt", try_pt),
    ("idx", try_idx),
    ("png", try_png),
    ("picture", try_picture),
    ("cifar", try_cifar),
    ("sound", try_sound),
    ("csv", try_csv),
    ("json_lines", try_json_lines),
    ("parquet", try_parquet),
    ("labelled", try_labelled),
    ("recipe", try_recipe),
    ("assignment", try_assignment),
    ("encoder", try_encoder),
    ("history", try_history),
];

/// Deflate makes nothing smaller than by this factor.
const MAX_RATIO: usize = 1032;

/// What was read, if anything; else the complaint must be one sentence that can be shown.
fn accepted<T>(read: Result<T>) -> Option<T> {
    let complaint = match read {
        Ok(read) => return Some(read),
        Err(error) => error.to_string(),
    };
    assert!(!complaint.is_empty() && !complaint.contains(char::is_control), "{complaint:?}");
    assert!(complaint.chars().count() < 1000, "{complaint}");
    None
}

/// Bytes as the text that they are, signs that are none being replaced: so that what is damaged
/// reaches the reader.
fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
