//! The choice of an instruction set when the program runs.

use crate::gemm::TileWork;
use crate::multiplier::Work;
use crate::simd::{self, Routine};
use std::fmt;
use std::str::FromStr;

/// An instruction set for which every kernel is compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Isa {
    /// AVX-512 with AMX beside it: tiles of `bf16` and of bytes.
    Amx,
    /// AVX-512 F, BW, DQ and VL.
    Avx512,
    /// AVX2 with FMA and F16C.
    Avx2,
    /// NEON, which every aarch64 processor has.
    Neon,
    /// What the compiler may take for granted on the target.
    Portable,
}

impl Isa {
    /// All of them, the fastest first.
    pub const ALL: [Self; 5] = [Self::Amx, Self::Avx512, Self::Avx2, Self::Neon, Self::Portable];

    /// True if this processor has the instruction set.
    pub fn is_available(self) -> bool {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Amx => simd::avx512::multiplies_tiles(),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => simd::avx512::available(),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => simd::avx2::available(),
            #[cfg(target_arch = "aarch64")]
            Self::Neon => true,
            Self::Portable => true,
            _ => false,
        }
    }

    /// True if this processor sums products of pairs of `bf16` in this instruction set, faster than
    /// those of `f32`.
    pub fn multiplies_pairs(self) -> bool {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => simd::avx512::multiplies_pairs(),
            _ => false,
        }
    }

    /// True if the instruction set has tiles, and this processor multiplies them.
    pub fn multiplies_tiles(self) -> bool {
        self == Self::Amx && self.is_available()
    }

    /// The instruction sets of this processor, the fastest first.
    pub fn available() -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(|isa| isa.is_available())
    }

    /// The one named by the environment variable `GRADUS_ISA`, else the fastest there is.
    ///
    /// # Errors
    /// One sentence, if the variable names an instruction set that does not exist or that this
    /// processor lacks.
    pub fn from_environment() -> Result<Self, String> {
        let Some(name) = std::env::var_os("GRADUS_ISA") else {
            return Ok(Self::available().next().unwrap_or(Self::Portable));
        };
        let have: Vec<String> = Self::available().map(|isa| isa.to_string()).collect();
        let name = name.to_string_lossy();
        match name.parse::<Self>() {
            Ok(isa) if isa.is_available() => Ok(isa),
            _ => Err(format!("GRADUS_ISA is '{name}': this processor has {}", have.join(", "))),
        }
    }

    /// Runs a routine compiled for this instruction set.
    ///
    /// # Panics
    /// If the processor lacks it.
    #[inline]
    pub fn run<R: Routine>(self, routine: R) -> R::Output {
        match self {
            Self::Portable => simd::portable::run(routine),
            #[cfg(target_arch = "x86_64")]
            Self::Amx | Self::Avx512 if simd::avx512::available() => {
                // SAFETY: the guard has asked the processor.
                unsafe { simd::avx512::run(routine) }
            }
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 if simd::avx2::available() => {
                // SAFETY: the guard has asked the processor.
                unsafe { simd::avx2::run(routine) }
            }
            #[cfg(target_arch = "aarch64")]
            Self::Neon => {
                // SAFETY: NEON is part of the target's baseline.
                unsafe { simd::neon::run(routine) }
            }
            _ => panic!("this processor does not have {self}"),
        }
    }

    /// Runs work on pairs of `bf16`, compiled for this instruction set.
    ///
    /// # Panics
    /// If the processor does not multiply them.
    #[inline]
    pub(crate) fn run_pairs<W: Work<f32, i32>>(self, work: W) -> W::Output {
        match (self, work) {
            #[cfg(target_arch = "x86_64")]
            (Self::Avx512, work) if simd::avx512::multiplies_pairs() => {
                // SAFETY: the guard has asked the processor.
                unsafe { simd::avx512::run_pairs(work) }
            }
            _ => panic!("{self} does not multiply pairs of bf16 on this processor"),
        }
    }

    /// Runs work on tiles.
    ///
    /// # Panics
    /// If the processor has none.
    #[inline]
    pub(crate) fn run_tiles<W: TileWork>(self, work: W) -> W::Output {
        match (self, work) {
            #[cfg(target_arch = "x86_64")]
            (Self::Amx, work) if simd::avx512::multiplies_tiles() => {
                // SAFETY: the guard has asked the processor.
                unsafe { simd::avx512::run_tiles(work) }
            }
            _ => panic!("{self} does not multiply tiles on this processor"),
        }
    }
}

impl fmt::Display for Isa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Amx => "amx",
            Self::Avx512 => "avx512",
            Self::Avx2 => "avx2",
            Self::Neon => "neon",
            Self::Portable => "portable",
        })
    }
}

impl FromStr for Isa {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|isa| isa.to_string() == name).ok_or_else(|| {
            format!("'{name}' is no instruction set: amx, avx512, avx2, neon or portable")
        })
    }
}
