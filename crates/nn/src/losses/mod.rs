//! Losses: how far an output is from what it should be.
//!
//! The names are those of PyTorch's functions. A loss that has settings takes them as a struct whose
//! `Default` is PyTorch's; the losses used most also have a short form that takes none and gives the
//! mean, and the long form of these ends in `_with`. What is taken over from elsewhere than
//! `torch.nn.functional` gives the mean, too, if nothing is said.
//!
//! Gradients flow to everything that is a tensor of floats, targets included, but not to weights of
//! classes.

mod binary;
mod boxes;
mod classification;
mod contrast;
mod distance;
mod likelihood;
mod margin;
mod overlap;
mod penalty;

pub use binary::{
    BceOptions, FocalOptions, SoftmaxFocalOptions, binary_cross_entropy, binary_cross_entropy_with,
    binary_cross_entropy_with_logits, binary_cross_entropy_with_logits_with, sigmoid_focal_loss,
    softmax_focal_loss,
};
pub use boxes::{
    BoxLossOptions, box_iou, box_iou_loss, complete_box_iou, complete_box_iou_loss,
    distance_box_iou, distance_box_iou_loss, generalized_box_iou, generalized_box_iou_loss,
};
pub use classification::{
    NllOptions, cross_entropy, cross_entropy_with, ctc_loss, nll_loss, nll_loss_with, perplexity,
};
pub use contrast::{
    ContrastiveOptions, CosineEmbeddingOptions, InfoNceOptions, NtXentOptions, TripletOptions,
    contrastive_loss, cosine_embedding_loss, info_nce_loss, nt_xent_loss, triplet_margin_loss,
    triplet_margin_with_distance_loss,
};
pub use distance::{
    HuberOptions, SmoothL1Options, huber_loss, l1_loss, l1_loss_with, log_cosh_loss, mse_loss,
    mse_loss_with, smooth_l1_loss,
};
pub use gradus_tensor::ops::{CrossEntropyOptions, CtcOptions, LossReduction};
pub use likelihood::{
    GaussianNllOptions, KlDivOptions, KlReduction, PoissonNllOptions, gaussian_nll_loss, kl_div,
    poisson_nll_loss,
};
pub use margin::{
    HingeEmbeddingOptions, MarginRankingOptions, MultiMarginOptions, MultilabelSoftMarginOptions,
    hinge_embedding_loss, hinge_loss, margin_ranking_loss, multi_margin_loss,
    multilabel_margin_loss, multilabel_soft_margin_loss, soft_margin_loss, squared_hinge_loss,
};
pub use overlap::{DiceOptions, TverskyOptions, dice_loss, tversky_loss};
pub use penalty::{Selection, elastic_net_penalty, l1_penalty, l2_penalty};

use gradus_tensor::{DType, Device, OpError, Tensor};
use std::fmt::Display;

/// What a caller's mistake leads to.
#[track_caller]
fn fail(name: &'static str, message: impl Display) -> ! {
    panic!("{}", OpError::of(name, message))
}

#[track_caller]
fn check_shapes(name: &'static str, output: &Tensor, target: &Tensor) {
    check_alike(name, ("output", output), ("target", target));
}

#[track_caller]
fn check_alike(name: &'static str, x: (&str, &Tensor), y: (&str, &Tensor)) {
    let ((x_name, x), (y_name, y)) = (x, y);
    if x.shape() != y.shape() {
        let (x, y) = (x.shape(), y.shape());
        fail(name, format_args!("the {x_name} {x} and the {y_name} {y} differ: reshape one"));
    }
}

/// Fails unless a setting is a number above 0.
#[track_caller]
fn check_positive(name: &'static str, setting: &str, value: f64) {
    if value.is_nan() || value <= 0.0 {
        fail(name, format_args!("{setting} is {value}: give a positive number"));
    }
}

/// Fails unless a tensor's numbers are within bounds. NaN goes through, into the loss.
#[track_caller]
fn check_range(name: &'static str, what: &str, x: &Tensor, bounds: (f64, f64)) {
    let Some((least, greatest)) = extremes(x) else { return };
    let wrong = if least < bounds.0 { least } else { greatest };
    if least < bounds.0 || greatest > bounds.1 {
        let bounds = match bounds {
            (low, f64::INFINITY) => format!("be at least {low}"),
            (low, high) => format!("lie between {low} and {high}"),
        };
        fail(name, format_args!("there is {what} {wrong}, which should {bounds}"));
    }
}

