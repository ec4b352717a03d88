//! Sounds, images and volumes in another size.

use super::case::{Case, Gradient, Sample};
use super::sizes::Sizes;
use crate::error::reject;
use crate::kernel::{Interpolation, Kernel, Resize};
use crate::op::{Context, Forward, Grads, Op, Spec, launch};
use crate::{OpError, Result, Shape, Tensor};
use smallvec::smallvec;

/// How large the result of a change of size is.
///
/// ```
/// use gradus_tensor::Tensor;
///
/// let x = Tensor::ones([1, 1, 4, 6]);
/// assert_eq!(x.upsample_nearest2d(2.0).shape(), [1, 1, 8, 12]);
/// assert_eq!(x.upsample_nearest2d([5, 7]).shape(), [1, 1, 5, 7]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Extent {
    /// The lengths of its spatial axes.
    Size(Sizes),
    /// By how much its spatial axes are longer; a fraction of an element is cut off.
    Scale(f64),
}

impl<S: Into<Sizes>> From<S> for Extent {
    fn from(sizes: S) -> Self {
        Self::Size(sizes.into())
    }
}

/// The factor by which axes become longer.
impl From<f64> for Extent {
    fn from(scale: f64) -> Self {
        Self::Scale(scale)
    }
}

/// How the elements of the result come from those of x.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Method {
    Nearest,
    Linear { align_corners: bool },
}

/// y = x in another size of the last `axes` axes.
#[derive(Clone, Copy, Debug)]
struct Upsample {
    axes: usize,
    method: Method,
    to: Extent,
}

impl Upsample {
    /// The change of a plane's size.
    fn of(&self, shape: Shape) -> Result<Resize, OpError> {
        if shape.rank() < self.axes {
            reject!("takes at least {} axes, not shape {shape}", self.axes);
        }
        let mut resize =
            Resize { axes: [Interpolation::Nearest; 3], input: [1; 3], output: [1; 3] };
        for (axis, &len) in shape[shape.rank() - self.axes..].iter().enumerate() {
            let place = 3 - self.axes + axis;
            let (count, step) = self.along(axis, len)?;
            resize.input[place] = len;
            resize.output[place] = count;
            resize.axes[place] = match (self.method, self.to) {
                (Method::Nearest, Extent::Size(_)) => Interpolation::Nearest,
                (Method::Nearest, Extent::Scale(_)) => Interpolation::NearestBy { step },
                (Method::Linear { align_corners: true }, _) => Interpolation::LinearAligned,
                (Method::Linear { align_corners: false }, _) => Interpolation::Linear { step },
            };
        }
        Ok(resize)
    }

    /// How many elements of the result lie along an axis, and how far apart they are in x.
    fn along(&self, axis: usize, len: usize) -> Result<(usize, f64), OpError> {
        let (count, step) = match self.to {
            Extent::Size(sizes) => {
                let count = sizes.resolve("size", self.axes)?[axis];
                (count, len as f64 / count.max(1) as f64)
            }
            Extent::Scale(scale) => {
                if !(scale.is_finite() && scale > 0.0) {
                    reject!("a scale is a positive number, not {scale}");
                }
                let count = (len as f64 * scale).floor();
                if count >= u32::MAX as f64 {
                    reject!("an axis of length {len} is too long when scaled by {scale}");
                }
                (count as usize, 1.0 / scale)
            }
        };
        if len == 0 || count == 0 {
            reject!("an axis of length {len} cannot be resized to {count}");
        }
        Ok((count, step))
    }
}

impl Op for Upsample {
    fn name(&self) -> &'static str {
        match (self.method, self.axes) {
            (Method::Nearest, 1) => "upsample_nearest1d",
            (Method::Nearest, 2) => "upsample_nearest2d",
            (Method::Nearest, _) => "upsample_nearest3d",
            (Method::Linear { .. }, 1) => "upsample_linear1d",
            (Method::Linear { .. }, 2) => "upsample_bilinear2d",
            (Method::Linear { .. }, _) => "upsample_trilinear3d",
        }
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        let x = inputs[0];
        if !x.dtype.is_float() {
            return Err(OpError::dtype(x.dtype, "floats"));
        }
        let resize = self.of(x.shape)?;
        let first = x.shape.rank() - self.axes;
        let shape = (0..self.axes).fold(x.shape, |shape, axis| {
            shape.with(first + axis, resize.output[3 - self.axes + axis])
        });
        Ok(x.with_shape(shape))
    }

    fn forward(&self, inputs: &[&Tensor], output: Spec) -> Result<Forward> {
        let kernel = Kernel::Resize(self.of(*inputs[0].shape())?);
        Ok(Forward::new(launch(&kernel, &[&inputs[0].detach().contiguous()], output)?))
    }

    fn backward(&self, context: &Context<'_>, grad: &Tensor) -> Result<Grads> {
        let adjoint = Adjoint { upsample: *self, shape: context.inputs[0].shape };
        Ok(smallvec![Some(Tensor::try_apply(adjoint, &[grad])?)])
    }
}

/// The adjoint of [`Upsample`] of tensors of a shape.
#[derive(Debug)]
struct Adjoint {
    upsample: Upsample,
    shape: Shape,
}

