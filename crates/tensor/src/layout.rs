//! Where a tensor's elements lie in memory.

use crate::Shape;
use crate::error::{OpError, reject};
use gradus_kernels::MAX_RANK;
use smallvec::SmallVec;

/// A shape with, for each axis, the distance in memory between neighbours, and where the first
/// element lies. Distances are counted in elements and may be zero or negative.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Layout {
    shape: Shape,
    strides: [isize; MAX_RANK],
    offset: usize,
}

impl Layout {
    /// Elements side by side, in row-major order, from the start of memory on. Where there are more
    /// than can be counted, no tensor has the layout, and distances end at the largest number.
    pub fn contiguous(shape: Shape) -> Self {
        let mut layout = Self::without_strides(shape);
        layout.become_contiguous();
        layout
    }

    /// All distances zero.
    pub(crate) fn without_strides(shape: Shape) -> Self {
        Self { shape, strides: [0; MAX_RANK], offset: 0 }
    }

    /// Puts the elements side by side: [`Layout::contiguous`], of a layout without distances, where it
    /// stays.
    #[inline]
    pub(crate) fn become_contiguous(&mut self) {
        let mut stride = 1isize;
        for (to, &len) in self.strides.iter_mut().zip(self.shape.iter()).rev() {
            *to = stride;
            stride = stride.saturating_mul(signed(len.max(1)));
        }
    }

    /// Elements at these distances, one for each axis, from `offset` on. The caller has checked that
    /// they exist.
    pub(crate) fn strided(shape: Shape, strides: &[isize], offset: usize) -> Self {
        Self { offset, ..Self::contiguous(shape).with(shape, strides) }
    }

    /// The lengths of the axes.
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// The distance between neighbours along each axis.
    pub fn strides(&self) -> &[isize] {
        &self.strides[..self.shape.rank()]
    }

    /// Where the first element lies.
    pub fn offset(&self) -> usize {
        self.offset
    }

    /// True if the elements lie side by side in row-major order.
    pub fn is_contiguous(&self) -> bool {
        let mut stride = 1isize;
        for axis in (0..self.shape.rank()).rev() {
            let len = self.shape[axis];
            if len == 0 {
                return true;
            }
            if len > 1 {
                if self.strides[axis] != stride {
                    return false;
                }
                stride = stride.saturating_mul(signed(len));
            }
        }
        true
    }

    /// True if the elements fill memory without a gap, each of them once, in whatever order of axes.
    pub fn is_dense(&self) -> bool {
        let axes = self.shape.iter().zip(self.strides()).filter(|(len, _)| **len > 1);
        let mut axes: SmallVec<[(isize, usize); MAX_RANK]> =
            axes.map(|(&len, &stride)| (stride, len)).collect();
        axes.sort_unstable();
        let mut next = 1;
        axes.into_iter().all(|(stride, len)| {
            let fits = stride == next;
            next = next.saturating_mul(signed(len));
            fits
        })
    }

    /// For matrices [.., S, D], each of them row after row, that lie equally far from each other: how
    /// many rows it is from the start of one to the start of the next, S or more.
    pub fn room(&self) -> Option<usize> {
        let rank = self.shape.rank();
        let (rows, features) = match &self.shape[..] {
            [.., rows, features] => (*rows, signed(*features)),
            _ => return None,
        };
        if self.is_contiguous() {
            return Some(rows);
        }
        let [row_stride, stride] = [self.strides[rank - 2], self.strides[rank - 1]];
        if (features > 1 && stride != 1) || (rows > 1 && row_stride != features) {
            return None;
        }
        // The distance between matrices, and what the next axis's must be if they all are so far apart.
        let mut apart: Option<(isize, isize)> = None;
        for axis in (0..rank - 2).rev().filter(|&axis| self.shape[axis] != 1) {
            let (len, stride) = (signed(self.shape[axis]), self.strides[axis]);
            apart = match apart {
                None => Some((stride, stride.saturating_mul(len))),
                Some((first, next)) if next == stride => Some((first, next.saturating_mul(len))),
                Some(_) => return None,
            };
        }
        let room = apart.map_or(Some(rows), |(apart, _)| {
            usize::try_from(apart / features).ok().filter(|_| apart % features == 0)
        });
        room.filter(|&room| room >= rows)
    }

    /// The view in which axis `i` is the one that was `axes[i]`.
    pub fn permute(&self, axes: &[usize]) -> Self {
        let mut view = *self;
        for (to, &from) in axes.iter().enumerate() {
            view.shape[to] = self.shape[from];
            view.strides[to] = self.strides[from];
        }
        view
    }

    /// The view of matrices with rows and columns exchanged.
    pub(crate) fn turned(mut self) -> Self {
        let rank = self.shape.rank();
        self.shape.swap(rank - 2, rank - 1);
        self.strides.swap(rank - 2, rank - 1);
        self
    }

