//! Comparisons, and choosing by a condition.

use super::case::{Arg, Case, Gradient, Sample};
use crate::error::{fail, reject};
use crate::kernel::{Comparison, Kernel};
use crate::op::{Context, Forward, Grads, Op, Spec, common_device, launch};
use crate::{DType, OpError, Result, Scalar, Tensor};
use smallvec::smallvec;

/// z = x compared with y, a truth value, with broadcasting.
#[derive(Debug)]
struct Compare(Comparison);

impl Op for Compare {
    fn name(&self) -> &'static str {
        match self.0 {
            Comparison::Equal => "eq",
            Comparison::NotEqual => "ne",
            Comparison::Less => "lt",
            Comparison::LessEqual => "le",
            Comparison::Greater => "gt",
            Comparison::GreaterEqual => "ge",
        }
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        let shape = inputs[0].shape.broadcast(&inputs[1].shape)?;
        Ok(Spec { shape, dtype: DType::Bool, device: common_device(inputs)? })
    }

    fn forward(&self, inputs: &[&Tensor], output: Spec) -> Result<Forward> {
        let (x, y) =
            (inputs[0].broadcast_view(output.shape)?, inputs[1].broadcast_view(output.shape)?);
        Ok(Forward::new(launch(&Kernel::Compare(self.0), &[&x, &y], output)?))
    }

    fn backward(&self, _: &Context<'_>, _: &Tensor) -> Result<Grads> {
        Ok(smallvec![None, None])
    }
}

impl Tensor {
    /// Compares two tensors element by element, with broadcasting, after they got a common type.
    #[track_caller]
    pub fn compare(&self, comparison: Comparison, other: &Self) -> Self {
        let dtype = self.dtype().promote(other.dtype());
        Self::apply(Compare(comparison), &[&self.to_dtype(dtype), &other.to_dtype(dtype)])
    }

    #[track_caller]
    fn compare_scalar(&self, comparison: Comparison, scalar: Scalar) -> Self {
        let dtype = scalar.promote(self.dtype());
        let other = Self::scalar_like(self, scalar, dtype);
        Self::apply(Compare(comparison), &[&self.to_dtype(dtype), &other])
    }

    /// Takes each element from `yes` where this tensor of truth values is true, else from `no`, with
    /// broadcasting. PyTorch: `torch.where`.
    #[track_caller]
    pub fn where_cond(&self, yes: &Self, no: &Self) -> Self {
        let dtype = yes.dtype().promote(no.dtype());
        Self::apply(Where, &[self, &yes.to_dtype(dtype), &no.to_dtype(dtype)])
    }

    /// The tensor with `value` wherever `mask` is true. PyTorch: `Tensor.masked_fill`.
    #[track_caller]
    pub fn masked_fill(&self, mask: &Self, value: impl Into<Scalar>) -> Self {
        let value = Self::scalar_like(self, value.into(), self.dtype());
        mask.where_cond(&value, self)
    }

    /// True where a truth value is false. PyTorch: `torch.logical_not`.
    #[track_caller]
    pub fn logical_not(&self) -> Self {
        self.eq_scalar(false)
    }

    /// True where both are. PyTorch: `torch.logical_and`.
    #[track_caller]
    pub fn logical_and(&self, other: &Self) -> Self {
        self.to_dtype(DType::Bool).mul(&other.to_dtype(DType::Bool))
    }

    /// True where either is. PyTorch: `torch.logical_or`.
    #[track_caller]
    pub fn logical_or(&self, other: &Self) -> Self {
        self.to_dtype(DType::Bool).add(&other.to_dtype(DType::Bool))
    }

    /// True where one is and the other is not. PyTorch: `torch.logical_xor`.
    #[track_caller]
    pub fn logical_xor(&self, other: &Self) -> Self {
        self.to_dtype(DType::Bool).ne(&other.to_dtype(DType::Bool))
    }

    /// True where an element is NaN. PyTorch: `torch.isnan`.
    #[track_caller]
    pub fn is_nan(&self) -> Self {
        self.ne(self)
    }

    /// True where an element is infinite. PyTorch: `torch.isinf`.
    #[track_caller]
    pub fn is_infinite(&self) -> Self {
        if self.dtype().is_float() { self.abs().eq_scalar(f64::INFINITY) } else { self.ne(self) }
    }

    /// True where an element is neither NaN nor infinite. PyTorch: `torch.isfinite`.
    #[track_caller]
    pub fn is_finite(&self) -> Self {
        if self.dtype().is_float() { self.abs().lt_scalar(f64::INFINITY) } else { self.eq(self) }
    }
}

