//! A steady training step of a small network asks the allocator of the system for nothing.

use gradus_nn::losses::{cross_entropy, mse_loss};
use gradus_nn::{
    Adam, AdamOptions, Layer, Linear, Module, Optimizer, Relu, Sequential, Sgd, SgdOptions,
    Sigmoid, Tanh,
};
use gradus_tensor::memory::Counted;
use gradus_tensor::{Rng, Tensor};

#[global_allocator]
static COUNTED: Counted = Counted;

/// How often a hundred steps ask. Which thread takes a task is chance, and one that takes its first of a
/// kind asks for its scratch: it counts how often the best of some hundreds ask.
fn calls(mut step: impl FnMut()) -> usize {
    const STEPS: usize = 100;
    const ROUNDS: usize = 10;
    let mut round = || {
        let before = Counted::calls();
        (0..STEPS).for_each(|_| step());
        Counted::calls() - before
    };
    (0..ROUNDS).map(|_| round()).min().expect("there are rounds")
}

// One test alone, for the counter is that of the whole process.
#[test]
fn steps_of_small_networks_ask_for_nothing() {
    let rng = &mut Rng::new(1);
    let model = Sequential::new()
        .then(Linear::new(2, 4, rng))
        .then(Tanh)
        .then(Linear::new(4, 1, rng))
        .then(Sigmoid);
    let mut optimizer = Sgd::new(model.params(), SgdOptions::default());
    let (x, y) = (Tensor::randn([4, 2], rng), Tensor::rand([4, 1], rng));
    let descent = calls(|| {
        let loss = mse_loss(&model.forward(&x), &y);
        optimizer.step(&loss.backward());
        loss.item::<f32>();
    });

    let model = Sequential::new()
        .then(Linear::new(784, 128, rng))
        .then(Relu)
        .then(Linear::new(128, 10, rng));
    let mut optimizer = Adam::new(model.params(), AdamOptions::default());
    let (x, y) = (Tensor::randn([64, 784], rng), Tensor::randint(0, 10, 64, rng));
    let adam = calls(|| {
        let loss = cross_entropy(&model.forward(&x), &y);
        optimizer.step(&loss.backward());
        loss.item::<f32>();
    });
    assert_eq!((descent, adam), (0, 0));
}
