//! The weight of a correlation, packed for tiles whose vectors run along the target's channels.

use super::correlate::Correlation;
use super::plan::Plan;
use super::tile::most_vectors;
use super::transpose::{prefetch, read, transpose};
use crate::memory::{Scratch, scratch};
use crate::multiplier::{Format, Multiplier, Work};
use crate::simd::{MAX_LANES, Routine, Simd, Vector};
use crate::{Chunks, Element, Float, Machine};
use std::marker::PhantomData;
use std::ops::Range;

/// How many channels of the source lie side by side at a tap, before the same ones at the next tap:
/// a line of the cache.
pub(super) const BLOCK: usize = 16;

/// How the target's channels of a group are cut into panels.
#[derive(Clone, Copy, Debug)]
pub(super) struct Panels {
    /// The target's channels.
    pub(super) rows: usize,
    /// The packed numbers that each sum has products of.
    pub(super) depth: usize,
    pub(super) lanes: usize,
    /// The vectors of a panel.
    pub(super) vectors: usize,
    pub(super) count: usize,
}

impl Panels {
    pub(super) fn new<T: Float>(on: Machine, rows: usize, depth: usize) -> Self {
        let (lanes, most) = on.isa.run(Widths(PhantomData::<T>));
        let vectors = rows.div_ceil(lanes);
        // As wide as the tile at most, and all about alike.
        let panel = vectors.div_ceil(vectors.div_ceil(most).max(1)).max(1);
        Self { rows, depth, lanes, vectors: panel, count: vectors.div_ceil(panel) }
    }

    /// The numbers side by side in a panel.
    pub(super) fn width(&self) -> usize {
        self.vectors * self.lanes
    }

    /// The vectors of a panel that hold channels.
    pub(super) fn filled(&self, panel: usize) -> usize {
        (self.rows - panel * self.width()).div_ceil(self.lanes).min(self.vectors)
    }

    /// Where a group's panel starts in the packed weight.
    pub(super) fn start(&self, group: usize, panel: usize) -> usize {
        (group * self.count + panel) * self.depth * self.width()
    }
}

/// Asks an instruction set for the lanes of a vector and the vectors of its widest tile.
struct Widths<T>(PhantomData<T>);

impl<T: Float> Routine for Widths<T> {
    type Output = (usize, usize);

    #[inline(always)]
    fn run<S: Simd>(self, _: S) -> (usize, usize) {
        (T::Vector::<S>::LANES, most_vectors::<S>())
    }
}

/// The taps of a plan.
struct Taps {
    /// How far each lies behind the weight of a row and channel.
    offsets: Vec<isize>,
    /// If the kernel's numbers lie side by side: which tap, if any, each of them is.
    of_kernel: Option<Vec<Option<usize>>>,
}

impl Taps {
    fn new<T>(correlation: &Correlation<'_, T>, plan: &Plan) -> Self {
        let strides = correlation.weights.tap_strides;
        let offsets = correlation.weights.taps(plan);
        let [depth, height, width] = correlation.weights.kernel;
        let side_by_side = [(height * width) as isize, width as isize, 1];
        let is =
            (0..3).all(|i| correlation.weights.kernel[i] == 1 || strides[i] == side_by_side[i]);
        let of_kernel = is.then(|| {
            let mut of_kernel = vec![None; depth * height * width];
            for (tap, &offset) in offsets.iter().enumerate() {
                of_kernel[offset as usize] = Some(tap);
            }
            of_kernel
        });
        Self { offsets, of_kernel }
    }
}

/// Copies the weight into panels: `[group][panel][block of channels][tap][channel][row]`.
pub(super) struct Packing<'a, T> {
    correlation: &'a Correlation<'a, T>,
    taps: Taps,
    pub(super) panels: Panels,
}

impl<'a, T: Float> Packing<'a, T> {
    pub(super) fn new(correlation: &'a Correlation<'a, T>, plan: &Plan, panels: Panels) -> Self {
        Self { correlation, taps: Taps::new(correlation, plan), panels }
    }

    /// Packs all panels.
    pub(super) fn all<F: Format<T>>(&self, on: Machine) -> Scratch<F::Packed> {
        let groups = self.correlation.groups;
        let count = self.panels.count;
        let mut packed = scratch(self.panels.start(groups, 0));
        let cost_ns = packed.len() / 4;
        let chunk = packed.len() / (groups * count);
        on.for_each(Chunks::new(&mut packed, chunk.max(1)), cost_ns, |index, out| {
            let (group, panel) = (index / count, index % count);
            F::run(on.isa, Whole { packing: self, group, panel, out });
        });
        packed
    }

    /// Packs a panel's block of channels, which start at a multiple of [`BLOCK`]. There is no odd one
    /// among them where a packed number holds several.
    #[inline(always)]
    pub(super) fn block<M: Multiplier<Scalar = T>>(
        &self,
        multiplier: M,
        group: usize,
        panel: usize,
        channels: Range<usize>,
        out: &mut [M::Packed],
    ) {
        let isa = multiplier.isa();
        if let Some(out) = M::as_numbers(out) {
            return self.copy_block(isa, group, panel, channels, out);
        }
        let width = self.panels.width();
        let step = self.taps.offsets.len() * width;
        let mut numbers = scratch(BLOCK * step);
        let blocks = channels.clone().step_by(BLOCK);
        for (first, out) in blocks.zip(out.chunks_mut((BLOCK / M::STEPS * step).max(1))) {
            let block = first..channels.end.min(first + BLOCK);
            let numbers = &mut numbers[..block.len() * step];
            self.copy_block(isa, group, panel, block, numbers);
            multiplier.pack_lines(numbers, width, out);
        }
    }

