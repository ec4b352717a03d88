//! Sound: reading it, and spectrograms of it.

pub mod decode;
mod encoder;
mod resample;
mod set;
mod spectrogram;

pub use encoder::{AudioEncoder, AudioFeatures, AudioFolderOptions, AudioOptions};
pub(super) use set::Sounds;
