//! Sums of the products of bytes, by what the processor has for them.

use crate::Isa;
use crate::simd::{Bits, Routine, Simd};

/// A register of integers.
pub(crate) type Int<D> = <<<D as Dots>::Isa as Simd>::F32 as Bits>::Int;

/// Multiplies codes in registers. Like a token of [`Simd`] it can only be had where the processor has
/// the instructions.
pub(crate) trait Dots: Copy + Send + Sync {
    /// The instruction set whose registers it works with.
    type Isa: Simd;

    /// The token of the instruction set.
    fn isa(self) -> Self::Isa;
    /// Adds to each lane the products of its four unsigned bytes with its four signed ones, exactly.
    fn add(self, unsigned: Int<Self>, signed: Int<Self>, sums: Int<Self>) -> Int<Self>;
}

/// Something that is computed with codes.
pub(crate) trait DotsWork {
    /// What the work gives back.
    type Output;
    /// Does the work. Mark it `#[inline(always)]`, and all it calls in its hot loops.
    fn run<D: Dots>(self, dots: D) -> Self::Output;
}

/// Runs work compiled for an instruction set, with the processor's instructions for bytes if it has
/// any beside it.
pub(super) fn run<W: DotsWork>(isa: Isa, work: W) -> W::Output {
    match isa {
        #[cfg(target_arch = "x86_64")]
        Isa::Amx | Isa::Avx512 if crate::simd::avx512::multiplies_bytes() => {
            // SAFETY: the guard has asked the processor.
            unsafe { crate::simd::avx512::run_bytes(work) }
        }
        _ => isa.run(Plain(work)),
    }
}

/// Work with the instruction set alone.
struct Plain<W>(W);

impl<W: DotsWork> Routine for Plain<W> {
    type Output = W::Output;

    #[inline(always)]
    fn run<S: Simd>(self, isa: S) -> W::Output {
        self.0.run(PlainDots(isa))
    }
}

/// Multiplies with what the instruction set itself has.
#[derive(Clone, Copy)]
struct PlainDots<S>(S);

impl<S: Simd> Dots for PlainDots<S> {
    type Isa = S;

    #[inline(always)]
    fn isa(self) -> S {
        self.0
    }
    #[inline(always)]
    fn add(self, unsigned: Int<Self>, signed: Int<Self>, sums: Int<Self>) -> Int<Self> {
        S::F32::add_dots(self.0, unsigned, signed, sums)
    }
}
