//! Feed-forward networks.

use crate::{check_dropout, check_sizes};
use gradus_nn::{BatchNorm1d, Dropout, Layer, Linear, Module, Relu, Sequential};
use gradus_tensor::{Result, Rng, Tensor};

/// The settings of a [`FeedForward`].
#[derive(Clone, Debug, PartialEq)]
pub struct FeedForwardOptions {
    /// The numbers that come in.
    pub inputs: usize,
    /// The sizes of the hidden layers.
    pub hidden: Vec<usize>,
    /// The numbers that go out.
    pub outputs: usize,
    /// The share of hidden numbers that are dropped in training.
    pub dropout: f64,
    /// Normalise the hidden numbers over the batch.
    pub batch_norm: bool,
}

impl Default for FeedForwardOptions {
    fn default() -> Self {
        Self { inputs: 1, hidden: vec![128, 128], outputs: 1, dropout: 0.0, batch_norm: false }
    }
}

/// The feed-forward network: layers W x + b, each but the last followed by normalisation (if
/// wanted), ReLU and dropout (if wanted). An input of several axes is taken as one row of numbers.
///
/// # Shapes
/// `x: [B, ..] -> [B, C]`.
///
/// ```
/// use gradus_models::{FeedForward, FeedForwardOptions};
/// use gradus_nn::Layer;
/// use gradus_tensor::{Rng, Tensor};
///
/// let options = FeedForwardOptions { inputs: 784, outputs: 10, ..Default::default() };
/// let net = FeedForward::new(options, &mut Rng::new(1)).unwrap();
/// assert_eq!(net.forward(&Tensor::ones([2, 1, 28, 28])).shape(), [2, 10]);
/// ```
#[derive(Debug, Module)]
pub struct FeedForward {
    /// All layers.
    pub layers: Sequential,
}

impl FeedForward {
    /// A network with random first weights.
    ///
    /// # Errors
    /// If a size is 0, or the dropout is no probability.
    pub fn new(options: FeedForwardOptions, rng: &mut Rng) -> Result<Self> {
        let FeedForwardOptions { inputs, hidden, outputs, dropout, batch_norm } = options;
        check_sizes("feed_forward", &[("inputs", inputs), ("outputs", outputs)])?;
        hidden
            .iter()
            .try_for_each(|&size| check_sizes("feed_forward", &[("a hidden size", size)]))?;
        check_dropout("feed_forward", dropout)?;
        let mut layers = Sequential::new();
        let mut before = inputs;
        for size in hidden {
            layers = layers.then(Linear::new(before, size, rng));
            if batch_norm {
                layers = layers.then(BatchNorm1d::new(size));
            }
            layers = layers.then(Relu);
            if dropout > 0.0 {
                layers = layers.then(Dropout::new(dropout, rng));
            }
            before = size;
        }
        Ok(Self { layers: layers.then(Linear::new(before, outputs, rng)) })
    }
}

impl Layer for FeedForward {
    fn forward(&self, x: &Tensor) -> Tensor {
        self.layers.forward(&x.flatten(1, -1))
    }

    fn fold_norms(&mut self) -> usize {
        self.layers.fold_norms()
    }
}
