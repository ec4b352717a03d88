//! The gradient by the weight where the input has many channels.
//!
//! A task copies a box of the input into scratch with the channels of a place side by side, and the
//! gradient in panels of some rows. Each tap is then a matrix product of both whose depth runs over
//! the places, and whose columns are the channels.

use super::gather::{Channel, Window, copy_channel, gather};
use super::lines::SLACK;
use super::plan::{Part, apart};
use super::weight::Task;
use crate::Float;
use crate::memory::scratch;
use crate::simd::{PatchTile, Simd, Vector, patch_tile};
use std::ops::Range;

/// From so many channels on they fill vectors well enough.
pub(super) const CHANNELS: usize = 8;

/// How many numbers the copies of a box hold: they stay in the second-level cache.
pub(super) const BUDGET: usize = 96 << 10;

/// How many channels are interleaved at a time.
const BLOCK: usize = 8;

/// How many products are summed in registers before they are added to the others.
const DEPTH: usize = 512;

/// Sums up the products of a task.
#[inline(always)]
pub(super) fn run<S: Simd, T: Float>(isa: S, mut task: Task<'_, T>) {
    let sums = std::mem::take(&mut task.sums);
    let (channels, rows) = (task.channels(), task.rows.len());
    let taps = task.steps.len() / channels;
    let wide = channels.next_multiple_of(T::Vector::<S>::LANES.max(BLOCK));
    let places = task.layout.images * task.layout.boxed.iter().product::<usize>();
    let padded_rows = rows.next_multiple_of(S::TILE_ROWS);
    let channel_len = task.layout.channel_len;
    let mut lines = scratch(BLOCK * channel_len.max(places) + SLACK);
    let pitch = apart(wide);
    let mut input = scratch(pitch * (channel_len + task.layout.spill));
    input[pitch * channel_len..].fill(T::ZERO);
    let mut panels = scratch(padded_rows * places);
    let mut totals = scratch(padded_rows * taps * wide);
    totals.fill(T::ZERO);
    let mut starts = Vec::with_capacity(places);
    for index in task.boxes.clone() {
        let part = task.plan.part(task.geometry.batch, task.layout, index);
        starts.clear();
        task.plan.for_each_output(task.layout, &part, |place| starts.push(place * pitch));
        copy_input(isa, &task, &part, (wide, pitch), &mut lines, &mut input);
        copy_grad(isa, &task, &part, &mut lines, &mut panels);
        let mut product = Product {
            input: &input,
            panels: &panels,
            starts: &starts,
            taps: &task.steps[..taps],
            pitch,
            wide,
            rows,
            totals: &mut totals,
        };
        for start in (0..starts.len()).step_by(DEPTH) {
            product.add(isa, start..starts.len().min(start + DEPTH));
        }
    }
    for (sums, totals) in sums.chunks_exact_mut(taps * channels).zip(totals.chunks(taps * wide)) {
        for (channel, sums) in sums.chunks_exact_mut(taps).enumerate() {
            for (sum, totals) in sums.iter_mut().zip(totals.chunks(wide)) {
                *sum = totals[channel];
            }
        }
    }
}

/// Copies the input to `[phase][image][depth][height][width][channel]`.
#[inline(always)]
fn copy_input<S: Simd, T: Float>(
    isa: S,
    task: &Task<'_, T>,
    part: &Part,
    (wide, pitch): (usize, usize),
    lines: &mut [T],
    copy: &mut [T],
) {
    let channels = task.channels();
    let channel_len = task.layout.channel_len;
    for first in (0..wide).step_by(BLOCK) {
        for index in 0..BLOCK {
            let to = &mut lines[index * channel_len..];
            if first + index >= channels {
                to[..channel_len].fill(T::ZERO);
                continue;
            }
            let channel = task.group * channels + first + index;
            copy_channel(isa, &task.x, task.plan, task.layout, part, channel, to);
        }
        interleave::<T, BLOCK>(lines, channel_len, pitch, &mut copy[first..]);
    }
}

