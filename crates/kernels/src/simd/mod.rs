//! Vectors of floats, written once and compiled for every instruction set.
//!
//! A kernel is written against the traits [`Simd`] and [`Vector`]. [`crate::Isa::run`] compiles it
//! once for each instruction set and picks one when the program runs.
//!
//! A value of a type that implements [`Simd`] is a *token*: it can only be had inside
//! [`crate::Isa::run`], which has checked the processor. A [`Vector`] can only be made from such a
//! token, so holding a vector proves that its instructions may be used, and all arithmetic on
//! vectors is safe.

use std::fmt::Debug;
use std::ops::{Add, Div, Mul, Neg, Sub};

#[cfg(target_arch = "x86_64")]
pub(crate) mod avx2;
#[cfg(target_arch = "x86_64")]
pub(crate) mod avx512;
#[cfg(target_arch = "aarch64")]
pub(crate) mod neon;
pub(crate) mod portable;
mod table;

use crate::element::{Element, Float, Number};
use crate::math::{ROUNDER, Real};
use crate::memory::ALIGN;
use bytemuck::{cast_slice, cast_slice_mut};

/// A token that proves that the processor has an instruction set.
pub trait Simd: Copy + Send + Sync + Debug + 'static {
    /// Vectors of `f32`.
    type F32: Bits<Isa = Self, Scalar = f32> + Real;
    /// Vectors of `f64`.
    type F64: Vector<Isa = Self, Scalar = f64> + Real;

    /// Rows of the matrix-product tile that fills this instruction set's registers.
    const TILE_ROWS: usize;
    /// Vectors in one row of that tile.
    const TILE_VECTORS: usize;

    /// Asks for the memory at an address, which need not be valid, to be brought into the cache.
    #[inline(always)]
    fn prefetch<T>(self, _address: *const T) {}

    /// Copies lines of [`ALIGN`] bytes, past the caches where the instruction set can: memory that is
    /// written whole is then not read first. Other threads may be told of it once a `PastCaches`
    /// has gone.
    ///
    /// # Safety
    /// `from` must be valid for reads and `to` for writes of so many lines; they must not overlap,
    /// and `to` must lie at a multiple of [`ALIGN`].
    #[inline(always)]
    unsafe fn stream(self, from: *const u8, to: *mut u8, lines: usize) {
        // SAFETY: the caller vouches for both.
        unsafe { to.copy_from_nonoverlapping(from, lines * ALIGN) }
    }
}

