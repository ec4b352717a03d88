//! Softmax and its logarithm along an axis.

use super::case::{Case, Gradient, Sample};
use crate::error::fail;
use crate::kernel::{Kernel, Softmax};
use crate::op::{Context, Forward, Grads, Op, Spec, launch};
use crate::{OpError, Result, Tensor};
use smallvec::smallvec;

/// y = softmax(x), or its logarithm, along an axis.
#[derive(Clone, Copy, Debug)]
struct Along {
    function: Softmax,
    axis: usize,
}

impl Along {
    /// The view of a tensor whose last axis is this one, or back.
    fn swapped(self, x: &Tensor) -> Tensor {
        let mut order: Vec<usize> = (0..x.rank()).collect();
        order.swap(self.axis, x.rank() - 1);
        x.with_layout(x.layout().permute(&order))
    }

    /// Runs a kernel that works along the last axis.
    fn launch(self, kernel: &Kernel, inputs: &[&Tensor], output: Spec) -> Result<Tensor> {
        let swapped: Vec<Tensor> = inputs.iter().map(|x| self.swapped(x)).collect();
        let spec = output.with_shape(*swapped[0].shape());
        Ok(self.swapped(&launch(kernel, &swapped.iter().collect::<Vec<_>>(), spec)?))
    }

    fn signed_axis(self) -> isize {
        self.axis as isize
    }
}

impl Op for Along {
    fn name(&self) -> &'static str {
        match self.function {
            Softmax::Plain => "softmax",
            Softmax::Log => "log_softmax",
        }
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        if !inputs[0].dtype.is_float() {
            return Err(OpError::dtype(inputs[0].dtype, "floats"));
        }
        Ok(inputs[0])
    }

    fn forward(&self, inputs: &[&Tensor], output: Spec) -> Result<Forward> {
        let y = self.launch(&Kernel::Softmax(self.function), inputs, output)?;
        Ok(Forward::new(y).saving_output())
    }

    fn backward(&self, context: &Context<'_>, grad: &Tensor) -> Result<Grads> {
        let by_x = Tensor::try_apply(GradientAlong(*self), &[&context.saved[0], grad])?;
        Ok(smallvec![Some(by_x)])
    }

    fn composite(&self, inputs: &[&Tensor]) -> Option<Result<Tensor>> {
        let (x, axis) = (inputs[0], self.signed_axis());
        let shifted = x - x.detach().max_keepdim(axis);
        let sum = shifted.exp().sum_keepdim(axis);
        Some(Ok(match self.function {
            Softmax::Plain => shifted.exp() / sum,
            Softmax::Log => shifted - sum.log(),
        }))
    }

    fn flops(&self, _: &[Spec], output: &Spec) -> u64 {
        4 * output.shape.count() as u64
    }
}

/// The gradient of [`Along`] by x, from y and the gradient g by y: of softmax y (g - Σ g y), of its
/// logarithm g - e^y Σ g.
#[derive(Debug)]
struct GradientAlong(Along);

impl Op for GradientAlong {
    fn name(&self) -> &'static str {
        match self.0.function {
            Softmax::Plain => "softmax_gradient",
            Softmax::Log => "log_softmax_gradient",
        }
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        Ok(inputs[0])
    }

    fn forward(&self, inputs: &[&Tensor], output: Spec) -> Result<Forward> {
        let x = self.0.launch(&Kernel::SoftmaxGradient(self.0.function), inputs, output)?;
        Ok(Forward::new(x).saving_inputs(2))
    }

    fn backward(&self, context: &Context<'_>, grad: &Tensor) -> Result<Grads> {
        let (y, g, h) = (&context.saved[0], &context.saved[1], grad);
        let sum = |x: Tensor| x.sum_keepdim(self.0.signed_axis());
        match self.0.function {
            Softmax::Plain => {
                let by_y = || Ok(h * (g - sum(g * y)) - g * sum(h * y));
                let by_g = || Tensor::try_apply(Self(self.0), &[y, h]);
                Ok(smallvec![context.if_needed(0, by_y)?, context.if_needed(1, by_g)?])
            }
            Softmax::Log => {
                let by_y = || Ok(-(h * y.exp() * sum(g.clone())));
                let by_g = || Ok(h - sum(h * y.exp()));
                Ok(smallvec![context.if_needed(0, by_y)?, context.if_needed(1, by_g)?])
            }
        }
    }

    fn composite(&self, inputs: &[&Tensor]) -> Option<Result<Tensor>> {
        let (y, g) = (inputs[0], inputs[1]);
        let sum = |x: &Tensor| x.sum_keepdim(self.0.signed_axis());
        Some(Ok(match self.0.function {
            Softmax::Plain => y * (g - sum(&(g * y))),
            Softmax::Log => g - y.exp() * sum(g),
        }))
    }

    fn flops(&self, _: &[Spec], output: &Spec) -> u64 {
        4 * output.shape.count() as u64
    }
}

