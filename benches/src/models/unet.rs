//! A small U-Net.

use super::rng;
use crate::workload::{Task, Training};
use gradus::models::{UNet, UNetOptions};
use gradus::prelude::*;

pub fn train() -> Box<dyn Task> {
    let rng = &mut rng();
    let model = UNet::new(UNetOptions::default(), rng).expect("options that can be");
    Box::new(Training {
        optimizer: Adam::new(model.params(), AdamOptions::default()),
        model,
        x: Tensor::randn([4, 3, 128, 128], rng),
        y: Tensor::rand([4, 1, 128, 128], rng),
        loss: |model, x, y| binary_cross_entropy_with_logits(&model.forward(x), y),
    })
}
