//! One pass over parameters, their gradients and the optimizer's state.

mod rules;

pub use rules::{
    Adadelta, Adagrad, Adam, Adamax, Asgd, Belief, Descent, Lion, Momentum, Nadam, Rectifying,
    RmsProp, Rprop,
};

use crate::simd::{Routine, Simd, Vector};
use crate::threads::{Pieces, Row};
use crate::{Chunks, Float, Machine};

/// How many numbers one task updates.
const TASK: usize = 16 << 10;

/// A step of an optimizer: g ← scale · g + added · p, p ← kept · p, then what the rule says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    /// The factor of the gradient; -1 to go uphill.
    pub scale: f64,
    /// The factor of the parameter that is added to its gradient.
    pub added: f64,
    /// The factor of the parameter that stays before the rule is applied.
    pub kept: f64,
    /// What is done then.
    pub rule: Rule,
}

impl Step {
    /// A step down the gradient without weight decay.
    pub fn new(rule: Rule) -> Self {
        Self { scale: 1.0, added: 0.0, kept: 1.0, rule }
    }
}

/// What an optimizer does to each number of a parameter and of what it remembers beside it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rule {
    /// Updates `[p]`.
    Descent(Descent),
    /// Updates `[p, direction]`.
    Momentum(Momentum),
    /// Updates `[p, mean, mean square]`, or `[p, mean, mean square, its largest value]`.
    Adam(Adam),
    /// Updates `[p, mean, mean square]`.
    Nadam(Nadam),
    /// Updates `[p, mean, mean square]`.
    Rectifying(Rectifying),
    /// Updates `[p, mean, mean square of what the mean did not foretell]`.
    Belief(Belief),
    /// Updates `[p, mean, largest magnitude]`.
    Adamax(Adamax),
    /// Updates `[p, sum of squares]`.
    Adagrad(Adagrad),
    /// Updates `[p, mean square, mean square of changes]`.
    Adadelta(Adadelta),
    /// Updates `[p, mean square]`, then the mean if it is centred, then the direction if it has
    /// momentum.
    RmsProp(RmsProp),
    /// Updates `[p, last gradient, step size]`.
    Rprop(Rprop),
    /// Updates `[p, average of p]`.
    Asgd(Asgd),
    /// Updates `[p, mean]`.
    Lion(Lion),
}

/// Makes a step of an optimizer: `values` are, for each gradient in turn, the parameter and what is
/// remembered for it, as the rule lists them.
///
/// # Panics
/// If there are more or fewer values than the rule wants, or the lengths of a gradient and of its
/// values differ.
pub fn update<'a, T: Float>(
    on: Machine,
    step: Step,
    grads: impl ExactSizeIterator<Item = &'a [T]>,
    values: impl ExactSizeIterator<Item = &'a mut [T]>,
) {
    let each = values.len() / grads.len().max(1);
    let run = Run { on, step, grads, values };
    match step.rule {
        Rule::Descent(rule) => run.apply::<_, 1>(rule),
        Rule::Momentum(rule) => run.apply::<_, 2>(rule),
        Rule::Adam(rule) if each == 3 => run.apply::<_, 3>(rule),
        Rule::Adam(rule) => run.apply::<_, 4>(rule),
        Rule::Nadam(rule) => run.apply::<_, 3>(rule),
        Rule::Rectifying(rule) => run.apply::<_, 3>(rule),
        Rule::Belief(rule) => run.apply::<_, 3>(rule),
        Rule::Adamax(rule) => run.apply::<_, 3>(rule),
        Rule::Adagrad(rule) => run.apply::<_, 2>(rule),
        Rule::Adadelta(rule) => run.apply::<_, 3>(rule),
        Rule::RmsProp(rule) => match (rule.centred, rule.momentum != 0.0) {
            (false, false) => run.apply::<_, 2>(rule),
            (true, true) => run.apply::<_, 4>(rule),
            _ => run.apply::<_, 3>(rule),
        },
        Rule::Rprop(rule) => run.apply::<_, 3>(rule),
        Rule::Asgd(rule) => run.apply::<_, 2>(rule),
        Rule::Lion(rule) => run.apply::<_, 2>(rule),
    }
}

/// What a rule computes: the new values of the old ones and the gradient.
trait Formula<const N: usize>: Copy + Send + Sync {
    fn apply<V: Vector>(self, values: [V; N], g: V) -> [V; N];
}

/// A step, before it is known how many values its rule has.
struct Run<G, V> {
    on: Machine,
    step: Step,
    grads: G,
    values: V,
}

impl<'a, T, G, V> Run<G, V>
where
    T: Float,
    G: ExactSizeIterator<Item = &'a [T]>,
    V: ExactSizeIterator<Item = &'a mut [T]>,
{
    fn apply<F: Formula<N>, const N: usize>(self, rule: F) {
        let Self { on, step, grads, mut values } = self;
        let counts = values.len() == N * grads.len();
        assert!(counts, "{:?} updates {N} tensors for each gradient", step.rule);
        let mut len = 0;
        let parts = Row::new(grads.map(|grad| {
            len += grad.len();
            let values: [&mut [T]; N] =
                std::array::from_fn(|_| values.next().expect("there are N for each gradient"));
            assert!(values.iter().all(|value| value.len() == grad.len()), "the lengths differ");
            (Pieces::new(grad, TASK), values.map(|value| Chunks::new(value, TASK)))
        }));
        on.for_each(parts, len / 4 * N, |_, (grad, values)| {
            on.isa.run(Pass { rule, step, grad, values });
        });
    }
}

struct Pass<'a, F, T, const N: usize> {
    rule: F,
    step: Step,
    grad: &'a [T],
    values: [&'a mut [T]; N],
}

impl<F: Formula<N>, T: Float, const N: usize> Pass<'_, F, T, N> {
    /// The new values of the old ones and the gradient.
    #[inline(always)]
    fn after<V: Vector>(&self, mut values: [V; N], g: V) -> [V; N] {
        let Step { scale, added, kept, .. } = self.step;
        let p = values[0];
        let g = g.of(added).mul_add(p, g * g.of(scale));
        values[0] = p * p.of(kept);
        self.rule.apply(values, g)
    }
}

impl<F: Formula<N>, T: Float, const N: usize> Routine for Pass<'_, F, T, N> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(mut self, isa: S) {
        let lanes = T::Vector::<S>::LANES;
        let len = self.grad.len();
        assert!(self.values.iter().all(|value| value.len() == len));
        let mut start = 0;
        while start + lanes <= len {
            // SAFETY: the gradient has `lanes` numbers from here on.
            let g = unsafe { T::Vector::<S>::read(isa, self.grad.as_ptr().add(start)) };
            let mut values = [g; N];
            for (value, slice) in values.iter_mut().zip(&self.values) {
                // SAFETY: the slice is as long as the gradient.
                *value = unsafe { T::Vector::<S>::read(isa, slice.as_ptr().add(start)) };
            }
            let values = self.after(values, g);
            for (value, slice) in values.into_iter().zip(&mut self.values) {
                // SAFETY: the slice is as long as the gradient.
                unsafe { value.write(slice.as_mut_ptr().add(start)) };
            }
            start += lanes;
        }
        if start < len {
            let g = T::Vector::<S>::load_chunk(isa, &self.grad[start..]);
            let mut values = [g; N];
            for (value, slice) in values.iter_mut().zip(&self.values) {
                *value = T::Vector::<S>::load_chunk(isa, &slice[start..]);
            }
            let values = self.after(values, g);
            for (value, slice) in values.into_iter().zip(&mut self.values) {
                value.store_chunk(&mut slice[start..]);
            }
        }
    }
}
