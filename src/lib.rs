//! A deep-learning framework: from a neuron to a served model.
//!
//! This crate only gathers the parts under one name:
//!
//! - [`tensor`]: tensors, the ops on them, automatic differentiation, files of tensors;
//! - [`nn`]: modules, layers, losses, initialisation, optimizers;
//! - [`data`]: datasets, loaders, pictures, the digits within the library;
//! - [`models`]: whole architectures, from the neuron of 1943 on;
//! - [`train`]: the training loop, figures, checkpoints, reports.
//!
//! ```
//! use gradus::prelude::*;
//!
//! /// Two layers with a ReLU between them.
//! #[derive(Debug, Module)]
//! struct Net {
//!     hidden: Linear,
//!     output: Linear,
//! }
//!
//! impl Layer for Net {
//!     fn forward(&self, x: &Tensor) -> Tensor {
//!         self.output.forward(&self.hidden.forward(x).relu())
//!     }
//! }
//!
//! let mut rng = Rng::new(1);
//! let net = Net { hidden: Linear::new(2, 8, &mut rng), output: Linear::new(8, 2, &mut rng) };
//! let x = Tensor::randn([16, 2], &mut rng);
//! let classes = x.sum(1).gt_scalar(0.0).to_dtype(DType::I64);
//!
//! let mut optimizer = Adam::new(net.params(), AdamOptions { learning_rate: 0.05, ..Default::default() });
//! for _ in 0..50 {
//!     let loss = cross_entropy(&net.forward(&x), &classes);
//!     optimizer.step(&loss.backward());
//! }
//! let right = net.forward(&x).argmax(-1).eq(&classes).to_dtype(DType::I64).sum(..);
//! assert!(right.item::<i64>() >= 15);
//! ```

#![forbid(unsafe_code)]

pub use gradus_data as data;
pub use gradus_models as models;
pub use gradus_nn as nn;
pub use gradus_tensor as tensor;
pub use gradus_train as train;

pub use gradus_tensor::{Error, Result};

/// What most programs use: `use gradus::prelude::*`.
pub mod prelude {
    pub use gradus_data::{DataLoader, Dataset, LoaderOptions, TensorDataset};
    pub use gradus_nn::losses::{binary_cross_entropy_with_logits, cross_entropy, mse_loss};
    pub use gradus_nn::*;
    pub use gradus_tensor::io::load_weights;
    pub use gradus_tensor::{DType, Device, Gradients, Result, Rng, Shape, Tensor, no_grad};
    pub use gradus_train::{
        Accuracy, Callback, Checkpoints, EarlyStopping, Metric, Progress, Session, Trainer,
    };
}

/// The code in the guides is compiled and run with the tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
#[doc = include_str!("../README.zh-CN.md")]
#[doc = include_str!("../docs/from-pytorch.md")]
#[doc = include_str!("../docs/from-pytorch.zh-CN.md")]
struct Guides;
