//! The gradient by kernels of three by three.
//!
//! A task takes some channels of the gradient and of the input, and some boxes of outputs, one
//! after another. It transforms both images and, in each place of the transforms, multiplies them:
//! a matrix product whose depth runs over the tiles.

use super::super::Geometry;
use super::super::gather::Window;
use super::super::pack::Panels;
use super::super::plan::{Plan, apart};
use super::super::tile::{MOST_ROWS, Tile, tile};
use super::super::weight::{Parts, write_row};
use super::grid::{Grid, Tiles};
use super::source::{Grad, Input, Transform, Transformed, View, Views};
use super::{Line, places, read, taps};
use crate::memory::scratch;
use crate::multiplier::{Format, Multiplier, Work};
use crate::simd::Vector;
use crate::threads::Shared;
use crate::{Element, Float, Machine, Strided};
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};

/// How many channels of the gradient a task takes at most.
const ROWS: usize = 64;

/// How many numbers of a box's transforms stay in the second-level cache.
const BUDGET: usize = 160 << 10;

/// How many tasks are wanted at least.
const TASKS: usize = 16;

/// From so many channels of the output and of the input on the transforms pay.
const OUT_CHANNELS: usize = 32;
const IN_CHANNELS: usize = 24;

/// Sums over fewer outputs take little time, and are more accurate directly.
const OUTPUTS: usize = 256;

/// True if transforms pay.
pub(in super::super) fn fits<T: Float, F: Format<T>>(geometry: &Geometry) -> bool {
    let Geometry { groups, in_channels, out_channels, .. } = *geometry;
    let large = out_channels / groups >= OUT_CHANNELS && in_channels / groups >= IN_CHANNELS;
    let plan = Plan::forward(geometry);
    large && Grid::is_worthwhile(Line::of(F::STEPS), geometry.batch, &plan, OUTPUTS)
}

/// Computes the gradient by the weight; or does not, and returns false, if the numbers of a box are
/// not fit to be transformed.
pub(in super::super) fn run<T: Float, F: Format<T>>(
    on: Machine,
    geometry: &Geometry,
    [x, grad]: [Strided<'_, T>; 2],
    out: &mut [T],
) -> bool {
    let Geometry { batch, groups, .. } = *geometry;
    let plan = &Plan::forward(geometry);
    let order = plan.three_by_three().expect("a kernel of three by three");
    let (channels, rows) = (geometry.in_channels / groups, geometry.out_channels / groups);
    let panels = &Panels::new::<T>(on, channels, 0);
    let row_parts = rows.div_ceil(ROWS);
    let row_part = rows.div_ceil(row_parts);
    let blocks = groups * row_parts * panels.count;
    let pitches = [row_part.next_multiple_of(panels.lanes), panels.width()].map(apart);
    let across = Line::of(F::STEPS);
    let most = BUDGET / (places(across) * (pitches[0] + pitches[1]));
    let wanted = TASKS.div_ceil(blocks);
    let grid = &Grid::new(across, batch, plan, most, wanted);
    let len = out.len();
    let mut parts = Parts::new(out, grid.boxes(), wanted);
    let cut = parts.cut;
    let shared = &parts.sums();
    let shown = |tiles: &Tiles| {
        let (origin, lens) = (tiles.part.origin, tiles.lens());
        [0, 1, 2].map(|axis| Window {
            first: origin[axis] as isize,
            step: 1,
            end: geometry.output[axis],
            len: lens[axis],
        })
    };
    let read = |tiles: &Tiles| plan.read_by(tiles.part.origin, tiles.lens());
    let views = &[
        Views::new(&grad, grid.all(plan), shown, 0, panels.lanes),
        Views::new(&x, grid.all(plan), read, 2, panels.lanes),
    ];
    let tame = AtomicBool::new(true);
    on.parallel(blocks * cut.count, geometry.cost_ns(), |task| {
        let (rest, part) = (task / cut.count, task % cut.count);
        let (rest, panel) = (rest / panels.count, rest % panels.count);
        let (group, first) = (rest / row_parts, rest % row_parts * row_part);
        let first_channel = panel * panels.width();
        let task = Task {
            geometry,
            plan,
            order,
            grid,
            boxes: cut.boxes(part),
            group,
            rows: first..rows.min(first + row_part),
            channels: first_channel..channels.min(first_channel + panels.width()),
            vectors: panels.filled(panel),
            pitches,
            views,
            x,
            grad,
            out: (shared, part * len),
        };
        if tame.load(Ordering::Relaxed) && !F::run(on.isa, task) {
            tame.store(false, Ordering::Relaxed);
        }
    });
    let tame = tame.into_inner();
    if tame {
        parts.finish(on);
    }
    tame
}

/// Some channels of both images in some boxes.
struct Task<'a, T> {
    geometry: &'a Geometry,
    plan: &'a Plan,
    order: [[usize; 3]; 2],
    grid: &'a Grid,
    boxes: Range<usize>,
    group: usize,
    /// The channels of the gradient, counted within the group.
    rows: Range<usize>,
    /// The channels of the input, counted within the group.
    channels: Range<usize>,
    /// How many vectors these fill.
    vectors: usize,
    /// The distances between transformed tiles of the gradient and of the input.
    pitches: [usize; 2],
    /// What the boxes show of the gradient and of the input.
    views: &'a [Views; 2],
    x: Strided<'a, T>,
    grad: Strided<'a, T>,
    /// The gradient by the weight over a part of the boxes, and where in it that starts.
    out: (&'a Shared<'a, T>, usize),
}

