//! What is computed again for the gradient: in a process of their own, as one test looks at how much memory
//! is in use.

use gradus_tensor::autograd::{BackwardOptions, GradOptions, grad};
use gradus_tensor::ops::{BehindNorm, ConvOptions, NormOptions};
use gradus_tensor::{DType, Rng, Tensor, memory};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// The loss of a convolution behind a norm with a ReLU, which is either computed again for the gradient
/// or, by itself, kept for it.
fn normed(repeated: bool, [x, weight, scale]: [&Tensor; 3]) -> Tensor {
    let norm = NormOptions { weight: Some(scale.clone()), ..Default::default() };
    let y = match repeated {
        true => x.batch_norm_training_with(&norm, BehindNorm::Relu).output,
        false => x.batch_norm_training(&norm).output.relu(),
    };
    let z = y.conv2d(weight, None, ConvOptions { padding: 1.into(), ..Default::default() });
    z.square().sum(..)
}

fn inputs_of_normed(side: usize) -> [Tensor; 3] {
    let mut rng = Rng::new(3);
    let mut draw = |shape: &[usize]| Tensor::randn((shape, DType::F64), &mut rng).requires_grad();
    [draw(&[2, 4, side, side]), draw(&[3, 4, 3, 3]), draw(&[4])]
}

#[test]
fn what_is_computed_again_has_the_gradients_of_what_is_kept() {
    let inputs = inputs_of_normed(6);
    let inputs = inputs.each_ref();
    let gradients = |repeated| {
        let create_graph = GradOptions { create_graph: true, ..Default::default() };
        let first = grad(&normed(repeated, inputs), &inputs, create_graph).unwrap();
        let penalty = first.iter().map(|grad| grad.square().sum(..)).reduce(|a, b| a + b).unwrap();
        let second = grad(&penalty, &inputs, GradOptions::default()).unwrap();
        [first, second].concat()
    };
    for (repeated, kept) in gradients(true).iter().zip(gradients(false)) {
        let (repeated, kept) = (repeated.to_vec::<f64>(), kept.to_vec::<f64>());
        let size = kept.iter().fold(0.0, |size: f64, x| size.max(x.abs()));
        let difference = repeated.iter().zip(&kept).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        assert!(size > 0.0 && difference <= 1e-10 * size, "{difference} of {size}");
    }
}

#[test]
fn what_is_computed_again_is_not_kept() {
    let inputs = inputs_of_normed(512);
    let kept = |repeated| {
        let before = memory::usage().live_bytes;
        let loss = normed(repeated, inputs.each_ref());
        let after = memory::usage().live_bytes;
        drop(loss);
        after as isize - before as isize
    };
    // What the convolution reads has 16 MiB.
    let [repeated, kept] = [true, false].map(kept);
    assert!(kept - repeated > 15 << 20, "{repeated} bytes are kept, and {kept}");
}

#[test]
fn what_is_computed_again_needs_what_it_is_computed_from() {
    let inputs = inputs_of_normed(6);
    let loss = normed(true, inputs.each_ref());
    let retain = BackwardOptions { retain_graph: true, ..Default::default() };
    let weight = &inputs[1];
    let first = loss.backward_with(retain).get(weight).unwrap().to_vec::<f64>();
    assert_eq!(loss.backward().get(weight).unwrap().to_vec::<f64>(), first);
    let error = catch_unwind(AssertUnwindSafe(|| _ = loss.backward())).unwrap_err();
    let error = error.downcast::<String>().unwrap();
    assert!(error.contains("walked over before"), "{error}");
}
