//! Folders of pictures.

use super::decode::{ENDINGS, read};
use super::fit::{Form, ImageOptions};
use crate::image::{Colour, Image};
use crate::source::folder::{self, Parts};
use crate::source::table::csv::{self, CsvOptions};
use crate::source::table::frame::{Cells, Column, Frame, Texts};
use gradus_tensor::{Error, Result};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// Where pictures lie: a folder that holds a folder of them for each class, or a folder and a table
/// of their names and what is to be told of them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ImageFolderOptions {
    /// The folder to learn from. It may hold the folders `train`, `valid` and `test`.
    pub path: String,
    /// One to validate with; without it, pictures are held out of the first.
    pub valid: Option<String>,
    /// One to be tested with.
    pub test: Option<String>,
    /// A table, CSV, of the names of the files within the folder and of what to tell: classes,
    /// numbers or labels, as [`TableOptions`](crate::source::TableOptions) say. Without it, folders
    /// are classes.
    pub labels: Option<String>,
    /// The column of names; by default the first.
    pub name_column: Option<String>,
    /// A folder of masks in PNG, under the names of the pictures and in the same folders: the grey
    /// level or the place in the palette of a pixel is the class to be told of it.
    pub masks: Option<String>,
    /// The level that says nothing of a pixel, 255 say.
    pub ignore: Option<u8>,
    /// The names of the classes of masks; by default their numbers, as far as masks go.
    pub classes: Vec<String>,
}

/// The names of the columns that folders of classes become.
pub(in crate::source) const FILE: &str = "file";
pub(in crate::source) const CLASS: &str = "class";

/// The files of a part, in the order of the rows of the table of what to tell of them.
pub(in crate::source) struct Listed {
    pub(in crate::source) files: Vec<PathBuf>,
    pub(in crate::source) frame: Frame,
    /// The column of the names of files.
    pub(in crate::source) name_column: String,
}

/// The files of all parts, and what to tell of them. Files have one of these endings.
pub(in crate::source) fn open_folder(
    options: &ImageFolderOptions,
    endings: &[&str],
) -> Result<Parts<Listed>> {
    let Some(table) = &options.labels else {
        let parts = Parts::find(&options.path, options.valid.as_deref(), options.test.as_deref())?;
        return parts.try_map(|path| by_folder(&path, endings));
    };
    if options.valid.is_some() || options.test.is_some() {
        let message = "images: with a table of labels, parts are held out by split: leave out valid \
                       and test";
        return Err(Error::Setting(message.into()));
    }
    let train = by_table(Path::new(&options.path), Path::new(table), options, endings)?;
    Ok(Parts { train, valid: None, test: None })
}

fn by_folder(path: &Path, endings: &[&str]) -> Result<Listed> {
    let (mut files, mut names, mut classes) = (vec![], Texts::default(), Texts::default());
    for (class, own) in folder::classes(path, endings)? {
        for file in own {
            names.push(Some(&file.to_string_lossy()));
            classes.push(Some(&class));
            files.push(file);
        }
    }
    let column = |name: &str, texts| Column { name: name.into(), cells: Cells::Text(texts) };
    let columns = vec![column(FILE, names), column(CLASS, classes)];
    let frame = Frame::new(path, columns, vec![1; files.len()])?;
    Ok(Listed { files, frame, name_column: FILE.into() })
}

fn by_table(
    folder: &Path,
    table: &Path,
    options: &ImageFolderOptions,
    endings: &[&str],
) -> Result<Listed> {
    // Beside the program's folder or within that of the pictures.
    let inner = folder.join(table);
    let table = if table.is_file() { table } else { &inner };
    let frame = csv::read(table, &CsvOptions::default())?;
    let name_column = match &options.name_column {
        Some(name) => name.clone(),
        None => frame.names()[0].to_string(),
    };
    let cells = &frame.column(&name_column)?.cells;
    let file = |row: usize| {
        let name = cells.text(row).unwrap_or_default();
        let path = folder.join(&name);
        let also = endings.iter().map(|ending| folder.join(format!("{name}.{ending}")));
        let candidates = std::iter::once(path.clone()).chain(also);
        candidates.into_iter().find(|path| path.is_file()).ok_or_else(|| {
            let message = format_args!("there is no file {}: mend the name", path.display());
            frame.complaint(row, &name_column, message)
        })
    };
    let files = (0..frame.rows()).map(file).collect::<Result<_>>()?;
    Ok(Listed { files, frame, name_column })
}

/// So many pictures are looked at to see their size and colour.
const LOOKED_AT: usize = 100;