/// The least and the greatest number; none where there is none to see.
fn extremes(x: &Tensor) -> Option<(f64, f64)> {
    if x.count() == 0 || x.device() == Device::shape_only() {
        return None;
    }
    let number = |x: Tensor| x.to_dtype(DType::F64).item::<f64>();
    let x = x.detach();
    Some((number(x.min(..)), number(x.max(..))))
}

/// The axis of the classes in scores [B, C, …] or [C].
fn class_axis(rank: usize) -> usize {
    rank.min(2) - 1
}

/// Classes as `i64`, and where they are ignored; the ignored ones are 0, so that they may be used as
/// indices.
struct Classes {
    index: Tensor,
    ignored: Option<Tensor>,
}

impl Classes {
    /// Checks classes [B, …] that belong to scores [B, C, …], or one to scores [C].
    #[track_caller]
    fn new(name: &'static str, scores: &Tensor, target: &Tensor, ignore: Option<i64>) -> Self {
        if scores.rank() == 0 {
            fail(name, "takes scores [B, C, …] or [C], not a single number");
        }
        if !target.dtype().is_integer() {
            let error = OpError::dtype(target.dtype(), "classes as integers");
            fail(name, error);
        }
        let axis = class_axis(scores.rank());
        let wanted = scores.shape().without(axis);
        if *target.shape() != wanted {
            let (scores, target) = (scores.shape(), target.shape());
            fail(
                name,
                format_args!("scores {scores} want classes of shape {wanted}, not {target}"),
            );
        }
        let target = target.to_dtype(DType::I64);
        let ignored = ignore.map(|ignore| target.eq_scalar(ignore));
        let index = match &ignored {
            Some(ignored) => target.masked_fill(ignored, 0),
            None => target,
        };
        let classes = scores.shape()[axis];
        if let Some((least, greatest)) = extremes(&index)
            && (least < 0.0 || greatest >= classes as f64)
        {
            let wrong = if least < 0.0 { least } else { greatest };
            let last = classes.saturating_sub(1);
            fail(
                name,
                format_args!(
                    "there is a target {wrong}, but the scores are of {classes} classes: targets go \
                     from 0 to {last}"
                ),
            );
        }
        Self { index, ignored }
    }

    /// The score of each class: [B, …] of [B, C, …].
    #[track_caller]
    fn pick(&self, scores: &Tensor) -> Tensor {
        let axis = class_axis(scores.rank()) as isize;
        scores.gather(axis, &self.index.unsqueeze(axis)).squeeze(axis)
    }

    /// What single elements weigh, given the weights of classes: 0 where they are ignored.
    #[track_caller]
    fn weights(&self, weight: Option<&Tensor>, like: &Tensor) -> Tensor {
        let weights = match weight {
            Some(weight) => weight.detach().to_dtype(like.dtype()).take(&self.index),
            None => like.detach().ones_like(),
        };
        match &self.ignored {
            Some(ignored) => weights.masked_fill(ignored, 0.0),
            None => weights,
        }
    }

    /// Weighs losses and reduces them; the mean is over the weights.
    #[track_caller]
    fn reduce(&self, losses: &Tensor, weight: Option<&Tensor>, reduction: LossReduction) -> Tensor {
        if weight.is_none() && self.ignored.is_none() {
            return reduction.apply(losses);
        }
        let losses = match &self.ignored {
            // What is ignored may well be infinite.
            Some(ignored) => losses.masked_fill(ignored, 0.0),
            None => losses.clone(),
        };
        let weights = self.weights(weight, &losses);
        let weighted = losses * &weights;
        if reduction != LossReduction::Mean {
            return reduction.apply(&weighted);
        }
        // Sums of many halves would leave their range.
        let dtype = weighted.dtype();
        let wide = if dtype.is_half() { DType::F32 } else { dtype };
        (weighted.to_dtype(wide).sum(..) / weights.to_dtype(wide).sum(..)).to_dtype(dtype)
    }
}

/// Fails unless weights are one for each class of scores [B, C, …] or [C].
#[track_caller]
fn check_weight(name: &'static str, scores: &Tensor, weight: Option<&Tensor>) {
    let Some(weight) = weight else { return };
    let classes = scores.shape()[class_axis(scores.rank())];
    if *weight.shape() != [classes] {
        let (scores, weight) = (scores.shape(), weight.shape());
        fail(name, format_args!("scores {scores} want weights [{classes}], not {weight}"));
    }
}
