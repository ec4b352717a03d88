//! The scale of losses, and gradients of 16 bits.

use gradus_nn::{GradScaler, GradScalerOptions, Layer, Linear, Module, Optimizer, Sgd, SgdOptions};
use gradus_tensor::{DType, Rng, Tensor};

/// The scale before each of some steps, of which those named overflow.
fn scales(options: GradScalerOptions, overflows: &[usize], steps: usize) -> Vec<f64> {
    let mut scaler = GradScaler::new(options);
    let mut scales = vec![];
    for step in 0..steps {
        scales.push(scaler.scale());
        scaler.update(!overflows.contains(&step));
    }
    scales
}

/// As `torch.amp.GradScaler("cpu", init_scale=1024, growth_interval=3)` of PyTorch 2.15 does.
#[test]
fn the_scale_falls_at_once_and_grows_slowly() {
    let options = GradScalerOptions { initial: 1024.0, interval: 3, ..Default::default() };
    let wanted = [
        1024.0, 512.0, 512.0, 512.0, 1024.0, 1024.0, 512.0, 512.0, 512.0, 1024.0, 1024.0, 1024.0,
        2048.0,
    ];
    assert_eq!(scales(options, &[0, 5], 13), wanted);
}

#[test]
fn the_defaults_are_pytorchs() {
    let options = GradScalerOptions::default();
    let scales = scales(options, &[2000], 4003);
    assert_eq!(scales[0], 65536.0);
    assert_eq!((scales[1999], scales[2000], scales[2001]), (65536.0, 131072.0, 65536.0));
    assert_eq!((scales[4000], scales[4001]), (65536.0, 131072.0));
}

#[test]
fn the_scale_stays_a_number() {
    let options = GradScalerOptions { initial: 1e38, interval: 1, ..Default::default() };
    assert_eq!(scales(options, &[], 4), [1e38, 2e38, 2e38, 2e38]);
}

#[test]
fn steps_with_infinite_gradients_are_left_out() {
    let model = Linear::new(3, 2, &mut Rng::new(1));
    let mut optimizer = Sgd::new(model.params(), SgdOptions::default());
    let mut scaler = GradScaler::new(GradScalerOptions::default());
    let weight = || model.named_params()[0].1.tensor().to_vec::<f32>();
    let before = weight();
    for bad in [f32::INFINITY, f32::NAN] {
        let x = Tensor::from_vec(vec![1.0, bad, 1.0], [1, 3]);
        let mut gradients = scaler.scaled(&model.forward(&x).sum(..)).backward();
        assert!(!scaler.step(&mut optimizer, &mut gradients));
        assert_eq!(weight(), before);
    }
    assert_eq!(scaler.scale(), 16384.0);
    let loss = || model.forward(&Tensor::ones([1, 3])).sum(..);
    let plain = loss().backward();
    let mut gradients = scaler.scaled(&loss()).backward();
    assert!(scaler.unscale(&model.params(), &mut gradients));
    for param in model.params() {
        let (scaled, plain) = (param.grad(&gradients).unwrap(), param.grad(&plain).unwrap());
        assert_eq!(scaled.to_vec::<f32>(), plain.to_vec::<f32>());
    }
    assert!(scaler.step(&mut optimizer, &mut scaler.clone().scaled(&loss()).backward()));
    assert_ne!(weight(), before);
}

/// Gradients that are too small for 16 bits reach the weights by way of the scale alone.
#[test]
fn small_gradients_of_16_bits_do_not_vanish() {
    let options = SgdOptions { learning_rate: 1e5, ..Default::default() };
    let trained = |scaler: Option<GradScaler>| {
        let model = Linear::new(4, 1, &mut Rng::new(1));
        model.to_dtype(DType::F16);
        let mut optimizer = Sgd::new(model.params(), options);
        let before = model.named_params()[0].1.tensor().to_dtype(DType::F64).to_vec::<f64>();
        let x = (Tensor::ones([1, 4]) * 1e-4).to_dtype(DType::F16);
        // The gradient is 10⁻⁸, the smallest number of 16 bits 6 · 10⁻⁸.
        let loss = (model.forward(&x) * 1e-4).sum(..);
        match scaler {
            None => optimizer.step(&loss.backward()),
            Some(mut scaler) => {
                let mut gradients = scaler.scaled(&loss).backward();
                assert!(scaler.step(&mut optimizer, &mut gradients));
            }
        }
        let after = model.named_params()[0].1.tensor().to_dtype(DType::F64).to_vec::<f64>();
        before.iter().zip(&after).map(|(a, b)| a - b).fold(0.0, f64::max)
    };
    assert_eq!(trained(None), 0.0);
    let scaler = GradScaler::new(GradScalerOptions { initial: 4096.0, ..Default::default() });
    let moved = trained(Some(scaler));
    assert!((moved - 1e-3).abs() < 3e-4, "{moved}");
}

#[test]
fn a_scaler_goes_on_where_it_was() {
    let options = GradScalerOptions { interval: 3, ..Default::default() };
    let mut first = GradScaler::new(options);
    [false, true, true].into_iter().for_each(|finite| first.update(finite));
    let mut second = GradScaler::new(options);
    second.load_state_dict(&first.state_dict()).unwrap();
    assert_eq!(first, second);
    second.update(true);
    assert_eq!(second.scale(), 65536.0);
    let message = second.load_state_dict(&first.state_dict()[..1]).unwrap_err().to_string();
    assert!(message.contains("GradScaler"), "{message}");
}

#[test]
#[should_panic(expected = "GradScaler: the growth is 1: give more than 1")]
fn settings_that_cannot_be_are_refused() {
    GradScaler::new(GradScalerOptions { growth: 1.0, ..Default::default() });
}
