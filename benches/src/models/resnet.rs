//! ResNet-18, with the stem for small images and that for large ones.

use super::{classes, rng};
use crate::workload::{Inference, Task, Training};
use gradus::models::{ResNet, ResNetOptions, Stem};
use gradus::prelude::*;

/// For images of 32 pixels and 10 classes.
fn cifar(rng: &mut Rng) -> ResNet {
    network(ResNetOptions { classes: 10, stem: Stem::Small, ..Default::default() }, rng)
}

/// For images of 224 pixels and 1000 classes.
fn imagenet(rng: &mut Rng) -> ResNet {
    network(ResNetOptions::default(), rng)
}

fn network(options: ResNetOptions, rng: &mut Rng) -> ResNet {
    ResNet::new(options, rng).expect("options that can be")
}

pub fn train_cifar() -> Box<dyn Task> {
    let rng = &mut rng();
    train(cifar(rng), 32, 10, rng)
}

pub fn train_imagenet() -> Box<dyn Task> {
    let rng = &mut rng();
    train(imagenet(rng), 224, 1000, rng)
}

fn train(model: ResNet, side: usize, count: usize, rng: &mut Rng) -> Box<dyn Task> {
    let options = SgdOptions { learning_rate: 0.01, momentum: 0.9, ..Default::default() };
    Box::new(Training {
        optimizer: Sgd::new(model.params(), options),
        model,
        x: Tensor::randn([32, 3, side, side], rng),
        y: classes(32, count, rng),
        loss: |model, x, y| cross_entropy(&model.forward(x), y),
    })
}

pub fn infer_1() -> Box<dyn Task> {
    infer(1)
}

pub fn infer_16() -> Box<dyn Task> {
    infer(16)
}

fn infer(batch: usize) -> Box<dyn Task> {
    let rng = &mut rng();
    let model = imagenet(rng);
    model.eval();
    let x = Tensor::randn([batch, 3, 224, 224], rng);
    Box::new(Inference { model, x, forward: |model, x| model.forward(x) })
}
