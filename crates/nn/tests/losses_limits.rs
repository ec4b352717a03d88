//! What losses do at their limits: extreme numbers, halves, mistakes.

use gradus_nn::losses::*;
use gradus_nn::{Linear, Module};
use gradus_tensor::{DType, Rng, Tensor};
use std::panic::{AssertUnwindSafe, catch_unwind};

fn row(numbers: &[f32]) -> Tensor {
    Tensor::from_slice(numbers, [1, numbers.len()])
}

fn integers(numbers: &[i64]) -> Tensor {
    Tensor::from_slice(numbers, numbers.len())
}

/// The sentence a mistake leads to.
fn complaint(mistake: impl FnOnce() -> Tensor) -> String {
    *catch_unwind(AssertUnwindSafe(mistake)).unwrap_err().downcast::<String>().unwrap()
}

/// The value of a loss of a row of numbers, and its gradient by them.
fn derived(numbers: &[f32], loss: impl Fn(&Tensor) -> Tensor) -> (f32, Vec<f32>) {
    let x = row(numbers).requires_grad();
    let value = loss(&x);
    let gradient = value.backward().get(&x).unwrap().to_vec::<f32>();
    (value.item(), gradient)
}

#[test]
fn large_numbers_do_not_overflow() {
    let sum = LossReduction::Sum;
    let (value, gradient) = derived(&[1e4, -1e4], |x| log_cosh_loss(x, &x.zeros_like(), sum));
    assert_eq!((value, &gradient[..]), (2e4 - 4f32.ln(), &[1.0, -1.0][..]));
    let signs = row(&[1.0, 1.0]);
    let (value, gradient) = derived(&[1e4, -1e4], |x| soft_margin_loss(x, &signs, sum));
    assert_eq!((value, &gradient[..]), (1e4, &[0.0, -1.0][..]));
    for gamma in [0.0, 0.5, 1.0, 2.0] {
        let options = FocalOptions { alpha: None, gamma, reduction: sum };
        let (value, gradient) =
            derived(&[500.0, -500.0], |x| sigmoid_focal_loss(x, &signs, options));
        assert_eq!((value, &gradient[..]), (500.0, &[0.0, -1.0][..]), "{gamma}");
        let options = SoftmaxFocalOptions { gamma, ..Default::default() };
        let (value, gradient) =
            derived(&[500.0, -500.0], |x| softmax_focal_loss(x, &integers(&[1]), &options));
        assert_eq!((value, &gradient[..]), (1000.0, &[1.0, -1.0][..]), "{gamma}");
        let (value, gradient) =
            derived(&[500.0, -500.0], |x| softmax_focal_loss(x, &integers(&[0]), &options));
        assert_eq!((value, &gradient[..]), (0.0, &[0.0, 0.0][..]), "{gamma}");
    }
    let options = InfoNceOptions { temperature: 1e-3, normalize: false, ..Default::default() };
    let x = Tensor::eye(3) * 10.0;
    assert_eq!(info_nce_loss(&x, &x, &options).item::<f32>(), 0.0);
}

#[test]
fn small_differences_keep_their_accuracy() {
    let (value, gradient) =
        derived(&[1e-3], |x| log_cosh_loss(x, &x.zeros_like(), LossReduction::Sum));
    assert!((value - 5e-7).abs() < 1e-12, "{value}");
    assert!((gradient[0] - 1e-3).abs() < 1e-9, "{gradient:?}");
    // 1 - p is e⁻²⁰, of which a difference from 1 in f32 would leave nothing.
    let options = FocalOptions { alpha: None, gamma: 1.0, reduction: LossReduction::Sum };
    let (value, _) = derived(&[20.0], |x| sigmoid_focal_loss(x, &x.ones_like(), options));
    assert!((value / (-40f32).exp() - 1.0).abs() < 1e-5, "{value}");
}

