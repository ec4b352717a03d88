//! The network that looks for short phrases.

use super::PADDING;
use crate::{check_dropout, check_sizes};
use gradus_nn::{Conv1d, ConvOptions, Dropout, Embedding, Layer, Linear, Module};
use gradus_tensor::{Error, Result, Rng, Tensor};

/// The settings of a [`TextCnn`].
#[derive(Clone, Debug, PartialEq)]
pub struct TextCnnOptions {
    /// How many tokens there are.
    pub vocabulary: usize,
    /// How many classes there are.
    pub classes: usize,
    /// The numbers that stand for a token.
    pub features: usize,
    /// How many kinds of phrases are looked for, of each length.
    pub filters: usize,
    /// The lengths of phrases.
    pub kernels: Vec<usize>,
    /// The share of the findings that are dropped in training.
    pub dropout: f64,
}

impl Default for TextCnnOptions {
    fn default() -> Self {
        Self {
            vocabulary: 1,
            classes: 2,
            features: 128,
            filters: 100,
            kernels: vec![3, 4, 5],
            dropout: 0.5,
        }
    }
}

/// Convolutions over the vectors of tokens, of which the largest number over all places counts.
///
/// # Shapes
/// `tokens: [B, T] -> [B, N]`.
///
/// # Source
/// Kim 2014, "Convolutional Neural Networks for Sentence Classification".
#[derive(Debug, Module)]
pub struct TextCnn {
    /// The vectors of tokens.
    pub words: Embedding,
    /// One convolution for each length of phrases.
    pub convolutions: Vec<Conv1d>,
    /// In training.
    pub dropout: Dropout,
    /// From findings to scores.
    pub output: Linear,
}

impl TextCnn {
    /// A network with random first weights.
    ///
    /// # Errors
    /// If a size is 0, there is no length of phrases, or the dropout is no probability.
    pub fn new(options: TextCnnOptions, rng: &mut Rng) -> Result<Self> {
        let TextCnnOptions { vocabulary, classes, features, filters, kernels, dropout } = options;
        let sizes = [
            ("vocabulary", vocabulary),
            ("classes", classes),
            ("features", features),
            ("filters", filters),
        ];
        check_sizes("text_cnn", &sizes)?;
        kernels.iter().try_for_each(|&kernel| check_sizes("text_cnn", &[("a kernel", kernel)]))?;
        check_dropout("text_cnn", dropout)?;
        if kernels.is_empty() {
            return Err(Error::Setting("text_cnn: there are no kernels: give one or more".into()));
        }
        let words = Embedding::new(vocabulary, features, rng).with_padding(PADDING);
        let convolution = |&kernel: &usize| {
            // So much at either end that the shortest text has a place for the kernel.
            let padded = ConvOptions { padding: (kernel / 2).into(), ..Default::default() };
            Conv1d::new(features, filters, kernel, padded, rng)
        };
        let convolutions: Vec<Conv1d> = kernels.iter().map(convolution).collect();
        let output = Linear::new(filters * convolutions.len(), classes, rng);
        Ok(Self { words, convolutions, dropout: Dropout::new(dropout, rng), output })
    }
}

impl Layer for TextCnn {
    fn forward(&self, tokens: &Tensor) -> Tensor {
        let x = self.words.forward(tokens).transpose(1, 2);
        let found =
            self.convolutions.iter().map(|convolution| convolution.forward(&x).relu().max(2));
        let found = Tensor::cat(&found.collect::<Vec<_>>(), 1);
        self.output.forward(&self.dropout.forward(&found))
    }
}
