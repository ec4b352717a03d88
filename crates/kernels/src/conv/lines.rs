//! The correlation of images with a kernel where the target has few channels: vectors run along the
//! lines of images.
//!
//! A task copies what a box of outputs reads into scratch, and multiplies panels of the weight with
//! it, tile by tile in registers ([`patch_tile`]). Products of many channels are cut along their
//! depth into blocks, whose sums wait in scratch.

use super::correlate::Correlation;
use super::gather::copy_channel;
use super::plan::{Goal, Layout, Part, Plan};
use super::write::Writer;
use crate::memory::{Scratch, scratch};
use crate::simd::{PatchTile, Routine, Simd, Vector, patch_tile};
use crate::threads::Shared;
use crate::{Float, Machine};
use std::ops::Range;

/// How many products are summed in registers before they are added to the others.
const DEPTH: usize = 288;

/// How many numbers of a box's copy stay in the second-level cache.
const BUDGET: usize = 64 << 10;

/// How many sums of a box wait in scratch at most, where the depth has several blocks.
const SUMS: usize = 48 << 10;

/// How many tasks are wanted at least.
const TASKS: usize = 16;

/// More numbers than a task reads beyond a copy's end, or writes there.
pub(super) const SLACK: usize = 64;

/// Computes the target's places of a plan, one of several that share them.
pub(super) fn run<T: Float>(
    on: Machine,
    correlation: &Correlation<'_, T>,
    plan: &Plan,
    plans: usize,
    out: &Shared<'_, T>,
) {
    let Correlation { batch, groups, channels, rows, .. } = *correlation;
    let panels = Panels::new(on, rows, channels * plan.taps());
    // Few boxes: cut the rows too, though each part then copies the same images again.
    let most_parts = panels.count.div_ceil(16);
    // A large weight should be read for many places at once.
    let budget = BUDGET.max(rows.saturating_mul(panels.depth).min(4 * BUDGET));
    let wanted = TASKS.div_ceil(groups * most_parts);
    let layout = plan.layout(batch, &Goal { channels, rows: 0, budget, wanted });
    let boxes: usize = plan.boxes(batch, &layout).iter().product();
    let row_parts = TASKS.div_ceil(groups * boxes).min(most_parts);
    let row_part = panels.count.div_ceil(row_parts);
    let row_parts = panels.count.div_ceil(row_part);
    let packed = panels.pack(on, correlation, plan);
    let steps = plan.starts(&layout, channels);
    on.parallel(groups * boxes * row_parts, correlation.cost_ns / plans, |task| {
        let (rest, row_part_index) = (task / row_parts, task % row_parts);
        let first = row_part_index * row_part;
        on.isa.run(Task {
            correlation,
            plan,
            layout: &layout,
            part: plan.part(batch, &layout, rest % boxes),
            group: rest / boxes,
            panels: &panels,
            chosen: first..panels.count.min(first + row_part),
            packed: &packed,
            steps: &steps,
            out,
        });
    });
}

/// How the rows of a weight are cut into panels.
struct Panels {
    rows: usize,
    depth: usize,
    /// The rows of a whole panel.
    height: usize,
    count: usize,
}

impl Panels {
    fn new(on: Machine, rows: usize, depth: usize) -> Self {
        let height = on.isa.run(TileRows);
        Self { rows, depth, height, count: rows.div_ceil(height) }
    }

    /// The rows that a panel has room for: fewer in the last one.
    fn height(&self, panel: usize) -> usize {
        let left = self.rows - panel * self.height;
        left.next_power_of_two().min(self.height)
    }

    /// Where a panel of a group starts.
    fn start(&self, group: usize, panel: usize) -> usize {
        let last = (self.count - 1) * self.height + self.height(self.count - 1);
        (group * last + panel * self.height) * self.depth
    }

    /// Copies the weight into panels: of each step of depth the rows lie side by side.
    fn pack<T: Float>(
        &self,
        on: Machine,
        correlation: &Correlation<'_, T>,
        plan: &Plan,
    ) -> Scratch<T> {
        let Correlation { groups, weights, .. } = *correlation;
        let mut packed = scratch(self.start(groups, 0));
        if self.depth == 0 {
            return packed;
        }
        let shared = Shared::new(&mut packed);
        let taps = weights.taps(plan);
        let cost_ns = groups * self.rows * self.depth;
        on.parallel(groups * self.count, cost_ns, |task| {
            let (group, panel) = (task / self.count, task % self.count);
            let height = self.height(panel);
            let (start, len) = (self.start(group, panel), height * self.depth);
            // SAFETY: the panels of different tasks do not overlap.
            let packed = unsafe { shared.slice(start, len) };
            let rows = panel * self.height..self.rows.min((panel + 1) * self.height);
            if rows.len() < height {
                packed.fill(T::ZERO);
            }
            let start = weights.offset as isize + group as isize * weights.group_stride;
            let channel_len = taps.len() * height;
            for (channel, packed) in packed.chunks_exact_mut(channel_len).enumerate() {
                let start = start + channel as isize * weights.channel_stride;
                for (index, row) in rows.clone().enumerate() {
                    let start = start + row as isize * weights.row_stride;
                    for (&tap, to) in taps.iter().zip(packed[index..].iter_mut().step_by(height)) {
                        *to = weights.data[(start + tap) as usize];
                    }
                }
            }
        });
        packed
    }
}

