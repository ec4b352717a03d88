//! Losses of the distance of numbers from numbers.

use super::{LossReduction, check_positive, check_shapes, fail};
use gradus_tensor::Tensor;
use std::f64::consts::LN_2;

/// The mean of (x - y)².
///
/// # Panics
/// If the shapes differ.
///
/// # Source
/// PyTorch: `torch.nn.functional.mse_loss`.
#[track_caller]
pub fn mse_loss(output: &Tensor, target: &Tensor) -> Tensor {
    mse_loss_with(output, target, LossReduction::Mean)
}

/// (x - y)², reduced.
///
/// # Panics
/// As [`mse_loss`].
#[track_caller]
pub fn mse_loss_with(output: &Tensor, target: &Tensor, reduction: LossReduction) -> Tensor {
    check_shapes("mse_loss", output, target);
    output.squared_error(target, reduction)
}

/// The mean of |x - y|, the mean absolute error (MAE).
///
/// # Panics
/// If the shapes differ.
///
/// # Source
/// PyTorch: `torch.nn.functional.l1_loss`.
#[track_caller]
pub fn l1_loss(output: &Tensor, target: &Tensor) -> Tensor {
    l1_loss_with(output, target, LossReduction::Mean)
}

/// |x - y|, reduced.
///
/// # Panics
/// As [`l1_loss`].
#[track_caller]
pub fn l1_loss_with(output: &Tensor, target: &Tensor, reduction: LossReduction) -> Tensor {
    check_shapes("l1_loss", output, target);
    reduction.apply(&(output - target).abs())
}

/// The settings of [`huber_loss`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct HuberOptions {
    /// δ, the distance at which the square gives way to the absolute value: a positive number.
    pub delta: f64,
    /// What becomes of the losses of single elements.
    pub reduction: LossReduction,
}

impl Default for HuberOptions {
    fn default() -> Self {
        Self { delta: 1.0, reduction: LossReduction::Mean }
    }
}

/// ½ d² where the distance d = |x - y| is below δ, else δ (d - ½ δ).
///
/// # Panics
/// If the shapes differ, or δ is not positive.
///
/// # Source
/// Huber 1964, "Robust Estimation of a Location Parameter"; PyTorch:
/// `torch.nn.functional.huber_loss`.
#[track_caller]
pub fn huber_loss(output: &Tensor, target: &Tensor, options: HuberOptions) -> Tensor {
    let HuberOptions { delta, reduction } = options;
    check_shapes("huber_loss", output, target);
    check_positive("huber_loss", "delta", delta);
    let distance = (output - target).abs();
    reduction.apply(&bent(&distance, delta, 0.5, delta))
}

/// factor d² where a distance d is below a bound, else the straight line that goes on from there
/// with a slope.
#[track_caller]
fn bent(distance: &Tensor, bound: f64, factor: f64, slope: f64) -> Tensor {
    let square = distance.square() * factor;
    let line = (distance - 0.5 * bound) * slope;
    distance.lt_scalar(bound).where_cond(&square, &line)
}

/// The settings of [`smooth_l1_loss`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SmoothL1Options {
    /// β, the distance at which the square gives way to the absolute value; with 0 there is no
    /// square.
    pub beta: f64,
    /// What becomes of the losses of single elements.
    pub reduction: LossReduction,
}

impl Default for SmoothL1Options {
    fn default() -> Self {
        Self { beta: 1.0, reduction: LossReduction::Mean }
    }
}

/// ½ d² / β where the distance d = |x - y| is below β, else d - ½ β: [`huber_loss`] divided by β.
///
/// # Panics
/// If the shapes differ, or β is negative.
///
/// # Source
/// Girshick 2015, "Fast R-CNN", equation 3; PyTorch: `torch.nn.functional.smooth_l1_loss`.
#[track_caller]
pub fn smooth_l1_loss(output: &Tensor, target: &Tensor, options: SmoothL1Options) -> Tensor {
    let SmoothL1Options { beta, reduction } = options;
    check_shapes("smooth_l1_loss", output, target);
    if beta.is_nan() || beta < 0.0 {
        fail("smooth_l1_loss", format_args!("beta is {beta}: give a number from 0 on"));
    }
    let distance = (output - target).abs();
    match beta {
        0.0 => reduction.apply(&distance),
        _ => reduction.apply(&bent(&distance, beta, 0.5 / beta, 1.0)),
    }
}

/// ln cosh d of the distance d = |x - y|: about ½ d² where it is small, about d - ln 2 where it is
/// large.
///
/// # Panics
/// If the shapes differ.
///
/// # Source
/// Keras: `keras.losses.LogCosh`; PyTorch has none.
#[track_caller]
pub fn log_cosh_loss(output: &Tensor, target: &Tensor, reduction: LossReduction) -> Tensor {
    check_shapes("log_cosh_loss", output, target);
    let distance = (output - target).abs();
    // cosh d = 1 + 2 sinh²(d/2) loses nothing where d is small, and overflows where it is large.
    let small = ((distance.clamp(0.0, 1.0) * 0.5).sinh().square() * 2.0).log1p();
    let large = &distance + (&distance * -2.0).exp().log1p() - LN_2;
    reduction.apply(&distance.le_scalar(1.0).where_cond(&small, &large))
}
