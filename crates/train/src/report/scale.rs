//! How numbers become places and words: axes, their ticks, and the writing of figures.

use std::ops::Range;

/// What the values of a chart are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unit {
    /// Plain numbers.
    #[default]
    Number,
    /// Shares of one, shown as percentages: 0.5 reads 50 %.
    Percent,
}

impl Unit {
    /// A value as an axis counts it.
    pub(super) fn scaled(self, value: f64) -> f64 {
        match self {
            Unit::Number => value,
            Unit::Percent => 100.0 * value,
        }
    }

    /// A value in words.
    pub(super) fn written(self, value: f64) -> String {
        match self {
            Unit::Number => number(value),
            Unit::Percent if value.is_finite() => percent(value, 2) + "\u{A0}%",
            Unit::Percent => number(value),
        }
    }
}

/// A stretch of the line of numbers, laid onto 0 to 1.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Axis {
    low: f64,
    high: f64,
    pub logarithmic: bool,
    /// Where the ticks are, and what stands beside them.
    pub ticks: Vec<(f64, String)>,
}

/// Magnitudes that can be drawn: beyond the first, sums overflow; below the second, all is zero.
const LARGEST: f64 = 1e300;
const SMALLEST: f64 = 1e-300;

/// From which ratio of the largest value to the smallest on an axis is logarithmic: from here on
/// the smaller half of the values lies on the ground of a linear one.
const LOGARITHMIC_FROM: f64 = 50.0;

/// The powers of ten whose numbers are written without them.
const PLAIN: Range<i32> = -4..6;

/// A value that has a place on an axis; none if it is not finite or too large to reckon with.
pub(super) fn drawable(value: f64) -> Option<f64> {
    let magnitude = value.abs();
    (magnitude <= LARGEST).then_some(if magnitude < SMALLEST { 0.0 } else { value })
}

impl Axis {
    /// The axis that shows values of a unit, which are drawable.
    pub fn of_values(values: &[f64], unit: Unit) -> Self {
        let scaled = || values.iter().map(|&value| unit.scaled(value));
        let low = scaled().reduce(f64::min).unwrap_or(0.0);
        let high = scaled().reduce(f64::max).unwrap_or(1.0);
        match unit {
            Unit::Number if low > 0.0 && high / low >= LOGARITHMIC_FROM => {
                Self::logarithmic(low, high)
            }
            // Zero is worth showing when it is near.
            Unit::Number if low > 0.0 && low < high / 2.0 => Self::linear(0.0, high),
            Unit::Number => Self::linear(low, high),
            Unit::Percent => {
                let floor = if low >= 0.0 { 0.0 } else { f64::NEG_INFINITY };
                let ceiling = if high <= 100.0 { 100.0 } else { f64::INFINITY };
                Self::linear(low, high).within(floor, ceiling).labelled("\u{A0}%")
            }
        }
    }

    /// The axis that shows drawable values, never by their logarithms.
    pub fn of_plain_values(values: &[f64]) -> Self {
        let low = values.iter().copied().reduce(f64::min).unwrap_or(0.0);
        let high = values.iter().copied().reduce(f64::max).unwrap_or(1.0);
        Self::linear(low, high)
    }

    /// The axis that shows the epochs from `low` to `high`, with some space at its ends.
    pub fn of_epochs(low: f64, high: f64) -> Self {
        let alone = 0.5_f64.max(low.abs() * 1e-9);
        let margin = if low < high { (high - low) / 38.0 } else { alone };
        let step = Step::at_least(((high - low) / 8.0).max(1.0));
        let mut ticks = step.ticks(low, high);
        if ticks.is_empty() {
            ticks.push((low, number(low)));
        }
        Self { low: low - margin, high: high + margin, logarithmic: false, ticks }
    }

