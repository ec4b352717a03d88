//! Losses that are content where an output is right by a margin.

use super::{Classes, LossReduction, check_alike, check_shapes, check_weight, extremes, fail};
use gradus_tensor::{DType, OpError, Tensor};

/// max(x, 0), with the derivative 1 at 0 as PyTorch's `clamp_min` has it.
#[track_caller]
fn positive_part(x: &Tensor) -> Tensor {
    x.clamp(0.0, f64::INFINITY)
}

/// Fails unless what should be is 1 or -1 everywhere: 0 and 1 are mistaken for it easily.
#[track_caller]
fn check_signs(name: &'static str, target: &Tensor) {
    if let Some((least, greatest)) = extremes(&target.abs())
        && (least != 1.0 || greatest != 1.0)
    {
        let wrong = if least == 1.0 { greatest } else { least };
        fail(name, format_args!("there is a target of magnitude {wrong}: targets are 1 or -1"));
    }
}

/// max(0, 1 - y x) for a score x and what it should be, y = 1 or -1.
///
/// # Panics
/// If the shapes differ, or a target is neither 1 nor -1.
///
/// # Source
/// Cortes & Vapnik 1995, "Support-Vector Networks"; PyTorch has none.
#[track_caller]
pub fn hinge_loss(output: &Tensor, target: &Tensor, reduction: LossReduction) -> Tensor {
    check_shapes("hinge_loss", output, target);
    check_signs("hinge_loss", target);
    reduction.apply(&positive_part(&(1.0 - target * output)))
}

/// max(0, 1 - y x)² for a score x and what it should be, y = 1 or -1.
///
/// # Panics
/// As [`hinge_loss`].
///
/// # Source
/// Chang et al. 2008, "Coordinate Descent Method for Large-scale L2-loss Linear Support Vector
/// Machines", equation 2; PyTorch has none.
#[track_caller]
pub fn squared_hinge_loss(output: &Tensor, target: &Tensor, reduction: LossReduction) -> Tensor {
    check_shapes("squared_hinge_loss", output, target);
    check_signs("squared_hinge_loss", target);
    reduction.apply(&positive_part(&(1.0 - target * output)).square())
}

/// ln(1 + e^(-y x)) for a score x and what it should be, y = 1 or -1.
///
/// # Panics
/// If the shapes differ.
///
/// # Source
/// PyTorch: `torch.nn.functional.soft_margin_loss`, which overflows where ours does not.
#[track_caller]
pub fn soft_margin_loss(output: &Tensor, target: &Tensor, reduction: LossReduction) -> Tensor {
    check_shapes("soft_margin_loss", output, target);
    reduction.apply(&-(target * output).log_sigmoid())
}

/// The settings of [`multilabel_soft_margin_loss`].
#[derive(Clone, Debug, Default)]
pub struct MultilabelSoftMarginOptions {
    /// The weight of each class, `[C]`; none is 1 for each.
    pub weight: Option<Tensor>,
    /// What becomes of the losses of single examples.
    pub reduction: LossReduction,
}

/// The mean over classes of -(y ln σ(x) + (1 - y) ln(1 - σ(x))), for scores x of several classes that
/// may be true at once.
///
/// # Shapes
/// `output: [.., C]`, `target` alike, `-> []`, or `[..]` if not reduced.
///
/// # Panics
/// If the shapes do not fit.
///
/// # Source
/// PyTorch: `torch.nn.functional.multilabel_soft_margin_loss`.
#[track_caller]
pub fn multilabel_soft_margin_loss(
    output: &Tensor,
    target: &Tensor,
    options: &MultilabelSoftMarginOptions,
) -> Tensor {
    let name = "multilabel_soft_margin_loss";
    check_shapes(name, output, target);
    if output.rank() == 0 {
        fail(name, "takes scores [.., C], not a single number");
    }
    let losses = (1.0 - target) * output - output.log_sigmoid();
    let losses = match &options.weight {
        None => losses,
        Some(weight) if *weight.shape() == [output.len_of(-1)] => losses * weight,
        Some(weight) => {
            let (output, weight) = (output.shape(), weight.shape());
            fail(name, format_args!("scores {output} want one weight for each class, not {weight}"))
        }
    };
    options.reduction.apply(&losses.mean(-1))
}

/// The settings of [`multi_margin_loss`].
#[derive(Clone, Debug)]
pub struct MultiMarginOptions {
    /// To which power a violation counts: 1 or 2.
    pub p: u32,
    /// By how much the right score should be above the others.
    pub margin: f64,
    /// The weight of each class, `[C]`; none is 1 for each. A constant: no gradient flows to it.
    pub weight: Option<Tensor>,
    /// What becomes of the losses of single examples. The mean is over their number.
    pub reduction: LossReduction,
}

impl Default for MultiMarginOptions {
    fn default() -> Self {
        Self { p: 1, margin: 1.0, weight: None, reduction: LossReduction::Mean }
    }
}

