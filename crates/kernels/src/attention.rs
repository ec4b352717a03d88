//! Attention: means of values, weighted by how well their keys fit queries.
//!
//! The weights of some queries at a time are computed and used: those of all queries together are
//! never held. The backward pass computes them anew from ln Σ eˣ of each query.

use crate::dropout::{Dropout, drop_out};
use crate::gemm::{Bias, Matrix, Size, matmul};
use crate::memory::scratch;
use crate::reduce::{Reduction, fold};
use crate::rows::{ExpMinus, Product, Same, Times, change, sum_of};
use crate::simd::{Routine, Simd};
use crate::strided::{Strided, Tiles};
use crate::threads::Shared;
use crate::{Chunks, Float, Machine, Precision};

/// How queries meet keys.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Attention {
    /// What the products of queries and keys are multiplied by.
    pub scale: f64,
    /// True if query i meets only the keys up to number i.
    pub causal: bool,
    /// Which weights are left out, as if [`dropout`](crate::dropout::dropout) were given all of them.
    pub dropout: Option<Dropout>,
    /// What its matrix products may lose.
    pub precision: Precision,
}

/// The size of a batch of attentions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// How many attentions there are: examples times heads.
    pub planes: usize,
    /// How many queries.
    pub queries: usize,
    /// How many keys and values.
    pub keys: usize,
    /// The length of a query and of a key.
    pub features: usize,
    /// The length of a value.
    pub values: usize,
}

impl Extent {
    fn cost_ns(&self) -> usize {
        self.planes * self.queries * self.keys * (self.features + self.values + 16) / 32
    }
}

/// What attention is computed of: queries [N, T, D], keys [N, S, D], values [N, S, E], and a mask [N.., T, S] that is added to the scores.
#[derive(Clone, Copy, Debug)]
pub struct Inputs<'a, T> {
    /// The queries.
    pub query: &'a [T],
    /// The keys.
    pub key: &'a [T],
    /// The values.
    pub value: &'a [T],
    /// How many rows lie in memory from the first key of one attention to the first of the next, and
    /// from value to value: as many as there are keys, or more. There are none behind the last key.
    pub room: usize,
    /// What is added to the scores: minus infinity where a query does not meet a key.
    pub mask: Option<Strided<'a, T>>,
}

/// How many queries are computed at a time.
const ROWS: usize = 64;

/// Into about how many tasks the backward pass is cut where there are enough queries.
const TASKS: usize = 16;

/// out = softmax(scale · Q Kᵀ + mask) · V, and for each query ln Σ eˣ of its scores, which is
/// infinity for a query that meets no key and whose result is zero.
///
/// # Panics
/// If a slice does not have the length that `extent` says.
pub fn attention<T: Float>(
    on: Machine,
    attention: Attention,
    extent: Extent,
    inputs: Inputs<'_, T>,
    (out, log_sums): (&mut [T], &mut [T]),
) {
    let job = &Job::new(on, attention, extent, inputs);
    let Extent { planes, queries, values, .. } = extent;
    assert_eq!((out.len(), log_sums.len()), (planes * queries * values, planes * queries));
    let blocks = queries.div_ceil(ROWS);
    let (out, log_sums) = (&Shared::new(out), &Shared::new(log_sums));
    on.parallel(planes * blocks, extent.cost_ns(), |index| {
        let block = job.block(index / blocks, index % blocks * ROWS);
        let mut weights = scratch::<T>(block.rows * block.seen);
        job.scores(block, &mut weights);
        let first = block.plane * queries + block.first;
        // SAFETY: no other task has these queries.
        let (out, log_sums) = unsafe {
            (out.slice(first * values, block.rows * values), log_sums.slice(first, block.rows))
        };
        on.isa.run(Weights { job, block, scores: &mut weights, log_sums });
        job.matmul(
            (block.rows, values, block.seen),
            Matrix::row_major(&weights, block.seen),
            job.rows_of(inputs.value, block.plane * inputs.room, values),
            out,
        );
    });
}

/// What the backward pass of attention is given beside its inputs.
#[derive(Clone, Copy, Debug)]
pub struct Results<'a, T> {
    /// What [`attention`] gave.
    pub out: &'a [T],
    /// For each query what [`attention`] gave as ln Σ eˣ.
    pub log_sums: &'a [T],
    /// The gradient by `out`.
    pub grad: &'a [T],
}

