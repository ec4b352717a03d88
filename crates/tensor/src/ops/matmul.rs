//! Matrix products.

use super::case::{Case, Gradient, Sample};
use crate::error::{fail, reject};
use crate::kernel::{Kernel, Weight};
use crate::op::{Context, Forward, Grads, Op, Spec, common_device, launch, launch_views};
use crate::{Input, Layout, OpError, Result, Shape, Tensor, precision};
use smallvec::{SmallVec, smallvec};
use std::borrow::Cow;

/// C = A · B for the last two axes, with broadcasting of those before them.
#[derive(Clone, Copy, Debug, Default)]
struct MatMul {
    /// Whether A, and whether B, stands for the matrices with its rows and columns exchanged.
    turned: [bool; 2],
}

impl MatMul {
    /// The rows and columns of an operand's matrices.
    fn matrix(self, side: usize, shape: &Shape) -> [usize; 2] {
        let [rows, columns] = [shape[shape.rank() - 2], shape[shape.rank() - 1]];
        if self.turned[side] { [columns, rows] } else { [rows, columns] }
    }

    /// The layout in which the kernel takes an operand: a matrix for each product of the batch.
    fn layout(self, side: usize, x: &Layout, batch: &[usize]) -> Result<Layout, OpError> {
        let x = if self.turned[side] { x.turned() } else { *x };
        if batch.is_empty() {
            return Ok(x);
        }
        let matrix = &x.shape()[x.shape().rank() - 2..];
        x.expand(Shape::try_new(&[batch, matrix].concat())?)
    }
}

