//! How sure a figure is that was found with a few samples.

use gradus_tensor::{Error, Result, Rng};
use std::fmt::{Display, Formatter};

/// Intervals for figures by the bootstrap: samples are drawn anew from the samples, with replacement
/// and as many as there are, again and again; where most of the figures of these draws lie, the figure
/// of other samples of the same kind would lie.
///
/// The interval is that of percentiles: between the (1 - level) / 2 and the (1 + level) / 2 quantile
/// of the figures. It is rather too narrow for few samples, fewer than a hundred say.
///
/// ```
/// use gradus_train::Bootstrap;
///
/// // 90 of 100 samples are right.
/// let right: Vec<f64> = (0..100).map(|i| f64::from(i % 10 > 0)).collect();
/// let mean = |drawn: &[usize]| drawn.iter().map(|&i| right[i]).sum::<f64>() / drawn.len() as f64;
/// let interval = Bootstrap::default().interval(right.len(), mean)?;
/// assert_eq!(interval.value, 0.9);
/// assert!(0.8 < interval.low && interval.low < 0.87 && 0.93 < interval.high && interval.high < 1.0);
/// # Ok::<(), gradus_tensor::Error>(())
/// ```
///
/// # Source
/// Efron, Tibshirani 1993, An Introduction to the Bootstrap, chapter 13.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bootstrap {
    /// How often samples are drawn.
    pub resamples: usize,
    /// The share of the draws whose figures lie in the interval.
    pub level: f64,
    /// What they are drawn from: the same draws, for the same number of samples.
    pub seed: u64,
}

impl Default for Bootstrap {
    /// 2000 draws, 95 %.
    fn default() -> Self {
        Self { resamples: 2000, level: 0.95, seed: 0 }
    }
}

/// A figure, and where it would lie for other samples of the same kind.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    /// The figure of all samples.
    pub value: f64,
    /// The lower end.
    pub low: f64,
    /// The upper end.
    pub high: f64,
}

impl Interval {
    /// True if a number lies within.
    pub fn contains(&self, number: f64) -> bool {
        (self.low..=self.high).contains(&number)
    }
}

impl Display for Interval {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        let digits = f.precision().unwrap_or(4);
        let Self { value, low, high } = self;
        write!(f, "{value:.digits$} ({low:.digits$} to {high:.digits$})")
    }
}

impl Bootstrap {
    /// Refuses what cannot be.
    ///
    /// # Errors
    /// [`Error::Setting`], if there are too few draws for the level, or it is not between 0 and 1.
    pub fn check(&self) -> Result<()> {
        let Self { resamples, level, .. } = self;
        if !(*level > 0.0 && *level < 1.0) {
            return Err(Error::Setting(format!(
                "bootstrap: a level of {level} is no share: give one such as 0.95"
            )));
        }
        // Less than one draw on either side would make the ends those of two draws.
        let least = (2.0 / (1.0 - level)).ceil() as usize;
        match *resamples >= least {
            true => Ok(()),
            false => Err(Error::Setting(format!(
                "bootstrap: {resamples} draws are too few for a level of {level}: give {least} or \
                 more"
            ))),
        }
    }

    /// The interval of a figure of `count` samples. `figure` is given the numbers of the samples that
    /// it is to be found of: some of them several times, others not at all.
    ///
    /// # Errors
    /// Those of [`Bootstrap::check`], or [`Error::Setting`] if there is no sample.
    pub fn interval(
        &self,
        count: usize,
        mut figure: impl FnMut(&[usize]) -> f64,
    ) -> Result<Interval> {
        let intervals = self.intervals(count, |drawn| vec![figure(drawn)])?;
        Ok(intervals[0])
    }

