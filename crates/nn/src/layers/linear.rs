//! Fully connected layers.

use super::weighted::Weighted;
use crate::fold::{ChannelLine, take_up};
use crate::param::Product;
use crate::{Init, Layer, Module, Param};
use gradus_tensor::{Rng, Tensor};

/// y = x Wᵀ + b: every output is a weighted sum of all inputs.
///
/// # Shapes
/// `x: [.., I] -> [.., O]`, with `weight: [O, I]` and `bias: [O]`.
///
/// # Source
/// PyTorch: `torch.nn.Linear`, whose first values it has: all uniform in ±1 / √I.
///
/// ```
/// use gradus_nn::{Layer, Linear};
/// use gradus_tensor::{Rng, Tensor};
///
/// let mut rng = Rng::new(1);
/// let layer = Linear::new(784, 10, &mut rng);
/// assert_eq!(layer.forward(&Tensor::ones([64, 784])).shape(), [64, 10]);
/// ```
#[derive(Debug, Module)]
pub struct Linear {
    /// W.
    pub weight: Param,
    /// b.
    pub bias: Option<Param>,
}

impl Linear {
    /// A layer from `inputs` to `outputs` features.
    #[track_caller]
    pub fn new(inputs: usize, outputs: usize, rng: &mut Rng) -> Self {
        let weight = Param::new(Init::PYTORCH_WEIGHT.draw([outputs, inputs], rng));
        let bound = 1.0 / (inputs.max(1) as f64).sqrt();
        let bias = Init::Uniform { low: -bound, high: bound }.draw(outputs, rng);
        Self { weight, bias: Some(Param::new(bias)) }
    }

    /// The layer without its bias.
    pub fn without_bias(self) -> Self {
        Self { bias: None, ..self }
    }
}

impl Layer for Linear {
    fn forward(&self, x: &Tensor) -> Tensor {
        self.weight.linear(x, self.bias.as_ref().map(Param::tensor).as_ref())
    }

    fn forward_relu(&self, x: &Tensor) -> Tensor {
        let bias = self.bias.as_ref().map(Param::tensor);
        self.weight.product(x, Product::Linear, (bias.as_ref(), true))
    }

    fn take_up(&mut self, line: &ChannelLine) -> bool {
        take_up(line, (&mut self.weight, 0), &mut self.bias)
    }
}

impl Weighted for Linear {
    fn weight(&self) -> &Param {
        &self.weight
    }

    fn forward_with(&self, x: &Tensor, weight: &Tensor) -> Tensor {
        let bias = self.bias.as_ref().map(Param::tensor);
        x.linear(weight, bias.as_ref())
    }
}
