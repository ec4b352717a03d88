//! Pooling layers: values computed by hand, and what every layer should pass.

use gradus_nn::testing::check_layer;
use gradus_nn::{
    AdaptiveAvgPool1d, AdaptiveAvgPool2d, AdaptiveAvgPool3d, AdaptiveMaxPool1d, AdaptiveMaxPool2d,
    AdaptiveMaxPool3d, AvgPool1d, AvgPool2d, AvgPool3d, GlobalAvgPool, GlobalMaxPool, Layer,
    LpPool1d, LpPool2d, LpPool3d, MaxPool1d, MaxPool2d, MaxPool3d, Relu, Sequential,
};
use gradus_tensor::ops::PoolOptions;
use gradus_tensor::{Rng, Tensor};

/// The numbers 0, 1, 2 … in a shape.
fn counted(shape: &[usize]) -> Tensor {
    let count: usize = shape.iter().product();
    Tensor::from_vec((0..count).map(|i| i as f32).collect(), shape)
}

#[test]
fn the_largest_of_each_window() {
    let x = counted(&[1, 1, 4, 4]);
    assert_eq!(MaxPool2d::new(2).forward(&x).to_vec::<f32>(), [5.0, 7.0, 13.0, 15.0]);
    let padded = PoolOptions { stride: Some(2.into()), padding: 1.into(), ..Default::default() };
    let y = MaxPool2d::with_options(3, padded).forward(&x);
    assert_eq!(y.to_vec::<f32>(), [5.0, 7.0, 13.0, 15.0]);
    let x = Tensor::from_vec(vec![3.0f32, 1.0, 4.0, 1.0, 5.0], [1, 5]);
    assert_eq!(MaxPool1d::new(2).forward(&x).to_vec::<f32>(), [3.0, 4.0]);
    let ceil = PoolOptions { ceil_mode: true, ..Default::default() };
    assert_eq!(MaxPool1d::with_options(2, ceil).forward(&x).to_vec::<f32>(), [3.0, 4.0, 5.0]);
    let dilated = PoolOptions { stride: Some(1.into()), dilation: 3.into(), ..Default::default() };
    assert_eq!(MaxPool1d::with_options(2, dilated).forward(&x).to_vec::<f32>(), [3.0, 5.0]);
    let y = MaxPool3d::new([1, 2, 3]).forward(&counted(&[2, 2, 3]));
    assert_eq!(y.to_vec::<f32>(), [5.0, 11.0]);
}

#[test]
fn the_mean_of_each_window() {
    let x = counted(&[1, 4, 4]);
    assert_eq!(AvgPool2d::new(2).forward(&x).to_vec::<f32>(), [2.5, 4.5, 10.5, 12.5]);
    let x = Tensor::from_vec(vec![3.0f32, 6.0, 9.0], [3]);
    let padded = PoolOptions { padding: 1.into(), ..Default::default() };
    assert_eq!(AvgPool1d::with_options(3, padded).forward(&x).to_vec::<f32>(), [3.0]);
    let within = PoolOptions { count_include_pad: false, ..padded };
    assert_eq!(AvgPool1d::with_options(3, within).forward(&x).to_vec::<f32>(), [4.5]);
    // PyTorch divides a last window that reaches beyond the padding by what is left of it.
    let ceil = PoolOptions { ceil_mode: true, ..Default::default() };
    assert_eq!(AvgPool1d::with_options(2, ceil).forward(&x).to_vec::<f32>(), [4.5, 9.0]);
}

#[test]
fn a_number_of_windows() {
    let x = counted(&[1, 5]);
    // Windows 0 to 2 and 2 to 4: the middle belongs to both.
    assert_eq!(AdaptiveAvgPool1d::new(2).forward(&x).to_vec::<f32>(), [1.0, 3.0]);
    let x = counted(&[1, 3, 3]);
    assert_eq!(AdaptiveAvgPool2d::new(1).forward(&x).to_vec::<f32>(), [4.0]);
    assert_eq!(AdaptiveMaxPool2d::new([1, 3]).forward(&x).to_vec::<f32>(), [6.0, 7.0, 8.0]);
}

#[test]
fn the_gradient_goes_to_the_first_of_several_largest_and_to_all_of_a_mean() {
    let x = Tensor::from_vec(vec![1.0f32, 2.0, 2.0, 0.0], [1, 2, 2]).requires_grad();
    let gradients = MaxPool2d::new(2).forward(&x).sum(..).backward();
    assert_eq!(gradients.get(&x).unwrap().to_vec::<f32>(), [0.0, 1.0, 0.0, 0.0]);
    let gradients = AvgPool2d::new(2).forward(&x).sum(..).backward();
    assert_eq!(gradients.get(&x).unwrap().to_vec::<f32>(), [0.25; 4]);
}

#[test]
fn not_a_number_is_larger_than_all() {
    let x = Tensor::from_vec(vec![f32::NAN, 2.0, 1.0, f32::NEG_INFINITY], [4]);
    let y = MaxPool1d::new(2).forward(&x).to_vec::<f32>();
    assert!(y[0].is_nan() && y[1] == 1.0);
}

#[test]
fn indices_count_within_a_plane() {
    let x = counted(&[2, 2, 4]);
    let (y, indices) = x.max_pool2d_with_indices(2, PoolOptions::default());
    assert_eq!(y.to_vec::<f32>(), [5.0, 7.0, 13.0, 15.0]);
    assert_eq!(indices.to_vec::<i64>(), [5, 7, 5, 7]);
}

