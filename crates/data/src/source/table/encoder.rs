//! Rows of tables as numbers, by what the training rows hold.

use super::columns::{Categories, Kind, Scale, TableOptions, dates, numbers};
use super::date::{self, DateOrder};
use super::frame::Frame;
use gradus_tensor::{Error, Result};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use std::f64::consts::TAU;

/// What was learnt of each column, in the order in which the model is given them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TableEncoder {
    columns: Vec<Feature>,
    categories: Categories,
    date_order: DateOrder,
    decimal: char,
}

/// What was learnt of a column.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Feature {
    name: String,
    #[serde(flatten)]
    learnt: Learnt,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Learnt {
    /// (x - shift) / scale, 0 where it is missing.
    Numeric { shift: f64, scale: f64, mark: bool },
    /// The categories that are known, in the order of their names.
    Categorical { names: Vec<String> },
    /// The days scaled, where in the year, in the week and, if times occur, in the day it is.
    Date { shift: f64, scale: f64, mark: bool, times: bool },
}

impl TableEncoder {
    /// Learns from some rows of a table.
    ///
    /// # Errors
    /// If a cell is not what its column holds.
    pub fn learn(
        frame: &Frame,
        rows: &[usize],
        features: &[(String, Kind)],
        options: &TableOptions,
        decimal: char,
    ) -> Result<Self> {
        let learn = |(name, kind): &(String, Kind)| {
            let learnt = match kind {
                Kind::Numeric => {
                    let values = numbers(frame, name, rows, decimal)?;
                    let (shift, scale) = scaling(&values, options.scale);
                    let mark = options.mark_missing && values.iter().any(|x| x.is_nan());
                    Learnt::Numeric { shift, scale, mark }
                }
                Kind::Date => {
                    let values = dates(frame, name, rows, options.date_order)?;
                    let (shift, scale) = scaling(&values, options.scale);
                    let mark = options.mark_missing && values.iter().any(|x| x.is_nan());
                    let times = values.iter().any(|x| !x.is_nan() && x.fract() != 0.0);
                    Learnt::Date { shift, scale, mark, times }
                }
                Kind::Categorical | Kind::Text => {
                    Learnt::Categorical { names: categories(frame, name, rows, options)? }
                }
            };
            Ok(Feature { name: name.clone(), learnt })
        };
        Ok(Self {
            columns: features.iter().map(learn).collect::<Result<_>>()?,
            categories: options.categories,
            date_order: options.date_order,
            decimal,
        })
    }

    /// Refuses what nothing could be learnt from.
    pub(in crate::source) fn check(&self) -> Result<()> {
        let scaled = |learnt: &Learnt| match learnt {
            Learnt::Numeric { scale, .. } | Learnt::Date { scale, .. } => *scale > 0.0,
            Learnt::Categorical { .. } => true,
        };
        if let Some(feature) = self.columns.iter().find(|feature| !scaled(&feature.learnt)) {
            let message = format!("the column {} is scaled by nothing", feature.name);
            return Err(Error::Setting(message));
        }
        match self.width() {
            0 => Err(Error::Setting("rows become no numbers".into())),
            _ => Ok(()),
        }
    }

    /// The columns that are read.
    pub fn columns(&self) -> Vec<&str> {
        self.columns.iter().map(|feature| feature.name.as_str()).collect()
    }

    /// How many numbers a row becomes.
    pub fn width(&self) -> usize {
        self.columns.iter().map(|feature| self.width_of(&feature.learnt)).sum()
    }

    fn width_of(&self, learnt: &Learnt) -> usize {
        match learnt {
            Learnt::Numeric { mark, .. } => 1 + *mark as usize,
            Learnt::Date { mark, times, .. } => 5 + 2 * *times as usize + *mark as usize,
            Learnt::Categorical { names } => match self.categories {
                Categories::OneHot => names.len(),
                Categories::Index => 1,
            },
        }
    }

    /// Of each category column that becomes an index, the place of the number within the row and how
    /// many different ones there are, the unknown one included: what embeddings are made by.
    pub fn indexed(&self) -> Vec<(usize, usize)> {
        let mut start = 0;
        let mut all = vec![];
        for feature in &self.columns {
            match &feature.learnt {
                Learnt::Categorical { names } if self.categories == Categories::Index => {
                    all.push((start, names.len() + 1));
                }
                _ => {}
            }
            start += self.width_of(&feature.learnt);
        }
        all
    }

