//! Activations: what every layer should pass, and what is drawn at random.

use gradus_nn::testing::check_layer;
use gradus_nn::{Layer, Linear, Maxout, Module, PRelu, RRelu, Sequential, SwiGlu, activations};
use gradus_tensor::ops::GumbelOptions;
use gradus_tensor::{DType, Rng, Tensor};

fn randn(shape: &[usize]) -> Tensor {
    Tensor::randn(shape, &mut Rng::new(7))
}

#[test]
fn every_activation_of_the_list_is_a_layer() {
    let mut names = vec![];
    for activation in activations() {
        check_layer(|_| (activation.make)(), &randn(&[3, 4, 6]), &[]);
        names.push(activation.name);
    }
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count, "two activations have one name");
}

#[test]
fn activations_with_parameters_or_random_slopes() {
    check_layer(|_| PRelu::new(1), &randn(&[5]), &[("weight", &[1])]);
    check_layer(|_| PRelu::new(3), &randn(&[2, 3, 4, 5]), &[("weight", &[3])]);
    check_layer(RRelu::new, &randn(&[3, 5]), &[]);
    check_layer(|_| Maxout { pieces: 2 }, &randn(&[3, 6, 2]), &[]);
    let names: &[(&str, &[usize])] = &[
        ("gate_proj.weight", &[7, 4]),
        ("up_proj.weight", &[7, 4]),
        ("down_proj.weight", &[4, 7]),
    ];
    check_layer(|rng| SwiGlu::new(4, 7, rng), &randn(&[2, 3, 4]), names);
    let make =
        |rng: &mut Rng| Sequential::new().then(Linear::new(5, 6, rng)).then(Maxout { pieces: 3 });
    check_layer(make, &randn(&[4, 5]), &[("0.weight", &[6, 5]), ("0.bias", &[6])]);
}

#[test]
fn nothing_that_is_not_a_number_is_lost() {
    let x = Tensor::from(vec![f32::NAN, 1.0]);
    for activation in activations().filter(|activation| activation.name != "Glu") {
        let y = (activation.make)().forward(&x).to_vec::<f32>();
        // The sign of what is no number is 0, as in PyTorch.
        assert!(y[0].is_nan() || activation.name == "SignStraightThrough", "{}", activation.name);
    }
    assert!(PRelu::new(1).forward(&x).to_vec::<f32>()[0].is_nan());
}

#[test]
fn random_slopes_lie_between_their_ends_and_have_their_mean() {
    let layer = RRelu::between(0.2, 0.6, &mut Rng::new(3));
    let x = Tensor::full([10_000], -2.0);
    let slopes = layer.forward(&x) / -2.0;
    assert!(slopes.min(..).item::<f32>() >= 0.2 && slopes.max(..).item::<f32>() < 0.6);
    // Five standard deviations of a mean of uniform numbers.
    let bound = 5.0 * 0.4 / 12f32.sqrt() / 100.0;
    assert!((slopes.mean(..).item::<f32>() - 0.4).abs() < bound);
    let quarter = slopes.lt_scalar(0.3).to_dtype(DType::F32).mean(..).item::<f32>();
    assert!((quarter - 0.25).abs() < 0.025, "{quarter} of slopes lie in their first quarter");
    assert_ne!(layer.forward(&x).to_vec::<f32>(), layer.forward(&x).to_vec::<f32>());
    layer.eval();
    let y = layer.forward(&Tensor::from(vec![-2f32, 3.0])).to_vec::<f32>();
    assert!((y[0] + 0.8).abs() < 1e-6 && y[1] == 3.0);
}