    /// An axis that begins and ends at ticks, round `low` to `high`.
    fn linear(low: f64, high: f64) -> Self {
        let (low, high) = spread(low, high);
        let step = Step::at_least((high - low) / 5.0);
        let (low, high) =
            (step.times(step.count(low).floor()), step.times(step.count(high).ceil()));
        Self { low, high, logarithmic: false, ticks: step.ticks(low, high) }
    }

    /// An axis on which every factor of ten is of the same length, round `low` to `high`. It ends
    /// at 1, 2 or 5 times a power of ten, or whole decades of it could be empty.
    fn logarithmic(low: f64, high: f64) -> Self {
        let (first, last) = (low.log10().floor() as i32, high.log10().ceil() as i32);
        let marks = (first..=last).flat_map(|power| [1.0, 2.0, 5.0].map(|digit| (digit, power)));
        let marks: Vec<(f64, i32)> = marks.collect();
        let value = |&(digit, power): &(f64, i32)| decimal(digit, power);
        let start = marks.iter().rposition(|mark| value(mark) <= low).unwrap_or(0);
        let end = marks.iter().position(|mark| value(mark) >= high).unwrap_or(marks.len() - 1);
        let decades = last - first;
        let every = (decades + 7) / 8;
        let ticks = marks[start..=end]
            .iter()
            .filter(|&&(digit, power)| decades <= 3 || (digit == 1.0 && power % every == 0));
        let ticks = ticks.map(|mark| (value(mark), power_of_ten(mark.0, mark.1))).collect();
        Self { low: value(&marks[start]), high: value(&marks[end]), logarithmic: true, ticks }
    }

    /// Cuts the axis, and the ticks that fall outside.
    fn within(mut self, low: f64, high: f64) -> Self {
        (self.low, self.high) = (self.low.max(low), self.high.min(high));
        self.ticks.retain(|&(tick, _)| (self.low..=self.high).contains(&tick));
        self
    }

    /// Writes something behind every tick.
    fn labelled(mut self, suffix: &str) -> Self {
        self.ticks.iter_mut().for_each(|(_, label)| label.push_str(suffix));
        self
    }

    /// Where a value lies: 0 at the low end, 1 at the high end.
    pub fn place(&self, value: f64) -> f64 {
        if self.logarithmic {
            (value.ln() - self.low.ln()) / (self.high.ln() - self.low.ln())
        } else {
            (value - self.low) / (self.high - self.low)
        }
    }
}

/// `low` and `high`, moved apart if hardly a digit tells them from each other.
fn spread(low: f64, high: f64) -> (f64, f64) {
    let largest = low.abs().max(high.abs());
    if high - low > 1e-9 * largest {
        return (low, high);
    }
    let margin = if largest > 0.0 { largest / 10.0 } else { 1.0 };
    (low - margin, high + margin)
}

/// A distance between ticks that people count in: 1, 2 or 5 times a power of ten.
#[derive(Clone, Copy, Debug)]
struct Step {
    digit: f64,
    power: i32,
}

impl Step {
    /// The shortest step of at least a size, which is above zero.
    fn at_least(size: f64) -> Self {
        let power = size.log10().floor() as i32;
        let ratio = size / 10f64.powi(power);
        let close = |digit: &f64| ratio <= digit * (1.0 + 1e-9);
        match [1.0, 2.0, 5.0].into_iter().find(close) {
            Some(digit) => Self { digit, power },
            None => Self { digit: 1.0, power: power + 1 },
        }
    }

    /// The length of so many steps.
    fn times(self, count: f64) -> f64 {
        decimal(count * self.digit, self.power)
    }

    /// How many steps a value is from zero; whole if it is so but for rounding.
    fn count(self, value: f64) -> f64 {
        let count = value / self.times(1.0);
        let whole = count.round();
        let rounding = (1e-15 * whole.abs()).max(1e-9);
        if (count - whole).abs() <= rounding { whole } else { count }
    }

