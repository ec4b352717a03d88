//! Products by tiles of `bf16`, of numbers that are rounded or split.
//!
//! A number of `f32` is the sum of three of `bf16`: what it is rounded to, what then remains of it
//! rounded, and what remains of that. Six products of such parts, all but the smallest three, are as
//! exact as a product of `f32`; three have an error of about 10⁻⁵; one is that of the rounded numbers.
//! `docs/split.md` has the errors, and the reasons for the check in [`may_split`].
//!
//! # Source
//! G. Henry, P. T. P. Tang, A. Heinecke: *Leveraging the bfloat16 Artificial Intelligence Datatype For
//! Higher-Precision Computations*, ARITH 2019 (arXiv:1904.06376).

use super::engine::{Engine, PanelWork, Shape, Tile, Unit};
use super::pack::{Ahead, Cut, Operand, Plane};
use super::{Operands, Size};
use crate::memory::scratch;
use crate::simd::{Bits, IntVector, Routine, Simd, Vector};
use crate::{Chunks, Float, Isa, Machine, Precision};
use bytemuck::cast_slice_mut;
use std::slice;

/// The rows and the columns of a tile of sums, and how many numbers of depth it takes at a time.
pub const SIDE: usize = 32;

/// How many pairs of numbers one part of a step of a panel has.
pub const PART: usize = SIDE * SIDE / 2;

/// How many bytes such a part has, which are as many codes of eight bits.
pub const STEP_BYTES: usize = PART * 4;

/// How many times as many products as packed numbers there must be. To split a number takes about as
/// long as some tens of multiply-adds of `f32`, to round it as some of them.
const PRODUCTS_A_SPLIT: usize = 48;
const PRODUCTS_A_ROUNDING: usize = 16;

/// Which part of the left numbers is multiplied with which of the right ones, the smallest products
/// first.
pub const fn products(parts: usize) -> &'static [[usize; 2]] {
    match parts {
        1 => &[[0, 0]],
        2 => &[[1, 0], [0, 1], [0, 0]],
        _ => &[[2, 0], [0, 2], [1, 1], [1, 0], [0, 1], [0, 0]],
    }
}

/// What multiplies tiles. Like a token of [`Simd`] it can only be had where the processor has the
/// instructions.
pub trait TileUnit: Copy + Send + Sync {
    /// The instruction set that packs.
    type Isa: Simd;

    /// The token of the instruction set.
    fn isa(self) -> Self::Isa;

    /// Sums the [`products`] of parts of the left panel with parts of the right one, step by step.
    ///
    /// A step of a panel is [`PART`] pairs of `bf16`, the lower in depth in the low half, for each
    /// part: of the left panel row by row, of the right one pair by pair in depth. The sums are
    /// [`SIDE`] rows of as many.
    ///
    /// # Panics
    /// If the panels are not equally long, or there are not as many sums.
    fn multiply<const PARTS: usize>(self, left: &[i32], right: &[i32], sums: &mut [f32]);

    /// Sums the products of unsigned bytes on the left with signed ones on the right, step by step.
    ///
    /// A step is [`STEP_BYTES`]: on the left [`SIDE`] rows of 64 in depth, on the right 16 lines of
    /// [`SIDE`] columns of four in depth. The sums are [`SIDE`] rows of as many.
    ///
    /// # Panics
    /// As [`TileUnit::multiply`].
    fn multiply_bytes(self, left: &[u8], right: &[u8], sums: &mut [i32]);
}

/// Something that is computed with tiles.
pub trait TileWork {
    /// What the work gives back.
    type Output;
    /// Does the work. Mark it `#[inline(always)]`, and all it calls in its hot loops.
    fn run<U: TileUnit>(self, unit: U) -> Self::Output;
}

/// Multiplies numbers split into so many parts by the processor's tiles.
#[derive(Clone, Copy, Debug)]
pub struct InTiles<const PARTS: usize>;

impl<const PARTS: usize> Engine<f32> for InTiles<PARTS> {
    type Packed = i32;

