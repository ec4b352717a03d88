//! The layers that a recipe can stack.

use super::blocks;
use crate::recipe::entry::{Entry, Part, Product, entry, field};
use crate::recipe::field::{Field, POSITIVE, SHARE, Setting, choices};
use gradus_nn::*;
use gradus_tensor::op::Spec;
use gradus_tensor::ops::{Extent, PatchOptions};
use gradus_tensor::{Error, Result, Rng};

/// Where a layer stands in a model.
#[derive(Debug)]
pub struct LayerSite {
    /// What goes into it; its first axis is that of the batch.
    pub input: Spec,
    /// How many numbers the data wants at the end of the model, if it says so.
    pub outputs: Option<usize>,
    /// How many tokens the data has, if it is made of tokens.
    pub vocabulary: Option<usize>,
    /// What first weights are drawn from.
    pub rng: Rng,
}

impl LayerSite {
    /// C of an input [B, C, …].
    ///
    /// # Errors
    /// If the input has fewer axes.
    pub fn channels(&self) -> Result<usize> {
        match self.input.shape[..] {
            [_, channels, ..] => Ok(channels),
            _ => Err(Error::Setting(format!("this takes [B, C, …], not {}", self.input.shape))),
        }
    }

    /// The length of the last axis, beyond that of the batch.
    ///
    /// # Errors
    /// If there is none.
    pub fn features(&self) -> Result<usize> {
        match self.input.shape[..] {
            [_, .., features] => Ok(features),
            _ => Err(Error::Setting(format!("this takes [B, …, D], not {}", self.input.shape))),
        }
    }

    /// A number of outputs, or that which the data wants.
    ///
    /// # Errors
    /// If neither is known.
    pub fn outputs(&self, given: Option<usize>) -> Result<usize> {
        given.or(self.outputs).ok_or_else(|| {
            Error::Setting("the data does not say how many outputs there are: give `out`".into())
        })
    }

    /// A number of tokens, or that of the data.
    ///
    /// # Errors
    /// If neither is known.
    pub fn tokens(&self, given: Option<usize>) -> Result<usize> {
        given.or(self.vocabulary).ok_or_else(|| {
            Error::Setting("the data are no tokens: give `count`, or take another layer".into())
        })
    }
}

impl Product for Box<dyn Layer> {
    type Site = LayerSite;
    const NAME: &'static str = "layers";
    const NOUN: &'static str = "layer";

    fn entries() -> Vec<Entry<Self>> {
        let tables = [
            connections,
            convolutions,
            pools,
            norms,
            dropouts,
            shapes,
            sequences,
            activations,
            blocks::entries,
        ];
        tables.into_iter().flat_map(|table| table()).collect()
    }

    fn common() -> Vec<Field> {
        vec![
            field!(name: Option<String> => "The layer's name in saved weights; if none is given, its number."),
        ]
    }
}

/// A layer, in a box.
pub(super) fn layer(layer: impl Layer + 'static) -> Result<Box<dyn Layer>> {
    Ok(Box::new(layer))
}

fn biased<L>(layer: L, bias: bool, without: fn(L) -> L) -> L {
    if bias { layer } else { without(layer) }
}

fn connections() -> Vec<Entry<Box<dyn Layer>>> {
    vec![
        entry! {
            linear(site): "A fully connected layer, y = W x + b, along the last axis.";
            out: Option<usize>, 1.. => "How many numbers come out; at the end of a model, if not given, as many as the data wants.";
            bias: bool = true => "Add a learned bias.";
            => {
                let linear = Linear::new(site.features()?, site.outputs(out)?, &mut site.rng);
                layer(biased(linear, bias, Linear::without_bias))
            }
        },
        entry! {
            embedding(site): "A vector for each of a number of words or categories: [..] of whole numbers -> [.., out].";
            out: usize, 1.. => "The length of a vector.";
            count: Option<usize>, 1.. => "How many words there are; if not given, as many as the data has.";
            padding: Option<usize> => "A word whose vector stays zero.";
            => {
                let embedding = Embedding::new(site.tokens(count)?, out, &mut site.rng);
                match padding {
                    Some(row) => layer(embedding.with_padding(row)),
                    None => layer(embedding),
                }
            }
        },
        entry! {
            maxout(_): "The largest of each group of channels.";
            pieces: usize = 2, 1.. => "How many channels make a group.";
            => layer(Maxout { pieces })
        },
        entry! {
            swiglu(site): "The gated network of large language models, W₃ (silu(W₁ x) · W₂ x).";
            hidden: usize, 1.. => "How many numbers are gated.";
            => layer(SwiGlu::new(site.features()?, hidden, &mut site.rng))
        },
    ]
}

