//! Chains of element-wise operations: what one hands to the next stays in the innermost cache.

use crate::elementwise::{Binary, Unary};
use crate::memory::scratch;
use crate::reduce::{AddRow, ROWS, Reduction, combine_rows};
use crate::simd::{PastCaches, Routine, Simd, prefetch};
use crate::strided::{Strided, TILE, Tiles};
use crate::threads::Shared;
use crate::tiles::{Code1, Code2, CopyPast, LUMP, TASK, is_large};
use crate::{Float, Isa, Machine};
use std::cmp::Ordering;
use std::ops::Range;

/// The most steps that a chain can have.
pub const MAX_STEPS: usize = 16;

/// No chain has more inputs: each step takes two at most.
const MAX_INPUTS: usize = 2 * MAX_STEPS;

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
        self.compute(on, Cut { len: self.len, columns: TILE, rows: TASK / TILE }, outputs, vec![]);
    }

    /// As [`Chain::run`], and sums the results of some steps, as rows of so many columns, over the
    /// rows: for each its index and where the sums go. Their bits are those of
    /// [`reduce`](crate::reduce).
    ///
    /// # Panics
    /// If a length differs, or the columns are not as many as each sum has numbers.
    pub fn run_and_sum(
        &self,
        on: Machine,
        outputs: Vec<(usize, &mut [T])>,
        columns: usize,
        sums: Vec<(usize, &mut [T])>,
    ) {
        assert!(columns > 0 && self.len.is_multiple_of(columns));
        self.compute(on, Cut { len: self.len, columns, rows: ROWS }, outputs, sums);
    }

    fn compute(
        &self,
        on: Machine,
        cut: Cut,
        outputs: Vec<(usize, &mut [T])>,
        sums: Vec<(usize, &mut [T])>,
    ) {
        let large = outputs.first().is_some_and(|(_, out)| is_large(out));
        let outputs: Vec<(usize, Shared<'_, T>)> = outputs
            .into_iter()
            .map(|(step, out)| {
                assert!(out.len() == self.len && step < self.steps.len());
                (step, Shared::new(out))
            })
            .collect();
        assert!(
            sums.iter().all(|(step, sum)| sum.len() == cut.columns && *step < self.steps.len())
        );
        // Of each block of rows first.
        let blocks_len = cut.blocks() * cut.columns;
        let mut partial = scratch(sums.len() * blocks_len);
        let partials = Shared::new(&mut partial);
        // The results of so many steps are written beside the busy one.
        let written = if large { self.busy + 1 } else { 0 };
        let cost_ns = self.steps.len() * self.len / 2;
        on.parallel(cut.tasks(), cost_ns, |task| {
            let mut registers = scratch(self.registers());
            let past = large.then(PastCaches::new);
            let writing = Writing { outputs: &outputs, past: past.as_ref() };
            let total = |index: usize| {
                let columns = cut.columns_of(task);
                let start = index * blocks_len + cut.block(task) * cut.columns + columns.start;
                // SAFETY: each task has columns of a block of its own.
                unsafe { partials.slice(start, columns.len()) }
            };
            (0..sums.len()).for_each(|index| total(index).fill(T::ZERO));
            let mut tiles = cut.tiles(task).peekable();
            while let Some(place) = tiles.next() {
                let (start, len) = (place.start, place.len());
                let next = tiles.peek().cloned().unwrap_or_default();
                let results = self.tile(on.isa, place, &mut registers, Some((&writing, next)));
                for (step, out) in outputs.iter().filter(|(step, _)| *step >= written) {
                    let from = &results[step * TILE..][..len];
                    // SAFETY: each tile is computed once, and each of its results written once.
                    let to = unsafe { out.slice(start, len) };
                    match &past {
                        Some(past) => on.isa.run(CopyPast { past, from, to }),
                        None => to.copy_from_slice(from),
                    }
                }
                for (index, (step, _)) in sums.iter().enumerate() {
                    let (results, out) = (&results[step * TILE..][..len], total(index));
                    for x in results.chunks_exact(out.len()) {
                        on.isa.run(AddRow { x, out });
                    }
                }
            }
        });
        for ((_, sum), blocks) in sums.into_iter().zip(partial.chunks(blocks_len.max(1))) {
            combine_rows(Reduction::Sum, blocks, sum);
        }
    }

    /// How many numbers [`Chain::tile`] needs space for.
    fn registers(&self) -> usize {
        (self.inputs.len() + self.steps.len()) * TILE
    }

    /// Computes the steps for a tile; the results of step i lie [`TILE`] · i numbers from the start.
    fn tile<'b>(
        &self,
        isa: Isa,
        place: Range<usize>,
        registers: &'b mut [T],
        writing: Option<(&Writing<'_, T>, Range<usize>)>,
    ) -> &'b [T] {
        let (start, len) = (place.start, place.len());
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
            let beside = writing.clone().filter(|_| self.busy == index).map(|(writing, next)| {
                Beside { inputs: &self.inputs, start, next, earlier, writing }
            });
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
            return &self.tile(isa, start..start + len, registers, None)[last..][..len];
        }
        for (index, part) in whole[..len].chunks_mut(TILE).enumerate() {
            let start = start + index * TILE;
            let results = self.tile(isa, start..start + part.len(), registers, None);
            part.copy_from_slice(&results[last..][..part.len()]);
        }
        &whole[..len]
    }
}

