//! Tensors and automatic differentiation.
//!
//! Four ideas: a [`Tensor`] is an immutable value with a type, a shape and a device. An [`op::Op`]
//! is one differentiable primitive, its formula, checks, kernel and gradient in one file under
//! `ops`. A [`kernel::Kernel`] is plain data that says what must be computed. A [`Device`] computes
//! it.
//!
//! ```
//! use gradus_tensor::{Rng, Tensor};
//!
//! let mut rng = Rng::new(1);
//! let x = Tensor::randn([2, 3], &mut rng);
//! let w = Tensor::randn([3, 4], &mut rng).requires_grad();
//! let loss = x.matmul(&w).relu().sum(..);
//! let gradients = loss.backward();
//! assert_eq!(gradients.get(&w).unwrap().shape(), [3, 4]);
//! ```
//!
//! A caller's mistake (a wrong shape, type, axis or device) panics in the caller's line with a
//! sentence that names the op and the numbers; [`Tensor::try_apply`] gives the same sentence as an
//! error. What the world can do (files, memory, devices) comes as a [`Result`].

#![forbid(unsafe_code)]

pub mod autograd;
mod cpu;
mod create;
mod device;
mod display;
mod draw;
mod dtype;
mod error;
pub mod io;
pub mod kernel;
mod layout;
pub mod op;
mod operators;
pub mod ops;
mod precision;
mod random;
mod shape;
mod storage;
mod tensor;
mod trace;

pub use autograd::{Gradients, no_grad};
pub use device::{Backend, Device, Input, Output};
pub use dtype::{DType, Element, Scalar};
pub use error::{Error, OpError, Result};
pub use gradus_kernels::{Isa, Machine, memory};
pub use kernel::Order;
pub use layout::Layout;
pub use precision::{Precision, precision, with_precision};
pub use random::Rng;
pub use shape::{Axes, Shape};
pub use storage::Buffer;
pub use tensor::Tensor;
pub use trace::{Event, Source, trace, trace_named};
