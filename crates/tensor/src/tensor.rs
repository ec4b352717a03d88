//! The tensor itself: what it is made of, and what can be asked of it.

use crate::autograd::{Hook, Node};
use crate::device::{Input, Output};
use crate::error::{OpError, fail};
use crate::kernel::Kernel;
use crate::op::{Spec, launch};
use crate::storage::Buffer;
use crate::{DType, Device, Element, Layout, Result, Shape};
use gradus_kernels::memory::Pooled;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// An array of numbers with a shape, a type and a device.
///
/// A tensor is a value: it never changes, and copying one copies a reference. Operations on tensors
/// give new tensors, some of which are views of the same memory.
#[derive(Clone)]
pub struct Tensor {
    inner: Pooled<Inner>,
    /// Beside what it belongs to, so that the same numbers can be had with and without a history.
    node: Option<Pooled<Node>>,
}

// A tensor never changes, so a panic leaves none half-changed.
impl std::panic::UnwindSafe for Tensor {}
impl std::panic::RefUnwindSafe for Tensor {}

struct Inner {
    buffer: Pooled<Buffer>,
    layout: Layout,
    dtype: DType,
    device: Device,
}

impl Tensor {
    pub(crate) fn from_parts(
        buffer: Pooled<Buffer>,
        layout: Layout,
        dtype: DType,
        device: Device,
    ) -> Self {
        Self { inner: Pooled::new(Inner { buffer, layout, dtype, device }), node: None }
    }

    /// What fills its own memory, side by side.
    pub(crate) fn from_buffer(buffer: Buffer, spec: Spec) -> Self {
        Self::filling(Pooled::new(buffer), &spec)
    }

    /// What fills memory, side by side.
    pub(crate) fn filling(buffer: Pooled<Buffer>, spec: &Spec) -> Self {
        let Spec { shape, dtype, device } = *spec;
        let layout = Layout::without_strides(shape);
        let mut inner = Pooled::made(|| Inner { buffer, layout, dtype, device });
        Pooled::get_mut(&mut inner).expect("it is new").layout.become_contiguous();
        Self { inner, node: None }
    }

    /// Another view of the same memory.
    pub(crate) fn with_layout(&self, layout: Layout) -> Self {
        let Inner { buffer, dtype, device, .. } = &*self.inner;
        Self::from_parts(buffer.clone(), layout, *dtype, *device)
    }

    /// The same tensor, made by another node.
    pub(crate) fn with_node(self, node: Option<Pooled<Node>>) -> Self {
        Self { node, ..self }
    }

    pub(crate) fn node(&self) -> Option<&Pooled<Node>> {
        self.node.as_ref()
    }

