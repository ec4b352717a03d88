//! Gradients as functions: by chosen inputs, products with Jacobians and Hessians.

use super::backward::{BackwardOptions, run};
use super::{enable_grad, is_grad_enabled, with_mode};
use crate::error::fail;
use crate::op::{Grads, Op};
use crate::{Error, OpError, Result, Tensor};

/// How [`grad`] treats what it walks over, and its starting gradients.
#[derive(Clone, Debug, Default)]
pub struct GradOptions {
    /// Keep what the ops saved, so that another pass can follow.
    pub retain_graph: bool,
    /// Record the gradients' own computation, so that they can be derived again.
    pub create_graph: bool,
    /// The gradient to start from, of the output's shape; ones if there is none, for an output that
    /// is a single number.
    pub grad_output: Option<Tensor>,
}

/// The gradients of `output` by each of `inputs`, which may be leaves or results; zeros where the
/// output does not depend on an input.
///
/// # Errors
/// If an input needs no gradient, the output depends on no leaf, the starting gradient has another
/// shape than the output, or the device fails.
pub fn grad(output: &Tensor, inputs: &[&Tensor], options: GradOptions) -> Result<Vec<Tensor>> {
    let start = match options.grad_output {
        Some(start) if start.shape() == output.shape() => start,
        Some(start) => {
            let (start, shape) = (*start.shape(), output.shape());
            let message = format_args!("a starting gradient {start} for an output {shape}");
            return Err(Error::Op(OpError::of("grad", message)));
        }
        None if output.shape().count() == 1 => output.ones_like(),
        None => {
            let message = format_args!("an output {} needs a starting gradient", output.shape());
            return Err(Error::Op(OpError::of("grad", message)));
        }
    };
    let GradOptions { retain_graph, create_graph, .. } = options;
    let passes = BackwardOptions { retain_graph, create_graph };
    let gradients = run(&[(output, start)], Some(inputs), passes)?;
    let grads = inputs.iter().map(|input| match gradients.get(input) {
        Some(grad) => grad.clone(),
        None => input.zeros_like(),
    });
    Ok(grads.collect())
}

/// The value of a function and its vector–Jacobian product: y = f(x…) and, for each x, vᵀ ∂y/∂x.
///
/// # Panics
/// If `v` does not have y's shape.
#[track_caller]
pub fn vjp(
    function: impl Fn(&[Tensor]) -> Tensor,
    inputs: &[Tensor],
    v: &Tensor,
) -> (Tensor, Vec<Tensor>) {
    let inputs: Vec<Tensor> = inputs.iter().map(Tensor::requires_grad).collect();
    let output = enable_grad(|| function(&inputs));
    let grads = derive(&output, &inputs, Some(v), false);
    (output.detach(), grads)
}

/// The value of a function and its Jacobian–vector product: y = f(x…) and Σ ∂y/∂x · v, the change of
/// y when each x moves along its v.
///
/// The vector–Jacobian product is a linear function of its vector u; its own derivative by u, along
/// v, is what is wanted.
///
/// # Panics
/// If `v` does not have the inputs' shapes.
#[track_caller]
pub fn jvp(
    function: impl Fn(&[Tensor]) -> Tensor,
    inputs: &[Tensor],
    v: &[Tensor],
) -> (Tensor, Tensor) {
    let inputs: Vec<Tensor> = inputs.iter().map(Tensor::requires_grad).collect();
    let output = enable_grad(|| function(&inputs));
    let u = output.zeros_like().requires_grad();
    if output.node().is_none() {
        return (output.detach(), u.detach());
    }
    let products = derive(&output, &inputs, Some(&u), true);
    let along = enable_grad(|| {
        let terms = products.iter().zip(v).map(|(product, v)| product.mul(v).sum(..));
        terms.reduce(|sum, term| sum.add(&term))
    });
    match along {
        Some(along) if along.node().is_some() => {
            let product = derive(&along, std::slice::from_ref(&u), None, false);
            (output.detach(), product[0].clone())
        }
        _ => (output.detach(), u.detach()),
    }
}

/// The value of a function that gives a single number, and its Hessian–vector product: y = f(x…)
/// and, for each x, Σ ∂²y/∂x∂x' · v'.
///
/// # Panics
/// If the function gives more than one number, or `v` does not have the inputs' shapes.
#[track_caller]
pub fn hvp(
    function: impl Fn(&[Tensor]) -> Tensor,
    inputs: &[Tensor],
    v: &[Tensor],
) -> (Tensor, Vec<Tensor>) {
    let inputs: Vec<Tensor> = inputs.iter().map(Tensor::requires_grad).collect();
    let output = enable_grad(|| function(&inputs));
    let zeros = || inputs.iter().map(|x| x.detach().zeros_like()).collect();
    if output.node().is_none() {
        return (output.detach(), zeros());
    }
    let first = derive(&output, &inputs, None, true);
    let along = enable_grad(|| {
        let terms = first.iter().zip(v).map(|(grad, v)| grad.mul(v).sum(..));
        terms.reduce(|sum, term| sum.add(&term))
    });
    match along {
        Some(along) if along.node().is_some() => {
            (output.detach(), derive(&along, &inputs, None, false))
        }
        _ => (output.detach(), zeros()),
    }
}

#[track_caller]
fn derive(
    output: &Tensor,
    inputs: &[Tensor],
    v: Option<&Tensor>,
    create_graph: bool,
) -> Vec<Tensor> {
    let inputs: Vec<&Tensor> = inputs.iter().collect();
    let options = GradOptions { create_graph, grad_output: v.cloned(), ..Default::default() };
    match grad(output, &inputs, options) {
        Ok(grads) => grads,
        Err(error) => fail(error),
    }
}

/// The gradients of an op by its inputs, by way of its composite; none if it has none.
///
/// They can be derived again if ops are being recorded.
pub(super) fn through_composite(
    op: &(impl Op + ?Sized),
    inputs: &[&Tensor],
    needed: &[bool],
    grad: &Tensor,
) -> Option<Result<Grads>> {
    let create_graph = is_grad_enabled();
    // Each input stands behind an alias, so that the walk ends there and goes no further back.
    let aliases: Vec<Tensor> = with_mode(
        |mode| mode.grad = true,
        || {
            inputs
                .iter()
                .zip(needed)
                .map(|(x, &needed)| if needed { x.alias() } else { x.detach() })
                .collect()
        },
    );
    let output = with_mode(
        |mode| (mode.grad, mode.anomaly) = (true, false),
        || op.composite(&aliases.iter().collect::<Vec<_>>()),
    )?;
    let targets: Vec<&Tensor> =
        aliases.iter().zip(needed).filter_map(|(x, &needed)| needed.then_some(x)).collect();
    Some(output.and_then(|output| {
        let options =
            GradOptions { create_graph, grad_output: Some(grad.clone()), ..Default::default() };
        let mut grads = super::grad(&output, &targets, options)?.into_iter();
        Ok(needed.iter().map(|&needed| if needed { grads.next() } else { None }).collect())
    }))
}
