//! Random numbers by counting: each number depends on a key and its own position only, so any
//! thread can make any part of a stream.

use crate::{Chunks, Float, Machine};

/// The generator Philox4x32-10, a function of a key and a counter.
///
/// # Source
/// Salmon, Moraes, Dror, Shaw 2011, "Parallel Random Numbers: As Easy as 1, 2, 3", section 4.3.
#[derive(Clone, Copy, Debug)]
pub struct Philox {
    key: [u32; 2],
}

impl Philox {
    /// The generator of a key.
    pub fn new(key: u64) -> Self {
        Self { key: [key as u32, (key >> 32) as u32] }
    }

    /// The four numbers at a position of a sub-stream.
    #[inline(always)]
    pub fn block(self, position: u64, stream: u64) -> [u32; 4] {
        let mut x =
            [position as u32, (position >> 32) as u32, stream as u32, (stream >> 32) as u32];
        let mut key = self.key;
        for round in 0..10 {
            if round > 0 {
                key[0] = key[0].wrapping_add(0x9E37_79B9);
                key[1] = key[1].wrapping_add(0xBB67_AE85);
            }
            let first = x[0] as u64 * 0xD251_1F53;
            let second = x[2] as u64 * 0xCD9E_8D57;
            x = [
                (second >> 32) as u32 ^ x[1] ^ key[0],
                second as u32,
                (first >> 32) as u32 ^ x[3] ^ key[1],
                first as u32,
            ];
        }
        x
    }

    /// `N` blocks from a position of a sub-stream on: the first word of each, then the second, the
    /// third and the fourth of each, as [`Philox::block`] gives them.
    #[inline(always)]
    pub(crate) fn blocks<const N: usize>(self, position: u64, stream: u64) -> [[u32; N]; 4] {
        let mut x = [[0; N], [0; N], [stream as u32; N], [(stream >> 32) as u32; N]];
        let [lows, highs, ..] = &mut x;
        for (i, (low, high)) in lows.iter_mut().zip(highs).enumerate() {
            let position = position.wrapping_add(i as u64);
            (*low, *high) = (position as u32, (position >> 32) as u32);
        }
        let mut key = self.key;
        for round in 0..10 {
            if round > 0 {
                key[0] = key[0].wrapping_add(0x9E37_79B9);
                key[1] = key[1].wrapping_add(0xBB67_AE85);
            }
            let [a, b, c, d] = &mut x;
            for (((a, b), c), d) in a.iter_mut().zip(b).zip(c).zip(d) {
                let first = *a as u64 * 0xD251_1F53;
                let second = *c as u64 * 0xCD9E_8D57;
                *a = (second >> 32) as u32 ^ *b ^ key[0];
                *b = second as u32;
                *c = (first >> 32) as u32 ^ *d ^ key[1];
                *d = first as u32;
            }
        }
        x
    }
}

/// Which numbers are drawn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Distribution {
    /// All numbers in [0, 1) alike, in steps of 2⁻²⁴ for `f32` and 2⁻⁵³ for `f64`.
    Uniform,
    /// The normal distribution with mean 0 and standard deviation 1.
    Normal,
}

/// How many blocks of the generator `count` numbers take: two numbers come from each.
pub fn blocks(count: usize) -> u64 {
    count.div_ceil(2) as u64
}

/// Fills a slice with random numbers, from a position of a key's stream on.
pub fn fill<T: Float>(
    on: Machine,
    distribution: Distribution,
    (key, position): (u64, u64),
    out: &mut [T],
) {
    let generator = Philox::new(key);
    let cost_ns = out.len() * 8;
    on.for_each(Chunks::new(out, CHUNK), cost_ns, |index, out| {
        let first = position.wrapping_add((index * CHUNK / 2) as u64);
        for (i, pair) in out.chunks_mut(2).enumerate() {
            let [a, b, c, d] = generator.block(first.wrapping_add(i as u64), 0);
            for (out, (low, high)) in pair.iter_mut().zip([(a, b), (c, d)]) {
                let bits = (high as u64) << 32 | low as u64;
                *out = match distribution {
                    Distribution::Uniform => uniform(bits),
                    // The middle of a step, so that neither 0 nor 1 is reached.
                    Distribution::Normal => {
                        let middle = ((bits >> 12) as f64 + 0.5) / (1u64 << 52) as f64;
                        T::from_f64(normal_quantile(middle))
                    }
                };
            }
        }
    });
}

/// How many numbers one task draws; even, so that no block is cut.
const CHUNK: usize = 4096;

/// The number in [0, 1) that the highest bits make: 24 for `f32`, 53 for `f64`.
#[inline(always)]
fn uniform<T: Float>(bits: u64) -> T {
    if size_of::<T>() == 4 {
        T::from_f64((bits >> 40) as f64 / (1u64 << 24) as f64)
    } else {
        T::from_f64((bits >> 11) as f64 / (1u64 << 53) as f64)
    }
}

/// The number below which a share `p` of the normal distribution lies, with a relative error of
/// about 1e-16. It uses the four operations, a square root and `libm`'s logarithm, and so gives the
/// same bits on every machine.
///
/// # Source
/// Wichura 1988, "Algorithm AS 241: The Percentage Points of the Normal Distribution", Applied
/// Statistics 37(3), routine PPND16.
pub fn normal_quantile(p: f64) -> f64 {
    let q = p - 0.5;
    if q.abs() <= 0.425 {
        let r = 0.180_625 - q * q;
        return q * ratio(&CENTRE, r);
    }
    let tail = if q < 0.0 { p } else { 1.0 - p };
    let r = (-libm::log(tail)).sqrt();
    let quantile = if r <= 5.0 { ratio(&MIDDLE, r - 1.6) } else { ratio(&FAR, r - 5.0) };
    quantile.copysign(q)
}

