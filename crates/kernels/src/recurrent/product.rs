//! Products of a few rows with a matrix that is packed once for many of them.

use crate::gemm::{Cut, Plane};
use crate::memory::{Scratch, scratch};
use crate::multiplier::{Format, Multiplier, Pack, PackedNumbers};
use crate::simd::{Routine, Simd, Vector};
use crate::{Chunks, Element, Float, Machine, Number};
use std::marker::PhantomData;

/// How many packed numbers are multiplied and summed in registers: so much of the panels stays in the
/// inner cache.
const DEPTH: usize = 256;

/// The right operand of products, in panels of some columns each.
///
/// A number of a product is summed in the order of depth, by the same steps whatever rows and
/// columns are computed beside it.
pub(super) struct Packed<P> {
    panels: Scratch<P>,
    /// The numbers that each sum has products of, and the packed ones that hold them.
    numbers: usize,
    depth: usize,
    /// How many columns a vector has.
    lanes: usize,
    /// How many vectors wide a panel is.
    width: usize,
    /// The columns in whole vectors.
    vectors: usize,
}

impl<P: Element> Packed<P> {
    pub(super) fn new<T: Float, F: Format<T, Packed = P>>(
        on: Machine,
        matrix: Plane<'_, T>,
        numbers: usize,
        columns: usize,
    ) -> Self {
        let (lanes, width) = on.isa.run(Widths(PhantomData::<T>));
        let vectors = columns.div_ceil(lanes);
        let depth = numbers.div_ceil(F::STEPS);
        let mut panels = scratch(depth * vectors * lanes);
        let chunks = Chunks::new(&mut panels, (depth * width * lanes).max(1));
        on.for_each(chunks, numbers * columns, |index, panel| {
            let start = index * width * lanes;
            let width = panel.len() / depth;
            let across = start..columns.min(start + width);
            let (cut, distance) = (Cut { depth: 0..numbers, across, width }, panel.len());
            F::run(on.isa, Pack { operand: &matrix, cut, panels: (panel, distance) });
        });
        Self { panels, numbers, depth, lanes, width, vectors }
    }

    /// How long a row of a product is: its columns in whole vectors.
    pub(super) fn row_len(&self) -> usize {
        self.vectors * self.lanes
    }

    /// Multiplies rows that lie `stride` apart, the first at the front of `left`; adds the product
    /// to `out`, rows of [`Self::row_len`], or writes it there.
    #[inline(always)]
    pub(super) fn multiply<M: Multiplier<Packed = P>>(
        &self,
        multiplier: M,
        (left, stride): (&[M::Scalar], usize),
        accumulate: bool,
        out: &mut [M::Scalar],
    ) {
        let row_len = self.row_len();
        let rows = out.len() / row_len.max(1);
        if rows == 0 || self.depth == 0 {
            if !accumulate {
                out.fill(M::Scalar::ZERO);
            }
            return;
        }
        assert!(left.len() >= (rows - 1) * stride + self.numbers && out.len() == rows * row_len);
        let (left, stride) = self.rows(multiplier, (left, stride), rows);
        for start in (0..self.depth).step_by(DEPTH) {
            let depth = DEPTH.min(self.depth - start);
            for vector in (0..self.vectors).step_by(self.width) {
                let vectors = self.width.min(self.vectors - vector);
                let first = vector * self.lanes * self.depth + start * vectors * self.lanes;
                let panel = &self.panels[first..][..depth * vectors * self.lanes];
                let mut row = 0;
                while row < rows {
                    let height = height::<M::Isa>(rows - row);
                    let tile = Tile::<M> {
                        depth,
                        left: left[row * stride + start..].as_ptr(),
                        stride,
                        panel: panel.as_ptr(),
                        out: out[row * row_len + vector * self.lanes..].as_mut_ptr(),
                        out_stride: row_len,
                        accumulate: accumulate || start > 0,
                    };
                    // SAFETY: `height` rows are left, whose packed numbers from `start` on `left`
                    // holds, the panel has `depth` rows of `vectors` vectors, and `out` has as many
                    // columns from there on in each row.
                    unsafe { tile.run_sized(multiplier, height, vectors) };
                    row += height;
                }
            }
        }
    }

    /// Packed rows, and how far they lie apart.
    #[inline(always)]
    fn rows<'a, M: Multiplier<Packed = P>>(
        &self,
        multiplier: M,
        (left, stride): (&'a [M::Scalar], usize),
        rows: usize,
    ) -> (PackedNumbers<'a, P>, usize) {
        if let Some(packed) = M::as_packed(left) {
            return (PackedNumbers::InPlace(packed), stride);
        }
        let mut packed = scratch(rows * self.depth);
        for (row, packed) in packed.chunks_exact_mut(self.depth).enumerate() {
            multiplier.pack_neighbours(&left[row * stride..][..self.numbers], packed);
        }
        (PackedNumbers::Copied(packed), self.depth)
    }
}

