//! The transforms along one axis: of the numbers that the outputs of a tile read, of the kernel's three,
//! and of the products of both to outputs; and the adjoints of the last two.
//!
//! The gradient by what a line of outputs reads is the product of two polynomials, whose coefficients are
//! the gradient by the outputs and the kernel. It is known if it is known at as many points as it has
//! coefficients, which takes one multiplication for each; the outputs are its adjoint. The points are 0, ±1
//! and infinity for two outputs, 0, ±3/4, ±3/2 and infinity for four: of few points those whose powers
//! cost nothing, of many those that lose least.

use crate::simd::Vector;

/// How many outputs a line of a tile has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Line {
    Two,
    Four,
}

/// The most outputs of a line, and the most places.
const MOST_OUTPUTS: usize = 4;
const MOST_PLACES: usize = 6;

/// The numbers along a line: of a shorter one the first ones count.
pub(super) type Outputs<V> = [V; MOST_OUTPUTS];
pub(super) type Places<V> = [V; MOST_PLACES];

impl Line {
    /// Four, but for operands that are rounded, so many to a packed number: they would lose more.
    pub(super) const fn of(steps: usize) -> Self {
        if steps == 1 { Self::Four } else { Self::Two }
    }

    /// How many outputs it has.
    pub(super) const fn outputs(self) -> usize {
        match self {
            Self::Two => 2,
            Self::Four => 4,
        }
    }

    /// How many numbers these read, and how many places the transforms have.
    pub(super) const fn places(self) -> usize {
        self.outputs() + 2
    }

    /// How many times the mean magnitude the largest number of an image may be: the more outputs share
    /// what the transforms add, the more of them lose by it.
    pub(super) const fn spread(self) -> f64 {
        match self {
            Self::Two => 256.0,
            Self::Four => 64.0,
        }
    }

    /// The transform of the numbers that a line of outputs reads.
    #[inline(always)]
    pub(super) fn input<V: Vector>(self, x: Places<V>) -> Places<V> {
        match self {
            Self::Two => resized(two::input(resized(x))),
            Self::Four => four::input(x),
        }
    }

    /// A line of outputs, from the sums of the products.
    #[inline(always)]
    pub(super) fn output<V: Vector>(self, sums: Places<V>) -> Outputs<V> {
        match self {
            Self::Two => resized(two::output(resized(sums))),
            Self::Four => four::output(sums),
        }
    }

    /// The gradient by the sums: the adjoint of [`Line::output`].
    #[inline(always)]
    pub(super) fn grad<V: Vector>(self, grad: Outputs<V>) -> Places<V> {
        match self {
            Self::Two => resized(two::grad(resized(grad))),
            Self::Four => four::grad(grad),
        }
    }

    /// The transform of a line of the kernel.
    #[inline(always)]
    pub(super) fn kernel<V: Vector>(self, taps: [V; 3]) -> Places<V> {
        match self {
            Self::Two => resized(two::kernel(taps)),
            Self::Four => four::kernel(taps),
        }
    }

    /// The gradient by a line of the kernel: the adjoint of [`Line::kernel`].
    #[inline(always)]
    pub(super) fn taps<V: Vector>(self, grad: Places<V>) -> [V; 3] {
        match self {
            Self::Two => two::taps(resized(grad)),
            Self::Four => four::taps(grad),
        }
    }
}

/// The first numbers; or all, with any behind them.
#[inline(always)]
pub(super) fn resized<V: Copy, const FROM: usize, const TO: usize>(numbers: [V; FROM]) -> [V; TO] {
    let mut resized = [numbers[0]; TO];
    for (to, from) in resized.iter_mut().zip(numbers) {
        *to = from;
    }
    resized
}

/// F(2, 3), scaled so that only the kernel is halved.
pub(super) mod two {
    use crate::simd::Vector;

    #[inline(always)]
    pub(in super::super) fn input<V: Vector>([a, b, c, d]: [V; 4]) -> [V; 4] {
        [a - c, b + c, c - b, b - d]
    }

    #[inline(always)]
    pub(in super::super) fn output<V: Vector>([a, b, c, d]: [V; 4]) -> [V; 2] {
        [a + b + c, b - c - d]
    }

    /// The adjoint of [`output`].
    #[inline(always)]
    pub(in super::super) fn grad<V: Vector>([a, b]: [V; 2]) -> [V; 4] {
        [a, a + b, a - b, -b]
    }

    #[inline(always)]
    pub(in super::super) fn kernel<V: Vector>([a, b, c]: [V; 3]) -> [V; 4] {
        let half = a.of(0.5);
        let (sides, middle) = ((a + c) * half, b * half);
        [a, sides + middle, sides - middle, c]
    }

