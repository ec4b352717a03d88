//! The settings of convolutions.

use crate::ops::Sizes;

/// The settings of a convolution; by default its kernel moves by one place at a time and stays
/// within the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConvOptions {
    /// The distance between outputs, in the input.
    pub stride: Sizes,
    /// The zeros around the input.
    pub padding: Padding,
    /// The distance between the kernel's numbers, in the input.
    pub dilation: Sizes,
    /// The channels are cut into so many groups, each convolved for itself.
    pub groups: usize,
}

impl Default for ConvOptions {
    fn default() -> Self {
        Self { stride: 1.into(), padding: Padding::Valid, dilation: 1.into(), groups: 1 }
    }
}

/// The zeros thought around the input of a convolution.
///
/// ```
/// use gradus_tensor::ops::{ConvOptions, Padding};
/// use gradus_tensor::Tensor;
///
/// let (x, kernel) = (Tensor::ones([1, 1, 5, 5]), Tensor::ones([1, 1, 3, 3]));
/// let shape = |padding| {
///     let options = ConvOptions { padding, ..Default::default() };
///     *x.conv2d(&kernel, None, options).shape()
/// };
/// assert_eq!(shape(Padding::Valid), [1, 1, 3, 3]);
/// assert_eq!(shape(Padding::Same), [1, 1, 5, 5]);
/// assert_eq!(shape([1, 0].into()), [1, 1, 5, 3]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Padding {
    /// None.
    Valid,
    /// As much as keeps the lengths, for a stride of 1; where that is odd, there is one more zero
    /// behind than before.
    Same,
    /// So much, along each axis.
    Sides {
        /// Before the first number.
        before: Sizes,
        /// Behind the last.
        after: Sizes,
    },
}

/// The same number of zeros on both sides.
impl From<Sizes> for Padding {
    fn from(sizes: Sizes) -> Self {
        Self::Sides { before: sizes, after: sizes }
    }
}

/// The same number of zeros on both sides of every axis.
impl From<usize> for Padding {
    fn from(size: usize) -> Self {
        Sizes::from(size).into()
    }
}

/// A number of zeros for each axis, on both sides.
impl<const N: usize> From<[usize; N]> for Padding {
    #[track_caller]
    fn from(sizes: [usize; N]) -> Self {
        Sizes::from(sizes).into()
    }
}

/// The settings of a transposed convolution: those of the convolution whose gradient it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConvTransposeOptions {
    /// The distance, in the output, between what neighbours in the input contribute to.
    pub stride: Sizes,
    /// How much is cut off on both sides of the output.
    pub padding: Sizes,
    /// How much longer the output is at its end: with a stride, several lengths are possible.
    pub output_padding: Sizes,
    /// The distance between the kernel's numbers, in the output.
    pub dilation: Sizes,
    /// The channels are cut into so many groups, each convolved for itself.
    pub groups: usize,
}

impl Default for ConvTransposeOptions {
    fn default() -> Self {
        Self {
            stride: 1.into(),
            padding: 0.into(),
            output_padding: 0.into(),
            dilation: 1.into(),
            groups: 1,
        }
    }
}
