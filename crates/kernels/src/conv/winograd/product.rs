//! The correlation of images with kernels of three by three.
//!
//! A task transforms a box of the source for itself and multiplies it with panels of the weight,
//! which are transformed once for all tasks. If the weight is so large that it would have to come
//! from memory for each box, it is the other way round: boxes are large, all tasks share what is
//! transformed of a box, and each transforms its part of the weight for itself. Tasks also share what
//! is transformed of the only box there is, if the weight is larger than a cache that each of them has.

use super::super::channels;
use super::super::correlate::Correlation;
use super::super::kept::Way;
use super::super::pack::Panels;
use super::super::plan::{Plan, apart};
use super::super::tile::{Ahead, MOST_ROWS, Tile, tile};
use super::super::write::PanelWriter;
use super::grid::{Grid, Tiles};
use super::kernel::Kernels;
use super::source::{Input, Transformed, View, Views};
use super::{Extent, Line, output, places, read};
use crate::memory::{Scratch, scratch};
use crate::multiplier::{Format, Multiplier, Work};
use crate::simd::Vector;
use crate::threads::Shared;
use crate::{Chunks, Element, Float, Machine};
use std::ops::Range;

/// How many packed numbers, about, are multiplied and summed in registers before they are added to the
/// others.
const DEPTH: usize = 128;

/// How many numbers of a box's transforms stay in the second-level cache.
const BUDGET: usize = 160 << 10;

/// How many tasks are wanted at least.
const TASKS: usize = 16;

/// From so many numbers on the transformed weight is not read again for each small box.
const LARGE_WEIGHT: usize = 2 << 20;

/// How many tiles a box has whose transform tasks share.
const SHARED_TILES: usize = 256;

/// From so many numbers on the transformed weight is not read again for each small box if what is
/// transformed of all images has at most so many. A task then takes so many tiles at once.
const MEDIUM_WEIGHT: usize = 256 << 10;
const SHARED_NUMBERS: usize = 512 << 10;
const PART_TILES: usize = 48;

/// From so many channels of the target, and of the source, and from so many outputs on the transforms
/// pay.
const ROWS: usize = 32;
const CHANNELS: usize = 24;
const OUTPUTS: usize = 64;

/// So many where the weight is large: its transform is longer, and takes time.
const OUTPUTS_OF_LARGE: usize = 256;

/// True if the plan is one of kernels of three by three for which transforms pay.
pub(in super::super) fn fits<T: Float, F: Format<T>>(
    correlation: &Correlation<'_, T>,
    plan: &Plan,
) -> bool {
    let Correlation { batch, channels, rows, .. } = *correlation;
    let across = Line::of(F::STEPS);
    let large = rows * channels * places(across) >= LARGE_WEIGHT;
    let outputs = if large { OUTPUTS_OF_LARGE } else { OUTPUTS };
    rows >= ROWS && channels >= CHANNELS && Grid::is_worthwhile(across, batch, plan, outputs)
}

/// Computes the target.
///
/// # Panics
/// If the kernel is not three by three.
pub(in super::super) fn run<T: Float, F: Format<T>>(
    on: Machine,
    correlation: &Correlation<'_, T>,
    plan: &Plan,
    out: &Shared<'_, T>,
) {
    let Correlation { batch, channels, rows, .. } = *correlation;
    let order = plan.three_by_three().expect("a kernel of three by three");
    let across = Line::of(F::STEPS);
    let panels = Panels::new::<T>(on, rows, channels * places(across) / F::STEPS);
    let kernels = Kernels { correlation, order, panels };
    let pitch = apart(channels.next_multiple_of(panels.lanes) / F::STEPS);
    let at_once = (DEPTH * F::STEPS).min(channels);
    let steps = 0..at_once / F::STEPS;
    let steps: Vec<[usize; 2]> = steps.map(|c| [c, c * panels.width()]).collect();
    let job = &Job { correlation, plan, across, kernels, pitch, at_once, steps: &steps, out };
    let shared = &Grid::new(across, batch, plan, SHARED_TILES, 1);
    if panels.start(1, 0) >= LARGE_WEIGHT {
        return job.share::<F>(on, shared, None);
    }
    let weight = correlation.packed(on, Way::Transformed, || job.pack::<F>(on));
    let few = shared.boxes() == 1 && places(across) * shared.most() * pitch <= SHARED_NUMBERS;
    if few && panels.start(1, 0) >= MEDIUM_WEIGHT {
        job.share::<F>(on, shared, Some(&weight));
    } else {
        job.each_for_itself::<F>(on, &weight);
    }
}

