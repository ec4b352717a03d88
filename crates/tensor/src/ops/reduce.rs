//! Reductions over axes: sum, product, extremes, and what is made of them.

use super::case::{Arg, Case, Gradient, Sample};
use crate::error::{fail, reject};
use crate::kernel::{Extreme, Kernel, Reduction};
use crate::op::{Context, Forward, Grads, Op, Spec, launch_views};
use crate::shape::AxisList;
use crate::{Axes, DType, Error, Input, Layout, OpError, Result, Shape, Tensor};
use smallvec::smallvec;
use std::borrow::Cow;

/// y = the sum (product, maximum, minimum) of x over some axes.
#[derive(Debug)]
struct Reduce {
    reduction: Reduction,
    /// In ascending order.
    axes: AxisList,
    /// Whether the axes stay, with length 1.
    keep: bool,
}

impl Op for Reduce {
    fn name(&self) -> &'static str {
        match self.reduction {
            Reduction::Sum => "sum",
            Reduction::Product => "prod",
            Reduction::Max => "max",
            Reduction::Min => "min",
        }
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        let x = &inputs[0];
        let shape = match self.keep {
            true => self.kept_shape(x.shape),
            false => x.shape.without_axes(&self.axes),
        };
        let extreme = matches!(self.reduction, Reduction::Max | Reduction::Min);
        if extreme && x.shape.count() == 0 && shape.count() > 0 {
            reject!("there is no extreme of nothing: shape {}", x.shape);
        }
        Ok(x.with_shape(shape))
    }

    fn forward(&self, inputs: &[&Tensor], output: Spec) -> Result<Forward> {
        let (layout, kept) = axes_last(inputs[0].layout(), &self.axes);
        let kernel = Kernel::Reduce { reduction: self.reduction, kept };
        let x = Input { layout: &layout, ..inputs[0].view() };
        let forward = Forward::new(launch_views(&kernel, &[x], output)?);
        Ok(match self.reduction {
            Reduction::Sum => forward,
            _ => forward.saving_input(0).saving_output(),
        })
    }

    fn backward(&self, context: &Context<'_>, grad: &Tensor) -> Result<Grads> {
        let shape = context.inputs[0].shape;
        let kept = self.kept_shape(shape);
        let grad = grad.reshape(kept);
        let grad = match (self.reduction, context.saved) {
            (Reduction::Product, [x, y]) => self.product_gradient(x, &y.reshape(kept), &grad),
            (_, [x, y]) => {
                // Where several elements are the extreme, they share its gradient.
                let extreme = x.eq(&y.reshape(kept)).to_dtype(x.dtype());
                let count = extreme.sum_keepdim(&self.signed_axes()[..]);
                extreme * (grad / count)
            }
            _ => grad.broadcast_to(shape),
        };
        Ok(smallvec![Some(grad)])
    }
}

impl Reduce {
    /// The shape of the result with the axes kept.
    fn kept_shape(&self, shape: Shape) -> Shape {
        self.axes.iter().fold(shape, |shape, &axis| shape.with(axis, 1))
    }

    fn signed_axes(&self) -> Vec<isize> {
        self.axes.iter().map(|&axis| axis as isize).collect()
    }

    /// The product of all other elements: y / x where no element is zero; where one is, it alone has
    /// a gradient.
    fn product_gradient(&self, x: &Tensor, y: &Tensor, grad: &Tensor) -> Tensor {
        let axes = &self.signed_axes()[..];
        let zero = x.eq_scalar(0.0);
        let zeros = zero.to_dtype(x.dtype()).sum_keepdim(axes);
        let without_zeros = x.masked_fill(&zero, 1.0);
        let others = without_zeros.prod_keepdim(axes);
        let alone = zero.logical_and(&zeros.eq_scalar(1.0));
        let none = zeros.eq_scalar(0.0);
        let by_zero = alone.where_cond(&(grad * others), &x.zeros_like());
        none.where_cond(&(grad * y / without_zeros), &by_zero)
    }
}

/// The view of a tensor with some axes moved behind the others, and the number of others.
fn axes_last<'a>(x: &'a Layout, axes: &[usize]) -> (Cow<'a, Layout>, usize) {
    let rank = x.shape().rank();
    if axes.iter().copied().eq(rank - axes.len()..rank) {
        return (Cow::Borrowed(x), rank - axes.len());
    }
    let mut order: AxisList = (0..rank).filter(|axis| !axes.contains(axis)).collect();
    let kept = order.len();
    order.extend_from_slice(axes);
    (Cow::Owned(x.permute(&order)), kept)
}

