//! The network that read cheques.

use crate::check_sizes;
use gradus_nn::{Conv2d, ConvOptions, Layer, Linear, Module, PoolOptions};
use gradus_tensor::{Result, Rng, Tensor};

/// LeNet-5: two convolutions of 5x5 with tanh and 2x2 average pooling, three fully connected layers.
///
/// The convolutions see all maps below them, the output is a score for each class, and the pooling
/// learns nothing: in the paper, some maps are left out, distances to codes are the output, and the
/// pooling has a factor and a bias.
///
/// # Shapes
/// `x: [B, C, 28, 28] -> [B, N]`.
///
/// # Source
/// LeCun, Bottou, Bengio, Haffner 1998, "Gradient-Based Learning Applied to Document Recognition",
/// section II.B.
#[derive(Debug, Module)]
pub struct LeNet {
    conv1: Conv2d,
    conv2: Conv2d,
    fc1: Linear,
    fc2: Linear,
    fc3: Linear,
}

impl LeNet {
    /// A network for images of that many channels and classes, with random first weights.
    ///
    /// # Errors
    /// If one is 0.
    pub fn new(channels: usize, classes: usize, rng: &mut Rng) -> Result<Self> {
        check_sizes("lenet", &[("channels", channels), ("classes", classes)])?;
        let padded = ConvOptions { padding: 2.into(), ..Default::default() };
        Ok(Self {
            conv1: Conv2d::new(channels, 6, 5, padded, rng),
            conv2: Conv2d::new(6, 16, 5, ConvOptions::default(), rng),
            fc1: Linear::new(16 * 5 * 5, 120, rng),
            fc2: Linear::new(120, 84, rng),
            fc3: Linear::new(84, classes, rng),
        })
    }
}

impl Layer for LeNet {
    fn forward(&self, x: &Tensor) -> Tensor {
        let halved = |x: Tensor| x.tanh().avg_pool2d(2, PoolOptions::default());
        let x = halved(self.conv1.forward(x));
        let x = halved(self.conv2.forward(&x)).flatten(1, -1);
        let x = self.fc2.forward(&self.fc1.forward(&x).tanh()).tanh();
        self.fc3.forward(&x)
    }
}