    /// The intervals of several figures, each of the same draws. One that is NaN for a draw, as that
    /// of a class of which no sample was drawn, is taken over the other draws; it is NaN without any.
    ///
    /// # Errors
    /// As [`Bootstrap::interval`].
    ///
    /// # Panics
    /// If `figures` does not always give as many.
    #[track_caller]
    pub fn intervals(
        &self,
        count: usize,
        mut figures: impl FnMut(&[usize]) -> Vec<f64>,
    ) -> Result<Vec<Interval>> {
        self.check()?;
        if count == 0 {
            return Err(Error::Setting("bootstrap: there is no sample to draw from".into()));
        }
        let all: Vec<usize> = (0..count).collect();
        let values = figures(&all);
        let mut draws: Vec<Vec<f64>> = values.iter().map(|_| vec![]).collect();
        let mut streams = Rng::new(self.seed);
        let mut drawn = all;
        for _ in 0..self.resamples {
            // Each draw has a stream of its own: how many numbers one takes concerns no other.
            let mut rng = streams.split();
            drawn.iter_mut().for_each(|index| *index = rng.below(count as u64) as usize);
            let figures = figures(&drawn);
            let (found, wanted) = (figures.len(), values.len());
            assert!(
                found == wanted,
                "bootstrap: {found} figures of a draw, {wanted} of all samples"
            );
            for (draws, figure) in draws.iter_mut().zip(figures) {
                draws.extend((!figure.is_nan()).then_some(figure));
            }
        }
        let tail = (1.0 - self.level) / 2.0;
        let interval = |(value, mut draws): (f64, Vec<f64>)| {
            draws.sort_by(f64::total_cmp);
            let (low, high) = (quantile(&draws, tail), quantile(&draws, 1.0 - tail));
            Interval { value, low, high }
        };
        Ok(values.into_iter().zip(draws).map(interval).collect())
    }

    /// The interval of `first - second`, two figures of the same samples, such as those of two models:
    /// the paired bootstrap. Where it does not contain zero, the models differ by more than the choice
    /// of the samples.
    ///
    /// # Errors
    /// As [`Bootstrap::interval`].
    pub fn difference(
        &self,
        count: usize,
        mut first: impl FnMut(&[usize]) -> f64,
        mut second: impl FnMut(&[usize]) -> f64,
    ) -> Result<Interval> {
        self.interval(count, |drawn| first(drawn) - second(drawn))
    }
}