impl<T: Float, P: Element> Work<T, P> for Task<'_, T> {
    /// False if the numbers are not fit to be transformed.
    type Output = bool;

    #[inline(always)]
    fn run<M: Multiplier<Scalar = T, Packed = P>>(self, multiplier: M) -> bool {
        let (isa, lanes) = (multiplier.isa(), M::Sums::LANES);
        let places = places(Line::of(M::STEPS));
        let width = self.vectors * lanes;
        let most = self.grid.most().div_ceil(M::STEPS);
        let place_lens = self.pitches.map(|pitch| apart(most * pitch));
        let mut grad = scratch(places * place_lens[0]);
        let mut input = scratch(places * place_lens[1]);
        let totals_len = apart((self.rows.len() + MOST_ROWS) * width);
        let mut totals = scratch(places * totals_len);
        totals.fill(T::ZERO);
        let Geometry { groups, in_channels, out_channels, .. } = *self.geometry;
        for index in self.boxes.clone() {
            let tiles = &self.grid.tiles(self.plan, index);
            let first = self.group * (out_channels / groups);
            let range = first + self.rows.start..first + self.rows.end;
            let to = (&mut grad[..], self.pitches[0], place_lens[0]);
            let view = self.views[0].view(index);
            let grad_tame = transform::<M, Grad>(multiplier, view, &self.grad, range, to);
            let first = self.group * (in_channels / groups);
            let range = first + self.channels.start..first + self.channels.end;
            let to = (&mut input[..], self.pitches[1], place_lens[1]);
            let view = self.views[1].view(index);
            let input_tame = transform::<M, Input>(multiplier, view, &self.x, range, to);
            if !(grad_tame && input_tame) {
                return false;
            }
            let depth = tiles.count().div_ceil(M::STEPS);
            let steps: Vec<[usize; 2]> =
                (0..depth).map(|step| self.pitches.map(|pitch| step * pitch)).collect();
            for place in 0..places {
                let left = &grad[place * place_lens[0]..][..place_lens[0]];
                let right = &input[place * place_lens[1]..][..place_lens[1]];
                let totals = &mut totals[place * totals_len..][..totals_len];
                self.multiply(multiplier, &steps, left, right, totals);
            }
        }
        self.write::<M>(isa, &totals, totals_len);
        true
    }
}

