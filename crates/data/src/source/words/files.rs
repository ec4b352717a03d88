//! Files of texts with labels.

use crate::source::folder;
use crate::source::table::frame::{Cells, Column, Frame, Texts};
use crate::text;
use gradus_tensor::{Error, Result};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// Where texts with labels lie: a file with `label<TAB>text` in each line, or a folder that holds a
/// folder of `.txt` files for each label.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TextFilesOptions {
    /// The file or folder to learn from. A folder may hold the folders `train`, `valid` and `test`.
    pub path: String,
    /// One to validate with; without it, texts are held out of the first.
    pub valid: Option<String>,
    /// One to be tested with.
    pub test: Option<String>,
}

/// Where a long text lies to learn a language from, what comes next being told at each place.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct LanguageOptions {
    /// The file to learn from, plain or compressed with gzip.
    pub path: String,
    /// One to validate with; without it, the end of the first is held out.
    pub valid: Option<String>,
    /// One to be tested with.
    pub test: Option<String>,
}

/// The names of the columns that labelled texts become.
pub(in crate::source) const LABEL: &str = "label";
pub(in crate::source) const TEXT: &str = "text";

/// The texts of a file or a folder, with their labels.
pub(in crate::source) fn read_labelled(path: &Path) -> Result<Frame> {
    if !path.is_dir() {
        return decode_lines(&text::read(path)?, path);
    }
    let (mut labels, mut texts) = (Texts::default(), Texts::default());
    let classes = folder::classes(path, &["txt"])?;
    for (class, files) in &classes {
        for file in files {
            labels.push(Some(class));
            texts.push(Some(&text::read(file)?));
        }
    }
    let lines = vec![1; labels.len()];
    frame(path, labels, texts, lines)
}

/// The texts of lines `label<TAB>text`, as a table with the columns `label` and `text`.
///
/// # Errors
/// If a line has no tab, or there is none.
pub fn decode_lines(text: &str, origin: &Path) -> Result<Frame> {
    let (mut labels, mut texts, mut lines) = (Texts::default(), Texts::default(), vec![]);
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    for (number, line) in (1..).zip(text.lines()) {
        if line.trim().is_empty() {
            continue;
        }
        let Some((label, text)) = line.split_once('\t') else {
            let message = format_args!("line {number} has no tab between its label and its text");
            return Err(Error::format(origin.display(), message));
        };
        labels.push(Some(label.trim()));
        texts.push(Some(text));
        lines.push(number);
    }
    if lines.is_empty() {
        let message = "has no line: give a label, a tab and a text in each";
        return Err(Error::format(origin.display(), message));
    }
    frame(origin, labels, texts, lines)
}

fn frame(origin: &Path, labels: Texts, texts: Texts, lines: Vec<u64>) -> Result<Frame> {
    let column = |name: &str, texts| Column { name: name.into(), cells: Cells::Text(texts) };
    Frame::new(origin, vec![column(LABEL, labels), column(TEXT, texts)], lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_a_label_and_a_text() {
        let frame = decode_lines("good\tvery\tgood\n\r\nbad\t\r\n", Path::new("t.txt")).unwrap();
        let said = |name, row| frame.column(name).unwrap().cells.text(row).unwrap();
        assert_eq!((said(LABEL, 0), said(TEXT, 0)), ("good".into(), "very\tgood".into()));
        assert_eq!((said(LABEL, 1), said(TEXT, 1)), ("bad".into(), "".into()));
        assert_eq!(frame.place(1).1, 3);
        let said = |text| decode_lines(text, Path::new("t.txt")).unwrap_err().to_string();
        assert_eq!(said("a\tb\nc d"), "t.txt: line 2 has no tab between its label and its text");
        assert_eq!(said(""), "t.txt: has no line: give a label, a tab and a text in each");
    }
}
