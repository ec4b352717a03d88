//! Losses of probabilities of truth values, and their focal forms.

use super::{Classes, LossReduction, check_range, check_shapes, check_weight, class_axis, fail};
use gradus_tensor::Tensor;

/// The settings of [`binary_cross_entropy_with`] and [`binary_cross_entropy_with_logits_with`].
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
/// -100. Where there are logits, [`binary_cross_entropy_with_logits`] is more accurate.
///
/// # Panics
/// If the shapes differ, or a p is below 0 or above 1.
///
/// # Source
/// PyTorch: `torch.nn.functional.binary_cross_entropy`.
#[track_caller]
pub fn binary_cross_entropy(output: &Tensor, target: &Tensor) -> Tensor {
    binary_cross_entropy_with(output, target, &BceOptions::default())
}

/// As [`binary_cross_entropy`], with options.
///
/// # Panics
/// As [`binary_cross_entropy`], or if a positive weight is given.
#[track_caller]
pub fn binary_cross_entropy_with(output: &Tensor, target: &Tensor, options: &BceOptions) -> Tensor {
    check_shapes("binary_cross_entropy", output, target);
    if options.pos_weight.is_some() {
        let message = "takes no pos_weight: use binary_cross_entropy_with_logits, or weight";
        fail("binary_cross_entropy", message);
    }
    check_range("binary_cross_entropy", "a probability", output, (0.0, 1.0));
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
pub fn binary_cross_entropy_with_logits(logits: &Tensor, target: &Tensor) -> Tensor {
    binary_cross_entropy_with_logits_with(logits, target, &BceOptions::default())
}

/// As [`binary_cross_entropy_with_logits`], with options.
///
/// # Panics
/// If the shapes do not fit.
#[track_caller]
pub fn binary_cross_entropy_with_logits_with(
    logits: &Tensor,
    target: &Tensor,
    options: &BceOptions,
) -> Tensor {
    check_shapes("binary_cross_entropy_with_logits", logits, target);
    options.reduce(of_logits(logits, target, options.pos_weight.as_ref()))
}

/// The binary cross-entropy of each logit.
#[track_caller]
fn of_logits(logits: &Tensor, target: &Tensor, pos_weight: Option<&Tensor>) -> Tensor {
    let should_be_0 = (1.0 - target) * logits;
    let missed = -logits.log_sigmoid();
    match pos_weight {
        None => should_be_0 + missed,
        Some(weight) => should_be_0 + missed * (target * (weight - 1.0) + 1.0),
    }
}

/// The settings of [`sigmoid_focal_loss`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FocalOptions {
    /// α, from 0 to 1: the factor of the loss of what should be 1, and 1 - α that of what should be
    /// 0. None is 1 for both.
    pub alpha: Option<f64>,
    /// γ, from 0 on: how much less is counted what is right already.
    pub gamma: f64,
    /// What becomes of the losses of single elements.
    pub reduction: LossReduction,
}

/// As in the paper: α = ¼ and γ = 2.
impl Default for FocalOptions {
    fn default() -> Self {
        Self { alpha: Some(0.25), gamma: 2.0, reduction: LossReduction::Mean }
    }
}

/// -αₜ (1 - pₜ)^γ ln pₜ, where pₜ is the probability σ(x) gives to what is true: p where y = 1 and
/// 1 - p where y = 0. It counts easy elements less, of which object detection has so many.
///
/// # Panics
/// If the shapes differ, or α or γ are outside of their ranges.
///
/// # Source
/// Lin et al. 2017, "Focal Loss for Dense Object Detection", equation 5; torchvision:
/// `torchvision.ops.sigmoid_focal_loss`, which does not reduce if nothing is said.
#[track_caller]
pub fn sigmoid_focal_loss(logits: &Tensor, target: &Tensor, options: FocalOptions) -> Tensor {
    let FocalOptions { alpha, gamma, reduction } = options;
    check_shapes("sigmoid_focal_loss", logits, target);
    check_gamma("sigmoid_focal_loss", gamma);
    // 1 - pₜ without the difference, which is nothing but rounding where pₜ is almost 1.
    let missed = logits.sigmoid() * (1.0 - target) + (-logits).sigmoid() * target;
    let losses = of_logits(logits, target, None) * focus(&missed, gamma);
    let Some(alpha) = alpha else { return reduction.apply(&losses) };
    if !(0.0..=1.0).contains(&alpha) {
        fail("sigmoid_focal_loss", format_args!("alpha is {alpha}: give a number from 0 to 1"));
    }
    reduction.apply(&(losses * (target * (2.0 * alpha - 1.0) + (1.0 - alpha))))
}

/// The settings of [`softmax_focal_loss`].
#[derive(Clone, Debug)]
pub struct SoftmaxFocalOptions {
    /// α of each class, `[C]`: a factor of its loss; none is 1 for each. A constant: no gradient
    /// flows to it.
    pub alpha: Option<Tensor>,
    /// γ, from 0 on: how much less is counted what is right already.
    pub gamma: f64,
    /// Elements with this class count for nothing.
    pub ignore_index: Option<i64>,
    /// What becomes of the losses of single elements. The mean is over those that are not ignored,
    /// whatever their α.
    pub reduction: LossReduction,
}

/// γ = 2, no α, the class -100 ignored, the mean.
impl Default for SoftmaxFocalOptions {
    fn default() -> Self {
        let reduction = LossReduction::Mean;
        Self { alpha: None, gamma: 2.0, ignore_index: Some(-100), reduction }
    }
}

/// -αₜ (1 - pₜ)^γ ln pₜ, where pₜ is the probability that softmax gives to the true class. With
/// γ = 0 it is the cross-entropy.
///
/// # Shapes
/// `logits: [B, C, …]`, `target: [B, …]` of integers, `-> []`, or `[B, …]` if not reduced; or
/// without the batch, `[C]` and `[]`.
///
/// # Panics
/// If the shapes do not fit, a target is no class, or γ is negative.
///
/// # Source
/// Lin et al. 2017, "Focal Loss for Dense Object Detection", equation 5, with softmax in place of
/// the sigmoid as section 3 suggests. PyTorch has none.
#[track_caller]
pub fn softmax_focal_loss(
    logits: &Tensor,
    target: &Tensor,
    options: &SoftmaxFocalOptions,
) -> Tensor {
    let name = "softmax_focal_loss";
    let classes = Classes::new(name, logits, target, options.ignore_index);
    check_weight(name, logits, options.alpha.as_ref());
    check_gamma(name, options.gamma);
    let log = classes.pick(&logits.log_softmax(class_axis(logits.rank()) as isize));
    let mut losses = -&log * focus(&-log.expm1(), options.gamma);
    if let Some(alpha) = &options.alpha {
        losses = losses * classes.weights(Some(alpha), &log);
    }
    classes.reduce(&losses, None, options.reduction)
}

#[track_caller]
fn check_gamma(name: &'static str, gamma: f64) {
    if gamma.is_nan() || gamma < 0.0 {
        fail(name, format_args!("gamma is {gamma}: give a number from 0 on"));
    }
}

/// x^γ for x from 0 on. For γ below 1 its derivative has no bound near 0, where the loss itself is
/// as good as 0: it is kept finite.
#[track_caller]
fn focus(missed: &Tensor, gamma: f64) -> Tensor {
    if gamma < 1.0 {
        return missed.clamp(1e-30, f64::INFINITY).pow_scalar(gamma);
    }
    missed.pow_scalar(gamma)
}
