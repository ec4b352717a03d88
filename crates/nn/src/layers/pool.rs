//! Pooling as layers.

use crate::{Layer, Module};
use gradus_tensor::Tensor;
use gradus_tensor::ops::{PoolOptions, Sizes};

/// For each pooling by windows of a size: its name as a layer, the tensor's method, and whether it takes
/// the largest number of each.
macro_rules! pools {
    ($($name:ident, $method:ident, $torch:literal, $largest:literal;)*) => {$(
        #[doc = concat!("[`Tensor::", stringify!($method), "`] as a layer. PyTorch: `torch.nn.", $torch, "`.")]
        #[derive(Clone, Copy, Debug, Module)]
        pub struct $name {
            /// The size of a window.
            #[module(skip)]
            pub kernel: Sizes,
            /// How windows lie.
            #[module(skip)]
            pub options: PoolOptions,
        }

        impl $name {
            /// Windows of a size, side by side and without padding.
            #[track_caller]
            pub fn new(kernel: impl Into<Sizes>) -> Self {
                Self::with_options(kernel, PoolOptions::default())
            }

            /// Windows of a size, with their stride, padding and so on.
            #[track_caller]
            pub fn with_options(kernel: impl Into<Sizes>, options: PoolOptions) -> Self {
                Self { kernel: kernel.into(), options }
            }
        }

        impl Layer for $name {
            fn forward(&self, x: &Tensor) -> Tensor {
                x.$method(self.kernel, self.options)
            }

            fn commutes_with_relu(&self) -> bool {
                // A window in the padding alone gives minus infinity.
                $largest && self.options.padding.iter().all(|&padding| padding == 0)
            }
        }
    )*};
}

pools! {
    MaxPool1d, max_pool1d, "MaxPool1d", true;
    MaxPool2d, max_pool2d, "MaxPool2d", true;
    MaxPool3d, max_pool3d, "MaxPool3d", true;
    AvgPool1d, avg_pool1d, "AvgPool1d", false;
    AvgPool2d, avg_pool2d, "AvgPool2d", false;
    AvgPool3d, avg_pool3d, "AvgPool3d", false;
}

/// For each pooling to a number of windows: its name as a layer, and the tensor's method.
macro_rules! adaptive_pools {
    ($($name:ident, $method:ident, $torch:literal;)*) => {$(
        #[doc = concat!("[`Tensor::", stringify!($method), "`] as a layer. PyTorch: `torch.nn.", $torch, "`.")]
        #[derive(Clone, Copy, Debug, Module)]
        pub struct $name {
            /// How many windows there are along each axis.
            #[module(skip)]
            pub size: Sizes,
        }

        impl $name {
            /// As many windows as given: one number for each axis, or one for all.
            #[track_caller]
            pub fn new(size: impl Into<Sizes>) -> Self {
                Self { size: size.into() }
            }
        }

        impl Layer for $name {
            fn forward(&self, x: &Tensor) -> Tensor {
                x.$method(self.size)
            }
        }
    )*};
}

adaptive_pools! {
    AdaptiveMaxPool1d, adaptive_max_pool1d, "AdaptiveMaxPool1d";
    AdaptiveMaxPool2d, adaptive_max_pool2d, "AdaptiveMaxPool2d";
    AdaptiveMaxPool3d, adaptive_max_pool3d, "AdaptiveMaxPool3d";
    AdaptiveAvgPool1d, adaptive_avg_pool1d, "AdaptiveAvgPool1d";
    AdaptiveAvgPool2d, adaptive_avg_pool2d, "AdaptiveAvgPool2d";
    AdaptiveAvgPool3d, adaptive_avg_pool3d, "AdaptiveAvgPool3d";
}
