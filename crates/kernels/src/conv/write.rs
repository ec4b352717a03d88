//! Writing a box's outputs to the target.

use super::gather::scatter;
use super::plan::{Part, Plan};
use crate::Float;
use crate::simd::Simd;
use crate::threads::Shared;

/// Where a box's outputs lie in the target.
#[derive(Clone, Copy)]
pub(super) struct Writer<'a, T> {
    pub(super) plan: &'a Plan,
    pub(super) part: Part,
    /// The lengths of the target.
    pub(super) target: [usize; 3],
    pub(super) out: &'a Shared<'a, T>,
}

impl<T: Float> Writer<'_, T> {
    /// Writes an image's outputs plus a term. In `from` planes and lines are so far apart as
    /// `pitches` say; the image starts at `start` in the target.
    #[inline(always)]
    pub(super) fn image<S: Simd>(
        &self,
        isa: S,
        from: &[T],
        pitches: [usize; 2],
        term: T,
        start: usize,
    ) {
        let [depth, height, width] = &self.plan.axes;
        let target = self.target;
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