/// A weight, transformed.
struct PackedWeight<P> {
    panels: Scratch<P>,
    /// Whether its numbers are fit for it.
    moderate: bool,
}

/// What all tasks need.
struct Job<'a, T> {
    correlation: &'a Correlation<'a, T>,
    plan: &'a Plan,
    across: Line,
    kernels: Kernels<'a, T>,
    /// The distance between tiles whose channels lie side by side, in packed numbers.
    pitch: usize,
    /// How many of the source's channels a block of depth has.
    at_once: usize,
    /// Where each of them lies, behind a tile's place and in the block.
    steps: &'a [[usize; 2]],
    out: &'a Shared<'a, T>,
}

impl<T: Float> Job<'_, T> {
    /// Transforms the whole weight.
    fn pack<F: Format<T>>(&self, on: Machine) -> PackedWeight<F::Packed> {
        let Correlation { groups, channels, .. } = *self.correlation;
        let panels = &self.kernels.panels;
        let mut packed = scratch(panels.start(groups, 0));
        let mut extents = vec![Extent::default(); groups * panels.count];
        let cost_ns = packed.len() / 4;
        let chunks = (Chunks::new(&mut packed, panels.start(0, 1)), Chunks::new(&mut extents, 1));
        on.for_each(chunks, cost_ns, |index, (out, extent)| {
            let (group, panel) = (index / panels.count, index % panels.count);
            let kernels = self.kernels;
            extent[0] = F::run(on.isa, Pack { kernels, group, panel, channels, out });
        });
        let moderate = extents.iter().all(|extent| extent.is_moderate());
        PackedWeight { panels: packed, moderate }
    }

    /// What the tiles of each box read.
    fn views(&self, grid: &Grid) -> Views {
        let windows = |tiles: &Tiles| self.plan.read_by(tiles.part.origin, tiles.lens());
        let lanes = self.kernels.panels.lanes;
        Views::new(&self.correlation.source, grid.all(self.plan), windows, 2, lanes)
    }

    /// The distance between the places of transformed tiles.
    fn place_len(&self, tiles: &Tiles) -> usize {
        apart(tiles.count() * self.pitch)
    }

    /// Computes the target in tasks that transform their boxes for themselves.
    fn each_for_itself<F: Format<T>>(&self, on: Machine, weight: &PackedWeight<F::Packed>) {
        let Correlation { batch, groups, cost_ns, .. } = *self.correlation;
        let panels = &self.kernels.panels;
        let most = BUDGET / (places(self.across) * (self.pitch + panels.width()));
        let wanted = TASKS.div_ceil(groups * panels.count);
        let grid = Grid::new(self.across, batch, self.plan, most, wanted);
        let (views, boxes) = (self.views(&grid), grid.boxes());
        // Few boxes: cut the rows too, though each part then transforms the same images again.
        let row_parts = TASKS.div_ceil(groups * boxes).min(panels.count);
        let row_part = panels.count.div_ceil(row_parts);
        let row_parts = panels.count.div_ceil(row_part);
        on.parallel(groups * boxes * row_parts, cost_ns, |task| {
            // One panel after another for all boxes: it stays in the cache.
            let (row_part_index, rest) = (task / (groups * boxes), task % (groups * boxes));
            let first = row_part_index * row_part;
            let chosen = first..panels.count.min(first + row_part);
            let (group, tiles) = (rest / boxes, grid.tiles(self.plan, rest % boxes));
            let source = Source::View(views.view(rest % boxes));
            let packed = Some(&weight.panels[..]);
            let task = Task { job: self, group, tiles, chosen: chosen.clone(), packed, source };
            if !(weight.moderate && F::run(on.isa, task)) {
                self.directly::<F>(on, group, &tiles, chosen);
            }
        });
    }

    /// Computes the target box by box, whose transforms all tasks share. There is only one box if the
    /// weight is transformed; else each task transforms its part of it.
    fn share<F: Format<T>>(
        &self,
        on: Machine,
        grid: &Grid,
        weight: Option<&PackedWeight<F::Packed>>,
    ) {
        let Correlation { batch, groups, cost_ns, .. } = *self.correlation;
        let panels = &self.kernels.panels;
        let (views, boxes) = (self.views(grid), grid.boxes());
        for index in 0..groups * boxes {
            let (group, tiles) = (index / boxes, grid.tiles(self.plan, index % boxes));
            let view = views.view(index % boxes);
            let cost_ns = cost_ns / (groups * boxes);
            let place_len = self.place_len(&tiles);
            let (transformed, tame) = self.transform::<F>(on, group, view, (place_len, cost_ns));
            let tame = tame && weight.is_none_or(|weight| weight.moderate);
            let parts = match weight {
                Some(_) => {
                    let parts = Grid::new(self.across, batch, self.plan, PART_TILES, 1);
                    parts.all(self.plan).collect()
                }
                None => vec![tiles],
            };
            on.parallel(panels.count * parts.len(), cost_ns, |task| {
                let (panel, part) = (task / parts.len(), parts[task % parts.len()]);
                let chosen = panel..panel + 1;
                let numbers = &transformed[(part.first - tiles.first) * self.pitch..];
                let source = Source::Shared { numbers, place_len };
                let packed = weight.map(|weight| &weight.panels[..]);
                let task =
                    Task { job: self, group, tiles: part, chosen: chosen.clone(), packed, source };
                if !(tame && F::run(on.isa, task)) {
                    self.directly::<F>(on, group, &part, chosen);
                }
            });
        }
    }

    /// Transforms a box for all tasks, and says whether its numbers are fit for it.
    fn transform<F: Format<T>>(
        &self,
        on: Machine,
        group: usize,
        view: View<'_>,
        (place_len, cost_ns): (usize, usize),
    ) -> (Scratch<F::Packed>, bool) {
        let blocks = self.correlation.channels.div_ceil(self.kernels.panels.lanes);
        let mut transformed = scratch(places(self.across) * place_len);
        let mut extents = vec![view.extents(); blocks];
        let numbers = &Shared::new(&mut transformed);
        let to = &Transformed { numbers, pitch: self.pitch, place_len };
        on.for_each(Chunks::new(&mut extents, 1), cost_ns / 8, |block, extents| {
            let extents = &mut extents[0];
            let part = Part { job: self, group, view, blocks: block..block + 1, to, extents };
            F::run(on.isa, part);
        });
        let mut images = view.extents();
        for (image, extent) in extents.iter().flat_map(|block| block.iter().enumerate()) {
            images[image] = images[image].and(*extent);
        }
        let tame = images.iter().all(|extent| extent.is_tame(self.across));
        (transformed, tame)
    }

    /// Computes panels of a box without transforms.
    fn directly<F: Format<T>>(
        &self,
        on: Machine,
        group: usize,
        tiles: &Tiles,
        chosen: Range<usize>,
    ) {
        channels::run_part::<T, F>(
            on,
            (self.correlation, self.plan),
            (group, tiles.part),
            chosen,
            self.out,
        );
    }
}

