//! Layers under names, and layers under numbers.

use crate::{Layer, Module, Path, Visitor};
use std::ops::Index;

/// Layers under names, in the order in which they were put in. PyTorch: `torch.nn.ModuleDict`.
///
/// ```
/// use gradus_nn::{Layer, Linear, ModuleDict, Tanh};
/// use gradus_tensor::{Rng, Tensor};
///
/// let heads = ModuleDict::new()
///     .with("policy", Linear::new(4, 2, &mut Rng::new(1)))
///     .with("value", Tanh);
/// assert_eq!(heads["policy"].forward(&Tensor::ones([3, 4])).shape(), [3, 2]);
/// ```
#[derive(Debug, Default)]
pub struct ModuleDict {
    layers: Vec<(String, Box<dyn Layer>)>,
}

impl ModuleDict {
    /// No layers.
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends a layer under a name.
    ///
    /// # Panics
    /// If another layer has that name, or it is empty or has a dot, which parts the names in a state
    /// dict.
    #[track_caller]
    pub fn with(mut self, name: &str, layer: impl Layer + 'static) -> Self {
        self.push(name, Box::new(layer));
        self
    }

    /// Appends a layer under a name.
    ///
    /// # Panics
    /// As [`ModuleDict::with`].
    #[track_caller]
    pub fn push(&mut self, name: &str, layer: Box<dyn Layer>) {
        assert!(self.get(name).is_none(), "two layers are called '{name}'");
        assert!(!name.is_empty() && !name.contains('.'), "a layer cannot be called '{name}'");
        self.layers.push((name.to_string(), layer));
    }

    /// The layer of a name.
    pub fn get(&self, name: &str) -> Option<&dyn Layer> {
        self.iter().find(|(other, _)| *other == name).map(|(_, layer)| layer)
    }

    /// The layers with their names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &dyn Layer)> {
        self.layers.iter().map(|(name, layer)| (name.as_str(), &**layer))
    }

    /// The layers with their names, to be changed.
    pub(crate) fn layers_mut(&mut self) -> &mut Vec<(String, Box<dyn Layer>)> {
        &mut self.layers
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

/// The layer of a name; panics if there is none.
impl Index<&str> for ModuleDict {
    type Output = dyn Layer;
    #[track_caller]
    fn index(&self, name: &str) -> &(dyn Layer + 'static) {
        match self.layers.iter().find(|(other, _)| other == name) {
            Some((_, layer)) => &**layer,
            None => panic!("no layer is called '{name}'"),
        }
    }
}

impl Module for ModuleDict {
    fn visit(&self, path: &mut Path, visitor: &mut dyn Visitor) {
        for (name, layer) in &self.layers {
            path.enter(name);
            layer.visit(path, visitor);
            path.leave();
        }
    }
}

/// Layers of several types under numbers, which their owner calls as it likes. Layers of one type
/// need only a `Vec`. PyTorch: `torch.nn.ModuleList`.
///
/// ```
/// use gradus_nn::{Layer, Linear, ModuleList, Tanh};
/// use gradus_tensor::{Rng, Tensor};
///
/// let layers = ModuleList::new().with(Linear::new(4, 4, &mut Rng::new(1))).with(Tanh);
/// let x = Tensor::ones([3, 4]);
/// let y = layers.iter().fold(x, |x, layer| &x + layer.forward(&x));
/// assert_eq!(y.shape(), [3, 4]);
/// ```
#[derive(Debug, Default)]
pub struct ModuleList {
    layers: ModuleDict,
}

impl ModuleList {
    /// No layers.
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends a layer.
    pub fn with(mut self, layer: impl Layer + 'static) -> Self {
        self.push(Box::new(layer));
        self
    }

    /// Appends a layer.
    pub fn push(&mut self, layer: Box<dyn Layer>) {
        self.layers.push(&self.len().to_string(), layer);
    }

    /// The layers.
    pub fn iter(&self) -> impl Iterator<Item = &dyn Layer> {
        self.layers.iter().map(|(_, layer)| layer)
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

/// The layer of a number; panics if there is none.
impl Index<usize> for ModuleList {
    type Output = dyn Layer;
    #[track_caller]
    fn index(&self, index: usize) -> &(dyn Layer + 'static) {
        &*self.layers.layers[index].1
    }
}

impl Module for ModuleList {
    fn visit(&self, path: &mut Path, visitor: &mut dyn Visitor) {
        self.layers.visit(path, visitor);
    }
}
