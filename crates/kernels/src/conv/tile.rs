//! The register tile of the products whose vectors run along channels.

use crate::element::Number;
use crate::memory::ALIGN;
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
    /// What is to be brought into the cache meanwhile, if anything is.
    pub(super) ahead: Option<Ahead<M::Packed>>,
}

/// Memory that will be read soon. A block of a large weight takes about as long to come from memory as
/// its products take: asked for while those of the block before it are computed, it is there in time.
#[derive(Clone, Copy)]
pub(super) struct Ahead<P> {
    /// Where it starts; it need not be valid.
    from: *const P,
    /// How many bytes of it each step asks for.
    bytes: usize,
}

impl<P> Ahead<P> {
    /// The share of a tile from `row` on, where all tiles of `rows` rows and so many steps together ask
    /// for a block as long as theirs, from `next` on; none if the weight is not packed as a whole, or
    /// is so small that it stays in the cache.
    pub(super) fn share(
        weight: Option<&[P]>,
        (block, next): (&[P], *const P),
        row: usize,
        [rows, steps]: [usize; 2],
    ) -> Option<Self> {
        weight.filter(|weight| size_of_val(*weight) >= SMALL_BYTES)?;
        let bytes = size_of_val(block);
        let start = bytes * row / rows.max(1);
        // Tiles of fewer rows ask for some bytes that the next one asks for too. Of more than a line at
        // each step the rest is left to the processor.
        let each = (bytes * MOST_ROWS).div_ceil((rows * steps).max(1)).min(ALIGN);
        Some(Self { from: next.wrapping_byte_add(start), bytes: each })
    }
}

/// A weight of fewer bytes stays in the second-level cache.
const SMALL_BYTES: usize = 512 << 10;

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
    // SAFETY: the caller vouches for both.
    unsafe {
        match tile.ahead {
            Some(_) => sized::<M, true>(multiplier, count, vectors, tile),
            None => sized::<M, false>(multiplier, count, vectors, tile),
        }
    }
}

/// [`tile`], with or without something ahead.
///
/// # Safety
/// As for [`tile`].
#[inline(always)]
unsafe fn sized<M: Multiplier, const AHEAD: bool>(
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
            (true, 4, 5..) => fixed::<M, 6, 4, AHEAD>(multiplier, tile),
            (true, 4, _) => fixed::<M, 4, 4, AHEAD>(multiplier, tile),
            (true, 3, 5..) => fixed::<M, 8, 3, AHEAD>(multiplier, tile),
            (true, 3, _) => fixed::<M, 4, 3, AHEAD>(multiplier, tile),
            // More rows would need more registers for where they start than there are.
            (true, 2, 5..) => fixed::<M, 8, 2, AHEAD>(multiplier, tile),
            (true, 2, _) => fixed::<M, 4, 2, AHEAD>(multiplier, tile),
            (true, 1, 5..) => fixed::<M, 8, 1, AHEAD>(multiplier, tile),
            (true, 1, _) => fixed::<M, 4, 1, AHEAD>(multiplier, tile),
            (false, 2, 4..) => fixed::<M, 6, 2, AHEAD>(multiplier, tile),
            (false, 2, _) => fixed::<M, 3, 2, AHEAD>(multiplier, tile),
            (false, 1, 5..) => fixed::<M, 8, 1, AHEAD>(multiplier, tile),
            (false, 1, _) => fixed::<M, 4, 1, AHEAD>(multiplier, tile),
            _ => panic!("there is no tile of {vectors} vectors"),
        }
    }
}

/// The body of [`tile`].
///
/// # Safety
/// As for [`tile`].
#[inline(always)]
unsafe fn fixed<M: Multiplier, const ROWS: usize, const VECTORS: usize, const AHEAD: bool>(
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
    let nowhere = Ahead { from: tile.b, bytes: 0 };
    let Ahead { from: mut ahead, bytes } = tile.ahead.unwrap_or(nowhere);
    for &[left, right] in tile.steps {
        if AHEAD {
            isa.prefetch(ahead);
            ahead = ahead.wrapping_byte_add(bytes);
        }
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
