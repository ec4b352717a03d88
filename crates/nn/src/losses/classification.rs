//! Losses of scores of classes, one for each element or in a sequence.

use super::{Classes, CrossEntropyOptions, CtcOptions, LossReduction, check_weight};
use gradus_tensor::Tensor;

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

/// How many classes a model is as uncertain between as among so many equally likely ones: e to the
/// power of its mean cross-entropy.
///
/// # Source
/// Jelinek et al. 1977, "Perplexity: a measure of the difficulty of speech recognition tasks".
///
/// ```
/// use gradus_nn::losses::{cross_entropy, perplexity};
/// use gradus_tensor::Tensor;
///
/// let loss = cross_entropy(&Tensor::zeros([1, 5]), &Tensor::from_vec(vec![3i64], 1));
/// assert!((perplexity(&loss).item::<f32>() - 5.0).abs() < 1e-5);
/// ```
pub fn perplexity(mean_cross_entropy: &Tensor) -> Tensor {
    mean_cross_entropy.exp()
}

/// The settings of [`nll_loss_with`].
#[derive(Clone, Debug)]
pub struct NllOptions {
    /// The weight of each class, `[C]`; none is 1 for each. A constant: no gradient flows to it.
    pub weight: Option<Tensor>,
    /// Elements with this class count for nothing.
    pub ignore_index: Option<i64>,
    /// What becomes of the losses of single elements. The mean is over the weights of their classes.
    pub reduction: LossReduction,
}

/// As in PyTorch: no weights, the class -100 ignored, the mean.
impl Default for NllOptions {
    fn default() -> Self {
        Self { weight: None, ignore_index: Some(-100), reduction: LossReduction::Mean }
    }
}

/// The mean of -xₜ for log-probabilities x and classes t: what [`cross_entropy`] makes of
/// `log_softmax`.
///
/// # Shapes
/// `log_probabilities: [B, C, …]`, `target: [B, …]` of integers, `-> []`; or without the batch,
/// `[C]` and `[]`.
///
/// # Panics
/// If the shapes do not fit, or a target is no class.
///
/// # Source
/// PyTorch: `torch.nn.functional.nll_loss`.
#[track_caller]
pub fn nll_loss(log_probabilities: &Tensor, target: &Tensor) -> Tensor {
    nll_loss_with(log_probabilities, target, &NllOptions::default())
}

/// As [`nll_loss`], with options.
///
/// # Panics
/// As [`nll_loss`], or if the weights are not as many as the classes.
#[track_caller]
pub fn nll_loss_with(log_probabilities: &Tensor, target: &Tensor, options: &NllOptions) -> Tensor {
    let classes = Classes::new("nll_loss", log_probabilities, target, options.ignore_index);
    check_weight("nll_loss", log_probabilities, options.weight.as_ref());
    let losses = -classes.pick(log_probabilities);
    classes.reduce(&losses, options.weight.as_ref(), options.reduction)
}

/// Minus the logarithm of the probability that a sequence of scores reads as labels whose times are
/// not known (connectionist temporal classification); see [`Tensor::ctc_loss`].
///
/// # Shapes
/// `log_probabilities: [T, N, C]`, `targets: [N, S]` of integers, or the labels of all examples one
/// after another, `-> []`, or `[N]` if not reduced; or without the batch, `[T, C]` and `[S]`.
///
/// # Panics
/// If the shapes do not fit, a length is more than there is, or a label is no class or the blank.
///
/// # Source
/// Graves et al. 2006, "Connectionist Temporal Classification", equations 6 to 16; PyTorch:
/// `torch.nn.functional.ctc_loss`.
#[track_caller]
pub fn ctc_loss(log_probabilities: &Tensor, targets: &Tensor, options: &CtcOptions) -> Tensor {
    log_probabilities.ctc_loss(targets, options)
}
