//! Copying parts of images into scratch, with zeros around them.

use super::plan::{Layout, Part, Plan};
use crate::simd::{Simd, Vector};
use crate::{Float, Strided};
use std::ops::Range;

/// What is copied along one axis: place j is the source's number `first + j * step`, or zero where
/// that is negative or not below `end`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    pub(super) first: isize,
    pub(super) step: usize,
    pub(super) end: usize,
    /// How many places there are.
    pub(super) len: usize,
}

impl Window {
    /// The source's number at a place.
    #[inline(always)]
    fn at(&self, place: usize) -> Option<usize> {
        let index = self.first + (place * self.step) as isize;
        (index >= 0 && (index as usize) < self.end).then_some(index as usize)
    }

    /// The places that are not zero.
    pub(super) fn inside(&self) -> Range<usize> {
        let below = |bound: isize| {
            let distance = (bound - self.first).max(0) as usize;
            distance.div_ceil(self.step).min(self.len)
        };
        let (start, end) = (below(0), below(self.end as isize));
        start..end.max(start)
    }
}

/// A channel of some images, copied to `[image][depth][height][width]`.
struct Channel {
    first_image: usize,
    /// How many images there are; the others of the layout become zeros.
    images: usize,
    channel: usize,
}

/// Copies what a box reads of a channel, as its layout says. Whatever lies behind may be overwritten
/// too.
#[inline(always)]
pub(super) fn copy_channel<S: Simd, T: Float>(
    isa: S,
    source: &Strided<'_, T>,
    plan: &Plan,
    layout: &Layout,
    part: &Part,
    channel: usize,
    to: &mut [T],
) {
    let from = Channel { first_image: part.first_image, images: part.images, channel };
    let phase_len = layout.images * layout.lens.iter().product::<usize>();
    for index in 0..plan.phases() {
        let windows = plan.phase(index, layout, part.origin);
        gather(isa, source, &from, &windows, layout.images, &mut to[index * phase_len..]);
    }
    to[plan.phases() * phase_len..layout.channel_len].fill(T::ZERO);
}

/// Copies a box of outputs of some channels, each so far behind the one before, to where its layout says,
/// with zeros wherever there is no output.
#[inline(always)]
pub(super) fn copy_outputs<S: Simd, T: Float>(
    isa: S,
    source: &Strided<'_, T>,
    layout: &Layout,
    part: &Part,
    channels: Range<usize>,
    to: &mut [T],
    pitch: usize,
) {
    let windows = [0, 1, 2].map(|axis| Window {
        first: part.origin[axis] as isize,
        step: 1,
        end: part.origin[axis] + part.lens[axis],
        len: layout.lens[axis],
    });
    let filled = layout.images * layout.lens.iter().product::<usize>();
    for (index, channel) in channels.enumerate() {
        let from = Channel { first_image: part.first_image, images: part.images, channel };
        let to = &mut to[index * pitch..];
        gather(isa, source, &from, &windows, layout.images, to);
        to[filled..pitch].fill(T::ZERO);
    }
}

/// Copies a part of a channel to the front of `to`. Whatever lies behind that front may be
/// overwritten too.
#[inline(always)]
fn gather<S: Simd, T: Float>(
    isa: S,
    source: &Strided<'_, T>,
    from: &Channel,
    windows: &[Window; 3],
    layout_images: usize,
    to: &mut [T],
) {
    let [depth, height, width] = windows;
    let inside = width.inside();
    let strides = source.strides;
    let column_stride = strides[4] * width.step as isize;
    let column = (width.first + (inside.start * width.step) as isize) * strides[4];
    // Lines that lie side by side here and there are one.
    let side_by_side =
        column_stride == 1 && strides[3] * height.step as isize == width.len as isize;
    let lines_are_whole = inside.len() == width.len && height.inside().len() == height.len;
    let joined = side_by_side && lines_are_whole && !inside.is_empty();
    let mut place = 0;
    for image in 0..layout_images {
        let image_start = (from.first_image + image) as isize * strides[0]
            + from.channel as isize * strides[1]
            + column;
        for d in 0..depth.len {
            let d = depth.at(d).filter(|_| image < from.images);
            if let (true, Some(d), Some(h)) = (joined, d, height.at(0)) {
                let start = image_start + d as isize * strides[2] + h as isize * strides[3];
                let start = source.offset.wrapping_add_signed(start);
                let len = height.len * width.len;
                copy(isa, source.data, start, 1, &mut to[place..], len);
                place += len;
                continue;
            }
            for h in 0..height.len {
                let to = &mut to[place..];
                match (d, height.at(h)) {
                    (Some(d), Some(h)) if !inside.is_empty() => {
                        let start = image_start + d as isize * strides[2] + h as isize * strides[3];
                        let start = source.offset.wrapping_add_signed(start);
                        zeros(isa, to, inside.start);
                        let line = &mut to[inside.start..];
                        copy(isa, source.data, start, column_stride, line, inside.len());
                        zeros(isa, &mut to[inside.end..], width.len - inside.end);
                    }
                    _ => zeros(isa, to, width.len),
                }
                place += width.len;
            }
        }
    }
}

