//! Attentions that differ in how a query and a key are scored.

use super::AttentionMasks;
use super::masks::{all_of, causal_mask, check};
use crate::{Init, Layer, Linear, Module, Param};
use gradus_tensor::{Rng, Tensor};

/// An attention, which is how it scores a query and a key. The weights of keys are the softmax of
/// their scores, and a query gathers the mean of values with these weights.
///
/// ```
/// use gradus_nn::{AdditiveAttention, AttentionMasks, Scoring};
/// use gradus_tensor::{Rng, Tensor};
///
/// let mut rng = Rng::new(1);
/// let attention = AdditiveAttention::new(8, 12, 16, &mut rng);
/// let (state, memory) = (Tensor::randn([2, 1, 8], &mut rng), Tensor::randn([2, 5, 12], &mut rng));
/// let (context, weights) =
///     attention.attend_with_weights(&state, &memory, &memory, AttentionMasks::default());
/// assert_eq!(context.shape(), [2, 1, 12]);
/// assert_eq!(weights.shape(), [2, 1, 5]);
/// ```
pub trait Scoring: Module {
    /// How well each key fits each query: `query: [B, T, Q], key: [B, S, K] -> [B, T, S]`.
    ///
    /// # Panics
    /// If shapes do not fit.
    #[track_caller]
    fn scores(&self, query: &Tensor, key: &Tensor) -> Tensor;

    /// What queries gather from values `[B, S, V]`: `[B, T, V]`.
    ///
    /// # Panics
    /// If shapes do not fit.
    #[track_caller]
    fn attend(
        &self,
        query: &Tensor,
        key: &Tensor,
        value: &Tensor,
        masks: AttentionMasks<'_>,
    ) -> Tensor {
        self.attend_with_weights(query, key, value, masks).0
    }

    /// What queries gather from values `[B, S, V]`: `[B, T, V]`, and the weights `[B, T, S]`. There
    /// are no heads: a mask broadcasts to `[B, T, S]`.
    ///
    /// # Panics
    /// If shapes do not fit.
    #[track_caller]
    fn attend_with_weights(
        &self,
        query: &Tensor,
        key: &Tensor,
        value: &Tensor,
        masks: AttentionMasks<'_>,
    ) -> (Tensor, Tensor) {
        let weights = weights(&self.scores(query, key), masks);
        (weights.matmul(value), weights)
    }
}

/// The softmax of scores `[B, T, S]`.
#[track_caller]
fn weights(scores: &Tensor, masks: AttentionMasks<'_>) -> Tensor {
    let keys = masks.keys.map(|keys| keys.unsqueeze(1));
    let causal = masks.causal.then(|| causal_mask(scores.len_of(-2), scores.len_of(-1), 0));
    let causal = causal.map(|mask| mask.to_device(scores.device()));
    match all_of([masks.mask.cloned(), keys, causal], scores.dtype()) {
        None => scores.softmax(-1),
        Some(mask) => {
            check(&mask, scores.shape(), "attention");
            scores.masked_softmax(&mask)
        }
    }
}

/// score = vᵀ tanh(W q + U k): additive attention.
///
/// # Shapes
/// `query: [B, T, Q], key: [B, S, K]`, with `query.weight: [A, Q]`, `key.weight: [A, K]` and
/// `score.weight: [1, A]`.
///
/// # Source
/// Bahdanau, Cho, Bengio 2015, "Neural Machine Translation by Jointly Learning to Align and
/// Translate", appendix A.1.2.
#[derive(Debug, Module)]
pub struct AdditiveAttention {
    /// W.
    pub query: Linear,
    /// U.
    pub key: Linear,
    /// v.
    pub score: Linear,
}

impl AdditiveAttention {
    /// An attention of queries of one length and keys of another, whose sum has `hidden` features.
    #[track_caller]
    pub fn new(query: usize, key: usize, hidden: usize, rng: &mut Rng) -> Self {
        Self {
            query: Linear::new(query, hidden, rng).without_bias(),
            key: Linear::new(key, hidden, rng).without_bias(),
            score: Linear::new(hidden, 1, rng).without_bias(),
        }
    }
}

