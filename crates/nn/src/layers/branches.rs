//! Layers beside each other.

use crate::{Layer, Module, ModuleDict};
use gradus_tensor::{OpError, Tensor};

/// y = s(x) + f(x): a layer learns the difference to its input, or to what a shortcut makes of it.
///
/// # Source
/// He, Zhang, Ren, Sun 2016, "Deep Residual Learning for Image Recognition", equations 1 and 2.
/// PyTorch has no such layer.
///
/// ```
/// use gradus_nn::{Layer, Linear, Residual};
/// use gradus_tensor::{Rng, Tensor};
///
/// let mut rng = Rng::new(1);
/// let block = Residual::new(Linear::new(4, 4, &mut rng));
/// assert_eq!(block.forward(&Tensor::ones([2, 4])).shape(), [2, 4]);
/// let wider = Residual::new(Linear::new(4, 8, &mut rng));
/// let wider = wider.with_shortcut(Linear::new(4, 8, &mut rng));
/// assert_eq!(wider.forward(&Tensor::ones([2, 4])).shape(), [2, 8]);
/// ```
#[derive(Debug, Module)]
pub struct Residual {
    /// f.
    pub layer: Box<dyn Layer>,
    /// s; the identity if there is none.
    pub shortcut: Option<Box<dyn Layer>>,
}

impl Residual {
    /// A layer beside the identity.
    pub fn new(layer: impl Layer + 'static) -> Self {
        Self { layer: Box::new(layer), shortcut: None }
    }

    /// The layer beside another one.
    pub fn with_shortcut(self, shortcut: impl Layer + 'static) -> Self {
        Self { shortcut: Some(Box::new(shortcut)), ..self }
    }
}

impl Layer for Residual {
    fn forward(&self, x: &Tensor) -> Tensor {
        let change = self.layer.forward(x);
        let kept = match &self.shortcut {
            Some(shortcut) => shortcut.forward(x),
            None => x.clone(),
        };
        if change.shape() != kept.shape() {
            let (kept, change) = (kept.shape(), change.shape());
            let message = format_args!(
                "the layer gives {change} beside {kept}: give it a shortcut that gives the same"
            );
            panic!("{}", OpError::of("Residual", message));
        }
        kept + change
    }

    fn fold_norms(&mut self) -> usize {
        self.layer.fold_norms() + self.shortcut.as_mut().map_or(0, |layer| layer.fold_norms())
    }
}

/// What becomes of the outputs of branches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Join {
    /// Their sum.
    Sum,
    /// One behind the other along an axis.
    Concat {
        /// The axis; negative numbers count from the end.
        axis: isize,
    },
}

/// Layers beside each other, which all take the same input; their outputs are joined. PyTorch has no
/// such layer.
///
/// ```
/// use gradus_nn::{Join, Layer, Linear, Parallel};
/// use gradus_tensor::{Rng, Tensor};
///
/// let mut rng = Rng::new(1);
/// let layer = Parallel::new(Join::Concat { axis: -1 })
///     .with(Linear::new(4, 2, &mut rng))
///     .with(Linear::new(4, 3, &mut rng));
/// assert_eq!(layer.forward(&Tensor::ones([7, 4])).shape(), [7, 5]);
/// ```
#[derive(Debug, Module)]
pub struct Parallel {
    branches: ModuleDict,
    #[module(skip)]
    join: Join,
}

impl Parallel {
    /// No branches yet.
    pub fn new(join: Join) -> Self {
        Self { branches: ModuleDict::new(), join }
    }

    /// Appends a branch, whose name is its number.
    pub fn with(self, branch: impl Layer + 'static) -> Self {
        let name = self.branches.len().to_string();
        Self { branches: self.branches.with(&name, branch), ..self }
    }
}

impl Layer for Parallel {
    fn forward(&self, x: &Tensor) -> Tensor {
        let outputs: Vec<Tensor> =
            self.branches.iter().map(|(_, branch)| branch.forward(x)).collect();
        if let Join::Concat { axis } = self.join {
            return Tensor::cat(&outputs, axis);
        }
        match outputs.into_iter().reduce(|sum, output| sum + output) {
            Some(sum) => sum,
            None => panic!("{}", OpError::of("Parallel", "there is no branch")),
        }
    }

    fn fold_norms(&mut self) -> usize {
        self.branches.layers_mut().iter_mut().map(|(_, branch)| branch.fold_norms()).sum()
    }
}
