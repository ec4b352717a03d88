//! Normalisation of channels over a batch.

use super::case::{Case, Gradient, Sample};
use super::norm::{NormOptions, check_params, sample};
use crate::error::{fail, reject};
use crate::kernel::{ChannelNorm, Kernel};
use crate::op::{Context, Forward, Grads, Op, Spec, common_device, launch, launch_many};
use crate::{Axes, DType, OpError, Result, Shape, Tensor};
use smallvec::{SmallVec, smallvec};

/// The mean and the variance of each channel of x: [B, C, …] -> [C, 2], in `f64`.
#[derive(Debug)]
struct ChannelMoments;

/// x as [B, C, N]. Where a channel has one number an element, the batch takes the place of N, so
/// that channels lie side by side.
fn planes(x: &Tensor) -> Tensor {
    let shape = x.shape();
    let inner: usize = shape[2..].iter().product();
    let x = x.detach();
    match inner {
        1 => x.reshape([shape[0], shape[1]]).t().unsqueeze(0),
        _ => x.reshape([shape[0], shape[1], inner]),
    }
}

/// The reverse of [`planes`].
fn from_planes(planes: &Tensor, shape: Shape) -> Tensor {
    let inner: usize = shape[2..].iter().product();
    match inner {
        1 => planes.squeeze(0).t().reshape(shape),
        _ => planes.reshape(shape),
    }
}

/// All axes but that of the channels.
fn other_axes(x: &Tensor) -> Axes {
    let axes: Vec<isize> = (0..x.rank() as isize).filter(|&axis| axis != 1).collect();
    axes[..].into()
}

/// A tensor [C] in the shape in which it broadcasts to x.
fn along_channels(channels: &Tensor, x: &Tensor) -> Tensor {
    let mut shape = vec![1; x.rank()];
    shape[1] = channels.count();
    channels.reshape(shape)
}

fn check_input(x: Spec) -> Result<(), OpError> {
    if !x.dtype.is_float() {
        return Err(OpError::dtype(x.dtype, "floats"));
    }
    if x.shape.rank() < 2 {
        reject!("takes [B, C, …], not {}", x.shape);
    }
    Ok(())
}

impl Op for ChannelMoments {
    fn name(&self) -> &'static str {
        "channel_moments"
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        let x = inputs[0];
        check_input(x)?;
        Ok(x.with_shape([x.shape[1], 2].into()).with_dtype(DType::F64))
    }

    fn forward(&self, inputs: &[&Tensor], output: Spec) -> Result<Forward> {
        let moments = launch(&Kernel::ChannelMoments, &[&planes(inputs[0])], output)?;
        Ok(Forward::new(moments).saving_input(0))
    }

    /// By x: (g of the mean + 2 (x - mean) · g of the variance) / n.
    fn backward(&self, context: &Context<'_>, grad: &Tensor) -> Result<Grads> {
        let x = &context.saved[0];
        let count = (x.count() / x.shape()[1].max(1)) as f64;
        let of = |column| along_channels(&grad.select(1, column), x);
        let wide = x.to_dtype(DType::F64);
        let deviation = &wide - wide.mean_keepdim(other_axes(x));
        let by_x = (of(0) + deviation * 2.0 * of(1)) / count;
        Ok(smallvec![Some(by_x.to_dtype(x.dtype()))])
    }

    fn composite(&self, inputs: &[&Tensor]) -> Option<Result<Tensor>> {
        let x = inputs[0].to_dtype(DType::F64);
        let axes = other_axes(&x);
        let moments = [x.mean(axes.clone()), x.var(axes, 0)];
        Some(Ok(Tensor::stack(&moments, 1)))
    }

    fn flops(&self, inputs: &[Spec], _: &Spec) -> u64 {
        4 * inputs[0].shape.count() as u64
    }
}

/// y = (x - mean) / √(variance + ε) · w + b, of inputs x, the means and variances [C, 2], maybe w,
/// and maybe b.
///
/// Where the statistics are the batch's own, the gradient by x takes into account that they depend
/// on it; none flows to them.
#[derive(Debug)]
struct BatchNorm(ChannelNorm);

