//! Weights that are computed from other parameters.

use gradus_nn::testing::check_layer;
use gradus_nn::{Conv1d, Conv2d, ConvTranspose2d, Layer, Linear, Module, SpectralNorm, WeightNorm};
use gradus_tensor::{Rng, Tensor};

fn randn(shape: &[usize]) -> Tensor {
    Tensor::randn(shape, &mut Rng::new(7))
}

#[test]
fn wrapped_layers_have_the_names_of_pytorch() {
    let names: &[(&str, &[usize])] = &[
        ("bias", &[3]),
        ("parametrizations.weight.original0", &[3, 1]),
        ("parametrizations.weight.original1", &[3, 5]),
    ];
    check_layer(|rng| WeightNorm::new(Linear::new(5, 3, rng)), &randn(&[4, 5]), names);
    let make = |rng: &mut Rng| {
        WeightNorm::new(Conv1d::new(2, 3, 2, Default::default(), rng).without_bias())
    };
    let names: &[(&str, &[usize])] = &[
        ("parametrizations.weight.original0", &[3, 1, 1]),
        ("parametrizations.weight.original1", &[3, 2, 2]),
    ];
    check_layer(make, &randn(&[4, 2, 6]), names);
    let names: &[(&str, &[usize])] = &[
        ("bias", &[3]),
        ("parametrizations.weight.original", &[3, 2, 2, 2]),
        ("parametrizations.weight.0._u", &[3]),
        ("parametrizations.weight.0._v", &[8]),
    ];
    let make = |rng: &mut Rng| {
        let conv = Conv2d::new(2, 3, 2, Default::default(), rng);
        SpectralNorm::new(conv, rng)
    };
    check_layer(make, &randn(&[4, 2, 5, 5]), names);
    let layer = ConvTranspose2d::new(2, 3, 2, Default::default(), &mut Rng::new(1));
    let layer = SpectralNorm::new(layer, &mut Rng::new(1));
    let state = layer.state_dict();
    assert_eq!(*state[2].1.shape(), [3], "the outputs are the second axis");
}

#[test]
fn weight_norm_starts_with_the_layers_own_weight() {
    let make = || Conv2d::new(2, 3, 2, Default::default(), &mut Rng::new(1));
    let weight = make().weight.tensor().to_vec::<f32>();
    for axis in [0, 1] {
        let wrapped = WeightNorm::along(make(), axis).weight().to_vec::<f32>();
        for (found, wanted) in wrapped.iter().zip(&weight) {
            assert!((found - wanted).abs() < 1e-6, "{found} is not {wanted}");
        }
    }
}

#[test]
fn spectral_norm_divides_by_the_largest_singular_value() {
    let linear = Linear::new(2, 2, &mut Rng::new(1)).without_bias();
    linear.weight.set(&Tensor::from([[3f32, 0.0], [0.0, -1.0]])).unwrap();
    let layer = SpectralNorm::new(linear, &mut Rng::new(2));
    let x = Tensor::from([[1f32, 0.0], [0.0, 1.0]]);
    for _ in 0..5 {
        layer.forward(&x);
    }
    layer.eval();
    let state = |layer: &SpectralNorm| {
        let tensors = layer.state_dict().into_iter().map(|(_, x)| x.to_vec::<f32>());
        tensors.collect::<Vec<_>>()
    };
    let before = state(&layer);
    let y = layer.forward(&x).to_vec::<f32>();
    for (found, wanted) in y.iter().zip([1.0, 0.0, 0.0, -1.0 / 3.0]) {
        assert!((found - wanted).abs() < 1e-6, "{y:?}");
    }
    assert_eq!(state(&layer), before, "evaluation leaves the vectors");
}

#[test]
#[should_panic(expected = "WeightNorm: a weight [3, 5] is no matrix with an axis 2")]
fn an_axis_that_a_weight_lacks_is_refused() {
    WeightNorm::along(Linear::new(5, 3, &mut Rng::new(1)), 2);
}
