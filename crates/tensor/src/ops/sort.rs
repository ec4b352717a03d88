//! Sorting, and finding the largest elements.

use super::case::{Arg, Case, Gradient, Sample};
use super::view::axis_of;
use crate::error::{fail, reject};
use crate::kernel::{Kernel, Order};
use crate::op::{Context, Forward, Grads, Op, Spec, launch};
use crate::{DType, OpError, Result, Tensor};
use gradus_kernels::MAX_SORTED;
use smallvec::smallvec;

/// y = the indices that sort an axis of x, or the first of them.
#[derive(Debug)]
struct ArgSort {
    axis: usize,
    order: Order,
    /// How many are wanted; all, if none is given.
    count: Option<usize>,
}

impl Op for ArgSort {
    fn name(&self) -> &'static str {
        if self.count.is_some() { "topk" } else { "argsort" }
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        let x = inputs[0];
        let len = x.shape[self.axis];
        let count = self.count.unwrap_or(len);
        if count > len {
            reject!("axis {} has {len} elements, fewer than {count}", self.axis);
        }
        if len > MAX_SORTED {
            reject!("axis {} of {len} elements is longer than {MAX_SORTED}", self.axis);
        }
        Ok(x.with_shape(x.shape.with(self.axis, count)).with_dtype(DType::I64))
    }

    fn forward(&self, inputs: &[&Tensor], output: Spec) -> Result<Forward> {
        // The kernel sorts the last axis: make it that one, and put it back behind it.
        let mut order: Vec<usize> = (0..inputs[0].rank()).collect();
        let last = order.remove(self.axis);
        order.push(last);
        let x = inputs[0].with_layout(inputs[0].layout().permute(&order));
        let shape = x.shape().with(order.len() - 1, output.shape[self.axis]);
        let kernel = Kernel::ArgSort { order: self.order };
        let sorted = launch(&kernel, &[&x], output.with_shape(shape))?;
        let mut back: Vec<usize> = (0..order.len() - 1).collect();
        back.insert(self.axis, order.len() - 1);
        let layout = sorted.layout().permute(&back);
        Ok(Forward::new(sorted.with_layout(layout)))
    }

    fn backward(&self, _: &Context<'_>, _: &Tensor) -> Result<Grads> {
        Ok(smallvec![None])
    }
}

impl Tensor {
    /// The indices that sort an axis; equal elements keep their order, and NaN counts as the
    /// largest. PyTorch: `torch.argsort(stable=True)`.
    #[track_caller]
    pub fn argsort(&self, axis: isize, order: Order) -> Self {
        let axis = axis_of(self, axis, "argsort");
        Self::apply(ArgSort { axis, order, count: None }, &[self])
    }

    /// The elements along an axis in order, and their indices; equal elements keep their order, and
    /// NaN counts as the largest. PyTorch: `torch.sort(stable=True)`.
    #[track_caller]
    pub fn sort(&self, axis: isize, order: Order) -> (Self, Self) {
        let indices = self.argsort(axis, order);
        (self.gather(axis, &indices), indices)
    }

    /// The first `count` elements along an axis in order, and their indices: for
    /// [`Order::Descending`] the largest, the largest of all first. PyTorch: `torch.topk`.
    ///
    /// # Panics
    /// If the axis has fewer elements.
    #[track_caller]
    pub fn topk(&self, count: usize, axis: isize, order: Order) -> (Self, Self) {
        let place = axis_of(self, axis, "topk");
        let indices = Self::apply(ArgSort { axis: place, order, count: Some(count) }, &[self]);
        (self.gather(axis, &indices), indices)
    }

    /// The `k`-th smallest element along an axis, counted from 1, and its index, without that axis.
    /// PyTorch: `torch.kthvalue`.
    ///
    /// # Panics
    /// If `k` is 0 or the axis has fewer elements.
    #[track_caller]
    pub fn kthvalue(&self, k: usize, axis: isize) -> (Self, Self) {
        if k == 0 {
            fail(OpError::of("kthvalue", "k is 0: it counts from 1"));
        }
        let (_, indices) = self.topk(k, axis, Order::Ascending);
        let index = indices.narrow(axis, k - 1, 1);
        (self.gather(axis, &index).squeeze(axis), index.squeeze(axis))
    }
}

/// Samples along two axes of elements no two of which are alike.
fn samples(call: fn(&Tensor, isize) -> Tensor) -> Vec<Sample> {
    let sample = |axis: isize, rows: usize| {
        Sample::new(vec![Arg::distinct(&[3, 4, rows], -3.0..3.0)], move |x| call(&x[0], axis))
    };
    vec![sample(1, 2), sample(-1, 3), sample(0, 0).label("empty")]
}

pub(super) const CASES: &[Case] = &[
    Case {
        name: "argsort",
        formula: "the indices that sort an axis, stable, NaN as the largest",
        torch: "torch.argsort",
        gradient: Gradient::None,
        samples: || samples(|x, axis| x.argsort(axis, Order::Ascending)),
    },
    Case {
        name: "sort",
        formula: "the elements along an axis in order",
        torch: "torch.sort",
        gradient: Gradient::Twice,
        samples: || samples(|x, axis| x.sort(axis, Order::Descending).0),
    },
    Case {
        name: "topk",
        formula: "the largest or smallest elements along an axis in order",
        torch: "torch.topk",
        gradient: Gradient::Twice,
        samples: || samples(|x, axis| x.topk(2, axis, Order::Descending).0),
    },
    Case {
        name: "kthvalue",
        formula: "the k-th smallest element along an axis",
        torch: "torch.kthvalue",
        gradient: Gradient::Twice,
        samples: || samples(|x, axis| x.kthvalue(2, axis).0),
    },
];
