//! Errors of numbers.

use super::input::{numbers, refuse};
use super::overlap::mean;
use super::{Metric, figures};
use crate::state::State;
use gradus_tensor::{Error, Result, Tensor};

figures! {
    /// What a [`RegressionMetric`] says about the numbers x that a model gives for the numbers y.
    RegressionFigure: "figure of numbers";
    /// The mean of |x - y|. scikit-learn: `mean_absolute_error`.
    Mae = "mae",
    /// The mean of (x - y)². scikit-learn: `mean_squared_error`.
    Mse = "mse",
    /// √ of the mean of (x - y)². scikit-learn: `root_mean_squared_error`.
    Rmse = "rmse",
    /// 1 - Σ (x - y)² / Σ (y - mean y)²; of numbers y that are all equal, 1 if x is the same and else
    /// 0; NaN of a single one. scikit-learn: `r2_score`.
    R2 = "r2",
    /// The mean of |x - y| / max(|y|, 2⁻⁵²). scikit-learn: `mean_absolute_percentage_error`.
    Mape = "mape",
}

/// What is gathered of one column.
#[derive(Clone, Debug, Default)]
struct Column {
    absolute: f64,
    square: f64,
    relative: f64,
    /// The mean of the targets so far, and Σ (y - mean)².
    mean: f64,
    spread: f64,
}

/// A figure of a model's numbers against the right ones: of several columns, the mean of theirs.
///
/// # Shapes
/// `output` and `target` both `[B]`, or `[B, …]`, of which each place is a column; a last axis of 1
/// may be missing in either.
#[derive(Clone, Debug)]
pub struct RegressionMetric {
    figure: RegressionFigure,
    columns: Vec<Column>,
    count: u64,
}

impl RegressionMetric {
    /// A figure.
    pub fn new(figure: RegressionFigure) -> Self {
        Self { figure, columns: vec![], count: 0 }
    }

    fn of_column(&self, column: &Column) -> f64 {
        let count = self.count as f64;
        match self.figure {
            RegressionFigure::Mae => column.absolute / count,
            RegressionFigure::Mse => column.square / count,
            RegressionFigure::Rmse => (column.square / count).sqrt(),
            RegressionFigure::Mape => column.relative / count,
            RegressionFigure::R2 if self.count < 2 => f64::NAN,
            RegressionFigure::R2 if column.spread != 0.0 => 1.0 - column.square / column.spread,
            RegressionFigure::R2 if column.square.is_nan() => f64::NAN,
            RegressionFigure::R2 => f64::from(column.square == 0.0),
        }
    }
}

impl Metric for RegressionMetric {
    fn name(&self) -> &str {
        self.figure.name()
    }

    fn update(&mut self, output: &Tensor, target: &Tensor) {
        let column = |x: &Tensor| x.rank() == 2 && x.len_of(1) == 1;
        let same = output.shape() == target.shape()
            || (output.count() == target.count()
                && (column(output) && target.rank() == 1 || column(target) && output.rank() == 1));
        if !same || output.rank() == 0 {
            refuse(
                self.figure.name(),
                format_args!(
                    "targets of shape {} do not fit outputs of shape {}",
                    target.shape(),
                    output.shape()
                ),
            );
        }
        let width = output.count() / output.len_of(0).max(1);
        if output.count() == 0 {
            return;
        }
        if self.count == 0 {
            self.columns = vec![Column::default(); width];
        } else if self.columns.len() != width {
            let before = self.columns.len();
            refuse(
                self.figure.name(),
                format_args!("a batch has {width} columns, and those before had {before}"),
            );
        }
        let (found, wanted) = (numbers(output), numbers(target));
        for (found, wanted) in found.chunks(width).zip(wanted.chunks(width)) {
            self.count += 1;
            for ((column, x), y) in self.columns.iter_mut().zip(found).zip(wanted) {
                let error = x - y;
                column.absolute += error.abs();
                column.square += error * error;
                column.relative += error.abs() / y.abs().max(f64::EPSILON);
                // Welford 1962, "Note on a method for calculating corrected sums of squares".
                let far = y - column.mean;
                column.mean += far / self.count as f64;
                column.spread += far * (y - column.mean);
            }
        }
    }

    fn value(&self) -> f64 {
        mean(self.columns.iter().map(|column| self.of_column(column)))
    }

    fn reset(&mut self) {
        *self = Self::new(self.figure);
    }

    fn state(&self) -> State {
        let of = |part: fn(&Column) -> f64| self.columns.iter().map(part).collect::<Vec<f64>>();
        State::new()
            .with("count", self.count)
            .with_numbers("absolute", &of(|column| column.absolute))
            .with_numbers("square", &of(|column| column.square))
            .with_numbers("relative", &of(|column| column.relative))
            .with_numbers("mean", &of(|column| column.mean))
            .with_numbers("spread", &of(|column| column.spread))
    }

    fn load_state(&mut self, state: &State) -> Result<()> {
        let absolute = state.numbers("absolute")?;
        let parts = ["square", "relative", "mean", "spread"].map(|part| state.numbers(part));
        let [square, relative, mean, spread] = parts;
        let (square, relative, mean, spread) = (square?, relative?, mean?, spread?);
        if [&square, &relative, &mean, &spread].iter().any(|part| part.len() != absolute.len()) {
            let message = format!("the saved sums of {} are of different lengths", self.name());
            return Err(Error::Mismatch(message));
        }
        self.count = state.count("count")?;
        self.columns = (0..absolute.len())
            .map(|i| Column {
                absolute: absolute[i],
                square: square[i],
                relative: relative[i],
                mean: mean[i],
                spread: spread[i],
            })
            .collect();
        Ok(())
    }
}
