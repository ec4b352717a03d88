//! ln x and what is built on it.
//!
//! x = 2ᵉ·(1 + f) with an integer e and 1 + f between √½ and √2, so that
//! ln x = e·ln 2 + ln(1 + f).

use super::exp::power_of_two;
use super::polynomial;
use crate::simd::Bits;

/// ln 2 in two positive parts: the first has 14 bits, so that its product with e is exact.
const LN_2: [f64; 2] = [0.693115234375, 3.194_618_5e-5];

/// log₁₀ 2 in two parts like those of ln 2.
const LOG10_2: [f64; 2] = [0.301025390625, 4.605_039e-6];

/// log₂ e: an `f32` and what it lacks.
const LOG2_E: [f64; 2] = [1.442_695_02, 1.925_963e-8];

/// log₁₀ e: an `f32` and what it lacks.
const LOG10_E: [f64; 2] = [0.434_294_49, -1.010_305e-8];

/// f² and the R of ln(1 + f) = f - f²/2 + R, for 1 + f between √½ and √2. Error 2^-27.3.
#[inline(always)]
fn series<V: Bits>(f: V) -> (V, V) {
    let square = f * f;
    let cubic = polynomial(
        f,
        [
            0.3333333,
            -0.25000823,
            0.20001261,
            -0.16623321,
            0.14200905,
            -0.13159686,
            0.12767792,
            -0.07643946,
        ],
    );
    (square, square * f * cubic)
}

/// e·ln 2 + f - f²/2 + R.
#[inline(always)]
fn combine<V: Bits>(e: V, f: V, square: V, rest: V) -> V {
    let tail = square.mul_add(f.of(-0.5), rest);
    let low = e.mul_add(f.of(LN_2[1]), tail);
    e.mul_add(f.of(LN_2[0]), f + low)
}

/// The natural logarithm.
#[inline(always)]
pub(super) fn ln<V: Bits>(x: V) -> V {
    let (m, e) = x.split();
    let f = m - x.of(1.0);
    let (square, rest) = series(f);
    combine(e, f, square, rest)
}

/// ln(1 + x): as `ln`, with what the sum 1 + x loses to rounding put back into f.
#[inline(always)]
pub(super) fn log1p<V: Bits>(x: V) -> V {
    let one = x.of(1.0);
    let sum = one + x;
    let (m, e) = sum.split();
    // From 2²⁵ on, what is lost no longer matters.
    let scale = power_of_two(-e.clamp(x.of(-26.0), x.of(26.0)));
    let lost = (x - (sum - one)) * scale;
    let f = (m - one) + lost;
    let lost = lost + ((m - one) - f);
    let (square, rest) = series(f);
    let result = combine(e, f, square, rest + lost).copysign(x);
    V::select(x.less(x.of(f64::INFINITY)), result, x)
}

/// ln(1 + f)·`factor`, the factor being an `f32` and what it lacks, as f·`factor` and the rest.
#[inline(always)]
fn scaled<V: Bits>(f: V, factor: [f64; 2]) -> V {
    let (square, rest) = series(f);
    let low = rest.mul_add(f.of(factor[0]), f * f.of(factor[1]));
    square.mul_add(f.of(-0.5 * factor[0]), low)
}

/// The logarithm to base 2: e + ln(1 + f)·log₂ e, exact for powers of two.
#[inline(always)]
pub(super) fn log2<V: Bits>(x: V) -> V {
    let (m, e) = x.split();
    let f = m - x.of(1.0);
    e + f.fused(x.of(LOG2_E[0]), scaled(f, LOG2_E))
}

/// The logarithm to base 10: e·log₁₀ 2 + ln(1 + f)·log₁₀ e.
#[inline(always)]
pub(super) fn log10<V: Bits>(x: V) -> V {
    let (m, e) = x.split();
    let f = m - x.of(1.0);
    let low = e.mul_add(x.of(LOG10_2[1]), scaled(f, LOG10_E));
    e.mul_add(x.of(LOG10_2[0]), f.fused(x.of(LOG10_E[0]), low))
}

/// Beyond this, √(x² + 1) is x.
const HUGE: f64 = 1_073_741_824.0;

/// The number that has this hyperbolic sine: ln(1 + |x| + x²/(1 + √(1 + x²))), with x's sign.
#[inline(always)]
pub(super) fn asinh<V: Bits>(x: V) -> V {
    let (one, a) = (x.of(1.0), x.abs());
    let square = a * a;
    let excess = a + square / (one + (one + square).sqrt());
    ln_of_root(a, excess).copysign(x)
}

/// The number, not negative, that has this hyperbolic cosine: ln(1 + t + √(t² + 2t)), t = x - 1.
#[inline(always)]
pub(super) fn acosh<V: Bits>(x: V) -> V {
    let one = x.of(1.0);
    let t = x - one;
    let excess = t + t.mul_add(t, t + t).sqrt();
    V::select(x.less(one), x.of(f64::NAN), ln_of_root(x, excess))
}

/// ln(1 + `excess`), which is ln(2x) where x is huge.
#[inline(always)]
fn ln_of_root<V: Bits>(x: V, excess: V) -> V {
    let huge = x.greater(x.of(HUGE));
    let ln_2 = V::select(huge, x.of(std::f64::consts::LN_2), x.zero());
    log1p(V::select(huge, x, excess)) + ln_2
}

/// The number that has this hyperbolic tangent: ln(1 + 2|x| + 2x²/(1 - |x|)) / 2, with x's sign.
#[inline(always)]
pub(super) fn atanh<V: Bits>(x: V) -> V {
    let (one, a) = (x.of(1.0), x.abs());
    let double = a + a;
    let excess = double + double * a / (one - a);
    let result = x.of(0.5) * log1p(excess);
    V::select(a.greater(one), x.of(f64::NAN), result.copysign(x))
}