    fn has_tiles(isa: Isa) -> bool {
        isa.multiplies_tiles()
    }

    #[inline]
    fn run<W: PanelWork<f32, i32>>(isa: Isa, work: W) -> W::Output {
        isa.run_tiles(WithTiles::<W, PARTS>(work))
    }
}

/// Work on panels of so many parts for a unit of tiles.
struct WithTiles<W, const PARTS: usize>(W);

impl<W: PanelWork<f32, i32>, const PARTS: usize> TileWork for WithTiles<W, PARTS> {
    type Output = W::Output;

    #[inline(always)]
    fn run<U: TileUnit>(self, unit: U) -> W::Output {
        self.0.run(PartsUnit::<U, PARTS>(unit))
    }
}

/// Multiplies panels of so many parts.
#[derive(Clone, Copy)]
pub(crate) struct PartsUnit<U, const PARTS: usize>(pub(crate) U);

impl<U: TileUnit, const PARTS: usize> PartsUnit<U, PARTS> {
    /// Multiplies panels of so many steps into a square of [`SIDE`] rows, which lie so far apart, or adds
    /// the products to what is there.
    ///
    /// # Panics
    /// If a panel is shorter, or the square lies beyond the sums.
    #[inline(always)]
    pub(crate) fn multiply_into(
        self,
        [left, right]: [&[i32]; 2],
        steps: usize,
        (sums, pitch): (&mut [f32], usize),
        accumulate: bool,
    ) {
        let tile = Tile {
            left,
            right,
            width: SIDE,
            steps,
            rows: SIDE,
            columns: SIDE,
            c: sums[..(SIDE - 1) * pitch + SIDE].as_mut_ptr(),
            c_stride: pitch,
            accumulate,
            ahead: Ahead::NOTHING,
        };
        // SAFETY: the sums are borrowed, and hold the tile's rows.
        unsafe { self.multiply(tile) };
    }

    /// Splits numbers, which are whole tiles' rows; neighbours become pairs, the pairs of each part so
    /// far behind those of the one before.
    #[inline(always)]
    pub(crate) fn split_neighbours(self, numbers: &[f32], packed: &mut [i32], distance: usize) {
        let (isa, lanes) = (self.0.isa(), Lanes::<U>::LANES);
        for (i, numbers) in numbers.chunks_exact(2 * lanes).enumerate() {
            let (first, second) = numbers.split_at(lanes);
            let first = Lanes::<U>::load(isa, first);
            let pairs = first.deinterleave(Lanes::<U>::load(isa, second));
            split::<_, PARTS>(pairs.into(), &mut packed[i * lanes..], distance);
        }
    }

    /// Splits the numbers of two lines, which are whole vectors; those at the same place become pairs.
    #[inline(always)]
    pub(crate) fn split_lines(self, lines: [&[f32]; 2], packed: &mut [i32], distance: usize) {
        let (isa, lanes) = (self.0.isa(), Lanes::<U>::LANES);
        let [low, high] = lines.map(|line| line.chunks_exact(lanes));
        for (i, (low, high)) in low.zip(high).enumerate() {
            let pairs = [Lanes::<U>::load(isa, low), Lanes::<U>::load(isa, high)];
            split::<_, PARTS>(pairs, &mut packed[i * lanes..], distance);
        }
    }
}

impl<U: TileUnit, const PARTS: usize> Unit<f32, i32> for PartsUnit<U, PARTS> {
    const SHAPE: Shape = Shape {
        rows: SIDE,
        columns: SIDE,
        align: SIDE,
        step: SIDE,
        len: PARTS * SIDE / 2,
        // 256 numbers of which each sum is as exact as that of multiply-adds, or what the caches hold.
        depth: if PARTS == 1 { 16 } else { 8 },
    };

