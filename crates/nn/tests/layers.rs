//! The layers without a family of their own, and what modules can do.

use gradus_nn::testing::check_layer;
use gradus_nn::*;
use gradus_tensor::autograd::no_grad;
use gradus_tensor::{DType, Error, Rng, Tensor};

/// Standard normal numbers.
fn input(shape: &[usize]) -> Tensor {
    Tensor::randn(shape, &mut Rng::new(9))
}

#[test]
fn linear_layers() {
    let names: &[(&str, &[usize])] = &[("weight", &[3, 5]), ("bias", &[3])];
    check_layer(|rng| Linear::new(5, 3, rng), &input(&[4, 5]), names);
    check_layer(|rng| Linear::new(5, 3, rng), &input(&[2, 4, 5]), names);
    check_layer(|rng| Linear::new(5, 3, rng).without_bias(), &input(&[4, 5]), &names[..1]);

    let layer = Linear::new(2, 3, &mut Rng::new(1));
    let (weight, bias) = (vec![1.0_f32, 2.0, 3.0, 4.0, 5.0, 6.0], vec![0.1_f32, 0.2, 0.3]);
    let state = vec![
        ("weight".to_string(), Tensor::from_vec(weight, [3, 2])),
        ("bias".to_string(), Tensor::from_vec(bias, [3])),
    ];
    layer.load_state_dict(&state).unwrap();
    let output = layer.forward(&Tensor::from_vec(vec![1.0_f32, -1.0], [1, 2]));
    assert_eq!(output.to_vec::<f32>(), [-0.9, -0.8, -0.7]);
}

/// What a linear layer keeps of its weight while it is in use goes when the weight is trained.
#[test]
fn a_linear_layer_in_use_has_the_weights_of_now() {
    let layer = Linear::new(300, 200, &mut Rng::new(1));
    let x = input(&[3, 4, 300]);
    let mut sgd = Sgd::new(layer.params(), SgdOptions::default());
    for _ in 0..3 {
        let now = Tensor::from_vec(layer.weight.tensor().to_vec::<f32>(), layer.weight.shape());
        let bias = layer.bias.as_ref().map(|bias| bias.tensor().detach());
        let wanted = x.linear(&now, bias.as_ref()).to_vec::<f32>();
        for _ in 0..3 {
            assert!(no_grad(|| layer.forward(&x)).to_vec::<f32>() == wanted);
        }
        sgd.step(&layer.forward(&x).square().sum(..).backward());
    }
}

#[test]
fn sequential_layers() {
    let make = |rng: &mut Rng| {
        Sequential::new()
            .then(Linear::new(6, 4, rng))
            .then(Tanh)
            .then_named("head", Linear::new(4, 2, rng))
    };
    let names: &[(&str, &[usize])] =
        &[("0.weight", &[4, 6]), ("0.bias", &[4]), ("head.weight", &[2, 4]), ("head.bias", &[2])];
    check_layer(make, &input(&[5, 6]), names);
}

#[test]
fn a_state_of_another_model_is_refused_and_changes_nothing() {
    let layer = Linear::new(2, 3, &mut Rng::new(1));
    let before = layer.state_dict();
    let state = vec![
        ("weight".to_string(), Tensor::ones([2, 2])),
        ("bias".to_string(), Tensor::ones([3])),
        ("scale".to_string(), Tensor::ones([3])),
    ];
    let Err(Error::Mismatch(message)) = layer.load_state_dict(&state) else {
        panic!("the state was taken");
    };
    for word in ["weight", "[2, 2]", "[3, 2]", "scale"] {
        assert!(message.contains(word), "{message}");
    }
    let Err(Error::Mismatch(message)) = layer.load_state_dict(&state[1..2]) else {
        panic!("the state was taken");
    };
    assert!(message.contains("weight"), "{message}");
    for ((_, before), (_, after)) in before.iter().zip(layer.state_dict()) {
        assert_eq!(before.to_vec::<f32>(), after.to_vec::<f32>());
    }
}

#[test]
fn frozen_and_unused_parameters() {
    #[derive(Debug, Module)]
    struct Net {
        used: Linear,
        unused: Linear,
        frozen: Linear,
    }
    let mut rng = Rng::new(1);
    let mut linear = || Linear::new(2, 2, &mut rng);
    let net = Net { used: linear(), unused: linear(), frozen: linear() };
    net.frozen.named_params().iter().for_each(|(_, param)| param.freeze());
    assert_eq!(net.params().len(), 4);

    let x = input(&[3, 2]);
    let loss = net.frozen.forward(&net.used.forward(&x)).square().mean(..);
    let gradients = loss.backward();
    assert_eq!(net.unreached(&gradients), ["unused.weight", "unused.bias"]);
    let before = net.state_dict();
    let mut optimizer = Adam::new(net.params(), AdamOptions::default());
    optimizer.step(&gradients);
    for ((name, before), (_, after)) in before.iter().zip(net.state_dict()) {
        let same = before.to_vec::<f32>() == after.to_vec::<f32>();
        assert_eq!(same, !name.starts_with("used"), "{name}");
    }
}

#[test]
fn tied_parameters_count_once_and_get_both_gradients() {
    #[derive(Debug, Module)]
    struct Tied {
        first: Param,
        second: Param,
    }
    let weight = Param::new(Tensor::full([2], 3.0));
    let tied = Tied { first: weight.clone(), second: weight };
    assert_eq!(tied.named_params().len(), 1);
    assert_eq!(tied.state_dict().len(), 2, "PyTorch writes both names");
    let loss = (tied.first.tensor() * tied.second.tensor()).sum(..);
    let gradients = loss.backward();
    assert_eq!(tied.first.grad(&gradients).unwrap().to_vec::<f32>(), [6.0, 6.0]);
}

#[test]
fn modules_change_their_type() {
    let layer = Linear::new(2, 3, &mut Rng::new(1));
    layer.to_dtype(DType::F64);
    let output = layer.forward(&input(&[4, 2]).to_dtype(DType::F64));
    assert_eq!(output.dtype(), DType::F64);
    let gradients = output.sum(..).backward();
    assert_eq!(layer.unreached(&gradients), [""; 0]);
}
