//! Normalisations as layers.

use crate::{Buffer, Layer, Mode, Module, Param};
use gradus_tensor::ops::NormOptions;
use gradus_tensor::{DType, Device, OpError, Shape, Tensor};

/// The settings of [`BatchNorm1d`] and [`BatchNorm2d`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BatchNormOptions {
    /// ε, what is added to the variance.
    pub epsilon: f64,
    /// How far the running mean and variance move towards those of a batch. None makes them the
    /// mean over all batches.
    pub momentum: Option<f64>,
    /// Learn a weight and a bias for each channel.
    pub affine: bool,
}

/// As in PyTorch.
impl Default for BatchNormOptions {
    fn default() -> Self {
        Self { epsilon: 1e-5, momentum: Some(0.1), affine: true }
    }
}

/// What all batch norms have.
macro_rules! batch_norm {
    ($(#[$doc:meta])* $name:ident, $torch:literal, $wants:literal, |$shape:ident| $fits:expr) => {
        $(#[$doc])*
        ///
        /// In training channels are normalised by the mean and the variance of the batch, towards
        /// which the running ones move (the variance with n - 1 in its denominator); in evaluation
        /// by the running ones.
        ///
        /// # Panics
        /// In training, if a channel has one number only.
        ///
        /// # Source
        #[doc = concat!(
            "Ioffe, Szegedy 2015, \"Batch Normalization\"; PyTorch: `torch.nn.", $torch, "`."
        )]
        #[derive(Debug, Module)]
        pub struct $name {
            /// w, ones at first.
            pub weight: Option<Param>,
            /// b, zeros at first.
            pub bias: Option<Param>,
            /// The mean in evaluation, zeros at first.
            pub running_mean: Buffer,
            /// The variance in evaluation, ones at first.
            pub running_var: Buffer,
            /// How many batches were seen in training.
            pub num_batches_tracked: Buffer,
            mode: Mode,
            #[module(skip)]
            options: BatchNormOptions,
        }

        impl $name {
            /// A layer of that many channels, as in PyTorch.
            #[track_caller]
            pub fn new(channels: usize) -> Self {
                Self::with_options(channels, BatchNormOptions::default())
            }

            /// A layer with options.
            #[track_caller]
            pub fn with_options(channels: usize, options: BatchNormOptions) -> Self {
                let param = |value: Tensor| options.affine.then(|| Param::new(value));
                Self {
                    weight: param(Tensor::ones(channels)),
                    bias: param(Tensor::zeros(channels)),
                    running_mean: Buffer::new(Tensor::zeros(channels)),
                    running_var: Buffer::new(Tensor::ones(channels)),
                    num_batches_tracked: Buffer::new(Tensor::zeros(((), DType::I64))),
                    mode: Mode::default(),
                    options,
                }
            }
        }

        impl Layer for $name {
            fn forward(&self, x: &Tensor) -> Tensor {
                let $shape = x.shape();
                if !$fits {
                    let message = format_args!(concat!("takes ", $wants, ", not {}"), $shape);
                    panic!("{}", OpError::of(stringify!($name), message));
                }
                let options = norm_options(&self.weight, &self.bias, self.options.epsilon);
                let (mean, variance) = (&self.running_mean, &self.running_var);
                if !self.mode.is_training() {
                    return x.batch_norm(&mean.tensor(), &variance.tensor(), &options);
                }
                let batch = x.batch_norm_training(&options);
                let count = x.count() / $shape[1].max(1);
                if count > 1 && x.device() != Device::shape_only() {
                    let seen = self.num_batches_tracked.tensor() + 1i64;
                    let share = match self.options.momentum {
                        Some(momentum) => momentum,
                        None => 1.0 / seen.item::<i64>() as f64,
                    };
                    let unbiased = batch.variance * (count as f64 / (count - 1) as f64);
                    move_towards(mean, &batch.mean, share);
                    move_towards(variance, &unbiased, share);
                    keep(&self.num_batches_tracked, &seen);
                }
                batch.output
            }
        }
    };
}

