//! Cross-entropy of probabilities with truth values.

use super::case::{Case, Gradient, Sample};
use crate::error::reject;
use crate::op::{Context, Forward, Grads, Op, Spec, common_device};
use crate::{OpError, Result, Tensor};
use smallvec::smallvec;

/// The lowest a logarithm counts, and the lowest variance a gradient is divided by: PyTorch's
/// numbers.
const LOWEST_LOG: f64 = -100.0;
const LOWEST_VARIANCE: f64 = 1e-12;

/// z = -(y ln p + (1 - y) ln(1 - p)), element by element.
///
/// It is an op of its own for the sake of the gradient where p is 0 or 1.
#[derive(Debug)]
struct BinaryCrossEntropy;

/// ln x, at least -100.
fn bounded_log(x: &Tensor) -> Tensor {
    let log = x.log();
    log.maximum(&log.full_like(LOWEST_LOG))
}

impl Op for BinaryCrossEntropy {
    fn name(&self) -> &'static str {
        "binary_cross_entropy"
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        let (p, y) = (inputs[0], inputs[1]);
        if !p.dtype.is_float() {
            return Err(OpError::dtype(p.dtype, "floats"));
        }
        if p.shape != y.shape {
            reject!("the probabilities {} and the target {} differ", p.shape, y.shape);
        }
        if p.dtype != y.dtype {
            reject!("types differ: {} and {}", p.dtype, y.dtype);
        }
        Ok(Spec { device: common_device(inputs)?, ..p })
    }

    fn forward(&self, inputs: &[&Tensor], _: Spec) -> Result<Forward> {
        let (p, y) = (inputs[0].detach(), inputs[1].detach());
        let output = (&y - 1.0) * bounded_log(&(1.0 - &p)) - &y * bounded_log(&p);
        Ok(Forward::new(output).saving_inputs(2))
    }

    /// By p: (p - y) / (p (1 - p)); by y: ln(1 - p) - ln p.
    fn backward(&self, context: &Context<'_>, grad: &Tensor) -> Result<Grads> {
        let (p, y) = (&context.saved[0], &context.saved[1]);
        let by_p = || {
            let variance = p * (1.0 - p);
            let bounded = variance.maximum(&variance.full_like(LOWEST_VARIANCE));
            Ok(grad * (p - y) / bounded)
        };
        let by_y = || Ok(grad * (bounded_log(&(1.0 - p)) - bounded_log(p)));
        Ok(smallvec![context.if_needed(0, by_p)?, context.if_needed(1, by_y)?])
    }

    fn flops(&self, _: &[Spec], output: &Spec) -> u64 {
        8 * output.shape.count() as u64
    }
}

impl Tensor {
    /// -(y ln p + (1 - y) ln(1 - p)) for each probability p of this tensor and each y of the target,
    /// the logarithms being at least -100. PyTorch:
    /// `torch.nn.functional.binary_cross_entropy(reduction='none')`.
    ///
    /// # Panics
    /// If the shapes differ.
    #[track_caller]
    pub fn binary_cross_entropy(&self, target: &Self) -> Self {
        let dtype = self.dtype().promote(target.dtype()).to_float();
        Self::apply(BinaryCrossEntropy, &[&self.to_dtype(dtype), &target.to_dtype(dtype)])
    }
}

pub(super) const CASES: &[Case] = &[Case {
    name: "binary_cross_entropy",
    formula: "-(y ln p + (1 - y) ln(1 - p))",
    torch: "torch.nn.functional.binary_cross_entropy",
    gradient: Gradient::Twice,
    samples: || {
        let sample = |shape: &[usize]| {
            Sample::floats(&[shape, shape], 0.1..0.9, |x| x[0].binary_cross_entropy(&x[1]))
        };
        vec![sample(&[3, 4]), sample(&[2, 0]).label("empty")]
    },
}];
