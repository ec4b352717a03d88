//! A model of the data's distribution.

use super::batches;
use gradus_nn::{Init, Module, Optimizer, Param, Sgd, SgdOptions};
use gradus_tensor::{DType, Rng, Tensor, no_grad};

/// The settings of [`Rbm::learn`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RbmOptions {
    /// How often all samples are shown.
    pub epochs: usize,
    /// How many samples a step is made of.
    pub batch: usize,
    /// η.
    pub learning_rate: f64,
    /// How much of the last direction is kept.
    pub momentum: f64,
    /// How many steps of Gibbs sampling lead away from the data: the k of CD-k.
    pub steps: usize,
    /// Whether the chains of sampling go on from step to step (persistent contrastive divergence)
    /// instead of starting from the data.
    pub persistent: bool,
}

impl Default for RbmOptions {
    fn default() -> Self {
        Self {
            epochs: 10,
            batch: 50,
            learning_rate: 0.1,
            momentum: 0.5,
            steps: 1,
            persistent: false,
        }
    }
}

/// The restricted Boltzmann machine: visible units v and hidden units h of 0 and 1, connected with
/// each other but not among themselves, with the energy
/// E(v, h) = - b·v - c·h - h·W·v and the distribution p(v, h) = e^-E / Z.
///
/// Given one side, the units of the other are independent: p(h = 1 | v) = σ(c + W v) and
/// p(v = 1 | h) = σ(b + Wᵀ h). Visible units may also be between 0 and 1, as brightnesses are: they
/// then stand for probabilities.
///
/// # Source
/// Smolensky 1986, "Information processing in dynamical systems"; Hinton 2002, "Training products of
/// experts by minimizing contrastive divergence". First values: Hinton 2010, "A practical guide to
/// training restricted Boltzmann machines", §8.
///
/// ```
/// use gradus_models::classic::{Rbm, RbmOptions};
/// use gradus_tensor::{Rng, Tensor};
///
/// let mut rng = Rng::new(1);
/// // Two patterns, again and again.
/// let x = Tensor::from([[1.0f32, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 1.0]]).repeat(&[50, 1]);
/// let rbm = Rbm::new(4, 2, &mut rng);
/// let options = RbmOptions { epochs: 50, batch: 10, ..Default::default() };
/// let errors = rbm.learn(&x, options, &mut rng);
/// assert!(errors.last() < errors.first());
/// // What it has seen is likelier than what it has not.
/// let energies = rbm.free_energy(&Tensor::from([[1.0f32, 1.0, 0.0, 0.0], [1.0, 0.0, 1.0, 0.0]]));
/// let energies = energies.to_vec::<f32>();
/// assert!(energies[0] < energies[1]);
/// ```
#[derive(Debug, Module)]
pub struct Rbm {
    /// W, `[H, V]`.
    pub weight: Param,
    /// b, `[V]`.
    pub visible_bias: Param,
    /// c, `[H]`.
    pub hidden_bias: Param,
}

/// Where the samples of the model come from.
#[derive(Clone, Debug)]
pub enum Negative {
    /// From the data, by so many steps: contrastive divergence.
    Data {
        /// k.
        steps: usize,
    },
    /// From where the last samples were: persistent contrastive divergence.
    Chains {
        /// k.
        steps: usize,
        /// The last samples, `[N, V]`.
        chains: Tensor,
    },
}

impl Rbm {
    /// A machine whose weights are small random numbers and whose biases are 0.
    pub fn new(visible: usize, hidden: usize, rng: &mut Rng) -> Self {
        let init = Init::Normal { mean: 0.0, std: 0.01 };
        Self {
            weight: Param::new(init.draw([hidden, visible], rng)),
            visible_bias: Param::new(Tensor::zeros(visible)),
            hidden_bias: Param::new(Tensor::zeros(hidden)),
        }
    }

