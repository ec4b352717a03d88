//! Element-wise kernels of large tensors, which wait until somebody reads their results. Then all that
//! waits and leads there is computed in one pass over memory, and so are the sums of columns (`sums`)
//! that wait for what is computed.
//!
//! A tensor that waits holds what it is made of. Whoever asks for its memory has it computed, and with
//! it those among the results on the way that somebody else still holds; the others are never written.
//! So nothing is computed twice, but for what is cheap and is reduced first: that is computed on the
//! way, and left waiting. The bits are those of the kernels one after another.

mod program;
mod sums;

pub use sums::Summed;

use super::strided;
use crate::device::{Input, Output};
use crate::dtype::with_dtype;
use crate::storage::{Buffer, lock};
use crate::{DType, Layout};
use gradus_kernels::chain::{MAX_STEPS, Step};
use gradus_kernels::memory::{Block, Pooled};
use gradus_kernels::{self as kernels, Float, Machine, Reducible, Reduction, Strided, Unary};
use program::Program;
use smallvec::SmallVec;
use std::fmt;
use std::mem::replace;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, Weak};
use sums::Sum;

/// Smaller tensors are in a core's cache still when the next kernel reads them.
const LEAST: usize = 1 << 18;

/// Memory whose numbers are computed when somebody reads them.
pub struct Deferred {
    done: OnceLock<Block>,
    /// Until somebody computes it.
    waiting: Mutex<Option<Waiting>>,
    /// How many kernels it takes, if nobody computes a part of them before.
    steps: usize,
    /// Whether a reduction has read the numbers as they were computed, and left them waiting.
    was_reduced: AtomicBool,
}

/// What is to be computed, and the memory for it.
struct Waiting {
    call: Call,
    block: Block,
    /// The sums that wait for the numbers themselves, or for what is made of them.
    sums: SmallVec<[Weak<Sum>; 2]>,
}

/// A kernel that was asked for. The sources of its step are its operands, by their index.
#[derive(Clone)]
struct Call {
    on: Machine,
    dtype: DType,
    count: usize,
    step: Step,
    operands: SmallVec<[Operand; 2]>,
}

/// An input: memory that is there, or results that wait, which are taken in their order.
#[derive(Clone)]
struct Operand {
    buffer: Pooled<Buffer>,
    layout: Layout,
    dtype: DType,
}

impl Operand {
    fn new(input: &Input<'_>) -> Self {
        Self { buffer: input.buffer.clone(), layout: *input.layout, dtype: input.dtype }
    }

    fn view<T: Float>(&self) -> Strided<'_, T> {
        strided(&Input { buffer: &self.buffer, layout: &self.layout, dtype: self.dtype })
    }

    /// True if both are the same numbers.
    fn is(&self, other: &Self) -> bool {
        Pooled::ptr_eq(&self.buffer, &other.buffer) && self.layout == other.layout
    }

    /// What waits there, or did.
    fn deferred(&self) -> Option<&Deferred> {
        self.buffer.deferred()
    }

    /// What is to be computed there, if nobody has begun to.
    fn call(&self) -> Option<Call> {
        self.deferred()?.call()
    }

    /// True if something is to be computed there, and nobody has begun to.
    fn waits(&self) -> bool {
        self.deferred().is_some_and(|deferred| lock(&deferred.waiting).is_some())
    }

    /// Takes what waits there.
    fn take(&self) -> Option<Waiting> {
        lock(&self.deferred()?.waiting).take()
    }
}

/// Whoever takes what waits takes all at once, so that of two threads neither has what the other waits
/// for.
fn taking() -> MutexGuard<'static, ()> {
    static TAKING: Mutex<()> = Mutex::new(());
    lock(&TAKING)
}

