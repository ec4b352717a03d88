//! The squared error of numbers against others.

use super::case::{Case, Gradient, Sample};
use super::cross_entropy::LossReduction;
use crate::error::reject;
use crate::kernel::Kernel;
use crate::op::{Context, Forward, Grads, Op, Spec, common_device, launch};
use crate::{OpError, Result, Tensor};
use smallvec::smallvec;

/// L = scale · Σ (xᵢ - yᵢ)².
#[derive(Debug)]
struct SquaredError {
    scale: f64,
}

impl Op for SquaredError {
    fn name(&self) -> &'static str {
        "squared_error"
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        let (x, y) = (inputs[0], inputs[1]);
        if x.shape != y.shape {
            reject!("shapes {} and {} differ", x.shape, y.shape);
        }
        if !x.dtype.is_float() {
            return Err(OpError::dtype(x.dtype, "floats"));
        }
        if x.dtype != y.dtype {
            reject!("types differ: {} and {}", x.dtype, y.dtype);
        }
        Ok(Spec { shape: ().into(), dtype: x.dtype, device: common_device(inputs)? })
    }

    fn forward(&self, inputs: &[&Tensor], output: Spec) -> Result<Forward> {
        let kernel = Kernel::SquaredError { scale: self.scale };
        Ok(Forward::new(launch(&kernel, inputs, output)?).saving_inputs(2))
    }

    /// 2 · scale · (xᵢ - yᵢ) by xᵢ, and minus that by yᵢ.
    fn backward(&self, context: &Context<'_>, grad: &Tensor) -> Result<Grads> {
        let kernel = Kernel::SquaredErrorGradient { scale: self.scale };
        let (x, y) = (&context.saved[0], &context.saved[1]);
        let by = |x: &Tensor, y: &Tensor| launch(&kernel, &[x, y, grad], x.spec());
        Ok(smallvec![context.if_needed(0, || by(x, y))?, context.if_needed(1, || by(y, x))?])
    }

    fn composite(&self, inputs: &[&Tensor]) -> Option<Result<Tensor>> {
        Some(Ok((inputs[0] - inputs[1]).square().sum(..) * self.scale))
    }

    fn flops(&self, inputs: &[Spec], _: &Spec) -> u64 {
        3 * inputs[0].shape.count() as u64
    }
}

impl Tensor {
    /// (x - y)² for each number x of this tensor and each y of the target, reduced: without a tensor
    /// of the differences, if they are. PyTorch: `torch.nn.functional.mse_loss`.
    ///
    /// # Panics
    /// If the shapes differ.
    ///
    /// ```
    /// use gradus_tensor::Tensor;
    /// use gradus_tensor::ops::LossReduction;
    ///
    /// let x = Tensor::from_vec(vec![1f32, 5.0], 2);
    /// let y = Tensor::from_vec(vec![2f32, 2.0], 2);
    /// assert_eq!(x.squared_error(&y, LossReduction::Mean).item::<f32>(), 5.0);
    /// ```
    #[track_caller]
    pub fn squared_error(&self, target: &Self, reduction: LossReduction) -> Self {
        let dtype = self.dtype().promote(target.dtype()).to_float();
        let (x, y) = (self.in_dtype(dtype), target.in_dtype(dtype));
        let scale = match reduction {
            LossReduction::Mean => 1.0 / x.count() as f64,
            LossReduction::Sum => 1.0,
            LossReduction::None => return (&*x - &*y).square(),
        };
        Self::apply(SquaredError { scale }, &[&x, &y])
    }
}

pub(super) const CASES: &[Case] = &[Case {
    name: "squared_error",
    formula: "Σ (x - y)², or their mean",
    torch: "torch.nn.functional.mse_loss",
    gradient: Gradient::Twice,
    samples: || {
        let sample = |shape: &[usize], reduction| {
            let call = move |x: &[Tensor]| x[0].squared_error(&x[1], reduction);
            Sample::floats(&[shape, shape], -2.0..2.0, call)
        };
        vec![
            sample(&[3, 4], LossReduction::Mean),
            sample(&[2, 3, 5], LossReduction::Sum).label("sum"),
            sample(&[], LossReduction::Mean).label("one number"),
            sample(&[2, 0], LossReduction::Sum).label("empty"),
        ]
    },
}];