    /// What each number of a row is, for people.
    pub fn names(&self) -> Vec<String> {
        let mut all = vec![];
        for Feature { name, learnt } in &self.columns {
            let mark = match learnt {
                Learnt::Numeric { mark, .. } => {
                    all.push(name.clone());
                    *mark
                }
                Learnt::Date { mark, times, .. } => {
                    let parts = ["", " sin year", " cos year", " sin week", " cos week"];
                    all.extend(parts.map(|part| format!("{name}{part}")));
                    if *times {
                        all.extend([" sin day", " cos day"].map(|part| format!("{name}{part}")));
                    }
                    *mark
                }
                Learnt::Categorical { names } => {
                    match self.categories {
                        Categories::OneHot => {
                            all.extend(names.iter().map(|own| format!("{name} = {own}")));
                        }
                        Categories::Index => all.push(name.clone()),
                    }
                    false
                }
            };
            if mark {
                all.push(format!("{name} is missing"));
            }
        }
        all
    }

    /// Some rows as numbers, side by side.
    ///
    /// # Errors
    /// If a column is missing, or a cell is not what its column holds.
    pub fn encode(&self, frame: &Frame, rows: &[usize]) -> Result<Vec<f32>> {
        let width = self.width();
        let mut all = vec![0.0; width * rows.len()];
        let mut start = 0;
        for Feature { name, learnt } in &self.columns {
            let mut cells = all.chunks_mut(width).map(|row| &mut row[start..]);
            match learnt {
                Learnt::Numeric { shift, scale, mark } => {
                    let values = numbers(frame, name, rows, self.decimal)?;
                    for (cells, x) in cells.zip(values) {
                        set_number(cells, x, (*shift, *scale), mark.then_some(1));
                    }
                }
                Learnt::Date { shift, scale, mark, times } => {
                    let values = dates(frame, name, rows, self.date_order)?;
                    let parts = 5 + 2 * *times as usize;
                    for (cells, x) in cells.zip(values) {
                        set_number(cells, x, (*shift, *scale), mark.then_some(parts));
                        if !x.is_nan() {
                            set_circles(&mut cells[1..parts], x);
                        }
                    }
                }
                Learnt::Categorical { names } => {
                    let places: HashMap<&str, usize> =
                        names.iter().enumerate().map(|(place, name)| (&name[..], place)).collect();
                    let column = &frame.column(name)?.cells;
                    for &row in rows {
                        let Some(cells) = cells.next() else { break };
                        let own = column.text(row).unwrap_or(MISSING.into());
                        match (places.get(&own[..]), self.categories) {
                            (Some(&place), Categories::OneHot) => cells[place] = 1.0,
                            (Some(&place), Categories::Index) => cells[0] = (place + 1) as f32,
                            (None, _) => {}
                        }
                    }
                }
            }
            start += self.width_of(learnt);
        }
        Ok(all)
    }

    /// What a row of numbers says of each column, for people: what [`TableEncoder::encode`] kept of it.
    /// Numbers have six digits, and one that is missing is the mean if the model is not told that it is.
    ///
    /// # Panics
    /// If the row is not of as many numbers as there are.
    #[track_caller]
    pub fn decode(&self, row: &[f32]) -> Vec<(String, String)> {
        let width = self.width();
        assert!(row.len() == width, "decode: a row has {width} numbers, not {}", row.len());
        let mut rest = row;
        let decode = |Feature { name, learnt }: &Feature| {
            let (own, after) = rest.split_at(self.width_of(learnt));
            rest = after;
            (name.clone(), self.decode_cells(learnt, own))
        };
        self.columns.iter().map(decode).collect()
    }

    fn decode_cells(&self, learnt: &Learnt, cells: &[f32]) -> String {
        let first = cells.first().copied().map_or(0.0, f64::from);
        match learnt {
            // The mark is the last.
            Learnt::Numeric { mark: true, .. } | Learnt::Date { mark: true, .. }
                if cells.last() == Some(&1.0) =>
            {
                MISSING.into()
            }
            Learnt::Numeric { shift, scale, .. } => {
                six_digits(shift + scale * first, shift.abs().max(*scale))
            }
            Learnt::Date { shift, scale, times, .. } => {
                // Numbers of 32 bits keep minutes, about.
                let steps = if *times { 1440.0 } else { 1.0 };
                let days = ((shift + scale * first) * steps).round() / steps;
                date::show(days).trim_end_matches(":00.000").to_string()
            }
            Learnt::Categorical { names } => {
                let place = match self.categories {
                    Categories::OneHot => cells.iter().position(|&cell| cell == 1.0),
                    Categories::Index => (first as usize).checked_sub(1),
                };
                let name = place.and_then(|place| names.get(place));
                name.map_or(UNKNOWN, String::as_str).to_string()
            }
        }
    }
}

