//! Attention: means of values, weighted by how well their keys fit queries.
//!
//! The weights of some queries at a time are computed and used: those of all queries together are
//! never held. The backward pass computes them anew from ln Σ eˣ of each query.

mod rows;
mod weights;

use crate::dropout::{Dropout, drop_out};
use crate::gemm::{Bias, Matrix, Size, matmul};
use crate::memory::scratch;
use crate::rows::{Times, change};
use crate::simd::Simd;
use crate::strided::{Strided, Tiles};
use crate::threads::Shared;
use crate::{Chunks, Float, Machine, Precision};
use rows::{Places, Rows, Sink};
use weights::{ScoreGradients, Weights};

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

/// What attention is computed of: queries [N, T, D], keys [N, S, D], values [N, S, E], and a mask
/// [N.., T, S] that is added to the scores.
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

/// The size of self-attention by several heads: all queries, keys and values of an element, of all
/// heads, lie side by side, [B, T, 3, H, D], and so do the results [B, T, H, D].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heads {
    /// B.
    pub batch: usize,
    /// T: how many queries an example has, and keys.
    pub elements: usize,
    /// H.
    pub heads: usize,
    /// D: the length of a query, of a key and of a value.
    pub features: usize,
}

impl Heads {
    fn extent(self) -> Extent {
        let Self { batch, elements, heads, features } = self;
        let (queries, keys, values) = (elements, elements, features);
        Extent { planes: batch * heads, queries, keys, features, values }
    }

    /// The length of an element's results.
    fn width(self) -> usize {
        self.heads * self.features
    }

    /// Where results lie.
    fn results(self) -> Places {
        Places::of_heads(self, self.width())
    }

    /// Where queries, keys and values lie, from the first of each on.
    fn inputs(self) -> Places {
        Places::of_heads(self, 3 * self.width())
    }
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
    let Extent { planes, queries, values, .. } = extent;
    assert_eq!(out.len(), planes * queries * values);
    let job = Job::of(on, attention, extent, inputs);
    let places = Places::one_after_another(queries, values);
    job.run(on, Sink { to: &Shared::new(out), start: 0, places }, log_sums);
}