impl Tensor {
    #[track_caller]
    fn along(&self, function: Softmax, axis: isize) -> Self {
        let x = self.to_dtype(self.dtype().to_float());
        match self.shape().axis(axis) {
            Ok(axis) => Self::apply(Along { function, axis }, &[&x]),
            Err(error) => fail(error.named(Along { function, axis: 0 }.name())),
        }
    }

    /// yᵢ = e^xᵢ / Σⱼ e^xⱼ along an axis, without overflow: positive numbers that sum to 1. Where all
    /// numbers are minus infinity, the result is NaN. PyTorch: `torch.softmax`.
    ///
    /// ```
    /// use gradus_tensor::Tensor;
    ///
    /// let x = Tensor::from_vec(vec![0f32, 2f32.ln(), 1000.0, 1000.0], [2, 2]);
    /// let y = x.softmax(-1).to_vec::<f32>();
    /// assert!((y[0] - 1.0 / 3.0).abs() < 1e-6 && y[2] == 0.5);
    /// ```
    #[track_caller]
    pub fn softmax(&self, axis: isize) -> Self {
        self.along(Softmax::Plain, axis)
    }

    /// yᵢ = xᵢ - ln Σⱼ e^xⱼ along an axis, the logarithm of softmax, without overflow. Where all
    /// numbers are minus infinity, the result is NaN. PyTorch: `torch.log_softmax`.
    #[track_caller]
    pub fn log_softmax(&self, axis: isize) -> Self {
        self.along(Softmax::Log, axis)
    }
}

fn samples(call: fn(&Tensor, isize) -> Tensor) -> Vec<Sample> {
    let sample =
        |shape: &[usize], axis| Sample::floats(&[shape], -3.0..3.0, move |x| call(&x[0], axis));
    vec![
        sample(&[3, 5], -1),
        sample(&[2, 4, 3], 1).label("middle axis"),
        sample(&[4, 2], 0).label("first axis"),
        sample(&[2, 33], 1).label("more than a vector"),
        sample(&[3, 0], 1).label("empty"),
        sample(&[0, 3], 1).label("no rows"),
    ]
}

fn gradient_samples(function: Softmax) -> Vec<Sample> {
    let sample = |shape: &[usize], axis| {
        Sample::floats(&[shape, shape], -1.0..1.0, move |x| {
            Tensor::apply(GradientAlong(Along { function, axis }), &[&x[0], &x[1]])
        })
    };
    vec![
        sample(&[3, 5], 1),
        sample(&[2, 4, 3], 1).label("middle axis"),
        sample(&[0, 3], 1).label("empty"),
    ]
}

pub(super) const CASES: &[Case] = &[
    Case {
        name: "softmax",
        formula: "e^xᵢ / Σⱼ e^xⱼ along an axis",
        torch: "torch.softmax",
        gradient: Gradient::Twice,
        samples: || samples(|x, axis| x.softmax(axis)),
    },
    Case {
        name: "log_softmax",
        formula: "xᵢ - ln Σⱼ e^xⱼ along an axis",
        torch: "torch.log_softmax",
        gradient: Gradient::Twice,
        samples: || samples(|x, axis| x.log_softmax(axis)),
    },
    Case {
        name: "softmax_gradient",
        formula: "y (g - Σ g y): what softmax makes of a gradient",
        torch: "",
        gradient: Gradient::Twice,
        samples: || gradient_samples(Softmax::Plain),
    },
    Case {
        name: "log_softmax_gradient",
        formula: "g - e^y Σ g: what log_softmax makes of a gradient",
        torch: "",
        gradient: Gradient::Twice,
        samples: || gradient_samples(Softmax::Log),
    },
];
