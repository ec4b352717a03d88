//! The one form that every differentiable primitive has, and applying it.

use crate::autograd::{self, Node};
use crate::device::{Input, Output};
use crate::error::fail;
use crate::kernel::Kernel;
use crate::{DType, Device, Error, OpError, Result, Shape, Tensor};
use gradus_kernels::memory::{Pooled, PooledBox};
use smallvec::SmallVec;
use std::fmt::{self, Debug};

/// What is known of a tensor without its elements.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Spec {
    /// The lengths of its axes.
    pub shape: Shape,
    /// The type of its elements.
    pub dtype: DType,
    /// Who computes with it.
    pub device: Device,
}

impl Spec {
    /// The same, of another shape.
    pub fn with_shape(self, shape: Shape) -> Self {
        Self { shape, ..self }
    }

    /// The same, of another type.
    pub fn with_dtype(self, dtype: DType) -> Self {
        Self { dtype, ..self }
    }
}

impl Debug for Spec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} on {}", self.dtype, self.shape, self.device)
    }
}

/// A shape means `f32` on the processor.
impl<S: Into<Shape>> From<S> for Spec {
    #[track_caller]
    fn from(shape: S) -> Self {
        Self { shape: shape.into(), dtype: DType::F32, device: Device::cpu() }
    }
}

/// A shape and a type mean the processor.
impl<S: Into<Shape>> From<(S, DType)> for Spec {
    #[track_caller]
    fn from((shape, dtype): (S, DType)) -> Self {
        Self { shape: shape.into(), dtype, device: Device::cpu() }
    }
}

impl<S: Into<Shape>> From<(S, DType, Device)> for Spec {
    #[track_caller]
    fn from((shape, dtype, device): (S, DType, Device)) -> Self {
        Self { shape: shape.into(), dtype, device }
    }
}

/// One differentiable primitive.
///
/// A value of the type holds the primitive's settings (an axis, a stride …), not its inputs.
pub trait Op: Debug + Send + Sync + 'static {
    /// The name under which errors, traces and tables speak of it.
    fn name(&self) -> &'static str;

    /// What the output will be. This is the only place where inputs are rejected; a shape of more
    /// elements than can be counted is rejected by whoever applies the op.
    ///
    /// # Errors
    /// One sentence that names shapes and numbers.
    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError>;

    /// Computes the output, which is as [`Op::infer`] said, and says what backward will need.
    ///
    /// # Errors
    /// If the device fails or does not know the kernel.
    fn forward(&self, inputs: &[&Tensor], output: Spec) -> Result<Forward>;

    /// The vector–Jacobian product: for each input the gradient of a number L, given the gradient
    /// of L by the output. None where no gradient flows or none is wanted.
    ///
    /// # Errors
    /// If the device fails.
    fn backward(&self, context: &Context<'_>, grad: &Tensor) -> Result<Grads>;

    /// The same function of the same inputs, written in other ops: for devices that lack the
    /// kernel, and for derivatives of the gradient where [`Op::backward`] cannot be derived itself.
    ///
    /// An op that has a composite saves all its inputs, unless its backward can be derived.
    fn composite(&self, _inputs: &[&Tensor]) -> Option<Result<Tensor>> {
        None
    }

    /// True if the output is quickly computed from what forward keeps, which is all inputs: it need not
    /// be kept as well by an op behind this one that needs it ([`Forward::repeating_input`]).
    fn is_repeatable(&self) -> bool {
        false
    }

    /// How many additions, multiplications and other operations on numbers the forward pass takes.
    fn flops(&self, _inputs: &[Spec], output: &Spec) -> u64 {
        output.shape.count() as u64
    }
}

/// What the inputs of an op are.
pub(crate) type Specs = SmallVec<[Spec; 3]>;

/// Gradients by each input.
pub type Grads = SmallVec<[Option<Tensor>; 3]>;

/// What [`Op::forward`] gives: the output, and what is kept for backward.
#[derive(Debug)]
pub struct Forward {
    pub(crate) output: Tensor,
    pub(crate) saved: Origins,
    /// Those of it that are neither inputs nor the output.
    pub(crate) values: SmallVec<[Tensor; 1]>,
}

/// What each of the things kept for backward is.
pub(crate) type Origins = SmallVec<[Origin; 6]>;

/// What something kept for backward is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// An input, by its number.
    Input(u16),
    /// An input that is not kept if its op is repeatable, but computed again.
    Repeated(u16),
    /// The output.
    Output,
    /// Something else: the next of these.
    Value,
}

