//! Networks that say what comes next.

use super::sequence::{Body, BodyOptions, Reader};
use crate::check_sizes;
use gradus_nn::{Embedding, Layer, Linear, Module};
use gradus_tensor::{Result, Rng, Tensor};

/// The settings of a [`LanguageModel`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LanguageModelOptions {
    /// What reads.
    pub reader: Reader,
    /// How many tokens there are.
    pub vocabulary: usize,
    /// The numbers that stand for a token, and for what was read up to it.
    pub features: usize,
    /// How many layers read.
    pub layers: usize,
    /// The heads of a Transformer.
    pub heads: usize,
    /// The longest text that a Transformer can be given.
    pub length: usize,
    /// The share of numbers between layers that are dropped in training.
    pub dropout: f64,
}

impl Default for LanguageModelOptions {
    fn default() -> Self {
        Self {
            reader: Reader::Lstm,
            vocabulary: 1,
            features: 128,
            layers: 2,
            heads: 4,
            length: 64,
            dropout: 0.0,
        }
    }
}

/// Says, at each place of a text, how likely each token is to come next, by what came before.
///
/// # Shapes
/// `tokens: [B, T] -> [B, T, N]`, scores of N tokens.
///
/// ```
/// use gradus_models::{LanguageModel, LanguageModelOptions};
/// use gradus_nn::Layer;
/// use gradus_tensor::{DType, Rng, Tensor};
///
/// let options = LanguageModelOptions { vocabulary: 60, features: 16, ..Default::default() };
/// let net = LanguageModel::new(options, &mut Rng::new(1)).unwrap();
/// let tokens = Tensor::zeros([2, 5]).to_dtype(DType::I64);
/// assert_eq!(net.forward(&tokens).shape(), [2, 5, 60]);
/// ```
#[derive(Debug, Module)]
pub struct LanguageModel {
    /// The vectors of tokens.
    pub embedding: Embedding,
    /// What reads.
    pub body: Body,
    /// From features to scores.
    pub output: Linear,
}

impl LanguageModel {
    /// A network with random first weights.
    ///
    /// # Errors
    /// If a size is 0, the features do not divide into the heads, or the dropout is no probability.
    pub fn new(options: LanguageModelOptions, rng: &mut Rng) -> Result<Self> {
        let LanguageModelOptions { reader, vocabulary, features, layers, heads, .. } = options;
        let LanguageModelOptions { length, dropout, .. } = options;
        check_sizes("language_model", &[("vocabulary", vocabulary)])?;
        let body = BodyOptions { reader, features, layers, heads, length, dropout, causal: true };
        Ok(Self {
            embedding: Embedding::new(vocabulary, features, rng),
            body: Body::new("language_model", body, rng)?,
            output: Linear::new(features, vocabulary, rng),
        })
    }
}

impl Layer for LanguageModel {
    fn forward(&self, tokens: &Tensor) -> Tensor {
        self.output.forward(&self.body.read(&self.embedding.forward(tokens), None))
    }
}
