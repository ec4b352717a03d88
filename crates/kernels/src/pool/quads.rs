//! Windows of two by two numbers side by side, which are read by vectors.
//!
//! Rows are short: a vector may run over into the row behind, which is written later.

use super::{Grid, Span, Window};
use crate::Float;
use crate::simd::{Simd, Vector};

/// The numbers of as many windows as a vector has lanes: the upper two and the lower two of each.
pub(super) struct Quads<V> {
    pub(super) upper: (V, V),
    pub(super) lower: (V, V),
}

impl Grid {
    /// True if all windows are two by two, side by side, and none has a place in the padding.
    pub(super) fn has_quads(&self) -> bool {
        let pool = &self.pool;
        let pairs = [1, 2].iter().all(|&axis| {
            let pair = Window::Sliding { size: 2, stride: 2, padding: 0, dilation: 1 };
            pool.windows[axis] == pair && 2 * pool.output[axis] <= pool.input[axis]
        });
        pairs && self.spans[0].iter().all(|depth| depth.places == 1 && depth.with_padding == 1)
    }

    /// Where in its plane the first row starts that a row of windows reads.
    #[inline(always)]
    pub(super) fn start(&self, depth: Span, height: Span) -> usize {
        let (by_depth, by_height) = self.strides();
        depth.first * by_depth + height.first * by_height
    }
}

/// Reads the windows whose upper and lower rows start at these places, or says None where too few
/// numbers are left.
#[inline(always)]
pub(super) fn read<S: Simd, T: Float>(
    isa: S,
    x: &[T],
    upper: usize,
    lower: usize,
) -> Option<Quads<T::Vector<S>>> {
    let lanes = T::Vector::<S>::LANES;
    let upper = x.get(upper..)?.get(..2 * lanes)?;
    let lower = x.get(lower..)?.get(..2 * lanes)?;
    let load = T::Vector::<S>::load;
    Some(Quads {
        upper: load(isa, upper).deinterleave(load(isa, &upper[lanes..])),
        lower: load(isa, lower).deinterleave(load(isa, &lower[lanes..])),
    })
}
