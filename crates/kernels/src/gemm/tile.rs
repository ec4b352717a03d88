//! The register tile of packed products.

use super::pack::Ahead;
use crate::element::Number;
use crate::multiplier::Multiplier;
use crate::simd::{Simd, Vector};

/// A tile of a product of packed panels: all rows of a panel of the left operand, and so many vectors
/// as a panel of the right one is wide.
#[derive(Clone, Copy)]
pub(super) struct Registers<M: Multiplier> {
    /// How many rows are wanted. All of the tile are written, or the first half if that will do.
    pub(super) rows: usize,
    /// The vectors in a row, no more than [`Simd::TILE_VECTORS`].
    pub(super) vectors: usize,
    /// How many packed numbers deep the panels are.
    pub(super) depth: usize,
    pub(super) a: *const M::Packed,
    pub(super) b: *const M::Packed,
    /// Where the sums lie.
    pub(super) c: *mut M::Scalar,
    /// The distance between rows of them.
    pub(super) c_stride: usize,
    /// Whether the products are added to what lies there.
    pub(super) accumulate: bool,
    /// What memory is asked for meanwhile.
    pub(super) ahead: Ahead,
}

/// After so many steps memory is asked for some more.
const AT_ONCE: usize = 8;

/// Computes a tile, all sums in registers.
///
/// # Safety
/// `a` must be valid for `depth * TILE_ROWS` reads, `b` for `depth * vectors` vectors, and `c` for
/// `vectors` vectors in each of `TILE_ROWS` rows that lie `c_stride` numbers apart.
///
/// # Panics
/// If there is no tile of that size.
#[inline(always)]
pub(super) unsafe fn compute<M: Multiplier>(multiplier: M, tile: Registers<M>) {
    // SAFETY: the caller vouches for the panels and the tile.
    unsafe {
        match tile.ahead.count() {
            0 => sized::<M, false>(multiplier, tile),
            _ => sized::<M, true>(multiplier, tile),
        }
    }
}

/// [`compute`], with or without memory to ask for.
///
/// # Safety
/// As for [`compute`].
#[inline(always)]
unsafe fn sized<M: Multiplier, const ASKS: bool>(multiplier: M, tile: Registers<M>) {
    // Tiles wider than the instruction set's own never occur, and are not compiled.
    let possible = if tile.vectors > M::Isa::TILE_VECTORS { 0 } else { tile.vectors };
    // SAFETY: the caller vouches for the panels and the tile.
    unsafe {
        match (M::Isa::TILE_ROWS, possible) {
            (8, 1) => rows::<M, 8, 4, 1, ASKS>(multiplier, tile),
            (8, 2) => rows::<M, 8, 4, 2, ASKS>(multiplier, tile),
            (8, 3) => rows::<M, 8, 4, 3, ASKS>(multiplier, tile),
            (6, 1) => rows::<M, 6, 3, 1, ASKS>(multiplier, tile),
            (6, 2) => rows::<M, 6, 3, 2, ASKS>(multiplier, tile),
            (4, 1) => rows::<M, 4, 2, 1, ASKS>(multiplier, tile),
            (rows, _) => panic!("there is no tile of {rows} rows and {} vectors", tile.vectors),
        }
    }
}

/// [`compute`] for all rows of a panel, or for half of them if no more are wanted.
///
/// # Safety
/// As for [`compute`].
#[inline(always)]
unsafe fn rows<
    M: Multiplier,
    const ROWS: usize,
    const HALF: usize,
    const VECTORS: usize,
    const ASKS: bool,
>(
    multiplier: M,
    tile: Registers<M>,
) {
    // SAFETY: the caller vouches for the panels and the tile.
    unsafe {
        match tile.rows <= HALF {
            true => fixed::<M, ROWS, HALF, VECTORS, ASKS>(multiplier, tile),
            false => fixed::<M, ROWS, ROWS, VECTORS, ASKS>(multiplier, tile),
        }
    }
}

/// The body of [`compute`].
///
/// Each step reads the first `ROWS` of a column of `PANEL` packed numbers of `a` and a row of `VECTORS`
/// vectors of `b`, and adds their outer product.
///
/// # Safety
/// As for [`compute`].
#[inline(always)]
unsafe fn fixed<
    M: Multiplier,
    const PANEL: usize,
    const ROWS: usize,
    const VECTORS: usize,
    const ASKS: bool,
>(
    multiplier: M,
    tile: Registers<M>,
) {
    let (isa, lanes) = (multiplier.isa(), M::Sums::LANES);
    let mut sums = [[M::Sums::splat(isa, M::Scalar::ZERO); VECTORS]; ROWS];
    let nothing = multiplier.splat(M::Packed::default());
    let mut ahead = tile.ahead;
    let at_once = if ASKS { AT_ONCE } else { tile.depth.max(1) };
    let each = (ahead.count() * at_once).div_ceil(tile.depth.max(1));
    for first in (0..tile.depth).step_by(at_once) {
        for _ in 0..if ASKS { each } else { 0 } {
            ahead.ask(isa);
        }
        for step in first..tile.depth.min(first + at_once) {
            let mut row = [nothing; VECTORS];
            for (j, vector) in row.iter_mut().enumerate() {
                // SAFETY: step < depth, so the read lies within the packed panel of `b`.
                *vector = unsafe { multiplier.read(tile.b.add((step * VECTORS + j) * lanes)) };
            }
            for (i, sums) in sums.iter_mut().enumerate() {
                // SAFETY: step < depth and i < PANEL, so the read lies within the packed panel of `a`.
                let left = multiplier.splat(unsafe { *tile.a.add(step * PANEL + i) });
                for (sum, right) in sums.iter_mut().zip(row) {
                    *sum = multiplier.multiply_add(left, right, *sum);
                }
            }
        }
    }
    for (i, sums) in sums.iter().enumerate() {
        for (j, sum) in sums.iter().enumerate() {
            // SAFETY: row i < ROWS and vector j < VECTORS lie within the tile of `c`.
            unsafe {
                let to = tile.c.add(i * tile.c_stride + j * lanes);
                let total = if tile.accumulate { M::Sums::read(isa, to) + *sum } else { *sum };
                total.write(to);
            }
        }
    }
}
