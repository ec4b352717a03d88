//! The types of numbers, and which of two wins where they meet.

use gradus_kernels::Bool;
use half::{bf16, f16};
use std::fmt;

/// The type of a tensor's elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DType {
    /// Truth values, a byte each.
    Bool,
    /// Unsigned integers of 8 bits.
    U8,
    /// Integers of 32 bits.
    I32,
    /// Integers of 64 bits.
    I64,
    /// Floats of 16 bits with the exponent of `f32`.
    BF16,
    /// Floats of 16 bits as IEEE 754 defines them.
    F16,
    /// Floats of 32 bits.
    F32,
    /// Floats of 64 bits.
    F64,
}

impl DType {
    /// All of them, each before those that win over it.
    pub const ALL: [Self; 8] =
        [Self::Bool, Self::U8, Self::I32, Self::I64, Self::BF16, Self::F16, Self::F32, Self::F64];

    /// How many bytes an element takes.
    pub fn size_bytes(self) -> usize {
        match self {
            Self::Bool | Self::U8 => 1,
            Self::BF16 | Self::F16 => 2,
            Self::I32 | Self::F32 => 4,
            Self::I64 | Self::F64 => 8,
        }
    }

    /// True for floats, through which gradients can flow.
    pub fn is_float(self) -> bool {
        matches!(self, Self::BF16 | Self::F16 | Self::F32 | Self::F64)
    }

    /// True for floats of 16 bits, which are computed with as `f32`.
    pub fn is_half(self) -> bool {
        matches!(self, Self::BF16 | Self::F16)
    }

    /// True for integers, not for truth values.
    pub fn is_integer(self) -> bool {
        matches!(self, Self::U8 | Self::I32 | Self::I64)
    }

    /// The type of a result of two types.
    ///
    /// A float wins over an integer, an integer over a truth value, and the wider over the
    /// narrower; `bf16` with `f16` gives `f32`. Unlike NumPy's, an integer never widens a float:
    /// `i64` with `f32` is `f32`, as in PyTorch.
    pub fn promote(self, other: Self) -> Self {
        match (self, other) {
            (Self::BF16, Self::F16) | (Self::F16, Self::BF16) => Self::F32,
            _ if (self as u8) < other as u8 => other,
            _ => self,
        }
    }

    /// The float that a function of real numbers gives for inputs of this type: itself for floats,
    /// `f32` for integers and truth values.
    pub fn to_float(self) -> Self {
        if self.is_float() { self } else { Self::F32 }
    }
}

impl fmt::Display for DType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Bool => "bool",
            Self::U8 => "u8",
            Self::I32 => "i32",
            Self::I64 => "i64",
            Self::BF16 => "bf16",
            Self::F16 => "f16",
            Self::F32 => "f32",
            Self::F64 => "f64",
        })
    }
}

/// A Rust type that tensors can be made from and read as.
pub trait Element: Copy + PartialEq + fmt::Debug + Send + Sync + 'static {
    /// The type of tensors of this type.
    const DTYPE: DType;
    /// How the number lies in memory.
    type Stored: gradus_kernels::Element;
    /// The number as it lies in memory.
    fn to_stored(self) -> Self::Stored;
    /// The number that lies in memory.
    fn from_stored(stored: Self::Stored) -> Self;
}

/// Implements [`Element`] for numbers that lie in memory as they are.
macro_rules! element {
    ($($name:ident $dtype:ident;)*) => {$(
        impl Element for $name {
            const DTYPE: DType = DType::$dtype;
            type Stored = Self;
            fn to_stored(self) -> Self {
                self
            }
            fn from_stored(stored: Self) -> Self {
                stored
            }
        }
    )*};
}
element! { f64 F64; f32 F32; bf16 BF16; f16 F16; i64 I64; i32 I32; u8 U8; }

impl Element for bool {
    const DTYPE: DType = DType::Bool;
    type Stored = Bool;
    fn to_stored(self) -> Bool {
        self.into()
    }
    fn from_stored(stored: Bool) -> Self {
        stored.get()
    }
}

