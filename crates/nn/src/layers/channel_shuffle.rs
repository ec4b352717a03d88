//! Channels in another order.

use crate::{Layer, Module};
use gradus_tensor::{OpError, Tensor};

/// Mixes the channels of groups: of G groups, the first channels of all come first, then the second
/// ones, and so on. It lets convolutions in groups see each other's channels.
///
/// # Shapes
/// `x: [B, C, …] -> [B, C, …]`.
///
/// # Source
/// Zhang, Zhou, Lin, Sun 2018, "ShuffleNet", section 3.1; PyTorch: `torch.nn.ChannelShuffle`.
#[derive(Clone, Copy, Debug, Module)]
pub struct ChannelShuffle {
    /// G.
    pub groups: usize,
}

impl Layer for ChannelShuffle {
    fn forward(&self, x: &Tensor) -> Tensor {
        let (shape, groups) = (*x.shape(), self.groups);
        if shape.rank() < 2 || groups == 0 || !shape[1].is_multiple_of(groups) {
            let message = format_args!("the channels of {shape} do not make {groups} groups");
            panic!("{}", OpError::of("ChannelShuffle", message));
        }
        let places: usize = shape[2..].iter().product();
        let grouped = x.reshape([shape[0], groups, shape[1] / groups, places]);
        grouped.transpose(1, 2).reshape(shape)
    }
}
