//! Makes the files of the digits within the library from MNIST's, and prints their checksums.
//!
//! `cargo run --release -p gradus-data --example pack_digits FOLDER_OF_MNIST`
//!
//! Of each class it takes the first 1,000 training images and the first 200 test images, and leaves
//! them in their order. See `crates/data/digits/README.md`.

use flate2::{Compression, GzBuilder};
use gradus_data::{digits, idx};
use gradus_tensor::{Error, Result, Tensor};
use sha2::{Digest, Sha256};
use std::io::Write;
use std::path::Path;

fn main() -> Result<()> {
    let Some(folder) = std::env::args_os().nth(1) else {
        return Err(Error::Setting("give the folder that holds MNIST's four files".into()));
    };
    let mnist = digits::from_folder(folder)?;
    pack(&mnist.train, 1_000, "train")?;
    pack(&mnist.test, 200, "t10k")
}

/// Writes the first so many images of each class, and their labels.
fn pack(set: &digits::DigitSet, per_class: usize, name: &str) -> Result<()> {
    let mut counts = [0; digits::CLASSES];
    let first_ones = (0..set.len()).filter(|&index| {
        let count = &mut counts[set.label(index)];
        *count += 1;
        *count <= per_class
    });
    let chosen: Vec<usize> = first_ones.collect();
    let labels: Vec<u8> = chosen.iter().map(|&index| set.label(index) as u8).collect();
    let pixels = chosen.iter().flat_map(|&index| set.picture(index).pixels().to_vec());
    let images = Tensor::from_vec(pixels.collect::<Vec<u8>>(), [chosen.len(), 28, 28]);
    write(&format!("{name}-images-idx3-ubyte"), &images)?;
    write(&format!("{name}-labels-idx1-ubyte"), &Tensor::from(labels))
}

/// Writes one file, compressed, and prints the checksum of what it unpacks to.
fn write(name: &str, x: &Tensor) -> Result<()> {
    let bytes = idx::encode(x)?;
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("digits").join(format!("{name}.gz"));
    let file = std::fs::File::create(&path).map_err(|error| Error::io(&path, error))?;
    // Without a name and a time, so that the same digits always make the same file.
    let mut packed = GzBuilder::new().write(file, Compression::best());
    packed.write_all(&bytes).map_err(|error| Error::io(&path, error))?;
    packed.finish().map_err(|error| Error::io(&path, error))?;
    let sum: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    println!("{sum}  {name}");
    Ok(())
}
