//! A cell that goes through whole sequences, and back.
//!
//! A task takes some sequences and goes through all their times, so that tasks never wait for each
//! other. Rows do not meet: a number is the same bits whatever is computed beside it, and so tasks
//! may be cut by the number of threads.

use super::cell::{Backward, Forward};
use super::product::Packed;
use super::{Cell, Steps};
use crate::gemm::{self, Bias, Cut, Operand, Operands, Plane, Size};
use crate::memory::scratch;
use crate::multiplier::{self, Format, Multiplier, Unrounded, Work};
use crate::simd::Simd;
use crate::strided::Strided;
use crate::threads::Shared;
use crate::{Element, Float, Machine, Precision, Reducible, Reduction, reduce};
use std::ops::Range;

/// The most sequences of a task.
const SEQUENCES: usize = 32;

/// What a cell goes through, with N rows of B sequences and G gates.
#[derive(Clone, Copy, Debug)]
pub struct Inputs<'a, T> {
    /// What the input brings to the gates: [N, G H].
    pub x: &'a [T],
    /// By which the hidden state is multiplied: [G H, H].
    pub weight: &'a [T],
    /// The bias of a GRU: `[H]`.
    pub bias: Option<&'a [T]>,
    /// The hidden states at the start: [B, H].
    pub hidden: &'a [T],
    /// The cell states at the start, [B, H], or nothing.
    pub cell: &'a [T],
}

/// One call.
struct Job<'a, T> {
    precision: Precision,
    cell: Cell,
    steps: &'a Steps,
    size: usize,
    weight: &'a [T],
    hidden: &'a [T],
    first_cell: &'a [T],
}

impl<'a, T: Float> Job<'a, T> {
    fn new(precision: Precision, cell: Cell, steps: &'a Steps, inputs: &Inputs<'a, T>) -> Self {
        let Inputs { weight, hidden, cell: first_cell, .. } = *inputs;
        let size = weight.len().checked_div(cell.gates()).unwrap_or(0).isqrt();
        assert_eq!(weight.len(), cell.gates() * size * size);
        assert_eq!(hidden.len(), steps.batch() * size);
        assert_eq!(first_cell.len(), if cell.has_cell_state() { hidden.len() } else { 0 });
        Self { precision, cell, steps, size, weight, hidden, first_cell }
    }

    fn gates(&self) -> usize {
        self.cell.gates() * self.size
    }

    fn saved(&self) -> usize {
        self.cell.saved() * self.size
    }

    /// An estimate of the time that the products take one core.
    fn cost_ns(&self) -> usize {
        self.steps.rows() * self.gates() * (self.size + 16) / 32
    }

    /// Runs a function for all sequences, some at a time.
    fn parallel(&self, on: Machine, body: impl Fn(Range<usize>) + Sync) {
        let batch = self.steps.batch();
        // Whole tiles of eight rows for each thread.
        let each = batch.div_ceil(on.threads).next_multiple_of(8).min(SEQUENCES);
        on.parallel(batch.div_ceil(each), self.cost_ns(), |task| {
            body(task * each..batch.min((task + 1) * each));
        });
    }

    /// How many of some sequences have a row at a time.
    fn going_on(&self, time: usize, sequences: &Range<usize>) -> usize {
        self.steps.size(time).saturating_sub(sequences.start).min(sequences.len())
    }
}

/// Goes through sequences. `out` gets the hidden states of all rows, then the last ones of all
/// sequences, and then the last cell states, if there are any: [N + B, H] or [N + 2 B, H]. `saved`,
/// if it is not empty, gets what [`gradient`] will need: [N, S H] with S of [`Cell::saved`].
///
/// Where the precision allows it and it is faster, the weight and the hidden states are rounded to
/// `bf16` for their products, and so are gradients on the way back: see [`Precision`].
///
/// # Panics
/// If a slice does not have the length that `steps` and the weight say.
pub fn forward<T: Float>(
    on: Machine,
    precision: Precision,
    cell: Cell,
    steps: &Steps,
    inputs: Inputs<'_, T>,
    outputs: (&mut [T], &mut [T]),
) {
    let job = &Job::new(precision, cell, steps, &inputs);
    if multiplier::rounds::<T>(on, precision) {
        forward_as::<T, T::Rounded>(on, job, inputs, outputs);
    } else {
        forward_as::<T, Unrounded>(on, job, inputs, outputs);
    }
}

