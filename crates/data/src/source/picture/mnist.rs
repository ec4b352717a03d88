//! Pictures and classes in files of the IDX format.

use super::set::Pixels;
use crate::idx;
use crate::source::answer::Targets;
use crate::source::folder::Parts;
use gradus_tensor::{DType, Error, Result, Tensor};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// Where files of the IDX format lie: MNIST's and those of sets in its form.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct IdxOptions {
    /// The folder that holds `train-images-idx3-ubyte`, `train-labels-idx1-ubyte`,
    /// `t10k-images-idx3-ubyte` and `t10k-labels-idx1-ubyte`, plain or with `.gz`.
    pub path: String,
    /// The file of pictures to learn from, if it has another name, within the folder or by itself.
    pub images: Option<String>,
    /// The file of their classes.
    pub labels: Option<String>,
    /// The file of pictures to be tested with.
    pub test_images: Option<String>,
    /// The file of their classes.
    pub test_labels: Option<String>,
    /// The names of the classes; by default their numbers.
    pub classes: Vec<String>,
}

/// The pictures to learn from and to be tested with, and the names of the classes.
pub(in crate::source) fn open_idx(options: &IdxOptions) -> Result<(Parts<Pixels>, Vec<String>)> {
    let folder = Path::new(&options.path);
    let find = |given: &Option<String>, name: &str| match given {
        Some(given) => Some(folder.join(given)),
        None => [name.to_string(), format!("{name}.gz")]
            .into_iter()
            .map(|name| folder.join(name))
            .find(|path| path.is_file()),
    };
    let need = |given, name: &str| {
        find(given, name).ok_or_else(|| {
            let message = format_args!(
                "has neither {name} nor {name}.gz: give the folder of the four files of MNIST, or \
                 name the files"
            );
            Error::format(folder.display(), message)
        })
    };
    let images = need(&options.images, "train-images-idx3-ubyte")?;
    let labels = need(&options.labels, "train-labels-idx1-ubyte")?;
    let train = read(&images, &labels)?;
    let test = (
        find(&options.test_images, "t10k-images-idx3-ubyte"),
        find(&options.test_labels, "t10k-labels-idx1-ubyte"),
    );
    let test = match test {
        (Some(images), Some(labels)) => Some(read(&images, &labels)?),
        (None, None) => None,
        (Some(path), None) | (None, Some(path)) => {
            let message = "has no partner: pictures to be tested with need a file of their classes";
            return Err(Error::format(path.display(), message));
        }
    };
    let test_highest = test.as_ref().map_or(0, highest);
    let count = highest(&train).max(test_highest) as usize + 1;
    let names = match options.classes.len() {
        0 => (0..count).map(|class| class.to_string()).collect(),
        named if named < count => {
            let message = format_args!("has {count} classes, but {named} are named");
            return Err(Error::format(labels.display(), message));
        }
        _ => options.classes.clone(),
    };
    if let Some(test) = test.as_ref().filter(|test| test.shape() != train.shape()) {
        let message = format_args!(
            "has pictures of {:?} to learn from and of {:?} to be tested with",
            train.shape(),
            test.shape()
        );
        return Err(Error::format(folder.display(), message));
    }
    Ok((Parts { train, valid: None, test }, names))
}

fn highest(pixels: &Pixels) -> u32 {
    match pixels.targets() {
        Targets::Classes(classes) => classes.iter().copied().max().unwrap_or(0),
        Targets::Numbers(..) => 0,
    }
}

