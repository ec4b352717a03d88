//! The gradient by the weight: for each tap, the product of the input that it meets and the
//! gradient by the output, summed over all places of all images.
//!
//! With few channels tasks multiply runs of memory ([`super::runs`]), with many they multiply
//! channels side by side ([`super::pairs`]), transformed ones if the kernel is three by three
//! ([`super::winograd`]); processors that have tiles multiply both by these ([`super::tiled`]). The
//! places are cut into parts, each of which has sums of its own; these are added in a fixed order.

use super::transpose::matrix;
use super::{Geometry, pairs, runs, tiled, winograd};
use crate::memory::{Scratch, scratch};
use crate::multiplier::{self, Format, Unrounded};
use crate::simd::{Simd, Vector};
use crate::threads::Shared;
use crate::{Chunks, Float, Machine, Precision, Strided};
use std::ops::Range;

/// From so many channels on they fill vectors well enough.
const CHANNELS: usize = 8;

/// How many numbers the sums of all parts are at most.
const SUMS: usize = 4 << 20;

/// How many sums one task adds up.
const SUM_TASK: usize = 2048;

/// Computes the gradient by the weight.
pub(super) fn run<T: Float>(
    on: Machine,
    precision: Precision,
    geometry: &Geometry,
    x: Strided<'_, T>,
    grad: Strided<'_, T>,
    out: &mut [T],
) {
    let places = geometry.batch * geometry.output.iter().product::<usize>();
    if out.is_empty() || places == 0 {
        return out.fill(T::ZERO);
    }
    if tiled::weight_gradient(on, precision, geometry, [x, grad], out) {
        return;
    }
    if geometry.in_channels / geometry.groups < CHANNELS {
        runs::run(on, geometry, x, grad, out);
    } else if multiplier::rounds::<T>(on, precision) {
        of_many_channels::<T, T::Rounded>(on, geometry, x, grad, out);
    } else {
        of_many_channels::<T, Unrounded>(on, geometry, x, grad, out);
    }
}

/// Multiplies channels side by side, transformed where that pays.
fn of_many_channels<T: Float, F: Format<T>>(
    on: Machine,
    geometry: &Geometry,
    x: Strided<'_, T>,
    grad: Strided<'_, T>,
    out: &mut [T],
) {
    if !winograd::weight_fits::<T, F>(geometry)
        || !winograd::weight_gradient::<T, F>(on, geometry, [x, grad], out)
    {
        pairs::run::<T, F>(on, geometry, x, grad, out);
    }
}

/// How boxes of outputs are cut into parts.
#[derive(Clone, Copy)]
pub(super) struct Cut {
    boxes: usize,
    /// How many boxes a part has.
    part: usize,
    /// How many parts there are.
    pub(super) count: usize,
}

impl Cut {
    /// The boxes of a part.
    pub(super) fn boxes(&self, index: usize) -> Range<usize> {
        index * self.part..self.boxes.min((index + 1) * self.part)
    }
}

/// Parts of all boxes, each with sums of its own.
pub(super) struct Parts<'a, T> {
    pub(super) cut: Cut,
    out: &'a mut [T],
    /// The sums of all parts but for a single one, which are the result.
    sums: Scratch<T>,
}

impl<'a, T: Float> Parts<'a, T> {
    /// Cuts boxes into so many parts at most.
    pub(super) fn new(out: &'a mut [T], boxes: usize, most: usize) -> Self {
        let part = boxes.div_ceil(most.min(SUMS / out.len()).max(1));
        let count = boxes.div_ceil(part);
        let sums = scratch(if count > 1 { count * out.len() } else { 0 });
        Self { cut: Cut { boxes, part, count }, out, sums }
    }

    /// The sums of all parts, one part behind the other.
    pub(super) fn sums(&mut self) -> Shared<'_, T> {
        Shared::new(if self.cut.count > 1 { &mut self.sums } else { self.out })
    }

    /// Adds the sums of the parts.
    pub(super) fn finish(self, on: Machine) {
        let Self { cut: Cut { count, .. }, out, sums } = self;
        if count == 1 {
            return;
        }
        let len = out.len();
        on.for_each(Chunks::new(out, SUM_TASK), count * len / 8, |index, out| {
            let start = index * SUM_TASK;
            out.copy_from_slice(&sums[start..][..out.len()]);
            for part in 1..count {
                let sums = &sums[part * len + start..][..out.len()];
                for (out, &sum) in out.iter_mut().zip(sums) {
                    *out = out.plus(sum);
                }
            }
        });
    }
}

/// Writes a row's totals, `[tap][channel]`, as `[channel][tap]`, of as many channels as there is
/// space for.
#[inline(always)]
pub(super) fn write_row<S: Simd, T: Float>(
    isa: S,
    totals: &[T],
    [taps, width]: [usize; 2],
    mut to: &mut [T],
) {
    let lanes = T::Vector::<S>::LANES;
    let pitch = taps.next_multiple_of(lanes);
    let mut lines = scratch(width * pitch);
    matrix::<T::Vector<S>>(isa, totals, width, [taps, width], &mut lines, pitch);
    for line in lines.chunks(pitch).take(to.len() / taps) {
        for first in (0..taps).step_by(lanes) {
            // What is written behind the channel's taps is overwritten by the next one's.
            T::Vector::<S>::load(isa, &line[first..]).store_chunk(&mut to[first..]);
        }
        to = &mut to[taps..];
    }
}
