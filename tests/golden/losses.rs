//! Losses.

use crate::family::Family;
use gradus::nn::losses::*;
use gradus::nn::{LayerNorm, Linear, Sequential};
use gradus::tensor::{Rng, Tensor};

pub fn check(family: &mut Family) {
    distances(family);
    classes(family);
    sequences(family);
    binary(family);
    likelihoods(family);
    margins(family);
    multi_class_margins(family);
    embeddings(family);
    contrasts(family);
    overlaps(family);
    boxes(family);
    penalties(family);
}

/// What torchvision's functions do by default.
const UNREDUCED: &str = "It gives the mean if nothing is said; torchvision's does not reduce.";

/// Checks a case for each reduction.
fn each(family: &mut Family, case: &str, call: impl Fn(&[Tensor], LossReduction) -> Tensor) {
    let reductions =
        [("mean", LossReduction::Mean), ("sum", LossReduction::Sum), ("none", LossReduction::None)];
    for (name, reduction) in reductions {
        family.check(&format!("{case}_{name}"), |x| call(x, reduction));
    }
}

fn distances(family: &mut Family) {
    family.row("mse_loss", "F.mse_loss");
    each(family, "mse", |x, reduction| mse_loss_with(&x[0], &x[1], reduction));
    family.row("l1_loss", "F.l1_loss");
    each(family, "l1", |x, reduction| l1_loss_with(&x[0], &x[1], reduction));

    family.row("huber_loss", "F.huber_loss");
    each(family, "huber", |x, reduction| {
        huber_loss(&x[0], &x[1], HuberOptions { reduction, ..Default::default() })
    });
    let options = HuberOptions { delta: 0.6, ..Default::default() };
    family.check("huber_delta", |x| huber_loss(&x[0], &x[1], options));

    family.row("smooth_l1_loss", "F.smooth_l1_loss");
    each(family, "smooth_l1", |x, reduction| {
        smooth_l1_loss(&x[0], &x[1], SmoothL1Options { reduction, ..Default::default() })
    });
    for (case, beta) in [("smooth_l1_beta", 2.5), ("smooth_l1_beta_0", 0.0)] {
        let options = SmoothL1Options { beta, ..Default::default() };
        family.check(case, |x| smooth_l1_loss(&x[0], &x[1], options));
    }

    family.row("log_cosh_loss", "the formula: ln cosh(x - y)");
    each(family, "log_cosh", |x, reduction| log_cosh_loss(&x[0], &x[1], reduction));
    let scaled = |x: &[Tensor], a: f64, b: f64| {
        log_cosh_loss(&(&x[0] * a), &(&x[1] * b), LossReduction::None)
    };
    family.check("log_cosh_near", |x| scaled(x, 1.0 / 64.0, 1.0 / 64.0));
    family.check("log_cosh_far", |x| scaled(x, 64.0, 1.0));
}

fn classes(family: &mut Family) {
    family.row("nll_loss", "F.nll_loss");
    let plain = NllOptions::default;
    for name in ["plain", "one", "spatial", "ignore"] {
        let ignore_index = (name == "ignore").then_some(2).or(plain().ignore_index);
        each(family, &format!("nll_{name}"), |x, reduction| {
            nll_loss_with(&x[0], &x[1], &NllOptions { ignore_index, reduction, ..plain() })
        });
    }
    each(family, "nll_weight", |x, reduction| {
        let options = NllOptions { weight: Some(x[2].clone()), ignore_index: Some(1), reduction };
        nll_loss_with(&x[0], &x[1], &options)
    });
    family.row("perplexity", "F.cross_entropy, torch.exp");
    family.check("perplexity", |x| perplexity(&cross_entropy(&x[0], &x[1])));
}

