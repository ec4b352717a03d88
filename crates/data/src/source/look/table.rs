//! Looking at tables.

use super::{FileKind, Files, Role, Seen, SeenColumn, kind_of};
use crate::source::JsonLinesOptions;
use crate::source::encoder::read_table;
use crate::source::folder;
use crate::source::options::Source;
use crate::source::split::SplitBy;
use crate::source::table::columns::{Kind, TableOptions, Task, number};
use crate::source::table::csv::CsvOptions;
use crate::source::table::frame::{Cells, Frame};
use gradus_tensor::{Error, Result};
use std::collections::HashSet;
use std::path::{Path, PathBuf};

/// What a table holds, or the tables of a folder.
pub(super) fn look(parts: Files, target: Option<&str>) -> Result<Seen> {
    let path = first_file(Path::new(&parts.path))?;
    let Files { path: own, valid, test } = parts;
    let mut csv = CsvOptions::default();
    let mut frame = read_table(&path, &csv)?;
    let kind = kind_of(&path);
    if kind == FileKind::Table {
        let guessed = dialect(&frame, csv.clone());
        if guessed != csv {
            frame = read_table(&path, &guessed)?;
            csv = guessed;
        }
    }
    let mut facts = vec![format!(
        "a table of {} rows and {} columns{}",
        frame.rows(),
        frame.columns().len(),
        match (csv.header, csv.skip_lines) {
            (true, _) => "",
            (false, 0) => ", without a line of names",
            (false, _) => ", after a line of counts",
        }
    )];
    for (name, file) in [("validate", &valid), ("be tested", &test)] {
        facts.extend(file.as_ref().map(|file| format!("{file} to {name} with")));
    }
    let source = match kind {
        FileKind::JsonLines => Source::JsonLines(JsonLinesOptions { path: own, valid, test }),
        #[cfg(feature = "parquet")]
        FileKind::Parquet => {
            Source::Parquet(crate::source::ParquetOptions { path: own, valid, test })
        }
        _ => Source::Csv(CsvOptions { path: own, valid, test, ..csv.clone() }),
    };
    let mut seen = Seen::of(source, facts);
    let target = choose_target(&frame, target)?;
    columns(&frame, &target, &csv, &mut seen)?;
    Ok(seen)
}

/// The file that shows what those of a folder are like.
fn first_file(path: &Path) -> Result<PathBuf> {
    if !path.is_dir() {
        return Ok(path.to_path_buf());
    }
    let tables = [FileKind::Table, FileKind::JsonLines, FileKind::Parquet];
    let files = folder::entries(path)?;
    let first = files.into_iter().find(|file| file.is_file() && tables.contains(&kind_of(file)));
    first.ok_or_else(|| Error::format(path.display(), "holds no table"))
}

/// The texts of a column, those that are not missing.
fn texts<'a>(frame: &'a Frame, name: &str) -> Vec<&'a str> {
    match frame.column(name).map(|column| &column.cells) {
        Ok(Cells::Text(texts)) => texts.iter().flatten().collect(),
        _ => vec![],
    }
}

/// How a table of text is written, as far as its cells show it.
fn dialect(frame: &Frame, mut csv: CsvOptions) -> CsvOptions {
    let columns: Vec<Vec<&str>> = frame.names().iter().map(|name| texts(frame, name)).collect();
    let shows = |text: &str, decimal| number(text, decimal).is_some();
    let numeric = |cells: &Vec<&str>| {
        !cells.is_empty() && cells.iter().all(|text| shows(text, '.') || shows(text, ','))
    };
    let named: Vec<(&str, bool)> =
        frame.names().into_iter().zip(columns.iter().map(numeric)).collect();
    // scikit-learn's files begin with how many rows and columns there are, then the classes.
    let counts = [frame.rows(), frame.columns().len().saturating_sub(1)].map(|n| n.to_string());
    if named.len() > 2 && named[0].0 == counts[0] && named[1].0 == counts[1] {
        (csv.header, csv.skip_lines) = (false, 1);
    } else {
        let mut of_numbers = named.iter().filter(|(_, numeric)| *numeric).peekable();
        // A name over numbers that is a number itself is none.
        let any = of_numbers.peek().is_some();
        csv.header = !(any && of_numbers.all(|(name, _)| shows(name, '.') || shows(name, ',')));
    }
    let all = || columns.iter().filter(|cells| numeric(cells)).flatten();
    let only = |one, other| all().filter(|text| shows(text, one) && !shows(text, other)).count();
    if only(',', '.') > only('.', ',') {
        csv.decimal = ',';
    }
    csv
}

/// What columns to be told are often called.
const TARGETS: [&str; 6] = ["target", "label", "class", "y", "outcome", "labels"];

