//! What is computed in one pass: kernels in an order in which they can be, and sums of their results.

use super::sums::Sum;
use super::{Call, Deferred, Operand, Waiting};
use crate::DType;
use crate::storage::{Buffer, lock};
use gradus_kernels::chain::{Chain, MAX_STEPS, Source, Step};
use gradus_kernels::memory::{Block, Pooled};
use gradus_kernels::{self as kernels, Float, Machine, Strided};
use smallvec::SmallVec;
use std::mem::take;
use std::sync::{Arc, Weak};

/// Calls in an order in which they can be computed, and sums of what they lead to.
pub(super) struct Program<'a> {
    on: Machine,
    dtype: DType,
    /// How many numbers each call leads to.
    count: usize,
    /// What waits goes on waiting.
    copies: bool,
    inputs: Vec<Operand>,
    steps: Vec<Step>,
    /// What each step leads to.
    nodes: Vec<Node<'a>>,
    sums: Vec<Taken>,
}

/// The results of a step.
struct Node<'a> {
    place: Place<'a>,
    /// The memory for them, if it was taken.
    block: Option<Block>,
    /// The sums that wait for them, or for what is made of them.
    sums: SmallVec<[Weak<Sum>; 2]>,
}

/// Where results are known.
enum Place<'a> {
    /// Where they are asked for.
    Asked(&'a Deferred),
    /// On the way there, and maybe elsewhere.
    Buffer(Pooled<Buffer>),
    /// Nowhere.
    Copied,
}

impl Place<'_> {
    fn deferred(&self) -> Option<&Deferred> {
        match self {
            Self::Asked(deferred) => Some(deferred),
            Self::Buffer(buffer) => buffer.deferred(),
            Self::Copied => None,
        }
    }

    /// True if results are wanted beside the program.
    fn is_wanted(&self) -> bool {
        match self {
            Self::Asked(_) => true,
            Self::Buffer(buffer) => Pooled::holders(buffer) > 1,
            Self::Copied => false,
        }
    }
}

/// The sums of a step's results, and the memory for them.
struct Taken {
    step: usize,
    sum: Arc<Sum>,
    block: Block,
}

impl<'a> Program<'a> {
    fn new(call: &Call, copies: bool) -> Self {
        let Call { on, dtype, count, .. } = *call;
        let (inputs, steps, nodes, sums) = (vec![], vec![], vec![], vec![]);
        Self { on, dtype, count, copies, inputs, steps, nodes, sums }
    }

    /// All that leads to numbers and waits, and the sums that wait for that.
    pub(super) fn of(asked: &'a Deferred, waiting: Waiting) -> Self {
        let mut program = Self::new(&waiting.call, false);
        program.add_waiting(waiting, Place::Asked(asked));
        program.add_sums();
        program
    }

    /// All that leads to what is summed and waits, and the sums that wait for that.
    pub(super) fn of_sum(sum: Arc<Sum>, block: Block, of: (Pooled<Buffer>, Waiting)) -> Self {
        let (summed, waiting) = of;
        let mut program = Self::new(&waiting.call, false);
        let step = program.add_waiting(waiting, Place::Buffer(summed));
        program.sums.push(Taken { step, sum, block });
        program.add_sums();
        program
    }

    /// All that leads to what a call computes, and goes on waiting.
    pub(super) fn copied(call: Call) -> Self {
        let mut program = Self::new(&call, true);
        program.add(call, Node { place: Place::Copied, block: None, sums: SmallVec::new() });
        program
    }

    /// Adds a call behind all that it needs, and gives its step.
    fn add(&mut self, call: Call, node: Node<'a>) -> usize {
        let sources: SmallVec<[Source; 2]> =
            call.operands.into_iter().map(|operand| self.source(operand)).collect();
        self.steps.push(call.step.with_sources(&sources));
        self.nodes.push(node);
        self.steps.len() - 1
    }

    fn add_waiting(&mut self, waiting: Waiting, place: Place<'a>) -> usize {
        let Waiting { call, block, sums } = waiting;
        self.add(call, Node { place, block: Some(block), sums })
    }