    #[inline(always)]
    fn pack_left<A: Operand<f32>>(self, operand: &A, cut: Cut, panels: (&mut [i32], usize)) {
        let isa = self.0.isa();
        let mut across = [0.0; SIDE * SIDE];
        each_step::<PARTS>(cut, panels, |Cut { depth, across: rows, .. }, block, packed| {
            let (count, len) = (rows.len(), depth.len());
            if let Some(plane) = operand.as_plane() {
                let cut = Cut { depth: rows, across: depth, width: SIDE };
                plane.turned().pack(isa, cut, &mut block[..count * SIDE]);
            } else {
                let cut = Cut { depth, across: rows, width: SIDE };
                operand.pack(isa, cut, &mut across[..len * SIDE]);
                let (depth_stride, across_stride) = (1, SIDE as isize);
                let plane = Plane { data: &across, offset: 0, depth_stride, across_stride };
                let cut = Cut { depth: 0..count, across: 0..len, width: SIDE };
                plane.pack(isa, cut, &mut block[..count * SIDE]);
            }
            block[count * SIDE..].fill(0.0);
            self.split_neighbours(block, packed, PART);
        });
    }

    #[inline(always)]
    fn pack_right<B: Operand<f32>>(self, operand: &B, cut: Cut, panels: (&mut [i32], usize)) {
        let isa = self.0.isa();
        each_step::<PARTS>(cut, panels, |cut, block, packed| {
            let len = cut.depth.len();
            operand.pack(isa, cut, &mut block[..len * SIDE]);
            block[len * SIDE..].fill(0.0);
            for (i, lines) in block.chunks_exact(2 * SIDE).enumerate() {
                let (first, second) = lines.split_at(SIDE);
                self.split_lines([first, second], &mut packed[i * SIDE..], PART);
            }
        });
    }

    #[inline(always)]
    unsafe fn multiply(self, tile: Tile<'_, f32, i32>) {
        let isa = self.0.isa();
        let len = tile.steps * PARTS * PART;
        let mut sums = [0.0; SIDE * SIDE];
        self.0.multiply::<PARTS>(&tile.left[..len], &tile.right[..len], &mut sums);
        for (i, sums) in sums.chunks_exact(SIDE).take(tile.rows).enumerate() {
            let start = tile.c.wrapping_add(i * tile.c_stride);
            // SAFETY: the caller vouches for the rows.
            let c = unsafe { slice::from_raw_parts_mut(start, tile.columns) };
            let lanes = Lanes::<U>::LANES;
            for (c, sums) in c.chunks_mut(lanes).zip(sums.chunks_exact(lanes)) {
                let sum = Lanes::<U>::load(isa, sums);
                let total =
                    if tile.accumulate { Lanes::<U>::load_chunk(isa, c) + sum } else { sum };
                total.store_chunk(c);
            }
        }
    }
}

/// The vectors that a unit packs with.
type Lanes<U> = <<U as TileUnit>::Isa as Simd>::F32;

/// Goes through the steps of panels: hands on where a step lies in the operand, space for its numbers,
/// and where its parts go.
#[inline(always)]
fn each_step<const PARTS: usize>(
    cut: Cut,
    (panels, distance): (&mut [i32], usize),
    mut pack: impl FnMut(Cut, &mut [f32], &mut [i32]),
) {
    let Cut { depth, across, width } = cut;
    let mut block = [0.0; SIDE * SIDE];
    for (first, panel) in across.clone().step_by(SIDE).zip(panels.chunks_mut(distance)) {
        let steps = depth.clone().step_by(SIDE);
        for (start, packed) in steps.zip(panel.chunks_exact_mut(PARTS * PART)) {
            let depth = start..depth.end.min(start + SIDE);
            let across = first..across.end.min(first + SIDE);
            pack(Cut { depth, across, width }, &mut block, packed);
        }
    }
}

