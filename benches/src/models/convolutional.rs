//! The convolutional network of text-books.

use super::{classes, rng};
use crate::workload::{Task, Training};
use gradus::prelude::*;

pub fn textbook() -> Box<dyn Task> {
    let rng = &mut rng();
    let padded = ConvOptions { padding: 1.into(), ..Default::default() };
    let model = Sequential::new()
        .then(Conv2d::new(3, 32, 3, padded, rng))
        .then(Relu)
        .then(MaxPool2d::new(2))
        .then(Conv2d::new(32, 64, 3, padded, rng))
        .then(Relu)
        .then(MaxPool2d::new(2))
        .then(Flatten)
        .then(Linear::new(4096, 128, rng))
        .then(Relu)
        .then(Linear::new(128, 10, rng));
    let options = SgdOptions { learning_rate: 0.01, momentum: 0.9, ..Default::default() };
    Box::new(Training {
        optimizer: Sgd::new(model.params(), options),
        model,
        x: Tensor::randn([64, 3, 32, 32], rng),
        y: classes(64, 10, rng),
        loss: |model, x, y| cross_entropy(&model.forward(x), y),
    })
}
