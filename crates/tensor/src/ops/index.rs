//! Taking elements from where indices point, and putting them there.

use super::case::{Arg, Case, Gradient, Sample};
use super::view::axis_of;
use crate::error::reject;
use crate::kernel::Kernel;
use crate::op::{Context, Forward, Grads, Op, Spec, common_device, launch};
use crate::{DType, OpError, Result, Shape, Tensor};
use smallvec::smallvec;

/// y[i…, j, k…] = x[i…, indices[i…, j, k…], k…], where j counts along the axis.
#[derive(Debug)]
struct Gather {
    axis: usize,
}

impl Op for Gather {
    fn name(&self) -> &'static str {
        "gather"
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        let (x, indices) = (inputs[0], inputs[1]);
        check_indices(indices)?;
        check_others(x.shape, indices.shape, self.axis)?;
        Ok(Spec { shape: indices.shape, dtype: x.dtype, device: common_device(inputs)? })
    }

    fn forward(&self, inputs: &[&Tensor], output: Spec) -> Result<Forward> {
        let kernel = Kernel::Gather { axis: self.axis };
        Ok(Forward::new(launch(&kernel, inputs, output)?).saving_input(1))
    }

    fn backward(&self, context: &Context<'_>, grad: &Tensor) -> Result<Grads> {
        let scatter = Scatter { axis: self.axis, add: true };
        let zeros = zeros_like(grad, context.inputs[0].shape);
        let by_x = Tensor::try_apply(scatter, &[&zeros, &context.saved[0], grad])?;
        Ok(smallvec![Some(by_x), None])
    }

    fn flops(&self, _: &[Spec], _: &Spec) -> u64 {
        0
    }
}

/// y = x, then y[i…, indices[i…, j, k…], k…] = or += source[i…, j, k…], where j counts along the
/// axis.
#[derive(Debug)]
struct Scatter {
    axis: usize,
    add: bool,
}

impl Op for Scatter {
    fn name(&self) -> &'static str {
        if self.add { "scatter_add" } else { "scatter" }
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        let (x, indices, source) = (inputs[0], inputs[1], inputs[2]);
        check_indices(indices)?;
        check_others(x.shape, indices.shape, self.axis)?;
        check_source(x, source, indices.shape)?;
        Ok(Spec { device: common_device(inputs)?, ..x })
    }

    fn forward(&self, inputs: &[&Tensor], output: Spec) -> Result<Forward> {
        let kernel = match self.add {
            true => Kernel::ScatterAdd { axis: self.axis },
            false => Kernel::Scatter { axis: self.axis },
        };
        Ok(Forward::new(launch(&kernel, inputs, output)?).saving_input(1))
    }

    fn backward(&self, context: &Context<'_>, grad: &Tensor) -> Result<Grads> {
        let (axis, indices) = (self.axis, &context.saved[0]);
        let by_source =
            context.if_needed(2, || Tensor::try_apply(Gather { axis }, &[grad, indices]))?;
        if self.add {
            return Ok(smallvec![context.if_needed(0, || Ok(grad.clone()))?, None, by_source]);
        }
        let by_x = context.if_needed(0, || {
            let zeros = zeros_like(grad, *indices.shape());
            Tensor::try_apply(Self { axis, add: false }, &[grad, indices, &zeros])
        })?;
        // Of several elements for one place, only the one that stayed has a gradient.
        let by_source = by_source.map(|by_source| {
            let stayed = stayed(axis, indices, *grad.shape());
            stayed.where_cond(&by_source, &zeros_like(grad, ().into()))
        });
        Ok(smallvec![by_x, None, by_source])
    }

    fn flops(&self, inputs: &[Spec], _: &Spec) -> u64 {
        if self.add { inputs[2].shape.count() as u64 } else { 0 }
    }
}

