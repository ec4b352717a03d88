//! The mean of each window.

use super::{Kind, Windows, planes, planes_spec};
use crate::error::reject;
use crate::kernel::{Kernel, Pool};
use crate::op::{Context, Forward, Grads, Op, Spec, launch};
use crate::{OpError, Result, Shape, Tensor};
use smallvec::smallvec;

/// y = the mean of the x of each window.
#[derive(Debug)]
pub(super) struct AveragePool(pub(super) Windows);

impl AveragePool {
    fn of(&self, x: Spec) -> Result<Pool, OpError> {
        if let Kind::Sliding(_, options) = &self.0.kind
            && options.dilation.iter().any(|&dilation| dilation != 1)
        {
            reject!("the windows of a mean have dilation 1, not {}", options.dilation);
        }
        self.0.of(x)
    }
}

impl Op for AveragePool {
    fn name(&self) -> &'static str {
        match (self.0.is_adaptive(), self.0.axes) {
            (false, 1) => "avg_pool1d",
            (false, 2) => "avg_pool2d",
            (false, _) => "avg_pool3d",
            (true, 1) => "adaptive_avg_pool1d",
            (true, 2) => "adaptive_avg_pool2d",
            (true, _) => "adaptive_avg_pool3d",
        }
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        let pool = self.of(inputs[0])?;
        Ok(inputs[0].with_shape(self.0.output(inputs[0].shape, &pool)))
    }

    fn forward(&self, inputs: &[&Tensor], output: Spec) -> Result<Forward> {
        let pool = self.of(inputs[0].spec())?;
        let (x, out) = (planes(inputs[0], pool.input), planes_spec(output, pool.output));
        let out = launch(&Kernel::AveragePool(pool), &[&x], out)?;
        Ok(Forward::new(out.reshape(output.shape)))
    }

    fn backward(&self, context: &Context<'_>, grad: &Tensor) -> Result<Grads> {
        let adjoint = AverageUnpool { windows: self.0, shape: context.inputs[0].shape };
        Ok(smallvec![Some(Tensor::try_apply(adjoint, &[grad])?)])
    }

    fn flops(&self, inputs: &[Spec], output: &Spec) -> u64 {
        (inputs[0].shape.count() + output.shape.count()) as u64
    }
}

/// The adjoint of [`AveragePool`]: each x is divided among the places of its window.
#[derive(Debug)]
pub(super) struct AverageUnpool {
    pub(super) windows: Windows,
    pub(super) shape: Shape,
}

impl Op for AverageUnpool {
    fn name(&self) -> &'static str {
        "avg_unpool"
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        let output = inputs[0].with_shape(self.shape);
        let pooled = AveragePool(self.windows).infer(&[output])?.shape;
        if inputs[0].shape != pooled {
            reject!("{} is pooled to {pooled}, not {}", self.shape, inputs[0].shape);
        }
        Ok(output)
    }

    fn forward(&self, inputs: &[&Tensor], output: Spec) -> Result<Forward> {
        let pool = self.windows.of(output)?;
        let (x, out) = (planes(inputs[0], pool.output), planes_spec(output, pool.input));
        let out = launch(&Kernel::AverageUnpool(pool), &[&x], out)?;
        Ok(Forward::new(out.reshape(output.shape)))
    }

    fn backward(&self, _: &Context<'_>, grad: &Tensor) -> Result<Grads> {
        Ok(smallvec![Some(Tensor::try_apply(AveragePool(self.windows), &[grad])?)])
    }
}
