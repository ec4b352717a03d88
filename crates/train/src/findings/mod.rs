//! What a model answered in its last test, in files that the dashboard and the report show.

mod found;
mod gather;

pub use found::{Findings, LabelFindings, LanguageFindings, NumberFindings};
pub(crate) use gather::TEMPERATURE;
pub use gather::{Found, Gather};

use crate::checkpoint::write_json;
use crate::file::in_file;
use crate::report::Confusion;
use crate::run::RunFolder;
use crate::state::{from_json, to_json};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use gradus_tensor::{Error, Result};
use serde_json::{Map, Value, json};

/// What a model answered to samples of its test, kept in `predictions.json`.
///
/// Whoever writes them keeps the mistakes, the most confident first, and some that are right; of
/// numbers, as many pairs as draw a picture of how they scatter.
///
/// ```
/// use gradus_train::{Answer, Input, Prediction, Predictions};
///
/// let sample = Prediction {
///     index: 7,
///     input: Input::Text("a fine film".into()),
///     truth: Some(Answer::Name("good".into())),
///     guess: Answer::Name("bad".into()),
///     confidence: Some(0.9),
///     ..Default::default()
/// };
/// assert!(sample.is_wrong());
/// let predictions = Predictions { total: 100, samples: vec![sample] };
/// assert_eq!(Predictions::from_json(&predictions.to_json()).unwrap(), predictions);
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Predictions {
    /// How many there were in the test.
    pub total: u64,
    /// Those that were kept.
    pub samples: Vec<Prediction>,
}

/// What a model answered to a sample.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Prediction {
    /// Where the sample is in its data set, counted from 0.
    pub index: usize,
    /// What the model was given, as far as it can be shown.
    pub input: Input,
    /// Which number is told, where a model tells several; else it may be empty.
    pub of: String,
    /// What is right; none where nothing is, as with a text that a model goes on with.
    pub truth: Option<Answer>,
    /// What the model answered.
    pub guess: Answer,
    /// The probability that it gave its answer, from 0 to 1.
    pub confidence: Option<f64>,
}

/// What a model was given, for people.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Input {
    /// Nothing that could be shown.
    #[default]
    Hidden,
    /// A picture, as a PNG file.
    Picture(Vec<u8>),
    /// A text.
    Text(String),
    /// The columns of a table with their values.
    Row(Vec<(String, String)>),
}

/// What is right, or what a model takes for it.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// The name of a class, or a text.
    Name(String),
    /// A number.
    Number(f64),
}

/// The name of nothing.
impl Default for Answer {
    fn default() -> Self {
        Self::Name(String::new())
    }
}

impl Prediction {
    /// The true and the predicted number, if the answer is one.
    pub fn numbers(&self) -> Option<(f64, f64)> {
        match (&self.truth, &self.guess) {
            (Some(Answer::Number(truth)), Answer::Number(guess)) => Some((*truth, *guess)),
            _ => None,
        }
    }

    /// True if the model answered another name than the right one. A number is never wrong: it is
    /// more or less far away.
    pub fn is_wrong(&self) -> bool {
        match (&self.truth, &self.guess) {
            (Some(Answer::Name(truth)), Answer::Name(guess)) => truth != guess,
            _ => false,
        }
    }

    fn to_json(&self) -> Value {
        let mut object = Map::new();
        object.insert("index".into(), json!(self.index));
        match &self.input {
            Input::Hidden => None,
            Input::Picture(png) => object.insert("png".into(), json!(STANDARD.encode(png))),
            Input::Text(text) => object.insert("text".into(), json!(text)),
            Input::Row(row) => {
                let row = row.iter().map(|(name, value)| (name.clone(), json!(value)));
                object.insert("row".into(), Value::Object(row.collect()))
            }
        };
        if !self.of.is_empty() {
            object.insert("of".into(), json!(self.of));
        }
        if let Some(truth) = &self.truth {
            object.insert("truth".into(), truth.to_json());
        }
        object.insert("guess".into(), self.guess.to_json());
        if let Some(confidence) = self.confidence {
            object.insert("confidence".into(), to_json(confidence));
        }
        Value::Object(object)
    }

