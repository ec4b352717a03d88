//! Pictures: in memory, in files, and the formats of well-known sets.

pub mod cifar;
pub mod decode;
mod files;
mod fit;
mod mnist;
mod set;

pub use cifar::CifarOptions;
pub use files::ImageFolderOptions;
pub(super) use files::{form_of, open_pictures, read_one};
pub use fit::{Fit, Form, ImageOptions};
pub use mnist::IdxOptions;
pub(super) use mnist::open_idx;
pub use set::{Pictures, Pixels};
