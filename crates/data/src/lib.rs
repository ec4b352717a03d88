//! Data: sets of samples, loading them in batches, and readers of files.
//!
//! A [`Dataset`] gives samples by number; a [`DataLoader`] goes through one in batches, in an order
//! that depends on a seed and the epoch alone, and makes batches ahead on threads of its own.
//! [`digits`] are real handwritten digits within the library.
//!
//! ```
//! use gradus_data::{DataLoader, LoaderOptions, digits};
//!
//! # fn main() -> gradus_tensor::Result<()> {
//! let digits = digits::embedded()?;
//! let options = LoaderOptions { batch_size: 64, shuffle: Some(1), ..Default::default() };
//! let loader = DataLoader::new(digits.train, options);
//! let batch = loader.epoch(0).next().unwrap()?;
//! assert_eq!(batch.input().shape(), [64, 1, 28, 28]);
//! assert_eq!(batch.target().shape(), [64]);
//! # Ok(())
//! # }
//! ```

#![forbid(unsafe_code)]

pub mod augment;
mod combine;
mod dataset;
pub mod digits;
mod faults;
mod file;
mod fold;
pub mod idx;
pub mod image;
mod loader;
pub mod source;
pub mod text;
mod weights;

pub use augment::Augment;
pub use combine::{Concat, Map, Subset, random_split};
pub use dataset::{Batch, Dataset, Sample, TargetKind, TensorDataset};
pub use faults::{BadSamples, Faults};
pub use fold::{Fold, k_fold, stratified_k_fold};
pub use loader::{Batches, DataLoader, LoaderOptions};
pub use weights::class_weights;
