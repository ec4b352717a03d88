//! The processor as a device: each kernel of [`Kernel`] as a call into `gradus-kernels`.

mod attention;
mod conv;
mod ctc;
mod deferred;
mod elementwise;
mod half;
mod index;
mod linear;
mod movement;
mod norm;
mod optimizer;
mod pool;
mod quantised;
mod random;
mod recurrent;
mod reduce;
mod scan;
mod softmax;
mod squares;

use crate::device::{Backend, Input, Output};
use crate::kernel::Kernel;
use crate::storage::Buffer;
use crate::{DType, Error, Result};
use gradus_kernels::memory::{Block, Scratch, scratch};
use gradus_kernels::{Element, Machine, Strided};
use std::ops::Deref;

pub use deferred::{Deferred, Summed};

/// The processor.
#[derive(Debug)]
pub(crate) struct Cpu {
    on: Machine,
}

impl Cpu {
    pub(crate) fn new(on: Machine) -> Self {
        Self { on }
    }
}

impl Backend for Cpu {
    fn name(&self) -> String {
        format!("cpu ({}, {} threads)", self.on.isa, self.on.threads)
    }

    fn allocate(&self, dtype: DType, count: usize) -> Result<Buffer> {
        let bytes = count.saturating_mul(dtype.size_bytes());
        Ok(Buffer::Host(Block::new(bytes)?))
    }

    fn upload(&self, bytes: &[u8], buffer: &mut Buffer) -> Result<()> {
        host_mut(buffer).bytes_mut().copy_from_slice(bytes);
        Ok(())
    }

    fn download(&self, buffer: &Buffer, bytes: &mut [u8]) -> Result<()> {
        bytes.copy_from_slice(&host(buffer).bytes()[..bytes.len()]);
        Ok(())
    }

