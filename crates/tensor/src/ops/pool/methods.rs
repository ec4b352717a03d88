//! The methods of [`Tensor`] for pooling, and samples of them.

use super::average::{AveragePool, AverageUnpool};
use super::max::{Gather, MaxPool, MaxPoolIndices, Scatter};
use super::{PoolOptions, Windows, adaptive_samples, samples};
use crate::ops::case::{Arg, Case, Gradient, Sample};
use crate::ops::sizes::Sizes;
use crate::{DType, Tensor};

/// For each pooling by windows of a size: its method, which PyTorch calls the same, its op, its
/// number of axes, what it computes, whether windows may be dilated, and shapes.
macro_rules! sliding {
    ($($method:ident, $op:ident, $axes:literal, $what:literal, $dilates:literal, $shapes:literal;)*) => {
        impl Tensor {$(
            #[doc = concat!("y = the ", $what, " of each window of `kernel` places.")]
            ///
            /// # Shapes
            #[doc = concat!("`", $shapes, "`: L places of an axis give")]
            /// ⌊(L + 2 · padding - dilation · (kernel - 1) - 1) / stride⌋ + 1 windows.
            ///
            /// # Source
            #[doc = concat!("PyTorch: `torch.nn.functional.", stringify!($method), "`.")]
            #[track_caller]
            pub fn $method(&self, kernel: impl Into<Sizes>, options: PoolOptions) -> Self {
                Self::apply($op(Windows::sliding($axes, kernel.into(), options)), &[self])
            }
        )*}

        pub(in crate::ops) const SLIDING: &[Case] = &[$(Case {
            name: stringify!($method),
            formula: concat!("the ", $what, " of each window"),
            torch: concat!("torch.nn.functional.", stringify!($method)),
            gradient: Gradient::Twice,
            samples: || samples($axes, Tensor::$method, $dilates),
        }),*];
    };
}

sliding! {
    max_pool1d, MaxPool, 1, "largest x", true, "[.., L] -> [.., L']";
    max_pool2d, MaxPool, 2, "largest x", true, "[.., H, W] -> [.., H', W']";
    max_pool3d, MaxPool, 3, "largest x", true, "[.., D, H, W] -> [.., D', H', W']";
    avg_pool1d, AveragePool, 1, "mean", false, "[.., L] -> [.., L']";
    avg_pool2d, AveragePool, 2, "mean", false, "[.., H, W] -> [.., H', W']";
    avg_pool3d, AveragePool, 3, "mean", false, "[.., D, H, W] -> [.., D', H', W']";
}

/// For each pooling to a number of windows: its method, which PyTorch calls the same, its op, its
/// number of axes, what it computes, and shapes.
macro_rules! adaptive {
    ($($method:ident, $op:ident, $axes:literal, $what:literal, $shapes:literal;)*) => {
        impl Tensor {$(
            #[doc = concat!("y = the ", $what, " of each of `size` windows that cover the axes.")]
            ///
            /// Window i of n covers an axis of length L from ⌊i · L / n⌋ up to ⌈(i + 1) · L / n⌉.
            ///
            /// # Shapes
            #[doc = concat!("`", $shapes, "`.")]
            ///
            /// # Source
            #[doc = concat!("PyTorch: `torch.nn.functional.", stringify!($method), "`.")]
            #[track_caller]
            pub fn $method(&self, size: impl Into<Sizes>) -> Self {
                Self::apply($op(Windows::adaptive($axes, size.into())), &[self])
            }
        )*}

        pub(in crate::ops) const ADAPTIVE: &[Case] = &[$(Case {
            name: stringify!($method),
            formula: concat!("the ", $what, " of each of n windows"),
            torch: concat!("torch.nn.functional.", stringify!($method)),
            gradient: Gradient::Twice,
            samples: || adaptive_samples($axes, Tensor::$method),
        }),*];
    };
}