/// Goes through sequences with numbers packed to a format.
fn forward_as<T: Float, F: Format<T>>(
    on: Machine,
    job: &Job<'_, T>,
    inputs: Inputs<'_, T>,
    (out, saved): (&mut [T], &mut [T]),
) {
    let (size, rows, batch) = (job.size, job.steps.rows(), job.steps.batch());
    assert_eq!(inputs.x.len(), rows * job.gates());
    assert!(inputs.bias.is_none_or(|bias| bias.len() == size));
    assert_eq!(out.len(), (rows + batch * (1 + job.cell.has_cell_state() as usize)) * size);
    assert!(saved.is_empty() || saved.len() == rows * job.saved());
    if batch * size == 0 {
        return;
    }
    // Column j of the product is the product with row j of the weight.
    let plane =
        Plane { data: job.weight, offset: 0, depth_stride: 1, across_stride: size as isize };
    let weight = &Packed::new::<T, F>(on, plane, size, job.gates());
    let (out, saved) = (&Shared::new(out), &Shared::new(saved));
    job.parallel(on, |sequences| {
        F::run(on.isa, ForwardTask { job, inputs, weight, sequences, out, saved });
    });
}

/// The way of some sequences forward.
struct ForwardTask<'a, T, P> {
    job: &'a Job<'a, T>,
    inputs: Inputs<'a, T>,
    weight: &'a Packed<P>,
    sequences: Range<usize>,
    out: &'a Shared<'a, T>,
    saved: &'a Shared<'a, T>,
}

impl<T: Float, P: Element> Work<T, P> for ForwardTask<'_, T, P> {
    type Output = ();

    #[inline(always)]
    fn run<M: Multiplier<Scalar = T, Packed = P>>(self, multiplier: M) {
        let isa = multiplier.isa();
        let Self { job, inputs, weight, sequences, .. } = &self;
        let (size, gates) = (job.size, job.gates());
        let saved_len = if self.saved.len() == 0 { 0 } else { job.saved() };
        let states = sequences.start * size..sequences.end * size;
        let mut hidden = scratch::<T>(states.len());
        hidden.copy_from_slice(&job.hidden[states.clone()]);
        let cell_len = if job.cell.has_cell_state() { size } else { 0 };
        let mut cell = scratch::<T>(sequences.len() * cell_len);
        if cell_len > 0 {
            cell.copy_from_slice(&job.first_cell[states]);
        }
        let row_len = weight.row_len();
        let mut product = scratch::<T>(sequences.len() * row_len);
        for time in job.steps.order() {
            let count = job.going_on(time, sequences);
            let product = &mut product[..count * row_len];
            weight.multiply(multiplier, (&hidden, size), false, product);
            for index in 0..count {
                let row = job.steps.row(time, sequences.start + index);
                let hidden = &mut hidden[index * size..][..size];
                // SAFETY: no other task has this sequence, and so this row.
                let (out, saved) = unsafe {
                    (self.out.slice(row * size, size), self.saved.slice(row * saved_len, saved_len))
                };
                let forward = Forward {
                    x: &inputs.x[row * gates..][..gates],
                    product: &product[index * row_len..][..row_len],
                    bias: inputs.bias,
                    hidden: &mut *hidden,
                    cell: &mut cell[index * cell_len..][..cell_len],
                    saved,
                };
                forward.run(isa, job.cell);
                out.copy_from_slice(hidden);
            }
        }
        let last = (job.steps.rows() + sequences.start) * size;
        // SAFETY: no other task has these sequences, whose last states lie behind all rows.
        unsafe {
            self.out.slice(last, hidden.len()).copy_from_slice(&hidden);
            let last = last + job.steps.batch() * cell_len;
            self.out.slice(last, cell.len()).copy_from_slice(&cell);
        }
    }
}

/// What the way back is given, beside the sequences.
#[derive(Clone, Copy, Debug)]
pub struct Results<'a, T> {
    /// What [`forward`] gave.
    pub out: &'a [T],
    /// What [`forward`] saved.
    pub saved: &'a [T],
    /// The gradient by `out`.
    pub grad: &'a [T],
}

/// Where the gradients go: each is as long as what it is by.
#[derive(Debug)]
pub struct Gradients<'a, T> {
    /// By what the input brings to the gates.
    pub x: &'a mut [T],
    /// By the weight.
    pub weight: &'a mut [T],
    /// By the bias of a GRU.
    pub bias: Option<&'a mut [T]>,
    /// By the hidden states at the start.
    pub hidden: &'a mut [T],
    /// By the cell states at the start, or nothing.
    pub cell: &'a mut [T],
}