fn sequences(family: &mut Family) {
    family.row("ctc_loss", "F.ctc_loss");
    family.differs(
        "The gradient by log-probabilities is that of the formula; PyTorch's is so only behind \
         log_softmax.",
    );
    family.differs("An infinite loss has the gradient 0, in PyTorch NaN.");
    let ctc = |x: &[Tensor], options: &CtcOptions| ctc_loss(&x[0].log_softmax(-1), &x[1], options);
    let lengths = |inputs: &[usize], targets: &[usize], reduction| CtcOptions {
        input_lengths: Some(inputs.to_vec()),
        target_lengths: Some(targets.to_vec()),
        reduction,
        ..Default::default()
    };
    each(family, "ctc", |x, reduction| ctc(x, &lengths(&[12, 10, 9], &[4, 2, 0], reduction)));
    let (mean, none) = (LossReduction::Mean, LossReduction::None);
    let impossible = lengths(&[2, 4, 6], &[3, 3, 3], none);
    let cases = [
        ("ctc_one_after_another", lengths(&[12, 10, 9], &[4, 0, 2], mean)),
        ("ctc_blank", CtcOptions { blank: 4, ..lengths(&[8, 7], &[3, 2], none) }),
        ("ctc_repeated", lengths(&[5, 6, 3], &[3, 3, 3], none)),
        ("ctc_long", lengths(&[60, 50], &[20, 15], none)),
        ("ctc_no_batch", CtcOptions::default()),
        ("ctc_no_labels", lengths(&[4, 3], &[0, 0], none)),
        ("ctc_zero_infinity", CtcOptions { zero_infinity: true, ..impossible.clone() }),
        ("ctc_infinity", impossible),
    ];
    for (case, options) in &cases {
        family.check(case, |x| ctc(x, options));
    }
}

fn binary(family: &mut Family) {
    let plain = BceOptions::default;
    family.row("binary_cross_entropy", "F.binary_cross_entropy");
    each(family, "bce", |x, reduction| {
        binary_cross_entropy_with(&x[0], &x[1], &BceOptions { reduction, ..plain() })
    });
    family.check("bce_weight", |x| {
        let options = BceOptions { weight: Some(x[2].clone()), ..plain() };
        binary_cross_entropy_with(&x[0], &x[1], &options)
    });
    family.row("binary_cross_entropy_with_logits", "F.binary_cross_entropy_with_logits");
    each(family, "bce_with_logits", |x, reduction| {
        binary_cross_entropy_with_logits_with(&x[0], &x[1], &BceOptions { reduction, ..plain() })
    });
    family.check("bce_with_logits_weight", |x| {
        let (weight, pos_weight) = (Some(x[2].clone()), Some(x[3].clone()));
        let options = BceOptions { weight, pos_weight, ..plain() };
        binary_cross_entropy_with_logits_with(&x[0], &x[1], &options)
    });

    family.row("sigmoid_focal_loss", "torchvision.ops.sigmoid_focal_loss; Lin 2017, eq. 5");
    family.differs(UNREDUCED);
    each(family, "sigmoid_focal", |x, reduction| {
        sigmoid_focal_loss(&x[0], &x[1], FocalOptions { reduction, ..Default::default() })
    });
    let settings = [
        ("sigmoid_focal_gamma", Some(0.7), 1.5),
        ("sigmoid_focal_half", None, 0.5),
        ("sigmoid_focal_0", None, 0.0),
        ("sigmoid_focal_soft", Some(0.25), 2.0),
    ];
    for (case, alpha, gamma) in settings {
        let options = FocalOptions { alpha, gamma, ..Default::default() };
        family.check(case, |x| sigmoid_focal_loss(&x[0], &x[1], options));
    }

    family.row("softmax_focal_loss", "paper: Lin 2017, eq. 5");
    let plain = SoftmaxFocalOptions::default;
    each(family, "softmax_focal", |x, reduction| {
        softmax_focal_loss(&x[0], &x[1], &SoftmaxFocalOptions { reduction, ..plain() })
    });
    family.check("softmax_focal_alpha", |x| {
        let options = SoftmaxFocalOptions { alpha: Some(x[2].clone()), gamma: 1.0, ..plain() };
        softmax_focal_loss(&x[0], &x[1], &options)
    });
    family.check("softmax_focal_ignore", |x| {
        let options = SoftmaxFocalOptions { gamma: 3.0, ignore_index: Some(1), ..plain() };
        softmax_focal_loss(&x[0], &x[1], &options)
    });
}

