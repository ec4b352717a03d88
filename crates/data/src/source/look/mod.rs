//! What data lies at a path: of which kind it is, and how to read it.

mod folder;
mod table;

use super::options::{DataOptions, Source};
use super::picture::{CifarOptions, IdxOptions};
use super::split::SplitBy;
use super::table::columns::Kind;
use super::words::{LanguageOptions, TextFilesOptions, Unit};
use super::{ArrayOptions, words};
use crate::text;
use gradus_tensor::{Error, Result};
use std::collections::HashSet;
use std::path::{Path, PathBuf};

/// What was seen at a path.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen {
    /// How it is read.
    pub options: DataOptions,
    /// What it is, a sentence each.
    pub facts: Vec<String>,
    /// The columns, if it is a table.
    pub columns: Vec<SeenColumn>,
}

/// A column of a table, as its cells show it.
#[derive(Clone, Debug, PartialEq)]
pub struct SeenColumn {
    /// What it is called.
    pub name: String,
    /// What it is for.
    pub role: Role,
    /// How many cells are empty.
    pub missing: usize,
    /// How many different values the others have.
    pub different: usize,
    /// The first of them.
    pub example: String,
}

/// What a column is for.
#[derive(Clone, Debug, PartialEq)]
pub enum Role {
    /// It is to be told.
    Target,
    /// The model is given it, as this.
    Given(Kind),
    /// It is left out, for this reason.
    LeftOut(String),
}

impl Seen {
    /// Data from a source, all else by default.
    fn of(source: Source, facts: Vec<String>) -> Self {
        Self { options: DataOptions::of(source), facts, columns: vec![] }
    }

    /// The same, of classes: each part gets its share of every one.
    fn by_class(mut self) -> Self {
        self.options.split.by = SplitBy::Stratified;
        self
    }
}

/// What files are, by their names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FileKind {
    Picture,
    Sound,
    Table,
    JsonLines,
    Parquet,
    Npy,
    Npz,
    Idx,
    Cifar,
    Text,
    Other,
}

/// A file's name without `.gz`, in small letters.
fn plain_name(path: &Path) -> String {
    let name = path.file_name().map(|name| name.to_string_lossy().to_lowercase());
    let name = name.unwrap_or_default();
    name.strip_suffix(".gz").unwrap_or(&name).to_string()
}

fn kind_of(path: &Path) -> FileKind {
    let name = plain_name(path);
    match name.rsplit_once('.').map_or("", |(_, ending)| ending) {
        ending if super::picture_file::ENDINGS.contains(&ending) => FileKind::Picture,
        "wav" | "flac" => FileKind::Sound,
        "csv" | "tsv" | "data" => FileKind::Table,
        "jsonl" | "ndjson" => FileKind::JsonLines,
        "parquet" => FileKind::Parquet,
        "npy" => FileKind::Npy,
        "npz" => FileKind::Npz,
        "bin" => FileKind::Cifar,
        "txt" | "text" => FileKind::Text,
        _ if name.ends_with("-ubyte") => FileKind::Idx,
        _ => FileKind::Other,
    }
}

/// Files to learn from, to validate with and to be tested with.
struct Files {
    path: String,
    valid: Option<String>,
    test: Option<String>,
}

impl Files {
    fn one(path: &Path) -> Self {
        Self { path: path.to_string_lossy().into_owned(), valid: None, test: None }
    }
}

