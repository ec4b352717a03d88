//! Convolutions with kernels of three by three at stride 1 in fewer multiplications.
//!
//! Outputs are computed in tiles of two lines and four columns. The four by six numbers of a channel
//! that a tile reads are transformed to as many (`input`), and so are the nine of the kernel (`kernel`).
//! In each of these twenty-four places the product summed over the channels is a matrix product of its
//! own, tiles by channels, and the sums of a tile are transformed to its outputs (`output`): 24
//! multiplications in place of 72. A transform is one along columns (`line`), then one along lines. The
//! gradient by the input is such a convolution too; that by the weight (`weight`) sums the products of
//! the transformed input and of the gradient by the sums (`grad`) over all tiles, and transforms them
//! back at the end (`taps`).
//!
//! What the transforms add cancels later, but for rounding; on the other hand sums are of fewer products.
//! Of normal numbers in 24, 64 and 256 channels the errors are 1.3, 1.0 and 0.75 times those of a plain
//! loop, in the root of the mean square; by tiles of two by two they would be 0.7, 0.6 and 0.4 times
//! those, by tiles of four by four 2.4, 1.8 and 1.3 times. But a number much larger than the others
//! around it costs these their accuracy, infinities become NaN, and sums of very large numbers
//! overflow. Boxes of outputs in which the numbers of an image are not [`Extent::is_tame`] are therefore
//! convolved directly.
//!
//! Where operands are rounded to `bf16`, it is the transformed numbers that are, and tiles are of two by
//! two. Let the numbers of an image have the variance 1, and those of a kernel too: the 36 and 9 of such
//! a tile give transforms of variance 4, and of 1, 3/4 and 9/16, of which 9 products make an output: an
//! error of variance 25 where the direct way has 9.
//!
//! # Source
//! Lavin, Gray 2016, "Fast Algorithms for Convolutional Neural Networks", section 4, for the nesting of
//! F(m, 3); Toom 1963 and Cook 1966 for products of polynomials by their values at some points. That
//! points other than 0, ±1 and ±2 lose less: Barabasz et al. 2020, "Error Analysis and Improving the
//! Accuracy of Winograd Convolution for Deep Neural Networks".

mod grid;
mod kernel;
mod line;
mod product;
mod source;
mod weight;

pub(super) use product::{fits, run};
pub(super) use weight::{fits as weight_fits, run as weight_gradient};

use crate::simd::{Simd, Vector};
use crate::{Float, Number};
use line::{Line, Outputs, Places, two};

/// How many lines of outputs a tile has.
const LINES: usize = 2;

/// The numbers that a tile reads, or its transform, line by line.
type Square<V> = [Places<V>; LINES + 2];

/// How many places a transformed tile or kernel has.
const fn places(across: Line) -> usize {
    (LINES + 2) * across.places()
}

/// The transform of the numbers that a tile reads.
#[inline(always)]
fn input<V: Vector>(across: Line, mut x: Square<V>) -> Square<V> {
    for line in &mut x {
        *line = across.input(*line);
    }
    columns(x, two::input)
}

/// The sums of a tile as its outputs.
#[inline(always)]
fn output<V: Vector>(across: Line, sums: Square<V>) -> [Outputs<V>; LINES] {
    let [first, second] = columns(sums, two::output);
    [across.output(first), across.output(second)]
}

/// The gradient by the sums, from that by the outputs: the adjoint of [`output`].
#[inline(always)]
fn grad<V: Vector>(across: Line, [first, second]: [Outputs<V>; LINES]) -> Square<V> {
    columns([across.grad(first), across.grad(second)], two::grad)
}

/// The transform of a kernel.
#[inline(always)]
fn kernel<V: Vector>(across: Line, [a, b, c]: [[V; 3]; 3]) -> Square<V> {
    columns([across.kernel(a), across.kernel(b), across.kernel(c)], two::kernel)
}

/// The gradient by a kernel, from that by its transform: the adjoint of [`kernel`].
#[inline(always)]
fn taps<V: Vector>(across: Line, grad: Square<V>) -> [[V; 3]; 3] {
    let [a, b, c] = columns(grad, two::taps);
    [across.taps(a), across.taps(b), across.taps(c)]
}