/// One register full of numbers.
///
/// Arithmetic is lane by lane and rounds as IEEE 754 says. Whether [`Vector::mul_add`] rounds once
/// or twice depends on the instruction set.
pub trait Vector:
    Copy
    + Send
    + Sync
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
{
    /// The instruction set these vectors belong to.
    type Isa: Simd;
    /// The type of a lane.
    type Scalar: Float;
    /// The result of a comparison.
    type Mask: Mask;
    /// How many numbers one vector holds.
    const LANES: usize;

    /// A vector whose lanes all hold `value`.
    fn splat(isa: Self::Isa, value: Self::Scalar) -> Self;
    /// Reads [`Self::LANES`] numbers.
    ///
    /// # Safety
    /// `from` must be valid for reads of [`Self::LANES`] numbers; it need not be aligned.
    unsafe fn read(isa: Self::Isa, from: *const Self::Scalar) -> Self;
    /// Writes [`Self::LANES`] numbers.
    ///
    /// # Safety
    /// `to` must be valid for writes of [`Self::LANES`] numbers; it need not be aligned.
    unsafe fn write(self, to: *mut Self::Scalar);
    /// The token this vector was made with.
    fn isa(self) -> Self::Isa;

    /// `self * factor + term`, in one rounding where the instruction set can.
    fn mul_add(self, factor: Self, term: Self) -> Self;
    /// The larger of two numbers; NaN if either is NaN.
    fn maximum(self, other: Self) -> Self;
    /// The smaller of two numbers; NaN if either is NaN.
    fn minimum(self, other: Self) -> Self;
    /// The number without its sign.
    fn abs(self) -> Self;
    /// The magnitude of `self` with the sign of `sign`.
    fn copysign(self, sign: Self) -> Self;
    /// The square root, correctly rounded.
    fn sqrt(self) -> Self;
    /// The nearest integer, halves to even.
    fn round(self) -> Self;
    /// The largest integer that is not greater.
    fn floor(self) -> Self;
    /// The smallest integer that is not smaller.
    fn ceil(self) -> Self;
    /// The integer part, towards zero.
    fn trunc(self) -> Self;

    /// `self < other`; false where either is NaN.
    fn less(self, other: Self) -> Self::Mask;
    /// `self <= other`; false where either is NaN.
    fn less_equal(self, other: Self) -> Self::Mask;
    /// `self == other`; false where either is NaN.
    fn equal(self, other: Self) -> Self::Mask;
    /// Lane by lane, `yes` where the mask is set and `no` elsewhere.
    fn select(mask: Self::Mask, yes: Self, no: Self) -> Self;

    /// The numbers at the even places of two vectors that follow each other, and those at the odd
    /// places.
    fn deinterleave(self, next: Self) -> (Self, Self);
    /// Writes the lanes, which must be integers in the range of `i32`, as [`Self::LANES`] of those.
    ///
    /// # Safety
    /// `to` must be valid for writes of [`Self::LANES`] numbers; it need not be aligned.
    unsafe fn write_ints(self, to: *mut i32);

    /// `self > other`; false where either is NaN.
    #[inline(always)]
    fn greater(self, other: Self) -> Self::Mask {
        other.less(self)
    }
    /// `self >= other`; false where either is NaN.
    #[inline(always)]
    fn greater_equal(self, other: Self) -> Self::Mask {
        other.less_equal(self)
    }
    /// True in the lanes that hold NaN.
    #[inline(always)]
    fn is_nan(self) -> Self::Mask {
        self.equal(self).not()
    }
    /// A vector like this one whose lanes all hold `value`.
    #[inline(always)]
    fn of(self, value: f64) -> Self {
        Self::splat(self.isa(), Element::from_f64(value))
    }
    /// A vector like this one that holds zeros.
    #[inline(always)]
    fn zero(self) -> Self {
        self.of(0.0)
    }
    /// Reads the first [`Self::LANES`] numbers of a slice that holds at least as many.
    #[inline(always)]
    fn load(isa: Self::Isa, values: &[Self::Scalar]) -> Self {
        assert!(values.len() >= Self::LANES);
        // SAFETY: the slice holds at least LANES numbers.
        unsafe { Self::read(isa, values.as_ptr()) }
    }
    /// Writes the lanes to the front of a slice that holds at least as many.
    #[inline(always)]
    fn store(self, values: &mut [Self::Scalar]) {
        assert!(values.len() >= Self::LANES);
        // SAFETY: the slice holds at least LANES numbers.
        unsafe { self.write(values.as_mut_ptr()) }
    }
    /// Writes the lanes, which must be integers in the range of `i32`, to the front of a slice that
    /// holds at least as many.
    #[inline(always)]
    fn store_ints(self, values: &mut [i32]) {
        assert!(values.len() >= Self::LANES);
        // SAFETY: the slice holds at least LANES numbers.
        unsafe { self.write_ints(values.as_mut_ptr()) }
    }
    /// Reads at most [`Self::LANES`] numbers and fills the lanes beyond the slice with `rest`.
    #[inline(always)]
    fn load_partial(isa: Self::Isa, values: &[Self::Scalar], rest: Self::Scalar) -> Self {
        let mut lanes = [rest; MAX_LANES];
        let count = values.len().min(Self::LANES);
        lanes[..count].copy_from_slice(&values[..count]);
        Self::load(isa, &lanes)
    }
    /// Writes as many lanes as the slice holds.
    #[inline(always)]
    fn store_partial(self, values: &mut [Self::Scalar]) {
        let mut lanes = [Number::ZERO; MAX_LANES];
        self.store(&mut lanes);
        let count = values.len().min(Self::LANES);
        values[..count].copy_from_slice(&lanes[..count]);
    }
    /// Reads a whole vector, or fewer numbers, with ones in the other lanes.
    #[inline(always)]
    fn load_chunk(isa: Self::Isa, chunk: &[Self::Scalar]) -> Self {
        if chunk.len() >= Self::LANES {
            Self::load(isa, chunk)
        } else {
            Self::load_partial(isa, chunk, Number::ONE)
        }
    }
    /// Writes a whole vector, or as many lanes as the chunk holds.
    #[inline(always)]
    fn store_chunk(self, chunk: &mut [Self::Scalar]) {
        if chunk.len() >= Self::LANES { self.store(chunk) } else { self.store_partial(chunk) }
    }
    /// Applies a scalar function to each lane: slow, for rare cases.
    #[inline(always)]
    fn map_lanes(self, function: impl Fn(Self::Scalar) -> Self::Scalar) -> Self {
        let mut lanes = [Number::ZERO; MAX_LANES];
        self.store(&mut lanes);
        for lane in &mut lanes[..Self::LANES] {
            *lane = function(*lane);
        }
        Self::load(self.isa(), &lanes)
    }
    /// Applies a scalar function of two numbers to each lane: slow, for rare cases.
    #[inline(always)]
    fn zip_lanes(
        self,
        other: Self,
        function: impl Fn(Self::Scalar, Self::Scalar) -> Self::Scalar,
    ) -> Self {
        let mut left = [Number::ZERO; MAX_LANES];
        let mut right = left;
        self.store(&mut left);
        other.store(&mut right);
        for (a, b) in left.iter_mut().zip(&right).take(Self::LANES) {
            *a = function(*a, *b);
        }
        Self::load(self.isa(), &left)
    }
    /// The sum of all lanes, always added in the same order.
    #[inline(always)]
    fn sum(self) -> Self::Scalar {
        self.fold_lanes(Number::plus)
    }
    /// The largest lane; NaN if a lane is NaN.
    #[inline(always)]
    fn max_lane(self) -> Self::Scalar {
        self.fold_lanes(Float::maximum)
    }
    /// The smallest lane; NaN if a lane is NaN.
    #[inline(always)]
    fn min_lane(self) -> Self::Scalar {
        self.fold_lanes(Float::minimum)
    }
    /// Combines all lanes, halving the vector at each step.
    #[inline(always)]
    fn fold_lanes(
        self,
        combine: impl Fn(Self::Scalar, Self::Scalar) -> Self::Scalar,
    ) -> Self::Scalar {
        let mut lanes = [Number::ZERO; MAX_LANES];
        self.store(&mut lanes);
        let mut half = Self::LANES / 2;
        while half > 0 {
            for i in 0..half {
                lanes[i] = combine(lanes[i], lanes[i + half]);
            }
            half /= 2;
        }
        lanes[0]
    }
}

