//! Scores that become weights, and back.

use super::{Block, Job, Rows};
use crate::Float;
use crate::reduce::{Reduction, fold};
use crate::rows::{ExpMinus, Product, Same, Times, change, sum_of};
use crate::simd::{Routine, Simd};

/// Makes the scores of a block weights.
pub(super) struct Weights<'a, T> {
    pub(super) job: &'a Job<'a, T>,
    pub(super) block: Block,
    pub(super) scores: &'a mut [T],
    pub(super) log_sums: &'a mut [T],
}

impl<T: Float> Routine for Weights<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, isa: S) {
        if self.block.seen == 0 {
            return self.log_sums.fill(T::INFINITY);
        }
        let rows = self.scores.chunks_exact_mut(self.block.seen).zip(self.log_sums);
        for (row, (scores, log_sum)) in rows.enumerate() {
            let visible = self.job.finish(isa, self.block, row, scores);
            let (scores, hidden) = scores.split_at_mut(visible);
            hidden.fill(T::ZERO);
            let highest = fold(isa, Reduction::Max, scores);
            if highest == T::NEG_INFINITY {
                scores.fill(T::ZERO);
                *log_sum = T::INFINITY;
                continue;
            }
            change(isa, ExpMinus(highest), scores);
            let sum = sum_of(isa, Same, [&*scores]);
            change(isa, Times(T::from_f64(1.0 / sum)), scores);
            self.job.drop_out(self.block, row, scores);
            *log_sum = T::from_f64(highest.to_f64() + sum.ln());
        }
    }
}

/// Makes the scores of a block weights, and the gradients by weights gradients by scores: those of
/// softmax, w (g - Σ w g), where Σ w g is the product of a result and its gradient, also where some
/// w were left out: there g is zero.
pub(super) struct ScoreGradients<'a, T> {
    pub(super) job: &'a Job<'a, T>,
    pub(super) block: Block,
    /// Scores that become weights.
    pub(super) weights: &'a mut [T],
    /// Gradients by weights that become gradients by the products of queries and keys.
    pub(super) by_scores: &'a mut [T],
    pub(super) log_sums: &'a [T],
    /// The results and their gradients.
    pub(super) results: [Rows<'a, T>; 2],
}

impl<T: Float> Routine for ScoreGradients<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, isa: S) {
        let (seen, values) = (self.block.seen, self.job.extent.values);
        let scale = T::from_f64(self.job.attention.scale);
        let rows = self.weights.chunks_exact_mut(seen).zip(self.by_scores.chunks_exact_mut(seen));
        for (row, (weights, by_scores)) in rows.enumerate() {
            let visible = self.job.finish(isa, self.block, row, weights);
            let (weights, hidden) = weights.split_at_mut(visible);
            hidden.fill(T::ZERO);
            change(isa, ExpMinus(self.log_sums[row]), weights);
            let query = self.block.first + row;
            let pair = self.results.map(|rows| rows.row(self.block.plane, query, values));
            let mean = T::from_f64(sum_of(isa, Product, pair));
            let (by_visible, by_hidden) = by_scores.split_at_mut(visible);
            by_hidden.fill(T::ZERO);
            self.job.drop_out(self.block, row, by_visible);
            for (grad, &weight) in by_visible.iter_mut().zip(&*weights) {
                *grad = weight.times(grad.minus(mean)).times(scale);
            }
            self.job.drop_out(self.block, row, weights);
        }
    }
}