adaptive! {
    adaptive_max_pool1d, MaxPool, 1, "largest x", "[.., L] -> [.., L']";
    adaptive_max_pool2d, MaxPool, 2, "largest x", "[.., H, W] -> [.., H', W']";
    adaptive_max_pool3d, MaxPool, 3, "largest x", "[.., D, H, W] -> [.., D', H', W']";
    adaptive_avg_pool1d, AveragePool, 1, "mean", "[.., L] -> [.., L']";
    adaptive_avg_pool2d, AveragePool, 2, "mean", "[.., H, W] -> [.., H', W']";
    adaptive_avg_pool3d, AveragePool, 3, "mean", "[.., D, H, W] -> [.., D', H', W']";
}

impl Tensor {
    /// [`Tensor::max_pool2d`], and where in its plane of H · W numbers the largest x of each window
    /// lies, as `i64`. PyTorch: `torch.nn.functional.max_pool2d(return_indices=True)`.
    #[track_caller]
    pub fn max_pool2d_with_indices(
        &self,
        kernel: impl Into<Sizes>,
        options: PoolOptions,
    ) -> (Self, Self) {
        let kernel = kernel.into();
        let indices = MaxPoolIndices(Windows::sliding(2, kernel, options));
        let indices = Self::apply(indices, &[self]).to_dtype(DType::I64);
        (self.max_pool2d(kernel, options), indices)
    }
}

/// The windows of the samples of adjoints: three of three places, the ends padded.
fn windows() -> Windows {
    let options = PoolOptions { stride: Some(2.into()), padding: 1.into(), ..Default::default() };
    Windows::sliding(1, 3.into(), options)
}

pub(in crate::ops) const CASES: &[Case] = &[
    Case {
        name: "max_pool_indices",
        formula: "where the largest x of each window lies",
        torch: "torch.nn.functional.max_pool2d(return_indices=True)",
        gradient: Gradient::None,
        samples: || {
            let call = |x: &[Tensor]| x[0].max_pool2d_with_indices(2, PoolOptions::default()).1;
            vec![
                Sample::new(vec![Arg::distinct(&[2, 4, 6], -4.0..4.0)], call),
                Sample::floats(&[&[0, 2, 4, 4]], -1.0..1.0, call).label("empty"),
            ]
        },
    },
    Case {
        name: "max_unpool",
        formula: "zeros, with each x added where its index says",
        torch: "",
        gradient: Gradient::Twice,
        samples: || {
            let sample = |planes: usize| {
                let inputs = vec![
                    Arg::floats(&[planes, 2, 3], -1.0..1.0),
                    Arg::indices(&[planes, 2, 3], 20),
                ];
                Sample::new(inputs, move |x| {
                    let shape = [planes, 4, 5].into();
                    let scatter = Scatter { shape, axes: 2 };
                    Tensor::apply(scatter, &[&x[0], &x[1].to_dtype(DType::I32)])
                })
            };
            vec![sample(3), sample(0).label("empty")]
        },
    },
    Case {
        name: "max_pool_gather",
        formula: "the x that indices name",
        torch: "",
        gradient: Gradient::Twice,
        samples: || {
            let sample = |planes: usize| {
                let inputs = vec![
                    Arg::floats(&[planes, 4, 5], -1.0..1.0),
                    Arg::indices(&[planes, 2, 3], 20),
                ];
                Sample::new(inputs, |x| {
                    let gather = Gather { axes: 2 };
                    Tensor::apply(gather, &[&x[0], &x[1].to_dtype(DType::I32)])
                })
            };
            vec![sample(3), sample(0).label("empty")]
        },
    },
    Case {
        name: "avg_unpool",
        formula: "each x divided among the places of its window",
        torch: "",
        gradient: Gradient::Twice,
        samples: || {
            let sample = |planes: usize| {
                Sample::floats(&[&[planes, 3]], -1.0..1.0, move |x| {
                    let shape = [planes, 5].into();
                    Tensor::apply(AverageUnpool { windows: windows(), shape }, &[&x[0]])
                })
            };
            vec![sample(2), sample(0).label("empty")]
        },
    },
];
