//! Convolutions.

use super::weighted::Weighted;
use crate::fold::{ChannelLine, take_up};
use crate::param::Product;
use crate::{Init, Layer, Module, Param};
use gradus_tensor::ops::{ConvOptions, ConvTransposeOptions, Sizes};
use gradus_tensor::{Rng, Tensor};

/// The parameters of a convolution: a weight with two axes of channels and those of the kernel, and
/// a bias, with PyTorch's first values.
struct First {
    weight: Param,
    bias: Param,
}

impl First {
    /// Draws them. The channels that `groups` divides are the second axis of the weight.
    #[track_caller]
    fn draw(channels: Channels, kernel: Sizes, axes: usize, rng: &mut Rng) -> Self {
        let Channels { first, second, outputs, groups, .. } = channels;
        assert!(
            groups > 0 && first.is_multiple_of(groups) && second.is_multiple_of(groups),
            "{first} and {second} channels do not divide into {groups} groups"
        );
        let kernel = match kernel.resolve("kernel", axes) {
            Ok(kernel) => kernel,
            Err(error) => panic!("{error}"),
        };
        let mut shape = vec![first, second / groups];
        shape.extend(&kernel[..]);
        let weight = Init::PYTORCH_WEIGHT.draw(shape, rng);
        let fan_in: usize = weight.shape()[1..].iter().product();
        let bound = 1.0 / (fan_in.max(1) as f64).sqrt();
        let bias = Init::Uniform { low: -bound, high: bound }.draw(outputs, rng);
        Self { weight: Param::new(weight), bias: Param::new(bias) }
    }
}

/// The channels of a weight.
struct Channels {
    /// Along its first axis.
    first: usize,
    /// Along its second axis, in all groups.
    second: usize,
    /// Of the output.
    outputs: usize,
    groups: usize,
    /// The weight's axis of outputs.
    output_axis: usize,
}

impl Channels {
    /// Those of the weight of a convolution.
    fn plain(inputs: usize, outputs: usize, groups: usize) -> Self {
        Self { first: outputs, second: inputs, outputs, groups, output_axis: 0 }
    }

    /// Those of the weight of a transposed convolution.
    fn transposed(inputs: usize, outputs: usize, groups: usize) -> Self {
        Self { first: inputs, second: outputs, outputs, groups, output_axis: 1 }
    }
}

/// What a convolution does as a layer.
macro_rules! layer {
    (plain) => {
        fn forward(&self, x: &Tensor) -> Tensor {
            let bias = self.bias.as_ref().map(Param::tensor);
            self.weight.product(x, Product::Conv(self.options), (bias.as_ref(), false))
        }

        fn forward_relu(&self, x: &Tensor) -> Tensor {
            let bias = self.bias.as_ref().map(Param::tensor);
            self.weight.product(x, Product::Conv(self.options), (bias.as_ref(), true))
        }

        fn take_up(&mut self, line: &ChannelLine) -> bool {
            take_up(line, (&mut self.weight, 0), &mut self.bias)
        }
    };
    (transposed) => {
        fn forward(&self, x: &Tensor) -> Tensor {
            self.forward_with(x, &self.weight.tensor())
        }

        fn take_up(&mut self, line: &ChannelLine) -> bool {
            // In groups, outputs lie along both axes of channels.
            self.options.groups == 1 && take_up(line, (&mut self.weight, 1), &mut self.bias)
        }
    };
}