impl Op for BatchNorm {
    fn name(&self) -> &'static str {
        match self.0.constant {
            false => "batch_norm_training",
            true => "batch_norm",
        }
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        let x = inputs[0];
        check_input(x)?;
        let channels = x.shape[1];
        let statistics = inputs[1];
        if statistics.shape != [channels, 2] || statistics.dtype != DType::F64 {
            reject!("an input {} wants {channels} means and variances", x.shape);
        }
        if !self.0.constant && x.shape.count() == channels {
            reject!(
                "an input {} has one number a channel, which has no variance: train with larger \
                 batches, or evaluate",
                x.shape
            );
        }
        check_params(&inputs[2..], [channels].into(), x)?;
        Ok(Spec { device: common_device(inputs)?, ..x })
    }

    fn forward(&self, inputs: &[&Tensor], output: Spec) -> Result<Forward> {
        let x = planes(inputs[0]);
        let mut given: SmallVec<[&Tensor; 4]> = inputs.into();
        given[0] = &x;
        let y = launch(&Kernel::ChannelNorm(self.0), &given, output.with_shape(*x.shape()))?;
        Ok(Forward::new(from_planes(&y, output.shape)).saving_inputs(inputs.len()))
    }

    fn backward(&self, context: &Context<'_>, grad: &Tensor) -> Result<Grads> {
        let x = &context.saved[0];
        let (plane_x, plane_grad) = (planes(x), planes(grad));
        let mut given = vec![&plane_x, &plane_grad, &context.saved[1]];
        given.extend(context.saved.get(2));
        let param = context.inputs[0].with_shape([x.shape()[1]].into());
        let specs = [plane_x.spec(), param, param];
        let grads = launch_many(&Kernel::ChannelNormGradient(self.0), &given, &specs)?;
        let all = [
            Some(from_planes(&grads[0], *x.shape())),
            None,
            Some(grads[1].clone()),
            Some(grads[2].clone()),
        ];
        Ok(all.into_iter().take(context.inputs.len()).collect())
    }

    fn composite(&self, inputs: &[&Tensor]) -> Option<Result<Tensor>> {
        let x = inputs[0];
        let axes = || other_axes(x);
        let (mean, variance) = match self.0.constant {
            true => {
                let moment = |column| {
                    let moment = inputs[1].detach().select(1, column).to_dtype(x.dtype());
                    along_channels(&moment, x)
                };
                (moment(0), moment(1))
            }
            false => {
                let mean = x.mean_keepdim(axes());
                let variance = (x - &mean).square().mean_keepdim(axes());
                (mean, variance)
            }
        };
        let mut y = (x - mean) * (variance + self.0.epsilon).rsqrt();
        if let Some(weight) = inputs.get(2) {
            y = y * along_channels(weight, x);
        }
        if let Some(bias) = inputs.get(3) {
            y = y + along_channels(bias, x);
        }
        Some(Ok(y))
    }

    fn flops(&self, _: &[Spec], output: &Spec) -> u64 {
        4 * output.shape.count() as u64
    }
}

/// What a batch norm in training gives.
#[derive(Clone, Debug)]
pub struct BatchNormOutput {
    /// The normalised batch.
    pub output: Tensor,
    /// The mean of each channel, `[C]` of `f64`. A constant: no gradient flows through it.
    pub mean: Tensor,
    /// The mean squared deviation of each channel, `[C]` of `f64`. A constant.
    pub variance: Tensor,
}

impl Tensor {
    /// The mean and the variance, the mean squared deviation, of each channel, side by side in `f64`.
    ///
    /// # Shapes
    /// `self: [B, C, …] -> [C, 2]`.
    #[track_caller]
    pub fn channel_moments(&self) -> Self {
        Self::apply(ChannelMoments, &[self])
    }

