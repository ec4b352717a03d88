//! The gradient by the weight where the input has many channels: vectors run along them.
//!
//! A task takes some channels of the gradient and of the input, all taps, and some boxes of outputs,
//! one after another. It copies both images into scratch with the channels of a place side by side.
//! Each tap is then a matrix product of the two whose depth runs over the places.
//!
//! Where operands are rounded to `bf16`, a packed number holds two outputs that lie side by side in a
//! line. The next two of the gradient follow these; of the input every place has a pair, of itself and
//! of the place behind it, so that any tap finds its own.

use super::Geometry;
use super::beside::{Beside, Images, Places};
use super::pack::Panels;
use super::plan::{Goal, Layout, Part, Plan, apart};
use super::tile::{MOST_ROWS, Tile, tile};
use super::weight::{Parts, write_row};
use crate::memory::scratch;
use crate::multiplier::{Format, Multiplier, PackedNumbers, Vectors, Work};
use crate::simd::{Simd, Vector};
use crate::threads::Shared;
use crate::{Element, Float, Machine, Strided};
use std::ops::Range;

/// How many channels of the gradient a task takes at most.
const ROWS: usize = 64;

/// How many numbers the copies of a box hold: they stay in the second-level cache.
const BUDGET: usize = 128 << 10;

/// How many tasks are wanted at least.
const TASKS: usize = 16;

/// How many packed numbers are multiplied and summed in registers before they are added to the others.
const DEPTH: usize = 512;

/// Computes the gradient by the weight.
pub(super) fn run<T: Float, F: Format<T>>(
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
    let panels = &Panels::new::<T>(on, channels, 0);
    let row_parts = rows.div_ceil(ROWS);
    let row_part = rows.div_ceil(row_parts);
    let blocks = groups * row_parts * panels.count;
    let wanted = TASKS.div_ceil(blocks);
    let goal = Goal { channels: panels.width(), rows: row_part, budget: BUDGET, wanted };
    let layout = &plan.layout(batch, &goal);
    let boxes: usize = plan.boxes(batch, layout).iter().product();
    let len = out.len();
    let mut parts = Parts::new(out, boxes, wanted);
    let cut = parts.cut;
    let shared = &parts.sums();
    on.parallel(blocks * cut.count, geometry.cost_ns(), |task| {
        let (rest, part) = (task / cut.count, task % cut.count);
        let (rest, panel) = (rest / panels.count, rest % panels.count);
        let (group, first) = (rest / row_parts, rest % row_parts * row_part);
        let first_channel = panel * panels.width();
        let task = Task {
            geometry,
            plan,
            layout,
            boxes: cut.boxes(part),
            group,
            rows: first..rows.min(first + row_part),
            channels: first_channel..channels.min(first_channel + panels.width()),
            vectors: panels.filled(panel),
            x,
            grad,
            out: (shared, part * len),
        };
        F::run(on.isa, task);
    });
    parts.finish(on);
}

/// Some channels of both images in some boxes.
struct Task<'a, T> {
    geometry: &'a Geometry,
    plan: &'a Plan,
    layout: &'a Layout,
    boxes: Range<usize>,
    group: usize,
    /// The channels of the gradient, counted within the group.
    rows: Range<usize>,
    /// The channels of the input, counted within the group.
    channels: Range<usize>,
    /// How many vectors these fill.
    vectors: usize,
    x: Strided<'a, T>,
    grad: Strided<'a, T>,
    /// The gradient by the weight over a part of the boxes, and where in it that starts.
    out: (&'a Shared<'a, T>, usize),
}

impl<T: Float, P: Element> Work<T, P> for Task<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<M: Multiplier<Scalar = T, Packed = P>>(self, multiplier: M) {
        let (isa, lanes) = (multiplier.isa(), M::Sums::LANES);
        let width = self.vectors * lanes;
        let taps = self.plan.taps();
        let numbers = Vectors::<M::Sums>(isa);
        let images = Images::new(self.plan, self.layout, self.channels.len(), lanes, 1);
        let mut input = scratch(images.len());
        let outputs = self.layout.images * self.layout.boxed.iter().product::<usize>();
        let pitch = apart(self.rows.len().next_multiple_of(lanes));
        let mut grad = scratch(outputs * pitch);
        let mut totals = scratch((self.rows.len() + MOST_ROWS) * taps * width);
        totals.fill(T::ZERO);
        let mut steps = Vec::with_capacity(outputs);
        for index in self.boxes.clone() {
            let part = self.plan.part(self.geometry.batch, self.layout, index);
            let first = self.group * (self.geometry.in_channels / self.geometry.groups);
            let channels = first + self.channels.start..first + self.channels.end;
            images.copy(numbers, &self.x, &part, channels, &mut input);
            self.copy_grad(numbers, &part, &mut grad, pitch);
            let packed_input = pack_input(multiplier, &input, images.pitch);
            let packed_grad = pack_grad(multiplier, &grad, &part, pitch);
            steps.clear();
            let mut number = 0;
            self.plan.for_each_output(self.layout, &part, |place| {
                if (number % part.lens[2]).is_multiple_of(M::STEPS) {
                    steps.push([steps.len() * pitch, place * images.pitch]);
                }
                number += 1;
            });
            for steps in steps.chunks(DEPTH) {
                let input = (&packed_input[..], images.pitch);
                self.multiply(multiplier, steps, &packed_grad, input, &mut totals);
            }
        }
        self.write(isa, &totals);
    }
}

