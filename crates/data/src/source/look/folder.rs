//! Looking at folders.

use super::{FileKind, Files, PAIRS, Seen, beside, cifar, idx, kind_of, npy, plain_name, unknown};
use crate::source::folder::{Parts, classes, entries, files};
use crate::source::options::Source;
use crate::source::picture::ImageFolderOptions;
use crate::source::picture_file;
use crate::source::table::columns::TableOptions;
use crate::source::table::csv::{self, CsvOptions};
use crate::source::words::TextFilesOptions;
use gradus_tensor::{Error, Result};
use std::path::{Path, PathBuf};

/// What a folder holds.
pub(super) fn look(path: &Path, target: Option<&str>) -> Result<Seen> {
    let inside = entries(path)?;
    let named = |name: &str| inside.iter().any(|path| path.is_file() && plain_name(path) == name);
    if named("train-images-idx3-ubyte") {
        return idx(path);
    }
    if named("data_batch_1.bin") || named("train.bin") {
        return cifar(path);
    }
    for end in ["_train.npy", ".npy"] {
        for (input, _) in PAIRS {
            if let Some(file) = beside(path, &format!("{input}{end}")) {
                return npy(&file, path);
            }
        }
    }
    let parts = Parts::find(&path.to_string_lossy(), None, None)?;
    let root = &parts.train;
    if entries(root)?.iter().any(|path| path.is_dir())
        && let Some(seen) = look_at_classes(path, &parts)?
    {
        return Ok(seen);
    }
    let own: Vec<PathBuf> = inside.into_iter().filter(|path| path.is_file()).collect();
    let of = |kinds: &[FileKind]| -> Vec<&PathBuf> {
        own.iter().filter(|path| kinds.contains(&kind_of(path))).collect()
    };
    let tables = of(&[FileKind::Table, FileKind::JsonLines, FileKind::Parquet]);
    let pictures = files(path, &picture_file::ENDINGS)?;
    match (&pictures[..], &tables[..]) {
        ([], []) => {}
        ([], _) => return super::table::look(by_name(path, &tables)?, target),
        ([first, ..], [table]) if kind_of(table) == FileKind::Table => {
            return labelled(path, first, table, target);
        }
        (pictures, _) => {
            let message = format_args!(
                "holds {} pictures, but does not say what they show: put those of each class into a \
                 folder of its own, or add one table of their names and labels, such as labels.csv",
                pictures.len()
            );
            return Err(Error::format(path.display(), message));
        }
    }
    match &of(&[FileKind::Text])[..] {
        [] => match &of(&[FileKind::Npz])[..] {
            [one] => super::look(one, None),
            _ => Err(unknown(path, "holds nothing that is read here")),
        },
        texts => super::look_at_text(by_name(path, texts)?),
    }
}

/// Files whose names tell what they are for.
fn by_name(folder: &Path, paths: &[&PathBuf]) -> Result<Files> {
    if let [one] = paths {
        return Ok(Files::one(one));
    }
    let text = |path: &PathBuf| path.to_string_lossy().into_owned();
    let part = |names: &[&str]| {
        let is = |path: &&&PathBuf| {
            let name = plain_name(path);
            names.contains(&name.split('.').next().unwrap_or_default())
        };
        paths.iter().find(is).map(|path| text(path))
    };
    let (valid, test) = (part(&["valid", "val", "validation", "dev"]), part(&["test"]));
    if let Some(path) = part(&["train", "training"]) {
        return Ok(Files { path, valid, test });
    }
    let same = paths.iter().all(|path| kind_of(path) == kind_of(paths[0]));
    if same && kind_of(paths[0]) != FileKind::Text {
        return Ok(Files::one(folder));
    }
    let message = format_args!(
        "holds {} files, none of which is called train: give one of them",
        paths.len()
    );
    Err(Error::format(folder.display(), message))
}

/// A folder for each class, of what most of the files are; none if they are nothing that is known.
fn look_at_classes(path: &Path, parts: &Parts<PathBuf>) -> Result<Option<Seen>> {
    let kinds: [(&str, &[&str]); 3] =
        [("pictures", &picture_file::ENDINGS), ("sounds", &["wav", "flac"]), ("texts", &["txt"])];
    let mut most: Option<(&str, &[&str], usize)> = None;
    for (name, endings) in kinds {
        let within = entries(&parts.train)?.into_iter().filter(|path| path.is_dir());
        let count = within.map(|path| Ok(files(&path, endings)?.len())).sum::<Result<usize>>()?;
        if count > most.map_or(0, |(_, _, count)| count) {
            most = Some((name, endings, count));
        }
    }
    let Some((name, endings, count)) = most else { return Ok(None) };
    if let (true, Ok(tables)) = (name == "pictures", tables_of(path))
        && tables == 1
        && entries(&parts.train)?.iter().filter(|path| path.is_dir()).count() == 1
    {
        // One folder of pictures, and a table that tells of them.
        return Ok(None);
    }
    let classes = classes(&parts.train, endings)?;
    let each = |(name, files): &(String, Vec<PathBuf>)| format!("{name} ({})", files.len());
    let list: Vec<String> = classes.iter().take(20).map(each).collect();
    let more = if classes.len() > 20 { " and so on" } else { "" };
    let mut facts =
        vec![format!("{count} {name} in {} classes: {}{more}", classes.len(), list.join(", "))];
    for (purpose, part) in [("validate", &parts.valid), ("be tested", &parts.test)] {
        if let Some(part) = part {
            facts.push(format!("{} {name} to {purpose} with", files(part, endings)?.len()));
        }
    }
    let own = path.to_string_lossy().into_owned();
    let all: Vec<PathBuf> = classes.into_iter().flat_map(|(_, files)| files).collect();
    match name {
        "pictures" => {
            let options = ImageFolderOptions { path: own, ..Default::default() };
            let mut seen = Seen::of(Source::ImageFolder(options), facts).by_class();
            look_at_pictures(&all, &mut seen);
            Ok(Some(seen))
        }
        "sounds" => sounds(path, own, &all, facts).map(Some),
        _ => {
            let options = TextFilesOptions { path: own, ..Default::default() };
            Ok(Some(Seen::of(Source::Text(options), facts).by_class()))
        }
    }
}