impl Op for Adjoint {
    fn name(&self) -> &'static str {
        "upsample_adjoint"
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        let output = inputs[0].with_shape(self.shape);
        let resized = self.upsample.infer(&[output])?.shape;
        if resized != inputs[0].shape {
            reject!("{} is resized to {resized}, not {}", self.shape, inputs[0].shape);
        }
        Ok(output)
    }

    fn forward(&self, inputs: &[&Tensor], output: Spec) -> Result<Forward> {
        let kernel = Kernel::ResizeAdjoint(self.upsample.of(self.shape)?);
        Ok(Forward::new(launch(&kernel, &[&inputs[0].detach().contiguous()], output)?))
    }

    fn backward(&self, _: &Context<'_>, grad: &Tensor) -> Result<Grads> {
        Ok(smallvec![Some(Tensor::try_apply(self.upsample, &[grad])?)])
    }
}

/// For each number of axes: the method that takes the nearest element, and shapes.
macro_rules! nearest {
    ($($method:ident, $axes:literal, $shapes:literal;)*) => {
        impl Tensor {$(
            /// y = x in another size, each element that of x nearest to it: element i of n along an
            /// axis of length L is element ⌊i · L / n⌋, or ⌊i / scale⌋ if a scale is given.
            ///
            /// # Shapes
            #[doc = concat!("`", $shapes, "`.")]
            ///
            /// # Source
            /// PyTorch: `torch.nn.functional.interpolate(mode='nearest')`.
            #[track_caller]
            pub fn $method(&self, to: impl Into<Extent>) -> Self {
                let upsample = Upsample { axes: $axes, method: Method::Nearest, to: to.into() };
                Self::apply(upsample, &[self])
            }
        )*}
    };
}

nearest! {
    upsample_nearest1d, 1, "[.., L] -> [.., L']";
    upsample_nearest2d, 2, "[.., H, W] -> [.., H', W']";
    upsample_nearest3d, 3, "[.., D, H, W] -> [.., D', H', W']";
}

/// For each number of axes: the method that interpolates linearly, shapes and PyTorch's mode.
macro_rules! linear {
    ($($method:ident, $axes:literal, $shapes:literal, $mode:literal;)*) => {
        impl Tensor {$(
            /// y = x in another size, between the elements of x by linear interpolation.
            ///
            /// Element i of n along an axis of length L lies at (i + ½) · L / n - ½ (at
            /// (i + ½) / scale - ½ if a scale is given), or with aligned corners at
            /// i · (L - 1) / (n - 1).
            ///
            /// # Shapes
            #[doc = concat!("`", $shapes, "`.")]
            ///
            /// # Source
            #[doc = concat!("PyTorch: `torch.nn.functional.interpolate(mode='", $mode, "')`.")]
            #[track_caller]
            pub fn $method(&self, to: impl Into<Extent>, align_corners: bool) -> Self {
                let method = Method::Linear { align_corners };
                Self::apply(Upsample { axes: $axes, method, to: to.into() }, &[self])
            }
        )*}
    };
}

linear! {
    upsample_linear1d, 1, "[.., L] -> [.., L']", "linear";
    upsample_bilinear2d, 2, "[.., H, W] -> [.., H', W']", "bilinear";
    upsample_trilinear3d, 3, "[.., D, H, W] -> [.., D', H', W']", "trilinear";
}

/// Samples of a change of size of some axes.
fn samples(axes: usize, call: fn(&Tensor, Extent) -> Tensor) -> Vec<Sample> {
    let sample =
        |shape: &[usize], to: Extent| Sample::floats(&[shape], -1.0..1.0, move |x| call(&x[0], to));
    let shape: &[usize] = [&[2, 3, 4][..], &[2, 3, 4], &[2, 3, 2, 4]][axes - 1];
    vec![
        sample(shape, 5.into()),
        sample(shape, 2.into()).label("fewer"),
        sample(shape, 1.5.into()).label("by a factor"),
        sample(&[0, 2, 3, 4], 5.into()).label("empty"),
    ]
}

/// A row of the list of ops.
macro_rules! case {
    ($method:ident, $axes:literal, $formula:literal, $mode:literal $(, $align:literal)?) => {
        Case {
            name: stringify!($method),
            formula: $formula,
            torch: concat!("torch.nn.functional.interpolate(mode='", $mode, "')"),
            gradient: Gradient::Twice,
            samples: || {
                let samples = samples($axes, |x, to| x.$method(to $(, $align)?));
                $(
                    let mut samples = samples;
                    let aligned = |x: &[Tensor]| x[0].$method(5, !$align);
                    let shape: &[usize] = [&[3, 2, 4][..], &[3, 1, 4], &[3, 2, 4]][$axes - 1];
                    samples.push(Sample::floats(&[shape], -1.0..1.0, aligned).label("aligned"));
                )?
                samples
            },
        }
    };
}

pub(super) const CASES: &[Case] = &[
    case!(upsample_nearest1d, 1, "the nearest x", "nearest"),
    case!(upsample_nearest2d, 2, "the nearest x", "nearest"),
    case!(upsample_nearest3d, 3, "the nearest x", "nearest"),
    case!(upsample_linear1d, 1, "between neighbouring x", "linear", false),
    case!(upsample_bilinear2d, 2, "between neighbouring x", "bilinear", false),
    case!(upsample_trilinear3d, 3, "between neighbouring x", "trilinear", false),
    Case {
        name: "upsample_adjoint",
        formula: "each x added where an upsampling would have taken it from",
        torch: "",
        gradient: Gradient::Twice,
        samples: || {
            let sample = |planes: usize| {
                Sample::floats(&[&[planes, 5, 7]], -1.0..1.0, move |x| {
                    let method = Method::Linear { align_corners: false };
                    let upsample = Upsample { axes: 2, method, to: [5, 7].into() };
                    let adjoint = Adjoint { upsample, shape: [planes, 3, 4].into() };
                    Tensor::apply(adjoint, &[&x[0]])
                })
            };
            vec![sample(2), sample(0).label("empty")]
        },
    },
];
