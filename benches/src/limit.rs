//! What the machine can do at most, measured while the peers are.

use gradus_kernels::{Machine, Precision, multiply_adds};
use std::hint::black_box;
use std::thread;
use std::time::Instant;

/// Which limit a workload runs against, and how much of it a step needs.
#[derive(Clone, Copy, Debug)]
pub enum Limit {
    /// Multiplications and additions, each counted.
    Arithmetic(f64),
    /// Bytes that must be read from memory or written to it.
    Memory(f64),
    /// Too little work for either: the overhead of the framework.
    None,
}

impl Limit {
    /// 10⁹ operations or bytes a second, if a step takes so long.
    pub fn rate(self, step_ms: f64) -> Option<f64> {
        match self {
            Self::Arithmetic(amount) | Self::Memory(amount) => Some(amount / (step_ms * 1e6)),
            Self::None => None,
        }
    }
}

/// What measures the machine's limits: two large arrays.
pub struct Probe {
    from: Vec<f32>,
    to: Vec<f32>,
}

/// The limit of a workload as it is now, in 10⁹ operations or bytes a second.
#[derive(Clone, Copy, Debug)]
pub struct Reached {
    limit: Limit,
    rate: f64,
}

impl Reached {
    /// The share of the limit that a step of this length uses.
    pub fn share(self, step_ms: f64) -> Option<f64> {
        Some(self.limit.rate(step_ms)? / self.rate)
    }
}

impl Probe {
    /// Makes the arrays: 64 MiB each, more than any cache holds.
    pub fn new() -> Self {
        const LEN: usize = 16 << 20;
        Self { from: vec![1.0; LEN], to: vec![2.0; LEN] }
    }

    /// Measures what bounds a workload, in some hundredths of a second: multiply-adds of numbers as
    /// the precision has them, or copying between the arrays, read and written.
    pub fn measure(&mut self, limit: Limit, on: Machine, precision: Precision) -> Reached {
        let rate = match limit {
            Limit::Arithmetic(_) => arithmetic(on, precision),
            Limit::Memory(_) => self.memory(on),
            Limit::None => f64::NAN,
        };
        Reached { limit, rate }
    }

    fn memory(&mut self, on: Machine) -> f64 {
        let Self { from, to } = self;
        best_rate(|| {
            thread::scope(|scope| {
                let len = from.len().div_ceil(on.threads);
                for (to, from) in to.chunks_mut(len).zip(from.chunks(len)) {
                    scope.spawn(move || to.copy_from_slice(from));
                }
            });
            black_box(&mut *to);
            (2 * size_of_val(&from[..])) as f64
        })
    }
}

fn arithmetic(on: Machine, precision: Precision) -> f64 {
    let operations = || multiply_adds(on, precision, 2_000_000);
    best_rate(|| {
        thread::scope(|scope| {
            let others: Vec<_> = (1..on.threads).map(|_| scope.spawn(operations)).collect();
            let own = operations();
            own + others.into_iter().map(|other| other.join().expect("no panic")).sum::<f64>()
        })
    })
}

/// The best of a few runs, in 10⁹ a second, of something that says how much it did.
fn best_rate(mut run: impl FnMut() -> f64) -> f64 {
    (0..3).fold(0.0, |best, _| {
        let start = Instant::now();
        let done = run();
        best.max(done / start.elapsed().as_secs_f64() / 1e9)
    })
}