    /// Batch normalisation in training: y = (x - mean) / √(variance + ε) · w + b with the mean and
    /// the variance of each channel over the batch, which are given beside the output.
    ///
    /// # Shapes
    /// `self: [B, C, …] -> [B, C, …]` with `weight: [C]` and `bias: [C]`.
    ///
    /// # Panics
    /// If a channel has one number only, or the weight or bias is not `[C]`.
    ///
    /// # Source
    /// Ioffe, Szegedy 2015, "Batch Normalization", algorithm 1; PyTorch:
    /// `torch.nn.functional.batch_norm(training=True)`.
    #[track_caller]
    pub fn batch_norm_training(&self, options: &NormOptions) -> BatchNormOutput {
        let moments = self.detach().channel_moments();
        let norm = ChannelNorm { epsilon: options.epsilon, constant: false };
        let output = options.apply(BatchNorm(norm), &[self, &moments]);
        BatchNormOutput { output, mean: moments.select(1, 0), variance: moments.select(1, 1) }
    }

    /// Batch normalisation in use: y = (x - mean) / √(variance + ε) · w + b with a given mean and
    /// variance of each channel. They are constants: no gradient flows to them.
    ///
    /// # Shapes
    /// `self: [B, C, …] -> [B, C, …]` with `mean`, `variance`, `weight` and `bias: [C]`.
    ///
    /// # Panics
    /// If one of them is not `[C]`.
    ///
    /// # Source
    /// Ioffe, Szegedy 2015, "Batch Normalization", algorithm 2; PyTorch:
    /// `torch.nn.functional.batch_norm(training=False)`.
    #[track_caller]
    pub fn batch_norm(&self, mean: &Self, variance: &Self, options: &NormOptions) -> Self {
        if mean.rank() != 1 || mean.shape() != variance.shape() {
            let message = format_args!(
                "takes means [C] and variances [C], not {} and {}",
                mean.shape(),
                variance.shape()
            );
            fail(OpError::of("batch_norm", message));
        }
        let moments = [mean, variance].map(|moment| moment.detach().to_dtype(DType::F64));
        let norm = ChannelNorm { epsilon: options.epsilon, constant: true };
        options.apply(BatchNorm(norm), &[self, &Self::stack(&moments, 1)])
    }
}

/// Samples of a batch norm.
fn samples(call: fn(&Tensor, &NormOptions) -> Tensor) -> Vec<Sample> {
    vec![
        sample(&[&[3, 2, 2, 3], &[2], &[2]], call),
        sample(&[&[5, 3], &[3], &[3]], call).label("nothing behind the channels"),
        sample(&[&[2, 3, 17], &[3]], call).label("no bias"),
        sample(&[&[3, 2, 4]], call).label("plain"),
        sample(&[&[0, 2, 4], &[2], &[2]], call).label("empty"),
    ]
}

pub(super) const CASES: &[Case] = &[
    Case {
        name: "channel_moments",
        formula: "the mean and the variance of each channel",
        torch: "torch.var_mean",
        gradient: Gradient::Twice,
        samples: || {
            let sample =
                |shape: &[usize]| Sample::floats(&[shape], -2.0..2.0, |x| x[0].channel_moments());
            vec![
                sample(&[2, 3, 4]),
                sample(&[4, 3]).label("nothing behind the channels"),
                sample(&[2, 0, 3]).label("empty"),
            ]
        },
    },
    Case {
        name: "batch_norm_training",
        formula: "(x - mean) / √(variance + ε) · w + b over the batch",
        torch: "torch.nn.functional.batch_norm",
        gradient: Gradient::Twice,
        samples: || samples(|x, options| x.batch_norm_training(options).output),
    },
    Case {
        name: "batch_norm",
        formula: "(x - mean) / √(variance + ε) · w + b with given mean and variance",
        torch: "torch.nn.functional.batch_norm",
        gradient: Gradient::Twice,
        samples: || {
            samples(|x, options| {
                let channels = x.shape()[1];
                let numbers: Vec<f64> = (0..channels).map(|i| 0.3 * i as f64 + 0.5).collect();
                let numbers = Tensor::from_vec(numbers, channels).to_device(x.device());
                x.batch_norm(&(&numbers - 0.7), &numbers, options)
            })
        },
    },
];
