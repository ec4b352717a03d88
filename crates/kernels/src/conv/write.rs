//! Writing a box's outputs to the target.

use super::correlate::Correlation;
use super::gather::scatter;
use super::pack::Panels;
use super::plan::{Part, Plan, apart};
use super::transpose::{matrix, read, transpose};
use crate::Float;
use crate::memory::scratch;
use crate::simd::{Simd, Vector};
use crate::threads::Shared;
use std::ops::Range;

/// How many squares ahead the memory is asked for to which they are written.
const AHEAD: usize = 2;

/// Where the outputs of a group in a box go, from lines of them.
#[derive(Clone, Copy)]
pub(super) struct Writer<'a, T> {
    pub(super) correlation: &'a Correlation<'a, T>,
    pub(super) plan: &'a Plan,
    pub(super) group: usize,
    pub(super) part: Part,
    /// The lengths of an image among the sums, whose first numbers are the box's.
    pub(super) lens: [usize; 3],
    pub(super) out: &'a Shared<'a, T>,
}

impl<T: Float> Writer<'_, T> {
    /// Writes the sums of some rows, `[row][image][depth][height][width]`, which start so far apart.
    #[inline(always)]
    pub(super) fn write<S: Simd>(&self, isa: S, chosen: Range<usize>, sums: &[T], pitch: usize) {
        let Correlation { groups, rows, bias, target, .. } = *self.correlation;
        let [depth, height, width] = self.lens;
        for (index, row) in chosen.enumerate() {
            let sums = &sums[index * pitch..];
            let channel = self.group * rows + row;
            let term = bias.map_or(T::ZERO, |bias| bias[channel]);
            for image in 0..self.part.images {
                let place = (self.part.first_image + image) * groups * rows + channel;
                let from = &sums[image * depth * height * width..];
                let start = place * target.iter().product::<usize>();
                self.image(isa, from, [height * width, width], term, start);
            }
        }
    }

    /// Writes an image's outputs plus a term. In `from` planes and lines are so far apart as
    /// `pitches` say; the image starts at `start` in the target.
    #[inline(always)]
    fn image<S: Simd>(&self, isa: S, from: &[T], pitches: [usize; 2], term: T, start: usize) {
        let [depth, height, width] = &self.plan.axes;
        let target = self.correlation.target;
        let Part { origin, lens, .. } = self.part;
        let column = width.target_start + origin[2] * width.target_step;
        let span = (lens[2] - 1) * width.target_step + 1;
        // Whole lines one after another may run over into the next, which is written later.
        let steps = (height.target_step, width.target_step);
        let at_once = if steps == (1, 1) && span == target[2] { lens[1] } else { 1 };
        let [plane_pitch, pitch] = pitches;
        for d in 0..lens[0] {
            let plane = depth.target_start + (origin[0] + d) * depth.target_step;
            let plane = start + plane * target[1] * target[2];
            let from = &from[d * plane_pitch..];
            for first in (0..lens[1]).step_by(at_once) {
                let line = height.target_start + (origin[1] + first) * height.target_step;
                let line = plane + line * target[2] + column;
                // SAFETY: these places of the target belong to this box's outputs or lie between
                // them, and no other task of this plan writes there.
                let mut to = unsafe { self.out.slice(line, (at_once - 1) * target[2] + span) };
                if at_once > 1 && pitch == target[2] {
                    scatter(isa, &from[first * pitch..], term, to, 1, at_once * pitch);
                    continue;
                }
                for h in first..first + at_once {
                    scatter(isa, &from[h * pitch..], term, to, width.target_step, lens[2]);
                    to = to.get_mut(target[2]..).unwrap_or_default();
                }
            }
        }
    }
}

/// Where the outputs of a group in a box go.
pub(super) struct PanelWriter<'a, T> {
    pub(super) correlation: &'a Correlation<'a, T>,
    pub(super) plan: &'a Plan,
    pub(super) panels: &'a Panels,
    pub(super) group: usize,
    pub(super) part: Part,
    /// The lengths of an image among the sums, whose first numbers are the box's.
    pub(super) lens: [usize; 3],
    pub(super) out: &'a Shared<'a, T>,
}