/// The category of cells that are missing.
const MISSING: &str = "(missing)";

/// What a category is called that was not learnt from.
const UNKNOWN: &str = "(unknown)";

/// A number with as many digits as six of one of this size, without zeros at its end.
fn six_digits(x: f64, size: f64) -> String {
    let power = x.abs().max(size).max(f64::MIN_POSITIVE).log10().floor() as i32 - 5;
    let unit = 10f64.powi(power);
    // Zero without its sign.
    let rounded = (x / unit).round() * unit + 0.0;
    let text = format!("{rounded:.*}", usize::try_from(-power).unwrap_or(0));
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_string(),
        false => text,
    }
}

/// Sets a scaled number, and whether it is missing.
fn set_number(cells: &mut [f32], x: f64, (shift, scale): (f64, f64), mark: Option<usize>) {
    match x.is_nan() {
        true => mark.into_iter().for_each(|place| cells[place] = 1.0),
        false => cells[0] = ((x - shift) / scale) as f32,
    }
}

/// Where in the year, the week and the day a time is, each as a point of a circle.
fn set_circles(cells: &mut [f32], days: f64) {
    // The mean year of the Gregorian calendar; the weeks begin on a Monday, four days after which
    // 1970 began.
    let turns = [days / 365.2425, (days.floor() + 3.0) / 7.0, days];
    for (pair, turn) in cells.chunks_mut(2).zip(turns) {
        let (sin, cos) = (turn.rem_euclid(1.0) * TAU).sin_cos();
        pair[0] = sin as f32;
        pair[1] = cos as f32;
    }
}

/// The shift and the scale of numbers, of which missing ones are left out.
fn scaling(values: &[f64], scale: Scale) -> (f64, f64) {
    let there = || values.iter().copied().filter(|x| !x.is_nan());
    let or_one = |x: f64| if x > 0.0 && x.is_finite() { x } else { 1.0 };
    match scale {
        _ if there().next().is_none() => (0.0, 1.0),
        Scale::None => (0.0, 1.0),
        Scale::Standard => {
            let (mean, deviation) = moments(there());
            (mean, or_one(deviation))
        }
        Scale::MinMax => {
            let least = there().fold(f64::INFINITY, f64::min);
            let most = there().fold(f64::NEG_INFINITY, f64::max);
            (least, or_one(most - least))
        }
    }
}

/// The mean and the standard deviation of numbers.
///
/// # Source
/// Welford 1962, "Note on a Method for Calculating Corrected Sums of Squares and Products".
pub(crate) fn moments(numbers: impl Iterator<Item = f64>) -> (f64, f64) {
    let (mut count, mut mean, mut squares) = (0.0, 0.0, 0.0);
    for x in numbers {
        count += 1.0;
        let before = x - mean;
        mean += before / count;
        squares += before * (x - mean);
    }
    match count > 0.0 {
        true => (mean, (squares / count).sqrt()),
        false => (0.0, 0.0),
    }
}

