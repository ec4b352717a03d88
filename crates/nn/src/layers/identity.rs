//! The layer that changes nothing, and layers made of functions.

use crate::{Layer, Module};
use gradus_tensor::Tensor;
use std::fmt;

/// y = x. PyTorch: `torch.nn.Identity`.
#[derive(Clone, Copy, Debug, Default, Module)]
pub struct Identity;

impl Layer for Identity {
    fn forward(&self, x: &Tensor) -> Tensor {
        x.clone()
    }
}

/// What a layer made of a function computes.
type Function = Box<dyn Fn(&Tensor) -> Tensor + Send + Sync>;

/// A function as a layer. It has no parameters. PyTorch has no such layer; Keras calls it `Lambda`.
///
/// ```
/// use gradus_nn::{Lambda, Layer, Linear, Sequential};
/// use gradus_tensor::{Rng, Tensor};
///
/// let model = Sequential::new()
///     .then(Lambda::new("halve", |x| x * 0.5))
///     .then(Linear::new(3, 2, &mut Rng::new(1)));
/// assert_eq!(model.forward(&Tensor::ones([4, 3])).shape(), [4, 2]);
/// ```
#[derive(Module)]
pub struct Lambda {
    /// What the function is called.
    pub name: &'static str,
    #[module(skip)]
    function: Function,
}

impl Lambda {
    /// A layer that computes a function, under a name for whoever prints the model.
    pub fn new(
        name: &'static str,
        function: impl Fn(&Tensor) -> Tensor + Send + Sync + 'static,
    ) -> Self {
        Self { name, function: Box::new(function) }
    }
}

impl fmt::Debug for Lambda {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Lambda({})", self.name)
    }
}

impl Layer for Lambda {
    fn forward(&self, x: &Tensor) -> Tensor {
        (self.function)(x)
    }
}
