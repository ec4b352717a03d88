//! Networks that read a text from its beginning to its end, or all of it at once.

use super::{PADDING, mean_of_present};
use crate::{check_dropout, check_sizes};
use gradus_nn::{
    AttentionMasks, Dropout, Embedding, Gru, GruOptions, Layer, LearnedPositions, Linear, Lstm,
    LstmOptions, Module, TransformerEncoder, TransformerOptions,
};
use gradus_tensor::{Error, Result, Rng, Tensor};

/// What reads a text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reader {
    /// A recurrent network with long short-term memory.
    #[default]
    Lstm,
    /// A recurrent network with gated units.
    Gru,
    /// Layers of attention, normalised first, with learned positions.
    Transformer,
}

/// The settings of a [`Body`].
#[derive(Clone, Copy, Debug)]
pub(super) struct BodyOptions {
    pub reader: Reader,
    pub features: usize,
    pub layers: usize,
    pub heads: usize,
    pub length: usize,
    pub dropout: f64,
    /// A Transformer sees only what came before.
    pub causal: bool,
}

/// What reads the vectors of tokens: `[B, T, D] -> [B, T, D]`.
#[derive(Debug, Module)]
pub struct Body {
    /// A recurrent network, or none.
    pub recurrent: Option<Box<dyn Layer>>,
    /// Where a token is, for a Transformer.
    pub positions: Option<LearnedPositions>,
    /// A Transformer, or none.
    pub transformer: Option<TransformerEncoder>,
    #[module(skip)]
    causal: bool,
}

impl Body {
    /// # Errors
    /// If a size is 0, or the features do not divide into the heads.
    pub(super) fn new(model: &str, options: BodyOptions, rng: &mut Rng) -> Result<Self> {
        let BodyOptions { reader, features, layers, heads, length, dropout, causal } = options;
        let sizes =
            [("features", features), ("layers", layers), ("heads", heads), ("length", length)];
        check_sizes(model, &sizes)?;
        check_dropout(model, dropout)?;
        // Between layers there is nothing to drop if there is but one.
        let between = if layers > 1 { dropout } else { 0.0 };
        let recurrent: Option<Box<dyn Layer>> = match reader {
            Reader::Lstm => {
                let options =
                    LstmOptions { num_layers: layers, dropout: between, ..Default::default() };
                Some(Box::new(Lstm::with_options(features, features, options, rng)))
            }
            Reader::Gru => {
                let options =
                    GruOptions { num_layers: layers, dropout: between, ..Default::default() };
                Some(Box::new(Gru::with_options(features, features, options, rng)))
            }
            Reader::Transformer => None,
        };
        if recurrent.is_some() {
            return Ok(Self { recurrent, positions: None, transformer: None, causal });
        }
        if !features.is_multiple_of(heads) {
            let message = format!("{model}: {features} features do not divide into {heads} heads");
            return Err(Error::Setting(message));
        }
        let options = TransformerOptions {
            features,
            heads,
            hidden: 4 * features,
            dropout,
            activation: Tensor::gelu,
            norm_first: true,
            ..Default::default()
        };
        Ok(Self {
            recurrent,
            positions: Some(LearnedPositions::new(length, features, rng)),
            transformer: Some(TransformerEncoder::new(layers, options, rng).with_norm()),
            causal,
        })
    }

    /// Reads `x: [B, T, D]`; a Transformer leaves out what is `keys: [B, T]` false.
    pub(super) fn read(&self, x: &Tensor, keys: Option<&Tensor>) -> Tensor {
        let x = match &self.recurrent {
            Some(recurrent) => recurrent.forward(x),
            None => x.clone(),
        };
        let x = match &self.positions {
            Some(positions) => positions.forward(&x),
            None => x,
        };
        match &self.transformer {
            Some(transformer) => {
                transformer.encode(&x, AttentionMasks { keys, causal: self.causal, mask: None })
            }
            None => x,
        }
    }
}

/// The settings of a [`SequenceClassifier`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SequenceClassifierOptions {
    /// What reads.
    pub reader: Reader,
    /// How many tokens there are.
    pub vocabulary: usize,
    /// How many classes there are.
    pub classes: usize,
    /// The numbers that stand for a token, and for what was read.
    pub features: usize,
    /// How many layers read.
    pub layers: usize,
    /// The heads of a Transformer.
    pub heads: usize,
    /// The longest text that a Transformer can be given.
    pub length: usize,
    /// The share of numbers that are dropped in training: of the vectors of tokens, between layers,
    /// and of what was read.
    pub dropout: f64,
}

impl Default for SequenceClassifierOptions {
    fn default() -> Self {
        Self {
            reader: Reader::default(),
            vocabulary: 1,
            classes: 2,
            features: 64,
            layers: 1,
            heads: 4,
            length: 256,
            dropout: 0.2,
        }
    }
}

/// Reads the vectors of tokens, and makes the classes' scores of the mean of what was read. Padding
/// at the end of a text changes nothing.
///
/// # Shapes
/// `tokens: [B, T] -> [B, N]`.
///
/// ```
/// use gradus_models::{Reader, SequenceClassifier, SequenceClassifierOptions};
/// use gradus_nn::Layer;
/// use gradus_tensor::{Rng, Tensor};
///
/// let options = SequenceClassifierOptions {
///     reader: Reader::Transformer,
///     vocabulary: 100,
///     ..Default::default()
/// };
/// let net = SequenceClassifier::new(options, &mut Rng::new(1)).unwrap();
/// let tokens = Tensor::from_vec(vec![5i64, 7, 9, 5, 0, 0], [2, 3]);
/// assert_eq!(net.forward(&tokens).shape(), [2, 2]);
/// ```
#[derive(Debug, Module)]
pub struct SequenceClassifier {
    /// The vectors of tokens.
    pub words: Embedding,
    /// What reads.
    pub body: Body,
    /// In training.
    pub dropout: Dropout,
    /// From what was read to the scores.
    pub output: Linear,
}

impl SequenceClassifier {
    /// A network with random first weights.
    ///
    /// # Errors
    /// If a size is 0, the features do not divide into the heads, or the dropout is no probability.
    pub fn new(options: SequenceClassifierOptions, rng: &mut Rng) -> Result<Self> {
        let SequenceClassifierOptions { reader, vocabulary, classes, features, .. } = options;
        let SequenceClassifierOptions { layers, heads, length, dropout, .. } = options;
        let name = "sequence_classifier";
        check_sizes(name, &[("vocabulary", vocabulary), ("classes", classes)])?;
        let body = BodyOptions { reader, features, layers, heads, length, dropout, causal: false };
        Ok(Self {
            body: Body::new(name, body, rng)?,
            words: Embedding::new(vocabulary, features, rng).with_padding(PADDING),
            dropout: Dropout::new(dropout, rng),
            output: Linear::new(features, classes, rng),
        })
    }
}

impl Layer for SequenceClassifier {
    fn forward(&self, tokens: &Tensor) -> Tensor {
        let words = self.dropout.forward(&self.words.forward(tokens));
        let read = self.body.read(&words, Some(&tokens.ne_scalar(PADDING as i64)));
        self.output.forward(&self.dropout.forward(&mean_of_present(&read, tokens)))
    }
}
