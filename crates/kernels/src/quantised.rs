//! Products with a matrix whose numbers are kept as codes of a few bits: number = scale · (code -
//! zero), where some neighbours in a row share scale and zero.
//!
//! No more is read from memory than codes and scales: what bounds a model that writes token after
//! token is the memory that its weights take. One row of x meets the codes in registers, where they
//! become numbers. More rows meet numbers that are made once for all rows, of a block of the matrix at
//! a time, in the innermost cache. Either way a product is summed in the same order.

use crate::memory::scratch;
use crate::simd::{Bits, IntVector, MAX_LANES, Routine, Simd, Vector};
use crate::threads::Shared;
use crate::{Chunks, Machine};
use std::ops::Range;

/// How many codes lie together: rows and groups are filled up to a multiple of it. Of codes of four
/// bits, byte j of such a part holds code j in its low half and code j + `CHUNK` / 2 in its high one.
pub const CHUNK: usize = 32;

/// How many rows of codes one task multiplies at least and at most, and how many tasks there are
/// between: longer tasks read longer stretches of memory.
const TASK: [usize; 2] = [32, 512];

/// See [`TASK`].
const TASKS: usize = 24;

/// How many rows of codes are numbers at a time, and how many sums are finished together: a multiple
/// of every vector's length.
const BLOCK: usize = MAX_LANES;

/// How many numbers of each of these rows there are at a time at most: a block of them, with what some
/// rows of x have to meet it, stays in the innermost cache.
const DEPTH: usize = 512;

/// How many rows of x meet a block at a time.
const ROWS: usize = 4;

/// How many bytes come into the cache together.
const LINE: usize = 64;

/// The most vectors that a chunk is.
const MOST_VECTORS: usize = CHUNK / 4;

/// How long a code is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CodeBits {
    /// A byte: codes from 0 to 255.
    Eight,
    /// Half a byte: codes from 0 to 15.
    Four,
}

impl CodeBits {
    /// How many codes there are.
    pub fn count(self) -> usize {
        match self {
            Self::Eight => 256,
            Self::Four => 16,
        }
    }

    /// The zero where none is given: codes then stand for as many negative numbers as others.
    pub fn middle(self) -> f32 {
        (self.count() / 2) as f32
    }

    /// How many bytes so many codes take.
    pub fn bytes(self, codes: usize) -> usize {
        match self {
            Self::Eight => codes,
            Self::Four => codes / 2,
        }
    }
}

/// How numbers are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CodeFormat {
    /// How long a code is.
    pub bits: CodeBits,
    /// How many neighbours in a row share a scale: a multiple of [`CHUNK`].
    pub group: usize,
}

impl CodeFormat {
    /// How many bytes the codes of a row of numbers take.
    pub fn row_bytes(self, numbers: usize) -> usize {
        self.bits.bytes(numbers.next_multiple_of(CHUNK))
    }

    /// How many groups a row of numbers has.
    pub fn row_groups(self, numbers: usize) -> usize {
        numbers.div_ceil(self.group)
    }

    /// Writes the codes of a row.
    ///
    /// # Panics
    /// If the row is not as long as [`CodeFormat::row_bytes`] says.
    pub fn encode(self, codes: &[u8], row: &mut [u8]) {
        assert_eq!(row.len(), self.row_bytes(codes.len()));
        row.fill(0);
        for (index, &code) in codes.iter().enumerate() {
            let (byte, shift) = self.place(index);
            row[byte] |= code << shift;
        }
    }

    /// A code of a row.
    pub fn decode(self, row: &[u8], index: usize) -> u8 {
        let (byte, shift) = self.place(index);
        (row[byte] >> shift) & (self.bits.count() - 1) as u8
    }

    /// The byte of a code, and its lowest bit there.
    fn place(self, index: usize) -> (usize, usize) {
        let half = CHUNK / 2;
        match self.bits {
            CodeBits::Eight => (index, 0),
            CodeBits::Four => (index / CHUNK * half + index % half, index % CHUNK / half * 4),
        }
    }
}

