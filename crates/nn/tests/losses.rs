//! Losses against values computed by hand from PyTorch's definitions.

use gradus_nn::losses::{
    BceOptions, CrossEntropyOptions, HuberOptions, LossReduction, SmoothL1Options,
    binary_cross_entropy, binary_cross_entropy_with, binary_cross_entropy_with_logits,
    binary_cross_entropy_with_logits_with, cross_entropy, cross_entropy_with, huber_loss, l1_loss,
    l1_loss_with, mse_loss, mse_loss_with, smooth_l1_loss,
};
use gradus_tensor::{DType, Tensor};

fn tensor(numbers: &[f64]) -> Tensor {
    Tensor::from_slice(numbers, numbers.len())
}

#[track_caller]
fn assert_near(value: &Tensor, wanted: &[f64]) {
    let value = value.to_dtype(DType::F64).to_vec::<f64>();
    assert_eq!(value.len(), wanted.len());
    for (value, wanted) in value.iter().zip(wanted) {
        let same = value == wanted || (value - wanted).abs() <= 1e-9 * wanted.abs().max(1.0);
        assert!(same, "{value} is not {wanted}");
    }
}

/// The sentence a mistake leads to.
fn complaint(mistake: impl FnOnce() + std::panic::UnwindSafe) -> String {
    *std::panic::catch_unwind(mistake).unwrap_err().downcast::<String>().unwrap()
}

#[test]
fn distances_are_squared_absolute_or_both() {
    let (x, y) = (tensor(&[1.0, 2.0, -3.0]), tensor(&[1.5, 2.0, 1.0]));
    assert_near(&mse_loss(&x, &y), &[16.25 / 3.0]);
    assert_near(&mse_loss_with(&x, &y, LossReduction::Sum), &[16.25]);
    assert_near(&mse_loss_with(&x, &y, LossReduction::None), &[0.25, 0.0, 16.0]);
    assert_near(&l1_loss(&x, &y), &[1.5]);
    assert_near(&l1_loss_with(&x, &y, LossReduction::None), &[0.5, 0.0, 4.0]);
    let options = HuberOptions { delta: 2.0, reduction: LossReduction::None };
    assert_near(&huber_loss(&x, &y, options), &[0.125, 0.0, 6.0]);
    let options = SmoothL1Options { beta: 2.0, reduction: LossReduction::None };
    assert_near(&smooth_l1_loss(&x, &y, options), &[0.0625, 0.0, 3.0]);
    assert_near(&huber_loss(&x, &y, HuberOptions::default()), &[(0.125 + 3.5) / 3.0]);
}

#[test]
fn distances_want_the_same_shape_and_a_positive_delta() {
    let message = complaint(|| drop(mse_loss(&Tensor::zeros([4, 1]), &Tensor::zeros(4))));
    assert_eq!(message, "mse_loss: the output [4, 1] and the target [4] differ: reshape one");
    let message = complaint(|| {
        let options = HuberOptions { delta: 0.0, ..Default::default() };
        huber_loss(&Tensor::zeros(4), &Tensor::zeros(4), options);
    });
    assert_eq!(message, "huber_loss: delta is 0: give a positive number");
}

/// Two rows of logits whose softmax is (1/8, 2/8, 5/8) and (1/2, 1/4, 1/4).
fn logits() -> Tensor {
    let logs = [1f64, 2.0, 5.0, 8.0, 4.0, 4.0].map(f64::ln);
    Tensor::from_slice(&logs, [2, 3])
}

fn classes(numbers: &[i64]) -> Tensor {
    Tensor::from_slice(numbers, numbers.len())
}

