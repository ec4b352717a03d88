//! The CPU kernels of Gradus: slices in, slices out.
//!
//! This crate knows no tensor. It holds the vector instructions, the threads, the memory and the
//! loops, and with them nearly all `unsafe` code of the project.
//!
//! - [`Isa`]: the instruction set, chosen when the program runs;
//! - [`simd`]: vectors written once for all instruction sets;
//! - [`math`]: elementary functions of vectors, with error bounds;
//! - [`Machine`]: the instruction set and the threads a kernel runs on;
//! - [`memory`]: the caching allocator.
//!
//! A kernel takes a [`Machine`], views of its inputs and slices for its outputs. Its result does
//! not depend on the number of threads.

mod element;
mod isa;
pub mod math;
pub mod memory;
pub mod simd;
mod threads;

pub use element::{Bool, Element, Float, Number};
pub use isa::Isa;
pub use threads::{Chunked, Chunks, Machine};
