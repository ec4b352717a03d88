//! The models that led to deep learning, each small and true to its paper.
//!
//! | year | model | what it showed |
//! |---|---|---|
//! | 1943 | [`McpNeuron`] | neurons can compute every function of logic |
//! | 1949 | [`Hebbian`] | what fires together wires together; Oja's rule of 1982 finds the first principal component |
//! | 1958 | [`Perceptron`] | a neuron learns from its mistakes, if a line can tell the classes apart |
//! | 1960 | [`Adaline`] | learning as descent on the squared error |
//! | 1982 | [`Hopfield`] | a memory that is addressed by its content |
//! | 1986 | [`Mlp`] | layers, trained by backpropagation, compute what one neuron cannot |
//! | 2002 | [`Rbm`] | a model of the data's distribution, trained by contrastive divergence |
//! | 2006 | [`DeepBelief`] | deep networks can be trained, layer by layer |
//! | 2007 | [`StackedAutoencoder`] | the same by reconstruction |

mod adaline;
mod autoencoder;
mod deep_belief;
mod hebbian;
mod hopfield;
mod mcculloch_pitts;
mod mlp;
mod perceptron;
mod rbm;

pub use adaline::{Adaline, AdalineOptions};
pub use autoencoder::{AutoencoderOptions, DenoisingAutoencoder, StackedAutoencoder};
pub use deep_belief::DeepBelief;
pub use hebbian::{Hebbian, HebbianRule};
pub use hopfield::{Hopfield, Recall};
pub use mcculloch_pitts::{McpNeuron, Synapse, xor};
pub use mlp::{Activation, Mlp};
pub use perceptron::Perceptron;
pub use rbm::{Negative, Rbm, RbmOptions};

use gradus_tensor::{Rng, Tensor};

/// The rows of `x` in random order, so many at a time; the last batch may be smaller.
fn batches<'a>(
    x: &'a Tensor,
    size: usize,
    rng: &mut Rng,
) -> impl Iterator<Item = Tensor> + use<'a> {
    assert!(size > 0, "a batch must have a sample: give a batch of 1 or more");
    let order: Vec<i64> = rng.permutation(x.shape()[0]).into_iter().map(|i| i as i64).collect();
    let parts: Vec<Tensor> = order.chunks(size).map(Tensor::from).collect();
    parts.into_iter().map(|part| x.index_select(0, &part))
}
