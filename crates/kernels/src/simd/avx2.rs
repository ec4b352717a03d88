//! AVX2 with FMA: 8 lanes of `f32`, 4 of `f64`, 16 registers.

use super::table::{float_vector, int_vector, intrinsic};
use super::{Bits, IntVector, Mask, Routine, Simd, Vector};
use crate::math::Real;
use crate::memory::ALIGN;
use std::arch::x86_64::*;
use std::sync::LazyLock;

/// Proof that the processor has AVX2, FMA and F16C.
#[derive(Clone, Copy, Debug)]
pub struct Avx2(());

/// Runs a routine compiled for AVX2 and FMA.
///
/// # Safety
/// The processor must have every feature named below.
#[target_feature(enable = "avx2,fma,f16c,bmi1,bmi2,popcnt,lzcnt")]
pub(crate) unsafe fn run<R: Routine>(routine: R) -> R::Output {
    routine.run(Avx2(()))
}

/// True if the processor has what [`run`] needs.
pub(crate) fn available() -> bool {
    // Every call of a kernel asks.
    static AVAILABLE: LazyLock<bool> = LazyLock::new(|| {
        is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("fma")
            && is_x86_feature_detected!("f16c")
            && is_x86_feature_detected!("bmi1")
            && is_x86_feature_detected!("bmi2")
            && is_x86_feature_detected!("popcnt")
            && is_x86_feature_detected!("lzcnt")
    });
    *AVAILABLE
}

impl Simd for Avx2 {
    type F32 = F32x8;
    type F64 = F64x4;
    // Four rows of three vectors would need every register, and in practice one more.
    const TILE_ROWS: usize = 6;
    const TILE_VECTORS: usize = 2;

    #[inline(always)]
    fn prefetch<T>(self, address: *const T) {
        // SAFETY: every x86-64 processor has the instruction, which does nothing where the address
        // is not valid.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(address.cast()) }
    }

    #[inline(always)]
    unsafe fn stream(self, from: *const u8, to: *mut u8, lines: usize) {
        // SAFETY: the token proves the instruction set; the caller vouches for the lines.
        unsafe {
            for place in (0..lines * ALIGN).step_by(ALIGN) {
                for half in [place, place + ALIGN / 2] {
                    let bytes = _mm256_loadu_si256(from.add(half).cast());
                    _mm256_stream_si256(to.add(half).cast(), bytes);
                }
            }
        }
    }
}

const NEAREST: i32 = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC;

// The max and min instructions give their second operand where either is NaN: one more blend
// makes NaN win wherever it stands.
float_vector! {
    /// Eight `f32`.
    F32x8(__m256): [f32; 8] on Avx2, mask Mask32;
    splat(v) = _mm256_set1_ps(v);
    read(p) = _mm256_loadu_ps(p);
    write(p, v) = _mm256_storeu_ps(p, v);
    add(a, b) = _mm256_add_ps(a, b);
    sub(a, b) = _mm256_sub_ps(a, b);
    mul(a, b) = _mm256_mul_ps(a, b);
    div(a, b) = _mm256_div_ps(a, b);
    neg(a) = _mm256_xor_ps(a, _mm256_set1_ps(-0.0));
    mul_add(a, b, c) = _mm256_fmadd_ps(a, b, c);
    maximum(a, b) = _mm256_blendv_ps(
        _mm256_max_ps(a, b), a, _mm256_cmp_ps::<_CMP_UNORD_Q>(a, a));
    minimum(a, b) = _mm256_blendv_ps(
        _mm256_min_ps(a, b), a, _mm256_cmp_ps::<_CMP_UNORD_Q>(a, a));
    abs(a) = _mm256_andnot_ps(_mm256_set1_ps(-0.0), a);
    copysign(a, sign) = _mm256_or_ps(
        _mm256_andnot_ps(_mm256_set1_ps(-0.0), a), _mm256_and_ps(_mm256_set1_ps(-0.0), sign));
    sqrt(a) = _mm256_sqrt_ps(a);
    round(a) = _mm256_round_ps::<NEAREST>(a);
    floor(a) = _mm256_floor_ps(a);
    ceil(a) = _mm256_ceil_ps(a);
    trunc(a) = _mm256_round_ps::<{ _MM_FROUND_TO_ZERO | _MM_FROUND_NO_EXC }>(a);
    less(a, b) = Mask32(_mm256_cmp_ps::<_CMP_LT_OQ>(a, b));
    less_equal(a, b) = Mask32(_mm256_cmp_ps::<_CMP_LE_OQ>(a, b));
    equal(a, b) = Mask32(_mm256_cmp_ps::<_CMP_EQ_OQ>(a, b));
    select(mask, yes, no) = _mm256_blendv_ps(no, yes, mask.0);
    deinterleave(a, b) = {
        let even = _mm256_castps_pd(_mm256_shuffle_ps::<0b10_00_10_00>(a, b));
        let odd = _mm256_castps_pd(_mm256_shuffle_ps::<0b11_01_11_01>(a, b));
        (
            _mm256_castpd_ps(_mm256_permute4x64_pd::<0b11_01_10_00>(even)),
            _mm256_castpd_ps(_mm256_permute4x64_pd::<0b11_01_10_00>(odd)),
        )
    };
    write_ints(p, v) = _mm256_storeu_si256(p.cast(), _mm256_cvtps_epi32(v));
}

