//! Layers: modules that make one tensor of another.

mod activation;
mod attention;
mod conv;
mod dropout;
mod embedding;
mod flatten;
mod linear;
mod norm;
mod pool;
mod position;
mod recurrent;
mod sequential;
mod transformer;
mod upsample;

pub use activation::*;
pub use attention::*;
pub use conv::*;
pub use dropout::Dropout;
pub use embedding::Embedding;
pub use flatten::Flatten;
pub use linear::Linear;
pub use norm::{
    BatchNorm1d, BatchNorm2d, BatchNormOptions, GroupNorm, InstanceNorm2d, LayerNorm, RmsNorm,
};
pub use pool::*;
pub use position::{Alibi, LearnedPositions, Rotary, RotaryStyle, SinusoidalPositions};
pub use recurrent::*;
pub use sequential::Sequential;
pub use transformer::*;
pub use upsample::{Upsample, UpsampleMode};
