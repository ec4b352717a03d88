//! Products with a matrix whose numbers are kept as codes of a few bits: number = scale · (code -
//! zero), where some neighbours in a row share scale and zero.
//!
//! The codes are turned into floats in registers, so that no more is read from memory than codes and
//! scales: what bounds a model that writes token after token is the memory that its weights take.

use crate::memory::{Scratch, scratch};
use crate::simd::{Bits, IntVector, MAX_LANES, Routine, Simd, Vector};
use crate::threads::Shared;
use crate::{Chunks, Machine};

/// How many codes lie together: rows and groups are filled up to a multiple of it. Of codes of four
/// bits, byte j of such a part holds code j in its low half and code j + `CHUNK` / 2 in its high one.
pub const CHUNK: usize = 32;

/// How many rows of codes one task multiplies.
const TASK: usize = 64;

/// How many rows of x meet a row of codes at a time.
const ROWS: usize = 4;

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

/// out = x · Wᵀ for x of rows of `depth` numbers and W of as long rows.
///
/// # Panics
/// If a slice has another length than the others and `depth` say, or groups are cut in another place
/// than [`CodeFormat`] says.
pub fn linear(on: Machine, depth: usize, x: &[f32], weight: Codes<'_>, out: &mut [f32]) {
    let format = weight.format;
    assert!(format.group > 0 && format.group.is_multiple_of(CHUNK));
    let (bytes, groups) = (format.row_bytes(depth), format.row_groups(depth));
    if depth == 0 || out.is_empty() {
        return out.fill(0.0);
    }
    let (rows, columns) = (x.len() / depth, weight.codes.len() / bytes);
    assert_eq!((x.len(), weight.codes.len()), (rows * depth, columns * bytes));
    assert_eq!((weight.scales.len(), out.len()), (columns * groups, rows * columns));
    assert!(weight.zeros.is_none_or(|zeros| zeros.len() == weight.scales.len()));
    let x = &Rows::new(on, format, depth, x);
    let out = &Shared::new(out);
    let cost_ns = (rows.div_ceil(ROWS) + rows) * columns * depth / 64;
    on.parallel(columns.div_ceil(TASK), cost_ns, |task| {
        let columns = task * TASK..columns.min((task + 1) * TASK);
        on.isa.run(Task { x, weight, bytes, columns, out });
    });
}

/// The rows of x, filled up with zeros, and for each of their groups the sums of what meets in each
/// lane of a vector: the part of each product that the zeros take away.
struct Rows {
    count: usize,
    depth: usize,
    numbers: Scratch<f32>,
    groups: usize,
    sums: Scratch<f32>,
}

impl Rows {
    fn new(on: Machine, format: CodeFormat, depth: usize, x: &[f32]) -> Self {
        let (count, padded) = (x.len() / depth, depth.next_multiple_of(CHUNK));
        let mut numbers = scratch(count * padded);
        let groups = format.row_groups(depth);
        let mut sums = scratch(count * groups * MAX_LANES);
        let parts = (Chunks::new(&mut numbers, padded), Chunks::new(&mut sums, groups * MAX_LANES));
        on.for_each(parts, x.len(), |index, (numbers, sums)| {
            numbers[..depth].copy_from_slice(&x[index * depth..][..depth]);
            numbers[depth..].fill(0.0);
            on.isa.run(LaneSums { numbers, group: format.group, sums });
        });
        Self { count, depth: padded, numbers, groups, sums }
    }

    fn numbers(&self, row: usize) -> &[f32] {
        &self.numbers[row * self.depth..][..self.depth]
    }

    fn sums(&self, row: usize) -> &[f32] {
        let len = self.groups * MAX_LANES;
        &self.sums[row * len..][..len]
    }
}

/// Sums the vectors of each group.
struct LaneSums<'a> {
    numbers: &'a [f32],
    group: usize,
    sums: &'a mut [f32],
}

impl Routine for LaneSums<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, isa: S) {
        let groups = self.numbers.chunks(self.group).zip(self.sums.chunks_exact_mut(MAX_LANES));
        for (numbers, sums) in groups {
            let mut sum = S::F32::splat(isa, 0.0);
            for numbers in numbers.chunks_exact(S::F32::LANES) {
                sum = sum + S::F32::load(isa, numbers);
            }
            sum.store(sums);
        }
    }
}

/// Some columns of the product.
struct Task<'a> {
    x: &'a Rows,
    weight: Codes<'a>,
    /// How many bytes a row of codes has.
    bytes: usize,
    columns: std::ops::Range<usize>,
    out: &'a Shared<'a, f32>,
}

impl Routine for Task<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, isa: S) {
        let whole = self.x.count / ROWS * ROWS;
        for row in (0..whole).step_by(ROWS) {
            self.rows::<S, ROWS>(isa, row);
        }
        for row in whole..self.x.count {
            self.rows::<S, 1>(isa, row);
        }
    }
}

