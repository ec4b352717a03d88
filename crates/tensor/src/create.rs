//! Making tensors: from numbers, of one value, in steps, at random.

use crate::error::fail;
use crate::kernel::Kernel;
use crate::op::{Spec, launch};
use crate::{Device, Element, Error, OpError, Result, Rng, Scalar, Shape, Tensor};
use gradus_kernels::memory::OutOfMemory;
use gradus_kernels::random::{Distribution, blocks};

impl Tensor {
    /// A tensor of numbers in row-major order.
    ///
    /// # Panics
    /// If their number is not that of the shape.
    #[track_caller]
    pub fn from_vec<T: Element>(numbers: Vec<T>, shape: impl Into<Shape>) -> Self {
        Self::from_slice(&numbers, shape)
    }

    /// A tensor of numbers in row-major order.
    ///
    /// # Panics
    /// If their number is not that of the shape.
    #[track_caller]
    pub fn from_slice<T: Element>(numbers: &[T], shape: impl Into<Shape>) -> Self {
        Self::try_from_slice(numbers, shape.into(), Device::cpu())
            .unwrap_or_else(|error| fail(error))
    }

    /// A tensor of numbers in row-major order, on a device.
    ///
    /// # Errors
    /// If their number is not that of the shape, or the device fails.
    pub fn try_from_slice<T: Element>(numbers: &[T], shape: Shape, device: Device) -> Result<Self> {
        if shape.checked_count() != Some(numbers.len()) {
            let message = format_args!("{} numbers do not fill shape {shape}", numbers.len());
            return Err(OpError::of("from_slice", message).into());
        }
        let backend = device.backend();
        let mut buffer = backend.allocate(T::DTYPE, numbers.len())?;
        let stored: Vec<T::Stored> = numbers.iter().map(|&x| x.to_stored()).collect();
        backend.upload(bytemuck::cast_slice(&stored), &mut buffer)?;
        Ok(Self::from_buffer(buffer, Spec { shape, dtype: T::DTYPE, device }))
    }

    /// The tensor whose number at each row-major index is what a function gives for the index.
    fn try_of_each<T: Element>(shape: Shape, number: impl FnMut(usize) -> T) -> Result<Self> {
        let count = shape.try_count()?;
        let mut numbers = Vec::new();
        if numbers.try_reserve_exact(count).is_err() {
            return Err(OutOfMemory { bytes: count.saturating_mul(size_of::<T>()) }.into());
        }
        numbers.extend((0..count).map(number));
        Self::try_from_slice(&numbers, shape, Device::cpu())
    }

    /// A tensor filled with one number. The spec is a shape, (shape, type) or (shape, type, device).
    /// PyTorch: `torch.full`.
    #[track_caller]
    pub fn full(spec: impl Into<Spec>, value: impl Into<Scalar>) -> Self {
        made("full", Self::try_full(spec.into(), value.into().to_f64()))
    }

    /// A tensor filled with one number.
    ///
    /// # Errors
    /// If there is not enough memory.
    pub(crate) fn try_full(spec: Spec, value: f64) -> Result<Self> {
        launch(&Kernel::Fill { value }, &[], spec)
    }

    /// A tensor of zeros. PyTorch: `torch.zeros`.
    #[track_caller]
    pub fn zeros(spec: impl Into<Spec>) -> Self {
        Self::full(spec, 0.0)
    }

    /// A tensor of ones. PyTorch: `torch.ones`.
    #[track_caller]
    pub fn ones(spec: impl Into<Spec>) -> Self {
        Self::full(spec, 1.0)
    }

    /// Zeros in the shape and type and on the device of this tensor.
    #[track_caller]
    pub fn zeros_like(&self) -> Self {
        self.full_like(0.0)
    }

    /// Ones in the shape and type and on the device of this tensor.
    #[track_caller]
    pub fn ones_like(&self) -> Self {
        self.full_like(1.0)
    }

    /// One number in the shape and type and on the device of this tensor.
    #[track_caller]
    pub fn full_like(&self, value: impl Into<Scalar>) -> Self {
        Self::try_full(self.spec(), value.into().to_f64()).unwrap_or_else(|error| fail(error))
    }

    /// The numbers start, start + step, … below `end` (above it if the step is negative), as `f32`,
    /// or as `i64` if all three are integers. PyTorch: `torch.arange`.
    ///
    /// # Panics
    /// If the step is 0 or a number is not finite.
    #[track_caller]
    pub fn arange<S: Into<Scalar>>(start: S, end: S, step: S) -> Self {
        let (start, end, step) = (start.into(), end.into(), step.into());
        let (from, to, by) = (start.to_f64(), end.to_f64(), step.to_f64());
        let steps = ((to - from) / by).ceil();
        if by == 0.0 || !steps.is_finite() {
            let message = format_args!("no steps of {by} lead from {from} to {to}");
            fail(OpError::of("arange", message));
        }
        if let (Scalar::Int(start), Scalar::Int(end), Scalar::Int(step)) = (start, end, step) {
            let count = Shape::from(count_integers(start, end, step));
            // The number is in range, though on the way to it another may not be.
            let number = |i: usize| start.wrapping_add((i as i64).wrapping_mul(step));
            return made("arange", Self::try_of_each(count, number));
        }
        let count = Shape::from(steps.max(0.0) as usize);
        made("arange", Self::try_of_each(count, |i| (from + i as f64 * by) as f32))
    }

