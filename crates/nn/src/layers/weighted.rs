//! Layers whose weight is computed from other parameters.

use crate::{Buffer, Layer, Mode, Module, Param, Path, Stream, Visitor};
use gradus_tensor::{OpError, Rng, Tensor, no_grad};
use std::fmt;

/// A layer with a weight, which may be computed by whoever wraps it.
pub trait Weighted: Layer {
    /// The weight.
    fn weight(&self) -> &Param;

    /// The output for an input, with another weight in the place of the layer's own.
    ///
    /// # Panics
    /// If the layer does not take the input.
    #[track_caller]
    fn forward_with(&self, x: &Tensor, weight: &Tensor) -> Tensor;

    /// The weight's axis of outputs.
    fn output_axis(&self) -> usize {
        0
    }
}

/// Shows a visitor what a layer has beside its weight.
fn visit_rest(layer: &dyn Weighted, path: &mut Path, visitor: &mut dyn Visitor) {
    struct Rest<'a> {
        weight: u64,
        visitor: &'a mut dyn Visitor,
    }
    impl Visitor for Rest<'_> {
        fn param(&mut self, path: &Path, param: &Param) {
            if param.id() != self.weight {
                self.visitor.param(path, param);
            }
        }
        fn buffer(&mut self, path: &Path, buffer: &Buffer) {
            self.visitor.buffer(path, buffer);
        }
        fn mode(&mut self, path: &Path, mode: &Mode) {
            self.visitor.mode(path, mode);
        }
        fn stream(&mut self, path: &Path, stream: &Stream) {
            self.visitor.stream(path, stream);
        }
    }
    layer.visit(path, &mut Rest { weight: layer.weight().id(), visitor });
}

/// Shows a visitor parts under names below `parametrizations.weight`, where PyTorch has them.
fn visit_parts(parts: &[(&[&str], &dyn Module)], path: &mut Path, visitor: &mut dyn Visitor) {
    for (names, part) in parts {
        let names = ["parametrizations", "weight"].iter().chain(*names);
        names.clone().for_each(|name| path.enter(name));
        part.visit(path, visitor);
        names.for_each(|_| path.leave());
    }
}

/// The axis of a weight in the name of a wrapper.
#[track_caller]
fn axis_of(weight: &Param, axis: usize, wrapper: &'static str) -> usize {
    let shape = *weight.tensor().shape();
    if axis >= shape.rank() || shape.rank() < 2 {
        let message = format_args!("a weight {shape} is no matrix with an axis {axis}");
        panic!("{}", OpError::of(wrapper, message));
    }
    axis
}

/// Weight normalisation: the layer's weight is w = g v / ‖v‖, so that its length g and its direction
/// v are trained apart. The norm is that of each slice along an axis.
///
/// The state dict has `parametrizations.weight.original0`, which is g, and
/// `parametrizations.weight.original1`, which is v, in the place of `weight`.
///
/// # Source
/// Salimans, Kingma 2016, "Weight Normalization", equation 2; PyTorch:
/// `torch.nn.utils.parametrizations.weight_norm`.
///
/// ```
/// use gradus_nn::{Layer, Linear, Module, WeightNorm};
/// use gradus_tensor::{Rng, Tensor};
///
/// let layer = WeightNorm::new(Linear::new(3, 2, &mut Rng::new(1)));
/// assert_eq!(layer.forward(&Tensor::ones([4, 3])).shape(), [4, 2]);
/// assert_eq!(layer.named_params()[1].0, "parametrizations.weight.original0");
/// ```
pub struct WeightNorm {
    /// Its weight is v.
    layer: Box<dyn Weighted>,
    magnitude: Param,
    axis: usize,
}

impl WeightNorm {
    /// A layer that computes what `layer` does, with a length for each slice along the first axis.
    ///
    /// # Panics
    /// If the weight has fewer than two axes.
    #[track_caller]
    pub fn new(layer: impl Weighted + 'static) -> Self {
        Self::along(layer, 0)
    }

    /// The same with slices along another axis of the weight. PyTorch: `dim`.
    ///
    /// # Panics
    /// If the weight has no such axis, or fewer than two.
    #[track_caller]
    pub fn along(layer: impl Weighted + 'static, axis: usize) -> Self {
        let axis = axis_of(layer.weight(), axis, "WeightNorm");
        let magnitude = Param::new(lengths(&layer.weight().tensor().detach(), axis));
        Self { layer: Box::new(layer), magnitude, axis }
    }

    /// w.
    #[track_caller]
    pub fn weight(&self) -> Tensor {
        let direction = self.layer.weight().tensor();
        let scale = self.magnitude.tensor() / lengths(&direction, self.axis);
        direction * scale
    }
}

/// The Euclidean norms of the slices of a tensor along an axis, the other axes with length 1.
fn lengths(weight: &Tensor, axis: usize) -> Tensor {
    let others: Vec<isize> =
        (0..weight.rank() as isize).filter(|&other| other != axis as isize).collect();
    weight.square().sum_keepdim(&others[..]).sqrt()
}

impl Module for WeightNorm {
    fn visit(&self, path: &mut Path, visitor: &mut dyn Visitor) {
        visit_rest(&*self.layer, path, visitor);
        let (magnitude, direction) = (&self.magnitude, self.layer.weight());
        let parts: &[(&[&str], &dyn Module)] =
            &[(&["original0"], magnitude), (&["original1"], direction)];
        visit_parts(parts, path, visitor);
    }
}