/// The padding of a convolution: numbers, or a name.
#[derive(Clone, Copy, Debug)]
struct Pad(Padding);

impl Setting for Pad {
    fn kind() -> crate::recipe::field::Kind {
        Sizes::kind()
    }
    fn limits() -> Option<crate::recipe::field::Limits> {
        Sizes::limits()
    }
    fn read(node: &crate::recipe::tree::Node) -> Option<Self> {
        Sizes::read(node).map(|sizes| Self(sizes.into()))
    }
    fn write(&self) -> Option<crate::recipe::tree::Value> {
        match self.0 {
            Padding::Sides { before, .. } => before.write(),
            _ => Sizes::from(0).write(),
        }
    }
}

/// The settings of the convolutions, which are the same in one, two and three axes.
macro_rules! convolution {
    ($kind:ident, $type:ident, $doc:literal) => {
        entry! {
            $kind(site): $doc;
            out: usize, 1.. => "How many channels come out.";
            kernel: Sizes, 1.. => "The size of the kernel: one number, or one for each axis.";
            stride: Sizes = 1.into(), 1.. => "How far the kernel moves.";
            padding: Pad = Pad(0.into()) => "How many zeros are put around.";
            same: bool = false => "Put as many zeros around that the size stays, in the place of `padding`.";
            dilation: Sizes = 1.into(), 1.. => "How far apart the kernel's numbers are.";
            groups: usize = 1, 1.. => "How many groups of channels do not see each other.";
            bias: bool = true => "Add a learned bias.";
            => {
                let padding = if same { Padding::Same } else { padding.0 };
                let options = ConvOptions { stride, padding, dilation, groups };
                let conv = $type::new(site.channels()?, out, kernel, options, &mut site.rng);
                layer(biased(conv, bias, $type::without_bias))
            }
        }
    };
}

macro_rules! transposed {
    ($kind:ident, $type:ident, $doc:literal) => {
        entry! {
            $kind(site): $doc;
            out: usize, 1.. => "How many channels come out.";
            kernel: Sizes, 1.. => "The size of the kernel: one number, or one for each axis.";
            stride: Sizes = 1.into(), 1.. => "How far apart the numbers that come in are put.";
            padding: Sizes = 0.into() => "How many numbers are cut off around.";
            output_padding: Sizes = 0.into() => "How many numbers are added at the end.";
            dilation: Sizes = 1.into(), 1.. => "How far apart the kernel's numbers are.";
            groups: usize = 1, 1.. => "How many groups of channels do not see each other.";
            bias: bool = true => "Add a learned bias.";
            => {
                let options = ConvTransposeOptions { stride, padding, output_padding, dilation, groups };
                let conv = $type::new(site.channels()?, out, kernel, options, &mut site.rng);
                layer(biased(conv, bias, $type::without_bias))
            }
        }
    };
}

macro_rules! separable {
    ($kind:ident, $type:ident, $doc:literal) => {
        entry! {
            $kind(site): $doc;
            out: usize, 1.. => "How many channels come out.";
            kernel: Sizes, 1.. => "The size of the kernel: one number, or one for each axis.";
            stride: Sizes = 1.into(), 1.. => "How far the kernel moves.";
            padding: Pad = Pad(0.into()) => "How many zeros are put around.";
            => {
                let options = ConvOptions { stride, padding: padding.0, ..Default::default() };
                layer($type::new(site.channels()?, out, kernel, options, &mut site.rng))
            }
        }
    };
}

fn convolutions() -> Vec<Entry<Box<dyn Layer>>> {
    vec![
        convolution!(conv1d, Conv1d, "A convolution of sequences, [B, C, T] -> [B, out, T]."),
        convolution!(conv2d, Conv2d, "A convolution of images, [B, C, H, W] -> [B, out, H, W]."),
        convolution!(
            conv3d,
            Conv3d,
            "A convolution of volumes, [B, C, D, H, W] -> [B, out, D, H, W]."
        ),
        transposed!(
            conv_transpose1d,
            ConvTranspose1d,
            "A transposed convolution of sequences, which makes them longer."
        ),
        transposed!(
            conv_transpose2d,
            ConvTranspose2d,
            "A transposed convolution of images, which makes them larger."
        ),
        transposed!(
            conv_transpose3d,
            ConvTranspose3d,
            "A transposed convolution of volumes, which makes them larger."
        ),
        separable!(
            separable_conv1d,
            DepthwiseSeparableConv1d,
            "A convolution of each channel of a sequence, then one of size 1 across channels."
        ),
        separable!(
            separable_conv2d,
            DepthwiseSeparableConv2d,
            "A convolution of each channel of an image, then one of size 1 across channels."
        ),
    ]
}

