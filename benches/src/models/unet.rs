//! A small U-Net: Ronneberger, Fischer, Brox 2015, "U-Net: Convolutional Networks for Biomedical
//! Image Segmentation", with padding and batch normalisation.

use super::rng;
use crate::workload::{Task, Training};
use gradus::prelude::*;

#[derive(Debug, Module)]
struct UNet {
    down: Vec<Sequential>,
    middle: Sequential,
    up: Vec<ConvTranspose2d>,
    after: Vec<Sequential>,
    output: Conv2d,
}

impl UNet {
    fn new(base: usize, rng: &mut Rng) -> Self {
        let sizes = [base, 2 * base, 4 * base, 8 * base];
        let doubling = ConvTransposeOptions { stride: 2.into(), ..Default::default() };
        Self {
            down: vec![
                twice(3, sizes[0], rng),
                twice(sizes[0], sizes[1], rng),
                twice(sizes[1], sizes[2], rng),
            ],
            middle: twice(sizes[2], sizes[3], rng),
            up: [2, 1, 0]
                .map(|i| ConvTranspose2d::new(sizes[i + 1], sizes[i], 2, doubling, rng))
                .into(),
            after: [2, 1, 0].map(|i| twice(2 * sizes[i], sizes[i], rng)).into(),
            output: Conv2d::new(base, 1, 1, ConvOptions::default(), rng),
        }
    }
}

impl Layer for UNet {
    fn forward(&self, x: &Tensor) -> Tensor {
        let mut x = x.clone();
        let mut skips = vec![];
        for down in &self.down {
            x = down.forward(&x);
            skips.push(x.clone());
            x = x.max_pool2d(2, PoolOptions::default());
        }
        x = self.middle.forward(&x);
        for ((up, after), skip) in self.up.iter().zip(&self.after).zip(skips.iter().rev()) {
            x = after.forward(&Tensor::cat(&[up.forward(&x), skip.clone()], 1));
        }
        self.output.forward(&x)
    }
}

/// Two convolutions, each with normalisation and a ReLU.
fn twice(inputs: usize, outputs: usize, rng: &mut Rng) -> Sequential {
    let padded = ConvOptions { padding: 1.into(), ..Default::default() };
    Sequential::new()
        .then(Conv2d::new(inputs, outputs, 3, padded, rng))
        .then(BatchNorm2d::new(outputs))
        .then(Relu)
        .then(Conv2d::new(outputs, outputs, 3, padded, rng))
        .then(BatchNorm2d::new(outputs))
        .then(Relu)
}

pub fn train() -> Box<dyn Task> {
    let rng = &mut rng();
    let model = UNet::new(32, rng);
    Box::new(Training {
        optimizer: Adam::new(model.params(), AdamOptions::default()),
        model,
        x: Tensor::randn([4, 3, 128, 128], rng),
        y: Tensor::rand([4, 1, 128, 128], rng),
        loss: |model, x, y| binary_cross_entropy_with_logits(&model.forward(x), y),
    })
}