/// The categories of a column: those of enough rows, the most frequent if there are too many.
fn categories(
    frame: &Frame,
    name: &str,
    rows: &[usize],
    options: &TableOptions,
) -> Result<Vec<String>> {
    let cells = &frame.column(name)?.cells;
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for &row in rows {
        *counts.entry(cells.text(row).unwrap_or(MISSING.into())).or_default() += 1;
    }
    let mut known: Vec<(String, usize)> = counts.into_iter().collect();
    known.retain(|(_, count)| *count >= options.min_count);
    // Stable: of two as frequent, the first by name stays.
    known.sort_by_key(|&(_, count)| std::cmp::Reverse(count));
    known.truncate(options.max_categories);
    let mut names: Vec<String> = known.into_iter().map(|(name, _)| name).collect();
    names.sort_unstable();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::csv::{CsvOptions, decode};

    const TEXT: &str = "n,code,day\n1,a,1970-01-01\n3,b,1970-01-05T12:00\n,a,\n5,,1970-01-01\n\
                        100,c,1971-01-01\n";

    fn learn(options: &TableOptions, features: &[(&str, Kind)]) -> (Frame, TableEncoder) {
        let frame = decode(TEXT, "t.csv".as_ref(), &CsvOptions::default()).unwrap();
        let features: Vec<(String, Kind)> =
            features.iter().map(|(name, kind)| (name.to_string(), *kind)).collect();
        // The last row is held out.
        let encoder = TableEncoder::learn(&frame, &[0, 1, 2, 3], &features, options, '.').unwrap();
        (frame, encoder)
    }

    #[test]
    fn what_is_held_out_is_not_learnt_from() {
        let features = [("n", Kind::Numeric), ("code", Kind::Categorical)];
        let (frame, encoder) = learn(&TableOptions::default(), &features);
        let names = ["n", "n is missing", "code = (missing)", "code = a", "code = b"];
        assert_eq!(encoder.names(), names);
        let rows = encoder.encode(&frame, &[0, 2, 3, 4]).unwrap();
        let deviation = (8.0f64 / 3.0).sqrt();
        let wanted = [
            [-2.0 / deviation, 0.0, 0.0, 1.0, 0.0],
            [0.0, 1.0, 0.0, 1.0, 0.0],
            [2.0 / deviation, 0.0, 1.0, 0.0, 0.0],
            [97.0 / deviation, 0.0, 0.0, 0.0, 0.0],
        ];
        assert_eq!(rows, wanted.concat().iter().map(|&x| x as f32).collect::<Vec<_>>());
        let text = serde_json::to_string(&encoder).unwrap();
        assert_eq!(serde_json::from_str::<TableEncoder>(&text).unwrap(), encoder);
    }

    #[test]
    fn categories_as_numbers_and_scales() {
        let options = TableOptions {
            categories: Categories::Index,
            scale: Scale::MinMax,
            mark_missing: false,
            min_count: 2,
            ..Default::default()
        };
        let features = [("code", Kind::Categorical), ("n", Kind::Numeric)];
        let (frame, encoder) = learn(&options, &features);
        assert_eq!((encoder.width(), encoder.indexed()), (2, vec![(0, 2)]));
        let rows = encoder.encode(&frame, &[0, 1, 2]).unwrap();
        assert_eq!(rows, [1.0, 0.0, 0.0, 0.5, 1.0, 0.0]);
        let (frame, encoder) = learn(
            &TableOptions { max_categories: 1, scale: Scale::None, ..Default::default() },
            &[("code", Kind::Categorical), ("n", Kind::Numeric)],
        );
        assert_eq!(encoder.names(), ["code = a", "n", "n is missing"]);
        assert_eq!(encoder.encode(&frame, &[4]).unwrap(), [0.0, 100.0, 0.0]);
    }

    #[test]
    fn dates_are_places_on_circles() {
        let options = TableOptions { scale: Scale::None, ..Default::default() };
        let (frame, encoder) = learn(&options, &[("day", Kind::Date)]);
        assert_eq!(encoder.width(), 8);
        let rows = encoder.encode(&frame, &[0, 1, 2]).unwrap();
        let angle = |turn: f64| ((turn * TAU).sin() as f32, (turn * TAU).cos() as f32);
        let (thursday, monday) = (angle(3.0 / 7.0), angle(0.0));
        assert_eq!(rows[..8], [0.0, 0.0, 1.0, thursday.0, thursday.1, 0.0, 1.0, 0.0]);
        let year = angle(4.5 / 365.2425);
        let noon = angle(0.5);
        let wanted = [4.5, year.0, year.1, monday.0, monday.1, noon.0, noon.1, 0.0];
        assert_eq!(rows[8..16], wanted);
        assert_eq!(rows[16..], [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0]);
        assert_eq!(encoder.names()[7], "day is missing");
    }

    #[test]
    fn rows_are_told_to_people() {
        let features = [("n", Kind::Numeric), ("code", Kind::Categorical), ("day", Kind::Date)];
        for (categories, mark_missing, missing) in
            [(Categories::OneHot, true, "(missing)"), (Categories::Index, false, "3")]
        {
            let options = TableOptions { categories, mark_missing, ..Default::default() };
            let (frame, encoder) = learn(&options, &features);
            let told = |row: usize| -> Vec<String> {
                let cells = encoder.decode(&encoder.encode(&frame, &[row]).unwrap());
                assert_eq!(cells[0].0, "n");
                cells.into_iter().map(|(_, value)| value).collect()
            };
            assert_eq!(told(0), ["1", "a", "1970-01-01"]);
            assert_eq!(told(1), ["3", "b", "1970-01-05T12:00"]);
            assert_eq!(told(2)[..2], [missing, "a"]);
            assert_eq!(told(4), ["100", "(unknown)", "1971-01-01"]);
        }
        let digits = [(0.1 + 0.2, 1.0), (1e-7, 5.0), (123_456_789.0, 1.0), (-2.50001, 2.0)];
        let told = digits.map(|(x, size)| six_digits(x, size));
        assert_eq!(told, ["0.3", "0", "123457000", "-2.50001"]);
    }
}
