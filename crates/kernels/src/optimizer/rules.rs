//! The formula of each optimizer, for one vector of numbers. What depends on the step's number
//! only, such as the corrections of Adam's means, is computed before.

use super::Formula;
use crate::simd::{Mask, Vector};

/// p ← p - η g.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Descent {
    /// η, how far to go.
    pub rate: f64,
}

impl Formula<1> for Descent {
    #[inline(always)]
    fn apply<V: Vector>(self, [p]: [V; 1], g: V) -> [V; 1] {
        [p.of(-self.rate).mul_add(g, p)]
    }
}

/// v ← μ v + share · g, and p ← p - η v, or p ← p - η (g + μ v) with Nesterov's look ahead.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Momentum {
    /// η, how far to go.
    pub rate: f64,
    /// μ, how much of the last direction is kept.
    pub momentum: f64,
    /// The factor of the gradient in the direction.
    pub share: f64,
    /// Look ahead: go along the gradient and the new direction.
    pub nesterov: bool,
}

impl Formula<2> for Momentum {
    #[inline(always)]
    fn apply<V: Vector>(self, [p, v]: [V; 2], g: V) -> [V; 2] {
        let v = p.of(self.share).mul_add(g, p.of(self.momentum) * v);
        let way = if self.nesterov { p.of(self.momentum).mul_add(v, g) } else { v };
        [p.of(-self.rate).mul_add(way, p), v]
    }
}

/// m ← m + (1 - β) (g - m): a running mean.
#[inline(always)]
fn mean<V: Vector>(m: V, g: V, beta: f64) -> V {
    m.of(1.0 - beta).mul_add(g - m, m)
}

/// v ← β v + (1 - β) g²: a running mean square.
#[inline(always)]
fn mean_square<V: Vector>(v: V, g: V, beta: f64) -> V {
    (v.of(1.0 - beta) * g).mul_add(g, v.of(beta) * v)
}

/// m ← β₁ m + (1 - β₁) g, v ← β₂ v + (1 - β₂) g², p ← p - size · m / (√v / root + ε). With a third
/// value w ← max(w, v), which stands for v then.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Adam {
    /// η / (1 - β₁ᵗ), how far to go.
    pub size: f64,
    /// √(1 - β₂ᵗ), by which the root of the mean square is corrected.
    pub root: f64,
    /// β₁, how much of the mean is kept.
    pub beta1: f64,
    /// β₂, how much of the mean square is kept.
    pub beta2: f64,
    /// ε, what keeps the division from zero.
    pub epsilon: f64,
}

impl Adam {
    #[inline(always)]
    fn go<V: Vector>(self, p: V, m: V, v: V) -> V {
        // With the root as a factor above and below, there is one division, not two.
        let way = m / (v.sqrt() + p.of(self.epsilon * self.root));
        p.of(-self.size * self.root).mul_add(way, p)
    }
}

impl Formula<3> for Adam {
    #[inline(always)]
    fn apply<V: Vector>(self, [p, m, v]: [V; 3], g: V) -> [V; 3] {
        let (m, v) = (mean(m, g, self.beta1), mean_square(v, g, self.beta2));
        [self.go(p, m, v), m, v]
    }
}

impl Formula<4> for Adam {
    #[inline(always)]
    fn apply<V: Vector>(self, [p, m, v, largest]: [V; 4], g: V) -> [V; 4] {
        let (m, v) = (mean(m, g, self.beta1), mean_square(v, g, self.beta2));
        let largest = largest.maximum(v);
        [self.go(p, m, largest), m, v, largest]
    }
}

/// The means of [`Adam`], and p ← p - (size of g · g + size of m · m) / (√v / root + ε).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Nadam {
    /// How far to go along the gradient.
    pub gradient_size: f64,
    /// How far to go along its mean.
    pub mean_size: f64,
    /// √(1 - β₂ᵗ), by which the root of the mean square is corrected.
    pub root: f64,
    /// β₁, how much of the mean is kept.
    pub beta1: f64,
    /// β₂, how much of the mean square is kept.
    pub beta2: f64,
    /// ε, what keeps the division from zero.
    pub epsilon: f64,
}

