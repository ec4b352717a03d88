//! Elementary functions of vectors.
//!
//! Those of `f32` are our own: the argument is reduced to a small interval, where a polynomial
//! serves. `tests/ulp.rs` holds them to the errors stated here, on every instruction set. Those of
//! `f64` call the C library lane by lane.
//!
//! Unless a source is named, the coefficients were fitted with Remez's exchange algorithm to the
//! smallest relative error of the whole function, then rounded to `f32` one after the other, the
//! lowest power first, the rest being fitted again each time. The error stated beside a polynomial
//! is relative, that of the fit after all coefficients were rounded.

use crate::element::Element;
use crate::simd::{Bits, Vector};
use std::f64::consts::{FRAC_1_SQRT_2, PI};

mod erf;
mod exp;
mod log;
mod power;
mod trig;

/// The elementary functions, lane by lane.
///
/// The errors are those of vectors of `f32`: the largest over all numbers, denormal results
/// included, in units in the last place (ULP) of the exact result. The portable vectors, whose
/// [`mul_add`](Vector::mul_add) rounds twice, have some larger ones, given in parentheses.
///
/// The bodies given here call the C library for each lane; vectors of `f32` replace them.
pub trait Real: Vector {
    /// e^x. Error 1.02 ULP.
    #[inline(always)]
    fn exp(self) -> Self {
        by_lanes(self, f64::exp)
    }
    /// e^x - 1, accurate near 0. Error 1.25 ULP.
    #[inline(always)]
    fn expm1(self) -> Self {
        by_lanes(self, f64::exp_m1)
    }
    /// The natural logarithm. Error 0.90 ULP (0.91).
    #[inline(always)]
    fn ln(self) -> Self {
        by_lanes(self, f64::ln)
    }
    /// ln(1 + x), accurate near 0. Error 0.96 ULP.
    #[inline(always)]
    fn log1p(self) -> Self {
        by_lanes(self, f64::ln_1p)
    }
    /// The logarithm to base 2. Error 0.98 ULP (1.03).
    #[inline(always)]
    fn log2(self) -> Self {
        by_lanes(self, f64::log2)
    }
    /// The logarithm to base 10. Error 0.92 ULP (1.01).
    #[inline(always)]
    fn log10(self) -> Self {
        by_lanes(self, f64::log10)
    }
    /// The sine of an angle in radians. Error 0.88 ULP (0.91).
    #[inline(always)]
    fn sin(self) -> Self {
        by_lanes(self, f64::sin)
    }
    /// The cosine of an angle in radians. Error 0.87 ULP (0.90).
    #[inline(always)]
    fn cos(self) -> Self {
        by_lanes(self, f64::cos)
    }
    /// The tangent of an angle in radians. Error 2.38 ULP (2.45).
    #[inline(always)]
    fn tan(self) -> Self {
        by_lanes(self, f64::tan)
    }
    /// The angle in [-π/2, π/2] that has this sine. Error 1.17 ULP (1.19).
    #[inline(always)]
    fn asin(self) -> Self {
        by_lanes(self, f64::asin)
    }
    /// The angle in [0, π] that has this cosine. Error 1.27 ULP.
    #[inline(always)]
    fn acos(self) -> Self {
        by_lanes(self, f64::acos)
    }
    /// The angle in [-π/2, π/2] that has this tangent. Error 1.22 ULP (1.32).
    #[inline(always)]
    fn atan(self) -> Self {
        by_lanes(self, f64::atan)
    }
    /// The hyperbolic sine. Error 1.62 ULP.
    #[inline(always)]
    fn sinh(self) -> Self {
        by_lanes(self, f64::sinh)
    }
    /// The hyperbolic cosine. Error 1.47 ULP.
    #[inline(always)]
    fn cosh(self) -> Self {
        by_lanes(self, f64::cosh)
    }
    /// The hyperbolic tangent. Error 1.06 ULP.
    #[inline(always)]
    fn tanh(self) -> Self {
        by_lanes(self, f64::tanh)
    }
    /// The number that has this hyperbolic sine. Error 1.81 ULP.
    #[inline(always)]
    fn asinh(self) -> Self {
        by_lanes(self, libm::asinh)
    }
    /// The number, not negative, that has this hyperbolic cosine. Error 2.06 ULP.
    #[inline(always)]
    fn acosh(self) -> Self {
        // Below 1, libm does not always answer NaN.
        by_lanes(self, |x| if x < 1.0 { f64::NAN } else { libm::acosh(x) })
    }
    /// The number that has this hyperbolic tangent. Error 1.76 ULP.
    #[inline(always)]
    fn atanh(self) -> Self {
        by_lanes(self, libm::atanh)
    }
    /// The error function 2/√π ∫₀ˣ e^(-t²) dt. Error 0.94 ULP (1.18).
    #[inline(always)]
    fn erf(self) -> Self {
        by_lanes(self, libm::erf)
    }
    /// The share of the standard normal distribution below x: Φ(x) = (1 + erf(x/√2)) / 2.
    /// Error 4.50 ULP (5.69).
    #[inline(always)]
    fn normal_cdf(self) -> Self {
        self.normal().0
    }
    /// The slope of [`Real::normal_cdf`]: φ(x) = e^(-x²/2) / √(2π). Error 1.28 ULP (1.41).
    #[inline(always)]
    fn normal_density(self) -> Self {
        self.normal().1
    }
    /// Both Φ(x) and φ(x), for little more than one of them.
    #[inline(always)]
    fn normal(self) -> (Self, Self) {
        let density = |x: f64| (-0.5 * x * x).exp() / (2.0 * PI).sqrt();
        (by_lanes(self, |x| 0.5 * libm::erfc(-x * FRAC_1_SQRT_2)), by_lanes(self, density))
    }
    /// The logistic function 1 / (1 + e^(-x)). Error 1.66 ULP (1.87).
    #[inline(always)]
    fn sigmoid(self) -> Self {
        by_lanes(self, |x| {
            let e = (-x.abs()).exp();
            if x < 0.0 { e / (1.0 + e) } else { 1.0 / (1.0 + e) }
        })
    }
    /// x^y as C's `pow` defines it. Error 0.80 ULP; a power that is an `f32` is exact.
    #[inline(always)]
    fn pow(self, exponent: Self) -> Self {
        by_pairs(self, exponent, f64::powf)
    }
    /// The angle of the point (x = `other`, y = `self`), in [-π, π]. Error 1.70 ULP.
    #[inline(always)]
    fn atan2(self, other: Self) -> Self {
        by_pairs(self, other, f64::atan2)
    }
}

