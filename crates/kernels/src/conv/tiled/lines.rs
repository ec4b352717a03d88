//! The correlation of images with a kernel by tiles: rows of the weight times lines of images.
//!
//! A task copies what a box of outputs reads, channel by channel as `conv/lines.rs` does, and splits the
//! numbers of two channels to pairs. A tile's step takes as many pairs, each from the place on that its
//! tap meets. Its sums are those of outputs side by side, the places between two lines included, which
//! are dropped.

use super::super::correlate::{Correlation, Weights};
use super::super::gather::copy_channel;
use super::super::kept::Way;
use super::super::lines::SLACK;
use super::super::plan::{Goal, Layout, Part, Plan};
use super::super::write::Writer;
use super::Runner;
use crate::Machine;
use crate::gemm::{PART, PartsUnit, SIDE, TileUnit, TileWork, Unit};
use crate::memory::{Scratch, scratch};
use crate::threads::{Chunks, Shared};
use std::ops::Range;

/// How many pairs of depth a step takes.
const PAIRS: usize = SIDE / 2;

/// How many numbers of a box's copy and sums stay in the second-level cache.
const BUDGET: usize = 128 << 10;

/// How many tasks are wanted at least.
const TASKS: usize = 16;

/// Computes the target's places of a plan, one of several that share them.
pub(super) fn run<R: Runner, const PARTS: usize>(
    on: Machine,
    (correlation, plan, plans): (&Correlation<'_, f32>, &Plan, usize),
    out: &Shared<'_, f32>,
) {
    let Correlation { batch, groups, channels, rows, .. } = *correlation;
    let panels = rows.div_ceil(SIDE);
    let wanted = TASKS.div_ceil(groups);
    let layout = &plan.layout(batch, &Goal { channels, rows, budget: BUDGET, wanted });
    let boxes: usize = plan.boxes(batch, layout).iter().product();
    if boxes == 0 {
        return;
    }
    // Few boxes: cut the rows too, though each part then copies the same images again.
    let row_part = panels.div_ceil(TASKS.div_ceil(groups * boxes).min(panels));
    let row_parts = panels.div_ceil(row_part);
    let pack = || pack::<R, PARTS>(on, correlation, plan);
    let weight = correlation.packed(on, Way::Split(PARTS), pack);
    let starts = &starts(plan, layout, channels);
    on.parallel(groups * boxes * row_parts, correlation.cost_ns / plans, |task| {
        let (rest, first) = (task / row_parts, task % row_parts * row_part);
        let task = Task::<PARTS> {
            correlation,
            plan,
            layout,
            part: plan.part(batch, layout, rest % boxes),
            group: rest / boxes,
            chosen: first..panels.min(first + row_part),
            weight: &weight,
            starts,
            out,
        };
        R::run(on.isa, task);
    });
}

/// The pairs of channels at each tap, in the order of their steps: those of some channels at all taps,
/// before those of the next ones.
fn for_each_pair(channels: usize, taps: usize, mut body: impl FnMut(usize, usize)) {
    let pairs = channels.div_ceil(2);
    for first in (0..pairs).step_by(PAIRS) {
        for tap in 0..taps {
            (first..pairs.min(first + PAIRS)).for_each(|pair| body(pair, tap));
        }
    }
}

/// Where each pair starts in a part of the copy.
fn starts(plan: &Plan, layout: &Layout, channels: usize) -> Vec<usize> {
    let taps = plan.starts(layout, 1);
    let mut starts = vec![];
    for_each_pair(channels, taps.len(), |pair, tap| {
        starts.push(pair * layout.channel_len + taps[tap]);
    });
    starts
}

/// Packs the weight to `[group][panel of rows][step]` as tiles read it.
fn pack<R: Runner, const PARTS: usize>(
    on: Machine,
    correlation: &Correlation<'_, f32>,
    plan: &Plan,
) -> Scratch<i32> {
    let Correlation { groups, channels, rows, weights, .. } = *correlation;
    let taps = weights.taps(plan);
    let mut depth = vec![];
    for_each_pair(channels, taps.len(), |pair, tap| {
        for channel in [2 * pair, 2 * pair + 1] {
            let place = taps[tap] + channel as isize * weights.channel_stride;
            depth.push(if channel < channels { place } else { MISSING });
        }
    });
    depth.resize(depth.len().next_multiple_of(SIDE), MISSING);
    let panels = rows.div_ceil(SIDE);
    let panel_len = depth.len() / SIDE * PARTS * PART;
    let mut packed = scratch(groups * panels * panel_len);
    let cost_ns = groups * rows * depth.len();
    on.for_each(Chunks::new(&mut packed, panel_len), cost_ns, |task, panel| {
        let (group, first) = (task / panels, task % panels * SIDE);
        let start = weights.offset as isize + group as isize * weights.group_stride;
        let rows = first..rows.min(first + SIDE);
        R::run(on.isa, Pack::<PARTS> { weights, start, depth: &depth, rows, panel });
    });
    packed
}

/// In place of a number that is zero.
const MISSING: isize = isize::MIN;

/// Packs a panel of the weight's rows.
struct Pack<'a, const PARTS: usize> {
    weights: Weights<'a, f32>,
    /// Where the group starts.
    start: isize,
    /// How far behind a row's first number each step's numbers lie.
    depth: &'a [isize],
    rows: Range<usize>,
    panel: &'a mut [i32],
}

