//! Losses: how far an output is from what it should be.
//!
//! The short functions take an output and its target and give the mean, as PyTorch's do if nothing
//! is said; those that end in `_with` take options.

use gradus_tensor::{OpError, Tensor};

pub use gradus_tensor::ops::{CrossEntropyOptions, LossReduction};

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
    reduction.apply(&(output - target).square())
}

/// The mean of |x - y|.
///
/// # Panics
/// If the shapes differ.
///
/// # Source
/// PyTorch: `torch.nn.functional.l1_loss`.
#[track_caller]
pub fn mae_loss(output: &Tensor, target: &Tensor) -> Tensor {
    mae_loss_with(output, target, LossReduction::Mean)
}

/// |x - y|, reduced.
///
/// # Panics
/// As [`mae_loss`].
#[track_caller]
pub fn mae_loss_with(output: &Tensor, target: &Tensor, reduction: LossReduction) -> Tensor {
    check_shapes("mae_loss", output, target);
    reduction.apply(&(output - target).abs())
}

/// The settings of [`huber_loss`] and [`smooth_l1_loss`].
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
    if delta.is_nan() || delta <= 0.0 {
        let message = format_args!("delta is {delta}: give a positive number");
        panic!("{}", OpError::of("huber_loss", message));
    }
    let distance = (output - target).abs();
    let near = distance.lt_scalar(delta);
    let square = distance.square() * 0.5;
    let line = (&distance - 0.5 * delta) * delta;
    reduction.apply(&near.where_cond(&square, &line))
}

/// ½ d² / δ where the distance d = |x - y| is below δ, else d - ½ δ: [`huber_loss`] divided by δ.
///
/// # Panics
/// As [`huber_loss`].
///
/// # Source
/// PyTorch: `torch.nn.functional.smooth_l1_loss`, where δ is called β.
#[track_caller]
pub fn smooth_l1_loss(output: &Tensor, target: &Tensor, options: HuberOptions) -> Tensor {
    huber_loss(output, target, options) * (1.0 / options.delta)
}

/// The mean cross-entropy of logits with classes, or with their probabilities; see
/// [`Tensor::cross_entropy_with`].
///
/// # Shapes
/// `logits: [B, C, …]`, `target: [B, …]` of integers or `[B, C, …]` of floats, `-> []`.
///
/// # Panics
/// If the shapes do not fit, or a target is no class.
///
/// # Source
/// PyTorch: `torch.nn.functional.cross_entropy`.
///
/// ```
/// use gradus_nn::losses::cross_entropy;
/// use gradus_tensor::Tensor;
///
/// let logits = Tensor::from_vec(vec![0f32, 0.0, 9.0], [1, 3]);
/// let right = cross_entropy(&logits, &Tensor::from_vec(vec![2i64], 1)).item::<f32>();
/// let wrong = cross_entropy(&logits, &Tensor::from_vec(vec![0i64], 1)).item::<f32>();
/// assert!(right < 0.001 && wrong > 9.0);
/// ```
#[track_caller]
pub fn cross_entropy(logits: &Tensor, target: &Tensor) -> Tensor {
    logits.cross_entropy(target)
}

/// As [`cross_entropy`], with options.
///
/// # Panics
/// As [`cross_entropy`], or if the weights are not as many as the classes.
#[track_caller]
pub fn cross_entropy_with(
    logits: &Tensor,
    target: &Tensor,
    options: &CrossEntropyOptions,
) -> Tensor {
    logits.cross_entropy_with(target, options)
}

/// The settings of [`bce_loss_with`] and [`bce_with_logits_loss_with`].
#[derive(Clone, Debug, Default)]
pub struct BceOptions {
    /// A factor of each element's loss, of a shape that broadcasts to the output's.
    pub weight: Option<Tensor>,
    /// A factor of the loss of what should be 1, of a shape that broadcasts to the output's. For
    /// logits only.
    pub pos_weight: Option<Tensor>,
    /// What becomes of the losses of single elements.
    pub reduction: LossReduction,
}

impl BceOptions {
    #[track_caller]
    fn reduce(&self, losses: Tensor) -> Tensor {
        match &self.weight {
            Some(weight) => self.reduction.apply(&(losses * weight)),
            None => self.reduction.apply(&losses),
        }
    }
}

/// The mean of -(y ln p + (1 - y) ln(1 - p)) for probabilities p, the logarithms being at least
/// -100. Where there are logits, [`bce_with_logits_loss`] is more accurate.
///
/// # Panics
/// If the shapes differ.
///
/// # Source
/// PyTorch: `torch.nn.functional.binary_cross_entropy`.
#[track_caller]
pub fn bce_loss(output: &Tensor, target: &Tensor) -> Tensor {
    bce_loss_with(output, target, &BceOptions::default())
}

/// As [`bce_loss`], with options.
///
/// # Panics
/// If the shapes differ, or a positive weight is given.
#[track_caller]
pub fn bce_loss_with(output: &Tensor, target: &Tensor, options: &BceOptions) -> Tensor {
    check_shapes("bce_loss", output, target);
    if options.pos_weight.is_some() {
        let message = "takes no pos_weight: use bce_with_logits_loss, or weight";
        panic!("{}", OpError::of("bce_loss", message));
    }
    options.reduce(output.binary_cross_entropy(target))
}

/// The mean of -(y ln σ(x) + (1 - y) ln(1 - σ(x))) for logits x, without overflow.
///
/// # Panics
/// If the shapes differ.
///
/// # Source
/// PyTorch: `torch.nn.functional.binary_cross_entropy_with_logits`.
#[track_caller]
pub fn bce_with_logits_loss(logits: &Tensor, target: &Tensor) -> Tensor {
    bce_with_logits_loss_with(logits, target, &BceOptions::default())
}

/// As [`bce_with_logits_loss`], with options.
///
/// # Panics
/// If the shapes do not fit.
#[track_caller]
pub fn bce_with_logits_loss_with(logits: &Tensor, target: &Tensor, options: &BceOptions) -> Tensor {
    check_shapes("bce_with_logits_loss", logits, target);
    let should_be_0 = (1.0 - target) * logits;
    let missed = -logits.log_sigmoid();
    let losses = match &options.pos_weight {
        None => should_be_0 + missed,
        Some(weight) => should_be_0 + missed * (target * (weight - 1.0) + 1.0),
    };
    options.reduce(losses)
}

#[track_caller]
fn check_shapes(name: &'static str, output: &Tensor, target: &Tensor) {
    if output.shape() != target.shape() {
        let message = format_args!(
            "the output {} and the target {} differ: reshape one",
            output.shape(),
            target.shape()
        );
        panic!("{}", OpError::of(name, message));
    }
}
