//! The ops: for each, in one place, what it takes, computes and differentiates to.
//!
//! The list at the end names every op. Tests check each one in it, `docs/OPS.md` and `gradus ops`
//! are printed from it, and an op that is missing from it fails a test.

mod activation;
mod attention;
mod batch_norm;
mod binary;
mod binary_cross_entropy;
mod case;
mod compare;
mod conv;
mod convert;
mod cross_entropy;
mod ctc;
mod dropout;
mod einsum;
mod embedding;
mod index;
mod int8;
mod join;
mod matmul;
mod norm;
mod pad;
mod patches;
mod pool;
mod quantised;
mod rearrange;
mod recurrent;
mod reduce;
mod scan;
mod self_attention;
mod sizes;
mod softmax;
mod sort;
mod squared_error;
mod unary;
mod upsample;
mod view;

pub use activation::GumbelOptions;
pub use attention::AttentionOptions;
pub use batch_norm::{BatchNormOutput, BehindNorm};
pub use case::{Arg, Case, Gradient, Numbers, Sample};
pub use conv::{ConvOptions, ConvTransposeOptions, Padding};
pub use cross_entropy::{CrossEntropyOptions, LossReduction};
pub use ctc::CtcOptions;
pub use int8::{Int8Options, Int8Weight};
pub use norm::NormOptions;
pub use pad::PadMode;
pub use patches::PatchOptions;
pub use pool::PoolOptions;
pub use quantised::{QuantiseOptions, QuantisedMatrix};
pub use recurrent::{Recurrence, walk};
pub use sizes::Sizes;
pub use upsample::Extent;

/// Every op there is, in the order in which the documentation lists them.
pub fn cases() -> impl Iterator<Item = &'static Case> {
    CASES.iter().flat_map(|cases| cases.iter())
}

/// The list of ops as a Markdown table whose columns are aligned: name, formula, what PyTorch calls
/// the op, and which derivatives it has.
pub fn table() -> String {
    let heading = ["Op", "Formula", "PyTorch", "Derivatives"].map(String::from);
    let row = |case: &Case| {
        let derivatives = case.gradient.to_string();
        // A bar in a formula would end its column.
        [case.name, case.formula, case.torch, &derivatives].map(|text| text.replace('|', "\\|"))
    };
    let rows: Vec<[String; 4]> = cases().map(row).collect();
    let all = || std::iter::once(&heading).chain(&rows);
    let width =
        |column: usize| all().map(|row| row[column].chars().count()).max().unwrap_or_default();
    let widths: [usize; 4] = std::array::from_fn(width);
    let line = |row: &[String; 4]| {
        let cells = row.iter().zip(widths).map(|(text, width)| format!(" {text:width$} "));
        format!("|{}|", cells.collect::<Vec<_>>().join("|"))
    };
    let rule = widths.map(|width| "-".repeat(width));
    let lines = [line(&heading), line(&rule)].into_iter().chain(rows.iter().map(line));
    lines.collect::<Vec<_>>().join("\n")
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
    quantised::CASES,
    conv::CASES,
    int8::CASES,
    softmax::CASES,
    activation::ELEMENTWISE,
    activation::CASES,
    cross_entropy::CASES,
    binary_cross_entropy::CASES,
    squared_error::CASES,
    ctc::CASES,
    pool::SLIDING,
    pool::ADAPTIVE,
    pool::CASES,
    patches::CASES,
    upsample::CASES,
    dropout::CASES,
    attention::CASES,
    self_attention::CASES,
    recurrent::CASES,
    index::CASES,
    embedding::CASES,
    scan::CASES,
    sort::CASES,
    pad::CASES,
    rearrange::CASES,
    einsum::CASES,
    norm::CASES,
    batch_norm::CASES,
];