/// Copies the gradient to `[panel][place][row]`.
#[inline(always)]
fn copy_grad<S: Simd, T: Float>(
    isa: S,
    task: &Task<'_, T>,
    part: &Part,
    lines: &mut [T],
    panels: &mut [T],
) {
    let windows = [0, 1, 2].map(|axis| Window {
        first: part.origin[axis] as isize,
        step: 1,
        end: part.origin[axis] + part.lens[axis],
        len: part.lens[axis],
    });
    let places = part.images * part.lens.iter().product::<usize>();
    for (panel, first) in task.rows.clone().step_by(S::TILE_ROWS).enumerate() {
        for index in 0..S::TILE_ROWS {
            let to = &mut lines[index * places..];
            if first + index >= task.rows.end {
                to[..places].fill(T::ZERO);
                continue;
            }
            let channel = task.out_channel(first + index);
            let from = Channel { first_image: part.first_image, images: part.images, channel };
            gather(isa, &task.grad, &from, &windows, part.images, to);
        }
        let to = &mut panels[panel * S::TILE_ROWS * places..];
        match S::TILE_ROWS {
            8 => interleave::<T, 8>(lines, places, 8, to),
            _ => interleave::<T, 4>(lines, places, 4, to),
        }
    }
}

/// Puts number i of each of some lines side by side, from `to[i * pitch]` on.
#[inline(always)]
fn interleave<T: Float, const LINES: usize>(lines: &[T], len: usize, pitch: usize, to: &mut [T]) {
    let lines: [&[T]; LINES] = std::array::from_fn(|i| &lines[i * len..][..len]);
    for (i, to) in to.chunks_mut(pitch).take(len).enumerate() {
        let to = &mut to[..LINES];
        for (to, line) in to.iter_mut().zip(&lines) {
            *to = line[i];
        }
    }
}

/// The product of the copies of one box.
struct Product<'a, T> {
    input: &'a [T],
    panels: &'a [T],
    /// Where in the input's copy the channels of each place start.
    starts: &'a [usize],
    /// How many places later each tap's do.
    taps: &'a [usize],
    /// The distance between places in the input's copy.
    pitch: usize,
    /// How many channels lie side by side, with zeros behind the last.
    wide: usize,
    rows: usize,
    /// `[row][tap][channel]`.
    totals: &'a mut [T],
}

impl<T: Float> Product<'_, T> {
    /// Adds the products of some places.
    #[inline(always)]
    fn add<S: Simd>(&mut self, isa: S, places: Range<usize>) {
        let lanes = T::Vector::<S>::LANES;
        let (columns, count) = (self.taps.len() * self.wide, self.starts.len());
        let vectors = self.wide / lanes;
        // As wide as the tile at most, and all about alike.
        let width = vectors.div_ceil(vectors.div_ceil(S::TILE_VECTORS));
        let steps = &self.starts[places.clone()];
        let last = steps.last().map_or(0, |last| last + self.wide);
        for first in (0..self.rows).step_by(S::TILE_ROWS) {
            let panel = &self.panels[(first * count) + places.start * S::TILE_ROWS..];
            let panel = &panel[..steps.len() * S::TILE_ROWS];
            for (tap, &start) in self.taps.iter().enumerate() {
                let input = &self.input[start * self.pitch..];
                assert!(last <= input.len());
                let totals = &mut self.totals[first * columns + tap * self.wide..];
                assert!(totals.len() >= (S::TILE_ROWS - 1) * columns + self.wide);
                for vector in (0..vectors).step_by(width) {
                    // SAFETY: the panel has TILE_ROWS numbers for each step; the input holds `wide`
                    // channels from each step's start on, and the totals so many columns in each of
                    // the rows.
                    unsafe {
                        let tile = PatchTile {
                            steps,
                            a: panel.as_ptr(),
                            b: input.as_ptr().add(vector * lanes),
                            c: totals.as_mut_ptr().add(vector * lanes),
                            c_stride: columns,
                            accumulate: true,
                        };
                        let width = width.min(vectors - vector);
                        patch_tile::<T::Vector<S>>(isa, S::TILE_ROWS, width, tile);
                    }
                }
            }
        }
    }
}