batch_norm! {
    /// Batch normalisation of features: y = (x - mean) / √(variance + ε) · w + b.
    ///
    /// # Shapes
    /// `x: [B, C]` or `[B, C, T]`, and y the same.
    BatchNorm1d, "BatchNorm1d", "[B, C] or [B, C, T]", |shape| matches!(shape.rank(), 2 | 3)
}

batch_norm! {
    /// Batch normalisation of images: y = (x - mean) / √(variance + ε) · w + b.
    ///
    /// # Shapes
    /// `x: [B, C, H, W] -> [B, C, H, W]`.
    BatchNorm2d, "BatchNorm2d", "[B, C, H, W]", |shape| shape.rank() == 4
}

/// running ← (1 - share) running + share value.
#[track_caller]
fn move_towards(running: &Buffer, value: &Tensor, share: f64) {
    let old = running.tensor().to_dtype(value.dtype());
    keep(running, &(old * (1.0 - share) + value.to_device(running.tensor().device()) * share));
}

#[track_caller]
fn keep(buffer: &Buffer, value: &Tensor) {
    if let Err(error) = buffer.set(value) {
        panic!("{error}");
    }
}

fn norm_options(weight: &Option<Param>, bias: &Option<Param>, epsilon: f64) -> NormOptions {
    let tensor = |param: &Option<Param>| param.as_ref().map(Param::tensor);
    NormOptions { weight: tensor(weight), bias: tensor(bias), epsilon }
}

/// Layer normalisation: y = (x - mean) / √(variance + ε) · w + b over the last axes.
///
/// # Shapes
/// `x: [.., D] -> [.., D]` with `weight: [D]` and `bias: [D]`, where D may be several axes.
///
/// # Source
/// Ba, Kiros, Hinton 2016, "Layer Normalization"; PyTorch: `torch.nn.LayerNorm`.
///
/// ```
/// use gradus_nn::{Layer, LayerNorm};
/// use gradus_tensor::Tensor;
///
/// let y = LayerNorm::new(2).forward(&Tensor::from_vec(vec![5f32, 7.0], [1, 2]));
/// assert!((y.to_vec::<f32>()[1] - 1.0).abs() < 1e-5);
/// ```
#[derive(Debug, Module)]
pub struct LayerNorm {
    /// w, ones at first.
    pub weight: Option<Param>,
    /// b, zeros at first.
    pub bias: Option<Param>,
    #[module(skip)]
    shape: Shape,
    #[module(skip)]
    epsilon: f64,
}

impl LayerNorm {
    /// A layer that normalises the last axes, which have these lengths, with ε = 10⁻⁵.
    #[track_caller]
    pub fn new(shape: impl Into<Shape>) -> Self {
        let shape = shape.into();
        let (weight, bias) = (Param::new(Tensor::ones(shape)), Param::new(Tensor::zeros(shape)));
        Self { weight: Some(weight), bias: Some(bias), shape, epsilon: 1e-5 }
    }

    /// The layer with another ε.
    pub fn with_epsilon(self, epsilon: f64) -> Self {
        Self { epsilon, ..self }
    }

    /// The layer without its bias.
    pub fn without_bias(self) -> Self {
        Self { bias: None, ..self }
    }

    /// The layer with neither weight nor bias.
    pub fn without_affine(self) -> Self {
        Self { weight: None, bias: None, ..self }
    }
}

impl Layer for LayerNorm {
    fn forward(&self, x: &Tensor) -> Tensor {
        x.layer_norm(self.shape, &norm_options(&self.weight, &self.bias, self.epsilon))
    }
}

/// y = x / √(mean x² + ε) · w over the last axes.
///
/// # Shapes
/// `x: [.., D] -> [.., D]` with `weight: [D]`, where D may be several axes.
///
/// # Source
/// Zhang, Sennrich 2019, "Root Mean Square Layer Normalization"; PyTorch: `torch.nn.RMSNorm`, whose
/// ε is that of `f32` unless another is given, as here.
#[derive(Debug, Module)]
pub struct RmsNorm {
    /// w, ones at first.
    pub weight: Param,
    #[module(skip)]
    shape: Shape,
    #[module(skip)]
    epsilon: f64,
}