    /// The multiples of the step from `low` to `high`, each with its label.
    fn ticks(self, low: f64, high: f64) -> Vec<(f64, String)> {
        let first = self.count(low).ceil();
        let steps = (self.count(high).floor() - first).max(-1.0) as i64;
        let largest = low.abs().max(high.abs());
        let tick = |index| self.times(first + index as f64);
        (0..=steps).map(|index| (tick(index), self.label(tick(index), largest))).collect()
    }

    /// A tick with as many decimals as the step has, on an axis that reaches to `largest`.
    fn label(self, tick: f64, largest: f64) -> String {
        let power = largest.log10().floor() as i32;
        if tick == 0.0 {
            "0".to_string()
        } else if PLAIN.contains(&power) {
            signed(format!("{tick:.*}", self.power.min(0).unsigned_abs() as usize))
        } else {
            scientific(tick, power, (power - self.power).max(0) as usize)
        }
    }
}

/// `digits · 10^power`, without the error that a negative power of ten would bring in.
fn decimal(digits: f64, power: i32) -> f64 {
    if power < 0 { digits / 10f64.powi(-power) } else { digits * 10f64.powi(power) }
}

/// `digit · 10^power` as a tick of a logarithmic axis.
fn power_of_ten(digit: f64, power: i32) -> String {
    match digit {
        _ if PLAIN.contains(&power) => {
            let value = decimal(digit, power);
            format!("{value:.*}", power.min(0).unsigned_abs() as usize)
        }
        1.0 => format!("10{}", superscript(power)),
        _ => scientific(decimal(digit, power), power, 0),
    }
}

/// A number with four significant digits.
pub(super) fn number(value: f64) -> String {
    if value.is_nan() {
        return "not a number".to_string();
    }
    if value.is_infinite() {
        return if value > 0.0 { "infinite" } else { "minus infinite" }.to_string();
    }
    if value == 0.0 {
        return "0".to_string();
    }
    // Rounding first: 9.9999 has the power of 10.
    let rounded = format!("{value:.3e}");
    let power = rounded.rsplit('e').next().and_then(|power| power.parse().ok()).unwrap_or(0);
    if PLAIN.contains(&power) {
        signed(format!("{value:.*}", (3 - power).max(0) as usize))
    } else {
        let digits = rounded.split('e').next().unwrap_or_default();
        signed(format!("{digits}×10{}", superscript(power)))
    }
}

/// A share of one in percent. What is not all does not read 100, what is not nothing does not read
/// 0: it is rounded to the nearest figure between.
pub(super) fn percent(share: f64, decimals: usize) -> String {
    let smallest = 10f64.powi(-(decimals as i32));
    let value = 100.0 * share;
    let between = value > 0.0 && value < 100.0;
    let value = if between { value.clamp(smallest, 100.0 - smallest) } else { value };
    signed(format!("{value:.decimals$}"))
}

/// `value` as a number times ten to a given power.
fn scientific(value: f64, power: i32, decimals: usize) -> String {
    let digits = decimal(value, -power);
    signed(format!("{digits:.decimals$}×10{}", superscript(power)))
}

/// A number with a minus sign as long as a plus sign.
fn signed(number: String) -> String {
    number.replace('-', "\u{2212}")
}

