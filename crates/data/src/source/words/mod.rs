//! Text: reading it, and its words, characters or bytes as numbers.

mod files;
mod set;
mod vocabulary;

/// The length of a window of a long text unless told.
pub(super) const WINDOW: usize = 64;

pub(super) use files::{LABEL, TEXT, read_labelled};
pub use files::{LanguageOptions, TextFilesOptions, decode_lines};
pub use set::TextEncoder;
pub(super) use set::TextSet;
pub(super) use vocabulary::check_length;
pub use vocabulary::{Keep, TextOptions, Unit, Vocabulary};
