//! Sums of products as tiles of `bf16` compute them, and as multiply-adds of `f32` do, in software.
//!
//! # Source
//! The operation of `tdpbf16ps` and `vcvtne2ps2bf16` in Intel's Software Developer's Manual, volume 2:
//! denormal numbers count as zero, results that would be denormal become zero, sums round to the
//! nearest and halves to even.

/// How many numbers deep a sum is before it is added to the result, as in Gradus' own products.
const BLOCK: usize = 256;

/// How many numbers deep one instruction multiplies.
const STEPS: usize = 32;

/// Which part of the left number is multiplied with which of the right one, the largest products first.
const PRODUCTS: [(usize, usize); 6] = [(0, 0), (0, 1), (1, 0), (1, 1), (0, 2), (2, 0)];

/// How products are computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Multiply-adds of `f32`.
    Plain,
    /// The first of the products of parts: one, three or six.
    Split(usize),
}

/// Numbers, and the parts that they are split into.
pub struct Split {
    pub numbers: Vec<f32>,
    parts: [Vec<f32>; 3],
}

impl Split {
    pub fn new(numbers: Vec<f32>) -> Self {
        let parts: Vec<[f32; 3]> = numbers.iter().map(|&number| split(number)).collect();
        let parts = [0, 1, 2].map(|index| parts.iter().map(|parts| parts[index]).collect());
        Self { numbers, parts }
    }
}

/// A number as three of `bf16`, whose sum it is if none of them is too small or too large.
fn split(number: f32) -> [f32; 3] {
    let first = rounded(number);
    let rest = number - first;
    let second = rounded(rest);
    [first, second, rounded(rest - second)]
}

/// The nearest number of `bf16`, halves to even; zero for denormal numbers.
fn rounded(number: f32) -> f32 {
    let number = flushed(number);
    if number.is_nan() {
        return number;
    }
    let bits = number.to_bits();
    f32::from_bits((bits + 0x7fff + (bits >> 16 & 1)) & 0xffff_0000)
}

/// Zero in the place of denormal numbers, with their sign.
fn flushed(number: f32) -> f32 {
    if number.is_subnormal() { 0f32.copysign(number) } else { number }
}

impl Method {
    /// The sum of the products of numbers.
    pub fn dot(self, left: &Split, right: &Split) -> f32 {
        let depth = left.numbers.len();
        let blocks = (0..depth).step_by(BLOCK).map(|start| start..depth.min(start + BLOCK));
        let sums = blocks.map(|range| match self {
            Self::Plain => plain(&left.numbers[range.clone()], &right.numbers[range]),
            Self::Split(count) => {
                let part = |of: &Split, index: usize| of.parts[index][range.clone()].to_vec();
                let left = [0, 1, 2].map(|index| part(left, index));
                let right = [0, 1, 2].map(|index| part(right, index));
                tiles(&PRODUCTS[..count], &left, &right)
            }
        });
        sums.fold(0.0, |total, sum| total + sum)
    }
}

fn plain(left: &[f32], right: &[f32]) -> f32 {
    left.iter().zip(right).fold(0.0, |sum, (a, b)| a.mul_add(*b, sum))
}

/// Some products of parts of a block, the smallest first at each place, so that the large ones do not
/// swallow them.
fn tiles(products: &[(usize, usize)], left: &[Vec<f32>; 3], right: &[Vec<f32>; 3]) -> f32 {
    let depth = left[0].len();
    let mut sum = 0.0;
    for start in (0..depth).step_by(STEPS) {
        let range = start..depth.min(start + STEPS);
        for &(i, j) in products.iter().rev() {
            sum = tile(sum, &left[i][range.clone()], &right[j][range.clone()]);
        }
    }
    sum
}

/// One instruction, for one sum: even and odd places are summed apart. The product of two numbers of
/// `bf16` is a number of `f32`, so that a multiply-add rounds the sum alone.
fn tile(sum: f32, left: &[f32], right: &[f32]) -> f32 {
    let mut sums = [0f32; 2];
    for (index, (a, b)) in left.iter().zip(right).enumerate() {
        let sum = &mut sums[index % 2];
        *sum = flushed(a.mul_add(*b, *sum));
    }
    flushed(sum + flushed(sums[0] + sums[1]))
}

