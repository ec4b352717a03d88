//! NEON: 4 lanes of `f32`, 2 of `f64`, 32 registers. Every aarch64 processor has it.

use super::table::{float_vector, int_vector, intrinsic};
use super::{Bits, IntVector, Mask, Routine, Simd, Vector};
use crate::math::Real;
use std::arch::aarch64::*;

/// Proof that the processor has NEON.
#[derive(Clone, Copy, Debug)]
pub struct Neon(());

/// Runs a routine compiled for NEON.
///
/// # Safety
/// The processor must have NEON.
#[target_feature(enable = "neon")]
pub(crate) unsafe fn run<R: Routine>(routine: R) -> R::Output {
    routine.run(Neon(()))
}

impl Simd for Neon {
    type F32 = F32x4;
    type F64 = F64x2;
    const TILE_ROWS: usize = 8;
    const TILE_VECTORS: usize = 3;
}

float_vector! {
    /// Four `f32`.
    F32x4(float32x4_t): [f32; 4] on Neon, mask Mask32;
    splat(v) = vdupq_n_f32(v);
    read(p) = vld1q_f32(p);
    write(p, v) = vst1q_f32(p, v);
    add(a, b) = vaddq_f32(a, b);
    sub(a, b) = vsubq_f32(a, b);
    mul(a, b) = vmulq_f32(a, b);
    div(a, b) = vdivq_f32(a, b);
    neg(a) = vnegq_f32(a);
    mul_add(a, b, c) = vfmaq_f32(c, a, b);
    maximum(a, b) = vmaxq_f32(a, b);
    minimum(a, b) = vminq_f32(a, b);
    abs(a) = vabsq_f32(a);
    copysign(a, sign) = vbslq_f32(vdupq_n_u32(0x8000_0000), sign, a);
    sqrt(a) = vsqrtq_f32(a);
    round(a) = vrndnq_f32(a);
    floor(a) = vrndmq_f32(a);
    ceil(a) = vrndpq_f32(a);
    trunc(a) = vrndq_f32(a);
    less(a, b) = Mask32(vcltq_f32(a, b));
    less_equal(a, b) = Mask32(vcleq_f32(a, b));
    equal(a, b) = Mask32(vceqq_f32(a, b));
    select(mask, yes, no) = vbslq_f32(mask.0, yes, no);
    deinterleave(a, b) = (vuzp1q_f32(a, b), vuzp2q_f32(a, b));
    write_ints(p, v) = vst1q_s32(p, vcvtnq_s32_f32(v));
}

float_vector! {
    /// Two `f64`.
    F64x2(float64x2_t): [f64; 2] on Neon, mask Mask64;
    splat(v) = vdupq_n_f64(v);
    read(p) = vld1q_f64(p);
    write(p, v) = vst1q_f64(p, v);
    add(a, b) = vaddq_f64(a, b);
    sub(a, b) = vsubq_f64(a, b);
    mul(a, b) = vmulq_f64(a, b);
    div(a, b) = vdivq_f64(a, b);
    neg(a) = vnegq_f64(a);
    mul_add(a, b, c) = vfmaq_f64(c, a, b);
    maximum(a, b) = vmaxq_f64(a, b);
    minimum(a, b) = vminq_f64(a, b);
    abs(a) = vabsq_f64(a);
    copysign(a, sign) = vbslq_f64(vdupq_n_u64(1 << 63), sign, a);
    sqrt(a) = vsqrtq_f64(a);
    round(a) = vrndnq_f64(a);
    floor(a) = vrndmq_f64(a);
    ceil(a) = vrndpq_f64(a);
    trunc(a) = vrndq_f64(a);
    less(a, b) = Mask64(vcltq_f64(a, b));
    less_equal(a, b) = Mask64(vcleq_f64(a, b));
    equal(a, b) = Mask64(vceqq_f64(a, b));
    select(mask, yes, no) = vbslq_f64(mask.0, yes, no);
    deinterleave(a, b) = (vuzp1q_f64(a, b), vuzp2q_f64(a, b));
    write_ints(p, v) = vst1_s32(p, vmovn_s64(vcvtnq_s64_f64(v)));
}
impl Real for F64x2 {}

int_vector! {
    /// Four `i32`.
    I32x4(int32x4_t) beside F32x4 and F64x2;
    splat(v) = vdupq_n_s32(v);
    to_bits(a) = vreinterpretq_s32_f32(a);
    from_bits(a) = vreinterpretq_f32_s32(a);
    to_int(a) = vcvtnq_s32_f32(a);
    from_int(a) = vcvtq_f32_s32(a);
    widen(a) = [vcvt_f64_f32(vget_low_f32(a)), vcvt_high_f64_f32(a)];
    narrow(low, high) = vcvt_high_f32_f64(vcvt_f32_f64(low), high);
    add(a, b) = vaddq_s32(a, b);
    sub(a, b) = vsubq_s32(a, b);
    and(a, b) = vandq_s32(a, b);
    or(a, b) = vorrq_s32(a, b);
    xor(a, b) = veorq_s32(a, b);
    shl(a, count) = vshlq_s32(a, vdupq_n_s32(count));
    shr(a, count) = vshlq_s32(a, vdupq_n_s32(-count));
    read_bytes(p) = {
        let bytes = vcreate_u8(u64::from(p.cast::<u32>().read_unaligned()));
        vreinterpretq_s32_u32(vmovl_u16(vget_low_u16(vmovl_u8(bytes))))
    };
    clamp(a, low, high) = vminq_f32(high, vmaxq_f32(low, a));
}

/// A mask of four lanes: all bits of a lane are set or none.
#[derive(Clone, Copy)]
pub struct Mask32(uint32x4_t);

impl Mask for Mask32 {
    #[inline(always)]
    fn and(self, other: Self) -> Self {
        Self(intrinsic!(vandq_u32(self.0, other.0)))
    }
    #[inline(always)]
    fn or(self, other: Self) -> Self {
        Self(intrinsic!(vorrq_u32(self.0, other.0)))
    }
    #[inline(always)]
    fn not(self) -> Self {
        Self(intrinsic!(vmvnq_u32(self.0)))
    }
    #[inline(always)]
    fn any(self) -> bool {
        intrinsic!(vmaxvq_u32(self.0)) != 0
    }
}

/// A mask of two lanes: all bits of a lane are set or none.
#[derive(Clone, Copy)]
pub struct Mask64(uint64x2_t);

impl Mask for Mask64 {
    #[inline(always)]
    fn and(self, other: Self) -> Self {
        Self(intrinsic!(vandq_u64(self.0, other.0)))
    }
    #[inline(always)]
    fn or(self, other: Self) -> Self {
        Self(intrinsic!(vorrq_u64(self.0, other.0)))
    }
    #[inline(always)]
    fn not(self) -> Self {
        Self(intrinsic!(veorq_u64(self.0, vdupq_n_u64(u64::MAX))))
    }
    #[inline(always)]
    fn any(self) -> bool {
        intrinsic!(vgetq_lane_u64::<0>(self.0) | vgetq_lane_u64::<1>(self.0)) != 0
    }
}
