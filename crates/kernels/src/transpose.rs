//! Copies of views whose neighbours in memory are not neighbours in order.
//!
//! Read in order, each element of such a view comes from another line of the cache, and lines leave
//! it before their other elements are wanted. So the view is read in squares: along memory into a
//! buffer, and from there in order.

use crate::strided::{Axes, MAX_RANK, Strided};
use crate::threads::Shared;
use crate::tiles::TASK;
use crate::{Element, Machine};

/// The side of a square: few enough elements for the buffer to stay in the innermost cache.
const SIDE: usize = 32;

/// A view whose neighbours in memory lie along an axis other than the last.
pub(crate) struct Transposed<'a, T> {
    data: &'a [T],
    offset: usize,
    axes: Axes,
    /// The axis along which neighbours in memory lie.
    near: usize,
    /// The distance in the copy between neighbours along each axis.
    out_strides: [usize; MAX_RANK],
}

impl<'a, T: Element> Transposed<'a, T> {
    /// The view as such a one, if it is.
    pub(crate) fn of(x: &Strided<'a, T>) -> Option<Self> {
        let axes = Axes::joined(x.shape, x.strides);
        let last = axes.rank.checked_sub(1)?;
        if matches!(axes.strides[last], 0 | 1) || axes.shape[last] < 4 {
            return None;
        }
        let near = (0..last).find(|&axis| axes.strides[axis] == 1 && axes.shape[axis] >= 4)?;
        let mut out_strides = [1; MAX_RANK];
        for axis in (0..last).rev() {
            out_strides[axis] = out_strides[axis + 1] * axes.shape[axis + 1];
        }
        Some(Self { data: x.data, offset: x.offset, axes, near, out_strides })
    }

    /// Copies the view into a slice of its length, in row-major order.
    pub(crate) fn copy(&self, on: Machine, out: &mut [T]) {
        let last = self.axes.rank - 1;
        let (rows, columns) = (self.axes.shape[self.near], self.axes.shape[last]);
        if out.is_empty() {
            return;
        }
        // A unit is a strip of squares, at one place along all other axes.
        let strips = rows.div_ceil(SIDE);
        let units = out.len() / (rows * columns) * strips;
        let units_per_task = (TASK / (SIDE * columns)).max(1);
        let cost_ns = out.len();
        let shared = &Shared::new(out);
        on.parallel(units.div_ceil(units_per_task), cost_ns, |task| {
            let mut square = [T::default(); SIDE * SIDE];
            let first = task * units_per_task;
            for unit in first..units.min(first + units_per_task) {
                self.strip(unit / strips, unit % strips * SIDE, &mut square, shared);
            }
        });
    }

    /// Copies the squares from a row on, at a place along all other axes.
    fn strip(&self, place: usize, row: usize, square: &mut [T], out: &Shared<'_, T>) {
        let last = self.axes.rank - 1;
        let (mut from, mut to, mut rest) = (row as isize, row * self.out_strides[self.near], place);
        for axis in (0..last).rev().filter(|&axis| axis != self.near) {
            let index = rest % self.axes.shape[axis];
            rest /= self.axes.shape[axis];
            from += index as isize * self.axes.strides[axis];
            to += index * self.out_strides[axis];
        }
        let from = self.offset.wrapping_add_signed(from);
        let height = SIDE.min(self.axes.shape[self.near] - row);
        let columns = self.axes.shape[last];
        for column in (0..columns).step_by(SIDE) {
            let width = SIDE.min(columns - column);
            for (i, line) in square.chunks_exact_mut(SIDE).take(width).enumerate() {
                let step = (column + i) as isize * self.axes.strides[last];
                let memory = &self.data[from.wrapping_add_signed(step)..][..height];
                line[..height].copy_from_slice(memory);
            }
            for i in 0..height {
                let start = to + i * self.out_strides[self.near] + column;
                // SAFETY: each unit has rows of its own, and holds a part of one at a time.
                let out = unsafe { out.slice(start, width) };
                for (out, line) in out.iter_mut().zip(square.chunks_exact(SIDE)) {
                    *out = line[i];
                }
            }
        }
    }
}