#[test]
fn cross_entropy_is_minus_the_logarithm_of_a_probability() {
    let (first, second) = ((8f64 / 5.0).ln(), 2f64.ln());
    let target = classes(&[2, 0]);
    assert_near(&cross_entropy(&logits(), &target), &[(first + second) / 2.0]);
    let with = |options: &CrossEntropyOptions| cross_entropy_with(&logits(), &target, options);
    let plain = CrossEntropyOptions::default;
    let sum = CrossEntropyOptions { reduction: LossReduction::Sum, ..plain() };
    assert_near(&with(&sum), &[first + second]);
    let each = CrossEntropyOptions { reduction: LossReduction::None, ..plain() };
    assert_near(&with(&each), &[first, second]);

    // The mean is over the classes' weights: 3 for the first row, 2 for the second.
    let weight = Some(tensor(&[2.0, 5.0, 3.0]));
    let weighted = CrossEntropyOptions { weight: weight.clone(), ..plain() };
    assert_near(&with(&weighted), &[(3.0 * first + 2.0 * second) / 5.0]);
    let ignoring = CrossEntropyOptions { ignore_index: Some(2), ..weighted };
    assert_near(&with(&ignoring), &[second]);

    // Smoothed: (1 - ε) of the class and ε/3 of every class, each with its weight.
    let (a, b) = ([8f64, 4.0, 8.0 / 5.0].map(f64::ln), [2f64, 4.0, 4.0].map(f64::ln));
    let even = |loss: [f64; 3], weight: [f64; 3]| {
        (0..3).map(|i| loss[i] * weight[i]).sum::<f64>() * 0.3 / 3.0
    };
    let smooth = CrossEntropyOptions { label_smoothing: 0.3, ..plain() };
    let sum = 0.7 * (first + second) + even(a, [1.0; 3]) + even(b, [1.0; 3]);
    assert_near(&with(&smooth), &[sum / 2.0]);
    let smooth = CrossEntropyOptions { weight, ..smooth };
    let weights = [2.0, 5.0, 3.0];
    let sum = 0.7 * (3.0 * first + 2.0 * second) + even(a, weights) + even(b, weights);
    assert_near(&with(&smooth), &[sum / 5.0]);
}

#[test]
fn the_gradient_of_cross_entropy_is_softmax_minus_the_target() {
    let x = logits().requires_grad();
    let gradients = cross_entropy(&x, &classes(&[2, 0])).backward();
    let wanted = [0.125, 0.25, -0.375, -0.5, 0.25, 0.25].map(|x| x / 2.0);
    assert_near(gradients.get(&x).unwrap(), &wanted);
    // An ignored row has neither a loss nor a gradient.
    let gradients = cross_entropy(&x, &classes(&[-100, 0])).backward();
    assert_near(gradients.get(&x).unwrap(), &[0.0, 0.0, 0.0, -0.5, 0.25, 0.25]);
}

#[test]
fn cross_entropy_takes_probabilities() {
    let (first, second) = ((8f64 / 5.0).ln(), 2f64.ln());
    let target = Tensor::from_slice(&[0.0, 0.0, 1.0, 0.5, 0.5, 0.0], [2, 3]);
    let wanted = first + 0.5 * second + 0.5 * 4f64.ln();
    assert_near(&cross_entropy(&logits(), &target), &[wanted / 2.0]);
    // The mean is over the rows, whatever the weights.
    let weight = Some(tensor(&[2.0, 5.0, 3.0]));
    let options = CrossEntropyOptions { weight, ..Default::default() };
    let wanted = 3.0 * first + second + 2.5 * 4f64.ln();
    assert_near(&cross_entropy_with(&logits(), &target, &options), &[wanted / 2.0]);
}

#[test]
fn cross_entropy_keeps_its_accuracy_far_from_zero() {
    for shift in [0.0f32, 1e4, -1e4] {
        let x = Tensor::from_vec(vec![shift, shift + 1.0, shift + 14.0], [1, 3]).requires_grad();
        let loss = cross_entropy(&x, &classes(&[2]));
        let others = (-14f64).exp() + (-13f64).exp();
        let wanted = others.ln_1p();
        assert!((loss.item::<f32>() as f64 - wanted).abs() < 1e-7, "{loss}");
        let gradient = loss.backward().get(&x).unwrap().to_vec::<f32>();
        let wanted = (-14f64).exp() / (1.0 + others);
        assert!((gradient[0] as f64 - wanted).abs() < 1e-6 * wanted, "{}", gradient[0]);
    }
    // What is masked with minus infinity has no probability and no gradient.
    let x = Tensor::from_vec(vec![0f32, f32::NEG_INFINITY, 0.0], [1, 3]).requires_grad();
    let loss = cross_entropy(&x, &classes(&[0]));
    assert_eq!(loss.item::<f32>(), 2f32.ln());
    assert_eq!(loss.backward().get(&x).unwrap().to_vec::<f32>(), [-0.5, 0.0, 0.5]);
}