    /// Copies a panel's block of channels, which start at a multiple of [`BLOCK`].
    #[inline(always)]
    fn copy_block<S: Simd>(
        &self,
        isa: S,
        group: usize,
        panel: usize,
        channels: Range<usize>,
        out: &mut [T],
    ) {
        let mut pack = Pack { packing: self, group, panel, start: channels.start, out };
        let along_kernel = self.correlation.weights.row_stride != 1;
        for first in channels.clone().step_by(BLOCK) {
            let block = first..channels.end.min(first + BLOCK);
            for vector in 0..self.panels.vectors {
                match &self.taps.of_kernel {
                    Some(taps) if along_kernel => pack.squares(isa, block.clone(), vector, taps),
                    _ => pack.numbers(isa, block.clone(), vector),
                }
            }
        }
    }
}

/// Packs all channels of a panel.
struct Whole<'a, T, P> {
    packing: &'a Packing<'a, T>,
    group: usize,
    panel: usize,
    out: &'a mut [P],
}

impl<T: Float, P: Element> Work<T, P> for Whole<'_, T, P> {
    type Output = ();

    #[inline(always)]
    fn run<M: Multiplier<Scalar = T, Packed = P>>(self, multiplier: M) {
        let channels = 0..self.packing.correlation.channels;
        self.packing.block(multiplier, self.group, self.panel, channels, self.out);
    }
}

/// Where a block of channels is packed.
struct Pack<'a, T> {
    packing: &'a Packing<'a, T>,
    group: usize,
    panel: usize,
    /// The first channel in `out`.
    start: usize,
    out: &'a mut [T],
}

impl<T: Float> Pack<'_, T> {
    /// Where the first row of a vector lies in the weight, for channel 0, and how many rows of it
    /// there are.
    fn rows(&self, vector: usize) -> (isize, usize) {
        let (weights, panels) = (&self.packing.correlation.weights, &self.packing.panels);
        let first = self.panel * panels.width() + vector * panels.lanes;
        let start = weights.offset as isize
            + self.group as isize * weights.group_stride
            + first as isize * weights.row_stride;
        (start, panels.rows.saturating_sub(first).min(panels.lanes))
    }

    /// Where a block's channel at a tap lies in the panel.
    #[inline(always)]
    fn place(&self, block: &Range<usize>, tap: usize, channel: usize, vector: usize) -> usize {
        let Packing { taps, panels, .. } = self.packing;
        let step = (block.start - self.start) * taps.offsets.len() + tap * block.len() + channel;
        step * panels.width() + vector * panels.lanes
    }

    /// Packs a vector of rows, square by square: rows by the kernel's numbers.
    #[inline(always)]
    fn squares<S: Simd>(
        &mut self,
        isa: S,
        block: Range<usize>,
        vector: usize,
        taps: &[Option<usize>],
    ) {
        let weights = &self.packing.correlation.weights;
        let lanes = T::Vector::<S>::LANES;
        let (start, count) = self.rows(vector);
        let kernel = taps.len();
        // The kernels of neighbouring channels may lie side by side too.
        let joined = if weights.channel_stride == kernel as isize { block.len() } else { 1 };
        let ahead = joined as isize * weights.channel_stride;
        for first in (0..block.len()).step_by(joined) {
            let start = start + (block.start + first) as isize * weights.channel_stride;
            let (mut channel, mut number) = (first, 0);
            for at in (0..joined * kernel).step_by(lanes) {
                let len = lanes.min(joined * kernel - at);
                let (from, size) = (start as usize + at, [count, len]);
                prefetch(isa, weights.data, start + at as isize + ahead, weights.row_stride, count);
                let square =
                    read::<T::Vector<S>>(isa, weights.data, from, weights.row_stride, size);
                for vector_of_rows in transpose(square).iter().take(len) {
                    if let Some(tap) = taps[number] {
                        let place = self.place(&block, tap, channel, vector);
                        vector_of_rows.store(&mut self.out[place..]);
                    }
                    number += 1;
                    if number == kernel {
                        (channel, number) = (channel + 1, 0);
                    }
                }
            }
        }
    }

    /// Packs a vector of rows, number by number.
    #[inline(always)]
    fn numbers<S: Simd>(&mut self, isa: S, block: Range<usize>, vector: usize) {
        let weights = &self.packing.correlation.weights;
        let (start, count) = self.rows(vector);
        for (index, channel) in block.clone().enumerate() {
            let start = start + channel as isize * weights.channel_stride;
            for (tap, offset) in self.packing.taps.offsets.iter().enumerate() {
                let mut line = [T::ZERO; MAX_LANES];
                for (i, value) in line.iter_mut().take(count).enumerate() {
                    let row = i as isize * weights.row_stride;
                    *value = weights.data[(start + offset + row) as usize];
                }
                let place = self.place(&block, tap, index, vector);
                T::Vector::<S>::load(isa, &line).store(&mut self.out[place..]);
            }
        }
    }
}