impl Op for MatMul {
    fn name(&self) -> &'static str {
        "matmul"
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        let (a, b) = (&inputs[0], &inputs[1]);
        check_types(inputs)?;
        let (rank_a, rank_b) = (a.shape.rank(), b.shape.rank());
        if rank_a < 2 || rank_b < 2 {
            reject!("takes matrices, not {} x {}", a.shape, b.shape);
        }
        let [rows, inner_a] = self.matrix(0, &a.shape);
        let [inner_b, columns] = self.matrix(1, &b.shape);
        if inner_a != inner_b {
            reject!("inner sizes differ: {} x {} ({inner_a} != {inner_b})", a.shape, b.shape);
        }
        let matrix = [rows, columns];
        let shape = if rank_a == 2 && rank_b == 2 {
            matrix.into()
        } else {
            let batch_a = a.shape.without_axes(&[rank_a - 2, rank_a - 1]);
            let batch_b = b.shape.without_axes(&[rank_b - 2, rank_b - 1]);
            Shape::try_new(&[&batch_a.broadcast(&batch_b)?[..], &matrix].concat())?
        };
        Ok(Spec { shape, dtype: a.dtype, device: common_device(inputs)? })
    }

    fn forward(&self, inputs: &[&Tensor], output: Spec) -> Result<Forward> {
        let kernel = Kernel::MatMul { precision: precision(), weight: Weight::Changing };
        let batch = &output.shape[..output.shape.rank() - 2];
        if batch.is_empty() && self.turned == [false; 2] {
            return Ok(Forward::new(launch(&kernel, inputs, output)?).saving_inputs(2));
        }
        let a = self.layout(0, inputs[0].layout(), batch)?;
        let b = self.layout(1, inputs[1].layout(), batch)?;
        let views =
            [Input { layout: &a, ..inputs[0].view() }, Input { layout: &b, ..inputs[1].view() }];
        Ok(Forward::new(launch_views(&kernel, &views, output)?).saving_inputs(2))
    }

    /// dA = dC · Bᵀ, dB = Aᵀ · dC, summed over what was broadcast; the mirrored products for operands
    /// that are turned.
    fn backward(&self, context: &Context<'_>, grad: &Tensor) -> Result<Grads> {
        let (a, b) = (&context.saved[0], &context.saved[1]);
        let [turned_a, turned_b] = self.turned;
        let product =
            |turned: [bool; 2], x: &Tensor, y: &Tensor| Tensor::try_apply(Self { turned }, &[x, y]);
        let by_a = context.if_needed(0, || {
            let by_a = match turned_a {
                false => product([false, !turned_b], grad, b)?,
                true => product([turned_b, true], b, grad)?,
            };
            by_a.try_sum_to(*a.shape())
        })?;
        let by_b = context.if_needed(1, || {
            // One product over all rows of the batch, instead of a sum of products.
            let joined = b.rank() == 2 && a.rank() > 2 && !turned_a;
            let rows = |x: &Tensor| if joined { x.flatten(0, -2) } else { x.clone() };
            let by_b = match turned_b {
                false => product([!turned_a, false], &rows(a), &rows(grad))?,
                true => product([true, turned_a], &rows(grad), &rows(a))?,
            };
            by_b.try_sum_to(*b.shape())
        })?;
        Ok(smallvec![by_a, by_b])
    }

    fn flops(&self, inputs: &[Spec], output: &Spec) -> u64 {
        let [_, depth] = self.matrix(0, &inputs[0].shape);
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
        let (x, w) = (&inputs[0], &inputs[1]);
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
        let outputs = w.shape()[0];
        let rows = output.with_shape([output.shape.count() / outputs.max(1), outputs].into());
        let x = as_rows(&x, rows.shape[0]);
        let turned = w.layout().turned();
        let bias = inputs.get(2).map(|b| match b.is_contiguous() {
            true => Cow::Borrowed(*b),
            false => Cow::Owned(b.detach().contiguous()),
        });
        let mut views: SmallVec<[Input<'_>; 3]> =
            smallvec![x.view(), Input { layout: &turned, ..w.view() }];
        views.extend(bias.iter().map(|b| b.view()));
        let kernel = Kernel::MatMul { precision: precision(), weight: Weight::of(w) };
        let product = launch_views(&kernel, &views, rows)?;
        let product = match output.shape.rank() {
            2 => product,
            _ => product.reshape(output.shape),
        };
        Ok(Forward::new(product).saving_inputs(2))
    }

    /// dx = dy · W, dW = dyᵀ · x, db = Σ dy.
    fn backward(&self, context: &Context<'_>, grad: &Tensor) -> Result<Grads> {
        let (x, w) = (&context.saved[0], &context.saved[1]);
        let rows = grad.count() / w.shape()[0].max(1);
        let (by_y, x_rows) = (as_rows(grad, rows), as_rows(x, rows));
        let product = |turned: [bool; 2], other: &Tensor| {
            Tensor::try_apply(MatMul { turned }, &[&by_y, other])
        };
        let mut grads: Grads = smallvec![
            context.if_needed(0, || Ok(product([false, false], w)?.reshape(*x.shape())))?,
            context.if_needed(1, || product([true, false], &x_rows))?,
        ];
        if context.inputs.len() > 2 {
            grads.push(context.if_needed(2, || by_y.try_sum_to(context.inputs[2].shape))?);
        }
        Ok(grads)
    }

    fn flops(&self, inputs: &[Spec], output: &Spec) -> u64 {
        let depth = inputs[0].shape.last().copied().unwrap_or(1);
        let bias = inputs.len() as u64 - 2;
        output.shape.count() as u64 * (2 * depth as u64 + bias)
    }
}

/// The view of [.., D] as so many rows [N, D].
fn as_rows(x: &Tensor, rows: usize) -> Cow<'_, Tensor> {
    match x.rank() {
        2 => Cow::Borrowed(x),
        _ => Cow::Owned(x.reshape([rows, x.len_of(-1)])),
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
        let (mut a, mut b) = (self.in_dtype(dtype), other.in_dtype(dtype));
        if self.rank() == 1 {
            a = Cow::Owned(a.unsqueeze(0));
        }
        if other.rank() == 1 {
            b = Cow::Owned(b.unsqueeze(1));
        }
        let product = Self::apply(MatMul::default(), &[&a, &b]);
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
            let turned = |turned: [bool; 2], a: &[usize], b: &[usize], label| {
                let product = move |x: &[Tensor]| Tensor::apply(MatMul { turned }, &[&x[0], &x[1]]);
                Sample::floats(&[a, b], -1.0..1.0, product).label(label)
            };
            vec![
                sample(&[3, 4], &[4, 5]),
                turned([true, false], &[4, 3], &[4, 5], "turned left"),
                turned([false, true], &[2, 3, 4], &[5, 4], "turned right"),
                turned([true, true], &[2, 4, 3], &[5, 4], "both turned"),
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
