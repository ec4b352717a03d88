//! What may be done to gradients before an optimizer's step: measured, clipped, gathered.

use crate::Param;
use gradus_tensor::kernel::Kernel;
use gradus_tensor::op::launch;
use gradus_tensor::{DType, Error, Gradients, Result, Tensor, no_grad};

/// The norm of all gradients of some parameters, as of one vector: (Σ |g|ᵖ)^(1/p), or max |g| for
/// p = ∞. Parameters that are frozen or that no gradient reached count for nothing.
///
/// # Panics
/// If p is not positive.
///
/// # Source
/// PyTorch: `torch.nn.utils.get_total_norm`.
#[track_caller]
pub fn grad_norm(params: &[Param], gradients: &Gradients, p: f64) -> f64 {
    assert!(p > 0.0, "grad_norm: p is {p}: give a positive number");
    let reached = params.iter().filter(|param| param.is_trainable());
    norm_of(reached.filter_map(|param| param.grad(gradients)), p)
}

/// The norm of tensors as of one vector.
#[track_caller]
pub(crate) fn norm_of<'a>(tensors: impl Iterator<Item = &'a Tensor>, p: f64) -> f64 {
    let full: Vec<&Tensor> = tensors.filter(|x| x.count() > 0).collect();
    if p == 2.0 {
        let alike = |x: &&Tensor, y: &&Tensor| x.dtype() == y.dtype() && x.device() == y.device();
        let squares = full.chunk_by(alike).map(sum_of_squares);
        return squares.fold(0.0, |sum, part| sum + part).sqrt();
    }
    let number = |x: Tensor| x.to_dtype(DType::F64).item::<f64>();
    no_grad(|| {
        if p == f64::INFINITY {
            let largest = full.iter().map(|x| number(x.abs().max(..)));
            return largest.fold(0.0, |a, b| if a > b || a.is_nan() { a } else { b });
        }
        let sums = full.iter().map(|x| number(x.abs().pow_scalar(p).sum(..)));
        sums.sum::<f64>().powf(1.0 / p)
    })
}

/// Σ x² over tensors of the same type, on the same device, by one kernel.
#[track_caller]
fn sum_of_squares(tensors: &[&Tensor]) -> f64 {
    let spec = tensors[0].spec().with_shape(().into()).with_dtype(DType::F64);
    match launch(&Kernel::SumOfSquares, tensors, spec) {
        Ok(sum) => sum.item(),
        Err(error) => panic!("{error}"),
    }
}

/// ‖x‖ = √Σ x².
pub(crate) fn norm(x: &Tensor) -> f64 {
    norm_of(std::iter::once(x), 2.0)
}

/// The settings of [`clip_grad_norm`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ClipNorm {
    /// The largest norm that is left as it is.
    pub max: f64,
    /// Which norm; ∞ for the largest magnitude.
    pub p: f64,
}

impl Default for ClipNorm {
    /// The usual length, of 1 at most.
    fn default() -> Self {
        Self { max: 1.0, p: 2.0 }
    }
}

/// Shortens the gradients of some parameters, as one vector, so that their norm is at most `max`:
/// g ← g · min(1, max / (‖g‖ + 10⁻⁶)). Gives ‖g‖ as it was before.
///
/// ```
/// use gradus_nn::{ClipNorm, Layer, Linear, Module, clip_grad_norm, grad_norm};
/// use gradus_tensor::{Rng, Tensor};
///
/// let model = Linear::new(4, 2, &mut Rng::new(1));
/// let mut gradients = (model.forward(&Tensor::ones([3, 4])) * 100.0).sum(..).backward();
/// let before = clip_grad_norm(&model.params(), &mut gradients, ClipNorm::default());
/// assert!(before > 100.0);
/// assert!((grad_norm(&model.params(), &gradients, 2.0) - 1.0).abs() < 1e-5);
/// ```
///
/// # Panics
/// If p is not positive or `max` is negative.
///
/// # Source
/// Pascanu, Mikolov, Bengio 2013, "On the difficulty of training recurrent neural networks",
/// algorithm 1; PyTorch: `torch.nn.utils.clip_grad_norm_`. As there, a norm that is no finite number
/// makes the gradients NaN, lest it go unnoticed.
#[track_caller]
pub fn clip_grad_norm(params: &[Param], gradients: &mut Gradients, clip: ClipNorm) -> f64 {
    assert!(clip.max >= 0.0, "clip_grad_norm: max is {}: give zero or more", clip.max);
    let norm = grad_norm(params, gradients, clip.p);
    let factor = clip.max / (norm + 1e-6);
    // NaN is not below 1 either.
    if factor.is_nan() || factor < 1.0 {
        change(params, gradients, |gradient| gradient * factor);
    }
    norm
}

