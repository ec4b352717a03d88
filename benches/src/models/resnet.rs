//! ResNet-18: He, Zhang, Ren, Sun 2016, "Deep Residual Learning for Image Recognition", with the
//! keys of torchvision.

use super::{classes, rng};
use crate::workload::{Inference, Task, Training};
use gradus::prelude::*;

/// Two convolutions, and what goes around them.
#[derive(Debug, Module)]
struct BasicBlock {
    conv1: Conv2d,
    bn1: BatchNorm2d,
    conv2: Conv2d,
    bn2: BatchNorm2d,
    downsample: Option<Sequential>,
}

impl BasicBlock {
    fn new(inputs: usize, outputs: usize, stride: usize, rng: &mut Rng) -> Self {
        let downsample = (stride != 1 || inputs != outputs).then(|| {
            let options = ConvOptions { stride: stride.into(), ..Default::default() };
            Sequential::new()
                .then(Conv2d::new(inputs, outputs, 1, options, rng).without_bias())
                .then(BatchNorm2d::new(outputs))
        });
        Self {
            conv1: conv3x3(inputs, outputs, stride, rng),
            bn1: BatchNorm2d::new(outputs),
            conv2: conv3x3(outputs, outputs, 1, rng),
            bn2: BatchNorm2d::new(outputs),
            downsample,
        }
    }
}

impl Layer for BasicBlock {
    fn forward(&self, x: &Tensor) -> Tensor {
        let y = self.bn1.forward(&self.conv1.forward(x)).relu();
        let y = self.bn2.forward(&self.conv2.forward(&y));
        match &self.downsample {
            Some(downsample) => (y + downsample.forward(x)).relu(),
            None => (y + x).relu(),
        }
    }
}

#[derive(Debug, Module)]
struct ResNet {
    conv1: Conv2d,
    bn1: BatchNorm2d,
    /// Only for large images.
    maxpool: Option<MaxPool2d>,
    layer1: Sequential,
    layer2: Sequential,
    layer3: Sequential,
    layer4: Sequential,
    fc: Linear,
}

impl ResNet {
    /// For images of 32 pixels and 10 classes.
    fn cifar(rng: &mut Rng) -> Self {
        Self::new(conv3x3(3, 64, 1, rng), None, 10, rng)
    }

    /// For images of 224 pixels and 1000 classes.
    fn imagenet(rng: &mut Rng) -> Self {
        let options = ConvOptions { stride: 2.into(), padding: 3.into(), ..Default::default() };
        let stem = Conv2d::new(3, 64, 7, options, rng).without_bias();
        let options =
            PoolOptions { stride: Some(2.into()), padding: 1.into(), ..Default::default() };
        Self::new(stem, Some(MaxPool2d::with_options(3, options)), 1000, rng)
    }

    fn new(conv1: Conv2d, maxpool: Option<MaxPool2d>, count: usize, rng: &mut Rng) -> Self {
        let mut layer = |inputs, outputs, stride| {
            Sequential::new()
                .then(BasicBlock::new(inputs, outputs, stride, rng))
                .then(BasicBlock::new(outputs, outputs, 1, rng))
        };
        let layers = [layer(64, 64, 1), layer(64, 128, 2), layer(128, 256, 2), layer(256, 512, 2)];
        let [layer1, layer2, layer3, layer4] = layers;
        let fc = Linear::new(512, count, rng);
        Self { conv1, bn1: BatchNorm2d::new(64), maxpool, layer1, layer2, layer3, layer4, fc }
    }
}

impl Layer for ResNet {
    fn forward(&self, x: &Tensor) -> Tensor {
        let mut x = self.bn1.forward(&self.conv1.forward(x)).relu();
        if let Some(maxpool) = &self.maxpool {
            x = maxpool.forward(&x);
        }
        for layer in [&self.layer1, &self.layer2, &self.layer3, &self.layer4] {
            x = layer.forward(&x);
        }
        self.fc.forward(&x.mean([2, 3]))
    }
}

fn conv3x3(inputs: usize, outputs: usize, stride: usize, rng: &mut Rng) -> Conv2d {
    let options = ConvOptions { stride: stride.into(), padding: 1.into(), ..Default::default() };
    Conv2d::new(inputs, outputs, 3, options, rng).without_bias()
}

pub fn train_cifar() -> Box<dyn Task> {
    let rng = &mut rng();
    train(ResNet::cifar(rng), 32, 10, rng)
}

pub fn train_imagenet() -> Box<dyn Task> {
    let rng = &mut rng();
    train(ResNet::imagenet(rng), 224, 1000, rng)
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
    let model = ResNet::imagenet(rng);
    model.eval();
    let x = Tensor::randn([batch, 3, 224, 224], rng);
    Box::new(Inference { model, x, forward: |model, x| model.forward(x) })
}