/// Splits the numbers of two vectors and writes pairs of their parts, each part so far behind the one
/// before.
#[inline(always)]
fn split<V: Bits, const PARTS: usize>(
    [mut low, mut high]: [V; 2],
    packed: &mut [i32],
    distance: usize,
) {
    // Not `map`: its closure would be compiled without the instruction set.
    for part in 0..PARTS {
        let parts = [rounded(low), rounded(high)];
        let pairs = parts[0].to_bits().shr(16).and(low.int(0xffff)).or(parts[1].to_bits());
        V::from_bits(pairs).store(cast_slice_mut(&mut packed[part * distance..][..V::LANES]));
        (low, high) = (low - parts[0], high - parts[1]);
    }
}

/// The nearest numbers of `bf16`, halves to even.
#[inline(always)]
fn rounded<V: Bits>(number: V) -> V {
    let bits = number.to_bits();
    let odd = bits.shr(16).and(number.int(1));
    let bits = bits.add(number.int(0x7fff)).add(odd).and(number.int(0xffff_0000_u32 as i32));
    V::select(number.is_nan(), number.of(f64::NAN), V::from_bits(bits))
}

/// Of how many parts the numbers of products are where tiles are to multiply them; none where
/// registers should.
pub(crate) fn parts<T: Float>(on: Machine, precision: Precision, size: Size) -> Option<usize> {
    let (parts, least) = match precision {
        Precision::Highest => (3, PRODUCTS_A_SPLIT),
        Precision::High => (2, PRODUCTS_A_SPLIT),
        Precision::Medium => (1, PRODUCTS_A_ROUNDING),
    };
    let Size { rows, columns, depth, .. } = size;
    let worth = depth >= SIDE && rows * columns >= least * (rows + columns);
    (worth && T::Tiled::<1>::has_tiles(on.isa)).then_some(parts)
}

/// From here on numbers round to infinity: 2¹²⁸ - 2¹¹⁹.
const TOO_LARGE: f64 = f64::from_bits((1023 + 128) << 52) - f64::from_bits((1023 + 119) << 52);

/// The smallest number, and product of numbers, of which no part or bit is too small for a normal
/// number: 2⁻¹⁰².
const LARGE_ENOUGH: f64 = f64::from_bits((1023 - 102) << 52);

/// True if splitting loses nothing that `f32` would keep: no number of either operand rounds to
/// infinity or is not finite, and neither a part of a number nor the smallest bit of a product is
/// too small.
pub(super) fn may_split<T, A, B, L, R>(
    on: Machine,
    size: Size,
    operands: &Operands<'_, T, L, R>,
) -> bool
where
    T: Float,
    A: Operand<T>,
    B: Operand<T>,
    L: Fn(usize) -> A + Sync,
    R: Fn(usize) -> B + Sync,
{
    loses_nothing([
        sizes_of(on, &operands.left, [size.batch, size.depth, size.rows]),
        sizes_of(on, &operands.right, [size.batch, size.depth, size.columns]),
    ])
}

/// True if splitting the numbers of two operands loses nothing; see [`may_split`].
pub(crate) fn may_split_numbers<T: Float>(on: Machine, operands: [&[T]; 2]) -> bool {
    loses_nothing(operands.map(|numbers| {
        let line = numbers.len().div_ceil(SEARCHES).max(1);
        sizes(on, SEARCHES, numbers.len(), |index| {
            let lines = numbers.chunks(line).skip(index).take(1);
            Some(on.isa.run(Sizes { lines }))
        })
    }))
}

/// True if splitting loses nothing of numbers of these sizes.
fn loses_nothing([[least_left, most_left], [least_right, most_right]]: [[f64; 2]; 2]) -> bool {
    let least = least_left.min(least_right).min(least_left * least_right);
    // Written so that NaN does not pass.
    most_left < TOO_LARGE && most_right < TOO_LARGE && least >= LARGE_ENOUGH
}

/// In how many parts an operand is looked through.
const SEARCHES: usize = 8;