/// Brings each number of the gradients of some parameters into [-limit, limit].
///
/// # Panics
/// If the limit is negative.
///
/// # Source
/// PyTorch: `torch.nn.utils.clip_grad_value_`.
#[track_caller]
pub fn clip_grad_value(params: &[Param], gradients: &mut Gradients, limit: f64) {
    assert!(limit >= 0.0, "clip_grad_value: the limit is {limit}: give zero or more");
    change(params, gradients, |gradient| gradient.clamp(-limit, limit));
}

/// Replaces the gradient of each parameter that has one and is not frozen.
fn change(params: &[Param], gradients: &mut Gradients, change: impl Fn(&Tensor) -> Tensor) {
    for param in params.iter().filter(|param| param.is_trainable()) {
        if let Some(gradient) = param.grad(gradients) {
            let changed = no_grad(|| change(gradient));
            gradients.insert(&param.tensor(), changed);
        }
    }
}

/// Gathers the gradients of several batches for one step: what a batch that does not fit into
/// memory would give, piece by piece.
///
/// ```
/// use gradus_nn::{Accumulator, Layer, Linear, Module, Optimizer, Sgd, SgdOptions};
/// use gradus_tensor::{Rng, Tensor};
///
/// let mut rng = Rng::new(1);
/// let model = Linear::new(4, 2, &mut rng);
/// let mut optimizer = Sgd::new(model.params(), SgdOptions::default());
/// let mut gathered = Accumulator::new(model.params());
/// for x in Tensor::randn([32, 4], &mut rng).chunk(0, 4) {
///     let loss = model.forward(&x).square().mean(..);
///     gathered.add(&loss.backward(), x.len_of(0) as f64);
/// }
/// optimizer.step(&gathered.take());
/// ```
#[derive(Clone, Debug)]
pub struct Accumulator {
    params: Vec<Param>,
    /// Σ weight · gradient of each parameter that one reached.
    sums: Vec<Option<Tensor>>,
    weight: f64,
}

impl Accumulator {
    /// Gathers the gradients of these parameters.
    pub fn new(params: Vec<Param>) -> Self {
        let sums = vec![None; params.len()];
        Self { params, sums, weight: 0.0 }
    }

    /// Adds the gradients of a batch. The weight is its share in the mean: its number of samples,
    /// if the loss is a mean over them.
    pub fn add(&mut self, gradients: &Gradients, weight: f64) {
        self.weight += weight;
        for (param, sum) in self.params.iter().zip(&mut self.sums) {
            let Some(gradient) = param.grad(gradients) else {
                continue;
            };
            let term = no_grad(|| gradient * weight);
            *sum = Some(match sum.take() {
                Some(sum) => no_grad(|| sum + term),
                None => term,
            });
        }
    }

    /// True if nothing was added since the last [`Accumulator::take`].
    pub fn is_empty(&self) -> bool {
        self.weight == 0.0
    }

    /// The weighted mean of what was added; it then starts anew.
    pub fn take(&mut self) -> Gradients {
        let mut gradients = Gradients::default();
        for (param, sum) in self.params.iter().zip(&mut self.sums) {
            if let Some(sum) = sum.take() {
                gradients.insert(&param.tensor(), no_grad(|| sum / self.weight));
            }
        }
        self.weight = 0.0;
        gradients
    }
    /// What was added since the last [`Accumulator::take`], by name; see
    /// [`Accumulator::load_state_dict`].
    pub fn state_dict(&self) -> Vec<(String, Tensor)> {
        let sums = self.sums.iter().enumerate();
        let sums = sums.filter_map(|(index, sum)| Some((index.to_string(), sum.clone()?)));
        sums.chain([("weight".to_string(), Tensor::from(self.weight))]).collect()
    }

    /// Goes on from what another gathered for the same parameters.
    ///
    /// # Errors
    /// [`Error::Mismatch`], if it was for other parameters.
    pub fn load_state_dict(&mut self, state: &[(String, Tensor)]) -> Result<()> {
        let mismatch = || Error::Mismatch("the gathered gradients are of other parameters".into());
        let mut loaded = Self::new(std::mem::take(&mut self.params));
        let mut fits = state.len() <= loaded.params.len() + 1;
        for (name, value) in state {
            match (name.as_str(), name.parse::<usize>()) {
                ("weight", _) if value.count() == 1 => {
                    loaded.weight = value.to_dtype(DType::F64).item();
                }
                (_, Ok(index)) if index < loaded.params.len() => {
                    let param = loaded.params[index].tensor();
                    fits &= value.shape() == param.shape();
                    loaded.sums[index] = Some(value.to_device(param.device()));
                }
                _ => fits = false,
            }
        }
        match fits {
            true => *self = loaded,
            false => self.params = loaded.params,
        }
        if fits { Ok(()) } else { Err(mismatch()) }
    }
}
