//! The decoder, which looks at what an encoder has read.

use super::{Residual, TransformerOptions, check_caches, normed};
use crate::MultiheadAttention;
use crate::{AttentionMasks, Dropout, KeyValueCache, Layer, LayerNorm, Linear, Module};
use gradus_tensor::{Rng, Tensor};

/// The masks of a decoder.
#[derive(Clone, Copy, Debug, Default)]
pub struct DecoderMasks<'a> {
    /// Among the elements of the target: causal, as a rule.
    pub target: AttentionMasks<'a>,
    /// Between elements of the target and of the memory.
    pub memory: AttentionMasks<'a>,
}

/// What a decoder layer keeps from step to step.
#[derive(Clone, Debug, Default)]
pub struct DecoderCache {
    /// Keys and values of the target so far.
    pub target: KeyValueCache,
    /// Keys and values of the memory.
    pub memory: KeyValueCache,
}

impl DecoderCache {
    /// Goes on with the examples that `rows` names; see [`KeyValueCache::reorder`].
    ///
    /// # Panics
    /// If there is no such example.
    #[track_caller]
    pub fn reorder(&mut self, rows: &Tensor) {
        self.target.reorder(rows);
        self.memory.reorder(rows);
    }
}

/// Self-attention, attention to a memory, then a network of two layers for each element, all with a
/// way past them.
///
/// # Shapes
/// `target: [B, T, C], memory: [B, S, C] -> [B, T, C]`.
///
/// # Source
/// Vaswani et al. 2017, "Attention Is All You Need", sections 3.1 and 3.3; with the normalisation
/// first, Xiong et al. 2020, "On Layer Normalization in the Transformer Architecture". PyTorch:
/// `torch.nn.TransformerDecoderLayer`.
#[derive(Debug, Module)]
pub struct TransformerDecoderLayer {
    /// The attention to the target.
    pub self_attn: MultiheadAttention,
    /// The attention to the memory.
    pub multihead_attn: MultiheadAttention,
    /// W₁ and b₁ of the network.
    pub linear1: Linear,
    dropout: Dropout,
    /// W₂ and b₂ of the network.
    pub linear2: Linear,
    /// The normalisation of self-attention.
    pub norm1: LayerNorm,
    /// The normalisation of the attention to the memory.
    pub norm2: LayerNorm,
    /// The normalisation of the network.
    pub norm3: LayerNorm,
    dropout1: Dropout,
    dropout2: Dropout,
    dropout3: Dropout,
    #[module(skip)]
    activation: fn(&Tensor) -> Tensor,
    norm_first: bool,
}

impl TransformerDecoderLayer {
    /// A layer.
    ///
    /// # Panics
    /// If the features cannot be shared out among the heads.
    #[track_caller]
    pub fn new(options: TransformerOptions, rng: &mut Rng) -> Self {
        Self {
            self_attn: options.attention(rng),
            multihead_attn: options.attention(rng),
            linear1: options.linear(options.features, options.hidden, rng),
            dropout: Dropout::new(options.dropout, rng),
            linear2: options.linear(options.hidden, options.features, rng),
            norm1: options.norm(),
            norm2: options.norm(),
            norm3: options.norm(),
            dropout1: Dropout::new(options.dropout, rng),
            dropout2: Dropout::new(options.dropout, rng),
            dropout3: Dropout::new(options.dropout, rng),
            activation: options.activation,
            norm_first: options.norm_first,
        }
    }

    /// The output.
    ///
    /// # Panics
    /// If shapes do not fit.
    #[track_caller]
    pub fn decode(&self, target: &Tensor, memory: &Tensor, masks: DecoderMasks<'_>) -> Tensor {
        let [own, of_memory, network] = self.parts();
        let input = own.before(target);
        let attended = self.self_attn.attend(&input, &input, &input, masks.target);
        let x = own.after(target, &attended);
        let query = of_memory.before(&x);
        let attended = self.multihead_attn.attend(&query, memory, memory, masks.memory);
        self.finish(network, &of_memory.after(&x, &attended))
    }

    /// The output for what comes next in the target; see [`MultiheadAttention::attend_next`] and
    /// [`MultiheadAttention::attend_memory`].
    ///
    /// # Panics
    /// If shapes do not fit.
    #[track_caller]
    pub fn decode_next(
        &self,
        target: &Tensor,
        memory: &Tensor,
        masks: DecoderMasks<'_>,
        cache: &mut DecoderCache,
    ) -> Tensor {
        let [own, of_memory, network] = self.parts();
        let input = own.before(target);
        let attended = self.self_attn.attend_next(&input, masks.target, &mut cache.target);
        let x = own.after(target, &attended);
        let query = of_memory.before(&x);
        let attended =
            self.multihead_attn.attend_memory(&query, memory, masks.memory, &mut cache.memory);
        self.finish(network, &of_memory.after(&x, &attended))
    }

