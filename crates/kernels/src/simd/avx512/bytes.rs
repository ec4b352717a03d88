//! AVX-512 VNNI: sums of the products of four bytes.

use super::{Avx512, I32x16};
use crate::integer::{Dots, DotsWork};
use std::arch::x86_64::*;
use std::sync::LazyLock;

/// Proof that the processor has AVX-512 VNNI beside what [`Avx512`] proves.
#[derive(Clone, Copy, Debug)]
pub struct Avx512Bytes(());

/// Runs work compiled for AVX-512 with VNNI.
///
/// # Safety
/// The processor must have every feature named below.
#[target_feature(
    enable = "avx512vnni,avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c,bmi1,bmi2,popcnt,lzcnt"
)]
pub(crate) unsafe fn run<W: DotsWork>(work: W) -> W::Output {
    work.run(Avx512Bytes(()))
}

/// True if the processor has what [`run`] needs.
pub(crate) fn available() -> bool {
    static AVAILABLE: LazyLock<bool> =
        LazyLock::new(|| super::available() && is_x86_feature_detected!("avx512vnni"));
    *AVAILABLE
}

impl Dots for Avx512Bytes {
    type Isa = Avx512;

    #[inline(always)]
    fn isa(self) -> Avx512 {
        Avx512(())
    }
    #[inline(always)]
    fn add(self, unsigned: I32x16, signed: I32x16, sums: I32x16) -> I32x16 {
        // SAFETY: the token proves that the processor has the instruction.
        I32x16(unsafe { _mm512_dpbusd_epi32(sums.0, unsigned.0, signed.0) })
    }
}