/// Transforms some channels of a box, to `[place][tile][channel]` with neighbouring tiles packed, and
/// says whether their numbers are fit for it.
#[inline(always)]
fn transform<M: Multiplier, C: Transform>(
    multiplier: M,
    view: View<'_>,
    source: &Strided<'_, M::Scalar>,
    channels: Range<usize>,
    (to, pitch, place_len): (&mut [M::Packed], usize, usize),
) -> bool {
    let lanes = M::Sums::LANES;
    let mut copy = scratch(view.copy_len(lanes));
    let to = &Transformed { numbers: &Shared::new(to), pitch, place_len };
    let mut extents = view.extents();
    for first in channels.clone().step_by(lanes) {
        let block = first..channels.end.min(first + lanes);
        let start = first - channels.start;
        // SAFETY: what is transformed is borrowed mutably.
        unsafe {
            let to = (to, start);
            view.transform_lines::<M, C>(multiplier, source, block, &mut copy, to, &mut extents);
        }
    }
    extents.iter().all(|extent| extent.is_tame(Line::of(M::STEPS)))
}

impl<T: Float> Task<'_, T> {
    /// Adds the products of some tiles in one place of the transforms.
    #[inline(always)]
    fn multiply<M: Multiplier<Scalar = T>>(
        &self,
        multiplier: M,
        steps: &[[usize; 2]],
        grad: &[M::Packed],
        input: &[M::Packed],
        totals: &mut [T],
    ) {
        let width = self.vectors * M::Sums::LANES;
        let rows = self.rows.len();
        let offsets: Vec<usize> = (0..rows + MOST_ROWS).map(|row| row.min(rows - 1)).collect();
        let [last_left, last_right] = steps[steps.len() - 1];
        assert!(last_left + rows <= grad.len() && last_right + width <= input.len());
        assert!(totals.len() >= (rows + MOST_ROWS) * width);
        let mut row = 0;
        while row < rows {
            // SAFETY: the gradient holds all rows at each step, the input so many vectors, and the
            // totals so many in each row and in MOST_ROWS more.
            row += unsafe {
                let product = Tile {
                    rows: &offsets[row..],
                    steps,
                    a: grad.as_ptr(),
                    b: input.as_ptr(),
                    c: totals.as_mut_ptr().add(row * width),
                    c_stride: width,
                    accumulate: true,
                    ahead: None,
                };
                tile(multiplier, rows - row, self.vectors, product)
            };
        }
    }

    /// Transforms the totals to the gradient, and writes that.
    #[inline(always)]
    fn write<M: Multiplier<Scalar = T>>(&self, isa: M::Isa, totals: &[T], totals_len: usize) {
        let (lanes, across) = (M::Sums::LANES, Line::of(M::STEPS));
        let width = self.vectors * lanes;
        let [lines, columns] = self.order;
        let Geometry { groups, in_channels, out_channels, .. } = *self.geometry;
        let (out, start) = self.out;
        let mut line = scratch(9 * width);
        for (index, row) in self.rows.clone().enumerate() {
            for vector in 0..self.vectors {
                let at = index * width + vector * lanes;
                let square = read::<M::Sums>(isa, across, &totals[at..], totals_len);
                for (tap_line, i) in taps(across, square).into_iter().zip(lines) {
                    for (tap, j) in tap_line.into_iter().zip(columns) {
                        tap.store(&mut line[(3 * i + j) * width + vector * lanes..]);
                    }
                }
            }
            let row = self.group * (out_channels / groups) + row;
            let start = start + (row * (in_channels / groups) + self.channels.start) * 9;
            // SAFETY: no other task writes these channels of this row.
            let to = unsafe { out.slice(start, self.channels.len() * 9) };
            write_row(isa, &line, [9, width], to);
        }
    }
}
