//! Losses of the overlap of what is marked with what should be.

use super::{LossReduction, check_range, check_shapes, fail};
use gradus_tensor::{DType, Tensor};

/// The settings of [`dice_loss`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DiceOptions {
    /// What is added above and below the line, so that nothing, where nothing should be, is right.
    pub smooth: f64,
    /// What becomes of the losses of each class of each example.
    pub reduction: LossReduction,
}

impl Default for DiceOptions {
    fn default() -> Self {
        Self { smooth: 1e-5, reduction: LossReduction::Mean }
    }
}

/// 1 - (2 Σ p g + s) / (Σ p² + Σ g² + s) for the probabilities p and the truth g of each element of a
/// picture or volume: how little both overlap.
///
/// # Shapes
/// `output: [B, C, …]` of probabilities, `target` alike, `-> []`, or `[B, C]` if not reduced.
///
/// # Panics
/// If the shapes differ or have fewer than three axes, or a p is below 0 or above 1.
///
/// # Source
/// Milletari et al. 2016, "V-Net: Fully Convolutional Neural Networks for Volumetric Medical Image
/// Segmentation", section 3, there without s. PyTorch has none.
#[track_caller]
pub fn dice_loss(output: &Tensor, target: &Tensor, options: DiceOptions) -> Tensor {
    let DiceOptions { smooth, reduction } = options;
    let (p, g) = fields("dice_loss", output, target);
    let both = (&p * &g).sum(-1);
    let either = p.square().sum(-1) + g.square().sum(-1);
    let losses = 1.0 - (both * 2.0 + smooth) / (either + smooth);
    reduction.apply(&losses.to_dtype(output.dtype()))
}

/// The settings of [`tversky_loss`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TverskyOptions {
    /// α, what it counts to mark something wrongly.
    pub alpha: f64,
    /// β, what it counts to miss something.
    pub beta: f64,
    /// What is added above and below the line, so that nothing, where nothing should be, is right.
    pub smooth: f64,
    /// What becomes of the losses of each class of each example.
    pub reduction: LossReduction,
}

/// As was best in the paper: α = 0.3 and β = 0.7.
impl Default for TverskyOptions {
    fn default() -> Self {
        Self { alpha: 0.3, beta: 0.7, smooth: 1e-5, reduction: LossReduction::Mean }
    }
}

/// 1 - (Σ p g + s) / (Σ p g + α Σ p (1 - g) + β Σ (1 - p) g + s) for the probabilities p and the truth
/// g of each element: Tversky's index of similarity, in which what is marked wrongly and what is
/// missed count differently.
///
/// # Shapes
/// As [`dice_loss`].
///
/// # Panics
/// As [`dice_loss`], or if α or β is negative.
///
/// # Source
/// Salehi et al. 2017, "Tversky loss function for image segmentation using 3D fully convolutional
/// deep networks", equation 2, there without s. PyTorch has none.
#[track_caller]
pub fn tversky_loss(output: &Tensor, target: &Tensor, options: TverskyOptions) -> Tensor {
    let TverskyOptions { alpha, beta, smooth, reduction } = options;
    for (setting, value) in [("alpha", alpha), ("beta", beta)] {
        if value.is_nan() || value < 0.0 {
            fail("tversky_loss", format_args!("{setting} is {value}: give a number from 0 on"));
        }
    }
    let (p, g) = fields("tversky_loss", output, target);
    let both = (&p * &g).sum(-1);
    let wrong = (&p * (1.0 - &g)).sum(-1);
    let missed = ((1.0 - &p) * &g).sum(-1);
    let all = &both + wrong * alpha + missed * beta + smooth;
    let losses = 1.0 - (both + smooth) / all;
    reduction.apply(&losses.to_dtype(output.dtype()))
}

/// What was marked and what should be, each as [B, C, N], in a type wide enough for sums of many.
#[track_caller]
fn fields(name: &'static str, output: &Tensor, target: &Tensor) -> (Tensor, Tensor) {
    check_shapes(name, output, target);
    if output.rank() < 3 {
        let shape = output.shape();
        fail(name, format_args!("takes [B, C, …] with an axis behind the classes, not {shape}"));
    }
    check_range(name, "a probability", output, (0.0, 1.0));
    let wide = if output.dtype().is_half() { DType::F32 } else { output.dtype() };
    (output.flatten(2, -1).to_dtype(wide), target.flatten(2, -1).to_dtype(wide))
}