fn likelihoods(family: &mut Family) {
    family.row("kl_div", "F.kl_div");
    let reductions = [
        ("kl_div_mean", KlReduction::Mean),
        ("kl_div_sum", KlReduction::Sum),
        ("kl_div_none", KlReduction::None),
        ("kl_div_zeros", KlReduction::None),
        ("kl_div_batchmean", KlReduction::BatchMean),
    ];
    for (case, reduction) in reductions {
        let options = KlDivOptions { reduction, ..Default::default() };
        family.check(case, |x| kl_div(&x[0], &x[1], options));
    }
    let options = KlDivOptions { log_target: true, reduction: KlReduction::BatchMean };
    family.check("kl_div_log_target", |x| kl_div(&x[0], &x[1], options));

    family.row("poisson_nll_loss", "F.poisson_nll_loss");
    let plain = PoissonNllOptions::default();
    each(family, "poisson_nll", |x, reduction| {
        poisson_nll_loss(&x[0], &x[1], PoissonNllOptions { reduction, ..plain })
    });
    let full = PoissonNllOptions { full: true, ..plain };
    let rate = PoissonNllOptions { log_input: false, ..plain };
    let eps = PoissonNllOptions { log_input: false, eps: 0.5, ..full };
    let cases = [
        ("poisson_nll_full", full),
        ("poisson_nll_rate", rate),
        ("poisson_nll_eps", eps),
        ("poisson_nll_integers", full),
    ];
    for (case, options) in cases {
        family.check(case, |x| poisson_nll_loss(&x[0], &x[1], options));
    }

    family.row("gaussian_nll_loss", "F.gaussian_nll_loss");
    let plain = GaussianNllOptions::default();
    each(family, "gaussian_nll", |x, reduction| {
        gaussian_nll_loss(&x[0], &x[1], &x[2], GaussianNllOptions { reduction, ..plain })
    });
    let cases = [
        ("gaussian_nll_full", GaussianNllOptions { full: true, ..plain }),
        ("gaussian_nll_eps", GaussianNllOptions { eps: 1.0, ..plain }),
        ("gaussian_nll_rows", plain),
        ("gaussian_nll_one", plain),
    ];
    for (case, options) in cases {
        family.check(case, |x| gaussian_nll_loss(&x[0], &x[1], &x[2], options));
    }
}

fn margins(family: &mut Family) {
    family.row("hinge_loss", "paper: Cortes & Vapnik 1995");
    each(family, "hinge", |x, reduction| hinge_loss(&x[0], &x[1], reduction));
    family.row("squared_hinge_loss", "paper: Chang 2008, eq. 2");
    each(family, "squared_hinge", |x, reduction| squared_hinge_loss(&x[0], &x[1], reduction));
    family.row("soft_margin_loss", "F.soft_margin_loss");
    each(family, "soft_margin", |x, reduction| soft_margin_loss(&x[0], &x[1], reduction));

    family.row("hinge_embedding_loss", "F.hinge_embedding_loss");
    each(family, "hinge_embedding", |x, reduction| {
        let options = HingeEmbeddingOptions { reduction, ..Default::default() };
        hinge_embedding_loss(&x[0], &x[1], options)
    });
    let options = HingeEmbeddingOptions { margin: 0.3, ..Default::default() };
    family.check("hinge_embedding_margin", |x| hinge_embedding_loss(&x[0], &x[1], options));

    family.row("margin_ranking_loss", "F.margin_ranking_loss");
    each(family, "margin_ranking", |x, reduction| {
        let options = MarginRankingOptions { reduction, ..Default::default() };
        margin_ranking_loss(&x[0], &x[1], &x[2], options)
    });
    let options = MarginRankingOptions { margin: 0.5, ..Default::default() };
    family.check("margin_ranking_margin", |x| margin_ranking_loss(&x[0], &x[1], &x[2], options));
}

fn multi_class_margins(family: &mut Family) {
    family.row("multilabel_soft_margin_loss", "F.multilabel_soft_margin_loss");
    each(family, "multilabel_soft_margin", |x, reduction| {
        let options = MultilabelSoftMarginOptions { reduction, ..Default::default() };
        multilabel_soft_margin_loss(&x[0], &x[1], &options)
    });
    family.check("multilabel_soft_margin_weight", |x| {
        let weight = Some(x[2].clone());
        let options = MultilabelSoftMarginOptions { weight, ..Default::default() };
        multilabel_soft_margin_loss(&x[0], &x[1], &options)
    });

    family.row("multi_margin_loss", "F.multi_margin_loss");
    let plain = MultiMarginOptions::default;
    each(family, "multi_margin", |x, reduction| {
        multi_margin_loss(&x[0], &x[1], &MultiMarginOptions { reduction, ..plain() })
    });
    family.check("multi_margin_p", |x| {
        multi_margin_loss(&x[0], &x[1], &MultiMarginOptions { p: 2, margin: 0.7, ..plain() })
    });
    family.check("multi_margin_weight", |x| {
        let options = MultiMarginOptions { weight: Some(x[2].clone()), ..plain() };
        multi_margin_loss(&x[0], &x[1], &options)
    });
    family.check("multi_margin_one", |x| {
        multi_margin_loss(&x[0], &Tensor::from_vec(vec![3i64], ()), &plain())
    });

    family.row("multilabel_margin_loss", "F.multilabel_margin_loss");
    each(family, "multilabel_margin", |x, reduction| {
        multilabel_margin_loss(&x[0], &x[1], reduction)
    });
    family.check("multilabel_margin_one", |x| {
        multilabel_margin_loss(&x[0], &x[1], LossReduction::Mean)
    });
}

