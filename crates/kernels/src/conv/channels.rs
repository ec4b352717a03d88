//! The correlation of images with a kernel where the target has many channels: vectors run along
//! them.
//!
//! What outputs read is copied into scratch with the channels of a place side by side. The outputs,
//! wherever they lie, are then the rows of a matrix product: a row's numbers at a tap are those from
//! its place on, some places later. (Dukhan, "The Indirect Convolution Algorithm", 2019, where a
//! table of places makes rows of images.) The weight is packed into panels of some of the target's
//! channels. Products are cut along their depth into blocks of the source's channels, so that a
//! panel's block stays in the cache for all rows.
//! Where operands are rounded to `bf16`, two channels of a place are packed to one number.
//!
//! A task computes some panels in a box of outputs, copying for itself what the box reads, from
//! panels that all tasks share. If there are few outputs for a large weight it is the other way
//! round: all tasks share the copy, and each packs its panels for itself, block by block, so that
//! they never leave the cache; unless the packed weight is kept.

use super::beside::Images;
use super::correlate::Correlation;
use super::kept::Way;
use super::pack::{BLOCK, Packing, Panels};
use super::plan::{Goal, Part, Plan};
use super::tile::{Ahead, MOST_ROWS, Tile, tile};
use super::write::PanelWriter;
use crate::memory::scratch;
use crate::multiplier::{Format, Multiplier, Work};
use crate::threads::Shared;
use crate::{Element, Float, Machine};
use std::ops::Range;

/// How many packed numbers, about, are multiplied and summed in registers before they are added to the
/// others.
const DEPTH: usize = 256;

/// How many numbers of a box's copy and sums stay in the second-level cache.
const BUDGET: usize = 128 << 10;

/// How many tasks are wanted at least.
const TASKS: usize = 16;

/// So few outputs for a weight so large are one box, whose copy all tasks share.
const FEW_OUTPUTS: usize = 1024;
const LARGE_WEIGHT: usize = 256 << 10;

/// Computes the target's places of a plan, one of several that share them.
pub(super) fn run<T: Float, F: Format<T>>(
    on: Machine,
    correlation: &Correlation<'_, T>,
    plan: &Plan,
    plans: usize,
    out: &Shared<'_, T>,
) {
    let Correlation { batch, groups, channels, rows, .. } = *correlation;
    let panels = Panels::new::<T>(on, rows, channels * plan.taps() / F::STEPS);
    let one_box = batch * plan.outputs() <= FEW_OUTPUTS && rows * panels.depth >= LARGE_WEIGHT;
    let wanted = TASKS.div_ceil(groups * panels.count);
    let goal = Goal { channels, rows: panels.width(), budget: BUDGET, wanted };
    let layout = &if one_box { plan.whole(batch) } else { plan.layout(batch, &goal) };
    let boxes: usize = plan.boxes(batch, layout).iter().product();
    if boxes == 0 {
        return;
    }
    // Few boxes: cut the rows too, though each part then copies the same images again.
    let row_parts = TASKS.div_ceil(groups * boxes).min(panels.count);
    let row_part = panels.count.div_ceil(row_parts);
    let row_parts = panels.count.div_ceil(row_part);
    let images = Images::new(plan, layout, channels, panels.lanes, F::STEPS);
    let packing = &Packing::new(correlation, plan, panels);
    let whole = !one_box || correlation.kept_with.is_some();
    let packed = whole.then(|| correlation.packed(on, Way::Panels, || packing.all::<F>(on)));
    let copies = one_box.then(|| images.copy_groups::<T, F>(on, &correlation.source, groups));
    let at_once = at_once(plan, F::STEPS);
    let steps = steps(&images, panels.width(), at_once, F::STEPS);
    let copy_len = images.len();
    on.parallel(groups * boxes * row_parts, correlation.cost_ns / plans, |task| {
        // The same panels one after another for all boxes: they stay in the cache.
        let (row_part_index, rest) = (task / (groups * boxes), task % (groups * boxes));
        let first = row_part_index * row_part;
        let group = rest / boxes;
        let task = Task {
            correlation,
            images,
            part: plan.part(batch, layout, rest % boxes),
            group,
            packing,
            chosen: first..panels.count.min(first + row_part),
            packed: packed.as_deref().map(|packed| &packed[..]),
            copy: copies.as_ref().map(|copies| &copies[group * copy_len..][..copy_len]),
            at_once,
            steps: &steps,
            out,
        };
        F::run(on.isa, task);
    });
}

