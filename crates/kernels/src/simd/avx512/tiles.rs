//! AMX: sums of the products of tiles.
//!
//! A tile is 16 rows of 64 bytes. `tdpbf16ps` adds to a tile of sums the products of two tiles of pairs
//! of `bf16`: denormal numbers count as zero, and sums are rounded to the nearest. `tdpbusd` adds those
//! of unsigned and signed bytes, four at a time, to integers.
//!
//! # Source
//! Intel: *64 and IA-32 Architectures Software Developer's Manual*, volume 1, chapter 18 (programming
//! with AMX), and volume 2, the instructions' operations.

use super::Avx512;
use crate::gemm::{PART, SIDE, STEP_BYTES, TileUnit, TileWork, products};
use std::arch::asm;
use std::sync::LazyLock;

/// Proof that the processor has AMX beside what [`Avx512`] proves, and that this thread has set it up.
#[derive(Clone, Copy, Debug)]
pub struct Tiles(());

/// How long and how many the rows of each of the eight tiles are, as `ldtilecfg` takes it.
#[repr(C, align(64))]
struct Layout {
    palette: u8,
    start_row: u8,
    reserved: [u8; 14],
    /// The bytes of a row; the last eight are reserved.
    row_bytes: [u16; 16],
    /// The rows; the last eight are reserved.
    rows: [u8; 16],
}

/// Eight tiles, all as large as can be.
static WHOLE: Layout = {
    let mut layout =
        Layout { palette: 1, start_row: 0, reserved: [0; 14], row_bytes: [0; 16], rows: [0; 16] };
    let mut tile = 0;
    while tile < 8 {
        (layout.row_bytes[tile], layout.rows[tile]) = (64, 16);
        tile += 1;
    }
    layout
};

/// Runs work compiled for AVX-512, with this thread's tiles set up.
///
/// # Safety
/// The processor must have what [`available`] asks for.
#[target_feature(
    enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c,bmi1,bmi2,popcnt,lzcnt"
)]
pub(crate) unsafe fn run<W: TileWork>(work: W) -> W::Output {
    // SAFETY: the processor has the instruction, and the layout is one that it knows.
    unsafe { asm!("ldtilecfg [{}]", in(reg) &raw const WHOLE, options(nostack, preserves_flags)) };
    let output = work.run(Tiles(()));
    // SAFETY: the processor has the instruction. What tiles hold need not be kept for this thread.
    unsafe { asm!("tilerelease", options(nomem, nostack, preserves_flags)) };
    output
}

/// True if the processor has what [`run`] needs, and the system lets this program use it.
pub(crate) fn available() -> bool {
    static AVAILABLE: LazyLock<bool> =
        LazyLock::new(|| super::available() && has_tiles() && permitted());
    *AVAILABLE
}

/// True if the processor has tiles of `bf16` and of bytes, and the system keeps them for a thread.
fn has_tiles() -> bool {
    const BF16: u32 = 1 << 22;
    const TILE: u32 = 1 << 24;
    const INT8: u32 = 1 << 25;
    const XSAVE_BY_SYSTEM: u32 = 1 << 27;
    /// The parts of a thread's state that are the layout of tiles and the tiles.
    const STATE: u32 = 0b11 << 17;
    let wanted = BF16 | TILE | INT8;
    if std::arch::x86_64::__cpuid(0).eax < 7
        || std::arch::x86_64::__cpuid_count(7, 0).edx & wanted != wanted
        || std::arch::x86_64::__cpuid(1).ecx & XSAVE_BY_SYSTEM == 0
    {
        return false;
    }
    let state: u32;
    // SAFETY: the system has switched the instruction on, as was asked.
    unsafe {
        asm!("xgetbv", in("ecx") 0, out("eax") state, out("edx") _, options(nomem, nostack));
    }
    state & STATE == STATE
}

/// Asks Linux to make room for tiles in the state of this program's threads.
#[cfg(target_os = "linux")]
fn permitted() -> bool {
    const REQUEST: libc::c_long = 0x1023;
    const TILES: libc::c_long = 18;
    // SAFETY: the call changes only what the system keeps of threads.
    unsafe { libc::syscall(libc::SYS_arch_prctl, REQUEST, TILES) == 0 }
}

/// Other systems need not be asked.
#[cfg(not(target_os = "linux"))]
fn permitted() -> bool {
    true
}

