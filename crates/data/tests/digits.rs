//! The digits within the library, those of folders, and pictures made to look like them.

use gradus_data::digits::{self, DigitSet, MEAN, STANDARD_DEVIATION, normalise};
use gradus_data::{Dataset, idx};
use gradus_tensor::Tensor;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::fs;
use std::path::Path;

fn packed() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/digits"))
}

#[test]
fn what_is_unpacked_is_what_was_packed() {
    let list = fs::read_to_string(packed().join("SHA256SUMS")).unwrap();
    let sums: HashMap<&str, &str> = list
        .lines()
        .map(|line| line.split_once("  ").unwrap())
        .map(|(sum, name)| (name, sum))
        .collect();
    assert_eq!(sums.len(), 4);
    let embedded = digits::embedded().unwrap();
    let check = |name: &str, unpacked: Tensor| {
        let digest = Sha256::digest(idx::encode(&unpacked).unwrap());
        let sum: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(sum, sums[name], "{name}");
    };
    for (name, set) in [("train", &embedded.train), ("t10k", &embedded.test)] {
        check(&format!("{name}-images-idx3-ubyte"), set.images().squeeze(1));
        let labels: Vec<u8> = (0..set.len()).map(|index| set.label(index) as u8).collect();
        check(&format!("{name}-labels-idx1-ubyte"), Tensor::from(labels));
    }
    let size: u64 =
        fs::read_dir(packed()).unwrap().map(|x| x.unwrap().metadata().unwrap().len()).sum();
    assert!(size < 3_000_000, "{size} bytes");
}

#[test]
fn the_classes_are_balanced() {
    let embedded = digits::embedded().unwrap();
    for (set, wanted) in [(&embedded.train, 1_000), (&embedded.test, 200)] {
        let mut counts = [0; digits::CLASSES];
        set.labels().to_vec::<i64>().into_iter().for_each(|label| counts[label as usize] += 1);
        assert_eq!(counts, [wanted; digits::CLASSES]);
        assert_eq!(set.len(), wanted * digits::CLASSES);
    }
}

#[test]
fn as_a_data_set_it_gives_normalised_images() {
    let set = digits::embedded().unwrap().test;
    let batch = set.batch(&[7, 1999, 0]).unwrap();
    assert_eq!(batch.input().shape(), [3, 1, 28, 28]);
    let images = set.images();
    for (row, index) in [7, 1999, 0].into_iter().enumerate() {
        let wanted = normalise(&images.select(0, index)).to_vec::<f32>();
        assert_eq!(batch.input().select(0, row).to_vec::<f32>(), wanted);
        let sample = set.sample(index).unwrap();
        assert_eq!(sample.input().shape(), [1, 28, 28]);
        assert_eq!(sample.input().to_vec::<f32>(), wanted);
        let label = set.label(index) as i64;
        assert_eq!(sample.target().item::<i64>(), label);
        assert_eq!(batch.target().select(0, row).item::<i64>(), label);
        assert_eq!(set.labels().select(0, index).item::<i64>(), label);
        assert_eq!(
            set.picture(index).to_tensor().to_vec::<u8>(),
            images.select(0, index).to_vec::<u8>()
        );
    }
    let ends = normalise(&Tensor::from([0u8, 255])).to_vec::<f32>();
    let wanted = [(0.0 - MEAN) / STANDARD_DEVIATION, (1.0 - MEAN) / STANDARD_DEVIATION];
    assert!(ends.iter().zip(wanted).all(|(&x, wanted)| (x as f64 - wanted).abs() < 1e-6));
}

/// Writes a data set of so many digits as four files.
fn write_folder(folder: &Path, count: usize) {
    for name in ["train", "t10k"] {
        let images = Tensor::from_vec((0..count * 784).map(|i| i as u8).collect(), [count, 28, 28]);
        let labels = Tensor::from((0..count).map(|i| (i % 10) as u8).collect::<Vec<_>>());
        let write = |file: &str, x| {
            fs::write(folder.join(format!("{name}-{file}")), idx::encode(x).unwrap()).unwrap();
        };
        write("images-idx3-ubyte", &images);
        write("labels-idx1-ubyte", &labels);
    }
}

#[test]
fn a_folder_is_read_plain_or_compressed() {
    // The files within the library are in the form of MNIST's.
    let set = digits::from_folder(packed()).unwrap();
    let embedded = digits::embedded().unwrap();
    let pixels = |set: &DigitSet| set.images().to_vec::<u8>();
    assert!(pixels(&set.train) == pixels(&embedded.train));
    let folder = tempfile::tempdir().unwrap();
    write_folder(folder.path(), 11);
    let set = digits::from_folder(folder.path()).unwrap();
    assert_eq!(set.test.labels().to_vec::<i64>(), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0]);
    assert_eq!(pixels(&set.test), (0..11 * 784).map(|i| i as u8).collect::<Vec<_>>());
}

#[test]
fn what_is_wrong_with_a_folder_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let error = || digits::from_folder(path).unwrap_err().to_string();
    let says = |part: &str| {
        let error = error();
        assert!(error.contains(part) && !error.contains('\n'), "{error}");
    };
    says("has neither train-images-idx3-ubyte nor train-images-idx3-ubyte.gz: get MNIST");
    write_folder(path, 3);
    fs::remove_file(path.join("t10k-labels-idx1-ubyte")).unwrap();
    says("has neither t10k-labels-idx1-ubyte nor");
    let labels = |labels: &Tensor| {
        fs::write(path.join("t10k-labels-idx1-ubyte"), idx::encode(labels).unwrap()).unwrap();
    };
    labels(&Tensor::from([0u8, 1]));
    says("images-idx3-ubyte of shape [3, 28, 28] and");
    says("labels-idx1-ubyte of shape [2] do not fit");
    labels(&Tensor::from([0u8, 1, 10]));
    says("labels-idx1-ubyte is 10: digits are 0 to 9");
    fs::write(path.join("t10k-labels-idx1-ubyte"), b"\0\0\x08\x01\0\0").unwrap();
    says("t10k-labels-idx1-ubyte: is cut off");
    let error = digits::from_folder(path.join("nowhere")).unwrap_err().to_string();
    assert!(error.contains("nowhere: is not a folder"), "{error}");
}