impl Origin {
    fn input(index: usize) -> Self {
        Self::Input(number(index))
    }
}

fn number(index: usize) -> u16 {
    index.try_into().expect("only the first 65,536 inputs of an op can be kept")
}

impl Forward {
    /// An output of which backward needs nothing.
    #[inline]
    pub fn new(output: Tensor) -> Self {
        Self { output, saved: SmallVec::new(), values: SmallVec::new() }
    }

    /// Keeps an input for backward.
    ///
    /// # Panics
    /// If it is behind the first 65,536 inputs.
    pub fn saving_input(mut self, index: usize) -> Self {
        self.saved.push(Origin::input(index));
        self
    }

    /// Keeps an input for backward or, if its op is repeatable ([`Op::is_repeatable`]), has it computed
    /// again by then. So its memory is free in between, unless somebody else keeps it.
    ///
    /// # Panics
    /// If it is behind the first 65,536 inputs.
    pub fn repeating_input(mut self, index: usize) -> Self {
        self.saved.push(Origin::Repeated(number(index)));
        self
    }

    /// Keeps the first `count` inputs for backward.
    ///
    /// # Panics
    /// If these are more than 65,536.
    pub fn saving_inputs(mut self, count: usize) -> Self {
        (0..count).for_each(|index| self.saved.push(Origin::input(index)));
        self
    }

    /// Keeps the output for backward.
    pub fn saving_output(mut self) -> Self {
        self.saved.push(Origin::Output);
        self
    }

    /// Keeps something else for backward. No gradient flows through it: an op whose gradient
    /// depends on it has a composite, or it is an integer.
    pub fn saving(mut self, value: Tensor) -> Self {
        self.saved.push(Origin::Value);
        self.values.push(value.detach());
        self
    }
}

/// What [`Op::backward`] may look at.
#[derive(Debug)]
pub struct Context<'a> {
    /// What forward kept, in that order.
    pub saved: &'a [Tensor],
    /// What the inputs were.
    pub inputs: &'a [Spec],
    /// By which inputs a gradient is wanted.
    pub needed: &'a [bool],
}

impl Context<'_> {
    /// The gradient by an input, computed only if it is wanted.
    ///
    /// # Errors
    /// Those of `compute`.
    pub fn if_needed(
        &self,
        input: usize,
        compute: impl FnOnce() -> Result<Tensor>,
    ) -> Result<Option<Tensor>> {
        if self.needed[input] { compute().map(Some) } else { Ok(None) }
    }
}

impl Tensor {
    /// Applies an op.
    ///
    /// # Panics
    /// If the op rejects the inputs, or the device fails.
    #[track_caller]
    pub fn apply(op: impl Op, inputs: &[&Self]) -> Self {
        match Self::try_apply(op, inputs) {
            Ok(output) => output,
            Err(error) => fail(error),
        }
    }

    /// Applies an op, and records it if a gradient may flow through it.
    ///
    /// # Errors
    /// [`Error::Op`] if the op rejects the inputs; else whatever the device reports.
    pub fn try_apply(op: impl Op, inputs: &[&Self]) -> Result<Self> {
        let mut specs = Specs::new();
        inputs.iter().for_each(|input| specs.push(input.spec()));
        let spec = match op.infer(&specs) {
            Ok(spec) => spec,
            Err(error) => return Err(error.named(op.name()).into()),
        };
        spec.shape.try_count().map_err(|error| error.named(op.name()))?;
        let mode = autograd::mode();
        let result = match mode.watched {
            // What the op does inside is its own affair.
            true => autograd::with_mode(|mode| mode.watched = false, || op.forward(inputs, spec)),
            false => op.forward(inputs, spec),
        };
        // Looked at where it lies: to move it would take as long as a small op.
        let forward = match &result {
            Ok(forward) => forward,
            Err(error @ Error::Unsupported { .. }) if let Some(output) = op.composite(inputs) => {
                log::info!("{error}: {} runs as a composite of other ops", op.name());
                return output;
            }
            // Some mistakes show only in the elements: an index out of range, say.
            Err(_) => {
                return result.map(|forward| forward.output).map_err(|error| match error {
                    Error::Op(error) => Error::Op(error.named(op.name())),
                    error => error,
                });
            }
        };
        if mode.watched {
            crate::trace::record(&op, inputs, &specs, &forward.output);
        }
        if mode.anomaly {
            autograd::check_forward(op.name(), &forward.output);
        }
        let wanted =
            mode.grad && spec.dtype.is_float() && inputs.iter().any(|x| x.node().is_some());
        let node = wanted.then(|| {
            let op = PooledBox::<dyn Op>::new(op, |op| op);
            Node::record(op, inputs, &specs, forward)
        });
        result.map(|forward| forward.output.with_node(node))
    }
}

