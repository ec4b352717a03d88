//! Pooling: the maximum or the mean of windows of planes, and their adjoints.
//!
//! A plane is one channel of one example and has three axes, of which those that are not needed
//! have length 1. Forward passes share out the rows of the result, backward passes whole planes, so
//! that windows that overlap are always added in the same order.

mod average;
mod max;
mod quads;
mod scatter;

pub use average::{average_pool, average_unpool};
pub use max::max_pool;
pub use scatter::{gather_planes, scatter_planes};

/// Where the windows lie along one axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Window {
    /// Window i starts at i · stride - padding and has `size` places, `dilation` apart.
    Sliding {
        /// How many places a window has.
        size: usize,
        /// How far apart windows start.
        stride: usize,
        /// How far the first window starts before the axis.
        padding: usize,
        /// How far apart a window's places are.
        dilation: usize,
    },
    /// Window i of n covers an axis of length `len` from ⌊i · len / n⌋ up to ⌈(i + 1) · len / n⌉.
    Adaptive,
}

impl Window {
    /// A window for each element, which it alone makes up.
    pub const EACH: Self = Self::Sliding { size: 1, stride: 1, padding: 0, dilation: 1 };

    /// The part of window `index` of `count` that lies within an axis of length `len`.
    pub fn span(self, index: usize, count: usize, len: usize) -> Span {
        match self {
            Self::Adaptive => {
                let first = index * len / count;
                let places = ((index + 1) * len).div_ceil(count) - first;
                Span { first, places, step: 1, with_padding: places }
            }
            Self::Sliding { size, stride, padding, dilation } => {
                // Positions count from the start of the padding.
                let start = index * stride;
                let before = padding.saturating_sub(start).div_ceil(dilation).min(size);
                let first = (start + before * dilation).saturating_sub(padding);
                let within = len.saturating_sub(first).div_ceil(dilation);
                let places = within.min(size - before);
                let end = (start + size).min(len + 2 * padding);
                Span { first, places, step: dilation, with_padding: end.saturating_sub(start) }
            }
        }
    }
}

/// The part of a window that lies within an axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The first place.
    pub first: usize,
    /// How many places there are.
    pub places: usize,
    /// How far apart they are.
    pub step: usize,
    /// How many places there are if those in the padding are counted, for a dilation of 1.
    pub with_padding: usize,
}

impl Span {
    /// The positions of the places.
    #[inline(always)]
    fn positions(self) -> impl Iterator<Item = usize> {
        (0..self.places).map(move |place| self.first + place * self.step)
    }
}

/// The windows of a plane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pool {
    /// Where the windows lie along each axis.
    pub windows: [Window; 3],
    /// The lengths of a plane's axes.
    pub input: [usize; 3],
    /// How many windows there are along each axis.
    pub output: [usize; 3],
    /// True if a mean divides by the places in the padding too.
    pub counts_padding: bool,
}

impl Pool {
    /// How many elements a plane has.
    fn input_len(&self) -> usize {
        self.input.iter().product()
    }

    /// How many windows a plane has.
    fn output_len(&self) -> usize {
        self.output.iter().product()
    }

    /// The most places a window can have.
    fn places(&self) -> usize {
        (0..3)
            .map(|axis| match self.windows[axis] {
                Window::Sliding { size, .. } => size.min(self.input[axis]),
                Window::Adaptive => self.input[axis].div_ceil(self.output[axis].max(1)),
            })
            .product()
    }

    /// The windows along an axis, each within the plane.
    fn spans(&self, axis: usize) -> Vec<Span> {
        let count = self.output[axis];
        (0..count).map(|index| self.windows[axis].span(index, count, self.input[axis])).collect()
    }

    /// How many planes there are if the inputs and outputs have these lengths.
    ///
    /// # Panics
    /// If they do not hold the same number of planes.
    fn planes(&self, inputs: usize, outputs: usize) -> usize {
        let planes = inputs / self.input_len().max(1);
        assert_eq!((inputs, outputs), (planes * self.input_len(), planes * self.output_len()));
        planes
    }
}

/// The windows of a plane along each axis, and how they lie in memory.
struct Grid {
    pool: Pool,
    spans: [Vec<Span>; 3],
    /// How many rows of the result one task takes.
    rows: usize,
}

impl Grid {
    fn new(pool: Pool) -> Self {
        let work = pool.output[2].max(1) * pool.places().max(1);
        Self { pool, spans: [0, 1, 2].map(|axis| pool.spans(axis)), rows: (TASK / work).max(1) }
    }

    /// How many numbers of the result one task takes.
    fn chunk(&self) -> usize {
        (self.rows * self.pool.output[2]).max(1)
    }

    /// The rows of the result from one on, whose number counts over all planes: where its plane
    /// starts in the input, and its windows along the first two axes.
    #[inline(always)]
    fn rows_from(&self, row: usize) -> Rows<'_> {
        let [depths, heights, _] = self.pool.output;
        let plane = row / (depths * heights) * self.pool.input_len();
        Rows { grid: self, plane, depth: row / heights % depths, height: row % heights }
    }

    /// How many places one step along the first axis moves on, and one along the second.
    #[inline(always)]
    fn strides(&self) -> (usize, usize) {
        (self.pool.input[1] * self.pool.input[2], self.pool.input[2])
    }

    /// Estimates the time of a pass over all windows of some planes.
    fn cost_ns(&self, planes: usize) -> usize {
        let windows = planes.saturating_mul(self.pool.output_len());
        windows.saturating_mul(self.pool.places()) / 2
    }

    /// How many planes one task of a backward pass takes.
    fn planes(&self) -> usize {
        (TASK / (self.pool.input_len() + self.pool.output_len() * self.pool.places()).max(1)).max(1)
    }
}

/// Rows of the result one after another.
struct Rows<'a> {
    grid: &'a Grid,
    /// Where the plane starts.
    plane: usize,
    depth: usize,
    height: usize,
}

impl Iterator for Rows<'_> {
    type Item = (usize, Span, Span);

    #[inline(always)]
    fn next(&mut self) -> Option<Self::Item> {
        let [depths, heights] = [0, 1].map(|axis| &self.grid.spans[axis]);
        let row = (self.plane, depths[self.depth], heights[self.height]);
        self.height += 1;
        if self.height == heights.len() {
            (self.height, self.depth) = (0, self.depth + 1);
        }
        if self.depth == depths.len() {
            (self.depth, self.plane) = (0, self.plane + self.grid.pool.input_len());
        }
        Some(row)
    }
}

/// How many places of windows one task looks at.
const TASK: usize = 1 << 15;
