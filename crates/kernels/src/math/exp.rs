//! e^x and what is built on it.
//!
//! x = n·ln 2 + r with an integer n and |r| ≤ ln 2 / 2, so that e^x = 2ⁿ·e^r.

use super::{ROUNDER, polynomial};
use crate::simd::{Bits, IntVector};
use std::f64::consts::LOG2_E;

/// ln 2 in two parts: the first has nine bits, so that its product with n is exact.
const LN_2: [f64; 2] = [0.693359375, -2.121_944_4e-4];

/// The n and the r of x = n·ln 2 + r, for |x| below 2²¹.
#[inline(always)]
pub(super) fn reduce<V: Bits>(x: V) -> (V, V) {
    let rounder = x.of(ROUNDER);
    let n = x.mul_add(x.of(LOG2_E), rounder) - rounder;
    let r = n.mul_add(x.of(-LN_2[0]), x);
    (n, n.mul_add(x.of(-LN_2[1]), r))
}

/// (e^r - 1 - r) / r², for |r| ≤ ln 2 / 2. Of e^r the error is 2^-28.2.
#[inline(always)]
fn tail<V: Bits>(r: V) -> V {
    polynomial(r, [0.49999994, 0.16666517, 0.041668106, 0.008369131, 0.0013836549])
}

/// e^r - 1, for |r| ≤ ln 2 / 2.
#[inline(always)]
pub(super) fn expm1_small<V: Bits>(r: V) -> V {
    (r * r).mul_add(tail(r), r)
}

/// 2ⁿ, for an integer n in [-126, 127].
#[inline(always)]
pub(super) fn power_of_two<V: Bits>(n: V) -> V {
    let one = n.of(1.0).to_bits();
    V::from_bits((n + n.of(ROUNDER)).to_bits().shl(23).add(one))
}

/// e^x.
#[inline(always)]
pub(super) fn exp<V: Bits>(x: V) -> V {
    let (n, r) = reduce(x.clamp(x.of(-104.0), x.of(89.0)));
    (expm1_small(r) + x.of(1.0)).scale(n)
}

/// e^x - 1 = 2ⁿ·((e^r - 1) + (1 - 2⁻ⁿ)).
#[inline(always)]
pub(super) fn expm1<V: Bits>(x: V) -> V {
    let (n, r) = reduce(x.clamp(x.of(-18.0), x.of(89.0)));
    // From 2²⁵ on, 2⁻ⁿ is lost beside 1.
    let base = x.of(1.0) - power_of_two(-n.clamp(n.of(-26.0), n.of(26.0)));
    // What the sum of the two large terms loses goes to the small one.
    let sum = base + r;
    let lost = (base - sum) + r;
    let result = sum + (r * r).mul_add(tail(r), lost);
    result.scale(n).copysign(x)
}

/// 1 / (1 + e^(-x)).
///
/// With e = e^(-|x|) and q = e/(1 + e) it is 1 - q for positive x and e - e·q for negative x: small
/// corrections of 1 and of e, which keep the error of the quotient out.
#[inline(always)]
pub(super) fn sigmoid<V: Bits>(x: V) -> V {
    let e = exp(-x.abs());
    let one = x.of(1.0);
    let quotient = e / (one + e);
    let base = V::select(x.less(x.zero()), e, one);
    base.mul_add(-quotient, base)
}

/// e^a / 2 for a ≥ 0: finite up to 89.4, where the hyperbolic functions overflow.
#[inline(always)]
fn half_exp<V: Bits>(a: V) -> V {
    let (n, r) = reduce(a.clamp(a.zero(), a.of(90.0)));
    (expm1_small(r) + a.of(1.0)).scale(n - a.of(1.0))
}

/// The hyperbolic sine: a polynomial below 1, (e^|x| - e^(-|x|)) / 2 above.
#[inline(always)]
pub(super) fn sinh<V: Bits>(x: V) -> V {
    let square = x * x;
    // Error 2^-31.6.
    let sum = polynomial(square, [0.16666667, 0.0083333105, 0.00019842896, 2.7822132e-6]);
    let small = (x * square).mul_add(sum, x);
    let half = half_exp(x.abs());
    let large = half - x.of(0.25) / half;
    V::select(x.abs().less(x.of(1.0)), small, large.copysign(x))
}

/// The hyperbolic cosine: (e^|x| + e^(-|x|)) / 2.
#[inline(always)]
pub(super) fn cosh<V: Bits>(x: V) -> V {
    let half = half_exp(x.abs());
    half + x.of(0.25) / half
}

/// The hyperbolic tangent: a polynomial below 0.8, 1 - 2/(e^(2|x|) + 1) above.
#[inline(always)]
pub(super) fn tanh<V: Bits>(x: V) -> V {
    let (a, square) = (x.abs(), x * x);
    // Error 2^-28.0.
    let sum = polynomial(
        square,
        [-0.333333, 0.13332242, -0.053853597, 0.021306526, -0.0074141696, 0.001587038],
    );
    let small = (a * square).mul_add(sum, a);
    // From 9.02 on the result rounds to 1.
    let (n, r) = reduce((a + a).clamp(x.zero(), x.of(20.0)));
    let (one, power) = (x.of(1.0), power_of_two(n));
    let large = one - x.of(2.0) / expm1_small(r).mul_add(power, power + one);
    V::select(a.less(x.of(0.8)), small, large).copysign(x)
}
