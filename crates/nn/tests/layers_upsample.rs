//! Changes of size, with values that PyTorch documents or that follow from its formulas by hand.

use gradus_nn::testing::check_layer;
use gradus_nn::{Layer, Upsample, UpsampleMode};
use gradus_tensor::ops::PatchOptions;
use gradus_tensor::{Rng, Tensor};

fn linear(align_corners: bool) -> UpsampleMode {
    UpsampleMode::Linear { align_corners }
}

#[test]
fn the_nearest_element() {
    let x = Tensor::from_vec(vec![1.0f32, 2.0, 3.0, 4.0], [1, 1, 2, 2]);
    let y = Upsample::new(2.0, UpsampleMode::Nearest).forward(&x);
    let wanted = [1.0, 1.0, 2.0, 2.0, 1.0, 1.0, 2.0, 2.0, 3.0, 3.0, 4.0, 4.0, 3.0, 3.0, 4.0, 4.0];
    assert_eq!(y.to_vec::<f32>(), wanted);
    let x = Tensor::from_vec(vec![1.0f32, 2.0, f32::INFINITY], [1, 1, 3]);
    let y = Upsample::new(5, UpsampleMode::Nearest).forward(&x);
    assert_eq!(y.to_vec::<f32>(), [1.0, 1.0, 2.0, 2.0, f32::INFINITY]);
}

#[test]
fn between_neighbours() {
    let x = Tensor::from_vec(vec![1.0f32, 2.0, 3.0, 4.0], [1, 1, 2, 2]);
    let y = Upsample::new(2.0, linear(false)).forward(&x);
    let wanted =
        [1.0, 1.25, 1.75, 2.0, 1.5, 1.75, 2.25, 2.5, 2.5, 2.75, 3.25, 3.5, 3.0, 3.25, 3.75, 4.0];
    assert_eq!(y.to_vec::<f32>(), wanted);
    let y = Upsample::new([3, 3], linear(true)).forward(&x);
    assert_eq!(y.to_vec::<f32>(), [1.0, 1.5, 2.0, 2.0, 2.5, 3.0, 3.0, 3.5, 4.0]);
    let x = Tensor::from_vec((0..8).map(|i| i as f32).collect(), [1, 1, 2, 2, 2]);
    let y = Upsample::new(1, linear(false)).forward(&x);
    assert_eq!(y.to_vec::<f32>(), [3.5]);
}

#[test]
fn what_every_layer_should_pass() {
    let x = Tensor::randn([2, 3, 4, 5], &mut Rng::new(5));
    check_layer(|_| Upsample::new(2.0, UpsampleMode::Nearest), &x, &[]);
    check_layer(|_| Upsample::new([3, 9], linear(false)), &x, &[]);
    check_layer(|_| Upsample::new(7, linear(true)), &x.narrow(0, 0, 1).squeeze(0), &[]);
}

#[test]
fn patches_are_columns_and_add_up_again() {
    let x = Tensor::from_vec((0..9).map(|i| i as f32).collect(), [1, 1, 3, 3]);
    let columns = x.unfold2d(2, PatchOptions::default());
    assert_eq!(columns.shape(), [1, 4, 4]);
    let wanted = [0.0, 1.0, 3.0, 4.0, 1.0, 2.0, 4.0, 5.0, 3.0, 4.0, 6.0, 7.0, 4.0, 5.0, 7.0, 8.0];
    assert_eq!(columns.to_vec::<f32>(), wanted);
    let sums = columns.fold2d([3, 3], 2, PatchOptions::default());
    assert_eq!(sums.to_vec::<f32>(), [0.0, 2.0, 2.0, 6.0, 16.0, 10.0, 6.0, 14.0, 8.0]);
    let padded = PatchOptions { padding: 1.into(), stride: 4.into(), ..Default::default() };
    assert_eq!(x.unfold2d(2, padded).to_vec::<f32>(), [0.0, 0.0, 0.0, 0.0]);
}

#[test]
#[should_panic(expected = "upsample_bilinear2d: an axis of length 4 cannot be resized to 0")]
fn no_size_is_refused() {
    Tensor::ones([1, 4, 4]).upsample_bilinear2d(0, false);
}
