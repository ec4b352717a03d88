//! The register tile of integers.

use super::dots::{Dots, Int};
use super::{Ends, ROWS, STEP, WIDTH};
use crate::simd::{Bits, Simd, Vector};

/// How many vectors of output channels a tile is wide.
const VECTORS: usize = 2;

/// What a panel of output channels meets.
pub(super) struct Tile<'a> {
    /// The images, in which each output reads from a start of its own on.
    pub(super) codes: &'a [u8],
    /// How far behind the start what each tap meets lies.
    pub(super) taps: &'a [usize],
    /// How often [`STEP`] channels there are at a tap.
    pub(super) steps: usize,
    /// The packed panel.
    pub(super) weight: &'a [u8],
    pub(super) ends: &'a Ends,
    /// The panel's first channel.
    pub(super) first: usize,
}

impl Tile<'_> {
    /// Computes some outputs, given where each starts: of each row of the block one.
    #[inline(always)]
    pub(super) fn rows<D: Dots>(
        &self,
        dots: D,
        starts: &[usize; ROWS],
        count: usize,
        block: &mut [f32],
    ) {
        let tall = D::Isa::TILE_ROWS;
        let width = VECTORS * <D::Isa as Simd>::F32::LANES;
        // What is read lies within: at most the last tap behind the last start.
        let last = starts.iter().max().copied().unwrap_or(0)
            + self.taps.iter().max().copied().unwrap_or(0)
            + self.steps * STEP;
        assert!(last <= self.codes.len());
        assert!(self.weight.len() == self.taps.len() * self.steps * WIDTH * STEP);
        assert!(block.len() == ROWS * WIDTH);
        for column in (0..WIDTH).step_by(width) {
            let mut row = 0;
            while row < count {
                // A tile may compute outputs behind the last, which are as good as others.
                // SAFETY: all starts of rows up to ROWS, a multiple of the tile's rows, lie within the
                // images with all taps, as was checked, and the panel and the block hold all columns.
                row += unsafe {
                    match tall {
                        8 => self.sum::<D, 8>(dots, &starts[row..], row, column, block),
                        _ => self.sum::<D, 4>(dots, &starts[row..], row, column, block),
                    }
                };
            }
        }
    }

    /// Computes R outputs of [`VECTORS`] vectors of channels, and says how many these were.
    ///
    /// # Safety
    /// There must be R starts, R rows in the block from `row` on, and from each start on what all taps
    /// read.
    #[inline(always)]
    unsafe fn sum<D: Dots, const R: usize>(
        &self,
        dots: D,
        starts: &[usize],
        row: usize,
        column: usize,
        block: &mut [f32],
    ) -> usize {
        let (isa, lanes) = (dots.isa(), <D::Isa as Simd>::F32::LANES);
        let zero = <D::Isa as Simd>::F32::splat(isa, 0.0);
        let mut begin = [zero.int(0); VECTORS];
        for (j, begin) in begin.iter_mut().enumerate() {
            let starts = &self.ends.starts[self.first + column + j * lanes..][..lanes];
            // SAFETY: the slice holds a vector.
            *begin = unsafe { read::<D>(dots, starts.as_ptr().cast()) };
        }
        let mut sums = [begin; R];
        let mut rows = [self.codes.as_ptr(); R];
        for (row, &start) in rows.iter_mut().zip(starts) {
            *row = row.wrapping_add(start);
        }
        let mut weight = self.weight.as_ptr().wrapping_add(column * STEP);
        for &tap in self.taps {
            for offset in (tap..tap + self.steps * STEP).step_by(STEP) {
                let mut signed = begin;
                for (j, signed) in signed.iter_mut().enumerate() {
                    // SAFETY: each step of the panel holds WIDTH columns.
                    *signed = unsafe { read::<D>(dots, weight.add(j * lanes * STEP)) };
                }
                weight = weight.wrapping_add(WIDTH * STEP);
                for (sums, row) in sums.iter_mut().zip(rows) {
                    // SAFETY: the caller vouches for what each tap reads.
                    let codes = unsafe { row.add(offset).cast::<i32>().read_unaligned() };
                    let unsigned = zero.int(codes);
                    for (sum, &signed) in sums.iter_mut().zip(&signed) {
                        *sum = dots.add(unsigned, signed, *sum);
                    }
                }
            }
        }
        let mut ends = [[zero; 2]; VECTORS];
        for (j, ends) in ends.iter_mut().enumerate() {
            let channel = self.first + column + j * lanes;
            let factor = <D::Isa as Simd>::F32::load(isa, &self.ends.factors[channel..]);
            *ends = [factor, <D::Isa as Simd>::F32::load(isa, &self.ends.terms[channel..])];
        }
        let least = <D::Isa as Simd>::F32::splat(isa, self.ends.least);
        let to = block.as_mut_ptr().wrapping_add(row * WIDTH + column);
        for (i, sums) in sums.iter().enumerate() {
            for (j, (&sum, end)) in sums.iter().zip(ends).enumerate() {
                let number = finished(sum, end, least);
                // SAFETY: the caller vouches for R rows of the block, which hold all columns.
                unsafe { number.write(to.add(i * WIDTH + j * lanes)) };
            }
        }
        R
    }
}

/// What becomes of sums.
#[inline(always)]
pub(super) fn finished<V: Bits>(sums: V::Int, [factor, term]: [V; 2], least: V) -> V {
    (V::from_int(sums) * factor + term).maximum(least)
}

/// Reads a register of integers.
///
/// # Safety
/// `from` must be valid for reads of as many bytes as a register has.
#[inline(always)]
unsafe fn read<D: Dots>(dots: D, from: *const u8) -> Int<D> {
    // SAFETY: the caller vouches for the bytes; any bits are a float.
    unsafe { <D::Isa as Simd>::F32::read(dots.isa(), from.cast()) }.to_bits()
}
