//! Convolutions of one, two and three dimensions, and transposed ones.

use super::case::{Case, Gradient, Sample};
use super::conv_options::{ConvOptions, ConvTransposeOptions, Padding};
use super::matmul::check_types;
use super::sizes::Sizes;
use crate::error::reject;
use crate::kernel::{ConvDirection, ConvGeometry, Kernel};
use crate::op::{Context, Forward, Grads, Op, Spec, common_device, launch};
use crate::{OpError, Result, Shape, Tensor};
use smallvec::smallvec;

/// A convolution, or one of its gradients. Each is linear in both its inputs, and the gradient of
/// one is the others.
#[derive(Clone, Debug)]
struct Conv {
    /// How many spatial axes there are.
    axes: usize,
    /// What is computed. The gradient by the input is also the transposed convolution.
    direction: ConvDirection,
    settings: Settings,
}

/// From what the sizes of a convolution follow.
#[derive(Clone, Debug)]
enum Settings {
    Plain(ConvOptions),
    Transposed(ConvTransposeOptions),
    /// From those of the convolution whose gradient this is.
    Known(ConvGeometry),
}

impl Op for Conv {
    fn name(&self) -> &'static str {
        match (self.direction, self.axes) {
            (ConvDirection::Forward, 1) => "conv1d",
            (ConvDirection::Forward, 2) => "conv2d",
            (ConvDirection::Forward, _) => "conv3d",
            (ConvDirection::InputGradient, 1) => "conv_transpose1d",
            (ConvDirection::InputGradient, 2) => "conv_transpose2d",
            (ConvDirection::InputGradient, _) => "conv_transpose3d",
            (ConvDirection::WeightGradient, 1) => "conv1d_weight",
            (ConvDirection::WeightGradient, 2) => "conv2d_weight",
            (ConvDirection::WeightGradient, _) => "conv3d_weight",
        }
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        check_types(inputs)?;
        let geometry = self.geometry(inputs)?;
        let lens = match self.direction {
            ConvDirection::Forward => geometry.output_shape(),
            ConvDirection::InputGradient => geometry.input_shape(),
            ConvDirection::WeightGradient => geometry.weight_shape(),
        };
        let mut shape = lens[..2].to_vec();
        shape.extend(&lens[5 - self.axes..]);
        let shape = Shape::from(shape);
        if let Some(bias) = inputs.get(2).filter(|bias| bias.shape != [shape[1]]) {
            let weight = inputs[1].shape;
            reject!("the weight {weight} wants a bias [{}], not {}", shape[1], bias.shape);
        }
        if shape.checked_count().is_none() {
            reject!("the output {shape} has more elements than can be counted");
        }
        Ok(Spec { shape, dtype: inputs[0].dtype, device: common_device(inputs)? })
    }

    fn forward(&self, inputs: &[&Tensor], output: Spec) -> Result<Forward> {
        let specs: Vec<Spec> = inputs.iter().map(|input| input.spec()).collect();
        let kernel = Kernel::Conv { direction: self.direction, geometry: self.geometry(&specs)? };
        let bias = inputs.get(2).map(|bias| bias.detach().contiguous());
        let inputs: Vec<&Tensor> = inputs[..2].iter().copied().chain(&bias).collect();
        Ok(Forward::new(launch(&kernel, &inputs, output)?).saving_inputs(2))
    }

    fn backward(&self, context: &Context<'_>, grad: &Tensor) -> Result<Grads> {
        let geometry = self.geometry(context.inputs)?;
        let apply = |direction, first: &Tensor, second: &Tensor| {
            let settings = Settings::Known(geometry);
            Tensor::try_apply(Self { axes: self.axes, direction, settings }, &[first, second])
        };
        let (first, second) = (&context.saved[0], &context.saved[1]);
        use ConvDirection::{Forward, InputGradient, WeightGradient};
        let mut grads: Grads = match self.direction {
            Forward => smallvec![
                context.if_needed(0, || apply(InputGradient, grad, second))?,
                context.if_needed(1, || apply(WeightGradient, first, grad))?,
            ],
            InputGradient => smallvec![
                context.if_needed(0, || apply(Forward, grad, second))?,
                context.if_needed(1, || apply(WeightGradient, grad, first))?,
            ],
            WeightGradient => smallvec![
                context.if_needed(0, || apply(InputGradient, second, grad))?,
                context.if_needed(1, || apply(Forward, first, grad))?,
            ],
        };
        if context.inputs.len() > 2 {
            let others: Vec<isize> = (0..grad.rank() as isize).filter(|&axis| axis != 1).collect();
            grads.push(context.if_needed(2, || Ok(grad.sum(&others[..])))?);
        }
        Ok(grads)
    }

    fn flops(&self, inputs: &[Spec], output: &Spec) -> u64 {
        let Ok(geometry) = self.geometry(inputs) else { return 0 };
        let count = |lens: &[usize]| lens.iter().map(|&len| len as u64).product::<u64>();
        let products = count(&geometry.weight_shape()) * count(&geometry.output);
        let bias = if inputs.len() > 2 { output.shape.count() as u64 } else { 0 };
        2 * geometry.batch as u64 * products + bias
    }
}