fn embeddings(family: &mut Family) {
    family.row("cosine_embedding_loss", "F.cosine_embedding_loss");
    let plain = CosineEmbeddingOptions::default();
    each(family, "cosine_embedding", |x, reduction| {
        let options = CosineEmbeddingOptions { reduction, ..plain };
        cosine_embedding_loss(&x[0], &x[1], &x[2], options)
    });
    let options = CosineEmbeddingOptions { margin: 0.4, ..plain };
    family
        .check("cosine_embedding_margin", |x| cosine_embedding_loss(&x[0], &x[1], &x[2], options));
    family.check("cosine_embedding_one", |x| {
        cosine_embedding_loss(&x[0], &x[1], &Tensor::from_vec(vec![1i64], ()), plain)
    });

    family.row("contrastive_loss", "paper: Hadsell 2006, eq. 4");
    each(family, "contrastive", |x, reduction| {
        let options = ContrastiveOptions { reduction, ..Default::default() };
        contrastive_loss(&x[0], &x[1], &x[2], options)
    });
    let options = ContrastiveOptions { margin: 2.5, ..Default::default() };
    family.check("contrastive_margin", |x| contrastive_loss(&x[0], &x[1], &x[2], options));

    family.row("triplet_margin_loss", "F.triplet_margin_loss");
    let plain = TripletOptions::default();
    each(family, "triplet_margin", |x, reduction| {
        triplet_margin_loss(&x[0], &x[1], &x[2], TripletOptions { reduction, ..plain })
    });
    let none = LossReduction::None;
    let cases = [
        ("triplet_margin_p", TripletOptions { margin: 0.3, p: 3.0, ..plain }),
        ("triplet_margin_p_1", TripletOptions { p: 1.0, eps: 0.1, ..plain }),
        (
            "triplet_margin_swap",
            TripletOptions { margin: 2.0, swap: true, reduction: none, ..plain },
        ),
    ];
    for (case, options) in cases {
        family.check(case, |x| triplet_margin_loss(&x[0], &x[1], &x[2], options));
    }

    family.row("triplet_margin_with_distance_loss", "F.triplet_margin_with_distance_loss");
    let distance =
        |x: &Tensor, y: &Tensor| 1.0 - (x * y).sum(-1) / (x.norm(2.0, -1) * y.norm(2.0, -1));
    let call = |x: &[Tensor], options: TripletOptions| {
        triplet_margin_with_distance_loss([&x[0], &x[1], &x[2]], distance, options)
    };
    each(family, "triplet_margin_with_distance", |x, reduction| {
        call(x, TripletOptions { reduction, ..plain })
    });
    let options = TripletOptions { swap: true, margin: 0.2, ..plain };
    family.check("triplet_margin_with_distance_swap", |x| call(x, options));
}

fn contrasts(family: &mut Family) {
    family.row("info_nce_loss", "paper: van den Oord 2018, eq. 4");
    let plain = InfoNceOptions::default;
    each(family, "info_nce", |x, reduction| {
        info_nce_loss(&x[0], &x[1], &InfoNceOptions { reduction, ..plain() })
    });
    let products = InfoNceOptions {
        temperature: 1.0,
        normalize: false,
        reduction: LossReduction::None,
        ..plain()
    };
    family.check("info_nce_products", |x| info_nce_loss(&x[0], &x[1], &products));
    family.check("info_nce_negatives", |x| {
        let negatives = Some(x[2].clone());
        let options = InfoNceOptions { temperature: 0.5, negatives, ..plain() };
        info_nce_loss(&x[0], &x[1], &options)
    });
    family.check("info_nce_own_negatives", |x| {
        let options = InfoNceOptions {
            temperature: 2.0,
            normalize: false,
            negatives: Some(x[2].clone()),
            reduction: LossReduction::Sum,
        };
        info_nce_loss(&x[0], &x[1], &options)
    });

    family.row("nt_xent_loss", "paper: Chen 2020 (SimCLR), eq. 1");
    each(family, "nt_xent", |x, reduction| {
        nt_xent_loss(&x[0], &x[1], NtXentOptions { reduction, ..Default::default() })
    });
    let options = NtXentOptions { temperature: 0.2, ..Default::default() };
    family.check("nt_xent_temperature", |x| nt_xent_loss(&x[0], &x[1], options));
}

