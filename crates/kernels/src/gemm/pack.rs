//! Copying parts of operands into panels, in the order in which the tile reads them.

use crate::Float;
use std::ops::Range;

/// How wide the left panels of most instruction sets are.
const LINES: usize = 8;

/// An operand of a matrix product: numbers with a depth (the index that is summed over) and an
/// index across (the row of a left operand, the column of a right one).
pub trait Operand<T>: Sync {
    /// Copies a part of the operand into a panel: number (k, j) of the part becomes
    /// `panel[k * width + j]`, and zeros fill up the width.
    fn pack(&self, depth: Range<usize>, across: Range<usize>, width: usize, panel: &mut [T]);
}

/// An operand that is a matrix in memory with any strides.
#[derive(Clone, Copy, Debug)]
pub struct Plane<'a, T> {
    /// The memory the matrix lies in.
    pub data: &'a [T],
    /// Where its first number lies.
    pub offset: usize,
    /// The distance between neighbours in depth.
    pub depth_stride: isize,
    /// The distance between neighbours across.
    pub across_stride: isize,
}

impl<T: Float> Operand<T> for Plane<'_, T> {
    #[inline(always)]
    fn pack(&self, depth: Range<usize>, across: Range<usize>, width: usize, panel: &mut [T]) {
        let count = across.len();
        let start = |k: usize, j: usize| {
            let step = (depth.start + k) as isize * self.depth_stride
                + (across.start + j) as isize * self.across_stride;
            self.offset.wrapping_add_signed(step)
        };
        if self.across_stride == 1 {
            for (k, row) in panel.chunks_exact_mut(width).take(depth.len()).enumerate() {
                row[..count].copy_from_slice(&self.data[start(k, 0)..][..count]);
                row[count..].fill(T::ZERO);
            }
            return;
        }
        if count < width {
            panel.fill(T::ZERO);
        }
        if self.depth_stride == 1 {
            if (count, width) == (LINES, LINES) {
                let lines = std::array::from_fn(|j| &self.data[start(0, j)..][..depth.len()]);
                return interleave(lines, panel);
            }
            for j in 0..count {
                let line = &self.data[start(0, j)..][..depth.len()];
                for (row, &value) in panel.chunks_exact_mut(width).zip(line) {
                    row[j] = value;
                }
            }
            return;
        }
        for (k, row) in panel.chunks_exact_mut(width).take(depth.len()).enumerate() {
            for (j, value) in row[..count].iter_mut().enumerate() {
                *value = self.data[start(k, j)];
            }
        }
    }
}

/// Packs as many lines as a panel is wide, all at once: each comes from memory by itself, and none
/// waits for another.
#[inline(always)]
fn interleave<T: Float>(lines: [&[T]; LINES], panel: &mut [T]) {
    let len = lines[0].len();
    let lines = lines.map(|line| &line[..len]);
    for (k, row) in panel.chunks_exact_mut(LINES).take(len).enumerate() {
        for (value, line) in row.iter_mut().zip(&lines) {
            *value = line[k];
        }
    }
}
