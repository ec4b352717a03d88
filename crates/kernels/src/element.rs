//! The types a tensor's numbers can have.

use crate::gemm::{InRegisters, InTiles};
use crate::multiplier::{Bf16Pairs, Unrounded};
use crate::simd::{Simd, Vector};
use bytemuck::{Pod, Zeroable};
use half::{bf16, f16};
use std::fmt::Debug;

/// A truth value in memory: one byte, of which any value but zero is true.
#[derive(Clone, Copy, Default, Pod, Zeroable)]
#[repr(transparent)]
pub struct Bool(u8);

impl Bool {
    /// The truth value.
    #[inline(always)]
    pub fn get(self) -> bool {
        self.0 != 0
    }
}

impl From<bool> for Bool {
    #[inline(always)]
    fn from(value: bool) -> Self {
        Self(value as u8)
    }
}

impl PartialEq for Bool {
    fn eq(&self, other: &Self) -> bool {
        self.get() == other.get()
    }
}

impl PartialOrd for Bool {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        self.get().partial_cmp(&other.get())
    }
}

impl Debug for Bool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.get().fmt(f)
    }
}

/// A number that can be an element of a tensor.
pub trait Element: Pod + Default + PartialEq + PartialOrd + Debug + Send + Sync {
    /// The number as an `f64`: exact but for large `i64`.
    fn to_f64(self) -> f64;
    /// The nearest number of this type; integers are cut towards zero and kept in range, and the
    /// integer of NaN is 0.
    fn from_f64(value: f64) -> Self;
    /// The number as an `i64`, cut towards zero and kept in range.
    fn to_i64(self) -> i64;
    /// The number of this type: rounded for floats, wrapped around for integers.
    fn from_i64(value: i64) -> Self;
    /// True where a comparison with the number itself fails.
    #[inline(always)]
    fn is_nan(self) -> bool {
        self.partial_cmp(&self).is_none()
    }
}

/// Implements [`Element`] by Rust's own casts.
macro_rules! element {
    ($($name:ty)*) => {$(
        impl Element for $name {
            #[inline(always)]
            fn to_f64(self) -> f64 {
                self as f64
            }
            #[inline(always)]
            fn from_f64(value: f64) -> Self {
                value as Self
            }
            #[inline(always)]
            fn to_i64(self) -> i64 {
                self as i64
            }
            #[inline(always)]
            fn from_i64(value: i64) -> Self {
                value as Self
            }
        }
    )*};
}
element!(f32 f64 i64 i32 u8);

/// Implements [`Element`] for the half-width floats, by way of `f32`.
macro_rules! half_element {
    ($($name:ty)*) => {$(
        impl Element for $name {
            #[inline(always)]
            fn to_f64(self) -> f64 {
                self.to_f32() as f64
            }
            #[inline(always)]
            fn from_f64(value: f64) -> Self {
                Self::from_f64(value)
            }
            #[inline(always)]
            fn to_i64(self) -> i64 {
                self.to_f32() as i64
            }
            #[inline(always)]
            fn from_i64(value: i64) -> Self {
                Self::from_f64(value as f64)
            }
        }
    )*};
}
half_element!(bf16 f16);

impl Element for Bool {
    #[inline(always)]
    fn to_f64(self) -> f64 {
        self.get() as u8 as f64
    }
    #[inline(always)]
    fn from_f64(value: f64) -> Self {
        Self::from(value != 0.0)
    }
    #[inline(always)]
    fn to_i64(self) -> i64 {
        self.get() as i64
    }
    #[inline(always)]
    fn from_i64(value: i64) -> Self {
        Self::from(value != 0)
    }
}

/// A float that kernels compute with: `f32` or `f64`.
pub trait Float: Element + std::ops::Neg<Output = Self> + Number {
    /// Vectors of this float in an instruction set.
    type Vector<S: Simd>: Vector<Isa = S, Scalar = Self> + crate::math::Real;
    /// What numbers are packed to where products may round them: they stay as they are where there is
    /// nothing to gain.
    type Rounded: crate::multiplier::Format<Self>;
    /// How a processor that has tiles multiplies this float, split into so many parts.
    type Tiled<const PARTS: usize>: crate::gemm::Engine<Self>;
    /// Minus infinity.
    const NEG_INFINITY: Self;
    /// Infinity.
    const INFINITY: Self;
    /// Not a number.
    const NAN: Self;

