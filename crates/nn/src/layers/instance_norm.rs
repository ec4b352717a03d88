//! Instance normalisation as layers.

use super::batch_norm::move_towards;
use super::norm::norm_options;
use crate::{Buffer, Layer, Mode, Module, Param};
use gradus_tensor::{DType, OpError, Tensor, no_grad};

/// The settings of [`InstanceNorm1d`], [`InstanceNorm2d`] and [`InstanceNorm3d`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct InstanceNormOptions {
    /// ε, what is added to the variance.
    pub epsilon: f64,
    /// How far the running mean and variance move towards those of a batch.
    pub momentum: f64,
    /// Learn a weight and a bias for each channel.
    pub affine: bool,
    /// Keep a running mean and variance for each channel, by which evaluation normalises.
    pub track_running_stats: bool,
}

/// As in PyTorch: neither weight nor bias nor running statistics.
impl Default for InstanceNormOptions {
    fn default() -> Self {
        Self { epsilon: 1e-5, momentum: 0.1, affine: false, track_running_stats: false }
    }
}

/// What normalises in evaluation.
#[derive(Debug)]
struct Running<'a> {
    mean: &'a Buffer,
    variance: &'a Buffer,
}

impl Running<'_> {
    /// Moves both towards the mean over the batch of what its instances have, the variance with
    /// n - 1 in its denominator.
    #[track_caller]
    fn follow(&self, x: &Tensor, momentum: f64) {
        let places: usize = x.shape()[2..].iter().product();
        if x.device().is_shape_only() || x.count() == 0 || places < 2 {
            return;
        }
        no_grad(|| {
            let axes: Vec<isize> = (2..x.rank() as isize).collect();
            let variance = x.var(&axes[..], 1).mean(0);
            move_towards(self.mean, &x.mean(&axes[..]).mean(0), momentum);
            move_towards(self.variance, &variance, momentum);
        });
    }
}

/// For each number of spatial axes: its name as a layer and in PyTorch, and shapes.
macro_rules! instance_norms {
    ($($name:ident, $rank:literal, $shape:literal;)*) => {$(
        /// Instance normalisation: y = (x - mean) / √(variance + ε) · w + b, with the mean and the
        /// variance of each channel of each element of the batch.
        ///
        /// With running statistics, these move in training towards the means over the batch, and
        /// evaluation normalises by them.
        ///
        /// # Shapes
        #[doc = concat!("`x: ", $shape, " -> ", $shape, "`, and `[C]` for all else.")]
        ///
        /// # Source
        /// Ulyanov, Vedaldi, Lempitsky 2016, "Instance Normalization"; PyTorch:
        #[doc = concat!("`torch.nn.", stringify!($name), "`, where one place a channel is an error in training.")]
        #[derive(Debug, Module)]
        pub struct $name {
            /// w, ones at first.
            pub weight: Option<Param>,
            /// b, zeros at first.
            pub bias: Option<Param>,
            /// The mean in evaluation, zeros at first.
            pub running_mean: Option<Buffer>,
            /// The variance in evaluation, ones at first.
            pub running_var: Option<Buffer>,
            /// In PyTorch's state dict too, where it stays 0.
            pub num_batches_tracked: Option<Buffer>,
            mode: Mode,
            #[module(skip)]
            options: InstanceNormOptions,
        }

        impl $name {
            /// A layer of that many channels, as in PyTorch.
            #[track_caller]
            pub fn new(channels: usize) -> Self {
                Self::with_options(channels, InstanceNormOptions::default())
            }

            /// A layer with options.
            #[track_caller]
            pub fn with_options(channels: usize, options: InstanceNormOptions) -> Self {
                let param = |value: Tensor| options.affine.then(|| Param::new(value));
                let buffer =
                    |value: Tensor| options.track_running_stats.then(|| Buffer::new(value));
                Self {
                    weight: param(Tensor::ones(channels)),
                    bias: param(Tensor::zeros(channels)),
                    running_mean: buffer(Tensor::zeros(channels)),
                    running_var: buffer(Tensor::ones(channels)),
                    num_batches_tracked: buffer(Tensor::zeros(((), DType::I64))),
                    mode: Mode::default(),
                    options,
                }
            }
        }

        impl Layer for $name {
            fn forward(&self, x: &Tensor) -> Tensor {
                if x.rank() != $rank {
                    let message = format_args!(concat!("takes ", $shape, ", not {}"), x.shape());
                    panic!("{}", OpError::of(stringify!($name), message));
                }
                let options = norm_options(&self.weight, &self.bias, self.options.epsilon);
                let (Some(mean), Some(variance)) = (&self.running_mean, &self.running_var) else {
                    return x.instance_norm(&options);
                };
                if !self.mode.is_training() {
                    return x.batch_norm(&mean.tensor(), &variance.tensor(), &options);
                }
                Running { mean, variance }.follow(x, self.options.momentum);
                x.instance_norm(&options)
            }
        }
    )*};
}

instance_norms! {
    InstanceNorm1d, 3, "[B, C, T]";
    InstanceNorm2d, 4, "[B, C, H, W]";
    InstanceNorm3d, 5, "[B, C, D, H, W]";
}
