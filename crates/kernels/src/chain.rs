//! Chains of element-wise operations: what one hands to the next stays in the innermost cache.

use crate::elementwise::{Binary, Unary};
use crate::memory::scratch;
use crate::simd::{Routine, Simd, stream};
use crate::strided::{Strided, TILE, Tiles};
use crate::threads::Shared;
use crate::tiles::{Code1, Code2, TASK, is_large};
use crate::{Float, Isa, Machine};

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
        Self { len, inputs: inputs.iter().map(|&input| Tiles::new(input)).collect(), steps }
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
        let cost_ns = self.steps.len() * self.len / 2;
        on.parallel(self.len.div_ceil(TASK), cost_ns, |task| {
            let mut registers = scratch(self.registers());
            let end = self.len.min((task + 1) * TASK);
            for start in (task * TASK..end).step_by(TILE) {
                let len = TILE.min(end - start);
                let results = self.tile(on.isa, start, len, &mut registers);
                for (step, out) in &outputs {
                    let from = &results[step * TILE..][..len];
                    // SAFETY: each tile is computed once.
                    let to = unsafe { out.slice(start, len) };
                    match large {
                        true => on.isa.run(Stream { from, to }),
                        false => to.copy_from_slice(from),
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
    fn tile<'b>(&self, isa: Isa, start: usize, len: usize, registers: &'b mut [T]) -> &'b [T] {
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
            match *step {
                Step::Map(op, x) => isa.run(MapTile { op, x: find(x), out }),
                Step::Zip(op, x, y) => isa.run(ZipTile { op, x: find(x), y: find(y), out }),
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
            return &self.tile(isa, start, len, registers)[last..][..len];
        }
        for (index, part) in whole[..len].chunks_mut(TILE).enumerate() {
            let results = self.tile(isa, start + index * TILE, part.len(), registers);
            part.copy_from_slice(&results[last..][..part.len()]);
        }
        &whole[..len]
    }
}

struct MapTile<'a, T> {
    op: Unary,
    x: &'a [T],
    out: &'a mut [T],
}

impl<T: Float> Routine for MapTile<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, isa: S) {
        self.op.tile(isa, self.x, self.out);
    }
}

struct ZipTile<'a, T> {
    op: Binary,
    x: &'a [T],
    y: &'a [T],
    out: &'a mut [T],
}

impl<T: Float> Routine for ZipTile<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, isa: S) {
        self.op.tile(isa, self.x, self.y, self.out);
    }
}

struct Stream<'a, T> {
    from: &'a [T],
    to: &'a mut [T],
}

impl<T: Float> Routine for Stream<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, isa: S) {
        stream(isa, self.from, self.to);
    }
}