    /// The view that repeats axes of length 1 to reach `shape`, without a copy.
    ///
    /// # Errors
    /// If the shape does not broadcast to it.
    pub fn expand(&self, shape: Shape) -> Result<Self, OpError> {
        if self.shape.rank() > shape.rank() {
            reject!("shape {} does not broadcast to {shape}", self.shape);
        }
        let added = shape.rank() - self.shape.rank();
        let mut strides = [0; MAX_RANK];
        for (axis, &len) in self.shape.iter().enumerate() {
            if len == shape[axis + added] {
                strides[axis + added] = self.strides[axis];
            } else if len != 1 {
                reject!("shape {} does not broadcast to {shape}", self.shape);
            }
        }
        Ok(Self { shape, strides, offset: self.offset })
    }

    /// The view of `count` elements of an axis, `step` apart, from `start` on. The caller has
    /// checked that they exist.
    pub fn slice(&self, axis: usize, start: usize, step: isize, count: usize) -> Self {
        let mut view = *self;
        // A view of nothing starts at the start, for memory may end before what it would begin with.
        if count > 0 && self.shape.count() > 0 {
            let shift = start as isize * self.strides[axis];
            view.offset = self.offset.wrapping_add_signed(shift);
        }
        view.shape[axis] = count;
        // Where it matters, the step leads to another element.
        view.strides[axis] = view.strides[axis].saturating_mul(step);
        view
    }

    /// The view of windows of `size` elements along an axis, `step` apart: the axis then counts the
    /// windows, and a new last axis counts within them.
    ///
    /// # Errors
    /// If there is not one whole window.
    pub fn unfold(&self, axis: usize, size: usize, step: usize) -> Result<Self, OpError> {
        let len = self.shape[axis];
        if size > len || step == 0 {
            reject!("no window of {size} elements, {step} apart, in an axis of {len}");
        }
        let mut lens = self.shape.to_vec();
        lens[axis] = (len - size) / step + 1;
        lens.push(size);
        let mut strides = self.strides().to_vec();
        strides.push(strides[axis]);
        strides[axis] = strides[axis].saturating_mul(signed(step));
        Ok(self.with(Shape::try_new(&lens)?, &strides))
    }

    /// The view of the diagonal of two axes, as a new last axis: elements whose index in `second` is
    /// that in `first` plus `offset`.
    pub fn diagonal(&self, first: usize, second: usize, offset: isize) -> Self {
        let (down, right) = (offset.min(0).unsigned_abs(), offset.max(0).unsigned_abs());
        let rows = self.shape[first].saturating_sub(down);
        let count = self.shape[second].saturating_sub(right).min(rows);
        let mut lens = self.shape.to_vec();
        let mut strides = self.strides().to_vec();
        let stride = strides[first].saturating_add(strides[second]);
        for axis in [first.max(second), first.min(second)] {
            lens.remove(axis);
            strides.remove(axis);
        }
        lens.push(count);
        strides.push(stride);
        let mut view = self.with(Shape::from(lens), &strides);
        if count > 0 && self.shape.count() > 0 {
            let strides = self.strides();
            let start = down as isize * strides[first] + right as isize * strides[second];
            view.offset = self.offset.wrapping_add_signed(start);
        }
        view
    }

    /// The view of the same elements, in the same order, in another shape of as many elements; none
    /// if that cannot be had without a copy.
    pub fn reshape(&self, shape: Shape) -> Option<Self> {
        if self.is_contiguous() {
            return Some(Self { offset: self.offset, ..Self::contiguous(shape) });
        }
        if shape.count() == 0 {
            return Some(Self::contiguous(shape));
        }
        // Walk both shapes from the front. Runs of old axes that hold as many elements as a run of
        // new axes can be cut anew if the old ones are one in memory.
        let old: Vec<(usize, isize)> = self
            .shape
            .iter()
            .copied()
            .zip(self.strides().iter().copied())
            .filter(|(len, _)| *len != 1)
            .collect();
        let mut strides = [0; MAX_RANK];
        let (mut from, mut to) = (0, 0);
        while from < old.len() {
            let (first, new_first) = (from, to);
            let (mut old_count, mut new_count) = (old[from].0, 1);
            from += 1;
            while to < shape.rank() && new_count < old_count {
                new_count *= shape[to];
                to += 1;
            }
            while old_count < new_count {
                old_count *= old[from].0;
                from += 1;
                while to < shape.rank() && new_count < old_count {
                    new_count *= shape[to];
                    to += 1;
                }
            }
            let one_in_memory =
                old[first..from].windows(2).all(|pair| pair[0].1 == pair[1].1 * pair[1].0 as isize);
            if !one_in_memory {
                return None;
            }
            let mut stride = old[from - 1].1;
            for axis in (new_first..to).rev() {
                strides[axis] = stride;
                stride *= shape[axis] as isize;
            }
        }
        Some(Self { shape, strides, offset: self.offset })
    }

    fn with(&self, shape: Shape, strides: &[isize]) -> Self {
        let mut layout = Self { shape, strides: [0; MAX_RANK], offset: self.offset };
        layout.strides[..strides.len()].copy_from_slice(strides);
        layout
    }
}

/// A length or a step as a factor of a distance.
fn signed(len: usize) -> isize {
    isize::try_from(len).unwrap_or(isize::MAX)
}
