//! What the machine can do at most, measured while the peers are.

use gradus_kernels::simd::{Routine, Simd, Vector};
use gradus_kernels::{Isa, Machine};
use std::hint::black_box;
use std::time::Instant;

/// Which limit a workload runs against, and how much of it a step needs.
#[derive(Clone, Copy, Debug)]
pub enum Limit {
    /// Multiplications and additions in `f32`, each counted.
    Arithmetic(f64),
    /// Bytes that must be read from memory or written to it.
    Memory(f64),
    /// Too little work for either: the overhead of the framework.
    None,
}

impl Limit {
    /// The share of the machine's limit that a step of this length uses.
    pub fn share(self, peak: Peak, step_ms: f64) -> Option<f64> {
        match self {
            Self::Arithmetic(operations) => Some(operations / (step_ms * 1e6) / peak.gflops),
            Self::Memory(bytes) => Some(bytes / (step_ms * 1e6) / peak.gigabytes_per_s),
            Self::None => None,
        }
    }
}

/// What all threads together can do.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Peak {
    /// Fused multiply-adds of `f32`, two operations each, in 10⁹ a second.
    pub gflops: f64,
    /// Copying between large arrays, read and written, in 10⁹ bytes a second.
    pub gigabytes_per_s: f64,
}

impl Peak {
    /// Measures both, in about a tenth of a second.
    pub fn measure(on: Machine) -> Self {
        Self { gflops: arithmetic(on), gigabytes_per_s: memory(on) }
    }
}

/// Chains of multiply-adds that do not wait for each other: more than any processor keeps in flight.
const CHAINS: usize = 16;

struct MultiplyAdds {
    rounds: usize,
}

impl Routine for MultiplyAdds {
    /// The operations that were done.
    type Output = f64;

    #[inline(always)]
    fn run<S: Simd>(self, isa: S) -> f64 {
        let mut sums = [S::F32::splat(isa, black_box(1.0)); CHAINS];
        let (factor, term) = (S::F32::splat(isa, black_box(0.5)), S::F32::splat(isa, 0.25));
        for _ in 0..self.rounds {
            for sum in &mut sums {
                *sum = sum.mul_add(factor, term);
            }
        }
        let total: f32 = sums.into_iter().map(Vector::sum).sum();
        black_box(total);
        (2 * CHAINS * S::F32::LANES * self.rounds) as f64
    }
}

fn arithmetic(on: Machine) -> f64 {
    let operations = |isa: Isa| isa.run(MultiplyAdds { rounds: 2_000_000 });
    best_rate(|| {
        std::thread::scope(|scope| {
            let others: Vec<_> =
                (1..on.threads).map(|_| scope.spawn(|| operations(on.isa))).collect();
            let own = operations(on.isa);
            own + others.into_iter().map(|other| other.join().expect("no panic")).sum::<f64>()
        })
    })
}

fn memory(on: Machine) -> f64 {
    const LEN: usize = 16 << 20;
    let from = vec![1f32; LEN];
    let mut to = vec![0f32; LEN];
    best_rate(|| {
        std::thread::scope(|scope| {
            let len = LEN.div_ceil(on.threads);
            for (to, from) in to.chunks_mut(len).zip(from.chunks(len)) {
                scope.spawn(|| to.copy_from_slice(from));
            }
        });
        black_box(&mut to);
        (2 * LEN * size_of::<f32>()) as f64
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
