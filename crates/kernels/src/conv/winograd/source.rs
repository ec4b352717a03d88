//! Transforming images: their tiles, with the channels of a tile side by side.

use super::super::beside::{Beside, Places};
use super::super::gather::Window;
use super::grid::Tiles;
use super::{Extent, grad, input};
use crate::simd::{Simd, Vector};
use crate::threads::Shared;
use crate::{Float, Strided};
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

    /// Transforms a vector of channels, and says how large their numbers are.
    ///
    /// # Safety
    /// Nobody else may use these channels' part of what is transformed.
    #[inline(always)]
    pub(super) unsafe fn transform<S: Simd, T: Float, C: Transform>(
        &self,
        isa: S,
        source: &Strided<'_, T>,
        channels: Range<usize>,
        copy: &mut [T],
        to: &Transformed<'_, T>,
        first: usize,
    ) -> Extent {
        let lanes = T::Vector::<S>::LANES;
        let Images { places, starts, width, count } = self.images;
        // SAFETY: the copy is borrowed mutably.
        unsafe {
            let beside = Beside { to: &Shared::new(copy), start: 0, pitch: lanes };
            places.copy_from(isa, source, self.base, channels, beside);
        }
        let copy = &copy[..count * lanes];
        let line = width * lanes;
        for (tile, place) in starts.iter().enumerate() {
            let mut square = [[T::Vector::<S>::splat(isa, T::ZERO); 4]; 4];
            let tile_copy = &copy[place * lanes..][..(C::SIDE - 1) * line + C::SIDE * lanes];
            for (i, vectors) in square.iter_mut().take(C::SIDE).enumerate() {
                for (j, vector) in vectors.iter_mut().take(C::SIDE).enumerate() {
                    *vector = T::Vector::<S>::load(isa, &tile_copy[i * line + j * lanes..]);
                }
            }
            let start = tile * to.pitch + first;
            for (place, vector) in C::apply(square).as_flattened().iter().enumerate() {
                // SAFETY: the caller vouches for these channels' part.
                vector.store(unsafe { to.numbers.slice(start + place * to.place_len, lanes) });
            }
        }
        Extent::of(isa, copy)
    }
}

/// Where transformed tiles lie: `[place][tile][channel]`.
pub(super) struct Transformed<'a, T> {
    pub(super) numbers: &'a Shared<'a, T>,
    /// The distance between tiles.
    pub(super) pitch: usize,
    /// The distance between places.
    pub(super) place_len: usize,
}