    /// Self-attention, attention to the memory, the network.
    fn parts(&self) -> [Residual<'_>; 3] {
        let norm_first = self.norm_first;
        [
            Residual { norm: &self.norm1, norm_first, dropout: &self.dropout1 },
            Residual { norm: &self.norm2, norm_first, dropout: &self.dropout2 },
            Residual { norm: &self.norm3, norm_first, dropout: &self.dropout3 },
        ]
    }

    #[track_caller]
    fn finish(&self, network: Residual<'_>, x: &Tensor) -> Tensor {
        let hidden = (self.activation)(&self.linear1.forward(&network.before(x)));
        network.after(x, &self.linear2.forward(&self.dropout.forward(&hidden)))
    }
}

/// Decoder layers one after another, and a last normalisation if there is one.
///
/// # Shapes
/// `target: [B, T, C], memory: [B, S, C] -> [B, T, C]`.
///
/// # Source
/// Vaswani et al. 2017, "Attention Is All You Need", section 3.1. PyTorch:
/// `torch.nn.TransformerDecoder`, whose layers all start with the same values; here each has its own.
///
/// ```
/// use gradus_nn::{AttentionMasks, DecoderMasks, TransformerDecoder, TransformerOptions};
/// use gradus_tensor::{Rng, Tensor, no_grad};
///
/// let mut rng = Rng::new(1);
/// let options = TransformerOptions { features: 16, heads: 2, hidden: 32, ..Default::default() };
/// let decoder = TransformerDecoder::new(3, options, &mut rng);
/// let (target, memory) = (Tensor::randn([2, 5, 16], &mut rng), Tensor::randn([2, 7, 16], &mut rng));
/// let masks = DecoderMasks { target: AttentionMasks::causal(), ..Default::default() };
/// assert_eq!(decoder.decode(&target, &memory, masks).shape(), [2, 5, 16]);
///
/// // One element at a time.
/// let mut caches = decoder.cache();
/// no_grad(|| {
///     for t in 0..5 {
///         decoder.decode_next(&target.narrow(1, t, 1), &memory, masks, &mut caches);
///     }
/// });
/// ```
#[derive(Debug, Module)]
pub struct TransformerDecoder {
    /// The layers.
    pub layers: Vec<TransformerDecoderLayer>,
    /// The last normalisation.
    pub norm: Option<LayerNorm>,
    #[module(skip)]
    options: TransformerOptions,
}

impl TransformerDecoder {
    /// A decoder of a number of layers.
    ///
    /// # Panics
    /// If the features cannot be shared out among the heads.
    #[track_caller]
    pub fn new(layers: usize, options: TransformerOptions, rng: &mut Rng) -> Self {
        let mut all = Vec::with_capacity(layers);
        for _ in 0..layers {
            all.push(TransformerDecoderLayer::new(options, rng));
        }
        Self { layers: all, norm: None, options }
    }

    /// The decoder with a last normalisation.
    pub fn with_norm(self) -> Self {
        Self { norm: Some(self.options.norm()), ..self }
    }

    /// The output.
    ///
    /// # Panics
    /// If shapes do not fit.
    #[track_caller]
    pub fn decode(&self, target: &Tensor, memory: &Tensor, masks: DecoderMasks<'_>) -> Tensor {
        let mut x = target.clone();
        for layer in &self.layers {
            x = layer.decode(&x, memory, masks);
        }
        normed(&self.norm, x)
    }

    /// The output for what comes next in the target, with a cache for each layer (see
    /// [`TransformerDecoder::cache`]); as of [`TransformerDecoderLayer::decode_next`].
    ///
    /// # Panics
    /// If shapes do not fit, or there are not as many caches as layers.
    #[track_caller]
    pub fn decode_next(
        &self,
        target: &Tensor,
        memory: &Tensor,
        masks: DecoderMasks<'_>,
        caches: &mut [DecoderCache],
    ) -> Tensor {
        check_caches("TransformerDecoder", caches.len(), self.layers.len());
        let mut x = target.clone();
        for (layer, cache) in self.layers.iter().zip(caches) {
            x = layer.decode_next(&x, memory, masks, cache);
        }
        normed(&self.norm, x)
    }

    /// An empty cache for each layer.
    pub fn cache(&self) -> Vec<DecoderCache> {
        vec![DecoderCache::default(); self.layers.len()]
    }
}