/// The gradients of [`attention`] by queries, keys and values.
///
/// # Panics
/// If a slice does not have the length that `extent` says.
pub fn attention_gradient<T: Float>(
    on: Machine,
    attention: Attention,
    extent: Extent,
    inputs: Inputs<'_, T>,
    results: Results<'_, T>,
    [by_query, by_key, by_value]: [&mut [T]; 3],
) {
    let job = &Job::new(on, attention, extent, inputs);
    let Extent { planes, queries, keys, features, values } = extent;
    let lens = [by_query.len(), by_key.len(), by_value.len()];
    assert_eq!(lens, [inputs.query.len(), planes * keys * features, planes * keys * values]);
    assert_eq!(results.out.len(), planes * queries * values);
    assert_eq!(results.grad.len(), results.out.len());
    assert_eq!(results.log_sums.len(), planes * queries);
    if lens.contains(&0) {
        return [by_query, by_key, by_value].into_iter().for_each(|by| by.fill(T::ZERO));
    }
    // Few planes are cut into parts, each with its own sums over its queries, which are added in the
    // order of the parts.
    let blocks = queries.div_ceil(ROWS);
    let blocks_of_part = blocks.div_ceil(TASKS.div_ceil(planes).min(blocks));
    let parts = blocks.div_ceil(blocks_of_part);
    let by_query = &Shared::new(by_query);
    let sum_part = |index: usize, by_key: &mut [T], by_value: &mut [T]| {
        let (plane, part) = (index / parts, index % parts);
        by_key.fill(T::ZERO);
        by_value.fill(T::ZERO);
        for first in (part * blocks_of_part..blocks).take(blocks_of_part).map(|i| i * ROWS) {
            let block = job.block(plane, first);
            let start = (plane * queries + first) * features;
            // SAFETY: no other task has these queries.
            let by_query = unsafe { by_query.slice(start, block.rows * features) };
            job.block_gradient(block, &results, by_query, by_key, by_value);
        }
    };
    let cost_ns = 3 * extent.cost_ns();
    let (key_len, value_len) = (keys * features, keys * values);
    if parts == 1 {
        let chunks = (Chunks::new(by_key, key_len), Chunks::new(by_value, value_len));
        return on.for_each(chunks, cost_ns, |plane, (key, value)| sum_part(plane, key, value));
    }
    let mut keys_of_parts = scratch::<T>(parts * by_key.len());
    let mut values_of_parts = scratch::<T>(parts * by_value.len());
    let chunks =
        (Chunks::new(&mut keys_of_parts, key_len), Chunks::new(&mut values_of_parts, value_len));
    on.for_each(chunks, cost_ns, |index, (key, value)| sum_part(index, key, value));
    let chunks = (Chunks::new(by_key, key_len), Chunks::new(by_value, value_len));
    on.for_each(chunks, parts * planes * (key_len + value_len), |plane, (by_key, by_value)| {
        by_key.fill(T::ZERO);
        by_value.fill(T::ZERO);
        for index in plane * parts..(plane + 1) * parts {
            add(by_key, &keys_of_parts[index * key_len..][..key_len]);
            add(by_value, &values_of_parts[index * value_len..][..value_len]);
        }
    });
}

/// Some queries.
#[derive(Clone, Copy)]
struct Block {
    plane: usize,
    /// The first query.
    first: usize,
    /// How many queries.
    rows: usize,
    /// How many keys they meet at most.
    seen: usize,
}

/// One call of attention.
struct Job<'a, T> {
    on: Machine,
    attention: Attention,
    extent: Extent,
    inputs: Inputs<'a, T>,
    mask: Option<Tiles<'a, T>>,
}

impl<'a, T: Float> Job<'a, T> {
    fn new(on: Machine, attention: Attention, extent: Extent, inputs: Inputs<'a, T>) -> Self {
        let Extent { planes, queries, keys, features, values } = extent;
        assert_eq!(inputs.query.len(), planes * queries * features);
        assert!(inputs.room >= keys);
        let rows = planes.checked_sub(1).map_or(0, |others| others * inputs.room + keys);
        assert_eq!(inputs.key.len(), rows * features);
        assert_eq!(inputs.value.len(), rows * values);
        assert!(inputs.mask.is_none_or(|mask| mask.len() == planes * queries * keys));
        // Products within a task run on its own thread.
        let on = Machine { threads: 1, ..on };
        Self { on, attention, extent, inputs, mask: inputs.mask.map(Tiles::new) }
    }

    fn block(&self, plane: usize, first: usize) -> Block {
        let rows = ROWS.min(self.extent.queries - first);
        let keys = self.extent.keys;
        let seen = if self.attention.causal { keys.min(first + rows) } else { keys };
        Block { plane, first, rows, seen }
    }

