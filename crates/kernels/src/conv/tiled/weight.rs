//! The gradient by the weight by tiles: runs of the input times those of the gradient by the output.
//!
//! A task takes some channels of both and some boxes of outputs, one after another. It copies what a box
//! reads, and its gradient with zeros between the lines, as `conv/runs.rs` does, so that the places of a
//! channel's tap and those of an output channel are two runs of memory. Pairs are places side by side; a
//! tile's row is a run of 32 of them, from any place on.

use super::super::gather::{copy_channel, copy_outputs};
use super::super::lines::SLACK;
use super::super::plan::{Goal, Layout, Part, Plan};
use super::super::transpose::matrix;
use super::super::weight::Parts;
use super::super::{Geometry, Strided};
use super::Runner;
use crate::Machine;
use crate::gemm::{Cut, PART, PartsUnit, Plane, SIDE, TileUnit, TileWork, Unit};
use crate::memory::{Scratch, scratch};
use crate::simd::{Simd, Vector};
use crate::threads::Shared;
use bytemuck::{cast_slice, cast_slice_mut};
use std::ops::Range;

/// How many channels of the gradient a task takes at most.
const ROWS: usize = 128;

/// How many sums a task has, if that are those of a channel of the input at least.
const SUMS: usize = 160 << 10;

/// How many numbers the copies of a box hold: they stay in the second-level cache.
const BUDGET: usize = 128 << 10;

/// How many tasks are wanted at least.
const TASKS: usize = 16;

/// Computes the gradient by the weight.
pub(super) fn run<R: Runner, const PARTS: usize>(
    on: Machine,
    geometry: &Geometry,
    [x, grad]: [Strided<'_, f32>; 2],
    out: &mut [f32],
) {
    let Geometry { batch, groups, .. } = *geometry;
    let plan = &Plan::forward(geometry);
    let lens = [geometry.out_channels / groups, geometry.in_channels / groups];
    let row_part = even_part(lens[0], ROWS);
    let channel_part = even_part(lens[1], SUMS / (row_part * plan.taps()));
    let [row_parts, channel_parts] = [lens[0].div_ceil(row_part), lens[1].div_ceil(channel_part)];
    let blocks = groups * row_parts * channel_parts;
    let wanted = TASKS.div_ceil(blocks);
    let goal = Goal { channels: channel_part, rows: row_part, budget: BUDGET, wanted };
    let layout = &plan.layout(batch, &goal);
    let boxes: usize = plan.boxes(batch, layout).iter().product();
    let len = out.len();
    let mut parts = Parts::new(out, boxes, wanted);
    let starts = &plan.starts(layout, channel_part);
    let cut = parts.cut;
    let sums = &parts.sums();
    on.parallel(blocks * cut.count, geometry.cost_ns(), |task| {
        let (rest, part) = (task / cut.count, task % cut.count);
        let (rest, channel) = (rest / channel_parts, rest % channel_parts * channel_part);
        let (group, row) = (rest / row_parts, rest % row_parts * row_part);
        let task = Task::<PARTS> {
            batch,
            plan,
            layout,
            boxes: cut.boxes(part),
            lens,
            group,
            rows: row..lens[0].min(row + row_part),
            channels: channel..lens[1].min(channel + channel_part),
            starts,
            images: [x, grad],
            out: (sums, part * len),
        };
        R::run(on.isa, task);
    });
    parts.finish(on);
}

/// How many of `count` a part has, if that are so many at most and all have about as many.
fn even_part(count: usize, most: usize) -> usize {
    count.div_ceil(count.div_ceil(most.max(1)))
}

/// Some channels of both images in some boxes.
struct Task<'a, const PARTS: usize> {
    batch: usize,
    plan: &'a Plan,
    layout: &'a Layout,
    boxes: Range<usize>,
    /// How many channels of the gradient and of the input a group has.
    lens: [usize; 2],
    group: usize,
    /// The channels of the gradient, counted within the group.
    rows: Range<usize>,
    /// The channels of the input, counted within the group.
    channels: Range<usize>,
    /// Where each tap of each channel starts in the copy; of fewer channels the first ones count.
    starts: &'a [usize],
    /// The input and the gradient.
    images: [Strided<'a, f32>; 2],
    /// The gradient by the weight over a part of the boxes, and where in it that starts.
    out: (&'a Shared<'a, f32>, usize),
}

impl<const PARTS: usize> TileWork for Task<'_, PARTS> {
    type Output = ();

    #[inline(always)]
    fn run<U: TileUnit>(self, unit: U) {
        let unit = PartsUnit::<U, PARTS>(unit);
        let at_once = PartsUnit::<U, PARTS>::SHAPE.depth;
        let starts = &self.starts[..self.channels.len() * self.plan.taps()];
        let width = self.rows.len().next_multiple_of(SIDE);
        let mut totals = scratch(starts.len().next_multiple_of(SIDE) * width);
        let mut left = scratch(at_once * PARTS * PART);
        let mut is_first = true;
        for index in self.boxes.clone() {
            let part = self.plan.part(self.batch, self.layout, index);
            let input = self.copy_input(unit, &part);
            let steps = part.flat.div_ceil(SIDE);
            let right = self.copy_grad(unit, &part, steps);
            for first in (0..steps).step_by(at_once) {
                let steps = first..steps.min(first + at_once);
                let totals = totals.chunks_exact_mut(SIDE * width);
                for (starts, totals) in starts.chunks(SIDE).zip(totals) {
                    gather::<PARTS>(&input, starts, steps.clone(), &mut left);
                    multiply(unit, (&left, &right), steps.clone(), totals, !is_first);
                }
                is_first = false;
            }
        }
        self.write(unit.0.isa(), &totals, [starts.len(), width]);
    }
}

