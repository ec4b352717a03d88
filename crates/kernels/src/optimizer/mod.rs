//! One pass over a parameter, its gradient and the optimizer's state.

mod rules;

pub use rules::{
    Adadelta, Adagrad, Adam, Adamax, Asgd, Belief, Descent, Lion, Momentum, Nadam, Rectifying,
    RmsProp, Rprop,
};

use crate::simd::{Routine, Simd, Vector};
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

/// Makes a step of an optimizer: `values` are the parameter and what is remembered for it, as the
/// rule lists them.
///
/// # Panics
/// If there are more or fewer values than the rule wants, or the lengths differ.
pub fn update<'a, T: Float>(
    on: Machine,
    step: Step,
    grad: &[T],
    values: impl ExactSizeIterator<Item = &'a mut [T]>,
) {
    let run = Run { on, step, grad };
    match step.rule {
        Rule::Descent(rule) => run.apply::<_, 1>(rule, values),
        Rule::Momentum(rule) => run.apply::<_, 2>(rule, values),
        Rule::Adam(rule) if values.len() == 3 => run.apply::<_, 3>(rule, values),
        Rule::Adam(rule) => run.apply::<_, 4>(rule, values),
        Rule::Nadam(rule) => run.apply::<_, 3>(rule, values),
        Rule::Rectifying(rule) => run.apply::<_, 3>(rule, values),
        Rule::Belief(rule) => run.apply::<_, 3>(rule, values),
        Rule::Adamax(rule) => run.apply::<_, 3>(rule, values),
        Rule::Adagrad(rule) => run.apply::<_, 2>(rule, values),
        Rule::Adadelta(rule) => run.apply::<_, 3>(rule, values),
        Rule::RmsProp(rule) => match (rule.centred, rule.momentum != 0.0) {
            (false, false) => run.apply::<_, 2>(rule, values),
            (true, true) => run.apply::<_, 4>(rule, values),
            _ => run.apply::<_, 3>(rule, values),
        },
        Rule::Rprop(rule) => run.apply::<_, 3>(rule, values),
        Rule::Asgd(rule) => run.apply::<_, 2>(rule, values),
        Rule::Lion(rule) => run.apply::<_, 2>(rule, values),
    }
}

/// What a rule computes: the new values of the old ones and the gradient.
trait Formula<const N: usize>: Copy + Send + Sync {
    fn apply<V: Vector>(self, values: [V; N], g: V) -> [V; N];
}

/// A step, before it is known how many values its rule has.
struct Run<'a, T> {
    on: Machine,
    step: Step,
    grad: &'a [T],
}

impl<T: Float> Run<'_, T> {
    fn apply<'a, F: Formula<N>, const N: usize>(
        self,
        rule: F,
        mut values: impl ExactSizeIterator<Item = &'a mut [T]>,
    ) where
        T: 'a,
    {
        let len = self.grad.len();
        assert!(values.len() == N, "{:?} updates {N} tensors", self.step.rule);
        let values: [&mut [T]; N] =
            std::array::from_fn(|_| values.next().expect("there are N of them"));
        assert!(values.iter().all(|value| value.len() == len), "the lengths differ");
        let (on, step) = (self.on, self.step);
        let cost_ns = len / 4 * N;
        on.for_each(values.map(|value| Chunks::new(value, TASK)), cost_ns, |index, values| {
            let grad = &self.grad[index * TASK..][..values[0].len()];
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

impl<F: Formula<N>, T: Float, const N: usize> Routine for Pass<'_, F, T, N> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(mut self, isa: S) {
        let lanes = T::Vector::<S>::LANES;
        let Step { scale, added, kept, .. } = self.step;
        for start in (0..self.grad.len()).step_by(lanes) {
            let end = self.grad.len().min(start + lanes);
            let g = T::Vector::<S>::load_chunk(isa, &self.grad[start..end]);
            let mut values = [g; N];
            for (value, slice) in values.iter_mut().zip(&self.values) {
                *value = T::Vector::<S>::load_chunk(isa, &slice[start..end]);
            }
            let p = values[0];
            let g = g.of(added).mul_add(p, g * g.of(scale));
            values[0] = p * p.of(kept);
            let values = self.rule.apply(values, g);
            for (value, slice) in values.into_iter().zip(&mut self.values) {
                value.store_chunk(&mut slice[start..end]);
            }
        }
    }
}
