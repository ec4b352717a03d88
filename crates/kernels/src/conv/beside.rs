//! Copying parts of images into scratch so that the channels of a place lie side by side.

use super::gather::Window;
use super::plan::{Layout, Part, Plan, apart};
use super::transpose::{prefetch, read, transpose};
use crate::memory::{Scratch, scratch};
use crate::multiplier::{Format, Multiplier, Work};
use crate::simd::{MAX_LANES, Vector};
use crate::threads::Shared;
use crate::{Element, Float, Machine, Number, Strided};
use std::ops::Range;

/// How many squares ahead memory is asked for.
const AHEAD: usize = 4;

/// A number that is not copied, between two that are.
const SKIPPED: usize = usize::MAX;

/// Which of a channel's numbers are copied, and where to.
pub(super) struct Places {
    /// Where each number goes.
    to: Vec<usize>,
    /// The places to which none goes.
    gaps: Vec<usize>,
    /// Numbers that lie side by side in memory: where they start, counted from `base`, and how many
    /// they are, one vector at most.
    runs: Vec<(isize, usize)>,
    /// Where the first number lies, counted from the channel's first one.
    base: isize,
}

/// What is copied along one axis: the first of the source's numbers, and the place of that one and
/// of those behind it.
struct Along {
    first: usize,
    places: Vec<usize>,
}

impl Along {
    /// Numbers in windows, place j of each of which is `start + j * stride` in the copy.
    fn new(windows: impl Iterator<Item = (Window, usize)>, stride: usize) -> Self {
        let mut pairs = vec![];
        for (window, start) in windows {
            let inside = window.inside();
            pairs.extend(inside.map(|place| {
                let index = window.first + (place * window.step) as isize;
                (index as usize, start + place * stride)
            }));
        }
        let first = pairs.iter().map(|&(index, _)| index).min().unwrap_or(0);
        let end = pairs.iter().map(|&(index, _)| index + 1).max().unwrap_or(first);
        let mut places = vec![SKIPPED; end - first];
        for (index, place) in pairs {
            places[index - first] = place;
        }
        Self { first, places }
    }

    /// The numbers that are copied, counted from the first one, and their places.
    fn copied(&self) -> impl Iterator<Item = (isize, usize)> {
        let numbers = self.places.iter().enumerate();
        let copied = numbers.filter(|&(_, &place)| place != SKIPPED);
        copied.map(|(i, &place)| (i as isize, place))
    }
}

impl Places {
    /// What a box reads, to where its layout says.
    pub(super) fn of_source<T>(
        source: &Strided<'_, T>,
        plan: &Plan,
        layout: &Layout,
        part: &Part,
        lanes: usize,
    ) -> Self {
        let [depth, height, width] = layout.lens;
        let strides = [height * width, width, 1];
        let image_len = depth * height * width;
        let phase_len = layout.images * image_len;
        let mut phases_behind = plan.phases();
        let axes = [0, 1, 2].map(|axis| {
            let windows = plan.windows(axis, layout, part.origin);
            phases_behind /= windows.len().max(1);
            let start = phases_behind * phase_len;
            let windows = windows.into_iter().enumerate();
            Along::new(windows.map(|(phase, window)| (window, phase * start)), strides[axis])
        });
        let count = layout.channel_len + layout.spill;
        Self::new(source, &axes, part, [image_len, count], lanes)
    }

    /// A box of outputs, one place behind the other.
    pub(super) fn of_outputs<T>(source: &Strided<'_, T>, part: &Part, lanes: usize) -> Self {
        let windows = [0, 1, 2].map(|axis| {
            let (origin, len) = (part.origin[axis], part.lens[axis]);
            Window { first: origin as isize, step: 1, end: origin + len, len }
        });
        Self::of_windows(source, &windows, part, lanes)
    }

    /// What windows show of each image, one place behind the other.
    pub(super) fn of_windows<T>(
        source: &Strided<'_, T>,
        windows: &[Window; 3],
        part: &Part,
        lanes: usize,
    ) -> Self {
        let [depth, height, width] = windows.map(|window| window.len);
        let strides = [height * width, width, 1];
        let axes =
            [0, 1, 2].map(|axis| Along::new(std::iter::once((windows[axis], 0)), strides[axis]));
        let image_len = depth * height * width;
        Self::new(source, &axes, part, [image_len, part.images * image_len], lanes)
    }