impl Conv {
    /// The sizes, from the shapes of the inputs.
    fn geometry(&self, inputs: &[Spec]) -> Result<ConvGeometry, OpError> {
        let (options, padding, output_padding) = match &self.settings {
            Settings::Known(geometry) => return Ok(*geometry),
            Settings::Plain(options) => (*options, options.padding, 0.into()),
            Settings::Transposed(options) => {
                let ConvTransposeOptions { stride, padding, output_padding, dilation, groups } =
                    *options;
                let padding = padding.into();
                (ConvOptions { stride, padding, dilation, groups }, padding, output_padding)
            }
        };
        let (x, weight) = (inputs[0].shape, inputs[1].shape);
        self.check_channels(&x, &weight, options.groups)?;
        let axes = Axes {
            stride: options.stride.resolve("stride", self.axes)?,
            dilation: options.dilation.resolve("dilation", self.axes)?,
            output_padding: output_padding.resolve("output padding", self.axes)?,
        };
        let transposed = matches!(self.settings, Settings::Transposed(_));
        let (in_channels, out_channels) = match transposed {
            true => (weight[1] * options.groups, weight[0]),
            false => (x[1], weight[0]),
        };
        let mut geometry = ConvGeometry {
            batch: x[0],
            groups: options.groups,
            in_channels,
            out_channels,
            input: [1; 3],
            kernel: [1; 3],
            output: [1; 3],
            stride: [1; 3],
            dilation: [1; 3],
            before: [0; 3],
        };
        for axis in 0..self.axes {
            let at = 3 - self.axes + axis;
            let (len, kernel) = (x[2 + axis], weight[2 + axis]);
            let (stride, dilation) = (axes.stride[axis], axes.dilation[axis]);
            if kernel == 0 || stride == 0 || dilation == 0 {
                reject!(
                    "kernel, stride and dilation are at least 1, not {kernel}, {stride} and \
                     {dilation}"
                );
            }
            let reach = (kernel - 1).checked_mul(dilation);
            let Some(reach) = reach.filter(|&reach| reach < MOST) else {
                reject!("a kernel of {kernel} with a dilation of {dilation} reaches too far");
            };
            let (before, after) = self.padding(padding, axis, reach, stride)?;
            let line = Line { len, stride, reach, before, after };
            let (input, output) = match transposed {
                true => (line.transposed(axes.output_padding[axis], dilation)?, len),
                false => (len, line.outputs()?),
            };
            geometry.input[at] = input;
            geometry.kernel[at] = kernel;
            geometry.output[at] = output;
            geometry.stride[at] = stride;
            geometry.dilation[at] = dilation;
            geometry.before[at] = before;
        }
        Ok(geometry)
    }

    /// Checks ranks, channels and groups.
    fn check_channels(&self, x: &Shape, weight: &Shape, groups: usize) -> Result<(), OpError> {
        let (input, kernel) = match self.axes {
            1 => ("[B, C, T]", "[O, C, K]"),
            2 => ("[B, C, H, W]", "[O, C, K, K]"),
            _ => ("[B, C, D, H, W]", "[O, C, K, K, K]"),
        };
        let transposed = matches!(self.settings, Settings::Transposed(_));
        if x.rank() != self.axes + 2 {
            reject!("takes an input {input}, not {x}");
        }
        if weight.rank() != self.axes + 2 {
            let kernel = if transposed { kernel.replace("O, C", "C, O") } else { kernel.into() };
            reject!("takes a weight {kernel}, not {weight}");
        }
        let (channels, outputs) = (x[1], weight[0]);
        if groups == 0 || !channels.is_multiple_of(groups) {
            reject!("the {channels} channels of the input {x} do not divide into {groups} groups");
        }
        if transposed && weight[0] != channels {
            reject!("the weight {weight} takes {} channels, but the input is {x}", weight[0]);
        }
        if !transposed && !outputs.is_multiple_of(groups) {
            reject!(
                "the {outputs} outputs of the weight {weight} do not divide into {groups} groups"
            );
        }
        if !transposed && weight[1].checked_mul(groups) != Some(channels) {
            let each =
                if groups == 1 { String::new() } else { format!(" in each of {groups} groups") };
            reject!("the weight {weight} takes {} channels{each}, but the input is {x}", weight[1]);
        }
        if transposed && weight[1].checked_mul(groups).is_none() {
            reject!("the weight {weight} has too many outputs in {groups} groups");
        }
        Ok(())
    }