float_vector! {
    /// Four `f64`.
    F64x4(__m256d): [f64; 4] on Avx2, mask Mask64;
    splat(v) = _mm256_set1_pd(v);
    read(p) = _mm256_loadu_pd(p);
    write(p, v) = _mm256_storeu_pd(p, v);
    add(a, b) = _mm256_add_pd(a, b);
    sub(a, b) = _mm256_sub_pd(a, b);
    mul(a, b) = _mm256_mul_pd(a, b);
    div(a, b) = _mm256_div_pd(a, b);
    neg(a) = _mm256_xor_pd(a, _mm256_set1_pd(-0.0));
    mul_add(a, b, c) = _mm256_fmadd_pd(a, b, c);
    maximum(a, b) = _mm256_blendv_pd(
        _mm256_max_pd(a, b), a, _mm256_cmp_pd::<_CMP_UNORD_Q>(a, a));
    minimum(a, b) = _mm256_blendv_pd(
        _mm256_min_pd(a, b), a, _mm256_cmp_pd::<_CMP_UNORD_Q>(a, a));
    abs(a) = _mm256_andnot_pd(_mm256_set1_pd(-0.0), a);
    copysign(a, sign) = _mm256_or_pd(
        _mm256_andnot_pd(_mm256_set1_pd(-0.0), a), _mm256_and_pd(_mm256_set1_pd(-0.0), sign));
    sqrt(a) = _mm256_sqrt_pd(a);
    round(a) = _mm256_round_pd::<NEAREST>(a);
    floor(a) = _mm256_floor_pd(a);
    ceil(a) = _mm256_ceil_pd(a);
    trunc(a) = _mm256_round_pd::<{ _MM_FROUND_TO_ZERO | _MM_FROUND_NO_EXC }>(a);
    less(a, b) = Mask64(_mm256_cmp_pd::<_CMP_LT_OQ>(a, b));
    less_equal(a, b) = Mask64(_mm256_cmp_pd::<_CMP_LE_OQ>(a, b));
    equal(a, b) = Mask64(_mm256_cmp_pd::<_CMP_EQ_OQ>(a, b));
    select(mask, yes, no) = _mm256_blendv_pd(no, yes, mask.0);
    deinterleave(a, b) = (
        _mm256_permute4x64_pd::<0b11_01_10_00>(_mm256_unpacklo_pd(a, b)),
        _mm256_permute4x64_pd::<0b11_01_10_00>(_mm256_unpackhi_pd(a, b)),
    );
    write_ints(p, v) = _mm_storeu_si128(p.cast(), _mm256_cvtpd_epi32(v));
}
impl Real for F64x4 {}

