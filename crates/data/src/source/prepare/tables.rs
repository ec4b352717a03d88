//! Tables, texts in them, and long texts.

use super::{Prepared, Task, no_classes, other_kind};
use crate::source::answer::{Answers, Targets};
use crate::source::encoder::{Encoder, Input, read_table};
use crate::source::folder::{self, Parts};
use crate::source::options::DataOptions;
use crate::source::split::{Keys, SplitBy};
use crate::source::table::columns::{Kind, TableOptions, Task as Told, dates, numbers};
use crate::source::table::csv::CsvOptions;
use crate::source::table::encoder::TableEncoder;
use crate::source::table::frame::Frame;
use crate::source::table::target::TargetEncoder;
use crate::source::words::{LanguageOptions, TextEncoder, TextSet, Vocabulary, WINDOW};
use crate::text::{self, Windows};
use crate::{Dataset, TensorDataset};
use gradus_tensor::{Device, Error, Result, Tensor};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A table in a file, or in all files of a folder that have one of these endings.
fn read_tables(path: &Path, endings: &[&str], csv: &CsvOptions) -> Result<Frame> {
    if !path.is_dir() {
        return read_table(path, csv);
    }
    let files = folder::files(path, endings)?;
    if files.is_empty() {
        let message = format_args!("holds no file that ends in .{}", endings.join(" or ."));
        return Err(Error::format(path.display(), message));
    }
    let mut all = Frame::default();
    for file in files {
        all.append(read_table(&file, csv)?)?;
    }
    Ok(all)
}