    /// The zeros before and behind an axis.
    fn padding(
        &self,
        padding: Padding,
        axis: usize,
        reach: usize,
        stride: usize,
    ) -> Result<(usize, usize), OpError> {
        match padding {
            Padding::Valid => Ok((0, 0)),
            Padding::Same if stride > 1 => Err(OpError::new(format_args!(
                "padding that keeps the lengths wants a stride of 1, not {stride}: give numbers"
            ))),
            Padding::Same => Ok((reach / 2, reach - reach / 2)),
            Padding::Sides { before, after } => {
                let before = before.resolve("padding", self.axes)?[axis];
                let after = after.resolve("padding", self.axes)?[axis];
                if before > MOST || after > MOST {
                    reject!("a padding of {} is too large", before.max(after));
                }
                Ok((before, after))
            }
        }
    }
}

/// Settings for each spatial axis.
struct Axes {
    stride: Sizes,
    dilation: Sizes,
    output_padding: Sizes,
}

/// No length reaches this; sums of some lengths below it can be counted.
const MOST: usize = usize::MAX >> 4;

/// One axis of the input.
#[derive(Clone, Copy)]
struct Line {
    len: usize,
    stride: usize,
    /// The distance from the kernel's first number to its last.
    reach: usize,
    before: usize,
    after: usize,
}

impl Line {
    /// How many outputs a convolution has.
    fn outputs(self) -> Result<usize, OpError> {
        let Self { len, stride, reach, before, after } = self;
        let padded = len.min(MOST) + before + after;
        if padded <= reach {
            reject!(
                "the kernel covers {} places, but the input has {len}, {padded} with its padding",
                reach + 1
            );
        }
        Ok((padded - reach - 1) / stride + 1)
    }

    /// How long the output of a transposed convolution is.
    fn transposed(self, extra: usize, dilation: usize) -> Result<usize, OpError> {
        let Self { len, stride, reach, before, after } = self;
        if extra > 0 && extra >= stride.max(dilation) {
            reject!(
                "an output padding of {extra} is not below the stride {stride} or the dilation \
                 {dilation}"
            );
        }
        let Some(distance) = len.saturating_sub(1).checked_mul(stride).filter(|&d| d < MOST) else {
            reject!("{len} places with a stride of {stride} reach too far");
        };
        let whole = distance + reach + 1 + extra;
        if len == 0 || whole <= before + after {
            reject!(
                "nothing is left of the output: {len} places reach {whole}, of which the padding \
                 cuts off {}",
                before + after
            );
        }
        Ok(whole - before - after)
    }
}

