//! Convolutions of each channel for itself, and what makes whole convolutions of them.

use crate::{Conv1d, Conv2d, ConvOptions, Layer, Module, Sizes};
use gradus_tensor::{Rng, Tensor};

/// For each number of spatial axes: the convolution, its separable twin, and shapes.
macro_rules! separable {
    ($($conv:ident, $name:ident, $shapes:literal;)*) => {$(
        impl $conv {
            /// A convolution of each channel for itself: as many groups as channels.
            ///
            /// # Panics
            /// If the options ask for groups themselves, or the kernel has a wrong number of sizes.
            #[track_caller]
            pub fn depthwise(
                channels: usize,
                kernel: impl Into<Sizes>,
                options: ConvOptions,
                rng: &mut Rng,
            ) -> Self {
                let ConvOptions { groups, .. } = options;
                assert!(
                    groups == 1 || groups == channels,
                    "a depthwise convolution has a group for each of its {channels} channels, not {groups}"
                );
                let options = ConvOptions { groups: channels, ..options };
                Self::new(channels, channels, kernel, options, rng)
            }
        }

        /// A convolution in two steps: of each channel for itself, then of all channels at each
        /// place. It has far fewer numbers than the whole convolution.
        ///
        /// # Shapes
        #[doc = concat!("`", $shapes, "`.")]
        ///
        /// # Source
        /// Howard et al. 2017, "MobileNets", section 3.1; Chollet 2017, "Xception". PyTorch has no
        /// such layer; it is two of its convolutions, the first with `groups` as many as channels.
        #[derive(Debug, Module)]
        pub struct $name {
            /// Of each channel for itself.
            pub depthwise: $conv,
            /// Of all channels at each place.
            pub pointwise: $conv,
        }

        impl $name {
            /// A layer from `inputs` to `outputs` channels; kernel and options are those of the
            /// first step.
            #[track_caller]
            pub fn new(
                inputs: usize,
                outputs: usize,
                kernel: impl Into<Sizes>,
                options: ConvOptions,
                rng: &mut Rng,
            ) -> Self {
                let depthwise = $conv::depthwise(inputs, kernel, options, rng);
                let pointwise = $conv::new(inputs, outputs, 1, ConvOptions::default(), rng);
                Self { depthwise, pointwise }
            }
        }

        impl Layer for $name {
            fn forward(&self, x: &Tensor) -> Tensor {
                self.pointwise.forward(&self.depthwise.forward(x))
            }
        }
    )*};
}

separable! {
    Conv1d, DepthwiseSeparableConv1d, "x: [B, C, T] -> [B, O, T']";
    Conv2d, DepthwiseSeparableConv2d, "x: [B, C, H, W] -> [B, O, H', W']";
}