/// The most lanes that any vector has.
pub(crate) const MAX_LANES: usize = 16;

/// While it lives, numbers may be written past the caches; when it goes, what was written so comes
/// before all that is written later. To wait for that after each of many copies would leave memory
/// idle while the next results are computed, and the processor while these are written.
pub(crate) struct PastCaches(());

impl PastCaches {
    pub(crate) fn new() -> Self {
        Self(())
    }

    /// Copies numbers past the caches, where that can be.
    #[inline(always)]
    pub(crate) fn copy<S: Simd, T: Element>(&self, isa: S, from: &[T], to: &mut [T]) {
        assert_eq!(from.len(), to.len());
        let (from, to): (&[u8], &mut [u8]) = (cast_slice(from), cast_slice_mut(to));
        let aligned = to.as_ptr().addr().is_multiple_of(ALIGN);
        let lines = if aligned { to.len() / ALIGN } else { 0 };
        // SAFETY: both slices have so many lines, the second at a multiple of their length if any.
        unsafe { isa.stream(from.as_ptr(), to.as_mut_ptr(), lines) };
        to[lines * ALIGN..].copy_from_slice(&from[lines * ALIGN..]);
    }
}

impl Drop for PastCaches {
    fn drop(&mut self) {
        // SAFETY: every x86-64 processor has the instruction.
        #[cfg(target_arch = "x86_64")]
        unsafe {
            std::arch::x86_64::_mm_sfence()
        }
    }
}

