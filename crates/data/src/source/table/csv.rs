//! Tables as text: values between commas, semicolons, tabs or bars.

use super::frame::{Cells, Column, Frame, Texts};
use crate::text;
use csv::{ErrorKind, ReaderBuilder, StringRecord};
use gradus_tensor::{Error, Result};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// Where tables of text lie, and how they are written.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct CsvOptions {
    /// The file to learn from, plain or compressed with gzip, or a folder of such.
    pub path: String,
    /// One to validate with; without it, rows are held out of the first.
    pub valid: Option<String>,
    /// One to be tested with.
    pub test: Option<String>,
    /// What stands between values; none to see by the first line: the most frequent of comma,
    /// semicolon, tab and bar.
    pub delimiter: Option<char>,
    /// What stands around values that have a delimiter or the end of a line in them.
    pub quote: char,
    /// The sign before a number's fraction.
    pub decimal: char,
    /// True if the first line has the names of the columns.
    pub header: bool,
    /// The names of the columns, if there is no header or others are wanted.
    pub names: Vec<String>,
    /// How many lines to leave out at the start.
    pub skip_lines: usize,
    /// A line that begins so is left out.
    pub comment: Option<char>,
    /// True to drop spaces around values.
    pub trim: bool,
    /// What to drop from the end of values: the full stop behind those of UCI Adult's test file.
    pub trim_end: String,
    /// What stands for a value that is missing.
    pub missing: Vec<String>,
}

impl Default for CsvOptions {
    fn default() -> Self {
        let missing = ["", "?", "NA", "N/A", "NaN", "nan", "null", "NULL", "None"];
        Self {
            path: String::new(),
            valid: None,
            test: None,
            delimiter: None,
            quote: '"',
            decimal: '.',
            header: true,
            names: vec![],
            skip_lines: 0,
            comment: None,
            trim: true,
            trim_end: String::new(),
            missing: missing.map(String::from).into(),
        }
    }
}

impl CsvOptions {
    /// Refuses what no table can be read by.
    ///
    /// # Errors
    /// If a sign is not one of ASCII, or two are the same.
    pub fn check(&self) -> Result<()> {
        let signs = [
            ("delimiter", self.delimiter),
            ("quote", Some(self.quote)),
            ("decimal", Some(self.decimal)),
            ("comment", self.comment),
        ];
        for (place, (name, sign)) in signs.iter().enumerate() {
            let Some(sign) = sign else { continue };
            if !sign.is_ascii() || matches!(sign, '\n' | '\r') {
                let message = format!("data: {name} = {sign:?} is no sign of ASCII: give another");
                return Err(Error::Setting(message));
            }
            let same = signs[..place].iter().find(|(_, other)| *other == Some(*sign));
            if let Some((other, _)) = same {
                let message = format!("data: {other} and {name} are both {sign:?}: change one");
                return Err(Error::Setting(message));
            }
        }
        Ok(())
    }
}

/// The table in a file.
///
/// # Errors
/// If it cannot be read, is not UTF-8, or a row has another number of values than the first.
pub fn read(path: &Path, options: &CsvOptions) -> Result<Frame> {
    decode(&text::read(path)?, path, options)
}

/// The table that a text holds.
///
/// ```
/// use gradus_data::source::csv::{CsvOptions, decode};
///
/// # fn main() -> gradus_tensor::Result<()> {
/// let table = decode("size;price\n3;4,5\n", "prices.csv".as_ref(), &CsvOptions::default())?;
/// assert_eq!(table.names(), ["size", "price"]);
/// assert_eq!(table.column("price")?.cells.text(0).unwrap(), "4,5");
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// If a row has another number of values than the first, or a quote is never closed.
pub fn decode(text: &str, origin: &Path, options: &CsvOptions) -> Result<Frame> {
    options.check()?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let (text, skipped) = skip_lines(text, options.skip_lines);
    let delimiter = options.delimiter.unwrap_or_else(|| guess_delimiter(text, options));
    let mut reader = ReaderBuilder::new()
        .has_headers(false)
        .delimiter(delimiter as u8)
        .quote(options.quote as u8)
        .comment(options.comment.map(|sign| sign as u8))
        .from_reader(text.as_bytes());
    let mut table = Rows { options, names: vec![], columns: vec![], lines: vec![] };
    let mut record = StringRecord::new();
    let mut at = Place { byte: 0, line: 1 };
    loop {
        match reader.read_record(&mut record) {
            Ok(false) => break,
            Ok(true) => {}
            Err(error) => {
                let byte = error.position().map_or(0, |place| place.byte() as usize);
                let line = at.on_to(text, byte, options).line + skipped;
                return Err(complaint(origin, error, line));
            }
        }
        at = at.of_record(text, &record, options);
        // A line of spaces says nothing.
        if record.len() == 1 && record[0].trim().is_empty() {
            continue;
        }
        table.add(&record, at.line + skipped, origin)?;
    }
    let (start, line) = (at.byte, at.line + skipped);
    let rest = text.get(start..).unwrap_or("");
    let open = rest.matches(options.quote).count() % 2 == 1;
    if open && rest.trim_end().contains('\n') {
        let message = format_args!(
            "line {line} opens a quote ({}) that nothing closes: close it, or say that another \
             sign quotes",
            options.quote
        );
        return Err(Error::format(origin.display(), message));
    }
    table.finish(origin)
}

