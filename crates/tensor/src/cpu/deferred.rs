//! Element-wise kernels of large tensors, which wait until somebody reads their results. Then all that
//! waits and leads there is computed in one pass over memory.
//!
//! A tensor that waits holds what it is made of. Whoever asks for its memory has it computed, and with
//! it those among the results on the way that somebody else still holds; the others are never written.
//! So nothing is computed twice, but for what is cheap and is reduced first: that is computed on the
//! way, and left waiting. The bits are those of the kernels one after another.

use super::strided;
use crate::device::{Input, Output};
use crate::storage::Buffer;
use crate::{DType, Layout};
use gradus_kernels::chain::{Chain, MAX_STEPS, Source, Step};
use gradus_kernels::memory::{Block, Pooled};
use gradus_kernels::{self as kernels, Float, Machine, Reducible, Reduction, Strided, Unary};
use smallvec::SmallVec;
use std::fmt;
use std::mem::replace;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock};

/// Smaller tensors are in a core's cache still when the next kernel reads them.
const LEAST: usize = 1 << 18;

/// Memory whose numbers are computed when somebody reads them.
pub struct Deferred {
    done: OnceLock<Block>,
    /// Until somebody computes it: what is to be computed, and the memory for it.
    waiting: Mutex<Option<(Call, Block)>>,
    /// How many kernels it takes, if nobody computes a part of them before.
    steps: usize,
    /// Whether a reduction has read the numbers as they were computed, and left them waiting.
    was_reduced: AtomicBool,
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
        if let Buffer::Deferred(deferred) = &**input.buffer
            && deferred.done.get().is_none()
        {
            let as_it_is = input.layout.is_contiguous() && input.shape().count() == count;
            match as_it_is && steps + deferred.steps <= MAX_STEPS {
                true => steps += deferred.steps,
                false => _ = deferred.block(),
            }
        }
    }
    let Buffer::Host(block) = replace(output.buffer, Buffer::Nothing) else {
        unreachable!("an output has just been allocated");
    };
    let operands = inputs.iter().map(Operand::new).collect();
    let call = Call { on, dtype: output.dtype, count, step, operands };
    *output.buffer = Buffer::Deferred(Box::new(Deferred {
        done: OnceLock::new(),
        waiting: Mutex::new(Some((call, block))),
        steps,
        was_reduced: AtomicBool::new(false),
    }));
    true
}

