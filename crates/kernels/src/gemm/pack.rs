//! Copying parts of operands into panels, in the order in which the tile reads them.

use crate::memory::ALIGN;
use crate::simd::{MAX_LANES, Simd, Vector, mirrored};
use crate::{Float, Number};
use std::ops::Range;

/// How wide the left panels of instruction sets with 32 registers are.
const WIDE: usize = 8;

/// How wide those of instruction sets with 16 registers are.
const NARROW: usize = 6;

/// A part of an operand, and how it lies once it is packed.
#[derive(Clone, Debug)]
pub struct Cut {
    /// Which numbers in depth.
    pub depth: Range<usize>,
    /// Which numbers across.
    pub across: Range<usize>,
    /// How many numbers across a panel has room for.
    pub width: usize,
}

/// Lines of memory that will be read soon, which need not be valid: what is asked for while the
/// processor is busy is there in time.
#[derive(Clone, Copy, Debug)]
pub struct Ahead {
    line: *const u8,
    lines: usize,
    /// The bytes of a line.
    len: usize,
    /// The bytes from a line to the next.
    stride: isize,
    /// How many bytes of the line have been asked for.
    done: usize,
}

impl Ahead {
    /// No memory.
    pub(crate) const NOTHING: Self =
        Self { line: std::ptr::null(), lines: 0, len: 0, stride: 0, done: 0 };

    /// A part of what lies side by side, as far as it goes.
    #[inline(always)]
    pub(super) fn part_of<T>(numbers: &[T], part: Range<usize>) -> Self {
        let part = &numbers[part.start.min(numbers.len())..part.end.min(numbers.len())];
        let len = size_of_val(part);
        Self { line: part.as_ptr().cast(), lines: 1, len, stride: 0, done: 0 }
    }

    /// How many lines of the cache it takes.
    #[inline(always)]
    pub(super) fn count(&self) -> usize {
        self.lines * self.len.div_ceil(ALIGN)
    }

    /// Asks for the next line of the cache.
    #[inline(always)]
    pub(super) fn ask<S: Simd>(&mut self, isa: S) {
        isa.prefetch(self.line.wrapping_add(self.done));
        self.done += ALIGN;
        if self.done >= self.len {
            (self.line, self.done) = (self.line.wrapping_offset(self.stride), 0);
        }
    }
}

/// An operand of a matrix product: numbers with a depth (the index that is summed over) and an
/// index across (the row of a left operand, the column of a right one).
pub trait Operand<T>: Sync {
    /// Copies a part of the operand into a panel: number (k, j) of the part becomes
    /// `panel[k * width + j]`, and zeros fill up the width.
    fn pack<S: Simd>(&self, isa: S, cut: Cut, panel: &mut [T]);

    /// The operand as a matrix in memory, if it is one.
    #[inline(always)]
    fn as_plane(&self) -> Option<&Plane<'_, T>> {
        None
    }

    /// Where the memory of a part in depth and across lies that will be packed soon: the share with an
    /// index, of so many.
    #[inline(always)]
    fn ahead(&self, _: [Range<usize>; 2], _: [usize; 2]) -> Ahead {
        Ahead::NOTHING
    }

    /// Packs a part into several panels, each as wide as the cut says, which start so far apart; see
    /// [`Operand::pack`].
    #[inline(always)]
    fn pack_panels<S: Simd>(&self, isa: S, cut: Cut, panels: (&mut [T], usize)) {
        one_by_one(self, isa, cut, panels);
    }
}

/// An operand that is a matrix in memory with any strides.
#[derive(Clone, Copy, Debug)]
pub struct Plane<'a, T> {
    /// The memory the matrix lies in.
    pub data: &'a [T],
    /// Where its first number lies.
    pub offset: usize,
    /// The distance between neighbours in depth.
    pub depth_stride: isize,
    /// The distance between neighbours across.
    pub across_stride: isize,
}

impl<'a, T: Float> Plane<'a, T> {
    /// The matrix with the other index as its depth.
    pub(super) fn turned(&self) -> Self {
        Self { depth_stride: self.across_stride, across_stride: self.depth_stride, ..*self }
    }

