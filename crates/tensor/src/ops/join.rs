//! Joining tensors.

use super::case::{Case, Gradient, Sample};
use crate::error::{fail, reject};
use crate::kernel::Kernel;
use crate::op::{Context, Forward, Grads, Op, Spec, common_device, launch};
use crate::{DType, OpError, Result, Tensor};

/// y = the inputs one after another along an axis.
#[derive(Debug)]
struct Cat {
    axis: usize,
}

impl Op for Cat {
    fn name(&self) -> &'static str {
        "cat"
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        let first = inputs[0];
        let mut len = 0usize;
        for input in inputs {
            let fits = input.shape.rank() == first.shape.rank()
                && input.shape.with(self.axis, 0) == first.shape.with(self.axis, 0);
            if !fits {
                let axis = self.axis;
                reject!("shapes {} and {} differ beside axis {axis}", first.shape, input.shape);
            }
            if input.dtype != first.dtype {
                reject!("types differ: {} and {}", first.dtype, input.dtype);
            }
            len = len.saturating_add(input.shape[self.axis]);
        }
        let shape = first.shape.with(self.axis, len);
        Ok(Spec { shape, dtype: first.dtype, device: common_device(inputs)? })
    }

    fn forward(&self, inputs: &[&Tensor], output: Spec) -> Result<Forward> {
        Ok(Forward::new(launch(&Kernel::Concat { axis: self.axis }, inputs, output)?))
    }

    fn backward(&self, context: &Context<'_>, grad: &Tensor) -> Result<Grads> {
        let axis = self.axis as isize;
        let mut start = 0;
        let mut grads = Grads::new();
        for (index, input) in context.inputs.iter().enumerate() {
            let len = input.shape[self.axis];
            grads.push(context.if_needed(index, || Ok(grad.narrow(axis, start, len)))?);
            start += len;
        }
        Ok(grads)
    }

    fn flops(&self, _: &[Spec], _: &Spec) -> u64 {
        0
    }
}

impl Tensor {
    /// The tensors one after another along an axis, after they got a common type. PyTorch:
    /// `torch.cat`.
    ///
    /// # Panics
    /// If there is none, or their shapes differ beside that axis.
    #[track_caller]
    pub fn cat(tensors: &[Self], axis: isize) -> Self {
        let Some(first) = tensors.first() else {
            fail(OpError::of("cat", "there is no tensor to join"));
        };
        let axis = first.shape().axis(axis).unwrap_or_else(|error| fail(error.named("cat")));
        let dtype = tensors.iter().map(Self::dtype).fold(first.dtype(), DType::promote);
        let tensors: Vec<Self> = tensors.iter().map(|x| x.to_dtype(dtype)).collect();
        Self::apply(Cat { axis }, &tensors.iter().collect::<Vec<_>>())
    }

    /// The tensors, which have the same shape, one after another along a new axis. PyTorch:
    /// `torch.stack`.
    ///
    /// # Panics
    /// If there is none, or their shapes differ.
    #[track_caller]
    pub fn stack(tensors: &[Self], axis: isize) -> Self {
        let tensors: Vec<Self> = tensors.iter().map(|x| x.unsqueeze(axis)).collect();
        Self::cat(&tensors, axis)
    }
}

pub(super) const CASES: &[Case] = &[
    Case {
        name: "cat",
        formula: "tensors one after another along an axis",
        torch: "torch.cat",
        gradient: Gradient::Twice,
        samples: || {
            vec![
                Sample::floats(&[&[2, 3], &[1, 3], &[4, 3]], -1.0..1.0, |x| Tensor::cat(x, 0)),
                Sample::floats(&[&[2, 3, 2], &[2, 1, 2]], -1.0..1.0, |x| Tensor::cat(x, 1))
                    .label("middle axis"),
                Sample::floats(&[&[0, 3], &[2, 3]], -1.0..1.0, |x| Tensor::cat(x, 0))
                    .label("empty"),
            ]
        },
    },
    Case {
        name: "stack",
        formula: "tensors one after another along a new axis",
        torch: "torch.stack",
        gradient: Gradient::Twice,
        samples: || {
            let sample = |rows: usize| {
                Sample::floats(&[&[rows, 3], &[rows, 3]], -1.0..1.0, |x| Tensor::stack(x, -1))
            };
            vec![sample(2), sample(0).label("empty")]
        },
    },
];
