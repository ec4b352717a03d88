//! `+ - * /` and `-x` for tensors and numbers.

use crate::{Scalar, Tensor};
use std::ops::{Add, Div, Mul, Neg, Sub};

/// Implements an operator for all pairs of a tensor or a reference to one.
macro_rules! operator {
    ($($trait:ident $method:ident;)*) => {$(
        impl $trait<&Tensor> for &Tensor {
            type Output = Tensor;
            #[track_caller]
            fn $method(self, other: &Tensor) -> Tensor {
                Tensor::$method(self, other)
            }
        }
        impl $trait<Tensor> for &Tensor {
            type Output = Tensor;
            #[track_caller]
            fn $method(self, other: Tensor) -> Tensor {
                Tensor::$method(self, &other)
            }
        }
        impl $trait<&Tensor> for Tensor {
            type Output = Tensor;
            #[track_caller]
            fn $method(self, other: &Tensor) -> Tensor {
                Tensor::$method(&self, other)
            }
        }
        impl $trait<Tensor> for Tensor {
            type Output = Tensor;
            #[track_caller]
            fn $method(self, other: Tensor) -> Tensor {
                Tensor::$method(&self, &other)
            }
        }
    )*};
}
operator! { Add add; Sub sub; Mul mul; Div div; }

/// Implements an operator for a tensor and a number, in both orders.
macro_rules! scalar_operator {
    ($($trait:ident $method:ident $right:ident $left:ident: $($number:ident)*;)*) => {$($(
        impl $trait<$number> for &Tensor {
            type Output = Tensor;
            #[track_caller]
            fn $method(self, value: $number) -> Tensor {
                $right(self, value.into())
            }
        }
        impl $trait<$number> for Tensor {
            type Output = Tensor;
            #[track_caller]
            fn $method(self, value: $number) -> Tensor {
                $right(&self, value.into())
            }
        }
        impl $trait<&Tensor> for $number {
            type Output = Tensor;
            #[track_caller]
            fn $method(self, tensor: &Tensor) -> Tensor {
                $left(self.into(), tensor)
            }
        }
        impl $trait<Tensor> for $number {
            type Output = Tensor;
            #[track_caller]
            fn $method(self, tensor: Tensor) -> Tensor {
                $left(self.into(), &tensor)
            }
        }
    )*)*};
}
scalar_operator! {
    Add add tensor_plus plus_tensor: f64 i64;
    Sub sub tensor_minus minus_tensor: f64 i64;
    Mul mul tensor_times times_tensor: f64 i64;
    Div div tensor_over over_tensor: f64 i64;
}

/// The tensor in the type of its result with a number, and the number as a tensor of that type.
#[track_caller]
fn promoted(x: &Tensor, value: Scalar) -> (Tensor, Tensor) {
    let dtype = value.promote(x.dtype());
    (x.to_dtype(dtype), Tensor::scalar_like(x, value, dtype))
}

#[track_caller]
fn tensor_plus(x: &Tensor, value: Scalar) -> Tensor {
    if x.dtype().is_float() {
        return x.add_scalar(value.to_f64());
    }
    let (x, value) = promoted(x, value);
    x.add(&value)
}

#[track_caller]
fn plus_tensor(value: Scalar, x: &Tensor) -> Tensor {
    tensor_plus(x, value)
}

#[track_caller]
fn tensor_minus(x: &Tensor, value: Scalar) -> Tensor {
    if x.dtype().is_float() {
        return x.add_scalar(-value.to_f64());
    }
    let (x, value) = promoted(x, value);
    x.sub(&value)
}

#[track_caller]
fn minus_tensor(value: Scalar, x: &Tensor) -> Tensor {
    if x.dtype().is_float() {
        return x.neg().add_scalar(value.to_f64());
    }
    let (x, value) = promoted(x, value);
    value.sub(&x)
}

#[track_caller]
fn tensor_times(x: &Tensor, value: Scalar) -> Tensor {
    if x.dtype().is_float() {
        return x.mul_scalar(value.to_f64());
    }
    let (x, value) = promoted(x, value);
    x.mul(&value)
}

#[track_caller]
fn times_tensor(value: Scalar, x: &Tensor) -> Tensor {
    tensor_times(x, value)
}

#[track_caller]
fn tensor_over(x: &Tensor, value: Scalar) -> Tensor {
    x.to_dtype(x.dtype().to_float()).div_scalar(value.to_f64())
}

#[track_caller]
fn over_tensor(value: Scalar, x: &Tensor) -> Tensor {
    let x = x.to_dtype(x.dtype().to_float());
    Tensor::scalar_like(&x, value, x.dtype()).div(&x)
}

impl Neg for &Tensor {
    type Output = Tensor;
    #[track_caller]
    fn neg(self) -> Tensor {
        Tensor::neg(self)
    }
}

impl Neg for Tensor {
    type Output = Tensor;
    #[track_caller]
    fn neg(self) -> Tensor {
        Tensor::neg(&self)
    }
}
