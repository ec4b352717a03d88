//! What a module is made of: parameters, buffers, random streams and the mode.

use crate::{Module, Path, Visitor};
use gradus_tensor::op::Spec;
use gradus_tensor::ops::{ConvOptions, Int8Options, Int8Weight, QuantisedMatrix};
use gradus_tensor::{Device, Error, Gradients, OpError, Result, Rng, Shape, Tensor};
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, RwLock, RwLockReadGuard, RwLockWriteGuard, TryLockError};

/// A tensor that is trained.
///
/// A parameter is a handle: its clones are the same parameter, which is how weights are tied. It
/// keeps its identity while its value changes, so gradients find it.
#[derive(Clone)]
pub struct Param(Arc<ParamInner>);

struct ParamInner {
    /// A leaf, always of the same identity.
    value: RwLock<Value>,
    trainable: AtomicBool,
}

/// The value of a parameter.
#[derive(Clone)]
struct Value {
    /// A leaf; where there are codes, one of the same shape without numbers.
    tensor: Tensor,
    /// What is kept in place of the numbers, if anything is.
    codes: Option<Codes>,
    /// Who is told when a layer uses it.
    watch: Option<Arc<dyn Watch>>,
}

/// What may be kept in place of numbers.
#[derive(Clone)]
enum Codes {
    /// A matrix that is turned into numbers as it is multiplied.
    Matrix(QuantisedMatrix),
    /// A weight that is multiplied as integers.
    Int8(Int8Weight),
}

impl Value {
    fn plain(tensor: Tensor) -> Self {
        Self { tensor, codes: None, watch: None }
    }

    /// The numbers, as a leaf unless they come from codes.
    fn numbers(&self) -> Tensor {
        let numbers = match &self.codes {
            None => return self.tensor.clone(),
            Some(Codes::Matrix(codes)) => codes.numbers(),
            Some(Codes::Int8(codes)) => codes.numbers(),
        };
        match numbers {
            Ok(numbers) => numbers.to_dtype(self.tensor.dtype()),
            Err(error) => panic!("{error}"),
        }
    }
}

/// How a layer's weight meets its input.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Product {
    /// x · Wᵀ.
    Linear,
    /// The convolution along as many axes as the weight has but for two.
    Conv(ConvOptions),
}

impl Product {
    /// In how many groups channels are.
    pub(crate) fn groups(self) -> usize {
        match self {
            Self::Linear => 1,
            Self::Conv(options) => options.groups,
        }
    }

    #[track_caller]
    fn of_floats(self, x: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Tensor {
        match (self, weight.rank()) {
            (Self::Linear, _) => x.linear(weight, bias),
            (Self::Conv(options), 3) => x.conv1d(weight, bias, options),
            (Self::Conv(options), 4) => x.conv2d(weight, bias, options),
            (Self::Conv(options), _) => x.conv3d(weight, bias, options),
        }
    }

    /// With the bias, and with a ReLU behind it or not.
    #[track_caller]
    pub(crate) fn of_int8(
        self,
        x: &Tensor,
        weight: &Int8Weight,
        (bias, relu): (Option<&Tensor>, bool),
    ) -> Tensor {
        match self {
            Self::Linear => x.linear_int8(weight, bias, relu),
            Self::Conv(conv) => x.conv_int8(weight, bias, Int8Options { conv, relu }),
        }
    }
}

/// A layer's use of its weight.
pub(crate) struct Use<'a> {
    pub(crate) x: &'a Tensor,
    pub(crate) bias: Option<&'a Tensor>,
    pub(crate) product: Product,
    pub(crate) output: &'a Tensor,
}

/// Is told when layers use a parameter.
pub(crate) trait Watch: Send + Sync {
    /// A layer has used it.
    fn see(&self, using: &Use<'_>);
}

impl Param {
    /// A parameter with a first value.
    ///
    /// # Panics
    /// If the value is not of floats.
    #[track_caller]
    pub fn new(value: Tensor) -> Self {
        let value = RwLock::new(Value::plain(value.requires_grad()));
        Self(Arc::new(ParamInner { value, trainable: AtomicBool::new(true) }))
    }

    /// The value, as a leaf that gradients are wanted by unless the parameter is frozen.
    pub fn tensor(&self) -> Tensor {
        let value = self.read().numbers();
        if self.is_trainable() { value } else { value.detach() }
    }

    fn read(&self) -> RwLockReadGuard<'_, Value> {
        self.0.value.read().unwrap_or_else(|poison| poison.into_inner())
    }