    /// Numbers that lie one behind the other from a place on.
    #[inline(always)]
    pub(crate) fn line(&self, depth: usize, across: usize, len: usize) -> &'a [T] {
        let step = depth as isize * self.depth_stride + across as isize * self.across_stride;
        &self.data[self.offset.wrapping_add_signed(step)..][..len]
    }
}

impl<T: Float> Operand<T> for Plane<'_, T> {
    #[inline(always)]
    fn pack<S: Simd>(&self, isa: S, cut: Cut, panel: &mut [T]) {
        let Cut { depth, across, width } = cut;
        let count = across.len();
        let lanes = T::Vector::<S>::LANES;
        if self.across_stride == 1 {
            if count == width && copies::<T::Vector<S>>(width) {
                for (k, row) in panel.chunks_exact_mut(width).take(depth.len()).enumerate() {
                    copy::<T::Vector<S>>(isa, self.line(depth.start + k, across.start, width), row);
                }
                return;
            }
            for (k, row) in panel.chunks_exact_mut(width).take(depth.len()).enumerate() {
                row[..count].copy_from_slice(self.line(depth.start + k, across.start, count));
                row[count..].fill(T::ZERO);
            }
            return;
        }
        if count < width {
            panel.fill(T::ZERO);
        }
        if self.depth_stride == 1 {
            let line = |j: usize| self.line(depth.start, across.start + j, depth.len());
            match (count, width) {
                (WIDE, WIDE) => {
                    let lines = std::array::from_fn(line);
                    let whole = weave::<T::Vector<S>>(isa, lines, panel);
                    let rest = lines.map(|line| &line[whole..]);
                    return interleave::<T, WIDE>(rest, &mut panel[whole * WIDE..]);
                }
                (NARROW, NARROW) => {
                    return interleave::<T, NARROW>(std::array::from_fn(line), panel);
                }
                _ => {}
            }
            let whole = count / lanes * lanes;
            for first in (0..whole).step_by(lanes) {
                turn::<T::Vector<S>>(isa, |j| line(first + j), (first, width), panel);
            }
            for j in whole..count {
                for (row, &value) in panel.chunks_exact_mut(width).zip(line(j)) {
                    row[j] = value;
                }
            }
            return;
        }
        for (k, row) in panel.chunks_exact_mut(width).take(depth.len()).enumerate() {
            for (j, value) in row[..count].iter_mut().enumerate() {
                *value = self.line(depth.start + k, across.start + j, 1)[0];
            }
        }
    }

    #[inline(always)]
    fn as_plane(&self) -> Option<&Plane<'_, T>> {
        Some(self)
    }

    #[inline(always)]
    fn ahead(&self, [depth, across]: [Range<usize>; 2], [index, shares]: [usize; 2]) -> Ahead {
        let (lines, len, strides) = match (self.depth_stride, self.across_stride) {
            _ if across.is_empty() => return Ahead::NOTHING,
            (1, stride) => (across.len(), depth.len(), [stride, 1]),
            (stride, 1) => (depth.len(), across.len(), [stride, 1]),
            _ => return Ahead::NOTHING,
        };
        let start = self.offset as isize
            + depth.start as isize * self.depth_stride
            + across.start as isize * self.across_stride;
        let first = index * lines / shares;
        let bytes = size_of::<T>();
        let start = start + first as isize * strides[0];
        Ahead {
            line: self.data.as_ptr().wrapping_offset(start).cast(),
            lines: (index + 1) * lines / shares - first,
            len: len * bytes,
            stride: strides[0] * bytes as isize,
            done: 0,
        }
    }

    #[inline(always)]
    fn pack_panels<S: Simd>(&self, isa: S, cut: Cut, (panels, distance): (&mut [T], usize)) {
        let (count, width) = (cut.across.len(), cut.width);
        let several = count > width && count.is_multiple_of(width);
        if self.across_stride != 1 || !several || !copies::<T::Vector<S>>(width) {
            return one_by_one(self, isa, cut, (panels, distance));
        }
        // What lies side by side is read at once, whichever panels it goes to.
        for (k, step) in cut.depth.enumerate() {
            let line = self.line(step, cut.across.start, count);
            for (index, from) in line.chunks_exact(width).enumerate() {
                let to = &mut panels[index * distance + k * width..][..width];
                copy::<T::Vector<S>>(isa, from, to);
            }
        }
    }
}