/// The gradients of [`forward`]. Of its inputs, it needs neither x nor the bias.
///
/// # Panics
/// If a slice does not have the length that `steps` and the weight say.
pub fn gradient<T: Float + Reducible>(
    on: Machine,
    precision: Precision,
    cell: Cell,
    steps: &Steps,
    inputs: Inputs<'_, T>,
    results: Results<'_, T>,
    by: Gradients<'_, T>,
) {
    let job = &Job::new(precision, cell, steps, &inputs);
    if multiplier::rounds::<T>(on, precision) {
        gradient_as::<T, T::Rounded>(on, job, results, by);
    } else {
        gradient_as::<T, Unrounded>(on, job, results, by);
    }
}

/// The gradients, with numbers packed to a format.
fn gradient_as<T: Float + Reducible, F: Format<T>>(
    on: Machine,
    job: &Job<'_, T>,
    results: Results<'_, T>,
    by: Gradients<'_, T>,
) {
    let (size, gates) = (job.size, job.gates());
    let (rows, batch) = (job.steps.rows(), job.steps.batch());
    assert_eq!(results.grad.len(), results.out.len());
    assert_eq!(results.saved.len(), rows * job.saved());
    assert_eq!((by.x.len(), by.weight.len()), (rows * gates, job.weight.len()));
    assert_eq!((by.hidden.len(), by.cell.len()), (job.hidden.len(), job.first_cell.len()));
    if batch * size == 0 {
        by.weight.fill(T::ZERO);
        by.bias.into_iter().for_each(|bias| bias.fill(T::ZERO));
        return;
    }
    let plane =
        Plane { data: job.weight, offset: 0, depth_stride: size as isize, across_stride: 1 };
    let weight = &Packed::new::<T, F>(on, plane, gates, size);
    // Only a GRU has another gradient by the product than by x.
    let separate = job.cell == Cell::Gru;
    let mut by_product = scratch::<T>(if separate { rows * gates } else { 0 });
    {
        let by_product = &Shared::new(&mut by_product);
        let (by_x, by_hidden) = (&Shared::new(by.x), &Shared::new(by.hidden));
        let by_cell = &Shared::new(by.cell);
        job.parallel(on, |sequences| {
            let by = [by_x, by_product, by_hidden, by_cell];
            F::run(on.isa, BackwardTask { job, results, weight, sequences, by });
        });
    }
    let by_product: &[T] = if separate { &by_product } else { by.x };
    by_weight(on, job, results.out, by_product, by.weight);
    if let Some(by_bias) = by.bias {
        let (shape, strides) = ([size, rows], [1, gates as isize]);
        let offset = if rows == 0 { 0 } else { 2 * size };
        let column = Strided { data: by_product, offset, shape: &shape, strides: &strides };
        reduce(on, Reduction::Sum, column, 1, by_bias);
    }
}

/// The sum over all rows of the products of the gradient by the product and the hidden state
/// before.
fn by_weight<T: Float>(
    on: Machine,
    job: &Job<'_, T>,
    out: &[T],
    by_product: &[T],
    by_weight: &mut [T],
) {
    let (rows, gates, size) = (job.steps.rows(), job.gates(), job.size);
    let mut places = scratch(rows);
    for time in job.steps.order() {
        for sequence in 0..job.steps.size(time) {
            let before = job.steps.row_before(time, sequence);
            places[job.steps.row(time, sequence)] = before.unwrap_or(rows + sequence);
        }
    }
    let before = Before { places: &places, out, first: job.hidden, size };
    let left =
        Plane { data: by_product, offset: 0, depth_stride: gates as isize, across_stride: 1 };
    let extent = Size { batch: 1, rows: gates, columns: size, depth: rows };
    let operands = Operands { left: |_| left, right: |_| before, constant: None };
    gemm::packed(on, job.precision, extent, operands, Bias::None, by_weight);
}

/// The hidden states before all rows, as an operand of a matrix product that sums over rows.
#[derive(Clone, Copy)]
struct Before<'a, T> {
    /// For each row that whose output it is, or, counted on from the last row, the sequence whose
    /// first state it is.
    places: &'a [usize],
    out: &'a [T],
    first: &'a [T],
    size: usize,
}

impl<'a, T: Float> Before<'a, T> {
    #[inline(always)]
    fn get(&self, place: usize) -> &'a [T] {
        match place.checked_sub(self.places.len()) {
            None => &self.out[place * self.size..][..self.size],
            Some(sequence) => &self.first[sequence * self.size..][..self.size],
        }
    }
}

impl<T: Float> Operand<T> for Before<'_, T> {
    #[inline(always)]
    fn pack<S: Simd>(&self, _: S, cut: Cut, panel: &mut [T]) {
        let Cut { depth, across, width } = cut;
        let count = across.len();
        for (row, &place) in panel.chunks_exact_mut(width).zip(&self.places[depth]) {
            row[..count].copy_from_slice(&self.get(place)[across.clone()]);
            row[count..].fill(T::ZERO);
        }
    }
}