/// Which of the elements that are scattered into a shape stay there.
#[track_caller]
fn stayed(axis: usize, indices: &Tensor, shape: Shape) -> Tensor {
    let axis = axis as isize;
    let numbers = Tensor::arange(0, indices.count() as i64, 1).to_device(indices.device());
    let numbers = numbers.reshape(*indices.shape());
    let nobody = Tensor::scalar_like(&numbers, (-1).into(), DType::I64).broadcast_to(shape);
    nobody.scatter(axis, indices, &numbers).gather(axis, indices).eq(&numbers)
}

/// y[i…, j, k…] = x[i…, indices[j], k…], where j counts along the axis.
#[derive(Debug)]
struct IndexSelect {
    axis: usize,
}

impl Op for IndexSelect {
    fn name(&self) -> &'static str {
        "index_select"
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        let (x, indices) = (inputs[0], inputs[1]);
        check_list(indices)?;
        let shape = x.shape.with(self.axis, indices.shape[0]);
        Ok(Spec { shape, dtype: x.dtype, device: common_device(inputs)? })
    }

    fn forward(&self, inputs: &[&Tensor], output: Spec) -> Result<Forward> {
        let kernel = Kernel::IndexSelect { axis: self.axis };
        Ok(Forward::new(launch(&kernel, inputs, output)?).saving_input(1))
    }

    fn backward(&self, context: &Context<'_>, grad: &Tensor) -> Result<Grads> {
        let by_x = add_into_zeros(self.axis, context.inputs[0].shape, &context.saved[0], grad)?;
        Ok(smallvec![Some(by_x), None])
    }

    fn flops(&self, _: &[Spec], _: &Spec) -> u64 {
        0
    }
}

/// y = x, then y[i…, indices[j], k…] += source[i…, j, k…], where j counts along the axis.
#[derive(Debug)]
struct IndexAdd {
    axis: usize,
}

impl Op for IndexAdd {
    fn name(&self) -> &'static str {
        "index_add"
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        let (x, indices, source) = (inputs[0], inputs[1], inputs[2]);
        check_list(indices)?;
        check_source(x, source, x.shape.with(self.axis, indices.shape[0]))?;
        Ok(Spec { device: common_device(inputs)?, ..x })
    }

    fn forward(&self, inputs: &[&Tensor], output: Spec) -> Result<Forward> {
        let kernel = Kernel::IndexAdd { axis: self.axis };
        Ok(Forward::new(launch(&kernel, inputs, output)?).saving_input(1))
    }

    fn backward(&self, context: &Context<'_>, grad: &Tensor) -> Result<Grads> {
        let select = IndexSelect { axis: self.axis };
        let by_source =
            context.if_needed(2, || Tensor::try_apply(select, &[grad, &context.saved[0]]))?;
        Ok(smallvec![context.if_needed(0, || Ok(grad.clone()))?, None, by_source])
    }

    fn flops(&self, inputs: &[Spec], _: &Spec) -> u64 {
        inputs[2].shape.count() as u64
    }
}

/// Zeros of a shape, to which slices of an axis are added where indices point: the transpose of
/// taking them from there.
///
/// # Errors
/// If the device fails.
pub(super) fn add_into_zeros(
    axis: usize,
    shape: Shape,
    indices: &Tensor,
    source: &Tensor,
) -> Result<Tensor> {
    Tensor::try_apply(IndexAdd { axis }, &[&zeros_like(source, shape), indices, source])
}

/// A view of a single zero in any shape.
#[track_caller]
fn zeros_like(like: &Tensor, shape: Shape) -> Tensor {
    Tensor::scalar_like(like, 0.0.into(), like.dtype()).broadcast_to(shape)
}

pub(super) fn check_indices(indices: Spec) -> Result<(), OpError> {
    if indices.dtype == DType::I64 {
        return Ok(());
    }
    Err(OpError::dtype(indices.dtype, "indices of i64"))
}

fn check_list(indices: Spec) -> Result<(), OpError> {
    check_indices(indices)?;
    if indices.shape.rank() != 1 {
        reject!("takes a list of indices, not the shape {}: flatten them", indices.shape);
    }
    Ok(())
}