macro_rules! pool {
    ($kind:ident, $type:ident, $doc:literal) => {
        entry! {
            $kind(_): $doc;
            kernel: Sizes = 2.into(), 1.. => "The size of a window: one number, or one for each axis.";
            stride: Option<Sizes>, 1.. => "How far the window moves; if not given, as far as it is long.";
            padding: Sizes = 0.into() => "How much is put around.";
            ceil_mode: bool = false => "Keep a last window that is not full.";
            => {
                let options = PoolOptions { stride, padding, ceil_mode, ..Default::default() };
                layer($type::with_options(kernel, options))
            }
        }
    };
}

macro_rules! adaptive_pool {
    ($kind:ident, $type:ident, $doc:literal) => {
        entry! {
            $kind(_): $doc;
            out: Sizes = 1.into(), 1.. => "The size that comes out: one number, or one for each axis.";
            => layer($type::new(out))
        }
    };
}

fn pools() -> Vec<Entry<Box<dyn Layer>>> {
    vec![
        pool!(max_pool1d, MaxPool1d, "The largest number of each window of a sequence."),
        pool!(max_pool2d, MaxPool2d, "The largest number of each window of an image."),
        pool!(max_pool3d, MaxPool3d, "The largest number of each window of a volume."),
        pool!(avg_pool1d, AvgPool1d, "The mean of each window of a sequence."),
        pool!(avg_pool2d, AvgPool2d, "The mean of each window of an image."),
        pool!(avg_pool3d, AvgPool3d, "The mean of each window of a volume."),
        adaptive_pool!(
            adaptive_max_pool1d,
            AdaptiveMaxPool1d,
            "The largest numbers of windows that divide a sequence, however long it is."
        ),
        adaptive_pool!(
            adaptive_max_pool2d,
            AdaptiveMaxPool2d,
            "The largest numbers of windows that divide an image, however large it is."
        ),
        adaptive_pool!(
            adaptive_avg_pool1d,
            AdaptiveAvgPool1d,
            "The means of windows that divide a sequence, however long it is."
        ),
        adaptive_pool!(
            adaptive_avg_pool2d,
            AdaptiveAvgPool2d,
            "The means of windows that divide an image, however large it is."
        ),
        entry! {
            global_avg_pool(_): "The mean of each channel, [B, C, …] -> [B, C].";
            => layer(GlobalAvgPool)
        },
        entry! {
            global_max_pool(_): "The largest number of each channel, [B, C, …] -> [B, C].";
            => layer(GlobalMaxPool)
        },
    ]
}

macro_rules! batch_norm {
    ($kind:ident, $type:ident, $doc:literal) => {
        entry! {
            $kind(site): $doc;
            epsilon: f64 = 1e-5, POSITIVE => "What is added to the variance.";
            momentum: f64 = 0.1, SHARE => "How far the running mean and variance move towards those of a batch.";
            affine: bool = true => "Learn a weight and a bias for each channel.";
            => {
                let options = BatchNormOptions { epsilon, momentum: Some(momentum), affine };
                layer($type::with_options(site.channels()?, options))
            }
        }
    };
}

macro_rules! instance_norm {
    ($kind:ident, $type:ident, $doc:literal) => {
        entry! {
            $kind(site): $doc;
            epsilon: f64 = 1e-5, POSITIVE => "What is added to the variance.";
            affine: bool = false => "Learn a weight and a bias for each channel.";
            => {
                let options = InstanceNormOptions { epsilon, affine, ..Default::default() };
                layer($type::with_options(site.channels()?, options))
            }
        }
    };
}