/// The quotient of two polynomials, their coefficients given from the constant on.
#[inline(always)]
fn ratio((above, below): &([f64; 8], [f64; 8]), r: f64) -> f64 {
    let polynomial =
        |coefficients: &[f64; 8]| coefficients.iter().rev().fold(0.0, |sum, c| sum * r + c);
    polynomial(above) / polynomial(below)
}

const CENTRE: ([f64; 8], [f64; 8]) = (
    [
        3.387_132_872_796_366_5,
        1.331_416_678_917_843_8e2,
        1.971_590_950_306_551_3e3,
        1.373_169_376_550_946e4,
        4.592_195_393_154_987e4,
        6.726_577_092_700_87e4,
        3.343_057_558_358_813e4,
        2.509_080_928_730_122_7e3,
    ],
    [
        1.0,
        4.231_333_070_160_091e1,
        6.871_870_074_920_579e2,
        5.394_196_021_424_751e3,
        2.121_379_430_158_659_7e4,
        3.930_789_580_009_271e4,
        2.872_908_573_572_194_3e4,
        5.226_495_278_852_545e3,
    ],
);
const MIDDLE: ([f64; 8], [f64; 8]) = (
    [
        1.423_437_110_749_683_5,
        4.630_337_846_156_546,
        5.769_497_221_460_691,
        3.647_848_324_763_204_5,
        1.270_458_252_452_368_4,
        2.417_807_251_774_506e-1,
        2.272_384_498_926_918_4e-2,
        7.745_450_142_783_414e-4,
    ],
    [
        1.0,
        2.053_191_626_637_759,
        1.676_384_830_183_803_8,
        6.897_673_349_851e-1,
        1.481_039_764_274_800_8e-1,
        1.519_866_656_361_645_7e-2,
        5.475_938_084_995_345e-4,
        1.050_750_071_644_416_9e-9,
    ],
);
const FAR: ([f64; 8], [f64; 8]) = (
    [
        6.657_904_643_501_103,
        5.463_784_911_164_114,
        1.784_826_539_917_291_3,
        2.965_605_718_285_048_7e-1,
        2.653_218_952_657_612_4e-2,
        1.242_660_947_388_078_4e-3,
        2.711_555_568_743_487_6e-5,
        2.010_334_399_292_288_1e-7,
    ],
    [
        1.0,
        5.998_322_065_558_88e-1,
        1.369_298_809_227_358e-1,
        1.487_536_129_085_061_5e-2,
        7.868_691_311_456_133e-4,
        1.846_318_317_510_054_8e-5,
        1.421_511_758_316_446e-7,
        2.044_263_103_389_939_8e-15,
    ],
);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Isa;

    #[test]
    fn the_generator_gives_the_published_numbers() {
        // From the authors' known-answer tests (Random123, kat_vectors).
        assert_eq!(
            Philox::new(0).block(0, 0),
            [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]
        );
        let ones = Philox::new(u64::MAX).block(u64::MAX, u64::MAX);
        assert_eq!(ones, [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]);
    }

    #[test]
    fn quantiles_undo_the_distribution_function() {
        for i in 1..2000 {
            let p = if i < 1000 { i as f64 / 1000.0 } else { 10f64.powi(-(i - 996) / 4) };
            let x = normal_quantile(p);
            let back = 0.5 * libm::erfc(-x / std::f64::consts::SQRT_2);
            // A relative error e of x changes p by about a factor of 1 + e x².
            let bound = 1e-15 * (1.0 + x * x) * p;
            assert!((back - p).abs() <= bound, "{p} became {back}");
        }
    }

    #[test]
    fn the_same_stream_at_any_number_of_threads_and_the_right_moments() {
        for distribution in [Distribution::Uniform, Distribution::Normal] {
            let draw = |threads| {
                let mut out = vec![0f32; 100_001];
                fill(Machine { isa: Isa::Portable, threads }, distribution, (7, 3), &mut out);
                out
            };
            let numbers = draw(1);
            assert_eq!(numbers, draw(3));
            let count = numbers.len() as f64;
            let mean = numbers.iter().map(|&x| x as f64).sum::<f64>() / count;
            let variance = numbers.iter().map(|&x| (x as f64 - mean).powi(2)).sum::<f64>() / count;
            let (wanted_mean, wanted_variance) = match distribution {
                Distribution::Uniform => (0.5, 1.0 / 12.0),
                Distribution::Normal => (0.0, 1.0),
            };
            assert!((mean - wanted_mean).abs() < 0.01, "{distribution:?}: mean {mean}");
            assert!((variance / wanted_variance - 1.0).abs() < 0.02, "{distribution:?}");
        }
    }

    #[test]
    fn several_blocks_are_the_same_as_one_by_one() {
        let generator = Philox::new(0x0123_4567_89AB_CDEF);
        for position in [0, 7, u32::MAX as u64 - 2, u64::MAX - 1] {
            let several = generator.blocks::<5>(position, 3);
            for i in 0..5 {
                let one = generator.block(position.wrapping_add(i as u64), 3);
                assert_eq!(one, several.map(|words| words[i]));
            }
        }
    }
}