/// Where a row begins.
#[derive(Clone, Copy)]
struct Place {
    byte: usize,
    line: u64,
}

impl Place {
    /// Where a record begins that comes after this place.
    fn of_record(self, text: &str, record: &StringRecord, options: &CsvOptions) -> Self {
        let byte = record.position().map_or(self.byte, |place| place.byte() as usize);
        self.on_to(text, byte, options)
    }

    /// The place at a byte, or after the empty lines and comments that are there: the reader of the
    /// format counts those with the row that follows.
    fn on_to(self, text: &str, byte: usize, options: &CsvOptions) -> Self {
        let rest = |byte: usize| text.get(byte..).unwrap_or("");
        let mut byte = byte.max(self.byte);
        loop {
            byte += rest(byte).len() - rest(byte).trim_start_matches(['\r', '\n']).len();
            let is_comment = options.comment.is_some_and(|sign| rest(byte).starts_with(sign));
            match rest(byte).find('\n').filter(|_| is_comment) {
                Some(end) => byte += end,
                None => break,
            }
        }
        let passed = text.get(self.byte..byte).unwrap_or("");
        Self { byte, line: self.line + passed.matches('\n').count() as u64 }
    }
}

/// The table as far as it is read.
struct Rows<'a> {
    options: &'a CsvOptions,
    names: Vec<String>,
    columns: Vec<Texts>,
    lines: Vec<u64>,
}

impl Rows<'_> {
    fn add(&mut self, record: &StringRecord, line: u64, origin: &Path) -> Result<()> {
        if self.columns.is_empty() {
            self.columns = vec![Texts::default(); record.len()];
            self.names = (1..=record.len()).map(|number| format!("column{number}")).collect();
            let named = &self.options.names;
            if !named.is_empty() && named.len() != record.len() {
                let message = format_args!(
                    "line {line} has {} values, but {} names of columns are given",
                    record.len(),
                    named.len()
                );
                return Err(Error::format(origin.display(), message));
            }
            if self.options.header {
                self.names = record.iter().map(|name| name.trim().to_string()).collect();
                // What tables of statistics write over the column of row numbers is nothing.
                for (number, name) in self.names.iter_mut().enumerate() {
                    if name.is_empty() {
                        *name = format!("column{}", number + 1);
                    }
                }
            }
            if !named.is_empty() {
                self.names.clone_from(named);
            }
            if self.options.header {
                return Ok(());
            }
        }
        for (column, value) in self.columns.iter_mut().zip(record) {
            let value = if self.options.trim { value.trim() } else { value };
            let value = value.strip_suffix(&self.options.trim_end).unwrap_or(value);
            let missing = self.options.missing.iter().any(|missing| missing == value);
            column.push((!missing).then_some(value));
        }
        self.lines.push(line);
        Ok(())
    }

    fn finish(self, origin: &Path) -> Result<Frame> {
        if self.lines.is_empty() {
            let message = "has no rows: a table has one at least, besides the names of its columns";
            return Err(Error::format(origin.display(), message));
        }
        let named = self.names.into_iter().zip(self.columns);
        let columns = named.map(|(name, texts)| Column { name, cells: Cells::Text(texts) });
        Frame::new(origin, columns.collect(), self.lines)
    }
}

/// The text after so many lines, and how many there were.
fn skip_lines(mut text: &str, count: usize) -> (&str, u64) {
    for skipped in 0..count {
        match text.split_once('\n') {
            Some((_, rest)) => text = rest,
            None => return ("", skipped as u64),
        }
    }
    (text, count as u64)
}

/// The sign that is most frequent in the first line outside of quotes.
fn guess_delimiter(text: &str, options: &CsvOptions) -> char {
    let is_comment = |line: &&str| options.comment.is_some_and(|sign| line.starts_with(sign));
    let line = text.lines().find(|line| !line.trim().is_empty() && !is_comment(line));
    let bare: String = line.unwrap_or("").split(options.quote).step_by(2).collect();
    let count = |sign: char| bare.matches(sign).count();
    let others = [';', '\t', '|'].into_iter().filter(|&sign| sign != options.quote);
    // Where two are as frequent, the comma is meant, unless it may stand before fractions.
    let digits =
        |part: &str, at: fn(&str) -> Option<char>| at(part).is_some_and(|c| c.is_ascii_digit());
    let parts: Vec<&str> = bare.split(',').collect();
    let fractions = parts.windows(2).all(|pair| {
        digits(pair[0], |part| part.chars().last()) && digits(pair[1], |part| part.chars().next())
    });
    others.fold(',', |best, sign| {
        let tie = best == ',' && fractions && count(sign) > 0 && count(sign) == count(best);
        if tie || count(sign) > count(best) { sign } else { best }
    })
}

