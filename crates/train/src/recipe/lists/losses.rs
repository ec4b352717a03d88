//! The losses that a recipe can name.

use crate::recipe::entry::{Entry, Product, entry};
use crate::recipe::field::{POSITIVE, SHARE};
use crate::trainer::Loss;
use gradus_data::source::Answers;
use gradus_nn::losses::*;
use gradus_tensor::{Result, Tensor};

/// What a loss is made for.
#[derive(Clone, Debug)]
pub struct LossSite {
    /// What the data wants a model to answer.
    pub answers: Answers,
    /// What each class counts, if some are to count more than others.
    pub weights: Option<Vec<f64>>,
}

impl LossSite {
    /// The weights of classes, which a loss takes care of.
    fn take_weights(&mut self) -> Option<Tensor> {
        let weights = self.weights.take()?;
        Some(Tensor::from(weights.into_iter().map(|weight| weight as f32).collect::<Vec<f32>>()))
    }
}

impl Product for Loss {
    type Site = LossSite;
    const NAME: &'static str = "losses";
    const NOUN: &'static str = "loss";

    fn entries() -> Vec<Entry<Self>> {
        [classification(), regression(), margins(), overlaps()].into_iter().flatten().collect()
    }
}

/// A function as a loss.
fn loss(function: impl Fn(&Tensor, &Tensor) -> Tensor + Send + Sync + 'static) -> Result<Loss> {
    Ok(Box::new(function))
}

/// A loss of classes: where each element of a sequence has one, elements count as samples. The
/// classes of masks are along the second axis, also where shapes alone do not tell.
fn by_class(
    site: &LossSite,
    function: impl Fn(&Tensor, &Tensor) -> Tensor + Send + Sync + 'static,
) -> Result<Loss> {
    let masks = matches!(site.answers, Answers::Mask(_));
    loss(move |output, target| {
        let is_sequence =
            !masks && output.rank() > 2 && **target.shape() == output.shape()[..output.rank() - 1];
        match is_sequence {
            true => function(&output.flatten(0, -2), &target.flatten(0, -1)),
            false => function(output, target),
        }
    })
}

/// A loss of numbers: targets are given the output's type, and its last axis if that has one number.
fn by_number(
    function: impl Fn(&Tensor, &Tensor) -> Tensor + Send + Sync + 'static,
) -> Result<Loss> {
    loss(move |output, target| {
        let target = target.to_dtype(output.dtype());
        let lacks_axis = target.rank() + 1 == output.rank() && output.len_of(-1) == 1;
        function(output, &if lacks_axis { target.unsqueeze(-1) } else { target })
    })
}

fn classification() -> Vec<Entry<Loss>> {
    vec![
        entry! {
            cross_entropy(site): "-ln of the right class's probability, of scores: for classes and next tokens.";
            label_smoothing: f64 = 0.0, SHARE => "Which share of the target is spread over all classes.";
            => {
                let weight = site.take_weights();
                let options = CrossEntropyOptions { weight, label_smoothing, ..Default::default() };
                by_class(site, move |output, target| cross_entropy_with(output, target, &options))
            }
        },
        entry! {
            nll(site): "-ln of the right class's probability, of logarithms of probabilities.";
            => {
                let options = NllOptions { weight: site.take_weights(), ..Default::default() };
                by_class(site, move |output, target| nll_loss_with(output, target, &options))
            }
        },
        entry! {
            bce_with_logits(_): "Binary cross-entropy of scores: for yes or no, once or for several labels.";
            => by_number(binary_cross_entropy_with_logits)
        },
        entry! {
            bce(_): "Binary cross-entropy of probabilities.";
            => by_number(binary_cross_entropy)
        },
        entry! {
            focal(site): "Cross-entropy of scores that counts what is easy for little.";
            gamma: f64 = 2.0, 0.0.. => "How little.";
            => {
                let alpha = site.take_weights();
                let options = SoftmaxFocalOptions { alpha, gamma, ..Default::default() };
                by_class(site, move |output, target| softmax_focal_loss(output, target, &options))
            }
        },
        entry! {
            binary_focal(_): "Binary cross-entropy of scores that counts what is easy for little.";
            gamma: f64 = 2.0, 0.0.. => "How little.";
            alpha: Option<f64>, SHARE => "What yes counts against no.";
            => by_number(move |output, target| {
                let options = FocalOptions { gamma, alpha, reduction: LossReduction::Mean };
                sigmoid_focal_loss(output, target, options)
            })
        },
    ]
}