    /// c + W v, the logits of the hidden units.
    fn hidden_sums(&self, v: &Tensor) -> Tensor {
        v.linear(&self.weight.tensor(), Some(&self.hidden_bias.tensor()))
    }

    /// p(h = 1 | v) = σ(c + W v): `[N, V] -> [N, H]`.
    #[track_caller]
    pub fn hidden(&self, v: &Tensor) -> Tensor {
        self.hidden_sums(v).sigmoid()
    }

    /// p(v = 1 | h) = σ(b + Wᵀ h): `[N, H] -> [N, V]`.
    #[track_caller]
    pub fn visible(&self, h: &Tensor) -> Tensor {
        (h.matmul(&self.weight.tensor()) + self.visible_bias.tensor()).sigmoid()
    }

    /// F(v) = - b·v - Σ_j ln(1 + e^(c + W v)_j), with p(v) = e^-F(v) / Z: `[N, V] -> [N]`.
    #[track_caller]
    pub fn free_energy(&self, v: &Tensor) -> Tensor {
        let visible = v.matmul(&self.visible_bias.tensor());
        -(visible + self.hidden_sums(v).softplus(1.0).sum(1))
    }

    /// Samples of the model, by so many steps from v to h and back, from `[N, V]` on.
    #[track_caller]
    pub fn gibbs(&self, v: &Tensor, steps: usize, rng: &mut Rng) -> Tensor {
        no_grad(|| {
            (0..steps).fold(v.detach(), |v, _| {
                let h = self.hidden(&v).bernoulli(rng);
                self.visible(&h).bernoulli(rng)
            })
        })
    }

    /// The mean free energy of a batch less that of the model's samples. Its gradient, the samples
    /// being held, is that of contrastive divergence: ⟨h v⟩ of the data less ⟨h v⟩ of the model, with
    /// its sign turned. Its value says little.
    #[track_caller]
    pub fn contrast(&self, batch: &Tensor, negative: &mut Negative, rng: &mut Rng) -> Tensor {
        let samples = match negative {
            Negative::Data { steps } => self.gibbs(batch, *steps, rng),
            Negative::Chains { steps, chains } => {
                *chains = self.gibbs(chains, *steps, rng);
                chains.clone()
            }
        };
        self.free_energy(batch).mean(..) - self.free_energy(&samples).mean(..)
    }

    /// The mean squared difference of v from σ(b + Wᵀ σ(c + W v)).
    #[track_caller]
    pub fn reconstruction_error(&self, v: &Tensor) -> f64 {
        let error = no_grad(|| (self.visible(&self.hidden(v)) - v).square().mean(..));
        error.to_dtype(DType::F64).item()
    }

    /// Learns the distribution of the rows of `x: [N, V]`, which are between 0 and 1. Gives the
    /// reconstruction error after each epoch.
    ///
    /// # Source
    /// Hinton 2002 for CD-k; Tieleman 2008, "Training restricted Boltzmann machines using
    /// approximations to the likelihood gradient", for persistent chains.
    #[track_caller]
    pub fn learn(&self, x: &Tensor, options: RbmOptions, rng: &mut Rng) -> Vec<f64> {
        let RbmOptions { epochs, batch, learning_rate, momentum, steps, persistent } = options;
        let sgd = SgdOptions { learning_rate, momentum, ..SgdOptions::default() };
        let mut optimizer = Sgd::new(self.params(), sgd);
        let mut negative = match persistent {
            true => {
                let start = Tensor::rand([batch, x.shape()[1]], rng);
                Negative::Chains { steps, chains: start.ge_scalar(0.5).to_dtype(x.dtype()) }
            }
            false => Negative::Data { steps },
        };
        let mut errors = vec![];
        for _ in 0..epochs {
            for part in batches(x, batch, rng) {
                let contrast = self.contrast(&part, &mut negative, rng);
                optimizer.step(&contrast.backward());
            }
            errors.push(self.reconstruction_error(x));
        }
        errors
    }
}
