//! Streams of random numbers.

use gradus_kernels::random::Philox;

/// A stream of random numbers: the same seed gives the same numbers, on any machine and at any
/// number of threads.
///
/// The stream is counter-based: its state is a key and a position, so it can be saved, resumed, and
/// split into independent streams. There is no global one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rng {
    key: u64,
    position: u64,
}

impl Rng {
    /// The stream of a seed.
    pub fn new(seed: u64) -> Self {
        Self { key: seed, position: 0 }
    }

    /// A stream that shares nothing with this one or with those split off before. This one moves on.
    pub fn split(&mut self) -> Self {
        let [low, high, ..] = Philox::new(self.key).block(self.take(1), SPLIT);
        Self::new((high as u64) << 32 | low as u64)
    }

    /// The key and the position, from which [`Rng::from_state`] makes the same stream.
    pub fn state(&self) -> (u64, u64) {
        (self.key, self.position)
    }

    /// The stream with a key, at a position.
    pub fn from_state((key, position): (u64, u64)) -> Self {
        Self { key, position }
    }

    /// An integer below a bound, all equally likely.
    ///
    /// # Panics
    /// If the bound is 0.
    #[track_caller]
    pub fn below(&mut self, bound: u64) -> u64 {
        assert!(bound > 0, "no integer is below 0");
        // Lemire 2019, "Fast Random Integer Generation in an Interval", algorithm 5.
        loop {
            let product = self.next_u64() as u128 * bound as u128;
            if product as u64 >= bound.wrapping_neg() % bound {
                return (product >> 64) as u64;
            }
        }
    }

    /// A number in [0, 1), in steps of 2⁻⁵³.
    pub fn uniform(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// The numbers 0 to `count - 1` in random order.
    pub fn permutation(&mut self, count: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..count).collect();
        for i in (1..count).rev() {
            order.swap(i, self.below(i as u64 + 1) as usize);
        }
        order
    }

    fn next_u64(&mut self) -> u64 {
        let [low, high, ..] = Philox::new(self.key).block(self.take(1), SINGLE);
        (high as u64) << 32 | low as u64
    }

    /// Moves on by a number of blocks, and says where they start.
    pub(crate) fn take(&mut self, blocks: u64) -> u64 {
        let start = self.position;
        self.position = self.position.wrapping_add(blocks);
        start
    }

    pub(crate) fn key(&self) -> u64 {
        self.key
    }
}

/// What keeps blocks for one purpose apart from those for another.
const SPLIT: u64 = 1;
const SINGLE: u64 = 2;
