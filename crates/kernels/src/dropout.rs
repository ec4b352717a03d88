//! Dropout: numbers left out at random, the same ones for the same stream.

use crate::random::Philox;
use crate::simd::{Routine, Simd};
use crate::strided::{Strided, TILE, Tiles};
use crate::tiles::TASK;
use crate::{Chunks, Float, Machine};
use std::mem::take;

/// Which numbers are left out.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Dropout {
    /// How likely a number is left out.
    pub share: f64,
    /// The key of the random stream.
    pub key: u64,
    /// Where in the stream.
    pub position: u64,
}

/// How many blocks of the generator are drawn at once. The numbers they decide on depend on it.
const BLOCKS: usize = 16;

/// How many numbers the blocks drawn at once decide on.
const GROUP: usize = 4 * BLOCKS;

/// How many blocks of the generator the dropout of `count` numbers takes.
pub fn blocks(count: usize) -> u64 {
    (count.div_ceil(GROUP) * BLOCKS) as u64
}

/// outᵢ = 0 with the probability `share`, else xᵢ / (1 - share).
///
/// # Panics
/// If `out` is not as long as `x`.
pub fn dropout<T: Float>(on: Machine, dropout: Dropout, x: Strided<'_, T>, out: &mut [T]) {
    assert_eq!(x.len(), out.len());
    let x = &Tiles::new(x);
    let cost_ns = out.len();
    on.for_each(Chunks::new(out, TASK), cost_ns, |index, out| {
        on.isa.run(Task { dropout, x, start: index * TASK, out });
    });
}

struct Task<'a, T> {
    dropout: Dropout,
    x: &'a Tiles<'a, T>,
    start: usize,
    out: &'a mut [T],
}

impl<T: Float> Routine for Task<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let coins = Coins::new(self.dropout);
        let mut buffer = [T::ZERO; TILE];
        for (index, out) in self.out.chunks_mut(TILE).enumerate() {
            let start = self.start + index * TILE;
            let x = self.x.read(start, &mut buffer[..out.len()]);
            let groups = x.chunks(GROUP).zip(out.chunks_mut(GROUP));
            for (group, (x, out)) in (start / GROUP..).zip(groups) {
                let words = coins.words(group);
                for ((out, &x), &word) in out.iter_mut().zip(x).zip(words.as_flattened()) {
                    *out = coins.decide(word, x);
                }
            }
        }
    }
}

/// Drops out, in place, numbers that stand side by side from a place of the whole on.
#[inline(always)]
pub(crate) fn drop_out<T: Float>(dropout: Dropout, start: usize, mut x: &mut [T]) {
    let coins = Coins::new(dropout);
    let mut place = start;
    while !x.is_empty() {
        let offset = place % GROUP;
        let count = x.len().min(GROUP - offset);
        let (now, later) = take(&mut x).split_at_mut(count);
        x = later;
        let words = coins.words(place / GROUP);
        for (x, &word) in now.iter_mut().zip(&words.as_flattened()[offset..]) {
            *x = coins.decide(word, *x);
        }
        place += now.len();
    }
}

/// What decides whether a number stays.
struct Coins<T> {
    generator: Philox,
    position: u64,
    /// A word of the generator below it leaves a number out.
    bound: u64,
    /// By which the others grow.
    factor: T,
}

impl<T: Float> Coins<T> {
    #[inline(always)]
    fn new(Dropout { share, key, position }: Dropout) -> Self {
        Self {
            generator: Philox::new(key),
            position,
            bound: (share * (1u64 << 32) as f64).round() as u64,
            factor: if share < 1.0 { T::from_f64(1.0 / (1.0 - share)) } else { T::ZERO },
        }
    }

    /// The words for a group of numbers.
    #[inline(always)]
    fn words(&self, group: usize) -> [[u32; BLOCKS]; 4] {
        let first = self.position.wrapping_add((group * BLOCKS) as u64);
        self.generator.blocks::<BLOCKS>(first, 0)
    }

    #[inline(always)]
    fn decide(&self, word: u32, x: T) -> T {
        if (word as u64) < self.bound { T::ZERO } else { x.times(self.factor) }
    }
}