/// y = the index, along an axis or among all elements, of the first extreme.
#[derive(Debug)]
struct ArgReduce {
    extreme: Extreme,
    axes: AxisList,
}

impl Op for ArgReduce {
    fn name(&self) -> &'static str {
        match self.extreme {
            Extreme::Max => "argmax",
            Extreme::Min => "argmin",
        }
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        let x = inputs[0];
        let shape = self.axes.iter().fold(x.shape, |shape, &axis| shape.with(axis, 1));
        if x.shape.count() == 0 && shape.count() > 0 {
            reject!("there is no extreme of nothing: shape {}", x.shape);
        }
        Ok(x.with_shape(shape).with_dtype(DType::I64))
    }

    fn forward(&self, inputs: &[&Tensor], output: Spec) -> Result<Forward> {
        let (layout, kept) = axes_last(inputs[0].layout(), &self.axes);
        let kernel = Kernel::ArgExtreme { extreme: self.extreme, kept };
        let x = Input { layout: &layout, ..inputs[0].view() };
        Ok(Forward::new(launch_views(&kernel, &[x], output)?))
    }

    fn backward(&self, _: &Context<'_>, _: &Tensor) -> Result<Grads> {
        Ok(smallvec![None])
    }
}

impl Tensor {
    #[track_caller]
    fn reduce(&self, reduction: Reduction, axes: Axes, keep: bool) -> Self {
        let name = Reduce { reduction, axes: AxisList::new(), keep }.name();
        let axes = axes.resolve(self.shape()).unwrap_or_else(|error| fail(error.named(name)));
        // Sums and products of small integers and truth values would overflow their type.
        let adds = matches!(reduction, Reduction::Sum | Reduction::Product);
        let dtype = if adds && !self.dtype().is_float() { DType::I64 } else { self.dtype() };
        let x = self.in_dtype(dtype);
        Self::apply(Reduce { reduction, axes, keep }, &[&x])
    }

    #[track_caller]
    fn arg_reduce(&self, extreme: Extreme, axes: Axes) -> Self {
        let name = ArgReduce { extreme, axes: AxisList::new() }.name();
        let axes = axes.resolve(self.shape()).unwrap_or_else(|error| fail(error.named(name)));
        Self::apply(ArgReduce { extreme, axes: axes.clone() }, &[self]).without_axes(&axes)
    }

    /// The tensor without axes that have length 1.
    fn without_axes(&self, axes: &[usize]) -> Self {
        self.reshape(self.shape().without_axes(axes))
    }

    /// The sum over axes down to a shape that broadcasts to this one: what becomes of a gradient
    /// where an input was broadcast.
    ///
    /// # Errors
    /// If the shape does not broadcast to this one, or the device fails.
    pub fn try_sum_to(&self, shape: Shape) -> Result<Self> {
        if *self.shape() == shape {
            return Ok(self.clone());
        }
        if shape.broadcast(self.shape()).as_ref() != Ok(self.shape()) {
            let message = format_args!("shape {shape} does not broadcast to {}", self.shape());
            return Err(Error::Op(OpError::of("sum_to", message)));
        }
        let added = self.rank() - shape.rank();
        let axes: AxisList = (0..self.rank())
            .filter(|&axis| axis < added || (shape[axis - added] == 1 && self.shape()[axis] != 1))
            .collect();
        let keep = axes.len() > added;
        let sum = Reduce { reduction: Reduction::Sum, axes, keep };
        Ok(Self::try_apply(sum, &[self])?.reshape(shape))
    }

    /// The mean over axes: their sum divided by their number of elements. PyTorch: `torch.mean`.
    #[track_caller]
    pub fn mean(&self, axes: impl Into<Axes>) -> Self {
        self.mean_of(axes.into(), false)
    }

    /// As [`Tensor::mean`], the axes staying with length 1.
    #[track_caller]
    pub fn mean_keepdim(&self, axes: impl Into<Axes>) -> Self {
        self.mean_of(axes.into(), true)
    }

    #[track_caller]
    fn mean_of(&self, axes: Axes, keep: bool) -> Self {
        let x = self.to_dtype(self.dtype().to_float());
        let count = axis_count(&axes, self.shape());
        x.reduce(Reduction::Sum, axes, keep) * (1.0 / count as f64)
    }

