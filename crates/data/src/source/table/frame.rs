//! A table in memory: what CSV, Parquet and JSON lines become before anything is learnt from them.

use gradus_tensor::{Error, Result};
use std::path::{Path, PathBuf};

/// A table as it was read: named columns of as many cells, each of which may be missing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Frame {
    columns: Vec<Column>,
    /// The files that the rows come from, each with the number of its first row.
    origins: Vec<(PathBuf, usize)>,
    /// The line of each row in its file, counted from 1.
    lines: Vec<u64>,
}

/// A column of a [`Frame`].
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    /// What it is called.
    pub name: String,
    /// What is in its rows.
    pub cells: Cells,
}

/// The cells of a column.
#[derive(Clone, Debug, PartialEq)]
pub enum Cells {
    /// Text, as files of text have it: numbers and dates too, until someone parses them.
    Text(Texts),
    /// Numbers; NaN where one is missing.
    Number(Vec<f64>),
}

impl Cells {
    /// How many there are.
    pub fn len(&self) -> usize {
        match self {
            Self::Text(texts) => texts.len(),
            Self::Number(numbers) => numbers.len(),
        }
    }

    /// True if there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What a cell says, unless it is missing.
    pub fn text(&self, row: usize) -> Option<String> {
        match self {
            Self::Text(texts) => texts.get(row).map(str::to_string),
            Self::Number(numbers) => {
                Some(numbers[row]).filter(|x| !x.is_nan()).map(|x| x.to_string())
            }
        }
    }

    /// True if a cell has nothing in it.
    pub fn is_missing(&self, row: usize) -> bool {
        match self {
            Self::Text(texts) => texts.get(row).is_none(),
            Self::Number(numbers) => numbers[row].is_nan(),
        }
    }
}

/// Many texts, end to end in one piece of memory.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Texts {
    all: String,
    /// Where each ends, and whether it is there.
    ends: Vec<(usize, bool)>,
}

impl Texts {
    /// Adds a text, or that one is missing.
    pub fn push(&mut self, text: Option<&str>) {
        self.all.push_str(text.unwrap_or(""));
        self.ends.push((self.all.len(), text.is_some()));
    }

    /// How many there are, missing ones too.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// True if there is none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// A text, unless it is missing.
    pub fn get(&self, index: usize) -> Option<&str> {
        let (end, there) = self.ends[index];
        let start = index.checked_sub(1).map_or(0, |before| self.ends[before].0);
        there.then(|| &self.all[start..end])
    }

    /// All of them in order.
    pub fn iter(&self) -> impl Iterator<Item = Option<&str>> {
        (0..self.len()).map(|index| self.get(index))
    }
}

impl<'a> FromIterator<Option<&'a str>> for Texts {
    fn from_iter<I: IntoIterator<Item = Option<&'a str>>>(texts: I) -> Self {
        let mut all = Self::default();
        texts.into_iter().for_each(|text| all.push(text));
        all
    }
}

impl Frame {
    /// A table of columns, with the line that each row has in a file.
    ///
    /// # Errors
    /// If a column has another number of rows, or two have the same name.
    pub fn new(origin: &Path, columns: Vec<Column>, lines: Vec<u64>) -> Result<Self> {
        for (place, column) in columns.iter().enumerate() {
            let (name, len, rows) = (&column.name, column.cells.len(), lines.len());
            if len != rows {
                let message = format_args!("column {name} has {len} rows where others have {rows}");
                return Err(Error::format(origin.display(), message));
            }
            if columns[..place].iter().any(|other| other.name == *name) {
                let message = format_args!("two columns are called {name}: rename one");
                return Err(Error::format(origin.display(), message));
            }
        }
        Ok(Self { columns, origins: vec![(origin.to_path_buf(), 0)], lines })
    }

    /// The number of rows.
    pub fn rows(&self) -> usize {
        self.lines.len()
    }

    /// The columns, in the order of the file.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// The names of the columns.
    pub fn names(&self) -> Vec<&str> {
        self.columns.iter().map(|column| column.name.as_str()).collect()
    }

