//! Files of tables.

use super::{accepted, text};
use gradus_data::source::csv::{self, CsvOptions};
use gradus_data::source::frame::{Cells, Frame};
use gradus_data::source::{json_lines, parquet, words};
use serde_json::{Map, Value};
use std::path::Path;

const ORIGIN: &str = "table";

pub fn try_csv(bytes: &[u8]) -> bool {
    let text = text(bytes);
    // A dialect of its own, whose tables are others.
    let odd = CsvOptions {
        quote: '\'',
        decimal: ',',
        header: false,
        comment: Some('#'),
        trim: false,
        trim_end: ".".into(),
        skip_lines: 1,
        ..Default::default()
    };
    if let Some(read) = accepted(csv::decode(&text, Path::new(ORIGIN), &odd)) {
        check(&read, &text);
    }
    let Some(read) = accepted(csv::decode(&text, Path::new(ORIGIN), &CsvOptions::default())) else {
        return false;
    };
    check(&read, &text);
    let options = CsvOptions { delimiter: Some(','), ..Default::default() };
    let again = csv::decode(&to_csv(&read), Path::new(ORIGIN), &options).unwrap();
    assert_same(&read, &again);
    true
}

pub fn try_json_lines(bytes: &[u8]) -> bool {
    let text = text(bytes);
    let Some(read) = accepted(json_lines::decode(&text, Path::new(ORIGIN))) else {
        return false;
    };
    assert!(read.rows() <= text.lines().count());
    assert_lines(&read, &text);
    let again = json_lines::decode(&to_json_lines(&read), Path::new(ORIGIN)).unwrap();
    assert_same(&read, &again);
    true
}

pub fn try_parquet(bytes: &[u8]) -> bool {
    let Some(read) = accepted(parquet::decode(bytes.into(), Path::new(ORIGIN))) else {
        return false;
    };
    assert_whole(&read);
    // There is nothing here that writes Parquet, but what was read can be told in JSON.
    if read.rows() * read.columns().len() <= 4096 {
        let again = json_lines::decode(&to_json_lines(&read), Path::new(ORIGIN)).unwrap();
        assert_eq!((read.rows(), read.names()), (again.rows(), again.names()));
    }
    true
}

pub fn try_labelled(bytes: &[u8]) -> bool {
    let text = text(bytes);
    let Some(read) = accepted(words::decode_lines(&text, Path::new(ORIGIN))) else {
        return false;
    };
    assert_eq!(read.names(), ["label", "text"]);
    // The mark at the start is no part of a line.
    let lines = text.strip_prefix('\u{feff}').unwrap_or(&text).lines();
    assert_eq!(read.rows(), lines.filter(|line| !line.trim().is_empty()).count());
    assert_lines(&read, &text);
    // A label may begin with such a mark too, and a text end in a carriage return.
    let mut written = String::from("\u{feff}");
    for row in 0..read.rows() {
        let [label, text] = ["label", "text"].map(|name| cell(&read, name, row).unwrap());
        written += &format!("{label}\t{text}\r\n");
    }
    assert_same(&read, &words::decode_lines(&written, Path::new(ORIGIN)).unwrap());
    true
}

fn cell(frame: &Frame, name: &str, row: usize) -> Option<String> {
    frame.column(name).unwrap().cells.text(row)
}

/// What holds of every table of text between delimiters.
fn check(frame: &Frame, text: &str) {
    // A value takes a delimiter or the end of a line, but for the last.
    assert!(frame.rows() * frame.columns().len() <= text.len() + 1);
    let length = |cells: &Cells| -> usize {
        (0..cells.len()).filter_map(|row| cells.text(row)).map(|value| value.len()).sum()
    };
    let total: usize = frame.columns().iter().map(|column| length(&column.cells)).sum();
    assert!(total <= text.len());
    assert_lines(frame, text);
}

/// As many cells as rows in each column, and each name once.
fn assert_whole(frame: &Frame) {
    assert!(frame.rows() > 0);
    let mut names = frame.names();
    assert!(frame.columns().iter().all(|column| column.cells.len() == frame.rows()));
    names.sort_unstable();
    assert!(names.windows(2).all(|pair| pair[0] != pair[1]));
}

/// The rows of a text are in lines of it, one after another.
fn assert_lines(frame: &Frame, text: &str) {
    assert_whole(frame);
    let lines: Vec<u64> = (0..frame.rows()).map(|row| frame.place(row).1).collect();
    assert!(lines.is_sorted() && lines[0] >= 1);
    assert!(lines[lines.len() - 1] <= text.matches('\n').count() as u64 + 1);
}

/// The same names and cells; that a line was empty is forgotten.
fn assert_same(a: &Frame, b: &Frame) {
    assert_eq!((a.rows(), a.names()), (b.rows(), b.names()));
    for (x, y) in a.columns().iter().zip(b.columns()) {
        for row in 0..a.rows() {
            assert_eq!(x.cells.text(row), y.cells.text(row), "{} in row {row}", x.name);
        }
    }
}

fn to_csv(frame: &Frame) -> String {
    let quoted = |value: &str| format!("\"{}\"", value.replace('"', "\"\""));
    let line = |values: Vec<String>| values.join(",") + "\n";
    let names = frame.names().into_iter().map(quoted).collect();
    let row = |row| {
        let cells = frame.columns().iter().map(|column| column.cells.text(row));
        line(cells.map(|cell| cell.map_or("NA".into(), |value| quoted(&value))).collect())
    };
    [line(names)].into_iter().chain((0..frame.rows()).map(row)).collect()
}

fn to_json_lines(frame: &Frame) -> String {
    let value = |cells: &Cells, row| match cells {
        Cells::Number(numbers) => Value::from(numbers[row]),
        Cells::Text(texts) => Value::from(texts.get(row)),
    };
    let object = |row| -> Map<String, Value> {
        let columns = frame.columns().iter();
        columns.map(|column| (column.name.clone(), value(&column.cells, row))).collect()
    };
    (0..frame.rows()).map(|row| format!("{}\n", Value::Object(object(row)))).collect()
}
