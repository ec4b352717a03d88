//! The neuron that descends on an error.

use gradus_nn::{Module, Param};
use gradus_tensor::{Rng, Tensor};

/// The settings of [`Adaline::learn`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdalineOptions {
    /// How often all samples are shown.
    pub epochs: usize,
    /// η.
    pub learning_rate: f64,
}

impl Default for AdalineOptions {
    fn default() -> Self {
        Self { epochs: 20, learning_rate: 0.01 }
    }
}

/// The adaptive linear neuron, which learns before its threshold: w ← w + η (t - s) x with
/// s = w · x + b and answers t of ±1, the delta rule. Unlike the perceptron it goes on when all
/// answers are right, towards the plane of least squares, and comes to rest where none separates
/// the classes.
///
/// # Source
/// Widrow, Hoff 1960, "Adaptive switching circuits".
///
/// ```
/// use gradus_models::classic::{Adaline, AdalineOptions};
/// use gradus_tensor::{Rng, Tensor};
///
/// let x = Tensor::from([[0.0f32, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]);
/// let answers = Tensor::from([-1.0f32, 1.0, 1.0, 1.0]);
/// let or = Adaline::new(2);
/// let options = AdalineOptions { epochs: 200, learning_rate: 0.05 };
/// or.learn(&x, &answers, options, &mut Rng::new(1));
/// assert_eq!(or.forward(&x).gt_scalar(0.0).to_vec::<bool>(), [false, true, true, true]);
/// ```
#[derive(Debug, Module)]
pub struct Adaline {
    /// w, `[D]`.
    pub weight: Param,
    /// b, `[]`.
    pub bias: Param,
}

impl Adaline {
    /// A neuron whose weights are 0.
    pub fn new(inputs: usize) -> Self {
        Self { weight: Param::new(Tensor::zeros(inputs)), bias: Param::new(Tensor::zeros(())) }
    }

    /// The sums s, whose signs are the answers: `[N, D] -> [N]`.
    #[track_caller]
    pub fn forward(&self, x: &Tensor) -> Tensor {
        x.matmul(&self.weight.tensor()) + self.bias.tensor()
    }

    /// Shows the rows of `x: [N, D]` with answers `t: [N]` of ±1, in random order. Gives the mean
    /// squared error after each round.
    ///
    /// # Panics
    /// If the shapes do not fit.
    #[track_caller]
    pub fn learn(
        &self,
        x: &Tensor,
        t: &Tensor,
        options: AdalineOptions,
        rng: &mut Rng,
    ) -> Vec<f64> {
        let mut errors = vec![];
        for _ in 0..options.epochs {
            for row in rng.permutation(x.shape()[0]) {
                let x = x.narrow(0, row, 1);
                let missing =
                    (t.narrow(0, row, 1) - self.forward(&x).detach()) * options.learning_rate;
                self.weight.convert(|w| w + x.squeeze(0) * &missing);
                self.bias.convert(|b| b + missing.squeeze(0));
            }
            let error = (t - self.forward(x).detach()).square().mean(..);
            errors.push(error.to_dtype(gradus_tensor::DType::F64).item());
        }
        errors
    }
}