    fn new<T>(
        source: &Strided<'_, T>,
        [depth, height, width]: &[Along; 3],
        part: &Part,
        [image_len, count]: [usize; 2],
        lanes: usize,
    ) -> Self {
        let strides = source.strides;
        let mut base = part.first_image as isize * strides[0];
        for (axis, along) in [depth, height, width].into_iter().enumerate() {
            base += along.first as isize * strides[axis + 2];
        }
        let mut places = Self { to: vec![], gaps: vec![], runs: vec![], base };
        let mut filled = vec![false; count];
        let mut next = None;
        for image in 0..part.images {
            let start = image as isize * strides[0];
            for (d, plane) in depth.copied() {
                for (h, line) in height.copied() {
                    let start = start + d * strides[2] + h * strides[3];
                    let line = image * image_len + plane + line;
                    for (i, &place) in width.places.iter().enumerate() {
                        let from = start + i as isize * strides[4];
                        match places.runs.last_mut() {
                            Some((_, len)) if next == Some(from) && *len < lanes => *len += 1,
                            _ => places.runs.push((from, 1)),
                        }
                        next = Some(from + 1);
                        if place == SKIPPED {
                            places.to.push(SKIPPED);
                        } else {
                            places.to.push(line + place);
                            filled[line + place] = true;
                        }
                    }
                }
            }
        }
        places.gaps.extend((0..count).filter(|&place| !filled[place]));
        places
    }

    /// The base of what the same windows show elsewhere; see [`Places::of_windows`].
    pub(super) fn base<T>(source: &Strided<'_, T>, windows: &[Window; 3], part: &Part) -> isize {
        let mut base = part.first_image as isize * source.strides[0];
        for (axis, window) in windows.iter().enumerate() {
            let inside = window.inside();
            if !inside.is_empty() {
                let first = window.first + (inside.start * window.step) as isize;
                base += first * source.strides[axis + 2];
            }
        }
        base
    }

    /// Copies some channels to `[place][channel]`, packed, with zeros behind the last channel up to a
    /// whole vector, and at places to which no number goes.
    ///
    /// # Safety
    /// Nobody else may use these channels' part of the copy.
    #[inline(always)]
    pub(super) unsafe fn copy<M: Multiplier>(
        &self,
        multiplier: M,
        source: &Strided<'_, M::Scalar>,
        channels: Range<usize>,
        to: Beside<'_, M::Packed>,
    ) {
        // SAFETY: the caller vouches for these channels' part.
        unsafe { self.copy_from(multiplier, source, self.base, channels, to) }
    }

    /// Copies as [`Places::copy`] does, from another base.
    ///
    /// # Safety
    /// Nobody else may use these channels' part of the copy.
    #[inline(always)]
    pub(super) unsafe fn copy_from<M: Multiplier>(
        &self,
        multiplier: M,
        source: &Strided<'_, M::Scalar>,
        base: isize,
        channels: Range<usize>,
        to: Beside<'_, M::Packed>,
    ) {
        let (isa, lanes) = (multiplier.isa(), M::Sums::LANES);
        let stride = source.strides[1];
        for (block, first) in channels.clone().step_by(lanes).enumerate() {
            let channel_start = block * lanes;
            for &place in &self.gaps {
                let zeros = M::Sums::splat(isa, M::Scalar::ZERO);
                // SAFETY: the caller vouches for these channels' part, here and below.
                unsafe { to.store(multiplier, zeros, place, channel_start) };
            }
            let count = lanes.min(channels.end - first);
            let channel = source.offset.wrapping_add_signed(first as isize * stride + base);
            let mut places = self.to.iter();
            for (i, &(from, len)) in self.runs.iter().enumerate() {
                if let Some(&(ahead, _)) = self.runs.get(i + AHEAD) {
                    let from = channel as isize + ahead;
                    prefetch(isa, source.data, from, stride, count);
                }
                let from = channel.wrapping_add_signed(from);
                if len == 1 {
                    let vector = column::<M::Sums>(isa, source.data, from, stride, count);
                    for &place in places.by_ref().take(1).filter(|&&place| place != SKIPPED) {
                        // SAFETY: as above.
                        unsafe { to.store(multiplier, vector, place, channel_start) };
                    }
                    continue;
                }
                let square = read::<M::Sums>(isa, source.data, from, stride, [count, len]);
                for (&vector, &place) in transpose(square).iter().zip(places.by_ref().take(len)) {
                    if place != SKIPPED {
                        // SAFETY: as above.
                        unsafe { to.store(multiplier, vector, place, channel_start) };
                    }
                }
            }
        }
    }
}

