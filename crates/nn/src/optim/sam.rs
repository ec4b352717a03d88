//! Sharpness-aware minimisation.

use super::{Optimizer, check_not_negative};
use crate::Param;
use crate::gradients::norm_of;
use gradus_tensor::{DType, Gradients, Result, Tensor, no_grad};

/// The settings of [`Sam`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SamOptions {
    /// ρ, how far away the worst neighbour is looked for.
    pub rho: f64,
    /// Measure distances by the size of each weight (adaptive SAM).
    pub adaptive: bool,
}

impl Default for SamOptions {
    fn default() -> Self {
        Self { rho: 0.05, adaptive: false }
    }
}

/// Goes where the whole neighbourhood is low: the gradient is taken at p + e, e = ρ g / ‖g‖, and
/// another optimizer makes its step from p by it. Adaptive, e = ρ p² g / ‖p g‖.
///
/// ```
/// use gradus_nn::{Layer, Linear, Module, Optimizer, Sam, SamOptions, Sgd, SgdOptions};
/// use gradus_tensor::{Rng, Tensor};
///
/// let model = Linear::new(4, 2, &mut Rng::new(1));
/// let sgd = Sgd::new(model.params(), SgdOptions { learning_rate: 0.1, ..Default::default() });
/// let mut optimizer = Sam::new(sgd, SamOptions::default());
/// let x = Tensor::ones([3, 4]);
/// let loss = optimizer.step_with(|| model.forward(&x).square().mean(..));
/// ```
///
/// # Source
/// Foret, Kleiner, Mobahi, Neyshabur 2021, "Sharpness-Aware Minimization for Efficiently Improving
/// Generalization", algorithm 1; Kwon, Kim, Park, Choi 2021, "ASAM", equation 5, for the adaptive
/// one. PyTorch has none.
pub struct Sam {
    base: Box<dyn Optimizer>,
    options: SamOptions,
}

impl Sam {
    /// Makes the steps of an optimizer sharpness-aware.
    ///
    /// # Panics
    /// If ρ is negative.
    #[track_caller]
    pub fn new(base: impl Optimizer + 'static, options: SamOptions) -> Self {
        check_not_negative("sam", "rho", options.rho);
        Self { base: Box::new(base), options }
    }

    /// The optimizer that makes the steps: its learning rate, its state.
    pub fn base(&mut self) -> &mut dyn Optimizer {
        &mut *self.base
    }

    /// Makes a step by a function that gives the loss at the weights of the moment, which is called
    /// twice. Gives the first loss.
    ///
    /// # Panics
    /// If the loss is not a single number, or the device fails.
    #[track_caller]
    pub fn step_with(&mut self, mut loss: impl FnMut() -> Tensor) -> f64 {
        let params = self.base.params();
        let first = loss();
        let gradients = first.backward();
        let climbed = no_grad(|| self.climb(&params, &gradients));
        let gradients = loss().backward();
        let back = |(param, home): (Param, Tensor)| param.set(&home);
        if let Err(error) = climbed.and_then(|homes| homes.into_iter().try_for_each(back)) {
            panic!("{error}");
        }
        self.base.step(&gradients);
        first.detach().to_dtype(DType::F64).item()
    }

    /// Goes to the worst neighbour; gives where the parameters were.
    fn climb(&self, params: &[Param], gradients: &Gradients) -> Result<Vec<(Param, Tensor)>> {
        let SamOptions { rho, adaptive } = self.options;
        let trained = params.iter().filter(|param| param.is_trainable());
        let gradient = |param: &Param| Some((param.clone(), param.grad(gradients)?.detach()));
        let mut ways: Vec<(Param, Tensor)> = trained.filter_map(gradient).collect();
        if adaptive {
            for (param, way) in &mut ways {
                *way = &*way * param.tensor().detach().abs();
            }
        }
        let norm = norm_of(ways.iter().map(|(_, way)| way), 2.0);
        let mut homes = vec![];
        for (param, way) in ways {
            let home = param.tensor().detach();
            let way = if adaptive { way * home.abs() } else { way };
            // As in the paper's code: a gradient of zero moves nothing.
            param.set(&(&home + way * (rho / (norm + 1e-12))))?;
            homes.push((param, home));
        }
        Ok(homes)
    }
}
