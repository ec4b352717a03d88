//! Losses that are likelihoods of distributions, or divergences between them.

use super::{LossReduction, check_range, check_shapes, fail};
use gradus_tensor::Tensor;
use std::f64::consts::{PI, TAU};

/// What becomes of the terms of [`kl_div`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KlReduction {
    /// Their mean, as PyTorch's default is. It is not the divergence, which is a sum.
    #[default]
    Mean,
    /// Their sum divided by the length of the first axis: the mean divergence of a batch.
    BatchMean,
    /// Their sum.
    Sum,
    /// They are given as they are.
    None,
}

/// The settings of [`kl_div`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KlDivOptions {
    /// True if the target holds logarithms of probabilities, too.
    pub log_target: bool,
    /// What becomes of the single terms.
    pub reduction: KlReduction,
}

/// The terms y (ln y - x) of the divergence of log-probabilities x from probabilities y (Kullback and
/// Leibler), reduced. Where y is 0, so is the term.
///
/// # Panics
/// If the shapes differ, or a probability of the target is negative.
///
/// # Source
/// Kullback & Leibler 1951, "On Information and Sufficiency"; PyTorch: `torch.nn.functional.kl_div`.
///
/// ```
/// use gradus_nn::losses::{KlDivOptions, KlReduction, kl_div};
/// use gradus_tensor::Tensor;
///
/// let (own, wanted) = (Tensor::zeros([3, 4]).log_softmax(-1), Tensor::zeros([3, 4]).softmax(-1));
/// let options = KlDivOptions { reduction: KlReduction::BatchMean, ..Default::default() };
/// assert!(kl_div(&own, &wanted, options).item::<f32>().abs() < 1e-6);
/// ```
#[track_caller]
pub fn kl_div(output: &Tensor, target: &Tensor, options: KlDivOptions) -> Tensor {
    check_shapes("kl_div", output, target);
    let terms = if options.log_target {
        target.exp() * (target - output)
    } else {
        check_range("kl_div", "a probability", target, (0.0, f64::INFINITY));
        target * target.masked_fill(&target.eq_scalar(0.0), 1.0).log() - target * output
    };
    match options.reduction {
        KlReduction::Mean => terms.mean(..),
        KlReduction::Sum => terms.sum(..),
        KlReduction::None => terms,
        KlReduction::BatchMean if terms.rank() == 0 => {
            fail("kl_div", "the mean over a batch wants a first axis, not a single number")
        }
        KlReduction::BatchMean => terms.sum(..) / terms.len_of(0) as f64,
    }
}

/// The settings of [`poisson_nll_loss`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PoissonNllOptions {
    /// True if the output holds the logarithm of the rate, false if the rate itself.
    pub log_input: bool,
    /// Whether to add Stirling's approximation of ln y!, which depends on the target only.
    pub full: bool,
    /// ε, which is added to a rate before its logarithm is taken.
    pub eps: f64,
    /// What becomes of the losses of single elements.
    pub reduction: LossReduction,
}

impl Default for PoissonNllOptions {
    fn default() -> Self {
        Self { log_input: true, full: false, eps: 1e-8, reduction: LossReduction::Mean }
    }
}

/// What is counted, y, against the rate λ = eˣ: λ - y x; or against the rate λ itself:
/// λ - y ln(λ + ε). In full, y ln y - y + ½ ln(2πy) is added where y > 1.
///
/// # Panics
/// If the shapes differ, or a count or a rate is negative.
///
/// # Source
/// PyTorch: `torch.nn.functional.poisson_nll_loss`.
#[track_caller]
pub fn poisson_nll_loss(output: &Tensor, target: &Tensor, options: PoissonNllOptions) -> Tensor {
    let PoissonNllOptions { log_input, full, eps, reduction } = options;
    let name = "poisson_nll_loss";
    check_shapes(name, output, target);
    check_range(name, "a count", target, (0.0, f64::INFINITY));
    let target = &target.to_dtype(output.dtype().promote(target.dtype()));
    let mut losses = if log_input {
        output.exp() - target * output
    } else {
        check_range(name, "a rate", output, (0.0, f64::INFINITY));
        output - target * (output + eps).log()
    };
    if full {
        let few = target.le_scalar(1);
        let count = target.masked_fill(&few, 1);
        let stirling = &count * count.log() - &count + (&count * TAU).log() * 0.5;
        losses = losses + stirling.masked_fill(&few, 0.0);
    }
    reduction.apply(&losses)
}

/// The settings of [`gaussian_nll_loss`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GaussianNllOptions {
    /// Whether to add ½ ln 2π, a constant.
    pub full: bool,
    /// ε, the least a variance counts: a positive number.
    pub eps: f64,
    /// What becomes of the losses of single elements.
    pub reduction: LossReduction,
}

impl Default for GaussianNllOptions {
    fn default() -> Self {
        Self { full: false, eps: 1e-6, reduction: LossReduction::Mean }
    }
}

/// ½ (ln v + (x - y)² / v) for a mean x, its variance v and what was seen, y. A variance below ε
/// counts as ε, and yet gets the gradient that it would have at ε.
///
/// # Shapes
/// `output` and `target` alike; `variance` as these, or with its last axis of length 1 or left away
/// where all elements of it share one.
///
/// # Panics
/// If the shapes do not fit, a variance is negative, or ε is not positive.
///
/// # Source
/// Nix & Weigend 1994, "Estimating the mean and variance of the target probability distribution";
/// PyTorch: `torch.nn.functional.gaussian_nll_loss`.
#[track_caller]
pub fn gaussian_nll_loss(
    output: &Tensor,
    target: &Tensor,
    variance: &Tensor,
    options: GaussianNllOptions,
) -> Tensor {
    let name = "gaussian_nll_loss";
    check_shapes(name, output, target);
    super::check_positive(name, "eps", options.eps);
    check_range(name, "a variance", variance, (0.0, f64::INFINITY));
    let (shape, rank) = (*output.shape(), output.rank());
    let variance = match *variance.shape() {
        own if own == shape => variance.clone(),
        own if rank > 0 && own == shape.with(rank - 1, 1) => variance.clone(),
        own if rank > 0 && own == shape.without(rank - 1) => variance.unsqueeze(-1),
        own => {
            fail(name, format_args!("an output {shape} wants a variance of its shape, not {own}"))
        }
    };
    let own = variance.detach();
    let variance = &variance + (own.clamp(options.eps, f64::INFINITY) - &own);
    let losses = (variance.log() + (output - target).square() / &variance) * 0.5;
    let constant = if options.full { 0.5 * (2.0 * PI).ln() } else { 0.0 };
    options.reduction.apply(&(losses + constant))
}
