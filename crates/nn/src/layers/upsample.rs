//! Changes of size as a layer.

use crate::{Layer, Module};
use gradus_tensor::Tensor;
use gradus_tensor::ops::Extent;

/// How the elements of an [`Upsample`] come from those of its input.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UpsampleMode {
    /// Each is the nearest one; see [`Tensor::upsample_nearest2d`].
    #[default]
    Nearest,
    /// Each lies between its neighbours; see [`Tensor::upsample_bilinear2d`].
    Linear {
        /// True if the first and the last element of an axis stay where they are.
        align_corners: bool,
    },
}

/// Gives sounds, images or volumes another size: `[B, C, L]`, `[B, C, H, W]` or `[B, C, D, H, W]`
/// with other lengths of the axes behind the second. PyTorch: `torch.nn.Upsample`.
///
/// ```
/// use gradus_nn::{Layer, Upsample, UpsampleMode};
/// use gradus_tensor::Tensor;
///
/// let double = Upsample::new(2.0, UpsampleMode::Nearest);
/// assert_eq!(double.forward(&Tensor::ones([1, 3, 4, 6])).shape(), [1, 3, 8, 12]);
/// ```
#[derive(Clone, Copy, Debug, Module)]
pub struct Upsample {
    /// How large the result is.
    #[module(skip)]
    pub to: Extent,
    /// How its elements come from those of the input.
    #[module(skip)]
    pub mode: UpsampleMode,
}

impl Upsample {
    /// A layer that gives its input a size, or makes it larger by a factor.
    #[track_caller]
    pub fn new(to: impl Into<Extent>, mode: UpsampleMode) -> Self {
        Self { to: to.into(), mode }
    }
}

impl Layer for Upsample {
    fn forward(&self, x: &Tensor) -> Tensor {
        let to = self.to;
        match (self.mode, x.rank()) {
            (UpsampleMode::Nearest, 3) => x.upsample_nearest1d(to),
            (UpsampleMode::Nearest, 4) => x.upsample_nearest2d(to),
            (UpsampleMode::Nearest, 5) => x.upsample_nearest3d(to),
            (UpsampleMode::Linear { align_corners }, 3) => x.upsample_linear1d(to, align_corners),
            (UpsampleMode::Linear { align_corners }, 4) => x.upsample_bilinear2d(to, align_corners),
            (UpsampleMode::Linear { align_corners }, 5) => {
                x.upsample_trilinear3d(to, align_corners)
            }
            _ => panic!("Upsample: takes 3 to 5 axes, [B, C, ..], not shape {}", x.shape()),
        }
    }
}