impl Formula<3> for Nadam {
    #[inline(always)]
    fn apply<V: Vector>(self, [p, m, v]: [V; 3], g: V) -> [V; 3] {
        let (m, v) = (mean(m, g, self.beta1), mean_square(v, g, self.beta2));
        let root = self.root;
        let way = p.of(self.gradient_size * root).mul_add(g, p.of(self.mean_size * root) * m);
        [p - way / (v.sqrt() + p.of(self.epsilon * root)), m, v]
    }
}

/// The means of [`Adam`], and p ← p - size · m: a step for which the mean square is not yet known
/// well enough.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rectifying {
    /// η / (1 - β₁ᵗ), how far to go.
    pub size: f64,
    /// β₁, how much of the mean is kept.
    pub beta1: f64,
    /// β₂, how much of the mean square is kept.
    pub beta2: f64,
}

impl Formula<3> for Rectifying {
    #[inline(always)]
    fn apply<V: Vector>(self, [p, m, v]: [V; 3], g: V) -> [V; 3] {
        let (m, v) = (mean(m, g, self.beta1), mean_square(v, g, self.beta2));
        [p.of(-self.size).mul_add(m, p), m, v]
    }
}

/// m ← β₁ m + (1 - β₁) g, s ← β₂ s + (1 - β₂) (g - m)² + ε, and the step of [`Adam`] with s for v.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Belief(
    /// The settings.
    pub Adam,
);

impl Formula<3> for Belief {
    #[inline(always)]
    fn apply<V: Vector>(self, [p, m, s]: [V; 3], g: V) -> [V; 3] {
        let m = mean(m, g, self.0.beta1);
        let s = mean_square(s, g - m, self.0.beta2) + p.of(self.0.epsilon);
        [self.0.go(p, m, s), m, s]
    }
}

/// m ← β₁ m + (1 - β₁) g, u ← max(β₂ u, |g| + ε), p ← p - size · m / u.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Adamax {
    /// η / (1 - β₁ᵗ), how far to go.
    pub size: f64,
    /// β₁, how much of the mean is kept.
    pub beta1: f64,
    /// β₂, how much of the largest magnitude is kept.
    pub beta2: f64,
    /// ε, what keeps the division from zero.
    pub epsilon: f64,
}

impl Formula<3> for Adamax {
    #[inline(always)]
    fn apply<V: Vector>(self, [p, m, u]: [V; 3], g: V) -> [V; 3] {
        let m = mean(m, g, self.beta1);
        let u = (p.of(self.beta2) * u).maximum(g.abs() + p.of(self.epsilon));
        [p - p.of(self.size) * m / u, m, u]
    }
}

/// s ← s + g², p ← p - η g / (√s + ε).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Adagrad {
    /// η, how far to go.
    pub rate: f64,
    /// ε, what keeps the division from zero.
    pub epsilon: f64,
}

impl Formula<2> for Adagrad {
    #[inline(always)]
    fn apply<V: Vector>(self, [p, s]: [V; 2], g: V) -> [V; 2] {
        let s = g.mul_add(g, s);
        [p - p.of(self.rate) * g / (s.sqrt() + p.of(self.epsilon)), s]
    }
}

/// v ← ρ v + (1 - ρ) g², Δ = g √(u + ε) / √(v + ε), u ← ρ u + (1 - ρ) Δ², p ← p - η Δ.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Adadelta {
    /// η, how far to go.
    pub rate: f64,
    /// ρ, how much of the mean squares is kept.
    pub rho: f64,
    /// ε, what keeps the division from zero.
    pub epsilon: f64,
}

impl Formula<3> for Adadelta {
    #[inline(always)]
    fn apply<V: Vector>(self, [p, v, u]: [V; 3], g: V) -> [V; 3] {
        let epsilon = p.of(self.epsilon);
        let v = mean_square(v, g, self.rho);
        let change = (u + epsilon).sqrt() / (v + epsilon).sqrt() * g;
        [p.of(-self.rate).mul_add(change, p), v, mean_square(u, change, self.rho)]
    }
}