/// A matrix that is kept as codes.
#[derive(Clone, Copy, Debug)]
pub struct Codes<'a> {
    /// How its numbers are kept.
    pub format: CodeFormat,
    /// The codes, row by row.
    pub codes: &'a [u8],
    /// The scale of each group of each row.
    pub scales: &'a [f32],
    /// The zero of each group of each row; [`CodeBits::middle`] without.
    pub zeros: Option<&'a [f32]>,
}

/// out = x · Wᵀ + bias for x of rows of `depth` numbers and W of as long rows.
///
/// # Panics
/// If a slice has another length than the others and `depth` say, or groups are cut in another place
/// than [`CodeFormat`] says.
pub fn linear(
    on: Machine,
    depth: usize,
    x: &[f32],
    weight: Codes<'_>,
    bias: Option<&[f32]>,
    out: &mut [f32],
) {
    let format = weight.format;
    assert!(format.group > 0 && format.group.is_multiple_of(CHUNK));
    if out.is_empty() {
        return;
    }
    if depth == 0 {
        let bias = bias.unwrap_or(&[0.0]);
        return out.chunks_exact_mut(bias.len()).for_each(|out| out.copy_from_slice(bias));
    }
    let (bytes, groups) = (format.row_bytes(depth), format.row_groups(depth));
    let (rows, columns) = (x.len() / depth, weight.codes.len() / bytes);
    assert_eq!((x.len(), weight.codes.len()), (rows * depth, columns * bytes));
    assert_eq!((weight.scales.len(), out.len()), (columns * groups, rows * columns));
    assert!(weight.zeros.is_none_or(|zeros| zeros.len() == weight.scales.len()));
    assert!(bias.is_none_or(|bias| bias.len() == columns));
    let whole = depth.next_multiple_of(CHUNK);
    let mut filled_up = scratch(if whole == depth { 0 } else { rows * whole });
    on.for_each(Chunks::new(&mut filled_up, whole), x.len(), |row, to| {
        to[..depth].copy_from_slice(&x[row * depth..][..depth]);
        to[depth..].fill(0.0);
    });
    let x = if whole == depth { x } else { &filled_up };
    let out = &Shared::new(out);
    let cost_ns = (1 + rows) * columns * depth / 48;
    let [least, most] = TASK;
    let task_columns = columns.div_ceil(TASKS).next_multiple_of(BLOCK).clamp(least, most);
    on.parallel(columns.div_ceil(task_columns), cost_ns, |task| {
        let start = task * task_columns;
        let columns = start..columns.min(start + task_columns);
        on.isa.run(Task { x, rows, depth: whole, weight, bytes, groups, bias, columns, out });
    });
}

/// Some columns of the product.
struct Task<'a> {
    x: &'a [f32],
    rows: usize,
    /// How long the rows of x are: whole chunks.
    depth: usize,
    weight: Codes<'a>,
    /// How many bytes a row of codes has.
    bytes: usize,
    /// How many groups it has.
    groups: usize,
    bias: Option<&'a [f32]>,
    columns: Range<usize>,
    out: &'a Shared<'a, f32>,
}

impl Routine for Task<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, isa: S) {
        match (self.weight.format.bits, self.weight.zeros) {
            (CodeBits::Eight, None) => self.products::<S, false, false>(isa),
            (CodeBits::Eight, Some(_)) => self.products::<S, false, true>(isa),
            (CodeBits::Four, None) => self.products::<S, true, false>(isa),
            (CodeBits::Four, Some(_)) => self.products::<S, true, true>(isa),
        }
    }
}

