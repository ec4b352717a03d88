//! Transforming images: their tiles, with the channels of a tile side by side.

use super::super::beside::{Beside, Places};
use super::super::gather::Window;
use super::grid::Tiles;
use super::{Extent, grad, input};
use crate::multiplier::{Multiplier, Vectors};
use crate::simd::Vector;
use crate::threads::Shared;
use crate::{Number, Strided};
use std::ops::Range;

/// What is made of the numbers of a tile.
pub(super) trait Transform {
    /// The length of its sides.
    const SIDE: usize;
    /// The transform; of a smaller tile the first numbers count.
    fn apply<V: Vector>(x: [[V; 4]; 4]) -> [[V; 4]; 4];
}

/// What a tile reads.
pub(super) struct Input;

impl Transform for Input {
    const SIDE: usize = 4;

    #[inline(always)]
    fn apply<V: Vector>(x: [[V; 4]; 4]) -> [[V; 4]; 4] {
        input(x)
    }
}

/// The gradient by a tile's outputs.
pub(super) struct Grad;

impl Transform for Grad {
    const SIDE: usize = 2;

    #[inline(always)]
    fn apply<V: Vector>(x: [[V; 4]; 4]) -> [[V; 4]; 4] {
        grad([[x[0][0], x[0][1]], [x[1][0], x[1][1]]])
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
    /// How many numbers of a channel are copied.
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
            count: tiles.part.images * lens.iter().product::<usize>(),
        }
    }
}

impl View<'_> {
    /// How many numbers the copy of a vector of channels holds.
    pub(super) fn copy_len(&self, lanes: usize) -> usize {
        self.images.count * lanes
    }

    /// Transforms a vector of channels, which are packed side by side, and says how large their
    /// numbers are.
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
        to: &Transformed<'_, M::Packed>,
        first: usize,
    ) -> Extent {
        let lanes = M::Sums::LANES;
        let copy = self.copy(Vectors::<M::Sums>(multiplier.isa()), source, channels, copy);
        for (tile, &place) in self.images.starts.iter().enumerate() {
            let start = tile * to.pitch + first / M::STEPS;
            let transformed = self.transformed::<M::Sums, C>(multiplier.isa(), copy, place);
            for (place, &vector) in transformed.as_flattened().iter().enumerate() {
                let start = start + place * to.place_len;
                // SAFETY: the caller vouches for these channels' part.
                let to = unsafe { to.numbers.slice(start, lanes / M::STEPS) };
                multiplier.write_neighbours(vector, to);
            }
        }
        Extent::of(multiplier.isa(), copy)
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
        to: &Transformed<'_, M::Packed>,
        first: usize,
    ) -> Extent {
        let (isa, lanes) = (multiplier.isa(), M::Sums::LANES);
        let copy = self.copy(Vectors::<M::Sums>(isa), source, channels, copy);
        for (step, places) in self.images.starts.chunks(M::STEPS).enumerate() {
            let first_tile = self.transformed::<M::Sums, C>(isa, copy, places[0]);
            let second_tile = match places.get(1) {
                Some(&place) if M::STEPS > 1 => self.transformed::<M::Sums, C>(isa, copy, place),
                _ => [[M::Sums::splat(isa, M::Scalar::ZERO); 4]; 4],
            };
            let tiles = first_tile.as_flattened().iter().zip(second_tile.as_flattened());
            let start = step * to.pitch + first;
            for (place, (&one, &other)) in tiles.enumerate() {
                // SAFETY: the caller vouches for these channels' part.
                let to = unsafe { to.numbers.slice(start + place * to.place_len, lanes) };
                multiplier.write_lines([one, other], to);
            }
        }
        Extent::of(isa, copy)
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
    fn transformed<V: Vector, C: Transform>(
        &self,
        isa: V::Isa,
        copy: &[V::Scalar],
        place: usize,
    ) -> [[V; 4]; 4] {
        let line = self.images.width * V::LANES;
        let mut square = [[V::splat(isa, Number::ZERO); 4]; 4];
        let tile = &copy[place * V::LANES..][..(C::SIDE - 1) * line + C::SIDE * V::LANES];
        for (i, vectors) in square.iter_mut().take(C::SIDE).enumerate() {
            for (j, vector) in vectors.iter_mut().take(C::SIDE).enumerate() {
                *vector = V::load(isa, &tile[i * line + j * V::LANES..]);
            }
        }
        C::apply(square)
    }
}

/// Where transformed tiles lie: `[place][tile][channel]`, of which several tiles or channels are
/// packed to one number.
pub(super) struct Transformed<'a, P> {
    pub(super) numbers: &'a Shared<'a, P>,
    /// The distance between packed tiles, in packed numbers.
    pub(super) pitch: usize,
    /// The distance between places.
    pub(super) place_len: usize,
}
