//! The network that draws outlines.

use crate::check_sizes;
use gradus_nn::{
    BatchNorm2d, Conv2d, ConvOptions, ConvTranspose2d, ConvTransposeOptions, Layer, Module,
    PoolOptions, Relu, Sequential,
};
use gradus_tensor::{Error, Result, Rng, Tensor};

/// The settings of a [`UNet`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UNetOptions {
    /// The channels of an image.
    pub channels: usize,
    /// The classes of a pixel.
    pub classes: usize,
    /// The channels of the first level; each level below has twice as many.
    pub width: usize,
    /// How often the image is halved.
    pub depth: usize,
}

impl Default for UNetOptions {
    fn default() -> Self {
        Self { channels: 3, classes: 1, width: 32, depth: 3 }
    }
}

/// The U-Net: halves an image several times, two convolutions on each level, and doubles it as often,
/// with what was on the level beside it. Here convolutions are padded and normalised over the batch,
/// so that what comes out has the size of what came in.
///
/// # Shapes
/// `x: [B, C, H, W] -> [B, N, H, W]`, H and W being multiples of 2^depth.
///
/// # Source
/// Ronneberger, Fischer, Brox 2015, "U-Net: Convolutional Networks for Biomedical Image
/// Segmentation".
///
/// ```
/// use gradus_models::{UNet, UNetOptions};
/// use gradus_nn::Layer;
/// use gradus_tensor::{Rng, Tensor};
///
/// let net = UNet::new(UNetOptions { width: 4, ..Default::default() }, &mut Rng::new(1)).unwrap();
/// assert_eq!(net.forward(&Tensor::ones([2, 3, 16, 24])).shape(), [2, 1, 16, 24]);
/// ```
#[derive(Debug, Module)]
pub struct UNet {
    /// The levels on the way down.
    pub down: Vec<Sequential>,
    /// The lowest level.
    pub middle: Sequential,
    /// What doubles the image, from the lowest level on.
    pub up: Vec<ConvTranspose2d>,
    /// The levels on the way up.
    pub after: Vec<Sequential>,
    /// From features to scores.
    pub output: Conv2d,
}

impl UNet {
    /// A network with random first weights.
    ///
    /// # Errors
    /// If a size is 0 or too large.
    pub fn new(options: UNetOptions, rng: &mut Rng) -> Result<Self> {
        let UNetOptions { channels, classes, width, depth } = options;
        let sizes =
            [("channels", channels), ("classes", classes), ("width", width), ("depth", depth)];
        check_sizes("unet", &sizes)?;
        if depth > DEEPEST {
            let message = format!("unet: depth is {depth}: give {DEEPEST} or less");
            return Err(Error::Setting(message));
        }
        let width_of = |level: usize| width << level;
        let doubling = ConvTransposeOptions { stride: 2.into(), ..Default::default() };
        let inputs_of = |level: usize| if level == 0 { channels } else { width_of(level - 1) };
        let upwards = || (0..depth).rev();
        Ok(Self {
            down: (0..depth).map(|i| block(inputs_of(i), width_of(i), rng)).collect(),
            middle: block(width_of(depth - 1), width_of(depth), rng),
            up: upwards()
                .map(|i| ConvTranspose2d::new(width_of(i + 1), width_of(i), 2, doubling, rng))
                .collect(),
            after: upwards().map(|i| block(2 * width_of(i), width_of(i), rng)).collect(),
            output: Conv2d::new(width, classes, 1, ConvOptions::default(), rng),
        })
    }
}

/// No image is halved more often.
const DEEPEST: usize = 12;

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

    fn fold_norms(&mut self) -> usize {
        let levels = self.down.iter_mut().chain(&mut self.after).chain([&mut self.middle]);
        levels.map(|level| level.fold_norms()).sum()
    }
}

/// Two convolutions, each with normalisation and a ReLU.
fn block(inputs: usize, outputs: usize, rng: &mut Rng) -> Sequential {
    let padded = ConvOptions { padding: 1.into(), ..Default::default() };
    Sequential::new()
        .then(Conv2d::new(inputs, outputs, 3, padded, rng))
        .then(BatchNorm2d::new(outputs))
        .then(Relu)
        .then(Conv2d::new(outputs, outputs, 3, padded, rng))
        .then(BatchNorm2d::new(outputs))
        .then(Relu)
}
