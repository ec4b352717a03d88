//! Plain arrays, for processors without a vector unit of their own here. The compiler turns them
//! into whatever the target's baseline has.

use super::table::{float_vector, int_vector};
use super::{Bits, IntVector, Mask, Routine, Simd, Vector};
use crate::math::Real;
use std::array::from_fn;

/// Plain Rust needs no proof.
macro_rules! intrinsic {
    ($call:expr) => {
        $call
    };
}

/// Proof of nothing: every processor will do.
#[derive(Clone, Copy, Debug)]
pub struct Portable(());

/// Runs a routine compiled for the target's baseline.
pub(crate) fn run<R: Routine>(routine: R) -> R::Output {
    routine.run(Portable(()))
}

impl Simd for Portable {
    type F32 = F32s;
    type F64 = F64s;
    const TILE_ROWS: usize = 4;
    const TILE_VECTORS: usize = 1;
}

// Without a fused instruction `mul_add` rounds twice: calling the C library's exact one would be
// far slower than the arithmetic around it.
float_vector! {
    /// Eight `f32`.
    F32s([f32; 8]): [f32; 8] on Portable, mask Lanes<8>;
    splat(v) = [v; 8];
    read(p) = p.cast::<[f32; 8]>().read_unaligned();
    write(p, v) = p.cast::<[f32; 8]>().write_unaligned(v);
    add(a, b) = from_fn(|i| a[i] + b[i]);
    sub(a, b) = from_fn(|i| a[i] - b[i]);
    mul(a, b) = from_fn(|i| a[i] * b[i]);
    div(a, b) = from_fn(|i| a[i] / b[i]);
    neg(a) = from_fn(|i| -a[i]);
    mul_add(a, b, c) = from_fn(|i| a[i] * b[i] + c[i]);
    maximum(a, b) = from_fn(|i| crate::Float::maximum(a[i], b[i]));
    minimum(a, b) = from_fn(|i| crate::Float::minimum(a[i], b[i]));
    abs(a) = from_fn(|i| a[i].abs());
    copysign(a, sign) = from_fn(|i| a[i].copysign(sign[i]));
    sqrt(a) = from_fn(|i| a[i].sqrt());
    round(a) = from_fn(|i| a[i].round_ties_even());
    floor(a) = from_fn(|i| a[i].floor());
    ceil(a) = from_fn(|i| a[i].ceil());
    trunc(a) = from_fn(|i| a[i].trunc());
    less(a, b) = Lanes(from_fn(|i| a[i] < b[i]));
    less_equal(a, b) = Lanes(from_fn(|i| a[i] <= b[i]));
    equal(a, b) = Lanes(from_fn(|i| a[i] == b[i]));
    select(mask, yes, no) = from_fn(|i| if mask.0[i] { yes[i] } else { no[i] });
    deinterleave(a, b) = (
        from_fn(|i| if i < 4 { a[2 * i] } else { b[2 * i - 8] }),
        from_fn(|i| if i < 4 { a[2 * i + 1] } else { b[2 * i - 7] }),
    );
    write_ints(p, v) = p.cast::<[i32; 8]>().write_unaligned(v.map(|x| x as i32));
}

float_vector! {
    /// Four `f64`.
    F64s([f64; 4]): [f64; 4] on Portable, mask Lanes<4>;
    splat(v) = [v; 4];
    read(p) = p.cast::<[f64; 4]>().read_unaligned();
    write(p, v) = p.cast::<[f64; 4]>().write_unaligned(v);
    add(a, b) = from_fn(|i| a[i] + b[i]);
    sub(a, b) = from_fn(|i| a[i] - b[i]);
    mul(a, b) = from_fn(|i| a[i] * b[i]);
    div(a, b) = from_fn(|i| a[i] / b[i]);
    neg(a) = from_fn(|i| -a[i]);
    mul_add(a, b, c) = from_fn(|i| a[i] * b[i] + c[i]);
    maximum(a, b) = from_fn(|i| crate::Float::maximum(a[i], b[i]));
    minimum(a, b) = from_fn(|i| crate::Float::minimum(a[i], b[i]));
    abs(a) = from_fn(|i| a[i].abs());
    copysign(a, sign) = from_fn(|i| a[i].copysign(sign[i]));
    sqrt(a) = from_fn(|i| a[i].sqrt());
    round(a) = from_fn(|i| a[i].round_ties_even());
    floor(a) = from_fn(|i| a[i].floor());
    ceil(a) = from_fn(|i| a[i].ceil());
    trunc(a) = from_fn(|i| a[i].trunc());
    less(a, b) = Lanes(from_fn(|i| a[i] < b[i]));
    less_equal(a, b) = Lanes(from_fn(|i| a[i] <= b[i]));
    equal(a, b) = Lanes(from_fn(|i| a[i] == b[i]));
    select(mask, yes, no) = from_fn(|i| if mask.0[i] { yes[i] } else { no[i] });
    deinterleave(a, b) = (
        from_fn(|i| if i < 2 { a[2 * i] } else { b[2 * i - 4] }),
        from_fn(|i| if i < 2 { a[2 * i + 1] } else { b[2 * i - 3] }),
    );
    write_ints(p, v) = p.cast::<[i32; 4]>().write_unaligned(v.map(|x| x as i32));
}
impl Real for F64s {}

int_vector! {
    /// Eight `i32`.
    I32s([i32; 8]) beside F32s and F64s;
    splat(v) = [v; 8];
    to_bits(a) = a.map(|x| x.to_bits() as i32);
    from_bits(a) = a.map(|x| f32::from_bits(x as u32));
    to_int(a) = a.map(|x| x as i32);
    from_int(a) = a.map(|x| x as f32);
    widen(a) = [from_fn(|i| a[i] as f64), from_fn(|i| a[i + 4] as f64)];
    narrow(low, high) = from_fn(|i| if i < 4 { low[i] as f32 } else { high[i - 4] as f32 });
    add(a, b) = from_fn(|i| a[i].wrapping_add(b[i]));
    sub(a, b) = from_fn(|i| a[i].wrapping_sub(b[i]));
    and(a, b) = from_fn(|i| a[i] & b[i]);
    or(a, b) = from_fn(|i| a[i] | b[i]);
    xor(a, b) = from_fn(|i| a[i] ^ b[i]);
    shl(a, count) = a.map(|x| x << count);
    shr(a, count) = a.map(|x| x >> count);
    read_bytes(p) = p.cast::<[u8; 8]>().read().map(i32::from);
    fused(a, b, c) = from_fn(|i| (a[i] as f64 * b[i] as f64 + c[i] as f64) as f32);
}

/// One truth value a lane.
#[derive(Clone, Copy)]
pub struct Lanes<const N: usize>([bool; N]);

impl<const N: usize> Mask for Lanes<N> {
    #[inline(always)]
    fn and(self, other: Self) -> Self {
        Self(from_fn(|i| self.0[i] & other.0[i]))
    }
    #[inline(always)]
    fn or(self, other: Self) -> Self {
        Self(from_fn(|i| self.0[i] | other.0[i]))
    }
    #[inline(always)]
    fn not(self) -> Self {
        Self(self.0.map(|lane| !lane))
    }
    #[inline(always)]
    fn any(self) -> bool {
        self.0.contains(&true)
    }
}
