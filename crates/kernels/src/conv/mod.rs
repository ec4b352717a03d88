//! Convolutions of one, two and three dimensions, and both their gradients.
//!
//! A convolution is a matrix product whose right operand, the patches of the image, is never
//! written down. The image is copied once into scratch with its padding around it; with a stride it
//! is parted into phases, so that what neighbouring outputs read lies side by side (`plan`). In that
//! copy each output has a place, and what a tap of the kernel meets lies some places later, as many
//! for all outputs.
//!
//! - The outputs and the gradient by the input are both a correlation of an image with a kernel
//!   (`correlate`): for the gradient the image is that of the outputs, and each phase of the stride
//!   has its own part of the kernel. Where there are many channels vectors run along these
//!   (`channels`): the channels of a place lie side by side in the copy (`beside`), the weight is
//!   packed into panels (`pack`), and tiles of outputs and channels are summed in registers
//!   (`tile`). Where there are few, vectors run along the lines of images (`lines`, `gather`):
//!   outputs are computed for all places, those between two lines included, and the latter dropped.
//! - Kernels of three by three at stride 1, where there are many channels, take fewer
//!   multiplications between transformed images and kernels (`winograd`).
//! - The gradient by the weight (`weight`) is the product of both images, over all places: of runs
//!   of memory where there are few channels (`runs`), else of the channels of both, side by side
//!   (`pairs`).
//! - On a processor that multiplies tiles, all three are products of tiles where they are large enough
//!   (`tiled`).
//!
//! One and two dimensions are three whose other lengths are 1.

mod beside;
mod channels;
mod correlate;
mod gather;
mod kept;
mod lines;
mod pack;
mod pairs;
mod plan;
mod runs;
mod tile;
mod tiled;
mod transpose;
mod weight;
mod winograd;
mod write;

pub(crate) use self::transpose::transpose;
use crate::memory::Block;
use crate::{Float, Machine, Precision, Strided};
use correlate::Correlation;
use plan::Plan;

/// The sizes of a convolution.
///
/// The lengths, strides and so on are those of depth, height and width. Output o and tap k of the
/// kernel meet at the input's place `o * stride + k * dilation - before`, which is zero outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Geometry {
    /// How many images there are.
    pub batch: usize,
    /// In how many groups the channels are convolved, each for itself.
    pub groups: usize,
    /// The channels of the input, in all groups.
    pub in_channels: usize,
    /// The channels of the output, in all groups.
    pub out_channels: usize,
    /// The lengths of the input.
    pub input: [usize; 3],
    /// The lengths of the kernel.
    pub kernel: [usize; 3],
    /// The lengths of the output.
    pub output: [usize; 3],
    /// The distances between outputs, in the input.
    pub stride: [usize; 3],
    /// The distances between taps, in the input.
    pub dilation: [usize; 3],
    /// How many zeros are thought before the input.
    pub before: [usize; 3],
}

impl Geometry {
    /// The shape of the input, `[B, C, D, H, W]`.
    pub fn input_shape(&self) -> [usize; 5] {
        let [depth, height, width] = self.input;
        [self.batch, self.in_channels, depth, height, width]
    }

    /// The shape of the output, `[B, O, D, H, W]`.
    pub fn output_shape(&self) -> [usize; 5] {
        let [depth, height, width] = self.output;
        [self.batch, self.out_channels, depth, height, width]
    }

    /// The shape of the weight, `[O, C / groups, D, H, W]`.
    pub fn weight_shape(&self) -> [usize; 5] {
        let [depth, height, width] = self.kernel;
        [self.out_channels, self.in_channels / self.groups, depth, height, width]
    }

    /// An estimate of the time that one of the three directions takes one core.
    fn cost_ns(&self) -> usize {
        let products = self.weight_shape().iter().product::<usize>();
        let places = self.batch * self.output.iter().product::<usize>();
        places * (products / 32 + (self.in_channels + self.out_channels) / 4)
    }
}

/// The weight of a convolution.
#[derive(Clone, Copy, Debug)]
pub struct Weight<'a, T> {
    /// Its numbers.
    pub numbers: Strided<'a, T>,
    /// The memory in which they lie, if the same ones will be used again: what is made of them is kept
    /// there (see [`Block::derived`]), which takes at most about as much memory as they do where they
    /// are many, and up to three times as much where they are few; half as much again if they are split
    /// for tiles.
    pub kept_with: Option<&'a Block>,
}

/// Numbers that are used once.
impl<'a, T> From<Strided<'a, T>> for Weight<'a, T> {
    fn from(numbers: Strided<'a, T>) -> Self {
        Self { numbers, kept_with: None }
    }
}

/// y = the convolution of x with the weight, plus the bias of each output channel. Where the precision
/// allows it, there are many channels and it is faster, both are rounded to `bf16`: see [`Precision`].
///
/// # Panics
/// If a shape is not that of the geometry.
pub fn forward<'a, T: Float>(
    on: Machine,
    precision: Precision,
    geometry: &Geometry,
    x: Strided<'a, T>,
    weight: impl Into<Weight<'a, T>>,
    bias: Option<&'a [T]>,
    out: &mut [T],
) {
    let weight = weight.into();
    assert_eq!(x.shape, geometry.input_shape());
    assert_eq!(weight.numbers.shape, geometry.weight_shape());
    assert_eq!(out.len(), geometry.output_shape().iter().product::<usize>());
    assert!(bias.is_none_or(|bias| bias.len() == geometry.out_channels));
    let correlation = Correlation::forward(geometry, precision, x, weight, bias);
    correlate::run(on, &correlation, &[Plan::forward(geometry)], out);
}

/// The gradient by the input, which is also the transposed convolution, given the gradient by the
/// output; plus, if there is one, the bias of each input channel.
///
/// # Panics
/// If a shape is not that of the geometry.
pub fn input_gradient<T: Float>(
    on: Machine,
    precision: Precision,
    geometry: &Geometry,
    grad: Strided<'_, T>,
    weight: Strided<'_, T>,
    bias: Option<&[T]>,
    out: &mut [T],
) {
    assert_eq!(grad.shape, geometry.output_shape());
    assert_eq!(weight.shape, geometry.weight_shape());
    assert_eq!(out.len(), geometry.input_shape().iter().product::<usize>());
    assert!(bias.is_none_or(|bias| bias.len() == geometry.in_channels));
    let correlation = Correlation::input_gradient(geometry, precision, grad, weight, bias);
    correlate::run(on, &correlation, &Plan::input_gradient(geometry), out);
}

/// The gradient by the weight, given the input and the gradient by the output.
///
/// An infinity or NaN in either may make any number of the weight's gradient NaN, as zeros between
/// the lines of copies are multiplied too; finite numbers never do.
///
/// # Panics
/// If a shape is not that of the geometry.
pub fn weight_gradient<T: Float>(
    on: Machine,
    precision: Precision,
    geometry: &Geometry,
    x: Strided<'_, T>,
    grad: Strided<'_, T>,
    out: &mut [T],
) {
    assert_eq!(x.shape, geometry.input_shape());
    assert_eq!(grad.shape, geometry.output_shape());
    assert_eq!(out.len(), geometry.weight_shape().iter().product::<usize>());
    weight::run(on, precision, geometry, x, grad, out);
}
