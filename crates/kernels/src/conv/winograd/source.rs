//! Transforming images: their tiles, with the channels of a tile side by side.

use super::super::beside::{Beside, Places};
use super::super::gather::Window;
use super::grid::Tiles;
use super::line::resized;
use super::{Extent, LINES, Line, Square, grad, input, places};
use crate::multiplier::{Multiplier, Vectors};
use crate::simd::{Simd, Vector};
use crate::threads::Shared;
use crate::{Float, Number, Strided};
use std::ops::Range;

/// What is made of the numbers of a tile.
pub(super) trait Transform {
    /// How many lines more than the tile's outputs are read, and how many more columns.
    const MORE: usize;
    /// The transform; of a smaller tile the first numbers count.
    fn apply<V: Vector>(across: Line, x: Square<V>) -> Square<V>;
}

/// What a tile reads.
pub(super) struct Input;

impl Transform for Input {
    const MORE: usize = 2;

    #[inline(always)]
    fn apply<V: Vector>(across: Line, x: Square<V>) -> Square<V> {
        input(across, x)
    }
}

/// The gradient by a tile's outputs.
pub(super) struct Grad;

impl Transform for Grad {
    const MORE: usize = 0;

    #[inline(always)]
    fn apply<V: Vector>(across: Line, [first, second, ..]: Square<V>) -> Square<V> {
        grad(across, [resized(first), resized(second)])
    }
}

/// What the boxes of a grid show of a source. Most boxes differ only in where that lies.
pub(super) struct Views {
    kinds: Vec<Images>,
    /// Which kind each box is of, and where what it shows starts in a channel.
    boxes: Vec<(usize, isize)>,
}

impl Views {
    /// What `windows` tells for each box, under tiles whose neighbours share `overlap` lines.
    pub(super) fn new<T>(
        source: &Strided<'_, T>,
        boxes: impl Iterator<Item = Tiles>,
        windows: impl Fn(&Tiles) -> [Window; 3],
        overlap: usize,
        lanes: usize,
    ) -> Self {
        let mut keys = vec![];
        let mut views = Self { kinds: vec![], boxes: vec![] };
        for tiles in boxes {
            let windows = windows(&tiles);
            let key = (tiles.part.images, windows.each_ref().map(|w| (w.len, w.inside())));
            let known = keys.iter().position(|other| *other == key);
            let kind = known.unwrap_or_else(|| {
                keys.push(key);
                views.kinds.push(Images::new(source, &windows, &tiles, overlap, lanes));
                keys.len() - 1
            });
            views.boxes.push((kind, Places::base(source, &windows, &tiles.part)));
        }
        views
    }

    /// What a box shows.
    pub(super) fn view(&self, index: usize) -> View<'_> {
        let (kind, base) = self.boxes[index];
        View { images: &self.kinds[kind], base }
    }
}

/// What a box shows.
#[derive(Clone, Copy)]
pub(super) struct View<'a> {
    images: &'a Images,
    base: isize,
}

/// The images of a box, seen as tiles.
struct Images {
    places: Places,
    /// The first number of each tile.
    starts: Vec<usize>,
    /// The length of a line.
    width: usize,
    /// How many numbers of a channel an image has.
    len: usize,
    /// How many images there are.
    count: usize,
}

impl Images {
    fn new<T>(
        source: &Strided<'_, T>,
        windows: &[Window; 3],
        tiles: &Tiles,
        overlap: usize,
        lanes: usize,
    ) -> Self {
        let lens = windows.map(|window| window.len);
        Self {
            places: Places::of_windows(source, windows, &tiles.part, lanes),
            starts: tiles.places(overlap).collect(),
            width: lens[2],
            len: lens.iter().product(),
            count: tiles.part.images,
        }
    }
}