    /// The adjoint of [`kernel`].
    #[inline(always)]
    pub(in super::super) fn taps<V: Vector>([a, b, c, d]: [V; 4]) -> [V; 3] {
        let half = a.of(0.5);
        let sum = (b + c) * half;
        [a + sum, (b - c) * half, sum + d]
    }
}

/// F(4, 3). Of what belongs to a point and to its opposite the even powers are summed for both, and the
/// odd ones.
mod four {
    use super::{Outputs, Places};
    use crate::simd::Vector;

    /// The points beside 0 and infinity, up to their sign, and their squares.
    const NEAR: f64 = 0.75;
    const FAR: f64 = 1.5;
    const NEAR_2: f64 = NEAR * NEAR;
    const FAR_2: f64 = FAR * FAR;

    /// What the kernel's polynomial is divided by at each point: the product of the distances to the
    /// other ones.
    const AT_ZERO: f64 = NEAR_2 * FAR_2;
    const AT_NEAR: f64 = 2.0 * NEAR_2 * (NEAR_2 - FAR_2);
    const AT_FAR: f64 = 2.0 * FAR_2 * (FAR_2 - NEAR_2);

    #[inline(always)]
    pub(super) fn input<V: Vector>([a, b, c, d, e, f]: Places<V>) -> Places<V> {
        let (near, far) = (a.of(-NEAR_2), a.of(-FAR_2));
        let (both, product) = (a.of(-(NEAR_2 + FAR_2)), a.of(NEAR_2 * FAR_2));
        let (even_near, odd_near) = (c.mul_add(far, e), b.mul_add(far, d));
        let (even_far, odd_far) = (c.mul_add(near, e), b.mul_add(near, d));
        [
            a.mul_add(product, c.mul_add(both, e)),
            odd_near.mul_add(a.of(NEAR), even_near),
            odd_near.mul_add(a.of(-NEAR), even_near),
            odd_far.mul_add(a.of(FAR), even_far),
            odd_far.mul_add(a.of(-FAR), even_far),
            b.mul_add(product, d.mul_add(both, f)),
        ]
    }

    #[inline(always)]
    pub(super) fn output<V: Vector>([zero, a, b, c, d, infinity]: Places<V>) -> Outputs<V> {
        let (even_near, odd_near, even_far, odd_far) = (a + b, a - b, c + d, c - d);
        let sum = |near: V, far: V, power: i32| {
            near * near.of(NEAR.powi(power)) + far * far.of(FAR.powi(power))
        };
        [
            zero + (even_near + even_far),
            sum(odd_near, odd_far, 1),
            sum(even_near, even_far, 2),
            sum(odd_near, odd_far, 3) + infinity,
        ]
    }

    /// The adjoint of [`output`].
    #[inline(always)]
    pub(super) fn grad<V: Vector>([a, b, c, d]: Outputs<V>) -> Places<V> {
        let (near, far) = (a.of(NEAR_2), a.of(FAR_2));
        let (even_near, odd_near) = (c.mul_add(near, a), d.mul_add(near, b));
        let (even_far, odd_far) = (c.mul_add(far, a), d.mul_add(far, b));
        [
            a,
            odd_near.mul_add(a.of(NEAR), even_near),
            odd_near.mul_add(a.of(-NEAR), even_near),
            odd_far.mul_add(a.of(FAR), even_far),
            odd_far.mul_add(a.of(-FAR), even_far),
            d,
        ]
    }

    #[inline(always)]
    pub(super) fn kernel<V: Vector>([a, b, c]: [V; 3]) -> Places<V> {
        let (near, far) = (a.of(1.0 / AT_NEAR), a.of(1.0 / AT_FAR));
        let even_near = c.mul_add(a.of(NEAR_2), a) * near;
        let even_far = c.mul_add(a.of(FAR_2), a) * far;
        let (odd_near, odd_far) = (b * a.of(NEAR / AT_NEAR), b * a.of(FAR / AT_FAR));
        [
            a * a.of(1.0 / AT_ZERO),
            even_near + odd_near,
            even_near - odd_near,
            even_far + odd_far,
            even_far - odd_far,
            c,
        ]
    }

    /// The adjoint of [`kernel`].
    #[inline(always)]
    pub(super) fn taps<V: Vector>([zero, a, b, c, d, infinity]: Places<V>) -> [V; 3] {
        let (even_near, odd_near, even_far, odd_far) = (a + b, a - b, c + d, c - d);
        let sum = |near: V, far: V, power: i32| {
            near * near.of(NEAR.powi(power) / AT_NEAR) + far * far.of(FAR.powi(power) / AT_FAR)
        };
        [
            zero * zero.of(1.0 / AT_ZERO) + sum(even_near, even_far, 0),
            sum(odd_near, odd_far, 1),
            sum(even_near, even_far, 2) + infinity,
        ]
    }
}
