//! Grouped-query attention: several heads of queries share keys and values.

use super::heads::{Heads, joined, split};
use super::{AttentionMasks, KeyValueCache};
use crate::{Dropout, Layer, Linear, Module, Rotary};
use gradus_tensor::{OpError, Rng, Tensor};

/// The settings of [`GroupedQueryAttention`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GroupedQueryOptions {
    /// How many heads of queries there are.
    pub heads: usize,
    /// How many heads of keys and values there are; as many as of queries make it multi-head
    /// attention, one makes it multi-query attention.
    pub groups: usize,
    /// The features of a head; those of the input, shared out among the heads of queries, unless
    /// said.
    pub head_features: Option<usize>,
    /// Turns queries and keys by their positions.
    pub rotary: Option<Rotary>,
    /// Add learned biases.
    pub bias: bool,
    /// With which probability a weight is left out in training.
    pub dropout: f64,
}

/// Eight heads of queries in two groups, no positions, no bias, no dropout.
impl Default for GroupedQueryOptions {
    fn default() -> Self {
        Self { heads: 8, groups: 2, head_features: None, rotary: None, bias: false, dropout: 0.0 }
    }
}

/// Self-attention in which several heads of queries share a head of keys and values:
/// headᵢ = softmax(Qᵢ Kⱼᵀ / √D + mask) Vⱼ with j = ⌊i · groups / heads⌋. The cache of keys and values
/// is smaller by as much.
///
/// As a [`Layer`] it has no masks.
///
/// # Shapes
/// `x: [B, T, C] -> [B, T, C]`, with `q_proj.weight: [H · D, C]`, `k_proj.weight` and
/// `v_proj.weight: [G · D, C]`, `o_proj.weight: [C, H · D]`.
///
/// # Source
/// Ainslie, Lee-Thorp, de Jong, Zemlyanskiy, Lebrón, Sanghai 2023, "GQA: Training Generalized
/// Multi-Query Transformer Models from Multi-Head Checkpoints", section 2.2; with one group, Shazeer
/// 2019, "Fast Transformer Decoding". PyTorch: `scaled_dot_product_attention(enable_gqa=True)`
/// between its projections, whose names are those of Llama.
///
/// ```
/// use gradus_nn::{GroupedQueryAttention, GroupedQueryOptions, Layer, Rotary};
/// use gradus_tensor::{Rng, Tensor};
///
/// let mut rng = Rng::new(1);
/// let options = GroupedQueryOptions { rotary: Some(Rotary::default()), ..Default::default() };
/// let attention = GroupedQueryAttention::new(64, options, &mut rng);
/// let y = attention.forward(&Tensor::randn([2, 10, 64], &mut rng));
/// assert_eq!(y.shape(), [2, 10, 64]);
/// ```
#[derive(Debug, Module)]
pub struct GroupedQueryAttention {
    /// Makes queries.
    pub q_proj: Linear,
    /// Makes keys.
    pub k_proj: Linear,
    /// Makes values.
    pub v_proj: Linear,
    /// Puts heads together.
    pub o_proj: Linear,
    dropout: Dropout,
    #[module(skip)]
    options: GroupedQueryOptions,
}

impl GroupedQueryAttention {
    /// A layer for inputs of `features` features.
    ///
    /// # Panics
    /// If the heads of queries cannot be shared out among the groups, or the features among the
    /// heads.
    #[track_caller]
    pub fn new(features: usize, options: GroupedQueryOptions, rng: &mut Rng) -> Self {
        let GroupedQueryOptions { heads, groups, .. } = options;
        if heads == 0 || groups == 0 || !heads.is_multiple_of(groups) {
            complain(format_args!("{heads} heads cannot be shared out among {groups} groups"));
        }
        let head_features = options.head_features.unwrap_or_else(|| {
            if !features.is_multiple_of(heads) {
                complain(format_args!(
                    "{features} features cannot be shared out among {heads} heads: choose a multiple, or say head_features"
                ));
            }
            features / heads
        });
        let mut linear = |inputs: usize, outputs: usize| {
            let linear = Linear::new(inputs, outputs, rng);
            if options.bias { linear } else { linear.without_bias() }
        };
        Self {
            q_proj: linear(features, heads * head_features),
            k_proj: linear(features, groups * head_features),
            v_proj: linear(features, groups * head_features),
            o_proj: linear(heads * head_features, features),
            dropout: Dropout::new(options.dropout, rng),
            options,
        }
    }

    /// Self-attention.
    ///
    /// # Panics
    /// If shapes do not fit.
    #[track_caller]
    pub fn attend(&self, x: &Tensor, masks: AttentionMasks<'_>) -> Tensor {
        self.run(x, masks, None, false).0
    }

    /// Self-attention, and the weights of each head, `[B, H, T, S]`, after dropout.
    ///
    /// # Panics
    /// If shapes do not fit.
    #[track_caller]
    pub fn attend_with_weights(&self, x: &Tensor, masks: AttentionMasks<'_>) -> (Tensor, Tensor) {
        let (y, weights) = self.run(x, masks, None, true);
        (y, weights.expect("weights were asked for"))
    }

    /// Self-attention of what comes next in a sequence, whose earlier keys and values are in a cache;
    /// the new ones are added to it. Masks have a column for each key there then is.
    ///
    /// # Panics
    /// If shapes do not fit.
    #[track_caller]
    pub fn attend_next(
        &self,
        x: &Tensor,
        masks: AttentionMasks<'_>,
        cache: &mut KeyValueCache,
    ) -> Tensor {
        self.run(x, masks, Some(cache), false).0
    }

    #[track_caller]
    fn run(
        &self,
        x: &Tensor,
        masks: AttentionMasks<'_>,
        cache: Option<&mut KeyValueCache>,
        with_weights: bool,
    ) -> (Tensor, Option<Tensor>) {
        if x.rank() != 3 {
            complain(format_args!("takes [B, T, C], not {}", x.shape()));
        }
        let GroupedQueryOptions { heads, groups, rotary, .. } = self.options;
        let earlier = cache.as_ref().map_or(0, |cache| cache.len());
        let mut query = split(&self.q_proj.forward(x), heads);
        let mut key = split(&self.k_proj.forward(x), groups);
        let mut value = split(&self.v_proj.forward(x), groups);
        if let Some(rotary) = rotary {
            let [turned_query, turned_key] = rotary.rotate_from(earlier, [&query, &key]);
            (query, key) = (turned_query, turned_key);
        }
        if let Some(cache) = cache {
            [key, value] = cache.append(&key, &value);
        }
        let layer = "GroupedQueryAttention";
        let dropout = &self.dropout;
        let heads = Heads { layer, query, key, value, masks, earlier, extra: 0, dropout };
        let (y, weights) = heads.attend(with_weights);
        (self.o_proj.forward(&joined(&y)), weights)
    }
}

/// Self-attention without masks.
impl Layer for GroupedQueryAttention {
    fn forward(&self, x: &Tensor) -> Tensor {
        self.attend(x, AttentionMasks::default())
    }
}

#[track_caller]
fn complain(message: std::fmt::Arguments<'_>) -> ! {
    panic!("{}", OpError::of("GroupedQueryAttention", message));
}