fn norms() -> Vec<Entry<Box<dyn Layer>>> {
    vec![
        batch_norm!(
            batch_norm1d,
            BatchNorm1d,
            "Batch normalisation of features or sequences, [B, C] or [B, C, T]."
        ),
        batch_norm!(batch_norm2d, BatchNorm2d, "Batch normalisation of images, [B, C, H, W]."),
        batch_norm!(batch_norm3d, BatchNorm3d, "Batch normalisation of volumes, [B, C, D, H, W]."),
        instance_norm!(
            instance_norm1d,
            InstanceNorm1d,
            "Normalisation of each channel of each sequence by itself."
        ),
        instance_norm!(
            instance_norm2d,
            InstanceNorm2d,
            "Normalisation of each channel of each image by itself."
        ),
        instance_norm!(
            instance_norm3d,
            InstanceNorm3d,
            "Normalisation of each channel of each volume by itself."
        ),
        entry! {
            layer_norm(site): "Normalisation of each sample along its last axis.";
            epsilon: f64 = 1e-5, POSITIVE => "What is added to the variance.";
            bias: bool = true => "Learn a bias, besides the weight.";
            => {
                let norm = LayerNorm::new(site.features()?).with_epsilon(epsilon);
                layer(biased(norm, bias, LayerNorm::without_bias))
            }
        },
        entry! {
            rms_norm(site): "Division by the root of the mean square along the last axis.";
            epsilon: f64 = 1e-6, POSITIVE => "What is added to the mean square.";
            => layer(RmsNorm::new(site.features()?).with_epsilon(epsilon))
        },
        entry! {
            group_norm(site): "Normalisation of each group of channels of each sample.";
            groups: usize, 1.. => "How many groups the channels make.";
            epsilon: f64 = 1e-5, POSITIVE => "What is added to the variance.";
            => layer(GroupNorm::new(groups, site.channels()?).with_epsilon(epsilon))
        },
        entry! {
            local_response_norm(_): "Division by the size of neighbouring channels, as in AlexNet.";
            size: usize = 5, 1.. => "How many channels are neighbours.";
            => layer(LocalResponseNorm::new(size))
        },
    ]
}

macro_rules! dropout {
    ($kind:ident, $type:ident, $doc:literal) => {
        entry! {
            $kind(site): $doc;
            p: f64 = 0.5, 0.0..1.0 => "With which probability.";
            => layer($type::new(p, &mut site.rng))
        }
    };
}

fn dropouts() -> Vec<Entry<Box<dyn Layer>>> {
    vec![
        dropout!(dropout, Dropout, "Leaves numbers out in training."),
        dropout!(dropout1d, Dropout1d, "Leaves whole channels of sequences out in training."),
        dropout!(dropout2d, Dropout2d, "Leaves whole channels of images out in training."),
        dropout!(dropout3d, Dropout3d, "Leaves whole channels of volumes out in training."),
        dropout!(alpha_dropout, AlphaDropout, "Dropout that keeps mean and variance, for `selu`."),
    ]
}

/// How numbers between others are found.
#[derive(Clone, Copy, Debug)]
enum Between {
    Nearest,
    Linear,
}

choices! {
    Between { Nearest = "nearest", Linear = "linear" }
}

fn shapes() -> Vec<Entry<Box<dyn Layer>>> {
    vec![
        entry! {
            flatten(_): "All axes but the first as one, [B, …] -> [B, D].";
            => layer(Flatten)
        },
        entry! {
            unflatten(_): "One axis as several.";
            axis: isize = 1 => "The axis.";
            shape: Vec<usize>, 1.. => "The lengths of the axes in its place.";
            => layer(Unflatten::new(axis, &shape[..]))
        },
        entry! {
            identity(_): "What goes in comes out.";
            => layer(Identity)
        },
        entry! {
            transpose(_): "Two axes exchanged, such as those of channels and time.";
            first: isize = 1 => "One axis; negative numbers count from the end.";
            second: isize = 2 => "The other.";
            => layer(Lambda::new("transpose", move |x| x.transpose(first, second)))
        },
        entry! {
            upsample(_): "Images or sequences made larger.";
            scale: f64 = 2.0, POSITIVE => "How many times as large.";
            mode: Between = Between::Nearest => "How numbers between others are found.";
            => {
                let mode = match mode {
                    Between::Nearest => UpsampleMode::Nearest,
                    Between::Linear => UpsampleMode::Linear { align_corners: false },
                };
                layer(Upsample::new(Extent::from(scale), mode))
            }
        },
        entry! {
            pixel_shuffle(_): "Channels become pixels: [B, C f², H, W] -> [B, C, f H, f W].";
            factor: usize = 2, 1.. => "f.";
            => layer(PixelShuffle { factor })
        },
        entry! {
            pixel_unshuffle(_): "Pixels become channels: [B, C, f H, f W] -> [B, C f², H, W].";
            factor: usize = 2, 1.. => "f.";
            => layer(PixelUnshuffle { factor })
        },
        entry! {
            channel_shuffle(_): "Channels of groups are dealt out to new groups.";
            groups: usize, 1.. => "How many groups there are.";
            => layer(ChannelShuffle { groups })
        },
        entry! {
            unfold(_): "The patches of images as columns.";
            kernel: Sizes, 1.. => "The size of a patch.";
            stride: Sizes = 1.into(), 1.. => "How far patches are apart.";
            padding: Sizes = 0.into() => "How many zeros are put around.";
            => {
                let options = PatchOptions { stride, padding, ..Default::default() };
                layer(Unfold::new(kernel, options))
            }
        },
    ]
}