#[test]
fn cross_entropy_says_what_it_wants() {
    let with = |shape: &'static [usize], target: &'static [i64]| {
        complaint(move || drop(cross_entropy(&Tensor::zeros(shape), &classes(target))))
    };
    assert_eq!(
        with(&[2, 3], &[0, 3]),
        "cross_entropy: there is a target 3, but the logits are of 3 classes: targets go from 0 to 2"
    );
    assert!(with(&[2, 3], &[0, -1]).contains("there is a target -1"));
    assert_eq!(
        with(&[2, 3], &[0]),
        "cross_entropy: logits [2, 3] want classes of shape [2], not [1]"
    );
    let message = complaint(|| {
        let options = CrossEntropyOptions { label_smoothing: 1.5, ..Default::default() };
        cross_entropy_with(&Tensor::zeros([1, 3]), &classes(&[0]), &options);
    });
    assert_eq!(message, "cross_entropy: the label smoothing is 1.5: give a number from 0 to 1");
}

#[test]
fn binary_cross_entropy_is_bounded() {
    let (p, y) = (tensor(&[0.25, 0.9, 0.0, 1.0]), tensor(&[1.0, 0.0, 1.0, 1.0]));
    let each = BceOptions { reduction: LossReduction::None, ..Default::default() };
    let wanted = [4f64.ln(), 10f64.ln(), 100.0, 0.0];
    assert_near(&binary_cross_entropy_with(&p, &y, &each), &wanted);
    assert_near(&binary_cross_entropy(&p, &y), &[wanted.iter().sum::<f64>() / 4.0]);
    let weighted = BceOptions { weight: Some(tensor(&[1.0, 2.0, 3.0, 4.0])), ..each };
    assert_near(
        &binary_cross_entropy_with(&p, &y, &weighted),
        &[4f64.ln(), 2.0 * 10f64.ln(), 300.0, 0.0],
    );
    let p = p.requires_grad();
    let gradients = binary_cross_entropy_with(
        &p,
        &y,
        &BceOptions { reduction: LossReduction::Sum, ..Default::default() },
    )
    .backward();
    assert_near(gradients.get(&p).unwrap(), &[-4.0, 10.0, -1e12, 0.0]);
}

#[test]
fn binary_cross_entropy_of_logits_does_not_overflow() {
    let (x, y) = (tensor(&[3f64.ln(), -(3f64.ln()), 800.0, -800.0]), tensor(&[1.0, 0.5, 0.0, 1.0]));
    let each = BceOptions { reduction: LossReduction::None, ..Default::default() };
    let (likely, unlikely) = ((4f64 / 3.0).ln(), 4f64.ln());
    let wanted = [likely, 0.5 * (likely + unlikely), 800.0, 800.0];
    assert_near(&binary_cross_entropy_with_logits_with(&x, &y, &each), &wanted);
    assert_near(&binary_cross_entropy_with_logits(&x, &y), &[wanted.iter().sum::<f64>() / 4.0]);
    let options = BceOptions { pos_weight: Some(tensor(&[3.0])), ..each };
    let wanted = [3.0 * likely, 0.5 * (likely + 3.0 * unlikely), 800.0, 2400.0];
    assert_near(&binary_cross_entropy_with_logits_with(&x, &y, &options), &wanted);
    let x = x.requires_grad();
    let options = BceOptions { reduction: LossReduction::Sum, ..Default::default() };
    let gradients = binary_cross_entropy_with_logits_with(&x, &y, &options).backward();
    assert_near(gradients.get(&x).unwrap(), &[-0.25, -0.25, 1.0, -1.0]);
}