/// The way of some sequences back.
struct BackwardTask<'a, T, P> {
    job: &'a Job<'a, T>,
    results: Results<'a, T>,
    weight: &'a Packed<P>,
    sequences: Range<usize>,
    /// The gradients by x, by the product if that is another one, and by the states.
    by: [&'a Shared<'a, T>; 4],
}

impl<T: Float, P: Element> Work<T, P> for BackwardTask<'_, T, P> {
    type Output = ();

    #[inline(always)]
    fn run<M: Multiplier<Scalar = T, Packed = P>>(self, multiplier: M) {
        let isa = multiplier.isa();
        let Self { job, results, weight, sequences, by } = &self;
        let (size, gates, batch) = (job.size, job.gates(), job.steps.batch());
        let cell_len = if job.cell.has_cell_state() { size } else { 0 };
        let row_len = weight.row_len();
        let last = (job.steps.rows() + sequences.start) * size;
        // Rows of whole vectors, as the product has.
        let mut by_hidden = scratch::<T>(sequences.len() * row_len);
        let last_hidden = results.grad[last..].chunks_exact(size);
        for (by_hidden, last) in by_hidden.chunks_exact_mut(row_len).zip(last_hidden) {
            by_hidden[..size].copy_from_slice(last);
            by_hidden[size..].fill(T::ZERO);
        }
        let mut by_cell = scratch::<T>(sequences.len() * cell_len);
        let last_cell = &results.grad[last + batch * cell_len..];
        by_cell.copy_from_slice(&last_cell[..sequences.len() * cell_len]);
        for time in job.steps.order().rev() {
            let count = job.going_on(time, sequences);
            for index in 0..count {
                let by_hidden = &mut by_hidden[index * row_len..][..size];
                let by_cell = &mut by_cell[index * cell_len..][..cell_len];
                self.row(isa, time, sequences.start + index, by_hidden, by_cell);
            }
            if count == 0 {
                continue;
            }
            let first = job.steps.row(time, sequences.start) * gates;
            let stride = job.steps.row_stride() * gates;
            let by_product = by[if by[1].len() > 0 { 1 } else { 0 }];
            let len = (count - 1) * stride + gates;
            // SAFETY: within this time's rows of this task's sequences nothing is written now;
            // what lies between them is not read.
            let left = unsafe { by_product.slice(first, len) };
            let by_hidden = &mut by_hidden[..count * row_len];
            weight.multiply(multiplier, (left, stride), true, by_hidden);
        }
        let first = sequences.start * size;
        // SAFETY: no other task has these sequences.
        unsafe {
            let out = by[2].slice(first, sequences.len() * size);
            for (out, row) in out.chunks_exact_mut(size).zip(by_hidden.chunks_exact(row_len)) {
                out.copy_from_slice(&row[..size]);
            }
            by[3].slice(sequences.start * cell_len, by_cell.len()).copy_from_slice(&by_cell);
        }
    }
}

impl<T: Float, P> BackwardTask<'_, T, P> {
    /// Goes back through the cell at one row.
    #[inline(always)]
    fn row<S: Simd>(
        &self,
        isa: S,
        time: usize,
        sequence: usize,
        by_hidden: &mut [T],
        by_cell: &mut [T],
    ) {
        let Self { job, results, by, .. } = self;
        let (size, gates, saved_len) = (job.size, job.gates(), job.saved());
        let row = job.steps.row(time, sequence);
        let before = job.steps.row_before(time, sequence);
        let hidden_before = match before {
            Some(row) => &results.out[row * size..][..size],
            None => &job.hidden[sequence * size..][..size],
        };
        let cell_before = match before {
            _ if !job.cell.has_cell_state() => &[],
            Some(row) => &results.saved[(row + 1) * saved_len - size..][..size],
            None => &job.first_cell[sequence * size..][..size],
        };
        let product_len = if by[1].len() > 0 { gates } else { 0 };
        // SAFETY: no other task has this sequence, and so this row.
        let (by_x, by_product) = unsafe {
            (by[0].slice(row * gates, gates), by[1].slice(row * product_len, product_len))
        };
        let backward = Backward {
            saved: &results.saved[row * saved_len..][..saved_len],
            hidden_before,
            hidden_after: &results.out[row * size..][..size],
            cell_before,
            by_output: &results.grad[row * size..][..size],
            by_hidden,
            by_cell,
            by_x,
            by_product,
        };
        backward.run(isa, job.cell);
    }
}