    fn from_json(value: &Value) -> Option<Self> {
        let input = if let Some(png) = value["png"].as_str() {
            Input::Picture(STANDARD.decode(png).ok()?)
        } else if let Some(text) = value["text"].as_str() {
            Input::Text(text.into())
        } else if let Some(row) = value["row"].as_object() {
            let cell =
                |(name, value): (&String, &Value)| Some((name.clone(), value.as_str()?.into()));
            Input::Row(row.iter().map(cell).collect::<Option<_>>()?)
        } else {
            Input::Hidden
        };
        Some(Self {
            index: value["index"].as_u64()? as usize,
            input,
            of: value["of"].as_str().unwrap_or_default().into(),
            truth: optional(value.get("truth"), Answer::from_json)?,
            guess: Answer::from_json(&value["guess"])?,
            confidence: optional(value.get("confidence"), from_json)?,
        })
    }
}

/// What a value is understood as: none inside if there is no value, none outside if it makes no
/// sense.
fn optional<T>(
    value: Option<&Value>,
    understand: impl FnOnce(&Value) -> Option<T>,
) -> Option<Option<T>> {
    match value.filter(|value| !value.is_null()) {
        Some(value) => understand(value).map(Some),
        None => Some(None),
    }
}

impl Answer {
    fn to_json(&self) -> Value {
        match self {
            Self::Name(name) => json!(name),
            Self::Number(number) if number.is_finite() => json!(number),
            // A text would be a name.
            Self::Number(number) => json!({ "number": number.to_string() }),
        }
    }

    fn from_json(value: &Value) -> Option<Self> {
        match value {
            Value::String(name) => Some(Self::Name(name.clone())),
            Value::Object(object) => from_json(object.get("number")?).map(Self::Number),
            value => value.as_f64().map(Self::Number),
        }
    }
}

impl Predictions {
    /// The pairs of the true and the predicted number, by what they are of.
    pub fn numbers(&self) -> Vec<(&str, Vec<(f64, f64)>)> {
        let mut groups: Vec<(&str, Vec<(f64, f64)>)> = vec![];
        for sample in &self.samples {
            let Some(pair) = sample.numbers() else { continue };
            match groups.iter_mut().find(|(of, _)| *of == sample.of) {
                Some((_, pairs)) => pairs.push(pair),
                None => groups.push((&sample.of, vec![pair])),
            }
        }
        groups
    }

    /// As JSON: `total`, and in `samples` objects of `index`, `png` (in base 64), `text` or `row`, `of`,
    /// `truth` and `guess` (a text or a number), and `confidence`.
    pub fn to_json(&self) -> Value {
        let samples: Value = self.samples.iter().map(Prediction::to_json).collect();
        json!({ "total": self.total, "samples": samples })
    }

    /// What [`Predictions::to_json`] wrote.
    ///
    /// # Errors
    /// If it is something else.
    pub fn from_json(value: &Value) -> Result<Self> {
        let samples = value["samples"].as_array();
        let samples = samples.and_then(|all| all.iter().map(Prediction::from_json).collect());
        match (value["total"].as_u64(), samples) {
            (Some(total), Some(samples)) => Ok(Self { total, samples }),
            _ => Err(Error::format("predictions", "have no total or a sample that is none")),
        }
    }

    /// Writes `predictions.json` into the folder of a run.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn write(&self, run: &RunFolder) -> Result<()> {
        write_json(run.file("predictions.json"), &self.to_json())
    }

    /// The predictions of a run; none if it has no such file.
    ///
    /// # Errors
    /// If the file cannot be read or is damaged.
    pub fn read(run: &RunFolder) -> Result<Option<Self>> {
        read(run, "predictions.json", Self::from_json)
    }
}

