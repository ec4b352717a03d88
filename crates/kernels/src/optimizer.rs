//! One pass over a parameter, its gradient and the optimizer's state.

use crate::simd::{Routine, Simd, Vector};
use crate::{Chunks, Float, Machine};

/// How many numbers one task updates.
const TASK: usize = 16 << 10;

/// The settings of a step of stochastic gradient descent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SgdStep {
    /// How far to go.
    pub learning_rate: f64,
    /// How much of the last step's direction is kept.
    pub momentum: f64,
    /// How much of the gradient is left out of the direction.
    pub dampening: f64,
    /// The factor of the parameter that is added to its gradient.
    pub weight_decay: f64,
    /// Look ahead: go along the gradient and the new direction.
    pub nesterov: bool,
}

/// Updates a parameter without momentum: g ← g + λ p, p ← p - η g.
///
/// # Panics
/// If the lengths differ.
pub fn sgd<T: Float>(on: Machine, step: SgdStep, grad: &[T], param: &mut [T]) {
    assert_eq!(grad.len(), param.len());
    let cost_ns = param.len() / 4;
    on.for_each(Chunks::new(param, TASK), cost_ns, |index, param| {
        on.isa.run(Sgd { step, grad: &grad[index * TASK..][..param.len()], param });
    });
}

struct Sgd<'a, T> {
    step: SgdStep,
    grad: &'a [T],
    param: &'a mut [T],
}

impl<T: Float> Routine for Sgd<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, isa: S) {
        let lanes = T::Vector::<S>::LANES;
        for (grad, param) in self.grad.chunks(lanes).zip(self.param.chunks_mut(lanes)) {
            let p = T::Vector::<S>::load_chunk(isa, param);
            let g = p.of(self.step.weight_decay).mul_add(p, T::Vector::<S>::load_chunk(isa, grad));
            (p.of(-self.step.learning_rate).mul_add(g, p)).store_chunk(param);
        }
    }
}

/// Updates a parameter and its direction v: g ← g + λ p, v ← μ v + (1 - τ) g, and p ← p - η v, or
/// p ← p - η (g + μ v) with Nesterov's look ahead.
///
/// # Source
/// Sutskever, Martens, Dahl, Hinton 2013, "On the importance of initialization and momentum in deep
/// learning", in the form of `torch.optim.SGD`.
///
/// # Panics
/// If the lengths differ.
pub fn sgd_momentum<T: Float>(
    on: Machine,
    step: SgdStep,
    grad: &[T],
    param: &mut [T],
    direction: &mut [T],
) {
    assert!(grad.len() == param.len() && direction.len() == param.len());
    let cost_ns = param.len() / 2;
    let chunks = (Chunks::new(param, TASK), Chunks::new(direction, TASK));
    on.for_each(chunks, cost_ns, |index, (param, direction)| {
        let grad = &grad[index * TASK..][..param.len()];
        on.isa.run(SgdMomentum { step, grad, param, direction });
    });
}

struct SgdMomentum<'a, T> {
    step: SgdStep,
    grad: &'a [T],
    param: &'a mut [T],
    direction: &'a mut [T],
}

impl<T: Float> Routine for SgdMomentum<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, isa: S) {
        let lanes = T::Vector::<S>::LANES;
        let SgdStep { learning_rate, momentum, dampening, weight_decay, nesterov } = self.step;
        let state = self.param.chunks_mut(lanes).zip(self.direction.chunks_mut(lanes));
        for (grad, (param, direction)) in self.grad.chunks(lanes).zip(state) {
            let p = T::Vector::<S>::load_chunk(isa, param);
            let g = p.of(weight_decay).mul_add(p, T::Vector::<S>::load_chunk(isa, grad));
            let v = p.of(momentum) * T::Vector::<S>::load_chunk(isa, direction);
            let v = p.of(1.0 - dampening).mul_add(g, v);
            v.store_chunk(direction);
            let way = if nesterov { p.of(momentum).mul_add(v, g) } else { v };
            (p.of(-learning_rate).mul_add(way, p)).store_chunk(param);
        }
    }
}

/// The settings of a step of Adam.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamStep {
    /// How far to go.
    pub learning_rate: f64,
    /// How much of the mean gradient is kept.
    pub beta1: f64,
    /// How much of the mean square is kept.
    pub beta2: f64,
    /// What keeps the division from zero.
    pub epsilon: f64,
    /// The factor of the parameter that is taken off.
    pub weight_decay: f64,
    /// Take the decay off the parameter itself (AdamW), not by way of the gradient.
    pub decoupled: bool,
    /// The number of this step, from 1 on.
    pub step: u64,
}

/// Updates a parameter p, the mean m of its gradients g and the mean v of their squares:
/// m ← β₁ m + (1 - β₁) g, v ← β₂ v + (1 - β₂) g²,
/// p ← p - η (m / (1 - β₁ᵗ)) / (√(v / (1 - β₂ᵗ)) + ε).
///
/// # Source
/// Kingma, Ba 2015, "Adam: A Method for Stochastic Optimization", algorithm 1; Loshchilov, Hutter
/// 2019, "Decoupled Weight Decay Regularization", algorithm 2.
///
/// # Panics
/// If the lengths differ.
pub fn adam<T: Float>(
    on: Machine,
    step: AdamStep,
    grad: &[T],
    (param, mean, square): (&mut [T], &mut [T], &mut [T]),
) {
    assert!([grad.len(), mean.len(), square.len()] == [param.len(); 3]);
    let cost_ns = param.len();
    let chunks = (Chunks::new(param, TASK), Chunks::new(mean, TASK), Chunks::new(square, TASK));
    on.for_each(chunks, cost_ns, |index, (param, mean, square)| {
        let grad = &grad[index * TASK..][..param.len()];
        on.isa.run(Adam { step, grad, param, mean, square });
    });
}

struct Adam<'a, T> {
    step: AdamStep,
    grad: &'a [T],
    param: &'a mut [T],
    mean: &'a mut [T],
    square: &'a mut [T],
}

impl<T: Float> Routine for Adam<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, isa: S) {
        let lanes = T::Vector::<S>::LANES;
        let AdamStep { learning_rate, beta1, beta2, epsilon, weight_decay, decoupled, step } =
            self.step;
        let correction = |beta: f64| 1.0 - beta.powf(step as f64);
        let size = learning_rate / correction(beta1);
        let root = correction(beta2).sqrt();
        let (kept, added) =
            if decoupled { (1.0 - learning_rate * weight_decay, 0.0) } else { (1.0, weight_decay) };
        let state = self.param.chunks_mut(lanes).zip(self.mean.chunks_mut(lanes));
        let state = state.zip(self.square.chunks_mut(lanes));
        for (grad, ((param, mean), square)) in self.grad.chunks(lanes).zip(state) {
            let p = T::Vector::<S>::load_chunk(isa, param);
            let g = p.of(added).mul_add(p, T::Vector::<S>::load_chunk(isa, grad));
            let m = T::Vector::<S>::load_chunk(isa, mean);
            let m = p.of(1.0 - beta1).mul_add(g - m, m);
            let v = p.of(beta2) * T::Vector::<S>::load_chunk(isa, square);
            let v = (p.of(1.0 - beta2) * g).mul_add(g, v);
            m.store_chunk(mean);
            v.store_chunk(square);
            let scale = v.sqrt() / p.of(root) + p.of(epsilon);
            (p * p.of(kept) - p.of(size) * (m / scale)).store_chunk(param);
        }
    }
}