    /// The larger of two numbers; NaN if either is NaN.
    fn maximum(self, other: Self) -> Self;
    /// The smaller of two numbers; NaN if either is NaN.
    fn minimum(self, other: Self) -> Self;
    /// The square root, correctly rounded.
    fn sqrt(self) -> Self;
    /// e to the power of the number, by the C library.
    fn exp(self) -> Self;
    /// The natural logarithm, by the C library.
    fn ln(self) -> Self;
}

/// A number that can be added and multiplied: floats, integers that wrap around, and truth values,
/// whose sum is "or", whose product is "and" and whose difference is "exclusive or".
pub trait Number: Element {
    /// Zero.
    const ZERO: Self;
    /// One.
    const ONE: Self;
    /// The smallest number: minus infinity for floats.
    const LOWEST: Self;
    /// The largest number: infinity for floats.
    const HIGHEST: Self;

    /// Sum; integers wrap around.
    fn plus(self, other: Self) -> Self;
    /// Difference; integers wrap around.
    fn minus(self, other: Self) -> Self;
    /// Product; integers wrap around.
    fn times(self, other: Self) -> Self;
}

/// Implements [`Float`] and [`Number`] for a float.
macro_rules! float {
    ($name:ident, $vector:ident, $rounded:ty, $tiled:ty) => {
        impl Float for $name {
            type Vector<S: Simd> = S::$vector;
            type Rounded = $rounded;
            type Tiled<const PARTS: usize> = $tiled;
            const NEG_INFINITY: Self = $name::NEG_INFINITY;
            const INFINITY: Self = $name::INFINITY;
            const NAN: Self = $name::NAN;

            #[inline(always)]
            fn maximum(self, other: Self) -> Self {
                if self > other || self.is_nan() { self } else { other }
            }
            #[inline(always)]
            fn minimum(self, other: Self) -> Self {
                if self < other || self.is_nan() { self } else { other }
            }
            #[inline(always)]
            fn sqrt(self) -> Self {
                self.sqrt()
            }
            #[inline(always)]
            fn exp(self) -> Self {
                self.exp()
            }
            #[inline(always)]
            fn ln(self) -> Self {
                self.ln()
            }
        }
        impl Number for $name {
            const ZERO: Self = 0.0;
            const ONE: Self = 1.0;
            const LOWEST: Self = $name::NEG_INFINITY;
            const HIGHEST: Self = $name::INFINITY;
            #[inline(always)]
            fn plus(self, other: Self) -> Self {
                self + other
            }
            #[inline(always)]
            fn minus(self, other: Self) -> Self {
                self - other
            }
            #[inline(always)]
            fn times(self, other: Self) -> Self {
                self * other
            }
        }
    };
}
float!(f32, F32, Bf16Pairs, InTiles<PARTS>);
float!(f64, F64, Unrounded, InRegisters<Unrounded>);

/// Implements [`Number`] for integers.
macro_rules! whole_number {
    ($($name:ident)*) => {$(
        impl Number for $name {
            const ZERO: Self = 0;
            const ONE: Self = 1;
            const LOWEST: Self = $name::MIN;
            const HIGHEST: Self = $name::MAX;
            #[inline(always)]
            fn plus(self, other: Self) -> Self {
                self.wrapping_add(other)
            }
            #[inline(always)]
            fn minus(self, other: Self) -> Self {
                self.wrapping_sub(other)
            }
            #[inline(always)]
            fn times(self, other: Self) -> Self {
                self.wrapping_mul(other)
            }
        }
    )*};
}
whole_number!(i64 i32 u8);

impl Number for Bool {
    const ZERO: Self = Self(0);
    const ONE: Self = Self(1);
    const LOWEST: Self = Self(0);
    const HIGHEST: Self = Self(1);
    #[inline(always)]
    fn plus(self, other: Self) -> Self {
        Self::from(self.get() | other.get())
    }
    #[inline(always)]
    fn minus(self, other: Self) -> Self {
        Self::from(self.get() ^ other.get())
    }
    #[inline(always)]
    fn times(self, other: Self) -> Self {
        Self::from(self.get() & other.get())
    }
}