/// Transforms a panel of the weight.
struct Pack<'a, T, P> {
    kernels: Kernels<'a, T>,
    group: usize,
    panel: usize,
    channels: usize,
    out: &'a mut [P],
}

impl<T: Float, P: Element> Work<T, P> for Pack<'_, T, P> {
    type Output = Extent;

    #[inline(always)]
    fn run<M: Multiplier<Scalar = T, Packed = P>>(self, multiplier: M) -> Extent {
        self.kernels.pack(multiplier, self.group, self.panel, 0..self.channels, self.out)
    }
}

/// Transforms some vectors of the source's channels in a box, which no other task does.
struct Part<'a, T, P> {
    job: &'a Job<'a, T>,
    group: usize,
    view: View<'a>,
    /// Which vectors.
    blocks: Range<usize>,
    to: &'a Transformed<'a, P>,
    /// How large the numbers of each image are.
    extents: &'a mut [Extent],
}

impl<T: Float, P: Element> Work<T, P> for Part<'_, T, P> {
    type Output = ();

    #[inline(always)]
    fn run<M: Multiplier<Scalar = T, Packed = P>>(self, multiplier: M) {
        let Self { job, group, view, blocks, to, extents } = self;
        let Correlation { channels, source, .. } = job.correlation;
        let lanes = M::Sums::LANES;
        let mut copy = scratch(view.copy_len(lanes));
        for first in blocks.map(|block| block * lanes) {
            let start = group * channels;
            let range = start + first..start + (first + lanes).min(*channels);
            let to = (to, first);
            // SAFETY: the task is the only one that transforms these channels.
            unsafe {
                view.transform::<M, Input>(multiplier, source, range, &mut copy, to, extents);
            }
        }
    }
}

