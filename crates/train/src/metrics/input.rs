//! What metrics are given: outputs and targets as numbers.

use gradus_tensor::{DType, OpError, Tensor};

/// Panics in the name of a metric.
#[track_caller]
pub(super) fn refuse(metric: &'static str, message: std::fmt::Arguments<'_>) -> ! {
    panic!("{}", OpError::of(metric, message))
}

/// Outputs of classes with the axis of classes last, as rows.
pub(super) struct Rows {
    /// One row after another.
    pub numbers: Vec<f64>,
    /// How many numbers a row has.
    pub width: usize,
}

impl Rows {
    pub fn rows(&self) -> impl Iterator<Item = &[f64]> {
        self.numbers.chunks_exact(self.width)
    }
}

/// `[B, C, …]` with the classes last.
fn classes_last(output: &Tensor) -> Tensor {
    let rank = output.rank();
    let mut axes: Vec<isize> = (0..rank as isize).filter(|&axis| axis != 1).collect();
    axes.push(1);
    output.detach().permute(&axes)
}

/// Whether outputs are one number a sample, `[B]` or `[B, 1]`, that says yes above 0.
pub(super) fn is_binary(output: &Tensor) -> bool {
    matches!(**output.shape(), [_] | [_, 1])
}

/// Outputs `[B, C, …]` as rows of C numbers.
#[track_caller]
pub(super) fn rows(metric: &'static str, output: &Tensor) -> Rows {
    if output.rank() < 2 {
        refuse(metric, format_args!("outputs are [B, C, …], not of shape {}", output.shape()));
    }
    let width = output.len_of(1);
    Rows { numbers: numbers(&classes_last(output)), width }
}

/// All numbers of a tensor.
#[track_caller]
pub(super) fn numbers(x: &Tensor) -> Vec<f64> {
    x.detach().to_dtype(DType::F64).to_vec()
}

/// The true class of each sample: targets of class numbers, or of shares, of which the largest
/// counts.
#[track_caller]
pub(super) fn truths(metric: &'static str, output: &Tensor, target: &Tensor) -> Vec<i64> {
    let binary = is_binary(output);
    let shares = target.dtype().is_float() && !binary && target.shape() == output.shape();
    let classes = if shares { target.detach().argmax(1) } else { target.detach() };
    let wanted = match binary {
        true => output.len_of(0),
        false => output.count() / output.len_of(1).max(1),
    };
    if classes.count() != wanted {
        refuse(
            metric,
            format_args!(
                "targets of shape {} do not fit outputs of shape {}",
                target.shape(),
                output.shape()
            ),
        );
    }
    classes.to_dtype(DType::I64).to_vec()
}

/// The class that each sample is taken for; none where the output has NaN.
#[track_caller]
pub(super) fn guesses(metric: &'static str, output: &Tensor) -> Vec<Option<usize>> {
    if is_binary(output) {
        let yes = |x: f64| (!x.is_nan()).then_some(usize::from(x > 0.0));
        return numbers(output).into_iter().map(yes).collect();
    }
    if output.rank() < 2 {
        refuse(metric, format_args!("outputs are [B, C, …], not of shape {}", output.shape()));
    }
    let output = output.detach();
    let classes = output.argmax(1).to_vec::<i64>();
    let largest = numbers(&output.max(1));
    let guess = |(class, largest): (i64, f64)| (!largest.is_nan()).then_some(class as usize);
    classes.into_iter().zip(largest).map(guess).collect()
}

/// softmax of a row.
pub(super) fn softmax(row: &[f64]) -> Vec<f64> {
    let largest = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let powers: Vec<f64> = row.iter().map(|x| (x - largest).exp()).collect();
    let total: f64 = powers.iter().sum();
    powers.into_iter().map(|x| x / total).collect()
}
