//! AVX-512: 16 lanes of `f32`, 8 of `f64`, 32 registers.

use super::table::{float_vector, int_vector, intrinsic};
use super::{Bits, IntVector, Mask, Routine, Simd, Vector};
use crate::math::Real;
use crate::memory::ALIGN;
use std::arch::x86_64::*;
use std::f32::consts::SQRT_2;
use std::sync::LazyLock;

mod bytes;
mod pairs;
mod tiles;

pub(crate) use bytes::{available as multiplies_bytes, run as run_bytes};
pub(crate) use pairs::{available as multiplies_pairs, run as run_pairs};
pub(crate) use tiles::{available as multiplies_tiles, run as run_tiles};

/// Proof that the processor has AVX-512 F, BW, DQ and VL.
#[derive(Clone, Copy, Debug)]
pub struct Avx512(());

/// Runs a routine compiled for AVX-512.
///
/// # Safety
/// The processor must have every feature named below.
#[target_feature(
    enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c,bmi1,bmi2,popcnt,lzcnt"
)]
pub(crate) unsafe fn run<R: Routine>(routine: R) -> R::Output {
    routine.run(Avx512(()))
}

/// True if the processor has what [`run`] needs.
pub(crate) fn available() -> bool {
    // Every call of a kernel asks.
    static AVAILABLE: LazyLock<bool> = LazyLock::new(|| {
        super::avx2::available()
            && is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512vl")
    });
    *AVAILABLE
}

impl Simd for Avx512 {
    type F32 = F32x16;
    type F64 = F64x8;
    const TILE_ROWS: usize = 8;
    const TILE_VECTORS: usize = 3;

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
                _mm512_stream_si512(
                    to.add(place).cast(),
                    _mm512_loadu_si512(from.add(place).cast()),
                );
            }
        }
    }
}

const NEAREST: i32 = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC;
const DOWN: i32 = _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC;
const UP: i32 = _MM_FROUND_TO_POS_INF | _MM_FROUND_NO_EXC;
const TO_ZERO: i32 = _MM_FROUND_TO_ZERO | _MM_FROUND_NO_EXC;

/// The mask of the first lanes, of which there are at most sixteen.
#[inline(always)]
fn first(count: usize) -> u32 {
    (1 << count) - 1
}

// The max and min instructions give their second operand where either is NaN: one more select
// makes NaN win wherever it stands.
float_vector! {
    /// Sixteen `f32`.
    F32x16(__m512): [f32; 16] on Avx512, mask __mmask16;
    splat(v) = _mm512_set1_ps(v);
    read(p) = _mm512_loadu_ps(p);
    write(p, v) = _mm512_storeu_ps(p, v);
    add(a, b) = _mm512_add_ps(a, b);
    sub(a, b) = _mm512_sub_ps(a, b);
    mul(a, b) = _mm512_mul_ps(a, b);
    div(a, b) = _mm512_div_ps(a, b);
    neg(a) = _mm512_xor_ps(a, _mm512_set1_ps(-0.0));
    mul_add(a, b, c) = _mm512_fmadd_ps(a, b, c);
    maximum(a, b) = _mm512_mask_mov_ps(
        _mm512_max_ps(a, b), _mm512_cmp_ps_mask::<_CMP_UNORD_Q>(a, a), a);
    minimum(a, b) = _mm512_mask_mov_ps(
        _mm512_min_ps(a, b), _mm512_cmp_ps_mask::<_CMP_UNORD_Q>(a, a), a);
    abs(a) = _mm512_andnot_ps(_mm512_set1_ps(-0.0), a);
    copysign(a, sign) = _mm512_or_ps(
        _mm512_andnot_ps(_mm512_set1_ps(-0.0), a), _mm512_and_ps(_mm512_set1_ps(-0.0), sign));
    sqrt(a) = _mm512_sqrt_ps(a);
    round(a) = _mm512_roundscale_ps::<NEAREST>(a);
    floor(a) = _mm512_roundscale_ps::<DOWN>(a);
    ceil(a) = _mm512_roundscale_ps::<UP>(a);
    trunc(a) = _mm512_roundscale_ps::<TO_ZERO>(a);
    less(a, b) = _mm512_cmp_ps_mask::<_CMP_LT_OQ>(a, b);
    less_equal(a, b) = _mm512_cmp_ps_mask::<_CMP_LE_OQ>(a, b);
    equal(a, b) = _mm512_cmp_ps_mask::<_CMP_EQ_OQ>(a, b);
    select(mask, yes, no) = _mm512_mask_mov_ps(no, mask, yes);
    deinterleave(a, b) = {
        let even =
            _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
        let odd = _mm512_add_epi32(even, _mm512_set1_epi32(1));
        (_mm512_permutex2var_ps(a, even, b), _mm512_permutex2var_ps(a, odd, b))
    };
    write_ints(p, v) = _mm512_storeu_si512(p.cast(), _mm512_cvtps_epi32(v));
    load_partial(p, count, rest) = _mm512_mask_loadu_ps(rest, first(count) as __mmask16, p);
    store_partial(p, count, v) = _mm512_mask_storeu_ps(p, first(count) as __mmask16, v);
}