#[test]
fn what_is_equal_or_zero_has_a_gradient() {
    let same = [0.5, -0.5];
    let other = row(&[0.5, -0.5]);
    let differs = integers(&[1]);
    let (value, gradient) =
        derived(&same, |x| contrastive_loss(x, &other, &differs, ContrastiveOptions::default()));
    assert_eq!((value, &gradient[..]), (0.5, &[0.0, 0.0][..]));
    let options = TripletOptions { eps: 0.0, ..Default::default() };
    let (value, gradient) = derived(&same, |x| triplet_margin_loss(x, &other, &other, options));
    assert_eq!((value, &gradient[..]), (1.0, &[0.0, 0.0][..]));
    let cosine = |x: &Tensor| {
        cosine_embedding_loss(x, &other, &integers(&[1]), CosineEmbeddingOptions::default())
    };
    let (value, gradient) = derived(&[0.0, 0.0], cosine);
    assert!(value == 1.0 && gradient.iter().all(|g| g.is_finite()), "{gradient:?}");
    let (value, gradient) =
        derived(&[0.0, 0.0], |x| nt_xent_loss(x, &x.detach(), NtXentOptions::default()));
    assert!(value == 0.0 && gradient.iter().all(|g| g.is_finite()), "{gradient:?}");
    let point = [1.0, 1.0, 1.0, 1.0];
    for loss in [box_iou_loss, generalized_box_iou_loss, distance_box_iou_loss] {
        let (value, gradient) = derived(&point, |x| loss(x, &row(&point), Default::default()));
        assert!(value == 1.0 && gradient.iter().all(|g| g.is_finite()), "{gradient:?}");
    }
    let nothing = Tensor::zeros([1, 1, 4]);
    assert_eq!(dice_loss(&nothing, &nothing, DiceOptions::default()).item::<f32>(), 0.0);
    assert_eq!(tversky_loss(&nothing, &nothing, TverskyOptions::default()).item::<f32>(), 0.0);
}

#[test]
fn what_is_ignored_may_be_infinite() {
    let x = Tensor::from_slice(&[f32::NEG_INFINITY, 0.0, -1.0, -2.0], [2, 2]).requires_grad();
    let options = NllOptions { ignore_index: Some(0), ..Default::default() };
    let loss = nll_loss_with(&x, &integers(&[0, 1]), &options);
    assert_eq!(loss.item::<f32>(), 2.0);
    assert_eq!(loss.backward().get(&x).unwrap().to_vec::<f32>(), [0.0, 0.0, 0.0, -1.0]);
    // The mean of nothing is no number, as in PyTorch.
    assert!(nll_loss_with(&x, &integers(&[0, 0]), &options).item::<f32>().is_nan());
}

#[test]
fn halves_are_summed_in_a_wider_type() {
    let ones = Tensor::ones(([1, 1, 300, 300], DType::F16));
    let loss = dice_loss(&ones, &ones, DiceOptions::default());
    assert_eq!((loss.dtype(), loss.to_dtype(DType::F32).item::<f32>()), (DType::F16, 0.0));
    let boxes = row(&[0.0, 0.0, 1000.0, 1000.0]).to_dtype(DType::F16);
    let iou = box_iou(&boxes, &boxes);
    assert_eq!((iou.dtype(), iou.item::<f32>()), (DType::F32, 1.0));
    let log = Tensor::full(([70_000, 1], DType::F16), -1.0);
    let target = Tensor::zeros((70_000, DType::I64));
    assert_eq!(nll_loss(&log, &target).to_dtype(DType::F32).item::<f32>(), 1.0);
    let model = Linear::new(300, 300, &mut Rng::new(1));
    model.to_dtype(DType::F16);
    model.named_params()[0].1.set(&Tensor::ones([300, 300])).unwrap();
    let penalty = l2_penalty(&model, &Selection::all().without_vectors());
    assert_eq!(penalty.item::<f32>(), 90_000.0);
}