impl<const PARTS: usize> TileWork for Pack<'_, PARTS> {
    type Output = ();

    #[inline(always)]
    fn run<U: TileUnit>(self, unit: U) {
        let Self { weights, start, depth, rows, panel } = self;
        let mut block = [0.0; SIDE * SIDE];
        for (depth, step) in depth.chunks_exact(SIDE).zip(panel.chunks_exact_mut(PARTS * PART)) {
            for (line, row) in block.chunks_exact_mut(SIDE).zip(rows.clone()) {
                let start = start + row as isize * weights.row_stride;
                for (number, &place) in line.iter_mut().zip(depth) {
                    let is_missing = place == MISSING;
                    *number = if is_missing { 0.0 } else { weights.data[(start + place) as usize] };
                }
            }
            PartsUnit::<U, PARTS>(unit).split_neighbours(&block, step, PART);
        }
    }
}

/// Some rows of the target in one box.
struct Task<'a, const PARTS: usize> {
    correlation: &'a Correlation<'a, f32>,
    plan: &'a Plan,
    layout: &'a Layout,
    part: Part,
    group: usize,
    /// Which panels of rows.
    chosen: Range<usize>,
    weight: &'a [i32],
    starts: &'a [usize],
    out: &'a Shared<'a, f32>,
}

impl<const PARTS: usize> TileWork for Task<'_, PARTS> {
    type Output = ();

    #[inline(always)]
    fn run<U: TileUnit>(self, unit: U) {
        let unit = PartsUnit::<U, PARTS>(unit);
        let copy = self.copy(unit);
        let pitch = self.part.flat.next_multiple_of(SIDE);
        let mut sums = scratch(self.chosen.len() * SIDE * pitch);
        let at_once = PartsUnit::<U, PARTS>::SHAPE.depth;
        let mut right = scratch(at_once * PARTS * PART);
        for (index, starts) in self.starts.chunks(at_once * PAIRS).enumerate() {
            for column in (0..pitch).step_by(SIDE) {
                gather::<PARTS>(&copy, starts, column, &mut right);
                self.multiply(unit, index * at_once, (starts, &right), column, &mut sums);
            }
        }
        let Self { correlation, plan, part, group, chosen, out, .. } = self;
        let lens = self.layout.lens;
        let writer = Writer { correlation, plan, group, part, lens, out };
        let rows = chosen.start * SIDE..correlation.rows.min(chosen.end * SIDE);
        writer.write(unit.0.isa(), rows, &sums, pitch);
    }
}

impl<const PARTS: usize> Task<'_, PARTS> {
    /// Copies what the box reads to `[part][pair of channels][place]`.
    #[inline(always)]
    fn copy<U: TileUnit>(&self, unit: PartsUnit<U, PARTS>) -> Scratch<i32> {
        let Correlation { channels, source, .. } = self.correlation;
        let line = self.layout.channel_len.next_multiple_of(SIDE);
        let filled = channels.div_ceil(2) * self.layout.channel_len;
        let part_len = filled + self.layout.spill + SLACK;
        let mut copy: Scratch<i32> = scratch(PARTS * part_len);
        let mut lines = scratch(2 * line);
        for first in (0..*channels).step_by(2) {
            for (i, line) in lines.chunks_exact_mut(line).enumerate() {
                let channel = self.group * channels + first + i;
                if first + i < *channels {
                    let isa = unit.0.isa();
                    copy_channel(isa, source, self.plan, self.layout, &self.part, channel, line);
                } else {
                    line.fill(0.0);
                }
            }
            let (low, high) = lines.split_at(line);
            // What is written behind the pair's places is overwritten by the next one's.
            let start = first / 2 * self.layout.channel_len;
            unit.split_lines([low, high], &mut copy[start..], part_len);
        }
        for part in copy.chunks_exact_mut(part_len) {
            part[filled..].fill(0);
        }
        copy
    }

    /// Multiplies some pairs of all chosen panels with a panel of the copy.
    #[inline(always)]
    fn multiply<U: TileUnit>(
        &self,
        unit: PartsUnit<U, PARTS>,
        first_step: usize,
        (starts, right): (&[usize], &[i32]),
        column: usize,
        sums: &mut [f32],
    ) {
        let (panels, steps) = (self.correlation.rows.div_ceil(SIDE), starts.len().div_ceil(PAIRS));
        let pitch = sums.len() / (self.chosen.len() * SIDE);
        let panel_len = self.starts.len().div_ceil(PAIRS) * PARTS * PART;
        for (panel, sums) in self.chosen.clone().zip(sums.chunks_exact_mut(SIDE * pitch)) {
            let start = (self.group * panels + panel) * panel_len + first_step * PARTS * PART;
            let panels = [&self.weight[start..], right];
            let sums = (&mut sums[column..], pitch);
            unit.multiply_into(panels, steps, sums, first_step > 0);
        }
    }
}

/// Gathers a tile's columns of a copy, from one of them on, as a right panel.
#[inline(always)]
fn gather<const PARTS: usize>(copy: &[i32], starts: &[usize], column: usize, right: &mut [i32]) {
    let part_len = copy.len() / PARTS;
    for (starts, step) in starts.chunks(PAIRS).zip(right.chunks_exact_mut(PARTS * PART)) {
        for (copy, part) in copy.chunks_exact(part_len).zip(step.chunks_exact_mut(PART)) {
            for (line, &start) in part.chunks_exact_mut(SIDE).zip(starts) {
                line.copy_from_slice(&copy[start + column..][..SIDE]);
            }
            part[starts.len() * SIDE..].fill(0);
        }
    }
}
