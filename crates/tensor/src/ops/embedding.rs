//! Rows of a table for indices.

use super::case::{Arg, Case, Gradient, Sample};
use super::index::{add_into_zeros, check_indices};
use crate::error::reject;
use crate::kernel::Kernel;
use crate::op::{Context, Forward, Grads, Op, Spec, common_device, launch};
use crate::{OpError, Result, Tensor};
use smallvec::smallvec;

/// y[.., d] = weight[indices[..], d].
#[derive(Debug)]
struct Embedding {
    /// The row that gets no gradient.
    padding: Option<usize>,
}

impl Op for Embedding {
    fn name(&self) -> &'static str {
        "embedding"
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        let (weight, indices) = (inputs[0], inputs[1]);
        check_indices(indices)?;
        let &[rows, features] = &weight.shape[..] else {
            reject!("the weight is a matrix, not {}", weight.shape);
        };
        if let Some(padding) = self.padding.filter(|&padding| padding >= rows) {
            reject!("the weight {} has no row {padding} for padding", weight.shape);
        }
        let lens = [&indices.shape[..], &[features]].concat();
        let shape = crate::Shape::try_new(&lens)?;
        Ok(Spec { shape, dtype: weight.dtype, device: common_device(inputs)? })
    }

    fn forward(&self, inputs: &[&Tensor], output: Spec) -> Result<Forward> {
        let output = launch(&Kernel::IndexSelect { axis: 0 }, inputs, output)?;
        Ok(Forward::new(output).saving_input(1))
    }

    fn backward(&self, context: &Context<'_>, grad: &Tensor) -> Result<Grads> {
        let (weight, indices) = (context.inputs[0].shape, &context.saved[0]);
        let grad = match self.padding {
            None => grad.clone(),
            Some(padding) => {
                grad.masked_fill(&indices.eq_scalar(padding as i64).unsqueeze(-1), 0.0)
            }
        };
        let (list, rows) =
            (indices.reshape(indices.count()), grad.reshape([indices.count(), weight[1]]));
        Ok(smallvec![Some(add_into_zeros(0, weight, &list, &rows)?), None])
    }

    fn flops(&self, _: &[Spec], _: &Spec) -> u64 {
        0
    }
}

impl Tensor {
    /// The rows of this table to which indices point: y[.., d] = weight[indices[..], d]. The row
    /// `padding`, if one is named, gets no gradient. PyTorch: `torch.nn.functional.embedding`, whose
    /// `padding_idx` it is.
    ///
    /// # Shapes
    /// `weight: [N, D]`, `indices: [..] -> [.., D]`.
    ///
    /// # Panics
    /// If an index is negative or not below N.
    #[track_caller]
    pub fn embedding(&self, indices: &Self, padding: Option<usize>) -> Self {
        Self::apply(Embedding { padding }, &[self, &indices.as_indices()])
    }
}

pub(super) const CASES: &[Case] = &[Case {
    name: "embedding",
    formula: "y[.., d] = weight[indices[..], d]",
    torch: "torch.nn.functional.embedding",
    gradient: Gradient::Twice,
    samples: || {
        let sample = |count: usize| {
            let args = vec![Arg::floats(&[6, 3], -1.0..1.0), Arg::indices(&[2, count], 6)];
            Sample::new(args, |x| x[0].embedding(&x[1], None))
        };
        vec![sample(4), sample(0).label("empty")]
    },
}];