/// Asks for the memory of numbers to be brought into the cache.
#[inline(always)]
pub(crate) fn prefetch<S: Simd, T>(isa: S, numbers: &[T]) {
    for line in numbers.chunks(ALIGN / size_of::<T>()) {
        isa.prefetch(line.as_ptr());
    }
}

/// The result of comparing two vectors: one truth value a lane.
pub trait Mask: Copy {
    /// True where both are.
    fn and(self, other: Self) -> Self;
    /// True where either is.
    fn or(self, other: Self) -> Self;
    /// True where `self` is not.
    fn not(self) -> Self;
    /// True if any lane is.
    fn any(self) -> bool;
}

/// Vectors of `f32` whose bits can be taken apart, as the polynomials of [`crate::math`] need.
pub trait Bits: Vector<Scalar = f32> {
    /// A vector of as many `i32`.
    type Int: IntVector;

    /// The bits of each lane.
    fn to_bits(self) -> Self::Int;
    /// The numbers that have these bits.
    fn from_bits(bits: Self::Int) -> Self;
    /// Each lane, which must be an integer in `i32`'s range, as an `i32`.
    fn to_int(self) -> Self::Int;
    /// Each `i32`, rounded to `f32`.
    fn from_int(int: Self::Int) -> Self;
    /// A vector of integers whose lanes all hold `value`.
    fn int(self, value: i32) -> Self::Int;
    /// Reads as many bytes as the vector has lanes, each as an `i32` from 0 to 255.
    ///
    /// # Safety
    /// `from` must be valid for reads of [`Vector::LANES`] bytes.
    unsafe fn read_bytes(isa: Self::Isa, from: *const u8) -> Self::Int;
    /// Reads the first bytes of a slice that holds at least as many as the vector has lanes.
    #[inline(always)]
    fn load_bytes(isa: Self::Isa, bytes: &[u8]) -> Self::Int {
        assert!(bytes.len() >= Self::LANES);
        // SAFETY: the slice holds at least LANES bytes.
        unsafe { Self::read_bytes(isa, bytes.as_ptr()) }
    }
    /// Adds to each lane the products of the four unsigned bytes of one vector with the four signed
    /// ones of another, exactly.
    #[inline(always)]
    fn add_dots(
        isa: Self::Isa,
        unsigned: Self::Int,
        signed: Self::Int,
        sums: Self::Int,
    ) -> Self::Int {
        let zero = Self::splat(isa, 0.0);
        let mut products = zero;
        for shift in [0, 8, 16, 24] {
            let left = Self::from_int(unsigned.shr(shift).and(zero.int(255)));
            let right = Self::from_int(signed.shl(24 - shift).shr(24));
            products = left.mul_add(right, products);
        }
        sums.add(products.to_int())
    }
    /// What [`Bits::on_line`] goes by.
    #[inline(always)]
    fn line(factor: Self, term: Self) -> [Self; 2] {
        [factor, term]
    }
    /// code · factor + term for the codes in the lowest four bits of each lane, whatever the other
    /// bits are.
    #[inline(always)]
    fn on_line(line: [Self; 2], codes: Self::Int) -> Self {
        Self::from_int(codes.and(line[0].int(15))).mul_add(line[0], line[1])
    }
    /// The lanes as `f64`, in two vectors.
    fn widen(self) -> [<Self::Isa as Simd>::F64; 2];
    /// The lanes of two vectors of `f64`, rounded.
    fn narrow(wide: [<Self::Isa as Simd>::F64; 2]) -> Self;

