//! The register tile of the products whose vectors run along channels.

use crate::element::Number;
use crate::simd::{Simd, Vector};

/// The most rows of any tile.
pub(super) const MOST_ROWS: usize = 8;

/// The vectors in a row of the widest tile. With 16 registers it is two: a tile of 4 rows of three
/// vectors would need every register, and in practice one more.
pub(super) const fn most_vectors<S: Simd>() -> usize {
    match S::TILE_VECTORS {
        1 => 1,
        _ if many_registers::<S>() => 4,
        _ => 2,
    }
}

/// Whether there are registers for 24 sums and what they are made of.
const fn many_registers<S: Simd>() -> bool {
    S::TILE_ROWS * S::TILE_VECTORS >= 24
}

/// A tile of a matrix product, neither of whose operands need be packed:
/// c[i, j] = Σ a[rows[i] + steps[k][0]] · b[steps[k][1] + j] over all steps k.
#[derive(Clone, Copy)]
pub(super) struct Tile<'a, T> {
    /// Where each row of the left operand starts.
    pub(super) rows: &'a [usize],
    /// How many numbers later each step of its depth lies, and where that of the right operand
    /// starts. (One table of both takes one register less than two.)
    pub(super) steps: &'a [[usize; 2]],
    pub(super) a: *const T,
    pub(super) b: *const T,
    /// Where the sums lie.
    pub(super) c: *mut T,
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
pub(super) unsafe fn tile<V: Vector>(
    isa: V::Isa,
    count: usize,
    vectors: usize,
    tile: Tile<'_, V::Scalar>,
) -> usize {
    let (many, most) = (many_registers::<V::Isa>(), most_vectors::<V::Isa>());
    // Tiles that need more registers than there are never occur, and are not compiled.
    let possible = if vectors > most { 0 } else { vectors };
    // SAFETY: the caller vouches for all of them.
    unsafe {
        match (many, possible, count) {
            (true, 4, 5..) => fixed::<V, 6, 4>(isa, tile),
            (true, 4, _) => fixed::<V, 4, 4>(isa, tile),
            (true, 3, 5..) => fixed::<V, 8, 3>(isa, tile),
            (true, 3, _) => fixed::<V, 4, 3>(isa, tile),
            // More rows would need more registers for where they start than there are.
            (true, 2, 5..) => fixed::<V, 8, 2>(isa, tile),
            (true, 2, _) => fixed::<V, 4, 2>(isa, tile),
            (true, 1, 5..) => fixed::<V, 8, 1>(isa, tile),
            (true, 1, _) => fixed::<V, 4, 1>(isa, tile),
            (false, 2, 4..) => fixed::<V, 6, 2>(isa, tile),
            (false, 2, _) => fixed::<V, 3, 2>(isa, tile),
            (false, 1, 5..) => fixed::<V, 8, 1>(isa, tile),
            (false, 1, _) => fixed::<V, 4, 1>(isa, tile),
            _ => panic!("there is no tile of {vectors} vectors"),
        }
    }
}

/// The body of [`tile`].
///
/// # Safety
/// As for [`tile`].
#[inline(always)]
unsafe fn fixed<V: Vector, const ROWS: usize, const VECTORS: usize>(
    isa: V::Isa,
    tile: Tile<'_, V::Scalar>,
) -> usize {
    let zero = V::splat(isa, Number::ZERO);
    let mut sums = [[zero; VECTORS]; ROWS];
    let mut rows = [tile.a; ROWS];
    for (row, &start) in rows.iter_mut().zip(&tile.rows[..ROWS]) {
        // SAFETY: the caller vouches for the rows.
        *row = unsafe { tile.a.add(start) };
    }
    for &[left, right] in tile.steps {
        let mut vectors = [zero; VECTORS];
        for (j, vector) in vectors.iter_mut().enumerate() {
            // SAFETY: the caller vouches for VECTORS vectors from each step's start on.
            *vector = unsafe { V::read(isa, tile.b.add(right + j * V::LANES)) };
        }
        for (sums, row) in sums.iter_mut().zip(rows) {
            // SAFETY: the caller vouches for each row and step.
            let left = V::splat(isa, unsafe { *row.add(left) });
            for (sum, vector) in sums.iter_mut().zip(vectors) {
                *sum = left.mul_add(vector, *sum);
            }
        }
    }
    for (i, sums) in sums.iter().enumerate() {
        for (j, &sum) in sums.iter().enumerate() {
            // SAFETY: the caller vouches for VECTORS vectors in each row.
            unsafe {
                let to = tile.c.add(i * tile.c_stride + j * V::LANES);
                let total = if tile.accumulate { V::read(isa, to) + sum } else { sum };
                total.write(to);
            }
        }
    }
    ROWS
}
