//! Data for tests: few, so that a training takes no time.

use gradus_data::{digits, idx};
use gradus_tensor::{DType, Tensor};
use std::fs;
use std::path::Path;

/// Writes some of the digits within the library into a folder, made if it is not there, as MNIST's
/// files.
pub fn digits(folder: &Path, train: usize, test: usize) {
    fs::create_dir_all(folder).unwrap();
    let digits = digits::embedded().unwrap();
    for (name, set, count) in [("train", &digits.train, train), ("t10k", &digits.test, test)] {
        let write = |kind: &str, x: &Tensor| {
            let path = folder.join(format!("{name}-{kind}-ubyte"));
            fs::write(path, idx::encode(x).unwrap()).unwrap();
        };
        write("images-idx3", &set.images().narrow(0, 0, count).squeeze(1));
        write("labels-idx1", &set.labels().narrow(0, 0, count).to_dtype(DType::U8));
    }
}
