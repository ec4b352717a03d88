//! Planes as matrices of the patches under sliding windows, and back.

use crate::pool::{Pool, Window};
use crate::{Chunks, Float, Machine};

/// `out[plane][place][window]` = `x[plane]` at that place of that window, zero in the padding.
///
/// # Panics
/// If the slices do not hold the same number of planes, or a window is not a sliding one.
pub fn unfold<T: Float>(on: Machine, pool: Pool, x: &[T], out: &mut [T]) {
    let patches = &Patches::new(pool);
    patches.check(x.len(), out.len());
    let windows = patches.windows();
    if out.is_empty() {
        return;
    }
    // A task takes one place of all windows of a plane.
    on.for_each(Chunks::new(out, windows), x.len(), |index, out| {
        let (plane, place) = (index / patches.places(), index % patches.places());
        let x = &x[plane * patches.plane()..][..patches.plane()];
        out.fill(T::ZERO);
        patches.runs(place, |run| {
            let out = &mut out[run.window..][..run.count];
            for (i, out) in out.iter_mut().enumerate() {
                *out = x[run.position + i * run.stride];
            }
        });
    });
}

/// out = the adjoint of [`unfold`]: each number of x is added where it was taken from.
///
/// # Panics
/// As [`unfold`].
pub fn fold<T: Float>(on: Machine, pool: Pool, x: &[T], out: &mut [T]) {
    let patches = &Patches::new(pool);
    patches.check(out.len(), x.len());
    let windows = patches.windows();
    if out.is_empty() {
        return;
    }
    on.for_each(Chunks::new(out, patches.plane()), x.len(), |plane, out| {
        out.fill(T::ZERO);
        for place in 0..patches.places() {
            let x = &x[(plane * patches.places() + place) * windows..][..windows];
            patches.runs(place, |run| {
                for (i, &x) in x[run.window..][..run.count].iter().enumerate() {
                    let sum = &mut out[run.position + i * run.stride];
                    *sum = sum.plus(x);
                }
            });
        }
    });
}

/// Neighbouring windows whose place lies within a row of the plane.
struct Run {
    /// The first window.
    window: usize,
    /// How many there are.
    count: usize,
    /// Where the place of the first one lies in the plane.
    position: usize,
    /// How far on the place of the next one lies.
    stride: usize,
}

/// Sliding windows along one axis.
#[derive(Clone, Copy)]
struct Axis {
    size: usize,
    stride: usize,
    padding: usize,
    dilation: usize,
    len: usize,
    count: usize,
}

impl Axis {
    /// Where a place of a window lies, unless that is in the padding.
    fn position(&self, window: usize, place: usize) -> Option<usize> {
        let position = (window * self.stride + place * self.dilation).checked_sub(self.padding)?;
        (position < self.len).then_some(position)
    }

    /// The windows of which a place does not lie in the padding.
    fn within(&self, place: usize) -> std::ops::Range<usize> {
        let offset = place * self.dilation;
        let from = self.padding.saturating_sub(offset).div_ceil(self.stride).min(self.count);
        let end = (self.len + self.padding).saturating_sub(offset).div_ceil(self.stride);
        from..end.clamp(from, self.count)
    }
}

/// The windows of a plane.
struct Patches {
    axes: [Axis; 3],
}

impl Patches {
    fn new(pool: Pool) -> Self {
        let axis = |axis: usize| match pool.windows[axis] {
            Window::Sliding { size, stride, padding, dilation } => Axis {
                size,
                stride,
                padding,
                dilation,
                len: pool.input[axis],
                count: pool.output[axis],
            },
            Window::Adaptive => panic!("patches lie under sliding windows"),
        };
        Self { axes: [0, 1, 2].map(axis) }
    }

    fn plane(&self) -> usize {
        self.axes.iter().map(|axis| axis.len).product()
    }

    fn places(&self) -> usize {
        self.axes.iter().map(|axis| axis.size).product()
    }

    fn windows(&self) -> usize {
        self.axes.iter().map(|axis| axis.count).product()
    }

    fn check(&self, planes: usize, patches: usize) {
        let count = planes / self.plane().max(1);
        let wanted = (count * self.plane(), count * self.places() * self.windows());
        assert_eq!((planes, patches), wanted);
    }

    /// Calls `run` for each row of windows whose place lies at least in part within the plane.
    fn runs(&self, place: usize, mut run: impl FnMut(Run)) {
        let [depths, heights, widths] = &self.axes;
        let within = widths.within(place % widths.size);
        let Some(first) = widths.position(within.start, place % widths.size) else {
            return;
        };
        for depth in 0..depths.count {
            let place = place / widths.size;
            let Some(d) = depths.position(depth, place / heights.size) else {
                continue;
            };
            for height in 0..heights.count {
                let Some(h) = heights.position(height, place % heights.size) else {
                    continue;
                };
                run(Run {
                    window: (depth * heights.count + height) * widths.count + within.start,
                    count: within.len(),
                    position: (d * heights.len + h) * widths.len + first,
                    stride: widths.stride,
                });
            }
        }
    }
}
