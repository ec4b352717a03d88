//! Comparing gradients with finite differences.

use super::{GradOptions, enable_grad, grad, no_grad};
use crate::{DType, Tensor};
use std::fmt;

/// How [`gradcheck`] compares.
#[derive(Clone, Copy, Debug)]
pub struct GradCheck {
    /// How far each input is moved to either side.
    pub step: f64,
    /// The relative error that is let pass.
    pub relative: f64,
    /// The absolute error that is let pass beside it.
    pub absolute: f64,
}

impl Default for GradCheck {
    /// For `f64`: the differences themselves are good to about 1e-9.
    fn default() -> Self {
        Self { step: 1e-6, relative: 1e-5, absolute: 1e-7 }
    }
}

/// Where a gradient differs from the finite difference.
#[derive(Clone, Debug, PartialEq)]
pub struct GradCheckError {
    /// The number of the input.
    pub input: usize,
    /// The row-major index of the element.
    pub element: usize,
    /// What backward computed.
    pub gradient: f64,
    /// What the finite difference is.
    pub difference: f64,
}

impl fmt::Display for GradCheckError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { input, element, gradient, difference } = self;
        write!(
            f,
            "by element {element} of input {input} the gradient is {gradient}, \
             but the finite difference is {difference}"
        )
    }
}

impl std::error::Error for GradCheckError {}

/// Compares the gradients of a function with central differences, (f(x + h) - f(x - h)) / 2h, by
/// each element of each input in turn.
///
/// The function's output, whatever its shape, is first multiplied with fixed numbers and summed, so
/// that every part of the Jacobian counts. The inputs should be `f64`.
///
/// # Errors
/// The first element whose gradient differs.
///
/// # Panics
/// If an input is not a float.
#[track_caller]
pub fn gradcheck(
    function: impl Fn(&[Tensor]) -> Tensor,
    inputs: &[Tensor],
    check: GradCheck,
) -> Result<(), GradCheckError> {
    let probe = |inputs: &[Tensor]| {
        let output = function(inputs);
        let weights = probe_weights(&output);
        output.mul(&weights).sum(..)
    };
    let leaves: Vec<Tensor> = inputs.iter().map(Tensor::requires_grad).collect();
    let output = enable_grad(|| probe(&leaves));
    let gradients = if output.needs_grad() {
        let targets: Vec<&Tensor> = leaves.iter().collect();
        match grad(&output, &targets, GradOptions::default()) {
            Ok(gradients) => gradients,
            Err(error) => crate::error::fail(error),
        }
    } else {
        inputs.iter().map(Tensor::zeros_like).collect()
    };
    for (input, gradient) in gradients.iter().enumerate() {
        let gradient = gradient.to_dtype(DType::F64).to_vec::<f64>();
        for (element, &gradient) in gradient.iter().enumerate() {
            let at = |shift: f64| {
                let mut moved = inputs.to_vec();
                moved[input] = moved_element(&inputs[input], element, shift);
                no_grad(|| probe(&moved)).to_dtype(DType::F64).item::<f64>()
            };
            let difference = (at(check.step) - at(-check.step)) / (2.0 * check.step);
            let bound = check.absolute + check.relative * difference.abs().max(gradient.abs());
            let equal = (gradient - difference).abs() <= bound;
            if !equal {
                return Err(GradCheckError { input, element, gradient, difference });
            }
        }
    }
    Ok(())
}

/// Compares the second derivatives of a function with differences of its gradients.
///
/// # Errors
/// The first element whose derivative differs.
///
/// # Panics
/// If an input is not a float.
#[track_caller]
pub fn gradgradcheck(
    function: impl Fn(&[Tensor]) -> Tensor,
    inputs: &[Tensor],
    check: GradCheck,
) -> Result<(), GradCheckError> {
    let count = inputs.len();
    let first = |inputs: &[Tensor]| {
        let leaves: Vec<Tensor> = inputs[..count]
            .iter()
            .map(|x| if x.needs_grad() { x.clone() } else { x.requires_grad() })
            .collect();
        let output = enable_grad(|| function(&leaves));
        if !output.needs_grad() {
            return leaves[0].zeros_like().sum(..);
        }
        let targets: Vec<&Tensor> = leaves.iter().collect();
        let options = GradOptions {
            create_graph: true,
            grad_output: Some(probe_weights(&output)),
            ..Default::default()
        };
        let gradients = match grad(&output, &targets, options) {
            Ok(gradients) => gradients,
            Err(error) => crate::error::fail(error),
        };
        let terms = gradients.iter().map(|gradient| gradient.mul(&probe_weights(gradient)).sum(..));
        terms.reduce(|sum, term| sum.add(&term)).unwrap_or_else(|| output.sum(..))
    };
    gradcheck(first, inputs, check)
}

/// Fixed numbers between 0.5 and 1.5, of a tensor's shape: a low-discrepancy sequence, so that no
/// two neighbours are alike.
fn probe_weights(like: &Tensor) -> Tensor {
    let weights: Vec<f64> = (0..like.shape().count())
        .map(|i| 0.5 + (i as f64 * 0.618_033_988_749_895).fract())
        .collect();
    Tensor::from_vec(weights, *like.shape()).to_dtype(like.dtype()).to_device(like.device())
}

/// The tensor with one element moved, in the same layout as before.
fn moved_element(x: &Tensor, element: usize, shift: f64) -> Tensor {
    let mut step = vec![0.0; x.shape().count()];
    step[element] = shift;
    let step = Tensor::from_vec(step, *x.shape()).to_dtype(x.dtype()).to_device(x.device());
    no_grad(|| x.detach().add(&step))
}
