//! Chains of element-wise operations: what one hands to the next stays in the innermost cache.

use crate::elementwise::{Binary, Unary};
use crate::memory::scratch;
use crate::simd::{PastCaches, Routine, Simd, prefetch};
use crate::strided::{Strided, TILE, Tiles};
use crate::threads::Shared;
use crate::tiles::{Code1, Code2, CopyPast, LUMP, TASK, is_large};
use crate::{Float, Isa, Machine};
use std::cmp::Ordering;

/// The most steps that a chain can have.
pub const MAX_STEPS: usize = 16;

/// No chain has more inputs: each step takes two at most, and each but the last gives one.
const MAX_INPUTS: usize = MAX_STEPS + 1;

/// Where a step finds its numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// In one of the chain's inputs.
    Input(usize),
    /// Among the results of an earlier step.
    Step(usize),
}

/// One operation of a chain.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Step {
    /// outᵢ = op(xᵢ)
    Map(Unary, Source),
    /// outᵢ = op(xᵢ, yᵢ)
    Zip(Binary, Source, Source),
}

impl Step {
    /// The same operation of other numbers: what was input i is now the i-th of `sources`.
    ///
    /// # Panics
    /// If it has no such source, or was not of inputs.
    pub fn with_sources(self, sources: &[Source]) -> Self {
        let find = |source| match source {
            Source::Input(i) => sources[i],
            Source::Step(_) => panic!("a step's results are no input"),
        };
        match self {
            Self::Map(op, x) => Self::Map(op, find(x)),
            Self::Zip(op, x, y) => Self::Zip(op, find(x), find(y)),
        }
    }

    /// True if the operation takes no longer than reading its numbers from memory.
    fn is_cheap(&self) -> bool {
        match self {
            Self::Map(op, _) => op.is_cheap(),
            Self::Zip(op, ..) => op.is_cheap(),
        }
    }

    fn sources(&self) -> impl Iterator<Item = Source> {
        let (x, y) = match *self {
            Self::Map(_, x) => (x, None),
            Self::Zip(_, x, y) => (x, Some(y)),
        };
        std::iter::once(x).chain(y)
    }
}

/// Operations on floats that are computed tile by tile, each from inputs and from the results of
/// earlier ones. The bits are those of the operations one after another.
#[derive(Debug)]
pub struct Chain<'a, T> {
    len: usize,
    inputs: Vec<Tiles<'a, T>>,
    steps: Vec<Step>,
    /// The step beside which memory works: the last that takes longer than memory does, or else the
    /// last.
    busy: usize,
}

impl<'a, T: Float> Chain<'a, T> {
    /// A chain of steps over `len` numbers.
    ///
    /// # Panics
    /// If an input is not as long, if there are no steps or more than [`MAX_STEPS`], or if a step takes
    /// what is not there before it.
    pub fn new(len: usize, inputs: &[Strided<'a, T>], steps: Vec<Step>) -> Self {
        assert!(inputs.len() <= MAX_INPUTS && inputs.iter().all(|input| input.len() == len));
        assert!((1..=MAX_STEPS).contains(&steps.len()));
        for (index, step) in steps.iter().enumerate() {
            assert!(step.sources().all(|source| match source {
                Source::Input(i) => i < inputs.len(),
                Source::Step(i) => i < index,
            }));
        }
        let busy = steps.iter().rposition(|step| !step.is_cheap()).unwrap_or(steps.len() - 1);
        Self { len, inputs: inputs.iter().map(|&input| Tiles::new(input)).collect(), steps, busy }
    }

    /// True if to compute it takes no longer than to read its inputs from memory.
    pub fn is_cheap(&self) -> bool {
        self.steps.iter().all(Step::is_cheap)
    }

    /// Computes all steps and writes the results of some: for each its index and where they go.
    ///
    /// # Panics
    /// If a length differs.
    pub fn run(&self, on: Machine, outputs: Vec<(usize, &mut [T])>) {
        let large = outputs.first().is_some_and(|(_, out)| is_large(out));
        let outputs: Vec<(usize, Shared<'_, T>)> = outputs
            .into_iter()
            .map(|(step, out)| {
                assert!(out.len() == self.len && step < self.steps.len());
                (step, Shared::new(out))
            })
            .collect();
        // The results of so many steps are written beside the busy one.
        let written = if large { self.busy + 1 } else { 0 };
        let cost_ns = self.steps.len() * self.len / 2;
        on.parallel(self.len.div_ceil(TASK), cost_ns, |task| {
            let mut registers = scratch(self.registers());
            let end = self.len.min((task + 1) * TASK);
            let past = large.then(PastCaches::new);
            let writing = Writing { outputs: &outputs, past: past.as_ref(), end };
            for start in (task * TASK..end).step_by(TILE) {
                let len = TILE.min(end - start);
                let results = self.tile(on.isa, (start, len), &mut registers, Some(&writing));
                for (step, out) in outputs.iter().filter(|(step, _)| *step >= written) {
                    let from = &results[step * TILE..][..len];
                    // SAFETY: each tile is computed once, and each of its results written once.
                    let to = unsafe { out.slice(start, len) };
                    match &past {
                        Some(past) => on.isa.run(CopyPast { past, from, to }),
                        None => to.copy_from_slice(from),
                    }
                }
            }
        });
    }

    /// How many numbers [`Chain::tile`] needs space for.
    fn registers(&self) -> usize {
        (self.inputs.len() + self.steps.len()) * TILE
    }

    /// Computes the steps for a tile; the results of step i lie [`TILE`] · i numbers from the start.
    fn tile<'b>(
        &self,
        isa: Isa,
        (start, len): (usize, usize),
        registers: &'b mut [T],
        writing: Option<&Writing<'_, T>>,
    ) -> &'b [T] {
        let (gathered, results) = registers.split_at_mut(self.inputs.len() * TILE);
        let mut inputs: [&[T]; MAX_INPUTS] = [&[]; MAX_INPUTS];
        let buffers = gathered.chunks_exact_mut(TILE);
        for ((input, tiles), buffer) in inputs.iter_mut().zip(&self.inputs).zip(buffers) {
            *input = tiles.read(start, &mut buffer[..len]);
        }
        for (index, step) in self.steps.iter().enumerate() {
            let (earlier, rest) = results.split_at_mut(index * TILE);
            let out = &mut rest[..len];
            let find = |source| match source {
                Source::Input(i) => inputs[i],
                Source::Step(i) => &earlier[i * TILE..][..len],
            };
            let writing = writing.filter(|_| self.busy == index);
            let beside =
                writing.map(|writing| Beside { inputs: &self.inputs, start, earlier, writing });
            match *step {
                Step::Map(op, x) => isa.run(MapTile { op, x: find(x), out, beside }),
                Step::Zip(op, x, y) => isa.run(ZipTile { op, x: find(x), y: find(y), out, beside }),
            }
        }
        results
    }

