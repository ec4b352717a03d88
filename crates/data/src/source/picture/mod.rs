//! Pictures: in memory, in files, and the formats of well-known sets.

pub mod cifar;
pub mod decode;
mod files;
mod fit;
mod masks;
mod mnist;
mod set;

pub use cifar::CifarOptions;
pub use files::ImageFolderOptions;
#[cfg(feature = "audio")]
pub(super) use files::open_folder;
pub(super) use files::{Listed, form_of, open_pictures, read_one};
pub use fit::{Fit, Form, ImageOptions};
pub(super) use masks::{Masked, open_masked};
pub use mnist::IdxOptions;
pub(super) use mnist::open_idx;
pub use set::{Pictures, Pixels};
