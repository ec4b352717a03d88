//! Channels into places, and back.

use crate::{Layer, Module};
use gradus_tensor::{OpError, Tensor};

/// Makes images larger by turning channels into places: each r² channels become r × r places of
/// one.
///
/// # Shapes
/// `x: [B, C r², H, W] -> [B, C, H r, W r]`.
///
/// # Source
/// Shi et al. 2016, "Real-Time Single Image and Video Super-Resolution Using an Efficient Sub-Pixel
/// Convolutional Neural Network", equation 4; PyTorch: `torch.nn.PixelShuffle`.
#[derive(Clone, Copy, Debug, Module)]
pub struct PixelShuffle {
    /// r.
    pub factor: usize,
}

impl Layer for PixelShuffle {
    fn forward(&self, x: &Tensor) -> Tensor {
        let r = self.factor;
        let &[batch, channels, height, width] = &x.shape()[..] else {
            complain("PixelShuffle", x, r);
        };
        if r == 0 || !channels.is_multiple_of(r * r) {
            complain("PixelShuffle", x, r);
        }
        let parts = x.reshape([batch, channels / (r * r), r, r, height, width]);
        let places = parts.permute(&[0, 1, 4, 2, 5, 3]);
        places.reshape([batch, channels / (r * r), height * r, width * r])
    }
}

/// Makes images smaller by turning places into channels, the inverse of [`PixelShuffle`].
///
/// # Shapes
/// `x: [B, C, H r, W r] -> [B, C r², H, W]`.
///
/// # Source
/// PyTorch: `torch.nn.PixelUnshuffle`.
#[derive(Clone, Copy, Debug, Module)]
pub struct PixelUnshuffle {
    /// r.
    pub factor: usize,
}

impl Layer for PixelUnshuffle {
    fn forward(&self, x: &Tensor) -> Tensor {
        let r = self.factor;
        let &[batch, channels, height, width] = &x.shape()[..] else {
            complain("PixelUnshuffle", x, r);
        };
        if r == 0 || !height.is_multiple_of(r) || !width.is_multiple_of(r) {
            complain("PixelUnshuffle", x, r);
        }
        let parts = x.reshape([batch, channels, height / r, r, width / r, r]);
        let channels_first = parts.permute(&[0, 1, 3, 5, 2, 4]);
        channels_first.reshape([batch, channels * r * r, height / r, width / r])
    }
}

#[track_caller]
fn complain(layer: &'static str, x: &Tensor, factor: usize) -> ! {
    let message = format_args!("images {} cannot be divided by a factor of {factor}", x.shape());
    panic!("{}", OpError::of(layer, message));
}
