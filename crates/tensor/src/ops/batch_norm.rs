//! Normalisation of channels over a batch.

use super::case::{Case, Gradient, Sample};
use super::norm::{NormOptions, check_params, sample};
use crate::error::{fail, reject};
use crate::kernel::{Behind, ChannelNorm, Kernel};
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

/// y = (x - mean) / √(variance + ε) · w + b and what comes behind it, of inputs x, the means and
/// variances [C, 2], what is added if anything is, maybe w, and maybe b.
///
/// Where the statistics are the batch's own, the gradient by x takes into account that they depend
/// on it; none flows to them.
#[derive(Debug)]
struct BatchNorm(ChannelNorm);

impl BatchNorm {
    /// Whether something is added, and where the weight and the bias are among the inputs.
    fn places(&self) -> (bool, usize) {
        let adds = self.0.behind == Behind::AddRelu;
        (adds, 2 + usize::from(adds))
    }
}

impl Op for BatchNorm {
    fn name(&self) -> &'static str {
        match (self.0.constant, self.0.behind) {
            (false, Behind::Nothing) => "batch_norm_training",
            (false, Behind::Relu) => "batch_norm_training_relu",
            (false, Behind::AddRelu) => "batch_norm_training_add_relu",
            (true, Behind::Nothing) => "batch_norm",
            (true, Behind::Relu) => "batch_norm_relu",
            (true, Behind::AddRelu) => "batch_norm_add_relu",
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
        let (adds, params) = self.places();
        if let Some(added) = inputs.get(2).filter(|_| adds)
            && (added.shape != x.shape || added.dtype != x.dtype)
        {
            reject!("what is added, {added:?}, is not like the input, {x:?}");
        }
        check_params(&inputs[params..], [channels].into(), x)?;
        Ok(Spec { device: common_device(inputs)?, ..x })
    }

    fn forward(&self, inputs: &[&Tensor], output: Spec) -> Result<Forward> {
        let x = planes(inputs[0]);
        let added = self.places().0.then(|| planes(inputs[2]));
        let mut given: SmallVec<[&Tensor; 5]> = inputs.into();
        given[0] = &x;
        if let Some(added) = &added {
            given[2] = added;
        }
        let y = launch(&Kernel::ChannelNorm(self.0), &given, output.with_shape(*x.shape()))?;
        Ok(Forward::new(from_planes(&y, output.shape)).saving_inputs(inputs.len()))
    }

    fn backward(&self, context: &Context<'_>, grad: &Tensor) -> Result<Grads> {
        let x = &context.saved[0];
        let (adds, params) = self.places();
        let (plane_x, plane_grad) = (planes(x), planes(grad));
        let added = adds.then(|| planes(&context.saved[2]));
        let mut given = vec![&plane_x, &plane_grad, &context.saved[1]];
        given.extend(&added);
        given.extend(&context.saved[params..]);
        let param = context.inputs[0].with_shape([x.shape()[1]].into());
        let mut specs: SmallVec<[Spec; 4]> = smallvec![plane_x.spec(), param, param];
        specs.extend(added.as_ref().map(Tensor::spec));
        let grads = launch_many(&Kernel::ChannelNormGradient(self.0), &given, &specs)?;
        let of_planes = |place: usize| Some(from_planes(&grads[place], *x.shape()));
        let mut all: Grads = smallvec![of_planes(0), None];
        if adds {
            all.push(of_planes(3));
        }
        all.extend([Some(grads[1].clone()), Some(grads[2].clone())]);
        all.truncate(context.inputs.len());
        Ok(all)
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
        let (_, params) = self.places();
        let mut y = (x - mean) * (variance + self.0.epsilon).rsqrt();
        if let Some(weight) = inputs.get(params) {
            y = y * along_channels(weight, x);
        }
        if let Some(bias) = inputs.get(params + 1) {
            y = y + along_channels(bias, x);
        }
        Some(Ok(match self.0.behind {
            Behind::Nothing => y,
            Behind::Relu => y.relu(),
            Behind::AddRelu => (y + inputs[2]).relu(),
        }))
    }

    /// Where a ReLU is behind, the output mostly lies between two convolutions. The second one need not
    /// keep it beside the norm's input. What something is added to is read by more than one op.
    fn is_repeatable(&self) -> bool {
        self.0.behind == Behind::Relu
    }

    fn flops(&self, _: &[Spec], output: &Spec) -> u64 {
        4 * output.shape.count() as u64
    }
}

/// What comes behind a batch norm in the same pass, which is faster than what comes after it.
#[derive(Clone, Copy, Debug)]
pub enum BehindNorm<'a> {
    /// Nothing.
    Nothing,
    /// max(y, 0).
    Relu,
    /// max(y + z, 0), as at the end of a residual block.
    AddRelu(&'a Tensor),
}

impl<'a> BehindNorm<'a> {
    fn parts(self) -> (Behind, Option<&'a Tensor>) {
        match self {
            Self::Nothing => (Behind::Nothing, None),
            Self::Relu => (Behind::Relu, None),
            Self::AddRelu(added) => (Behind::AddRelu, Some(added)),
        }
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
        self.batch_norm_training_with(options, BehindNorm::Nothing)
    }

