//! ResNet-18, with the stem for small images and that for large ones.

use super::{classes, rng};
use crate::workload::{Inference, Task, Training};
use gradus::models::{ResNet, ResNetOptions, Stem};
use gradus::nn::fold_norms;
use gradus::nn::quantised::{Int8Calibration, quantise_int8};
use gradus::prelude::*;
use std::slice::from_ref;

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
    Box::new(images(batch))
}

fn images(batch: usize) -> Inference<ResNet> {
    let rng = &mut rng();
    let model = imagenet(rng);
    model.eval();
    let x = Tensor::randn([batch, 3, 224, 224], rng);
    Inference { model, x, forward: |model, x| model.forward(x) }
}

/// A model of integers.
struct Integers {
    inference: Inference<ResNet>,
    /// What the peers need to do the same with floats.
    floats: Vec<(String, Tensor)>,
}

impl Task for Integers {
    fn step(&mut self) -> f64 {
        self.inference.step()
    }

    fn tensors(&self) -> Vec<(String, Tensor)> {
        self.floats.clone()
    }
}

/// One image, its norms folded and its layers in integers of eight bits.
pub fn infer_int8() -> Box<dyn Task> {
    let mut inference = images(1);
    let floats = inference.tensors();
    let Inference { model, x, .. } = &mut inference;
    fold_norms(model).expect("a network has norms");
    quantise_int8(model, from_ref(x), &Int8Calibration::default())
        .expect("the network has convolutions of finite numbers");
    Box::new(Integers { inference, floats })
}