/// How the numbers of a chain, as rows, are cut into tasks, and those into tiles: pieces of long rows,
/// or several short rows.
#[derive(Clone, Copy)]
struct Cut {
    /// How many numbers there are; the last row may be shorter.
    len: usize,
    columns: usize,
    /// How many rows a task takes.
    rows: usize,
}

impl Cut {
    /// How many parts a row has.
    fn parts(self) -> usize {
        self.columns.div_ceil(TILE)
    }

    /// How many blocks of rows there are.
    fn blocks(self) -> usize {
        self.len.div_ceil(self.rows * self.columns)
    }

    fn tasks(self) -> usize {
        self.blocks() * self.parts()
    }

    /// The block of a task.
    fn block(self, task: usize) -> usize {
        task / self.parts()
    }

    /// The columns of a task.
    fn columns_of(self, task: usize) -> Range<usize> {
        let first = task % self.parts() * TILE;
        first..self.columns.min(first + TILE)
    }

    /// The tiles of a task.
    fn tiles(self, task: usize) -> impl Iterator<Item = Range<usize>> {
        let columns = self.columns_of(task);
        let rows = (TILE / self.columns).max(1);
        let first = self.block(task) * self.rows * self.columns;
        let end = self.len.min(first + self.rows * self.columns);
        let starts = (first + columns.start..end).step_by(rows * self.columns);
        starts.map(move |start| start..end.min(start + rows * columns.len()))
    }
}

/// What a task writes.
struct Writing<'a, T> {
    /// Steps and where their results go.
    outputs: &'a [(usize, Shared<'a, T>)],
    /// If they go past the caches.
    past: Option<&'a PastCaches>,
}

/// What memory does while a step keeps the processor busy: it brings what the next tile reads, and
/// takes the results that are there. Else each would wait for the other.
struct Beside<'a, T> {
    inputs: &'a [Tiles<'a, T>],
    /// Where the tile begins.
    start: usize,
    /// The next tile, if there is one.
    next: Range<usize>,
    /// The results of the steps before, for the tile.
    earlier: &'a [T],
    writing: &'a Writing<'a, T>,
}

impl<T: Float> Beside<'_, T> {
    /// Asks for what the next tile reads in place of the numbers of this one from `start` on.
    #[inline(always)]
    fn ask<S: Simd>(&self, isa: S, start: usize, len: usize) {
        let Range { start: next, end } = self.next;
        let part = (next + start).min(end)..(next + start + len).min(end);
        for memory in self.inputs.iter().filter_map(Tiles::memory) {
            prefetch(isa, &memory[part.clone()]);
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
