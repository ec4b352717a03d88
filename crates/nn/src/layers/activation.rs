//! Activations without parameters as layers: three tables, and the list that they make.

use crate::{Layer, Module};
use gradus_tensor::Tensor;
use std::any::TypeId;

/// One activation of the list that [`activations`] gives.
#[derive(Clone, Copy, Debug)]
pub struct Activation {
    /// Its name as a layer.
    pub name: &'static str,
    /// What PyTorch calls it, or the paper that it is from where PyTorch has no such layer.
    pub source: &'static str,
    /// Makes the layer, with the settings it has if nothing is said.
    pub make: fn() -> Box<dyn Layer>,
}

/// Every activation without parameters: from this list tests and tables derive.
///
/// ```
/// let gelu = gradus_nn::activations().find(|activation| activation.name == "Gelu").unwrap();
/// assert_eq!(gelu.source, "nn.GELU");
/// assert_eq!((gelu.make)().forward(&gradus_tensor::Tensor::zeros(3)).shape(), [3]);
/// ```
pub fn activations() -> impl Iterator<Item = &'static Activation> {
    [PLAIN, WITH_SETTINGS, ALONG_AXIS].into_iter().flatten()
}

/// What the layer of a tensor's method says about itself.
macro_rules! layer_doc {
    ($method:ident, torch $name:literal) => {
        concat!(
            "[`Tensor::",
            stringify!($method),
            "`] as a layer. PyTorch: `torch.nn.",
            $name,
            "`."
        )
    };
    ($method:ident, paper $name:literal) => {
        concat!(
            "[`Tensor::",
            stringify!($method),
            "`] as a layer. Source: ",
            $name,
            "; PyTorch has no such layer."
        )
    };
}

/// Where a layer is from.
macro_rules! source {
    (torch $name:literal) => {
        concat!("nn.", $name)
    };
    (paper $name:literal) => {
        concat!("paper: ", $name)
    };
}

/// For each activation: its name as a layer, the tensor's method, and where it is from.
macro_rules! activations {
    ($($name:ident, $method:ident, $kind:ident $source:literal;)*) => {
        $(
            #[doc = layer_doc!($method, $kind $source)]
            #[derive(Clone, Copy, Debug, Default, Module)]
            pub struct $name;

            impl Layer for $name {
                fn forward(&self, x: &Tensor) -> Tensor {
                    x.$method()
                }

                fn is_relu(&self) -> bool {
                    TypeId::of::<Self>() == TypeId::of::<Relu>()
                }
            }
        )*

        const PLAIN: &[Activation] = &[$(
            Activation { name: stringify!($name), source: source!($kind $source), make: || Box::new($name) },
        )*];
    };
}

activations! {
    Gelu, gelu, torch "GELU";
    GeluTanh, gelu_tanh, torch "GELU(approximate='tanh')";
    HardSigmoid, hard_sigmoid, torch "Hardsigmoid";
    HardSwish, hard_swish, torch "Hardswish";
    LogSigmoid, log_sigmoid, torch "LogSigmoid";
    Mish, mish, torch "Mish";
    Relu, relu, torch "ReLU";
    Relu6, relu6, torch "ReLU6";
    Selu, selu, torch "SELU";
    Sigmoid, sigmoid, torch "Sigmoid";
    SignStraightThrough, sign_straight_through, paper "Hubara et al. 2016, eq. 4";
    Silu, silu, torch "SiLU";
    Softsign, softsign, torch "Softsign";
    Tanh, tanh, torch "Tanh";
    Tanhshrink, tanhshrink, torch "Tanhshrink";
}

/// For each activation with settings: its name as a layer, the settings, what they are if nothing is
/// said, the tensor's method, and where it is from.
macro_rules! activations_with_settings {
    ($($name:ident { $($setting:ident = $default:expr),* }, $method:ident, $kind:ident $source:literal;)*) => {
        $(
            #[doc = layer_doc!($method, $kind $source)]
            #[derive(Clone, Copy, Debug, Module)]
            pub struct $name {
                $(
                    #[doc = concat!("A setting of [`Tensor::", stringify!($method), "`].")]
                    pub $setting: f64,
                )*
            }

            /// As in PyTorch, where it has the layer.
            impl Default for $name {
                fn default() -> Self {
                    Self { $($setting: $default),* }
                }
            }

            impl Layer for $name {
                fn forward(&self, x: &Tensor) -> Tensor {
                    x.$method($(self.$setting),*)
                }
            }
        )*

        const WITH_SETTINGS: &[Activation] = &[$(
            Activation {
                name: stringify!($name),
                source: source!($kind $source),
                make: || Box::new($name::default()),
            },
        )*];
    };
}

activations_with_settings! {
    Celu { alpha = 1.0 }, celu, torch "CELU";
    Elu { alpha = 1.0 }, elu, torch "ELU";
    Hardshrink { lambda = 0.5 }, hardshrink, torch "Hardshrink";
    Hardtanh { min = -1.0, max = 1.0 }, hardtanh, torch "Hardtanh";
    LeakyRelu { slope = 0.01 }, leaky_relu, torch "LeakyReLU";
    Softplus { beta = 1.0 }, softplus, torch "Softplus";
    SoftplusUntil { beta = 1.0, threshold = 20.0 }, softplus_until, torch "Softplus";
    Softshrink { lambda = 0.5 }, softshrink, torch "Softshrink";
    Swish { beta = 1.0 }, swish, paper "Ramachandran, Zoph, Le 2017, eq. 1";
    Threshold { threshold = 0.0, value = 0.0 }, threshold, torch "Threshold";
}

/// For each activation along an axis: its name as a layer, the tensor's method, and where it is from.
macro_rules! activations_along_axis {
    ($($name:ident, $method:ident, $kind:ident $source:literal;)*) => {
        $(
            #[doc = layer_doc!($method, $kind $source)]
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
        )*

        const ALONG_AXIS: &[Activation] = &[$(
            Activation {
                name: stringify!($name),
                source: source!($kind $source),
                make: || Box::new($name::default()),
            },
        )*];
    };
}

activations_along_axis! {
    Glu, glu, torch "GLU";
    LogSoftmax, log_softmax, torch "LogSoftmax";
    Softmax, softmax, torch "Softmax";
    Softmin, softmin, torch "Softmin";
}
