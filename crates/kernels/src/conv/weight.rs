//! The gradient by the weight: for each tap, the product of the input that it meets and the
//! gradient by the output, summed over all places of all images.
//!
//! The places are cut into parts, each of which is a task, or several if there are many rows. The
//! sums of the parts are added in a fixed order. With few channels a task multiplies runs of memory
//! ([`super::runs`]), with many it multiplies panels ([`super::panels`]).

use super::Geometry;
use super::plan::{Goal, Layout, Plan};
use super::{panels, runs};
use crate::memory::scratch;
use crate::simd::{Routine, Simd};
use crate::threads::Shared;
use crate::{Chunks, Float, Machine, Strided};
use std::ops::Range;

/// How many parts the places are cut into at most, each of which has sums of its own.
const PARTS: usize = 16;

/// How many numbers all these sums are at most.
const SUMS: usize = 4 << 20;

/// How many rows of the gradient a task takes at least if there are few parts.
const ROWS: usize = 64;

/// How many sums one task adds up.
const SUM_TASK: usize = 2048;

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
    let budget = if channels < panels::CHANNELS { runs::BUDGET } else { panels::BUDGET };
    let goal = Goal { channels, rows, budget, wanted: PARTS.div_ceil(groups) };
    let layout = &plan.layout(batch, &goal);
    let boxes: usize = plan.boxes(batch, layout).iter().product();
    if out.is_empty() || boxes == 0 || layout.flat == 0 {
        return out.fill(T::ZERO);
    }
    let part = boxes.div_ceil(PARTS.min(SUMS / out.len()).max(1));
    let parts = boxes.div_ceil(part);
    let row_parts = PARTS.div_ceil(parts * groups).min(rows.div_ceil(ROWS));
    let row_part = rows.div_ceil(row_parts);
    let row_parts = rows.div_ceil(row_part);
    let mut steps = vec![];
    for channel in 0..channels {
        let start = channel * layout.channel_len;
        plan.for_each_tap(layout, |_, tap| steps.push(start + tap));
    }
    let mut sums = scratch(if parts > 1 { parts * out.len() } else { 0 });
    let len = out.len();
    let shared = Shared::new(if parts > 1 { &mut sums[..] } else { &mut out[..] });
    on.parallel(parts * groups * row_parts, geometry.cost_ns(), |task| {
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
            boxes: index * part..boxes.min((index + 1) * part),
            group,
            rows,
            steps: &steps,
            x,
            grad,
            sums,
        });
    });
    if parts > 1 {
        on.for_each(Chunks::new(out, SUM_TASK), parts * len / 8, |index, out| {
            let start = index * SUM_TASK;
            out.copy_from_slice(&sums[start..][..out.len()]);
            for part in 1..parts {
                let sums = &sums[part * len + start..][..out.len()];
                for (out, &sum) in out.iter_mut().zip(sums) {
                    *out = out.plus(sum);
                }
            }
        });
    }
}

/// The sums of some rows over some boxes.
pub(super) struct Task<'a, T> {
    pub(super) geometry: &'a Geometry,
    pub(super) plan: &'a Plan,
    pub(super) layout: &'a Layout,
    pub(super) boxes: Range<usize>,
    pub(super) group: usize,
    pub(super) rows: Range<usize>,
    /// Where in the copy of the input each tap of each channel starts.
    pub(super) steps: &'a [usize],
    pub(super) x: Strided<'a, T>,
    pub(super) grad: Strided<'a, T>,
    /// `[row][channel and tap]`.
    pub(super) sums: &'a mut [T],
}

impl<T: Float> Routine for Task<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, isa: S) {
        if self.channels() < panels::CHANNELS {
            runs::run(isa, self);
        } else {
            panels::run(isa, self);
        }
    }
}

impl<T> Task<'_, T> {
    /// How many channels of the input a group has.
    pub(super) fn channels(&self) -> usize {
        self.geometry.in_channels / self.geometry.groups
    }

    /// The channel of the gradient that a row is of.
    pub(super) fn out_channel(&self, row: usize) -> usize {
        self.group * (self.geometry.out_channels / self.geometry.groups) + row
    }
}