/// The [`sizes`] of the numbers of operands, unknown where these are not lines in memory.
fn sizes_of<T: Float, A: Operand<T>>(
    on: Machine,
    operand: impl Fn(usize) -> A + Sync,
    [batch, depth, across]: [usize; 3],
) -> [f64; 2] {
    sizes(on, batch * SEARCHES, batch * depth * across, |index| {
        let (operand, part) = (operand(index / SEARCHES), index % SEARCHES);
        let plane = operand.as_plane()?;
        let (lines, len) = match (plane.depth_stride, plane.across_stride) {
            (1, _) => (across, depth),
            (_, 1) => (depth, across),
            _ => return None,
        };
        let part = part * lines / SEARCHES..(part + 1) * lines / SEARCHES;
        let line = |index| match plane.depth_stride {
            1 => plane.line(0, index, len),
            _ => plane.line(index, 0, len),
        };
        Some(on.isa.run(Sizes { lines: part.map(line) }))
    })
}

/// The smallest and the largest of the sizes of numbers that are not zero, or 1 if it is beyond, from
/// those of so many parts; the latter is NaN if a number is, or those of a part are unknown.
fn sizes<T: Float>(
    on: Machine,
    parts: usize,
    count: usize,
    of_part: impl Fn(usize) -> Option<[T; 2]> + Sync,
) -> [f64; 2] {
    let mut found = scratch(parts * 2);
    on.for_each(Chunks::new(&mut found, 2), count / 8, |part, found| {
        found.copy_from_slice(&of_part(part).unwrap_or([T::ONE, T::NAN]));
    });
    let all = found.chunks_exact(2);
    let all =
        all.fold([T::ONE; 2], |all, found| [all[0].minimum(found[0]), all[1].maximum(found[1])]);
    all.map(T::to_f64)
}

/// Finds the sizes in some lines.
struct Sizes<I> {
    lines: I,
}

impl<'a, T: Float, I: Iterator<Item = &'a [T]>> Routine for Sizes<I> {
    type Output = [T; 2];

