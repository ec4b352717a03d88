//! Matrix products alone: rows, depth and columns.

use super::pieces::Piece;
use super::rng;
use crate::workload::Task;
use gradus::prelude::*;

pub const SMALL: [usize; 3] = [128; 3];
pub const MIDDLE: [usize; 3] = [512; 3];
pub const LARGE: [usize; 3] = [1024; 3];
pub const FLAT: [usize; 3] = [64, 784, 128];
pub const WIDE: [usize; 3] = [512, 768, 3072];
const VECTOR: [usize; 3] = [1, 4096, 4096];

fn product([rows, depth, columns]: [usize; 3]) -> Box<dyn Task> {
    let rng = &mut rng();
    let (x, w) = (Tensor::randn([rows, depth], rng), Tensor::randn([depth, columns], rng));
    let inputs = vec![("x", x), ("w", w)];
    Box::new(Piece { inputs, upstream: None, forward: |x| x[0].matmul(&x[1]) })
}

pub fn small() -> Box<dyn Task> {
    product(SMALL)
}

pub fn middle() -> Box<dyn Task> {
    product(MIDDLE)
}

pub fn large() -> Box<dyn Task> {
    product(LARGE)
}

pub fn flat() -> Box<dyn Task> {
    product(FLAT)
}

pub fn wide() -> Box<dyn Task> {
    product(WIDE)
}

pub fn vector() -> Box<dyn Task> {
    product(VECTOR)
}
