//! Dropout: how much it leaves out, and that it depends on the stream alone.

use gradus_nn::testing::check_layer;
use gradus_nn::{Dropout, Layer, Module};
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
#[should_panic(expected = "dropout: a probability lies between 0 and 1, not at 1.5")]
fn a_probability_beyond_one_is_refused() {
    Tensor::ones([3]).dropout(1.5, &mut Rng::new(1));
}
