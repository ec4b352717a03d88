//! First values: their mean, their spread, their bounds.

use gradus_nn::init::{Fan, Init, gain};
use gradus_nn::{
    BatchNorm2d, Bilinear, Conv2d, ConvTranspose2d, Embedding, EmbeddingBag, InstanceNorm2d,
    InstanceNormOptions, Linear, Module, PRelu,
};
use gradus_tensor::{DType, Rng, Tensor};

/// A weight with fan-in 18 · 9 = 162 and fan-out 30 · 9 = 270.
const SHAPE: [usize; 4] = [30, 18, 3, 3];

fn draw(init: Init) -> Vec<f64> {
    let numbers = init.draw(SHAPE, &mut Rng::new(3)).to_vec::<f32>();
    numbers.into_iter().map(f64::from).collect()
}

fn mean_and_std(numbers: &[f64]) -> (f64, f64) {
    let count = numbers.len() as f64;
    let mean = numbers.iter().sum::<f64>() / count;
    (mean, (numbers.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / count).sqrt())
}

#[test]
fn uniform_weights_keep_their_bounds() {
    let sqrt = f64::sqrt;
    for (init, bound) in [
        (Init::Uniform { low: -0.5, high: 0.5 }, 0.5),
        (Init::XavierUniform { gain: 2.0 }, 2.0 * sqrt(6.0 / 432.0)),
        (Init::HeUniform { gain: gain::RELU, fan: Fan::In }, sqrt(6.0 / 162.0)),
        (Init::HeUniform { gain: 1.0, fan: Fan::Out }, sqrt(3.0 / 270.0)),
        (Init::LeCunUniform, sqrt(3.0 / 162.0)),
        (Init::PYTORCH_WEIGHT, sqrt(1.0 / 162.0)),
    ] {
        let numbers = draw(init);
        let largest = numbers.iter().fold(0.0_f64, |largest, x| largest.max(x.abs()));
        assert!(largest <= bound * (1.0 + 1e-6), "{init:?}: {largest} > {bound}");
        assert!(largest > 0.99 * bound, "{init:?}: {largest} is far below {bound}");
        let (mean, std) = mean_and_std(&numbers);
        assert!(mean.abs() < 0.05 * bound, "{init:?}: mean {mean}");
        assert!((std * sqrt(3.0) / bound - 1.0).abs() < 0.03, "{init:?}: {std}");
    }
}

#[test]
fn normal_weights_have_their_spread() {
    let sqrt = f64::sqrt;
    for (init, wanted_mean, wanted_std) in [
        (Init::Normal { mean: 1.0, std: 0.2 }, 1.0, 0.2),
        (Init::XavierNormal { gain: gain::TANH }, 0.0, 5.0 / 3.0 * sqrt(2.0 / 432.0)),
        (Init::HeNormal { gain: gain::RELU, fan: Fan::In }, 0.0, sqrt(2.0 / 162.0)),
        (Init::HeNormal { gain: gain::leaky_relu(1.0), fan: Fan::Out }, 0.0, sqrt(1.0 / 270.0)),
        (Init::LeCunNormal, 0.0, sqrt(1.0 / 162.0)),
    ] {
        let (mean, std) = mean_and_std(&draw(init));
        assert!((mean - wanted_mean).abs() < 0.06 * wanted_std, "{init:?}: mean {mean}");
        assert!((std / wanted_std - 1.0).abs() < 0.03, "{init:?}: {std}, not {wanted_std}");
    }
    assert!(draw(Init::Constant(0.25)).iter().all(|x| *x == 0.25));
}

#[test]
fn truncated_normal_numbers_stay_between_their_bounds() {
    // Mean and variance of a standard normal distribution cut off at a and b, from its density φ and
    // distribution function Φ: (φ(a) - φ(b)) / Z and 1 + (a φ(a) - b φ(b)) / Z - mean².
    let phi = |x: f64| (-0.5 * x * x).exp() / std::f64::consts::TAU.sqrt();
    for (low, high, z) in
        [(-2.0, 2.0, 0.954_499_736), (0.5, 1.5, 0.241_730_337), (3.0, 99.0, 0.001_349_898)]
    {
        let init = Init::TruncatedNormal {
            mean: 1.0,
            std: 0.5,
            low: 1.0 + 0.5 * low,
            high: 1.0 + 0.5 * high,
        };
        let numbers = draw(init);
        assert!(
            numbers.iter().all(|x| (1.0 + 0.5 * low..=1.0 + 0.5 * high).contains(x)),
            "{init:?}"
        );
        let centre = (phi(low) - phi(high)) / z;
        let spread = (1.0 + (low * phi(low) - high * phi(high)) / z - centre * centre).sqrt();
        let (mean, std) = mean_and_std(&numbers);
        assert!((mean - 1.0 - 0.5 * centre).abs() < 0.03 * 0.5, "{init:?}: mean {mean}");
        assert!((std / (0.5 * spread) - 1.0).abs() < 0.05, "{init:?}: {std}");
    }
}

