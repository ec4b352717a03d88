//! A memory that is addressed by its content.

use gradus_nn::{Buffer, Module};
use gradus_tensor::{Rng, Tensor};

/// A network of D neurons of ±1 that are all connected with each other. Stored patterns are valleys
/// of its energy; from a damaged one it runs down into the valley.
///
/// The weights are the sums of the patterns' products, w_ij = Σ_p x_pi x_pj with w_ii = 0. Neurons
/// are updated one at a time, s_i ← sign(Σ_j w_ij s_j), and stay where the sum is 0. No update
/// raises the energy E = - s·W·s / 2D, so that recall comes to rest. About 0.138 D random patterns
/// can be kept (Amit, Gutfreund, Sompolinsky 1985).
///
/// # Source
/// Hopfield 1982, "Neural networks and physical systems with emergent collective computational
/// abilities", eq. 1, 2 and 7, with units of ±1 in the place of 0 and 1, and the energy divided by D.
///
/// ```
/// use gradus_models::classic::Hopfield;
/// use gradus_tensor::{Rng, Tensor};
///
/// let mut rng = Rng::new(1);
/// let pattern = Tensor::from([1.0f32, -1.0, 1.0, 1.0, -1.0, -1.0, 1.0, -1.0]);
/// let memory = Hopfield::new(8);
/// memory.store(&pattern.unsqueeze(0));
/// let damaged = Tensor::from([-1.0f32, -1.0, 1.0, 1.0, -1.0, -1.0, 1.0, -1.0]);
/// let recalled = memory.recall(&damaged, &mut rng);
/// assert_eq!(recalled.state().to_vec::<f32>(), pattern.to_vec::<f32>());
/// ```
#[derive(Debug, Module)]
pub struct Hopfield {
    /// W, `[D, D]`, of whole numbers.
    pub weight: Buffer,
}

/// The way of a [`Hopfield`] network to rest.
#[derive(Clone, Debug)]
pub struct Recall {
    /// The states `[D]` at the start and after each neuron that changed.
    pub states: Vec<Tensor>,
    /// Their energies.
    pub energies: Vec<f64>,
}

impl Recall {
    /// Where it came to rest.
    pub fn state(&self) -> &Tensor {
        self.states.last().expect("there is always a start")
    }
}

impl Hopfield {
    /// A network of so many neurons that remembers nothing.
    pub fn new(neurons: usize) -> Self {
        Self { weight: Buffer::new(Tensor::zeros([neurons, neurons])) }
    }

    /// Adds patterns `[P, D]` of ±1 to those that are stored.
    ///
    /// # Panics
    /// If the patterns are not of as many neurons, or of anything but ±1.
    #[track_caller]
    pub fn store(&self, patterns: &Tensor) {
        check("store", patterns);
        let neurons = self.weight.tensor().shape()[0];
        let products = patterns.t().matmul(patterns) * (1.0 - Tensor::eye(neurons));
        let weight = self.weight.tensor() + products;
        self.weight.set(&weight).unwrap_or_else(|error| panic!("{error}"));
    }

    /// E = - s·W·s / 2D of a state `[D]`.
    #[track_caller]
    pub fn energy(&self, state: &Tensor) -> f64 {
        let (weight, state) = (self.weight.tensor().to_vec::<f32>(), state.to_vec::<f32>());
        let rows = weight.chunks(state.len().max(1)).zip(&state);
        let product: f64 = rows.map(|(row, s)| field(row, &state) * *s as f64).sum();
        -product / (2 * state.len().max(1)) as f64
    }

    /// Updates the neurons, each round in another random order, until no neuron changes.
    ///
    /// # Panics
    /// If the state is not of as many neurons, or of anything but ±1.
    #[track_caller]
    pub fn recall(&self, start: &Tensor, rng: &mut Rng) -> Recall {
        check("recall", start);
        let neurons = self.weight.tensor().shape()[0];
        let shape = start.shape();
        assert!(*shape == [neurons], "recall: a state {shape} for {neurons} neurons: give [D]");
        let weight = self.weight.tensor().to_vec::<f32>();
        let mut state = start.to_vec::<f32>();
        let mut recall = Recall { states: vec![start.clone()], energies: vec![self.energy(start)] };
        loop {
            let mut changed = false;
            for neuron in rng.permutation(neurons) {
                let sum = field(&weight[neuron * neurons..][..neurons], &state);
                // Sums are of whole numbers, and exact.
                if sum * (state[neuron] as f64) < 0.0 {
                    state[neuron] = -state[neuron];
                    changed = true;
                    let last = recall.energies.last().copied().unwrap_or(0.0);
                    recall.energies.push(last - 2.0 * sum.abs() / neurons as f64);
                    recall.states.push(Tensor::from(state.clone()));
                }
            }
            if !changed {
                return recall;
            }
        }
    }
}

/// Σ_j w_ij s_j.
fn field(row: &[f32], state: &[f32]) -> f64 {
    row.iter().zip(state).map(|(w, s)| (w * s) as f64).sum()
}

#[track_caller]
fn check(op: &str, states: &Tensor) {
    let sound = states.abs().eq(&Tensor::ones(*states.shape())).all(..).item::<bool>();
    assert!(sound, "{op}: states must be of 1 and -1: write 2 x - 1 for truth values x");
}
