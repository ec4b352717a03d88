//! Walking views tile by tile: the loops around every element-wise kernel.

use crate::memory::scratch;
use crate::simd::{PastCaches, Routine, Simd};
use crate::strided::{Strided, TILE, Tiles};
use crate::{Chunks, Element, Machine};
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

/// What an element-wise kernel reads. Of small tensors the kernel itself takes no longer than a look
/// at their axes, so that is not taken without need.
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

    /// `len` elements from `start` on: where they lie, or gathered in `buffer`, which is as long as
    /// that at least if they have to be.
    #[inline(always)]
    fn read<'b>(&'b self, start: usize, len: usize, buffer: &'b mut [T]) -> &'b [T] {
        match self {
            Self::Memory(memory) => &memory[start..][..len],
            Self::View(tiles) => tiles.read(start, &mut buffer[..len]),
        }
    }
}

/// Computes outᵢ from xᵢ.
///
/// # Panics
/// If `out` is not as long as `x`.
pub(crate) fn run1<A: Element, O: Element>(
    on: Machine,
    code: impl Code1<A, O>,
    x: Strided<'_, A>,
    out: &mut [O],
) {
    assert_eq!(x.len(), out.len());
    let mut tiles = None;
    let x = Source::new(x, &mut tiles);
    let cost_ns = out.len() / 2;
    let large = is_large(out);
    on.for_each(Chunks::new(out, TASK), cost_ns, |index, out| {
        on.isa.run(Task1 { code, x, start: index * TASK, out, large });
    });
}

/// How many numbers a kernel handles at a time, of which it writes `out`. What lies side by side needs no
/// buffer and is one tile.
#[inline(always)]
fn tile_of<T>(out: &[T], whole: bool, large: bool) -> usize {
    let most = match (large, whole) {
        (true, _) => LUMP,
        (false, true) => out.len(),
        (false, false) => TILE,
    };
    most.min(out.len())
}

struct Task1<'a, C, A, O> {
    code: C,
    x: Source<'a, A>,
    start: usize,
    out: &'a mut [O],
    large: bool,
}

impl<A: Element, O: Element, C: Code1<A, O>> Routine for Task1<'_, C, A, O> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, isa: S) {
        let whole = self.x.is_memory();
        let tile = tile_of(self.out, whole, self.large);
        let mut buffer = scratch(if whole { 0 } else { tile });
        let mut results = scratch(if self.large { tile } else { 0 });
        let past = self.large.then(PastCaches::new);
        for (index, out) in self.out.chunks_mut(tile.max(1)).enumerate() {
            let (start, len) = (self.start + index * tile, out.len());
            let to = if self.large { &mut results[..len] } else { &mut *out };
            self.code.tile(isa, self.x.read(start, len, &mut buffer), to);
            if let Some(past) = &past {
                past.copy(isa, &results[..len], out);
            }
        }
    }
}

/// Computes outᵢ from xᵢ and yᵢ.
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
    assert!(x.len() == out.len() && y.len() == out.len());
    let (mut x_tiles, mut y_tiles) = (None, None);
    let (x, y) = (Source::new(x, &mut x_tiles), Source::new(y, &mut y_tiles));
    let cost_ns = out.len() / 2;
    let large = is_large(out);
    on.for_each(Chunks::new(out, TASK), cost_ns, |index, out| {
        on.isa.run(Task2 { code, x, y, start: index * TASK, out, large });
    });
}

struct Task2<'a, C, A, B, O> {
    code: C,
    x: Source<'a, A>,
    y: Source<'a, B>,
    start: usize,
    out: &'a mut [O],
    large: bool,
}

impl<A: Element, B: Element, O: Element, C: Code2<A, B, O>> Routine for Task2<'_, C, A, B, O> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, isa: S) {
        let whole = self.x.is_memory() && self.y.is_memory();
        let tile = tile_of(self.out, whole, self.large);
        let mut x_buffer = scratch(if self.x.is_memory() { 0 } else { tile });
        let mut y_buffer = scratch(if self.y.is_memory() { 0 } else { tile });
        let mut results = scratch(if self.large { tile } else { 0 });
        let past = self.large.then(PastCaches::new);
        for (index, out) in self.out.chunks_mut(tile.max(1)).enumerate() {
            let (start, len) = (self.start + index * tile, out.len());
            let x = self.x.read(start, len, &mut x_buffer);
            let y = self.y.read(start, len, &mut y_buffer);
            let to = if self.large { &mut results[..len] } else { &mut *out };
            self.code.tile(isa, x, y, to);
            if let Some(past) = &past {
                past.copy(isa, &results[..len], out);
            }
        }
    }
}
