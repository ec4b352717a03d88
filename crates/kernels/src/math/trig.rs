//! Sines, tangents and their inverses.
//!
//! x = n·π/2 + r with an integer n and |r| ≤ π/4: the sine of x is ± the sine or the cosine of r.

use super::{ROUNDER, by_lanes, polynomial};
use crate::simd::{Bits, IntVector, Mask};
use std::f64::consts::{FRAC_2_PI, FRAC_PI_2, PI};

/// π/2 in three parts, the first below it (Cody and Waite).
const HALF_PI: [f64; 3] = [1.570_796_25, 7.549_790_13e-8, -1.715_124_5e-15];

/// π/2 in two parts, the first the nearest.
const QUARTER_TURN: [f64; 2] = [1.570_796_37, -4.371_139e-8];

/// Up to here n·π/2 is taken off exactly enough; larger arguments go to the C library.
const LIMIT: f64 = 131_072.0;

/// The sine and the cosine of x's r, and bits that end in those of x's n.
#[inline(always)]
fn sine_and_cosine<V: Bits>(x: V) -> (V, V, V::Int) {
    let rounder = x.of(ROUNDER);
    let shifted = x.mul_add(x.of(FRAC_2_PI), rounder);
    let n = shifted - rounder;
    // r = high - low: `high` is rounded, and `low` holds what that lost.
    let first = n.fused(x.of(-HALF_PI[0]), x);
    let second = n * x.of(HALF_PI[1]);
    let high = first - second;
    let low = ((high - first) + second) + n.fused(x.of(HALF_PI[1]), -second);
    let low = n.mul_add(x.of(HALF_PI[2]), low);

    let square = high * high;
    // Errors 2^-27.9 and 2^-33.
    let cubic = polynomial(square, [0.16666655, -0.008332189, 0.00019518285]);
    let quartic = polynomial(square, [0.041666646, -0.001388731, 2.443239e-5]);
    // A difference, so that the sine of -0 is -0.
    let sine = high - (square * high).mul_add(cubic, low);
    let minus_half = x.of(-0.5);
    let cosine = square.mul_add(minus_half, x.of(1.0));
    let lost = square.mul_add(minus_half, x.of(1.0) - cosine);
    let cosine = cosine + (square * square).mul_add(quartic, high.mul_add(low, lost));
    (sine, cosine, shifted.to_bits())
}

/// The sine where `quarter` is even and the cosine where it is odd, negated where its second bit
/// is set.
#[inline(always)]
fn turn<V: Bits>(sine: V, cosine: V, quarter: V::Int) -> V {
    let sign = quarter.shl(30).and(sine.of(-0.0).to_bits());
    V::from_bits(select_odd(quarter, cosine, sine).to_bits().xor(sign))
}

/// `odd` where the integer is odd and `even` elsewhere.
#[inline(always)]
fn select_odd<V: Bits>(integer: V::Int, odd: V, even: V) -> V {
    let mask = integer.shl(31).shr(31);
    let (odd, even) = (odd.to_bits(), even.to_bits());
    V::from_bits(even.xor(even.xor(odd).and(mask)))
}

/// Calls the C library, out of line: the compiler takes a call of its sine for harmless and would
/// make it before it knows whether any lane needs it.
#[cold]
#[inline(never)]
fn of_huge(function: fn(f64) -> f64, x: f64) -> f64 {
    function(x)
}

/// The sine.
#[inline(always)]
pub(super) fn sin<V: Bits>(x: V) -> V {
    if x.abs().greater(x.of(LIMIT)).any() {
        return by_lanes(x, |x| of_huge(f64::sin, x));
    }
    let (sine, cosine, n) = sine_and_cosine(x);
    turn(sine, cosine, n)
}

/// The cosine: the sine a quarter turn on.
#[inline(always)]
pub(super) fn cos<V: Bits>(x: V) -> V {
    if x.abs().greater(x.of(LIMIT)).any() {
        return by_lanes(x, |x| of_huge(f64::cos, x));
    }
    let (sine, cosine, n) = sine_and_cosine(x);
    turn(sine, cosine, n.add(x.int(1)))
}