/// The exponents of numbers that are not zero.
#[derive(Clone, Copy, Debug)]
pub struct Range {
    least: i32,
    most: i32,
}

/// The exponent of a number that is not finite, or that becomes so when it is rounded to `bf16`.
const TOO_LARGE: i32 = 128;

impl Range {
    /// What a kernel would find out while it packs the numbers.
    pub fn of(numbers: &[f32]) -> Self {
        let mut range = Self { least: i32::MAX, most: i32::MIN };
        for &number in numbers.iter().filter(|&&number| number != 0.0) {
            let exponent = match number {
                number if number.is_subnormal() => -127,
                number if !rounded(number).is_finite() => TOO_LARGE,
                number => (number.to_bits() >> 23 & 0xff) as i32 - 127,
            };
            range = Self { least: range.least.min(exponent), most: range.most.max(exponent) };
        }
        range
    }

    /// True if products by parts lose nothing to underflow and overflow: every part is a normal number,
    /// and so is the smallest bit of every product of numbers.
    pub fn is_safe(self, other: Self) -> bool {
        /// The least exponent of a number of which each of 24 bits is normal.
        const LEAST: i32 = -126 + 24;
        let product = self.least.saturating_add(other.least);
        self.most.max(other.most) < TOO_LARGE && self.least.min(other.least).min(product) >= LEAST
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn normal_numbers_are_the_sum_of_their_parts() {
        let mut bits = 0x0c80_0000u32;
        while bits < 0x7f7f_0000 {
            let number = f32::from_bits(bits);
            let parts = split(number);
            assert_eq!(parts.map(f64::from).iter().sum::<f64>(), f64::from(number));
            assert!(parts.iter().all(|part| part.to_bits() & 0xffff == 0), "{number}");
            bits += 0x0001_2345;
        }
    }

    #[test]
    fn rounding_is_to_the_nearest_and_to_even() {
        for (bits, expected) in [
            (0x3f80_7fff, 0x3f80_0000),
            (0x3f80_8000, 0x3f80_0000),
            (0x3f81_8000, 0x3f82_0000),
            (0x3f80_8001, 0x3f81_0000),
            (0x7f7f_ffff, 0x7f80_0000),
            (0xff80_0000, 0xff80_0000),
            (0x8000_0001, 0x8000_0000),
        ] {
            assert_eq!(rounded(f32::from_bits(bits)).to_bits(), expected, "{bits:x}");
        }
        assert!(rounded(f32::NAN).is_nan());
    }

    #[test]
    fn sums_of_small_integers_are_exact() {
        let numbers = |factor: usize| (0..300).map(|i| (i * factor % 17) as f32 - 8.0).collect();
        let (left, right) = (Split::new(numbers(5)), Split::new(numbers(7)));
        let exact: f32 = left.numbers.iter().zip(&right.numbers).map(|(a, b)| a * b).sum();
        for method in [Method::Plain, Method::Split(1), Method::Split(3), Method::Split(6)] {
            assert_eq!(method.dot(&left, &right), exact, "{method:?}");
        }
    }

    #[test]
    fn what_a_tile_would_get_wrong_is_not_safe() {
        let one = Range::of(&[0.0, 1.0, -2.0]);
        assert!(one.is_safe(one));
        for bad in [f32::INFINITY, f32::NAN, f32::MAX, 1e-40, 2f32.powi(-103)] {
            assert!(!one.is_safe(Range::of(&[1.0, bad])), "{bad}");
            assert!(!Range::of(&[1.0, bad]).is_safe(one), "{bad}");
        }
        assert!(one.is_safe(Range::of(&[2f32.powi(-102)])));
        let small = Range::of(&[2f32.powi(-52)]);
        assert!(!small.is_safe(small));
        let nothing = Range::of(&[0.0]);
        assert!(nothing.is_safe(one) && nothing.is_safe(nothing));
    }
}
