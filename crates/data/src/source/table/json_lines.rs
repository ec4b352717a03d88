//! Tables of JSON: an object a line.

use super::frame::{Cells, Column, Frame, Texts};
use crate::text;
use gradus_tensor::{Error, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::HashMap;
use std::path::Path;

/// Where files of JSON lines lie.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct JsonLinesOptions {
    /// The file to learn from, plain or compressed with gzip, or a folder of such.
    pub path: String,
    /// One to validate with; without it, rows are held out of the first.
    pub valid: Option<String>,
    /// One to be tested with.
    pub test: Option<String>,
}

/// The table in a file that has an object in each line.
///
/// # Errors
/// If it cannot be read, or a line is no object of numbers, texts, truth values and nulls.
pub fn read(path: &Path) -> Result<Frame> {
    decode(&text::read(path)?, path)
}

/// The table that a text of JSON lines holds. The columns are the keys in the order in which they
/// first occur; where a line lacks one, the cell is missing. A list of texts becomes them with `|`
/// in between.
///
/// ```
/// use gradus_data::source::json_lines::decode;
///
/// # fn main() -> gradus_tensor::Result<()> {
/// let table = decode("{\"x\": 1, \"y\": \"a\"}\n{\"x\": 2.5}\n", "t.jsonl".as_ref())?;
/// assert_eq!(table.names(), ["x", "y"]);
/// assert!(table.column("y")?.cells.is_missing(1));
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// As [`read`].
pub fn decode(text: &str, origin: &Path) -> Result<Frame> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut columns: Vec<(String, Vec<Value>)> = vec![];
    let mut places: HashMap<String, usize> = HashMap::new();
    let mut lines = vec![];
    for (number, line) in (1..).zip(text.lines()) {
        if line.trim().is_empty() {
            continue;
        }
        let broken = |message: &dyn std::fmt::Display| {
            Error::format(origin.display(), format_args!("line {number} {message}"))
        };
        let value: Value = serde_json::from_str(line).map_err(|error| {
            // Its line is always the first.
            broken(&format_args!("is no JSON at column {}: mend it", error.column()))
        })?;
        let Value::Object(object) = value else {
            return Err(broken(&"is no object, such as {\"text\": \"fine\", \"label\": 1}"));
        };
        for (key, value) in object {
            let value = simple(value).ok_or_else(|| {
                broken(&format_args!("has an object or a list of such in {key}: make it flat"))
            })?;
            let place = *places.entry(key).or_insert_with_key(|key| {
                columns.push((key.clone(), vec![]));
                columns.len() - 1
            });
            // A table in which each line brought keys of its own would grow with their product.
            if columns.len() > MOST_COLUMNS {
                return Err(broken(&format_args!("brings more than {MOST_COLUMNS} keys")));
            }
            columns[place].1.resize(lines.len(), Value::Null);
            columns[place].1.push(value);
        }
        lines.push(number);
    }
    if lines.is_empty() {
        return Err(Error::format(origin.display(), "has no line: give one object in each"));
    }
    let column = |(name, mut values): (String, Vec<Value>)| {
        values.resize(lines.len(), Value::Null);
        Column { name, cells: cells(values) }
    };
    let columns = columns.into_iter().map(column).collect();
    Frame::new(origin, columns, lines)
}

/// The most columns of a table of JSON.
const MOST_COLUMNS: usize = 4096;

/// A value that fits into a cell, if it is one.
fn simple(value: Value) -> Option<Value> {
    match value {
        Value::Array(values) => {
            let text = |value: Value| match value {
                Value::String(text) => Some(text),
                Value::Number(number) => Some(number.to_string()),
                _ => None,
            };
            let texts: Option<Vec<String>> = values.into_iter().map(text).collect();
            Some(Value::String(texts?.join("|")))
        }
        Value::Object(_) => None,
        value => Some(value),
    }
}

/// Numbers where all are, else text.
fn cells(values: Vec<Value>) -> Cells {
    if values.iter().all(|value| matches!(value, Value::Number(_) | Value::Null)) {
        return Cells::Number(values.iter().map(|x| x.as_f64().unwrap_or(f64::NAN)).collect());
    }
    let mut texts = Texts::default();
    for value in values {
        match value {
            Value::Null => texts.push(None),
            Value::String(text) => texts.push(Some(&text)),
            value => texts.push(Some(&value.to_string())),
        }
    }
    Cells::Text(texts)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> String {
        decode(text, Path::new("t.jsonl")).unwrap_err().to_string()
    }

    #[test]
    fn objects_become_rows() {
        let text = "{\"a\": 1, \"b\": [\"x\", \"y\"]}\n\n{\"c\": true, \"a\": -2e1}\n{\"b\": null}";
        let frame = decode(text, Path::new("t.jsonl")).unwrap();
        assert_eq!(frame.names(), ["a", "b", "c"]);
        assert_eq!(frame.place(1).1, 3);
        let row = |row| ["a", "b", "c"].map(|name| frame.column(name).unwrap().cells.text(row));
        let some = |text: &str| Some(text.to_string());
        assert_eq!(row(0), [some("1"), some("x|y"), None]);
        assert_eq!(row(1), [some("-20"), None, some("true")]);
        assert_eq!(row(2), [None, None, None]);
    }

    #[test]
    fn what_is_no_row_is_refused() {
        assert_eq!(said(" \n"), "t.jsonl: has no line: give one object in each");
        assert_eq!(
            said("{\"a\": 1}\n{\"a\": }"),
            "t.jsonl: line 2 is no JSON at column 7: mend it"
        );
        let wanted = "t.jsonl: line 1 is no object, such as {\"text\": \"fine\", \"label\": 1}";
        assert_eq!(said("[1]"), wanted);
        let wanted = "t.jsonl: line 1 has an object or a list of such in a: make it flat";
        assert_eq!(said("{\"a\": {\"b\": 1}}"), wanted);
        let many: String = (0..5000).map(|key| format!("{{\"k{key}\": 1}}\n")).collect();
        assert_eq!(said(&many), "t.jsonl: line 4097 brings more than 4096 keys");
    }
}
