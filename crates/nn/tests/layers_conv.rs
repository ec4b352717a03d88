//! Convolutions: shapes, names, first values, and outputs computed by hand.

use gradus_nn::testing::check_layer;
use gradus_nn::{
    Conv1d, Conv2d, Conv3d, ConvOptions, ConvTranspose1d, ConvTranspose2d, ConvTranspose3d,
    ConvTransposeOptions, Layer, Module, Optimizer, Padding, Param, Sgd, SgdOptions, summary,
};
use gradus_tensor::{Rng, Tensor, no_grad};

fn input(shape: &[usize]) -> Tensor {
    Tensor::randn(shape, &mut Rng::new(7))
}

fn from(numbers: impl IntoIterator<Item = i32>, shape: &[usize]) -> Tensor {
    Tensor::from_vec(numbers.into_iter().map(|x| x as f32).collect(), shape)
}

#[test]
fn every_layer_saves_loads_and_trains() {
    let options = ConvOptions { stride: 2.into(), padding: 1.into(), groups: 2, ..plain() };
    check_layer(
        |rng| Conv1d::new(4, 6, 3, options, rng),
        &input(&[2, 4, 9]),
        &[("weight", &[6, 2, 3]), ("bias", &[6])],
    );
    check_layer(
        |rng| Conv2d::new(4, 6, [3, 2], options, rng),
        &input(&[2, 4, 5, 6]),
        &[("weight", &[6, 2, 3, 2]), ("bias", &[6])],
    );
    check_layer(
        |rng| Conv2d::new(3, 5, 1, plain(), rng).without_bias(),
        &input(&[2, 3, 4, 4]),
        &[("weight", &[5, 3, 1, 1])],
    );
    check_layer(
        |rng| Conv3d::new(2, 3, 2, plain(), rng),
        &input(&[2, 2, 3, 4, 3]),
        &[("weight", &[3, 2, 2, 2, 2]), ("bias", &[3])],
    );
    let options = ConvTransposeOptions { stride: 2.into(), groups: 2, ..transposed() };
    check_layer(
        |rng| ConvTranspose1d::new(4, 6, 3, options, rng),
        &input(&[2, 4, 5]),
        &[("weight", &[4, 3, 3]), ("bias", &[6])],
    );
    check_layer(
        |rng| ConvTranspose2d::new(4, 6, [3, 2], options, rng),
        &input(&[2, 4, 3, 4]),
        &[("weight", &[4, 3, 3, 2]), ("bias", &[6])],
    );
    check_layer(
        |rng| ConvTranspose3d::new(2, 3, 2, transposed(), rng).without_bias(),
        &input(&[1, 2, 2, 3, 2]),
        &[("weight", &[2, 3, 2, 2, 2])],
    );
}

/// What a convolution keeps of a weight while it is in use goes when the weight is trained.
#[test]
fn a_convolution_in_use_has_the_weights_of_now() {
    for (kernel, side) in [(3, 12), (5, 9)] {
        let layer = Conv2d::new(32, 48, kernel, plain(), &mut Rng::new(1));
        let x = input(&[2, 32, side, side]);
        let mut sgd = Sgd::new(layer.params(), SgdOptions::default());
        for _ in 0..3 {
            let now = Tensor::from_vec(layer.weight.tensor().to_vec::<f32>(), layer.weight.shape());
            let bias = layer.bias.as_ref().map(|bias| bias.tensor().detach());
            let wanted = x.conv2d(&now, bias.as_ref(), plain()).to_vec::<f32>();
            for _ in 0..2 {
                assert!(no_grad(|| layer.forward(&x)).to_vec::<f32>() == wanted);
            }
            sgd.step(&layer.forward(&x).square().sum(..).backward());
        }
    }
}

fn plain() -> ConvOptions {
    ConvOptions::default()
}

fn transposed() -> ConvTransposeOptions {
    ConvTransposeOptions::default()
}

#[test]
fn outputs_and_gradients_are_those_computed_by_hand() {
    let same = ConvOptions { padding: 1.into(), ..plain() };
    let mut layer = Conv2d::new(1, 1, 3, same, &mut Rng::new(1));
    // A kernel that subtracts the left neighbour, and a bias of 10.
    layer.weight = Param::new(from([0, 0, 0, -1, 1, 0, 0, 0, 0], &[1, 1, 3, 3]));
    layer.bias = Some(Param::new(from([10], &[1])));
    let x = from([1, 4, 9, 16, 25, 36], &[1, 1, 2, 3]).requires_grad();
    let y = layer.forward(&x);
    assert_eq!(y.to_vec::<f32>(), [11.0, 13.0, 15.0, 26.0, 19.0, 21.0]);
    let gradients = (y * from([1, 10, 100, 1000, 0, 0], &[1, 1, 2, 3])).sum(..).backward();
    let by_x = gradients.get(&x).unwrap().to_vec::<f32>();
    assert_eq!(by_x, [-9.0, -90.0, 100.0, 1000.0, 0.0, 0.0]);
    let by_bias = layer.bias.as_ref().unwrap().grad(&gradients).unwrap();
    assert_eq!(by_bias.to_vec::<f32>(), [1111.0]);
    // Σ dy · x shifted by the tap: the middle one meets x itself.
    let by_weight = layer.weight.grad(&gradients).unwrap().to_vec::<f32>();
    assert_eq!(by_weight[4], 1.0 + 40.0 + 900.0 + 16_000.0);
    assert_eq!(by_weight[3], 10.0 + 400.0);
    assert_eq!(by_weight[1], 1000.0);

    // Each number of the input puts down a copy of the kernel, two places apart.
    let options = ConvTransposeOptions { stride: 2.into(), padding: 1.into(), ..transposed() };
    let mut layer = ConvTranspose1d::new(1, 1, 3, options, &mut Rng::new(1));
    layer.weight = Param::new(from([1, 2, 3], &[1, 1, 3]));
    layer.bias = Some(Param::new(from([0], &[1])));
    let y = layer.forward(&from([1, 10, 100], &[1, 1, 3]));
    assert_eq!(y.to_vec::<f32>(), [2.0, 13.0, 20.0, 130.0, 200.0]);
}

