//! Rectifiers whose slope for negative numbers is learned, or drawn at random.

use crate::{Layer, Mode, Module, Param, Stream};
use gradus_tensor::{Rng, Tensor};

/// y = x where x > 0, else w · x, with a slope w that is learned: one, or one for each channel.
///
/// # Shapes
/// `x: [B, C, …] -> [B, C, …]`, with `weight: [1]` or `[C]`.
///
/// # Source
/// He, Zhang, Ren, Sun 2015, "Delving Deep into Rectifiers", equation 1; PyTorch: `torch.nn.PReLU`,
/// whose first value, 0.25, it has.
#[derive(Debug, Module)]
pub struct PRelu {
    /// The slopes.
    pub weight: Param,
}

impl PRelu {
    /// A layer with that many slopes: 1, or as many as there are channels.
    #[track_caller]
    pub fn new(slopes: usize) -> Self {
        Self { weight: Param::new(Tensor::full(slopes, 0.25)) }
    }
}

impl Layer for PRelu {
    fn forward(&self, x: &Tensor) -> Tensor {
        x.prelu(&self.weight.tensor())
    }
}

/// y = x where x > 0, else a · x: in training with a slope a for each number drawn between two, in
/// evaluation with the mean of both.
///
/// # Source
/// Xu, Wang, Chen, Li 2015, "Empirical Evaluation of Rectified Activations in Convolutional
/// Network", section 2.4; PyTorch: `torch.nn.RReLU`.
#[derive(Debug, Module)]
pub struct RRelu {
    /// The least slope.
    pub lower: f64,
    /// The greatest slope.
    pub upper: f64,
    mode: Mode,
    stream: Stream,
}

impl RRelu {
    /// A layer with slopes between ⅛ and ⅓, as in PyTorch, drawn from a stream split off from
    /// `rng`.
    pub fn new(rng: &mut Rng) -> Self {
        Self::between(1.0 / 8.0, 1.0 / 3.0, rng)
    }

    /// A layer with slopes between two.
    pub fn between(lower: f64, upper: f64, rng: &mut Rng) -> Self {
        Self { lower, upper, mode: Mode::default(), stream: Stream::new(rng) }
    }
}

impl Layer for RRelu {
    fn forward(&self, x: &Tensor) -> Tensor {
        if self.mode.is_training() {
            return self.stream.draw(|rng| x.rrelu(self.lower, self.upper, rng));
        }
        x.leaky_relu((self.lower + self.upper) / 2.0)
    }
}
