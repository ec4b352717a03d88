//! What the processor can do at most, as a measure for everything else.

use crate::gemm::{PART, SIDE, TileUnit, TileWork};
use crate::multiplier::{self, Bf16Pairs, Format, Multiplier, Unrounded, Work};
use crate::simd::{Simd, Vector};
use crate::{Machine, Precision};
use std::hint::black_box;

/// Chains of multiply-adds that do not wait for each other: as many as any processor keeps in
/// flight, where their sums fit into the registers, and fewer where they do not.
const MANY: usize = 16;
const FEW: usize = 12;

/// Multiplies and adds in registers on this thread alone, `count` times in each of several chains.
/// Gives back how many operations that were; a multiplication and an addition are two.
///
/// The numbers are `f32`, or `bf16` where matrix products of this precision round to it: pairs, or tiles,
/// of which fewer are counted.
pub fn multiply_adds(on: Machine, precision: Precision, count: usize) -> f64 {
    if precision.rounds() && on.isa.multiplies_tiles() {
        return on.isa.run_tiles(TileChains { count: count.div_ceil(CHAINS_A_PRODUCT) });
    }
    match multiplier::rounds::<f32>(on, precision) {
        true => Bf16Pairs::run(on.isa, Chains { count }),
        false => <Unrounded as Format<f32>>::run(on.isa, Chains { count }),
    }
}

struct Chains {
    count: usize,
}

/// How many rounds of chains take about as long as a product of tiles.
const CHAINS_A_PRODUCT: usize = 128;

struct TileChains {
    count: usize,
}

impl TileWork for TileChains {
    type Output = f64;

    #[inline(always)]
    fn run<U: TileUnit>(self, unit: U) -> f64 {
        // Both operands are the same panel, which stays in the innermost cache.
        const STEPS: usize = 16;
        let (panel, mut sums) = ([0; STEPS * PART], [0.0; SIDE * SIDE]);
        for _ in 0..self.count {
            unit.multiply::<1>(black_box(&panel), &panel, &mut sums);
        }
        (2 * SIDE * SIDE * SIDE * STEPS * self.count) as f64
    }
}

impl<P> Work<f32, P> for Chains {
    type Output = f64;

    #[inline(always)]
    fn run<M: Multiplier<Scalar = f32, Packed = P>>(self, multiplier: M) -> f64 {
        match M::Isa::TILE_ROWS * M::Isa::TILE_VECTORS >= MANY {
            true => multiply::<M, MANY>(multiplier, self.count),
            false => multiply::<M, FEW>(multiplier, self.count),
        }
    }
}

#[inline(always)]
fn multiply<M: Multiplier<Scalar = f32>, const CHAINS: usize>(multiplier: M, count: usize) -> f64 {
    let mut half = [M::Packed::default()];
    multiplier.pack_neighbours(&[0.5; 2][..M::STEPS], &mut half);
    let factors = multiplier.splat(black_box(half[0]));
    let mut sums = [M::Sums::splat(multiplier.isa(), 0.0); CHAINS];
    // Of different numbers, so that no compiler finds the chains to be one.
    for (index, sum) in sums.iter_mut().enumerate() {
        *sum = M::Sums::splat(multiplier.isa(), black_box(index as f32));
    }
    for _ in 0..count {
        for sum in &mut sums {
            *sum = multiplier.multiply_add(factors, factors, *sum);
        }
    }
    for sum in sums {
        black_box(sum.sum());
    }
    (2 * M::STEPS * M::Sums::LANES * CHAINS * count) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Isa;

    #[test]
    fn operations_are_counted() {
        for isa in Isa::available() {
            let on = Machine { isa, threads: 1 };
            let exact = multiply_adds(on, Precision::Highest, 10);
            assert!(exact >= 2.0 * 10.0 * FEW as f64, "{isa}: {exact}");
            assert_eq!(multiply_adds(on, Precision::Highest, 30), 3.0 * exact);
            let rounded = multiply_adds(on, Precision::Medium, 1280);
            if isa.multiplies_tiles() {
                assert_eq!(rounded, 10.0 * 2.0 * 32.0 * 32.0 * 32.0 * 16.0);
            } else {
                let pairs = if isa.multiplies_pairs() { 2.0 } else { 1.0 };
                assert_eq!(rounded, pairs * 128.0 * exact);
            }
        }
    }
}
