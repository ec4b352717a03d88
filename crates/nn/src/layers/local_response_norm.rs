//! Normalisation by neighbouring channels.

use crate::{Layer, Module, PoolOptions};
use gradus_tensor::ops::PadMode;
use gradus_tensor::{OpError, Tensor};

/// y = x / (k + α · mean x²)^β, with the mean over `size` neighbouring channels, those beyond the
/// first and the last being zeros.
///
/// # Shapes
/// `x: [B, C, …] -> [B, C, …]`.
///
/// # Source
/// Krizhevsky, Sutskever, Hinton 2012, "ImageNet Classification with Deep Convolutional Neural
/// Networks", section 3.3, where α multiplies the sum; PyTorch: `torch.nn.LocalResponseNorm`, as
/// here.
#[derive(Clone, Copy, Debug, Module)]
pub struct LocalResponseNorm {
    /// How many channels are neighbours.
    pub size: usize,
    /// α.
    pub alpha: f64,
    /// β.
    pub beta: f64,
    /// k.
    pub k: f64,
}

impl LocalResponseNorm {
    /// A layer with α = 10⁻⁴, β = ¾ and k = 1, as in PyTorch.
    pub fn new(size: usize) -> Self {
        Self { size, alpha: 1e-4, beta: 0.75, k: 1.0 }
    }
}

impl Layer for LocalResponseNorm {
    fn forward(&self, x: &Tensor) -> Tensor {
        let (shape, size) = (x.shape(), self.size);
        if shape.rank() < 3 || size == 0 {
            let message =
                format_args!("takes [B, C, …] and a size above 0, not {shape} and {size}");
            panic!("{}", OpError::of("LocalResponseNorm", message));
        }
        // The channels as the height of images with one channel.
        let places: usize = shape[2..].iter().product();
        let square = x.square().reshape([shape[0], 1, shape[1], places]);
        let padded = square.pad(&[(size / 2, (size - 1) / 2), (0, 0)], PadMode::Constant(0.0));
        let each = PoolOptions { stride: Some(1.into()), ..Default::default() };
        let mean = padded.avg_pool2d([size, 1], each).reshape(*shape);
        x * (mean * self.alpha + self.k).pow_scalar(-self.beta)
    }
}