/// v ← α v + (1 - α) g², d = g / (√v + ε), where m² is taken off v if it is centred on the mean
/// m ← α m + (1 - α) g. Then p ← p - η d, or b ← μ b + d and p ← p - η b.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RmsProp {
    /// η, how far to go.
    pub rate: f64,
    /// α, how much of the mean square is kept.
    pub alpha: f64,
    /// ε, what keeps the division from zero.
    pub epsilon: f64,
    /// μ, how much of the last direction is kept.
    pub momentum: f64,
    /// Divide by the standard deviation, not by the root of the mean square.
    pub centred: bool,
}

impl<const N: usize> Formula<N> for RmsProp {
    #[inline(always)]
    fn apply<V: Vector>(self, mut values: [V; N], g: V) -> [V; N] {
        let p = values[0];
        values[1] = mean_square(values[1], g, self.alpha);
        let mut square = values[1];
        if self.centred {
            values[2] = mean(values[2], g, self.alpha);
            square = (-values[2]).mul_add(values[2], square);
        }
        let mut way = g / (square.sqrt() + p.of(self.epsilon));
        if self.momentum != 0.0 {
            way = p.of(self.momentum).mul_add(values[N - 1], way);
            values[N - 1] = way;
        }
        values[0] = p.of(-self.rate).mul_add(way, p);
        values
    }
}

/// The step size grows where the gradient keeps its sign and shrinks where it turns, and there the
/// gradient counts as zero; p ← p - step size · sign(g).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rprop {
    /// η⁻, the factor by which step sizes shrink.
    pub shrink: f64,
    /// η⁺, the factor by which they grow.
    pub grow: f64,
    /// The smallest step size.
    pub smallest: f64,
    /// The largest step size.
    pub largest: f64,
}

impl Formula<3> for Rprop {
    #[inline(always)]
    fn apply<V: Vector>(self, [p, last, size]: [V; 3], g: V) -> [V; 3] {
        let (zero, agreement) = (p.zero(), g * last);
        let grown = V::select(agreement.greater(zero), size * p.of(self.grow), size);
        let turned = agreement.less(zero);
        let size = V::select(turned, size * p.of(self.shrink), grown);
        let size = size.maximum(p.of(self.smallest)).minimum(p.of(self.largest));
        let g = V::select(turned, zero, g);
        [p - sign(g) * size, g, size]
    }
}

/// p ← p - η g, and a ← a + μ (p - a), the average of p.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Asgd {
    /// η, how far to go.
    pub rate: f64,
    /// μ, the share of the new value in the average.
    pub share: f64,
}

impl Formula<2> for Asgd {
    #[inline(always)]
    fn apply<V: Vector>(self, [p, average]: [V; 2], g: V) -> [V; 2] {
        let p = p.of(-self.rate).mul_add(g, p);
        [p, p.of(self.share).mul_add(p - average, average)]
    }
}

/// p ← p - η sign(β₁ m + (1 - β₁) g), then m ← β₂ m + (1 - β₂) g.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Lion {
    /// η, how far to go.
    pub rate: f64,
    /// β₁, how much the mean counts in the direction.
    pub beta1: f64,
    /// β₂, how much of the mean is kept.
    pub beta2: f64,
}

impl Formula<2> for Lion {
    #[inline(always)]
    fn apply<V: Vector>(self, [p, m]: [V; 2], g: V) -> [V; 2] {
        let way = sign(mean(m, g, self.beta1));
        [p.of(-self.rate).mul_add(way, p), mean(m, g, self.beta2)]
    }
}

/// -1, 0 or 1; NaN of NaN.
#[inline(always)]
fn sign<V: Vector>(x: V) -> V {
    let zero_or_nan = x.less(x.zero()).or(x.greater(x.zero())).not();
    V::select(zero_or_nan, x, x.of(1.0).copysign(x))
}
