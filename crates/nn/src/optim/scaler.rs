//! Scaling losses, for gradients of 16 bits.

use super::Optimizer;
use super::groups::single;
use crate::Param;
use gradus_tensor::{DType, Error, Gradients, Result, Tensor, no_grad};

/// How a [`GradScaler`] finds its scale.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GradScalerOptions {
    /// The scale at the start.
    pub initial: f64,
    /// What the scale is multiplied by after `interval` steps without an overflow.
    pub growth: f64,
    /// What it is multiplied by after an overflow.
    pub backoff: f64,
    /// How many steps without an overflow make it grow.
    pub interval: u64,
}

impl Default for GradScalerOptions {
    fn default() -> Self {
        Self { initial: 65536.0, growth: 2.0, backoff: 0.5, interval: 2000 }
    }
}

/// Makes losses large, so that gradients do not vanish where they are numbers of 16 bits (`f16`), and
/// the gradients as small again; finds by trial how large.
///
/// A number of `f16` is 6 · 10⁻⁸ at least, and 65,504 at most. When the scale is too large gradients
/// are infinite: that step is left out, and the next scale is smaller. After many steps without that
/// it grows. Numbers of `bf16` reach as far as those of 32 bits: they need no scale, and neither does
/// training with [`Precision::Medium`](gradus_tensor::Precision::Medium).
///
/// ```
/// use gradus_nn::{GradScaler, GradScalerOptions, Layer, Linear, Module, Sgd, SgdOptions};
/// use gradus_tensor::{DType, Rng, Tensor};
///
/// let model = Linear::new(4, 2, &mut Rng::new(1));
/// model.to_dtype(DType::F16);
/// let mut optimizer = Sgd::new(model.params(), SgdOptions::default());
/// let mut scaler = GradScaler::new(GradScalerOptions::default());
/// for _ in 0..3 {
///     let loss = model.forward(&Tensor::ones([8, 4]).to_dtype(DType::F16)).square().mean(..);
///     let mut gradients = scaler.scaled(&loss).backward();
///     scaler.step(&mut optimizer, &mut gradients);
/// }
/// ```
///
/// # Source
/// Micikevicius et al. 2018, "Mixed Precision Training", section 3.2; PyTorch:
/// `torch.amp.GradScaler`.
#[derive(Clone, Debug, PartialEq)]
pub struct GradScaler {
    options: GradScalerOptions,
    scale: f64,
    /// Steps without an overflow since the scale changed.
    good_steps: u64,
}

impl GradScaler {
    /// A scaler that has seen nothing.
    ///
    /// # Panics
    /// If the scale would not be positive, not grow or not fall.
    #[track_caller]
    pub fn new(options: GradScalerOptions) -> Self {
        let GradScalerOptions { initial, growth, backoff, interval } = options;
        assert!(
            initial > 0.0 && initial.is_finite(),
            "GradScaler: the scale is {initial}: give a positive number"
        );
        assert!(growth > 1.0, "GradScaler: the growth is {growth}: give more than 1");
        assert!(
            backoff > 0.0 && backoff < 1.0,
            "GradScaler: the backoff is {backoff}: give a number between 0 and 1"
        );
        assert!(interval > 0, "GradScaler: an interval of 0 steps: give 1 or more");
        Self { options, scale: initial, good_steps: 0 }
    }

    /// What losses are multiplied by.
    pub fn scale(&self) -> f64 {
        self.scale
    }

    /// A loss times the scale, as numbers of 32 bits at least: what is derived.
    pub fn scaled(&self, loss: &Tensor) -> Tensor {
        let dtype = if loss.dtype().is_half() { DType::F32 } else { loss.dtype() };
        loss.to_dtype(dtype) * self.scale
    }

    /// Divides the gradients of some parameters by the scale; those of 16 bits become `f32`. False if
    /// a number is infinite or NaN: they must not be used.
    ///
    /// Call it once for the gradients of a step, before they are clipped, and then
    /// [`GradScaler::update`].
    pub fn unscale(&self, params: &[Param], gradients: &mut Gradients) -> bool {
        let factor = 1.0 / self.scale;
        let mut finite = true;
        for param in params.iter().filter(|param| param.is_trainable()) {
            let Some(gradient) = param.grad(gradients) else { continue };
            let unscaled = no_grad(|| {
                let dtype = gradient.dtype();
                let wide = if dtype.is_half() { DType::F32 } else { dtype };
                gradient.to_dtype(wide) * factor
            });
            finite &= no_grad(|| unscaled.is_finite().all(..)).item::<bool>();
            gradients.insert(&param.tensor(), unscaled);
        }
        finite
    }

    /// Adapts the scale, after a step whose gradients were finite or that was left out.
    pub fn update(&mut self, finite: bool) {
        let GradScalerOptions { growth, backoff, interval, .. } = self.options;
        if !finite {
            (self.scale, self.good_steps) = (self.scale * backoff, 0);
            return;
        }
        self.good_steps += 1;
        if self.good_steps == interval {
            self.good_steps = 0;
            // Beyond the largest number of 32 bits a loss would be infinite by the scale alone.
            let grown = self.scale * growth;
            if grown <= f64::from(f32::MAX) {
                self.scale = grown;
            }
        }
    }

    /// [`GradScaler::unscale`], a step of the optimizer if the gradients are finite, and
    /// [`GradScaler::update`]. Tells if the step was made.
    pub fn step(&mut self, optimizer: &mut dyn Optimizer, gradients: &mut Gradients) -> bool {
        let finite = self.unscale(&optimizer.params(), gradients);
        if finite {
            optimizer.step(gradients);
        }
        self.update(finite);
        finite
    }

    /// Where the scaler stands, by name.
    pub fn state_dict(&self) -> Vec<(String, Tensor)> {
        let steps = Tensor::from(self.good_steps as i64);
        vec![("scale".into(), Tensor::from(self.scale)), ("good_steps".into(), steps)]
    }

    /// Goes on from where another stood.
    ///
    /// # Errors
    /// [`Error::Mismatch`], if that was no scaler.
    pub fn load_state_dict(&mut self, state: &[(String, Tensor)]) -> Result<()> {
        let find = |name: &str| state.iter().find(|(own, _)| own == name).map(|(_, x)| x);
        let scale = find("scale").and_then(single::<f64>).filter(|&scale| scale > 0.0);
        let steps = find("good_steps").and_then(single::<i64>);
        match (scale, steps.and_then(|steps| u64::try_from(steps).ok())) {
            (Some(scale), Some(steps)) if state.len() == 2 => {
                (self.scale, self.good_steps) = (scale, steps);
                Ok(())
            }
            _ => Err(Error::Mismatch("the saved state is not that of a GradScaler".into())),
        }
    }
}
