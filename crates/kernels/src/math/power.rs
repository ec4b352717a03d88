//! Powers.

use super::{polynomial, polynomial_by_halves};
use crate::simd::{Bits, Mask, Vector};

/// x^y as C's `pow` defines it: 2^(y·log₂|x|), then the sign and the special cases.
#[inline(always)]
pub(super) fn pow<V: Bits>(x: V, y: V) -> V {
    let (one, zero) = (x.of(1.0), x.zero());
    let magnitude = power_of_magnitude(x.abs(), y);

    let whole = y.equal(y.trunc());
    let half = y * y.of(0.5);
    let odd = whole.and(half.equal(half.trunc()).not());
    let signed = V::select(odd, magnitude.copysign(x), magnitude);
    let negative = x.less(zero).and(x.greater(x.of(f64::NEG_INFINITY)));
    let result = V::select(negative.and(whole.not()), x.of(f64::NAN), signed);
    V::select(x.equal(one).or(y.equal(zero)), one, result)
}

/// a^y for a ≥ 0, but 0^0 and ∞^0 are left to the caller.
///
/// An error in y·log₂a becomes a relative error of the power, and y·log₂a may exceed 100, so it is
/// computed in `f64`.
#[inline(always)]
fn power_of_magnitude<V: Bits>(a: V, y: V) -> V {
    let (m, e) = a.split();
    // No infinity, as its product with log₂ 1 = 0 would be NaN: even 2⁶⁴ leaves no other number
    // than 1 in range.
    let y = y.clamp(y.of(-18_446_744_073_709_551_616.0), y.of(18_446_744_073_709_551_616.0));
    let ([m_low, m_high], [e_low, e_high], [y_low, y_high]) = (m.widen(), e.widen(), y.widen());
    let (n_low, power_low) = power_of_two(y_low * log2(m_low, e_low));
    let (n_high, power_high) = power_of_two(y_high * log2(m_high, e_high));
    let n = V::narrow([n_low, n_high]);
    let power = V::narrow([power_low, power_high]).scale(n.clamp(n.of(-200.0), n.of(200.0)));
    let power = V::select(n.greater(n.of(200.0)), n.of(f64::INFINITY), power);
    V::select(n.less(n.of(-200.0)), n.zero(), power)
}

/// e + log₂ m, for m between √½ and √2. The polynomial's relative error is 2^-35.8.
#[inline(always)]
fn log2<W: Vector>(m: W, e: W) -> W {
    let f = m - m.of(1.0);
    let quotient = polynomial_by_halves(
        f,
        [
            1.4426950408687047,
            -0.7213475208687463,
            0.48089836139582676,
            -0.3606736748301717,
            0.28853729344264073,
            -0.24045316544803577,
            0.20617536022982588,
            -0.18030060524022692,
            0.15876979471687294,
            -0.1431564134854299,
            0.14474844429369169,
            -0.14283953327381138,
            0.07737060280563332,
        ],
    );
    f.mul_add(quotient, e)
}

/// The n and 2^r of 2^p = 2ⁿ·2^r, n being p's nearest integer. The polynomial's error is 2^-29.
#[inline(always)]
fn power_of_two<W: Vector>(p: W) -> (W, W) {
    // Added and taken away again, 1.5·2⁵² rounds to an integer.
    let rounder = p.of(6_755_399_441_055_744.0);
    let n = (p + rounder) - rounder;
    let power = polynomial(
        p - n,
        [
            1.0000000005538066,
            0.6931472057391409,
            0.24022646891675964,
            0.05550328774293318,
            0.009618488879556738,
            0.0013399932025773152,
            0.0001534582891552513,
        ],
    );
    (n, power)
}
