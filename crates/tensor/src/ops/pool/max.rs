//! The largest number of each window.

use super::{Windows, planes, planes_spec};
use crate::error::reject;
use crate::kernel::Kernel;
use crate::op::{Context, Forward, Grads, Op, Spec, common_device, launch, launch_many};
use crate::{DType, OpError, Result, Shape, Tensor};
use smallvec::smallvec;

/// y = the largest x of each window.
#[derive(Debug)]
pub(super) struct MaxPool(pub(super) Windows);

impl Op for MaxPool {
    fn name(&self) -> &'static str {
        match (self.0.is_adaptive(), self.0.axes) {
            (false, 1) => "max_pool1d",
            (false, 2) => "max_pool2d",
            (false, _) => "max_pool3d",
            (true, 1) => "adaptive_max_pool1d",
            (true, 2) => "adaptive_max_pool2d",
            (true, _) => "adaptive_max_pool3d",
        }
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        let pool = self.0.of(inputs[0])?;
        Ok(inputs[0].with_shape(self.0.output(inputs[0].shape, &pool)))
    }

    fn forward(&self, inputs: &[&Tensor], output: Spec) -> Result<Forward> {
        let pool = self.0.of(inputs[0].spec())?;
        let (x, out) = (planes(inputs[0], pool.input), planes_spec(output, pool.output));
        let kernel = Kernel::MaxPool(pool);
        if !inputs[0].needs_grad() {
            return Ok(Forward::new(launch(&kernel, &[&x], out)?.reshape(output.shape)));
        }
        let outputs = launch_many(&kernel, &[&x], &[out, out.with_dtype(DType::I32)])?;
        let forward = Forward::new(outputs[0].reshape(output.shape));
        Ok(forward.saving(outputs[1].reshape(output.shape)))
    }

    fn backward(&self, context: &Context<'_>, grad: &Tensor) -> Result<Grads> {
        let x = context.inputs[0];
        let scatter = Scatter { shape: x.shape, axes: self.0.axes };
        Ok(smallvec![Some(Tensor::try_apply(scatter, &[grad, &context.saved[0]])?)])
    }

    fn flops(&self, inputs: &[Spec], _: &Spec) -> u64 {
        inputs[0].shape.count() as u64
    }
}

/// y = where in its plane the largest x of each window lies.
#[derive(Debug)]
pub(super) struct MaxPoolIndices(pub(super) Windows);

impl Op for MaxPoolIndices {
    fn name(&self) -> &'static str {
        "max_pool_indices"
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        Ok(MaxPool(self.0).infer(inputs)?.with_dtype(DType::I32))
    }

    fn forward(&self, inputs: &[&Tensor], output: Spec) -> Result<Forward> {
        let x = inputs[0].spec();
        let pool = self.0.of(x)?;
        let indices = planes_spec(output, pool.output);
        let outputs = [indices.with_dtype(x.dtype), indices];
        let outputs =
            launch_many(&Kernel::MaxPool(pool), &[&planes(inputs[0], pool.input)], &outputs)?;
        Ok(Forward::new(outputs[1].reshape(output.shape)))
    }

    fn backward(&self, _: &Context<'_>, _: &Tensor) -> Result<Grads> {
        Ok(smallvec![None])
    }
}

/// y = zeros, to which each x is added where its index says in its plane, the last `axes` axes.
#[derive(Debug)]
pub(super) struct Scatter {
    pub(super) shape: Shape,
    pub(super) axes: usize,
}

impl Op for Scatter {
    fn name(&self) -> &'static str {
        "max_unpool"
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        check_indices(inputs, self.shape, self.axes)?;
        let device = common_device(inputs)?;
        Ok(Spec { device, ..inputs[0].with_shape(self.shape) })
    }

    fn forward(&self, inputs: &[&Tensor], output: Spec) -> Result<Forward> {
        let [x, indices] = [0, 1].map(|i| flat_planes(inputs[i], self.axes));
        let out = output.with_shape(flat(output.shape, self.axes));
        let out = launch(&Kernel::ScatterPlanes, &[&x, &indices], out)?;
        Ok(Forward::new(out.reshape(output.shape)).saving_input(1))
    }

    fn backward(&self, context: &Context<'_>, grad: &Tensor) -> Result<Grads> {
        let gather = Gather { axes: self.axes };
        let by_x =
            context.if_needed(0, || Tensor::try_apply(gather, &[grad, &context.saved[0]]))?;
        Ok(smallvec![by_x, None])
    }
}

/// y = the x that the indices name, each in its plane, the last `axes` axes.
#[derive(Debug)]
pub(super) struct Gather {
    pub(super) axes: usize,
}

impl Op for Gather {
    fn name(&self) -> &'static str {
        "max_pool_gather"
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        let indices = inputs[1];
        check_indices(&[indices.with_dtype(inputs[0].dtype), indices], inputs[0].shape, self.axes)?;
        let device = common_device(inputs)?;
        Ok(Spec { device, ..inputs[0].with_shape(indices.shape) })
    }

    fn forward(&self, inputs: &[&Tensor], output: Spec) -> Result<Forward> {
        let [x, indices] = [0, 1].map(|i| flat_planes(inputs[i], self.axes));
        let out = output.with_shape(flat(output.shape, self.axes));
        let out = launch(&Kernel::GatherPlanes, &[&x, &indices], out)?;
        Ok(Forward::new(out.reshape(output.shape)).saving_input(1))
    }

    fn backward(&self, context: &Context<'_>, grad: &Tensor) -> Result<Grads> {
        let scatter = Scatter { shape: context.inputs[0].shape, axes: self.axes };
        let by_x =
            context.if_needed(0, || Tensor::try_apply(scatter, &[grad, &context.saved[0]]))?;
        Ok(smallvec![by_x, None])
    }
}

/// Rejects numbers and indices of them that do not fit planes of a tensor of shape `shape`.
fn check_indices(inputs: &[Spec], shape: Shape, axes: usize) -> Result<(), OpError> {
    let (x, indices) = (inputs[0], inputs[1]);
    if !x.dtype.is_float() {
        return Err(OpError::dtype(x.dtype, "floats"));
    }
    if indices.dtype != DType::I32 {
        reject!("the indices are i32, not {}", indices.dtype);
    }
    let leading = |shape: &Shape| shape.rank().checked_sub(axes).map(|rank| shape[..rank].to_vec());
    if x.shape != indices.shape || leading(&x.shape) != leading(&shape) {
        reject!("{} numbers and {} indices do not fit planes of {shape}", x.shape, indices.shape);
    }
    Ok(())
}

/// The shape with the last `axes` axes joined and those before them joined: [N, plane].
fn flat(shape: Shape, axes: usize) -> Shape {
    let (leading, plane) = shape.split_at(shape.rank() - axes);
    [leading.iter().product(), plane.iter().product()].into()
}

fn flat_planes(x: &Tensor, axes: usize) -> Tensor {
    x.detach().contiguous().reshape(flat(*x.shape(), axes))
}
