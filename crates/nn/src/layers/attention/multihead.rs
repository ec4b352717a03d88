//! Multi-head attention, with PyTorch's parameters.

use super::heads::{Heads, attend_together, joined, split};
use super::{AttentionMasks, KeyValueCache};
use crate::{Dropout, Init, Layer, Linear, Module, Param};
use gradus_tensor::{OpError, Rng, Tensor};
use std::ptr::eq;

/// The settings of [`MultiheadAttention`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MultiheadOptions {
    /// With which probability a weight is left out in training.
    pub dropout: f64,
    /// Add learned biases to queries, keys, values and outputs.
    pub bias: bool,
    /// The length of a key, if it is not that of a query. PyTorch: `kdim`.
    pub key_features: Option<usize>,
    /// The length of a value, if it is not that of a query. PyTorch: `vdim`.
    pub value_features: Option<usize>,
    /// Add a learned key and value that every query meets. PyTorch: `add_bias_kv`.
    pub learned_key: bool,
    /// Add a key and a value of zeros that every query meets. PyTorch: `add_zero_attn`.
    pub zero_key: bool,
    /// The first axis counts examples, the second time; else the other way round.
    pub batch_first: bool,
}

/// As in PyTorch, but for `batch_first`.
impl Default for MultiheadOptions {
    fn default() -> Self {
        Self {
            dropout: 0.0,
            bias: true,
            key_features: None,
            value_features: None,
            learned_key: false,
            zero_key: false,
            batch_first: true,
        }
    }
}

/// Attention of several heads side by side:
/// headᵢ = softmax(Qᵢ Kᵢᵀ / √D + mask) Vᵢ, y = [head₁ … head_H] Wᵒ + bᵒ, where
/// Q = q W^Q + b^Q, K = k W^K + b^K and V = v W^V + b^V are cut into H heads of D features.
///
/// As a [`Layer`], it is self-attention without masks.
///
/// # Shapes
/// `query: [B, T, C], key: [B, S, K], value: [B, S, V] -> [B, T, C]`, or all three without B. With
/// K = V = C there is one `in_proj_weight: [3C, C]`, else there are `q_proj_weight: [C, C]`,
/// `k_proj_weight: [C, K]` and `v_proj_weight: [C, V]`.
///
/// # Source
/// Vaswani et al. 2017, "Attention Is All You Need", section 3.2.2. PyTorch:
/// `torch.nn.MultiheadAttention`, whose parameters and first values it has; there `batch_first` is
/// false unless said, and masks of truth values mean the opposite (see [`AttentionMasks`]).
///
/// ```
/// use gradus_nn::{AttentionMasks, MultiheadAttention};
/// use gradus_tensor::{Rng, Tensor};
///
/// let mut rng = Rng::new(1);
/// let attention = MultiheadAttention::new(32, 4, &mut rng);
/// let (query, memory) = (Tensor::randn([2, 5, 32], &mut rng), Tensor::randn([2, 7, 32], &mut rng));
/// let masks = AttentionMasks::default();
/// let (y, weights) = attention.attend_with_weights(&query, &memory, &memory, masks);
/// assert_eq!(y.shape(), [2, 5, 32]);
/// assert_eq!(weights.shape(), [2, 4, 5, 7]);
/// ```
#[derive(Debug, Module)]
pub struct MultiheadAttention {
    /// W^Q, W^K and W^V one below the other.
    pub in_proj_weight: Option<Param>,
    /// W^Q, where keys or values have another length.
    pub q_proj_weight: Option<Param>,
    /// W^K, where keys or values have another length.
    pub k_proj_weight: Option<Param>,
    /// W^V, where keys or values have another length.
    pub v_proj_weight: Option<Param>,
    /// b^Q, b^K and b^V one after another.
    pub in_proj_bias: Option<Param>,
    /// The learned key, [1, 1, C].
    pub bias_k: Option<Param>,
    /// The learned value, [1, 1, C].
    pub bias_v: Option<Param>,
    /// Wᵒ and bᵒ.
    pub out_proj: Linear,
    dropout: Dropout,
    heads: usize,
    zero_key: bool,
    batch_first: bool,
}

impl MultiheadAttention {
    /// A layer of `heads` heads that together have `features` features.
    ///
    /// # Panics
    /// If the features cannot be shared out among the heads.
    #[track_caller]
    pub fn new(features: usize, heads: usize, rng: &mut Rng) -> Self {
        Self::with_options(features, heads, MultiheadOptions::default(), rng)
    }

