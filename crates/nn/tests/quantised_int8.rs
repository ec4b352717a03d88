//! Batch norms that are folded, and models that compute with integers of eight bits.

use gradus_nn::losses::cross_entropy;
use gradus_nn::quantised::{Int8Calibration, Ranges, load_state_dict, quantise_int8, state_dict};
use gradus_nn::{
    Adam, AdamOptions, BatchNorm1d, BatchNorm2d, BatchNormOptions, Conv1d, Conv2d, ConvOptions,
    ConvTranspose2d, ConvTransposeOptions, Flatten, Layer, Linear, MaxPool2d, Module, Optimizer,
    Relu, Residual, Sequential, fold_norm, fold_norms,
};
use gradus_tensor::{DType, Device, Isa, Machine, Rng, Tensor, no_grad};
use std::slice::from_ref;

/// ‖x - y‖ / ‖y‖.
fn distance(x: &Tensor, y: &Tensor) -> f64 {
    let (x, y) = (x.to_dtype(DType::F64), y.to_dtype(DType::F64));
    no_grad(|| ((&x - &y).norm(2.0, ..) / y.norm(2.0, ..)).item())
}

/// A norm that has seen numbers, with a weight and a bias of its own.
fn seasoned(channels: usize, rng: &mut Rng) -> BatchNorm2d {
    let options = BatchNormOptions { epsilon: 0.03, ..Default::default() };
    let norm = BatchNorm2d::with_options(channels, options);
    for param in norm.params() {
        param.set(&(Tensor::randn(channels, rng) + 0.5)).unwrap();
    }
    norm.forward(&(Tensor::randn([4, channels, 3, 3], rng) * 3.0 + 1.0));
    norm
}

fn padded() -> ConvOptions {
    ConvOptions { padding: 1.into(), ..Default::default() }
}

/// Images of 12 pixels into three classes.
fn network(rng: &mut Rng) -> Sequential {
    let block = Sequential::new()
        .then(Conv2d::new(8, 8, 3, padded(), rng).without_bias())
        .then(seasoned(8, rng));
    Sequential::new()
        .then(Conv2d::new(1, 8, 3, padded(), rng).without_bias())
        .then(seasoned(8, rng))
        .then(Relu)
        .then(Residual::new(block))
        .then(Relu)
        .then(MaxPool2d::new(2))
        .then(Conv2d::new(8, 16, 3, padded(), rng))
        .then(seasoned(16, rng))
        .then(Relu)
        .then(MaxPool2d::new(2))
        .then(Flatten)
        .then(Linear::new(16 * 9, 3, rng))
}

#[test]
fn a_folded_model_computes_the_same() {
    let rng = &mut Rng::new(1);
    let mut model = network(rng);
    let x = Tensor::randn([5, 1, 12, 12], rng);
    assert!(fold_norms(&mut model).unwrap_err().to_string().contains("eval"));
    model.eval();
    let before = no_grad(|| model.forward(&x));
    assert_eq!(fold_norms(&mut model).unwrap(), 3);
    assert!(distance(&model.forward(&x), &before) < 1e-5);
    let names: Vec<String> = model.named_params().into_iter().map(|(name, _)| name).collect();
    let wanted = ["0.weight", "0.bias", "3.layer.0.weight", "3.layer.0.bias", "6.weight", "6.bias"];
    assert_eq!(names[..6], wanted);
    assert!(fold_norms(&mut model).is_err());
}

#[test]
fn a_norm_folds_into_each_kind_of_layer() {
    let rng = &mut Rng::new(1);
    let double = ConvTransposeOptions { stride: 2.into(), ..Default::default() };
    let norm = seasoned(6, rng);
    norm.eval();
    let mut conv = ConvTranspose2d::new(4, 6, 2, double, rng);
    conv.weight.freeze();
    let x = Tensor::randn([2, 4, 5, 5], rng);
    let wanted = norm.forward(&conv.forward(&x));
    fold_norm(&mut conv, &norm).unwrap();
    assert!(distance(&conv.forward(&x), &wanted) < 1e-5);
    assert!(!conv.weight.is_trainable() && conv.bias.as_ref().unwrap().is_trainable());

    let norm =
        BatchNorm1d::with_options(6, BatchNormOptions { affine: false, ..Default::default() });
    norm.forward(&Tensor::randn([9, 6], rng));
    norm.eval();
    let mut linear = Linear::new(4, 6, rng);
    let x = Tensor::randn([2, 4], rng);
    let wanted = norm.forward(&linear.forward(&x));
    fold_norm(&mut linear, &norm).unwrap();
    assert!(distance(&linear.forward(&x), &wanted) < 1e-5);
    let mut groups = Conv1d::new(4, 6, 3, ConvOptions { groups: 2, ..padded() }, rng);
    let x = Tensor::randn([2, 4, 7], rng);
    let wanted = norm.forward(&groups.forward(&x));
    fold_norm(&mut groups, &norm).unwrap();
    assert!(distance(&groups.forward(&x), &wanted) < 1e-5);

    // What does not fit is left as it is.
    let mut other = Linear::new(4, 5, rng);
    let before = other.weight.tensor().to_vec::<f32>();
    assert!(fold_norm(&mut other, &norm).unwrap_err().to_string().contains("6 outputs"));
    assert!(fold_norm(&mut other, &Relu).unwrap_err().to_string().contains("Relu"));
    assert!(fold_norm(&mut MaxPool2d::new(2), &norm).is_err());
    assert_eq!(other.weight.tensor().to_vec::<f32>(), before);
    let mut groups =
        ConvTranspose2d::new(4, 6, 2, ConvTransposeOptions { groups: 2, ..double }, rng);
    assert!(fold_norm(&mut groups, &norm).is_err());
}

