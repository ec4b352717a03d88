//! The ops: for each, in one place, what it takes, computes and differentiates to.
//!
//! The list at the end names every op. Tests check each one in it, `docs/OPS.md` and `gradus ops`
//! are printed from it, and an op that is missing from it fails a test.

mod binary;
mod case;
mod compare;
mod convert;
mod join;
mod matmul;
mod reduce;
mod sizes;
mod unary;
mod view;

pub use case::{Arg, Case, Gradient, Numbers, Sample};
pub use sizes::Sizes;

/// Every op there is, in the order in which the documentation lists them.
pub fn cases() -> impl Iterator<Item = &'static Case> {
    CASES.iter().flat_map(|cases| cases.iter())
}

const CASES: &[&[Case]] = &[
    unary::CASES,
    binary::CASES,
    compare::CASES,
    reduce::CASES,
    view::CASES,
    join::CASES,
    convert::CASES,
    matmul::CASES,
];
