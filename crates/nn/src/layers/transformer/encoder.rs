//! The encoder, which with a causal mask is the decoder of a language model.

use super::{Residual, TransformerOptions, check_caches, normed};
use crate::MultiheadAttention;
use crate::{AttentionMasks, Dropout, KeyValueCache, Layer, LayerNorm, Linear, Module};
use gradus_tensor::{Rng, Tensor};

/// Self-attention, then a network of two layers for each element, both with a way past them:
/// y = norm(x + attention(x)), z = norm(y + W₂ f(W₁ y + b₁) + b₂).
///
/// As a [`Layer`] it has no masks.
///
/// # Shapes
/// `x: [B, T, C] -> [B, T, C]`.
///
/// # Source
/// Vaswani et al. 2017, "Attention Is All You Need", sections 3.1 and 3.3; with the normalisation
/// first, Xiong et al. 2020, "On Layer Normalization in the Transformer Architecture". PyTorch:
/// `torch.nn.TransformerEncoderLayer`.
#[derive(Debug, Module)]
pub struct TransformerEncoderLayer {
    /// The attention.
    pub self_attn: MultiheadAttention,
    /// W₁ and b₁.
    pub linear1: Linear,
    dropout: Dropout,
    /// W₂ and b₂.
    pub linear2: Linear,
    /// The normalisation of attention.
    pub norm1: LayerNorm,
    /// The normalisation of the network.
    pub norm2: LayerNorm,
    dropout1: Dropout,
    dropout2: Dropout,
    #[module(skip)]
    activation: fn(&Tensor) -> Tensor,
    norm_first: bool,
}

impl TransformerEncoderLayer {
    /// A layer.
    ///
    /// # Panics
    /// If the features cannot be shared out among the heads.
    #[track_caller]
    pub fn new(options: TransformerOptions, rng: &mut Rng) -> Self {
        Self {
            self_attn: options.attention(rng),
            linear1: options.linear(options.features, options.hidden, rng),
            dropout: Dropout::new(options.dropout, rng),
            linear2: options.linear(options.hidden, options.features, rng),
            norm1: options.norm(),
            norm2: options.norm(),
            dropout1: Dropout::new(options.dropout, rng),
            dropout2: Dropout::new(options.dropout, rng),
            activation: options.activation,
            norm_first: options.norm_first,
        }
    }

    /// The output with masks.
    ///
    /// # Panics
    /// If shapes do not fit.
    #[track_caller]
    pub fn encode(&self, x: &Tensor, masks: AttentionMasks<'_>) -> Tensor {
        let input = self.attention().before(x);
        self.finish(x, &self.self_attn.attend(&input, &input, &input, masks))
    }

    /// The output for what comes next in a sequence; see [`MultiheadAttention::attend_next`].
    ///
    /// # Panics
    /// If shapes do not fit.
    #[track_caller]
    pub fn encode_next(
        &self,
        x: &Tensor,
        masks: AttentionMasks<'_>,
        cache: &mut KeyValueCache,
    ) -> Tensor {
        let input = self.attention().before(x);
        self.finish(x, &self.self_attn.attend_next(&input, masks, cache))
    }

    fn attention(&self) -> Residual<'_> {
        Residual { norm: &self.norm1, norm_first: self.norm_first, dropout: &self.dropout1 }
    }

    /// The output for an input, by what attention made of it.
    #[track_caller]
    fn finish(&self, x: &Tensor, attended: &Tensor) -> Tensor {
        let x = self.attention().after(x, attended);
        let norm_first = self.norm_first;
        let network = Residual { norm: &self.norm2, norm_first, dropout: &self.dropout2 };
        let hidden = (self.activation)(&self.linear1.forward(&network.before(&x)));
        network.after(&x, &self.linear2.forward(&self.dropout.forward(&hidden)))
    }
}

/// Without masks.
impl Layer for TransformerEncoderLayer {
    fn forward(&self, x: &Tensor) -> Tensor {
        self.encode(x, AttentionMasks::default())
    }
}

/// Encoder layers one after another, and a last normalisation if there is one.
///
/// As a [`Layer`] it has no masks.
///
/// # Shapes
/// `x: [B, T, C] -> [B, T, C]`.
///
/// # Source
/// Vaswani et al. 2017, "Attention Is All You Need", section 3.1. PyTorch:
/// `torch.nn.TransformerEncoder`, whose layers all start with the same values; here each has its own.
///
/// ```
/// use gradus_nn::{AttentionMasks, TransformerEncoder, TransformerOptions};
/// use gradus_tensor::{Rng, Tensor};
///
/// let mut rng = Rng::new(1);
/// let options = TransformerOptions { features: 16, heads: 2, hidden: 32, ..Default::default() };
/// let encoder = TransformerEncoder::new(3, options, &mut rng);
/// let x = Tensor::randn([2, 7, 16], &mut rng);
/// assert_eq!(encoder.encode(&x, AttentionMasks::causal()).shape(), [2, 7, 16]);
/// ```
#[derive(Debug, Module)]
pub struct TransformerEncoder {
    /// The layers.
    pub layers: Vec<TransformerEncoderLayer>,
    /// The last normalisation.
    pub norm: Option<LayerNorm>,
    #[module(skip)]
    options: TransformerOptions,
}

impl TransformerEncoder {
    /// An encoder of a number of layers.
    ///
    /// # Panics
    /// If the features cannot be shared out among the heads.
    #[track_caller]
    pub fn new(layers: usize, options: TransformerOptions, rng: &mut Rng) -> Self {
        let mut all = Vec::with_capacity(layers);
        for _ in 0..layers {
            all.push(TransformerEncoderLayer::new(options, rng));
        }
        Self { layers: all, norm: None, options }
    }

    /// The encoder with a last normalisation.
    pub fn with_norm(self) -> Self {
        Self { norm: Some(self.options.norm()), ..self }
    }

    /// The output with masks.
    ///
    /// # Panics
    /// If shapes do not fit.
    #[track_caller]
    pub fn encode(&self, x: &Tensor, masks: AttentionMasks<'_>) -> Tensor {
        let mut x = x.clone();
        for layer in &self.layers {
            x = layer.encode(&x, masks);
        }
        normed(&self.norm, x)
    }

    /// The output for what comes next in a sequence, with a cache for each layer (see
    /// [`TransformerEncoder::cache`]); as of [`MultiheadAttention::attend_next`].
    ///
    /// # Panics
    /// If shapes do not fit, or there are not as many caches as layers.
    #[track_caller]
    pub fn encode_next(
        &self,
        x: &Tensor,
        masks: AttentionMasks<'_>,
        caches: &mut [KeyValueCache],
    ) -> Tensor {
        check_caches("TransformerEncoder", caches.len(), self.layers.len());
        let mut x = x.clone();
        for (layer, cache) in self.layers.iter().zip(caches) {
            x = layer.encode_next(&x, masks, cache);
        }
        normed(&self.norm, x)
    }

    /// An empty cache for each layer.
    pub fn cache(&self) -> Vec<KeyValueCache> {
        vec![KeyValueCache::new(); self.layers.len()]
    }
}

/// Without masks.
impl Layer for TransformerEncoder {
    fn forward(&self, x: &Tensor) -> Tensor {
        self.encode(x, AttentionMasks::default())
    }
}
