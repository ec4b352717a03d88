//! The largest of several linear functions.

use crate::{Layer, Module};
use gradus_tensor::Tensor;

/// The largest of each group of neighbouring channels; see [`Tensor::maxout`]. Behind a
/// [`Linear`](crate::Linear) or a convolution it makes the maxout units of the paper.
///
/// # Shapes
/// `x: [B, C, …] -> [B, C / pieces, …]`.
///
/// # Source
/// Goodfellow, Warde-Farley, Mirza, Courville, Bengio 2013, "Maxout Networks", section 3. PyTorch
/// has no such layer.
///
/// ```
/// use gradus_nn::{Layer, Linear, Maxout, Sequential};
/// use gradus_tensor::{Rng, Tensor};
///
/// // 8 units, each the largest of 3 linear functions.
/// let layer = Sequential::new()
///     .then(Linear::new(5, 8 * 3, &mut Rng::new(1)))
///     .then(Maxout { pieces: 3 });
/// assert_eq!(layer.forward(&Tensor::ones([2, 5])).shape(), [2, 8]);
/// ```
#[derive(Clone, Copy, Debug, Module)]
pub struct Maxout {
    /// How many channels make one.
    pub pieces: usize,
}

impl Layer for Maxout {
    fn forward(&self, x: &Tensor) -> Tensor {
        x.maxout(self.pieces, 1)
    }
}