impl Task<'_> {
    /// The products of some rows of x.
    #[inline(always)]
    fn rows<S: Simd, const N: usize>(&self, isa: S, row: usize) {
        let x = std::array::from_fn(|i| self.x.numbers(row + i));
        let sums = std::array::from_fn(|i| self.x.sums(row + i));
        let columns = self.out.len() / self.x.count;
        for column in self.columns.clone() {
            let products = match self.weight.format.bits {
                CodeBits::Eight => self.products::<S, N, false>(isa, column, x, sums),
                CodeBits::Four => self.products::<S, N, true>(isa, column, x, sums),
            };
            for (i, product) in products.into_iter().enumerate() {
                // SAFETY: no other task has this column.
                unsafe { self.out.slice((row + i) * columns + column, 1)[0] = product };
            }
        }
    }

    /// The products of some rows of x with a row of codes, each the same bits whatever rows are
    /// beside it.
    #[inline(always)]
    fn products<S: Simd, const N: usize, const FOUR: bool>(
        &self,
        isa: S,
        column: usize,
        x: [&[f32]; N],
        lane_sums: [&[f32]; N],
    ) -> [f32; N] {
        let CodeFormat { bits, group } = self.weight.format;
        let codes = &self.weight.codes[column * self.bytes..][..self.bytes];
        let scales = &self.weight.scales[column * self.x.groups..][..self.x.groups];
        let zeros = self.weight.zeros.map(|zeros| &zeros[column * self.x.groups..]);
        let zero = S::F32::splat(isa, 0.0);
        let mut totals = [zero; N];
        for (index, codes) in codes.chunks(bits.bytes(group)).enumerate() {
            let minus_zero = zeros.map_or(bits.middle(), |zeros| zeros[index]);
            let minus_zero = S::F32::splat(isa, -minus_zero);
            // One sum waits for the last: those of every second chunk, and in each two, are gathered
            // beside each other.
            let mut even = [[zero; N]; 2];
            let mut odd = even;
            for (sum, lane_sums) in even[0].iter_mut().zip(lane_sums) {
                *sum = S::F32::load(isa, &lane_sums[index * MAX_LANES..]) * minus_zero;
            }
            let bytes = bits.bytes(CHUNK);
            for (pair, codes) in codes.chunks(2 * bytes).enumerate() {
                let start = index * group + pair * 2 * CHUNK;
                add_chunk::<S, N, FOUR>(isa, &codes[..bytes], x, start, &mut even);
                if codes.len() > bytes {
                    add_chunk::<S, N, FOUR>(isa, &codes[bytes..], x, start + CHUNK, &mut odd);
                }
            }
            let scale = S::F32::splat(isa, scales[index]);
            for (i, total) in totals.iter_mut().enumerate() {
                let sum = (even[0][i] + even[1][i]) + (odd[0][i] + odd[1][i]);
                *total = sum.mul_add(scale, *total);
            }
        }
        let mut products = [0.0; N];
        for (product, total) in products.iter_mut().zip(totals) {
            *product = total.sum();
        }
        products
    }
}

/// Adds the products of a chunk of codes with what lies from a place on in each of some rows.
#[inline(always)]
fn add_chunk<S: Simd, const N: usize, const FOUR: bool>(
    isa: S,
    codes: &[u8],
    x: [&[f32]; N],
    start: usize,
    sums: &mut [[S::F32; N]; 2],
) {
    let lanes = S::F32::LANES;
    let x = x.map(|x| &x[start..start + CHUNK]);
    if FOUR {
        let codes = &codes[..CHUNK / 2];
        let last = S::F32::splat(isa, 0.0).int(15);
        for place in (0..CHUNK / 2).step_by(lanes) {
            let bytes = S::F32::load_bytes(isa, &codes[place..]);
            let (low, high) = (S::F32::from_int(bytes.and(last)), S::F32::from_int(bytes.shr(4)));
            add_products(isa, low, x, place, &mut sums[0]);
            add_products(isa, high, x, place + CHUNK / 2, &mut sums[1]);
        }
        return;
    }
    let codes = &codes[..CHUNK];
    for place in (0..CHUNK).step_by(2 * lanes) {
        let first = S::F32::from_int(S::F32::load_bytes(isa, &codes[place..]));
        let second = S::F32::from_int(S::F32::load_bytes(isa, &codes[place + lanes..]));
        add_products(isa, first, x, place, &mut sums[0]);
        add_products(isa, second, x, place + lanes, &mut sums[1]);
    }
}

/// Adds the products of a vector with what lies at a place in each of some rows.
#[inline(always)]
fn add_products<S: Simd, const N: usize>(
    isa: S,
    factor: S::F32,
    x: [&[f32]; N],
    place: usize,
    sums: &mut [S::F32; N],
) {
    for (sum, x) in sums.iter_mut().zip(x) {
        *sum = factor.mul_add(S::F32::load(isa, &x[place..]), *sum);
    }
}