#[test]
fn gumbel_noise_chooses_with_the_probabilities_of_softmax() {
    let logits = Tensor::from([[0f32, 1.0, -0.5]]);
    let wanted = logits.softmax(-1).to_vec::<f32>();
    let many = logits.broadcast_to([40_000, 3]);
    let hard = GumbelOptions { hard: true, ..Default::default() };
    let chosen = many.gumbel_softmax(hard, &mut Rng::new(5));
    for (share, wanted) in chosen.mean(0).to_vec::<f32>().iter().zip(&wanted) {
        // Five standard deviations.
        let bound = 5.0 * (wanted * (1.0 - wanted) / 4e4).sqrt();
        assert!((share - wanted).abs() < bound, "{share} chosen with the probability {wanted}");
    }
    assert!(chosen.to_vec::<f32>().iter().all(|&x| x == 0.0 || x == 1.0));
    let soft = many.gumbel_softmax(GumbelOptions { temperature: 0.1, ..hard }, &mut Rng::new(5));
    assert_eq!(soft.argmax(-1).to_vec::<i64>(), chosen.argmax(-1).to_vec::<i64>());
}

#[test]
fn hard_choices_along_any_axis_have_the_gradient_of_the_soft_ones() {
    let x = randn(&[4, 3, 5]);
    for axis in [0, 1, -1] {
        let gradient = |hard: bool| {
            let leaf = x.requires_grad();
            let options = GumbelOptions { hard, axis, ..Default::default() };
            let y = leaf.gumbel_softmax(options, &mut Rng::new(2));
            assert_eq!(y.shape(), x.shape());
            let sums = y.sum(axis).to_vec::<f32>();
            assert!(sums.iter().all(|sum| (sum - 1.0).abs() < 1e-5), "{sums:?}");
            let loss = (y * randn(&[4, 3, 5])).sum(..);
            loss.backward().get(&leaf).unwrap().to_vec::<f32>()
        };
        assert_eq!(gradient(true), gradient(false), "axis {axis}");
    }
}

#[test]
fn signs_pass_gradients_straight_through_where_inputs_are_small() {
    let x = Tensor::from(vec![-2f32, -0.3, 0.0, 0.1, 1.5]).requires_grad();
    let y = x.sign_straight_through();
    assert_eq!(y.to_vec::<f32>(), [-1.0, -1.0, 0.0, 1.0, 1.0]);
    let gradients = (y * Tensor::from(vec![1f32, 2.0, 3.0, 4.0, 5.0])).sum(..).backward();
    assert_eq!(gradients.get(&x).unwrap().to_vec::<f32>(), [0.0, 2.0, 3.0, 4.0, 0.0]);
}

#[test]
fn ends_of_a_ramp_have_no_gradient() {
    let gradient = |call: fn(&Tensor) -> Tensor, at: &[f32]| {
        let x = Tensor::from(at.to_vec()).requires_grad();
        call(&x).sum(..).backward().get(&x).unwrap().to_vec::<f32>()
    };
    assert_eq!(gradient(Tensor::relu6, &[-1.0, 0.0, 0.5, 6.0, 7.0]), [0.0, 0.0, 1.0, 0.0, 0.0]);
    let x = [-0.5, -0.2, 0.5, 0.7];
    assert_eq!(gradient(|x| x.softshrink(0.5), &x), [0.0, 0.0, 0.0, 1.0]);
    assert_eq!(gradient(|x| x.hardshrink(0.5), &x), [0.0, 0.0, 0.0, 1.0]);
}

#[test]
#[should_panic(expected = "glu: axis 1 of [2, 3] has no two halves")]
fn an_odd_axis_has_no_halves() {
    Tensor::zeros([2, 3]).glu(1);
}

#[test]
#[should_panic(
    expected = "prelu: weights [3] are neither one nor 4, one for each channel of [2, 4]"
)]
fn weights_for_other_channels_are_refused() {
    PRelu::new(3).forward(&Tensor::zeros([2, 4]));
}

#[test]
#[should_panic(expected = "hardtanh: the least value 2 is above the greatest 1: exchange them")]
fn a_ramp_upside_down_is_refused() {
    Tensor::zeros(3).hardtanh(2.0, 1.0);
}
