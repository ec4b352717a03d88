//! Rolling, repeating, masking by diagonals: compositions of views and copies.

use super::case::{Case, Gradient, Sample};
use super::view::axis_of;
use crate::error::fail;
use crate::{DType, OpError, Shape, Tensor};

impl Tensor {
    /// The elements moved along an axis by `shift` places; those that leave it at one end come in at
    /// the other. PyTorch: `torch.roll`.
    #[track_caller]
    pub fn roll(&self, shift: isize, axis: isize) -> Self {
        let len = self.shape()[axis_of(self, axis, "roll")];
        let shift = if len == 0 { 0 } else { shift.rem_euclid(len as isize) as usize };
        if shift == 0 {
            return self.clone();
        }
        let (front, back) =
            (self.narrow(axis, 0, len - shift), self.narrow(axis, len - shift, shift));
        Self::cat(&[back, front], axis)
    }

    /// The whole tensor again and again: `counts[i]` times along axis i, where fewer counts than axes
    /// belong to the last axes and more add axes in front. PyTorch: `Tensor.repeat`, `torch.tile`.
    #[track_caller]
    pub fn repeat(&self, counts: &[usize]) -> Self {
        let added = counts.len().saturating_sub(self.rank());
        let lens = [&vec![1; added][..], self.shape()].concat();
        let first = lens.len() - counts.len();
        let shape = Shape::try_new(&lens).unwrap_or_else(|error| fail(error.named("repeat")));
        let mut repeated = self.reshape(shape);
        for (axis, &count) in counts.iter().enumerate().filter(|(_, count)| **count != 1) {
            let axis = axis + first;
            let shape = *repeated.shape();
            let outer: usize = shape[..axis].iter().product();
            let rest: usize = shape[axis..].iter().product();
            repeated = repeated
                .reshape([outer, 1, rest])
                .broadcast_to([outer, count, rest])
                .reshape(shape.with(axis, shape[axis].saturating_mul(count)));
        }
        repeated
    }

    /// Each element of an axis `count` times in a row. PyTorch: `torch.repeat_interleave`.
    #[track_caller]
    pub fn repeat_interleave(&self, count: usize, axis: isize) -> Self {
        let axis = axis_of(self, axis, "repeat_interleave");
        let shape = *self.shape();
        let outer: usize = shape[..=axis].iter().product();
        let inner: usize = shape[axis + 1..].iter().product();
        self.reshape([outer, 1, inner])
            .broadcast_to([outer, count, inner])
            .reshape(shape.with(axis, shape[axis].saturating_mul(count)))
    }

    /// The matrices of the last two axes with zeros above a diagonal: the main one, or the one
    /// `offset` places to the right of it. PyTorch: `torch.tril`.
    #[track_caller]
    pub fn tril(&self, offset: isize) -> Self {
        let difference = self.column_minus_row("tril");
        self.masked_fill(&difference.gt_scalar(offset as i64), 0.0)
    }

    /// The matrices of the last two axes with zeros below a diagonal. PyTorch: `torch.triu`.
    #[track_caller]
    pub fn triu(&self, offset: isize) -> Self {
        let difference = self.column_minus_row("triu");
        self.masked_fill(&difference.lt_scalar(offset as i64), 0.0)
    }

    /// For each place of the matrices of the last two axes, its column less its row.
    #[track_caller]
    fn column_minus_row(&self, op: &'static str) -> Self {
        if self.rank() < 2 {
            let message = format_args!("takes matrices, not the shape {}", self.shape());
            fail(OpError::of(op, message));
        }
        let count_to = |len: usize| Self::arange(0, len as i64, 1).to_device(self.device());
        count_to(self.len_of(-1)) - count_to(self.len_of(-2)).unsqueeze(1)
    }

    /// The indices of the elements that are not zero, one row for each: `[n, rank]`, as `i64`.
    /// PyTorch: `torch.nonzero`.
    ///
    /// # Panics
    /// If the device fails or holds no elements.
    #[track_caller]
    pub fn nonzero(&self) -> Self {
        let truths = self.to_dtype(DType::Bool).to_vec::<bool>();
        let mut indices = Vec::new();
        let mut rows = 0;
        for place in (0..truths.len()).filter(|&place| truths[place]) {
            let (start, mut rest) = (indices.len(), place);
            for &len in self.shape().iter().rev() {
                indices.push((rest % len) as i64);
                rest /= len;
            }
            indices[start..].reverse();
            rows += 1;
        }
        Self::from_vec(indices, [rows, self.rank()]).to_device(self.device())
    }

    /// The elements where a mask of truth values, which is broadcast to the tensor's shape, is true:
    /// a list. PyTorch: `torch.masked_select`.
    ///
    /// # Panics
    /// If the mask does not broadcast to the shape, or the device fails or holds no elements.
    #[track_caller]
    pub fn masked_select(&self, mask: &Self) -> Self {
        let mask = mask.broadcast_to(*self.shape()).reshape(self.count());
        self.take(&mask.nonzero().squeeze(1))
    }
}

/// A sample of a tensor of shape [3, 4, 2], and one of an empty tensor.
fn samples(call: fn(&Tensor) -> Tensor) -> Vec<Sample> {
    let sample =
        |rows: usize| Sample::floats(&[&[rows, 4, 2]], -1.0..1.0, move |x: &[Tensor]| call(&x[0]));
    vec![sample(3), sample(0).label("empty")]
}

pub(super) const CASES: &[Case] = &[
    Case {
        name: "roll",
        formula: "elements moved along an axis, round its end",
        torch: "torch.roll",
        gradient: Gradient::Twice,
        samples: || samples(|x| x.roll(-3, 1).roll(1, 0)),
    },
    Case {
        name: "repeat",
        formula: "the whole tensor again and again",
        torch: "Tensor.repeat",
        gradient: Gradient::Twice,
        samples: || samples(|x| x.repeat(&[2, 1, 3, 2])),
    },
    Case {
        name: "repeat_interleave",
        formula: "each element of an axis several times in a row",
        torch: "torch.repeat_interleave",
        gradient: Gradient::Twice,
        samples: || samples(|x| x.repeat_interleave(3, 1)),
    },
    Case {
        name: "tril",
        formula: "zeros above a diagonal",
        torch: "torch.tril",
        gradient: Gradient::Twice,
        samples: || samples(|x| x.tril(-1)),
    },
    Case {
        name: "triu",
        formula: "zeros below a diagonal",
        torch: "torch.triu",
        gradient: Gradient::Twice,
        samples: || samples(|x| x.triu(1)),
    },
];