/// Packs panel after panel.
#[inline(always)]
fn one_by_one<T, S: Simd>(
    operand: &(impl Operand<T> + ?Sized),
    isa: S,
    cut: Cut,
    (panels, distance): (&mut [T], usize),
) {
    let len = cut.depth.len() * cut.width;
    if cut.across.len() <= cut.width {
        return operand.pack(isa, cut, &mut panels[..len]);
    }
    let starts = cut.across.clone().step_by(cut.width);
    for (start, panel) in starts.zip(panels.chunks_mut(distance)) {
        let across = start..cut.across.end.min(start + cut.width);
        operand.pack(isa, Cut { across, ..cut.clone() }, &mut panel[..len]);
    }
}

/// True of lines that [`copy`] copies.
#[inline(always)]
fn copies<V: Vector>(width: usize) -> bool {
    width == WIDE || width == NARROW || width.is_multiple_of(V::LANES)
}

/// Copies a line as wide as a left panel or of whole vectors. There are many short lines: to call a
/// function for each takes longer than to copy it.
#[inline(always)]
fn copy<V: Vector>(isa: V::Isa, from: &[V::Scalar], to: &mut [V::Scalar]) {
    match from.len() {
        WIDE => return to[..WIDE].copy_from_slice(&from[..WIDE]),
        NARROW => return to[..NARROW].copy_from_slice(&from[..NARROW]),
        _ => {}
    }
    for (from, to) in from.chunks_exact(V::LANES).zip(to.chunks_exact_mut(V::LANES)) {
        V::load(isa, from).store(to);
    }
}

/// Packs as many lines as a panel is wide, all at once: each comes from memory by itself, and none
/// waits for another.
#[inline(always)]
fn interleave<T: Float, const LINES: usize>(lines: [&[T]; LINES], panel: &mut [T]) {
    let len = lines[0].len();
    let lines = lines.map(|line| &line[..len]);
    for (k, row) in panel.chunks_exact_mut(LINES).take(len).enumerate() {
        for (value, line) in row.iter_mut().zip(&lines) {
            *value = line[k];
        }
    }
}

/// Packs whole vectors of as many lines as a panel is wide; gives how many numbers of each those are.
#[inline(always)]
fn weave<V: Vector>(isa: V::Isa, lines: [&[V::Scalar]; WIDE], panel: &mut [V::Scalar]) -> usize {
    let whole = lines[0].len() / V::LANES * V::LANES;
    for start in (0..whole).step_by(V::LANES) {
        // Not `map`: its closure would be compiled without the instruction set.
        let mut vectors = [V::splat(isa, V::Scalar::ZERO); WIDE];
        for (vector, line) in vectors.iter_mut().zip(lines) {
            *vector = V::load(isa, &line[start..]);
        }
        let panel = &mut panel[start * WIDE..][..V::LANES * WIDE];
        for (vector, to) in mirrored(vectors, WIDE).iter().zip(panel.chunks_exact_mut(V::LANES)) {
            vector.store(to);
        }
    }
    whole
}

/// Packs as many lines as a vector has lanes, from a column of the panel on: squares of as many numbers
/// from as many lines are mirrored in registers.
#[inline(always)]
fn turn<'a, V: Vector>(
    isa: V::Isa,
    line: impl Fn(usize) -> &'a [V::Scalar],
    (column, width): (usize, usize),
    panel: &mut [V::Scalar],
) where
    V::Scalar: 'a,
{
    let len = line(0).len();
    let whole = len / V::LANES * V::LANES;
    for start in (0..whole).step_by(V::LANES) {
        let mut square = [V::splat(isa, V::Scalar::ZERO); MAX_LANES];
        for (j, vector) in square.iter_mut().enumerate().take(V::LANES) {
            *vector = V::load(isa, &line(j)[start..]);
        }
        for (k, vector) in mirrored(square, V::LANES).iter().enumerate().take(V::LANES) {
            vector.store(&mut panel[(start + k) * width + column..]);
        }
    }
    for j in 0..V::LANES {
        let rest = &line(j)[whole..];
        for (k, &value) in rest.iter().enumerate() {
            panel[(whole + k) * width + column + j] = value;
        }
    }
}
