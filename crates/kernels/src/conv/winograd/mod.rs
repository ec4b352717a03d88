//! Convolutions with kernels of three by three at stride 1 in fewer multiplications.
//!
//! Outputs are computed in tiles of two by two. The four by four numbers of a channel that a tile
//! reads are transformed to sixteen (`input`), and so are the nine of the kernel (`kernel`). In each
//! of these sixteen places the product summed over the channels is a matrix product of its own,
//! tiles by channels, and the sixteen sums of a tile are transformed to its outputs (`output`):
//! sixteen multiplications in place of thirty-six. The transforms only add and halve. The gradient
//! by the input is such a convolution too; that by the weight (`weight`) sums the products of the
//! transformed input and of the gradient by the sixteen sums (`grad`) over all tiles, and
//! transforms them back at the end (`taps`).
//!
//! What the transforms add cancels later, but for rounding. So a number much larger than the others
//! around it costs these their accuracy, infinities become NaN, and sums of very large numbers
//! overflow. Boxes of outputs in which the numbers are not [`Extent::is_tame`] are therefore
//! convolved directly.
//!
//! Where operands are rounded to `bf16`, it is the transformed numbers that are. Let the numbers of an
//! image have the variance 1, and those of a kernel too: the 36 and 9 of a tile give transforms of
//! variance 4, and of 1, 3/4 and 9/16, of which 9 products make an output: an error of variance 25 where
//! the direct way has 9.
//!
//! # Source
//! Lavin, Gray 2016, "Fast Algorithms for Convolutional Neural Networks", section 4.1, F(2x2, 3x3).

mod grid;
mod kernel;
mod product;
mod source;
mod weight;

pub(super) use product::{fits, run};
pub(super) use weight::{fits as weight_fits, run as weight_gradient};

use crate::Float;
use crate::simd::{Simd, Vector};

/// How many places a transformed tile or kernel has.
const PLACES: usize = 16;

/// The transform of the four by four numbers that a tile reads.
#[inline(always)]
fn input<V: Vector>(mut x: [[V; 4]; 4]) -> [[V; 4]; 4] {
    for _ in 0..2 {
        for line in &mut x {
            let [a, b, c, d] = *line;
            *line = [a - c, b + c, c - b, b - d];
        }
        x = transposed(x);
    }
    x
}

/// The sixteen sums of a tile as its two by two outputs.
#[inline(always)]
fn output<V: Vector>(sums: [[V; 4]; 4]) -> [[V; 2]; 2] {
    let columns = transposed(sums);
    let mut halfway = [[sums[0][0]; 4]; 2];
    for (j, column) in columns.into_iter().enumerate() {
        [halfway[0][j], halfway[1][j]] = output_line(column);
    }
    [output_line(halfway[0]), output_line(halfway[1])]
}

#[inline(always)]
fn output_line<V: Vector>([a, b, c, d]: [V; 4]) -> [V; 2] {
    [a + b + c, b - c - d]
}

/// The gradient by the sixteen sums, from that by the outputs: the adjoint of [`output`].
#[inline(always)]
fn grad<V: Vector>([first, second]: [[V; 2]; 2]) -> [[V; 4]; 4] {
    let lines = [grad_line(first), grad_line(second)];
    let mut columns = [[first[0]; 4]; 4];
    for (j, column) in columns.iter_mut().enumerate() {
        *column = grad_line([lines[0][j], lines[1][j]]);
    }
    transposed(columns)
}

#[inline(always)]
fn grad_line<V: Vector>([a, b]: [V; 2]) -> [V; 4] {
    [a, a + b, a - b, -b]
}

/// The transform of a kernel.
#[inline(always)]
fn kernel<V: Vector>(taps: [[V; 3]; 3]) -> [[V; 4]; 4] {
    let lines = [kernel_line(taps[0]), kernel_line(taps[1]), kernel_line(taps[2])];
    let mut columns = [[taps[0][0]; 4]; 4];
    for (j, column) in columns.iter_mut().enumerate() {
        *column = kernel_line([lines[0][j], lines[1][j], lines[2][j]]);
    }
    transposed(columns)
}

#[inline(always)]
fn kernel_line<V: Vector>([a, b, c]: [V; 3]) -> [V; 4] {
    let half = a.of(0.5);
    let (sides, middle) = ((a + c) * half, b * half);
    [a, sides + middle, sides - middle, c]
}

/// The gradient by a kernel, from that by its transform: the adjoint of [`kernel`].
#[inline(always)]
fn taps<V: Vector>(grad: [[V; 4]; 4]) -> [[V; 3]; 3] {
    let columns = transposed(grad);
    let mut halfway = [[grad[0][0]; 4]; 3];
    for (j, column) in columns.into_iter().enumerate() {
        [halfway[0][j], halfway[1][j], halfway[2][j]] = taps_line(column);
    }
    [taps_line(halfway[0]), taps_line(halfway[1]), taps_line(halfway[2])]
}

#[inline(always)]
fn taps_line<V: Vector>([a, b, c, d]: [V; 4]) -> [V; 3] {
    let half = a.of(0.5);
    let sum = (b + c) * half;
    [a + sum, (b - c) * half, sum + d]
}

#[inline(always)]
fn transposed<V: Copy>(x: [[V; 4]; 4]) -> [[V; 4]; 4] {
    let mut transposed = x;
    for (i, line) in x.into_iter().enumerate() {
        for (j, value) in line.into_iter().enumerate() {
            transposed[j][i] = value;
        }
    }
    transposed
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

    /// How many times the mean magnitude the largest may be.
    const SPREAD: f64 = 256.0;

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
    fn is_tame(self) -> bool {
        self.is_moderate() && self.largest * self.count as f64 <= Self::SPREAD * self.sum
    }
}