/// The form of pictures, as told or as a hundred of them show.
///
/// # Errors
/// If the options cannot be, none can be read, or their sizes differ.
pub(in crate::source) fn form_of(files: &[PathBuf], options: &ImageOptions) -> Result<Form> {
    options.check()?;
    let fit = options.fit;
    if let (Some(height), Some(width), Some(channels)) =
        (options.height, options.width, options.channels)
    {
        return Ok(Form { channels, height, width, fit });
    }
    let step = files.len().div_ceil(LOOKED_AT).max(1);
    let mut seen: Vec<(&PathBuf, Image)> = vec![];
    let mut fault = None;
    for file in files.iter().step_by(step) {
        match read(file) {
            Ok(image) => seen.push((file, image)),
            Err(error) => fault = fault.or(Some(error)),
        }
    }
    let Some((first, image)) = seen.first() else {
        let nothing = || Error::Setting("images: there are none".into());
        return Err(fault.unwrap_or_else(nothing));
    };
    let size = |image: &Image| (image.height(), image.width());
    let (height, width) = match (options.height, options.width) {
        (Some(height), Some(width)) => (height, width),
        _ => match seen.iter().find(|(_, other)| size(other) != size(image)) {
            None => size(image),
            Some((other, second)) => {
                let ((height, width), (other_height, other_width)) = (size(image), size(second));
                let message = format!(
                    "images: {} is {height} pixels high and {width} wide, {} is {other_height} by \
                     {other_width}: say which height and width all are to get",
                    first.display(),
                    other.display()
                );
                return Err(Error::Setting(message));
            }
        },
    };
    let is_grey =
        |(_, image): &(_, Image)| matches!(image.colour(), Colour::Grey | Colour::GreyAlpha);
    let channels = options.channels.unwrap_or(if seen.iter().all(is_grey) { 1 } else { 3 });
    Ok(Form { channels, height, width, fit })
}

/// A picture in a file, brought into a form.
pub(in crate::source) fn read_one(path: &Path, form: &Form) -> Result<Vec<u8>> {
    Ok(form.apply(&read(path)?))
}

/// The pictures of all parts, and what to tell of them.
pub(in crate::source) fn open_pictures(options: &ImageFolderOptions) -> Result<Parts<Listed>> {
    open_folder(options, &ENDINGS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::write_png;
    use std::fs;

    fn write(path: &Path, width: usize, colour: Colour) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let pixels = vec![9; width * 2 * colour.channels()];
        write_png(path, &Image::new(width, 2, colour, pixels).unwrap()).unwrap();
    }

    #[test]
    fn pictures_are_listed_by_folder_or_by_table() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        for name in ["cat/1.png", "cat/2.png", "dog/1.png"] {
            write(&root.join(name), 2, Colour::Grey);
        }
        let path = root.to_str().unwrap().to_string();
        let mut options = ImageFolderOptions { path, ..Default::default() };
        let listed = open_pictures(&options).unwrap().train;
        let said = |listed: &Listed, column: &str| {
            let cells = &listed.frame.column(column).unwrap().cells;
            (0..cells.len()).map(|row| cells.text(row).unwrap()).collect::<Vec<_>>()
        };
        assert_eq!(said(&listed, CLASS), ["cat", "cat", "dog"]);
        assert_eq!(listed.files[2], root.join("dog/1.png"));
        fs::write(root.join("all.csv"), "who,id\ncat,cat/2\ndog,dog/1.png\n").unwrap();
        options.labels = Some("all.csv".into());
        options.name_column = Some("id".into());
        let listed = open_pictures(&options).unwrap().train;
        assert_eq!(listed.files, [root.join("cat/2.png"), root.join("dog/1.png")]);
        assert_eq!(said(&listed, "who"), ["cat", "dog"]);
        fs::write(root.join("all.csv"), "who,id\ncat,cat/9\n").unwrap();
        let error = open_pictures(&options).err().unwrap().to_string();
        let wanted = format!(
            "{}: line 2, column id: there is no file {}: mend the name",
            root.join("all.csv").display(),
            root.join("cat/9").display()
        );
        assert_eq!(error, wanted);
        options.valid = Some("x".into());
        let error = open_pictures(&options).err().unwrap().to_string();
        let wanted = "images: with a table of labels, parts are held out by split: leave out valid \
                      and test";
        assert_eq!(error, wanted);
    }

    #[test]
    fn a_form_is_seen_or_told() {
        let folder = tempfile::tempdir().unwrap();
        let paths: Vec<PathBuf> =
            ["a.png", "b.png", "c.png"].map(|name| folder.path().join(name)).into();
        write(&paths[0], 3, Colour::Grey);
        write(&paths[1], 3, Colour::GreyAlpha);
        let form = |paths: &[PathBuf]| form_of(paths, &ImageOptions::default());
        let seen = form(&paths[..2]).unwrap();
        assert_eq!((seen.channels, seen.height, seen.width), (1, 2, 3));
        // One that cannot be read is no reason to fail: others show the form.
        assert_eq!(form(&paths).unwrap(), seen);
        write(&paths[2], 5, Colour::Rgb);
        let wanted = format!(
            "images: {} is 2 pixels high and 3 wide, {} is 2 by 5: say which height and width all \
             are to get",
            paths[0].display(),
            paths[2].display()
        );
        assert_eq!(form(&paths).unwrap_err().to_string(), wanted);
        let told = ImageOptions { height: Some(4), width: Some(4), ..Default::default() };
        assert_eq!(form_of(&paths, &told).unwrap().channels, 3);
        assert!(form(&[folder.path().join("none.png")]).is_err());
        assert_eq!(read_one(&paths[0], &form_of(&paths, &told).unwrap()).unwrap().len(), 48);
    }
}