choices! {
    RnnActivation { Tanh = "tanh", Relu = "relu" }
}

/// The settings that all recurrent layers have.
macro_rules! recurrent {
    ($kind:ident, $type:ident, $options:ident, $doc:literal) => {
        entry! {
            $kind(site): $doc;
            hidden: usize, 1.. => "How many numbers the state has.";
            layers: usize = 1, 1.. => "How many are stacked.";
            bias: bool = true => "Add learned biases.";
            dropout: f64 = 0.0, 0.0..1.0 => "With which probability numbers between stacked ones are left out.";
            bidirectional: bool = false => "Also read sequences from their end, which doubles what comes out.";
            last: bool = false => "Give what comes out of the last time alone, [B, D].";
            => {
                let options = $options {
                    num_layers: layers, bias, dropout, bidirectional, ..Default::default()
                };
                let inner = $type::with_options(site.features()?, hidden, options, &mut site.rng);
                match last {
                    true => layer(blocks::Last(Box::new(inner))),
                    false => layer(inner),
                }
            }
        }
    };
}

fn sequences() -> Vec<Entry<Box<dyn Layer>>> {
    vec![
        recurrent!(rnn, Rnn, RnnOptions, "Elman's recurrent network, [B, T, C] -> [B, T, hidden]."),
        recurrent!(lstm, Lstm, LstmOptions, "Long short-term memory, [B, T, C] -> [B, T, hidden]."),
        recurrent!(gru, Gru, GruOptions, "Gated recurrent units, [B, T, C] -> [B, T, hidden]."),
        entry! {
            attention(site): "Self-attention of several heads, [B, T, C] -> [B, T, C].";
            heads: usize = 8, 1.. => "How many heads; the features are shared out among them.";
            dropout: f64 = 0.0, 0.0..1.0 => "With which probability weights are left out.";
            bias: bool = true => "Add learned biases.";
            causal: bool = false => "See the past only.";
            => {
                let options = MultiheadOptions { dropout, bias, ..Default::default() };
                let features = site.features()?;
                let attention = MultiheadAttention::with_options(features, heads, options, &mut site.rng);
                layer(blocks::Masked { inner: attention, causal })
            }
        },
        entry! {
            transformer(site): "Transformer layers, [B, T, C] -> [B, T, C].";
            layers: usize = 1, 1.. => "How many are stacked.";
            heads: usize = 8, 1.. => "How many heads; the features are shared out among them.";
            hidden: usize = 2048, 1.. => "How many numbers the network after attention has.";
            dropout: f64 = 0.1, 0.0..1.0 => "With which probability numbers are left out.";
            norm_first: bool = false => "Normalise before attention and network, not after.";
            causal: bool = false => "See the past only.";
            => {
                let features = site.features()?;
                let options = TransformerOptions {
                    features, heads, hidden, dropout, norm_first, ..Default::default()
                };
                let inner = TransformerEncoder::new(layers, options, &mut site.rng);
                layer(blocks::Masked { inner, causal })
            }
        },
        entry! {
            sinusoidal_positions(_): "Adds waves that tell positions apart, [B, T, C] -> [B, T, C].";
            => layer(SinusoidalPositions)
        },
        entry! {
            learned_positions(site): "Adds a learned vector for each position, [B, T, C] -> [B, T, C].";
            longest: Option<usize>, 1.. => "How many positions there are; if not given, as many as the data has.";
            => {
                let &[_, time, features] = &site.input.shape[..] else {
                    let shape = site.input.shape;
                    return Err(Error::Setting(format!("this takes [B, T, C], not {shape}")));
                };
                let longest = longest.unwrap_or(time);
                layer(LearnedPositions::new(longest, features, &mut site.rng))
            }
        },
        entry! {
            time_mean(_): "The mean over time, [B, T, C] -> [B, C].";
            => layer(Lambda::new("time_mean", |x| x.mean(1)))
        },
    ]
}

