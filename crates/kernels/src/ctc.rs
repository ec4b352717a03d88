//! Connectionist temporal classification: how likely a sequence of labels is, whenever each of them
//! may have come.
//!
//! Each step of time gives probabilities of classes, one of which is blank. A path, one class for
//! each step, reads as the labels that are left when repetitions are drawn together and blanks
//! dropped. The probability of the labels is that of all paths which read as they do.
//!
//! A path goes through states: before, between and after the labels are blanks, so that labels
//! `a b` have the states `_ a _ b _`. From a state it may stay, go on to the next one, or skip a
//! blank between two labels that differ. α(t, s) is the probability to have come to state s with
//! step t, β(t, s) that to come to the end from there. (Graves et al. 2006, "Connectionist Temporal
//! Classification", equations 6 to 16.)
//!
//! Everything is a logarithm in `f64`: products of hundreds of probabilities leave any range, and
//! differences of large sums would lose what `f32` has.

use crate::memory::scratch;
use crate::threads::Shared;
use crate::{Chunks, Float, Machine, Strided};

/// The settings of [`ctc`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ctc {
    /// The class that stands for no label.
    pub blank: usize,
}

/// Probabilities over time, and what they should read as.
#[derive(Clone, Copy, Debug)]
pub struct Sequences<'a, T> {
    /// Logarithms of probabilities, [T, N, C].
    pub log_probabilities: Strided<'a, T>,
    /// The labels of each example, [N, S], of which the first ones count.
    pub labels: &'a [i64],
    /// How many steps of each example count, `[N]`.
    pub steps: &'a [i64],
    /// How many labels of each example count, `[N]`.
    pub counts: &'a [i64],
}

/// In a row of α, two places lie before the states: none of them is reached once there was a step,
/// and the second is where every path comes from.
const BEFORE: usize = 2;

impl<T: Float> Sequences<'_, T> {
    fn examples(&self) -> usize {
        self.steps.len()
    }

    /// How many numbers a row of α has.
    pub fn row_len(&self) -> usize {
        let most = self.labels.len() / self.examples().max(1);
        BEFORE + 2 * most + 1
    }

    /// How many rows α has for each example: one before the first step, and one for each.
    pub fn row_count(&self) -> usize {
        self.log_probabilities.shape[0] + 1
    }

    /// The first label that is no class, or the blank.
    pub fn first_bad_label(&self, settings: Ctc) -> Option<i64> {
        let classes = self.log_probabilities.shape[2];
        let is_label = |label: i64| {
            usize::try_from(label).is_ok_and(|label| label < classes && label != settings.blank)
        };
        let mut labels = (0..self.examples()).flat_map(|n| self.example(settings, n).labels);
        labels.find(|&&label| !is_label(label)).copied()
    }

    fn check(&self, settings: Ctc) {
        let most = self.labels.len() / self.examples().max(1);
        assert_eq!(self.log_probabilities.shape[1], self.examples());
        assert_eq!(
            (self.counts.len(), most * self.examples()),
            (self.examples(), self.labels.len())
        );
        let within = |x: &i64, most: usize| usize::try_from(*x).is_ok_and(|x| x <= most);
        assert!(self.steps.iter().all(|x| within(x, self.log_probabilities.shape[0])));
        assert!(self.counts.iter().all(|x| within(x, most)));
        assert_eq!(self.first_bad_label(settings), None);
    }

    fn example(&self, settings: Ctc, n: usize) -> Example<'_, T> {
        let most = self.labels.len() / self.examples();
        Example {
            log_probabilities: self.log_probabilities,
            n,
            labels: &self.labels[n * most..][..self.counts[n] as usize],
            steps: self.steps[n] as usize,
            blank: settings.blank,
        }
    }

    fn cost_ns(&self) -> usize {
        self.examples() * self.row_count() * self.row_len() * 30
    }
}

/// One of the sequences.
struct Example<'a, T> {
    log_probabilities: Strided<'a, T>,
    n: usize,
    labels: &'a [i64],
    steps: usize,
    blank: usize,
}

impl<T: Float> Example<'_, T> {
    fn states(&self) -> usize {
        2 * self.labels.len() + 1
    }

    /// The class of a state.
    fn class(&self, state: usize) -> usize {
        match state % 2 {
            0 => self.blank,
            _ => self.labels[state / 2] as usize,
        }
    }

    /// True if a path may come to a state from the last but one before it.
    fn may_skip_to(&self, state: usize) -> bool {
        let label = state / 2;
        state % 2 == 1
            && label < self.labels.len()
            && (label == 0 || self.labels[label] != self.labels[label - 1])
    }

    /// The logarithm of the probability of a state's class at a step.
    fn emission(&self, step: usize, state: usize) -> f64 {
        let Strided { data, offset, strides, .. } = self.log_probabilities;
        let place = [step, self.n, self.class(state)];
        let place: isize = place.iter().zip(strides).map(|(&i, stride)| i as isize * stride).sum();
        data[offset.wrapping_add_signed(place)].to_f64()
    }

    /// Writes the rows of α: what has come to each state before the first step, and with each step.
    fn forward(&self, alpha: &mut [f64], row_len: usize) {
        alpha[..row_len].fill(f64::NEG_INFINITY);
        alpha[BEFORE - 1] = 0.0;
        for step in 0..self.steps {
            let (past, next) = alpha.split_at_mut((step + 1) * row_len);
            let last = &past[step * row_len..];
            next[..BEFORE].fill(f64::NEG_INFINITY);
            for state in 0..self.states() {
                // What is two states before this one lies in the same place of the row.
                let (here, before) = (last[BEFORE + state], last[BEFORE + state - 1]);
                let total = match self.may_skip_to(state) {
                    true => log_sum([here, before, last[state]]),
                    false => log_sum([here, before]),
                };
                next[BEFORE + state] = total + self.emission(step, state);
            }
        }
    }

    /// The logarithm of the probability of the labels: a path ends in the last state, or in the last
    /// but one.
    fn log_likelihood(&self, alpha: &[f64], row_len: usize) -> f64 {
        let end = self.steps * row_len + BEFORE + self.states();
        log_sum([alpha[end - 1], alpha[end - 2]])
    }
}