impl Task<'_> {
    #[inline(always)]
    fn products<S: Simd, const FOUR: bool, const ZEROS: bool>(&self, isa: S) {
        // For each row of x the sums of each column of a block, lane by lane.
        let mut sums = scratch(self.rows * BLOCK * S::F32::LANES);
        let mut numbers = scratch(if self.rows == 1 { 0 } else { BLOCK * DEPTH });
        for first in self.columns.clone().step_by(BLOCK) {
            let columns = first..self.columns.end.min(first + BLOCK);
            match self.rows {
                1 => self.one_row::<S, FOUR, ZEROS>(isa, &columns, &mut sums),
                _ => self.some_rows::<S, FOUR, ZEROS>(isa, &columns, &mut numbers, &mut sums),
            }
            self.finish(isa, &columns, &sums);
        }
    }

    /// Sums the products of a block of columns with the one row of x, as many columns at a time as
    /// there are registers for.
    #[inline(always)]
    fn one_row<S: Simd, const FOUR: bool, const ZEROS: bool>(
        &self,
        isa: S,
        columns: &Range<usize>,
        sums: &mut [f32],
    ) {
        let mut column = columns.start;
        while column < columns.end {
            let sums = &mut sums[(column - columns.start) * S::F32::LANES..];
            column += match columns.end - column {
                8.. if S::TILE_ROWS == 8 => self.meet::<S, 8, FOUR, ZEROS>(isa, column, sums),
                4.. => self.meet::<S, 4, FOUR, ZEROS>(isa, column, sums),
                _ => self.meet::<S, 1, FOUR, ZEROS>(isa, column, sums),
            };
        }
    }

    /// Sums the products of N columns from one on with the one row of x, and says how many these are.
    #[inline(always)]
    fn meet<S: Simd, const N: usize, const FOUR: bool, const ZEROS: bool>(
        &self,
        isa: S,
        column: usize,
        sums: &mut [f32],
    ) -> usize {
        let CodeFormat { bits, group } = self.weight.format;
        let lanes = S::F32::LANES;
        let codes = self.weight.codes[column * self.bytes..][..N * self.bytes].as_ptr();
        let x = self.x[..self.depth].as_ptr();
        let zero = S::F32::splat(isa, 0.0);
        let mut totals = [zero; N];
        // What comes next in memory, asked for at the same pace, but for what is another task's.
        let last = self.weight.codes[..self.columns.end * self.bytes].as_ptr_range().end;
        let mut ahead = codes.wrapping_add(N * self.bytes);
        for index in 0..self.groups {
            let mut lines = [[zero; 2]; N];
            for (i, line) in lines.iter_mut().enumerate() {
                *line = self.line::<S, FOUR, ZEROS>(isa, column + i, index);
            }
            let start = index * group;
            for at in (start..self.depth.min(start + group)).step_by(CHUNK) {
                for _ in 0..N * bits.bytes(CHUNK) / LINE {
                    isa.prefetch(ahead.min(last));
                    ahead = ahead.wrapping_add(LINE);
                }
                for (i, total) in totals.iter_mut().enumerate() {
                    // SAFETY: the chunk lies within the row of codes, which is as long as that of x.
                    let numbers = unsafe {
                        let codes = codes.add(i * self.bytes + bits.bytes(at));
                        numbers::<S, FOUR>(isa, codes, lines[i])
                    };
                    for (j, &number) in numbers.iter().take(CHUNK / lanes).enumerate() {
                        // SAFETY: as of the codes.
                        let x = unsafe { S::F32::read(isa, x.add(at + j * lanes)) };
                        *total = number.mul_add(x, *total);
                    }
                }
            }
        }
        for (total, sums) in totals.iter().zip(sums.chunks_exact_mut(lanes)) {
            total.store(sums);
        }
        N
    }

    /// Sums the products of a block of columns with all rows of x.
    #[inline(always)]
    fn some_rows<S: Simd, const FOUR: bool, const ZEROS: bool>(
        &self,
        isa: S,
        columns: &Range<usize>,
        numbers: &mut [f32],
        sums: &mut [f32],
    ) {
        for start in (0..self.depth).step_by(DEPTH) {
            let depth = start..self.depth.min(start + DEPTH);
            for (column, numbers) in columns.clone().zip(numbers.chunks_exact_mut(DEPTH)) {
                self.decode::<S, FOUR, ZEROS>(isa, column, &depth, numbers);
            }
            let mut row = 0;
            while row < self.rows {
                let rows = if self.rows - row < ROWS { 1 } else { ROWS };
                // Wider tiles would need more registers than there are.
                let width = if S::TILE_ROWS == 8 { 4 } else { 2 };
                for column in (0..columns.len()).step_by(width) {
                    let place = (row * BLOCK + column) * S::F32::LANES;
                    let tile = Tile {
                        x: &self.x[row * self.depth + start..],
                        pitch: self.depth,
                        numbers: &numbers[column * DEPTH..],
                        len: depth.len(),
                        accumulate: start > 0,
                    };
                    match (rows, width) {
                        (ROWS, 4) => tile.sum::<S, ROWS, 4>(isa, &mut sums[place..]),
                        (ROWS, _) => tile.sum::<S, ROWS, 2>(isa, &mut sums[place..]),
                        (_, 4) => tile.sum::<S, 1, 4>(isa, &mut sums[place..]),
                        (..) => tile.sum::<S, 1, 2>(isa, &mut sums[place..]),
                    }
                }
                row += rows;
            }
        }
    }

    /// Makes numbers of a part of a row of codes.
    #[inline(always)]
    fn decode<S: Simd, const FOUR: bool, const ZEROS: bool>(
        &self,
        isa: S,
        column: usize,
        depth: &Range<usize>,
        out: &mut [f32],
    ) {
        let CodeFormat { bits, group } = self.weight.format;
        let codes = &self.weight.codes[column * self.bytes..][..self.bytes];
        for (at, out) in depth.clone().step_by(CHUNK).zip(out.chunks_exact_mut(CHUNK)) {
            let line = self.line::<S, FOUR, ZEROS>(isa, column, at / group);
            let codes = &codes[bits.bytes(at)..][..bits.bytes(CHUNK)];
            // SAFETY: the slice holds a chunk.
            let numbers = unsafe { numbers::<S, FOUR>(isa, codes.as_ptr(), line) };
            for (number, out) in numbers.iter().zip(out.chunks_exact_mut(S::F32::LANES)) {
                number.store(out);
            }
        }
    }

    /// What makes numbers of the codes of a group.
    #[inline(always)]
    fn line<S: Simd, const FOUR: bool, const ZEROS: bool>(
        &self,
        isa: S,
        column: usize,
        group: usize,
    ) -> [S::F32; 2] {
        let place = column * self.groups + group;
        debug_assert!(place < self.weight.scales.len());
        // SAFETY: there are so many groups of each column, of scales and of zeros if there are any.
        let (scale, zero) = unsafe {
            let zero = match self.weight.zeros {
                Some(zeros) if ZEROS => *zeros.get_unchecked(place),
                _ => self.weight.format.bits.middle(),
            };
            (*self.weight.scales.get_unchecked(place), zero)
        };
        let scale = S::F32::splat(isa, scale);
        let term = scale * S::F32::splat(isa, -zero);
        if FOUR { S::F32::line(scale, term) } else { [scale, term] }
    }

    /// Writes the products of a block, given their sums lane by lane.
    #[inline(always)]
    fn finish<S: Simd>(&self, isa: S, columns: &Range<usize>, sums: &[f32]) {
        let lanes = S::F32::LANES;
        let width = self.out.len() / self.rows;
        for (row, sums) in sums.chunks_exact(BLOCK * lanes).enumerate() {
            // SAFETY: no other task has these columns.
            let out = unsafe { self.out.slice(row * width + columns.start, columns.len()) };
            let sums = sums.chunks_exact(lanes * lanes);
            for (part, (out, sums)) in out.chunks_mut(lanes).zip(sums).enumerate() {
                let mut vectors = [S::F32::splat(isa, 0.0); MAX_LANES];
                for (vector, sums) in vectors.iter_mut().zip(sums.chunks_exact(lanes)) {
                    *vector = S::F32::load(isa, sums);
                }
                let mut products = lane_sums(vectors);
                if let Some(bias) = self.bias {
                    let bias = &bias[columns.start + part * lanes..][..out.len()];
                    products = products + S::F32::load_chunk(isa, bias);
                }
                products.store_chunk(out);
            }
        }
    }
}

