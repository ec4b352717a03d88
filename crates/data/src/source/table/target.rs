//! The columns to be told, as answers and as targets.

use super::columns::{TableOptions, Task, numbers};
use super::encoder::moments;
use super::frame::Frame;
use crate::source::answer::{Answers, Number, Targets, class_of};
use gradus_tensor::{Error, Result};
use std::collections::{BTreeSet, HashMap};

/// The columns to be told.
#[derive(Clone, Debug)]
pub(in crate::source) struct TargetEncoder {
    names: Vec<String>,
    separator: String,
    decimal: char,
}

impl TargetEncoder {
    pub(in crate::source) fn new(options: &TableOptions, decimal: char) -> Self {
        Self { names: options.target.clone(), separator: options.separator.clone(), decimal }
    }

    /// Learns the answers from some rows of a table: the scale of numbers. The names of classes and
    /// labels are those of all rows, for one that is rare may be held out altogether.
    ///
    /// # Errors
    /// If a cell is missing or not what it should be, or there are fewer than two classes.
    pub(in crate::source) fn learn(
        &self,
        frame: &Frame,
        rows: &[usize],
        options: &TableOptions,
    ) -> Result<Answers> {
        match options.task(frame)? {
            Task::Classification | Task::Auto => self.classes(frame).map(Answers::Classes),
            Task::Labels => self.labels(frame).map(Answers::Labels),
            Task::Regression => {
                let number = |name: &String| {
                    let values = self.numbers(frame, name, rows)?;
                    let (mean, deviation) = moments(values.into_iter());
                    let deviation = if deviation > 0.0 { deviation } else { 1.0 };
                    let (name, unit) = (name.clone(), options.unit.clone());
                    Ok(Number { name, mean, deviation, unit })
                };
                self.names.iter().map(number).collect::<Result<_>>().map(Answers::Numbers)
            }
        }
    }

    /// The targets of some rows.
    ///
    /// # Errors
    /// If a cell is missing, or an answer that was not learnt from.
    pub(in crate::source) fn encode(
        &self,
        frame: &Frame,
        rows: &[usize],
        answers: &Answers,
    ) -> Result<Targets> {
        let name = &self.names[0];
        match answers {
            Answers::Classes(names) => {
                let places: HashMap<&str, u32> = places(names);
                let class = |&row: &usize| {
                    let own = self.text(frame, name, row)?;
                    let place = places.get(&own[..]).copied();
                    place
                        .map_or_else(|| class_of(names, &own), Ok)
                        .map_err(|error| frame.complaint(row, name, strip(error)))
                };
                Ok(Targets::Classes(rows.iter().map(class).collect::<Result<_>>()?))
            }
            Answers::Labels(names) => {
                let places = places(names);
                let mut all = vec![0.0; names.len() * rows.len()];
                for (own, &row) in all.chunks_mut(names.len()).zip(rows) {
                    let text = frame.column(name)?.cells.text(row).unwrap_or_default();
                    for label in self.split(&text) {
                        // One that was never learnt from has no place in the answer.
                        if let Some(&place) = places.get(label) {
                            own[place as usize] = 1.0;
                        }
                    }
                }
                Ok(Targets::Numbers(all, names.len()))
            }
            Answers::Numbers(learnt) => {
                let mut all = vec![0.0; learnt.len() * rows.len()];
                for (place, number) in learnt.iter().enumerate() {
                    let values = self.numbers(frame, &number.name, rows)?;
                    for (own, x) in all.chunks_mut(learnt.len()).zip(values) {
                        own[place] = ((x - number.mean) / number.deviation) as f32;
                    }
                }
                Ok(Targets::Numbers(all, learnt.len()))
            }
            Answers::NextToken | Answers::Mask(_) => {
                let message = "table: tokens are told of text and masks of pictures, not of tables";
                Err(Error::Setting(message.into()))
            }
        }
    }

    /// The class of each row as it is written, to divide by.
    ///
    /// # Errors
    /// If one is missing.
    pub(in crate::source) fn strata(frame: &Frame, target: &str) -> Result<Vec<String>> {
        let cells = &frame.column(target)?.cells;
        let text = |row| cells.text(row).ok_or_else(|| frame.complaint(row, target, NOTHING));
        (0..frame.rows()).map(text).collect()
    }

    fn classes(&self, frame: &Frame) -> Result<Vec<String>> {
        let name = &self.names[0];
        let all: Result<BTreeSet<String>> =
            (0..frame.rows()).map(|row| self.text(frame, name, row)).collect();
        let mut all: Vec<String> = all?.into_iter().collect();
        // Those of numbers in the order of numbers: 10 after 9.
        let number = |name: &String| name.parse::<f64>().ok();
        if all.iter().all(|name| number(name).is_some()) {
            all.sort_by(|a, b| number(a).unwrap_or(0.0).total_cmp(&number(b).unwrap_or(0.0)));
        }
        match all.len() {
            0 | 1 => {
                let message =
                    format_args!("column {name} is the same in all rows: there is nothing to tell");
                Err(Error::format(frame.origin().display(), message))
            }
            len if len > MOST_CLASSES => {
                let message = format_args!(
                    "column {name} has {len} classes: say task = regression if they are numbers"
                );
                Err(Error::format(frame.origin().display(), message))
            }
            _ => Ok(all),
        }
    }