/// The quantile of sorted numbers, between two of them by their distances; NaN of none. NumPy:
/// `quantile(method="linear")`.
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else {
        return f64::NAN;
    };
    let place = share * last as f64;
    let (below, part) = (place as usize, place.fract());
    let (low, high) = (sorted[below], sorted[(below + 1).min(last)]);
    // Two infinite ends have no difference.
    if low == high { low } else { low + part * (high - low) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mean(numbers: &[f64], drawn: &[usize]) -> f64 {
        drawn.iter().map(|&index| numbers[index]).sum::<f64>() / drawn.len() as f64
    }

    fn normal(rng: &mut Rng) -> f64 {
        // Box, Muller 1958, equation 1.
        (-2.0 * (1.0 - rng.uniform()).ln()).sqrt() * (std::f64::consts::TAU * rng.uniform()).cos()
    }

    #[test]
    fn quantiles_are_those_of_numpy() {
        // numpy.quantile([1, 2, 4, 8], [0, 0.1, 0.5, 0.9, 1])
        let found = [0.0, 0.1, 0.5, 0.9, 1.0].map(|share| quantile(&[1.0, 2.0, 4.0, 8.0], share));
        for (found, wanted) in found.into_iter().zip([1.0, 1.3, 3.0, 6.8, 8.0]) {
            assert!((found - wanted).abs() < 1e-12, "{found}, not {wanted}");
        }
        assert_eq!(quantile(&[3.0], 0.3), 3.0);
        assert_eq!(quantile(&[f64::INFINITY; 3], 0.3), f64::INFINITY);
        assert!(quantile(&[], 0.5).is_nan());
    }

    #[test]
    fn an_interval_covers_the_truth_as_often_as_it_says() {
        let mut rng = Rng::new(11);
        let options = Bootstrap { resamples: 200, ..Default::default() };
        for (level, within) in [(0.95, 0.91..0.98), (0.8, 0.75..0.85)] {
            let rounds = 400;
            let mut covered = 0;
            for seed in 0..rounds {
                // Right answers with a probability of 0.7, and the spread of normal numbers.
                let numbers: Vec<f64> = (0..60)
                    .map(|_| {
                        if seed % 2 == 0 {
                            f64::from(rng.uniform() < 0.7)
                        } else {
                            normal(&mut rng)
                        }
                    })
                    .collect();
                let truth = if seed % 2 == 0 { 0.7 } else { 0.0 };
                let options = Bootstrap { level, seed, ..options };
                let interval = options.interval(60, |drawn| mean(&numbers, drawn)).unwrap();
                covered += u32::from(interval.contains(truth));
            }
            let share = f64::from(covered) / rounds as f64;
            assert!(within.contains(&share), "{share} at a level of {level}");
        }
    }

    #[test]
    fn the_interval_of_a_mean_is_as_wide_as_theory_says() {
        let mut rng = Rng::new(3);
        let numbers: Vec<f64> = (0..500).map(|_| normal(&mut rng)).collect();
        let interval = Bootstrap::default().interval(500, |drawn| mean(&numbers, drawn)).unwrap();
        let own = interval.value;
        let variance = numbers.iter().map(|x| (x - own).powi(2)).sum::<f64>() / 500.0;
        let wanted = 1.96 * (variance / 500.0).sqrt();
        for side in [own - interval.low, interval.high - own] {
            assert!((side / wanted - 1.0).abs() < 0.1, "{side}, not {wanted}");
        }
    }

    #[test]
    fn pairs_tell_models_apart_that_intervals_do_not() {
        // Both are right about the same easy samples; the second misses a few more.
        let first: Vec<f64> = (0..400).map(|i| f64::from(i % 5 > 0)).collect();
        let second: Vec<f64> = (0..400).map(|i| f64::from(i % 5 > 0 && i % 40 != 1)).collect();
        let options = Bootstrap::default();
        let own = |numbers: &[f64]| options.interval(400, |drawn| mean(numbers, drawn)).unwrap();
        let (one, other) = (own(&first), own(&second));
        assert!(one.low < other.high, "{one} and {other}");
        let difference = options
            .difference(400, |drawn| mean(&first, drawn), |drawn| mean(&second, drawn))
            .unwrap();
        assert!((difference.value - 0.025).abs() < 1e-12, "{difference}");
        assert!(difference.low > 0.0 && !difference.contains(0.0), "{difference}");
        let same =
            options.difference(400, |drawn| mean(&first, drawn), |drawn| mean(&first, drawn));
        assert_eq!(same.unwrap(), Interval { value: 0.0, low: 0.0, high: 0.0 });
    }

    #[test]
    fn draws_follow_from_the_seed_and_skip_what_is_no_number() {
        let squares: Vec<f64> = (0..40).map(|i| f64::from(i * i)).collect();
        let with = |seed| {
            let options = Bootstrap { seed, ..Default::default() };
            options.interval(40, |drawn| mean(&squares, drawn)).unwrap()
        };
        assert_eq!(with(1), with(1));
        assert_ne!(with(1), with(2));
        let numbers = [1.0, 2.0, 4.0, 8.0, 16.0];
        // Without the first sample the figure is none.
        let lacking = |drawn: &[usize]| match drawn.contains(&0) {
            true => vec![mean(&numbers, drawn), f64::NAN],
            false => vec![f64::NAN, f64::NAN],
        };
        let found = Bootstrap::default().intervals(5, lacking).unwrap();
        assert!(found[0].low >= 1.0 && found[0].high < 16.0, "{}", found[0]);
        assert!(found[1].low.is_nan() && found[1].high.is_nan());
    }

    #[test]
    fn options_that_cannot_be_are_told() {
        let said =
            |options: Bootstrap, count| options.interval(count, |_| 0.0).unwrap_err().to_string();
        let options = Bootstrap::default();
        assert!(said(Bootstrap { level: 1.0, ..options }, 3).contains("a level of 1 is no share"));
        assert!(said(Bootstrap { level: f64::NAN, ..options }, 3).contains("no share"));
        let few = said(Bootstrap { resamples: 7, level: 0.75, ..options }, 3);
        assert!(few.contains("7 draws") && few.contains("give 8 or more"), "{few}");
        assert!(said(options, 0).contains("no sample"));
        assert_eq!(
            Interval { value: 0.5, low: 0.25, high: 0.75 }.to_string(),
            "0.5000 (0.2500 to 0.7500)"
        );
    }
}