/// The numbers of a chunk of codes, in the first vectors of the array: as many as a chunk has.
///
/// # Safety
/// `codes` must be valid for reads of a chunk.
#[inline(always)]
unsafe fn numbers<S: Simd, const FOUR: bool>(
    isa: S,
    codes: *const u8,
    line: [S::F32; 2],
) -> [S::F32; MOST_VECTORS] {
    let lanes = S::F32::LANES;
    let vectors = CHUNK / lanes;
    let mut numbers = [line[0]; MOST_VECTORS];
    if FOUR {
        for i in 0..vectors / 2 {
            // SAFETY: the caller vouches for half as many bytes as there are codes.
            let bytes = unsafe { S::F32::read_bytes(isa, codes.add(i * lanes)) };
            numbers[i] = S::F32::on_line(line, bytes);
            numbers[i + vectors / 2] = S::F32::on_line(line, bytes.shr(4));
        }
        return numbers;
    }
    for (i, number) in numbers.iter_mut().take(vectors).enumerate() {
        // SAFETY: the caller vouches for as many bytes as there are codes.
        let bytes = unsafe { S::F32::read_bytes(isa, codes.add(i * lanes)) };
        *number = S::F32::from_int(bytes).mul_add(line[0], line[1]);
    }
    numbers
}