/// Looks at what lies at a path, and says how to read it: a folder or a file of any kind that
/// [`Source`] has. `target` is the column of a table that is to be told; without it, one that is
/// called so, or the last.
///
/// ```
/// use gradus_data::source::{Source, look};
///
/// # fn main() -> gradus_tensor::Result<()> {
/// # let folder = tempfile::tempdir().unwrap();
/// # let path = folder.path().join("sizes.csv");
/// std::fs::write(&path, "size;class\n1,5;a\n2,5;b\n3,5;a\n").unwrap();
/// let seen = look(&path, None)?;
/// assert!(matches!(&seen.options.source, Source::Csv(csv) if csv.decimal == ','));
/// assert_eq!(seen.options.table.target, ["class"]);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// If nothing there can be read: with what is there, and what is read.
pub fn look(path: &Path, target: Option<&str>) -> Result<Seen> {
    let seen = match path.metadata().map_err(|error| Error::io(path, error))?.is_dir() {
        true => folder::look(path, target)?,
        false => look_at_file(path, target)?,
    };
    if let (Some(target), true) = (target, seen.columns.is_empty()) {
        let message = format_args!("is no table: it has no column {target} to be told");
        return Err(Error::format(path.display(), message));
    }
    Ok(seen)
}

fn look_at_file(path: &Path, target: Option<&str>) -> Result<Seen> {
    let in_folder = |what: &str| {
        let message =
            format_args!("is one {what}: give the folder that holds a folder for each class");
        Err(Error::format(path.display(), message))
    };
    // A name without a folder is in the one of now.
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let parent = parent.unwrap_or(Path::new("."));
    match kind_of(path) {
        FileKind::Picture => in_folder("picture"),
        FileKind::Sound => in_folder("sound"),
        FileKind::Table | FileKind::JsonLines | FileKind::Parquet => {
            table::look(Files::one(path), target)
        }
        FileKind::Idx => idx(parent),
        FileKind::Cifar => cifar(parent),
        FileKind::Npz => {
            arrays(ArrayOptions { path: path.to_string_lossy().into_owned(), ..Default::default() })
        }
        FileKind::Npy => npy(path, parent),
        FileKind::Text => look_at_text(Files::one(path)),
        FileKind::Other => look_at_text(Files::one(path))
            .map_err(|_| unknown(path, "is nothing that is read here")),
    }
}

/// The error that there is nothing to be read at a path.
fn unknown(path: &Path, found: &str) -> Error {
    let message = format_args!(
        "{found}: give a folder of pictures, sounds or texts with a folder for each class, or a file \
         that ends in .csv, .tsv, .jsonl, .parquet, .npz or .txt, or the folder of MNIST's or CIFAR's \
         files"
    );
    Error::format(path.display(), message)
}

/// The folder of the files of MNIST, or of a set like it.
fn idx(folder: &Path) -> Result<Seen> {
    let path = folder.to_string_lossy().into_owned();
    let fact = "pictures and classes in files of the IDX format".to_string();
    Ok(Seen::of(Source::Idx(IdxOptions { path, ..Default::default() }), vec![fact]).by_class())
}

/// The folder of the binary files of CIFAR.
fn cifar(folder: &Path) -> Result<Seen> {
    let name = match folder.join("data_batch_1.bin").is_file() {
        true => "CIFAR-10",
        false => "CIFAR-100",
    };
    let path = folder.to_string_lossy().into_owned();
    let fact = format!("{name}, the binary version");
    Ok(Seen::of(Source::Cifar(CifarOptions { path, coarse: false }), vec![fact]).by_class())
}

/// Arrays of NumPy.
fn arrays(options: ArrayOptions) -> Result<Seen> {
    let parts = super::arrays::open(&options)?;
    let train = &parts.train;
    let mut facts = vec![format!(
        "arrays of NumPy: inputs of shape {}, targets of shape {}",
        train.input.shape(),
        train.target.shape()
    )];
    for (name, part) in [("validate", &parts.valid), ("be tested", &parts.test)] {
        facts.extend(part.as_ref().map(|part| format!("{} to {name} with", part.input.len_of(0))));
    }
    let rows: Vec<usize> = (0..train.input.len_of(0)).collect();
    let answers = super::arrays::answers(&parts, &rows, &options)?;
    let seen = Seen::of(Source::Arrays(options), facts);
    Ok(match answers {
        super::Answers::Classes(_) => seen.by_class(),
        _ => seen,
    })
}