#[test]
fn first_values_are_uniform_within_one_over_the_root_of_fan_in() {
    let layer = Conv2d::new(8, 64, 3, ConvOptions { groups: 2, ..plain() }, &mut Rng::new(3));
    let bound = 1.0 / (4.0f32 * 9.0).sqrt();
    for values in [layer.weight.tensor(), layer.bias.unwrap().tensor()] {
        let values = values.to_vec::<f32>();
        let largest = values.iter().fold(0.0f32, |most, x| most.max(x.abs()));
        assert!(largest <= bound && largest > 0.9 * bound, "{largest}");
    }
}

#[test]
fn operations_are_counted() {
    let layer =
        Conv2d::new(3, 8, 3, ConvOptions { padding: 1.into(), ..plain() }, &mut Rng::new(1));
    let summary = summary(&layer, [1, 3, 10, 10]);
    assert_eq!(summary.rows[0].flops, 100 * 8 * (2 * 27 + 1));
    assert_eq!(summary.trained, 8 * 27 + 8);
}

/// The sentence of a panic.
fn refusal(body: impl FnOnce() + std::panic::UnwindSafe) -> String {
    *std::panic::catch_unwind(body).unwrap_err().downcast::<String>().unwrap()
}

#[test]
fn mistakes_are_refused_with_a_sentence() {
    let refused = |x: &[usize], w: &[usize], options: ConvOptions| {
        let (x, w) = (Tensor::zeros(x), Tensor::zeros(w));
        refusal(move || {
            x.conv2d(&w, None, options);
        })
    };
    let cases = [
        (
            refused(&[2, 3, 8, 8], &[4, 2, 3, 3], plain()),
            "conv2d: the weight [4, 2, 3, 3] takes 2 channels, but the input is [2, 3, 8, 8]",
        ),
        (
            refused(&[2, 3, 8, 8], &[4, 3, 3, 3], ConvOptions { groups: 2, ..plain() }),
            "conv2d: the 3 channels of the input [2, 3, 8, 8] do not divide into 2 groups",
        ),
        (
            refused(&[2, 4, 8, 8], &[3, 2, 3, 3], ConvOptions { groups: 2, ..plain() }),
            "conv2d: the 3 outputs of the weight [3, 2, 3, 3] do not divide into 2 groups",
        ),
        (
            refused(&[3, 8, 8], &[4, 3, 3, 3], plain()),
            "conv2d: takes an input [B, C, H, W], not [3, 8, 8]",
        ),
        (
            refused(&[2, 3, 4, 8], &[4, 3, 7, 3], ConvOptions { padding: 1.into(), ..plain() }),
            "conv2d: the kernel covers 7 places, but the input has 4, 6 with its padding",
        ),
        (
            refused(&[1, 1, 8, 8], &[1, 1, 3, 3], ConvOptions { stride: 0.into(), ..plain() }),
            "conv2d: kernel, stride and dilation are at least 1, not 3, 0 and 1",
        ),
        (
            refused(
                &[1, 1, 8, 8],
                &[1, 1, 3, 3],
                ConvOptions { stride: [1, 2, 3].into(), ..plain() },
            ),
            "conv2d: stride [1, 2, 3] has 3 numbers for 2 spatial axes: give one for all or one for \
             each",
        ),
        (
            refused(
                &[1, 1, 8, 8],
                &[1, 1, 3, 3],
                ConvOptions { stride: 2.into(), padding: Padding::Same, ..plain() },
            ),
            "conv2d: padding that keeps the lengths wants a stride of 1, not 2: give numbers",
        ),
        (
            refused(
                &[1, 1, 8, 8],
                &[1, 1, 3, 3],
                ConvOptions { dilation: (usize::MAX / 2).into(), ..plain() },
            ),
            "conv2d: a kernel of 3 with a dilation of 9223372036854775807 reaches too far",
        ),
        (
            refusal(|| {
                let options = ConvTransposeOptions { output_padding: 1.into(), ..transposed() };
                Tensor::zeros([1, 1, 4]).conv_transpose1d(&Tensor::zeros([1, 1, 3]), None, options);
            }),
            "conv_transpose1d: an output padding of 1 is not below the stride 1 or the dilation 1",
        ),
        (
            refusal(|| {
                let options = ConvTransposeOptions { padding: 3.into(), ..transposed() };
                Tensor::zeros([1, 1, 4]).conv_transpose1d(&Tensor::zeros([1, 1, 3]), None, options);
            }),
            "conv_transpose1d: nothing is left of the output: 4 places reach 6, of which the padding \
             cuts off 6",
        ),
        (
            refusal(|| {
                Conv2d::new(3, 4, 3, ConvOptions { groups: 2, ..plain() }, &mut Rng::new(1));
            }),
            "4 and 3 channels do not divide into 2 groups",
        ),
    ];
    for (said, wanted) in cases {
        assert_eq!(said, wanted);
    }
}