fn read(images: &PathBuf, labels: &PathBuf) -> Result<Pixels> {
    let (x, y) = (idx::read(images)?, idx::read(labels)?);
    let wrong = |path: &Path, wanted: &str, x: &Tensor| {
        let message = format_args!("holds {} of shape {}, not {wanted}", x.dtype(), x.shape());
        Error::format(path.display(), message)
    };
    let shape = match **x.shape() {
        [_, height, width] if x.dtype() == DType::U8 => [1, height, width],
        [_, channels @ (1 | 3), height, width] if x.dtype() == DType::U8 => {
            [channels, height, width]
        }
        _ => return Err(wrong(images, "pictures, u8 of shape [N, H, W]", &x)),
    };
    if y.rank() != 1 || y.dtype().is_float() {
        return Err(wrong(labels, "classes, u8 of shape [N]", &y));
    }
    if x.len_of(0) != y.len_of(0) {
        let message = format_args!(
            "holds {} classes, but {} has {} pictures",
            y.len_of(0),
            images.display(),
            x.len_of(0)
        );
        return Err(Error::format(labels.display(), message));
    }
    if x.count() == 0 {
        return Err(Error::format(images.display(), "holds no picture"));
    }
    let class = |class: i64| {
        u32::try_from(class).ok().filter(|&class| class < 1 << 16).ok_or_else(|| {
            let message = format_args!("holds {class}, which is no class from 0 to 65535");
            Error::format(labels.display(), message)
        })
    };
    let classes: Vec<i64> = y.to_dtype(DType::I64).try_to_vec()?;
    let classes = classes.into_iter().map(class).collect::<Result<_>>()?;
    Ok(Pixels::new(x.try_to_vec()?, shape, Targets::Classes(classes)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Dataset;
    use std::fs;

    fn write(path: &Path, x: &Tensor) {
        fs::write(path, idx::encode(x).unwrap()).unwrap();
    }

    fn options(folder: &Path) -> IdxOptions {
        IdxOptions { path: folder.to_str().unwrap().into(), ..Default::default() }
    }

    #[test]
    fn the_four_files_are_found() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let x = Tensor::from_vec((0..24).collect::<Vec<u8>>(), [4, 2, 3]);
        write(&root.join("train-images-idx3-ubyte"), &x);
        write(&root.join("train-labels-idx1-ubyte"), &Tensor::from([0u8, 1, 2, 1]));
        let (parts, names) = open_idx(&options(root)).unwrap();
        assert_eq!((parts.train.len(), names.len()), (4, 3));
        assert!(parts.test.is_none());
        write(&root.join("t10k-images-idx3-ubyte"), &x.narrow(0, 0, 1));
        let error = open_idx(&options(root)).err().unwrap().to_string();
        assert!(error.ends_with("need a file of their classes"), "{error}");
        write(&root.join("own"), &Tensor::from([4u8]));
        let mut options = options(root);
        options.test_labels = Some("own".into());
        let (parts, names) = open_idx(&options).unwrap();
        assert_eq!((parts.test.unwrap().len(), names.len()), (1, 5));
        options.classes = vec!["a".into()];
        let error = open_idx(&options).err().unwrap().to_string();
        assert!(error.ends_with("has 5 classes, but 1 are named"), "{error}");
    }

    #[test]
    fn files_that_do_not_fit_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let (images, labels) = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte");
        let said = || open_idx(&options(root)).err().unwrap().to_string();
        let at = |name: &str, wanted: &str| format!("{}: {wanted}", root.join(name).display());
        let wanted = format!(
            "{}: has neither {images} nor {images}.gz: give the folder of the four files of MNIST, \
             or name the files",
            root.display()
        );
        assert_eq!(said(), wanted);
        let pictures = Tensor::from_vec(vec![0u8; 12], [2, 2, 3]);
        write(&root.join(images), &pictures);
        write(&root.join(labels), &Tensor::from([0u8, 1, 2]));
        let wanted = format!("holds 3 classes, but {} has 2 pictures", root.join(images).display());
        assert_eq!(said(), at(labels, &wanted));
        write(&root.join(labels), &Tensor::from([0.5f32, 1.0]));
        let wanted = "holds f32 of shape [2], not classes, u8 of shape [N]";
        assert_eq!(said(), at(labels, wanted));
        write(&root.join(labels), &Tensor::from([-1i32, 1]));
        assert_eq!(said(), at(labels, "holds -1, which is no class from 0 to 65535"));
        write(&root.join(images), &Tensor::from([0u8, 1]));
        let wanted = "holds u8 of shape [2], not pictures, u8 of shape [N, H, W]";
        assert_eq!(said(), at(images, wanted));
    }
}
