//! Files that [TensorBoard](https://www.tensorflow.org/tensorboard) reads.

mod callback;
mod graph;
mod record;
mod wire;
mod writer;

pub use callback::{TensorBoard, TensorBoardOptions};
pub use writer::EventWriter;