    /// A layer with options.
    ///
    /// # Panics
    /// If the features cannot be shared out among the heads.
    #[track_caller]
    pub fn with_options(
        features: usize,
        heads: usize,
        options: MultiheadOptions,
        rng: &mut Rng,
    ) -> Self {
        if heads == 0 || !features.is_multiple_of(heads) {
            complain(format_args!(
                "{features} features cannot be shared out among {heads} heads: choose a multiple"
            ));
        }
        let key_features = options.key_features.unwrap_or(features);
        let value_features = options.value_features.unwrap_or(features);
        let packed = (key_features, value_features) == (features, features);
        let xavier = Init::XavierUniform { gain: 1.0 };
        let mut weight = |when: bool, rows: usize, columns: usize| {
            when.then(|| Param::new(xavier.draw([rows, columns], rng)))
        };
        let in_proj_weight = weight(packed, 3 * features, features);
        let q_proj_weight = weight(!packed, features, features);
        let k_proj_weight = weight(!packed, features, key_features);
        let v_proj_weight = weight(!packed, features, value_features);
        let mut extra = || {
            let normal = Init::XavierNormal { gain: 1.0 };
            options.learned_key.then(|| Param::new(normal.draw([1, 1, features], rng)))
        };
        let (bias_k, bias_v) = (extra(), extra());
        let out_proj = Linear::new(features, features, rng);
        let out_bias = options.bias.then(|| Param::new(Tensor::zeros(features)));
        Self {
            in_proj_weight,
            q_proj_weight,
            k_proj_weight,
            v_proj_weight,
            in_proj_bias: options.bias.then(|| Param::new(Tensor::zeros(3 * features))),
            bias_k,
            bias_v,
            out_proj: Linear { bias: out_bias, ..out_proj },
            dropout: Dropout::new(options.dropout, rng),
            heads,
            zero_key: options.zero_key,
            batch_first: options.batch_first,
        }
    }

    /// What queries gather from values.
    ///
    /// # Panics
    /// If shapes do not fit.
    #[track_caller]
    pub fn attend(
        &self,
        query: &Tensor,
        key: &Tensor,
        value: &Tensor,
        masks: AttentionMasks<'_>,
    ) -> Tensor {
        self.run([query, key, value], masks, false).0
    }

    /// What queries gather from values, and the weights of each head, `[B, H, T, S]`, after dropout.
    /// PyTorch gives their mean over heads, `weights.mean(1)`, unless `average_attn_weights` is
    /// false.
    ///
    /// # Panics
    /// If shapes do not fit.
    #[track_caller]
    pub fn attend_with_weights(
        &self,
        query: &Tensor,
        key: &Tensor,
        value: &Tensor,
        masks: AttentionMasks<'_>,
    ) -> (Tensor, Tensor) {
        let (y, weights) = self.run([query, key, value], masks, true);
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
        let [query, key, value] = self.project_one(&self.batched(x)).map(|x| split(&x, self.heads));
        let earlier = cache.len();
        let [key, value] = cache.append(&key, &value);
        self.finish(query, [key, value], (masks, earlier), false).0
    }

    /// Attention to a memory that stays the same from call to call: its keys and values are computed
    /// by the first call, and then taken from the cache.
    ///
    /// # Panics
    /// If shapes do not fit.
    #[track_caller]
    pub fn attend_memory(
        &self,
        query: &Tensor,
        memory: &Tensor,
        masks: AttentionMasks<'_>,
        cache: &mut KeyValueCache,
    ) -> Tensor {
        let [of_query, of_key, of_value] = self.projections();
        let memory = match cache.get() {
            Some(kept) => kept,
            None => {
                let memory = self.batched(memory);
                let key = split(&of_key.of(&memory), self.heads);
                let value = split(&of_value.of(&memory), self.heads);
                cache.append(&key, &value)
            }
        };
        let query = split(&of_query.of(&self.batched(query)), self.heads);
        self.finish(query, memory, (masks, 0), false).0
    }

    #[track_caller]
    fn run(
        &self,
        inputs: [&Tensor; 3],
        masks: AttentionMasks<'_>,
        with_weights: bool,
    ) -> (Tensor, Option<Tensor>) {
        let [query, key, value] = inputs;
        let itself = eq(query, key) && eq(key, value);
        let single = query.rank() == 2;
        let (y, weights) = if itself && !with_weights && self.may_lie_together() {
            (self.attend_itself(&self.batched(query), masks), None)
        } else {
            let projected = if itself {
                self.project_one(&self.batched(query))
            } else {
                let [of_query, of_key, of_value] = self.projections();
                let query = of_query.of(&self.batched(query));
                [query, of_key.of(&self.batched(key)), of_value.of(&self.batched(value))]
            };
            let [query, key, value] = projected.map(|x| split(&x, self.heads));
            self.finish(query, [key, value], (masks, 0), with_weights)
        };
        match single {
            true => {
                (y.squeeze(if self.batch_first { 0 } else { 1 }), weights.map(|w| w.squeeze(0)))
            }
            false => (y, weights),
        }
    }

