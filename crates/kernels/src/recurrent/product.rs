//! Products of a few rows with a matrix that is packed once for many of them.

use crate::gemm::{Operand, Plane};
use crate::memory::{Scratch, scratch};
use crate::simd::{Routine, Simd, Vector};
use crate::{Chunks, Float, Machine};
use std::marker::PhantomData;
use std::ops::Range;

/// How many products are summed in registers: so much of the panels stays in the inner cache.
const DEPTH: usize = 256;

/// How many vectors wide a panel is.
const VECTORS: usize = 3;

/// The right operand of products, in panels of some columns each.
///
/// A number of a product is summed in the order of depth, by the same steps whatever rows and
/// columns are computed beside it.
pub(super) struct Packed<T> {
    panels: Scratch<T>,
    depth: usize,
    /// How many columns a vector has.
    lanes: usize,
    /// The columns in whole vectors.
    vectors: usize,
}

impl<T: Float> Packed<T> {
    pub(super) fn new(on: Machine, matrix: Plane<'_, T>, depth: usize, columns: usize) -> Self {
        let lanes = on.isa.run(Lanes(PhantomData::<T>));
        let vectors = columns.div_ceil(lanes);
        let mut panels = scratch(depth * vectors * lanes);
        let width = VECTORS * lanes;
        let chunks = Chunks::new(&mut panels, (depth * width).max(1));
        on.for_each(chunks, depth * columns, |index, panel| {
            let width = panel.len() / depth;
            let start = index * VECTORS * lanes;
            let across = start..columns.min(start + width);
            on.isa.run(Pack { matrix, depth, across, width, panel });
        });
        Self { panels, depth, lanes, vectors }
    }

    /// How long a row of a product is: its columns in whole vectors.
    pub(super) fn row_len(&self) -> usize {
        self.vectors * self.lanes
    }

    /// Multiplies rows that lie `stride` apart, the first at the front of `left`; adds the product
    /// to `out`, rows of [`Self::row_len`], or writes it there.
    #[inline(always)]
    pub(super) fn multiply<S: Simd>(
        &self,
        isa: S,
        (left, stride): (&[T], usize),
        accumulate: bool,
        out: &mut [T],
    ) {
        let row_len = self.row_len();
        let rows = out.len() / row_len.max(1);
        if rows == 0 || self.depth == 0 {
            if !accumulate {
                out.fill(T::ZERO);
            }
            return;
        }
        assert!(left.len() >= (rows - 1) * stride + self.depth && out.len() == rows * row_len);
        for start in (0..self.depth).step_by(DEPTH) {
            let depth = DEPTH.min(self.depth - start);
            for vector in (0..self.vectors).step_by(VECTORS) {
                let vectors = VECTORS.min(self.vectors - vector);
                let first = vector * self.lanes * self.depth + start * vectors * self.lanes;
                let panel = &self.panels[first..][..depth * vectors * self.lanes];
                let mut row = 0;
                while row < rows {
                    let height = height::<S>(rows - row);
                    let tile = Tile {
                        depth,
                        left: left[row * stride + start..].as_ptr(),
                        stride,
                        panel: panel.as_ptr(),
                        out: out[row * row_len + vector * self.lanes..].as_mut_ptr(),
                        out_stride: row_len,
                        accumulate: accumulate || start > 0,
                    };
                    // SAFETY: `height` rows are left, whose numbers from `start` on `left` holds,
                    // the panel has `depth` rows of `vectors` vectors, and `out` has as many
                    // columns from there on in each row.
                    unsafe { tile.run_sized::<T::Vector<S>>(isa, height, vectors) };
                    row += height;
                }
            }
        }
    }
}

/// Packs some columns.
struct Pack<'a, T> {
    matrix: Plane<'a, T>,
    depth: usize,
    across: Range<usize>,
    width: usize,
    panel: &'a mut [T],
}

