//! The error function and the normal distribution.

use super::exp::{expm1_small, power_of_two, reduce};
use super::{polynomial, polynomial_by_halves};
use crate::simd::Bits;
use std::f64::consts::PI;

/// The error function: a polynomial below 0.8, 1 - e^(-|x|·Q(|x|)) above.
#[inline(always)]
pub(super) fn erf<V: Bits>(x: V) -> V {
    let one = x.of(1.0);
    // erf(x)/x - 1: the 1 is added with the factor x, in one rounding. Error 2^-28.0.
    let small = polynomial(
        x * x,
        [0.12837917, -0.37612608, 0.11283162, -0.026822379, 0.005087497, -0.00065489806],
    );
    let small = x.mul_add(small, x);

    // From 3.92 on the result rounds to 1.
    let a = (-x.abs()).clamp(x.of(-4.0), x.zero());
    // ln(1 - erf(|x|))/a - 1. Of the result the error is 2^-28.1.
    let exponent = polynomial(
        a,
        [0.12853399, -0.6356508, 0.105352156, 0.022948684, 0.003233501, 0.00021626067],
    );
    let (n, r) = reduce(a.mul_add(exponent, a));
    let power = power_of_two(n);
    let large = (-expm1_small(r)).mul_add(power, one - power);
    V::select(x.abs().less(x.of(0.8)), small, large.copysign(x))
}

/// Φ(x) = (1 + erf(x/√2)) / 2, the share of the standard normal distribution below x, and its slope
/// φ(x) = e^(-x²/2) / √(2π).
///
/// Φ(-a) = e^(-a²/2)·G(a), and G is smooth: the quotient of two polynomials serves.
#[inline(always)]
pub(super) fn normal<V: Bits>(x: V) -> (V, V) {
    // Beyond 14.2 the share is below the smallest number.
    let a = x.abs().clamp(x.zero(), x.of(14.5));
    // Error 2^-26.7.
    let numerator =
        polynomial_by_halves(a, [0.80547655, 0.70607144, 0.29518232, 0.065457925, 0.0066311355]);
    let denominator = polynomial_by_halves(
        a,
        [1.6109531, 2.697498, 1.9371725, 0.7562928, 0.16408907, 0.016621599],
    );
    let g = numerator / denominator;

    // The exponent reaches 100, so what its square loses to rounding must be kept.
    let minus_half = x.of(-0.5);
    let square = a * a;
    let lost = a.fused(a, -square);
    let (n, r) = reduce(square * minus_half);
    let power = expm1_small(lost.mul_add(minus_half, r));
    let below = g.mul_add(power, g).scale(n);
    let top = x.of(1.0 / (2.0 * PI).sqrt());
    let density = top.mul_add(power, top).scale(n);
    (V::select(x.less(x.zero()), below, x.of(1.0) - below), density)
}