int_vector! {
    /// Eight `i32`.
    I32x8(__m256i) beside F32x8 and F64x4;
    splat(v) = _mm256_set1_epi32(v);
    to_bits(a) = _mm256_castps_si256(a);
    from_bits(a) = _mm256_castsi256_ps(a);
    to_int(a) = _mm256_cvtps_epi32(a);
    from_int(a) = _mm256_cvtepi32_ps(a);
    widen(a) = [
        _mm256_cvtps_pd(_mm256_castps256_ps128(a)),
        _mm256_cvtps_pd(_mm256_extractf128_ps::<1>(a)),
    ];
    narrow(low, high) = _mm256_set_m128(_mm256_cvtpd_ps(high), _mm256_cvtpd_ps(low));
    add(a, b) = _mm256_add_epi32(a, b);
    sub(a, b) = _mm256_sub_epi32(a, b);
    and(a, b) = _mm256_and_si256(a, b);
    or(a, b) = _mm256_or_si256(a, b);
    xor(a, b) = _mm256_xor_si256(a, b);
    shl(a, count) = _mm256_sllv_epi32(a, _mm256_set1_epi32(count));
    shr(a, count) = _mm256_srav_epi32(a, _mm256_set1_epi32(count));
    read_bytes(p) = _mm256_cvtepu8_epi32(_mm_loadl_epi64(p.cast()));
    // Pairs of products of 16 bits, which nothing cuts off: those of even bytes and those of odd ones.
    add_dots(unsigned, signed, sums) = {
        let even = _mm256_srai_epi16::<8>(_mm256_slli_epi16::<8>(signed));
        let low = _mm256_and_si256(unsigned, _mm256_set1_epi16(255));
        let high = _mm256_srli_epi16::<8>(unsigned);
        let sums = _mm256_add_epi32(sums, _mm256_madd_epi16(low, even));
        _mm256_add_epi32(sums, _mm256_madd_epi16(high, _mm256_srai_epi16::<8>(signed)))
    };
    clamp(a, low, high) = _mm256_min_ps(high, _mm256_max_ps(low, a));
}

/// A mask of eight lanes: all bits of a lane are set or none.
#[derive(Clone, Copy)]
pub struct Mask32(__m256);

impl Mask for Mask32 {
    #[inline(always)]
    fn and(self, other: Self) -> Self {
        Self(intrinsic!(_mm256_and_ps(self.0, other.0)))
    }
    #[inline(always)]
    fn or(self, other: Self) -> Self {
        Self(intrinsic!(_mm256_or_ps(self.0, other.0)))
    }
    #[inline(always)]
    fn not(self) -> Self {
        Self(intrinsic!(_mm256_xor_ps(self.0, _mm256_castsi256_ps(_mm256_set1_epi32(-1)))))
    }
    #[inline(always)]
    fn any(self) -> bool {
        intrinsic!(_mm256_movemask_ps(self.0)) != 0
    }
}

/// A mask of four lanes: all bits of a lane are set or none.
#[derive(Clone, Copy)]
pub struct Mask64(__m256d);

impl Mask for Mask64 {
    #[inline(always)]
    fn and(self, other: Self) -> Self {
        Self(intrinsic!(_mm256_and_pd(self.0, other.0)))
    }
    #[inline(always)]
    fn or(self, other: Self) -> Self {
        Self(intrinsic!(_mm256_or_pd(self.0, other.0)))
    }
    #[inline(always)]
    fn not(self) -> Self {
        Self(intrinsic!(_mm256_xor_pd(self.0, _mm256_castsi256_pd(_mm256_set1_epi64x(-1)))))
    }
    #[inline(always)]
    fn any(self) -> bool {
        intrinsic!(_mm256_movemask_pd(self.0)) != 0
    }
}