impl<const PARTS: usize> Task<'_, PARTS> {
    /// Copies what the box reads to `[part][channel][place]`, of `bf16`.
    #[inline(always)]
    fn copy_input<U: TileUnit>(&self, unit: PartsUnit<U, PARTS>, part: &Part) -> Scratch<i32> {
        // Two numbers of bf16 in each of the copy's.
        let channel_len = self.layout.channel_len;
        let filled = self.channels.len() * channel_len;
        let part_len = (filled + self.layout.spill + SLACK).next_multiple_of(SIDE);
        let mut copy: Scratch<i32> = scratch(PARTS * part_len / 2);
        let len = channel_len.next_multiple_of(SIDE);
        let mut line = scratch(len);
        let mut pairs = scratch(PARTS * len / 2);
        for (index, channel) in self.channels.clone().enumerate() {
            let channel = self.group * self.lens[1] + channel;
            let isa = unit.0.isa();
            copy_channel(isa, &self.images[0], self.plan, self.layout, part, channel, &mut line);
            unit.split_neighbours(&line, &mut pairs, len / 2);
            let to = cast_slice_mut::<_, u16>(&mut copy).chunks_exact_mut(part_len);
            for (to, pairs) in to.zip(pairs.chunks_exact(len / 2)) {
                to[index * channel_len..][..channel_len]
                    .copy_from_slice(&cast_slice(pairs)[..channel_len]);
            }
        }
        // What is read beyond the last run is multiplied by zero, so it must be a number.
        for part in cast_slice_mut::<_, u16>(&mut copy).chunks_exact_mut(part_len) {
            part[filled..].fill(0);
        }
        copy
    }

    /// Copies the gradient of a box's outputs into right panels of so many steps.
    #[inline(always)]
    fn copy_grad<U: TileUnit>(
        &self,
        unit: PartsUnit<U, PARTS>,
        part: &Part,
        steps: usize,
    ) -> Scratch<i32> {
        let Layout { images, lens, .. } = self.layout;
        let pitch = (images * lens.iter().product::<usize>()).next_multiple_of(SIDE);
        let first = self.group * self.lens[0];
        let channels = first + self.rows.start..first + self.rows.end;
        let mut grad = scratch(channels.len() * pitch + SLACK);
        let isa = unit.0.isa();
        copy_outputs(isa, &self.images[1], self.layout, part, channels, &mut grad, pitch);
        let panel_len = steps * PARTS * PART;
        let mut panels = scratch(self.rows.len().div_ceil(SIDE) * panel_len);
        let plane =
            Plane { data: &grad, offset: 0, depth_stride: 1, across_stride: pitch as isize };
        let cut = Cut { depth: 0..steps * SIDE, across: 0..self.rows.len(), width: SIDE };
        unit.pack_right(&plane, cut, (&mut panels, panel_len));
        panels
    }

    /// Writes the totals, `[channel and tap][row]`, as `[row][channel and tap]`.
    #[inline(always)]
    fn write<S: Simd>(&self, isa: S, totals: &[f32], [count, width]: [usize; 2]) {
        let pitch = count.next_multiple_of(S::F32::LANES);
        let mut lines = scratch(S::F32::LANES * pitch);
        let (out, start) = self.out;
        for first in (0..self.rows.len()).step_by(S::F32::LANES) {
            let rows = S::F32::LANES.min(self.rows.len() - first);
            matrix::<S::F32>(isa, &totals[first..], width, [count, rows], &mut lines, pitch);
            for (row, line) in (self.rows.start + first..).zip(lines.chunks_exact(pitch)).take(rows)
            {
                let row = self.group * self.lens[0] + row;
                let channel = row * self.lens[1] + self.channels.start;
                let start = start + channel * (count / self.channels.len());
                // SAFETY: no other task writes these channels of this row.
                unsafe { out.slice(start, count) }.copy_from_slice(&line[..count]);
            }
        }
    }
}

/// Gathers some steps of the runs that start at these places, as a left panel.
#[inline(always)]
fn gather<const PARTS: usize>(
    copy: &[i32],
    starts: &[usize],
    steps: Range<usize>,
    left: &mut [i32],
) {
    let numbers: &[u16] = cast_slice(copy);
    let part_len = numbers.len() / PARTS;
    for (step, panel) in steps.zip(left.chunks_exact_mut(PARTS * PART)) {
        for (numbers, part) in numbers.chunks_exact(part_len).zip(panel.chunks_exact_mut(PART)) {
            let part: &mut [u16] = cast_slice_mut(part);
            for (line, &start) in part.chunks_exact_mut(SIDE).zip(starts) {
                line.copy_from_slice(&numbers[start + step * SIDE..][..SIDE]);
            }
            part[starts.len() * SIDE..].fill(0);
        }
    }
}

/// Multiplies a panel of runs with some steps of all panels of the gradient.
#[inline(always)]
fn multiply<U: TileUnit, const PARTS: usize>(
    unit: PartsUnit<U, PARTS>,
    (left, right): (&[i32], &[i32]),
    steps: Range<usize>,
    totals: &mut [f32],
    accumulate: bool,
) {
    let width = totals.len() / SIDE;
    let panels = right.chunks_exact(right.len() / (width / SIDE));
    for (column, panel) in (0..width).step_by(SIDE).zip(panels) {
        let panels = [left, &panel[steps.start * PARTS * PART..]];
        unit.multiply_into(panels, steps.len(), (&mut totals[column..], width), accumulate);
    }
}
