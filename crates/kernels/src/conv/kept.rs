//! Packed weights that are kept with the memory of the weight, for the next time.

use super::correlate::{Correlation, Weights};
use crate::{Float, Isa, Machine};
use std::ops::Deref;
use std::sync::Arc;

/// How a weight is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// Into panels of the target's channels.
    Panels,
    /// Transformed, for tiles.
    Transformed,
    /// Split into so many parts, for the tiles of a processor.
    Split(usize),
}

/// What a packed weight depends on, beside the numbers and the format to which they are packed. Of
/// one direction of a convolution the order of the taps is always the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Key {
    way: Way,
    isa: Isa,
    /// Groups, channels of the source and of the target, and the lengths of the kernel.
    lens: [usize; 6],
    /// Where in the memory the weight lies.
    offset: usize,
    strides: [isize; 6],
}

/// What was packed just now, or is kept.
pub(super) enum Packed<V> {
    Own(V),
    Kept(Arc<(Key, V)>),
}

impl<V> Deref for Packed<V> {
    type Target = V;

    fn deref(&self) -> &V {
        match self {
            Self::Own(packed) => packed,
            Self::Kept(kept) => &kept.1,
        }
    }
}

impl<T: Float> Correlation<'_, T> {
    /// What `pack` makes of the weight, whose type must tell the format.
    pub(super) fn packed<V: Send + Sync + 'static>(
        &self,
        on: Machine,
        way: Way,
        pack: impl FnOnce() -> V,
    ) -> Packed<V> {
        match self.kept_with {
            None => Packed::Own(pack()),
            Some(memory) => Packed::Kept(memory.derived(self.key(on.isa, way), pack)),
        }
    }

    fn key(&self, isa: Isa, way: Way) -> Key {
        let Weights { offset, group_stride, row_stride, channel_stride, .. } = self.weights;
        let [depth, height, width] = self.weights.kernel;
        let [down, along, across] = self.weights.tap_strides;
        let lens = [self.groups, self.channels, self.rows, depth, height, width];
        let strides = [group_stride, row_stride, channel_stride, down, along, across];
        Key { way, isa, lens, offset, strides }
    }
}