/// Images with a bar: upright, lying, or none but a square, each with noise; and which.
fn bars(count: usize, rng: &mut Rng) -> (Tensor, Tensor) {
    let mut pixels = (Tensor::randn(count * 144, rng) * 0.4).to_vec::<f32>();
    let mut classes = vec![];
    for image in pixels.chunks_mut(144) {
        let [class, at, along] = [3, 10, 6].map(|below| rng.below(below) as usize);
        for i in 0..6 {
            match class {
                0 => image[(along + i) * 12 + at] += 2.0,
                1 => image[at * 12 + along + i] += 2.0,
                _ => image[(along + i / 3) * 12 + at.min(9) + i % 3] += 2.0,
            }
        }
        classes.push(class as i64);
    }
    (Tensor::from_vec(pixels, [count, 1, 12, 12]), Tensor::from(classes))
}

/// A network that tells bars apart.
fn trained() -> Sequential {
    let rng = &mut Rng::new(5);
    let mut model = network(rng);
    let options = AdamOptions { learning_rate: 1e-2, ..Default::default() };
    let mut optimizer = Adam::new(model.params(), options);
    for _ in 0..100 {
        let (x, y) = bars(64, rng);
        optimizer.step(&cross_entropy(&model.forward(&x), &y).backward());
    }
    model.eval();
    assert_eq!(fold_norms(&mut model).unwrap(), 3);
    model
}

fn accuracy(model: &dyn Layer, (x, y): &(Tensor, Tensor)) -> f64 {
    let found = no_grad(|| model.forward(x).argmax(1)).to_vec::<i64>();
    let right = found.iter().zip(y.to_vec::<i64>()).filter(|(found, wanted)| **found == *wanted);
    right.count() as f64 / found.len() as f64
}

#[test]
fn a_model_of_integers_answers_as_the_one_of_floats() {
    let model = trained();
    let test = bars(1000, &mut Rng::new(9));
    let before = accuracy(&model, &test);
    assert!(before > 0.9, "{before}");
    let state = model.state_dict();
    let samples: Vec<Tensor> = (0..3).map(|seed| bars(64, &mut Rng::new(20 + seed)).0).collect();
    for ranges in [Ranges::MinMax, Ranges::Percentile(99.95), Ranges::LeastError] {
        // Values that are set are floats again.
        model.load_state_dict(&state).unwrap();
        assert_eq!(accuracy(&model, &test), before);
        let calibration = Int8Calibration { ranges, ..Default::default() };
        let report = quantise_int8(&model, &samples, &calibration).unwrap();
        let names: Vec<&str> = report.layers.iter().map(|layer| layer.name.as_str()).collect();
        assert_eq!(names, ["0.weight", "3.layer.0.weight", "6.weight", "11.weight"]);
        assert!(report.left.is_empty(), "{report}");
        for layer in &report.layers {
            assert!((0.001..0.03).contains(&layer.relative_error), "{ranges:?}: {layer}");
            assert!(layer.to_string().contains(" dB)"));
        }
        // The inputs of all but the first layer are not negative.
        assert!(report.layers[0].input.zero > 0 && report.layers[1].input.zero == 0);
        assert!((0.001..0.05).contains(&report.output_error), "{report}");
        let after = accuracy(&model, &test);
        assert!(after > before - 0.01, "{ranges:?}: {before} -> {after}");
    }
}

#[test]
fn the_error_of_a_layer_is_that_of_its_outputs() {
    let rng = &mut Rng::new(1);
    let layer = Linear::new(30, 20, rng);
    let x = Tensor::randn([40, 30], rng);
    let wanted = no_grad(|| layer.forward(&x));
    let report = quantise_int8(&layer, from_ref(&x), &Int8Calibration::default()).unwrap();
    let error = distance(&no_grad(|| layer.forward(&x)), &wanted);
    assert!(error > 1e-3 && (error - report.layers[0].relative_error).abs() < 1e-6);
    assert!((error - report.output_error).abs() < 1e-6);
    assert_eq!(report.layers[0].bytes_before, 30 * 20 * 4);
}

