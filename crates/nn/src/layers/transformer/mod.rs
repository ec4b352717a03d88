//! Transformers: attention and small networks in turn, with PyTorch's parameters.

mod decoder;
mod encoder;

pub use decoder::{DecoderCache, DecoderMasks, TransformerDecoder, TransformerDecoderLayer};
pub use encoder::{TransformerEncoder, TransformerEncoderLayer};

use crate::{AttentionMasks, Dropout, Init, Layer, LayerNorm, Linear, Module};
use crate::{MultiheadAttention, MultiheadOptions};
use gradus_tensor::{OpError, Rng, Tensor};

/// The settings of transformers and their layers.
#[derive(Clone, Copy, Debug)]
pub struct TransformerOptions {
    /// The features of an element of a sequence. PyTorch: `d_model`.
    pub features: usize,
    /// How many heads an attention has. PyTorch: `nhead`.
    pub heads: usize,
    /// The hidden features of the network after attention. PyTorch: `dim_feedforward`.
    pub hidden: usize,
    /// With which probability numbers are left out in training.
    pub dropout: f64,
    /// The activation of the network: `Tensor::relu`, `Tensor::gelu`, or any function.
    pub activation: fn(&Tensor) -> Tensor,
    /// Normalise before attention and network instead of after them.
    pub norm_first: bool,
    /// ε of the normalisations.
    pub epsilon: f64,
    /// Add learned biases.
    pub bias: bool,
    /// The first axis counts examples, the second time; else the other way round.
    pub batch_first: bool,
}

/// As in PyTorch, but for `batch_first`.
impl Default for TransformerOptions {
    fn default() -> Self {
        Self {
            features: 512,
            heads: 8,
            hidden: 2048,
            dropout: 0.1,
            activation: Tensor::relu,
            norm_first: false,
            epsilon: 1e-5,
            bias: true,
            batch_first: true,
        }
    }
}

impl TransformerOptions {
    #[track_caller]
    fn attention(&self, rng: &mut Rng) -> MultiheadAttention {
        let &Self { dropout, bias, batch_first, .. } = self;
        let options = MultiheadOptions { dropout, bias, batch_first, ..Default::default() };
        MultiheadAttention::with_options(self.features, self.heads, options, rng)
    }

    #[track_caller]
    fn linear(&self, inputs: usize, outputs: usize, rng: &mut Rng) -> Linear {
        let linear = Linear::new(inputs, outputs, rng);
        if self.bias { linear } else { linear.without_bias() }
    }

    #[track_caller]
    fn norm(&self) -> LayerNorm {
        let norm = LayerNorm::new(self.features).with_epsilon(self.epsilon);
        if self.bias { norm } else { norm.without_bias() }
    }
}

/// One part of a layer: a function f beside which its input passes, with its normalisation. The output
/// is norm(x + f(x)), or x + f(norm(x)) if normalisation comes first.
struct Residual<'a> {
    norm: &'a LayerNorm,
    norm_first: bool,
    dropout: &'a Dropout,
}

impl Residual<'_> {
    /// The input of f.
    #[track_caller]
    fn before(&self, x: &Tensor) -> Tensor {
        if self.norm_first { self.norm.forward(x) } else { x.clone() }
    }

    /// The output, by what came of f.
    #[track_caller]
    fn after(&self, x: &Tensor, y: &Tensor) -> Tensor {
        let sum = x + self.dropout.forward(y);
        if self.norm_first { sum } else { self.norm.forward(&sum) }
    }
}

/// Complains unless there is one cache for each layer.
#[track_caller]
fn check_caches(name: &'static str, caches: usize, layers: usize) {
    if caches != layers {
        let message = format_args!("{layers} layers take as many caches, not {caches}");
        panic!("{}", OpError::of(name, message));
    }
}

/// The last normalisation, if there is one.
#[track_caller]
fn normed(norm: &Option<LayerNorm>, x: Tensor) -> Tensor {
    match norm {
        Some(norm) => norm.forward(&x),
        None => x,
    }
}

/// The masks of a [`Transformer`].
#[derive(Clone, Copy, Debug, Default)]
pub struct TransformerMasks<'a> {
    /// Among the elements of the source.
    pub source: AttentionMasks<'a>,
    /// Among the elements of the target: causal, as a rule.
    pub target: AttentionMasks<'a>,
    /// Between elements of the target and of the encoded source.
    pub memory: AttentionMasks<'a>,
}

/// An encoder that reads a source and a decoder that writes a target.
///
/// # Shapes
/// `source: [B, S, C], target: [B, T, C] -> [B, T, C]`.
///
/// # Source
/// Vaswani et al. 2017, "Attention Is All You Need", section 3.1. PyTorch: `torch.nn.Transformer`,
/// whose parameters and first values it has; there `batch_first` is false unless said, and masks of
/// truth values mean the opposite (see [`AttentionMasks`]).
///
/// ```
/// use gradus_nn::{AttentionMasks, Transformer, TransformerMasks, TransformerOptions};
/// use gradus_tensor::{Rng, Tensor};
///
/// let mut rng = Rng::new(1);
/// let options = TransformerOptions { features: 16, heads: 2, hidden: 32, ..Default::default() };
/// let model = Transformer::new(2, 2, options, &mut rng);
/// let (source, target) = (Tensor::randn([3, 7, 16], &mut rng), Tensor::randn([3, 5, 16], &mut rng));
/// let masks = TransformerMasks { target: AttentionMasks::causal(), ..Default::default() };
/// assert_eq!(model.forward(&source, &target, masks).shape(), [3, 5, 16]);
/// ```
#[derive(Debug, Module)]
pub struct Transformer {
    /// Reads the source.
    pub encoder: TransformerEncoder,
    /// Writes the target.
    pub decoder: TransformerDecoder,
}

impl Transformer {
    /// A model with that many layers in its encoder and in its decoder.
    ///
    /// # Panics
    /// If the features cannot be shared out among the heads.
    #[track_caller]
    pub fn new(
        encoder_layers: usize,
        decoder_layers: usize,
        options: TransformerOptions,
        rng: &mut Rng,
    ) -> Self {
        let model = Self {
            encoder: TransformerEncoder::new(encoder_layers, options, rng).with_norm(),
            decoder: TransformerDecoder::new(decoder_layers, options, rng).with_norm(),
        };
        for (_, param) in model.named_params() {
            let shape = *param.tensor().shape();
            if shape.rank() > 1 {
                let value = Init::XavierUniform { gain: 1.0 }.draw(shape, rng);
                param.set(&value).expect("a value of the same shape");
            }
        }
        model
    }

    /// What the decoder makes of the target so far and of the source.
    ///
    /// # Panics
    /// If shapes do not fit.
    #[track_caller]
    pub fn forward(&self, source: &Tensor, target: &Tensor, masks: TransformerMasks<'_>) -> Tensor {
        let memory = self.encoder.encode(source, masks.source);
        let masks = DecoderMasks { target: masks.target, memory: masks.memory };
        self.decoder.decode(target, &memory, masks)
    }
}