/// Reduces numbers that wait without writing them to memory, if that is quick: the axes behind the
/// first `kept` ones. False if it was not done.
pub(super) fn reduce(
    on: Machine,
    reduction: Reduction,
    kept: usize,
    input: &Input<'_>,
    output: &mut Output<'_>,
) -> bool {
    let Buffer::Deferred(deferred) = &**input.buffer else {
        return false;
    };
    match output.dtype {
        DType::F32 => deferred.reduce::<f32>(on, reduction, kept, input.layout, output),
        DType::F64 => deferred.reduce::<f64>(on, reduction, kept, input.layout, output),
        _ => false,
    }
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
        let waiting = self.waiting();
        let (call, _) = waiting.as_ref()?;
        match (call.step, &call.operands[..]) {
            (Step::Map(Unary::MulScalar { value }, _), [operand]) => {
                Some((operand.buffer.clone(), operand.layout, value))
            }
            _ => None,
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Option<(Call, Block)>> {
        self.waiting.lock().unwrap_or_else(|poison| poison.into_inner())
    }

    /// Computes what waits, unless another thread has begun to.
    fn compute(&self) {
        // Takes all at once, so that of two threads neither has what the other waits for.
        static TAKING: Mutex<()> = Mutex::new(());
        let taking = TAKING.lock().unwrap_or_else(|poison| poison.into_inner());
        let Some((call, block)) = self.waiting().take() else {
            return;
        };
        let mut program = Program::default();
        let (on, dtype, count) = (call.on, call.dtype, call.count);
        program.add(call, &mut |deferred| {
            let (call, block) = deferred.waiting().take()?;
            Some((call, Some(block)))
        });
        drop(taking);
        let blocks = match dtype {
            DType::F32 => program.run::<f32>(on, count, block),
            _ => program.run::<f64>(on, count, block),
        };
        for (step, block) in blocks {
            let deferred = match program.nodes.get(step).map(|node| &*node.buffer) {
                Some(Buffer::Deferred(deferred)) => deferred,
                _ => self,
            };
            assert!(deferred.done.set(block).is_ok(), "whoever takes a call computes it, alone");
        }
    }

    fn reduce<T: Float + Reducible>(
        &self,
        on: Machine,
        reduction: Reduction,
        kept: usize,
        layout: &Layout,
        output: &mut Output<'_>,
    ) -> bool {
        let whole = |call: &Call| {
            layout.offset() == 0 && layout.shape().count() == call.count && layout.is_dense()
        };
        let call = self.waiting().as_ref().map(|(call, _)| call.clone());
        let Some(call) = call.filter(whole) else {
            return false;
        };
        // Who reduces the same numbers a second time had better find them in memory.
        if self.was_reduced.swap(true, Ordering::Relaxed) {
            return false;
        }
        let count = call.count;
        let mut program = Program::default();
        program.add(call, &mut |deferred| {
            deferred.waiting().as_ref().map(|(call, _)| (call.clone(), None))
        });
        let chain = program.chain::<T>(count);
        let view = (&layout.shape()[..], layout.strides());
        chain.is_cheap()
            && kernels::reduce_chain(on, reduction, &chain, view, kept, super::output(output))
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

/// Calls in an order in which they can be computed.
#[derive(Default)]
struct Program {
    inputs: Vec<Operand>,
    steps: Vec<Step>,
    /// What each step but the last leads to.
    nodes: Vec<Node>,
}

struct Node {
    buffer: Pooled<Buffer>,
    block: Option<Block>,
}

/// What is to be computed for a buffer, if it waits, and the memory for it if that was taken too.
type Take<'a> = dyn FnMut(&Deferred) -> Option<(Call, Option<Block>)> + 'a;

impl Program {
    /// Adds a call behind all that it needs, and gives its index.
    fn add(&mut self, call: Call, take: &mut Take<'_>) -> usize {
        let sources: SmallVec<[Source; 2]> =
            call.operands.into_iter().map(|operand| self.source(operand, take)).collect();
        self.steps.push(call.step.with_sources(&sources));
        self.steps.len() - 1
    }

    fn source(&mut self, operand: Operand, take: &mut Take<'_>) -> Source {
        let known =
            self.nodes.iter().position(|node| Pooled::ptr_eq(&node.buffer, &operand.buffer));
        if let Some(step) = known {
            return Source::Step(step);
        }
        if let Buffer::Deferred(deferred) = &*operand.buffer
            && let Some((call, block)) = take(deferred)
        {
            let step = self.add(call, take);
            self.nodes.push(Node { buffer: operand.buffer, block });
            return Source::Step(step);
        }
        self.inputs.push(operand);
        Source::Input(self.inputs.len() - 1)
    }

    fn chain<T: Float>(&self, count: usize) -> Chain<'_, T> {
        let inputs: SmallVec<[Strided<'_, T>; 4]> = self.inputs.iter().map(Operand::view).collect();
        Chain::new(count, &inputs, self.steps.clone())
    }

    /// Computes all steps. Gives the memory of the last one, in `last`, and of those before it whose
    /// results somebody else holds too, each with the step's index.
    fn run<T: Float>(&mut self, on: Machine, count: usize, last: Block) -> Vec<(usize, Block)> {
        let held = self.nodes.iter_mut().enumerate().filter_map(|(step, node)| {
            let elsewhere = Pooled::holders(&node.buffer) > 1;
            node.block.take_if(|_| elsewhere).map(|block| (step, block))
        });
        let mut blocks: Vec<(usize, Block)> = held.collect();
        blocks.push((self.steps.len() - 1, last));
        let slices =
            blocks.iter_mut().map(|(step, block)| (*step, &mut block.slice_mut()[..count]));
        let mut outputs: Vec<(usize, &mut [T])> = slices.collect();
        match self.steps[..] {
            [Step::Map(op, _)] => {
                kernels::map(on, op, self.inputs[0].view(), outputs[0].1);
            }
            [Step::Zip(op, ..)] => {
                let [x, y] = [0, 1].map(|i| self.inputs[i].view());
                kernels::zip(on, op, x, y, outputs[0].1);
            }
            _ => self.chain(count).run(on, outputs),
        }
        blocks
    }
}
