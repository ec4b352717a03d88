//! Frames as layers.

use crate::{Layer, Module};
use gradus_tensor::ops::PadMode;
use gradus_tensor::{OpError, Tensor};

/// How many elements come before and after those of each axis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PadWidths(Vec<(usize, usize)>);

impl PadWidths {
    /// A pair for each of `axes` axes, a single pair being repeated.
    #[track_caller]
    fn resolve(&self, layer: &'static str, axes: usize) -> Vec<(usize, usize)> {
        match &self.0[..] {
            &[pair] => vec![pair; axes],
            pairs if pairs.len() == axes => pairs.to_vec(),
            pairs => {
                let message = format_args!("{} pairs of widths for {axes} axes", pairs.len());
                panic!("{}", OpError::of(layer, message));
            }
        }
    }
}

/// As many on both sides of all axes.
impl From<usize> for PadWidths {
    fn from(width: usize) -> Self {
        Self(vec![(width, width)])
    }
}

/// A pair for each axis, in the order of the axes.
impl<const N: usize> From<[(usize, usize); N]> for PadWidths {
    fn from(pairs: [(usize, usize); N]) -> Self {
        Self(pairs.to_vec())
    }
}

/// For each frame of one kind: its name as a layer and in PyTorch, the number of axes, and what
/// stands in it.
macro_rules! paddings {
    ($($name:ident, $axes:literal, $mode:expr;)*) => {$(
        #[doc = concat!("[`Tensor::pad`] of the last ", $axes, " of the axes as a layer. PyTorch: ")]
        #[doc = concat!("`torch.nn.", stringify!($name), "`, whose numbers come in the opposite order of axes.")]
        #[derive(Clone, Debug, Module)]
        pub struct $name {
            #[module(skip)]
            widths: Vec<(usize, usize)>,
        }

        impl $name {
            /// A frame as wide on all sides, or with a pair (before, after) for each axis, in the
            /// order of the axes.
            ///
            /// # Panics
            /// If there are several pairs, but not as many as axes.
            #[track_caller]
            pub fn new(widths: impl Into<PadWidths>) -> Self {
                Self { widths: widths.into().resolve(stringify!($name), $axes) }
            }
        }

        impl Layer for $name {
            fn forward(&self, x: &Tensor) -> Tensor {
                x.pad(&self.widths, $mode)
            }
        }
    )*};
}

paddings! {
    ZeroPad1d, 1, PadMode::Constant(0.0);
    ZeroPad2d, 2, PadMode::Constant(0.0);
    ZeroPad3d, 3, PadMode::Constant(0.0);
    ReflectionPad1d, 1, PadMode::Reflect;
    ReflectionPad2d, 2, PadMode::Reflect;
    ReflectionPad3d, 3, PadMode::Reflect;
    ReplicationPad1d, 1, PadMode::Replicate;
    ReplicationPad2d, 2, PadMode::Replicate;
    ReplicationPad3d, 3, PadMode::Replicate;
    CircularPad1d, 1, PadMode::Circular;
    CircularPad2d, 2, PadMode::Circular;
    CircularPad3d, 3, PadMode::Circular;
}

/// For each frame of a number that is given: its name as a layer and in PyTorch, and the number of
/// axes.
macro_rules! constant_paddings {
    ($($name:ident, $axes:literal;)*) => {$(
        #[doc = concat!("[`Tensor::pad`] of the last ", $axes, " of the axes by a number as a layer. PyTorch: ")]
        #[doc = concat!("`torch.nn.", stringify!($name), "`, whose numbers come in the opposite order of axes.")]
        #[derive(Clone, Debug, Module)]
        pub struct $name {
            /// What stands in the frame.
            pub value: f64,
            #[module(skip)]
            widths: Vec<(usize, usize)>,
        }

        impl $name {
            /// A frame of a number, as wide on all sides or with a pair (before, after) for each
            /// axis, in the order of the axes.
            ///
            /// # Panics
            /// If there are several pairs, but not as many as axes.
            #[track_caller]
            pub fn new(widths: impl Into<PadWidths>, value: f64) -> Self {
                Self { value, widths: widths.into().resolve(stringify!($name), $axes) }
            }
        }

        impl Layer for $name {
            fn forward(&self, x: &Tensor) -> Tensor {
                x.pad(&self.widths, PadMode::Constant(self.value))
            }
        }
    )*};
}

constant_paddings! {
    ConstantPad1d, 1;
    ConstantPad2d, 2;
    ConstantPad3d, 3;
}