impl Task<'_> {
    /// Tables in files.
    pub(super) fn table_files(
        &self,
        parts: Parts<PathBuf>,
        endings: &[&str],
        csv: &CsvOptions,
    ) -> Result<Prepared> {
        self.tables(parts.try_map(|path| read_tables(&path, endings, csv))?, csv)
    }

    /// The keys to divide a table by.
    pub(super) fn keys_of_table(&self, frame: &Frame, table: &TableOptions) -> Result<Keys> {
        let split = &self.options.split;
        match (split.by, &split.column) {
            (SplitBy::Stratified, _) => match (&table.target[..], table.task(frame)?) {
                ([target], Told::Classification) => {
                    Ok(Keys::Names(TargetEncoder::strata(frame, target)?))
                }
                _ => Err(no_classes()),
            },
            (SplitBy::Group, Some(column)) => {
                Ok(Keys::Names(TargetEncoder::strata(frame, column)?))
            }
            (SplitBy::Time, Some(column)) => {
                let rows: Vec<usize> = (0..frame.rows()).collect();
                let plain = numbers(frame, column, &rows, '.');
                let times = plain.or_else(|_| dates(frame, column, &rows, table.date_order))?;
                match times.iter().position(|time| time.is_nan()) {
                    Some(row) => Err(frame.complaint(row, column, "there is no time to divide by")),
                    None => Ok(Keys::Times(times)),
                }
            }
            _ => Ok(Keys::None),
        }
    }

    /// Rows of tables: of numbers, categories and dates, or of one text.
    pub(super) fn tables(&self, parts: Parts<Frame>, csv: &CsvOptions) -> Result<Prepared> {
        let frame = &parts.train;
        let table = &self.options.table;
        let division = self.divide(&parts, frame.rows(), &self.keys_of_table(frame, table)?)?;
        let targets = TargetEncoder::new(table, csv.decimal);
        let encoder = match self.known {
            Some(known) => known.clone(),
            None => {
                let answers = targets.learn(frame, &division.train, table)?;
                Encoder::new(self.learn_columns(frame, &division.train, csv)?, answers)
            }
        };
        let known = |frame: &Frame, rows: &[usize]| targets.encode(frame, rows, encoder.answers());
        let encoded = |frame: &Frame, rows: &[usize], known: Targets| -> Result<Arc<dyn Dataset>> {
            match encoder.input() {
                Input::Text { texts, column, .. } => {
                    let own = texts_of(frame, column, rows)?;
                    let own = own.iter().map(String::as_str);
                    Ok(Arc::new(TextSet::new(own, texts, known)))
                }
                Input::Table { columns, .. } => {
                    let numbers = columns.encode(frame, rows)?;
                    let shape = [rows.len(), columns.width()].into();
                    let input = Tensor::try_from_slice(&numbers, shape, Device::cpu())?;
                    Ok(Arc::new(TensorDataset::new(input, known.gather(&whole(rows.len()))?)))
                }
                _ => Err(other_kind(&encoder)),
            }
        };
        let learnt = known(frame, &division.train)?;
        let classes = learnt.classes(&whole(division.train.len()));
        let train = encoded(frame, &division.train, learnt)?;
        let part = |frame: &Frame, rows: &[usize]| encoded(frame, rows, known(frame, rows)?);
        let held = |given: &Option<Frame>, rows: &[usize]| match given {
            Some(frame) => part(frame, &whole(frame.rows())).map(Some),
            None if rows.is_empty() => Ok(None),
            None => part(frame, rows).map(Some),
        };
        Ok(Prepared {
            valid: held(&parts.valid, &division.valid)?,
            test: held(&parts.test, &division.test)?,
            raw: train.clone(),
            train,
            classes: classes.map(Arc::from),
            encoder,
        })
    }

    /// How some rows of a table become what a model is given.
    fn learn_columns(&self, frame: &Frame, rows: &[usize], csv: &CsvOptions) -> Result<Input> {
        let DataOptions { split, table, text, .. } = self.options;
        let features = table.features(frame, split.column.as_deref())?;
        if let [(column, Kind::Text)] = &features[..] {
            let texts = texts_of(frame, column, rows)?;
            let texts = TextEncoder::learn(texts.iter().map(String::as_str), text)?;
            return Ok(Input::Text { texts, column: column.clone(), csv: csv.clone() });
        }
        if let Some((name, _)) = features.iter().find(|(_, kind)| *kind == Kind::Text) {
            let others: Vec<&str> =
                features.iter().map(|(own, _)| &own[..]).filter(|own| own != name).collect();
            let message = format!(
                "table: the column {name} is text beside {}: put either under ignore, or list the \
                 text under categorical",
                others.join(", ")
            );
            return Err(Error::Setting(message));
        }
        let columns = TableEncoder::learn(frame, rows, &features, table, csv.decimal)?;
        if columns.width() == 0 {
            let message = "has no category that is frequent enough: lower min_count";
            return Err(Error::format(frame.origin().display(), message));
        }
        Ok(Input::Table { columns, csv: csv.clone() })
    }

    /// A long text of which the next token is told.
    pub(super) fn language_model(&self, options: &LanguageOptions) -> Result<Prepared> {
        let split = &self.options.split;
        if split.folds.is_some() {
            let message =
                "split: a long text has no folds, for windows would be torn: leave them out";
            return Err(Error::Setting(message.into()));
        }
        if split.by != SplitBy::Random {
            let message = "split: of a long text, the end is held out: leave by and column out";
            return Err(Error::Setting(message.into()));
        }
        let parts = Parts::find(&options.path, options.valid.as_deref(), options.test.as_deref())?;
        let path: PathBuf = parts.train.clone();
        let parts = parts.try_map(text::read)?;
        let all = &parts.train;
        let part = |given: &Option<String>, part: f64| match given {
            Some(_) => 0,
            None => (all.len() as f64 * part) as usize,
        };
        // A character is not cut in two.
        let border = |place: usize| all.floor_char_boundary(place);
        let last = border(all.len() - part(&parts.test, split.test));
        let first = border(last - part(&parts.valid, split.valid).min(last));
        let (vocabulary, length) = match self.known.map(|known| (known, known.input())) {
            None => {
                let own = &self.options.text;
                (Vocabulary::learn([&all[..first]], own)?, own.length.unwrap_or(WINDOW))
            }
            Some((_, Input::Language { vocabulary, length })) => (vocabulary.clone(), *length),
            Some((known, _)) => return Err(other_kind(known)),
        };
        let windows = |text: &str, name: &str| -> Result<Arc<dyn Dataset>> {
            let numbers: Vec<i64> = vocabulary.encode(text).into_iter().map(i64::from).collect();
            if numbers.len() <= length {
                let message = format_args!(
                    "has {} tokens {name}, not the {} of a window and the next: give more text or a \
                 smaller length",
                    numbers.len(),
                    length + 1
                );
                return Err(Error::format(path.display(), message));
            }
            Ok(Arc::new(Windows::new(Tensor::from(numbers), length)))
        };
        let train = windows(&all[..first], "to learn from")?;
        let held = |given: &Option<String>, own: &str, name: &str| match given {
            Some(text) => windows(text, name).map(Some),
            None if own.is_empty() => Ok(None),
            None => windows(own, name).map(Some),
        };
        let valid = held(&parts.valid, &all[first..last], "to validate with")?;
        let test = held(&parts.test, &all[last..], "to be tested with")?;
        let encoder = Encoder::new(Input::Language { vocabulary, length }, Answers::NextToken);
        Ok(Prepared { raw: train.clone(), train, valid, test, encoder, classes: None })
    }
}

/// The numbers of all of so many rows.
fn whole(count: usize) -> Vec<usize> {
    (0..count).collect()
}

/// The texts of a column; one that is missing is empty.
fn texts_of(frame: &Frame, column: &str, rows: &[usize]) -> Result<Vec<String>> {
    let cells = &frame.column(column)?.cells;
    Ok(rows.iter().map(|&row| cells.text(row).unwrap_or_default()).collect())
}