    /// How much space [`Chain::read`] needs for `len` results.
    pub(crate) fn space(&self, len: usize) -> usize {
        self.registers() + if len > TILE { len } else { 0 }
    }

    /// The results of the last step from `start` on, computed in a buffer.
    pub(crate) fn read<'b>(
        &self,
        isa: Isa,
        start: usize,
        len: usize,
        buffer: &'b mut [T],
    ) -> &'b [T] {
        let (registers, whole) = buffer.split_at_mut(self.registers());
        let last = (self.steps.len() - 1) * TILE;
        if len <= TILE {
            return &self.tile(isa, (start, len), registers, None)[last..][..len];
        }
        for (index, part) in whole[..len].chunks_mut(TILE).enumerate() {
            let place = (start + index * TILE, part.len());
            let results = self.tile(isa, place, registers, None);
            part.copy_from_slice(&results[last..][..part.len()]);
        }
        &whole[..len]
    }
}

/// What a task writes.
struct Writing<'a, T> {
    /// Steps and where their results go.
    outputs: &'a [(usize, Shared<'a, T>)],
    /// If they go past the caches.
    past: Option<&'a PastCaches>,
    /// Where the task ends.
    end: usize,
}

/// What memory does while a step keeps the processor busy: it brings what the next tile reads, and
/// takes the results that are there. Else each would wait for the other.
struct Beside<'a, T> {
    inputs: &'a [Tiles<'a, T>],
    /// Where the tile begins.
    start: usize,
    /// The results of the steps before, for the tile.
    earlier: &'a [T],
    writing: &'a Writing<'a, T>,
}

impl<T: Float> Beside<'_, T> {
    /// Asks for what the next tile reads in place of the numbers of this one from `start` on.
    #[inline(always)]
    fn ask<S: Simd>(&self, isa: S, start: usize, len: usize) {
        let end = self.writing.end;
        let next = (self.start + TILE + start).min(end);
        for memory in self.inputs.iter().filter_map(Tiles::memory) {
            prefetch(isa, &memory[next..(next + len).min(end)]);
        }
    }

    /// Writes the results of this step and of those before it from `start` on, if they go past the
    /// caches.
    #[inline(always)]
    fn write<S: Simd>(&self, isa: S, start: usize, results: &[T]) {
        let Writing { outputs, past: Some(past), .. } = self.writing else {
            return;
        };
        let len = results.len();
        let this = self.earlier.len() / TILE;
        for (step, out) in *outputs {
            let from = match step.cmp(&this) {
                Ordering::Less => &self.earlier[step * TILE + start..][..len],
                Ordering::Equal => results,
                Ordering::Greater => continue,
            };
            // SAFETY: each tile is computed once, and each of its results written once.
            past.copy(isa, from, unsafe { out.slice(self.start + start, len) });
        }
    }
}

struct MapTile<'a, T> {
    op: Unary,
    x: &'a [T],
    out: &'a mut [T],
    beside: Option<Beside<'a, T>>,
}

impl<T: Float> Routine for MapTile<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, isa: S) {
        let lump = if self.beside.is_some() { LUMP } else { TILE };
        for (index, (x, out)) in self.x.chunks(lump).zip(self.out.chunks_mut(lump)).enumerate() {
            if let Some(beside) = &self.beside {
                beside.ask(isa, index * lump, x.len());
            }
            self.op.tile(isa, x, out);
            if let Some(beside) = &self.beside {
                beside.write(isa, index * lump, out);
            }
        }
    }
}

struct ZipTile<'a, T> {
    op: Binary,
    x: &'a [T],
    y: &'a [T],
    out: &'a mut [T],
    beside: Option<Beside<'a, T>>,
}

impl<T: Float> Routine for ZipTile<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, isa: S) {
        let lump = if self.beside.is_some() { LUMP } else { TILE };
        let inputs = self.x.chunks(lump).zip(self.y.chunks(lump));
        for (index, ((x, y), out)) in inputs.zip(self.out.chunks_mut(lump)).enumerate() {
            if let Some(beside) = &self.beside {
                beside.ask(isa, index * lump, x.len());
            }
            self.op.tile(isa, x, y, out);
            if let Some(beside) = &self.beside {
                beside.write(isa, index * lump, out);
            }
        }
    }
}