/// Some numbers that lie `stride` apart, with zeros behind them.
#[inline(always)]
fn column<V: Vector>(
    isa: V::Isa,
    data: &[V::Scalar],
    start: usize,
    stride: isize,
    count: usize,
) -> V {
    if stride == 1 && count == V::LANES {
        return V::load(isa, &data[start..]);
    }
    let mut line = [V::Scalar::ZERO; MAX_LANES];
    for (i, value) in line.iter_mut().take(count).enumerate() {
        *value = data[start.wrapping_add_signed(i as isize * stride)];
    }
    V::load(isa, &line)
}

/// Where channels are copied to.
#[derive(Clone, Copy)]
pub(super) struct Beside<'a, P> {
    pub(super) to: &'a Shared<'a, P>,
    /// Where the first channel lies at place 0.
    pub(super) start: usize,
    /// The distance between places, in packed numbers.
    pub(super) pitch: usize,
}

impl<P: Element> Beside<'_, P> {
    /// Packs a vector of the channels of a place, from one of them on.
    ///
    /// # Safety
    /// Nobody else may use this part of the copy.
    #[inline(always)]
    unsafe fn store<M: Multiplier<Packed = P>>(
        &self,
        multiplier: M,
        vector: M::Sums,
        place: usize,
        channel: usize,
    ) {
        let start = self.start + place * self.pitch + channel / M::STEPS;
        // SAFETY: the caller vouches for it.
        multiplier
            .write_neighbours(vector, unsafe { self.to.slice(start, M::Sums::LANES / M::STEPS) });
    }
}

/// The images of a box, copied to `[phase][image][depth][height][width][channel]`.
#[derive(Clone, Copy)]
pub(super) struct Images<'a> {
    pub(super) plan: &'a Plan,
    pub(super) layout: &'a Layout,
    /// The channels of a group.
    pub(super) channels: usize,
    /// The distance between places, in packed numbers.
    pub(super) pitch: usize,
    lanes: usize,
}

impl<'a> Images<'a> {
    /// Images of which so many channels of a place are packed to one number.
    pub(super) fn new(
        plan: &'a Plan,
        layout: &'a Layout,
        channels: usize,
        lanes: usize,
        packed: usize,
    ) -> Self {
        let pitch = apart(channels.next_multiple_of(lanes) / packed);
        Self { plan, layout, channels, pitch, lanes }
    }

    /// How many packed numbers the copy of a group holds.
    pub(super) fn len(&self) -> usize {
        (self.layout.channel_len + self.layout.spill) * self.pitch
    }

    /// Copies what a box reads of some channels, which are a group or a part of one.
    #[inline(always)]
    pub(super) fn copy<M: Multiplier>(
        &self,
        multiplier: M,
        source: &Strided<'_, M::Scalar>,
        part: &Part,
        channels: Range<usize>,
        to: &mut [M::Packed],
    ) {
        let places = Places::of_source(source, self.plan, self.layout, part, self.lanes);
        // SAFETY: the copy is borrowed mutably.
        unsafe {
            places.copy(
                multiplier,
                source,
                channels,
                Beside { to: &Shared::new(to), start: 0, pitch: self.pitch },
            )
        }
    }

    /// Copies the only box of all groups.
    pub(super) fn copy_groups<T: Float, F: Format<T>>(
        &self,
        on: Machine,
        source: &Strided<'_, T>,
        groups: usize,
    ) -> Scratch<F::Packed> {
        let mut copies = scratch(groups * self.len());
        let part = self.plan.part(self.layout.images, self.layout, 0);
        let places = Places::of_source(source, self.plan, self.layout, &part, self.lanes);
        let blocks = self.channels.div_ceil(self.lanes);
        let (cost_ns, to) = (copies.len() / 4, Shared::new(&mut copies));
        on.parallel(groups * blocks, cost_ns, |task| {
            let (group, first) = (task / blocks, task % blocks * self.lanes);
            let end = self.channels.min(first + self.lanes);
            let channels = group * self.channels + first..group * self.channels + end;
            let start = group * self.len() + first / F::STEPS;
            let to = Beside { to: &to, start, pitch: self.pitch };
            F::run(on.isa, Copy { places: &places, source, channels, to });
        });
        copies
    }
}

/// Copies some channels that no other task copies.
struct Copy<'a, T, P> {
    places: &'a Places,
    source: &'a Strided<'a, T>,
    channels: Range<usize>,
    to: Beside<'a, P>,
}

impl<T: Float, P: Element> Work<T, P> for Copy<'_, T, P> {
    type Output = ();

    #[inline(always)]
    fn run<M: Multiplier<Scalar = T, Packed = P>>(self, multiplier: M) {
        // SAFETY: each task copies channels of its own.
        unsafe { self.places.copy(multiplier, self.source, self.channels, self.to) }
    }
}
