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

pub mod attention;
pub mod chain;
pub mod conv;
mod counted;
pub mod ctc;
pub mod dropout;
mod element;
mod elementwise;
mod exact;
mod gather;
pub mod gemm;
pub mod integer;
mod isa;
pub mod math;
pub mod memory;
mod multiplier;
pub mod norm;
pub mod optimizer;
mod pad;
pub mod patches;
mod peak;
pub mod pool;
mod pooled;
mod precision;
pub mod quantised;
pub mod random;
pub mod recurrent;
mod reduce;
pub mod resize;
mod rows;
mod scan;
pub mod simd;
mod softmax;
mod sort;
mod squares;
mod strided;
mod threads;
mod tiles;
mod transpose;

pub use element::{Bool, Element, Float, Number};
pub use elementwise::{Binary, SELU_ALPHA, SELU_SCALE, Unary, map, zip};
pub use exact::{
    Comparison, HalfFloat, cast, compare, concat, copy, map_exact, narrow, overwrite, select,
    unview, widen, zip_exact,
};
pub use gather::{gather, index_add, index_select, out_of_range, scatter, scatter_add};
pub use isa::Isa;
pub use pad::pad;
pub use peak::multiply_adds;
pub use precision::Precision;
pub use reduce::{Extreme, Reducible, Reduction, arg_extreme, reduce, reduce_chain};
pub use scan::{Scan, Scannable, Way, linear_scan, scan};
pub use softmax::{
    CrossEntropy, Labelled, Softmax, Total, cross_entropy, cross_entropy_gradient, softmax,
    softmax_gradient,
};
pub use sort::{MAX_SORTED, Order, Sortable, argsort};
pub use squares::{squared_error, squared_error_gradient, sum_of_squares};
pub use strided::{MAX_RANK, Strided};
pub use threads::{Chunked, Chunks, Machine};