/// How many rows the next tile takes of those that are left.
#[inline(always)]
fn height<S: Simd>(rows: usize) -> usize {
    let mut height = S::TILE_ROWS;
    while height > rows {
        height /= 2;
    }
    height
}

/// Asks an instruction set how long its vectors are, and how many of them its tile is wide.
struct Widths<T>(PhantomData<T>);

impl<T: Float> Routine for Widths<T> {
    type Output = (usize, usize);

    #[inline(always)]
    fn run<S: Simd>(self, _: S) -> (usize, usize) {
        (T::Vector::<S>::LANES, S::TILE_VECTORS)
    }
}

/// A tile of a product whose left operand lies in rows, not in panels.
#[derive(Clone, Copy)]
struct Tile<M: Multiplier> {
    depth: usize,
    left: *const M::Packed,
    /// The distance between rows of the left operand.
    stride: usize,
    panel: *const M::Packed,
    out: *mut M::Scalar,
    out_stride: usize,
    accumulate: bool,
}

impl<M: Multiplier> Tile<M> {
    /// Computes all rows of the instruction set's tile, or what halving them gives, of one to three
    /// vectors.
    ///
    /// # Safety
    /// `left` must be valid for `depth` reads in each of `rows` rows, `panel` for `depth` rows of
    /// vectors, and `out` for writes of vectors in each of `rows` rows.
    #[inline(always)]
    unsafe fn run_sized(self, multiplier: M, rows: usize, vectors: usize) {
        // Tiles with more rows than the instruction set's own, or wider, never occur, and are not
        // compiled.
        let (tall, wide) = (M::Isa::TILE_ROWS, M::Isa::TILE_VECTORS);
        let possible = if rows > tall || vectors > wide { 0 } else { rows };
        // SAFETY: the caller vouches for a tile of this size.
        unsafe {
            match (possible, vectors) {
                (8, 3) => self.run::<8, 3>(multiplier),
                (8, 2) => self.run::<8, 2>(multiplier),
                (8, 1) => self.run::<8, 1>(multiplier),
                (6, 2) if tall == 6 => self.run::<6, 2>(multiplier),
                (6, 1) if tall == 6 => self.run::<6, 1>(multiplier),
                (3, 2) if tall == 6 => self.run::<3, 2>(multiplier),
                (3, 1) if tall == 6 => self.run::<3, 1>(multiplier),
                (4, 3) => self.run::<4, 3>(multiplier),
                (4, 2) => self.run::<4, 2>(multiplier),
                (4, 1) => self.run::<4, 1>(multiplier),
                (2, 3) => self.run::<2, 3>(multiplier),
                (2, 2) => self.run::<2, 2>(multiplier),
                (2, 1) => self.run::<2, 1>(multiplier),
                (1, 3) => self.run::<1, 3>(multiplier),
                (1, 2) => self.run::<1, 2>(multiplier),
                (1, 1) => self.run::<1, 1>(multiplier),
                _ => panic!("there is no tile of {rows} rows and {vectors} vectors"),
            }
        }
    }

    /// # Safety
    /// As for [`Self::run_sized`].
    #[inline(always)]
    unsafe fn run<const ROWS: usize, const WIDTH: usize>(self, multiplier: M) {
        let (isa, lanes) = (multiplier.isa(), M::Sums::LANES);
        let mut sums = [[M::Sums::splat(isa, M::Scalar::ZERO); WIDTH]; ROWS];
        let nothing = multiplier.splat(M::Packed::default());
        // SAFETY: the caller vouches for ROWS rows.
        let rows: [*const M::Packed; ROWS] =
            std::array::from_fn(|i| unsafe { self.left.add(i * self.stride) });
        for step in 0..self.depth {
            let mut right = [nothing; WIDTH];
            for (j, vector) in right.iter_mut().enumerate() {
                // SAFETY: step < depth, so the read lies within the panel.
                *vector = unsafe { multiplier.read(self.panel.add((step * WIDTH + j) * lanes)) };
            }
            for (row, sums) in rows.iter().zip(&mut sums) {
                // SAFETY: step < depth, so the read lies within the row.
                let left = multiplier.splat(unsafe { *row.add(step) });
                for (sum, right) in sums.iter_mut().zip(right) {
                    *sum = multiplier.multiply_add(left, right, *sum);
                }
            }
        }
        for (i, sums) in sums.iter().enumerate() {
            for (j, sum) in sums.iter().enumerate() {
                // SAFETY: row i < ROWS and vector j < WIDTH lie within the tile of `out`.
                unsafe {
                    let to = self.out.add(i * self.out_stride + j * lanes);
                    let total = if self.accumulate { M::Sums::read(isa, to) + *sum } else { *sum };
                    total.write(to);
                }
            }
        }
    }
}