/// Asks an instruction set for the rows of its tile.
struct TileRows;

impl Routine for TileRows {
    type Output = usize;

    #[inline(always)]
    fn run<S: Simd>(self, _: S) -> usize {
        S::TILE_ROWS
    }
}

/// Some rows of the target in one box.
struct Task<'a, T> {
    correlation: &'a Correlation<'a, T>,
    plan: &'a Plan,
    layout: &'a Layout,
    part: Part,
    group: usize,
    panels: &'a Panels,
    /// Which panels.
    chosen: Range<usize>,
    packed: &'a [T],
    /// Where in the copy each step of depth starts.
    steps: &'a [usize],
    out: &'a Shared<'a, T>,
}

impl<T: Float> Routine for Task<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, isa: S) {
        let channels = self.correlation.channels;
        let filled = channels * self.layout.channel_len;
        let mut copy = scratch(filled + self.layout.spill + SLACK);
        self.copy(isa, &mut copy);
        copy[filled..].fill(T::ZERO);
        let lanes = T::Vector::<S>::LANES;
        let pitch = self.part.flat.next_multiple_of(lanes);
        let depth = self.panels.depth;
        // The sums of one block of depth are complete at once.
        let at_once = match depth <= DEPTH {
            true => 1,
            false => (SUMS / (pitch * S::TILE_ROWS)).clamp(1, self.chosen.len()),
        };
        let mut sums = scratch(at_once * S::TILE_ROWS * pitch + SLACK);
        if depth == 0 {
            sums.fill(T::ZERO);
        }
        for first in self.chosen.clone().step_by(at_once) {
            let chosen = first..self.chosen.end.min(first + at_once);
            for block in (0..depth).step_by(DEPTH) {
                let block = block..depth.min(block + DEPTH);
                for (panel, sums) in chosen.clone().zip(sums.chunks_mut(S::TILE_ROWS * pitch)) {
                    self.multiply(isa, panel, block.clone(), &copy, sums, pitch);
                }
            }
            let end = self.correlation.rows.min(chosen.end * S::TILE_ROWS);
            let Self { correlation, plan, part, group, out, .. } = self;
            let lens = self.layout.lens;
            let writer = Writer { correlation, plan, group, part, lens, out };
            writer.write(isa, first * S::TILE_ROWS..end, &sums, pitch);
        }
    }
}

impl<T: Float> Task<'_, T> {
    /// Copies what the box reads.
    #[inline(always)]
    fn copy<S: Simd>(&self, isa: S, copy: &mut [T]) {
        let Correlation { channels, source, .. } = self.correlation;
        for index in 0..*channels {
            let channel = self.group * channels + index;
            let to = &mut copy[index * self.layout.channel_len..];
            copy_channel(isa, source, self.plan, self.layout, &self.part, channel, to);
        }
    }

    /// Multiplies a panel's block of depth with the copy.
    #[inline(always)]
    fn multiply<S: Simd>(
        &self,
        isa: S,
        panel: usize,
        block: Range<usize>,
        copy: &[T],
        sums: &mut [T],
        pitch: usize,
    ) {
        let lanes = T::Vector::<S>::LANES;
        let height = self.panels.height(panel);
        let start = self.panels.start(self.group, panel) + block.start * height;
        let a = self.packed[start..][..block.len() * height].as_ptr();
        let steps = &self.steps[block.clone()];
        let vectors = pitch / lanes;
        assert!(sums.len() >= height * pitch);
        assert!(steps.iter().all(|&step| step + pitch <= copy.len()));
        let mut vector = 0;
        while vector < vectors {
            let width = S::TILE_VECTORS.min(vectors - vector);
            // SAFETY: the panel has `height` rows at each step; the copy holds the run's `pitch`
            // numbers from each step on; and the sums hold `height` rows of `pitch` numbers, within
            // which the tile of `height` rows and `width` vectors lies.
            unsafe {
                let tile = PatchTile {
                    steps,
                    a,
                    b: copy.as_ptr().add(vector * lanes),
                    c: sums.as_mut_ptr().add(vector * lanes),
                    c_stride: pitch,
                    accumulate: block.start > 0,
                };
                patch_tile::<T::Vector<S>>(isa, height, width, tile);
            }
            vector += width;
        }
    }
}