    /// `count` numbers from `start` to `end`, both included, evenly spaced. PyTorch:
    /// `torch.linspace`.
    #[track_caller]
    pub fn linspace(start: f64, end: f64, count: usize) -> Self {
        let step = (end - start) / (count.max(2) - 1) as f64;
        // From either end inwards, so that both ends are exact.
        let at = |i: usize| match 2 * i < count {
            true => start + step * i as f64,
            false => end - step * (count - 1 - i) as f64,
        };
        made("linspace", Self::try_of_each(count.into(), |i| at(i) as f32))
    }

    /// The identity matrix, `[count, count]`. PyTorch: `torch.eye`.
    #[track_caller]
    pub fn eye(count: usize) -> Self {
        let on_diagonal = |i: usize| i.is_multiple_of(count + 1);
        made("eye", Self::try_of_each([count, count].into(), |i| on_diagonal(i) as u8 as f32))
    }

    /// Random numbers in [0, 1), all alike. PyTorch: `torch.rand`.
    ///
    /// # Panics
    /// If the type is not a float.
    #[track_caller]
    pub fn rand(spec: impl Into<Spec>, rng: &mut Rng) -> Self {
        made("rand", Self::random(Distribution::Uniform, spec.into(), rng))
    }

    /// Random numbers of the normal distribution with mean 0 and standard deviation 1. PyTorch:
    /// `torch.randn`.
    ///
    /// # Panics
    /// If the type is not a float.
    #[track_caller]
    pub fn randn(spec: impl Into<Spec>, rng: &mut Rng) -> Self {
        made("randn", Self::random(Distribution::Normal, spec.into(), rng))
    }

    fn random(distribution: Distribution, spec: Spec, rng: &mut Rng) -> Result<Self> {
        if !spec.dtype.is_float() {
            return Err(OpError::dtype(spec.dtype, "floats").into());
        }
        let count = spec.shape.try_count()?;
        let key = rng.key();
        let position = rng.take(blocks(count));
        launch(&Kernel::Random { distribution, key, position }, &[], spec)
    }

    /// Random integers from `low` up to but not including `high`, as `i64`. PyTorch:
    /// `torch.randint`.
    ///
    /// # Panics
    /// If there is no integer between them.
    #[track_caller]
    pub fn randint(low: i64, high: i64, shape: impl Into<Shape>, rng: &mut Rng) -> Self {
        if low >= high {
            fail(OpError::of(
                "randint",
                format_args!("no integer is at least {low} and below {high}"),
            ));
        }
        let bound = high.wrapping_sub(low) as u64;
        let draw = |_| low.wrapping_add(rng.below(bound) as i64);
        made("randint", Self::try_of_each(shape.into(), draw))
    }

    /// 1 with the probability that this tensor holds for each element, else 0. PyTorch:
    /// `torch.bernoulli`.
    #[track_caller]
    pub fn bernoulli(&self, rng: &mut Rng) -> Self {
        let draws = Self::rand(self.spec(), rng);
        draws.lt(&self.detach()).to_dtype(self.dtype())
    }
}

/// How many integers there are from `start` on, `step` apart, before `end`.
fn count_integers(start: i64, end: i64, step: i64) -> usize {
    let distance = end as i128 - start as i128;
    if distance == 0 || (distance > 0) != (step > 0) {
        return 0;
    }
    let count = distance.unsigned_abs().div_ceil(step.unsigned_abs() as u128);
    usize::try_from(count).unwrap_or(usize::MAX)
}

/// What a function made, or a panic in its name.
#[track_caller]
fn made(function: &'static str, result: Result<Tensor>) -> Tensor {
    match result {
        Ok(tensor) => tensor,
        Err(Error::Op(error)) => fail(error.named(function)),
        Err(error) => fail(error),
    }
}

/// One number as a tensor without axes.
impl<T: Element> From<T> for Tensor {
    #[track_caller]
    fn from(number: T) -> Self {
        Self::from_slice(&[number], ())
    }
}

impl<T: Element> From<Vec<T>> for Tensor {
    #[track_caller]
    fn from(numbers: Vec<T>) -> Self {
        Self::from_slice(&numbers, numbers.len())
    }
}

impl<T: Element> From<&[T]> for Tensor {
    #[track_caller]
    fn from(numbers: &[T]) -> Self {
        Self::from_slice(numbers, numbers.len())
    }
}

impl<T: Element, const N: usize> From<[T; N]> for Tensor {
    #[track_caller]
    fn from(numbers: [T; N]) -> Self {
        Self::from_slice(&numbers, N)
    }
}

impl<T: Element, const N: usize, const M: usize> From<[[T; M]; N]> for Tensor {
    #[track_caller]
    fn from(numbers: [[T; M]; N]) -> Self {
        Self::from_slice(numbers.as_flattened(), [N, M])
    }
}

impl<T: Element, const N: usize, const M: usize, const L: usize> From<[[[T; L]; M]; N]> for Tensor {
    #[track_caller]
    fn from(numbers: [[[T; L]; M]; N]) -> Self {
        Self::from_slice(numbers.as_flattened().as_flattened(), [N, M, L])
    }
}
