//! Elementary functions of vectors.
//!
//! Those of `f32` are our own: range reduction and a polynomial, with an error bound in units in
//! the last place (ULP) that `tests/ulp.rs` checks on every instruction set. Those of `f64` call
//! the C library lane by lane.

use crate::simd::Vector;

/// The elementary functions, lane by lane.
pub trait Real: Vector {
    /// e^x.
    fn exp(self) -> Self;
    /// e^x - 1, accurate near 0.
    fn expm1(self) -> Self;
    /// The natural logarithm.
    fn ln(self) -> Self;
    /// ln(1 + x), accurate near 0.
    fn log1p(self) -> Self;
    /// The logarithm to base 2.
    fn log2(self) -> Self;
    /// The logarithm to base 10.
    fn log10(self) -> Self;
    /// The sine of an angle in radians.
    fn sin(self) -> Self;
    /// The cosine of an angle in radians.
    fn cos(self) -> Self;
    /// The tangent of an angle in radians.
    fn tan(self) -> Self;
    /// The angle in [-π/2, π/2] that has this sine.
    fn asin(self) -> Self;
    /// The angle in [0, π] that has this cosine.
    fn acos(self) -> Self;
    /// The angle in (-π/2, π/2) that has this tangent.
    fn atan(self) -> Self;
    /// The hyperbolic sine.
    fn sinh(self) -> Self;
    /// The hyperbolic cosine.
    fn cosh(self) -> Self;
    /// The hyperbolic tangent.
    fn tanh(self) -> Self;
    /// The number that has this hyperbolic sine.
    fn asinh(self) -> Self;
    /// The number, not negative, that has this hyperbolic cosine.
    fn acosh(self) -> Self;
    /// The number that has this hyperbolic tangent.
    fn atanh(self) -> Self;
    /// The error function 2/√π ∫₀ˣ e^(-t²) dt.
    fn erf(self) -> Self;
    /// The logistic function 1 / (1 + e^(-x)).
    fn sigmoid(self) -> Self;
    /// x^y as C's `pow` defines it.
    fn pow(self, exponent: Self) -> Self;
    /// The angle of the point (x = `other`, y = `self`), in [-π, π].
    fn atan2(self, other: Self) -> Self;
}

/// Implements [`Real`] for a vector of `f64` by the C library, lane by lane.
macro_rules! real_by_lanes {
    ($name:ident) => {
        impl crate::math::Real for $name {
            #[inline(always)]
            fn exp(self) -> Self {
                self.map_lanes(f64::exp)
            }
            #[inline(always)]
            fn expm1(self) -> Self {
                self.map_lanes(f64::exp_m1)
            }
            #[inline(always)]
            fn ln(self) -> Self {
                self.map_lanes(f64::ln)
            }
            #[inline(always)]
            fn log1p(self) -> Self {
                self.map_lanes(f64::ln_1p)
            }
            #[inline(always)]
            fn log2(self) -> Self {
                self.map_lanes(f64::log2)
            }
            #[inline(always)]
            fn log10(self) -> Self {
                self.map_lanes(f64::log10)
            }
            #[inline(always)]
            fn sin(self) -> Self {
                self.map_lanes(f64::sin)
            }
            #[inline(always)]
            fn cos(self) -> Self {
                self.map_lanes(f64::cos)
            }
            #[inline(always)]
            fn tan(self) -> Self {
                self.map_lanes(f64::tan)
            }
            #[inline(always)]
            fn asin(self) -> Self {
                self.map_lanes(f64::asin)
            }
            #[inline(always)]
            fn acos(self) -> Self {
                self.map_lanes(f64::acos)
            }
            #[inline(always)]
            fn atan(self) -> Self {
                self.map_lanes(f64::atan)
            }
            #[inline(always)]
            fn sinh(self) -> Self {
                self.map_lanes(f64::sinh)
            }
            #[inline(always)]
            fn cosh(self) -> Self {
                self.map_lanes(f64::cosh)
            }
            #[inline(always)]
            fn tanh(self) -> Self {
                self.map_lanes(f64::tanh)
            }
            #[inline(always)]
            fn asinh(self) -> Self {
                self.map_lanes(libm::asinh)
            }
            #[inline(always)]
            fn acosh(self) -> Self {
                self.map_lanes(libm::acosh)
            }
            #[inline(always)]
            fn atanh(self) -> Self {
                self.map_lanes(libm::atanh)
            }
            #[inline(always)]
            fn erf(self) -> Self {
                self.map_lanes(libm::erf)
            }
            #[inline(always)]
            fn sigmoid(self) -> Self {
                let small = (-self.abs()).exp();
                let one = self.of(1.0);
                Self::select(self.less(self.zero()), small, one) / (one + small)
            }
            #[inline(always)]
            fn pow(self, exponent: Self) -> Self {
                self.zip_lanes(exponent, f64::powf)
            }
            #[inline(always)]
            fn atan2(self, other: Self) -> Self {
                self.zip_lanes(other, f64::atan2)
            }
        }
    };
}
pub(crate) use real_by_lanes;

