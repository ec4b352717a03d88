//! Layers that move numbers: joined and cut axes, frames, patches, pixels from channels.

use gradus_nn::testing::check_layer;
use gradus_nn::*;
use gradus_tensor::ops::PatchOptions;
use gradus_tensor::{Rng, Tensor};

fn randn(shape: &[usize]) -> Tensor {
    Tensor::randn(shape, &mut Rng::new(7))
}

/// The numbers 0, 1, 2 … in a shape.
fn counted(shape: &[usize]) -> Tensor {
    let count: usize = shape.iter().product();
    Tensor::from_vec((0..count).map(|i| i as f32).collect(), shape)
}

#[test]
fn axes_are_joined_and_cut() {
    check_layer(|_| Flatten, &randn(&[3, 2, 4, 5]), &[]);
    assert_eq!(Flatten.forward(&randn(&[3, 2, 4, 5])).shape(), [3, 40]);
    let layer = FlattenAxes { first: 0, last: -2 };
    check_layer(|_| layer, &randn(&[3, 2, 4, 5]), &[]);
    assert_eq!(layer.forward(&randn(&[3, 2, 4, 5])).shape(), [24, 5]);
    let layer = Unflatten::new(-2, [2, 2, 1]);
    check_layer(|_| layer, &randn(&[3, 4, 5]), &[]);
    assert_eq!(layer.forward(&randn(&[3, 4, 5])).shape(), [3, 2, 2, 1, 5]);
    check_layer(|_| Identity, &randn(&[3, 4]), &[]);
}

#[test]
#[should_panic(expected = "Unflatten: axis 1 of [3, 4] does not make [3, 2]")]
fn an_axis_is_cut_into_as_many_places_as_it_has() {
    Unflatten::new(1, [3, 2]).forward(&Tensor::zeros([3, 4]));
}

#[test]
fn frames_are_layers() {
    let (x1, x2, x3) = (randn(&[2, 3, 4]), randn(&[2, 3, 4, 5]), randn(&[2, 3, 4, 5, 3]));
    check_layer(|_| ZeroPad1d::new(2), &x1, &[]);
    check_layer(|_| ZeroPad2d::new([(1, 0), (2, 3)]), &x2, &[]);
    check_layer(|_| ZeroPad3d::new(1), &x3, &[]);
    check_layer(|_| ConstantPad1d::new(2, 0.5), &x1, &[]);
    check_layer(|_| ConstantPad2d::new([(1, 0), (2, 3)], 0.5), &x2, &[]);
    check_layer(|_| ConstantPad3d::new(1, 0.5), &x3, &[]);
    check_layer(|_| ReflectionPad1d::new(2), &x1, &[]);
    check_layer(|_| ReflectionPad2d::new([(1, 0), (2, 3)]), &x2, &[]);
    check_layer(|_| ReflectionPad3d::new(1), &x3, &[]);
    check_layer(|_| ReplicationPad1d::new(2), &x1, &[]);
    check_layer(|_| ReplicationPad2d::new([(1, 0), (2, 3)]), &x2, &[]);
    check_layer(|_| ReplicationPad3d::new(1), &x3, &[]);
    check_layer(|_| CircularPad1d::new(2), &x1, &[]);
    check_layer(|_| CircularPad2d::new([(1, 0), (2, 3)]), &x2, &[]);
    check_layer(|_| CircularPad3d::new(1), &x3, &[]);
    let y = ConstantPad2d::new([(0, 1), (1, 0)], 9.0).forward(&counted(&[1, 1, 1, 2]));
    assert_eq!(y.to_vec::<f32>(), [9.0, 0.0, 1.0, 9.0, 9.0, 9.0]);
}

#[test]
#[should_panic(expected = "ZeroPad2d: 3 pairs of widths for 2 axes")]
fn a_frame_has_a_pair_for_each_axis() {
    ZeroPad2d::new([(1, 1), (1, 1), (1, 1)]);
}

#[test]
fn channels_become_places() {
    let x = randn(&[2, 8, 3, 5]);
    check_layer(|_| PixelShuffle { factor: 2 }, &x, &[]);
    check_layer(|_| PixelUnshuffle { factor: 2 }, &randn(&[2, 3, 4, 6]), &[]);
    let y = PixelShuffle { factor: 2 }.forward(&counted(&[1, 4, 1, 2]));
    assert_eq!(y.to_vec::<f32>(), [0.0, 2.0, 1.0, 3.0, 4.0, 6.0, 5.0, 7.0]);
    let there = PixelShuffle { factor: 2 }.forward(&x);
    let back = PixelUnshuffle { factor: 2 }.forward(&there);
    assert_eq!(back.to_vec::<f32>(), x.to_vec::<f32>());
}

#[test]
#[should_panic(expected = "PixelShuffle: images [1, 6, 2, 2] cannot be divided by a factor of 2")]
fn channels_make_whole_blocks() {
    PixelShuffle { factor: 2 }.forward(&Tensor::zeros([1, 6, 2, 2]));
}

#[test]
fn channels_of_groups_are_mixed() {
    check_layer(|_| ChannelShuffle { groups: 3 }, &randn(&[2, 6, 4]), &[]);
    let y = ChannelShuffle { groups: 2 }.forward(&counted(&[1, 6]));
    assert_eq!(y.to_vec::<f32>(), [0.0, 3.0, 1.0, 4.0, 2.0, 5.0]);
}

#[test]
fn patches_are_layers() {
    let options = PatchOptions { stride: 2.into(), padding: 1.into(), ..Default::default() };
    check_layer(|_| Unfold::new(3, options), &randn(&[2, 3, 5, 5]), &[]);
    check_layer(|_| Fold::new([5, 5], 3, options), &randn(&[2, 27, 9]), &[]);
}
