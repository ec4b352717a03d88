//! Sums of the columns of numbers that wait, as are the gradients by what was broadcast along rows.
//! They wait too: who has the numbers computed, or what else is made of them, has them summed on the
//! way.

use super::super::host;
use super::program::Program;
use super::{Deferred, Operand, allocated, taking};
use crate::DType;
use crate::device::{Input, Output};
use crate::storage::{Buffer, lock};
use gradus_kernels::memory::Block;
use gradus_kernels::{self as kernels, Float, Machine, Reducible, Reduction, Strided};
use std::fmt;
use std::sync::{Arc, Mutex, OnceLock};

/// Of fewer columns the rows are too short to be summed one by one.
const LEAST_COLUMNS: usize = 64;

/// Memory whose sums are computed when somebody reads them, or has computed what they are made of.
pub struct Summed {
    done: OnceLock<Block>,
    sum: Arc<Sum>,
}

/// A sum over rows.
pub(super) struct Sum {
    on: Machine,
    dtype: DType,
    rows: usize,
    pub(super) columns: usize,
    /// Until somebody computes it: what is summed, and the memory for the sums.
    pub(super) waiting: Mutex<Option<(Operand, Block)>>,
    /// Until its tensor takes it: the memory, with the sums.
    done: OnceLock<Mutex<Option<Block>>>,
}

/// Has the sums of columns of numbers wait if the numbers do.
pub(super) fn defer(
    on: Machine,
    summed: &Deferred,
    kept: usize,
    input: &Input<'_>,
    output: &mut Output<'_>,
) -> bool {
    let dtype = output.dtype;
    let columns = output.shape.count();
    let is_float = matches!(dtype, DType::F32 | DType::F64);
    if !is_float || columns < LEAST_COLUMNS || !sums_columns(input, kept) {
        return false;
    }
    let Some(call) = summed.call().filter(|call| call.count == input.shape().count()) else {
        return false;
    };
    let rows = call.count / columns;
    let waiting = Mutex::new(Some((Operand::new(input), allocated(output))));
    let sum = Arc::new(Sum { on, dtype, rows, columns, waiting, done: OnceLock::new() });
    for deferred in call.operands.iter().filter_map(Operand::deferred).chain([summed]) {
        if let Some(waiting) = &mut *lock(&deferred.waiting) {
            waiting.sums.retain(|sum| sum.strong_count() > 0);
            waiting.sums.push(Arc::downgrade(&sum));
        }
    }
    *output.buffer = Buffer::Summed(Box::new(Summed { done: OnceLock::new(), sum }));
    true
}

/// True if the kept axes of all numbers of a memory, in their order, are its columns.
fn sums_columns(input: &Input<'_>, kept: usize) -> bool {
    let (shape, strides) = (input.shape(), input.layout.strides());
    let mut next = 1;
    let mut axes = (0..kept).rev().chain((kept..shape.rank()).rev());
    input.layout.offset() == 0
        && axes.all(|axis| {
            let fits = shape[axis] == 1 || strides[axis] == next;
            next *= shape[axis] as isize;
            fits
        })
}

impl Summed {
    /// The memory, with the sums.
    pub(crate) fn block(&self) -> &Block {
        self.done.get_or_init(|| self.sum.block())
    }

    /// The memory, to be written.
    pub(crate) fn block_mut(&mut self) -> &mut Block {
        self.block();
        self.done.get_mut().expect("it has been computed")
    }
}

impl Sum {
    /// The memory, with the sums, for the tensor.
    fn block(self: &Arc<Self>) -> Block {
        self.compute();
        // Another thread may have been quicker, and be at it.
        lock(self.done.wait()).take().expect("the tensor alone takes it")
    }

    /// Hands over the sums.
    pub(super) fn finish(&self, block: Block) {
        let set = self.done.set(Mutex::new(Some(block)));
        assert!(set.is_ok(), "whoever takes a sum computes it, alone");
    }

    /// Computes the sums, unless another thread has begun to.
    fn compute(self: &Arc<Self>) {
        let waiting = lock(&self.waiting).take();
        if let Some((operand, block)) = waiting {
            match self.dtype {
                DType::F32 => self.compute_as::<f32>(operand, block),
                _ => self.compute_as::<f64>(operand, block),
            }
        }
    }

    fn compute_as<T: Float + Reducible>(self: &Arc<Self>, operand: Operand, mut block: Block) {
        let Self { on, rows, columns, .. } = **self;
        let view = (&[columns, rows][..], &[1, columns as isize][..]);
        let reduced = operand.deferred().is_some_and(|summed| {
            let out = &mut block.slice_mut()[..columns];
            summed.reduce::<T>(on, Reduction::Sum, view, 1, out)
        });
        if reduced {
            return self.finish(block);
        }
        let taking = taking();
        if let Some(waiting) = operand.take() {
            let program = Program::of_sum(self.clone(), block, (operand.buffer, waiting));
            drop(taking);
            return program.run();
        }
        drop(taking);
        // Somebody else computes what is summed, or has done so.
        let (shape, strides) = view;
        let data = host(&operand.buffer).slice::<T>();
        let x = Strided { data, offset: 0, shape, strides };
        kernels::reduce(on, Reduction::Sum, x, 1, &mut block.slice_mut()[..columns]);
        self.finish(block);
    }
}

impl fmt::Debug for Summed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.done.get() {
            Some(block) => block.fmt(f),
            None => write!(f, "Summed({} columns)", self.sum.columns),
        }
    }
}
