//! AVX-512 BF16: sums of the products of pairs.
//!
//! `vdpbf16ps` adds to each sum the products of two pairs of `bf16`. It takes denormal numbers for
//! zeros, and rounds to the nearest whatever else is set; how often it rounds on the way is not what
//! two multiply-adds would do. So a sum of products has about the error of `f32`, but not its bits.

use super::{Avx512, F32x16};
use crate::multiplier::{MOST_STEPS, Multiplier, Work};
use crate::simd::Vector;
use std::arch::x86_64::*;
use std::mem::transmute;
use std::sync::LazyLock;

/// Proof that the processor has AVX-512 BF16 beside what [`Avx512`] proves.
#[derive(Clone, Copy, Debug)]
pub struct Avx512Pairs(());

/// Runs work compiled for AVX-512 with BF16.
///
/// # Safety
/// The processor must have every feature named below.
#[target_feature(
    enable = "avx512bf16,avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c,bmi1,bmi2,popcnt,lzcnt"
)]
pub(crate) unsafe fn run<W: Work<f32, i32>>(work: W) -> W::Output {
    work.run(Avx512Pairs(()))
}

/// True if the processor has what [`run`] needs, and gains by it.
///
/// Processors of Intel that have the instruction sum half as many products with it as they do of
/// `f32` (measured on Granite Rapids: 108 and 219 GFLOP/s a core); they multiply tiles instead.
pub(crate) fn available() -> bool {
    static AVAILABLE: LazyLock<bool> = LazyLock::new(|| {
        super::available() && is_x86_feature_detected!("avx512bf16") && !is_intel()
    });
    *AVAILABLE
}

/// True if the processor says that Intel made it.
fn is_intel() -> bool {
    let told = __cpuid(0);
    let name = [told.ebx, told.edx, told.ecx].map(u32::to_le_bytes);
    name.as_flattened() == b"GenuineIntel"
}

/// How many pairs a register holds.
const LANES: usize = 16;

/// Where the words of a register of pairs come from, if its numbers lie in lines of `width`, pairs of
/// which follow each other.
const fn places(width: i32) -> [i32; LANES] {
    let mut places = [0; LANES];
    let mut lane = 0;
    while lane < LANES {
        let first = lane as i32 / width * 2 * width + lane as i32 % width;
        places[lane] = first | (first + width) << 16;
        lane += 1;
    }
    places
}

/// Pairs of two lines of sixteen numbers.
const WIDE: [i32; LANES] = places(16);

/// Pairs of two lines of eight numbers, and of two more.
const NARROW: [i32; LANES] = places(8);

impl Avx512Pairs {
    /// The numbers of two vectors, rounded, the first before the second.
    #[inline(always)]
    fn rounded(self, first: F32x16, second: F32x16) -> __m512i {
        // SAFETY: the token proves that the processor has the instruction; both types are 64 bytes.
        unsafe { transmute(_mm512_cvtne2ps_pbh(second.0, first.0)) }
    }

    /// Up to 32 numbers, rounded, with zeros behind them.
    #[inline(always)]
    fn rounded_chunk(self, numbers: &[f32]) -> __m512i {
        let isa = self.isa();
        if numbers.len() == 2 * LANES {
            let (first, second) = numbers.split_at(LANES);
            return self.rounded(F32x16::load(isa, first), F32x16::load(isa, second));
        }
        let mut whole = [0.0; 2 * LANES];
        whole[..numbers.len()].copy_from_slice(numbers);
        self.rounded(F32x16::load(isa, &whole), F32x16::load(isa, &whole[LANES..]))
    }

    /// Words in another order.
    #[inline(always)]
    fn exchanged(self, places: &[i32; LANES], words: __m512i) -> __m512i {
        // SAFETY: the token proves that the processor has the instructions; the table has 64 bytes.
        unsafe { _mm512_permutexvar_epi16(_mm512_loadu_si512(places.as_ptr().cast()), words) }
    }