#[test]
fn thread_counts_give_the_same_bits_on_every_instruction_set() {
    let model = trained();
    let (x, _) = bars(16, &mut Rng::new(9));
    let before = no_grad(|| model.forward(&x));
    quantise_int8(&model, from_ref(&x), &Int8Calibration::default()).unwrap();
    let state = state_dict(&model);
    for isa in Isa::available() {
        let [one, three] = [1, 3].map(|threads| {
            let device = Device::cpu_with(Machine { isa, threads });
            let mut other = network(&mut Rng::new(2));
            other.eval();
            fold_norms(&mut other).unwrap();
            other.to_device(device);
            load_state_dict(&other, &state).unwrap();
            no_grad(|| other.forward(&x.to_device(device))).to_device(Device::cpu())
        });
        assert_eq!(one.to_vec::<f32>(), three.to_vec::<f32>(), "{isa}");
        assert!(distance(&one, &before) < 0.05, "{isa}");
    }
}

#[test]
fn integers_are_saved_and_loaded() {
    let rng = &mut Rng::new(3);
    let (model, other) = (trained(), network(&mut Rng::new(7)));
    let (x, _) = bars(16, rng);
    let calibration = Int8Calibration { skip: vec!["0.*".into()], ..Default::default() };
    let report = quantise_int8(&model, from_ref(&x), &calibration).unwrap();
    assert_eq!(report.layers.len(), 3);
    let state = state_dict(&model);
    assert!(state.iter().any(|(name, _)| name == "0.weight"));
    assert!(state.iter().any(|(name, _)| name == "6.weight.input"));
    // The norms of the other are not folded yet.
    other.eval();
    assert!(load_state_dict(&other, &state).is_err());
    let mut other = other;
    fold_norms(&mut other).unwrap();
    load_state_dict(&other, &state).unwrap();
    let [a, b] = [&model, &other].map(|model| no_grad(|| model.forward(&x)));
    assert_eq!(a.to_vec::<f32>(), b.to_vec::<f32>());
    // As numbers, the codes give nearly the same model.
    let plain = model.state_dict();
    other.load_state_dict(&plain).unwrap();
    assert!(distance(&no_grad(|| other.forward(&x)), &a) < 0.05);
    // A part is missing: nothing is changed.
    let cut: Vec<_> = state.iter().filter(|(name, _)| !name.ends_with("input")).cloned().collect();
    assert!(load_state_dict(&other, &cut).is_err());
    assert_eq!(other.state_dict()[0].1.to_vec::<f32>(), plain[0].1.to_vec::<f32>());
}

#[test]
fn what_stays_floats_is_said() {
    let rng = &mut Rng::new(1);
    let groups = ConvOptions { groups: 2, ..padded() };
    let model = Sequential::new()
        .then(Conv2d::new(2, 4, 3, groups, rng))
        .then(Conv2d::new(4, 2, 1, padded(), rng))
        .then(ConvTranspose2d::new(2, 2, 2, ConvTransposeOptions::default(), rng));
    let x = Tensor::randn([2, 2, 6, 6], rng);
    let report = quantise_int8(&model, from_ref(&x), &Int8Calibration::default()).unwrap();
    assert_eq!(report.layers[0].name, "1.weight");
    let reasons: Vec<String> = report.left.iter().map(|(a, b)| format!("{a}: {b}")).collect();
    assert!(reasons[0].starts_with("0.weight: its channels are in groups"), "{reasons:?}");
    assert!(reasons[1].starts_with("2.weight: no layer"), "{reasons:?}");
    assert!(report.to_string().contains("0.weight stays floats"));

    let layer = Linear::new(2, 2, rng);
    let ask = |x: &[Tensor], calibration: Int8Calibration| {
        quantise_int8(&layer, x, &calibration).unwrap_err().to_string()
    };
    let plain = Int8Calibration::default;
    assert!(ask(&[], plain()).contains("no samples"));
    assert!(ask(&[Tensor::full([1, 2], f64::NAN)], plain()).contains("not all finite"));
    assert!(
        ask(&[Tensor::ones([1, 2])], Int8Calibration { pattern: "x".into(), ..plain() })
            .contains("no weight has such a name")
    );
    let ranges = Ranges::Percentile(20.0);
    assert!(ask(&[Tensor::ones([1, 2])], Int8Calibration { ranges, ..plain() }).contains("20"));
    let norm = Sequential::new().then(BatchNorm1d::new(2));
    let training = quantise_int8(&norm, &[Tensor::ones([1, 2])], &plain()).unwrap_err();
    assert!(training.to_string().contains("eval"));
    // None of this has changed the layer.
    assert!(layer.weight.int8().is_none() && layer.weight.is_trainable());
}