    /// `self * factor + term` as [`Vector::mul_add`], but rounded once even where that is slow.
    #[inline(always)]
    fn fused(self, factor: Self, term: Self) -> Self {
        self.mul_add(factor, term)
    }
    /// The nearest number from `low` to `high`; NaN stays NaN.
    #[inline(always)]
    fn clamp(self, low: Self, high: Self) -> Self {
        let raised = Self::select(self.less(low), low, self);
        Self::select(raised.greater(high), high, raised)
    }
    /// `self`·2ⁿ for an integer `n` in [-252, 254], rounded once if `self`·2^(n/2) is no denormal.
    #[inline(always)]
    fn scale(self, n: Self) -> Self {
        // In two steps, as 2ⁿ itself may be out of range.
        let n = (n + self.of(ROUNDER)).to_bits();
        let half = n.shr(1);
        let one = self.of(1.0).to_bits();
        let first = Self::from_bits(half.shl(23).add(one));
        let second = Self::from_bits(n.sub(half).shl(23).add(one));
        self * first * second
    }
    /// The m between √½ and √2 and the integer e with `self` = m·2ᵉ.
    ///
    /// The e of 0 is minus infinity, that of infinity is infinity, and of a negative number or NaN
    /// m or e is NaN.
    #[inline(always)]
    fn split(self) -> (Self, Self) {
        let (zero, infinity) = (self.zero(), self.of(f64::INFINITY));
        let tiny = self.less(self.of(f32::MIN_POSITIVE as f64));
        let bits = Self::select(tiny, self * self.of(16_777_216.0), self).to_bits();
        let root_half = self.of(std::f64::consts::FRAC_1_SQRT_2).to_bits();
        let steps = bits.sub(root_half).shr(23);
        let m = Self::from_bits(bits.sub(steps.shl(23)));
        let e = Self::from_int(steps) - Self::select(tiny, self.of(24.0), zero);
        let e = Self::select(self.less(infinity), e, self);
        let e = Self::select(self.greater(zero), e, self.of(f64::NAN));
        (m, Self::select(self.equal(zero), -infinity, e))
    }
}

/// Vectors of `i32`, with wrapping arithmetic.
pub trait IntVector: Copy {
    /// Wrapping sum.
    fn add(self, other: Self) -> Self;
    /// Wrapping difference.
    fn sub(self, other: Self) -> Self;
    /// Bitwise and.
    fn and(self, other: Self) -> Self;
    /// Bitwise or.
    fn or(self, other: Self) -> Self;
    /// Bitwise exclusive or.
    fn xor(self, other: Self) -> Self;
    /// Shift towards the high bits by the same `count`, below 32, in each lane.
    fn shl(self, count: i32) -> Self;
    /// Shift towards the low bits by the same `count`, copies of the sign bit coming in.
    fn shr(self, count: i32) -> Self;
}

/// Something that can be compiled for every instruction set: what [`crate::Isa::run`] takes.
pub trait Routine {
    /// What the routine gives back.
    type Output;
    /// Does the work. Mark it `#[inline(always)]`, and all it calls in its hot loops.
    fn run<S: Simd>(self, isa: S) -> Self::Output;
}

/// The numbers of the first `count` vectors, a power of two, in another order: those in the first places
/// of all vectors in a row, then those in the second places, and so on.
///
/// Let v be the number of a vector and e the place in it: putting the numbers at even places of all
/// vectors in a row before those at odd places moves the lowest bit of e to the front of the bits of
/// (v, e). Once all bits of e have been moved, the number that was at (v, e) is at (e, v).
#[inline(always)]
pub(crate) fn mirrored<V: Vector, const N: usize>(mut vectors: [V; N], count: usize) -> [V; N] {
    let mut moved = 1;
    while moved < V::LANES {
        let before = vectors;
        for pair in 0..count / 2 {
            let (even, odd) = before[2 * pair].deinterleave(before[2 * pair + 1]);
            vectors[pair] = even;
            vectors[pair + count / 2] = odd;
        }
        moved *= 2;
    }
    vectors
}

/// A tile of a matrix product whose right operand is not packed: row `step` of it starts at
/// `b + steps[step]`.
#[derive(Clone, Copy)]
pub(crate) struct PatchTile<'a, T> {
    /// Where each row of the right operand starts.
    pub(crate) steps: &'a [usize],
    /// The packed panel of the left operand.
    pub(crate) a: *const T,
    pub(crate) b: *const T,
    /// Where the tile lies.
    pub(crate) c: *mut T,
    /// The distance between its rows.
    pub(crate) c_stride: usize,
    /// Whether the sums are added to what lies there.
    pub(crate) accumulate: bool,
}

