//! What each column of a table holds, as told or as its cells show, and reading them as that.

use super::date::{self, DateOrder};
use super::frame::{Cells, Frame};
use gradus_tensor::{Error, Result};
use serde::{Deserialize, Serialize};
use std::collections::HashSet;

/// How a table becomes what a model is given and what it is to answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TableOptions {
    /// The columns to be told; of several, each is a number.
    pub target: Vec<String>,
    /// What kind of answer that is.
    pub task: Task,
    /// Columns of numbers. What no list names is seen by its cells.
    pub numeric: Vec<String>,
    /// Columns of names or codes.
    pub categorical: Vec<String>,
    /// Columns of dates, with or without a time.
    pub date: Vec<String>,
    /// Columns of words.
    pub text: Vec<String>,
    /// Columns to leave out.
    pub ignore: Vec<String>,
    /// In which order day, month and year stand.
    pub date_order: DateOrder,
    /// How a category becomes numbers.
    pub categories: Categories,
    /// A category that fewer training rows have counts as unknown.
    pub min_count: usize,
    /// The most categories of a column; rarer ones count as unknown.
    pub max_categories: usize,
    /// How numbers are scaled.
    pub scale: Scale,
    /// True to give the model, beside a number that may be missing, whether it is.
    pub mark_missing: bool,
    /// What stands between labels, if a target holds several.
    pub separator: String,
    /// What the numbers that are told are measured in, to be shown with them.
    pub unit: String,
}

impl Default for TableOptions {
    fn default() -> Self {
        Self {
            target: vec![],
            task: Task::default(),
            numeric: vec![],
            categorical: vec![],
            date: vec![],
            text: vec![],
            ignore: vec![],
            date_order: DateOrder::default(),
            categories: Categories::default(),
            min_count: 1,
            max_categories: 100,
            scale: Scale::default(),
            mark_missing: true,
            separator: "|".into(),
            unit: String::new(),
        }
    }
}

/// What is to be told of a row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Task {
    /// Classes for one target of texts, truth values or up to 20 different whole numbers, else
    /// numbers.
    #[default]
    Auto,
    /// One class of several.
    Classification,
    /// Numbers.
    Regression,
    /// Several labels of which each holds or not.
    Labels,
}

/// How a category becomes numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Categories {
    /// A number for each, 1 for its own and 0 for the others; unknown ones are all 0.
    #[default]
    OneHot,
    /// Its number, from 1 on, for an embedding; 0 for unknown ones.
    Index,
}

/// How numbers are scaled, by what the training rows hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scale {
    /// To mean 0 and standard deviation 1.
    #[default]
    Standard,
    /// From 0 for the least to 1 for the largest.
    MinMax,
    /// Not at all.
    None,
}

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Numbers.
    Numeric,
    /// Names or codes.
    Categorical,
    /// Dates, with or without a time.
    Date,
    /// Words.
    Text,
}

impl Kind {
    /// What it is called.
    pub fn name(self) -> &'static str {
        match self {
            Self::Numeric => "numeric",
            Self::Categorical => "categorical",
            Self::Date => "date",
            Self::Text => "text",
        }
    }
}

/// So many different whole numbers may be classes.
const MOST_CLASSES: usize = 20;

