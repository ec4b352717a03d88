//! The methods of [`Tensor`] for views, and samples of them.

use super::{Contiguous, Order, Reshape, Unview, View};
use crate::autograd::mode;
use crate::error::fail;
use crate::ops::case::{Case, Gradient, Sample};
use crate::{OpError, Result, Shape, Tensor};
use std::ops::Range;

/// Resolves an axis in the name of an op.
#[track_caller]
pub(in crate::ops) fn axis_of(x: &Tensor, axis: isize, op: &'static str) -> usize {
    x.shape().axis(axis).unwrap_or_else(|error| fail(error.named(op)))
}

impl Tensor {
    /// The same elements in row-major order in another shape of as many elements: a view where
    /// memory allows, else a copy. PyTorch: `torch.reshape`.
    #[track_caller]
    pub fn reshape(&self, shape: impl Into<Shape>) -> Self {
        let shape = shape.into();
        if *self.shape() == shape {
            return self.clone();
        }
        if self.is_unseen()
            && self.shape().checked_count() == shape.checked_count()
            && let Some(layout) = self.layout().reshape(shape)
        {
            return self.with_layout(layout);
        }
        Self::apply(Reshape(shape), &[self])
    }

    /// True if what is made of this tensor now is neither recorded nor watched: a view of it is then
    /// no more than another layout.
    fn is_unseen(&self) -> bool {
        let mode = mode();
        !mode.watched && !mode.anomaly && (!mode.grad || self.node().is_none())
    }

    /// A view of no more elements than this tensor has.
    #[track_caller]
    fn moved(&self, view: View) -> Self {
        match view.layout(self.layout()) {
            Ok(layout) if self.is_unseen() => self.with_layout(layout),
            _ => Self::apply(view, &[self]),
        }
    }

    /// Joins the axes from `first` to `last` into one. PyTorch: `torch.flatten`.
    #[track_caller]
    pub fn flatten(&self, first: isize, last: isize) -> Self {
        if self.rank() == 0 {
            return self.reshape([1]);
        }
        let (first, last) = (axis_of(self, first, "flatten"), axis_of(self, last, "flatten"));
        if first > last {
            fail(OpError::of("flatten", format_args!("axis {first} comes after axis {last}")));
        }
        let mut lens = self.shape().to_vec();
        let joined = lens[first..=last].iter().product();
        lens.splice(first..=last, [joined]);
        self.reshape(lens)
    }

    /// Puts in an axis of length 1 before the axis `axis` of the result. PyTorch: `torch.unsqueeze`.
    #[track_caller]
    pub fn unsqueeze(&self, axis: isize) -> Self {
        let rank = self.rank() as isize + 1;
        let index = if axis < 0 { axis + rank } else { axis };
        if !(0..rank).contains(&index) {
            let message = format_args!("a result of {rank} axes has no axis {axis}");
            fail(OpError::of("unsqueeze", message));
        }
        let mut lens = self.shape().to_vec();
        lens.insert(index as usize, 1);
        self.reshape(lens)
    }

    /// Takes out an axis of length 1. PyTorch: `torch.squeeze`, which lets other lengths pass.
    #[track_caller]
    pub fn squeeze(&self, axis: isize) -> Self {
        let index = axis_of(self, axis, "squeeze");
        if self.shape()[index] != 1 {
            let message =
                format_args!("axis {axis} of shape {} does not have length 1", self.shape());
            fail(OpError::of("squeeze", message));
        }
        self.reshape(self.shape().without(index))
    }

    /// The view in which axis i is the one that was `axes[i]`. PyTorch: `torch.permute`.
    #[track_caller]
    pub fn permute(&self, axes: &[isize]) -> Self {
        let order: Order = axes.iter().map(|&axis| axis_of(self, axis, "permute")).collect();
        let mut sorted = order.clone();
        sorted.sort_unstable();
        if !sorted.into_iter().eq(0..self.rank()) {
            let message =
                format_args!("{axes:?} is no order of the axes of shape {}", self.shape());
            fail(OpError::of("permute", message));
        }
        self.moved(View::Permute(order))
    }

    /// The view with two axes exchanged. PyTorch: `torch.transpose`.
    #[track_caller]
    pub fn transpose(&self, first: isize, second: isize) -> Self {
        let mut order: Order = (0..self.rank()).collect();
        order.swap(axis_of(self, first, "transpose"), axis_of(self, second, "transpose"));
        self.moved(View::Permute(order))
    }

    /// The view of a matrix, or of a batch of them, with rows and columns exchanged.
    #[track_caller]
    pub fn t(&self) -> Self {
        self.transpose(-2, -1)
    }

    /// The view that repeats axes of length 1 to reach `shape`. PyTorch: `torch.broadcast_to`,
    /// `Tensor.expand`.
    #[track_caller]
    pub fn broadcast_to(&self, shape: impl Into<Shape>) -> Self {
        let shape = shape.into();
        if *self.shape() == shape {
            return self.clone();
        }
        Self::apply(View::Broadcast(shape), &[self])
    }