/// Some rows of x and some columns of numbers, the latter [`DEPTH`] apart.
struct Tile<'a> {
    x: &'a [f32],
    /// The distance between rows of x.
    pitch: usize,
    numbers: &'a [f32],
    /// How many of each meet: whole vectors.
    len: usize,
    /// Whether the products are added to what there is.
    accumulate: bool,
}

impl Tile<'_> {
    /// Sums the products of R rows with C columns, lane by lane; rows of sums lie [`BLOCK`] columns
    /// apart.
    #[inline(always)]
    fn sum<S: Simd, const R: usize, const C: usize>(&self, isa: S, sums: &mut [f32]) {
        let lanes = S::F32::LANES;
        let x = self.x[..(R - 1) * self.pitch + self.len].as_ptr();
        let numbers = self.numbers[..(C - 1) * DEPTH + self.len].as_ptr();
        let mut totals = [[S::F32::splat(isa, 0.0); C]; R];
        if self.accumulate {
            for (i, totals) in totals.iter_mut().enumerate() {
                for (j, total) in totals.iter_mut().enumerate() {
                    *total = S::F32::load(isa, &sums[(i * BLOCK + j) * lanes..]);
                }
            }
        }
        for at in (0..self.len).step_by(lanes) {
            let mut columns = [totals[0][0]; C];
            for (j, column) in columns.iter_mut().enumerate() {
                // SAFETY: the slice holds so many vectors of the last of C columns.
                *column = unsafe { S::F32::read(isa, numbers.add(j * DEPTH + at)) };
            }
            for (i, totals) in totals.iter_mut().enumerate() {
                // SAFETY: the slice holds so many vectors of the last of R rows.
                let x = unsafe { S::F32::read(isa, x.add(i * self.pitch + at)) };
                for (total, &column) in totals.iter_mut().zip(&columns) {
                    *total = column.mul_add(x, *total);
                }
            }
        }
        for (i, totals) in totals.iter().enumerate() {
            for (j, total) in totals.iter().enumerate() {
                total.store(&mut sums[(i * BLOCK + j) * lanes..]);
            }
        }
    }
}

/// The sums of the lanes of each of as many vectors as a vector has lanes.
#[inline(always)]
fn lane_sums<V: Vector>(mut vectors: [V; MAX_LANES]) -> V {
    let mut count = V::LANES;
    while count > 1 {
        count /= 2;
        for i in 0..count {
            let (even, odd) = vectors[2 * i].deinterleave(vectors[2 * i + 1]);
            vectors[i] = even + odd;
        }
    }
    vectors[0]
}
