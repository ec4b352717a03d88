//! Which range of a layer's inputs gets codes.

use gradus_tensor::kernel::CodeScale;
use gradus_tensor::{Error, Result};

/// Which numbers of a layer's inputs get codes; those beyond get the code of the nearest. A narrower
/// range has finer codes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Ranges {
    /// From the least to the largest number that was seen.
    MinMax,
    /// As many per cent of the numbers, above 50: so many of the largest and of the least are left out
    /// as a half of the rest.
    Percentile(f64),
    /// The range whose codes have the least squared error, by the counts of the numbers in
    /// 2048 bins.
    #[default]
    LeastError,
}

impl Ranges {
    /// Says whether it can be.
    ///
    /// # Errors
    /// [`Error::Setting`], if not.
    pub fn check(&self) -> Result<()> {
        match self {
            Self::Percentile(share) if !(*share > 50.0 && *share <= 100.0) => {
                let message = format!("ranges of {share} per cent: above 50, up to 100, can be");
                Err(Error::Setting(message))
            }
            _ => Ok(()),
        }
    }

    /// True if numbers are to be counted, not only their ends known.
    pub(super) fn wants_counts(self) -> bool {
        self != Self::MinMax
    }

    /// The codes for numbers of which so many were seen.
    pub(super) fn choose(self, counts: &Counts) -> CodeScale {
        let [low, high] = match self {
            Self::MinMax => counts.ends,
            Self::Percentile(share) => counts.inner((1.0 - share / 100.0) / 2.0),
            Self::LeastError => counts.of_least_error(),
        };
        CodeScale::covering(low as f32, high as f32)
    }
}

/// How far numbers reach, zero included.
#[derive(Debug, Default)]
pub(super) struct Reach {
    ends: [f32; 2],
    any: bool,
    odd: bool,
}

impl Reach {
    pub(super) fn add(&mut self, x: f32) {
        self.any = true;
        self.odd |= !x.is_finite();
        self.ends = [self.ends[0].min(x), self.ends[1].max(x)];
    }

    /// The ends, or why there are none.
    pub(super) fn ends(&self) -> Result<[f64; 2], &'static str> {
        match self {
            Self { odd: true, .. } => Err("its inputs are not all finite"),
            Self { any: false, .. } => Err("no layer that could used it on the samples"),
            Self { ends, .. } => Ok(ends.map(f64::from)),
        }
    }
}

/// How many bins there are between the ends.
const BINS: usize = 2048;

/// How many ranges are tried for each end.
const TRIES: usize = 50;

/// How many numbers lie where between two ends, of which one may be zero and none is beyond it.
#[derive(Debug)]
pub(super) struct Counts {
    ends: [f64; 2],
    /// Those that are zero: they have a code without error, and are in no bin.
    zeros: u64,
    bins: Vec<u64>,
}

impl Counts {
    pub(super) fn new(ends: [f64; 2]) -> Self {
        Self { ends, zeros: 0, bins: vec![0; BINS] }
    }

    pub(super) fn add(&mut self, x: f32) {
        if x == 0.0 {
            self.zeros += 1;
            return;
        }
        let [low, high] = self.ends;
        let place = (f64::from(x) - low) / (high - low) * BINS as f64;
        self.bins[(place as usize).min(BINS - 1)] += 1;
    }

    /// Where a bin starts.
    fn edge(&self, bin: usize) -> f64 {
        let [low, high] = self.ends;
        low + (high - low) * bin as f64 / BINS as f64
    }

    /// The range without a share of the numbers at each end.
    fn inner(&self, share: f64) -> [f64; 2] {
        let most = (share * (self.zeros + self.bins.iter().sum::<u64>()) as f64) as u64;
        let few = |count: &u64, left_out: &mut u64| {
            *left_out += count;
            *left_out <= most
        };
        let bins = &self.bins;
        let [mut below, mut above] = [0, 0];
        let first = bins.iter().take_while(|count| few(count, &mut below)).count();
        let last = BINS - bins.iter().rev().take_while(|count| few(count, &mut above)).count();
        [self.edge(first).min(0.0), self.edge(last).max(0.0)]
    }