    /// The view that a kernel takes of an input that is broadcast.
    pub(in crate::ops) fn broadcast_view(&self, shape: Shape) -> Result<Self> {
        if *self.shape() == shape {
            return Ok(self.clone());
        }
        Ok(self.with_layout(self.layout().expand(shape)?))
    }

    /// The view of `count` elements of an axis from `start` on. PyTorch: `torch.narrow`.
    #[track_caller]
    pub fn narrow(&self, axis: isize, start: usize, count: usize) -> Self {
        let index = axis_of(self, axis, "narrow");
        let len = self.shape()[index];
        if start.checked_add(count).is_none_or(|end| end > len) {
            let message =
                format_args!("{count} elements from {start} on exceed axis {axis} of {len}");
            fail(OpError::of("narrow", message));
        }
        self.moved(View::Slice { axis: index, start, step: 1, count })
    }

    /// The view of every `step`-th element of an axis in a range; a negative step starts at the
    /// range's end. NumPy: `x[start:end:step]`.
    #[track_caller]
    pub fn slice(&self, axis: isize, range: Range<usize>, step: isize) -> Self {
        let index = axis_of(self, axis, "slice");
        let len = self.shape()[index];
        if range.end > len || range.start > range.end || step == 0 {
            let message =
                format_args!("{range:?} in steps of {step} is not in axis {axis} of {len}");
            fail(OpError::of("slice", message));
        }
        let count = range.len().div_ceil(step.unsigned_abs());
        let start = if step > 0 { range.start } else { range.end.saturating_sub(1) };
        Self::apply(View::Slice { axis: index, start, step, count }, &[self])
    }

    /// The view of one element of an axis, without that axis. PyTorch: `torch.select`.
    #[track_caller]
    pub fn select(&self, axis: isize, index: usize) -> Self {
        self.narrow(axis, index, 1).squeeze(axis)
    }

    /// The view with the order of some axes turned round. PyTorch: `torch.flip`, which copies.
    #[track_caller]
    pub fn flip(&self, axes: &[isize]) -> Self {
        axes.iter().fold(self.clone(), |x, &axis| {
            let len = x.len_of(axis);
            x.slice(axis, 0..len, -1)
        })
    }

    /// The view of windows of `size` elements along an axis, `step` apart: the axis then counts the
    /// windows, and a new last axis counts within them. PyTorch: `Tensor.unfold`.
    #[track_caller]
    pub fn unfold(&self, axis: isize, size: usize, step: usize) -> Self {
        Self::apply(View::Unfold { axis: axis_of(self, axis, "unfold"), size, step }, &[self])
    }

    /// The view of the diagonal of two axes, as a new last axis: elements whose index in `second`
    /// is that in `first` plus `offset`. PyTorch: `torch.diagonal`.
    #[track_caller]
    pub fn diagonal(&self, offset: isize, first: isize, second: isize) -> Self {
        let (first, second) = (axis_of(self, first, "diagonal"), axis_of(self, second, "diagonal"));
        if first == second {
            fail(OpError::of("diagonal", format_args!("axis {first} is named twice")));
        }
        Self::apply(View::Diagonal { first, second, offset }, &[self])
    }

    /// Zeros but for the diagonal of the last two axes, or the one `offset` places to the right of
    /// it, which holds the last axis of this tensor: `[.., N] -> [.., N + |offset|, N + |offset|]`.
    /// PyTorch: `torch.diag_embed`.
    #[track_caller]
    pub fn diag_embed(&self, offset: isize) -> Self {
        let Some(&len) = self.shape().last() else {
            fail(OpError::of("diag_embed", "takes lists, not a single number"));
        };
        let side = len.saturating_add(offset.unsigned_abs());
        let first = self.rank() - 1;
        let lens = [&self.shape()[..first], &[side, side]].concat();
        let shape = Shape::try_new(&lens).unwrap_or_else(|error| fail(error.named("diag_embed")));
        let view = View::Diagonal { first, second: first + 1, offset };
        Self::apply(Unview { view, shape }, &[self])
    }

    /// The same elements side by side in row-major order: itself, or a copy.
    #[track_caller]
    pub fn contiguous(&self) -> Self {
        if self.is_contiguous() { self.clone() } else { self.copied() }
    }

    /// A copy of the elements in memory of their own. PyTorch: `torch.clone`.
    #[track_caller]
    pub fn copied(&self) -> Self {
        Self::apply(Contiguous, &[self])
    }

    /// The same tensor as the result of an op of its own.
    pub(crate) fn alias(&self) -> Self {
        Self::apply(View::Alias, &[self])
    }

    /// Cuts an axis into parts of given lengths. PyTorch: `torch.split`.
    #[track_caller]
    pub fn split(&self, axis: isize, lens: &[usize]) -> Vec<Self> {
        let len = self.len_of(axis);
        if lens.iter().try_fold(0usize, |sum, &len| sum.checked_add(len)) != Some(len) {
            fail(OpError::of(
                "split",
                format_args!("parts of {lens:?} do not make an axis of {len}"),
            ));
        }
        let mut start = 0;
        let mut part = |len| {
            start += len;
            self.narrow(axis, start - len, len)
        };
        lens.iter().map(|&len| part(len)).collect()
    }

