//! The gradient by the weight where the input has few channels.
//!
//! A task copies a box of the input, and of the gradient, into scratch with lines of the same
//! length, zeros filling those of the gradient. The places of an output channel and of a tap are
//! then two runs of memory. Several channels and taps are multiplied at once, their sums in
//! registers.

use super::Geometry;
use super::gather::{copy_channel, copy_outputs};
use super::lines::SLACK;
use super::plan::{Goal, Layout, Part, Plan};
use super::weight::Parts;
use crate::memory::scratch;
use crate::simd::{Routine, Simd, Vector};
use crate::{Float, Machine, Strided};
use std::ops::Range;

/// How many numbers the copies of a box hold. The longer the runs, the less their sums' sums cost.
const BUDGET: usize = 128 << 10;

/// How many parts the places are cut into at most, each of which has sums of its own.
const PARTS: usize = 16;

/// How many rows of the gradient a task takes at least if there are few parts.
const ROWS: usize = 64;

/// Computes the gradient by the weight.
pub(super) fn run<T: Float>(
    on: Machine,
    geometry: &Geometry,
    x: Strided<'_, T>,
    grad: Strided<'_, T>,
    out: &mut [T],
) {
    let Geometry { batch, groups, .. } = *geometry;
    let plan = &Plan::forward(geometry);
    let channels = geometry.in_channels / groups;
    let rows = geometry.out_channels / groups;
    let goal = Goal { channels, rows, budget: BUDGET, wanted: PARTS.div_ceil(groups) };
    let layout = &plan.layout(batch, &goal);
    let boxes: usize = plan.boxes(batch, layout).iter().product();
    let len = out.len();
    let mut parts = Parts::new(out, boxes, PARTS);
    let row_parts = PARTS.div_ceil(parts.cut.count * groups).min(rows.div_ceil(ROWS));
    let row_part = rows.div_ceil(row_parts);
    let row_parts = rows.div_ceil(row_part);
    let steps = plan.starts(layout, channels);
    let cut = parts.cut;
    let shared = parts.sums();
    on.parallel(cut.count * groups * row_parts, geometry.cost_ns(), |task| {
        let (rest, row_part_index) = (task / row_parts, task % row_parts);
        let (index, group) = (rest / groups, rest % groups);
        let first = row_part_index * row_part;
        let rows = first..rows.min(first + row_part);
        let start = index * len + (group * (len / groups)) + first * steps.len();
        // SAFETY: each task has sums of its own.
        let sums = unsafe { shared.slice(start, rows.len() * steps.len()) };
        on.isa.run(Task {
            geometry,
            plan,
            layout,
            boxes: cut.boxes(index),
            group,
            rows,
            steps: &steps,
            x,
            grad,
            sums,
        });
    });
    parts.finish(on);
}

/// The sums of some rows over some boxes.
struct Task<'a, T> {
    geometry: &'a Geometry,
    plan: &'a Plan,
    layout: &'a Layout,
    boxes: Range<usize>,
    group: usize,
    rows: Range<usize>,
    /// Where in the copy of the input each tap of each channel starts.
    steps: &'a [usize],
    x: Strided<'a, T>,
    grad: Strided<'a, T>,
    /// `[row][channel and tap]`.
    sums: &'a mut [T],
}

