//! Folders of files: one for each class, and one for each part.

use gradus_tensor::{Error, Result};
use std::fs;
use std::path::{Path, PathBuf};

/// Folders within folders are followed no deeper: one that holds itself by a link has no end.
const MOST_DEEP: usize = 16;

/// The files of each folder within a folder, by name, those with another ending left out.
///
/// # Errors
/// If a folder cannot be read, there are fewer than two, or one holds no such file.
pub(super) fn classes(path: &Path, endings: &[&str]) -> Result<Vec<(String, Vec<PathBuf>)>> {
    let mut classes = vec![];
    for folder in entries(path)?.into_iter().filter(|entry| entry.is_dir()) {
        let name = folder.file_name().map(|name| name.to_string_lossy().into_owned());
        let files = files(&folder, endings)?;
        if files.is_empty() {
            let message = format_args!("holds no {} file: fill it or remove it", list(endings));
            return Err(Error::format(folder.display(), message));
        }
        classes.push((name.unwrap_or_default(), files));
    }
    if classes.len() < 2 {
        let message = format_args!(
            "holds {} folders: give one of {} files for each class, two or more",
            classes.len(),
            list(endings)
        );
        return Err(Error::format(path.display(), message));
    }
    Ok(classes)
}

/// All files within a folder, however deep, that have one of these endings, by name.
///
/// # Errors
/// If a folder cannot be read, or they are nested too deep.
pub(super) fn files(path: &Path, endings: &[&str]) -> Result<Vec<PathBuf>> {
    let mut files = vec![];
    gather(path, endings, MOST_DEEP, &mut files)?;
    Ok(files)
}

fn gather(path: &Path, endings: &[&str], deep: usize, files: &mut Vec<PathBuf>) -> Result<()> {
    if deep == 0 {
        let message = format_args!("is nested deeper than {MOST_DEEP} folders: is it a loop?");
        return Err(Error::format(path.display(), message));
    }
    for entry in entries(path)? {
        if entry.is_dir() {
            gather(&entry, endings, deep - 1, files)?;
        } else if has_ending(&entry, endings) {
            files.push(entry);
        }
    }
    Ok(())
}

/// True if a file's name ends so, in large or small letters.
pub(super) fn has_ending(path: &Path, endings: &[&str]) -> bool {
    let own = path.extension().map(|own| own.to_string_lossy().to_lowercase());
    own.is_some_and(|own| endings.contains(&&own[..]))
}

/// What lies in a folder, by name; without what is hidden.
pub(super) fn entries(path: &Path) -> Result<Vec<PathBuf>> {
    let failed = |error| Error::io(path, error);
    let mut entries = vec![];
    for entry in fs::read_dir(path).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        if !entry.file_name().to_string_lossy().starts_with('.') {
            entries.push(entry.path());
        }
    }
    entries.sort_unstable();
    Ok(entries)
}

/// The files or folders of a set in parts.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Parts<T> {
    pub(super) train: T,
    pub(super) valid: Option<T>,
    pub(super) test: Option<T>,
}

impl<T> Parts<T> {
    /// The parts, lent.
    pub(super) fn as_ref(&self) -> Parts<&T> {
        Parts { train: &self.train, valid: self.valid.as_ref(), test: self.test.as_ref() }
    }

    /// What a function makes of each part.
    pub(super) fn try_map<U>(self, mut make: impl FnMut(T) -> Result<U>) -> Result<Parts<U>> {
        Ok(Parts {
            train: make(self.train)?,
            valid: self.valid.map(&mut make).transpose()?,
            test: self.test.map(&mut make).transpose()?,
        })
    }
}

impl Parts<PathBuf> {
    /// The paths that options give. A folder that holds the folder `train` may also hold `valid`,
    /// `val` or `validation`, and `test`.
    ///
    /// # Errors
    /// If no path is given.
    pub(super) fn find(path: &str, valid: Option<&str>, test: Option<&str>) -> Result<Self> {
        if path.is_empty() {
            return Err(Error::Setting("data: say where the data is: give path".into()));
        }
        let own = |path: Option<&str>| path.map(PathBuf::from);
        let path = PathBuf::from(path);
        let train = path.join("train");
        if !train.is_dir() {
            return Ok(Self { train: path, valid: own(valid), test: own(test) });
        }
        let inner =
            |names: &[&str]| names.iter().map(|name| path.join(name)).find(|path| path.is_dir());
        let valid = own(valid).or_else(|| inner(&["valid", "val", "validation"]));
        Ok(Self { train, valid, test: own(test).or_else(|| inner(&["test"])) })
    }
}

fn list(endings: &[&str]) -> String {
    endings.iter().map(|ending| format!(".{ending}")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(path: &Path) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "x").unwrap();
    }

    #[test]
    fn folders_are_classes_in_the_order_of_their_names() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        for name in ["b/2.txt", "b/1.TXT", "a/deep/3.txt", "a/.hidden.txt", "a/x.csv", "note.txt"] {
            write(&root.join(name));
        }
        let classes = classes(root, &["txt"]).unwrap();
        let wanted = [
            ("a".to_string(), vec![root.join("a/deep/3.txt")]),
            ("b".to_string(), vec![root.join("b/1.TXT"), root.join("b/2.txt")]),
        ];
        assert_eq!(classes, wanted);
        fs::create_dir(root.join("c")).unwrap();
        let error = super::classes(root, &["txt", "md"]).unwrap_err().to_string();
        let wanted =
            format!("{}: holds no .txt, .md file: fill it or remove it", root.join("c").display());
        assert_eq!(error, wanted);
        let error = super::classes(&root.join("a"), &["txt"]).unwrap_err().to_string();
        assert!(error.contains("holds 1 folders: give one of .txt files"), "{error}");
    }

    #[test]
    fn parts_are_given_or_found() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().to_str().unwrap();
        let parts = Parts::find(root, None, Some("t")).unwrap();
        let (path, test) = (folder.path().to_path_buf(), Some(PathBuf::from("t")));
        assert_eq!(parts, Parts { train: path.clone(), valid: None, test: test.clone() });
        for part in ["train", "val", "test"] {
            fs::create_dir(path.join(part)).unwrap();
        }
        let parts = Parts::find(root, None, Some("t")).unwrap();
        let wanted = Parts { train: path.join("train"), valid: Some(path.join("val")), test };
        assert_eq!(parts, wanted);
        let error = Parts::find("", None, None).unwrap_err().to_string();
        assert_eq!(error, "data: say where the data is: give path");
    }
}