float_vector! {
    /// Eight `f64`.
    F64x8(__m512d): [f64; 8] on Avx512, mask __mmask8;
    splat(v) = _mm512_set1_pd(v);
    read(p) = _mm512_loadu_pd(p);
    write(p, v) = _mm512_storeu_pd(p, v);
    add(a, b) = _mm512_add_pd(a, b);
    sub(a, b) = _mm512_sub_pd(a, b);
    mul(a, b) = _mm512_mul_pd(a, b);
    div(a, b) = _mm512_div_pd(a, b);
    neg(a) = _mm512_xor_pd(a, _mm512_set1_pd(-0.0));
    mul_add(a, b, c) = _mm512_fmadd_pd(a, b, c);
    maximum(a, b) = _mm512_mask_mov_pd(
        _mm512_max_pd(a, b), _mm512_cmp_pd_mask::<_CMP_UNORD_Q>(a, a), a);
    minimum(a, b) = _mm512_mask_mov_pd(
        _mm512_min_pd(a, b), _mm512_cmp_pd_mask::<_CMP_UNORD_Q>(a, a), a);
    abs(a) = _mm512_andnot_pd(_mm512_set1_pd(-0.0), a);
    copysign(a, sign) = _mm512_or_pd(
        _mm512_andnot_pd(_mm512_set1_pd(-0.0), a), _mm512_and_pd(_mm512_set1_pd(-0.0), sign));
    sqrt(a) = _mm512_sqrt_pd(a);
    round(a) = _mm512_roundscale_pd::<NEAREST>(a);
    floor(a) = _mm512_roundscale_pd::<DOWN>(a);
    ceil(a) = _mm512_roundscale_pd::<UP>(a);
    trunc(a) = _mm512_roundscale_pd::<TO_ZERO>(a);
    less(a, b) = _mm512_cmp_pd_mask::<_CMP_LT_OQ>(a, b);
    less_equal(a, b) = _mm512_cmp_pd_mask::<_CMP_LE_OQ>(a, b);
    equal(a, b) = _mm512_cmp_pd_mask::<_CMP_EQ_OQ>(a, b);
    select(mask, yes, no) = _mm512_mask_mov_pd(no, mask, yes);
    deinterleave(a, b) = {
        let even = _mm512_setr_epi64(0, 2, 4, 6, 8, 10, 12, 14);
        let odd = _mm512_add_epi64(even, _mm512_set1_epi64(1));
        (_mm512_permutex2var_pd(a, even, b), _mm512_permutex2var_pd(a, odd, b))
    };
    write_ints(p, v) = _mm256_storeu_si256(p.cast(), _mm512_cvtpd_epi32(v));
    load_partial(p, count, rest) = _mm512_mask_loadu_pd(rest, first(count) as __mmask8, p);
    store_partial(p, count, v) = _mm512_mask_storeu_pd(p, first(count) as __mmask8, v);
}
impl Real for F64x8 {}

