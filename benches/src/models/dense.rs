//! Networks of fully connected layers.

use super::{classes, rng};
use crate::workload::{Task, Training};
use gradus::prelude::*;

pub fn xor() -> Box<dyn Task> {
    let rng = &mut rng();
    let model = Sequential::new()
        .then(Linear::new(2, 4, rng))
        .then(Tanh)
        .then(Linear::new(4, 1, rng))
        .then(Sigmoid);
    let options = SgdOptions { learning_rate: 0.1, ..Default::default() };
    Box::new(Training {
        optimizer: Sgd::new(model.params(), options),
        model,
        x: Tensor::from_vec(vec![0f32, 0.0, 0.0, 1.0, 1.0, 0.0, 1.0, 1.0], [4, 2]),
        y: Tensor::from_vec(vec![0f32, 1.0, 1.0, 0.0], [4, 1]),
        loss: |model, x, y| mse_loss(&model.forward(x), y),
    })
}

pub fn mlp() -> Box<dyn Task> {
    let rng = &mut rng();
    let model = Sequential::new()
        .then(Linear::new(784, 128, rng))
        .then(Relu)
        .then(Linear::new(128, 10, rng));
    Box::new(Training {
        optimizer: Adam::new(model.params(), AdamOptions::default()),
        model,
        x: Tensor::randn([64, 784], rng),
        y: classes(64, 10, rng),
        loss: |model, x, y| cross_entropy(&model.forward(x), y),
    })
}
