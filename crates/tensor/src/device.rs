//! Devices, and what a device must be able to do.

use crate::cpu::Cpu;
use crate::kernel::Kernel;
use crate::storage::Buffer;
use crate::{DType, Error, Layout, Result, Shape};
use gradus_kernels::Machine;
use gradus_kernels::memory::Pooled;
use std::fmt;
use std::sync::LazyLock;

/// Who computes: the processor, a device of another crate, or nobody.
#[derive(Clone, Copy)]
pub struct Device(&'static dyn Backend);

impl Device {
    /// The processor, with the instruction set and the threads that the environment variables
    /// `GRADUS_ISA` and `GRADUS_THREADS` name, else the best there are.
    ///
    /// # Panics
    /// If one of them has a value that cannot be; [`Device::check_environment`] tells in advance.
    #[track_caller]
    pub fn cpu() -> Self {
        static CPU: LazyLock<Cpu> = LazyLock::new(|| match Machine::from_environment() {
            Ok(machine) => Cpu::new(machine),
            Err(message) => crate::error::fail(message),
        });
        Self(&*CPU)
    }

    /// Says whether [`Device::cpu`] will find environment variables it can use.
    ///
    /// # Errors
    /// [`Error::Setting`], if not.
    pub fn check_environment() -> Result<()> {
        Machine::from_environment().map(|_| ()).map_err(Error::Setting)
    }

    /// The processor with an instruction set and a number of threads of the caller's choice: a
    /// device of its own.
    pub fn cpu_with(machine: Machine) -> Self {
        Self::new(Cpu::new(machine))
    }

    /// A device that computes nothing: its tensors have shapes and types but no elements.
    ///
    /// An operation of which one input lives here gives a result that lives here. Models are
    /// summed up, and checked against their data, by running them on it.
    pub fn shape_only() -> Self {
        static SHAPE_ONLY: ShapeOnly = ShapeOnly;
        Self(&SHAPE_ONLY)
    }

    /// The device of a backend, which stays until the program ends.
    pub fn new(backend: impl Backend) -> Self {
        Self(Box::leak(Box::new(backend)))
    }

    /// What computes for this device.
    pub fn backend(self) -> &'static dyn Backend {
        self.0
    }

    /// True for [`Device::shape_only`].
    pub fn is_shape_only(self) -> bool {
        self == Self::shape_only()
    }
}

impl PartialEq for Device {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::addr_eq(self.0, other.0)
    }
}

impl Eq for Device {}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.name())
    }
}

impl fmt::Debug for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A kernel's view of an input.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a> {
    /// The memory it lies in.
    pub buffer: &'a Pooled<Buffer>,
    /// Where in that memory.
    pub layout: &'a Layout,
    /// The type of its elements.
    pub dtype: DType,
}

impl Input<'_> {
    /// The lengths of the axes.
    pub fn shape(&self) -> &Shape {
        self.layout.shape()
    }
}

/// A kernel's output, which is contiguous. Most kernels fill it; those that update find old values
/// in it.
#[derive(Debug)]
pub struct Output<'a> {
    /// The memory it lies in.
    pub buffer: &'a mut Buffer,
    /// The lengths of the axes.
    pub shape: Shape,
    /// The type of its elements.
    pub dtype: DType,
}

/// What a device must be able to do. This is the whole interface between tensors and devices.
pub trait Backend: Send + Sync + 'static {
    /// What the device is called.
    fn name(&self) -> String;

    /// Takes memory for `count` elements, of unspecified values.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    fn allocate(&self, dtype: DType, count: usize) -> Result<Buffer>;

    /// Copies bytes into memory that [`Backend::allocate`] gave.
    ///
    /// # Errors
    /// If the device fails.
    fn upload(&self, bytes: &[u8], buffer: &mut Buffer) -> Result<()>;

    /// Copies all of a buffer's bytes out, once everything that writes them has run.
    ///
    /// # Errors
    /// If the device fails or holds no elements.
    fn download(&self, buffer: &Buffer, bytes: &mut [u8]) -> Result<()>;

    /// Runs a kernel, or queues it where [`Backend::download`] and [`Backend::sync`] wait for it.
    ///
    /// # Errors
    /// [`Error::Unsupported`] if the device does not know the kernel or a type of number.
    fn launch(
        &self,
        kernel: &Kernel,
        inputs: &[Input<'_>],
        outputs: &mut [Output<'_>],
    ) -> Result<()>;

    /// Waits until everything that was launched has run, but for results that are computed when they
    /// are read.
    ///
    /// # Errors
    /// If the device fails.
    fn sync(&self) -> Result<()>;
}

/// The device that computes nothing.
struct ShapeOnly;

impl Backend for ShapeOnly {
    fn name(&self) -> String {
        "shape-only".into()
    }

    fn allocate(&self, _: DType, _: usize) -> Result<Buffer> {
        Ok(Buffer::Nothing)
    }

    fn upload(&self, _: &[u8], _: &mut Buffer) -> Result<()> {
        Ok(())
    }

    fn download(&self, _: &Buffer, _: &mut [u8]) -> Result<()> {
        Err(Error::Unsupported { device: self.name(), what: "give elements: it has none".into() })
    }

    fn launch(&self, _: &Kernel, _: &[Input<'_>], _: &mut [Output<'_>]) -> Result<()> {
        Ok(())
    }

    fn sync(&self) -> Result<()> {
        Ok(())
    }
}