impl<T: Float> Routine for Pack<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, isa: S) {
        self.matrix.pack(isa, 0..self.depth, self.across, self.width, self.panel);
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

/// Asks an instruction set how long its vectors are.
struct Lanes<T>(PhantomData<T>);

impl<T: Float> Routine for Lanes<T> {
    type Output = usize;

    #[inline(always)]
    fn run<S: Simd>(self, _: S) -> usize {
        T::Vector::<S>::LANES
    }
}

/// A tile of a product whose left operand is not packed.
#[derive(Clone, Copy)]
struct Tile<T> {
    depth: usize,
    left: *const T,
    /// The distance between rows of the left operand.
    stride: usize,
    panel: *const T,
    out: *mut T,
    out_stride: usize,
    accumulate: bool,
}

impl<T: Float> Tile<T> {
    /// Computes 1, 2, 4 or 8 rows of one to three vectors.
    ///
    /// # Safety
    /// `left` must be valid for `depth` reads in each of `rows` rows, `panel` for `depth` rows of
    /// vectors, and `out` for writes of vectors in each of `rows` rows.
    #[inline(always)]
    unsafe fn run_sized<V: Vector<Scalar = T>>(self, isa: V::Isa, rows: usize, vectors: usize) {
        // Tiles with more rows than the instruction set's own never occur, and are not compiled.
        let possible = if rows > V::Isa::TILE_ROWS { 0 } else { rows };
        // SAFETY: the caller vouches for a tile of this size.
        unsafe {
            match (possible, vectors) {
                (8, 3) => self.run::<V, 8, 3>(isa),
                (8, 2) => self.run::<V, 8, 2>(isa),
                (8, 1) => self.run::<V, 8, 1>(isa),
                (4, 3) => self.run::<V, 4, 3>(isa),
                (4, 2) => self.run::<V, 4, 2>(isa),
                (4, 1) => self.run::<V, 4, 1>(isa),
                (2, 3) => self.run::<V, 2, 3>(isa),
                (2, 2) => self.run::<V, 2, 2>(isa),
                (2, 1) => self.run::<V, 2, 1>(isa),
                (1, 3) => self.run::<V, 1, 3>(isa),
                (1, 2) => self.run::<V, 1, 2>(isa),
                (1, 1) => self.run::<V, 1, 1>(isa),
                _ => panic!("there is no tile of {rows} rows and {vectors} vectors"),
            }
        }
    }

    /// # Safety
    /// As for [`Self::run_sized`].
    #[inline(always)]
    unsafe fn run<V: Vector<Scalar = T>, const ROWS: usize, const WIDTH: usize>(self, isa: V::Isa) {
        let mut sums = [[V::splat(isa, T::ZERO); WIDTH]; ROWS];
        // SAFETY: the caller vouches for ROWS rows.
        let rows: [*const T; ROWS] =
            std::array::from_fn(|i| unsafe { self.left.add(i * self.stride) });
        for step in 0..self.depth {
            let mut right = [sums[0][0]; WIDTH];
            for (j, vector) in right.iter_mut().enumerate() {
                // SAFETY: step < depth, so the read lies within the panel.
                *vector = unsafe { V::read(isa, self.panel.add((step * WIDTH + j) * V::LANES)) };
            }
            for (row, sums) in rows.iter().zip(&mut sums) {
                // SAFETY: step < depth, so the read lies within the row.
                let left = V::splat(isa, unsafe { *row.add(step) });
                for (sum, right) in sums.iter_mut().zip(right) {
                    *sum = left.mul_add(right, *sum);
                }
            }
        }
        for (i, sums) in sums.iter().enumerate() {
            for (j, sum) in sums.iter().enumerate() {
                // SAFETY: row i < ROWS and vector j < WIDTH lie within the tile of `out`.
                unsafe {
                    let to = self.out.add(i * self.out_stride + j * V::LANES);
                    let total = if self.accumulate { V::read(isa, to) + *sum } else { *sum };
                    total.write(to);
                }
            }
        }
    }
}