impl<T: Float> Task<'_, T> {
    /// Copies the gradient to `[place][channel]`.
    #[inline(always)]
    fn copy_grad<V: Vector<Scalar = T>>(
        &self,
        numbers: Vectors<V>,
        part: &Part,
        to: &mut [T],
        pitch: usize,
    ) {
        let places = Places::of_outputs(&self.grad, part, V::LANES);
        let first = self.group * (self.geometry.out_channels / self.geometry.groups);
        let channels = first + self.rows.start..first + self.rows.end;
        // SAFETY: the copy is borrowed mutably.
        unsafe {
            let to = Beside { to: &Shared::new(to), start: 0, pitch };
            places.copy(numbers, &self.grad, channels, to)
        }
    }

    /// Adds the products of some places.
    #[inline(always)]
    fn multiply<M: Multiplier<Scalar = T>>(
        &self,
        multiplier: M,
        steps: &[[usize; 2]],
        grad: &[M::Packed],
        (input, pitch): (&[M::Packed], usize),
        totals: &mut [T],
    ) {
        let width = self.vectors * M::Sums::LANES;
        let mut taps = Vec::with_capacity(self.plan.taps());
        self.plan.for_each_tap(self.layout, |_, place| taps.push(place));
        let (rows, stride) = (self.rows.len(), taps.len() * width);
        let offsets: Vec<usize> = (0..rows + MOST_ROWS).map(|row| row.min(rows - 1)).collect();
        let [last_row, last_place] = steps[steps.len() - 1];
        assert!(last_row + rows <= grad.len());
        assert!(totals.len() >= (rows + MOST_ROWS) * stride);
        let mut row = 0;
        while row < rows {
            let mut done = 0;
            for (tap, place) in taps.iter().enumerate() {
                let input = &input[place * pitch..];
                assert!(last_place + width <= input.len());
                // SAFETY: the gradient holds all rows at each step; the input holds so many vectors
                // from each step on; and the totals hold so many at each tap of each row and of
                // MOST_ROWS more.
                done = unsafe {
                    let product = Tile {
                        rows: &offsets[row..],
                        steps,
                        a: grad.as_ptr(),
                        b: input.as_ptr(),
                        c: totals.as_mut_ptr().add(row * stride + tap * width),
                        c_stride: stride,
                        accumulate: true,
                        ahead: None,
                    };
                    tile(multiplier, rows - row, self.vectors, product)
                };
            }
            row += done;
        }
    }

    /// Writes the totals, `[row][tap][channel]`, as `[row][channel][tap]`.
    #[inline(always)]
    fn write<S: Simd>(&self, isa: S, totals: &[T]) {
        let (taps, width) = (self.plan.taps(), self.vectors * T::Vector::<S>::LANES);
        let Geometry { groups, in_channels, out_channels, .. } = *self.geometry;
        let (out, start) = self.out;
        for (index, totals) in self.rows.clone().zip(totals.chunks(taps * width)) {
            let row = self.group * (out_channels / groups) + index;
            let start = start + (row * (in_channels / groups) + self.channels.start) * taps;
            // SAFETY: no other task writes these channels of this row.
            let to = unsafe { out.slice(start, self.channels.len() * taps) };
            write_row(isa, totals, [taps, width], to);
        }
    }
}

/// Packs the gradient, `[place][channel]`: of each line of outputs as many as a packed number has
/// steps, and zeros behind the last one.
#[inline(always)]
fn pack_grad<'a, M: Multiplier>(
    multiplier: M,
    grad: &'a [M::Scalar],
    part: &Part,
    pitch: usize,
) -> PackedNumbers<'a, M::Packed> {
    if let Some(packed) = M::as_packed(grad) {
        return PackedNumbers::InPlace(packed);
    }
    let [depth, height, width] = part.lens;
    let lines = part.images * depth * height;
    let line = width.div_ceil(M::STEPS) * pitch;
    let mut packed = scratch(lines * line);
    for (line, grad) in packed.chunks_exact_mut(line).zip(grad.chunks_exact(width * pitch)) {
        multiplier.pack_lines(grad, pitch, line);
    }
    PackedNumbers::Copied(packed)
}

/// Packs the input, `[place][channel]`: each place with those behind it that share a packed number.
#[inline(always)]
fn pack_input<M: Multiplier>(
    multiplier: M,
    input: &[M::Scalar],
    pitch: usize,
) -> PackedNumbers<'_, M::Packed> {
    if let Some(packed) = M::as_packed(input) {
        return PackedNumbers::InPlace(packed);
    }
    let mut packed = scratch(input.len());
    for (place, packed) in packed.chunks_exact_mut(pitch).enumerate() {
        let start = place * pitch;
        let end = input.len().min(start + M::STEPS * pitch);
        multiplier.pack_lines(&input[start..end], pitch, packed);
    }
    PackedNumbers::Copied(packed)
}
