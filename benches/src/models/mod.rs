//! The models of the workloads, with the keys of PyTorch's.

pub mod convolutional;
pub mod dense;
pub mod pieces;
pub mod products;
pub mod recurrent;
pub mod resnet;
pub mod transformer;
pub mod unet;

use gradus::tensor::{Rng, Tensor};

/// Where all first values and inputs come from.
fn rng() -> Rng {
    Rng::new(20261121)
}

/// Random classes.
fn classes(count: usize, below: usize, rng: &mut Rng) -> Tensor {
    Tensor::randint(0, below as i64, count, rng)
}