    /// As [`Tensor::batch_norm_training`], with something behind it in the same pass.
    ///
    /// # Panics
    /// As [`Tensor::batch_norm_training`], and if what is added has another shape.
    ///
    /// ```
    /// use gradus_tensor::Tensor;
    /// use gradus_tensor::ops::BehindNorm;
    ///
    /// let x = Tensor::from_vec(vec![1f32, 3.0], [2, 1]);
    /// let y = x.batch_norm_training_with(&Default::default(), BehindNorm::Relu).output;
    /// assert_eq!(y.round().to_vec::<f32>(), [0.0, 1.0]);
    /// ```
    #[track_caller]
    pub fn batch_norm_training_with(
        &self,
        options: &NormOptions,
        behind: BehindNorm<'_>,
    ) -> BatchNormOutput {
        let moments = self.detach().channel_moments();
        let output = self.normalised((false, &moments), options, behind);
        BatchNormOutput { output, mean: moments.select(1, 0), variance: moments.select(1, 1) }
    }

    /// Normalises by means and variances, and says whether these are constants.
    #[track_caller]
    fn normalised(
        &self,
        (constant, moments): (bool, &Self),
        options: &NormOptions,
        behind: BehindNorm<'_>,
    ) -> Self {
        let (behind, added) = behind.parts();
        let added = added.map(|added| added.to_dtype(self.dtype()));
        let mut first: SmallVec<[&Self; 3]> = smallvec![self, moments];
        first.extend(&added);
        let norm = ChannelNorm { epsilon: options.epsilon, constant, behind };
        options.apply(BatchNorm(norm), &first)
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
        self.batch_norm_with([mean, variance], options, BehindNorm::Nothing)
    }

    /// As [`Tensor::batch_norm`] with that mean and variance, with something behind it in the same
    /// pass.
    ///
    /// # Panics
    /// As [`Tensor::batch_norm`], and if what is added has another shape.
    #[track_caller]
    pub fn batch_norm_with(
        &self,
        [mean, variance]: [&Self; 2],
        options: &NormOptions,
        behind: BehindNorm<'_>,
    ) -> Self {
        if mean.rank() != 1 || mean.shape() != variance.shape() {
            let message = format_args!(
                "takes means [C] and variances [C], not {} and {}",
                mean.shape(),
                variance.shape()
            );
            fail(OpError::of("batch_norm", message));
        }
        let moments = [mean, variance].map(|moment| moment.detach().to_dtype(DType::F64));
        self.normalised((true, &Self::stack(&moments, 1)), options, behind)
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

/// Samples of a batch norm behind which something is added.
fn adding(call: fn(&Tensor, &NormOptions, BehindNorm<'_>) -> Tensor) -> Vec<Sample> {
    let sample = |shape: &[usize]| {
        let channels = &shape[1..2];
        Sample::floats(&[shape, shape, channels, channels], -1.0..1.0, move |x| {
            let (weight, bias) = (Some(x[2].clone()), Some(x[3].clone()));
            let options = NormOptions { weight, bias, epsilon: 0.1 };
            call(&x[0], &options, BehindNorm::AddRelu(&x[1]))
        })
    };
    vec![
        sample(&[3, 2, 2, 3]),
        sample(&[5, 3]).label("nothing behind the channels"),
        sample(&[0, 2, 4]).label("empty"),
    ]
}

/// A batch norm with some means and variances.
fn with_moments(x: &Tensor, options: &NormOptions, behind: BehindNorm<'_>) -> Tensor {
    let channels = x.shape()[1];
    let numbers: Vec<f64> = (0..channels).map(|i| 0.3 * i as f64 + 0.5).collect();
    let numbers = Tensor::from_vec(numbers, channels).to_device(x.device());
    x.batch_norm_with([&(&numbers - 0.7), &numbers], options, behind)
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
        name: "batch_norm_training_relu",
        formula: "max(0, (x - mean) / √(variance + ε) · w + b) over the batch",
        torch: "",
        gradient: Gradient::Twice,
        samples: || {
            samples(|x, options| x.batch_norm_training_with(options, BehindNorm::Relu).output)
        },
    },
    Case {
        name: "batch_norm_training_add_relu",
        formula: "max(0, (x - mean) / √(variance + ε) · w + b + z) over the batch",
        torch: "",
        gradient: Gradient::Twice,
        samples: || adding(|x, options, behind| x.batch_norm_training_with(options, behind).output),
    },
    Case {
        name: "batch_norm",
        formula: "(x - mean) / √(variance + ε) · w + b with given mean and variance",
        torch: "torch.nn.functional.batch_norm",
        gradient: Gradient::Twice,
        samples: || samples(|x, options| with_moments(x, options, BehindNorm::Nothing)),
    },
    Case {
        name: "batch_norm_relu",
        formula: "max(0, (x - mean) / √(variance + ε) · w + b)",
        torch: "",
        gradient: Gradient::Twice,
        samples: || samples(|x, options| with_moments(x, options, BehindNorm::Relu)),
    },
    Case {
        name: "batch_norm_add_relu",
        formula: "max(0, (x - mean) / √(variance + ε) · w + b + z)",
        torch: "",
        gradient: Gradient::Twice,
        samples: || adding(with_moments),
    },
];