#[test]
fn not_a_number_is_no_mistake_but_a_loss() {
    let nan = row(&[f32::NAN, 0.5]);
    assert!(binary_cross_entropy(&nan, &nan.ones_like()).item::<f32>().is_nan());
    assert!(kl_div(&nan.ones_like(), &nan, KlDivOptions::default()).item::<f32>().is_nan());
    let x = Tensor::full([4, 1, 3], f64::NAN).requires_grad();
    let loss = ctc_loss(&x, &Tensor::from_vec(vec![1i64, 2], [1, 2]), &CtcOptions::default());
    assert!(loss.item::<f32>().is_nan());
    assert!(loss.backward().get(&x).unwrap().to_vec::<f32>()[0].is_nan());
}

#[test]
fn penalties_are_of_what_is_selected() {
    let model = Linear::new(2, 1, &mut Rng::new(1));
    let params = model.named_params();
    params[0].1.set(&Tensor::from_vec(vec![3f32, -4.0], [1, 2])).unwrap();
    params[1].1.set(&Tensor::full(1, -2.0)).unwrap();
    let all = Selection::all();
    assert_eq!(l1_penalty(&model, &all).item::<f32>(), 9.0);
    assert_eq!(l2_penalty(&model, &all).item::<f32>(), 29.0);
    let both = Selection::matching("wei*").or_matching("bias");
    assert_eq!(elastic_net_penalty(&model, &both, (2.0, 0.5)).item::<f32>(), 18.0 + 14.5);
    let gradients = l2_penalty(&model, &Selection::matching("*t")).backward();
    assert_eq!(params[0].1.grad(&gradients).unwrap().to_vec::<f32>(), [6.0, -8.0]);
    assert!(params[1].1.grad(&gradients).is_none());
    params[0].1.freeze();
    assert_eq!(l1_penalty(&model, &all).item::<f32>(), 2.0);
    let message = complaint(|| {
        let model = Linear::new(2, 1, &mut Rng::new(1));
        l1_penalty(&model, &Selection::matching("layer*"))
    });
    let wanted = "penalty: no parameter has a name like layer*: names are like weight, bias";
    assert_eq!(message, wanted);
    let message = complaint(|| {
        let model = Linear::new(2, 1, &mut Rng::new(1)).without_bias();
        model.named_params()[0].1.freeze();
        l1_penalty(&model, &Selection::all())
    });
    assert_eq!(message, "penalty: no parameter is selected: choose some that are not frozen");
}

#[test]
fn numbers_out_of_range_are_named() {
    let (x, y) = (row(&[0.5, 1.5]), row(&[0.5, 1.0]));
    assert_eq!(
        complaint(|| binary_cross_entropy(&x, &y)),
        "binary_cross_entropy: there is a probability 1.5, which should lie between 0 and 1"
    );
    let (x, y) = (row(&[0.5, 0.0]), row(&[0.5, -0.5]));
    assert_eq!(
        complaint(|| kl_div(&x, &y, KlDivOptions::default())),
        "kl_div: there is a probability -0.5, which should be at least 0"
    );
    assert_eq!(
        complaint(|| poisson_nll_loss(&x, &y, PoissonNllOptions::default())),
        "poisson_nll_loss: there is a count -0.5, which should be at least 0"
    );
    let gaussian = |variance: Tensor| {
        let x = Tensor::zeros([1, 2]);
        gaussian_nll_loss(&x, &x, &variance, GaussianNllOptions::default())
    };
    assert_eq!(
        complaint(|| gaussian(row(&[1.0, -1.0]))),
        "gaussian_nll_loss: there is a variance -1, which should be at least 0"
    );
    assert_eq!(
        complaint(|| gaussian(Tensor::ones(2))),
        "gaussian_nll_loss: an output [1, 2] wants a variance of its shape, not [2]"
    );
    let x = Tensor::zeros([1, 3]);
    let zeros_and_ones = Tensor::from_vec(vec![0i64, 1, 1], [1, 3]);
    assert_eq!(
        complaint(|| hinge_loss(&x, &zeros_and_ones, LossReduction::Mean)),
        "hinge_loss: there is a target of magnitude 0: targets are 1 or -1"
    );
    assert_eq!(
        complaint(|| nll_loss(&x, &integers(&[3]))),
        "nll_loss: there is a target 3, but the scores are of 3 classes: targets go from 0 to 2"
    );
    assert_eq!(
        complaint(|| nll_loss(&x, &Tensor::zeros(1))),
        "nll_loss: takes classes as integers, not f32: convert with to_dtype"
    );
    let labels = Tensor::from_vec(vec![1i64, -2, 0], [1, 3]);
    assert_eq!(
        complaint(|| multilabel_margin_loss(&x, &labels, LossReduction::Mean)),
        "multilabel_margin_loss: there is a target -2, but there are 3 classes: targets go from 0 to \
         2, and -1 ends a row"
    );
}