impl fmt::Debug for WeightNorm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WeightNorm({:?})", self.layer)
    }
}

impl Layer for WeightNorm {
    fn forward(&self, x: &Tensor) -> Tensor {
        self.layer.forward_with(x, &self.weight())
    }
}

/// Spectral normalisation: the layer's weight is w / σ, where σ is the largest singular value of w
/// as a matrix of outputs by all else. So the layer stretches nothing by more than 1.
///
/// σ = uᵀ w v with vectors u and v that come closer with each step in training (one round of the
/// power method), and stay in evaluation. They count as constants for gradients.
///
/// The state dict has `parametrizations.weight.original`, which is w, and the vectors
/// `parametrizations.weight.0._u` and `parametrizations.weight.0._v`, in the place of `weight`.
///
/// # Source
/// Miyato, Kataoka, Koyama, Yoshida 2018, "Spectral Normalization for Generative Adversarial
/// Networks", algorithm 1; PyTorch: `torch.nn.utils.parametrizations.spectral_norm`.
pub struct SpectralNorm {
    /// Its weight is w.
    layer: Box<dyn Weighted>,
    u: Buffer,
    v: Buffer,
    mode: Mode,
    options: SpectralNormOptions,
}

/// The settings of [`SpectralNorm`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SpectralNormOptions {
    /// How many rounds of the power method a step in training takes. PyTorch:
    /// `n_power_iterations`.
    pub iterations: usize,
    /// ε, what keeps lengths from zero.
    pub epsilon: f64,
}

/// As in PyTorch: one round, ε = 10⁻¹².
impl Default for SpectralNormOptions {
    fn default() -> Self {
        Self { iterations: 1, epsilon: 1e-12 }
    }
}

impl SpectralNorm {
    /// How many rounds of the power method a new layer starts with, as in PyTorch.
    const FIRST_ROUNDS: usize = 15;

    /// A layer that computes what `layer` does with its weight divided by σ.
    ///
    /// # Panics
    /// If the weight has fewer than two axes.
    #[track_caller]
    pub fn new(layer: impl Weighted + 'static, rng: &mut Rng) -> Self {
        Self::with_options(layer, SpectralNormOptions::default(), rng)
    }

    /// A layer with options.
    ///
    /// # Panics
    /// If the weight has fewer than two axes.
    #[track_caller]
    pub fn with_options(
        layer: impl Weighted + 'static,
        options: SpectralNormOptions,
        rng: &mut Rng,
    ) -> Self {
        axis_of(layer.weight(), layer.output_axis(), "SpectralNorm");
        let layer: Box<dyn Weighted> = Box::new(layer);
        let matrix = matrix(&*layer);
        let [rows, columns] = [matrix.len_of(0), matrix.len_of(1)];
        let u = Buffer::new(unit(&Tensor::randn(rows, rng), options.epsilon));
        let v = Buffer::new(unit(&Tensor::randn(columns, rng), options.epsilon));
        let made = Self { layer, u, v, mode: Mode::default(), options };
        made.iterate(&matrix, Self::FIRST_ROUNDS);
        made
    }

    /// Moves u and v towards the singular vectors.
    #[track_caller]
    fn iterate(&self, matrix: &Tensor, rounds: usize) {
        no_grad(|| {
            for _ in 0..rounds {
                let u = unit(&matrix.matmul(&self.v.tensor()), self.options.epsilon);
                let v = unit(&matrix.t().matmul(&u), self.options.epsilon);
                for (vector, value) in [(&self.u, u), (&self.v, v)] {
                    if let Err(error) = vector.set(&value) {
                        panic!("{error}");
                    }
                }
            }
        });
    }
}

/// The weight of a layer as a matrix of outputs by all else.
fn matrix(layer: &dyn Weighted) -> Tensor {
    let weight = layer.weight().tensor();
    let axis = layer.output_axis() as isize;
    let others = (0..weight.rank() as isize).filter(|&other| other != axis);
    let order: Vec<isize> = [axis].into_iter().chain(others).collect();
    weight.permute(&order).flatten(1, -1)
}

/// A vector with the length 1.
fn unit(x: &Tensor, epsilon: f64) -> Tensor {
    x / x.norm(2.0, ..).clamp(epsilon, f64::INFINITY)
}

impl Module for SpectralNorm {
    fn visit(&self, path: &mut Path, visitor: &mut dyn Visitor) {
        visit_rest(&*self.layer, path, visitor);
        let parts: &[(&[&str], &dyn Module)] = &[
            (&["original"], self.layer.weight()),
            (&["0", "_u"], &self.u),
            (&["0", "_v"], &self.v),
            (&["0", "mode"], &self.mode),
        ];
        visit_parts(parts, path, visitor);
    }
}

impl fmt::Debug for SpectralNorm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SpectralNorm({:?})", self.layer)
    }
}

impl Layer for SpectralNorm {
    fn forward(&self, x: &Tensor) -> Tensor {
        let matrix = matrix(&*self.layer);
        if self.mode.is_training() && !x.device().is_shape_only() {
            self.iterate(&matrix, self.options.iterations);
        }
        let sigma = (self.u.tensor() * matrix.matmul(&self.v.tensor())).sum(..);
        self.layer.forward_with(x, &(self.layer.weight().tensor() / sigma))
    }
}