/// The tangent: sine/cosine, or -cosine/sine after an odd number of quarter turns.
#[inline(always)]
pub(super) fn tan<V: Bits>(x: V) -> V {
    if x.abs().greater(x.of(LIMIT)).any() {
        return by_lanes(x, |x| of_huge(f64::tan, x));
    }
    let (sine, cosine, n) = sine_and_cosine(x);
    let numerator = select_odd(n, -cosine, sine);
    numerator / select_odd(n, sine, cosine)
}

/// The angle in [-π/2, π/2] that has this sine: π/2 - 2·asin(√((1 - |x|)/2)) above 1/2.
#[inline(always)]
pub(super) fn asin<V: Bits>(x: V) -> V {
    let (large, sine, cube, factor) = asin_parts(x.abs());
    let folded = quarter_turn_less(sine + sine, cube + cube, factor);
    V::select(large, folded, cube.mul_add(factor, sine)).copysign(x)
}

/// The angle in [0, π] that has this cosine: 2·asin(√((1 - x)/2)) above 1/2.
#[inline(always)]
pub(super) fn acos<V: Bits>(x: V) -> V {
    let (large, sine, cube, factor) = asin_parts(x.abs());
    let angle = cube.mul_add(factor, sine);
    let double = angle + angle;
    let folded = V::select(x.less(x.zero()), x.of(PI) - double, double);
    V::select(large, folded, x.of(FRAC_PI_2) - angle.copysign(x))
}

/// Where a > 1/2, and the parts of asin(s) = s + s³·factor: s is √((1 - a)/2) there and a elsewhere.
#[inline(always)]
fn asin_parts<V: Bits>(a: V) -> (V::Mask, V, V, V) {
    let half = a.of(0.5);
    let large = a.greater(half);
    let square = V::select(large, a.mul_add(-half, half), a * a);
    let sine = V::select(large, square.sqrt(), a);
    // Of the arcsine the error is 2^-27.6.
    let factor =
        polynomial(square, [0.16666752, 0.074953094, 0.045469154, 0.024184741, 0.042158395]);
    (large, sine, sine * square, factor)
}

/// π/2 - (angle + cube·factor), the product being the smaller term.
#[inline(always)]
fn quarter_turn_less<V: Bits>(angle: V, cube: V, factor: V) -> V {
    let quarter = angle.of(QUARTER_TURN[0]);
    let difference = quarter - angle;
    // What the difference of the two large terms loses goes to the small one.
    let lost = ((quarter - difference) - angle) + angle.of(QUARTER_TURN[1]);
    difference + (-cube).mul_add(factor, lost)
}

/// The angle in [0, π/2] whose tangent is t, or 1/t where the mask is set, for t in [0, 1].
#[inline(always)]
fn atan_of_ratio<V: Bits>(t: V, inverse: V::Mask) -> V {
    let square = t * t;
    let cube = t * square;
    // atan(t) = t + t³·factor. Error 2^-28.4.
    let factor = polynomial(
        square,
        [
            -0.333333,
            0.1999853,
            -0.1426402,
            0.10950921,
            -0.08399482,
            0.057885565,
            -0.031102296,
            0.010872053,
            -0.0017836526,
        ],
    );
    V::select(inverse, quarter_turn_less(t, cube, factor), cube.mul_add(factor, t))
}

/// The angle in [-π/2, π/2] that has this tangent: π/2 - atan(1/|x|) above 1.
#[inline(always)]
pub(super) fn atan<V: Bits>(x: V) -> V {
    let (a, one) = (x.abs(), x.of(1.0));
    let steep = a.greater(one);
    atan_of_ratio(V::select(steep, one / a, a), steep).copysign(x)
}

/// The angle of the point (x, y), in [-π, π].
#[inline(always)]
pub(super) fn atan2<V: Bits>(y: V, x: V) -> V {
    let (one, zero) = (x.of(1.0), x.zero());
    let (width, height) = (x.abs(), y.abs());
    let steep = height.greater(width);
    let ratio = V::select(steep, width, height) / V::select(steep, height, width);
    // Both zero or both infinite, the ratio would be NaN.
    let diagonal = V::select(width.equal(zero), zero, one);
    let ratio = V::select(width.equal(height), diagonal, ratio);
    let angle = atan_of_ratio(ratio, steep);
    let leftward = one.copysign(x).less(zero);
    V::select(leftward, x.of(PI) - angle, angle).copysign(y)
}