impl TableOptions {
    /// The columns that a list names, with what they hold.
    fn lists(&self) -> [(&'static str, &Vec<String>, Option<Kind>); 5] {
        [
            ("numeric", &self.numeric, Some(Kind::Numeric)),
            ("categorical", &self.categorical, Some(Kind::Categorical)),
            ("date", &self.date, Some(Kind::Date)),
            ("text", &self.text, Some(Kind::Text)),
            ("ignore", &self.ignore, None),
        ]
    }

    /// Refuses options that cannot be, or that name columns that a table lacks.
    ///
    /// # Errors
    /// If so, or if a column is listed twice.
    pub fn check(&self, frame: &Frame) -> Result<()> {
        if self.target.is_empty() {
            let message = format!(
                "table: say which column to tell: target = [\"{}\"]",
                frame.names().join("\" or \"")
            );
            return Err(Error::Setting(message));
        }
        if self.max_categories == 0 {
            return Err(Error::Setting(
                "table: max_categories = 0 leaves none: give 1 or more".into(),
            ));
        }
        let mut seen: Vec<(&str, &str)> = vec![];
        for (list, names, _) in self.lists() {
            for name in names {
                frame.column(name)?;
                if let Some((other, _)) = seen.iter().find(|(_, seen)| seen == name) {
                    let message = format!(
                        "table: the column {name} is listed under {other} and under {list}: keep one"
                    );
                    return Err(Error::Setting(message));
                }
                seen.push((list, name));
            }
        }
        for name in &self.target {
            frame.column(name)?;
            if self.ignore.contains(name) {
                let message = format!("table: the column {name} is the target and under ignore");
                return Err(Error::Setting(message));
            }
        }
        Ok(())
    }

    /// What the columns that the model is given hold: all but targets, those to be left out, and
    /// the one that rows are divided by, unless it is listed.
    ///
    /// # Errors
    /// If the options do not fit the table, or a column is of no use as it is.
    pub fn features(&self, frame: &Frame, divided_by: Option<&str>) -> Result<Vec<(String, Kind)>> {
        self.check(frame)?;
        let mut features = vec![];
        for column in frame.columns() {
            let name = &column.name;
            let listed = self.lists().into_iter().find(|(_, names, _)| names.contains(name));
            if self.target.contains(name) {
                continue;
            }
            match listed {
                Some((_, _, Some(kind))) => features.push((name.clone(), kind)),
                Some((_, _, None)) => {}
                None if divided_by == Some(name) => {}
                None => features.extend(self.see(frame, name)?.map(|kind| (name.clone(), kind))),
            }
        }
        if features.is_empty() {
            let message = "has no columns to tell the target by: list them, or ignore fewer";
            return Err(Error::format(frame.origin().display(), message));
        }
        Ok(features)
    }

    /// What a column holds, by its cells; none if they are all missing.
    pub(in crate::source) fn see(&self, frame: &Frame, name: &str) -> Result<Option<Kind>> {
        let texts = match &frame.column(name)?.cells {
            Cells::Number(numbers) => {
                return Ok(numbers.iter().any(|x| !x.is_nan()).then_some(Kind::Numeric));
            }
            Cells::Text(texts) => texts,
        };
        let there: Vec<&str> = texts.iter().flatten().collect();
        if there.is_empty() {
            return Ok(None);
        }
        let count = |test: &dyn Fn(&str) -> bool| there.iter().filter(|text| test(text)).count();
        // Nine of ten make the kind, so that a slip in the others is reported, not learnt.
        let most = |count: usize| 10 * count >= 9 * there.len();
        if most(count(&|text| number(text, '.').is_some() || number(text, ',').is_some())) {
            return Ok(Some(Kind::Numeric));
        }
        if most(count(&|text| date::parse(text, self.date_order).is_some())) {
            return Ok(Some(Kind::Date));
        }
        let words: usize = there.iter().map(|text| text.split_whitespace().count()).sum();
        let different = there.iter().collect::<HashSet<_>>().len();
        if words >= 5 * there.len() && 2 * different > there.len() {
            return Ok(Some(Kind::Text));
        }
        if different > self.max_categories && 2 * different > there.len() {
            let message = format_args!(
                "column {name} has {different} different values in {} rows, such as {:?}: list it \
                 under ignore if it is a name or a number of the row, or else under categorical or \
                 text",
                there.len(),
                there[0]
            );
            return Err(Error::format(frame.origin().display(), message));
        }
        Ok(Some(Kind::Categorical))
    }

    /// What kind of answer the targets are.
    ///
    /// # Errors
    /// If there are several that are not numbers.
    pub fn task(&self, frame: &Frame) -> Result<Task> {
        let [name] = &self.target[..] else {
            return match self.task {
                Task::Auto | Task::Regression => Ok(Task::Regression),
                _ => {
                    let message = "table: of several targets each is a number: give one target, or \
                                   task = regression";
                    Err(Error::Setting(message.into()))
                }
            };
        };
        if self.task != Task::Auto {
            return Ok(self.task);
        }
        let listed = |names: &[String]| names.contains(name);
        if listed(&self.numeric) {
            return Ok(Task::Regression);
        }
        let cells = &frame.column(name)?.cells;
        let values: Vec<Option<f64>> = match cells {
            Cells::Number(numbers) => numbers.iter().map(|&x| Some(x)).collect(),
            Cells::Text(texts) => texts.iter().flatten().map(|text| number(text, '.')).collect(),
        };
        let numbers: Vec<f64> = values.iter().flatten().copied().filter(|x| !x.is_nan()).collect();
        if listed(&self.categorical) || 10 * numbers.len() < 9 * values.len() {
            return Ok(Task::Classification);
        }
        let whole = numbers.iter().all(|x| x.fract() == 0.0);
        let different: HashSet<u64> = numbers.iter().map(|x| x.to_bits()).collect();
        let classes = whole && different.len() <= MOST_CLASSES;
        Ok(if classes { Task::Classification } else { Task::Regression })
    }
}

/// The number that a text shows, with this sign before the fraction.
pub fn number(text: &str, decimal: char) -> Option<f64> {
    let text = text.trim();
    let known = |sign: char| sign.is_ascii_digit() || "+-eE".contains(sign) || sign == decimal;
    // What else Rust would take, such as inf, is no number of a table.
    if !text.chars().all(known) {
        return None;
    }
    let plain = if decimal == '.' { text.parse() } else { text.replace(decimal, ".").parse() };
    plain.ok().filter(|x: &f64| x.is_finite())
}

/// The numbers of a column in some rows; NaN where one is missing.
///
/// # Errors
/// If a cell holds something else: with its line and column, and what may be meant.
pub fn numbers(frame: &Frame, name: &str, rows: &[usize], decimal: char) -> Result<Vec<f64>> {
    let cells = &frame.column(name)?.cells;
    let texts = match cells {
        Cells::Number(numbers) => return Ok(rows.iter().map(|&row| numbers[row]).collect()),
        Cells::Text(texts) => texts,
    };
    let cell = |&row: &usize| {
        let Some(text) = texts.get(row) else { return Ok(f64::NAN) };
        number(text, decimal).ok_or_else(|| {
            let other = if decimal == ',' { '.' } else { ',' };
            let cure = match number(text, other) {
                Some(_) => format!("say decimal = \"{other}\" if that is the decimal point"),
                None => "mend it, list it under missing, or the column under categorical".into(),
            };
            frame.complaint(row, name, format_args!("{text:?} is no number: {cure}"))
        })
    };
    rows.iter().map(cell).collect()
}

/// The days since 1970 of a column's dates in some rows; NaN where one is missing.
///
/// # Errors
/// If a cell holds no date.
pub fn dates(frame: &Frame, name: &str, rows: &[usize], order: DateOrder) -> Result<Vec<f64>> {
    let cells = &frame.column(name)?.cells;
    let texts = match cells {
        Cells::Number(numbers) => return Ok(rows.iter().map(|&row| numbers[row]).collect()),
        Cells::Text(texts) => texts,
    };
    let cell = |&row: &usize| {
        let Some(text) = texts.get(row) else { return Ok(f64::NAN) };
        date::parse(text, order).ok_or_else(|| {
            let message = format_args!(
                "{text:?} is no date such as 2026-03-31 or 2026-03-31T18:30: mend it, list it \
                 under missing, or set date_order"
            );
            frame.complaint(row, name, message)
        })
    };
    rows.iter().map(cell).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::csv::{CsvOptions, decode};

    fn table(text: &str) -> Frame {
        decode(text, "t.csv".as_ref(), &CsvOptions::default()).unwrap()
    }

    fn names(all: &[&str]) -> Vec<String> {
        all.iter().map(|name| name.to_string()).collect()
    }

    fn telling(target: &str) -> TableOptions {
        TableOptions { target: names(&[target]), ..Default::default() }
    }

    #[test]
    fn columns_show_what_they_hold() {
        let frame = table(
            "n,code,day,said,none,y\n1,a,2026-01-02,it was a very good day,,0\n-2e3,b,,the worst \
             of all the days,?,1\n,a,2026-02-03 10:30,what else could one say now,,0\n",
        );
        let features = telling("y").features(&frame, None).unwrap();
        let kinds: Vec<(&str, Kind)> =
            features.iter().map(|(name, kind)| (name.as_str(), *kind)).collect();
        let wanted = [
            ("n", Kind::Numeric),
            ("code", Kind::Categorical),
            ("day", Kind::Date),
            ("said", Kind::Text),
        ];
        assert_eq!(kinds, wanted);
        let told =
            TableOptions { ignore: names(&["said"]), categorical: names(&["n"]), ..telling("y") };
        let features = told.features(&frame, Some("day")).unwrap();
        let wanted =
            [("n".to_string(), Kind::Categorical), ("code".to_string(), Kind::Categorical)];
        assert_eq!(features, wanted);
    }

    #[test]
    fn targets_show_what_is_asked() {
        let frame = table("a,b,c,d\n1,x,1.5,100\n0,y,2,7\n1,x,2.5,3\n");
        let task = |name: &str| telling(name).task(&frame).unwrap();
        let wanted = [Task::Classification, Task::Classification, Task::Regression];
        assert_eq!([task("a"), task("b"), task("c")], wanted);
        let numeric = TableOptions { numeric: names(&["d"]), ..telling("d") };
        assert_eq!(numeric.task(&frame).unwrap(), Task::Regression);
        let both = TableOptions { target: names(&["a", "c"]), ..Default::default() };
        assert_eq!(both.task(&frame).unwrap(), Task::Regression);
        let labels = TableOptions { task: Task::Labels, ..both };
        let wanted =
            "table: of several targets each is a number: give one target, or task = regression";
        assert_eq!(labels.task(&frame).unwrap_err().to_string(), wanted);
    }

    #[test]
    fn numbers_are_those_of_people() {
        for (text, decimal, wanted) in [
            ("1.5", '.', Some(1.5)),
            (" -1e-3 ", '.', Some(-0.001)),
            ("1,5", ',', Some(1.5)),
            ("1,5", '.', None),
            ("1.234,5", ',', None),
            ("inf", '.', None),
            ("NaN", '.', None),
            ("1e999", '.', None),
            ("", '.', None),
            ("0x10", '.', None),
        ] {
            assert_eq!(number(text, decimal), wanted, "{text}");
        }
    }

    #[test]
    fn trouble_is_told_by_line_and_column() {
        let frame = table("x,day\n1,2026-01-01\n\"2,5\",01.02.2026\n?,\nabc,x\n");
        let at = |row: usize| numbers(&frame, "x", &[row], '.').unwrap_err().to_string();
        assert_eq!(
            at(1),
            "t.csv: line 3, column x: \"2,5\" is no number: say decimal = \",\" if that is the \
             decimal point"
        );
        assert_eq!(
            at(3),
            "t.csv: line 5, column x: \"abc\" is no number: mend it, list it under missing, or the \
             column under categorical"
        );
        assert!(numbers(&frame, "x", &[2], '.').unwrap()[0].is_nan());
        let order = DateOrder::default();
        let error = dates(&frame, "day", &[0, 1], order).unwrap_err().to_string();
        assert_eq!(
            error,
            "t.csv: line 3, column day: \"01.02.2026\" is no date such as 2026-03-31 or \
             2026-03-31T18:30: mend it, list it under missing, or set date_order"
        );
    }

    #[test]
    fn options_that_do_not_fit_are_refused() {
        let mut text = String::from("id,y\n");
        (0..300).for_each(|i| text.push_str(&format!("n{i},{}\n", i % 2)));
        let frame = table(&text);
        let said = |options: TableOptions| options.features(&frame, None).unwrap_err().to_string();
        let list = |name: &str| names(&[name]);
        for (options, wanted) in [
            (
                TableOptions::default(),
                "table: say which column to tell: target = [\"id\" or \"y\"]",
            ),
            (telling("z"), "t.csv: has no column z: it has id, y"),
            (
                telling("y"),
                "t.csv: column id has 300 different values in 300 rows, such as \"n0\": list it \
                 under ignore if it is a name or a number of the row, or else under categorical or \
                 text",
            ),
            (
                TableOptions { ignore: list("id"), ..telling("y") },
                "t.csv: has no columns to tell the target by: list them, or ignore fewer",
            ),
            (
                TableOptions { text: list("id"), ignore: list("id"), ..telling("y") },
                "table: the column id is listed under text and under ignore: keep one",
            ),
            (
                TableOptions { ignore: list("y"), ..telling("y") },
                "table: the column y is the target and under ignore",
            ),
            (
                TableOptions { max_categories: 0, ..telling("y") },
                "table: max_categories = 0 leaves none: give 1 or more",
            ),
        ] {
            assert_eq!(said(options), wanted);
        }
    }
}
