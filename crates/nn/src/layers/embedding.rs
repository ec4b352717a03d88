//! Tables of vectors.

use crate::{Init, Layer, Module, Param};
use gradus_tensor::{Rng, Tensor};

/// y[.., d] = weight[indices[..], d]: a vector of its own for each index.
///
/// # Shapes
/// `indices: [..] -> [.., D]`, of integers below N, with `weight: [N, D]`.
///
/// # Source
/// PyTorch: `torch.nn.Embedding`, whose first values it has: all normal with standard deviation 1.
///
/// ```
/// use gradus_nn::{Embedding, Layer};
/// use gradus_tensor::{Rng, Tensor};
///
/// let layer = Embedding::new(1000, 16, &mut Rng::new(1));
/// let words = Tensor::from(vec![3i64, 14, 15]);
/// assert_eq!(layer.forward(&words).shape(), [3, 16]);
/// ```
#[derive(Debug, Module)]
pub struct Embedding {
    /// The table.
    pub weight: Param,
    /// The row that stands for padding: it starts as zeros and gets no gradient.
    pub padding: Option<usize>,
}

impl Embedding {
    /// A table of `count` vectors of `features` numbers.
    #[track_caller]
    pub fn new(count: usize, features: usize, rng: &mut Rng) -> Self {
        let weight = Init::Normal { mean: 0.0, std: 1.0 }.draw([count, features], rng);
        Self { weight: Param::new(weight), padding: None }
    }

    /// The table with a row that stands for padding. PyTorch: `padding_idx`.
    ///
    /// # Panics
    /// If there is no such row.
    #[track_caller]
    pub fn with_padding(self, row: usize) -> Self {
        let weight = self.weight.tensor().detach();
        let zero = Tensor::zeros([1, weight.len_of(1)]);
        let rest = weight.len_of(0).saturating_sub(row + 1);
        let parts = [weight.narrow(0, 0, row), zero, weight.narrow(0, row + 1, rest)];
        Self { weight: Param::new(Tensor::cat(&parts, 0)), padding: Some(row) }
    }
}

impl Layer for Embedding {
    fn forward(&self, indices: &Tensor) -> Tensor {
        self.weight.embedding(indices, self.padding)
    }
}