/// ln Σ eˣ, minus infinity of minus infinities.
fn log_sum<const N: usize>(terms: [f64; N]) -> f64 {
    let highest = terms.into_iter().fold(f64::NEG_INFINITY, f64::max);
    if highest == f64::NEG_INFINITY {
        // The sum of them is NaN if one is, which the maximum passes over.
        return terms.into_iter().sum();
    }
    highest + terms.into_iter().map(|x| (x - highest).exp()).sum::<f64>().ln()
}

/// For each example minus the logarithm of the probability of its labels, infinity if they cannot be,
/// and α in rows of [`Sequences::row_len`], [`Sequences::row_count`] of them; what lies behind an
/// example's own states and steps is unspecified.
///
/// # Panics
/// If the lengths do not fit, or a label is no class or blank.
pub fn ctc<T: Float>(
    on: Machine,
    settings: Ctc,
    sequences: Sequences<'_, T>,
    (loss, alpha): (&mut [T], &mut [f64]),
) {
    sequences.check(settings);
    let row_len = sequences.row_len();
    let part = sequences.row_count() * row_len;
    assert_eq!((loss.len(), alpha.len()), (sequences.examples(), sequences.examples() * part));
    let chunks = (Chunks::new(loss, 1), Chunks::new(alpha, part));
    on.for_each(chunks, sequences.cost_ns(), |n, (loss, alpha)| {
        let example = sequences.example(settings, n);
        example.forward(alpha, row_len);
        loss[0] = T::from_f64(-example.log_likelihood(alpha, row_len));
    });
}

/// The gradient by the logarithms of probabilities, [T, N, C] side by side, from α and the gradient g
/// of each example's loss: -g Σ α β / p(labels) over the states of each class. Labels that cannot be
/// have the gradient 0.
///
/// # Panics
/// If the lengths do not fit, or a label is no class or blank.
pub fn ctc_gradient<T: Float>(
    on: Machine,
    settings: Ctc,
    sequences: Sequences<'_, T>,
    (alpha, grad): (&[f64], &[T]),
    out: &mut [T],
) {
    sequences.check(settings);
    let row_len = sequences.row_len();
    let part = sequences.row_count() * row_len;
    let examples = sequences.examples();
    assert_eq!((grad.len(), alpha.len()), (examples, examples * part));
    assert_eq!(out.len(), sequences.log_probabilities.len());
    let classes = sequences.log_probabilities.shape[2];
    let out = &Shared::new(out);
    on.parallel(examples, sequences.cost_ns(), |n| {
        // SAFETY: the rows of example n belong to this task alone.
        let row = |step: usize| unsafe { out.slice((step * examples + n) * classes, classes) };
        (0..sequences.row_count() - 1).for_each(|step| row(step).fill(T::ZERO));
        let (example, alpha) = (sequences.example(settings, n), &alpha[n * part..][..part]);
        let grad = grad[n].to_f64();
        example.shares(alpha, row_len, |step, class, share| {
            row(step)[class] = T::from_f64(-grad * share);
        });
    });
}

impl<T: Float> Example<'_, T> {
    /// Calls a function with each step, each class of the labels and the share of paths that go
    /// through both: Σ α β / p(labels) over the states of the class.
    fn shares(&self, alpha: &[f64], row_len: usize, mut found: impl FnMut(usize, usize, f64)) {
        let log_likelihood = self.log_likelihood(alpha, row_len);
        if log_likelihood == f64::NEG_INFINITY {
            return;
        }
        let states = self.states();
        // β, without the emission of the step itself: only the last two states end a path.
        let mut beta = scratch::<f64>(states);
        beta.fill(f64::NEG_INFINITY);
        beta[states.saturating_sub(2)..].fill(0.0);
        // With the emission, and two states behind the last that no path goes to.
        let mut next = scratch::<f64>(states + 2);
        next.fill(f64::NEG_INFINITY);
        let mut shares = scratch::<f64>(self.log_probabilities.shape[2]);
        shares.fill(0.0);
        for step in (0..self.steps).rev() {
            let alpha = &alpha[(step + 1) * row_len + BEFORE..][..states];
            for (state, (alpha, beta)) in alpha.iter().zip(beta.iter()).enumerate() {
                shares[self.class(state)] += (alpha + beta - log_likelihood).exp();
                next[state] = beta + self.emission(step, state);
            }
            for (state, beta) in beta.iter_mut().enumerate() {
                // The first state of a class takes its share, and leaves nothing for the next.
                let share = std::mem::take(&mut shares[self.class(state)]);
                if share != 0.0 {
                    found(step, self.class(state), share);
                }
                *beta = match self.may_skip_to(state + 2) {
                    true => log_sum([next[state], next[state + 1], next[state + 2]]),
                    false => log_sum([next[state], next[state + 1]]),
                };
            }
        }
    }
}
