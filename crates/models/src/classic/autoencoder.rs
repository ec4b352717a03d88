//! Layer-wise training by reconstruction.

use super::{Activation, Mlp, batches};
use gradus_nn::losses::binary_cross_entropy_with_logits;
use gradus_nn::{Init, Module, Optimizer, Param, Sgd, SgdOptions};
use gradus_tensor::{DType, Rng, Tensor, no_grad};

/// The settings of [`DenoisingAutoencoder::learn`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AutoencoderOptions {
    /// How often all samples are shown.
    pub epochs: usize,
    /// How many samples a step is made of.
    pub batch: usize,
    /// η.
    pub learning_rate: f64,
    /// ν, the share of the inputs that are set to 0 before they are to be reconstructed; 0 makes
    /// the plain autoencoders of Bengio.
    pub noise: f64,
}

impl Default for AutoencoderOptions {
    fn default() -> Self {
        Self { epochs: 10, batch: 50, learning_rate: 0.1, noise: 0.25 }
    }
}

/// One layer that codes its input, h = σ(W x̃ + c), such that the input can be had back from the
/// code, x ≈ σ(Wᵀ h + b), though a share of x̃ was set to 0. It descends on the cross-entropy,
/// summed over the inputs.
///
/// # Source
/// Vincent, Larochelle, Bengio, Manzagol 2008, "Extracting and composing robust features with
/// denoising autoencoders".
#[derive(Debug, Module)]
pub struct DenoisingAutoencoder {
    /// W, `[H, V]`.
    pub weight: Param,
    /// b, `[V]`.
    pub visible_bias: Param,
    /// c, `[H]`.
    pub hidden_bias: Param,
}

impl DenoisingAutoencoder {
    /// A layer with random weights and biases of 0.
    pub fn new(visible: usize, hidden: usize, rng: &mut Rng) -> Self {
        // Four times Glorot's choice for tanh, as the logistic function is a quarter as steep.
        let weight = Init::XavierUniform { gain: 4.0 }.draw([hidden, visible], rng);
        Self {
            weight: Param::new(weight),
            visible_bias: Param::new(Tensor::zeros(visible)),
            hidden_bias: Param::new(Tensor::zeros(hidden)),
        }
    }

    /// The code: `[N, V] -> [N, H]`.
    #[track_caller]
    pub fn encode(&self, x: &Tensor) -> Tensor {
        x.linear(&self.weight.tensor(), Some(&self.hidden_bias.tensor())).sigmoid()
    }

    /// The logits of what is had back from a code: `[N, H] -> [N, V]`.
    #[track_caller]
    pub fn decode(&self, h: &Tensor) -> Tensor {
        h.matmul(&self.weight.tensor()) + self.visible_bias.tensor()
    }

    /// Learns to code the rows of `x: [N, V]`, which are between 0 and 1. Gives the mean
    /// cross-entropy, per number and without noise, after each epoch.
    #[track_caller]
    pub fn learn(&self, x: &Tensor, options: AutoencoderOptions, rng: &mut Rng) -> Vec<f64> {
        let AutoencoderOptions { epochs, batch, learning_rate, noise } = options;
        let sgd = SgdOptions { learning_rate, ..SgdOptions::default() };
        let mut optimizer = Sgd::new(self.params(), sgd);
        let inputs = x.shape()[1] as f64;
        let mut errors = vec![];
        for _ in 0..epochs {
            for clean in batches(x, batch, rng) {
                let kept = clean.full_like(1.0 - noise).bernoulli(rng);
                let code = self.encode(&(&clean * kept));
                let loss = binary_cross_entropy_with_logits(&self.decode(&code), &clean) * inputs;
                optimizer.step(&loss.backward());
            }
            let error =
                no_grad(|| binary_cross_entropy_with_logits(&self.decode(&self.encode(x)), x));
            errors.push(error.to_dtype(DType::F64).item());
        }
        errors
    }
}

/// Autoencoders on top of each other, each of which learns to code what the one below it makes of
/// the data; their weights are then the first ones of a network that is trained with labels.
///
/// # Source
/// Bengio, Lamblin, Popovici, Larochelle 2007, "Greedy layer-wise training of deep networks".
///
/// ```
/// use gradus_models::classic::{AutoencoderOptions, StackedAutoencoder};
/// use gradus_nn::Layer;
/// use gradus_tensor::{Rng, Tensor};
///
/// let mut rng = Rng::new(1);
/// let x = Tensor::rand([20, 16], &mut rng);
/// let stack = StackedAutoencoder::new(&[16, 8, 4], &mut rng);
/// stack.pretrain(&x, AutoencoderOptions { epochs: 1, ..Default::default() }, &mut rng);
/// let net = stack.classifier(10, &mut rng);
/// assert_eq!(net.forward(&x).shape(), [20, 10]);
/// ```
#[derive(Debug, Module)]
pub struct StackedAutoencoder {
    /// The layers, the lowest first.
    pub layers: Vec<DenoisingAutoencoder>,
}

impl StackedAutoencoder {
    /// Layers between these sizes, of which the first is that of the data.
    ///
    /// # Panics
    /// If there are fewer than two sizes.
    #[track_caller]
    pub fn new(sizes: &[usize], rng: &mut Rng) -> Self {
        assert!(sizes.len() > 1, "stacked_autoencoder: {} sizes: give two or more", sizes.len());
        let layers = sizes.windows(2);
        Self {
            layers: layers.map(|pair| DenoisingAutoencoder::new(pair[0], pair[1], rng)).collect(),
        }
    }

    /// The code of all layers: `[N, V] -> [N, H]`.
    #[track_caller]
    pub fn encode(&self, x: &Tensor) -> Tensor {
        self.layers.iter().fold(x.clone(), |x, layer| layer.encode(&x))
    }

    /// Trains each layer on what those below it make of `x: [N, V]`. Gives the errors of each after
    /// each epoch.
    #[track_caller]
    pub fn pretrain(
        &self,
        x: &Tensor,
        options: AutoencoderOptions,
        rng: &mut Rng,
    ) -> Vec<Vec<f64>> {
        let mut x = x.clone();
        let mut errors = vec![];
        for layer in &self.layers {
            errors.push(layer.learn(&x, options, rng));
            x = no_grad(|| layer.encode(&x));
        }
        errors
    }

    /// A network with these weights and logistic neurons, and a new layer on top, to be trained with
    /// labels.
    pub fn classifier(&self, classes: usize, rng: &mut Rng) -> Mlp {
        let layers: Vec<_> =
            self.layers.iter().map(|layer| (&layer.weight, &layer.hidden_bias)).collect();
        Mlp::on(&layers, classes, Activation::Sigmoid, rng)
    }
}