/// A number that stands beside a tensor in an expression. It never widens the tensor's type: only
/// its kind counts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Scalar {
    /// A float.
    Float(f64),
    /// An integer.
    Int(i64),
    /// A truth value.
    Bool(bool),
}

impl Scalar {
    /// The number as a float.
    pub fn to_f64(self) -> f64 {
        match self {
            Self::Float(value) => value,
            Self::Int(value) => value as f64,
            Self::Bool(value) => value as u8 as f64,
        }
    }

    /// The type of the result when the number meets a tensor of type `dtype`: the tensor's, unless
    /// a float meets an integer (`f32`) or an integer meets a truth value (`i64`).
    pub fn promote(self, dtype: DType) -> DType {
        match self {
            Self::Float(_) => dtype.to_float(),
            Self::Int(_) if dtype == DType::Bool => DType::I64,
            _ => dtype,
        }
    }
}

/// Makes Rust's numbers scalars.
macro_rules! scalar {
    ($($name:ident as $wide:ident => $kind:ident;)*) => {$(
        impl From<$name> for Scalar {
            fn from(value: $name) -> Self {
                Self::$kind(value as $wide)
            }
        }
    )*};
}
scalar! { f64 as f64 => Float; f32 as f64 => Float; i64 as i64 => Int; i32 as i64 => Int;
u8 as i64 => Int; usize as i64 => Int; bool as bool => Bool; }

/// Evaluates an expression with `$T` standing for the Rust type in memory of a [`DType`]: of all
/// types, of those a kernel computes with, or of the floats or the integers among those.
macro_rules! with_dtype {
    ($dtype:expr, all $T:ident => $body:expr) => {
        $crate::dtype::with_dtype!(
            @match $dtype, $T => $body;
            Bool gradus_kernels::Bool, U8 u8, I32 i32, I64 i64, BF16 half::bf16, F16 half::f16,
            F32 f32, F64 f64;
        )
    };
    ($dtype:expr, computed $T:ident => $body:expr, else $other:expr) => {
        $crate::dtype::with_dtype!(
            @match $dtype, $T => $body;
            Bool gradus_kernels::Bool, U8 u8, I32 i32, I64 i64, F32 f32, F64 f64;
            _ => $other
        )
    };
    ($dtype:expr, float $T:ident => $body:expr, else $other:expr) => {
        $crate::dtype::with_dtype!(@match $dtype, $T => $body; F32 f32, F64 f64; _ => $other)
    };
    ($dtype:expr, integer $T:ident => $body:expr, else $other:expr) => {
        $crate::dtype::with_dtype!(
            @match $dtype, $T => $body;
            Bool gradus_kernels::Bool, U8 u8, I32 i32, I64 i64;
            _ => $other
        )
    };
    (@match $dtype:expr, $T:ident => $body:expr; $($variant:ident $type:ty),*; $(_ => $other:expr)?) => {
        match $dtype {
            $($crate::DType::$variant => {
                type $T = $type;
                $body
            })*
            $(_ => $other,)?
        }
    };
}
pub(crate) use with_dtype;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn promotion_is_symmetric_associative_where_it_should_be_and_as_documented() {
        use DType::*;
        for a in DType::ALL {
            assert_eq!(a.promote(a), a);
            for b in DType::ALL {
                assert_eq!(a.promote(b), b.promote(a));
            }
        }
        assert_eq!(I64.promote(F32), F32);
        assert_eq!(I64.promote(BF16), BF16);
        assert_eq!(BF16.promote(F16), F32);
        assert_eq!(Bool.promote(U8), U8);
        assert_eq!(F32.promote(F64), F64);
        assert_eq!(Scalar::from(2.5).promote(I32), F32);
        assert_eq!(Scalar::from(2.5).promote(BF16), BF16);
        assert_eq!(Scalar::from(2).promote(U8), U8);
        assert_eq!(Scalar::from(2).promote(Bool), I64);
    }
}