    /// A column by its name.
    ///
    /// # Errors
    /// If there is none.
    pub fn column(&self, name: &str) -> Result<&Column> {
        self.columns.iter().find(|column| column.name == name).ok_or_else(|| {
            let names = self.names().join(", ");
            let message = format_args!("has no column {name}: it has {names}");
            Error::format(self.origin().display(), message)
        })
    }

    /// The first of the files.
    pub fn origin(&self) -> &Path {
        self.origins.first().map_or(Path::new("table"), |(path, _)| path)
    }

    /// The file of a row and its line there.
    pub fn place(&self, row: usize) -> (&Path, u64) {
        let file = self.origins.partition_point(|&(_, first)| first <= row) - 1;
        (&self.origins[file].0, self.lines[row])
    }

    /// A complaint about a cell.
    pub fn complaint(&self, row: usize, column: &str, message: impl std::fmt::Display) -> Error {
        let (path, line) = self.place(row);
        let message = format_args!("line {line}, column {column}: {message}");
        Error::format(path.display(), message)
    }

    /// Adds the rows of a table of the same columns.
    ///
    /// # Errors
    /// If its columns are others.
    pub fn append(&mut self, other: Self) -> Result<()> {
        if self.columns.is_empty() && self.lines.is_empty() {
            *self = other;
            return Ok(());
        }
        if self.names() != other.names() {
            let message = format_args!(
                "has the columns {}, but {} has {}: tables that are read together have the same",
                other.names().join(", "),
                self.origin().display(),
                self.names().join(", ")
            );
            return Err(Error::format(other.origin().display(), message));
        }
        let before = self.rows();
        for (own, column) in self.columns.iter_mut().zip(other.columns) {
            own.cells =
                join(std::mem::replace(&mut own.cells, Cells::Number(vec![])), column.cells);
        }
        self.origins.extend(other.origins.into_iter().map(|(path, row)| (path, row + before)));
        self.lines.extend(other.lines);
        Ok(())
    }
}

/// Cells after cells: text if either is.
fn join(mut first: Cells, second: Cells) -> Cells {
    match (&mut first, &second) {
        (Cells::Number(numbers), Cells::Number(more)) => numbers.extend(more),
        (Cells::Text(texts), more) => {
            (0..more.len()).for_each(|row| texts.push(more.text(row).as_deref()));
        }
        (Cells::Number(_), Cells::Text(_)) => {
            let all = [&first, &second];
            let mut texts = Texts::default();
            for cells in all {
                (0..cells.len()).for_each(|row| texts.push(cells.text(row).as_deref()));
            }
            return Cells::Text(texts);
        }
    }
    first
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(origin: &str, name: &str, cells: Cells) -> Frame {
        let lines = (2..2 + cells.len() as u64).collect();
        let column = Column { name: name.into(), cells };
        Frame::new(Path::new(origin), vec![column], lines).unwrap()
    }

    #[test]
    fn tables_are_joined_and_keep_their_lines() {
        let texts: Texts = [Some("a"), None, Some("")].into_iter().collect();
        let mut all = frame("a.csv", "x", Cells::Number(vec![1.5, f64::NAN]));
        all.append(frame("b.csv", "x", Cells::Text(texts))).unwrap();
        let cells = &all.column("x").unwrap().cells;
        let said: Vec<Option<String>> = (0..5).map(|row| cells.text(row)).collect();
        let wanted = [Some("1.5"), None, Some("a"), None, Some("")];
        assert_eq!(said, wanted.map(|text| text.map(String::from)));
        assert_eq!(all.place(1), (Path::new("a.csv"), 3));
        assert_eq!(all.place(3), (Path::new("b.csv"), 3));
        let error = all.append(frame("c.csv", "y", Cells::Number(vec![]))).unwrap_err();
        let wanted = "c.csv: has the columns y, but a.csv has x: tables that are read together \
                      have the same";
        assert_eq!(error.to_string(), wanted);
        let error = all.column("z").unwrap_err().to_string();
        assert_eq!(error, "a.csv: has no column z: it has x");
    }
}