    fn launch(
        &self,
        kernel: &Kernel,
        inputs: &[Input<'_>],
        outputs: &mut [Output<'_>],
    ) -> Result<()> {
        let on = self.on;
        if half::computes_as_f32(kernel, inputs, outputs) {
            return half::launch_as_f32(self, kernel, inputs, outputs);
        }
        match kernel {
            Kernel::Copy => elementwise::copy(on, inputs, outputs),
            Kernel::Cast => elementwise::cast(on, inputs, outputs),
            Kernel::Fill { value } => elementwise::fill(*value, outputs),
            Kernel::Map(op) => elementwise::map(on, *op, inputs, outputs),
            Kernel::Zip(op) => elementwise::zip(on, *op, inputs, outputs),
            Kernel::Compare(comparison) => elementwise::compare(on, *comparison, inputs, outputs),
            Kernel::Select => elementwise::select(on, inputs, outputs),
            Kernel::Unview { layout } => elementwise::unview(layout, inputs, outputs),
            Kernel::Reduce { reduction, kept } => {
                reduce::reduce(on, *reduction, *kept, inputs, outputs)
            }
            Kernel::ArgExtreme { extreme, kept } => {
                reduce::arg_extreme(on, *extreme, *kept, inputs, outputs)
            }
            Kernel::Concat { axis } => movement::concat(on, *axis, inputs, outputs),
            Kernel::Overwrite { axis, start } => {
                movement::overwrite(on, (*axis, *start), inputs, outputs)
            }
            Kernel::Random { distribution, key, position } => {
                random::fill(on, *distribution, (*key, *position), outputs)
            }
            Kernel::Optimizer(step) => optimizer::update(on, *step, inputs, outputs),
            Kernel::MatMul { precision, weight } => {
                linear::matmul(on, (*precision, *weight), inputs, outputs)
            }
            Kernel::LinearQuantised(format) => quantised::linear(on, *format, inputs, outputs),
            Kernel::Conv { direction, geometry, weight, precision } => {
                conv::conv(on, *precision, (*direction, geometry, *weight), inputs, outputs)
            }
            Kernel::ConvInt8 { geometry, input, relu } => {
                quantised::conv(on, (geometry, *input, *relu), inputs, outputs)
            }
            Kernel::Softmax(function) => softmax::softmax(on, *function, inputs, outputs),
            Kernel::SoftmaxGradient(function) => {
                softmax::softmax_gradient(on, *function, inputs, outputs)
            }
            Kernel::CrossEntropy(options) => softmax::cross_entropy(on, *options, inputs, outputs),
            Kernel::CrossEntropyGradient(options) => {
                softmax::cross_entropy_gradient(on, *options, inputs, outputs)
            }
            Kernel::SumOfSquares => squares::sum_of_squares(on, inputs, outputs),
            Kernel::SquaredError { scale } => squares::squared_error(on, *scale, inputs, outputs),
            Kernel::SquaredErrorGradient { scale } => {
                squares::gradient(on, *scale, inputs, outputs)
            }
            Kernel::Ctc(settings) => ctc::ctc(on, *settings, inputs, outputs),
            Kernel::CtcGradient(settings) => ctc::gradient(on, *settings, inputs, outputs),
            Kernel::MaxPool(pool) => pool::max(on, *pool, inputs, outputs),
            Kernel::AveragePool(pool) => pool::average(on, *pool, inputs, outputs),
            Kernel::AverageUnpool(pool) => pool::average_adjoint(on, *pool, inputs, outputs),
            Kernel::ScatterPlanes => pool::scatter(on, inputs, outputs),
            Kernel::GatherPlanes => pool::gather(on, inputs, outputs),
            Kernel::Attention(how) => attention::attention(on, *how, inputs, outputs),
            Kernel::AttentionGradient(how) => attention::gradient(on, *how, inputs, outputs),
            Kernel::SelfAttention { how, heads } => {
                attention::of_heads(on, *how, *heads, inputs, outputs)
            }
            Kernel::SelfAttentionGradient { how, heads } => {
                attention::gradient_of_heads(on, *how, *heads, inputs, outputs)
            }
            Kernel::Recurrent { cell, steps, precision } => {
                recurrent::forward(on, *precision, *cell, steps, inputs, outputs)
            }
            Kernel::RecurrentGradient { cell, steps, precision } => {
                recurrent::gradient(on, *precision, *cell, steps, inputs, outputs)
            }
            Kernel::Dropout(settings) => random::dropout(on, *settings, inputs, outputs),
            Kernel::Unfold(pool) => pool::unfold(on, *pool, inputs, outputs),
            Kernel::Fold(pool) => pool::fold(on, *pool, inputs, outputs),
            Kernel::Resize(resize) => pool::resize(on, resize, inputs, outputs),
            Kernel::ResizeAdjoint(resize) => pool::resize_adjoint(on, resize, inputs, outputs),
            Kernel::Gather { axis } => index::gather(on, *axis, inputs, outputs),
            Kernel::Scatter { axis } => index::scatter(on, *axis, inputs, outputs),
            Kernel::ScatterAdd { axis } => index::scatter_add(on, *axis, inputs, outputs),
            Kernel::IndexSelect { axis } => index::index_select(on, *axis, inputs, outputs),
            Kernel::IndexAdd { axis } => index::index_add(on, *axis, inputs, outputs),
            Kernel::ArgSort { order } => index::argsort(on, *order, inputs, outputs),
            Kernel::Pad { before, value } => movement::pad(on, before, *value, inputs, outputs),
            Kernel::Scan { scan, way } => scan::scan(on, *scan, *way, inputs, outputs),
            Kernel::LinearScan { way } => scan::linear_scan(on, *way, inputs, outputs),
            Kernel::RowNorm(row_norm) => norm::rows(on, *row_norm, inputs, outputs),
            Kernel::RowNormGradient(row_norm) => {
                norm::rows_gradient(on, *row_norm, inputs, outputs)
            }
            Kernel::ChannelMoments => norm::channel_moments(on, inputs, outputs),
            Kernel::ChannelNorm(channel_norm) => norm::channels(on, *channel_norm, inputs, outputs),
            Kernel::ChannelNormGradient(channel_norm) => {
                norm::channels_gradient(on, *channel_norm, inputs, outputs)
            }
        }
    }

    fn sync(&self) -> Result<()> {
        Ok(())
    }
}

/// The memory of a tensor of this device.
#[inline]
fn host(buffer: &Buffer) -> &Block {
    buffer.host().expect("tensors of the processor lie in its memory")
}

#[inline]
fn host_mut(buffer: &mut Buffer) -> &mut Block {
    buffer.host_mut().expect("tensors of the processor lie in its memory")
}

/// An input as the kernels see it.
#[inline]
fn strided<'a, T: Element>(input: &Input<'a>) -> Strided<'a, T> {
    let layout = input.layout;
    Strided {
        data: host(input.buffer).slice(),
        offset: layout.offset(),
        shape: layout.shape(),
        strides: layout.strides(),
    }
}

/// The elements of a contiguous input.
fn slice<'a, T: Element>(input: &Input<'a>) -> &'a [T] {
    assert!(input.layout.is_contiguous());
    &host(input.buffer).slice()[input.layout.offset()..][..input.shape().count()]
}

/// The elements of an input in row-major order: where they lie, or copied.
enum Gathered<'a, T: Element> {
    InPlace(&'a [T]),
    Copied(Scratch<T>),
}

impl<'a, T: Element> Gathered<'a, T> {
    fn new(on: Machine, input: &Input<'a>) -> Self {
        if input.layout.is_contiguous() {
            return Self::InPlace(slice(input));
        }
        let mut copy = scratch(input.shape().count());
        gradus_kernels::copy(on, strided(input), &mut copy);
        Self::Copied(copy)
    }
}

impl<T: Element> Deref for Gathered<'_, T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        match self {
            Self::InPlace(slice) => slice,
            Self::Copied(copy) => copy,
        }
    }
}

/// The elements of an output.
#[inline]
fn output<'a, T: Element>(output: &'a mut Output<'_>) -> &'a mut [T] {
    &mut host_mut(output.buffer).slice_mut()[..output.shape.count()]
}

/// The answer to a kernel that does not know a type of number.
fn unsupported(kernel: &str, dtype: DType) -> Result<()> {
    Err(Error::Unsupported { device: "cpu".into(), what: format!("run {kernel} on {dtype}") })
}