    /// Writes as many pairs as there is space for.
    #[inline(always)]
    fn store(self, pairs: __m512i, to: &mut [i32]) {
        let mut whole = [0; LANES];
        let all = if to.len() >= LANES { &mut to[..LANES] } else { &mut whole[..] };
        // SAFETY: the token proves that the processor has the instruction; there are 64 bytes.
        unsafe { _mm512_storeu_si512(all.as_mut_ptr().cast(), pairs) };
        if to.len() < LANES {
            to.copy_from_slice(&whole[..to.len()]);
        }
    }
}

impl Multiplier for Avx512Pairs {
    type Isa = Avx512;
    type Scalar = f32;
    type Packed = i32;
    type Factors = __m512i;
    type Sums = F32x16;
    const STEPS: usize = 2;

    #[inline(always)]
    fn isa(self) -> Avx512 {
        Avx512(())
    }
    #[inline(always)]
    fn splat(self, pair: i32) -> __m512i {
        // SAFETY: the token proves that the processor has the instruction.
        unsafe { _mm512_set1_epi32(pair) }
    }
    #[inline(always)]
    unsafe fn read(self, from: *const i32) -> __m512i {
        // SAFETY: the token proves the instruction set; the caller vouches for the pointer.
        unsafe { _mm512_loadu_si512(from.cast()) }
    }
    #[inline(always)]
    fn multiply_add(self, left: __m512i, right: __m512i, sums: F32x16) -> F32x16 {
        // SAFETY: the token proves that the processor has the instruction; all types are 64 bytes.
        unsafe {
            let left = transmute::<__m512i, __m512bh>(left);
            let right = transmute::<__m512i, __m512bh>(right);
            F32x16(_mm512_dpbf16_ps(sums.0, left, right))
        }
    }
    #[inline(always)]
    fn as_packed(_: &[f32]) -> Option<&[i32]> {
        None
    }
    #[inline(always)]
    fn as_numbers(_: &mut [i32]) -> Option<&mut [f32]> {
        None
    }
    #[inline(always)]
    fn pack_lines(self, numbers: &[f32], width: usize, packed: &mut [i32]) {
        assert_eq!(packed.len(), numbers.len().div_ceil(2 * width) * width);
        if width == LANES / 2 {
            for (numbers, packed) in numbers.chunks(2 * LANES).zip(packed.chunks_mut(LANES)) {
                self.store(self.exchanged(&NARROW, self.rounded_chunk(numbers)), packed);
            }
            return;
        }
        assert!(width.is_multiple_of(LANES), "lines of {width} numbers are not whole vectors");
        let isa = self.isa();
        for (lines, packed) in numbers.chunks(2 * width).zip(packed.chunks_exact_mut(width)) {
            let (first, second) = lines.split_at(width);
            for (start, packed) in packed.chunks_exact_mut(LANES).enumerate() {
                let start = start * LANES;
                let second = match second.is_empty() {
                    true => F32x16::splat(isa, 0.0),
                    false => F32x16::load(isa, &second[start..]),
                };
                let rounded = self.rounded(F32x16::load(isa, &first[start..]), second);
                self.store(self.exchanged(&WIDE, rounded), packed);
            }
        }
    }
    #[inline(always)]
    fn pack_neighbours(self, numbers: &[f32], packed: &mut [i32]) {
        assert_eq!(packed.len(), numbers.len().div_ceil(2));
        for (numbers, packed) in numbers.chunks(2 * LANES).zip(packed.chunks_mut(LANES)) {
            self.store(self.rounded_chunk(numbers), packed);
        }
    }
    #[inline(always)]
    fn write_neighbours(self, numbers: F32x16, packed: &mut [i32]) {
        let packed = &mut packed[..LANES / 2];
        // SAFETY: the token proves that the processor has the instructions; both types are 32 bytes,
        // and so is the space.
        unsafe {
            let pairs = transmute::<__m256bh, __m256i>(_mm512_cvtneps_pbh(numbers.0));
            _mm256_storeu_si256(packed.as_mut_ptr().cast(), pairs);
        }
    }
    #[inline(always)]
    fn write_lines(self, [first, second]: [F32x16; MOST_STEPS], packed: &mut [i32]) {
        self.store(self.exchanged(&WIDE, self.rounded(first, second)), packed);
    }
}