fn regression() -> Vec<Entry<Loss>> {
    vec![
        entry! {
            mse(_): "The mean of squared distances.";
            => by_number(mse_loss)
        },
        entry! {
            l1(_): "The mean of distances.";
            => by_number(l1_loss)
        },
        entry! {
            smooth_l1(_): "Distances, squared where they are small.";
            beta: f64 = 1.0, 0.0.. => "Below which they are small.";
            => by_number(move |output, target| {
                smooth_l1_loss(output, target, SmoothL1Options { beta, ..Default::default() })
            })
        },
        entry! {
            huber(_): "Distances, squared where they are small, with slope delta elsewhere.";
            delta: f64 = 1.0, POSITIVE => "Below which they are small.";
            => by_number(move |output, target| {
                huber_loss(output, target, HuberOptions { delta, ..Default::default() })
            })
        },
        entry! {
            log_cosh(_): "ln cosh of distances.";
            => by_number(|output, target| log_cosh_loss(output, target, LossReduction::Mean))
        },
        entry! {
            poisson_nll(_): "-ln of the probability of counts, of logarithms of their means.";
            full: bool = false => "Add what does not depend on the model.";
            => by_number(move |output, target| {
                poisson_nll_loss(output, target, PoissonNllOptions { full, ..Default::default() })
            })
        },
        entry! {
            kl_div(_): "How far probabilities are from those of the target, of their logarithms.";
            => by_number(|output, target| kl_div(output, target, KlDivOptions::default()))
        },
    ]
}

fn margins() -> Vec<Entry<Loss>> {
    vec![
        entry! {
            hinge(_): "max(0, 1 - t s), for targets of ±1.";
            => by_number(|output, target| hinge_loss(output, target, LossReduction::Mean))
        },
        entry! {
            squared_hinge(_): "max(0, 1 - t s)², for targets of ±1.";
            => by_number(|output, target| squared_hinge_loss(output, target, LossReduction::Mean))
        },
        entry! {
            soft_margin(_): "ln(1 + e^(-t s)), for targets of ±1.";
            => by_number(|output, target| soft_margin_loss(output, target, LossReduction::Mean))
        },
        entry! {
            multi_margin(site): "How far the right class's score is not ahead of the others by a margin.";
            margin: f64 = 1.0 => "The margin.";
            => {
                let weight = site.take_weights();
                let options = MultiMarginOptions { margin, weight, ..Default::default() };
                by_class(site, move |output, target| multi_margin_loss(output, target, &options))
            }
        },
        entry! {
            multilabel_soft_margin(_): "Binary cross-entropy of scores, the mean over labels.";
            => by_number(|output, target| {
                multilabel_soft_margin_loss(output, target, &MultilabelSoftMarginOptions::default())
            })
        },
    ]
}

fn overlaps() -> Vec<Entry<Loss>> {
    vec![
        entry! {
            dice(_): "1 - the overlap of masks, of probabilities.";
            smooth: f64 = DiceOptions::default().smooth, 0.0.. => "What is added above and below the line.";
            => by_number(move |output, target| {
                dice_loss(output, target, DiceOptions { smooth, ..Default::default() })
            })
        },
        entry! {
            tversky(_): "1 - the overlap of masks, of probabilities, with weights for both errors.";
            alpha: f64 = TverskyOptions::default().alpha, 0.0.. => "What a false yes counts.";
            beta: f64 = TverskyOptions::default().beta, 0.0.. => "What a false no counts.";
            => by_number(move |output, target| {
                tversky_loss(output, target, TverskyOptions { alpha, beta, ..Default::default() })
            })
        },
    ]
}