/// Σᵢ w max(0, margin - xₜ + xᵢ)ᵖ / C over the classes i that are not the true one t, the multi-class
/// hinge loss of scores x.
///
/// # Shapes
/// `output: [B, C]`, `target: [B]` of integers, `-> []`, or `[B]` if not reduced; or without the
/// batch, `[C]` and `[]`.
///
/// # Panics
/// If the shapes do not fit, a target is no class, or p is neither 1 nor 2.
///
/// # Source
/// Crammer & Singer 2001, "On the Algorithmic Implementation of Multiclass Kernel-based Vector
/// Machines", as a sum in place of its maximum; PyTorch: `torch.nn.functional.multi_margin_loss`.
#[track_caller]
pub fn multi_margin_loss(output: &Tensor, target: &Tensor, options: &MultiMarginOptions) -> Tensor {
    let MultiMarginOptions { p, margin, weight, reduction } = options;
    let name = "multi_margin_loss";
    check_rows(name, output);
    if !(1..=2).contains(p) {
        fail(name, format_args!("p is {p}: give 1 or 2"));
    }
    let classes = Classes::new(name, output, target, None);
    check_weight(name, output, weight.as_ref());
    let right = classes.pick(output).unsqueeze(-1);
    let violation = (output - right + *margin).relu();
    let violation = if *p == 2 { violation.square() } else { violation };
    // What the right class violates itself is no loss.
    let own = classes.index.one_hot(output.len_of(-1)).to_dtype(DType::Bool);
    let losses = violation.masked_fill(&own, 0.0).mean(-1);
    let losses = match weight {
        Some(_) => &losses * classes.weights(weight.as_ref(), &losses),
        None => losses,
    };
    reduction.apply(&losses)
}

/// Σ max(0, 1 - xⱼ + xᵢ) / C over the true classes j and the others i, for scores x of several classes
/// that may be true at once. A row of the target names the true classes; -1 ends it, and what
/// follows counts for nothing.
///
/// # Shapes
/// `output: [B, C]`, `target` alike, of integers, `-> []`, or `[B]` if not reduced; or without the
/// batch, `[C]` and `[C]`.
///
/// # Panics
/// If the shapes differ, or a target is neither a class nor -1.
///
/// # Source
/// PyTorch: `torch.nn.functional.multilabel_margin_loss`.
#[track_caller]
pub fn multilabel_margin_loss(
    output: &Tensor,
    target: &Tensor,
    reduction: LossReduction,
) -> Tensor {
    let name = "multilabel_margin_loss";
    check_rows(name, output);
    check_shapes(name, output, target);
    if !target.dtype().is_integer() {
        fail(name, OpError::dtype(target.dtype(), "classes as integers"));
    }
    let count = output.len_of(-1);
    if let Some((least, greatest)) = extremes(target)
        && (least < -1.0 || greatest >= count as f64)
    {
        let wrong = if least < -1.0 { least } else { greatest };
        fail(
            name,
            format_args!(
                "there is a target {wrong}, but there are {count} classes: targets go from 0 to {}, and -1 ends a row",
                count - 1
            ),
        );
    }
    let target = target.to_dtype(DType::I64);
    // Whether no -1 has come yet, at each place of a row.
    let named = target.ge_scalar(0).to_dtype(DType::I64).cumprod(-1);
    let index = &target * &named;
    let is_true = named.zeros_like().scatter_add(-1, &index, &named).gt_scalar(0);
    let right = output.gather(-1, &index);
    // For each place of a row and each class: [.., C, C].
    let violation = (1.0 - right.unsqueeze(-1) + output.unsqueeze(-2)).relu();
    let counts = named.gt_scalar(0).unsqueeze(-1);
    let counts = counts.logical_and(&is_true.logical_not().unsqueeze(-2));
    let violation = counts.where_cond(&violation, &violation.zeros_like());
    reduction.apply(&(violation.sum([-2, -1]) / count as f64))
}

/// Fails unless scores are [B, C] or [C].
#[track_caller]
fn check_rows(name: &'static str, scores: &Tensor) {
    if !(1..=2).contains(&scores.rank()) {
        fail(name, format_args!("takes scores [B, C] or [C], not {}", scores.shape()));
    }
}

/// The settings of [`hinge_embedding_loss`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct HingeEmbeddingOptions {
    /// How far apart what differs should be.
    pub margin: f64,
    /// What becomes of the losses of single elements.
    pub reduction: LossReduction,
}

impl Default for HingeEmbeddingOptions {
    fn default() -> Self {
        Self { margin: 1.0, reduction: LossReduction::Mean }
    }
}

/// For distances x: x where y = 1, of what is alike, and max(0, margin - x) where y = -1, of what
/// differs.
///
/// # Panics
/// If the shapes differ, or a target is neither 1 nor -1.
///
/// # Source
/// PyTorch: `torch.nn.functional.hinge_embedding_loss`.
#[track_caller]
pub fn hinge_embedding_loss(
    output: &Tensor,
    target: &Tensor,
    options: HingeEmbeddingOptions,
) -> Tensor {
    check_shapes("hinge_embedding_loss", output, target);
    check_signs("hinge_embedding_loss", target);
    let apart = positive_part(&(options.margin - output));
    options.reduction.apply(&target.eq_scalar(1).where_cond(output, &apart))
}

/// The settings of [`margin_ranking_loss`].
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct MarginRankingOptions {
    /// By how much the one should be above the other.
    pub margin: f64,
    /// What becomes of the losses of single pairs.
    pub reduction: LossReduction,
}

/// max(0, margin - y (x₁ - x₂)): the first score should be above the second where y = 1, and below
/// where y = -1.
///
/// # Panics
/// If the shapes differ.
///
/// # Source
/// PyTorch: `torch.nn.functional.margin_ranking_loss`.
#[track_caller]
pub fn margin_ranking_loss(
    first: &Tensor,
    second: &Tensor,
    target: &Tensor,
    options: MarginRankingOptions,
) -> Tensor {
    let name = "margin_ranking_loss";
    check_alike(name, ("first score", first), ("second", second));
    check_alike(name, ("scores", first), ("target", target));
    let violation = options.margin - target * (first - second);
    options.reduction.apply(&positive_part(&violation))
}
