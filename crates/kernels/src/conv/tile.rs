//! The register tile of the products whose vectors run along channels.

use crate::element::Number;
use crate::multiplier::Multiplier;
use crate::simd::{Simd, Vector};

/// The most rows of any tile.
pub(super) const MOST_ROWS: usize = 8;

/// The vectors in a row of the widest tile.
pub(super) const fn most_vectors<S: Simd>() -> usize {
    if many_registers::<S>() { 4 } else { S::TILE_VECTORS }
}

/// Whether there are registers for 24 sums and what they are made of.
const fn many_registers<S: Simd>() -> bool {
    S::TILE_ROWS * S::TILE_VECTORS >= 24
}

/// A tile of a matrix product, neither of whose operands need lie in panels:
/// c[i, j] = Σ a[rows[i] + steps[k][0]] · b[steps[k][1] + j] over all steps k.
#[derive(Clone, Copy)]
pub(super) struct Tile<'a, M: Multiplier> {
    /// Where each row of the left operand starts.
    pub(super) rows: &'a [usize],
    /// How many numbers later each step of its depth lies, and where that of the right operand
    /// starts. (One table of both takes one register less than two.)
    pub(super) steps: &'a [[usize; 2]],
    pub(super) a: *const M::Packed,
    pub(super) b: *const M::Packed,
    /// Where the sums lie.
    pub(super) c: *mut M::Scalar,
    /// The distance between rows of them.
    pub(super) c_stride: usize,
    /// Whether the products are added to what lies there.
    pub(super) accumulate: bool,
}

/// Computes the tile's rows from the first on, as many as the registers hold, of some vectors each,
/// and says how many that were: there may be some less than [`MOST_ROWS`] too many.
///
/// # Safety
/// `a` must be valid for reads at each row and step, `b` for so many vectors at each step, and `c`
/// for so many vectors in each row. `rows` must go on for [`MOST_ROWS`] rows behind the `count` that
/// matter; all this holds for them too.
///
/// # Panics
/// If there is no tile of that width.
#[inline(always)]
pub(super) unsafe fn tile<M: Multiplier>(
    multiplier: M,
    count: usize,
    vectors: usize,
    tile: Tile<'_, M>,
) -> usize {
    let (many, most) = (many_registers::<M::Isa>(), most_vectors::<M::Isa>());
    // Tiles that need more registers than there are never occur, and are not compiled.
    let possible = if vectors > most { 0 } else { vectors };
    // SAFETY: the caller vouches for all of them.
    unsafe {
        match (many, possible, count) {
            (true, 4, 5..) => fixed::<M, 6, 4>(multiplier, tile),
            (true, 4, _) => fixed::<M, 4, 4>(multiplier, tile),
            (true, 3, 5..) => fixed::<M, 8, 3>(multiplier, tile),
            (true, 3, _) => fixed::<M, 4, 3>(multiplier, tile),
            // More rows would need more registers for where they start than there are.
            (true, 2, 5..) => fixed::<M, 8, 2>(multiplier, tile),
            (true, 2, _) => fixed::<M, 4, 2>(multiplier, tile),
            (true, 1, 5..) => fixed::<M, 8, 1>(multiplier, tile),
            (true, 1, _) => fixed::<M, 4, 1>(multiplier, tile),
            (false, 2, 4..) => fixed::<M, 6, 2>(multiplier, tile),
            (false, 2, _) => fixed::<M, 3, 2>(multiplier, tile),
            (false, 1, 5..) => fixed::<M, 8, 1>(multiplier, tile),
            (false, 1, _) => fixed::<M, 4, 1>(multiplier, tile),
            _ => panic!("there is no tile of {vectors} vectors"),
        }
    }
}

/// The body of [`tile`].
///
/// # Safety
/// As for [`tile`].
#[inline(always)]
unsafe fn fixed<M: Multiplier, const ROWS: usize, const VECTORS: usize>(
    multiplier: M,
    tile: Tile<'_, M>,
) -> usize {
    let (isa, lanes) = (multiplier.isa(), M::Sums::LANES);
    let nothing = multiplier.splat(M::Packed::default());
    let mut sums = [[M::Sums::splat(isa, M::Scalar::ZERO); VECTORS]; ROWS];
    let mut rows = [tile.a; ROWS];
    for (row, &start) in rows.iter_mut().zip(&tile.rows[..ROWS]) {
        // SAFETY: the caller vouches for the rows.
        *row = unsafe { tile.a.add(start) };
    }
    for &[left, right] in tile.steps {
        let mut vectors = [nothing; VECTORS];
        for (j, vector) in vectors.iter_mut().enumerate() {
            // SAFETY: the caller vouches for VECTORS vectors from each step's start on.
            *vector = unsafe { multiplier.read(tile.b.add(right + j * lanes)) };
        }
        for (sums, row) in sums.iter_mut().zip(rows) {
            // SAFETY: the caller vouches for each row and step.
            let left = multiplier.splat(unsafe { *row.add(left) });
            for (sum, vector) in sums.iter_mut().zip(vectors) {
                *sum = multiplier.multiply_add(left, vector, *sum);
            }
        }
    }
    for (i, sums) in sums.iter().enumerate() {
        for (j, &sum) in sums.iter().enumerate() {
            // SAFETY: the caller vouches for VECTORS vectors in each row.
            unsafe {
                let to = tile.c.add(i * tile.c_stride + j * lanes);
                let total = if tile.accumulate { M::Sums::read(isa, to) + sum } else { sum };
                total.write(to);
            }
        }
    }
    ROWS
}