int_vector! {
    /// Sixteen `i32`.
    I32x16(__m512i) beside F32x16 and F64x8;
    splat(v) = _mm512_set1_epi32(v);
    to_bits(a) = _mm512_castps_si512(a);
    from_bits(a) = _mm512_castsi512_ps(a);
    to_int(a) = _mm512_cvtps_epi32(a);
    from_int(a) = _mm512_cvtepi32_ps(a);
    widen(a) = [
        _mm512_cvtps_pd(_mm512_castps512_ps256(a)),
        _mm512_cvtps_pd(_mm512_extractf32x8_ps::<1>(a)),
    ];
    narrow(low, high) = _mm512_insertf32x8::<1>(
        _mm512_castps256_ps512(_mm512_cvtpd_ps(low)), _mm512_cvtpd_ps(high));
    add(a, b) = _mm512_add_epi32(a, b);
    sub(a, b) = _mm512_sub_epi32(a, b);
    and(a, b) = _mm512_and_si512(a, b);
    or(a, b) = _mm512_or_si512(a, b);
    xor(a, b) = _mm512_xor_si512(a, b);
    shl(a, count) = _mm512_sllv_epi32(a, _mm512_set1_epi32(count));
    shr(a, count) = _mm512_srav_epi32(a, _mm512_set1_epi32(count));
    read_bytes(p) = _mm512_cvtepu8_epi32(_mm_loadu_si128(p.cast()));
    // Pairs of products of 16 bits, which nothing cuts off: those of even bytes and those of odd ones.
    add_dots(unsigned, signed, sums) = {
        let even = _mm512_srai_epi16::<8>(_mm512_slli_epi16::<8>(signed));
        let low = _mm512_and_si512(unsigned, _mm512_set1_epi16(255));
        let high = _mm512_srli_epi16::<8>(unsigned);
        let sums = _mm512_add_epi32(sums, _mm512_madd_epi16(low, even));
        _mm512_add_epi32(sums, _mm512_madd_epi16(high, _mm512_srai_epi16::<8>(signed)))
    };
    // A table of what the sixteen codes stand for.
    line(factor, term) = _mm512_fmadd_ps(
        _mm512_setr_ps(
            0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0, 11.0, 12.0, 13.0, 14.0, 15.0,
        ),
        factor, term);
    on_line(table, codes) = _mm512_permutexvar_ps(codes, table);
    clamp(a, low, high) = _mm512_min_ps(high, _mm512_max_ps(low, a));
    scale(a, n) = _mm512_scalef_ps(a, n);
    split(a) = {
        let m = _mm512_getmant_ps::<_MM_MANT_NORM_1_2, _MM_MANT_SIGN_NAN>(a);
        let e = _mm512_getexp_ps(a);
        let large = _mm512_cmp_ps_mask::<_CMP_GE_OQ>(m, _mm512_set1_ps(SQRT_2));
        (
            _mm512_mask_mul_ps(m, large, m, _mm512_set1_ps(0.5)),
            _mm512_mask_add_ps(e, large, e, _mm512_set1_ps(1.0)),
        )
    };
}

/// Implements [`Mask`] for the bit masks of AVX-512.
macro_rules! mask {
    ($name:ty) => {
        impl Mask for $name {
            #[inline(always)]
            fn and(self, other: Self) -> Self {
                self & other
            }
            #[inline(always)]
            fn or(self, other: Self) -> Self {
                self | other
            }
            #[inline(always)]
            fn not(self) -> Self {
                !self
            }
            #[inline(always)]
            fn any(self) -> bool {
                self != 0
            }
        }
    };
}
mask!(__mmask16);
mask!(__mmask8);