    pub(crate) fn view(&self) -> Input<'_> {
        let Inner { buffer, layout, dtype, .. } = &*self.inner;
        Input { buffer, layout, dtype: *dtype }
    }

    /// The tensor's memory, to be written: its own, and nobody else's, from now on.
    pub(crate) fn output(&mut self) -> Result<Output<'_>> {
        let whole = self.is_contiguous() && self.layout().offset() == 0;
        let alone = Pooled::get_mut(&mut self.inner)
            .is_some_and(|inner| whole && Pooled::get_mut(&mut inner.buffer).is_some());
        if !alone {
            let copy = launch(&Kernel::Copy, &[self], self.spec())?;
            *self = copy.with_node(self.node.take());
        }
        let inner = Pooled::get_mut(&mut self.inner).expect("nobody else holds this tensor");
        let buffer = Pooled::get_mut(&mut inner.buffer).expect("nobody else holds its memory");
        Ok(Output { buffer, shape: *inner.layout.shape(), dtype: inner.dtype })
    }

    /// The lengths of the axes.
    pub fn shape(&self) -> &Shape {
        self.inner.layout.shape()
    }

    /// The number of axes.
    pub fn rank(&self) -> usize {
        self.shape().rank()
    }

    /// The length of an axis; negative numbers count from the end.
    ///
    /// # Panics
    /// If there is no such axis.
    #[track_caller]
    pub fn len_of(&self, axis: isize) -> usize {
        match self.shape().axis(axis) {
            Ok(axis) => self.shape()[axis],
            Err(error) => fail(error.named("len_of")),
        }
    }

    /// The number of elements.
    pub fn count(&self) -> usize {
        self.shape().count()
    }

    /// The type of the elements.
    pub fn dtype(&self) -> DType {
        self.inner.dtype
    }

    /// Who computes with it.
    pub fn device(&self) -> Device {
        self.inner.device
    }

    /// Where its elements lie in memory.
    pub fn layout(&self) -> &Layout {
        &self.inner.layout
    }

    /// Shape, type and device.
    pub fn spec(&self) -> Spec {
        Spec { shape: *self.shape(), dtype: self.inner.dtype, device: self.inner.device }
    }

    /// True if the elements lie side by side in row-major order.
    pub fn is_contiguous(&self) -> bool {
        self.inner.layout.is_contiguous()
    }

    /// True if gradients flow to this tensor.
    pub fn needs_grad(&self) -> bool {
        self.node.is_some()
    }

    /// True if this is a tensor that gradients are wanted by, not the result of an op.
    pub fn is_leaf(&self) -> bool {
        self.node().is_none_or(|node| node.recorded.is_none())
    }

    /// What tells a leaf that gradients are wanted by from every other; none for other tensors.
    pub fn leaf_id(&self) -> Option<u64> {
        self.node().filter(|node| node.recorded.is_none()).map(|node| node.id)
    }

    /// The tensor as a leaf that gradients are wanted by, without its history.
    ///
    /// # Panics
    /// If it is not of floats.
    #[track_caller]
    pub fn requires_grad(&self) -> Self {
        if !self.dtype().is_float() {
            fail(OpError::dtype(self.dtype(), "floats").named("requires_grad"));
        }
        self.detach().with_node(Some(Pooled::new(Node::leaf())))
    }

    /// The same numbers without their history: no gradient flows through.
    pub fn detach(&self) -> Self {
        Self { inner: self.inner.clone(), node: None }
    }

    /// The tensor's numbers in the place of another's: a leaf with the identity of `leaf`, to which
    /// its gradients belong. This is how a parameter keeps its identity while its value changes.
    pub fn in_place_of(&self, leaf: &Self) -> Self {
        self.detach().with_node(leaf.node().cloned())
    }

    /// Asks backward passes to keep the gradient by this tensor, though it is no leaf.
    pub fn retain_grad(&self) {
        if let Some(node) = self.node() {
            node.retained.store(true, Ordering::Relaxed);
        }
    }

    /// Has a function called with the gradient by this tensor, whenever a backward pass has computed
    /// it; what the function gives, if anything, takes the gradient's place.
    ///
    /// # Panics
    /// If no gradient flows to this tensor.
    #[track_caller]
    pub fn register_hook(
        &self,
        hook: impl Fn(&Self) -> Option<Self> + Send + Sync + 'static,
    ) -> Hook {
        match self.node() {
            Some(node) => Node::add_hook(node, Arc::new(hook)),
            None => fail(OpError::of("register_hook", "no gradient flows to this tensor")),
        }
    }

    /// The elements in row-major order.
    ///
    /// # Errors
    /// If the tensor is of another type, or the device fails or holds no elements.
    pub fn try_to_vec<T: Element>(&self) -> Result<Vec<T>> {
        if T::DTYPE != self.dtype() {
            let wanted = T::DTYPE;
            return Err(OpError::of(
                "to_vec",
                format_args!(
                    "the elements are {}, not {wanted}: convert with to_dtype",
                    self.dtype()
                ),
            )
            .into());
        }
        let packed = self.detach().contiguous();
        let (start, count) = (packed.layout().offset(), packed.count());
        if let Some(stored) = packed.host_elements::<T>() {
            return Ok(stored.iter().map(|&x| T::from_stored(x)).collect());
        }
        // A view into the middle of another device's memory is first copied to a buffer of its own.
        let packed = if start > 0 { packed.copied() } else { packed };
        let mut stored = vec![T::Stored::default(); count];
        let bytes = bytemuck::cast_slice_mut(&mut stored);
        packed.device().backend().download(&packed.inner.buffer, bytes)?;
        Ok(stored.into_iter().map(T::from_stored).collect())
    }

    /// The elements in row-major order.
    ///
    /// # Panics
    /// If the tensor is of another type, or the device fails or holds no elements.
    #[track_caller]
    pub fn to_vec<T: Element>(&self) -> Vec<T> {
        self.try_to_vec().unwrap_or_else(|error| fail(error))
    }

    /// The only element.
    ///
    /// # Panics
    /// If there is not exactly one, or as [`Tensor::to_vec`].
    #[track_caller]
    pub fn item<T: Element>(&self) -> T {
        if self.count() != 1 {
            fail(OpError::of(
                "item",
                format_args!("shape {} is not a single number", self.shape()),
            ));
        }
        match self.host_elements::<T>() {
            Some(stored) => T::from_stored(stored[0]),
            None => self.to_vec()[0],
        }
    }

    /// The elements where they lie, if that is side by side in the machine's own memory, and of this
    /// type.
    fn host_elements<T: Element>(&self) -> Option<&[T::Stored]> {
        let Inner { buffer, layout, dtype, .. } = &*self.inner;
        let block = buffer.host()?;
        (T::DTYPE == *dtype && layout.is_contiguous())
            .then(|| &block.slice::<T::Stored>()[layout.offset()..][..self.count()])
    }

    /// How many elements are NaN.
    pub(crate) fn count_nan(&self) -> usize {
        let elements = self.to_dtype(DType::F64).try_to_vec::<f64>().unwrap_or_default();
        elements.into_iter().filter(|x| x.is_nan()).count()
    }
}