    /// The matrix of rows of a length from a row on.
    fn rows_of(&self, data: &'a [T], first: usize, len: usize) -> Matrix<'a, T> {
        Matrix { offset: first * len, ..Matrix::row_major(data, len) }
    }

    /// One matrix product of (rows, columns, depth).
    fn matmul(
        &self,
        (rows, columns, depth): (usize, usize, usize),
        left: Matrix<'_, T>,
        right: Matrix<'_, T>,
        out: &mut [T],
    ) {
        let size = Size { batch: 1, rows, columns, depth };
        matmul(self.on, self.attention.precision, size, |_| left, |_| right, Bias::None, out);
    }

    /// The products of the queries of a block with the keys they meet.
    fn scores(&self, block: Block, out: &mut [T]) {
        let Extent { queries, features, .. } = self.extent;
        let query = self.rows_of(self.inputs.query, block.plane * queries + block.first, features);
        let key = turned(self.rows_of(self.inputs.key, block.plane * self.inputs.room, features));
        self.matmul((block.rows, block.seen, features), query, key, out);
    }

    /// Scales scores of a query and adds the mask; says how many keys the query meets.
    #[inline(always)]
    fn finish<S: Simd>(&self, isa: S, block: Block, row: usize, scores: &mut [T]) -> usize {
        let query = block.first + row;
        let visible =
            if self.attention.causal { scores.len().min(query + 1) } else { scores.len() };
        change(isa, Times(T::from_f64(self.attention.scale)), &mut scores[..visible]);
        if let Some(mask) = &self.mask {
            let start = (block.plane * self.extent.queries + query) * self.extent.keys;
            let mut buffer = scratch(visible);
            for (score, &mask) in scores.iter_mut().zip(mask.read(start, &mut buffer)) {
                *score = score.plus(mask);
            }
        }
        visible
    }

    /// Leaves out weights of a query, or the gradients by them.
    #[inline(always)]
    fn drop_out(&self, block: Block, row: usize, weights: &mut [T]) {
        if let Some(dropout) = self.attention.dropout {
            let query = block.plane * self.extent.queries + block.first + row;
            drop_out(dropout, query * self.extent.keys, weights);
        }
    }

    /// Adds what the queries of a block contribute to the gradients.
    fn block_gradient(
        &self,
        block: Block,
        results: &Results<'_, T>,
        by_query: &mut [T],
        by_key: &mut [T],
        by_value: &mut [T],
    ) {
        let Extent { queries, features, values, .. } = self.extent;
        let Block { plane, rows, seen, .. } = block;
        let first_key = plane * self.inputs.room;
        let first = plane * queries + block.first;
        let grad = &results.grad[first * values..][..rows * values];
        let out = &results.out[first * values..][..rows * values];
        let grads = Matrix::row_major(grad, values);
        let value = self.rows_of(self.inputs.value, first_key, values);
        let key = self.rows_of(self.inputs.key, first_key, features);
        let query = self.rows_of(self.inputs.query, first, features);

        let mut weights = scratch::<T>(rows * seen);
        let mut by_scores = scratch::<T>(rows * seen);
        self.scores(block, &mut weights);
        self.matmul((rows, seen, values), grads, turned(value), &mut by_scores);
        let log_sums = &results.log_sums[first..][..rows];
        self.on.isa.run(ScoreGradients {
            job: self,
            block,
            weights: &mut weights,
            by_scores: &mut by_scores,
            log_sums,
            rows: (out, grad),
        });

        let mut part = scratch::<T>(seen * values.max(features));
        let by_scores = Matrix::row_major(&by_scores, seen);
        let part_of_values = &mut part[..seen * values];
        let weights = turned(Matrix::row_major(&weights, seen));
        self.matmul((seen, values, rows), weights, grads, part_of_values);
        add(by_value, part_of_values);
        let part_of_keys = &mut part[..seen * features];
        self.matmul((seen, features, rows), turned(by_scores), query, part_of_keys);
        add(by_key, part_of_keys);
        self.matmul((rows, features, seen), by_scores, key, by_query);
    }
}

/// The matrix with rows and columns exchanged.
fn turned<T>(matrix: Matrix<'_, T>) -> Matrix<'_, T> {
    let Matrix { data, offset, row_stride, column_stride } = matrix;
    Matrix { data, offset, row_stride: column_stride, column_stride: row_stride }
}

/// sum ← sum + x, as far as x goes.
fn add<T: Float>(sum: &mut [T], x: &[T]) {
    for (sum, &x) in sum.iter_mut().zip(x) {
        *sum = sum.plus(x);
    }
}

/// Makes the scores of a block weights.
struct Weights<'a, T> {
    job: &'a Job<'a, T>,
    block: Block,
    scores: &'a mut [T],
    log_sums: &'a mut [T],
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
struct ScoreGradients<'a, T> {
    job: &'a Job<'a, T>,
    block: Block,
    /// Scores that become weights.
    weights: &'a mut [T],
    /// Gradients by weights that become gradients by the products of queries and keys.
    by_scores: &'a mut [T],
    log_sums: &'a [T],
    /// The results and their gradients.
    rows: (&'a [T], &'a [T]),
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
            let place = row * values..(row + 1) * values;
            let pair = [&self.rows.0[place.clone()], &self.rows.1[place]];
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
