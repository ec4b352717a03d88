//! Networks that read: what comes in are numbers of tokens `[B, T]`, of which 0 stands for padding.

mod bag;
mod cnn;
mod language;
mod sequence;

pub use bag::{BagOfNgrams, BagOfNgramsOptions};
pub use cnn::{TextCnn, TextCnnOptions};
pub use language::{LanguageModel, LanguageModelOptions};
pub use sequence::{Body, Reader, SequenceClassifier, SequenceClassifierOptions};

use gradus_tensor::{DType, Tensor};

/// The number of the token that stands for nothing.
const PADDING: usize = 0;

/// 1 where a token is, 0 where nothing is: `[B, T]` of floats.
fn present(tokens: &Tensor) -> Tensor {
    tokens.ne_scalar(PADDING as i64).to_dtype(DType::F32)
}

/// The mean of the vectors `[B, T, D]` of those tokens that are there: `[B, D]`; zeros of none.
fn mean_of_present(vectors: &Tensor, tokens: &Tensor) -> Tensor {
    let present = present(tokens).to_dtype(vectors.dtype()).unsqueeze(2);
    let count = present.sum(1).clamp(1.0, f64::INFINITY);
    (vectors * present).sum(1) / count
}
