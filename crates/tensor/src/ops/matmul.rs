//! Matrix products.

use super::case::{Case, Gradient, Sample};
use crate::error::{fail, reject};
use crate::kernel::Kernel;
use crate::op::{Context, Forward, Grads, Op, Spec, common_device, launch};
use crate::{OpError, Result, Shape, Tensor, precision};
use smallvec::smallvec;

/// C = A · B for the last two axes, with broadcasting of those before them.
#[derive(Debug)]
struct MatMul;

impl Op for MatMul {
    fn name(&self) -> &'static str {
        "matmul"
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        let (a, b) = (inputs[0], inputs[1]);
        check_types(inputs)?;
        let (rank_a, rank_b) = (a.shape.rank(), b.shape.rank());
        if rank_a < 2 || rank_b < 2 {
            reject!("takes matrices, not {} x {}", a.shape, b.shape);
        }
        let (inner_a, inner_b) = (a.shape[rank_a - 1], b.shape[rank_b - 2]);
        if inner_a != inner_b {
            reject!("inner sizes differ: {} x {} ({inner_a} != {inner_b})", a.shape, b.shape);
        }
        let matrix = [a.shape[rank_a - 2], b.shape[rank_b - 1]];
        let shape = if rank_a == 2 && rank_b == 2 {
            matrix.into()
        } else {
            let batch_a = a.shape.without(rank_a - 1).without(rank_a - 2);
            let batch_b = b.shape.without(rank_b - 1).without(rank_b - 2);
            Shape::try_new(&[&batch_a.broadcast(&batch_b)?[..], &matrix].concat())?
        };
        Ok(Spec { shape, dtype: a.dtype, device: common_device(inputs)? })
    }

    fn forward(&self, inputs: &[&Tensor], output: Spec) -> Result<Forward> {
        let (a, b) = (inputs[0], inputs[1]);
        let kernel = Kernel::MatMul { precision: precision() };
        if a.rank() == 2 && b.rank() == 2 {
            return Ok(Forward::new(launch(&kernel, inputs, output)?).saving_inputs(2));
        }
        let batch = &output.shape[..output.shape.rank() - 2];
        let matrices = |x: &Tensor| {
            let mut lens = batch.to_vec();
            lens.extend(&x.shape()[x.rank() - 2..]);
            x.broadcast_view(lens.into())
        };
        let output = launch(&kernel, &[&matrices(a)?, &matrices(b)?], output)?;
        Ok(Forward::new(output).saving_inputs(2))
    }

    /// dA = dC · Bᵀ, dB = Aᵀ · dC, summed over what was broadcast.
    fn backward(&self, context: &Context<'_>, grad: &Tensor) -> Result<Grads> {
        let (a, b) = (&context.saved[0], &context.saved[1]);
        let by_a = context
            .if_needed(0, || Tensor::try_apply(Self, &[grad, &b.t()])?.try_sum_to(*a.shape()))?;
        let by_b = context.if_needed(1, || {
            if b.rank() == 2 && a.rank() > 2 {
                // One product over all rows of the batch, instead of a sum of products.
                let rows = |x: &Tensor| x.flatten(0, -2);
                return Tensor::try_apply(Self, &[&rows(a).t(), &rows(grad)]);
            }
            Tensor::try_apply(Self, &[&a.t(), grad])?.try_sum_to(*b.shape())
        })?;
        Ok(smallvec![by_a, by_b])
    }

    fn flops(&self, inputs: &[Spec], output: &Spec) -> u64 {
        let depth = inputs[0].shape.last().copied().unwrap_or(1);
        2 * output.shape.count() as u64 * depth as u64
    }
}

/// y = x · Wᵀ + b, with x: [.., I], W: [O, I], b: [O].
#[derive(Debug)]
struct Linear;

impl Op for Linear {
    fn name(&self) -> &'static str {
        "linear"
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        check_types(inputs)?;
        let (x, w) = (inputs[0], inputs[1]);
        let features = x.shape.last().copied();
        let &[outputs, takes] = &w.shape[..] else {
            reject!("the weight is a matrix, not {}", w.shape);
        };
        if features != Some(takes) {
            reject!("the weight {} takes {takes} features, but the input is {}", w.shape, x.shape);
        }
        if let Some(b) = inputs.get(2).filter(|b| b.shape != [outputs]) {
            reject!("the weight {} wants a bias [{outputs}], not {}", w.shape, b.shape);
        }
        let shape = x.shape.with(x.shape.rank() - 1, outputs);
        Ok(Spec { shape, dtype: x.dtype, device: common_device(inputs)? })
    }

    fn forward(&self, inputs: &[&Tensor], output: Spec) -> Result<Forward> {
        let (x, w) = (inputs[0].detach(), inputs[1]);
        let outputs = output.shape[output.shape.rank() - 1];
        let rows = output.with_shape([output.shape.count() / outputs.max(1), outputs].into());
        let x = x.reshape([rows.shape[0], w.shape()[1]]);
        let w = w.with_layout(w.layout().permute(&[1, 0]));
        let kernel = Kernel::MatMul { precision: precision() };
        let product = match inputs.get(2) {
            Some(b) => launch(&kernel, &[&x, &w, &b.detach().contiguous()], rows)?,
            None => launch(&kernel, &[&x, &w], rows)?,
        };
        Ok(Forward::new(product.reshape(output.shape)).saving_inputs(2))
    }

    /// dx = dy · W, dW = dyᵀ · x, db = Σ dy.
    fn backward(&self, context: &Context<'_>, grad: &Tensor) -> Result<Grads> {
        let (x, w) = (&context.saved[0], &context.saved[1]);
        let rows = |x: &Tensor| x.reshape([x.count() / x.len_of(-1).max(1), x.len_of(-1)]);
        let mut grads: Grads = smallvec![
            context.if_needed(0, || Ok(rows(grad).matmul(w).reshape(*x.shape())))?,
            context.if_needed(1, || Ok(rows(grad).t().matmul(&rows(x))))?,
        ];
        if context.inputs.len() > 2 {
            grads.push(context.if_needed(2, || Ok(rows(grad).sum(0)))?);
        }
        Ok(grads)
    }

    fn flops(&self, inputs: &[Spec], output: &Spec) -> u64 {
        let depth = inputs[0].shape.last().copied().unwrap_or(1);
        let bias = inputs.len() as u64 - 2;
        output.shape.count() as u64 * (2 * depth as u64 + bias)
    }
}

