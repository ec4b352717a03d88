//! Adafactor.

use super::check_not_negative;
use super::groups::{Groups, Method, State};
use crate::Param;
use crate::gradients::norm;
use gradus_tensor::kernel::optimizer::Step;
use gradus_tensor::{DType, Result, Tensor};

/// The settings of [`Adafactor`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdafactorOptions {
    /// η, the largest relative step.
    pub learning_rate: f64,
    /// τ, the power of t by which the mean square forgets: 1 - β₂ = t^τ.
    pub beta2_decay: f64,
    /// ε₁, what keeps the division from zero; none for the spacing of the parameter's type at 1.
    pub epsilon: Option<f64>,
    /// ε₂, the least size by which a parameter counts.
    pub least_size: f64,
    /// d, the root mean square above which a step is shortened.
    pub threshold: f64,
    /// λ, the weight decay, taken off the parameter itself.
    pub weight_decay: f64,
    /// Go up the gradient.
    pub maximize: bool,
}

impl Default for AdafactorOptions {
    fn default() -> Self {
        Self {
            learning_rate: 1e-2,
            beta2_decay: -0.8,
            epsilon: None,
            least_size: 1e-3,
            threshold: 1.0,
            weight_decay: 0.0,
            maximize: false,
        }
    }
}

/// Adam without momentum whose mean squares of a matrix are kept as one number for each row and each
/// column: V = R C / mean(R), where R and C are the running means of g² over rows and columns; for
/// vectors V is the mean square itself. u = g / √max(V, ε₁²), and
/// p ← p - max(ε₂, rms(p)) min(η, 1 / √t) · u / max(1, rms(u) / d).
///
/// # Source
/// Shazeer, Stern 2018, "Adafactor: Adaptive Learning Rates with Sublinear Memory Cost", algorithms 4
/// and 5, in the form of PyTorch's `torch.optim.Adafactor`, which says where it differs: the largest
/// relative step is a setting, and ε₁ bounds V, not R and C.
#[derive(Debug)]
pub struct Adafactor(pub(super) Groups<AdafactorOptions>);

impl AdafactorOptions {
    /// V of a gradient, with the running means brought up to date.
    fn variance(&self, g: &Tensor, state: &mut State, epsilon: f64) -> Tensor {
        let share = (state.steps as f64).powf(self.beta2_decay);
        let towards = |old: &Tensor, new: Tensor| old + (new - old) * share;
        let square = g.square();
        match &mut state.tensors[..] {
            [rows, columns] => {
                *rows = towards(rows, square.mean(-1).unsqueeze(-1));
                *columns = towards(columns, square.mean(-2).unsqueeze(-2));
                let size =
                    rows.mean(-2).unsqueeze(-2).maximum(&Tensor::from(epsilon).to_dtype(g.dtype()));
                &*rows * &*columns / size
            }
            tensors => {
                tensors[0] = towards(&tensors[0], square);
                tensors[0].clone()
            }
        }
    }
}

impl Method for AdafactorOptions {
    fn name(&self) -> &'static str {
        "adafactor"
    }

    #[track_caller]
    fn check(&self) {
        check_not_negative("adafactor", "learning rate", self.learning_rate);
        check_not_negative("adafactor", "epsilon", self.epsilon.unwrap_or(0.0));
        check_not_negative("adafactor", "least size", self.least_size);
        check_not_negative("adafactor", "weight decay", self.weight_decay);
        assert!(
            self.beta2_decay <= 0.0,
            "adafactor: the decay of beta 2 is {}: give zero or a negative number",
            self.beta2_decay
        );
        assert!(
            self.threshold >= 1.0,
            "adafactor: the threshold is {}: give 1 or more",
            self.threshold
        );
    }

    fn learning_rate(&mut self) -> &mut f64 {
        &mut self.learning_rate
    }

    fn start(&self, param: &Tensor) -> State {
        let rank = param.rank();
        if rank < 2 {
            return State::zeros(&["variance"], param);
        }
        let collapsed =
            |axis| Tensor::zeros((param.shape().with(axis, 1), param.dtype(), param.device()));
        let tensors = vec![collapsed(rank - 1), collapsed(rank - 2)];
        State { names: &["row_var", "col_var"], tensors, ..State::default() }
    }

    fn step(&self, param: &Param, gradient: &Tensor, state: &mut State) -> Result<Option<Step>> {
        let p = param.tensor().detach();
        let g = if self.maximize { -gradient } else { gradient.clone() };
        let epsilon = self.epsilon.unwrap_or_else(|| spacing(p.dtype()));
        let root = (p.count() as f64).sqrt();
        let relative = self.learning_rate.min(1.0 / (state.steps as f64).sqrt());
        let size = self.least_size.max(norm(&p) / root) * relative;
        let least = Tensor::from(epsilon * epsilon).to_dtype(p.dtype());
        let way = g.mul(&self.variance(&g, state, epsilon).maximum(&least).rsqrt());
        let shorten = (norm(&way) / (root * self.threshold)).max(1.0);
        let kept = p * (1.0 - self.learning_rate * self.weight_decay);
        param.set(&(kept - way * (size / shorten)))?;
        Ok(None)
    }
}

/// The distance from 1 to the next number of a type.
fn spacing(dtype: DType) -> f64 {
    match dtype {
        DType::F64 => f64::EPSILON,
        DType::BF16 => 2f64.powi(-7),
        DType::F16 => 2f64.powi(-10),
        _ => f32::EPSILON as f64,
    }
}