    fn source(&mut self, operand: Operand) -> Source {
        if let Some(step) = self.step_of(&operand) {
            return Source::Step(step);
        }
        let waiting = match self.copies {
            true => operand.call().map(|call| (call, None, SmallVec::new())),
            false => operand.take().map(|Waiting { call, block, sums }| (call, Some(block), sums)),
        };
        if let Some((call, block, sums)) = waiting {
            let place = Place::Buffer(operand.buffer);
            return Source::Step(self.add(call, Node { place, block, sums }));
        }
        Source::Input(self.inputs.iter().position(|own| own.is(&operand)).unwrap_or_else(|| {
            self.inputs.push(operand);
            self.inputs.len() - 1
        }))
    }

    /// The step that leads to an operand.
    fn step_of(&self, operand: &Operand) -> Option<usize> {
        let deferred = operand.deferred()?;
        self.nodes
            .iter()
            .position(|node| node.place.deferred().is_some_and(|own| std::ptr::eq(own, deferred)))
    }

    /// Adds the sums that wait for what is computed.
    fn add_sums(&mut self) {
        let mut step = 0;
        while step < self.nodes.len() {
            for sum in take(&mut self.nodes[step].sums).iter().filter_map(Weak::upgrade) {
                self.add_sum(sum);
            }
            step += 1;
        }
    }

    /// Adds a sum, if that makes a step more at most.
    fn add_sum(&mut self, sum: Arc<Sum>) {
        let mut waiting = lock(&sum.waiting);
        let alike = self.sums.iter().all(|other| other.sum.columns == sum.columns);
        if !alike || !waiting.as_ref().is_some_and(|(operand, _)| self.is_near(operand)) {
            return;
        }
        if let Some((operand, block)) = waiting.take()
            && let Source::Step(step) = self.source(operand)
        {
            drop(waiting);
            self.sums.push(Taken { step, sum, block });
        }
    }

    /// True if the numbers are computed, or wait for a last step which nobody else needs.
    fn is_near(&self, operand: &Operand) -> bool {
        if self.step_of(operand).is_some() {
            return true;
        }
        let alone = self.steps.len() < MAX_STEPS && Pooled::holders(&operand.buffer) == 1;
        let known = |of: &Operand| self.step_of(of).is_some() || !of.waits();
        alone && operand.call().is_some_and(|call| call.operands.iter().all(known))
    }

    /// The steps as a chain.
    pub(super) fn chain<T: Float>(&self) -> Chain<'_, T> {
        let inputs: SmallVec<[Strided<'_, T>; 4]> = self.inputs.iter().map(Operand::view).collect();
        Chain::new(self.count, &inputs, self.steps.clone())
    }

    /// Computes all steps, and hands over what is asked for or wanted elsewhere, and the sums.
    pub(super) fn run(mut self) {
        let wanted = self.nodes.iter_mut().enumerate().filter_map(|(step, node)| {
            let block = node.block.take_if(|_| node.place.is_wanted());
            block.map(|block| (step, block))
        });
        let mut blocks: Vec<(usize, Block)> = wanted.collect();
        let mut sums = take(&mut self.sums);
        match self.dtype {
            DType::F32 => self.compute::<f32>(&mut blocks, &mut sums),
            _ => self.compute::<f64>(&mut blocks, &mut sums),
        }
        for (step, block) in blocks {
            let deferred = self.nodes[step].place.deferred().expect("it is wanted");
            assert!(deferred.done.set(block).is_ok(), "whoever takes a call computes it, alone");
        }
        for Taken { sum, block, .. } in sums {
            sum.finish(block);
        }
    }

    fn compute<T: Float>(&self, blocks: &mut [(usize, Block)], sums: &mut [Taken]) {
        let (on, count) = (self.on, self.count);
        let outputs =
            blocks.iter_mut().map(|(step, block)| (*step, &mut block.slice_mut()[..count]));
        let mut outputs: Vec<(usize, &mut [T])> = outputs.collect();
        match (&self.steps[..], sums.first()) {
            ([Step::Map(op, _)], None) => {
                kernels::map(on, *op, self.inputs[0].view(), outputs[0].1);
            }
            ([Step::Zip(op, Source::Input(x), Source::Input(y))], None) => {
                let [x, y] = [x, y].map(|&i| self.inputs[i].view());
                kernels::zip(on, *op, x, y, outputs[0].1);
            }
            (_, None) => self.chain().run(on, outputs),
            (_, Some(Taken { sum, .. })) => {
                let columns = sum.columns;
                let sums = sums
                    .iter_mut()
                    .map(|taken| (taken.step, &mut taken.block.slice_mut()[..columns]));
                self.chain().run_and_sum(on, outputs, columns, sums.collect());
            }
        }
    }
}