/// For each comparison: its method, its method with a number, its kernel, its formula.
macro_rules! comparisons {
    ($($method:ident, $with_scalar:ident, $kernel:ident, $formula:literal;)*) => {
        impl Tensor {$(
            #[doc = concat!("The truth of ", $formula, ", element by element, with broadcasting.")]
            #[doc = concat!(" PyTorch: `torch.", stringify!($method), "`.")]
            #[track_caller]
            pub fn $method(&self, other: &Self) -> Self {
                self.compare(Comparison::$kernel, other)
            }

            #[doc = concat!("The truth of ", $formula, " for a number y.")]
            #[track_caller]
            pub fn $with_scalar(&self, y: impl Into<Scalar>) -> Self {
                self.compare_scalar(Comparison::$kernel, y.into())
            }
        )*}

        pub(super) const CASES: &[Case] = &[
            $(Case {
                name: stringify!($method),
                formula: $formula,
                torch: concat!("torch.", stringify!($method)),
                gradient: Gradient::None,
                samples: || {
                    let sample = |x: &[usize], y: &[usize]| {
                        Sample::floats(&[x, y], -1.0..1.0, |x| x[0].$method(&x[1]))
                    };
                    vec![sample(&[3, 1], &[4]), sample(&[0, 4], &[4]).label("empty")]
                },
            },)*
            Case {
                name: "where",
                formula: "yes where the condition holds, else no",
                torch: "torch.where",
                gradient: Gradient::Twice,
                samples: || {
                    let sample = |rows: usize| {
                        let yes = Arg::floats(&[rows, 1], -1.0..1.0);
                        let args = vec![Arg::bools(&[rows, 4]), yes, Arg::floats(&[4], -1.0..1.0)];
                        Sample::new(args, |x| x[0].where_cond(&x[1], &x[2]))
                    };
                    vec![sample(3), sample(0).label("empty")]
                },
            },
        ];
    };
}

comparisons! {
    eq, eq_scalar, Equal, "x = y";
    ne, ne_scalar, NotEqual, "x ≠ y";
    lt, lt_scalar, Less, "x < y";
    le, le_scalar, LessEqual, "x ≤ y";
    gt, gt_scalar, Greater, "x > y";
    ge, ge_scalar, GreaterEqual, "x ≥ y";
}

/// z = yes where the condition holds, else no, with broadcasting.
#[derive(Debug)]
struct Where;

impl Op for Where {
    fn name(&self) -> &'static str {
        "where"
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        let (condition, yes, no) = (inputs[0], inputs[1], inputs[2]);
        if condition.dtype != DType::Bool {
            return Err(OpError::dtype(condition.dtype, "a condition of truth values"));
        }
        if yes.dtype != no.dtype {
            reject!("types differ: {} and {}", yes.dtype, no.dtype);
        }
        let shape = yes.shape.broadcast(&no.shape)?.broadcast(&condition.shape)?;
        Ok(Spec { shape, dtype: yes.dtype, device: common_device(inputs)? })
    }

    fn forward(&self, inputs: &[&Tensor], output: Spec) -> Result<Forward> {
        let condition = inputs[0].broadcast_view(output.shape)?;
        let yes = inputs[1].broadcast_view(output.shape)?;
        let no = inputs[2].broadcast_view(output.shape)?;
        let output = launch(&Kernel::Select, &[&condition, &yes, &no], output)?;
        Ok(Forward::new(output).saving_input(0))
    }

    fn backward(&self, context: &Context<'_>, grad: &Tensor) -> Result<Grads> {
        let condition = &context.saved[0];
        let zero = Tensor::scalar_like(grad, 0.0.into(), grad.dtype());
        let yes = context.if_needed(1, || {
            condition.where_cond(grad, &zero).try_sum_to(context.inputs[1].shape)
        })?;
        let no = context.if_needed(2, || {
            condition.where_cond(&zero, grad).try_sum_to(context.inputs[2].shape)
        })?;
        Ok(smallvec![None, yes, no])
    }
}

impl Tensor {
    /// A number as a tensor without axes, on the device of another tensor.
    #[track_caller]
    pub(crate) fn scalar_like(like: &Self, value: Scalar, dtype: DType) -> Self {
        let spec = Spec { shape: ().into(), dtype, device: like.device() };
        match value {
            // An i64 beyond 2^53 does not survive the way through f64.
            Scalar::Int(value) if dtype == DType::I64 => {
                Self::from_vec(vec![value], ()).to_device(like.device())
            }
            value => Self::try_full(spec, value.to_f64()).unwrap_or_else(|error| fail(error)),
        }
    }
}
