//! Errors of products, beside sums in `f64`.

use super::inputs::{ACROSS, Kind, Operands};
use super::unit::{Method, Range, Split};
use gradus::tensor::{Precision, Rng, Tensor, with_precision};

/// The methods in the order of the page: what others are measured against first.
pub const METHODS: [Method; 4] =
    [Method::Plain, Method::Split(1), Method::Split(3), Method::Split(6)];

/// The depths of products.
pub const DEPTHS: [usize; 5] = [64, 256, 1024, 4096, 16_384];

/// The depth at which numbers of all sizes are multiplied.
const SCALED_DEPTH: usize = 256;

/// The largest errors of a product of matrices, each relative to the sum of the sizes of its products:
/// a sum that cancels has a larger error relative to itself, with `f32` as with any other method.
pub struct Errors {
    /// In the order of [`METHODS`].
    pub modelled: [f64; 4],
    /// What Gradus itself computes on this processor: with `Precision::Highest`, and with
    /// `Precision::Medium`.
    pub computed: [f64; 2],
    /// Whether the check lets the numbers be split.
    pub safe: bool,
}

/// The errors at each depth.
pub fn by_depth(kind: Kind) -> Vec<(usize, Errors)> {
    let mut rng = Rng::new(1);
    DEPTHS.map(|depth| (depth, errors(&kind.operands(depth, &mut rng)))).into()
}

/// How the operands of a product get larger and smaller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Growth {
    /// Both by the same power of two.
    Both,
    /// The left one shrinks as the right one grows.
    Apart,
}

/// The errors of normal numbers times powers of two.
pub fn by_size(growth: Growth) -> Vec<(i32, Errors)> {
    let operands = Kind::Normal.operands(SCALED_DEPTH, &mut Rng::new(2));
    let powers = match growth {
        Growth::Both => -72..=56,
        Growth::Apart => 0..=120,
    };
    let scaled = |power: i32| match growth {
        Growth::Both => operands.scaled(power, power),
        Growth::Apart => operands.scaled(-power, power),
    };
    powers.step_by(4).map(|power| (power, errors(&scaled(power)))).collect()
}

fn errors(operands: &Operands) -> Errors {
    let Operands { rows, columns } = operands;
    let exact = table(rows, columns, |a, b| exact_dot(a, b));
    let sizes = table(rows, columns, |a, b| sum(a, b, |product| product.abs()));
    let error = |found: Vec<f64>| {
        let of = |((found, exact), size): ((&f64, &f64), &f64)| (found - exact).abs() / size;
        let known = found.iter().zip(&exact).zip(&sizes).filter(|(_, size)| **size > 0.0);
        known.map(of).fold(0.0, largest)
    };
    let split = |lines: &[Vec<f32>]| lines.iter().cloned().map(Split::new).collect::<Vec<_>>();
    let (left, right) = (split(rows), split(columns));
    let modelled =
        METHODS.map(|method| error(table(&left, &right, |a, b| f64::from(method.dot(a, b)))));
    let depth = rows[0].len();
    let matrix = |lines: &[Vec<f32>]| Tensor::from_vec(lines.concat(), [ACROSS, depth]);
    let (x, w) = (matrix(rows), matrix(columns).transpose(0, 1));
    let computed = [Precision::Highest, Precision::Medium].map(|precision| {
        let product: Vec<f32> = with_precision(precision, || x.matmul(&w)).to_vec();
        error(product.into_iter().map(f64::from).collect())
    });
    let range = |lines: &[Vec<f32>]| Range::of(&lines.concat());
    Errors { modelled, computed, safe: range(rows).is_safe(range(columns)) }
}

/// The larger of two errors; what is not a number counts as infinite.
fn largest(a: f64, b: f64) -> f64 {
    if b.is_nan() { f64::INFINITY } else { a.max(b) }
}

fn table<T>(rows: &[T], columns: &[T], dot: impl Fn(&T, &T) -> f64) -> Vec<f64> {
    rows.iter()
        .flat_map(|row| columns.iter().map(|column| dot(row, column)).collect::<Vec<_>>())
        .collect()
}

fn exact_dot(a: &[f32], b: &[f32]) -> f64 {
    sum(a, b, |product| product)
}

/// The sum of something of the products, which are exact in `f64`.
fn sum(a: &[f32], b: &[f32], of: fn(f64) -> f64) -> f64 {
    a.iter().zip(b).map(|(a, b)| of(f64::from(*a) * f64::from(*b))).sum()
}

/// Two numbers, of which one is at an end of the range of `f32`.
pub struct Special {
    pub numbers: [f32; 2],
    /// What the methods make of their product, in the order of [`METHODS`].
    pub products: [f32; 4],
    pub safe: bool,
}

/// Products of numbers at the ends of the range.
pub fn specials() -> Vec<Special> {
    let largest = f32::MAX;
    let pairs = [
        [f32::INFINITY, 1.0],
        [f32::NAN, 1.0],
        [largest, 0.5],
        [2f32.powi(127), 1.0],
        [2f32.powi(-130), 2f32.powi(30)],
        [1.1 * 2f32.powi(-120), 2f32.powi(20)],
        [1.1 * 2f32.powi(-60), 1.1 * 2f32.powi(-60)],
        [1.1 * 2f32.powi(-64), 1.1 * 2f32.powi(-64)],
        [0.0, 3.0],
    ];
    let special = |numbers: [f32; 2]| {
        let [a, b] = numbers.map(|number| Split::new(vec![number]));
        let products = METHODS.map(|method| method.dot(&a, &b));
        let safe = Range::of(&a.numbers).is_safe(Range::of(&b.numbers));
        Special { numbers, products, safe }
    };
    pairs.map(special).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn six_products_of_what_passes_the_check_are_as_exact_as_plain_ones() {
        for kind in Kind::ALL {
            let errors = errors(&kind.operands(512, &mut Rng::new(3)));
            let [plain, one, three, six] = errors.modelled;
            assert!(errors.safe, "{kind:?}");
            assert!(six <= 2.0 * plain.max(1e-7), "{kind:?}: {six:e} beside {plain:e}");
            assert!(three < 4e-5 && one < 1e-2, "{kind:?}: {three:e}, {one:e}");
        }
    }

    #[test]
    fn what_the_check_refuses_is_needed() {
        let operands = Kind::Normal.operands(64, &mut Rng::new(4)).scaled(-60, -60);
        let errors = errors(&operands);
        assert!(!errors.safe && errors.modelled[3] > 10.0 * errors.modelled[0]);
    }
}