    /// The variance over axes: Σ (x - mean)² / (n - correction). PyTorch: `torch.var`, whose
    /// correction is 1 unless another is given.
    #[track_caller]
    pub fn var(&self, axes: impl Into<Axes>, correction: usize) -> Self {
        let axes = axes.into();
        let x = self.to_dtype(self.dtype().to_float());
        let deviation = &x - x.mean_of(axes.clone(), true);
        let count = axis_count(&axes, self.shape()).saturating_sub(correction);
        deviation.square().reduce(Reduction::Sum, axes, false) * (1.0 / count as f64)
    }

    /// The standard deviation over axes, √ of [`Tensor::var`]. PyTorch: `torch.std`.
    #[track_caller]
    pub fn std(&self, axes: impl Into<Axes>, correction: usize) -> Self {
        self.var(axes, correction).sqrt()
    }

    /// ln Σ eˣ over axes, without overflow. PyTorch: `torch.logsumexp`.
    #[track_caller]
    pub fn logsumexp(&self, axes: impl Into<Axes>) -> Self {
        let axes = axes.into();
        let x = self.to_dtype(self.dtype().to_float());
        let highest = x.detach().reduce(Reduction::Max, axes.clone(), true);
        // A row of -∞ has the sum 0: shifting it by -∞ would give NaN.
        let shift = highest.is_finite().where_cond(&highest, &highest.zeros_like());
        let sum = (x - &shift).exp().reduce(Reduction::Sum, axes.clone(), true).log() + shift;
        let axes =
            axes.resolve(self.shape()).unwrap_or_else(|error| fail(error.named("logsumexp")));
        sum.without_axes(&axes)
    }

    /// The p-norm over axes, (Σ |x|ᵖ)^(1/p): p may be 0 (the number of elements that are not zero),
    /// ∞ (the largest magnitude) or -∞ (the smallest). PyTorch: `torch.linalg.vector_norm`.
    #[track_caller]
    pub fn norm(&self, p: f64, axes: impl Into<Axes>) -> Self {
        let (axes, magnitude) = (axes.into(), self.to_dtype(self.dtype().to_float()).abs());
        if p == 0.0 {
            return self.ne_scalar(0.0).to_dtype(magnitude.dtype()).sum(axes);
        }
        if p == 1.0 {
            return magnitude.sum(axes);
        }
        if p == 2.0 {
            return euclidean_norm(&magnitude, axes);
        }
        if p.is_infinite() {
            return if p > 0.0 { magnitude.max(axes) } else { magnitude.min(axes) };
        }
        magnitude.pow_scalar(p).sum(axes).pow_scalar(1.0 / p)
    }

    /// The index of the largest element along an axis, or of all elements (`..`) in row-major order;
    /// of several, the first. PyTorch: `torch.argmax`.
    #[track_caller]
    pub fn argmax(&self, axes: impl Into<Axes>) -> Self {
        self.arg_reduce(Extreme::Max, axes.into())
    }

    /// The index of the smallest element along an axis, or of all elements (`..`) in row-major
    /// order; of several, the first. PyTorch: `torch.argmin`.
    #[track_caller]
    pub fn argmin(&self, axes: impl Into<Axes>) -> Self {
        self.arg_reduce(Extreme::Min, axes.into())
    }

    /// True if any element along the axes is. PyTorch: `torch.any`.
    #[track_caller]
    pub fn any(&self, axes: impl Into<Axes>) -> Self {
        self.to_dtype(DType::Bool).reduce(Reduction::Max, axes.into(), false)
    }

    /// True if all elements along the axes are. PyTorch: `torch.all`.
    #[track_caller]
    pub fn all(&self, axes: impl Into<Axes>) -> Self {
        self.to_dtype(DType::Bool).reduce(Reduction::Min, axes.into(), false)
    }
}

/// √ Σ x², whose gradient is zero, not NaN, where all elements are zero.
#[track_caller]
fn euclidean_norm(x: &Tensor, axes: Axes) -> Tensor {
    let squares = x.square().sum(axes);
    let zero = squares.eq_scalar(0.0);
    zero.where_cond(&squares.zeros_like(), &squares.masked_fill(&zero, 1.0).sqrt())
}

/// How many elements some axes have together.
#[track_caller]
fn axis_count(axes: &Axes, shape: &Shape) -> usize {
    let axes = axes.resolve(shape).unwrap_or_else(|error| fail(error));
    axes.into_iter().map(|axis| shape[axis]).product()
}