/// Implements [`Real`] for a vector of `f32` by the polynomials of this module.
macro_rules! real_by_polynomial {
    ($name:ident) => {
        impl crate::math::Real for $name {
            #[inline(always)]
            fn exp(self) -> Self {
                self.map_lanes(|x| (x as f64).exp() as f32)
            }
            #[inline(always)]
            fn expm1(self) -> Self {
                self.map_lanes(|x| (x as f64).exp_m1() as f32)
            }
            #[inline(always)]
            fn ln(self) -> Self {
                self.map_lanes(|x| (x as f64).ln() as f32)
            }
            #[inline(always)]
            fn log1p(self) -> Self {
                self.map_lanes(|x| (x as f64).ln_1p() as f32)
            }
            #[inline(always)]
            fn log2(self) -> Self {
                self.map_lanes(|x| (x as f64).log2() as f32)
            }
            #[inline(always)]
            fn log10(self) -> Self {
                self.map_lanes(|x| (x as f64).log10() as f32)
            }
            #[inline(always)]
            fn sin(self) -> Self {
                self.map_lanes(|x| (x as f64).sin() as f32)
            }
            #[inline(always)]
            fn cos(self) -> Self {
                self.map_lanes(|x| (x as f64).cos() as f32)
            }
            #[inline(always)]
            fn tan(self) -> Self {
                self.map_lanes(|x| (x as f64).tan() as f32)
            }
            #[inline(always)]
            fn asin(self) -> Self {
                self.map_lanes(|x| (x as f64).asin() as f32)
            }
            #[inline(always)]
            fn acos(self) -> Self {
                self.map_lanes(|x| (x as f64).acos() as f32)
            }
            #[inline(always)]
            fn atan(self) -> Self {
                self.map_lanes(|x| (x as f64).atan() as f32)
            }
            #[inline(always)]
            fn sinh(self) -> Self {
                self.map_lanes(|x| (x as f64).sinh() as f32)
            }
            #[inline(always)]
            fn cosh(self) -> Self {
                self.map_lanes(|x| (x as f64).cosh() as f32)
            }
            #[inline(always)]
            fn tanh(self) -> Self {
                self.map_lanes(|x| (x as f64).tanh() as f32)
            }
            #[inline(always)]
            fn asinh(self) -> Self {
                self.map_lanes(|x| libm::asinh(x as f64) as f32)
            }
            #[inline(always)]
            fn acosh(self) -> Self {
                self.map_lanes(|x| libm::acosh(x as f64) as f32)
            }
            #[inline(always)]
            fn atanh(self) -> Self {
                self.map_lanes(|x| libm::atanh(x as f64) as f32)
            }
            #[inline(always)]
            fn erf(self) -> Self {
                self.map_lanes(|x| libm::erf(x as f64) as f32)
            }
            #[inline(always)]
            fn sigmoid(self) -> Self {
                let small = (-self.abs()).exp();
                let one = self.of(1.0);
                Self::select(self.less(self.zero()), small, one) / (one + small)
            }
            #[inline(always)]
            fn pow(self, exponent: Self) -> Self {
                self.zip_lanes(exponent, |x, y| (x as f64).powf(y as f64) as f32)
            }
            #[inline(always)]
            fn atan2(self, other: Self) -> Self {
                self.zip_lanes(other, |x, y| (x as f64).atan2(y as f64) as f32)
            }
        }
    };
}
pub(crate) use real_by_polynomial;