impl View<'_> {
    /// How many numbers the copy of a vector of channels holds.
    pub(super) fn copy_len(&self, lanes: usize) -> usize {
        self.images.count * self.images.len * lanes
    }

    /// What is known of the numbers of the images before they are seen.
    pub(super) fn extents(&self) -> Vec<Extent> {
        vec![Extent::default(); self.images.count]
    }

    /// Transforms a vector of channels, which are packed side by side, and notes how large the numbers
    /// of each image are.
    ///
    /// # Safety
    /// Nobody else may use these channels' part of what is transformed.
    #[inline(always)]
    pub(super) unsafe fn transform<M: Multiplier, C: Transform>(
        &self,
        multiplier: M,
        source: &Strided<'_, M::Scalar>,
        channels: Range<usize>,
        copy: &mut [M::Scalar],
        (to, first): (&Transformed<'_, M::Packed>, usize),
        extents: &mut [Extent],
    ) {
        let (isa, lanes, across) = (multiplier.isa(), M::Sums::LANES, Line::of(M::STEPS));
        let copy = self.copy(Vectors::<M::Sums>(isa), source, channels, copy);
        for (tile, &place) in self.images.starts.iter().enumerate() {
            let start = tile * to.pitch + first / M::STEPS;
            let tile = self.transformed::<M, C>(isa, copy, place);
            // SAFETY: the caller vouches for these channels' part.
            unsafe {
                to.write(across, (start, lanes / M::STEPS), |i, j, to| {
                    multiplier.write_neighbours(tile[i][j], to);
                });
            }
        }
        self.measure(isa, copy, extents);
    }

    /// As [`View::transform`], but neighbouring tiles are packed, not neighbouring channels.
    ///
    /// # Safety
    /// Nobody else may use these channels' part of what is transformed.
    #[inline(always)]
    pub(super) unsafe fn transform_lines<M: Multiplier, C: Transform>(
        &self,
        multiplier: M,
        source: &Strided<'_, M::Scalar>,
        channels: Range<usize>,
        copy: &mut [M::Scalar],
        (to, first): (&Transformed<'_, M::Packed>, usize),
        extents: &mut [Extent],
    ) {
        let (isa, lanes, across) = (multiplier.isa(), M::Sums::LANES, Line::of(M::STEPS));
        let copy = self.copy(Vectors::<M::Sums>(isa), source, channels, copy);
        for (step, places) in self.images.starts.chunks(M::STEPS).enumerate() {
            let tile = self.transformed::<M, C>(isa, copy, places[0]);
            let next = match places.get(1) {
                Some(&place) if M::STEPS > 1 => self.transformed::<M, C>(isa, copy, place),
                _ => [[M::Sums::splat(isa, M::Scalar::ZERO); _]; _],
            };
            let start = step * to.pitch + first;
            // SAFETY: the caller vouches for these channels' part.
            unsafe {
                to.write(across, (start, lanes), |i, j, to| {
                    multiplier.write_lines([tile[i][j], next[i][j]], to);
                });
            }
        }
        self.measure(isa, copy, extents);
    }

    /// Notes how large the copied numbers of each image are.
    #[inline(always)]
    fn measure<S: Simd, T: Float>(&self, isa: S, copy: &[T], extents: &mut [Extent]) {
        let len = self.images.len * T::Vector::<S>::LANES;
        for (extent, numbers) in extents.iter_mut().zip(copy.chunks_exact(len)) {
            *extent = extent.and(Extent::of(isa, numbers));
        }
    }

    /// Copies a vector of channels, those of a place side by side.
    #[inline(always)]
    fn copy<'a, V: Vector>(
        &self,
        numbers: Vectors<V>,
        source: &Strided<'_, V::Scalar>,
        channels: Range<usize>,
        copy: &'a mut [V::Scalar],
    ) -> &'a [V::Scalar] {
        let copy = &mut copy[..self.copy_len(V::LANES)];
        // SAFETY: the copy is borrowed mutably.
        unsafe {
            let beside = Beside { to: &Shared::new(copy), start: 0, pitch: V::LANES };
            self.images.places.copy_from(numbers, source, self.base, channels, beside);
        }
        copy
    }

    /// The transform of the tile that starts at a place of the copy.
    #[inline(always)]
    fn transformed<M: Multiplier, C: Transform>(
        &self,
        isa: M::Isa,
        copy: &[M::Scalar],
        place: usize,
    ) -> Square<M::Sums> {
        let (lanes, across) = (M::Sums::LANES, Line::of(M::STEPS));
        let (lines, columns) = (LINES + C::MORE, across.outputs() + C::MORE);
        let pitch = self.images.width * lanes;
        let mut square = [[M::Sums::splat(isa, Number::ZERO); _]; _];
        let tile = &copy[place * lanes..][..(lines - 1) * pitch + columns * lanes];
        for (i, line) in square.iter_mut().take(lines).enumerate() {
            for (j, vector) in line.iter_mut().take(columns).enumerate() {
                *vector = M::Sums::load(isa, &tile[i * pitch + j * lanes..]);
            }
        }
        C::apply(across, square)
    }
}

/// Where transformed tiles lie, `[place][tile][channel]`, of which several tiles or channels are packed
/// to one number; or transformed kernels, whose channels and rows take the place of tiles and channels.
pub(super) struct Transformed<'a, P> {
    pub(super) numbers: &'a Shared<'a, P>,
    /// The distance between packed tiles, in packed numbers.
    pub(super) pitch: usize,
    /// The distance between places.
    pub(super) place_len: usize,
}

impl<P> Transformed<'_, P> {
    /// Calls a function for each line and column of a tile or kernel, with so many numbers of that place
    /// from `start` on.
    ///
    /// # Panics
    /// If they reach beyond what is transformed.
    ///
    /// # Safety
    /// Nobody else may use these numbers.
    #[inline(always)]
    pub(super) unsafe fn write(
        &self,
        across: Line,
        (start, len): (usize, usize),
        write: impl Fn(usize, usize, &mut [P]),
    ) {
        // Checked once for all places, so that the loops are unrolled and a tile stays in registers.
        assert!(start + (places(across) - 1) * self.place_len + len <= self.numbers.len());
        for i in 0..LINES + 2 {
            for j in 0..across.places() {
                let start = start + (i * across.places() + j) * self.place_len;
                // SAFETY: the place lies within what is transformed, and the caller vouches for it.
                let to =
                    unsafe { std::slice::from_raw_parts_mut(self.numbers.pointer(start), len) };
                write(i, j, to);
            }
        }
    }
}