/// What a task reads.
#[derive(Clone, Copy)]
enum Source<'a, P> {
    /// A box, which it transforms for itself.
    View(View<'a>),
    /// Tiles that are transformed already, their places so far apart.
    Shared { numbers: &'a [P], place_len: usize },
}

/// Some channels of the target in one box.
struct Task<'a, T, P> {
    job: &'a Job<'a, T>,
    group: usize,
    tiles: Tiles,
    /// Which panels.
    chosen: Range<usize>,
    /// The whole transformed weight, or none if each task transforms its own.
    packed: Option<&'a [P]>,
    source: Source<'a, P>,
}

impl<T: Float, P: Element> Work<T, P> for Task<'_, T, P> {
    /// False if the numbers are not fit to be transformed, and all must be computed directly.
    type Output = bool;

    #[inline(always)]
    fn run<M: Multiplier<Scalar = T, Packed = P>>(self, multiplier: M) -> bool {
        let isa = multiplier.isa();
        let Job { correlation, kernels, pitch, at_once, .. } = *self.job;
        let across = Line::of(M::STEPS);
        let places = places(across);
        let panels = &kernels.panels;
        let (place_len, own_len) = match self.source {
            Source::Shared { place_len, .. } => (place_len, 0),
            Source::View(_) => {
                let place_len = self.job.place_len(&self.tiles);
                (place_len, places * place_len)
            }
        };
        let mut own = scratch(own_len);
        let transformed = match self.source {
            Source::Shared { numbers, .. } => numbers,
            Source::View(view) => {
                let blocks = 0..correlation.channels.div_ceil(panels.lanes);
                let to = &Transformed { numbers: &Shared::new(&mut own), pitch, place_len };
                let (job, group, extents) = (self.job, self.group, &mut view.extents());
                Part { job, group, view, blocks, to, extents }.run(multiplier);
                if !extents.iter().all(|extent| extent.is_tame(across)) {
                    return false;
                }
                &own
            }
        };
        let own_len = places * at_once / M::STEPS * panels.width();
        let mut own_block = scratch(if self.packed.is_none() { own_len } else { 0 });
        let count = self.tiles.count();
        let mut rows: Vec<usize> = (0..count).map(|tile| tile * pitch).collect();
        rows.resize(count + MOST_ROWS, (count - 1) * pitch);
        let sums_len = apart(rows.len() * panels.width());
        let mut sums = scratch(places * sums_len);
        let outputs_len = self.tiles.part.images * self.tiles.lens().iter().product::<usize>();
        let mut outputs = scratch(outputs_len * panels.width());
        for panel in self.chosen.clone() {
            for first in (0..correlation.channels).step_by(at_once) {
                let channels = first..correlation.channels.min(first + at_once);
                let len = channels.len() / M::STEPS * panels.width();
                let (block, block_len) = match self.packed {
                    Some(packed) => {
                        let start = panels.start(self.group, panel);
                        let start = start + first / M::STEPS * panels.width();
                        (&packed[start..], correlation.channels / M::STEPS * panels.width())
                    }
                    None => {
                        let block = &mut own_block[..places * len];
                        let range = channels.clone();
                        let extent = kernels.pack(multiplier, self.group, panel, range, block);
                        if !extent.is_moderate() {
                            return false;
                        }
                        (&*block, len)
                    }
                };
                for place in 0..places {
                    let left = &transformed[place * place_len..];
                    let right = &block[place * block_len..][..len];
                    // Behind the last place come the next channels.
                    let next = if place + 1 < places { (place + 1) * block_len } else { len };
                    let next = block.as_ptr().wrapping_add(next);
                    let sums = &mut sums[place * sums_len..][..rows.len() * panels.width()];
                    let steps = channels.start / M::STEPS..channels.end / M::STEPS;
                    let (left, right) = ((left, &rows[..]), (right, next));
                    self.multiply(multiplier, (panel, steps), left, right, sums);
                }
            }
            self.outputs::<M>(isa, panel, &sums, sums_len, &mut outputs);
            let writer = PanelWriter {
                correlation,
                plan: self.job.plan,
                panels,
                group: self.group,
                part: self.tiles.part,
                lens: self.tiles.lens(),
                out: self.job.out,
            };
            writer.write(isa, panel, &outputs);
        }
        true
    }
}