impl Confusion {
    /// Writes `confusion.json` into the folder of a run: `classes`, their names, and `counts`, a list
    /// of counts by the guess for each true class.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn write(&self, run: &RunFolder) -> Result<()> {
        let value = json!({ "classes": self.classes, "counts": self.counts });
        write_json(run.file("confusion.json"), &value)
    }

    /// The confusion matrix of a run; none if it has no such file.
    ///
    /// # Errors
    /// If the file cannot be read or is damaged.
    pub fn read(run: &RunFolder) -> Result<Option<Self>> {
        read(run, "confusion.json", |value| {
            let classes: Option<Vec<String>> = value["classes"]
                .as_array()
                .and_then(|all| all.iter().map(|name| Some(name.as_str()?.into())).collect());
            let row = |row: &Value| row.as_array()?.iter().map(Value::as_u64).collect();
            let counts: Option<Vec<Vec<u64>>> =
                value["counts"].as_array().and_then(|rows| rows.iter().map(row).collect());
            let (Some(classes), Some(counts)) = (classes, counts) else {
                return Err(Error::format("confusion matrix", "has no classes or no counts"));
            };
            let square = counts.len() == classes.len()
                && counts.iter().all(|row| row.len() == classes.len());
            if !square {
                return Err(Error::format("confusion matrix", "is not square over its classes"));
            }
            Ok(Self { classes, counts })
        })
    }
}

/// What a JSON file of a run holds; none if there is no such file.
fn read<T>(
    run: &RunFolder,
    name: &str,
    understand: impl FnOnce(&Value) -> Result<T>,
) -> Result<Option<T>> {
    let value = run.read_json(name)?;
    value.map(|value| in_file(&run.file(name), understand(&value))).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn run() -> (tempfile::TempDir, RunFolder) {
        let folder = tempfile::tempdir().unwrap();
        let run = RunFolder::create(folder.path(), "test").unwrap();
        (folder, run)
    }

    #[test]
    fn every_kind_of_prediction_survives_its_file() {
        let (_folder, run) = run();
        assert_eq!(Predictions::read(&run).unwrap(), None);
        let of = |input, truth, guess, confidence: Option<f64>| Prediction {
            index: 3,
            input,
            of: if confidence.is_none() { "age".into() } else { String::new() },
            truth,
            guess,
            confidence,
        };
        let name = |name: &str| Answer::Name(name.into());
        let row = vec![("age".to_string(), "7".to_string())];
        let samples = vec![
            of(Input::Picture(vec![0, 255, 7]), Some(name("a")), name("b"), Some(0.5)),
            of(Input::Text("<数>".into()), Some(name("a")), name("a"), Some(f64::INFINITY)),
            of(Input::Row(row), Some(Answer::Number(0.1)), Answer::Number(f64::INFINITY), None),
            of(Input::Hidden, None, name("once upon"), None),
        ];
        let predictions = Predictions { total: 9, samples };
        predictions.write(&run).unwrap();
        assert_eq!(Predictions::read(&run).unwrap(), Some(predictions.clone()));
        let wrong: Vec<bool> = predictions.samples.iter().map(Prediction::is_wrong).collect();
        assert_eq!(wrong, [true, false, false, false]);
        assert_eq!(predictions.numbers(), [("age", vec![(0.1, f64::INFINITY)])]);
    }

    #[test]
    fn damaged_files_are_told_by_name() {
        let (_folder, run) = run();
        let cases = ["{", "[]", "{\"total\": 1, \"samples\": [{}]}", "{\"samples\": []}"];
        for text in cases {
            fs::write(run.file("predictions.json"), text).unwrap();
            let message = Predictions::read(&run).unwrap_err().to_string();
            assert!(message.contains("predictions.json"), "{text}: {message}");
        }
        let cases = [
            "{}",
            "{\"classes\": [\"a\"], \"counts\": [[1, 2]]}",
            "{\"classes\": [\"a\"], \"counts\": [[-1]]}",
            "{\"classes\": [1], \"counts\": [[1]]}",
        ];
        for text in cases {
            fs::write(run.file("confusion.json"), text).unwrap();
            let message = Confusion::read(&run).unwrap_err().to_string();
            assert!(message.contains("confusion.json"), "{text}: {message}");
        }
    }

    #[test]
    fn a_matrix_survives_its_file() {
        let (_folder, run) = run();
        assert_eq!(Confusion::read(&run).unwrap(), None);
        let classes = vec!["a".to_string(), "b".to_string()];
        let matrix = Confusion { classes, counts: vec![vec![1, 2], vec![0, u64::MAX]] };
        matrix.write(&run).unwrap();
        assert_eq!(Confusion::read(&run).unwrap(), Some(matrix));
    }
}
