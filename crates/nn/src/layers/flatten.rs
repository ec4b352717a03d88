//! Joining axes, and cutting them.

use crate::{Layer, Module};
use gradus_tensor::{OpError, Shape, Tensor};

/// Joins all axes but the first, the batch: `[B, …] -> [B, N]`. PyTorch: `torch.nn.Flatten`.
#[derive(Clone, Copy, Debug, Default, Module)]
pub struct Flatten;

impl Layer for Flatten {
    fn forward(&self, x: &Tensor) -> Tensor {
        if x.rank() < 2 { x.clone() } else { x.flatten(1, -1) }
    }
}

/// Joins the axes from one to another. PyTorch: `torch.nn.Flatten(start_dim, end_dim)`.
#[derive(Clone, Copy, Debug, Module)]
pub struct FlattenAxes {
    /// The first axis to join; negative numbers count from the end.
    pub first: isize,
    /// The last.
    pub last: isize,
}

impl Layer for FlattenAxes {
    fn forward(&self, x: &Tensor) -> Tensor {
        x.flatten(self.first, self.last)
    }
}

/// Cuts an axis into several: the inverse of [`FlattenAxes`]. PyTorch: `torch.nn.Unflatten`.
///
/// ```
/// use gradus_nn::{Layer, Unflatten};
/// use gradus_tensor::Tensor;
///
/// let layer = Unflatten::new(1, [3, 4]);
/// assert_eq!(layer.forward(&Tensor::ones([2, 12, 5])).shape(), [2, 3, 4, 5]);
/// ```
#[derive(Clone, Copy, Debug, Module)]
pub struct Unflatten {
    /// The axis to cut; negative numbers count from the end.
    pub axis: isize,
    /// The lengths of the axes that it becomes.
    #[module(skip)]
    pub shape: Shape,
}

impl Unflatten {
    /// A layer that makes axes of these lengths of one.
    #[track_caller]
    pub fn new(axis: isize, shape: impl Into<Shape>) -> Self {
        Self { axis, shape: shape.into() }
    }
}

impl Layer for Unflatten {
    fn forward(&self, x: &Tensor) -> Tensor {
        let axis = match x.shape().axis(self.axis) {
            Ok(axis) => axis,
            Err(error) => panic!("{}", error.named("Unflatten")),
        };
        let mut lens = x.shape().to_vec();
        if lens[axis] != self.shape.count() {
            let message = format_args!("axis {axis} of {} does not make {}", x.shape(), self.shape);
            panic!("{}", OpError::of("Unflatten", message));
        }
        lens.splice(axis..=axis, self.shape.to_vec());
        x.reshape(lens)
    }
}