fn check_others(x: Shape, indices: Shape, axis: usize) -> Result<(), OpError> {
    if x.rank() != indices.rank() || x.with(axis, 0) != indices.with(axis, 0) {
        reject!("shapes {x} and, of the indices, {indices} differ beside axis {axis}");
    }
    Ok(())
}

fn check_source(x: Spec, source: Spec, wanted: Shape) -> Result<(), OpError> {
    if source.shape != wanted {
        reject!("the indices want a source of shape {wanted}, not {}", source.shape);
    }
    if source.dtype != x.dtype {
        reject!("types differ: {} and {}", x.dtype, source.dtype);
    }
    Ok(())
}

impl Tensor {
    /// Integers as indices; all else as it is, to be rejected.
    #[track_caller]
    pub(super) fn as_indices(&self) -> Self {
        if self.dtype().is_integer() { self.to_dtype(DType::I64) } else { self.clone() }
    }

    /// One element for each index: y[i…, j, k…] = x[i…, indices[i…, j, k…], k…], where j counts
    /// along `axis`. PyTorch: `torch.gather`; NumPy: `take_along_axis`.
    ///
    /// # Shapes
    /// `indices` is as x but for the length of the axis, and y is as `indices`.
    ///
    /// # Panics
    /// If the shapes differ elsewhere, or an index is negative or not below the axis's length.
    #[track_caller]
    pub fn gather(&self, axis: isize, indices: &Self) -> Self {
        let axis = axis_of(self, axis, "gather");
        Self::apply(Gather { axis }, &[self, &indices.as_indices()])
    }

    /// A copy in which each element of `source` takes the place to which its index points:
    /// y[i…, indices[i…, j, k…], k…] = source[i…, j, k…], where j counts along `axis`. Of several
    /// for one place, the last one stays. PyTorch: `torch.scatter`.
    ///
    /// # Shapes
    /// `indices` and `source` are as x but for the length of the axis, and y is as x.
    ///
    /// # Panics
    /// If the shapes differ elsewhere, or an index is negative or not below the axis's length.
    #[track_caller]
    pub fn scatter(&self, axis: isize, indices: &Self, source: &Self) -> Self {
        let axis = axis_of(self, axis, "scatter");
        Self::apply(Scatter { axis, add: false }, &[self, &indices.as_indices(), source])
    }

    /// As [`Tensor::scatter`], but each element of `source` is added to the one in its place.
    /// PyTorch: `torch.scatter_add`.
    ///
    /// # Panics
    /// As [`Tensor::scatter`].
    #[track_caller]
    pub fn scatter_add(&self, axis: isize, indices: &Self, source: &Self) -> Self {
        let axis = axis_of(self, axis, "scatter_add");
        Self::apply(Scatter { axis, add: true }, &[self, &indices.as_indices(), source])
    }

    /// One slice of an axis for each index of a list: `y[i…, j, k…] = x[i…, indices[j], k…]`.
    /// PyTorch: `torch.index_select`.
    ///
    /// # Panics
    /// If an index is negative or not below the axis's length.
    #[track_caller]
    pub fn index_select(&self, axis: isize, indices: &Self) -> Self {
        let axis = axis_of(self, axis, "index_select");
        Self::apply(IndexSelect { axis }, &[self, &indices.as_indices()])
    }

    /// A copy with each slice of `source` added where its index points:
    /// `y[i…, indices[j], k…] += source[i…, j, k…]`. PyTorch: `torch.index_add`.
    ///
    /// # Panics
    /// If the shapes do not fit, or an index is negative or not below the axis's length.
    #[track_caller]
    pub fn index_add(&self, axis: isize, indices: &Self, source: &Self) -> Self {
        let axis = axis_of(self, axis, "index_add");
        Self::apply(IndexAdd { axis }, &[self, &indices.as_indices(), source])
    }

