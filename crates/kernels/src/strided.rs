//! Views of numbers that do not lie side by side, and reading them tile by tile.

use crate::Element;

/// The most axes a view can have.
pub const MAX_RANK: usize = 8;

/// How many numbers element-wise kernels handle at a time: few enough for the innermost cache.
pub(crate) const TILE: usize = 1024;

/// A view of numbers: element (i, j, …) is `data[offset + i * strides[0] + j * strides[1] + …]`.
#[derive(Clone, Copy, Debug)]
pub struct Strided<'a, T> {
    /// The memory the view lies in.
    pub data: &'a [T],
    /// Where element (0, 0, …) lies.
    pub offset: usize,
    /// The length of each axis.
    pub shape: &'a [usize],
    /// The distance between neighbours along each axis.
    pub strides: &'a [isize],
}

impl<'a, T> Strided<'a, T> {
    /// The number of elements.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// All elements, if they lie side by side in order.
    pub(crate) fn contiguous(&self) -> Option<&'a [T]> {
        let mut len = 1;
        for (&axis, &stride) in self.shape.iter().zip(self.strides).rev() {
            if axis != 1 && stride != len as isize && !self.is_empty() {
                return None;
            }
            len *= axis;
        }
        Some(&self.data[self.offset..][..len])
    }

    /// True if there is no element.
    pub fn is_empty(&self) -> bool {
        self.shape.contains(&0)
    }
}

/// Axes with lengths and strides, joined where two are one in memory.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Axes {
    pub(crate) rank: usize,
    pub(crate) shape: [usize; MAX_RANK],
    pub(crate) strides: [isize; MAX_RANK],
}

impl Axes {
    /// Drops axes of length 1 and joins neighbours that can be walked as one.
    pub(crate) fn joined(shape: &[usize], strides: &[isize]) -> Self {
        let mut axes = Self { rank: 0, shape: [1; MAX_RANK], strides: [0; MAX_RANK] };
        for (&len, &stride) in shape.iter().zip(strides).filter(|(len, _)| **len != 1) {
            let last = axes.rank.wrapping_sub(1);
            if axes.rank > 0 && axes.strides[last] == stride * len as isize {
                axes.shape[last] *= len;
                axes.strides[last] = stride;
            } else {
                axes.shape[axes.rank] = len;
                axes.strides[axes.rank] = stride;
                axes.rank += 1;
            }
        }
        axes
    }

    /// The number of elements.
    pub(crate) fn len(&self) -> usize {
        self.shape[..self.rank].iter().product()
    }

    /// True if the elements lie side by side in order.
    pub(crate) fn is_contiguous(&self) -> bool {
        self.rank == 0 || (self.rank == 1 && self.strides[0] == 1)
    }

    /// The indices of an element along each axis, and where it lies.
    #[inline(always)]
    fn place(&self, element: usize) -> ([usize; MAX_RANK], isize) {
        let mut index = [0; MAX_RANK];
        let mut rest = element;
        for axis in (0..self.rank).rev() {
            index[axis] = rest % self.shape[axis];
            rest /= self.shape[axis];
        }
        let position = (0..self.rank).map(|axis| index[axis] as isize * self.strides[axis]).sum();
        (index, position)
    }

    /// Where `len` elements lie side by side from `start` on, if they do so within the last axis.
    #[inline(always)]
    fn stretch(&self, start: usize, len: usize) -> Option<isize> {
        let last = self.rank.checked_sub(1).filter(|&last| self.strides[last] == 1)?;
        let within = start % self.shape[last].max(1) + len <= self.shape[last];
        (within && len > 0).then(|| self.place(start).1)
    }

    /// Calls `run(position, stride, count)` for each stretch along the last axis, in row-major
    /// order, that covers the elements `start .. start + len`.
    #[inline(always)]
    pub(crate) fn runs(&self, start: usize, len: usize, mut run: impl FnMut(isize, isize, usize)) {
        if len == 0 {
            return;
        }
        if self.rank == 0 {
            return run(0, 0, len);
        }
        let last = self.rank - 1;
        let (mut index, mut position) = self.place(start);
        let mut done = 0;
        while done < len {
            let count = (self.shape[last] - index[last]).min(len - done);
            run(position, self.strides[last], count);
            done += count;
            // Carry: back to the start of this axis, one step along the axis before it.
            position -= index[last] as isize * self.strides[last];
            index[last] = 0;
            for axis in (0..last).rev() {
                index[axis] += 1;
                position += self.strides[axis];
                if index[axis] < self.shape[axis] {
                    break;
                }
                position -= index[axis] as isize * self.strides[axis];
                index[axis] = 0;
            }
        }
    }
}