/// Activations whose settings are their fields.
macro_rules! activations {
    ($($kind:ident = $type:ident { $($setting:ident = $default:expr, $doc:literal;)* }, $what:literal;)*) => {
        vec![$(
            entry! {
                $kind(_): $what;
                $($setting: f64 = $default => $doc;)*
                => layer($type { $($setting),* })
            }
        ),*]
    };
}

/// Activations without settings.
macro_rules! plain {
    ($($kind:ident = $type:ident, $what:literal;)*) => {
        vec![$(entry! { $kind(_): $what; => layer($type) }),*]
    };
}

fn activations() -> Vec<Entry<Box<dyn Layer>>> {
    let plain = plain! {
        relu = Relu, "max(x, 0).";
        relu6 = Relu6, "min(max(x, 0), 6).";
        gelu = Gelu, "x Φ(x), Φ being the normal distribution.";
        gelu_tanh = GeluTanh, "An approximation of `gelu` by tanh.";
        silu = Silu, "x σ(x), also called swish.";
        mish = Mish, "x tanh(softplus(x)).";
        selu = Selu, "The activation that normalises itself.";
        tanh = Tanh, "tanh(x).";
        sigmoid = Sigmoid, "σ(x) = 1 / (1 + e⁻ˣ).";
        hard_sigmoid = HardSigmoid, "A sigmoid of three lines.";
        hard_swish = HardSwish, "x times `hard_sigmoid`.";
        log_sigmoid = LogSigmoid, "ln σ(x).";
        softsign = Softsign, "x / (1 + |x|).";
        tanhshrink = Tanhshrink, "x - tanh(x).";
    };
    let tuned: Vec<Entry<Box<dyn Layer>>> = activations! {
        leaky_relu = LeakyRelu { slope = 0.01, "The slope below 0."; }, "x above 0, slope · x below.";
        elu = Elu { alpha = 1.0, "How far below 0 it goes."; }, "x above 0, alpha (eˣ - 1) below.";
        celu = Celu { alpha = 1.0, "How far below 0 it goes."; }, "`elu` with a continuous derivative.";
        softplus = Softplus { beta = 1.0, "How sharp the bend is."; }, "ln(1 + e^(beta x)) / beta.";
        hardtanh = Hardtanh { min = -1.0, "The least."; max = 1.0, "The most."; }, "x brought between two numbers.";
        hardshrink = Hardshrink { lambda = 0.5, "What is brought to 0."; }, "x, and 0 where |x| is at most lambda.";
        softshrink = Softshrink { lambda = 0.5, "What is brought to 0."; }, "x moved towards 0 by lambda.";
        swish = Swish { beta = 1.0, "How sharp the bend is."; }, "x σ(beta x).";
        threshold = Threshold { threshold = 0.0, "Above which x is kept."; value = 0.0, "What all else becomes."; }, "x above a threshold, a number below.";
    };
    let along = vec![
        entry! {
            glu(_): "The first half of an axis, gated by the sigmoid of the second.";
            axis: isize = -1 => "The axis; negative numbers count from the end.";
            => layer(Glu { axis })
        },
        entry! {
            softmax(_): "Probabilities along an axis. Losses on scores need none.";
            axis: isize = -1 => "The axis; negative numbers count from the end.";
            => layer(Softmax { axis })
        },
        entry! {
            log_softmax(_): "Logarithms of probabilities along an axis, for the loss `nll`.";
            axis: isize = -1 => "The axis; negative numbers count from the end.";
            => layer(LogSoftmax { axis })
        },
        entry! {
            prelu(_): "x above 0, a learned slope times x below.";
            slopes: usize = 1, 1.. => "How many slopes: 1, or one for each channel.";
            => layer(PRelu::new(slopes))
        },
        entry! {
            rrelu(site): "x above 0, a random slope times x below in training.";
            lower: f64 = 0.125 => "The least slope.";
            upper: f64 = 1.0 / 3.0 => "The greatest slope.";
            => layer(RRelu::between(lower, upper, &mut site.rng))
        },
    ];
    [plain, tuned, along].into_iter().flatten().collect()
}

/// The layers of a list, in a model one after another.
pub type Layers = Vec<Part<Box<dyn Layer>>>;