/// The column to be told.
fn choose_target(frame: &Frame, target: Option<&str>) -> Result<String> {
    if let Some(target) = target {
        return frame.column(target).map(|column| column.name.clone());
    }
    let names = frame.names();
    if names.len() < 2 {
        let message = "has one column: a table has one to be told, and others to tell it by";
        return Err(Error::format(frame.origin().display(), message));
    }
    let called = TARGETS.iter().find_map(|target| {
        names.iter().find(|name| name.to_lowercase() == *target).map(|name| name.to_string())
    });
    if let Some(called) = called {
        return Ok(called);
    }
    let options = TableOptions::default();
    let is_text = |name: &&&str| matches!(options.see(frame, name), Ok(Some(Kind::Text)));
    let last = names.iter().rev().find(|name| !is_text(name)).unwrap_or(&names[0]);
    Ok(last.to_string())
}

/// A column and what it is for.
pub(super) fn describe(frame: &Frame, name: &str, role: Role) -> Result<SeenColumn> {
    let cells = &frame.column(name)?.cells;
    let texts: Vec<String> = (0..cells.len()).filter_map(|row| cells.text(row)).collect();
    Ok(SeenColumn {
        name: name.to_string(),
        role,
        missing: cells.len() - texts.len(),
        different: texts.iter().collect::<HashSet<_>>().len(),
        example: texts.into_iter().next().unwrap_or_default(),
    })
}

/// Says what each column is, and sets the options of the table so that they can be learnt from.
fn columns(frame: &Frame, target: &str, csv: &CsvOptions, seen: &mut Seen) -> Result<()> {
    let table = &mut seen.options.table;
    table.target = vec![target.to_string()];
    let mut given: Vec<(String, Kind)> = vec![];
    for name in frame.names() {
        let role = match name == target {
            true => Role::Target,
            false => role(frame, name, table, csv)?,
        };
        if let Role::Given(kind) = role {
            given.push((name.to_string(), kind));
        }
        seen.columns.push(describe(frame, name, role)?);
    }
    // A text is read by a model of its own, which is given nothing else.
    let words = |(name, _): &&(String, Kind)| {
        texts(frame, name).iter().map(|text| text.split_whitespace().count()).sum::<usize>()
    };
    let text = given.iter().filter(|(_, kind)| *kind == Kind::Text).max_by_key(words);
    if let Some((text, _)) = text {
        for column in &mut seen.columns {
            if matches!(column.role, Role::Given(_)) && column.name != *text {
                column.role = Role::LeftOut(format!("the model is given {text} alone"));
            }
        }
    }
    for column in &seen.columns {
        match column.role {
            Role::LeftOut(_) => table.ignore.push(column.name.clone()),
            Role::Given(Kind::Text) => table.text.push(column.name.clone()),
            _ => {}
        }
    }
    if !seen.columns.iter().any(|column| matches!(column.role, Role::Given(_))) {
        let message = format_args!("has no column of use to tell {target} by");
        return Err(Error::format(frame.origin().display(), message));
    }
    if csv.decimal != '.' {
        // What kind of answer it is is seen by numbers with points.
        let cells = texts(frame, target);
        let whole = cells.iter().all(|text| number(text, '.').is_some());
        if !whole && cells.iter().all(|text| number(text, csv.decimal).is_some()) {
            table.task = Task::Regression;
        }
    }
    if table.task(frame)? == Task::Classification {
        let told = describe(frame, target, Role::Target)?;
        if told.different > 20 && 2 * told.different > frame.rows() {
            let message = format_args!(
                "the column {target} is not one to be told, with {} different values in {} rows: \
                 say which is with --target",
                told.different,
                frame.rows()
            );
            return Err(Error::format(frame.origin().display(), message));
        }
        seen.options.split.by = SplitBy::Stratified;
    }
    Ok(())
}

/// What a column that is not the target is for.
fn role(frame: &Frame, name: &str, table: &TableOptions, csv: &CsvOptions) -> Result<Role> {
    let kind = match table.see(frame, name) {
        Ok(Some(kind)) => kind,
        Ok(None) => return Ok(Role::LeftOut("all of it is missing".into())),
        // What is different in each row says nothing of others.
        Err(Error::Format { .. }) => {
            return Ok(Role::LeftOut("nearly each row has a value of its own".into()));
        }
        Err(error) => return Err(error),
    };
    if kind == Kind::Numeric {
        let rows: Vec<usize> = (0..frame.rows()).collect();
        let numbers = crate::source::table::columns::numbers(frame, name, &rows, csv.decimal)?;
        let counts = numbers.windows(2).all(|pair| pair[1] == pair[0] + 1.0);
        if counts && numbers.len() > 2 && numbers[0].fract() == 0.0 {
            return Ok(Role::LeftOut("it numbers the rows".into()));
        }
    }
    Ok(Role::Given(kind))
}
