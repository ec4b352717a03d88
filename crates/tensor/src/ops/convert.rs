//! Other types and other devices.

use super::case::{Case, Gradient, Sample};
use crate::kernel::Kernel;
use crate::op::{Context, Forward, Grads, Op, Spec, launch};
use crate::{DType, Device, OpError, Result, Tensor};
use gradus_kernels::{Isa, Machine};
use smallvec::smallvec;
use std::borrow::Cow;

/// y = x, converted to another type.
#[derive(Debug)]
struct Cast(DType);

impl Op for Cast {
    fn name(&self) -> &'static str {
        "to_dtype"
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        Ok(inputs[0].with_dtype(self.0))
    }

    fn forward(&self, inputs: &[&Tensor], output: Spec) -> Result<Forward> {
        Ok(Forward::new(launch(&Kernel::Cast, inputs, output)?))
    }

    fn backward(&self, context: &Context<'_>, grad: &Tensor) -> Result<Grads> {
        Ok(smallvec![Some(Tensor::try_apply(Self(context.inputs[0].dtype), &[grad])?)])
    }

    fn flops(&self, _: &[Spec], _: &Spec) -> u64 {
        0
    }
}

/// y = x, on another device.
#[derive(Debug)]
struct Move(Device);

impl Op for Move {
    fn name(&self) -> &'static str {
        "to_device"
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        // Where there are no elements, none can come from.
        let device = if inputs[0].device.is_shape_only() { inputs[0].device } else { self.0 };
        Ok(Spec { device, ..inputs[0] })
    }

    fn forward(&self, inputs: &[&Tensor], output: Spec) -> Result<Forward> {
        // Nothing of the memory beside the view is moved, and nothing at all to where nothing is.
        let backend = output.device.backend();
        let mut buffer = backend.allocate(output.dtype, output.shape.count())?;
        if !output.device.is_shape_only() {
            let packed = launch(&Kernel::Copy, inputs, inputs[0].spec())?;
            let mut bytes = vec![0; output.shape.count() * output.dtype.size_bytes()];
            packed.device().backend().download(packed.view().buffer, &mut bytes)?;
            backend.upload(&bytes, &mut buffer)?;
        }
        Ok(Forward::new(Tensor::from_buffer(buffer, output)))
    }

    fn backward(&self, context: &Context<'_>, grad: &Tensor) -> Result<Grads> {
        Ok(smallvec![Some(Tensor::try_apply(Self(context.inputs[0].device), &[grad])?)])
    }

    fn flops(&self, _: &[Spec], _: &Spec) -> u64 {
        0
    }
}

impl Tensor {
    /// The tensor with its elements converted to another type: floats round to the nearest; from
    /// float to integer cuts towards zero and keeps the ends of the range, with NaN as 0; from
    /// integer to integer wraps around; whatever is not zero is true. PyTorch: `Tensor.to`.
    #[track_caller]
    pub fn to_dtype(&self, dtype: DType) -> Self {
        if self.dtype() == dtype { self.clone() } else { Self::apply(Cast(dtype), &[self]) }
    }

    /// [`Tensor::to_dtype`] without another handle where there is nothing to convert.
    #[track_caller]
    pub(super) fn in_dtype(&self, dtype: DType) -> Cow<'_, Self> {
        match self.dtype() == dtype {
            true => Cow::Borrowed(self),
            false => Cow::Owned(self.to_dtype(dtype)),
        }
    }

    /// The tensor on another device. PyTorch: `Tensor.to`.
    #[track_caller]
    pub fn to_device(&self, device: Device) -> Self {
        if self.device() == device { self.clone() } else { Self::apply(Move(device), &[self]) }
    }
}

pub(super) const CASES: &[Case] = &[
    Case {
        name: "to_dtype",
        formula: "x, converted to another type",
        torch: "Tensor.to",
        gradient: Gradient::Twice,
        samples: || samples(|x| (x * 2.0).to_dtype(DType::F64)),
    },
    Case {
        name: "to_device",
        formula: "x, on another device",
        torch: "Tensor.to",
        gradient: Gradient::Twice,
        samples: || {
            samples(|x| {
                let elsewhere = Machine { isa: Isa::Portable, threads: 1 };
                x.to_device(Device::cpu_with(elsewhere)).square().to_device(x.device())
            })
        },
    },
];

fn samples(call: fn(&Tensor) -> Tensor) -> Vec<Sample> {
    let sample = |rows: usize| Sample::floats(&[&[rows, 4]], -2.0..2.0, move |x| call(&x[0]));
    vec![sample(3), sample(0).label("empty")]
}
