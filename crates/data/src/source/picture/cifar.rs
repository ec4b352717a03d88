//! The binary files of CIFAR-10 and CIFAR-100.
//!
//! A picture is one byte for its class (two in CIFAR-100, of the coarse and of the fine class), then
//! 1024 bytes of red, of green and of blue, rows from the top.
//!
//! # Source
//! Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009, and the page of the
//! set, "Binary version".

use super::set::Pixels;
use crate::source::answer::Targets;
use crate::source::folder::Parts;
use crate::{file, text};
use gradus_tensor::{Error, Result};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// Where the files of CIFAR-10 or CIFAR-100 lie.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct CifarOptions {
    /// The folder that holds `data_batch_1.bin` to `data_batch_5.bin` and `test_batch.bin` for
    /// CIFAR-10, or `train.bin` and `test.bin` for CIFAR-100.
    pub path: String,
    /// True for the 20 coarse classes of CIFAR-100 in place of the 100 fine ones.
    pub coarse: bool,
}

/// The channels, rows and columns of a picture.
const SHAPE: [usize; 3] = [3, 32, 32];

/// The largest file that is read: three times the largest there is.
const MOST_BYTES: usize = 512 << 20;

/// Which of the two sets it is, and which classes are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variant {
    /// Ten classes.
    Cifar10,
    /// A hundred.
    Fine,
    /// Twenty, of five of these each.
    Coarse,
}

impl Variant {
    fn classes(self) -> usize {
        match self {
            Self::Cifar10 => 10,
            Self::Fine => 100,
            Self::Coarse => 20,
        }
    }

    /// How many bytes come before the pixels, and which of them is the class.
    fn labels(self) -> (usize, usize) {
        match self {
            Self::Cifar10 => (1, 0),
            Self::Coarse => (2, 0),
            Self::Fine => (2, 1),
        }
    }

    /// The file with the names of the classes.
    fn names(self) -> [&'static str; 2] {
        match self {
            Self::Cifar10 => ["batches.meta.txt", "label_names.txt"],
            Self::Fine => ["fine_label_names.txt", "fine_labels.txt"],
            Self::Coarse => ["coarse_label_names.txt", "coarse_labels.txt"],
        }
    }
}

/// The pixels and the classes that the bytes of a file hold, added to those before.
///
/// # Errors
/// If they are not a whole number of pictures, or one has no such class.
pub fn decode(
    bytes: &[u8],
    variant: Variant,
    pixels: &mut Vec<u8>,
    classes: &mut Vec<u32>,
) -> Result<()> {
    let (labels, place) = variant.labels();
    let size = labels + SHAPE.iter().product::<usize>();
    let broken = |message: std::fmt::Arguments<'_>| Error::format("CIFAR data", message);
    if bytes.is_empty() || !bytes.len().is_multiple_of(size) {
        return Err(broken(format_args!(
            "has {} bytes, which are no whole number of pictures of {size}: get it once more",
            bytes.len()
        )));
    }
    for (number, record) in bytes.chunks(size).enumerate() {
        let class = record[place];
        if class as usize >= variant.classes() {
            return Err(broken(format_args!(
                "has the class {class} in picture {number}, but there are {}: is it of another set?",
                variant.classes()
            )));
        }
        classes.push(class as u32);
        pixels.extend_from_slice(&record[labels..]);
    }
    Ok(())
}

/// The pictures to learn from and to be tested with, and the names of the classes.
pub(in crate::source) fn open(options: &CifarOptions) -> Result<(Parts<Pixels>, Vec<String>)> {
    let parts = Parts::find(&options.path, None, None)?;
    let folder = parts.train.as_path();
    let ten: Vec<String> = (1..=5).map(|number| format!("data_batch_{number}.bin")).collect();
    let (variant, train, test) = if folder.join(&ten[0]).is_file() {
        (Variant::Cifar10, ten, "test_batch.bin")
    } else if folder.join("train.bin").is_file() {
        let variant = if options.coarse { Variant::Coarse } else { Variant::Fine };
        (variant, vec!["train.bin".into()], "test.bin")
    } else {
        let message = "has neither data_batch_1.bin (CIFAR-10) nor train.bin (CIFAR-100): give the \
                       folder of the binary version";
        return Err(Error::format(folder.display(), message));
    };
    if options.coarse && variant == Variant::Cifar10 {
        return Err(Error::Setting("cifar: coarse = true is for CIFAR-100: leave it out".into()));
    }
    let train = read(folder, &train, variant)?;
    let test = read(folder, &[test.into()], variant)?;
    Ok((Parts { train, valid: None, test: Some(test) }, names(folder, variant)?))
}

