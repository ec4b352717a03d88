//! Planes in another size, by the nearest element or by linear interpolation, and the adjoint.

use crate::memory::scratch;
use crate::simd::{Routine, Simd};
use crate::{Chunks, Float, Machine};

/// Where along an axis the elements of the result come from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Interpolation {
    /// Element i of n comes from element ⌊i · len / n⌋.
    Nearest,
    /// Element i comes from element ⌊i · step⌋.
    NearestBy {
        /// How far apart neighbours of the result are in the input.
        step: f64,
    },
    /// Element i lies at (i + ½) · step - ½, between its two neighbours.
    Linear {
        /// How far apart neighbours of the result are in the input.
        step: f64,
    },
    /// Element i of n lies at i · (len - 1) / (n - 1), between its two neighbours.
    LinearAligned,
}

/// Where an element of the result comes from: two elements and the weight of the second.
#[derive(Clone, Copy, Debug)]
struct Tap {
    low: usize,
    high: usize,
    weight: f64,
}

impl Interpolation {
    fn tap(self, index: usize, count: usize, len: usize) -> Tap {
        let last = len - 1;
        let one = |low: usize| Tap { low: low.min(last), high: low.min(last), weight: 0.0 };
        let between = |position: f64| {
            let position = position.max(0.0);
            let low = (position as usize).min(last);
            let weight = if low < last { position - low as f64 } else { 0.0 };
            Tap { low, high: (low + 1).min(last), weight }
        };
        match self {
            Self::Nearest => one((index as u128 * len as u128 / count as u128) as usize),
            Self::NearestBy { step } => one((index as f64 * step) as usize),
            Self::Linear { step } => between((index as f64 + 0.5) * step - 0.5),
            Self::LinearAligned if count > 1 => {
                between(index as f64 * (last as f64 / (count - 1) as f64))
            }
            Self::LinearAligned => one(0),
        }
    }
}

/// A change of the size of planes of three axes, of which those not needed have length 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Resize {
    /// Where the elements come from along each axis.
    pub axes: [Interpolation; 3],
    /// The lengths of the axes of the input.
    pub input: [usize; 3],
    /// The lengths of the axes of the result.
    pub output: [usize; 3],
}

/// The elements of the result along each axis.
struct Taps {
    input: [usize; 3],
    output: [usize; 3],
    taps: [Vec<Tap>; 3],
}

impl Taps {
    fn new(resize: &Resize, inputs: usize, outputs: usize) -> Self {
        let Resize { axes, input, output } = *resize;
        let planes = inputs / input.iter().product::<usize>().max(1);
        let lens =
            (planes * input.iter().product::<usize>(), planes * output.iter().product::<usize>());
        assert_eq!((inputs, outputs), lens);
        let along = |axis: usize| {
            let (count, len) = (output[axis], input[axis]);
            let count_used = if len == 0 { 0 } else { count };
            (0..count_used).map(|index| axes[axis].tap(index, count, len)).collect()
        };
        Self { input, output, taps: [0, 1, 2].map(along) }
    }

    /// The rows of the input, with their weights, that a row of the result comes from.
    #[inline(always)]
    fn rows(&self, row: usize) -> [(usize, f64); 4] {
        let [depths, heights, _] = self.output;
        let plane = row / (depths * heights);
        let depth = self.taps[0][row / heights % depths];
        let height = self.taps[1][row % heights];
        let start =
            |d: usize, h: usize| ((plane * self.input[0] + d) * self.input[1] + h) * self.input[2];
        [
            (start(depth.low, height.low), (1.0 - depth.weight) * (1.0 - height.weight)),
            (start(depth.low, height.high), (1.0 - depth.weight) * height.weight),
            (start(depth.high, height.low), depth.weight * (1.0 - height.weight)),
            (start(depth.high, height.high), depth.weight * height.weight),
        ]
    }
}

/// sum ← sum + weight · x, where the weight is not zero.
#[inline(always)]
fn add_scaled<T: Float>(sum: &mut [T], weight: f64, x: &[T]) {
    if weight == 0.0 {
        return;
    }
    let weight = T::from_f64(weight);
    for (sum, &x) in sum.iter_mut().zip(x) {
        *sum = sum.plus(x.times(weight));
    }
}

/// How many numbers one task takes.
const TASK: usize = 1 << 14;

/// out = x in another size.
///
/// # Panics
/// If the slices do not hold the same number of planes.
pub fn resize<T: Float>(on: Machine, resize: &Resize, x: &[T], out: &mut [T]) {
    let taps = &Taps::new(resize, x.len(), out.len());
    if out.is_empty() {
        return;
    }
    let rows = (TASK / resize.output[2]).max(1);
    let cost_ns = out.len() * 2;
    on.for_each(Chunks::new(out, rows * resize.output[2]), cost_ns, |index, out| {
        on.isa.run(ResizeTask { taps, x, first: index * rows, out });
    });
}

struct ResizeTask<'a, T> {
    taps: &'a Taps,
    x: &'a [T],
    /// The number of the first row.
    first: usize,
    out: &'a mut [T],
}

impl<T: Float> Routine for ResizeTask<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let width = self.taps.input[2];
        let mut blend = scratch::<T>(width);
        for (row, out) in self.out.chunks_exact_mut(self.taps.output[2]).enumerate() {
            blend.fill(T::ZERO);
            for (start, weight) in self.taps.rows(self.first + row) {
                add_scaled(&mut blend, weight, &self.x[start..][..width]);
            }
            for (out, tap) in out.iter_mut().zip(&self.taps.taps[2]) {
                *out = blend[tap.low];
                if tap.weight != 0.0 {
                    let (low, high) = (T::from_f64(1.0 - tap.weight), T::from_f64(tap.weight));
                    *out = blend[tap.low].times(low).plus(blend[tap.high].times(high));
                }
            }
        }
    }
}

/// out = the adjoint of [`resize`]: each number of x is added, with its weights, to the elements it
/// came from.
///
/// # Panics
/// As [`resize`].
pub fn adjoint<T: Float>(on: Machine, resize: &Resize, x: &[T], out: &mut [T]) {
    let taps = &Taps::new(resize, out.len(), x.len());
    let plane: usize = resize.input.iter().product();
    if out.is_empty() {
        return;
    }
    let cost_ns = x.len() * 2;
    on.for_each(Chunks::new(out, plane), cost_ns, |index, out| {
        on.isa.run(AdjointTask { taps, x, plane: index, out });
    });
}

struct AdjointTask<'a, T> {
    taps: &'a Taps,
    x: &'a [T],
    plane: usize,
    out: &'a mut [T],
}

impl<T: Float> Routine for AdjointTask<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let (taps, width) = (self.taps, self.taps.input[2]);
        let rows = taps.output[0] * taps.output[1];
        let first = self.plane * self.out.len();
        let x = &self.x[self.plane * rows * taps.output[2]..][..rows * taps.output[2]];
        let mut blend = scratch::<T>(width);
        self.out.fill(T::ZERO);
        for (row, x) in x.chunks_exact(taps.output[2].max(1)).enumerate() {
            blend.fill(T::ZERO);
            for (&x, tap) in x.iter().zip(&taps.taps[2]) {
                let mut add = |place: usize, weight: f64| {
                    blend[place] = blend[place].plus(x.times(T::from_f64(weight)));
                };
                add(tap.low, 1.0 - tap.weight);
                if tap.weight != 0.0 {
                    add(tap.high, tap.weight);
                }
            }
            for (start, weight) in taps.rows(self.plane * rows + row) {
                add_scaled(&mut self.out[start - first..][..width], weight, &blend);
            }
        }
    }
}