/// Has a kernel wait if its tensors are large. Its step's sources are the inputs, by their index.
pub(super) fn defer(
    on: Machine,
    step: Step,
    inputs: &[Input<'_>],
    output: &mut Output<'_>,
) -> bool {
    let count = output.shape.count();
    if count < LEAST || !matches!(output.dtype, DType::F32 | DType::F64) {
        return false;
    }
    let mut steps = 1;
    for input in inputs {
        if let Some(deferred) = input.buffer.deferred()
            && deferred.done.get().is_none()
        {
            let as_it_is = input.layout.is_contiguous() && input.shape().count() == count;
            match as_it_is && steps + deferred.steps <= MAX_STEPS {
                true => steps += deferred.steps,
                false => _ = deferred.block(),
            }
        }
    }
    let block = allocated(output);
    let operands = inputs.iter().map(Operand::new).collect();
    let call = Call { on, dtype: output.dtype, count, step, operands };
    *output.buffer = Buffer::Deferred(Box::new(Deferred {
        done: OnceLock::new(),
        waiting: Mutex::new(Some(Waiting { call, block, sums: SmallVec::new() })),
        steps,
        was_reduced: AtomicBool::new(false),
    }));
    true
}

/// The memory of an output, which is left without.
fn allocated(output: &mut Output<'_>) -> Block {
    match replace(output.buffer, Buffer::Nothing) {
        Buffer::Host(block) => block,
        _ => unreachable!("an output has just been allocated"),
    }
}

/// Reduces numbers that wait without writing them to memory, if that is quick: the axes behind the
/// first `kept` ones. Sums of columns wait too. False if it was not done.
pub(super) fn reduce(
    on: Machine,
    reduction: Reduction,
    kept: usize,
    input: &Input<'_>,
    output: &mut Output<'_>,
) -> bool {
    let Some(deferred) = input.buffer.deferred() else {
        return false;
    };
    if reduction == Reduction::Sum && sums::defer(on, deferred, kept, input, output) {
        return true;
    }
    let layout = input.layout;
    let view = (&layout.shape()[..], layout.strides());
    layout.offset() == 0
        && layout.is_dense()
        && with_dtype!(output.dtype, float T => {
            deferred.reduce::<T>(on, reduction, view, kept, super::output(output))
        }, else false)
}

impl Deferred {
    /// The memory, with its numbers.
    pub(crate) fn block(&self) -> &Block {
        if self.done.get().is_none() {
            self.compute();
        }
        // Another thread may have been quicker, and be at it.
        self.done.wait()
    }

    /// The memory, to be written.
    pub(crate) fn block_mut(&mut self) -> &mut Block {
        self.block();
        self.done.get_mut().expect("it has been computed")
    }

    /// What this waits to be the product of with a number, and the number.
    pub(crate) fn product(&self) -> Option<(Pooled<Buffer>, Layout, f64)> {
        let waiting = lock(&self.waiting);
        let call = &waiting.as_ref()?.call;
        match (call.step, &call.operands[..]) {
            (Step::Map(Unary::MulScalar { value }, _), [operand]) => {
                Some((operand.buffer.clone(), operand.layout, value))
            }
            _ => None,
        }
    }

    /// What is to be computed, if nobody has begun to.
    fn call(&self) -> Option<Call> {
        lock(&self.waiting).as_ref().map(|waiting| waiting.call.clone())
    }

    /// Computes what waits, unless another thread has begun to.
    fn compute(&self) {
        let taking = taking();
        let Some(waiting) = lock(&self.waiting).take() else {
            return;
        };
        let program = Program::of(self, waiting);
        drop(taking);
        program.run();
    }

    /// Reduces a view of all numbers on the way, and leaves them waiting; false if that is not quick.
    fn reduce<T: Float + Reducible>(
        &self,
        on: Machine,
        reduction: Reduction,
        (shape, strides): (&[usize], &[isize]),
        kept: usize,
        out: &mut [T],
    ) -> bool {
        let whole = |call: &Call| call.count == shape.iter().product::<usize>();
        let Some(call) = self.call().filter(whole) else {
            return false;
        };
        // Who reduces the same numbers a second time had better find them in memory.
        if self.was_reduced.swap(true, Ordering::Relaxed) {
            return false;
        }
        let program = Program::copied(call);
        let chain = program.chain::<T>();
        let view = (shape, strides);
        chain.is_cheap() && kernels::reduce_chain(on, reduction, &chain, view, kept, out)
    }
}

impl fmt::Debug for Deferred {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.done.get() {
            Some(block) => block.fmt(f),
            None => write!(f, "Deferred({} kernels)", self.steps),
        }
    }
}