    /// Cuts an axis into at most `count` parts of equal length, the last one shorter. PyTorch:
    /// `torch.chunk`.
    #[track_caller]
    pub fn chunk(&self, axis: isize, count: usize) -> Vec<Self> {
        let len = self.len_of(axis);
        if count == 0 {
            fail(OpError::of("chunk", "cannot cut an axis into 0 parts"));
        }
        let part = len.div_ceil(count).max(1);
        (0..len.max(1))
            .step_by(part)
            .map(|start| self.narrow(axis, start, part.min(len - start)))
            .collect()
    }
}

/// A sample of a view of a tensor of shape [0, 4, 5].
fn empty(call: fn(&Tensor) -> Tensor) -> Sample {
    Sample::floats(&[&[0, 4, 5]], -1.0..1.0, move |x| call(&x[0])).label("empty")
}

/// A sample of a view of a tensor of shape [3, 4, 5].
fn sample(call: fn(&Tensor) -> Tensor) -> Sample {
    Sample::floats(&[&[3, 4, 5]], -1.0..1.0, move |x| call(&x[0]))
}

pub(in crate::ops) const CASES: &[Case] = &[
    Case {
        name: "reshape",
        formula: "the same elements in row-major order, in another shape",
        torch: "torch.reshape",
        gradient: Gradient::Twice,
        samples: || {
            vec![
                sample(|x| x.reshape([6, 10])),
                sample(|x| x.transpose(0, 1).reshape([12, 5])).label("copy"),
                empty(|x| x.reshape([5, 0, 7])),
            ]
        },
    },
    Case {
        name: "permute",
        formula: "axis i is the one that was axes[i]",
        torch: "torch.permute",
        gradient: Gradient::Twice,
        samples: || {
            vec![
                sample(|x| x.permute(&[2, 0, 1])),
                sample(|x| x.transpose(0, -1)),
                empty(Tensor::t),
            ]
        },
    },
    Case {
        name: "broadcast_to",
        formula: "axes of length 1 repeated",
        torch: "torch.broadcast_to",
        gradient: Gradient::Twice,
        samples: || {
            vec![
                Sample::floats(&[&[3, 1, 2]], -1.0..1.0, |x| x[0].broadcast_to([2, 3, 4, 2])),
                empty(|x| x.broadcast_to([2, 0, 4, 5])),
            ]
        },
    },
    Case {
        name: "slice",
        formula: "every step-th element of a range of an axis",
        torch: "torch.narrow",
        gradient: Gradient::Twice,
        samples: || {
            vec![
                sample(|x| x.narrow(1, 1, 2)),
                sample(|x| x.slice(2, 1..5, 2)).label("step"),
                sample(|x| x.flip(&[0, 2])).label("flip"),
                sample(|x| x.select(1, 3)).label("select"),
                empty(|x| x.narrow(1, 1, 2)),
            ]
        },
    },
    Case {
        name: "unfold",
        formula: "windows along an axis",
        torch: "Tensor.unfold",
        gradient: Gradient::Twice,
        samples: || {
            vec![
                sample(|x| x.unfold(2, 3, 1)),
                sample(|x| x.unfold(1, 2, 2)),
                empty(|x| x.unfold(1, 2, 1)),
            ]
        },
    },
    Case {
        name: "diagonal",
        formula: "the elements of two axes whose indices differ by an offset",
        torch: "torch.diagonal",
        gradient: Gradient::Twice,
        samples: || {
            vec![
                sample(|x| x.diagonal(0, 0, 1)),
                sample(|x| x.diagonal(-1, 1, 2)),
                empty(|x| x.diagonal(0, 0, 1)),
            ]
        },
    },
    Case {
        name: "diag_embed",
        formula: "zeros but for a diagonal",
        torch: "torch.diag_embed",
        gradient: Gradient::Twice,
        samples: || vec![sample(|x| x.diag_embed(-1)), empty(|x| x.diag_embed(0))],
    },
    Case {
        name: "unview",
        formula: "zeros, with each element added where a view would have taken it from",
        torch: "",
        gradient: Gradient::Twice,
        samples: || {
            let sample = |rest: usize| {
                Sample::floats(&[&[3, rest, 3]], -1.0..1.0, move |x| {
                    let view = View::Unfold { axis: 0, size: 3, step: 1 };
                    Tensor::apply(Unview { view, shape: [5, rest].into() }, &[&x[0]])
                })
            };
            vec![sample(1), sample(2), sample(0).label("empty")]
        },
    },
    Case {
        name: "contiguous",
        formula: "a copy, side by side in row-major order",
        torch: "torch.clone",
        gradient: Gradient::Twice,
        samples: || {
            vec![
                sample(|x| x.transpose(0, 1).contiguous()),
                sample(Tensor::copied),
                empty(Tensor::copied),
            ]
        },
    },
    Case {
        name: "alias",
        formula: "x",
        torch: "",
        gradient: Gradient::Twice,
        samples: || vec![sample(Tensor::alias), empty(Tensor::alias)],
    },
];