/// Applies a function of `f64` to each lane.
#[inline(always)]
fn by_lanes<V: Vector>(x: V, function: impl Fn(f64) -> f64) -> V {
    x.map_lanes(|x| Element::from_f64(function(x.to_f64())))
}

/// Applies a function of two `f64` to each lane.
#[inline(always)]
fn by_pairs<V: Vector>(x: V, y: V, function: impl Fn(f64, f64) -> f64) -> V {
    x.zip_lanes(y, |x, y| Element::from_f64(function(x.to_f64(), y.to_f64())))
}

/// Gives each named method the body of the module's function of the same name.
macro_rules! forward {
    ($module:ident: $($function:ident)*) => {$(
        #[inline(always)]
        fn $function(self) -> Self {
            $module::$function(self)
        }
    )*};
}

impl<V: Bits> Real for V {
    forward!(exp: exp expm1 sigmoid sinh cosh tanh);
    forward!(log: ln log1p log2 log10 asinh acosh atanh);
    forward!(trig: sin cos tan asin acos atan);
    forward!(erf: erf);

    #[inline(always)]
    fn normal(self) -> (Self, Self) {
        erf::normal(self)
    }
    #[inline(always)]
    fn pow(self, exponent: Self) -> Self {
        power::pow(self, exponent)
    }
    #[inline(always)]
    fn atan2(self, other: Self) -> Self {
        trig::atan2(self, other)
    }
}

/// Added and taken away again, 1.5·2²³ rounds an `f32` below 2²² to an integer, whose low bits are
/// those of the sum.
pub(crate) const ROUNDER: f64 = 12_582_912.0;

/// c₀ + c₁x + c₂x² + …, by Horner's rule.
#[inline(always)]
fn polynomial<V: Vector, const N: usize>(x: V, coefficients: [f64; N]) -> V {
    let mut sum = x.of(coefficients[N - 1]);
    for &coefficient in coefficients[..N - 1].iter().rev() {
        sum = sum.mul_add(x, x.of(coefficient));
    }
    sum
}

/// c₀ + c₁x + c₂x² + …, the even and the odd powers each by Horner's rule: one product more, but
/// half as many steps wait for each other, and half as many roundings pile up.
#[inline(always)]
fn polynomial_by_halves<V: Vector, const N: usize>(x: V, coefficients: [f64; N]) -> V {
    let square = x * x;
    let (lower, highest) = coefficients.split_at(N - 2);
    let mut sums = [x.zero(); 2];
    sums[N % 2] = x.of(highest[0]);
    sums[(N + 1) % 2] = x.of(highest[1]);
    for (i, &coefficient) in lower.iter().enumerate().rev() {
        sums[i % 2] = sums[i % 2].mul_add(square, x.of(coefficient));
    }
    sums[1].mul_add(x, sums[0])
}