/// Methods for one number of spatial axes: a convolution and its transposed one.
macro_rules! methods {
    ($($(#[$doc:meta])* $name:ident($axes:literal, $settings:ident, $options:ident, $direction:ident);)*) => {
        impl Tensor {$(
            $(#[$doc])*
            #[track_caller]
            pub fn $name(&self, weight: &Self, bias: Option<&Self>, options: $options) -> Self {
                let settings = Settings::$settings(options);
                let op = Conv { axes: $axes, direction: ConvDirection::$direction, settings };
                match bias {
                    Some(bias) => Self::apply(op, &[self, weight, bias]),
                    None => Self::apply(op, &[self, weight]),
                }
            }
        )*}
    };
}

methods! {
    /// The convolution along one axis:
    /// `y[b, o, t] = Σ x[b, c, t · stride + k · dilation - padding] · w[o, c, k] + bias[o]`.
    ///
    /// # Shapes
    /// `x: [B, C, T]`, `weight: [O, C / groups, K]`, `bias: [O]` -> `[B, O, T']`, where T' is
    /// (T + paddings - dilation · (K - 1) - 1) / stride + 1.
    ///
    /// # Panics
    /// If the shapes do not fit together or the kernel is larger than the padded input.
    ///
    /// # Source
    /// PyTorch: `torch.nn.functional.conv1d`.
    conv1d(1, Plain, ConvOptions, Forward);

    /// The convolution of images:
    /// `y[b, o, i, j] = Σ x[b, c, i' + k, j' + l] · w[o, c, k, l] + bias[o]`, where
    /// i' = i · stride - padding, and so with j'.
    ///
    /// # Shapes
    /// `x: [B, C, H, W]`, `weight: [O, C / groups, K, K]`, `bias: [O]` -> `[B, O, H', W']`, where H'
    /// is (H + paddings - dilation · (K - 1) - 1) / stride + 1, and so with W'.
    ///
    /// # Panics
    /// If the shapes do not fit together or the kernel is larger than the padded input.
    ///
    /// # Source
    /// PyTorch: `torch.nn.functional.conv2d`.
    ///
    /// ```
    /// use gradus_tensor::Tensor;
    ///
    /// let image = Tensor::from_vec((0..9).map(|x| x as f32).collect(), [1, 1, 3, 3]);
    /// let kernel = Tensor::ones([1, 1, 2, 2]);
    /// let sums = image.conv2d(&kernel, None, Default::default());
    /// assert_eq!(sums.to_vec::<f32>(), [8.0, 12.0, 20.0, 24.0]);
    /// ```
    conv2d(2, Plain, ConvOptions, Forward);

    /// The convolution of volumes or films, as [`Tensor::conv2d`] with one more axis.
    ///
    /// # Shapes
    /// `x: [B, C, D, H, W]`, `weight: [O, C / groups, K, K, K]`, `bias: [O]` ->
    /// `[B, O, D', H', W']`.
    ///
    /// # Panics
    /// If the shapes do not fit together or the kernel is larger than the padded input.
    ///
    /// # Source
    /// PyTorch: `torch.nn.functional.conv3d`.
    conv3d(3, Plain, ConvOptions, Forward);

    /// The transposed convolution along one axis, which is the gradient of [`Tensor::conv1d`] by its
    /// input.
    ///
    /// # Shapes
    /// `x: [B, C, T]`, `weight: [C, O / groups, K]`, `bias: [O]` -> `[B, O, T']`, where T' is
    /// (T - 1) · stride - 2 · padding + dilation · (K - 1) + output padding + 1.
    ///
    /// # Panics
    /// If the shapes do not fit together, or the padding leaves nothing of the output.
    ///
    /// # Source
    /// PyTorch: `torch.nn.functional.conv_transpose1d`.
    conv_transpose1d(1, Transposed, ConvTransposeOptions, InputGradient);

    /// The transposed convolution of images, which is the gradient of [`Tensor::conv2d`] by its
    /// input: each number of x adds a copy of the kernel to the output, copies lying a stride apart.
    ///
    /// # Shapes
    /// `x: [B, C, H, W]`, `weight: [C, O / groups, K, K]`, `bias: [O]` -> `[B, O, H', W']`, where H'
    /// is (H - 1) · stride - 2 · padding + dilation · (K - 1) + output padding + 1, and so with W'.
    ///
    /// # Panics
    /// If the shapes do not fit together, or the padding leaves nothing of the output.
    ///
    /// # Source
    /// PyTorch: `torch.nn.functional.conv_transpose2d`.
    ///
    /// ```
    /// use gradus_tensor::Tensor;
    /// use gradus_tensor::ops::ConvTransposeOptions;
    ///
    /// let x = Tensor::from_vec(vec![1.0f32, 2.0], [1, 1, 1, 2]);
    /// let kernel = Tensor::ones([1, 1, 1, 3]);
    /// let options = ConvTransposeOptions { stride: 2.into(), ..Default::default() };
    /// let y = x.conv_transpose2d(&kernel, None, options);
    /// assert_eq!(y.to_vec::<f32>(), [1.0, 1.0, 3.0, 2.0, 2.0]);
    /// ```
    conv_transpose2d(2, Transposed, ConvTransposeOptions, InputGradient);

    /// The transposed convolution of volumes or films, which is the gradient of [`Tensor::conv3d`]
    /// by its input.
    ///
    /// # Shapes
    /// `x: [B, C, D, H, W]`, `weight: [C, O / groups, K, K, K]`, `bias: [O]` ->
    /// `[B, O, D', H', W']`.
    ///
    /// # Panics
    /// If the shapes do not fit together, or the padding leaves nothing of the output.
    ///
    /// # Source
    /// PyTorch: `torch.nn.functional.conv_transpose3d`.
    conv_transpose3d(3, Transposed, ConvTransposeOptions, InputGradient);
}

/// A sample of a convolution, transposed or not.
macro_rules! sample {
    ($method:ident, $options:expr, $($shape:expr),*) => {{
        let options = $options;
        Sample::floats(&[$(&$shape),*], -1.0..1.0, move |x| {
            x[0].$method(&x[1], x.get(2), options)
        })
    }};
}

/// A sample of the gradient by the weight of a convolution from 4 channels to 2 in 2 groups.
fn weight_sample(batch: usize, axes: usize) -> Sample {
    let mut geometry = ConvGeometry {
        batch,
        groups: 2,
        in_channels: 4,
        out_channels: 2,
        input: [1; 3],
        kernel: [1; 3],
        output: [1; 3],
        stride: [1; 3],
        dilation: [1; 3],
        before: [0; 3],
    };
    for at in 3 - axes..3 {
        geometry.input[at] = 4;
        geometry.kernel[at] = 3;
        geometry.output[at] = 2;
        geometry.stride[at] = 2;
        geometry.before[at] = 1;
    }
    let shape = |lens: [usize; 5]| [&lens[..2], &lens[5 - axes..]].concat();
    let shapes = [shape(geometry.input_shape()), shape(geometry.output_shape())];
    Sample::floats(&[&shapes[0], &shapes[1]], -1.0..1.0, move |x| {
        let settings = Settings::Known(geometry);
        let op = Conv { axes, direction: ConvDirection::WeightGradient, settings };
        Tensor::apply(op, &[&x[0], &x[1]])
    })
}

fn plain() -> ConvOptions {
    ConvOptions::default()
}

fn transposed() -> ConvTransposeOptions {
    ConvTransposeOptions::default()
}

pub(super) const CASES: &[Case] = &[
    Case {
        name: "conv1d",
        formula: "Σ x[t · stride + k · dilation - padding] w[k] + b",
        torch: "torch.nn.functional.conv1d",
        gradient: Gradient::Twice,
        samples: || {
            let spread =
                ConvOptions { stride: 2.into(), padding: 2.into(), dilation: 3.into(), groups: 2 };
            vec![
                sample!(conv1d, plain(), [2, 3, 7], [4, 3, 3], [4]),
                sample!(conv1d, spread, [2, 4, 9], [6, 2, 3], [6])
                    .label("stride, dilation, groups"),
                sample!(conv1d, plain(), [0, 3, 7], [4, 3, 3], [4]).label("empty"),
            ]
        },
    },
    Case {
        name: "conv2d",
        formula: "Σ x[i · stride + k · dilation - padding] w[k] + b",
        torch: "torch.nn.functional.conv2d",
        gradient: Gradient::Twice,
        samples: || {
            let padded = ConvOptions { padding: 1.into(), ..plain() };
            let same = ConvOptions { padding: Padding::Same, ..plain() };
            let depthwise = ConvOptions { padding: [1, 0].into(), groups: 3, ..plain() };
            let spread = ConvOptions {
                stride: [2, 1].into(),
                padding: Padding::Sides { before: [1, 0].into(), after: [0, 2].into() },
                dilation: [1, 2].into(),
                groups: 2,
            };
            vec![
                sample!(conv2d, padded, [2, 2, 4, 5], [3, 2, 3, 3], [3]),
                sample!(conv2d, padded, [2, 2, 3, 3], [2, 2, 3, 3]).label("no bias"),
                sample!(conv2d, same, [1, 1, 3, 4], [2, 1, 2, 4], [2]).label("same"),
                sample!(conv2d, plain(), [2, 3, 2, 3], [4, 3, 1, 1], [4]).label("1x1"),
                sample!(conv2d, depthwise, [2, 3, 3, 4], [3, 1, 3, 2], [3]).label("depthwise"),
                sample!(conv2d, spread, [1, 4, 5, 4], [4, 2, 2, 2], [4])
                    .label("stride, dilation, groups"),
                sample!(conv2d, padded, [0, 2, 4, 5], [3, 2, 3, 3], [3]).label("empty"),
                sample!(conv2d, padded, [2, 0, 3, 3], [3, 0, 3, 3], [3]).label("no channels"),
            ]
        },
    },
    Case {
        name: "conv3d",
        formula: "Σ x[i · stride + k · dilation - padding] w[k] + b",
        torch: "torch.nn.functional.conv3d",
        gradient: Gradient::Twice,
        samples: || {
            let spread = ConvOptions { stride: [1, 2, 1].into(), padding: 1.into(), ..plain() };
            vec![
                sample!(conv3d, plain(), [2, 2, 3, 2, 3], [2, 2, 2, 2, 2], [2]),
                sample!(conv3d, spread, [1, 1, 2, 3, 2], [2, 1, 3, 2, 1], [2]).label("stride"),
                sample!(conv3d, plain(), [0, 2, 3, 2, 3], [2, 2, 2, 2, 2], [2]).label("empty"),
            ]
        },
    },
    Case {
        name: "conv_transpose1d",
        formula: "Σ x[t] w[k] at t · stride + k · dilation - padding, + b",
        torch: "torch.nn.functional.conv_transpose1d",
        gradient: Gradient::Twice,
        samples: || {
            let spread = ConvTransposeOptions {
                stride: 2.into(),
                padding: 1.into(),
                output_padding: 2.into(),
                dilation: 3.into(),
                groups: 2,
            };
            vec![
                sample!(conv_transpose1d, transposed(), [2, 3, 4], [3, 2, 3], [2]),
                sample!(conv_transpose1d, spread, [2, 4, 3], [4, 2, 2], [4])
                    .label("stride, dilation, groups"),
                sample!(conv_transpose1d, transposed(), [0, 3, 4], [3, 2, 3], [2]).label("empty"),
            ]
        },
    },
    Case {
        name: "conv_transpose2d",
        formula: "Σ x[i] w[k] at i · stride + k · dilation - padding, + b",
        torch: "torch.nn.functional.conv_transpose2d",
        gradient: Gradient::Twice,
        samples: || {
            let spread = ConvTransposeOptions {
                stride: [2, 3].into(),
                padding: [1, 0].into(),
                output_padding: [0, 1].into(),
                groups: 2,
                ..transposed()
            };
            vec![
                sample!(conv_transpose2d, transposed(), [2, 2, 3, 2], [2, 3, 2, 3], [3]),
                sample!(conv_transpose2d, transposed(), [1, 2, 2, 2], [2, 2, 2, 2])
                    .label("no bias"),
                sample!(conv_transpose2d, spread, [1, 2, 3, 2], [2, 2, 3, 2], [4])
                    .label("stride, groups"),
                sample!(conv_transpose2d, transposed(), [0, 2, 3, 2], [2, 3, 2, 3], [3])
                    .label("empty"),
            ]
        },
    },
    Case {
        name: "conv_transpose3d",
        formula: "Σ x[i] w[k] at i · stride + k · dilation - padding, + b",
        torch: "torch.nn.functional.conv_transpose3d",
        gradient: Gradient::Twice,
        samples: || {
            let spread = ConvTransposeOptions { stride: [1, 2, 1].into(), ..transposed() };
            vec![
                sample!(conv_transpose3d, spread, [2, 2, 2, 2, 1], [2, 2, 2, 3, 2], [2]),
                sample!(conv_transpose3d, spread, [0, 2, 2, 2, 1], [2, 2, 2, 3, 2], [2])
                    .label("empty"),
            ]
        },
    },
    Case {
        name: "conv1d_weight",
        formula: "Σ x[t · stride + k · dilation - padding] dy[t]",
        torch: "torch.nn.grad.conv1d_weight",
        gradient: Gradient::Twice,
        samples: || vec![weight_sample(2, 1), weight_sample(0, 1).label("empty")],
    },
    Case {
        name: "conv2d_weight",
        formula: "Σ x[i · stride + k · dilation - padding] dy[i]",
        torch: "torch.nn.grad.conv2d_weight",
        gradient: Gradient::Twice,
        samples: || vec![weight_sample(2, 2), weight_sample(0, 2).label("empty")],
    },
    Case {
        name: "conv3d_weight",
        formula: "Σ x[i · stride + k · dilation - padding] dy[i]",
        torch: "torch.nn.grad.conv3d_weight",
        gradient: Gradient::Twice,
        samples: || vec![weight_sample(1, 3), weight_sample(0, 3).label("empty")],
    },
];