fn superscript(power: i32) -> String {
    let digit = |character: char| match character.to_digit(10) {
        Some(digit) => ['⁰', '¹', '²', '³', '⁴', '⁵', '⁶', '⁷', '⁸', '⁹'][digit as usize],
        None => '⁻',
    };
    power.to_string().chars().map(digit).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn labels(axis: &Axis) -> Vec<&str> {
        axis.ticks.iter().map(|(_, label)| label.as_str()).collect()
    }

    /// What holds of every axis that shows these values.
    fn check(axis: &Axis, values: &[f64]) {
        for &value in values {
            let place = axis.place(value);
            assert!((-1e-6..=1.0 + 1e-6).contains(&place), "{value} at {place} of {axis:?}");
        }
        assert!((1..=16).contains(&axis.ticks.len()), "{axis:?}");
        for pair in axis.ticks.windows(2) {
            assert!(pair[0].0 < pair[1].0 && pair[0].1 != pair[1].1, "{axis:?}");
            assert!(axis.place(pair[0].0) < axis.place(pair[1].0), "{axis:?}");
        }
    }

    /// Floats of every magnitude that can be drawn, and zero.
    fn magnitudes() -> impl Strategy<Value = f64> {
        (-10.0..10.0, -298..298).prop_map(|(digits, power)| digits * 10f64.powi(power))
    }

    proptest! {
        #[test]
        fn any_values_lie_between_ticks_on_a_linear_axis(a in magnitudes(), b in magnitudes()) {
            let axis = Axis::linear(a.min(b), a.max(b));
            check(&axis, &[a, b]);
            let ticks: Vec<f64> = axis.ticks.iter().map(|tick| tick.0).collect();
            prop_assert!(ticks.len() >= 3);
            prop_assert_eq!(ticks[0], axis.low);
            prop_assert_eq!(ticks[ticks.len() - 1], axis.high);
            let step = ticks[1] - ticks[0];
            let largest = ticks[0].abs().max(axis.high.abs());
            for pair in ticks.windows(2) {
                prop_assert!((pair[1] - pair[0] - step).abs() <= 1e-6 * step + 1e-14 * largest);
            }
        }

        #[test]
        fn values_close_to_each_other_have_an_axis(a in magnitudes(), difference in -1e-6..1e-6) {
            let b = a * (1.0 + difference);
            check(&Axis::linear(a.min(b), a.max(b)), &[a, b]);
        }

        #[test]
        fn any_positive_values_lie_on_a_logarithmic_axis(
            a in -299.0..298.0_f64, decades in 1.7..300.0_f64,
        ) {
            let (low, high) = (10f64.powf(a), 10f64.powf((a + decades).min(299.9)));
            prop_assume!(high / low >= LOGARITHMIC_FROM);
            let axis = Axis::of_values(&[low, high], Unit::Number);
            prop_assert!(axis.logarithmic);
            check(&axis, &[low, (low * high).sqrt().clamp(low, high), high]);
            prop_assert!(axis.ticks.len() >= 2, "{:?}", axis);
        }

        #[test]
        fn any_values_have_an_axis(
            values in prop::collection::vec(any::<f64>(), 0..5), percent in any::<bool>(),
        ) {
            let unit = if percent { Unit::Percent } else { Unit::Number };
            let values: Vec<f64> = values.into_iter().filter_map(drawable).collect();
            let scaled: Vec<f64> = values.iter().map(|&value| unit.scaled(value)).collect();
            check(&Axis::of_values(&values, unit), &scaled);
        }

        #[test]
        fn any_epochs_have_an_axis(first in 1_u64..1_000_000, more in 0_u64..1_000_000) {
            let (low, high) = (first as f64, (first + more) as f64);
            let axis = Axis::of_epochs(low, high);
            check(&axis, &[low, high]);
            prop_assert!(axis.ticks.iter().all(|tick| tick.0.fract() == 0.0), "{:?}", axis);
        }
    }

    #[test]
    fn ticks_are_what_people_count_in() {
        let number = |low, high| Axis::of_values(&[low, high], Unit::Number);
        assert_eq!(labels(&number(0.013, 0.32)), ["0", "0.1", "0.2", "0.3", "0.4"]);
        assert_eq!(labels(&number(0.7, 0.9)), ["0.70", "0.75", "0.80", "0.85", "0.90"]);
        assert_eq!(labels(&number(-1.5, 1.7)), ["−2", "−1", "0", "1", "2"]);
        assert_eq!(labels(&number(1e-7, 4e-7))[..2], ["0", "1×10⁻⁷"]);
        assert_eq!(labels(&number(2e6, 3e6))[..2], ["2.0×10⁶", "2.2×10⁶"]);
        assert_eq!(
            labels(&number(0.5, 0.5)),
            ["0.44", "0.46", "0.48", "0.50", "0.52", "0.54", "0.56"]
        );
        assert_eq!(labels(&number(0.0, 0.0)), ["−1.0", "−0.5", "0", "0.5", "1.0"]);
    }

    #[test]
    fn a_wide_range_of_numbers_is_logarithmic() {
        let number = |low, high| Axis::of_values(&[low, high], Unit::Number);
        assert!(!number(0.1, 4.9).logarithmic);
        assert!(!number(0.0, 1e9).logarithmic);
        assert!(!number(-1.0, 1e9).logarithmic);
        let axis = number(0.012, 0.9);
        assert!(axis.logarithmic);
        assert_eq!(labels(&axis), ["0.01", "0.02", "0.05", "0.1", "0.2", "0.5", "1"]);
        assert_eq!(labels(&number(0.0009, 2.3)), ["0.001", "0.01", "0.1", "1"]);
        assert_eq!(labels(&number(1e-8, 1e8))[..3], ["10⁻⁸", "10⁻⁶", "0.0001"]);
    }

    #[test]
    fn percentages_stay_between_0_and_100() {
        let percent = |low, high| Axis::of_values(&[low, high], Unit::Percent);
        let axis = percent(0.906, 0.996);
        let nbsp = |labels: &[&str]| labels.join("|").replace(' ', "\u{A0}");
        let expected = nbsp(&["90 %", "92 %", "94 %", "96 %", "98 %", "100 %"]);
        assert_eq!(labels(&axis).join("|"), expected);
        assert_eq!((percent(1.0, 1.0).low, percent(1.0, 1.0).high), (90.0, 100.0));
        assert_eq!((percent(0.0, 0.0).low, percent(0.0, 0.0).high), (0.0, 1.0));
        assert!(percent(0.5, 1.5).high >= 150.0);
    }

    #[test]
    fn epochs_are_whole() {
        let epochs = |low, high| labels(&Axis::of_epochs(low, high)).join(" ");
        assert_eq!(epochs(1.0, 1.0), "1");
        assert_eq!(epochs(1.0, 2.0), "1 2");
        assert_eq!(epochs(1.0, 5.0), "1 2 3 4 5");
        assert_eq!(epochs(1.0, 12.0), "2 4 6 8 10 12");
        assert_eq!(epochs(1.0, 300.0), "50 100 150 200 250 300");
        assert_eq!(epochs(0.2, 0.4), "0.2000");
    }

    #[test]
    fn numbers_have_four_digits() {
        let cases = [
            (0.0, "0"),
            (0.0314159, "0.03142"),
            (-2.5, "−2.500"),
            (9.99996, "10.00"),
            (0.99996, "1.000"),
            (123456.7, "123457"),
            (1234567.0, "1.235×10⁶"),
            (0.00012345, "0.0001234"),
            (0.000012345, "1.234×10⁻⁵"),
            (-5e-324, "−4.941×10⁻³²⁴"),
            (f64::MAX, "1.798×10³⁰⁸"),
            (f64::NAN, "not a number"),
            (f64::INFINITY, "infinite"),
            (f64::NEG_INFINITY, "minus infinite"),
        ];
        for (value, written) in cases {
            assert_eq!(number(value), written);
        }
    }

    #[test]
    fn only_all_is_a_hundred_percent_and_only_nothing_none() {
        let cases =
            [(1.0, "100.0"), (0.9999, "99.9"), (0.0, "0.0"), (1e-9, "0.1"), (0.4567, "45.7")];
        for (share, written) in cases {
            assert_eq!(percent(share, 1), written);
        }
        assert_eq!(Unit::Percent.written(0.98347), "98.35\u{A0}%");
        assert_eq!(Unit::Percent.written(f64::NAN), "not a number");
    }
}