fn read(folder: &Path, files: &[String], variant: Variant) -> Result<Pixels> {
    let (mut pixels, mut classes) = (vec![], vec![]);
    for name in files {
        let path = folder.join(name);
        let bytes = file::read(&path, MOST_BYTES)?;
        file::in_file(&path, decode(&bytes, variant, &mut pixels, &mut classes))?;
    }
    Ok(Pixels::new(pixels, SHAPE, Targets::Classes(classes)))
}

/// The names of the classes, or their numbers where no file tells them.
fn names(folder: &Path, variant: Variant) -> Result<Vec<String>> {
    let count = variant.classes();
    let paths = variant.names().map(|name| folder.join(name));
    let Some(path) = paths.iter().find(|path| path.is_file()) else {
        return Ok((0..count).map(|class| class.to_string()).collect());
    };
    let text = text::read(path)?;
    let names: Vec<String> =
        text.lines().map(str::trim).filter(|name| !name.is_empty()).map(String::from).collect();
    if names.len() != count {
        let message = format_args!("names {} classes, but there are {count}", names.len());
        return Err(Error::format(path.display(), message));
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Dataset;
    use std::fs;

    fn record(labels: &[u8], level: u8) -> Vec<u8> {
        [labels, &[level; 1024], &[level + 1; 1024], &[level + 2; 1024]].concat()
    }

    fn options(folder: &Path, coarse: bool) -> CifarOptions {
        CifarOptions { path: folder.to_str().unwrap().into(), coarse }
    }

    #[test]
    fn both_sets_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        for number in 1..=5 {
            let bytes = [record(&[number], 10 * number), record(&[0], 3)].concat();
            fs::write(root.join(format!("data_batch_{number}.bin")), bytes).unwrap();
        }
        fs::write(root.join("test_batch.bin"), record(&[9], 200)).unwrap();
        let (parts, names) = open(&options(root, false)).unwrap();
        assert_eq!((parts.train.len(), parts.test.unwrap().len()), (10, 1));
        assert_eq!(names[9], "9");
        let sample = parts.train.sample(2).unwrap();
        assert_eq!(sample.target().item::<i64>(), 2);
        let channels = sample.input().select(1, 0).select(1, 0);
        assert_eq!(channels.to_vec::<u8>(), [20, 21, 22]);
        let error = open(&options(root, true)).err().unwrap().to_string();
        assert_eq!(error, "cifar: coarse = true is for CIFAR-100: leave it out");

        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        fs::write(root.join("train.bin"), record(&[19, 99], 1)).unwrap();
        fs::write(root.join("test.bin"), record(&[0, 3], 1)).unwrap();
        let class = |coarse| {
            let (parts, _) = open(&options(root, coarse)).unwrap();
            parts.train.sample(0).unwrap().target().item::<i64>()
        };
        assert_eq!((class(true), class(false)), (19, 99));
        fs::write(root.join("coarse_label_names.txt"), "a\nb\n").unwrap();
        let error = open(&options(root, true)).err().unwrap().to_string();
        assert!(error.ends_with("names 2 classes, but there are 20"), "{error}");
    }

    #[test]
    fn what_is_no_picture_is_refused() {
        let said = |bytes: &[u8]| {
            decode(bytes, Variant::Cifar10, &mut vec![], &mut vec![]).unwrap_err().to_string()
        };
        let cut = &record(&[1], 2)[1..];
        assert_eq!(
            said(cut),
            "CIFAR data: has 3072 bytes, which are no whole number of pictures of 3073: get it \
             once more"
        );
        assert_eq!(
            said(&record(&[10], 2)),
            "CIFAR data: has the class 10 in picture 0, but there are 10: is it of another set?"
        );
        let folder = tempfile::tempdir().unwrap();
        let error = open(&options(folder.path(), false)).err().unwrap().to_string();
        let wanted = "has neither data_batch_1.bin (CIFAR-10) nor train.bin (CIFAR-100): give the \
                      folder of the binary version";
        assert_eq!(error, format!("{}: {wanted}", folder.path().display()));
    }
}
