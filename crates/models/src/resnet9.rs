//! A small residual network that trains fast.

use crate::check_sizes;
use gradus_nn::{
    BatchNorm2d, Conv2d, ConvOptions, Layer, Linear, MaxPool2d, Module, Relu, Residual, Sequential,
};
use gradus_tensor::{Result, Rng, Tensor};

/// The settings of a [`ResNet9`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ResNet9Options {
    /// The channels of an image.
    pub channels: usize,
    /// How many classes there are.
    pub classes: usize,
    /// The channels of the first convolution; the stages have two, four and eight times as many.
    pub width: usize,
    /// What the scores are multiplied by.
    pub scale: f64,
}

impl Default for ResNet9Options {
    fn default() -> Self {
        Self { channels: 3, classes: 10, width: 64, scale: 0.125 }
    }
}

/// A residual network of nine layers: a convolution, then three stages of a convolution and a
/// pooling, the first and the last with a residual block of two more; the largest number of each
/// map, through a matrix, is the score of a class.
///
/// # Shapes
/// `x: [B, C, H, W] -> [B, N]`, H and W being 8 at least.
///
/// # Source
/// Page 2018, "How to Train Your ResNet", part 4.
///
/// ```
/// use gradus_models::{ResNet9, ResNet9Options};
/// use gradus_nn::Layer;
/// use gradus_tensor::{Rng, Tensor};
///
/// let options = ResNet9Options { width: 8, ..Default::default() };
/// let net = ResNet9::new(options, &mut Rng::new(1)).unwrap();
/// assert_eq!(net.forward(&Tensor::ones([2, 3, 32, 32])).shape(), [2, 10]);
/// ```
#[derive(Debug, Module)]
pub struct ResNet9 {
    /// The first convolution, with what follows it.
    pub prep: Sequential,
    /// The first stage.
    pub layer1: Sequential,
    /// The second stage.
    pub layer2: Sequential,
    /// The third stage.
    pub layer3: Sequential,
    /// From features to scores.
    pub linear: Linear,
    #[module(skip)]
    scale: f64,
}

impl ResNet9 {
    /// A network with random first weights.
    ///
    /// # Errors
    /// If a size is 0.
    pub fn new(options: ResNet9Options, rng: &mut Rng) -> Result<Self> {
        let ResNet9Options { channels, classes, width, scale } = options;
        check_sizes("resnet9", &[("channels", channels), ("classes", classes), ("width", width)])?;
        let halving = |inputs: usize, outputs: usize, rng: &mut Rng| {
            let convolution = convolution(inputs, outputs, rng);
            convolution.then(MaxPool2d::new(2)).then(BatchNorm2d::new(outputs)).then(Relu)
        };
        let residual = |channels: usize, rng: &mut Rng| {
            Residual::new(block(channels, channels, rng).then(block(channels, channels, rng)))
        };
        let (two, four, eight) = (2 * width, 4 * width, 8 * width);
        Ok(Self {
            prep: block(channels, width, rng),
            layer1: halving(width, two, rng).then(residual(two, rng)),
            layer2: halving(two, four, rng),
            layer3: halving(four, eight, rng).then(residual(eight, rng)),
            linear: Linear::new(eight, classes, rng).without_bias(),
            scale,
        })
    }
}

impl Layer for ResNet9 {
    fn forward(&self, x: &Tensor) -> Tensor {
        let stages = [&self.prep, &self.layer1, &self.layer2, &self.layer3];
        let x = stages.iter().fold(x.clone(), |x, stage| stage.forward(&x));
        self.linear.forward(&x.max([2, 3])) * self.scale
    }

    fn fold_norms(&mut self) -> usize {
        let stages = [&mut self.prep, &mut self.layer1, &mut self.layer2, &mut self.layer3];
        stages.into_iter().map(|stage| stage.fold_norms()).sum()
    }
}

/// A convolution of 3x3, its normalisation and a ReLU.
fn block(inputs: usize, outputs: usize, rng: &mut Rng) -> Sequential {
    convolution(inputs, outputs, rng).then(BatchNorm2d::new(outputs)).then(Relu)
}

fn convolution(inputs: usize, outputs: usize, rng: &mut Rng) -> Sequential {
    let padded = ConvOptions { padding: 1.into(), ..Default::default() };
    Sequential::new().then(Conv2d::new(inputs, outputs, 3, padded, rng).without_bias())
}