/// The sums or totals of a tile, whose places lie `pitch` apart.
///
/// # Panics
/// If they reach beyond the numbers.
#[inline(always)]
fn read<V: Vector>(isa: V::Isa, across: Line, numbers: &[V::Scalar], pitch: usize) -> Square<V> {
    // Checked once for all places, so that the loops are unrolled.
    assert!(numbers.len() >= (places(across) - 1) * pitch + V::LANES);
    let mut square = [[V::splat(isa, Number::ZERO); _]; _];
    for (i, line) in square.iter_mut().enumerate() {
        for (j, vector) in line.iter_mut().take(across.places()).enumerate() {
            let place = i * across.places() + j;
            // SAFETY: this place's vector lies within the numbers.
            *vector = unsafe { V::read(isa, numbers.as_ptr().add(place * pitch)) };
        }
    }
    square
}

/// Transforms columns.
#[inline(always)]
fn columns<V: Copy, const FROM: usize, const TO: usize>(
    lines: [Places<V>; FROM],
    transform: impl Fn([V; FROM]) -> [V; TO],
) -> [Places<V>; TO] {
    let mut transformed = [lines[0]; TO];
    for j in 0..lines[0].len() {
        let mut column = [lines[0][j]; FROM];
        for (value, line) in column.iter_mut().zip(&lines) {
            *value = line[j];
        }
        for (line, value) in transformed.iter_mut().zip(transform(column)) {
            line[j] = value;
        }
    }
    transformed
}

/// How large numbers are.
#[derive(Clone, Copy, Debug, Default)]
struct Extent {
    largest: f64,
    /// The sum of the magnitudes: infinite or NaN if one of them is.
    sum: f64,
    count: usize,
}

impl Extent {
    /// The magnitudes between which nothing that is computed of numbers overflows or loses digits
    /// because it is too small.
    const LARGEST: f64 = (1u64 << 40) as f64;
    const SMALLEST: f64 = 1.0 / Self::LARGEST;

    /// The extent of all numbers of a slice of whole vectors.
    #[inline(always)]
    fn of<S: Simd, T: Float>(isa: S, numbers: &[T]) -> Self {
        let lanes = T::Vector::<S>::LANES;
        let zero = T::Vector::<S>::splat(isa, T::ZERO);
        let (mut largest, mut sums) = ([zero; 2], [zero; 2]);
        for pair in numbers.chunks_exact(2 * lanes) {
            for (i, numbers) in pair.chunks_exact(lanes).enumerate() {
                let x = T::Vector::<S>::load(isa, numbers).abs();
                largest[i] = T::Vector::<S>::select(x.greater(largest[i]), x, largest[i]);
                sums[i] = sums[i] + x;
            }
        }
        for numbers in numbers.chunks_exact(2 * lanes).remainder().chunks_exact(lanes) {
            let x = T::Vector::<S>::load(isa, numbers).abs();
            largest[0] = largest[0].maximum(x);
            sums[0] = sums[0] + x;
        }
        Self {
            largest: largest[0].maximum(largest[1]).max_lane().to_f64(),
            sum: (sums[0] + sums[1]).sum().to_f64(),
            count: numbers.len(),
        }
    }

    /// The extent of both.
    fn and(self, other: Self) -> Self {
        Self {
            largest: self.largest.max(other.largest),
            sum: self.sum + other.sum,
            count: self.count + other.count,
        }
    }

    /// True if no number is infinite, NaN, or so large or small that sums of some of them overflow
    /// or halves of them are not exact.
    fn is_moderate(self) -> bool {
        let in_range = self.largest <= Self::LARGEST && self.largest >= Self::SMALLEST;
        self.sum.is_finite() && (in_range || self.sum == 0.0)
    }

    /// True if moreover no number is much larger than they are on average.
    fn is_tame(self, across: Line) -> bool {
        self.is_moderate() && self.largest * self.count as f64 <= across.spread() * self.sum
    }
}
