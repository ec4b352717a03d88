//! Half-precision floats: kernels that compute run on `f32` copies of them.

use super::{Cpu, elementwise};
use crate::device::{Backend, Input, Output};
use crate::kernel::Kernel;
use crate::storage::Buffer;
use crate::{DType, Layout, Result};
use gradus_kernels::memory::Pooled;
use std::mem::replace;

/// True if a kernel that computes has a half-precision input or output. Kernels that only move or
/// compare elements take them as they are.
pub(super) fn computes_as_f32(
    kernel: &Kernel,
    inputs: &[Input<'_>],
    outputs: &[Output<'_>],
) -> bool {
    let half = inputs.iter().any(|input| input.dtype.is_half())
        || outputs.iter().any(|output| output.dtype.is_half());
    half && !kernel.only_moves()
}

/// Runs a kernel with every half-precision input and output replaced by an `f32` one.
pub(super) fn launch_as_f32(
    cpu: &Cpu,
    kernel: &Kernel,
    inputs: &[Input<'_>],
    outputs: &mut [Output<'_>],
) -> Result<()> {
    let on = cpu.on;
    let mut wide_inputs = Vec::with_capacity(inputs.len());
    for input in inputs.iter().filter(|input| input.dtype.is_half()) {
        let mut buffer = cpu.allocate(DType::F32, input.shape().count())?;
        let wide = Output { buffer: &mut buffer, shape: *input.shape(), dtype: DType::F32 };
        elementwise::cast(on, &[*input], &mut [wide])?;
        wide_inputs.push((Pooled::new(buffer), Layout::contiguous(*input.shape())));
    }
    let mut wide = wide_inputs.iter();
    let wide_views: Vec<Input<'_>> = inputs
        .iter()
        .map(|input| match input.dtype.is_half().then(|| wide.next()).flatten() {
            Some((buffer, layout)) => Input { buffer, layout, dtype: DType::F32 },
            None => *input,
        })
        .collect();

    let mut wide_outputs = Vec::with_capacity(outputs.len());
    for output in outputs.iter_mut().filter(|output| output.dtype.is_half()) {
        let mut buffer = cpu.allocate(DType::F32, output.shape.count())?;
        if kernel.updates() {
            let layout = Layout::contiguous(output.shape);
            let held = Pooled::new(replace(output.buffer, Buffer::Nothing));
            let old = Input { buffer: &held, layout: &layout, dtype: output.dtype };
            let wide = Output { buffer: &mut buffer, shape: output.shape, dtype: DType::F32 };
            elementwise::cast(on, &[old], &mut [wide])?;
            *output.buffer = Pooled::into_inner(held).expect("nobody else holds it");
        }
        wide_outputs.push(buffer);
    }
    let mut wide = wide_outputs.iter_mut();
    let mut wide_output_views: Vec<Output<'_>> = outputs
        .iter_mut()
        .map(|output| match output.dtype.is_half().then(|| wide.next()).flatten() {
            Some(buffer) => Output { buffer, shape: output.shape, dtype: DType::F32 },
            None => Output { buffer: output.buffer, shape: output.shape, dtype: output.dtype },
        })
        .collect();
    cpu.launch(kernel, &wide_views, &mut wide_output_views)?;

    let mut wide = wide_outputs.into_iter().map(Pooled::new);
    for output in outputs.iter_mut().filter(|output| output.dtype.is_half()) {
        let layout = Layout::contiguous(output.shape);
        let buffer = wide.next().expect("each half-precision output has a wide one");
        let from = Input { buffer: &buffer, layout: &layout, dtype: DType::F32 };
        let to = Output { buffer: output.buffer, shape: output.shape, dtype: output.dtype };
        elementwise::cast(on, &[from], &mut [to])?;
    }
    Ok(())
}