    fn labels(&self, frame: &Frame) -> Result<Vec<String>> {
        let name = &self.names[0];
        let mut all = BTreeSet::new();
        for row in 0..frame.rows() {
            let text = frame.column(name)?.cells.text(row).unwrap_or_default();
            all.extend(self.split(&text).map(String::from));
        }
        if all.is_empty() || all.len() > MOST_CLASSES {
            let message =
                format_args!("column {name} has {} labels: is it the right one?", all.len());
            return Err(Error::format(frame.origin().display(), message));
        }
        Ok(all.into_iter().collect())
    }

    fn split<'a>(&'a self, text: &'a str) -> impl Iterator<Item = &'a str> {
        text.split(&self.separator[..]).map(str::trim).filter(|label| !label.is_empty())
    }

    fn text(&self, frame: &Frame, name: &str, row: usize) -> Result<String> {
        let text = frame.column(name)?.cells.text(row);
        text.ok_or_else(|| frame.complaint(row, name, NOTHING))
    }

    fn numbers(&self, frame: &Frame, name: &str, rows: &[usize]) -> Result<Vec<f64>> {
        let values = numbers(frame, name, rows, self.decimal)?;
        match values.iter().position(|x| x.is_nan()) {
            Some(place) => Err(frame.complaint(rows[place], name, NOTHING)),
            None => Ok(values),
        }
    }
}

/// More different values are no classes, but texts or numbers.
const MOST_CLASSES: usize = 100_000;

const NOTHING: &str = "there is nothing to tell: fill it in, or leave the row out";

fn places(names: &[String]) -> HashMap<&str, u32> {
    (0..).zip(names).map(|(place, name)| (&name[..], place)).collect()
}

/// What a complaint says, without where it comes from.
fn strip(error: Error) -> String {
    match error {
        Error::Format { message, .. } => message,
        error => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::csv::{CsvOptions, decode};

    fn learn(text: &str, options: TableOptions) -> Result<(Frame, TargetEncoder, Answers)> {
        let frame = decode(text, "t.csv".as_ref(), &CsvOptions::default())?;
        let rows: Vec<usize> = (0..frame.rows() - 1).collect();
        let encoder = TargetEncoder::new(&options, '.');
        let answers = encoder.learn(&frame, &rows, &options)?;
        Ok((frame, encoder, answers))
    }

    fn telling(task: Task) -> TableOptions {
        TableOptions { target: vec!["y".into()], task, ..Default::default() }
    }

    #[test]
    fn classes_have_an_order_and_unknown_ones_are_told() {
        let (frame, encoder, answers) = learn("y\n10\n9\n10\n10\n", telling(Task::Auto)).unwrap();
        assert_eq!(answers, Answers::Classes(vec!["9".into(), "10".into()]));
        let targets = encoder.encode(&frame, &[0, 1, 2], &answers).unwrap();
        assert_eq!(targets, Targets::Classes(vec![1, 0, 1]));
        let other = decode("y\n9\n11\n", "t.csv".as_ref(), &CsvOptions::default()).unwrap();
        let error = encoder.encode(&other, &[0, 1], &answers).unwrap_err().to_string();
        let wanted = "t.csv: line 3, column y: the class \"11\" is none of those that were learnt \
                      from (9, 10)";
        assert_eq!(error, wanted);
    }

    #[test]
    fn numbers_are_scaled_by_what_was_learnt_from() {
        let (frame, encoder, answers) = learn("y\n1\n3\n100\n", telling(Task::Regression)).unwrap();
        let targets = encoder.encode(&frame, &[0, 1, 2], &answers).unwrap();
        assert_eq!(targets, Targets::Numbers(vec![-1.0, 1.0, 98.0], 1));
    }

    #[test]
    fn several_labels_may_hold() {
        let (frame, encoder, answers) =
            learn("y,z\nred | round,1\n,1\nred,1\nround|red,1\n", telling(Task::Labels)).unwrap();
        assert_eq!(answers, Answers::Labels(vec!["red".into(), "round".into()]));
        let targets = encoder.encode(&frame, &[0, 1, 3], &answers).unwrap();
        assert_eq!(targets, Targets::Numbers(vec![1.0, 1.0, 0.0, 0.0, 1.0, 1.0], 2));
    }

    #[test]
    fn targets_that_tell_nothing_are_refused() {
        let said = |text, task| learn(text, telling(task)).err().unwrap().to_string();
        let wanted = "t.csv: column y is the same in all rows: there is nothing to tell";
        assert_eq!(said("y\na\na\na\n", Task::Auto), wanted);
        let wanted = "t.csv: line 3, column y: there is nothing to tell: fill it in, or leave the \
                      row out";
        assert_eq!(said("y,z\na,1\n,1\nb,1\nb,2\n", Task::Auto), wanted);
        assert_eq!(said("y,z\n1,1\n,1\n2,1\n3,1\n", Task::Regression), wanted);
        let wanted = "t.csv: column y has 0 labels: is it the right one?";
        assert_eq!(said("y,z\n,1\n,1\n", Task::Labels), wanted);
    }
}