    #[inline(always)]
    fn run<S: Simd>(self, isa: S) -> [T; 2] {
        let one = T::Vector::<S>::splat(isa, T::ONE);
        let (mut least, mut most) = (one, one);
        for line in self.lines {
            for chunk in line.chunks(T::Vector::<S>::LANES) {
                let size = T::Vector::<S>::load_chunk(isa, chunk).abs();
                let zero = size.equal(size.zero());
                least = least.minimum(T::Vector::<S>::select(zero, one, size));
                most = most.maximum(size);
            }
        }
        [least.min_lane(), most.max_lane()]
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::super::{Bias, Constant, Matrix, packed_by};
    use super::*;
    use crate::memory::Block;

    /// Tiles computed by plain loops.
    #[derive(Clone, Copy)]
    pub(crate) struct Modelled<S>(pub(crate) S);

    impl<S: Simd> TileUnit for Modelled<S> {
        type Isa = S;

        fn isa(self) -> S {
            self.0
        }

        fn multiply<const PARTS: usize>(self, left: &[i32], right: &[i32], sums: &mut [f32]) {
            assert_eq!((left.len(), sums.len()), (right.len(), SIDE * SIDE));
            let numbers =
                |pair: i32| [pair << 16, pair & !0xffff].map(|x| f32::from_bits(x as u32));
            sums.fill(0.0);
            let steps = left.chunks_exact(PARTS * PART).zip(right.chunks_exact(PARTS * PART));
            for ((left, right), [i, j]) in
                steps.flat_map(|step| products(PARTS).iter().map(move |&parts| (step, parts)))
            {
                for (place, sum) in sums.iter_mut().enumerate() {
                    for k in 0..SIDE / 2 {
                        let a = numbers(left[i * PART + place / SIDE * SIDE / 2 + k]);
                        let b = numbers(right[j * PART + k * SIDE + place % SIDE]);
                        *sum += a[0] * b[0] + a[1] * b[1];
                    }
                }
            }
        }

        fn multiply_bytes(self, left: &[u8], right: &[u8], sums: &mut [i32]) {
            assert_eq!((left.len(), sums.len()), (right.len(), SIDE * SIDE));
            sums.fill(0);
            for (left, right) in left.chunks_exact(STEP_BYTES).zip(right.chunks_exact(STEP_BYTES)) {
                for (place, sum) in sums.iter_mut().enumerate() {
                    for k in 0..64 {
                        let a = left[place / SIDE * 64 + k];
                        let b = right[(k / 4 * SIDE + place % SIDE) * 4 + k % 4] as i8;
                        *sum += i32::from(a) * i32::from(b);
                    }
                }
            }
        }
    }

    /// Panels of so many parts for [`Modelled`].
    struct InModel<const PARTS: usize>;

    impl<const PARTS: usize> Engine<f32> for InModel<PARTS> {
        type Packed = i32;

        fn has_tiles(_: Isa) -> bool {
            true
        }

        fn run<W: PanelWork<f32, i32>>(isa: Isa, work: W) -> W::Output {
            isa.run(WithModel::<W, PARTS>(work))
        }
    }

    struct WithModel<W, const PARTS: usize>(W);

    impl<W: PanelWork<f32, i32>, const PARTS: usize> Routine for WithModel<W, PARTS> {
        type Output = W::Output;

        fn run<S: Simd>(self, isa: S) -> W::Output {
            self.0.run(PartsUnit::<_, PARTS>(Modelled(isa)))
        }
    }

    /// Numbers between -1 and 1 of which no two are the same for long.
    fn numbers(count: usize, seed: u32) -> Vec<f32> {
        let mut state = seed;
        let next = || {
            state = state.wrapping_mul(747_796_405).wrapping_add(2_891_336_453);
            f32::from_bits(0x4000_0000 | (state ^ state >> 15) & 0x7f_ffff) - 3.0
        };
        std::iter::repeat_with(next).take(count).collect()
    }

    /// A matrix that lies row by row, column by column.
    fn turned(data: &[f32], columns: usize) -> Vec<f32> {
        let rows = data.len() / columns;
        (0..data.len()).map(|i| data[i % rows * columns + i / rows]).collect()
    }

    /// The product with its right operand packed for itself, and kept.
    fn run<const PARTS: usize>(on: Machine, size: Size, [a, b]: [Matrix<'_, f32>; 2]) -> Vec<f32> {
        let mut memory = Block::new(size_of_val(b.data)).expect("memory");
        memory.slice_mut().copy_from_slice(b.data);
        let constant = Constant { matrix: Matrix { data: memory.slice(), ..b }, memory: &memory };
        let bias = vec![0.5; size.columns];
        let product = |constant| {
            let mut out = vec![f32::NAN; size.rows * size.columns];
            let (left, right) = (|_: usize| a.as_left(), |_: usize| b.as_right());
            let operands = Operands { left, right, constant };
            let bias = Bias::Columns(&bias);
            packed_by::<f32, InModel<PARTS>, _, _, _, _>(on, size, operands, bias, &mut out);
            out
        };
        let found = product(None);
        for _ in 0..3 {
            assert_eq!(found, product(Some(constant)));
        }
        found
    }

    #[test]
    fn products_of_parts_are_as_exact_as_they_say() {
        let sizes = [(1, 1, 32), (32, 32, 32), (33, 31, 65), (70, 100, 300), (5, 129, 530)];
        for (rows, columns, depth) in sizes {
            let size = Size { batch: 1, rows, columns, depth };
            let (a, b) = (numbers(rows * depth, 1), numbers(depth * columns, 2));
            let (a_turned, b_turned) = (turned(&a, depth), turned(&b, columns));
            let by_columns = |data, row_stride| Matrix {
                row_stride: 1,
                column_stride: row_stride as isize,
                ..Matrix::row_major(data, row_stride)
            };
            for on in Isa::available().map(|isa| Machine { isa, threads: 2 }) {
                let lying = [Matrix::row_major(&a, depth), Matrix::row_major(&b, columns)];
                let standing = [by_columns(&a_turned, rows), by_columns(&b_turned, depth)];
                let found = [run::<1>, run::<2>, run::<3>].map(|run| run(on, size, lying));
                assert_eq!(
                    found,
                    [run::<1>, run::<2>, run::<3>].map(|run| run(on, size, standing))
                );
                for (place, (i, j)) in
                    (0..rows).flat_map(|i| (0..columns).map(move |j| (i, j))).enumerate()
                {
                    let products = (0..depth)
                        .map(|k| f64::from(a[i * depth + k]) * f64::from(b[k * columns + j]));
                    let (sum, magnitude) = products.fold((0.0, 0.5), |(sum, all), product| {
                        (sum + product, all + product.abs())
                    });
                    for (found, bound) in found.iter().zip([7.9e-3, 2e-5, 1e-6]) {
                        let error = (f64::from(found[place]) - sum - 0.5).abs();
                        assert!(
                            error <= bound * magnitude,
                            "{on:?} {size:?}: {error} over {bound}"
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn rounding_is_to_even_and_keeps_what_is_not_finite() {
        struct Round([f32; 16]);
        impl Routine for Round {
            type Output = Vec<f32>;
            fn run<S: Simd>(self, isa: S) -> Vec<f32> {
                let mut rounded = self.0;
                for chunk in rounded.chunks_exact_mut(S::F32::LANES) {
                    super::rounded(S::F32::load(isa, chunk)).store(chunk);
                }
                rounded.to_vec()
            }
        }
        let mut given = [1.0; 16];
        given[..6].copy_from_slice(&[
            f32::INFINITY,
            -f32::INFINITY,
            f32::MAX,
            -0.0,
            1.003_906_2,
            3e-41,
        ]);
        given[6..9].copy_from_slice(&[1.011_718_8, -1.003_906_3, f32::NAN]);
        for isa in Isa::available() {
            for (found, &given) in isa.run(Round(given)).into_iter().zip(&given) {
                let wanted = half::bf16::from_f32(given).to_f32();
                assert!(found.to_bits() == wanted.to_bits() || found.is_nan() && wanted.is_nan());
            }
        }
    }

    #[test]
    fn what_would_lose_by_splitting_is_not_split() {
        let size = Size { batch: 2, rows: 40, columns: 50, depth: 37 };
        let on = Machine { isa: Isa::Portable, threads: 2 };
        let may = |change: &dyn Fn(&mut [f32], &mut [f32]), step: isize| {
            let mut a = numbers(size.batch * size.rows * size.depth * 2, 1);
            let mut b = numbers(size.batch * size.columns * size.depth, 2);
            // None of these numbers is zero or smaller than 2⁻²².
            change(&mut a, &mut b);
            let left = |i| Plane {
                data: &a[..],
                offset: i * size.rows * size.depth,
                depth_stride: step,
                across_stride: size.depth as isize * step,
            };
            let right =
                |i| Matrix::row_major(&b[i * size.depth * size.columns..], size.columns).as_right();
            let operands = Operands { left, right, constant: None };
            super::may_split::<f32, _, _, _, _>(on, size, &operands)
        };
        assert!(may(&|_, _| {}, 1));
        assert!(may(&|a, b| (a[7], b[9]) = (0.0, -0.0), 1));
        assert!(may(&|a, _| a[1001] = 3.38e38, 1));
        assert!(may(&|a, _| a[7] = 1e-22, 1));
        for refused in [f32::INFINITY, f32::NEG_INFINITY, f32::NAN, f32::MAX, 1e-31, 1e-40] {
            assert!(!may(&|a, _| a[40 * 37 * 2 - 1] = refused, 1), "{refused}");
            assert!(!may(&|_, b| b[50 * 37 * 2 - 1] = refused, 1), "{refused}");
        }
        assert!(!may(&|a, b| (a[7], b[9]) = (1e-16, 1e-16), 1));
        // Numbers that do not lie in lines are not looked through.
        assert!(!may(&|_, _| {}, 2));
    }
}