    /// The elements to which indices into the row-major order point, in the shape of the indices.
    /// PyTorch: `torch.take`.
    ///
    /// # Panics
    /// If an index is negative or not below the number of elements.
    #[track_caller]
    pub fn take(&self, indices: &Self) -> Self {
        let list = indices.as_indices().reshape(indices.count());
        self.reshape(self.count()).index_select(0, &list).reshape(*indices.shape())
    }

    /// Each index as a row of `classes` numbers, 1 where it points and else 0, as `i64`. PyTorch:
    /// `torch.nn.functional.one_hot`.
    ///
    /// # Shapes
    /// `indices: [..] -> [.., classes]`.
    ///
    /// # Panics
    /// If an index is negative or not below `classes`.
    #[track_caller]
    pub fn one_hot(&self, classes: usize) -> Self {
        let indices = self.as_indices().unsqueeze(-1);
        let shape = indices.shape().with(indices.rank() - 1, classes);
        let of = |value: i64, shape: Shape| {
            Self::scalar_like(&indices, value.into(), DType::I64).broadcast_to(shape)
        };
        of(0, shape).scatter(-1, &indices, &of(1, *indices.shape()))
    }
}

/// Samples of three axes: `call(x, indices)`, the middle axis of 4 and the indices of 5.
fn samples(list: bool, call: fn(&[Tensor]) -> Tensor, source: bool) -> Vec<Sample> {
    let sample = |rows: usize| {
        let shape: &[usize] = if list { &[5] } else { &[rows, 5, 2] };
        let mut args = vec![Arg::floats(&[rows, 4, 2], -1.0..1.0), Arg::indices(shape, 4)];
        if source {
            args.push(Arg::floats(&[rows, 5, 2], -1.0..1.0));
        }
        Sample::new(args, call)
    };
    vec![sample(3), sample(0).label("empty")]
}

pub(super) const CASES: &[Case] = &[
    Case {
        name: "gather",
        formula: "y[i, j, k] = x[i, indices[i, j, k], k]",
        torch: "torch.gather",
        gradient: Gradient::Twice,
        samples: || samples(false, |x| x[0].gather(1, &x[1]), false),
    },
    Case {
        name: "scatter",
        formula: "y = x, then y[i, indices[i, j, k], k] = source[i, j, k]",
        torch: "torch.scatter",
        gradient: Gradient::Twice,
        samples: || samples(false, |x| x[0].scatter(1, &x[1], &x[2]), true),
    },
    Case {
        name: "scatter_add",
        formula: "y = x, then y[i, indices[i, j, k], k] += source[i, j, k]",
        torch: "torch.scatter_add",
        gradient: Gradient::Twice,
        samples: || samples(false, |x| x[0].scatter_add(-2, &x[1], &x[2]), true),
    },
    Case {
        name: "index_select",
        formula: "y[i, j, k] = x[i, indices[j], k]",
        torch: "torch.index_select",
        gradient: Gradient::Twice,
        samples: || samples(true, |x| x[0].index_select(1, &x[1]), false),
    },
    Case {
        name: "index_add",
        formula: "y = x, then y[i, indices[j], k] += source[i, j, k]",
        torch: "torch.index_add",
        gradient: Gradient::Twice,
        samples: || samples(true, |x| x[0].index_add(1, &x[1], &x[2]), true),
    },
    Case {
        name: "take",
        formula: "the elements to which indices into the row-major order point",
        torch: "torch.take",
        gradient: Gradient::Twice,
        samples: || {
            let sample = |count: usize| {
                let args = vec![Arg::floats(&[3, 4], -1.0..1.0), Arg::indices(&[count, 2], 12)];
                Sample::new(args, |x| x[0].take(&x[1]))
            };
            vec![sample(3), sample(0).label("empty")]
        },
    },
    Case {
        name: "one_hot",
        formula: "1 where the index points, else 0",
        torch: "torch.nn.functional.one_hot",
        gradient: Gradient::None,
        samples: || {
            let sample =
                |count: usize| Sample::new(vec![Arg::indices(&[2, count], 5)], |x| x[0].one_hot(5));
            vec![sample(3), sample(0).label("empty")]
        },
    },
];
