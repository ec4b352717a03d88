//! Images as matrices of their patches, and back.

use crate::{Layer, Module, Sizes};
use gradus_tensor::Tensor;
use gradus_tensor::ops::PatchOptions;

/// The patches of images as columns; see [`Tensor::unfold2d`].
///
/// # Shapes
/// `x: [B, C, H, W] -> [B, C K, L]`.
///
/// # Source
/// PyTorch: `torch.nn.Unfold`.
#[derive(Clone, Copy, Debug, Module)]
pub struct Unfold {
    /// The size of a patch.
    #[module(skip)]
    pub kernel: Sizes,
    /// How patches lie.
    #[module(skip)]
    pub options: PatchOptions,
}

impl Unfold {
    /// Patches of a size.
    #[track_caller]
    pub fn new(kernel: impl Into<Sizes>, options: PatchOptions) -> Self {
        Self { kernel: kernel.into(), options }
    }
}

impl Layer for Unfold {
    fn forward(&self, x: &Tensor) -> Tensor {
        x.unfold2d(self.kernel, self.options)
    }
}

/// The sum of patches in images of a size; see [`Tensor::fold2d`].
///
/// # Shapes
/// `x: [B, C K, L] -> [B, C, H, W]`.
///
/// # Source
/// PyTorch: `torch.nn.Fold`.
#[derive(Clone, Copy, Debug, Module)]
pub struct Fold {
    /// Height and width of the images.
    pub size: [usize; 2],
    /// The size of a patch.
    #[module(skip)]
    pub kernel: Sizes,
    /// How patches lie.
    #[module(skip)]
    pub options: PatchOptions,
}

impl Fold {
    /// Images of a size from patches of a size.
    #[track_caller]
    pub fn new(size: [usize; 2], kernel: impl Into<Sizes>, options: PatchOptions) -> Self {
        Self { size, kernel: kernel.into(), options }
    }
}

impl Layer for Fold {
    fn forward(&self, x: &Tensor) -> Tensor {
        x.fold2d(self.size, self.kernel, self.options)
    }
}
