//! Tables of vectors.

use gradus_nn::testing::check_layer;
use gradus_nn::{BagMode, Embedding, EmbeddingBag, Layer, Param};
use gradus_tensor::{Rng, Tensor};

#[test]
fn an_embedding_is_a_layer() {
    let indices = Tensor::from([[0i64, 2, 5], [5, 5, 1]]);
    check_layer(|rng| Embedding::new(6, 4, rng), &indices, &[("weight", &[6, 4])]);
    check_layer(|rng| Embedding::new(6, 4, rng).with_padding(5), &indices, &[("weight", &[6, 4])]);
}

#[test]
fn each_index_gives_its_row_and_gathers_its_gradient() {
    let mut layer = Embedding::new(3, 2, &mut Rng::new(1));
    layer.weight = Param::new(Tensor::from([[1f32, 2.0], [3.0, 4.0], [5.0, 6.0]]));
    let output = layer.forward(&Tensor::from([[2i32, 0], [2, 2]]));
    assert_eq!(output.shape(), [2, 2, 2]);
    assert_eq!(output.to_vec::<f32>(), [5.0, 6.0, 1.0, 2.0, 5.0, 6.0, 5.0, 6.0]);
    let weights = Tensor::from([[[1f32, 2.0], [3.0, 4.0]], [[5.0, 6.0], [7.0, 8.0]]]);
    let gradients = (output * weights).sum(..).backward();
    let gradient = layer.weight.grad(&gradients).unwrap();
    assert_eq!(gradient.to_vec::<f32>(), [3.0, 4.0, 0.0, 0.0, 13.0, 16.0]);
}

#[test]
fn padding_starts_as_zeros_and_gets_no_gradient() {
    let layer = Embedding::new(4, 2, &mut Rng::new(1)).with_padding(1);
    let output = layer.forward(&Tensor::from([1i64, 3, 1]));
    assert_eq!(output.narrow(0, 0, 1).to_vec::<f32>(), [0.0, 0.0]);
    assert_ne!(output.narrow(0, 1, 1).to_vec::<f32>(), [0.0, 0.0]);
    let gradients = output.sum(..).backward();
    let gradient = layer.weight.grad(&gradients).unwrap();
    assert_eq!(gradient.to_vec::<f32>(), [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 1.0]);
}

#[test]
fn first_values_have_mean_0_and_standard_deviation_1() {
    let weight = Embedding::new(500, 100, &mut Rng::new(1)).weight.tensor();
    assert!(weight.mean(..).item::<f32>().abs() < 0.02);
    assert!((weight.std(.., 1).item::<f32>() - 1.0).abs() < 0.02);
}

#[test]
#[should_panic(expected = "embedding: index 4 is not below the length of axis 0, 4")]
fn an_index_beyond_the_table_is_rejected() {
    Embedding::new(4, 2, &mut Rng::new(1)).forward(&Tensor::from([1i64, 4]));
}

/// A bag over the rows [1, 2], [3, 4], [5, 6].
fn bag(mode: BagMode) -> EmbeddingBag {
    let mut layer = EmbeddingBag::new(3, 2, &mut Rng::new(1)).with_mode(mode);
    layer.weight = Param::new(Tensor::from([[1f32, 2.0], [3.0, 4.0], [5.0, 6.0]]));
    layer
}

#[test]
fn bags_are_layers() {
    let indices = Tensor::from([[0i64, 2, 5], [5, 5, 1]]);
    for mode in [BagMode::Sum, BagMode::Mean, BagMode::Max] {
        let make = |rng: &mut Rng| EmbeddingBag::new(6, 4, rng).with_mode(mode);
        check_layer(make, &indices, &[("weight", &[6, 4])]);
        check_layer(|rng| make(rng).with_padding(5), &indices, &[("weight", &[6, 4])]);
    }
}

#[test]
fn bags_of_any_size() {
    let indices = Tensor::from(vec![0i64, 2, 1, 1, 0]);
    let bags = |layer: EmbeddingBag| layer.forward_bags(&indices, &[0, 2, 2], None).to_vec::<f32>();
    assert_eq!(bags(bag(BagMode::Sum)), [6.0, 8.0, 0.0, 0.0, 7.0, 10.0]);
    assert_eq!(bags(bag(BagMode::Mean))[..4], [3.0, 4.0, 0.0, 0.0]);
    assert_eq!(bags(bag(BagMode::Max)), [5.0, 6.0, 0.0, 0.0, 3.0, 4.0]);
    let padded = |mode| EmbeddingBag { padding: Some(1), ..bag(mode) };
    assert_eq!(bags(padded(BagMode::Mean)), [3.0, 4.0, 0.0, 0.0, 1.0, 2.0]);
    assert_eq!(bags(padded(BagMode::Max)), [5.0, 6.0, 0.0, 0.0, 1.0, 2.0]);
    let weights = Tensor::from(vec![10f32, 1.0, 0.0, 2.0, -1.0]);
    let y = bag(BagMode::Sum).forward_bags(&indices, &[0, 2], Some(&weights));
    assert_eq!(y.to_vec::<f32>(), [15.0, 26.0, 5.0, 6.0]);
    let nothing = Tensor::from_vec(Vec::<i64>::new(), 0);
    let y = bag(BagMode::Max).forward_bags(&nothing, &[0, 0], None);
    assert_eq!(y.to_vec::<f32>(), [0.0; 4]);
}

#[test]
#[should_panic(expected = "EmbeddingBag: offsets rise from 0 to at most 2, not as [0, 3]")]
fn offsets_beyond_the_indices_are_refused() {
    bag(BagMode::Sum).forward_bags(&Tensor::from(vec![0i64, 1]), &[0, 3], None);
}

#[test]
#[should_panic(expected = "EmbeddingBag: weights are for sums, not for Mean")]
fn weights_of_means_are_refused() {
    let weights = Tensor::ones(2);
    bag(BagMode::Mean).forward_bags(&Tensor::from(vec![0i64, 1]), &[0], Some(&weights));
}