impl<T: Float> PanelWriter<'_, T> {
    /// Writes a panel's sums, `[image][depth][height][width][row]`, to the target.
    #[inline(always)]
    pub(super) fn write<S: Simd>(&self, isa: S, panel: usize, sums: &[T]) {
        if self.is_run() {
            return self.squares(isa, panel, sums);
        }
        let Self { correlation, plan, panels, group, part, lens, out } = *self;
        let writer = Writer { correlation, plan, group, part, lens, out };
        let lanes = T::Vector::<S>::LANES;
        let width = panels.width();
        let count = part.images * lens.iter().product::<usize>();
        let line_len = apart(count.next_multiple_of(lanes));
        let mut lines = scratch(lanes * line_len);
        for vector in 0..panels.filled(panel) {
            let first = panel * width + vector * lanes;
            let size = [count, lanes];
            matrix::<T::Vector<S>>(isa, &sums[vector * lanes..], width, size, &mut lines, line_len);
            let rows = first..correlation.rows.min(first + lanes);
            writer.write(isa, rows, &lines, line_len);
        }
    }

    /// True if all sums are outputs, and those of an image and row lie side by side in the target.
    fn is_run(&self) -> bool {
        let Part { lens, .. } = self.part;
        let target = self.correlation.target;
        let steps = self.plan.axes.each_ref().map(|axis| axis.target_step);
        let lines = lens[2] == target[2] && (lens[0] == 1 || lens[1] == target[1]);
        lens == self.lens && lines && steps == [1; 3]
    }

    /// Writes outputs that lie side by side, square by square.
    #[inline(always)]
    fn squares<S: Simd>(&self, isa: S, panel: usize, sums: &[T]) {
        let Correlation { groups, rows, bias, target, .. } = *self.correlation;
        let lanes = T::Vector::<S>::LANES;
        let width = self.panels.width();
        let image_len = self.lens.iter().product::<usize>();
        let starts = [0, 1, 2].map(|i| self.plan.axes[i].target_start + self.part.origin[i]);
        let first_place = (starts[0] * target[1] + starts[1]) * target[2] + starts[2];
        let target_len = target.iter().product::<usize>();
        let in_image = image_len.div_ceil(lanes);
        let in_vector = self.part.images * in_image;
        let square = |index: usize| {
            let (vector, image) = (index / in_vector, index % in_vector / in_image);
            let (row, at) = (panel * width + vector * lanes, index % in_image * lanes);
            let channel = self.group * rows + row;
            let place = (self.part.first_image + image) * groups * rows + channel;
            Outputs {
                from: (image * image_len + at) * width + vector * lanes,
                channel,
                to: place * target_len + first_place + at,
                size: [lanes.min(image_len - at), lanes.min(rows - row)],
            }
        };
        let count = self.panels.filled(panel) * in_vector;
        for index in 0..count {
            if index + AHEAD < count {
                let Outputs { to, size, .. } = square(index + AHEAD);
                (0..size[1]).for_each(|i| isa.prefetch(self.out.address(to + i * target_len)));
            }
            let Outputs { from, channel, to, size: [len, rows] } = square(index);
            let square = read::<T::Vector<S>>(isa, sums, from, width as isize, [len, lanes]);
            for (i, &outputs) in transpose(square).iter().take(rows).enumerate() {
                let term = bias.map_or(T::ZERO, |bias| bias[channel + i]);
                // SAFETY: these places of the target belong to this box's outputs.
                let to = unsafe { self.out.slice(to + i * target_len, len) };
                (outputs + T::Vector::<S>::splat(isa, term)).store_chunk(to);
            }
        }
    }
}

/// A square of outputs, of some channels in as many places at most.
struct Outputs {
    /// Where it lies among the sums.
    from: usize,
    /// The first channel.
    channel: usize,
    /// Where the first output lies in the target.
    to: usize,
    /// The places and the channels.
    size: [usize; 2],
}