#[test]
fn sparse_weights_have_their_zeros_in_each_column() {
    let weight = Init::Sparse { share: 0.33, std: 0.1 }.draw([40, 25], &mut Rng::new(2));
    let zeros = weight.t().eq(&Tensor::zeros([25, 40])).to_dtype(DType::I64).sum(1);
    // ⌈0.33 · 40⌉
    assert_eq!(zeros.to_vec::<i64>(), [14; 25]);
    let others: Vec<f64> =
        weight.to_vec::<f32>().into_iter().filter(|x| *x != 0.0).map(f64::from).collect();
    let (mean, std) = mean_and_std(&others);
    assert!(mean.abs() < 0.01 && (std - 0.1).abs() < 0.01, "{mean}, {std}");
    assert_ne!(weight.select(1, 0).to_vec::<f32>(), weight.select(1, 1).to_vec::<f32>());
}

#[test]
#[should_panic(expected = "5 output channels do not make 2 groups")]
fn groups_of_dirac_are_of_the_same_size() {
    Init::Dirac { groups: 2 }.draw([5, 2, 3], &mut Rng::new(1));
}

#[test]
#[should_panic(expected = "has no numbers")]
fn a_truncated_normal_distribution_has_numbers() {
    let init = Init::TruncatedNormal { mean: 0.0, std: 1.0, low: 1.0, high: 1.0 };
    init.draw([5], &mut Rng::new(1));
}

#[test]
fn orthogonal_weights_are() {
    for shape in [[6, 20], [20, 6], [7, 7]] {
        let weight = Init::Orthogonal { gain: 2.0 }.draw(shape, &mut Rng::new(4));
        let short = if shape[0] <= shape[1] { weight.clone() } else { weight.t() };
        let products = short.matmul(&short.t());
        let wanted = Tensor::eye(shape[0].min(shape[1])) * 4.0;
        let error = (products - wanted).abs().max(..).item::<f32>();
        assert!(error < 1e-5, "{shape:?}: {error}");
    }
}

#[test]
#[should_panic(expected = "no fans")]
fn vectors_have_no_fans() {
    Init::LeCunNormal.draw([3], &mut Rng::new(1));
}

#[test]
fn layers_start_with_the_first_values_of_pytorch() {
    let rng = &mut Rng::new(3);
    // All of these have the bound 1 / √100.
    let uniform: [&dyn Module; 4] = [
        &Linear::new(100, 50, rng),
        &Conv2d::new(4, 60, 5, Default::default(), rng),
        &ConvTranspose2d::new(50, 4, 5, Default::default(), rng),
        &Bilinear::new([100, 20], 40, rng),
    ];
    for (index, layer) in uniform.into_iter().enumerate() {
        for (name, value) in layer.state_dict() {
            let largest = value.abs().max(..).item::<f32>();
            let least = if value.count() < 10 { 0.03 } else { 0.085 };
            assert!((least..=0.1).contains(&largest), "layer {index}: {name} up to {largest}");
        }
    }
    let tables: [&dyn Module; 2] =
        [&Embedding::new(100, 50, rng), &EmbeddingBag::new(100, 50, rng)];
    for table in tables {
        let numbers = table.state_dict()[0].1.to_vec::<f32>();
        let numbers: Vec<f64> = numbers.into_iter().map(f64::from).collect();
        let (mean, std) = mean_and_std(&numbers);
        assert!(mean.abs() < 0.06 && (std - 1.0).abs() < 0.03, "mean {mean}, deviation {std}");
    }
    let all = InstanceNormOptions { affine: true, track_running_stats: true, ..Default::default() };
    let norms: [&dyn Module; 2] = [&BatchNorm2d::new(3), &InstanceNorm2d::with_options(3, all)];
    for norm in norms {
        let first = [("weight", 1.0), ("bias", 0.0), ("running_mean", 0.0), ("running_var", 1.0)];
        for ((name, value), (wanted, number)) in norm.state_dict().into_iter().zip(first) {
            assert_eq!((name.as_str(), value.to_vec::<f32>()), (wanted, vec![number; 3]));
        }
    }
    assert_eq!(PRelu::new(2).weight.tensor().to_vec::<f32>(), [0.25, 0.25]);
}
