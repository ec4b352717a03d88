//! Other views of the same memory, and copies in another order.

mod methods;

use super::pad::Pad;
use crate::error::reject;
use crate::kernel::Kernel;
use crate::op::{Context, Forward, Grads, Op, Spec, launch};
use crate::{Layout, OpError, Result, Shape, Tensor};
use smallvec::{SmallVec, smallvec};

pub(super) use methods::{CASES, axis_of};

/// The numbers of axes.
type Order = SmallVec<[usize; 4]>;

/// A view of x whose elements are those of x, in another order or only some of them, or again and
/// again.
#[derive(Clone, Debug)]
enum View {
    /// All elements, as they are.
    Alias,
    /// Axis i is the one that was axes[i].
    Permute(Order),
    /// Axes of length 1 are repeated.
    Broadcast(Shape),
    /// Some elements of an axis.
    Slice { axis: usize, start: usize, step: isize, count: usize },
    /// Windows of an axis; a new last axis counts within them.
    Unfold { axis: usize, size: usize, step: usize },
    /// The diagonal of the two axes, as a new last axis.
    Diagonal { first: usize, second: usize, offset: isize },
}

impl View {
    fn layout(&self, x: &Layout) -> Result<Layout, OpError> {
        match self {
            Self::Alias => Ok(*x),
            Self::Permute(axes) => Ok(x.permute(axes)),
            Self::Broadcast(shape) => x.expand(*shape),
            Self::Slice { axis, start, step, count } => Ok(x.slice(*axis, *start, *step, *count)),
            Self::Unfold { axis, size, step } => x.unfold(*axis, *size, *step),
            Self::Diagonal { first, second, offset } => Ok(x.diagonal(*first, *second, *offset)),
        }
    }
}

impl Op for View {
    fn name(&self) -> &'static str {
        match self {
            Self::Alias => "alias",
            Self::Permute(_) => "permute",
            Self::Broadcast(_) => "broadcast_to",
            Self::Slice { .. } => "slice",
            Self::Unfold { .. } => "unfold",
            Self::Diagonal { .. } => "diagonal",
        }
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        let layout = self.layout(&Layout::contiguous(inputs[0].shape))?;
        Ok(inputs[0].with_shape(*layout.shape()))
    }

    fn forward(&self, inputs: &[&Tensor], _: Spec) -> Result<Forward> {
        let layout = self.layout(inputs[0].layout())?;
        Ok(Forward::new(inputs[0].with_layout(layout)))
    }

    fn backward(&self, context: &Context<'_>, grad: &Tensor) -> Result<Grads> {
        let shape = context.inputs[0].shape;
        let grad = match self {
            Self::Alias => grad.clone(),
            Self::Permute(axes) => {
                let mut inverse = Order::from_elem(0, axes.len());
                for (to, &from) in axes.iter().enumerate() {
                    inverse[from] = to;
                }
                Tensor::try_apply(Self::Permute(inverse), &[grad])?
            }
            Self::Broadcast(_) => grad.try_sum_to(shape)?,
            Self::Slice { step: 1, .. } if *grad.shape() == shape => grad.clone(),
            Self::Slice { axis, start, step: 1, count } => {
                let mut widths = vec![(0, 0); shape.rank()];
                widths[*axis] = (*start, shape[*axis] - start - count);
                Tensor::try_apply(Pad { widths, value: 0.0 }, &[grad])?
            }
            _ => Tensor::try_apply(Unview { view: self.clone(), shape }, &[grad])?,
        };
        Ok(smallvec![Some(grad)])
    }

    fn flops(&self, _: &[Spec], _: &Spec) -> u64 {
        0
    }
}

/// The transpose of a view as a linear map: zeros, to which each element of x is added where the
/// view would have taken it from.
#[derive(Debug)]
struct Unview {
    view: View,
    shape: Shape,
}

impl Op for Unview {
    fn name(&self) -> &'static str {
        "unview"
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        self.shape.try_count()?;
        let layout = self.view.layout(&Layout::contiguous(self.shape))?;
        if *layout.shape() != inputs[0].shape {
            reject!("a view of shape {} cannot be {}", layout.shape(), inputs[0].shape);
        }
        Ok(inputs[0].with_shape(self.shape))
    }

    fn forward(&self, inputs: &[&Tensor], output: Spec) -> Result<Forward> {
        let layout = self.view.layout(&Layout::contiguous(self.shape))?;
        Ok(Forward::new(launch(&Kernel::Unview { layout }, inputs, output)?))
    }

    fn backward(&self, _: &Context<'_>, grad: &Tensor) -> Result<Grads> {
        Ok(smallvec![Some(Tensor::try_apply(self.view.clone(), &[grad])?)])
    }
}

/// The elements of x in row-major order, in another shape.
#[derive(Debug)]
struct Reshape(Shape);

impl Op for Reshape {
    fn name(&self) -> &'static str {
        "reshape"
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        let from = inputs[0].shape;
        if from.checked_count() != self.0.checked_count() {
            reject!("{} elements of shape {from} do not fill shape {}", from.count(), self.0);
        }
        Ok(inputs[0].with_shape(self.0))
    }

    fn forward(&self, inputs: &[&Tensor], output: Spec) -> Result<Forward> {
        let x = inputs[0];
        if let Some(layout) = x.layout().reshape(self.0) {
            return Ok(Forward::new(x.with_layout(layout)));
        }
        Ok(Forward::new(launch(&Kernel::Copy, inputs, output)?))
    }

    fn backward(&self, context: &Context<'_>, grad: &Tensor) -> Result<Grads> {
        Ok(smallvec![Some(Tensor::try_apply(Self(context.inputs[0].shape), &[grad])?)])
    }

    fn flops(&self, _: &[Spec], _: &Spec) -> u64 {
        0
    }
}

/// The elements of x, side by side in row-major order.
#[derive(Debug)]
struct Contiguous;

impl Op for Contiguous {
    fn name(&self) -> &'static str {
        "contiguous"
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        Ok(inputs[0])
    }

    fn forward(&self, inputs: &[&Tensor], output: Spec) -> Result<Forward> {
        Ok(Forward::new(launch(&Kernel::Copy, inputs, output)?))
    }

    fn backward(&self, _: &Context<'_>, grad: &Tensor) -> Result<Grads> {
        Ok(smallvec![Some(grad.clone())])
    }

    fn flops(&self, _: &[Spec], _: &Spec) -> u64 {
        0
    }
}