#[test]
fn settings_and_shapes_are_checked() {
    let (x, classes) = (Tensor::zeros([2, 3]), integers(&[0, 1]));
    let multi = MultiMarginOptions { p: 3, ..Default::default() };
    assert_eq!(
        complaint(|| multi_margin_loss(&x, &classes, &multi)),
        "multi_margin_loss: p is 3: give 1 or 2"
    );
    let weight = NllOptions { weight: Some(Tensor::ones(2)), ..Default::default() };
    assert_eq!(
        complaint(|| nll_loss_with(&x, &classes, &weight)),
        "nll_loss: scores [2, 3] want weights [3], not [2]"
    );
    let margin = TripletOptions { margin: 0.0, ..Default::default() };
    assert_eq!(
        complaint(|| triplet_margin_loss(&x, &x, &x, margin)),
        "triplet_margin_loss: margin is 0: give a positive number"
    );
    assert_eq!(complaint(|| box_iou(&x, &x)), "box_iou: takes boxes [N, 4], not [2, 3]");
    assert_eq!(
        complaint(|| dice_loss(&x, &x, DiceOptions::default())),
        "dice_loss: takes [B, C, …] with an axis behind the classes, not [2, 3]"
    );
    assert_eq!(
        complaint(|| {
            cosine_embedding_loss(&x, &x, &integers(&[1]), CosineEmbeddingOptions::default())
        }),
        "cosine_embedding_loss: vectors [2, 3] want a target [2], not [1]"
    );
}

#[test]
fn ctc_checks_lengths_and_labels() {
    let with = |labels: [i64; 4], shape: &'static [usize], options: CtcOptions| {
        complaint(|| {
            let x = Tensor::zeros([3, 2, 4]).log_softmax(-1);
            ctc_loss(&x, &Tensor::from_slice(&labels, shape), &options)
        })
    };
    let lengths = |inputs: &[usize], targets: &[usize]| CtcOptions {
        input_lengths: Some(inputs.to_vec()),
        target_lengths: Some(targets.to_vec()),
        ..Default::default()
    };
    let labels = [1, 2, 3, 1];
    assert_eq!(
        with(labels, &[2, 2], lengths(&[3, 4], &[2, 2])),
        "ctc_loss: one of the input lengths is 4, but there are only 3"
    );
    assert_eq!(
        with(labels, &[2, 2], lengths(&[3, 3], &[3, 2])),
        "ctc_loss: one of the target lengths is 3, but there are only 2"
    );
    assert_eq!(
        with(labels, &[2, 2], lengths(&[3], &[2, 2])),
        "ctc_loss: there are 1 input lengths for 2 examples"
    );
    assert_eq!(
        with(labels, &[4], lengths(&[3, 3], &[2, 1])),
        "ctc_loss: the target lengths add up to 3, but there are 4 labels one after another"
    );
    assert_eq!(
        with([1, 2, 0, 1], &[2, 2], CtcOptions::default()),
        "ctc_loss: there is a label 0: with 4 classes, labels go from 0 to 3 and are not the blank, 0"
    );
    assert_eq!(
        with(labels, &[2, 2], CtcOptions { blank: 4, ..Default::default() }),
        "ctc_loss: the blank is 4, but there are only 4 classes"
    );
    assert_eq!(
        with(labels, &[4, 1], CtcOptions::default()),
        "ctc_loss: log-probabilities [3, 2, 4] want labels [2, S], not [4, 1]"
    );
}