impl Scoring for AdditiveAttention {
    fn scores(&self, query: &Tensor, key: &Tensor) -> Tensor {
        let query = self.query.forward(query).unsqueeze(-2);
        let key = self.key.forward(key).unsqueeze(-3);
        self.score.forward(&(query + key).tanh()).squeeze(-1)
    }
}

/// score = qᵀ W k: multiplicative attention, which Luong calls general.
///
/// # Shapes
/// `query: [B, T, Q], key: [B, S, K]`, with `weight: [Q, K]`.
///
/// # Source
/// Luong, Pham, Manning 2015, "Effective Approaches to Attention-based Neural Machine Translation",
/// equation 8.
#[derive(Debug, Module)]
pub struct GeneralAttention {
    /// W.
    pub weight: Param,
}

impl GeneralAttention {
    /// An attention of queries of one length and keys of another.
    #[track_caller]
    pub fn new(query: usize, key: usize, rng: &mut Rng) -> Self {
        Self { weight: Param::new(Init::PYTORCH_WEIGHT.draw([query, key], rng)) }
    }
}

impl Scoring for GeneralAttention {
    fn scores(&self, query: &Tensor, key: &Tensor) -> Tensor {
        query.matmul(&self.weight.tensor()).matmul(&key.t())
    }
}

/// score = scale · qᵀ k: dot-product attention, without parameters.
///
/// # Source
/// Luong, Pham, Manning 2015, equation 8, "dot"; with the scale 1 / √D, Vaswani et al. 2017,
/// "Attention Is All You Need", equation 1.
#[derive(Clone, Copy, Debug, Module)]
pub struct DotAttention {
    /// What products are multiplied by.
    pub scale: f64,
}

/// The product itself.
impl Default for DotAttention {
    fn default() -> Self {
        Self { scale: 1.0 }
    }
}

impl Scoring for DotAttention {
    fn scores(&self, query: &Tensor, key: &Tensor) -> Tensor {
        query.matmul(&key.t()) * self.scale
    }
}

/// The mean of a sequence with learned weights: y = Σ aₜ xₜ with a = softmax over t of wᵀ xₜ. A bias
/// would change nothing.
///
/// # Shapes
/// `x: [B, T, C] -> [B, C]`, with `score.weight: [1, C]`.
///
/// # Source
/// Yang, Yang, Dyer, He, Smola, Hovy 2016, "Hierarchical Attention Networks for Document
/// Classification", equations 6 and 7, scoring the elements themselves.
///
/// ```
/// use gradus_nn::{AttentionPooling, Layer};
/// use gradus_tensor::{Rng, Tensor};
///
/// let mut rng = Rng::new(1);
/// let pooling = AttentionPooling::new(8, &mut rng);
/// assert_eq!(pooling.forward(&Tensor::randn([2, 5, 8], &mut rng)).shape(), [2, 8]);
/// ```
#[derive(Debug, Module)]
pub struct AttentionPooling {
    /// w.
    pub score: Linear,
}

impl AttentionPooling {
    /// A pooling of elements of `features` features.
    #[track_caller]
    pub fn new(features: usize, rng: &mut Rng) -> Self {
        Self { score: Linear::new(features, 1, rng).without_bias() }
    }

    /// The mean, and the weights `[B, T]`. The mask, `[B, T]`, says which elements count: truth
    /// values, or numbers that are added to the scores.
    ///
    /// # Panics
    /// If shapes do not fit.
    #[track_caller]
    pub fn pool(&self, x: &Tensor, mask: Option<&Tensor>) -> (Tensor, Tensor) {
        let scores = self.score.forward(x).squeeze(-1);
        let weights = match mask {
            None => scores.softmax(-1),
            Some(mask) => scores.masked_softmax(mask),
        };
        (weights.unsqueeze(-2).matmul(x).squeeze(-2), weights)
    }
}

impl Layer for AttentionPooling {
    fn forward(&self, x: &Tensor) -> Tensor {
        self.pool(x, None).0
    }
}
