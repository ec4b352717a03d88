//! Layers one after another.

use crate::fold::ChannelLine;
use crate::{Layer, Module, ModuleDict, Path, Visitor};
use gradus_tensor::Tensor;
use std::mem::take;

/// Layers one after another: each takes the output of the one before it. PyTorch:
/// `torch.nn.Sequential`.
///
/// ```
/// use gradus_nn::{Layer, Linear, Module, Relu, Sequential};
/// use gradus_tensor::{Rng, Tensor};
///
/// let mut rng = Rng::new(1);
/// let model = Sequential::new()
///     .then(Linear::new(784, 128, &mut rng))
///     .then(Relu)
///     .then(Linear::new(128, 10, &mut rng));
/// assert_eq!(model.forward(&Tensor::ones([64, 784])).shape(), [64, 10]);
/// assert_eq!(model.named_params()[2].0, "2.weight");
/// ```
#[derive(Debug, Default)]
pub struct Sequential {
    layers: ModuleDict,
}

impl Sequential {
    /// No layers: the output is the input.
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends a layer, whose name is its number.
    #[track_caller]
    pub fn then(self, layer: impl Layer + 'static) -> Self {
        let name = self.layers.len().to_string();
        self.then_named(&name, layer)
    }

    /// Appends a layer under a name.
    ///
    /// # Panics
    /// If another layer has that name, or it is empty or has a dot.
    #[track_caller]
    pub fn then_named(self, name: &str, layer: impl Layer + 'static) -> Self {
        Self { layers: self.layers.with(name, layer) }
    }

    /// The layers with their names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &dyn Layer)> {
        self.layers.iter()
    }

    /// How many layers there are.
    pub fn len(&self) -> usize {
        self.layers.len()
    }

    /// True if there is none.
    pub fn is_empty(&self) -> bool {
        self.layers.is_empty()
    }
}

impl Module for Sequential {
    fn visit(&self, path: &mut Path, visitor: &mut dyn Visitor) {
        self.layers.visit(path, visitor);
    }
}

impl Layer for Sequential {
    fn forward(&self, x: &Tensor) -> Tensor {
        let mut layers = self.iter().map(|(_, layer)| layer).peekable();
        let mut x = x.clone();
        while let Some(layer) = layers.next() {
            if layers.next_if(|next| next.is_relu()).is_none() {
                x = layer.forward(&x);
                continue;
            }
            // Of fewer numbers a ReLU takes less time.
            let smaller =
                layers.next_if(|next| next.commutes_with_relu() && !layer.has_free_relu());
            x = match smaller {
                Some(pool) => pool.forward_relu(&layer.forward(&x)),
                None => layer.forward_relu(&x),
            };
        }
        x
    }

    fn take_up(&mut self, line: &ChannelLine) -> bool {
        self.layers.layers_mut().last_mut().is_some_and(|(_, last)| last.take_up(line))
    }

    fn fold_norms(&mut self) -> usize {
        let mut count = 0;
        let mut kept: Vec<(String, Box<dyn Layer>)> = vec![];
        for (name, mut layer) in take(self.layers.layers_mut()) {
            count += layer.fold_norms();
            let before = kept.last_mut().map(|(_, before)| before);
            let folded = layer.channel_line().zip(before);
            if folded.is_some_and(|(line, before)| before.take_up(&line)) {
                count += 1;
            } else {
                kept.push((name, layer));
            }
        }
        *self.layers.layers_mut() = kept;
        count
    }
}