/// How many tables lie in a folder.
fn tables_of(path: &Path) -> Result<usize> {
    let entries = entries(path)?;
    Ok(entries.iter().filter(|path| path.is_file() && kind_of(path) == FileKind::Table).count())
}

#[cfg(feature = "audio")]
fn sounds(_: &Path, path: String, all: &[PathBuf], mut facts: Vec<String>) -> Result<Seen> {
    use crate::source::{AudioEncoder, AudioFolderOptions, AudioOptions};
    let sound = AudioEncoder::learn(all, &AudioOptions::default())?;
    facts.push(format!(
        "{} Hz, the longest of {:.1} seconds",
        sound.rate,
        sound.samples as f64 / sound.rate as f64
    ));
    let options = AudioFolderOptions { path, ..Default::default() };
    Ok(Seen::of(Source::Audio(options), facts).by_class())
}

#[cfg(not(feature = "audio"))]
fn sounds(folder: &Path, _: String, _: &[PathBuf], _: Vec<String>) -> Result<Seen> {
    let message =
        "holds sounds, which this program was built without: build it with the feature audio";
    Err(Error::format(folder.display(), message))
}

/// So many pictures are looked at to see their size and colour.
const LOOKED_AT: usize = 100;

/// Pictures up to this side are taken as they are.
const LARGEST_SIDE: usize = 96;

/// Says of which size and colour pictures are; where they differ or are large, one for all is set.
fn look_at_pictures(all: &[PathBuf], seen: &mut Seen) {
    let step = all.len().div_ceil(LOOKED_AT).max(1);
    let read = all.iter().step_by(step).filter_map(|path| picture_file::read(path).ok());
    let pictures: Vec<_> = read.collect();
    let mut sides: Vec<[usize; 2]> =
        pictures.iter().map(|picture| [picture.height(), picture.width()]).collect();
    sides.sort_unstable_by_key(|&[height, width]| height.min(width));
    let Some(&[height, width]) = sides.last() else { return };
    let same = sides.iter().all(|side| *side == [height, width]);
    let size = match same {
        true => format!("of {height} by {width} pixels"),
        false => {
            let [first, last] = [sides[0], [height, width]].map(|[h, w]| h.min(w));
            format!("of different sizes, the smaller side from {first} to {last} pixels")
        }
    };
    let coloured = pictures.iter().any(|picture| picture.colour().channels() >= 3);
    seen.facts.push(format!("{size}, {}", if coloured { "in colour" } else { "grey" }));
    if !same || height.max(width) > LARGEST_SIDE {
        let [h, w] = sides[sides.len() / 2];
        let side = (h.min(w) / 16 * 16).clamp(16, LARGEST_SIDE);
        (seen.options.images.height, seen.options.images.width) = (Some(side), Some(side));
    }
}

/// Pictures, and a table of their names and what they show.
fn labelled(folder: &Path, picture: &Path, table: &Path, target: Option<&str>) -> Result<Seen> {
    let frame = csv::read(table, &CsvOptions::default())?;
    let names = frame.names();
    // The pictures may lie in a folder beside the table.
    let pictures = picture.parent().unwrap_or(folder);
    let exists = |name: &str| {
        let cell = frame.column(name).ok().and_then(|column| column.cells.text(0));
        cell.is_some_and(|cell| {
            let ending = |ending: &&str| pictures.join(format!("{cell}.{ending}")).is_file();
            pictures.join(&cell).is_file() || picture_file::ENDINGS.iter().any(ending)
        })
    };
    let Some(name_column) = names.iter().find(|name| exists(name)) else {
        let message = format_args!(
            "names no picture in {}: one column must have the names of the files",
            pictures.display()
        );
        return Err(Error::format(table.display(), message));
    };
    let other = || names.iter().find(|name| *name != name_column).map(|name| name.to_string());
    let Some(target) = target.map(String::from).or_else(other) else {
        let message = "has no column of what the pictures show, besides their names";
        return Err(Error::format(table.display(), message));
    };
    let fact =
        format!("{} pictures, of which {} tells the {target}", frame.rows(), table.display());
    let own = TableOptions { target: vec![target.clone()], ..Default::default() };
    let classes = own.task(&frame)? == crate::source::Task::Classification;
    let options = ImageFolderOptions {
        path: pictures.to_string_lossy().into_owned(),
        labels: Some(table.to_string_lossy().into_owned()),
        name_column: Some(name_column.to_string()),
        ..Default::default()
    };
    let mut seen = Seen::of(Source::ImageFolder(options), vec![fact]);
    if classes {
        seen = seen.by_class();
    }
    let left = names.iter().filter(|name| *name != name_column && **name != target);
    let column = |name: &str, role| super::table::describe(&frame, name, role);
    let reason = || "pictures are told from what they show".to_string();
    seen.columns = vec![column(&target, super::Role::Target)?];
    for name in left {
        seen.columns.push(column(name, super::Role::LeftOut(reason()))?);
    }
    seen.options.table.target = vec![target];
    look_at_pictures(&files(pictures, &picture_file::ENDINGS)?, &mut seen);
    Ok(seen)
}