/// Layers for each number of spatial axes: name, number of axes, method of the tensor, its settings,
/// and which channels its weight has.
macro_rules! convolutions {
    ($($(#[$doc:meta])* $name:ident($axes:literal, $method:ident, $options:ident, $channels:ident);)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Module)]
        pub struct $name {
            /// The kernels.
            pub weight: Param,
            /// One number for each output channel.
            pub bias: Option<Param>,
            /// Stride, padding and the other settings.
            #[module(skip)]
            pub options: $options,
        }

        impl $name {
            /// A layer from `inputs` to `outputs` channels, with a kernel of one size along all axes
            /// or one for each.
            ///
            /// # Panics
            /// If the channels do not divide into the groups, or the kernel has a wrong number of
            /// sizes.
            #[track_caller]
            pub fn new(
                inputs: usize,
                outputs: usize,
                kernel: impl Into<Sizes>,
                options: $options,
                rng: &mut Rng,
            ) -> Self {
                let channels = Channels::$channels(inputs, outputs, options.groups);
                let First { weight, bias } = First::draw(channels, kernel.into(), $axes, rng);
                Self { weight, bias: Some(bias), options }
            }

            /// The layer without its bias.
            pub fn without_bias(self) -> Self {
                Self { bias: None, ..self }
            }
        }

        impl Layer for $name {
            layer!($channels);
        }

        impl Weighted for $name {
            fn weight(&self) -> &Param {
                &self.weight
            }

            fn forward_with(&self, x: &Tensor, weight: &Tensor) -> Tensor {
                let bias = self.bias.as_ref().map(Param::tensor);
                x.$method(weight, bias.as_ref(), self.options)
            }

            fn output_axis(&self) -> usize {
                Channels::$channels(1, 1, 1).output_axis
            }
        }
    )*};
}

convolutions! {
    /// A convolution along one axis, of sounds and other series: every output is a weighted sum of
    /// neighbours, with the same weights everywhere.
    ///
    /// # Shapes
    /// `x: [B, C, T] -> [B, O, T']`, with `weight: [O, C / groups, K]` and `bias: [O]`; see
    /// [`Tensor::conv1d`].
    ///
    /// # Source
    /// PyTorch: `torch.nn.Conv1d`, whose first values it has: all uniform in ±1 / √fan-in, where
    /// fan-in is C / groups · K.
    Conv1d(1, conv1d, ConvOptions, plain);

    /// A convolution of images: every output is a weighted sum of a patch, with the same weights
    /// everywhere.
    ///
    /// # Shapes
    /// `x: [B, C, H, W] -> [B, O, H', W']`, with `weight: [O, C / groups, K, K]` and `bias: [O]`;
    /// see [`Tensor::conv2d`].
    ///
    /// # Source
    /// PyTorch: `torch.nn.Conv2d`, whose first values it has: all uniform in ±1 / √fan-in, where
    /// fan-in is C / groups · K · K.
    ///
    /// ```
    /// use gradus_nn::{Conv2d, ConvOptions, Layer};
    /// use gradus_tensor::{Rng, Tensor};
    ///
    /// let mut rng = Rng::new(1);
    /// let same = ConvOptions { padding: 1.into(), ..Default::default() };
    /// let layer = Conv2d::new(1, 32, 3, same, &mut rng);
    /// assert_eq!(layer.forward(&Tensor::ones([4, 1, 28, 28])).shape(), [4, 32, 28, 28]);
    /// ```
    Conv2d(2, conv2d, ConvOptions, plain);

    /// A convolution of volumes or films; see [`Conv2d`].
    ///
    /// # Shapes
    /// `x: [B, C, D, H, W] -> [B, O, D', H', W']`, with `weight: [O, C / groups, K, K, K]` and
    /// `bias: [O]`; see [`Tensor::conv3d`].
    ///
    /// # Source
    /// PyTorch: `torch.nn.Conv3d`, whose first values it has.
    Conv3d(3, conv3d, ConvOptions, plain);

    /// A transposed convolution along one axis; see [`ConvTranspose2d`].
    ///
    /// # Shapes
    /// `x: [B, C, T] -> [B, O, T']`, with `weight: [C, O / groups, K]` and `bias: [O]`; see
    /// [`Tensor::conv_transpose1d`].
    ///
    /// # Source
    /// PyTorch: `torch.nn.ConvTranspose1d`, whose first values it has.
    ConvTranspose1d(1, conv_transpose1d, ConvTransposeOptions, transposed);

    /// A transposed convolution of images, which with a stride makes them larger: every number of
    /// the input adds a weighted copy of the kernel to the output.
    ///
    /// # Shapes
    /// `x: [B, C, H, W] -> [B, O, H', W']`, with `weight: [C, O / groups, K, K]` and `bias: [O]`;
    /// see [`Tensor::conv_transpose2d`].
    ///
    /// # Source
    /// PyTorch: `torch.nn.ConvTranspose2d`, whose first values it has: all uniform in
    /// ±1 / √(O / groups · K · K).
    ///
    /// ```
    /// use gradus_nn::{ConvTranspose2d, ConvTransposeOptions, Layer};
    /// use gradus_tensor::{Rng, Tensor};
    ///
    /// let mut rng = Rng::new(1);
    /// let twice = ConvTransposeOptions { stride: 2.into(), ..Default::default() };
    /// let layer = ConvTranspose2d::new(8, 4, 2, twice, &mut rng);
    /// assert_eq!(layer.forward(&Tensor::ones([1, 8, 7, 7])).shape(), [1, 4, 14, 14]);
    /// ```
    ConvTranspose2d(2, conv_transpose2d, ConvTransposeOptions, transposed);

    /// A transposed convolution of volumes or films; see [`ConvTranspose2d`].
    ///
    /// # Shapes
    /// `x: [B, C, D, H, W] -> [B, O, D', H', W']`, with `weight: [C, O / groups, K, K, K]` and
    /// `bias: [O]`; see [`Tensor::conv_transpose3d`].
    ///
    /// # Source
    /// PyTorch: `torch.nn.ConvTranspose3d`, whose first values it has.
    ConvTranspose3d(3, conv_transpose3d, ConvTransposeOptions, transposed);
}
