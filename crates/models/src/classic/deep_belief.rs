//! Deep networks that learn layer by layer.

use super::{Activation, Mlp, Rbm, RbmOptions};
use gradus_nn::Module;
use gradus_tensor::{Rng, Tensor, no_grad};

/// Restricted Boltzmann machines on top of each other: each learns the distribution of what the one
/// below it makes of the data, without labels. Their weights are then the first ones of a network
/// that is trained with labels.
///
/// # Source
/// Hinton, Osindero, Teh 2006, "A fast learning algorithm for deep belief nets"; the fine-tuning by
/// backpropagation is that of Hinton, Salakhutdinov 2006, "Reducing the dimensionality of data with
/// neural networks".
///
/// ```
/// use gradus_models::classic::{DeepBelief, RbmOptions};
/// use gradus_nn::Layer;
/// use gradus_tensor::{Rng, Tensor};
///
/// let mut rng = Rng::new(1);
/// let x = Tensor::rand([20, 16], &mut rng);
/// let belief = DeepBelief::new(&[16, 8, 4], &mut rng);
/// belief.pretrain(&x, RbmOptions { epochs: 1, ..Default::default() }, &mut rng);
/// let net = belief.classifier(10, &mut rng);
/// assert_eq!(net.forward(&x).shape(), [20, 10]);
/// ```
#[derive(Debug, Module)]
pub struct DeepBelief {
    /// The machines, the lowest first.
    pub layers: Vec<Rbm>,
}

impl DeepBelief {
    /// Machines between these sizes, of which the first is that of the data.
    ///
    /// # Panics
    /// If there are fewer than two sizes.
    #[track_caller]
    pub fn new(sizes: &[usize], rng: &mut Rng) -> Self {
        assert!(sizes.len() > 1, "deep_belief: {} sizes: give two or more", sizes.len());
        Self { layers: sizes.windows(2).map(|pair| Rbm::new(pair[0], pair[1], rng)).collect() }
    }

    /// What the machines make of data, from the lowest up: `[N, V] -> [N, H]`.
    #[track_caller]
    pub fn up(&self, x: &Tensor) -> Tensor {
        self.layers.iter().fold(x.clone(), |x, layer| layer.hidden(&x))
    }

    /// Trains each machine on what those below it make of `x: [N, V]`. Gives the reconstruction
    /// errors of each after each epoch.
    #[track_caller]
    pub fn pretrain(&self, x: &Tensor, options: RbmOptions, rng: &mut Rng) -> Vec<Vec<f64>> {
        let mut x = x.clone();
        let mut errors = vec![];
        for layer in &self.layers {
            errors.push(layer.learn(&x, options, rng));
            x = no_grad(|| layer.hidden(&x));
        }
        errors
    }

    /// A network with the machines' weights and logistic neurons, and a new layer on top, to be
    /// trained with labels.
    pub fn classifier(&self, classes: usize, rng: &mut Rng) -> Mlp {
        let layers: Vec<_> =
            self.layers.iter().map(|layer| (&layer.weight, &layer.hidden_bias)).collect();
        Mlp::on(&layers, classes, Activation::Sigmoid, rng)
    }
}
