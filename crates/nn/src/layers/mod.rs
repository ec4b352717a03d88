//! Layers: modules that make one tensor of another.

mod activation;
mod embedding;
mod conv;
mod flatten;
mod linear;
mod pool;
mod sequential;

pub use activation::*;
pub use embedding::Embedding;
pub use conv::*;
pub use flatten::Flatten;
pub use linear::Linear;
pub use pool::*;
pub use sequential::Sequential;
