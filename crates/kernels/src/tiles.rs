//! Walking views tile by tile: the loops around every element-wise kernel.

use crate::memory::{Scratch, scratch};
use crate::simd::{PastCaches, Routine, Simd};
use crate::strided::{Strided, TILE, Tiles};
use crate::{Chunks, Element, Isa, Machine};
use std::ops::Range;

/// How many numbers one task takes.
pub(crate) const TASK: usize = 16 * TILE;

/// How many numbers are computed before some are written past the caches, and others are asked for:
/// few enough that memory is never idle, nor the processor.
pub(crate) const LUMP: usize = 256;

/// Results of so many bytes would not stay in the caches until somebody reads them, so they are written
/// past the caches.
const LARGE: usize = 16 << 20;

/// True if results do not stay in the caches.
pub(crate) fn is_large<T>(out: &[T]) -> bool {
    size_of_val(out) >= LARGE
}

/// The places of so many numbers, a lump at a time.
pub(crate) fn lumps(len: usize) -> impl Iterator<Item = Range<usize>> {
    (0..len).step_by(LUMP).map(move |start| start..len.min(start + LUMP))
}

/// A part of the rows to come, if there are any: memory brings it while the processor is busy with that
/// part of the row at hand.
#[inline(always)]
pub(crate) fn part_of<'a, T>(next: &'a [T], place: &Range<usize>) -> &'a [T] {
    next.get(place.clone()).unwrap_or_default()
}

/// Copies numbers past the caches.
pub(crate) struct CopyPast<'a, T> {
    pub(crate) past: &'a PastCaches,
    pub(crate) from: &'a [T],
    pub(crate) to: &'a mut [T],
}

impl<T: Element> Routine for CopyPast<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, isa: S) {
        self.past.copy(isa, self.from, self.to);
    }
}

/// What an element-wise kernel of one input does to a tile.
pub(crate) trait Code1<A, O>: Copy + Send + Sync {
    fn tile<S: Simd>(self, isa: S, x: &[A], out: &mut [O]);
}

/// What an element-wise kernel of two inputs does to a tile.
pub(crate) trait Code2<A, B, O>: Copy + Send + Sync {
    fn tile<S: Simd>(self, isa: S, x: &[A], y: &[B], out: &mut [O]);
}

/// A function of single numbers as the code of a tile; the compiler turns it into vectors.
#[derive(Clone, Copy)]
pub(crate) struct Each<F>(pub(crate) F);

impl<A: Copy, O, F: Fn(A) -> O + Copy + Send + Sync> Code1<A, O> for Each<F> {
    #[inline(always)]
    fn tile<S: Simd>(self, _: S, x: &[A], out: &mut [O]) {
        for (out, &x) in out.iter_mut().zip(x) {
            *out = self.0(x);
        }
    }
}

impl<A: Copy, B: Copy, O, F: Fn(A, B) -> O + Copy + Send + Sync> Code2<A, B, O> for Each<F> {
    #[inline(always)]
    fn tile<S: Simd>(self, _: S, x: &[A], y: &[B], out: &mut [O]) {
        for (out, (&x, &y)) in out.iter_mut().zip(x.iter().zip(y)) {
            *out = self.0(x, y);
        }
    }
}

/// What an element-wise kernel reads.
#[derive(Clone, Copy)]
enum Source<'a, T> {
    /// Elements side by side.
    Memory(&'a [T]),
    /// Elements that are gathered, or of which many are one in memory.
    View(&'a Tiles<'a, T>),
}

impl<'a, T: Element> Source<'a, T> {
    /// A view's elements; `tiles` is where its axes are kept, if they matter.
    #[inline]
    fn new(view: Strided<'a, T>, tiles: &'a mut Option<Tiles<'a, T>>) -> Self {
        match view.contiguous() {
            Some(memory) => Self::Memory(memory),
            None => Self::View(tiles.insert(Tiles::new(view))),
        }
    }

    fn is_memory(self) -> bool {
        matches!(self, Self::Memory(_))
    }

    /// Space to gather a tile in, if that is needed.
    fn space(self) -> Option<Scratch<T>> {
        (!self.is_memory()).then(|| scratch(TILE))
    }