/// Checks that all inputs are of the same type of float.
pub(super) fn check_types(inputs: &[Spec]) -> Result<(), OpError> {
    let dtype = inputs[0].dtype;
    if !dtype.is_float() {
        return Err(OpError::dtype(dtype, "floats"));
    }
    match inputs.iter().find(|input| input.dtype != dtype) {
        None => Ok(()),
        Some(other) => Err(OpError::new(format_args!("types differ: {dtype} and {}", other.dtype))),
    }
}

impl Tensor {
    /// The matrix product of the last two axes, `[.., M, K] x [.., K, N] -> [.., M, N]`, with
    /// broadcasting of the axes before them. A vector stands for one row on the left and one column
    /// on the right. PyTorch: `torch.matmul`.
    ///
    /// # Panics
    /// If the inner sizes differ, or either has no axis.
    #[track_caller]
    pub fn matmul(&self, other: &Self) -> Self {
        if self.rank() == 0 || other.rank() == 0 {
            let message = format_args!("takes matrices, not {} x {}", self.shape(), other.shape());
            fail(OpError::of("matmul", message));
        }
        let dtype = self.dtype().promote(other.dtype());
        let (mut a, mut b) = (self.to_dtype(dtype), other.to_dtype(dtype));
        if self.rank() == 1 {
            a = a.unsqueeze(0);
        }
        if other.rank() == 1 {
            b = b.unsqueeze(1);
        }
        let product = Self::apply(MatMul, &[&a, &b]);
        let product = if other.rank() == 1 { product.squeeze(-1) } else { product };
        if self.rank() == 1 {
            product.squeeze(if other.rank() == 1 { -1 } else { -2 })
        } else {
            product
        }
    }

    /// y = x · Wᵀ + b, with x: `[.., I]`, W: `[O, I]`, b: `[O]`. PyTorch:
    /// `torch.nn.functional.linear`.
    #[track_caller]
    pub fn linear(&self, weight: &Self, bias: Option<&Self>) -> Self {
        match bias {
            Some(bias) => Self::apply(Linear, &[self, weight, bias]),
            None => Self::apply(Linear, &[self, weight]),
        }
    }

    /// The outer product of two vectors, `[M] x [N] -> [M, N]`. PyTorch: `torch.outer`.
    #[track_caller]
    pub fn outer(&self, other: &Self) -> Self {
        if self.rank() != 1 || other.rank() != 1 {
            let message = format_args!("takes vectors, not {} x {}", self.shape(), other.shape());
            fail(OpError::of("outer", message));
        }
        self.unsqueeze(1).mul(other)
    }
}

pub(super) const CASES: &[Case] = &[
    Case {
        name: "matmul",
        formula: "A · B",
        torch: "torch.matmul",
        gradient: Gradient::Twice,
        samples: || {
            let sample = |a: &[usize], b: &[usize]| {
                Sample::floats(&[a, b], -1.0..1.0, |x| x[0].matmul(&x[1]))
            };
            vec![
                sample(&[3, 4], &[4, 5]),
                sample(&[2, 3, 4], &[4, 5]).label("batch x matrix"),
                sample(&[3, 4], &[2, 4, 5]).label("matrix x batch"),
                sample(&[2, 1, 3, 4], &[3, 4, 2]).label("broadcast"),
                sample(&[4], &[4, 5]).label("vector x matrix"),
                sample(&[3, 4], &[4]).label("matrix x vector"),
                sample(&[4], &[4]).label("vector x vector"),
                sample(&[0, 4], &[4, 5]).label("empty"),
                sample(&[3, 0], &[0, 5]).label("nothing to sum"),
            ]
        },
    },
    Case {
        name: "linear",
        formula: "x · Wᵀ + b",
        torch: "torch.nn.functional.linear",
        gradient: Gradient::Twice,
        samples: || {
            vec![
                Sample::floats(&[&[2, 3, 4], &[5, 4], &[5]], -1.0..1.0, |x| {
                    x[0].linear(&x[1], Some(&x[2]))
                }),
                Sample::floats(&[&[3, 4], &[5, 4]], -1.0..1.0, |x| x[0].linear(&x[1], None))
                    .label("no bias"),
                Sample::floats(&[&[0, 4], &[5, 4], &[5]], -1.0..1.0, |x| {
                    x[0].linear(&x[1], Some(&x[2]))
                })
                .label("empty"),
            ]
        },
    },
    Case {
        name: "outer",
        formula: "x yᵀ",
        torch: "torch.outer",
        gradient: Gradient::Twice,
        samples: || {
            let sample = |rows| Sample::floats(&[&[rows], &[4]], -1.0..1.0, |x| x[0].outer(&x[1]));
            vec![sample(3), sample(0).label("empty")]
        },
    },
];
