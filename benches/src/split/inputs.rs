//! Numbers that are hard to multiply exactly.

use gradus::tensor::{Rng, Tensor};

/// A kind of numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Normal,
    Positive,
    Wide,
    Cancelling,
    Aligned,
}

/// How many rows the left matrix has, and columns the right one.
pub const ACROSS: usize = 32;

/// The rows of a left matrix and the columns of a right one.
pub struct Operands {
    pub rows: Vec<Vec<f32>>,
    pub columns: Vec<Vec<f32>>,
}

impl Kind {
    pub const ALL: [Self; 5] =
        [Self::Normal, Self::Positive, Self::Wide, Self::Cancelling, Self::Aligned];

    /// What the page calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::Positive => "positive",
            Self::Wide => "wide",
            Self::Cancelling => "cancelling",
            Self::Aligned => "aligned",
        }
    }

    /// What it is.
    pub fn described(self) -> &'static str {
        match self {
            Self::Normal => "of the normal distribution",
            Self::Positive => "between 0 and 1, so that sums only grow",
            Self::Wide => "normal ones times powers of two from 2⁻²⁴ to 2²⁴",
            Self::Cancelling => {
                "normal ones whose second half takes the first half's products away again, but for a \
                 millionth"
            }
            Self::Aligned => {
                "1 + 2⁻⁹ + 2⁻¹⁷ and its double: every part that is left out has the same sign and is as \
                 large as can be"
            }
        }
    }

    /// Rows and columns of some depth, at least 2.
    pub fn operands(self, depth: usize, rng: &mut Rng) -> Operands {
        let mut rows = self.lines(depth, rng);
        let mut columns = self.lines(depth, rng);
        if self == Self::Cancelling {
            let half = depth / 2;
            rows.iter_mut().for_each(|row| row.copy_within(..half, half));
            for column in &mut columns {
                for index in 0..half {
                    column[half + index] = -column[index] * (1.0 + 1e-6);
                }
            }
        }
        Operands { rows, columns }
    }

    fn lines(self, depth: usize, rng: &mut Rng) -> Vec<Vec<f32>> {
        let numbers: Vec<f32> = match self {
            Self::Positive => Tensor::rand([ACROSS, depth], rng).to_vec(),
            _ => Tensor::randn([ACROSS, depth], rng).to_vec(),
        };
        let changed = numbers.into_iter().map(|number| match self {
            Self::Wide => number * 2f32.powi(rng.below(49) as i32 - 24),
            Self::Aligned => (1.0 + 2f32.powi(-9) + 2f32.powi(-17)) * (1 + rng.below(2)) as f32,
            _ => number,
        });
        let changed: Vec<f32> = changed.collect();
        changed.chunks(depth).map(<[f32]>::to_vec).collect()
    }
}

impl Operands {
    /// The same numbers times powers of two, as far as there are such numbers.
    pub fn scaled(&self, rows: i32, columns: i32) -> Self {
        let scaled = |lines: &[Vec<f32>], power: i32| {
            let factor = 2f64.powi(power);
            let of = |line: &Vec<f32>| {
                line.iter().map(|&number| (f64::from(number) * factor) as f32).collect()
            };
            lines.iter().map(of).collect()
        };
        Self { rows: scaled(&self.rows, rows), columns: scaled(&self.columns, columns) }
    }
}
