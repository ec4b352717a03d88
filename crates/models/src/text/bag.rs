//! The network that looks at words and pairs of words, in no order.

use super::{PADDING, mean_of_present};
use crate::{check_dropout, check_sizes};
use gradus_nn::{Dropout, Embedding, Layer, Linear, Module};
use gradus_tensor::{Result, Rng, Tensor};

/// The settings of a [`BagOfNgrams`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BagOfNgramsOptions {
    /// How many tokens there are.
    pub vocabulary: usize,
    /// How many classes there are.
    pub classes: usize,
    /// The numbers that stand for a token.
    pub features: usize,
    /// How many vectors the pairs of neighbours share; 0 for none.
    pub buckets: usize,
    /// The share of the mean's numbers that are dropped in training.
    pub dropout: f64,
}

impl Default for BagOfNgramsOptions {
    fn default() -> Self {
        Self { vocabulary: 1, classes: 2, features: 32, buckets: 100_000, dropout: 0.0 }
    }
}

/// The mean of the vectors of all tokens and all pairs of neighbours, through a matrix: fast, and
/// hard to beat on long texts. Pairs take their vectors from a table by a hash.
///
/// # Shapes
/// `tokens: [B, T] -> [B, N]`.
///
/// # Source
/// Joulin, Grave, Bojanowski, Mikolov 2017, "Bag of Tricks for Efficient Text Classification".
///
/// ```
/// use gradus_models::{BagOfNgrams, BagOfNgramsOptions};
/// use gradus_nn::Layer;
/// use gradus_tensor::{Rng, Tensor};
///
/// let options = BagOfNgramsOptions { vocabulary: 100, buckets: 50, ..Default::default() };
/// let net = BagOfNgrams::new(options, &mut Rng::new(1)).unwrap();
/// let tokens = Tensor::from_vec(vec![5i64, 7, 9, 5, 0, 0], [2, 3]);
/// assert_eq!(net.forward(&tokens).shape(), [2, 2]);
/// ```
#[derive(Debug, Module)]
pub struct BagOfNgrams {
    /// The vectors of tokens.
    pub words: Embedding,
    /// The vectors that pairs share; the first one is that of no pair.
    pub pairs: Option<Embedding>,
    /// In training.
    pub dropout: Dropout,
    /// From the mean to the scores.
    pub output: Linear,
    #[module(skip)]
    buckets: usize,
}

impl BagOfNgrams {
    /// A network with random first weights.
    ///
    /// # Errors
    /// If a size is 0, or the dropout is no probability.
    pub fn new(options: BagOfNgramsOptions, rng: &mut Rng) -> Result<Self> {
        let BagOfNgramsOptions { vocabulary, classes, features, buckets, dropout } = options;
        let sizes = [("vocabulary", vocabulary), ("classes", classes), ("features", features)];
        check_sizes("bag_of_ngrams", &sizes)?;
        check_dropout("bag_of_ngrams", dropout)?;
        let table =
            |count, rng: &mut Rng| Embedding::new(count, features, rng).with_padding(PADDING);
        Ok(Self {
            words: table(vocabulary, rng),
            pairs: (buckets > 0).then(|| table(buckets + 1, rng)),
            dropout: Dropout::new(dropout, rng),
            output: Linear::new(features, classes, rng),
            buckets,
        })
    }

    /// In which bucket each token's pair with the next one is, from 1 on; 0 where one is padding.
    fn buckets_of(&self, tokens: &Tensor) -> Tensor {
        let pairs = tokens.len_of(1) - 1;
        let (first, second) = (tokens.narrow(1, 0, pairs), tokens.narrow(1, 1, pairs));
        let buckets = Tensor::from(self.buckets as i64).to_device(tokens.device());
        let bucket = (&first * HASH + &second).remainder(&buckets) + 1;
        let padding = first.eq_scalar(PADDING as i64).logical_or(&second.eq_scalar(PADDING as i64));
        bucket.masked_fill(&padding, PADDING as i64)
    }
}

/// A prime, as large as tokens leave room for.
const HASH: i64 = 1_000_003;

impl Layer for BagOfNgrams {
    fn forward(&self, tokens: &Tensor) -> Tensor {
        let mut bag = mean_of_present(&self.words.forward(tokens), tokens);
        if let Some(pairs) = self.pairs.as_ref().filter(|_| tokens.len_of(1) > 1) {
            let buckets = self.buckets_of(tokens);
            bag = bag + mean_of_present(&pairs.forward(&buckets), &buckets);
        }
        self.output.forward(&self.dropout.forward(&bag))
    }
}
