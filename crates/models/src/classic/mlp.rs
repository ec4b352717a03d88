//! Layers of neurons.

use gradus_nn::{Layer, Linear, Module, Param};
use gradus_tensor::{Rng, Tensor};

/// What the hidden neurons of an [`Mlp`] make of their sums.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Activation {
    /// max(x, 0).
    #[default]
    Relu,
    /// 1 / (1 + e^-x), as in the paper.
    Sigmoid,
    /// tanh x.
    Tanh,
}

/// The multi-layer perceptron: y = W_L f(… f(W_1 x + b_1) …) + b_L, trained by backpropagation.
///
/// # Shapes
/// `x: [.., D] -> [.., C]`, D and C being the first and the last of the sizes.
///
/// # Source
/// Rumelhart, Hinton, Williams 1986, "Learning representations by back-propagating errors".
///
/// ```
/// use gradus_models::classic::{Activation, Mlp};
/// use gradus_nn::{Layer, Module};
/// use gradus_tensor::{Rng, Tensor};
///
/// let net = Mlp::new(&[784, 300, 10], Activation::Relu, &mut Rng::new(1));
/// assert_eq!(net.forward(&Tensor::ones([5, 784])).shape(), [5, 10]);
/// assert_eq!(net.named_params()[2].0, "layers.1.weight");
/// ```
#[derive(Debug, Module)]
pub struct Mlp {
    /// The layers.
    pub layers: Vec<Linear>,
    #[module(skip)]
    activation: Activation,
}

impl Mlp {
    /// Layers between these sizes, of which the first is that of the input.
    ///
    /// # Panics
    /// If there are fewer than two sizes.
    #[track_caller]
    pub fn new(sizes: &[usize], activation: Activation, rng: &mut Rng) -> Self {
        assert!(sizes.len() > 1, "mlp: {} sizes: give those of input and output", sizes.len());
        let layers = sizes.windows(2).map(|pair| Linear::new(pair[0], pair[1], rng)).collect();
        Self { layers, activation }
    }

    /// Copies of layers that were trained otherwise, each a weight and a bias, and a new one on top.
    pub(super) fn on(
        trained: &[(&Param, &Param)],
        outputs: usize,
        activation: Activation,
        rng: &mut Rng,
    ) -> Self {
        let copy = |param: &Param| Param::new(param.tensor().detach());
        let layer = |(weight, bias): &(&Param, &Param)| Linear {
            weight: copy(weight),
            bias: Some(copy(bias)),
        };
        let mut layers: Vec<Linear> = trained.iter().map(layer).collect();
        let inputs = trained.last().map_or(0, |(_, bias)| bias.tensor().count());
        layers.push(Linear::new(inputs, outputs, rng));
        Self { layers, activation }
    }
}

impl Layer for Mlp {
    fn forward(&self, x: &Tensor) -> Tensor {
        let hidden = self.layers.len() - 1;
        self.layers.iter().enumerate().fold(x.clone(), |x, (index, layer)| {
            let sum = layer.forward(&x);
            match self.activation {
                _ if index == hidden => sum,
                Activation::Relu => sum.relu(),
                Activation::Sigmoid => sum.sigmoid(),
                Activation::Tanh => sum.tanh(),
            }
        })
    }
}