    fn write(&self) -> RwLockWriteGuard<'_, Value> {
        self.0.value.write().unwrap_or_else(|poison| poison.into_inner())
    }

    /// The codes that are kept in place of the numbers, if any are; see [`crate::quantised`].
    pub fn codes(&self) -> Option<QuantisedMatrix> {
        match &self.read().codes {
            Some(Codes::Matrix(codes)) => Some(codes.clone()),
            _ => None,
        }
    }

    /// The integers that are kept in place of the numbers, if any are; see [`crate::quantised`].
    pub fn int8(&self) -> Option<Int8Weight> {
        match &self.read().codes {
            Some(Codes::Int8(codes)) => Some(codes.clone()),
            _ => None,
        }
    }

    /// True if its numbers are kept as they are.
    pub(crate) fn is_plain(&self) -> bool {
        self.read().codes.is_none()
    }

    /// Keeps codes in place of the numbers, which are no longer trained.
    ///
    /// # Panics
    /// If the codes are of another shape.
    #[track_caller]
    pub fn set_codes(&self, codes: QuantisedMatrix) {
        self.keep(codes.shape().into(), Codes::Matrix(codes));
    }

    /// Keeps integers in place of the numbers, which are no longer trained.
    ///
    /// # Panics
    /// If the integers are of another shape.
    #[track_caller]
    pub fn set_int8(&self, codes: Int8Weight) {
        self.keep(*codes.shape(), Codes::Int8(codes));
    }

    #[track_caller]
    fn keep(&self, shape: Shape, codes: Codes) {
        let mut own = self.write();
        let spec = Spec { device: Device::shape_only(), ..own.tensor.spec() };
        assert!(spec.shape == shape, "codes {shape} for {}", spec.shape);
        let tensor = Tensor::zeros(spec).in_place_of(&own.tensor);
        *own = Value { codes: Some(codes), ..Value::plain(tensor) };
        self.freeze();
    }

    /// Tells somebody when a layer uses the parameter, or nobody any more.
    pub(crate) fn set_watch(&self, watch: Option<Arc<dyn Watch>>) {
        self.write().watch = watch;
    }

    /// x · Wᵀ + b, where this is W: with the codes, if those are kept.
    #[track_caller]
    pub fn linear(&self, x: &Tensor, bias: Option<&Tensor>) -> Tensor {
        self.product(x, Product::Linear, (bias, false))
    }

    /// What a layer computes of x whose weight this is, with a bias, and with a ReLU behind it or not.
    #[track_caller]
    pub(crate) fn product(
        &self,
        x: &Tensor,
        product: Product,
        (bias, relu): (Option<&Tensor>, bool),
    ) -> Tensor {
        let value = self.read().clone();
        let output = match (&value.codes, product) {
            (Some(Codes::Int8(codes)), _) => return product.of_int8(x, codes, (bias, relu)),
            (Some(Codes::Matrix(codes)), Product::Linear) => x.linear_quantised(codes, bias),
            (None, _) if self.is_trainable() => product.of_floats(x, &value.tensor, bias),
            _ => product.of_floats(x, &value.numbers().detach(), bias),
        };
        if let Some(watch) = value.watch {
            watch.see(&Use { x, bias, product, output: &output });
        }
        if relu { output.relu() } else { output }
    }

    /// The rows that indices name, where this is the table: see [`Tensor::embedding`].
    #[track_caller]
    pub fn embedding(&self, indices: &Tensor, padding: Option<usize>) -> Tensor {
        let Some(codes) = self.codes() else {
            return self.tensor().embedding(indices, padding);
        };
        let rows = codes.rows(&indices.reshape(indices.count()));
        let numbers = rows.numbers().unwrap_or_else(|error| panic!("{error}"));
        let shape = [&indices.shape()[..], &[codes.shape()[1]]].concat();
        numbers.to_dtype(self.read().tensor.dtype()).reshape(shape)
    }

    /// The lengths of its axes.
    pub fn shape(&self) -> Shape {
        *self.read().tensor.shape()
    }

    /// What tells this parameter from every other.
    pub fn id(&self) -> u64 {
        self.read().tensor.leaf_id().expect("a parameter's value is a leaf")
    }

    /// The gradient by this parameter; none if no gradient reached it.
    pub fn grad<'a>(&self, gradients: &'a Gradients) -> Option<&'a Tensor> {
        gradients.get(&self.read().tensor)
    }

    /// Replaces the value by another of the same shape, converted to the same type and device.
    ///
    /// # Errors
    /// If the shape differs.
    pub fn set(&self, value: &Tensor) -> Result<()> {
        let mut own = self.write();
        let fitted = fitted(value, &own.numbers())?;
        *own = Value::plain(fitted.in_place_of(&own.tensor));
        Ok(())
    }

    /// Moves the value to another type or device; codes become numbers.
    pub fn convert(&self, convert: impl FnOnce(&Tensor) -> Tensor) {
        let mut own = self.write();
        let converted = convert(&own.numbers().detach());
        *own = Value::plain(converted.in_place_of(&own.tensor));
    }

    /// The value, to be changed in place: nobody else reads or changes it meanwhile.
    pub(crate) fn lock(&self) -> Locked<'_> {
        Locked(self.write())
    }

    /// As [`Param::lock`]; none where somebody else is at it.
    pub(crate) fn try_lock(&self) -> Option<Locked<'_>> {
        match self.0.value.try_write() {
            Ok(value) => Some(Locked(value)),
            Err(TryLockError::Poisoned(poison)) => Some(Locked(poison.into_inner())),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    /// Stops training this parameter: no gradient is computed by it, no optimizer changes it.
    pub fn freeze(&self) {
        self.0.trainable.store(false, Ordering::Relaxed);
    }

    /// Trains this parameter again.
    pub fn unfreeze(&self) {
        self.0.trainable.store(true, Ordering::Relaxed);
    }

    /// True unless the parameter is frozen.
    pub fn is_trainable(&self) -> bool {
        self.0.trainable.load(Ordering::Relaxed)
    }
}

