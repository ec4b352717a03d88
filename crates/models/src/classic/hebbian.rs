//! Learning without a teacher, by one neuron.

use gradus_nn::{Buffer, Module};
use gradus_tensor::{Rng, Tensor};

/// How the weights of a [`Hebbian`] neuron change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HebbianRule {
    /// Δw = η y x. The weights grow without bound.
    Hebb,
    /// Δw = η y (x - y w). The weights tend to length 1.
    Oja,
}

/// A linear neuron, y = w · x, that strengthens the connections to the inputs it agrees with.
///
/// By Oja's rule and for inputs of mean 0, w tends to the first principal component: the unit
/// vector along which the inputs vary most.
///
/// # Source
/// Hebb 1949, "The Organization of Behavior"; Oja 1982, "A simplified neuron model as a principal
/// component analyzer", eq. 3.
///
/// ```
/// use gradus_models::classic::{Hebbian, HebbianRule};
/// use gradus_tensor::{Rng, Tensor};
///
/// let mut rng = Rng::new(1);
/// // They vary ten times as much along the first axis.
/// let x = Tensor::randn([500, 2], &mut rng) * Tensor::from([1.0f32, 0.1]);
/// let neuron = Hebbian::new(2, HebbianRule::Oja, &mut rng);
/// neuron.learn(&x, 0.02);
/// let w = neuron.weight.tensor().to_vec::<f32>();
/// assert!(w[0].abs() > 0.95 && w[1].abs() < 0.1, "{w:?}");
/// ```
#[derive(Debug, Module)]
pub struct Hebbian {
    /// w, `[D]`.
    pub weight: Buffer,
    #[module(skip)]
    rule: HebbianRule,
}

impl Hebbian {
    /// A neuron whose weights are a random vector of length 1.
    pub fn new(inputs: usize, rule: HebbianRule, rng: &mut Rng) -> Self {
        let weight = Tensor::randn(inputs, rng);
        let length = weight.norm(2.0, ..);
        Self { weight: Buffer::new(weight / length), rule }
    }

    /// The outputs for inputs: `[N, D] -> [N]`.
    #[track_caller]
    pub fn forward(&self, x: &Tensor) -> Tensor {
        x.matmul(&self.weight.tensor())
    }

    /// Shows the neuron the rows of `x: [N, D]`, one after another, with a learning rate η.
    ///
    /// # Panics
    /// If the rows have not as many numbers as there are weights.
    #[track_caller]
    pub fn learn(&self, x: &Tensor, learning_rate: f64) {
        let mut w = self.weight.tensor();
        for row in 0..x.shape()[0] {
            let x = x.select(0, row);
            let y = (&w * &x).sum(..);
            let change = match self.rule {
                HebbianRule::Hebb => &y * &x,
                HebbianRule::Oja => &y * (&x - &y * &w),
            };
            w = w + change * learning_rate;
        }
        self.weight.set(&w).unwrap_or_else(|error| panic!("{error}"));
    }
}
