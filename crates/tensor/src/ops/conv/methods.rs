//! The methods of [`Tensor`] for convolutions, and samples of them.

use super::{Conv, ConvOptions, ConvTransposeOptions, Padding, Settings};
use crate::Tensor;
use crate::kernel::{ConvDirection, ConvGeometry};
use crate::ops::case::{Case, Gradient, Sample};

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

pub(in crate::ops) const CASES: &[Case] = &[
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
