//! Layers made of layers.

use gradus_nn::testing::check_layer;
use gradus_nn::*;
use gradus_tensor::{Rng, Tensor};

fn randn(shape: &[usize]) -> Tensor {
    Tensor::randn(shape, &mut Rng::new(7))
}

#[test]
fn layers_beside_each_other() {
    let linear = |outputs: usize, rng: &mut Rng| Linear::new(4, outputs, rng);
    let names: &[(&str, &[usize])] = &[("layer.weight", &[4, 4]), ("layer.bias", &[4])];
    check_layer(|rng| Residual::new(linear(4, rng)), &randn(&[3, 4]), names);
    let make = |rng: &mut Rng| Residual::new(linear(2, rng)).with_shortcut(linear(2, rng));
    let names: &[(&str, &[usize])] = &[
        ("layer.weight", &[2, 4]),
        ("layer.bias", &[2]),
        ("shortcut.weight", &[2, 4]),
        ("shortcut.bias", &[2]),
    ];
    check_layer(make, &randn(&[3, 4]), names);

    let names: &[(&str, &[usize])] = &[
        ("branches.0.weight", &[2, 4]),
        ("branches.0.bias", &[2]),
        ("branches.2.weight", &[2, 4]),
        ("branches.2.bias", &[2]),
    ];
    let make = |rng: &mut Rng| {
        Parallel::new(Join::Sum)
            .with(linear(2, rng))
            .with(Lambda::new("the first two", |x| x.narrow(1, 0, 2)))
            .with(linear(2, rng))
    };
    check_layer(make, &randn(&[3, 4]), names);
    let join = |join: Join| {
        let layer = Parallel::new(join).with(Identity).with(Lambda::new("twice", |x| x * 2.0));
        layer.forward(&Tensor::from([[1f32, 3.0]])).to_vec::<f32>()
    };
    assert_eq!(join(Join::Sum), [3.0, 9.0]);
    assert_eq!(join(Join::Concat { axis: 1 }), [1.0, 3.0, 2.0, 6.0]);
    let residual = Residual::new(Lambda::new("square", |x| x * x));
    assert_eq!(residual.forward(&Tensor::from(vec![3f32])).to_vec::<f32>(), [12.0]);
}

#[test]
fn lists_and_dictionaries_of_layers() {
    let rng = &mut Rng::new(1);
    let mut list = ModuleList::new().with(Linear::new(2, 3, rng)).with(Tanh);
    list.push(Box::new(Linear::new(3, 1, rng)));
    let names: Vec<String> = list.named_params().into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["0.weight", "0.bias", "2.weight", "2.bias"]);
    let y = list.iter().fold(Tensor::ones([5, 2]), |x, layer| layer.forward(&x));
    assert_eq!(y.shape(), [5, 1]);
    assert_eq!(list[1].forward(&Tensor::zeros(2)).to_vec::<f32>(), [0.0, 0.0]);
    assert_eq!((list.len(), list.is_empty()), (3, false));

    let dict = ModuleDict::new().with("value", Linear::new(2, 1, rng)).with("gate", Sigmoid);
    assert_eq!(dict.state_dict()[1].0, "value.bias");
    assert_eq!(dict["gate"].forward(&Tensor::zeros(1)).to_vec::<f32>(), [0.5]);
    assert!(dict.get("policy").is_none());
    dict.eval();
    let names: Vec<&str> = dict.iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["value", "gate"]);
}

#[test]
#[should_panic(expected = "two layers are called 'a'")]
fn a_name_is_taken_once() {
    let _ = Sequential::new().then_named("a", Tanh).then_named("a", Tanh);
}

#[test]
#[should_panic(expected = "a layer cannot be called 'a.b'")]
fn a_name_has_no_dot() {
    let _ = ModuleDict::new().with("a.b", Tanh);
}

#[test]
#[should_panic(expected = "Residual: the layer gives [3, 2] beside [3, 4]")]
fn a_residual_gives_what_it_takes() {
    Residual::new(Linear::new(4, 2, &mut Rng::new(1))).forward(&Tensor::zeros([3, 4]));
}

#[test]
fn layers_of_two_inputs() {
    let layer = Bilinear::new([2, 2], 1, &mut Rng::new(1));
    layer.weight.set(&Tensor::from([[[1f32, 2.0], [3.0, 4.0]]])).unwrap();
    layer.bias.as_ref().unwrap().set(&Tensor::from(vec![0.5f32])).unwrap();
    let y = layer.forward(&Tensor::from([[1f32, 10.0]]), &Tensor::from([[1f32, 100.0]]));
    assert_eq!(y.to_vec::<f32>(), [1.0 + 200.0 + 30.0 + 4000.0 + 0.5]);
    let (x, y) = (Tensor::from([[3f32, 4.0]]), Tensor::from([[4f32, 3.0]]));
    let cosine = CosineSimilarity::default().forward(&x, &y);
    assert!((cosine.item::<f32>() - 0.96).abs() < 1e-6);
    let distance = PairwiseDistance { p: 1.0, ..Default::default() };
    assert!((distance.forward(&x, &y).item::<f32>() - 2.0).abs() < 1e-5);
}

#[test]
#[should_panic(expected = "Bilinear: takes [.., 2] and [.., 3], not [4, 2] and [5, 3]")]
fn two_inputs_agree_in_their_batch() {
    let layer = Bilinear::new([2, 3], 1, &mut Rng::new(1));
    layer.forward(&Tensor::zeros([4, 2]), &Tensor::zeros([5, 3]));
}

#[test]
fn separable_convolutions() {
    let names: &[(&str, &[usize])] = &[
        ("depthwise.weight", &[4, 1, 3]),
        ("depthwise.bias", &[4]),
        ("pointwise.weight", &[6, 4, 1]),
        ("pointwise.bias", &[6]),
    ];
    let make = |rng: &mut Rng| DepthwiseSeparableConv1d::new(4, 6, 3, Default::default(), rng);
    check_layer(make, &randn(&[2, 4, 7]), names);
    let same = ConvOptions { padding: 1.into(), ..Default::default() };
    let layer = DepthwiseSeparableConv2d::new(4, 6, 3, same, &mut Rng::new(1));
    assert_eq!(layer.forward(&randn(&[2, 4, 5, 7])).shape(), [2, 6, 5, 7]);
    assert_eq!(layer.param_count(), 4 * 9 + 4 + 6 * 4 + 6);
}
