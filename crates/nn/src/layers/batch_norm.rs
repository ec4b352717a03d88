//! Batch normalisation as layers.

use super::norm::norm_options;
use crate::fold::ChannelLine;
use crate::{Buffer, Layer, Mode, Module, Param};
use gradus_tensor::ops::BehindNorm;
use gradus_tensor::{DType, Device, OpError, Tensor};

/// The settings of [`BatchNorm1d`], [`BatchNorm2d`] and [`BatchNorm3d`].
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
                self.normalise(x, BehindNorm::Nothing)
            }

            fn forward_relu(&self, x: &Tensor) -> Tensor {
                self.normalise(x, BehindNorm::Relu)
            }

            fn channel_line(&self) -> Option<ChannelLine> {
                let evaluating = !self.mode.is_training();
                evaluating.then(|| {
                    let wide = |x: &Tensor| x.detach().to_dtype(DType::F64);
                    let of = |param: &Option<Param>| param.as_ref().map(|x| wide(&x.tensor()));
                    let factor = (wide(&self.running_var.tensor()) + self.options.epsilon).rsqrt();
                    let scale = of(&self.weight).map_or(factor.clone(), |weight| weight * factor);
                    let moved = -(wide(&self.running_mean.tensor()) * &scale);
                    let shift = of(&self.bias).map_or(moved.clone(), |bias| bias + moved);
                    ChannelLine { scale, shift }
                })
            }

            fn has_free_relu(&self) -> bool {
                true
            }
        }

        impl $name {
            /// max(y + z, 0) of what [`Layer::forward`] gives for x, in one pass.
            ///
            /// # Panics
            /// As [`Layer::forward`], and if z has another shape than x.
            #[track_caller]
            pub fn forward_add_relu(&self, x: &Tensor, z: &Tensor) -> Tensor {
                self.normalise(x, BehindNorm::AddRelu(z))
            }

            #[track_caller]
            fn normalise(&self, x: &Tensor, behind: BehindNorm<'_>) -> Tensor {
                let $shape = x.shape();
                if !$fits {
                    let message = format_args!(concat!("takes ", $wants, ", not {}"), $shape);
                    panic!("{}", OpError::of(stringify!($name), message));
                }
                let options = norm_options(&self.weight, &self.bias, self.options.epsilon);
                let (mean, variance) = (&self.running_mean, &self.running_var);
                if !self.mode.is_training() {
                    let (mean, variance) = (mean.tensor(), variance.tensor());
                    return x.batch_norm_with([&mean, &variance], &options, behind);
                }
                let batch = x.batch_norm_training_with(&options, behind);
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

batch_norm! {
    /// Batch normalisation of volumes or films: y = (x - mean) / √(variance + ε) · w + b.
    ///
    /// # Shapes
    /// `x: [B, C, D, H, W] -> [B, C, D, H, W]`.
    BatchNorm3d, "BatchNorm3d", "[B, C, D, H, W]", |shape| shape.rank() == 5
}

/// running ← (1 - share) running + share value.
#[track_caller]
pub(super) fn move_towards(running: &Buffer, value: &Tensor, share: f64) {
    let old = running.tensor().to_dtype(value.dtype());
    keep(running, &(old * (1.0 - share) + value.to_device(running.tensor().device()) * share));
}

#[track_caller]
fn keep(buffer: &Buffer, value: &Tensor) {
    if let Err(error) = buffer.set(value) {
        panic!("{error}");
    }
}
