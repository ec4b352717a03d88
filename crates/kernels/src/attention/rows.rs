//! Where queries, keys and values lie.

use super::Heads;
use crate::Float;
use crate::gemm::Matrix;
use crate::threads::Shared;

/// Where the rows of all planes lie. The numbers of a row lie side by side.
#[derive(Clone, Copy, Debug)]
pub(super) struct Places {
    /// How many planes are heads of one example.
    heads: usize,
    /// The distances between examples, between the heads of one, and between rows.
    strides: [usize; 3],
}

impl Places {
    /// Rows of `len` numbers one after another, with room for so many in each plane.
    pub(super) fn one_after_another(room: usize, len: usize) -> Self {
        Self { heads: 1, strides: [room * len, 0, len] }
    }

    /// The rows of all heads of an element side by side, those of elements `pitch` apart.
    pub(super) fn of_heads(heads: Heads, pitch: usize) -> Self {
        Self { heads: heads.heads.max(1), strides: [heads.elements * pitch, heads.features, pitch] }
    }

    fn start(&self, plane: usize, row: usize) -> usize {
        let [example, head, next] = self.strides;
        plane / self.heads * example + plane % self.heads * head + row * next
    }
}

/// Rows that are read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rows<'a, T> {
    pub(super) data: &'a [T],
    pub(super) places: Places,
}

impl<'a, T: Float> Rows<'a, T> {
    /// One row of `len` numbers.
    #[inline(always)]
    pub(super) fn row(&self, plane: usize, row: usize, len: usize) -> &'a [T] {
        &self.data[self.places.start(plane, row)..][..len]
    }

    /// The matrix of a plane's rows from one on.
    pub(super) fn matrix(&self, plane: usize, first: usize) -> Matrix<'a, T> {
        let offset = self.places.start(plane, first);
        let row_stride = self.places.strides[2] as isize;
        Matrix { data: self.data, offset, row_stride, column_stride: 1 }
    }
}

/// Rows that are written.
#[derive(Clone, Copy)]
pub(super) struct Sink<'a, T> {
    pub(super) to: &'a Shared<'a, T>,
    /// Where the first row of the first plane starts.
    pub(super) start: usize,
    pub(super) places: Places,
}

impl<T: Float> Sink<'_, T> {
    /// Writes rows of `len` numbers, from one of a plane's on.
    ///
    /// # Safety
    /// Nobody else may use these rows.
    pub(super) unsafe fn write(&self, plane: usize, first: usize, rows: &[T], len: usize) {
        for (i, row) in rows.chunks_exact(len.max(1)).enumerate() {
            let start = self.start + self.places.start(plane, first + i);
            // SAFETY: the caller vouches for the row.
            unsafe { self.to.slice(start, len) }.copy_from_slice(row);
        }
    }
}
