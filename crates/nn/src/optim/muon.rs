//! Muon.

use super::check_not_negative;
use super::groups::{Groups, Method, State};
use crate::Param;
use crate::gradients::norm;
use gradus_tensor::kernel::optimizer::Step;
use gradus_tensor::{Result, Tensor};

/// The settings of [`Muon`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MuonOptions {
    /// η, how far a step goes.
    pub learning_rate: f64,
    /// λ, the weight decay, taken off the parameter itself.
    pub weight_decay: f64,
    /// μ, how much of the mean gradient is kept.
    pub momentum: f64,
    /// Nesterov's look ahead.
    pub nesterov: bool,
    /// a, b and c of the iteration X ← a X + (b X Xᵀ + c (X Xᵀ)²) X.
    pub coefficients: [f64; 3],
    /// How often it is iterated.
    pub iterations: usize,
    /// ε, what the gradient's norm is at least, by which it is divided.
    pub epsilon: f64,
    /// How the length of a step goes with the shape of the matrix.
    pub scale: MuonScale,
}

impl Default for MuonOptions {
    fn default() -> Self {
        Self {
            learning_rate: 1e-3,
            weight_decay: 0.1,
            momentum: 0.95,
            nesterov: true,
            coefficients: [3.4445, -4.7750, 2.0315],
            iterations: 5,
            epsilon: 1e-7,
            scale: MuonScale::default(),
        }
    }
}

/// The factor of [`Muon`]'s learning rate for a matrix `[rows, columns]`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MuonScale {
    /// √max(1, rows / columns), as by Jordan.
    #[default]
    Original,
    /// 0.2 √max(rows, columns), so that steps are as long as AdamW's. Liu et al. 2025, "Muon is
    /// Scalable for LLM Training", equation 4.
    MatchAdamW,
    /// √(rows / columns). Bernstein 2025, "Deriving Muon".
    Spectral,
}

impl MuonScale {
    fn of(self, rows: f64, columns: f64) -> f64 {
        match self {
            Self::Original => (rows / columns).max(1.0).sqrt(),
            Self::MatchAdamW => 0.2 * rows.max(columns).sqrt(),
            Self::Spectral => (rows / columns).sqrt(),
        }
    }
}

/// Steps along orthogonal matrices: m ← μ m + (1 - μ) g, u = (1 - μ) g + μ m with Nesterov's look
/// ahead or u = m without, and p ← p - η (s · orthogonal(u) + λ p). For the matrices within a model
/// only; its other parameters want another optimizer, such as [`AdamW`](super::AdamW).
///
/// orthogonal(u) is near to U Vᵀ of the singular value decomposition u = U S Vᵀ: u / ‖u‖, iterated by
/// Newton and Schulz's method.
///
/// # Source
/// Jordan, Jin, Boza, You, Cesista, Newhouse, Bernstein 2024, "Muon: An optimizer for hidden layers in
/// neural networks"; PyTorch: `torch.optim.Muon`, which iterates in `bf16`, where this does in the
/// parameter's own type.
#[derive(Debug)]
pub struct Muon(pub(super) Groups<MuonOptions>);

impl MuonOptions {
    /// Newton and Schulz's iteration, on the wide one of a matrix and its transpose.
    fn orthogonal(&self, matrix: &Tensor) -> Tensor {
        let [a, b, c] = self.coefficients;
        let tall = matrix.len_of(0) > matrix.len_of(1);
        let mut x = if tall { matrix.t() } else { matrix.clone() } / norm(matrix).max(self.epsilon);
        for _ in 0..self.iterations {
            let square = x.matmul(&x.t());
            let polynomial = &square * b + square.matmul(&square) * c;
            x = &x * a + polynomial.matmul(&x);
        }
        if tall { x.t() } else { x }
    }
}

impl Method for MuonOptions {
    fn name(&self) -> &'static str {
        "muon"
    }

    #[track_caller]
    fn check(&self) {
        check_not_negative("muon", "learning rate", self.learning_rate);
        check_not_negative("muon", "weight decay", self.weight_decay);
        check_not_negative("muon", "momentum", self.momentum);
    }

    #[track_caller]
    fn check_param(&self, param: &Tensor) {
        assert!(
            param.rank() == 2,
            "muon: a parameter has the shape {}: it trains matrices only, give the others to \
             another optimizer",
            param.shape()
        );
    }

    fn learning_rate(&mut self) -> &mut f64 {
        &mut self.learning_rate
    }

    fn momentum(&mut self) -> Option<&mut f64> {
        Some(&mut self.momentum)
    }

    fn start(&self, param: &Tensor) -> State {
        State::zeros(&["momentum_buffer"], param)
    }

    fn step(&self, param: &Param, gradient: &Tensor, state: &mut State) -> Result<Option<Step>> {
        let Self { learning_rate, weight_decay, momentum, .. } = *self;
        let mean = &mut state.tensors[0];
        *mean = &*mean * momentum + gradient * (1.0 - momentum);
        let way = match self.nesterov {
            true => gradient * (1.0 - momentum) + &*mean * momentum,
            false => mean.clone(),
        };
        let p = param.tensor().detach();
        let scale = self.scale.of(p.len_of(0) as f64, p.len_of(1) as f64);
        let kept = p * (1.0 - learning_rate * weight_decay);
        param.set(&(kept - self.orthogonal(&way) * (learning_rate * scale)))?;
        Ok(None)
    }
}