/// The device of a result: that of all inputs, or the one that computes nothing if any is there.
///
/// # Errors
/// If the inputs are on different devices.
pub fn common_device(inputs: &[Spec]) -> Result<Device, OpError> {
    let device = inputs[0].device;
    let Some(other) = inputs.iter().find(|input| input.device != device) else {
        return Ok(device);
    };
    let nothing = Device::shape_only();
    if inputs.iter().any(|input| input.device == nothing) {
        return Ok(nothing);
    }
    Err(OpError::new(format_args!(
        "inputs are on different devices, {device} and {}: move one with to_device",
        other.device
    )))
}

/// Runs a kernel that has one output.
///
/// # Errors
/// If the device fails or does not know the kernel.
pub fn launch(kernel: &Kernel, inputs: &[&Tensor], output: Spec) -> Result<Tensor> {
    // Not collected, which would move them: see `Node::record`.
    let mut views = SmallVec::<[Input<'_>; 4]>::new();
    inputs.iter().for_each(|input| views.push(input.view()));
    launch_views(kernel, &views, output)
}

/// As [`launch`], with views of tensors for which there need be no tensors.
pub(crate) fn launch_views(kernel: &Kernel, inputs: &[Input<'_>], output: Spec) -> Result<Tensor> {
    let backend = output.device.backend();
    let mut buffer = Pooled::new(backend.allocate(output.dtype, output.shape.try_count()?)?);
    let memory = Pooled::get_mut(&mut buffer).expect("nobody else has it yet");
    let view = Output { buffer: memory, shape: output.shape, dtype: output.dtype };
    backend.launch(kernel, inputs, &mut [view])?;
    Ok(Tensor::filling(buffer, &output))
}

/// Runs a kernel that has several outputs.
///
/// # Errors
/// If the device fails or does not know the kernel.
pub fn launch_many(
    kernel: &Kernel,
    inputs: &[&Tensor],
    outputs: &[Spec],
) -> Result<SmallVec<[Tensor; 3]>> {
    let backend = outputs[0].device.backend();
    let mut buffers: SmallVec<[_; 3]> = SmallVec::new();
    for spec in outputs {
        buffers.push(backend.allocate(spec.dtype, spec.shape.try_count()?)?);
    }
    let inputs: SmallVec<[Input<'_>; 6]> = inputs.iter().map(|input| input.view()).collect();
    let views = buffers.iter_mut().zip(outputs);
    let mut views: SmallVec<[Output<'_>; 3]> = views
        .map(|(buffer, spec)| Output { buffer, shape: spec.shape, dtype: spec.dtype })
        .collect();
    backend.launch(kernel, &inputs, &mut views)?;
    drop(views);
    let tensors = buffers.into_iter().zip(outputs);
    Ok(tensors.map(|(buffer, spec)| Tensor::from_buffer(buffer, *spec)).collect())
}

/// The tensor and the number whose product a tensor is, where that waits to be computed: who can take
/// both spares a pass over memory.
pub fn as_product(x: &Tensor) -> Option<(Tensor, f64)> {
    let (buffer, layout, factor) = x.view().buffer.deferred()?.product()?;
    let as_it_is = x.is_contiguous() && layout.shape() == x.shape();
    as_it_is.then(|| (Tensor::from_parts(buffer, layout, x.dtype(), x.device()), factor))
}

/// Runs a kernel that updates tensors in place. Where other tensors share a target's memory, they
/// keep it, and the target gets a copy.
///
/// # Errors
/// If the device fails or does not know the kernel.
pub fn update(kernel: &Kernel, inputs: &[&Tensor], targets: &mut [&mut Tensor]) -> Result<()> {
    let Some(device) = targets.first().map(|target| target.device()) else {
        return Ok(());
    };
    let inputs: SmallVec<[Input<'_>; 6]> = inputs.iter().map(|input| input.view()).collect();
    // What waits to be computed from a target's memory holds it, until it is.
    inputs.iter().for_each(|input| _ = input.buffer.host());
    let mut outputs: SmallVec<[Output<'_>; 12]> = SmallVec::new();
    for target in targets {
        outputs.push(target.output()?);
    }
    device.backend().launch(kernel, &inputs, &mut outputs)
}