fn overlaps(family: &mut Family) {
    family.row("dice_loss", "paper: Milletari 2016, section 3");
    each(family, "dice", |x, reduction| {
        dice_loss(&x[0], &x[1], DiceOptions { smooth: 0.0, reduction })
    });
    let options = DiceOptions { smooth: 1.0, ..Default::default() };
    family.check("dice_smooth", |x| dice_loss(&x[0], &x[1], options));

    family.row("tversky_loss", "paper: Salehi 2017, eq. 2");
    let plain = TverskyOptions { smooth: 0.0, ..Default::default() };
    each(family, "tversky", |x, reduction| {
        tversky_loss(&x[0], &x[1], TverskyOptions { reduction, ..plain })
    });
    let options = TverskyOptions { alpha: 0.5, beta: 1.5, smooth: 1.0, ..plain };
    family.check("tversky_smooth", |x| tversky_loss(&x[0], &x[1], options));
}

type Measure = fn(&Tensor, &Tensor) -> Tensor;
type BoxLoss = fn(&Tensor, &Tensor, BoxLossOptions) -> Tensor;

fn boxes(family: &mut Family) {
    let measures: [(&'static str, &'static str, Measure); 4] = [
        ("box_iou", "torchvision.ops.box_iou", box_iou),
        ("generalized_box_iou", "torchvision.ops.generalized_box_iou", generalized_box_iou),
        ("distance_box_iou", "torchvision.ops.distance_box_iou", distance_box_iou),
        ("complete_box_iou", "torchvision.ops.complete_box_iou", complete_box_iou),
    ];
    for (name, torch, measure) in measures {
        family.row(name, torch);
        family.check(name, |x| measure(&x[0], &x[1]));
    }
    let losses: [(&'static str, &'static str, BoxLoss); 4] = [
        ("box_iou_loss", "paper: Rezatofighi 2019, algorithm 2", box_iou_loss),
        (
            "generalized_box_iou_loss",
            "torchvision.ops.generalized_box_iou_loss",
            generalized_box_iou_loss,
        ),
        ("distance_box_iou_loss", "torchvision.ops.distance_box_iou_loss", distance_box_iou_loss),
        ("complete_box_iou_loss", "torchvision.ops.complete_box_iou_loss", complete_box_iou_loss),
    ];
    for (name, torch, loss) in losses {
        family.row(name, torch);
        if torch.starts_with("torchvision") {
            family.differs(UNREDUCED);
        }
        if name.starts_with("complete") {
            family.differs("Its eps is that of every quotient; torchvision's is that of α only.");
        }
        each(family, name, |x, reduction| {
            loss(&x[0], &x[1], BoxLossOptions { reduction, ..Default::default() })
        });
        let options = BoxLossOptions { eps: 0.25, reduction: LossReduction::None };
        family.check(&format!("{name}_eps"), |x| loss(&x[0], &x[1], options));
    }
}

fn penalties(family: &mut Family) {
    let model = || {
        let mut rng = Rng::new(1);
        Sequential::new()
            .then(Linear::new(3, 4, &mut rng))
            .then(LayerNorm::new(4))
            .then(Linear::new(4, 2, &mut rng).without_bias())
    };
    let all = Selection::all();
    family.row("l1_penalty", "paper: Tibshirani 1996");
    family.layer("l1_penalty", model, |m, _| vec![l1_penalty(m, &all)]);
    family.row("l2_penalty", "paper: Hoerl & Kennard 1970");
    family.layer("l2_penalty", model, |m, _| vec![l2_penalty(m, &all)]);
    family.row("elastic_net_penalty", "paper: Zou & Hastie 2005, eq. 3");
    let matrices = Selection::all().without_vectors();
    family.layer("elastic_net_penalty", model, |m, _| {
        vec![elastic_net_penalty(m, &matrices, (0.3, 0.2))]
    });
    let first = Selection::matching("0.*");
    family.layer("elastic_net_penalty_pattern", model, |m, _| {
        vec![elastic_net_penalty(m, &first, (0.3, 0.2))]
    });
}
