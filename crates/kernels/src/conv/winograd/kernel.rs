//! The weight of a correlation, transformed and packed into panels.

use super::super::correlate::Correlation;
use super::super::pack::Panels;
use super::super::transpose::{prefetch, read, transpose};
use super::source::Transformed;
use super::{Extent, Line, kernel, places};
use crate::Float;
use crate::memory::scratch;
use crate::multiplier::Multiplier;
use crate::simd::{Simd, Vector};
use crate::threads::Shared;
use std::ops::Range;

/// How many kernels lie side by side before they are transformed.
const KERNELS: usize = 16;

/// Transforms the kernels of a panel of the target's channels.
#[derive(Clone, Copy)]
pub(super) struct Kernels<'a, T> {
    pub(super) correlation: &'a Correlation<'a, T>,
    /// Which number of the kernel, along height and width, meets the first to third place.
    pub(super) order: [[usize; 3]; 2],
    pub(super) panels: Panels,
}

impl<T: Float> Kernels<'_, T> {
    /// Packs the transformed kernels of some of the source's channels, `[place][channel][row]`, and
    /// says how large the kernels' numbers are. There is no odd channel where a packed number holds
    /// several.
    #[inline(always)]
    pub(super) fn pack<M: Multiplier<Scalar = T>>(
        &self,
        multiplier: M,
        group: usize,
        panel: usize,
        channels: Range<usize>,
        out: &mut [M::Packed],
    ) -> Extent {
        let places = places(Line::of(M::STEPS));
        if let Some(out) = M::as_numbers(out) {
            return self.copy(multiplier, group, panel, channels, out);
        }
        let width = self.panels.width();
        let mut extent = Extent::default();
        let mut numbers = scratch(places * KERNELS * width);
        for first in channels.clone().step_by(KERNELS) {
            let block = first..channels.end.min(first + KERNELS);
            let len = block.len() * width;
            let copied = self.copy(multiplier, group, panel, block, &mut numbers[..places * len]);
            extent = extent.and(copied);
            for (place, numbers) in numbers.chunks_exact(len).take(places).enumerate() {
                let channel = place * channels.len() + first - channels.start;
                let out = &mut out[channel / M::STEPS * width..][..len / M::STEPS];
                multiplier.pack_lines(numbers, width, out);
            }
        }
        extent
    }

    /// Copies the transformed kernels of some of the source's channels to `[place][channel][row]`, and
    /// says how large the kernels' numbers are.
    #[inline(always)]
    fn copy<M: Multiplier<Scalar = T>>(
        &self,
        multiplier: M,
        group: usize,
        panel: usize,
        channels: Range<usize>,
        out: &mut [T],
    ) -> Extent {
        let (isa, lanes) = (multiplier.isa(), M::Sums::LANES);
        let mut extent = Extent::default();
        let mut taps = scratch(KERNELS * 9 * lanes);
        for vector in 0..self.panels.filled(panel) {
            for first in channels.clone().step_by(KERNELS) {
                let block = first..channels.end.min(first + KERNELS);
                let taps = &mut taps[..block.len() * 9 * lanes];
                self.gather(isa, group, panel * self.panels.vectors + vector, block, taps);
                extent = extent.and(Extent::of(isa, taps));
                let at = (first - channels.start) * self.panels.width() + vector * lanes;
                self.transform::<M>(isa, taps, channels.len(), &mut out[at..]);
            }
        }
        extent
    }

    /// Copies the kernels of a vector of rows to `[channel][tap][row]`.
    #[inline(always)]
    fn gather<S: Simd>(
        &self,
        isa: S,
        group: usize,
        vector: usize,
        channels: Range<usize>,
        taps: &mut [T],
    ) {
        let weights = &self.correlation.weights;
        let lanes = T::Vector::<S>::LANES;
        let row = vector * lanes;
        let count = lanes.min(self.correlation.rows - row);
        let start = weights.offset as isize
            + group as isize * weights.group_stride
            + row as isize * weights.row_stride;
        let [_, down, across] = weights.tap_strides;
        let (rows, stride) = (weights.row_stride, weights.channel_stride);
        if (down, across) != (3, 1) {
            for (channel, taps) in channels.zip(taps.chunks_exact_mut(9 * lanes)) {
                for (tap, to) in taps.chunks_exact_mut(lanes).enumerate() {
                    let at = start
                        + channel as isize * stride
                        + (tap / 3) as isize * down
                        + (tap % 3) as isize * across;
                    to.fill(T::ZERO);
                    for (i, to) in to[..count].iter_mut().enumerate() {
                        *to = weights.data[(at + i as isize * rows) as usize];
                    }
                }
            }
            return;
        }
        // The kernels of neighbouring channels may lie side by side too.
        let joined = if stride == 9 { channels.len() } else { 1 };
        for (channel, taps) in channels.step_by(joined).zip(taps.chunks_mut(joined * 9 * lanes)) {
            let start = start + channel as isize * stride;
            for (at, taps) in (0..joined * 9).step_by(lanes).zip(taps.chunks_mut(lanes * lanes)) {
                let len = lanes.min(joined * 9 - at);
                let ahead = start + at as isize + joined as isize * stride;
                prefetch(isa, weights.data, ahead, rows, count);
                let from = (start + at as isize) as usize;
                let square = read::<T::Vector<S>>(isa, weights.data, from, rows, [count, len]);
                for (vector, to) in transpose(square).iter().zip(taps.chunks_exact_mut(lanes)) {
                    vector.store(to);
                }
            }
        }
    }

    /// Transforms kernels `[channel][tap][row]` to `[place][channel][row]`, where a place has so
    /// many channels.
    #[inline(always)]
    fn transform<M: Multiplier<Scalar = T>>(
        &self,
        isa: M::Isa,
        taps: &[T],
        channels: usize,
        out: &mut [T],
    ) {
        let across = Line::of(M::STEPS);
        let lanes = M::Sums::LANES;
        let width = self.panels.width();
        let [lines, columns] = self.order;
        let numbers = &Shared::new(out);
        let to = &Transformed { numbers, pitch: width, place_len: channels * width };
        for (channel, taps) in taps.chunks_exact(9 * lanes).enumerate() {
            let mut square = [[M::Sums::splat(isa, T::ZERO); 3]; 3];
            for (line, &i) in square.iter_mut().zip(&lines) {
                for (tap, &j) in line.iter_mut().zip(&columns) {
                    *tap = M::Sums::load(isa, &taps[(3 * i + j) * lanes..]);
                }
            }
            let tile = kernel(across, square);
            // SAFETY: the numbers are borrowed mutably.
            unsafe {
                to.write(across, (channel * to.pitch, lanes), |i, j, to| tile[i][j].store(to));
            }
        }
    }
}