    /// The range of least error: first the upper end is moved, then the lower.
    fn of_least_error(&self) -> [f64; 2] {
        let [low, high] = self.ends;
        let part = |end: f64, tried: usize| end * tried as f64 / TRIES as f64;
        let best = |range: &dyn Fn(usize) -> [f64; 2]| {
            let ranges = (1..=TRIES).rev().map(range);
            let errors = ranges.map(|range| (self.error(range), range));
            errors.min_by(|a, b| a.0.total_cmp(&b.0)).map_or(self.ends, |(_, range)| range)
        };
        let [_, high] = best(&|tried| [low, part(high, tried)]);
        best(&|tried| [part(low, tried), high])
    }

    /// The sum of squared errors of codes for a range: within it they are even within half a code.
    fn error(&self, [low, high]: [f64; 2]) -> f64 {
        let rounding = ((high - low) / 255.0).powi(2) / 12.0;
        let each = self.bins.iter().enumerate().map(|(bin, &count)| {
            let middle = (self.edge(bin) + self.edge(bin + 1)) / 2.0;
            let beyond = (low - middle).max(middle - high).max(0.0);
            let error = if beyond > 0.0 { beyond.powi(2) } else { rounding };
            count as f64 * error
        });
        each.sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gradus_tensor::{Rng, Tensor};

    fn counts(numbers: &[f32]) -> Counts {
        let mut reach = Reach::default();
        numbers.iter().for_each(|&x| reach.add(x));
        let mut counts = Counts::new(reach.ends().unwrap());
        numbers.iter().for_each(|&x| counts.add(x));
        counts
    }

    /// The sum of the squared errors that codes really have.
    fn error(numbers: &[f32], scale: CodeScale) -> f64 {
        numbers.iter().map(|&x| f64::from(scale.rounded(x) - x).powi(2)).sum()
    }

    #[test]
    fn ranges_leave_out_what_costs_more_than_it_gives() {
        let mut numbers = Tensor::randn(20_000, &mut Rng::new(1)).to_vec::<f32>();
        numbers.extend([60.0, -3.0]);
        let counts = counts(&numbers);
        let [all, most, least] = [Ranges::MinMax, Ranges::Percentile(99.9), Ranges::LeastError]
            .map(|ranges| ranges.choose(&counts));
        let high = |scale: CodeScale| f64::from(scale.scale) * f64::from(255 - scale.zero);
        assert!((high(all) - 60.0).abs() < 0.3);
        assert!((2.5..4.5).contains(&high(most)), "{most:?}");
        assert!(error(&numbers, least) <= error(&numbers, all));
        // A single number far out is worth less than finer codes for very many.
        let mut many = Tensor::randn(400_000, &mut Rng::new(2)).to_vec::<f32>();
        many.push(9.0);
        let counts = self::counts(&many);
        let [all, least] = [Ranges::MinMax, Ranges::LeastError].map(|it| it.choose(&counts));
        assert!(error(&many, least) < 0.8 * error(&many, all), "{all:?} {least:?}");
    }

    #[test]
    fn zeros_and_numbers_of_one_sign_have_ranges_too() {
        for ranges in [Ranges::MinMax, Ranges::Percentile(99.0), Ranges::LeastError] {
            assert_eq!(ranges.choose(&counts(&[0.0, 0.0])).rounded(0.0), 0.0);
            let scale = ranges.choose(&counts(&[0.5, 1.0, 1.0, 1.0]));
            assert_eq!(scale.zero, 0);
            assert!((scale.rounded(1.0) - 1.0).abs() < 0.01, "{ranges:?} {scale:?}");
        }
        assert!(Ranges::Percentile(20.0).check().is_err());
        assert!(Reach::default().ends().is_err());
    }
}