/// The value of a parameter, held by one who changes it.
pub(crate) struct Locked<'a>(RwLockWriteGuard<'a, Value>);

impl Locked<'_> {
    /// The value, a leaf.
    pub(crate) fn tensor(&mut self) -> &mut Tensor {
        &mut self.0.tensor
    }
}

impl Module for Param {
    fn visit(&self, path: &mut Path, visitor: &mut dyn Visitor) {
        visitor.param(path, self);
    }
}

impl fmt::Debug for Param {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = &self.read().tensor;
        write!(f, "Param({} {})", value.dtype(), value.shape())
    }
}

/// A tensor that belongs to a model and is saved with it, but not trained: a running mean, say. Its
/// clones are the same buffer.
#[derive(Clone)]
pub struct Buffer(Arc<RwLock<Tensor>>);

impl Buffer {
    /// A buffer with a first value.
    pub fn new(value: Tensor) -> Self {
        Self(Arc::new(RwLock::new(value.detach())))
    }

    /// The value.
    pub fn tensor(&self) -> Tensor {
        self.0.read().unwrap_or_else(|poison| poison.into_inner()).clone()
    }

    /// Replaces the value by another of the same shape, converted to the same type and device.
    ///
    /// # Errors
    /// If the shape differs.
    pub fn set(&self, value: &Tensor) -> Result<()> {
        let mut own = self.0.write().unwrap_or_else(|poison| poison.into_inner());
        *own = fitted(value, &own)?;
        Ok(())
    }

    /// Moves the value to another type or device.
    pub fn convert(&self, convert: impl FnOnce(&Tensor) -> Tensor) {
        let mut own = self.0.write().unwrap_or_else(|poison| poison.into_inner());
        *own = convert(&own);
    }
}

impl Module for Buffer {
    fn visit(&self, path: &mut Path, visitor: &mut dyn Visitor) {
        visitor.buffer(path, self);
    }
}

impl fmt::Debug for Buffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = self.tensor();
        write!(f, "Buffer({} {})", value.dtype(), value.shape())
    }
}

/// A new value in the type and on the device of an old one.
fn fitted(value: &Tensor, old: &Tensor) -> Result<Tensor> {
    if value.shape() != old.shape() {
        let message = format_args!("a value {} for one of shape {}", value.shape(), old.shape());
        return Err(Error::Op(OpError::of("set", message)));
    }
    Ok(value.detach().to_dtype(old.dtype()).to_device(old.device()))
}

/// Whether a module is being trained or used: what dropout and batch normalisation go by. New
/// modules are in training.
pub struct Mode(AtomicBool);

impl Mode {
    /// True while the module is being trained.
    pub fn is_training(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Changes the mode.
    pub fn set_training(&self, training: bool) {
        self.0.store(training, Ordering::Relaxed);
    }
}

impl Default for Mode {
    fn default() -> Self {
        Self(AtomicBool::new(true))
    }
}

impl Module for Mode {
    fn visit(&self, path: &mut Path, visitor: &mut dyn Visitor) {
        visitor.mode(path, self);
    }
}

impl fmt::Debug for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_training() { "training" } else { "evaluation" })
    }
}

/// A module's own stream of random numbers, which checkpoints save.
#[derive(Debug)]
pub struct Stream(Mutex<Rng>);

impl Stream {
    /// A stream split off from another.
    pub fn new(rng: &mut Rng) -> Self {
        Self(Mutex::new(rng.split()))
    }

    /// Draws from the stream.
    pub fn draw<R>(&self, draw: impl FnOnce(&mut Rng) -> R) -> R {
        draw(&mut self.0.lock().unwrap_or_else(|poison| poison.into_inner()))
    }

    /// Where the stream is; see [`Rng::state`].
    pub fn state(&self) -> (u64, u64) {
        self.draw(|rng| rng.state())
    }

    /// Continues the stream elsewhere.
    pub fn set_state(&self, state: (u64, u64)) {
        self.draw(|rng| *rng = Rng::from_state(state));
    }
}

impl Module for Stream {
    fn visit(&self, path: &mut Path, visitor: &mut dyn Visitor) {
        visitor.stream(path, self);
    }
}