/// What files of inputs and of targets are called.
const PAIRS: [(&str, &str); 5] = [
    ("x", "y"),
    ("inputs", "targets"),
    ("images", "labels"),
    ("data", "labels"),
    ("features", "labels"),
];

/// An array of inputs, whose targets lie beside it.
fn npy(path: &Path, folder: &Path) -> Result<Seen> {
    let name = plain_name(path);
    let partner = PAIRS.iter().find_map(|(input, target)| {
        let partner = name.strip_prefix(input).map(|rest| format!("{target}{rest}"))?;
        beside(folder, &partner)
    });
    let Some(targets) = partner else {
        let message = "has no targets beside it: call them x.npy and y.npy, or put both into one npz \
                       file as x and y";
        return Err(Error::format(path.display(), message));
    };
    let text = |path: PathBuf| path.to_string_lossy().into_owned();
    let part = |part: &str| {
        let other = |path: &Path| beside(folder, &plain_name(path).replace("train", part));
        match name.contains("train") {
            true => Some([text(other(path)?), text(other(&targets)?)]),
            false => None,
        }
    };
    arrays(ArrayOptions {
        path: path.to_string_lossy().into_owned(),
        valid: part("valid").or_else(|| part("val")),
        test: part("test"),
        targets: Some(text(targets.clone())),
        ..Default::default()
    })
}

/// The file with a name, whether its letters are small or not.
fn beside(folder: &Path, name: &str) -> Option<PathBuf> {
    let entries = super::folder::entries(folder).ok()?;
    entries.into_iter().find(|path| path.is_file() && plain_name(path) == name)
}

/// So many lines show whether they are labelled.
const LINES: usize = 500;

/// The longest that a label may be.
const LONGEST_LABEL: usize = 60;

/// A text: lines of labels and texts, or one to go on.
fn look_at_text(files: Files) -> Result<Seen> {
    let path = PathBuf::from(&files.path);
    let text = text::read(&path)?;
    let Files { path: own, valid, test } = files;
    if let Some(labels) = labels(&text) {
        let lines = text.lines().filter(|line| !line.trim().is_empty()).count();
        let fact = format!("{lines} lines of a label, a tab and a text, with {labels} labels");
        let source = Source::Text(TextFilesOptions { path: own, valid, test });
        return Ok(Seen::of(source, vec![fact]).by_class());
    }
    let count = text.chars().count();
    if count < 200 {
        let message =
            format_args!("is a text of {count} characters: to learn from it takes 200 or more");
        return Err(Error::format(path.display(), message));
    }
    let different = text.chars().collect::<HashSet<char>>().len();
    let mut facts = vec![format!(
        "a text of {count} characters, {different} different ones, in {} lines",
        text.lines().count()
    )];
    let others = [("validate", &valid), ("be tested", &test)];
    facts.extend(
        others
            .into_iter()
            .filter_map(|(name, file)| file.as_ref().map(|file| format!("{file} to {name} with"))),
    );
    let mut seen = Seen::of(Source::Language(LanguageOptions { path: own, valid, test }), facts);
    // What is held out must have more than a window.
    let length = (count / 25).min(words::WINDOW);
    seen.options.text =
        words::TextOptions { unit: Unit::Character, length: Some(length), ..Default::default() };
    Ok(seen)
}

/// How many labels the lines of a text have; none if they have none.
fn labels(text: &str) -> Option<usize> {
    let mut labels = HashSet::new();
    let mut count = 0;
    for line in text.lines().filter(|line| !line.trim().is_empty()).take(LINES) {
        let (label, _) = line.split_once('\t')?;
        if label.chars().count() > LONGEST_LABEL {
            return None;
        }
        labels.insert(label.trim());
        count += 1;
    }
    // Labels that hardly occur twice are none.
    (labels.len() >= 2 && 2 * labels.len() <= count).then_some(labels.len())
}