/// Computes some panels of a group in one box of outputs.
pub(super) fn run_part<T: Float, F: Format<T>>(
    on: Machine,
    (correlation, plan): (&Correlation<'_, T>, &Plan),
    (group, part): (usize, Part),
    chosen: Range<usize>,
    out: &Shared<'_, T>,
) {
    let Correlation { channels, rows, .. } = *correlation;
    let panels = Panels::new::<T>(on, rows, channels * plan.taps() / F::STEPS);
    let layout = &plan.layout_of(part.images, part.lens);
    let images = Images::new(plan, layout, channels, panels.lanes, F::STEPS);
    let packing = &Packing::new(correlation, plan, panels);
    let at_once = at_once(plan, F::STEPS);
    let steps = &steps(&images, panels.width(), at_once, F::STEPS);
    let (packed, copy) = (None, None);
    let task = Task {
        correlation,
        images,
        part,
        group,
        packing,
        chosen,
        packed,
        copy,
        at_once,
        steps,
        out,
    };
    F::run(on.isa, task);
}

/// How many of the source's channels a block of depth has, if so many are packed to one number.
fn at_once(plan: &Plan, packed: usize) -> usize {
    BLOCK * (DEPTH * packed / (BLOCK * plan.taps().max(1))).max(1)
}

/// How far behind an output's place each step of depth lies in the images, and where in a panel's
/// block of so many channels.
fn steps(images: &Images<'_>, width: usize, at_once: usize, packed: usize) -> Vec<[usize; 2]> {
    let mut steps = Vec::with_capacity(images.channels * images.plan.taps());
    for block in (0..images.channels).step_by(at_once) {
        let (end, start) = (images.channels.min(block + at_once), steps.len());
        for first in (block..end).step_by(BLOCK) {
            images.plan.for_each_tap(images.layout, |_, tap| {
                for channel in (first..end.min(first + BLOCK)).step_by(packed) {
                    let place = (steps.len() - start) * width;
                    steps.push([tap * images.pitch + channel / packed, place]);
                }
            });
        }
    }
    steps
}

/// Some channels of the target in one box.
struct Task<'a, T, P> {
    correlation: &'a Correlation<'a, T>,
    images: Images<'a>,
    part: Part,
    group: usize,
    packing: &'a Packing<'a, T>,
    /// Which panels.
    chosen: Range<usize>,
    /// All panels, or none if each task packs its own.
    packed: Option<&'a [P]>,
    /// The copy of the group's images, or none if each task copies its own.
    copy: Option<&'a [P]>,
    /// How many of the source's channels a block of depth has.
    at_once: usize,
    steps: &'a [[usize; 2]],
    out: &'a Shared<'a, T>,
}

impl<T: Float, P: Element> Work<T, P> for Task<'_, T, P> {
    type Output = ();

    #[inline(always)]
    fn run<M: Multiplier<Scalar = T, Packed = P>>(self, multiplier: M) {
        let isa = multiplier.isa();
        let (images, panels) = (&self.images, &self.packing.panels);
        let taps = images.plan.taps();
        let mut own_copy = scratch(if self.copy.is_none() { images.len() } else { 0 });
        if self.copy.is_none() {
            let first = self.group * images.channels;
            let channels = first..first + images.channels;
            images.copy(multiplier, &self.correlation.source, &self.part, channels, &mut own_copy);
        }
        let copy = self.copy.unwrap_or(&own_copy);
        let block_len = self.at_once * taps / M::STEPS * panels.width();
        let mut own_block = scratch(if self.packed.is_none() { block_len } else { 0 });

        let mut rows = vec![];
        let pitch = images.pitch;
        images.plan.for_each_output(images.layout, &self.part, |place| rows.push(place * pitch));
        let (count, last) = (rows.len(), rows[rows.len() - 1]);
        rows.resize(count + MOST_ROWS, last);
        assert!(self.steps.iter().all(|step| last + step[0] < copy.len()));
        let mut sums = scratch((count + MOST_ROWS) * panels.width());
        if self.steps.is_empty() {
            sums.fill(T::ZERO);
        }
        for panel in self.chosen.clone() {
            for first in (0..images.channels).step_by(self.at_once) {
                let channels = first..images.channels.min(first + self.at_once);
                let steps = channels.start * taps / M::STEPS..channels.end * taps / M::STEPS;
                let len = steps.len() * panels.width();
                let block = match self.packed {
                    Some(packed) => {
                        let start = panels.start(self.group, panel) + steps.start * panels.width();
                        &packed[start..start + len]
                    }
                    None => {
                        let block = &mut own_block[..len];
                        self.packing.block(multiplier, self.group, panel, channels, block);
                        block
                    }
                };
                self.multiply(multiplier, (panel, steps), block, &rows, copy, &mut sums);
            }
            let writer = PanelWriter {
                correlation: self.correlation,
                plan: images.plan,
                panels,
                group: self.group,
                part: self.part,
                lens: self.part.lens,
                out: self.out,
            };
            writer.write(isa, panel, &sums);
        }
    }
}

impl<T: Float, P: Element> Task<'_, T, P> {
    /// Adds some steps of depth to the sums of a panel.
    #[inline(always)]
    fn multiply<M: Multiplier<Scalar = T, Packed = P>>(
        &self,
        multiplier: M,
        (panel, steps): (usize, Range<usize>),
        block: &[P],
        rows: &[usize],
        copy: &[P],
        sums: &mut [T],
    ) {
        let width = self.packing.panels.width();
        let vectors = self.packing.panels.filled(panel);
        let count = rows.len() - MOST_ROWS;
        assert!(block.len() == steps.len() * width && sums.len() == rows.len() * width);
        // The next block of a packed weight follows.
        let blocks = (block, block.as_ptr_range().end);
        let mut row = 0;
        while row < count {
            let ahead = Ahead::share(self.packed, blocks, row, [count, steps.len()]);
            // SAFETY: the copy holds each step of each row, as the task asserts of the last one;
            // the block has `width` numbers at each step; and the sums hold so many for each row,
            // and for MOST_ROWS more than count.
            row += unsafe {
                let product = Tile {
                    rows: &rows[row..],
                    steps: &self.steps[steps.clone()],
                    a: copy.as_ptr(),
                    b: block.as_ptr(),
                    c: sums.as_mut_ptr().add(row * width),
                    c_stride: width,
                    accumulate: steps.start > 0,
                    ahead,
                };
                tile(multiplier, count - row, vectors, product)
            };
        }
    }
}