/// The bytes between rows of panels: of the left one, of the right one and of the sums.
const LEFT_ROW: usize = SIDE * 2;
const RIGHT_ROW: usize = SIDE * 4;
const SUMS_ROW: usize = SIDE * 4;

/// What lies in the lower half of a panel or of the sums is so many bytes behind the upper one.
const LOWER_LEFT: usize = 16 * LEFT_ROW;
const LOWER_SUMS: usize = 16 * SUMS_ROW;

/// The right half is a tile's row behind the left one.
const RIGHT_HALF: usize = 64;

/// Sets the four tiles of sums to zero.
macro_rules! clear {
    () => {
        asm!(
            "tilezero tmm0",
            "tilezero tmm1",
            "tilezero tmm2",
            "tilezero tmm3",
            options(nomem, nostack, preserves_flags)
        )
    };
}

/// Adds the products of a part of the left panel and one of the right one, by an instruction, to the
/// tiles of sums: those of the upper and the lower half of the left one and both halves of the right
/// one.
macro_rules! add {
    ($instruction:literal, $left:expr, $right:expr) => {
        asm!(
            "tileloadd tmm4, [{left} + {left_row}]",
            "tileloadd tmm6, [{right} + {right_row}]",
            concat!($instruction, " tmm0, tmm4, tmm6"),
            "tileloadd tmm7, [{right} + {right_row} + {RIGHT_HALF}]",
            concat!($instruction, " tmm1, tmm4, tmm7"),
            "tileloadd tmm5, [{left} + {left_row} + {LOWER_LEFT}]",
            concat!($instruction, " tmm2, tmm5, tmm6"),
            concat!($instruction, " tmm3, tmm5, tmm7"),
            left = in(reg) $left,
            right = in(reg) $right,
            left_row = in(reg) LEFT_ROW,
            right_row = in(reg) RIGHT_ROW,
            RIGHT_HALF = const RIGHT_HALF,
            LOWER_LEFT = const LOWER_LEFT,
            options(readonly, nostack, preserves_flags)
        )
    };
}

/// Writes the tiles of sums.
macro_rules! store {
    ($sums:expr) => {
        asm!(
            "tilestored [{sums} + {row}], tmm0",
            "tilestored [{sums} + {row} + {RIGHT_HALF}], tmm1",
            "tilestored [{sums} + {row} + {LOWER}], tmm2",
            "tilestored [{sums} + {row} + {LOWER} + {RIGHT_HALF}], tmm3",
            sums = in(reg) $sums,
            row = in(reg) SUMS_ROW,
            RIGHT_HALF = const RIGHT_HALF,
            LOWER = const LOWER_SUMS,
            options(nostack, preserves_flags)
        )
    };
}

impl TileUnit for Tiles {
    type Isa = Avx512;

    #[inline(always)]
    fn isa(self) -> Avx512 {
        Avx512(())
    }

    #[inline(always)]
    fn multiply<const PARTS: usize>(self, left: &[i32], right: &[i32], sums: &mut [f32]) {
        assert!(left.len() == right.len() && sums.len() == SIDE * SIDE);
        let steps = left.chunks_exact(PARTS * PART).zip(right.chunks_exact(PARTS * PART));
        // SAFETY: the token proves that this thread has tiles; a part is as long as what is read of
        // it, and there are as many sums as are written.
        unsafe {
            clear!();
            for (left, right) in steps {
                for &[i, j] in products(PARTS) {
                    let (left, right) = (&left[i * PART..][..PART], &right[j * PART..][..PART]);
                    add!("tdpbf16ps", left.as_ptr(), right.as_ptr());
                }
            }
            store!(sums.as_mut_ptr());
        }
    }

    #[inline(always)]
    fn multiply_bytes(self, left: &[u8], right: &[u8], sums: &mut [i32]) {
        assert!(left.len() == right.len() && sums.len() == SIDE * SIDE);
        let steps = left.chunks_exact(STEP_BYTES).zip(right.chunks_exact(STEP_BYTES));
        // SAFETY: as above.
        unsafe {
            clear!();
            for (left, right) in steps {
                add!("tdpbusd", left.as_ptr(), right.as_ptr());
            }
            store!(sums.as_mut_ptr());
        }
    }
}
