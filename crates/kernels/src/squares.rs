//! Sums of squares: of numbers, and of their differences from others with the gradient.

use crate::math::Real;
use crate::memory::scratch;
use crate::rows::{Code, Product, sum_of, write_of};
use crate::simd::{Routine, Simd, Vector};
use crate::threads::{Chunked, Pieces, Row};
use crate::tiles::TASK;
use crate::{Chunks, Float, Machine};

/// (x - y)².
#[derive(Clone, Copy)]
struct Square;

impl<T: Float> Code<T, 2> for Square {
    #[inline(always)]
    fn apply<V: Vector<Scalar = T> + Real>(self, [x, y]: [V; 2]) -> V {
        (x - y) * (x - y)
    }
}

/// factor · (x - y).
#[derive(Clone, Copy)]
struct Difference<T>(T);

impl<T: Float> Code<T, 2> for Difference<T> {
    #[inline(always)]
    fn apply<V: Vector<Scalar = T> + Real>(self, [x, y]: [V; 2]) -> V {
        V::splat(x.isa(), self.0) * (x - y)
    }
}

/// Σ x² over all numbers of several slices.
pub fn sum_of_squares<'a, T: Float>(on: Machine, slices: impl Iterator<Item = &'a [T]>) -> f64 {
    let mut len = 0;
    let pieces = Row::new(slices.map(|slice| {
        len += slice.len();
        Pieces::new(slice, TASK)
    }));
    let mut sums = scratch::<f64>(pieces.count());
    on.for_each((Chunks::new(&mut sums, 1), pieces), len / 8, |_, (sum, x)| {
        sum[0] = on.isa.run(Sum { code: Product, x: [x, x] });
    });
    total(&sums)
}

/// The sum of the sums of all tasks, in their order.
fn total(sums: &[f64]) -> f64 {
    sums.iter().fold(0.0, |total, sum| total + sum)
}

/// scale · Σ (xᵢ - yᵢ)².
///
/// # Panics
/// If the lengths differ.
pub fn squared_error<T: Float>(on: Machine, scale: f64, x: &[T], y: &[T]) -> T {
    assert_eq!(x.len(), y.len());
    let mut sums = scratch::<f64>(x.len().div_ceil(TASK));
    let parts = (Chunks::new(&mut sums, 1), Pieces::new(x, TASK), Pieces::new(y, TASK));
    on.for_each(parts, x.len() / 4, |_, (sum, x, y)| {
        sum[0] = on.isa.run(Sum { code: Square, x: [x, y] });
    });
    T::from_f64(scale * total(&sums))
}

struct Sum<'a, C, T> {
    code: C,
    x: [&'a [T]; 2],
}

impl<T: Float, C: Code<T, 2>> Routine for Sum<'_, C, T> {
    type Output = f64;

    #[inline(always)]
    fn run<S: Simd>(self, isa: S) -> f64 {
        sum_of(isa, self.code, self.x)
    }
}

/// outᵢ = factor · (xᵢ - yᵢ): with twice the scale for a factor, the gradient of [`squared_error`] by
/// x.
///
/// # Panics
/// If the lengths differ.
pub fn squared_error_gradient<T: Float>(on: Machine, factor: f64, x: &[T], y: &[T], out: &mut [T]) {
    assert!(x.len() == out.len() && y.len() == out.len());
    let code = Difference(T::from_f64(factor));
    let cost_ns = out.len() / 4;
    let parts = (Chunks::new(out, TASK), Pieces::new(x, TASK), Pieces::new(y, TASK));
    on.for_each(parts, cost_ns, |_, (out, x, y)| on.isa.run(Gradient { code, x, y, out }));
}

struct Gradient<'a, T> {
    code: Difference<T>,
    x: &'a [T],
    y: &'a [T],
    out: &'a mut [T],
}

impl<T: Float> Routine for Gradient<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, isa: S) {
        write_of(isa, self.code, [self.x, self.y], self.out);
    }
}
