//! Handwritten digits: 12,000 of MNIST's within the library, or all of them from files.

mod prepare;
mod set;

pub use prepare::prepare;
pub use set::{DigitSet, normalise};

use crate::idx::{self, Array, Kind};
use gradus_tensor::{Error, Result};
use std::path::Path;
use std::sync::OnceLock;

/// How many kinds of digits there are.
pub const CLASSES: usize = 10;

/// The mean brightness of MNIST's training images, black being 0 and white 1.
pub const MEAN: f64 = 0.1307;

/// The standard deviation of the brightness of MNIST's training images.
pub const STANDARD_DEVIATION: f64 = 0.3081;

/// Digits to learn from, and others, by other writers, to be tested with.
#[derive(Clone, Debug)]
pub struct Digits {
    /// The digits to learn from.
    pub train: DigitSet,
    /// The digits to be tested with.
    pub test: DigitSet,
}

/// The names of the files of images and of labels, to learn from and to be tested with.
const TRAIN: [&str; 2] = ["train-images-idx3-ubyte", "train-labels-idx1-ubyte"];
const TEST: [&str; 2] = ["t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"];

/// The files within the library; how they were chosen is said beside them.
const EMBEDDED: [(&str, &[u8]); 4] = [
    (TRAIN[0], include_bytes!("../../digits/train-images-idx3-ubyte.gz")),
    (TRAIN[1], include_bytes!("../../digits/train-labels-idx1-ubyte.gz")),
    (TEST[0], include_bytes!("../../digits/t10k-images-idx3-ubyte.gz")),
    (TEST[1], include_bytes!("../../digits/t10k-labels-idx1-ubyte.gz")),
];

/// The digits within the library: of MNIST's training digits the first 1,000 of each class, and of
/// its test digits the first 200 of each.
///
/// They are unpacked when they are first asked for, and kept.
///
/// ```
/// use gradus_data::digits;
///
/// # fn main() -> gradus_tensor::Result<()> {
/// let digits = digits::embedded()?;
/// assert_eq!((digits.train.len(), digits.test.len()), (10_000, 2_000));
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// If the program's file is damaged.
pub fn embedded() -> Result<Digits> {
    static DIGITS: OnceLock<Digits> = OnceLock::new();
    if let Some(digits) = DIGITS.get() {
        return Ok(digits.clone());
    }
    let array = |name: &str| {
        let (_, bytes) = EMBEDDED.iter().find(|(other, _)| *other == name).expect("it is listed");
        idx::decode_array(bytes)
    };
    let set = |names: [&str; 2]| join("the program", names, names.map(array));
    let digits = Digits { train: set(TRAIN)?, test: set(TEST)? };
    Ok(DIGITS.get_or_init(|| digits).clone())
}

/// The digits of a folder that holds the four files of MNIST, or of a data set in its form, under
/// their official names, plain or with `.gz`: `train-images-idx3-ubyte`, `train-labels-idx1-ubyte`,
/// `t10k-images-idx3-ubyte` and `t10k-labels-idx1-ubyte`.
///
/// # Errors
/// If a file is missing or damaged, or they do not fit together.
pub fn from_folder(folder: impl AsRef<Path>) -> Result<Digits> {
    let folder = folder.as_ref();
    if !folder.is_dir() {
        let message = "is not a folder: give the one that holds the files of MNIST";
        return Err(Error::format(folder.display(), message));
    }
    let set =
        |names: [&str; 2]| join(folder.display(), names, names.map(|name| read(folder, name)));
    Ok(Digits { train: set(TRAIN)?, test: set(TEST)? })
}

/// Reads a file under its name, plain or compressed.
fn read(folder: &Path, name: &str) -> Result<Array> {
    let names = [name.to_string(), format!("{name}.gz")];
    match names.iter().map(|name| folder.join(name)).find(|path| path.is_file()) {
        Some(path) => idx::read_array(&path),
        None => Err(Error::format(
            folder.display(),
            format_args!(
                "has neither {name} nor {name}.gz: get MNIST's four files, for instance from \
                 https://ossci-datasets.s3.amazonaws.com/mnist/{name}.gz"
            ),
        )),
    }
}

/// The set of the images and the labels in two files.
fn join(
    origin: impl std::fmt::Display,
    [images_name, labels_name]: [&str; 2],
    [images, labels]: [Result<Array>; 2],
) -> Result<DigitSet> {
    let (images, labels) = (images?, labels?);
    let (image_shape, label_shape) = (images.shape, labels.shape);
    let fits = images.kind == Kind::U8
        && labels.kind == Kind::U8
        && matches!(*image_shape, [_, DigitSet::HEIGHT, DigitSet::WIDTH])
        && *label_shape == image_shape[..1]
        && image_shape[0] > 0;
    if !fits {
        let message = format_args!(
            "{images_name} of shape {image_shape} and {labels_name} of shape {label_shape} do not \
             fit: wanted are [N, 28, 28] and [N] with N > 0, of bytes"
        );
        return Err(Error::format(origin, message));
    }
    if let Some(index) = labels.bytes.iter().position(|&label| label as usize >= CLASSES) {
        let label = labels.bytes[index];
        let message = format_args!("label {index} of {labels_name} is {label}: digits are 0 to 9");
        return Err(Error::format(origin, message));
    }
    Ok(DigitSet::new(images.bytes, labels.bytes))
}