#[test]
fn what_every_layer_should_pass() {
    let x = Tensor::randn([2, 3, 6, 7], &mut Rng::new(5));
    check_layer(|_| MaxPool1d::new(2), &x, &[]);
    check_layer(|_| MaxPool2d::new([2, 3]), &x, &[]);
    check_layer(|_| MaxPool3d::new(2), &x, &[]);
    check_layer(|_| AvgPool1d::new(2), &x, &[]);
    check_layer(|_| AvgPool2d::new(2), &x, &[]);
    check_layer(|_| AvgPool3d::new(2), &x, &[]);
    check_layer(|_| AdaptiveAvgPool1d::new(3), &x, &[]);
    check_layer(|_| AdaptiveAvgPool2d::new(1), &x, &[]);
    check_layer(|_| AdaptiveAvgPool3d::new(2), &x, &[]);
    check_layer(|_| AdaptiveMaxPool1d::new(3), &x, &[]);
    check_layer(|_| AdaptiveMaxPool2d::new([4, 2]), &x, &[]);
    check_layer(|_| AdaptiveMaxPool3d::new(2), &x, &[]);
    check_layer(|_| GlobalAvgPool, &x, &[]);
    check_layer(|_| GlobalMaxPool, &x, &[]);
    check_layer(|_| LpPool1d::new(2.0, 2), &x, &[]);
    check_layer(|_| LpPool2d::new(2.0, 2), &x, &[]);
    check_layer(|_| LpPool3d::new(2.0, 2), &x, &[]);
}

#[test]
fn all_places_of_a_channel() {
    let x = counted(&[2, 2, 1, 3]);
    assert_eq!(GlobalAvgPool.forward(&x).to_vec::<f32>(), [1.0, 4.0, 7.0, 10.0]);
    assert_eq!(GlobalMaxPool.forward(&x).to_vec::<f32>(), [2.0, 5.0, 8.0, 11.0]);
}

#[test]
fn the_norm_of_each_window() {
    let x = Tensor::from_vec(vec![3.0f32, 4.0, 0.0, 0.0], [1, 1, 4]).requires_grad();
    let y = LpPool1d::new(2.0, 2).forward(&x);
    assert_eq!(y.to_vec::<f32>(), [5.0, 0.0]);
    let gradients = y.sum(..).backward();
    assert_eq!(gradients.get(&x).unwrap().to_vec::<f32>(), [0.6, 0.8, 0.0, 0.0]);
    let padded = PoolOptions { padding: 1.into(), count_include_pad: false, ..Default::default() };
    let y = LpPool1d::with_options(2.0, 2, padded).forward(&x);
    assert_eq!(y.to_vec::<f32>(), [3.0, 4.0, 0.0]);
    assert_eq!(LpPool1d::new(1.0, 2).forward(&-x).to_vec::<f32>(), [-7.0, 0.0]);
}

#[test]
#[should_panic(expected = "GlobalAvgPool: takes [B, C, …] with places behind, not [2, 3]")]
fn channels_without_places_are_refused() {
    GlobalAvgPool.forward(&Tensor::zeros([2, 3]));
}

#[test]
#[should_panic(expected = "max_pool2d: padding 2 is more than half a window of 3")]
fn too_much_padding_is_refused() {
    let options = PoolOptions { padding: 2.into(), ..Default::default() };
    MaxPool2d::with_options(3, options).forward(&Tensor::zeros([1, 1, 8, 8]));
}

#[test]
#[should_panic(expected = "avg_pool2d: a window that reaches over 5 does not fit 4")]
fn windows_that_do_not_fit_are_refused() {
    AvgPool2d::new(5).forward(&Tensor::zeros([1, 1, 4, 4]));
}

/// In a sequence a pooling of the largest may come before the ReLU that stands before it.
#[test]
fn a_relu_before_a_pooling_gives_the_same_behind_it() {
    let mut numbers = Tensor::randn([2, 3, 6, 8], &mut Rng::new(3)).to_vec::<f32>();
    // Windows of which all is negative, nothing, NaN.
    numbers[..2].fill(-1.0);
    numbers[8..10].fill(-1.0);
    numbers[50] = f32::NAN;
    let x = Tensor::from_vec(numbers, [2, 3, 6, 8]);
    let padded = PoolOptions { padding: 1.into(), stride: Some(2.into()), ..Default::default() };
    for pool in [MaxPool2d::new(2), MaxPool2d::with_options(3, padded), MaxPool2d::new([3, 2])] {
        let model = Sequential::new().then(AvgPool2d::new(1)).then(Relu).then(pool);
        let run = |forward: &dyn Fn(&Tensor) -> Tensor| {
            let x = x.requires_grad();
            let y = forward(&x);
            let gradients = y.cumsum(-1).square().sum(..).backward();
            let bits = |x: &Tensor| x.to_vec::<f32>().into_iter().map(|x| format!("{:?}", x + 0.0));
            bits(&y).chain(bits(gradients.get(&x).unwrap())).collect::<Vec<_>>()
        };
        let wanted = run(&|x| pool.forward(&AvgPool2d::new(1).forward(x).relu()));
        assert_eq!(run(&|x| model.forward(x)), wanted, "{pool:?}");
    }
}
