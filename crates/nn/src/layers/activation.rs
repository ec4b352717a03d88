//! Activations as layers.

use crate::{Layer, Module};
use gradus_tensor::Tensor;

/// For each activation: its name as a layer, and the tensor's method.
macro_rules! activations {
    ($($name:ident, $method:ident, $torch:literal;)*) => {$(
        #[doc = concat!("[`Tensor::", stringify!($method), "`] as a layer. PyTorch: `torch.nn.", $torch, "`.")]
        #[derive(Clone, Copy, Debug, Default, Module)]
        pub struct $name;

        impl Layer for $name {
            fn forward(&self, x: &Tensor) -> Tensor {
                x.$method()
            }
        }
    )*};
}

activations! {
    Gelu, gelu, "GELU";
    GeluTanh, gelu_tanh, "GELU(approximate='tanh')";
    HardSigmoid, hard_sigmoid, "Hardsigmoid";
    HardSwish, hard_swish, "Hardswish";
    LogSigmoid, log_sigmoid, "LogSigmoid";
    Mish, mish, "Mish";
    Relu, relu, "ReLU";
    Selu, selu, "SELU";
    Sigmoid, sigmoid, "Sigmoid";
    Silu, silu, "SiLU";
    Softsign, softsign, "Softsign";
    Tanh, tanh, "Tanh";
}

/// For each activation with a setting: its name as a layer, the setting, what it is if nothing is
/// said, and the tensor's method.
macro_rules! activations_with_setting {
    ($($name:ident { $setting:ident = $default:literal }, $method:ident, $torch:literal;)*) => {$(
        #[doc = concat!("[`Tensor::", stringify!($method), "`] as a layer. PyTorch: `torch.nn.", $torch, "`.")]
        #[derive(Clone, Copy, Debug, Module)]
        pub struct $name {
            #[doc = concat!("The setting of [`Tensor::", stringify!($method), "`].")]
            pub $setting: f64,
        }

        /// As in PyTorch.
        impl Default for $name {
            fn default() -> Self {
                Self { $setting: $default }
            }
        }

        impl Layer for $name {
            fn forward(&self, x: &Tensor) -> Tensor {
                x.$method(self.$setting)
            }
        }
    )*};
}

activations_with_setting! {
    Celu { alpha = 1.0 }, celu, "CELU";
    Elu { alpha = 1.0 }, elu, "ELU";
    LeakyRelu { slope = 0.01 }, leaky_relu, "LeakyReLU";
    Softplus { beta = 1.0 }, softplus, "Softplus";
}

/// For each activation along an axis: its name as a layer, and the tensor's method.
macro_rules! activations_along_axis {
    ($($name:ident, $method:ident, $torch:literal;)*) => {$(
        #[doc = concat!("[`Tensor::", stringify!($method), "`] as a layer. PyTorch: `torch.nn.", $torch, "`.")]
        #[derive(Clone, Copy, Debug, Module)]
        pub struct $name {
            /// The axis; negative numbers count from the end.
            pub axis: isize,
        }

        /// Along the last axis.
        impl Default for $name {
            fn default() -> Self {
                Self { axis: -1 }
            }
        }

        impl Layer for $name {
            fn forward(&self, x: &Tensor) -> Tensor {
                x.$method(self.axis)
            }
        }
    )*};
}

activations_along_axis! {
    LogSoftmax, log_softmax, "LogSoftmax";
    Softmax, softmax, "Softmax";
}
