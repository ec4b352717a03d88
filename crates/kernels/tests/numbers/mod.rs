//! Numbers that look random.

use gradus_kernels::Float;

/// Numbers in [-1, 1) from a linear congruential generator.
pub fn numbers<T: Float>(count: usize, seed: u64) -> Vec<T> {
    let mut state = seed;
    let mut next = || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f64 / (1u64 << 23) as f64 - 1.0
    };
    (0..count).map(|_| T::from_f64(next())).collect()
}
