//! Linear layers of two inputs.

use crate::{Init, Module, Param};
use gradus_tensor::{OpError, Rng, Tensor};

/// yₖ = x₁ᵀ Wₖ x₂ + bₖ: every output is a weighted sum of all products of a number of the first
/// input and one of the second.
///
/// # Shapes
/// `first: [.., I]`, `second: [.., J] -> [.., O]`, with `weight: [O, I, J]` and `bias: [O]`.
///
/// # Source
/// PyTorch: `torch.nn.Bilinear`, whose first values it has: all uniform in ±1 / √I.
///
/// ```
/// use gradus_nn::Bilinear;
/// use gradus_tensor::{Rng, Tensor};
///
/// let layer = Bilinear::new([3, 4], 2, &mut Rng::new(1));
/// let y = layer.forward(&Tensor::ones([7, 3]), &Tensor::ones([7, 4]));
/// assert_eq!(y.shape(), [7, 2]);
/// ```
#[derive(Debug, Module)]
pub struct Bilinear {
    /// W.
    pub weight: Param,
    /// b.
    pub bias: Option<Param>,
}

impl Bilinear {
    /// A layer from the features of two inputs to `outputs` features.
    #[track_caller]
    pub fn new(inputs: [usize; 2], outputs: usize, rng: &mut Rng) -> Self {
        let bound = 1.0 / (inputs[0].max(1) as f64).sqrt();
        let first = Init::Uniform { low: -bound, high: bound };
        let weight = Param::new(first.draw([outputs, inputs[0], inputs[1]], rng));
        Self { weight, bias: Some(Param::new(first.draw(outputs, rng))) }
    }

    /// The layer without its bias.
    pub fn without_bias(self) -> Self {
        Self { bias: None, ..self }
    }

    /// The output for two inputs.
    ///
    /// # Panics
    /// If the inputs do not have the features that the layer takes, or differ in another axis.
    #[track_caller]
    pub fn forward(&self, first: &Tensor, second: &Tensor) -> Tensor {
        let weight = self.weight.tensor();
        let [outputs, left, right] = [weight.len_of(0), weight.len_of(1), weight.len_of(2)];
        let (shape, other) = (first.shape(), second.shape());
        let fits = shape.last() == Some(&left) && other.last() == Some(&right);
        if !fits || shape[..shape.rank() - 1] != other[..other.rank() - 1] {
            let message =
                format_args!("takes [.., {left}] and [.., {right}], not {shape} and {other}");
            panic!("{}", OpError::of("Bilinear", message));
        }
        // First by x₁, for all outputs at once: [N, I] [I, O J] = [N, O J]; then by x₂.
        let count: usize = shape[..shape.rank() - 1].iter().product();
        let by_first = weight.permute(&[1, 0, 2]).reshape([left, outputs * right]);
        let half = first.reshape([count, left]).matmul(&by_first).reshape([count, outputs, right]);
        let y = half.matmul(&second.reshape([count, right, 1]));
        let lens = [&shape[..shape.rank() - 1], &[outputs]].concat();
        let y = y.reshape(lens);
        match &self.bias {
            Some(bias) => y + bias.tensor(),
            None => y,
        }
    }
}