/// [`attention`] of queries, keys and values that lie together, [B, T, 3, H, D].
///
/// # Panics
/// If a slice does not have the length that `heads` says.
pub fn self_attention<T: Float>(
    on: Machine,
    attention: Attention,
    heads: Heads,
    (x, mask): (&[T], Option<Strided<'_, T>>),
    (out, log_sums): (&mut [T], &mut [T]),
) {
    assert_eq!(out.len(), heads.batch * heads.elements * heads.width());
    let job = Job::of_heads(on, attention, heads, x, mask);
    let sink = Sink { to: &Shared::new(out), start: 0, places: heads.results() };
    job.run(on, sink, log_sums);
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
    let Extent { planes, queries, keys, features, values } = extent;
    let lens = [by_query.len(), by_key.len(), by_value.len()];
    assert_eq!(lens, [inputs.query.len(), planes * keys * features, planes * keys * values]);
    let job = Job::of(on, attention, extent, inputs);
    let to = [by_query, by_key, by_value].map(Shared::new);
    let sink = |index: usize, rows, len| {
        let places = Places::one_after_another(rows, len);
        Sink { to: &to[index], start: 0, places }
    };
    let by = [sink(0, queries, features), sink(1, keys, features), sink(2, keys, values)];
    job.gradient(on, results, Places::one_after_another(queries, values), by);
}

/// The gradient of [`self_attention`].
///
/// # Panics
/// If a slice does not have the length that `heads` says.
pub fn self_attention_gradient<T: Float>(
    on: Machine,
    attention: Attention,
    heads: Heads,
    (x, mask): (&[T], Option<Strided<'_, T>>),
    results: Results<'_, T>,
    by_x: &mut [T],
) {
    assert_eq!(by_x.len(), x.len());
    let job = Job::of_heads(on, attention, heads, x, mask);
    let to = &Shared::new(by_x);
    let by = [0, 1, 2].map(|i| Sink { to, start: i * heads.width(), places: heads.inputs() });
    job.gradient(on, results, heads.results(), by);
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
    query: Rows<'a, T>,
    key: Rows<'a, T>,
    value: Rows<'a, T>,
    mask: Option<Tiles<'a, T>>,
}

impl<'a, T: Float> Job<'a, T> {
    fn of(on: Machine, attention: Attention, extent: Extent, inputs: Inputs<'a, T>) -> Self {
        let Extent { planes, queries, keys, features, values } = extent;
        let Inputs { query, key, value, room, mask } = inputs;
        assert_eq!(query.len(), planes * queries * features);
        assert!(room >= keys);
        let rows = planes.checked_sub(1).map_or(0, |others| others * room + keys);
        assert_eq!(key.len(), rows * features);
        assert_eq!(value.len(), rows * values);
        let parts = [(query, queries, features), (key, room, features), (value, room, values)];
        let parts = parts.map(|(data, room, len)| {
            let places = Places::one_after_another(room, len);
            Rows { data, places }
        });
        Self::new(on, attention, extent, parts, mask)
    }

    fn of_heads(
        on: Machine,
        attention: Attention,
        heads: Heads,
        x: &'a [T],
        mask: Option<Strided<'a, T>>,
    ) -> Self {
        assert_eq!(x.len(), 3 * heads.batch * heads.elements * heads.width());
        let parts = [0, 1, 2].map(|i| {
            let data = x.get(i * heads.width()..).unwrap_or_default();
            Rows { data, places: heads.inputs() }
        });
        Self::new(on, attention, heads.extent(), parts, mask)
    }

    fn new(
        on: Machine,
        attention: Attention,
        extent: Extent,
        [query, key, value]: [Rows<'a, T>; 3],
        mask: Option<Strided<'a, T>>,
    ) -> Self {
        let Extent { planes, queries, keys, .. } = extent;
        assert!(mask.is_none_or(|mask| mask.len() == planes * queries * keys));
        // Products within a task run on its own thread.
        let on = Machine { threads: 1, ..on };
        Self { on, attention, extent, query, key, value, mask: mask.map(Tiles::new) }
    }

    /// Computes everything.
    fn run(&self, on: Machine, out: Sink<'_, T>, log_sums: &mut [T]) {
        let Extent { planes, queries, values, .. } = self.extent;
        assert_eq!(log_sums.len(), planes * queries);
        let blocks = queries.div_ceil(ROWS);
        let log_sums = &Shared::new(log_sums);
        on.parallel(planes * blocks, self.extent.cost_ns(), |index| {
            let block = self.block(index / blocks, index % blocks * ROWS);
            let mut weights = scratch::<T>(block.rows * block.seen);
            self.scores(block, &mut weights);
            // SAFETY: no other task has these queries.
            let log_sums =
                unsafe { log_sums.slice(block.plane * queries + block.first, block.rows) };
            on.isa.run(Weights { job: self, block, scores: &mut weights, log_sums });
            let mut results = scratch::<T>(block.rows * values);
            self.matmul(
                (block.rows, values, block.seen),
                Matrix::row_major(&weights, block.seen),
                self.value.matrix(block.plane, 0),
                &mut results,
            );
            // SAFETY: no other task has these queries.
            unsafe { out.write(block.plane, block.first, &results, values) };
        });
    }

    /// Computes the gradients by queries, keys and values.
    fn gradient(
        &self,
        on: Machine,
        results: Results<'_, T>,
        places: Places,
        [by_query, by_key, by_value]: [Sink<'_, T>; 3],
    ) {
        let Extent { planes, queries, keys, features, values } = self.extent;
        assert_eq!(results.out.len(), planes * queries * values);
        assert_eq!(results.grad.len(), results.out.len());
        assert_eq!(results.log_sums.len(), planes * queries);
        if planes * queries * keys * features * values == 0 {
            let zeros = vec![T::ZERO; keys.max(queries) * features.max(values)];
            for plane in 0..planes {
                // SAFETY: nobody else writes.
                unsafe {
                    by_query.write(plane, 0, &zeros[..queries * features], features);
                    by_key.write(plane, 0, &zeros[..keys * features], features);
                    by_value.write(plane, 0, &zeros[..keys * values], values);
                }
            }
            return;
        }
        // Few planes are cut into parts, each with its own sums over its queries, which are added in
        // the order of the parts.
        let blocks = queries.div_ceil(ROWS);
        let blocks_of_part = blocks.div_ceil(TASKS.div_ceil(planes).min(blocks));
        let parts = blocks.div_ceil(blocks_of_part);
        let sum_part = |index: usize, sums: &mut [T]| {
            let (plane, part) = (index / parts, index % parts);
            sums.fill(T::ZERO);
            for first in (part * blocks_of_part..blocks).take(blocks_of_part).map(|i| i * ROWS) {
                let block = self.block(plane, first);
                let mut rows = scratch::<T>(block.rows * features);
                self.block_gradient(block, &results, places, &mut rows, sums);
                // SAFETY: no other task has these queries.
                unsafe { by_query.write(plane, first, &rows, features) };
            }
        };
        let write = |plane: usize, sums: &[T]| {
            let (by_keys, by_values) = sums.split_at(keys * features);
            // SAFETY: no other task has this plane.
            unsafe {
                by_key.write(plane, 0, by_keys, features);
                by_value.write(plane, 0, by_values, values);
            }
        };
        let (len, cost_ns) = (keys * (features + values), 3 * self.extent.cost_ns());
        if parts == 1 {
            return on.parallel(planes, cost_ns, |plane| {
                let mut sums = scratch::<T>(len);
                sum_part(plane, &mut sums);
                write(plane, &sums);
            });
        }
        let mut sums_of_parts = scratch::<T>(planes * parts * len);
        on.for_each(Chunks::new(&mut sums_of_parts, len.max(1)), cost_ns, sum_part);
        on.for_each(
            Chunks::new(&mut sums_of_parts, (parts * len).max(1)),
            planes * parts * len,
            |plane, sums| {
                let (first, others) = sums.split_at_mut(len);
                others.chunks_exact(len.max(1)).for_each(|part| add(first, part));
                write(plane, first);
            },
        );
    }

    fn block(&self, plane: usize, first: usize) -> Block {
        let rows = ROWS.min(self.extent.queries - first);
        let keys = self.extent.keys;
        let seen = if self.attention.causal { keys.min(first + rows) } else { keys };
        Block { plane, first, rows, seen }
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
        let query = self.query.matrix(block.plane, block.first);
        let key = turned(self.key.matrix(block.plane, 0));
        self.matmul((block.rows, block.seen, self.extent.features), query, key, out);
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

    /// Adds what the queries of a block contribute to the gradients by keys and values, which lie one
    /// after the other, and writes those by queries. Results and their gradients lie at `places`.
    fn block_gradient(
        &self,
        block: Block,
        results: &Results<'_, T>,
        places: Places,
        by_query: &mut [T],
        sums: &mut [T],
    ) {
        let Extent { queries, keys, features, values, .. } = self.extent;
        let Block { plane, first, rows, seen } = block;
        let (by_key, by_value) = sums.split_at_mut(keys * features);
        let [out, grad] = [results.out, results.grad].map(|data| Rows { data, places });
        let (grads, value) = (grad.matrix(plane, first), self.value.matrix(plane, 0));
        let (query, key) = (self.query.matrix(plane, first), self.key.matrix(plane, 0));

        let mut weights = scratch::<T>(rows * seen);
        let mut by_scores = scratch::<T>(rows * seen);
        self.scores(block, &mut weights);
        self.matmul((rows, seen, values), grads, turned(value), &mut by_scores);
        self.on.isa.run(ScoreGradients {
            job: self,
            block,
            weights: &mut weights,
            by_scores: &mut by_scores,
            log_sums: &results.log_sums[plane * queries + first..][..rows],
            results: [out, grad],
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