fn complaint(origin: &Path, error: csv::Error, line: u64) -> Error {
    let message = match error.kind() {
        ErrorKind::UnequalLengths { expected_len, len, .. } => format!(
            "line {line} has {len} values where the first has {expected_len}: quote values with a \
             delimiter in them, or name the delimiter"
        ),
        _ => format!("line {line} is no row of a table: {error}"),
    };
    Error::format(origin.display(), message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(text: &str, options: CsvOptions) -> Result<Frame> {
        decode(text, Path::new("t.csv"), &options)
    }

    fn cells(frame: &Frame, name: &str) -> Vec<String> {
        let cells = &frame.column(name).unwrap().cells;
        (0..cells.len()).map(|row| cells.text(row).unwrap_or("-".into())).collect()
    }

    #[test]
    fn tables_of_every_dialect() {
        let plain =
            table("\u{feff}a,b\r\n1, x \r\n\r\n?,\"y, \"\"z\"\"\n1\"\n", Default::default());
        let plain = plain.unwrap();
        assert_eq!(cells(&plain, "a"), ["1", "-"]);
        assert_eq!(cells(&plain, "b"), ["x", "y, \"z\"\n1"]);
        assert_eq!(plain.place(1).1, 4);
        for text in ["a\tb\n1\t2,5\n", "a|b\n1|2,5\n", "\"a\";\"b,c;\"\n1;2,5\n"] {
            let frame = table(text, Default::default()).unwrap();
            assert_eq!((frame.columns().len(), frame.rows()), (2, 1), "{text}");
            assert_eq!(frame.columns()[1].cells.text(0).unwrap(), "2,5");
        }
        let options = CsvOptions {
            header: false,
            names: vec!["x".into(), "y".into()],
            skip_lines: 2,
            comment: Some('#'),
            delimiter: Some(' '),
            trim: false,
            trim_end: "!".into(),
            missing: vec!["-".into()],
            ..Default::default()
        };
        let frame = table("2 rows\nof what\n# so\n1 -\nNA! 3\n", options).unwrap();
        assert_eq!(cells(&frame, "x"), ["1", "NA"]);
        assert_eq!(cells(&frame, "y"), ["-", "3"]);
        assert_eq!((frame.place(0).1, frame.place(1).1), (4, 5));
    }

    #[test]
    fn what_is_no_table_is_refused_with_the_line() {
        let skip = CsvOptions { skip_lines: 1, ..Default::default() };
        let named = CsvOptions { names: vec!["x".into()], ..Default::default() };
        let same = CsvOptions { quote: ';', delimiter: Some(';'), ..Default::default() };
        let far = CsvOptions { delimiter: Some('→'), ..Default::default() };
        let none = CsvOptions::default();
        let empty =
            "t.csv: has no rows: a table has one at least, besides the names of its columns";
        let uneven = |line, count, first| {
            format!(
                "t.csv: line {line} has {count} values where the first has {first}: quote values \
                 with a delimiter in them, or name the delimiter"
            )
        };
        let said =
            |text, options: &CsvOptions| table(text, options.clone()).unwrap_err().to_string();
        assert_eq!(said("a,b\n1,2\n3\n", &none), uneven(3, 1, 2));
        assert_eq!(said("a,b\r\n\r\n1,2\r\n3\r\n", &none), uneven(4, 1, 2));
        assert_eq!(said("so\na,b\n1,2,3\n", &skip), uneven(3, 3, 2));
        for (text, options, wanted) in [
            ("", &none, empty),
            ("a,b\n", &none, empty),
            ("a,a\n1,2\n", &none, "t.csv: two columns are called a: rename one"),
            (
                "a,b\n1,2\n3,\"4\n5,6\n",
                &none,
                "t.csv: line 3 opens a quote (\") that nothing closes: close it, or say that \
                 another sign quotes",
            ),
            ("a,b\n1,2\n", &named, "t.csv: line 1 has 2 values, but 1 names of columns are given"),
            ("a\n1\n", &same, "data: delimiter and quote are both ';': change one"),
            ("a\n1\n", &far, "data: delimiter = '→' is no sign of ASCII: give another"),
        ] {
            assert_eq!(said(text, options), wanted);
        }
    }
}
