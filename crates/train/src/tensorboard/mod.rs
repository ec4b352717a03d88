//! Files that [TensorBoard](https://www.tensorflow.org/tensorboard) reads.

mod graph;
mod histogram;
mod record;
mod wire;
mod writer;

pub use histogram::Histogram;
pub use writer::EventWriter;
