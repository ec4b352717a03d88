//! The first neuron that learns.

use gradus_nn::{Module, Param};
use gradus_tensor::Tensor;

/// A threshold neuron, y = 1 if w · x + b > 0, else 0, that learns only from its mistakes:
/// w ← w + (t - y) x, b ← b + (t - y) for each sample x with its answer t.
///
/// If a plane separates the two classes, it makes at most (R / γ)² mistakes before it has found one,
/// R being the length of the longest sample (with a 1 for the bias) and γ the margin of the best
/// plane through them (Novikoff 1962). If none does, as for XOR, it never ends.
///
/// # Source
/// Rosenblatt 1958, "The perceptron: a probabilistic model for information storage and organization
/// in the brain".
///
/// ```
/// use gradus_models::classic::Perceptron;
/// use gradus_tensor::Tensor;
///
/// let x = Tensor::from([[0.0f32, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]);
/// let and = Perceptron::new(2);
/// assert_eq!(and.learn(&x, &[false, false, false, true], 100).last(), Some(&0));
/// let xor = Perceptron::new(2);
/// assert!(xor.learn(&x, &[false, true, true, false], 100).iter().all(|&mistakes| mistakes > 0));
/// ```
#[derive(Debug, Module)]
pub struct Perceptron {
    /// w, `[D]`.
    pub weight: Param,
    /// b, `[]`.
    pub bias: Param,
}

impl Perceptron {
    /// A perceptron that knows nothing: all weights are 0.
    pub fn new(inputs: usize) -> Self {
        Self { weight: Param::new(Tensor::zeros(inputs)), bias: Param::new(Tensor::zeros(())) }
    }

    /// What is compared with 0, w · x + b: `[N, D] -> [N]`.
    #[track_caller]
    pub fn sum(&self, x: &Tensor) -> Tensor {
        (x.matmul(&self.weight.tensor()) + self.bias.tensor()).detach()
    }

    /// The answers, for `x: [N, D]`.
    #[track_caller]
    pub fn predict(&self, x: &Tensor) -> Vec<bool> {
        self.sum(x).gt_scalar(0.0).to_vec()
    }

    /// Goes through the rows of `x: [N, D]` again and again until it makes no mistake, but at most
    /// `epochs` times. Gives the number of mistakes in each round.
    ///
    /// # Panics
    /// If there are not as many answers as rows.
    #[track_caller]
    pub fn learn(&self, x: &Tensor, answers: &[bool], epochs: usize) -> Vec<usize> {
        let rows = x.shape()[0];
        assert!(rows == answers.len(), "learn: {rows} rows and {} answers differ", answers.len());
        let mut rounds = vec![];
        while rounds.len() < epochs && rounds.last() != Some(&0) {
            let mistakes =
                (0..rows).filter(|&row| self.correct(&x.narrow(0, row, 1), answers[row]));
            rounds.push(mistakes.count());
        }
        rounds
    }

    /// Learns from one sample `x: [1, D]`, and says whether it was a mistake.
    fn correct(&self, x: &Tensor, answer: bool) -> bool {
        if self.predict(x) == [answer] {
            return false;
        }
        let sign = if answer { 1.0 } else { -1.0 };
        self.weight.convert(|w| w + x.squeeze(0) * sign);
        self.bias.convert(|b| b + sign);
        true
    }
}