/// Computes a tile of all rows of the instruction set's own, or of 1, 2 or 4, and of one to three
/// vectors in a row.
///
/// # Safety
/// `a` must be valid for `steps.len() * rows` reads, `b + steps[step]` for `vectors * LANES` reads
/// at each step, and `c` for as many columns in each of `rows` rows.
///
/// # Panics
/// If there is no tile of that size.
#[inline(always)]
pub(crate) unsafe fn patch_tile<V: Vector>(
    isa: V::Isa,
    rows: usize,
    vectors: usize,
    tile: PatchTile<'_, V::Scalar>,
) {
    // Tiles with more rows than the instruction set's own, or wider, never occur, and are not compiled.
    let (tall, wide) = (V::Isa::TILE_ROWS, V::Isa::TILE_VECTORS);
    let possible = if rows > tall || vectors > wide { 0 } else { rows };
    // SAFETY: the caller vouches for a tile of this size.
    unsafe {
        match (possible, vectors) {
            (8, 3) => fixed_patch_tile::<V, 8, 3>(isa, tile),
            (8, 2) => fixed_patch_tile::<V, 8, 2>(isa, tile),
            (8, 1) => fixed_patch_tile::<V, 8, 1>(isa, tile),
            (6, 2) if tall == 6 => fixed_patch_tile::<V, 6, 2>(isa, tile),
            (6, 1) if tall == 6 => fixed_patch_tile::<V, 6, 1>(isa, tile),
            (4, 3) => fixed_patch_tile::<V, 4, 3>(isa, tile),
            (4, 2) => fixed_patch_tile::<V, 4, 2>(isa, tile),
            (4, 1) => fixed_patch_tile::<V, 4, 1>(isa, tile),
            (2, 3) => fixed_patch_tile::<V, 2, 3>(isa, tile),
            (2, 2) => fixed_patch_tile::<V, 2, 2>(isa, tile),
            (2, 1) => fixed_patch_tile::<V, 2, 1>(isa, tile),
            (1, 3) => fixed_patch_tile::<V, 1, 3>(isa, tile),
            (1, 2) => fixed_patch_tile::<V, 1, 2>(isa, tile),
            (1, 1) => fixed_patch_tile::<V, 1, 1>(isa, tile),
            _ => panic!("there is no tile of {rows} rows and {vectors} vectors"),
        }
    }
}

/// The body of [`patch_tile`].
///
/// # Safety
/// As for [`patch_tile`].
#[inline(always)]
unsafe fn fixed_patch_tile<V: Vector, const ROWS: usize, const VECTORS: usize>(
    isa: V::Isa,
    tile: PatchTile<'_, V::Scalar>,
) {
    let mut sums = [[V::splat(isa, Number::ZERO); VECTORS]; ROWS];
    for (step, &start) in tile.steps.iter().enumerate() {
        let mut row = [sums[0][0]; VECTORS];
        for (j, vector) in row.iter_mut().enumerate() {
            // SAFETY: the caller vouches for VECTORS vectors from each step's start on.
            *vector = unsafe { V::read(isa, tile.b.add(start + j * V::LANES)) };
        }
        for (i, sums) in sums.iter_mut().enumerate() {
            // SAFETY: i < ROWS, so the read lies within the packed panel of `a`.
            let left = V::splat(isa, unsafe { *tile.a.add(step * ROWS + i) });
            for (sum, right) in sums.iter_mut().zip(row) {
                *sum = left.mul_add(right, *sum);
            }
        }
    }
    for (i, sums) in sums.iter().enumerate() {
        for (j, sum) in sums.iter().enumerate() {
            // SAFETY: row i < ROWS and column j < VECTORS * LANES lie within the tile of `c`.
            unsafe {
                let to = tile.c.add(i * tile.c_stride + j * V::LANES);
                let total = if tile.accumulate { V::read(isa, to) + *sum } else { *sum };
                total.write(to);
            }
        }
    }
}