impl<T: Float, P: Element> Task<'_, T, P> {
    /// Adds the products of some packed channels in one place of the transforms, with what is read next.
    #[inline(always)]
    fn multiply<M: Multiplier<Scalar = T, Packed = P>>(
        &self,
        multiplier: M,
        (panel, steps): (usize, Range<usize>),
        (left, rows): (&[P], &[usize]),
        (right, next): (&[P], *const P),
        sums: &mut [T],
    ) {
        let panels = &self.job.kernels.panels;
        let (width, vectors) = (panels.width(), panels.filled(panel));
        let count = rows.len() - MOST_ROWS;
        let left = &left[steps.start..rows[count] + steps.end];
        assert!(right.len() == steps.len() * width && sums.len() == rows.len() * width);
        let mut row = 0;
        while row < count {
            let ahead = Ahead::share(self.packed, (right, next), row, [count, steps.len()]);
            // SAFETY: the left operand holds these channels of each row up to the last one; the
            // right one has `width` numbers for each of them; and the sums hold so many for each
            // row, and for MOST_ROWS more than count.
            row += unsafe {
                let product = Tile {
                    rows: &rows[row..],
                    steps: &self.job.steps[..steps.len()],
                    a: left.as_ptr(),
                    b: right.as_ptr(),
                    c: sums.as_mut_ptr().add(row * width),
                    c_stride: width,
                    accumulate: steps.start > 0,
                    ahead,
                };
                tile(multiplier, count - row, vectors, product)
            };
        }
    }

    /// Transforms the sums to outputs, line by line of each image.
    #[inline(always)]
    fn outputs<M: Multiplier<Scalar = T>>(
        &self,
        isa: M::Isa,
        panel: usize,
        sums: &[T],
        sums_len: usize,
        outputs: &mut [T],
    ) {
        let across = Line::of(M::STEPS);
        let panels = &self.job.kernels.panels;
        let (width, lanes) = (panels.width(), panels.lanes);
        let pitch = self.tiles.lens()[2] * width;
        for (tile, start) in self.tiles.places(0).enumerate() {
            for vector in 0..panels.filled(panel) {
                let at = tile * width + vector * lanes;
                let square = read::<M::Sums>(isa, across, &sums[at..], sums_len);
                let start = start * width + vector * lanes;
                for (i, line) in output(across, square).iter().enumerate() {
                    for (j, vector) in line.iter().take(across.outputs()).enumerate() {
                        vector.store(&mut outputs[start + i * pitch + j * width..]);
                    }
                }
            }
        }
    }
}
