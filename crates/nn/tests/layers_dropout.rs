//! Dropout: how much it leaves out, and that it depends on the stream alone.

use gradus_nn::testing::check_layer;
use gradus_nn::{
    AlphaDropout, DropPath, Dropout, Dropout1d, Dropout2d, Dropout3d, FeatureAlphaDropout, Layer,
    Module,
};
use gradus_tensor::{DType, Device, Isa, Machine, Rng, Tensor};

#[test]
fn as_much_is_left_out_as_said_and_the_mean_stays() {
    for p in [0.1, 0.5, 0.9] {
        let number = |x: Tensor| x.item::<f32>() as f64;
        let y = Tensor::ones([100_003]).dropout(p, &mut Rng::new(3));
        let kept = number(y.ne_scalar(0.0).to_dtype(DType::F32).mean(..));
        // Five standard deviations.
        let bound = 5.0 * (p * (1.0 - p) / 1e5).sqrt();
        assert!((kept - (1.0 - p)).abs() < bound, "{kept} of numbers stayed at {p}");
        assert!((number(y.max(..)) - 1.0 / (1.0 - p)).abs() < 1e-5);
        assert!((number(y.mean(..)) - 1.0).abs() < bound / (1.0 - p));
    }
}

#[test]
fn the_stream_alone_says_what_is_left_out() {
    let x = Tensor::randn([70, 1000], &mut Rng::new(1));
    let wanted = x.dropout(0.3, &mut Rng::new(9)).to_vec::<f32>();
    assert_ne!(x.dropout(0.3, &mut Rng::new(10)).to_vec::<f32>(), wanted);
    let turned = x.t().contiguous().t().dropout(0.3, &mut Rng::new(9));
    assert_eq!(turned.to_vec::<f32>(), wanted);
    for isa in Isa::available() {
        for threads in [1, 3] {
            let moved = x.to_device(Device::cpu_with(Machine { isa, threads }));
            let y = moved.dropout(0.3, &mut Rng::new(9)).to_device(Device::cpu());
            assert_eq!(y.to_vec::<f32>(), wanted, "{isa}, {threads} threads");
        }
    }
}

#[test]
fn the_gradient_leaves_out_the_same() {
    let x = Tensor::ones([1000]).requires_grad();
    let y = x.dropout(0.4, &mut Rng::new(2));
    let gradients = y.sum(..).backward();
    assert_eq!(gradients.get(&x).unwrap().to_vec::<f32>(), y.to_vec::<f32>());
}

#[test]
fn a_layer_draws_anew_each_time_it_is_trained() {
    let layer = Dropout::new(0.5, &mut Rng::new(4));
    let x = Tensor::ones([200]);
    let first = layer.forward(&x).to_vec::<f32>();
    assert_ne!(layer.forward(&x).to_vec::<f32>(), first);
    layer.eval();
    assert_eq!(layer.forward(&x).to_vec::<f32>(), [1.0; 200]);
    check_layer(|rng| Dropout::new(0.5, rng), &Tensor::ones([3, 5]), &[]);
}

#[test]
fn every_kind_of_dropout_is_a_layer() {
    let ones = |shape: &[usize]| Tensor::ones(shape);
    check_layer(|rng| Dropout1d::new(0.5, rng), &ones(&[3, 4, 5]), &[]);
    check_layer(|rng| Dropout2d::new(0.5, rng), &ones(&[3, 4, 5, 2]), &[]);
    check_layer(|rng| Dropout3d::new(0.5, rng), &ones(&[3, 4, 5, 2, 3]), &[]);
    check_layer(|rng| DropPath::new(0.5, rng), &ones(&[3, 4]), &[]);
    check_layer(|rng| AlphaDropout::new(0.5, rng), &ones(&[3, 4]), &[]);
    check_layer(|rng| FeatureAlphaDropout::new(0.5, rng), &ones(&[3, 4, 5]), &[]);
}

/// The share of ones, after it was checked that what stands behind some axes is left out together.
#[track_caller]
fn share_of_whole(y: &Tensor, axes: isize, p: f64) -> f64 {
    let parts = y.flatten(0, axes - 1);
    let parts = parts.reshape([parts.len_of(0), parts.count() / parts.len_of(0)]);
    assert_eq!(parts.max(1).to_vec::<f32>(), parts.min(1).to_vec::<f32>());
    let kept = parts.max(1).to_vec::<f32>();
    let scaled = (1.0 / (1.0 - p)) as f32;
    assert!(kept.iter().all(|&x| x == 0.0 || (x - scaled).abs() < 1e-6));
    kept.iter().filter(|&&x| x > 0.0).count() as f64 / kept.len() as f64
}

#[test]
fn whole_channels_and_whole_elements_are_left_out() {
    let p = 0.3;
    let rng = || Rng::new(3);
    let check = |y: Tensor, axes: isize| {
        let share = share_of_whole(&y, axes, p);
        // Five standard deviations for 5000 parts.
        assert!((share - (1.0 - p)).abs() < 5.0 * (p * (1.0 - p) / 5e3).sqrt(), "{share} stayed");
    };
    check(Dropout1d::new(p, &mut rng()).forward(&Tensor::ones([50, 100, 3])), 2);
    check(Dropout2d::new(p, &mut rng()).forward(&Tensor::ones([50, 100, 3, 2])), 2);
    check(Dropout3d::new(p, &mut rng()).forward(&Tensor::ones([50, 100, 1, 3, 2])), 2);
    check(DropPath::new(p, &mut rng()).forward(&Tensor::ones([5000, 4, 2])), 1);
}

#[test]
fn alpha_dropout_keeps_mean_and_variance_and_saturates_what_it_drops() {
    let x = Tensor::randn([200_000], &mut Rng::new(1));
    let y = AlphaDropout::new(0.2, &mut Rng::new(2)).forward(&x);
    assert!(y.mean(..).item::<f32>().abs() < 0.015);
    assert!((y.var(.., 0).item::<f32>() - 1.0).abs() < 0.02);
    // What is dropped has one value: a (1 - p) times SELU's limit.
    let values = y.to_vec::<f32>();
    let limit = -1.758_099_3_f32;
    let saturated = 0.8 * limit / (0.8 * (1.0 + 0.2 * limit * limit)).sqrt();
    let share = values.iter().filter(|&&y| (y - saturated).abs() < 1e-5).count() as f64 / 2e5;
    assert!((share - 0.2).abs() < 0.01, "{share} were dropped");

    let y = FeatureAlphaDropout::new(0.2, &mut Rng::new(2)).forward(&Tensor::zeros([9, 9, 7]));
    assert_eq!(y.max(2).to_vec::<f32>(), y.min(2).to_vec::<f32>());
    let y = AlphaDropout::new(1.0, &mut Rng::new(2)).forward(&Tensor::ones([5]));
    assert_eq!(y.to_vec::<f32>(), [0.0; 5]);
}

#[test]
#[should_panic(expected = "Dropout2d: takes [B, C, H, W], not [3, 4]")]
fn dropout_of_channels_needs_channels() {
    Dropout2d::new(0.5, &mut Rng::new(1)).forward(&Tensor::ones([3, 4]));
}

#[test]
#[should_panic(expected = "dropout: a probability lies between 0 and 1, not at 1.5")]
fn a_probability_beyond_one_is_refused() {
    Tensor::ones([3]).dropout(1.5, &mut Rng::new(1));
}