/// For each reduction: its method, its method that keeps the axes, and its kernel.
macro_rules! reductions {
    ($($method:ident, $keep:ident, $kernel:ident, $what:literal, $torch:literal;)*) => {
        impl Tensor {$(
            #[doc = concat!($what, " over axes (`..` for all). PyTorch: `", $torch, "`.")]
            #[track_caller]
            pub fn $method(&self, axes: impl Into<Axes>) -> Self {
                self.reduce(Reduction::$kernel, axes.into(), false)
            }

            #[doc = concat!("As [`Tensor::", stringify!($method), "`], the axes staying with length 1.")]
            #[track_caller]
            pub fn $keep(&self, axes: impl Into<Axes>) -> Self {
                self.reduce(Reduction::$kernel, axes.into(), true)
            }
        )*}
    };
}

reductions! {
    sum, sum_keepdim, Sum, "The sum", "torch.sum";
    prod, prod_keepdim, Product, "The product", "torch.prod";
    max, max_keepdim, Max, "The maximum", "torch.amax";
    min, min_keepdim, Min, "The minimum", "torch.amin";
}

/// Samples of a reduction over all axes, the first, the last and two of three.
fn samples(call: fn(&Tensor, Axes) -> Tensor) -> Vec<Sample> {
    let sample = |axes: Axes, label| {
        let arg = Arg::distinct(&[2, 3, 4], -3.0..3.0);
        Sample::new(vec![arg], move |x| call(&x[0], axes.clone())).label(label)
    };
    vec![
        sample(Axes::All, "all axes"),
        sample(0.into(), "first axis"),
        sample((-1).into(), "last axis"),
        sample([0, 2].into(), "two axes"),
        Sample::floats(&[&[2, 0, 3]], -1.0..1.0, move |x| call(&x[0], (-1).into())).label("empty"),
    ]
}

pub(super) const CASES: &[Case] = &[
    Case {
        name: "sum",
        formula: "Σ x over axes",
        torch: "torch.sum",
        gradient: Gradient::Twice,
        samples: || samples(|x, axes| x.sum(axes)),
    },
    Case {
        name: "prod",
        formula: "Π x over axes",
        torch: "torch.prod",
        gradient: Gradient::Twice,
        samples: || samples(|x, axes| x.prod(axes)),
    },
    Case {
        name: "max",
        formula: "the largest x over axes",
        torch: "torch.amax",
        gradient: Gradient::Twice,
        samples: || samples(|x, axes| x.max(axes)),
    },
    Case {
        name: "min",
        formula: "the smallest x over axes",
        torch: "torch.amin",
        gradient: Gradient::Twice,
        samples: || samples(|x, axes| x.min(axes)),
    },
    Case {
        name: "mean",
        formula: "Σ x / n over axes",
        torch: "torch.mean",
        gradient: Gradient::Twice,
        samples: || samples(|x, axes| x.mean(axes)),
    },
    Case {
        name: "var",
        formula: "Σ (x - mean)² / (n - correction) over axes",
        torch: "torch.var",
        gradient: Gradient::Twice,
        samples: || samples(|x, axes| x.var(axes, 1)),
    },
    Case {
        name: "std",
        formula: "√var over axes",
        torch: "torch.std",
        gradient: Gradient::Twice,
        samples: || samples(|x, axes| x.std(axes, 0)),
    },
    Case {
        name: "logsumexp",
        formula: "ln Σ eˣ over axes",
        torch: "torch.logsumexp",
        gradient: Gradient::Twice,
        samples: || samples(|x, axes| x.logsumexp(axes)),
    },
    Case {
        name: "norm",
        formula: "(Σ |x|ᵖ)^(1/p) over axes",
        torch: "torch.linalg.vector_norm",
        gradient: Gradient::Twice,
        samples: || {
            let mut all = samples(|x, axes| x.norm(2.0, axes));
            all.extend(samples(|x, axes| x.norm(1.0, axes)));
            all.extend(samples(|x, axes| x.norm(3.0, axes)));
            all.extend(samples(|x, axes| x.norm(f64::INFINITY, axes)));
            all
        },
    },
    Case {
        name: "argmax",
        formula: "the index of the first largest x",
        torch: "torch.argmax",
        gradient: Gradient::None,
        samples: || samples(|x, axes| x.argmax(axes)),
    },
    Case {
        name: "argmin",
        formula: "the index of the first smallest x",
        torch: "torch.argmin",
        gradient: Gradient::None,
        samples: || samples(|x, axes| x.argmin(axes)),
    },
];
