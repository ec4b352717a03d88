//! LAMB.

use super::groups::{Groups, Method, State};
use super::{check_adam, filled};
use crate::Param;
use crate::gradients::norm;
use gradus_tensor::kernel::optimizer::Step;
use gradus_tensor::{Result, Tensor};

/// The settings of [`Lamb`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LambOptions {
    /// η, how far a step goes in relation to the parameter's size.
    pub learning_rate: f64,
    /// β₁, how much of the mean gradient is kept.
    pub beta1: f64,
    /// β₂, how much of the mean square is kept.
    pub beta2: f64,
    /// ε, what keeps the division from zero.
    pub epsilon: f64,
    /// λ, the weight decay.
    pub weight_decay: f64,
    /// Go up the gradient.
    pub maximize: bool,
}

impl Default for LambOptions {
    fn default() -> Self {
        Self {
            learning_rate: 1e-3,
            beta1: 0.9,
            beta2: 0.999,
            epsilon: 1e-6,
            weight_decay: 0.0,
            maximize: false,
        }
    }
}

/// Adam's direction in the length of the parameter: r = m̂ / (√v̂ + ε) + λ p and
/// p ← p - η ‖p‖ / ‖r‖ · r. Where ‖p‖ or ‖r‖ is zero, their ratio counts as 1.
///
/// # Source
/// You, Li, Reddi, Hseu, Kumar, Bhojanapalli, Song, Demmel, Keutzer, Hsieh 2020, "Large Batch
/// Optimization for Deep Learning: Training BERT in 76 minutes", algorithm 2. PyTorch has none.
#[derive(Debug)]
pub struct Lamb(pub(super) Groups<LambOptions>);

impl Method for LambOptions {
    fn name(&self) -> &'static str {
        "lamb"
    }

    #[track_caller]
    fn check(&self) {
        let rates = [self.learning_rate, self.epsilon, self.weight_decay];
        check_adam("lamb", rates, [self.beta1, self.beta2]);
    }

    fn learning_rate(&mut self) -> &mut f64 {
        &mut self.learning_rate
    }

    fn momentum(&mut self) -> Option<&mut f64> {
        Some(&mut self.beta1)
    }

    fn start(&self, param: &Tensor) -> State {
        State::zeros(&["exp_avg", "exp_avg_sq"], param)
    }

    fn step(&self, param: &Param, gradient: &Tensor, state: &mut State) -> Result<Option<Step>> {
        let Self { learning_rate, beta1, beta2, epsilon, weight_decay, maximize } = *self;
        let p = param.tensor().detach();
        let g = if maximize { -gradient } else { gradient.clone() };
        let [m, v] = &mut state.tensors[..] else {
            unreachable!("lamb remembers two means");
        };
        *m = &*m * beta1 + &g * (1.0 - beta1);
        *v = &*v * beta2 + g.square() * (1.0 - beta2);
        let scale = v.sqrt() / filled(beta2, state.steps).sqrt() + epsilon;
        let mut way = &*m / filled(beta1, state.steps) / scale;
        if weight_decay != 0.0 {
            way = way + &p * weight_decay;
        }
        let (size, len) = (norm(&p), norm(&way));
        let trust = if size > 0.0 && len > 0.0 { size / len } else { 1.0 };
        param.set(&(p - way * (learning_rate * trust)))?;
        Ok(None)
    }
}