    /// An input as `[B, T, C]`.
    #[track_caller]
    fn batched(&self, x: &Tensor) -> Tensor {
        match x.rank() {
            2 => x.unsqueeze(0),
            3 if self.batch_first => x.clone(),
            3 => x.transpose(0, 1),
            _ => {
                complain(format_args!("takes [B, T, C] or [T, C], not {}", x.shape()));
            }
        }
    }

    /// True if queries, keys and values may stay where one product puts them.
    fn may_lie_together(&self) -> bool {
        self.in_proj_weight.is_some() && self.bias_k.is_none() && !self.zero_key
    }

    /// Self-attention of `[B, T, C]` where all lie together.
    #[track_caller]
    fn attend_itself(&self, x: &Tensor, masks: AttentionMasks<'_>) -> Tensor {
        let all = self.project_together(x).expect("one weight makes all of them");
        let y = attend_together("MultiheadAttention", &all, self.heads, masks, &self.dropout);
        let y = self.out_proj.forward(&y);
        if self.batch_first { y } else { y.transpose(0, 1) }
    }

    /// Queries, keys and values of one input side by side, if one weight makes them.
    #[track_caller]
    fn project_together(&self, x: &Tensor) -> Option<Tensor> {
        let weight = self.in_proj_weight.as_ref()?;
        let bias = self.in_proj_bias.as_ref().map(Param::tensor);
        Some(weight.linear(x, bias.as_ref()))
    }

    /// Queries, keys and values of one input, if possible by one product.
    #[track_caller]
    fn project_one(&self, x: &Tensor) -> [Tensor; 3] {
        let Some(all) = self.project_together(x) else {
            let [of_query, of_key, of_value] = self.projections();
            return [of_query.of(x), of_key.of(x), of_value.of(x)];
        };
        let len = all.len_of(-1) / 3;
        [0, 1, 2].map(|i| all.narrow(-1, i * len, len))
    }

    /// The weights and biases of queries, keys and values.
    fn projections(&self) -> [Projection; 3] {
        let features = self.out_proj.weight.shape()[0];
        let bias = self.in_proj_bias.as_ref().map(Param::tensor);
        let packed = self.in_proj_weight.as_ref().map(Param::tensor);
        let own = [&self.q_proj_weight, &self.k_proj_weight, &self.v_proj_weight];
        [0, 1, 2].map(|i| {
            let part = |x: &Tensor| x.narrow(0, i * features, features);
            let own = own[i].as_ref().map(Param::tensor);
            let weight = own.or_else(|| packed.as_ref().map(part));
            let weight = weight.expect("a layer has one weight for all or one for each");
            Projection { weight, bias: bias.as_ref().map(part) }
        })
    }

    /// Lets queries meet keys; adds the extra keys; puts heads together.
    #[track_caller]
    fn finish(
        &self,
        query: Tensor,
        memory: [Tensor; 2],
        (masks, earlier): (AttentionMasks<'_>, usize),
        with_weights: bool,
    ) -> (Tensor, Option<Tensor>) {
        let [key, value] = memory;
        let key = self.with_extra(key, &self.bias_k);
        let value = self.with_extra(value, &self.bias_v);
        let extra = self.bias_k.is_some() as usize + self.zero_key as usize;
        let heads = Heads {
            layer: "MultiheadAttention",
            query,
            key,
            value,
            masks,
            earlier,
            extra,
            dropout: &self.dropout,
        };
        let (y, weights) = heads.attend(with_weights);
        let y = self.out_proj.forward(&joined(&y));
        (if self.batch_first { y } else { y.transpose(0, 1) }, weights)
    }

    /// Keys or values of all heads, and after them those that every query meets.
    #[track_caller]
    fn with_extra(&self, x: Tensor, learned: &Option<Param>) -> Tensor {
        let one = x.shape().with(2, 1);
        let learned = learned.as_ref().map(|learned| split(&learned.tensor(), self.heads));
        let learned = learned.map(|learned| learned.broadcast_to(one));
        let zero = self.zero_key.then(|| Tensor::zeros(x.spec().with_shape(one)));
        if learned.is_none() && zero.is_none() {
            return x;
        }
        let parts: Vec<Tensor> = [Some(x), learned, zero].into_iter().flatten().collect();
        Tensor::cat(&parts, 2)
    }
}

/// Self-attention without masks.
impl Layer for MultiheadAttention {
    fn forward(&self, x: &Tensor) -> Tensor {
        self.attend(x, x, x, AttentionMasks::default())
    }
}

/// One of the products before attention.
struct Projection {
    weight: Tensor,
    bias: Option<Tensor>,
}

impl Projection {
    #[track_caller]
    fn of(&self, x: &Tensor) -> Tensor {
        x.linear(&self.weight, self.bias.as_ref())
    }
}

#[track_caller]
fn complain(message: std::fmt::Arguments<'_>) -> ! {
    panic!("{}", OpError::of("MultiheadAttention", message));
}