impl<T: Float> Routine for Task<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(mut self, isa: S) {
        let lanes = T::Vector::<S>::LANES;
        let channels = self.channels();
        let image_len: usize = self.layout.lens.iter().product();
        let pitch = (self.layout.images * image_len).next_multiple_of(lanes);
        let mut input = scratch(channels * self.layout.channel_len + self.layout.spill + SLACK);
        let mut grad = scratch(self.rows.len() * pitch + SLACK);
        let steps = self.steps;
        let sums = std::mem::take(&mut self.sums);
        sums.fill(T::ZERO);
        for index in self.boxes.clone() {
            let part = self.plan.part(self.geometry.batch, self.layout, index);
            copy_input(isa, &self, &part, &mut input);
            let first = self.group * (self.geometry.out_channels / self.geometry.groups);
            let channels = first + self.rows.start..first + self.rows.end;
            copy_outputs(isa, &self.grad, self.layout, &part, channels, &mut grad, pitch);
            let vectors = part.flat.div_ceil(lanes);
            let count = self.rows.len();
            let mut product = Product { steps, input: &input, grad: &grad, pitch, vectors, sums };
            // The tiles that fill the registers: 32 or 16 of them.
            let mut row = 0;
            while row < count {
                row += match (count - row, S::TILE_ROWS) {
                    (8.., 8) => product.rows::<S, 8, 3>(isa, row),
                    (4.., 8) => product.rows::<S, 4, 3>(isa, row),
                    (6.., 6) => product.rows::<S, 6, 2>(isa, row),
                    (4.., _) => product.rows::<S, 4, 2>(isa, row),
                    _ => product.rows::<S, 1, 9>(isa, row),
                };
            }
        }
    }
}

impl<T> Task<'_, T> {
    /// How many channels of the input a group has.
    fn channels(&self) -> usize {
        self.geometry.in_channels / self.geometry.groups
    }
}

#[inline(always)]
fn copy_input<S: Simd, T: Float>(isa: S, task: &Task<'_, T>, part: &Part, copy: &mut [T]) {
    let channels = task.channels();
    for index in 0..channels {
        let channel = task.group * channels + index;
        let to = &mut copy[index * task.layout.channel_len..];
        copy_channel(isa, &task.x, task.plan, task.layout, part, channel, to);
    }
    // What is read beyond the last run is multiplied by zero, so it must be a number.
    copy[channels * task.layout.channel_len..].fill(T::ZERO);
}

/// The product of the copies of one box.
struct Product<'a, T> {
    steps: &'a [usize],
    input: &'a [T],
    grad: &'a [T],
    /// The distance between rows of the gradient's copy.
    pitch: usize,
    /// How many vectors a run has.
    vectors: usize,
    sums: &'a mut [T],
}

impl<T: Float> Product<'_, T> {
    /// Adds the products of `ROWS` rows with all taps to the sums, `TAPS` of them at a time.
    #[inline(always)]
    fn rows<S: Simd, const ROWS: usize, const TAPS: usize>(&mut self, isa: S, row: usize) -> usize {
        let lanes = T::Vector::<S>::LANES;
        let end = self.vectors * lanes;
        assert!(self.vectors == 0 || (row + ROWS - 1) * self.pitch + end <= self.grad.len());
        for first in (0..self.steps.len()).step_by(TAPS) {
            // Beyond the last tap it is computed again, and dropped.
            let last = self.steps.len() - 1;
            let mut starts = [0; TAPS];
            for (i, start) in starts.iter_mut().enumerate() {
                *start = self.steps[last.min(first + i)];
            }
            assert!(starts.iter().all(|start| start + end <= self.input.len()));
            let zero = T::Vector::<S>::splat(isa, T::ZERO);
            let mut sums = [[zero; TAPS]; ROWS];
            for place in (0..end).step_by(lanes) {
                // SAFETY: both copies hold `end` numbers from each start on, as asserted above.
                unsafe {
                    let input = self.input.as_ptr().add(place);
                    let grad = self.grad.as_ptr().add(row * self.pitch + place);
                    let mut taps = [zero; TAPS];
                    for (tap, &start) in taps.iter_mut().zip(&starts) {
                        *tap = T::Vector::<S>::read(isa, input.add(start));
                    }
                    for (i, sums) in sums.iter_mut().enumerate() {
                        let grad = T::Vector::<S>::read(isa, grad.add(i * self.pitch));
                        for (sum, &tap) in sums.iter_mut().zip(&taps) {
                            *sum = grad.mul_add(tap, *sum);
                        }
                    }
                }
            }
            for (i, sums) in sums.iter().enumerate() {
                let line = &mut self.sums[(row + i) * self.steps.len()..][..self.steps.len()];
                for (total, sum) in line[first..].iter_mut().zip(sums) {
                    *total = total.plus(sum.sum());
                }
            }
        }
        ROWS
    }
}