/// Reads a view in row-major order, a tile at a time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tiles<'a, T> {
    data: &'a [T],
    offset: usize,
    axes: Axes,
}

impl<'a, T: Element> Tiles<'a, T> {
    pub(crate) fn new(view: Strided<'a, T>) -> Self {
        let axes = Axes::joined(view.shape, view.strides);
        Self { data: view.data, offset: view.offset, axes }
    }

    /// The elements from `start` on: a part of memory if they lie side by side, else gathered in
    /// `buffer`, whose length says how many are wanted.
    #[inline(always)]
    pub(crate) fn read<'b>(&'b self, start: usize, buffer: &'b mut [T]) -> &'b [T] {
        if self.axes.is_contiguous() {
            return &self.data[self.offset + start..][..buffer.len()];
        }
        if let Some(position) = self.axes.stretch(start, buffer.len()) {
            return &self.data[self.offset.wrapping_add_signed(position)..][..buffer.len()];
        }
        self.gather(start, buffer);
        buffer
    }

    /// All elements, if they lie side by side: what another tile than the one at hand reads.
    #[inline(always)]
    pub(crate) fn memory(&self) -> Option<&'a [T]> {
        self.axes.is_contiguous().then(|| &self.data[self.offset..][..self.axes.len()])
    }

    /// Copies the elements from `start` on into `buffer`.
    pub(crate) fn gather(&self, start: usize, buffer: &mut [T]) {
        let mut filled = 0;
        self.axes.runs(start, buffer.len(), |position, stride, count| {
            let first = self.offset.wrapping_add_signed(position);
            let target = &mut buffer[filled..filled + count];
            match stride {
                1 => target.copy_from_slice(&self.data[first..first + count]),
                0 => target.fill(self.data[first]),
                _ => {
                    for (i, value) in target.iter_mut().enumerate() {
                        *value = self.data[first.wrapping_add_signed(i as isize * stride)];
                    }
                }
            }
            filled += count;
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gathered(shape: &[usize], strides: &[isize], offset: usize) -> Vec<i64> {
        let data: Vec<i64> = (0..1000).collect();
        let tiles = Tiles::new(Strided { data: &data, offset, shape, strides });
        let len = shape.iter().product();
        let mut whole = vec![0; len];
        tiles.gather(0, &mut whole);
        for start in 0..len {
            let mut part = vec![0; (len - start).min(7)];
            assert_eq!(tiles.read(start, &mut part), &whole[start..][..(len - start).min(7)]);
        }
        whole
    }

    #[test]
    fn views_are_read_in_row_major_order() {
        assert_eq!(gathered(&[2, 3], &[3, 1], 5), [5, 6, 7, 8, 9, 10]);
        assert_eq!(gathered(&[3, 2], &[1, 3], 0), [0, 3, 1, 4, 2, 5]);
        assert_eq!(gathered(&[2, 2, 2], &[10, 0, -1], 50), [50, 49, 50, 49, 60, 59, 60, 59]);
        assert_eq!(gathered(&[2, 1, 3], &[0, 9, 0], 4), [4; 6]);
        assert_eq!(gathered(&[], &[], 3), [3]);
        assert_eq!(gathered(&[4, 0], &[1, 1], 3), []);
    }

    #[test]
    fn axes_join_where_memory_allows() {
        let joined = |shape: &[usize], strides: &[isize]| Axes::joined(shape, strides).rank;
        assert_eq!(joined(&[2, 3, 4], &[12, 4, 1]), 1);
        assert_eq!(joined(&[2, 1, 4], &[4, 77, 1]), 1);
        assert_eq!(joined(&[2, 3, 4], &[0, 4, 1]), 2);
        assert_eq!(joined(&[2, 3, 4], &[1, 2, 6]), 3);
        assert_eq!(joined(&[5, 6], &[0, 0]), 1);
    }
}
