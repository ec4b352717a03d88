//! Modules, layers, losses and optimizers.
//!
//! A model is a struct of layers with `#[derive(Module)]`, or a [`Sequential`]. It is trained by
//! calling it, deriving its loss, and handing the gradients to an [`Optimizer`]:
//!
//! ```
//! use gradus_nn::{Layer, Linear, Module, Optimizer, Relu, Sequential, Sgd, SgdOptions};
//! use gradus_tensor::{Rng, Tensor};
//!
//! let mut rng = Rng::new(1);
//! let model = Sequential::new()
//!     .then(Linear::new(2, 16, &mut rng))
//!     .then(Relu)
//!     .then(Linear::new(16, 1, &mut rng));
//! let options = SgdOptions { learning_rate: 0.1, ..Default::default() };
//! let mut optimizer = Sgd::new(model.params(), options);
//!
//! let x = Tensor::randn([32, 2], &mut rng);
//! let y = x.sum(1).unsqueeze(1);
//! let loss = || (model.forward(&x) - &y).square().mean(..);
//! let before = loss().item::<f32>();
//! for _ in 0..50 {
//!     optimizer.step(&loss().backward());
//! }
//! assert!(loss().item::<f32>() < before / 10.0);
//! ```

#![forbid(unsafe_code)]

extern crate self as gradus_nn;

pub mod decode;
mod fold;
mod gradients;
pub mod init;
mod layers;
pub mod losses;
mod module;
pub mod optim;
mod param;
mod pattern;
pub mod quantised;
mod recompute;
mod rename;
pub mod schedule;
mod sequence;
mod state;
mod summary;
pub mod testing;

pub use fold::{ChannelLine, fold_norm, fold_norms};
pub use gradients::{Accumulator, ClipNorm, clip_grad_norm, clip_grad_value, grad_norm};
pub use gradus_derive::Module;
pub use gradus_tensor::ops::{ConvOptions, ConvTransposeOptions, Padding, PoolOptions, Sizes};
pub use init::Init;
pub use layers::*;
pub use module::{Layer, Module, Path, Visitor};
pub use optim::*;
pub use param::{Buffer, Mode, Param, Stream};
pub use recompute::Recompute;
pub use rename::Renames;
pub use sequence::{ScheduledSampling, TeacherForcing, truncated_bptt};
pub use state::{LoadOptions, StateReport};
pub use summary::{Row, Summary, grouped, summary};
