//! Pooling over all places.

use crate::{Layer, Module};
use gradus_tensor::{OpError, Tensor};

/// The axes behind the channels.
#[track_caller]
fn spatial_axes(x: &Tensor, layer: &'static str) -> Vec<isize> {
    if x.rank() < 3 {
        let message = format_args!("takes [B, C, …] with places behind, not {}", x.shape());
        panic!("{}", OpError::of(layer, message));
    }
    (2..x.rank() as isize).collect()
}

/// The mean of each channel over all its places: `[B, C, …] -> [B, C]`.
///
/// # Source
/// Lin, Chen, Yan 2014, "Network In Network", section 3.2; PyTorch: `torch.nn.AdaptiveAvgPool2d(1)`,
/// flattened.
#[derive(Clone, Copy, Debug, Default, Module)]
pub struct GlobalAvgPool;

impl Layer for GlobalAvgPool {
    fn forward(&self, x: &Tensor) -> Tensor {
        x.mean(&spatial_axes(x, "GlobalAvgPool")[..])
    }
}

/// The largest number of each channel: `[B, C, …] -> [B, C]`. Where several are the largest, they
/// share the gradient. PyTorch: `torch.amax`; `torch.nn.AdaptiveMaxPool2d(1)`, which gives the whole
/// gradient to the first, flattened.
#[derive(Clone, Copy, Debug, Default, Module)]
pub struct GlobalMaxPool;

impl Layer for GlobalMaxPool {
    fn forward(&self, x: &Tensor) -> Tensor {
        x.max(&spatial_axes(x, "GlobalMaxPool")[..])
    }
}