/// Writes at least `len` zeros.
#[inline(always)]
fn zeros<S: Simd, T: Float>(isa: S, to: &mut [T], len: usize) {
    let lanes = T::Vector::<S>::LANES;
    let whole = len.next_multiple_of(lanes);
    if to.len() < whole {
        return to[..len].fill(T::ZERO);
    }
    for to in to[..whole].chunks_exact_mut(lanes) {
        T::Vector::<S>::splat(isa, T::ZERO).store(to);
    }
}

/// Writes at least `len` numbers that lie `stride` apart from `start` on.
#[inline(always)]
fn copy<S: Simd, T: Float>(
    isa: S,
    from: &[T],
    start: usize,
    stride: isize,
    to: &mut [T],
    len: usize,
) {
    let lanes = T::Vector::<S>::LANES;
    if stride == 1 {
        let whole = len.next_multiple_of(lanes);
        if to.len() < whole || from.len() - start < whole {
            return to[..len].copy_from_slice(&from[start..start + len]);
        }
        let from = from[start..start + whole].chunks_exact(lanes);
        for (to, from) in to[..whole].chunks_exact_mut(lanes).zip(from) {
            T::Vector::<S>::load(isa, from).store(to);
        }
    } else if stride > 0 {
        let stride = stride as usize;
        let mut done = 0;
        // Of every other number vectors are made at once.
        while stride == 2 && len - done >= lanes && from.len() - start >= 2 * (done + lanes) {
            let pair = &from[start + 2 * done..];
            let next = T::Vector::<S>::load(isa, &pair[lanes..]);
            T::Vector::<S>::load(isa, pair).deinterleave(next).0.store(&mut to[done..]);
            done += lanes;
        }
        let from = from[(start + done * stride).min(from.len())..].iter().step_by(stride);
        for (to, &from) in to[done..len].iter_mut().zip(from) {
            *to = from;
        }
    } else {
        for (i, to) in to[..len].iter_mut().enumerate() {
            *to = from[start.wrapping_add_signed(i as isize * stride)];
        }
    }
}

/// Writes `from + term` to `len` places that lie `step` apart, or, where `to` is longer and step is
/// 1, to a few more.
#[inline(always)]
pub(super) fn scatter<S: Simd, T: Float>(
    isa: S,
    from: &[T],
    term: T,
    to: &mut [T],
    step: usize,
    len: usize,
) {
    let lanes = T::Vector::<S>::LANES;
    if step > 1 {
        for (to, &from) in to.iter_mut().step_by(step).zip(&from[..len]) {
            *to = from.plus(term);
        }
        return;
    }
    let whole = len.next_multiple_of(lanes);
    let terms = T::Vector::<S>::splat(isa, term);
    let end = if to.len() >= whole && from.len() >= whole { whole } else { len / lanes * lanes };
    for (to, from) in to[..end].chunks_exact_mut(lanes).zip(from.chunks_exact(lanes)) {
        (T::Vector::<S>::load(isa, from) + terms).store(to);
    }
    if end < len {
        for (to, &from) in to[end..len].iter_mut().zip(&from[end..len]) {
            *to = from.plus(term);
        }
    }
}