impl RmsNorm {
    /// A layer that normalises the last axes, which have these lengths, with ε = 2⁻²³.
    #[track_caller]
    pub fn new(shape: impl Into<Shape>) -> Self {
        let shape = shape.into();
        Self { weight: Param::new(Tensor::ones(shape)), shape, epsilon: f32::EPSILON as f64 }
    }

    /// The layer with another ε.
    pub fn with_epsilon(self, epsilon: f64) -> Self {
        Self { epsilon, ..self }
    }
}

impl Layer for RmsNorm {
    fn forward(&self, x: &Tensor) -> Tensor {
        let weight = Some(self.weight.tensor());
        x.rms_norm(self.shape, &NormOptions { weight, bias: None, epsilon: self.epsilon })
    }
}

/// Group normalisation: y = (x - mean) / √(variance + ε) · w + b over groups of channels.
///
/// # Shapes
/// `x: [B, C, …] -> [B, C, …]` with `weight: [C]` and `bias: [C]`.
///
/// # Source
/// Wu, He 2018, "Group Normalization"; PyTorch: `torch.nn.GroupNorm`.
#[derive(Debug, Module)]
pub struct GroupNorm {
    /// w, ones at first.
    pub weight: Option<Param>,
    /// b, zeros at first.
    pub bias: Option<Param>,
    #[module(skip)]
    groups: usize,
    #[module(skip)]
    epsilon: f64,
}

impl GroupNorm {
    /// A layer that divides the channels in groups, with ε = 10⁻⁵.
    ///
    /// # Panics
    /// If the channels do not make that many groups.
    #[track_caller]
    pub fn new(groups: usize, channels: usize) -> Self {
        if groups == 0 || !channels.is_multiple_of(groups) {
            let message = format_args!("{channels} channels do not make {groups} groups");
            panic!("{}", OpError::of("GroupNorm", message));
        }
        let weight = Some(Param::new(Tensor::ones(channels)));
        let bias = Some(Param::new(Tensor::zeros(channels)));
        Self { weight, bias, groups, epsilon: 1e-5 }
    }

    /// The layer with another ε.
    pub fn with_epsilon(self, epsilon: f64) -> Self {
        Self { epsilon, ..self }
    }

    /// The layer with neither weight nor bias.
    pub fn without_affine(self) -> Self {
        Self { weight: None, bias: None, ..self }
    }
}

impl Layer for GroupNorm {
    fn forward(&self, x: &Tensor) -> Tensor {
        x.group_norm(self.groups, &norm_options(&self.weight, &self.bias, self.epsilon))
    }
}

/// Instance normalisation of images: each channel of each image has mean 0 and variance 1. It has
/// neither weight nor bias.
///
/// # Shapes
/// `x: [B, C, H, W] -> [B, C, H, W]`.
///
/// # Source
/// Ulyanov, Vedaldi, Lempitsky 2016, "Instance Normalization"; PyTorch: `torch.nn.InstanceNorm2d`
/// as it is if nothing is said.
#[derive(Clone, Copy, Debug, Module)]
pub struct InstanceNorm2d {
    epsilon: f64,
}

/// ε = 10⁻⁵.
impl Default for InstanceNorm2d {
    fn default() -> Self {
        Self { epsilon: 1e-5 }
    }
}

impl InstanceNorm2d {
    /// The layer with another ε.
    pub fn with_epsilon(self, epsilon: f64) -> Self {
        Self { epsilon }
    }
}

impl Layer for InstanceNorm2d {
    fn forward(&self, x: &Tensor) -> Tensor {
        if x.rank() != 4 {
            let message = format_args!("takes [B, C, H, W], not {}", x.shape());
            panic!("{}", OpError::of("InstanceNorm2d", message));
        }
        x.instance_norm(&NormOptions { epsilon: self.epsilon, ..Default::default() })
    }
}