    /// `len` elements from `start` on: where they lie, or gathered in the [`Source::space`].
    fn read<'b>(&'b self, start: usize, len: usize, space: &'b mut Option<Scratch<T>>) -> &'b [T] {
        match self {
            Self::Memory(memory) => &memory[start..][..len],
            Self::View(tiles) => {
                let space = space.as_deref_mut().expect("a view has space");
                tiles.read(start, &mut space[..len])
            }
        }
    }
}

/// Has results, of which there are some, computed a tile at a time: `compute(start, out)` those from
/// `start` on. What lies side by side needs no space and is one tile.
fn each_tile<T: Element>(
    isa: Isa,
    out: &mut [T],
    whole: bool,
    past: Option<&PastCaches>,
    mut compute: impl FnMut(usize, &mut [T]),
) {
    let Some(past) = past else {
        let tile = if whole { out.len() } else { TILE };
        let tiles = out.chunks_mut(tile).enumerate();
        return tiles.for_each(|(index, out)| compute(index * tile, out));
    };
    let mut results = scratch(LUMP);
    for (index, to) in out.chunks_mut(LUMP).enumerate() {
        let from = &mut results[..to.len()];
        compute(index * LUMP, from);
        isa.run(CopyPast { past, from, to });
    }
}

/// Computes outᵢ from xᵢ. Of small tensors the kernel itself takes no longer than a look at their axes, so
/// that is not taken without need.
///
/// # Panics
/// If `out` is not as long as `x`.
pub(crate) fn run1<A: Element, O: Element>(
    on: Machine,
    code: impl Code1<A, O>,
    x: Strided<'_, A>,
    out: &mut [O],
) {
    if let Some(x) = x.contiguous()
        && x.len() == out.len()
        && out.len() <= TASK
    {
        return on.isa.run(Tile1 { code, x, out });
    }
    assert_eq!(x.len(), out.len());
    let mut tiles = None;
    let x = Source::new(x, &mut tiles);
    let (cost_ns, large) = (out.len() / 2, is_large(out));
    on.for_each(Chunks::new(out, TASK), cost_ns, |index, out| {
        let (first, mut space) = (index * TASK, x.space());
        let past = large.then(PastCaches::new);
        each_tile(on.isa, out, x.is_memory(), past.as_ref(), |start, out| {
            let x = x.read(first + start, out.len(), &mut space);
            on.isa.run(Tile1 { code, x, out });
        });
    });
}

struct Tile1<'a, C, A, O> {
    code: C,
    x: &'a [A],
    out: &'a mut [O],
}

impl<A, O, C: Code1<A, O>> Routine for Tile1<'_, C, A, O> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, isa: S) {
        self.code.tile(isa, self.x, self.out);
    }
}

/// Computes outᵢ from xᵢ and yᵢ, as [`run1`].
///
/// # Panics
/// If the lengths differ.
pub(crate) fn run2<A: Element, B: Element, O: Element>(
    on: Machine,
    code: impl Code2<A, B, O>,
    x: Strided<'_, A>,
    y: Strided<'_, B>,
    out: &mut [O],
) {
    if let (Some(x), Some(y)) = (x.contiguous(), y.contiguous())
        && x.len() == out.len()
        && y.len() == out.len()
        && out.len() <= TASK
    {
        return on.isa.run(Tile2 { code, x, y, out });
    }
    assert!(x.len() == out.len() && y.len() == out.len());
    let (mut x_tiles, mut y_tiles) = (None, None);
    let (x, y) = (Source::new(x, &mut x_tiles), Source::new(y, &mut y_tiles));
    let (cost_ns, large) = (out.len() / 2, is_large(out));
    let whole = x.is_memory() && y.is_memory();
    on.for_each(Chunks::new(out, TASK), cost_ns, |index, out| {
        let (first, mut x_space, mut y_space) = (index * TASK, x.space(), y.space());
        let past = large.then(PastCaches::new);
        each_tile(on.isa, out, whole, past.as_ref(), |start, out| {
            let x = x.read(first + start, out.len(), &mut x_space);
            let y = y.read(first + start, out.len(), &mut y_space);
            on.isa.run(Tile2 { code, x, y, out });
        });
    });
}

struct Tile2<'a, C, A, B, O> {
    code: C,
    x: &'a [A],
    y: &'a [B],
    out: &'a mut [O],
}

impl<A, B, O, C: Code2<A, B, O>> Routine for Tile2<'_, C, A, B, O> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, isa: S) {
        self.code.tile(isa, self.x, self.y, self.out);
    }
}
