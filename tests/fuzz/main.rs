//! Readers of outside bytes on thousands of damaged files, the same each time. `fuzz/` tries the
//! same on inputs without end.

mod bodies;
mod mutate;

use bodies::BODIES;
use gradus_data::idx;
use gradus_data::image::{Colour, Image, encode_png};
use gradus_tensor::io::npz::Compression;
use gradus_tensor::io::safetensors::{self, Contents};
use gradus_tensor::io::{npy, npz};
use gradus_tensor::memory::{peak_resident_bytes, usage};
use gradus_tensor::{DType, Tensor};
use mutate::Mutator;
use std::fs;
use std::path::Path;

/// How many damaged files each reader is tried on.
const COUNT: usize = 20_000;

/// Small tensors of several types and shapes.
fn tensors() -> Vec<(String, Tensor)> {
    let x = Tensor::arange(-2.0, 4.0, 1.0).reshape([2, 3]);
    let named = |name: &str, x: Tensor| (name.to_string(), x);
    vec![
        named("weight", x.clone()),
        named("f64", x.to_dtype(DType::F64)),
        named("f16", x.to_dtype(DType::F16)),
        named("i32", x.to_dtype(DType::I32)),
        named("i64", x.flatten(0, 1).to_dtype(DType::I64)),
        named("u8", x.to_dtype(DType::U8)),
        named("bool", x.to_dtype(DType::Bool)),
        named("number", x.narrow(0, 0, 1).narrow(1, 0, 1).reshape(())),
        named("nothing", x.narrow(0, 0, 0)),
    ]
}

/// The files of `crates/tensor/tests/fixtures` whose names end so.
fn fixtures(extension: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("crates/tensor/tests/fixtures");
    let mut paths: Vec<_> =
        fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|end| end == extension));
    paths.sort();
    paths.into_iter().map(|path| fs::read(path).unwrap()).collect()
}

/// Valid files of a format.
fn seeds(format: &str) -> Vec<Vec<u8>> {
    let mut seeds = fixtures(format);
    match format {
        "safetensors" => {
            let metadata = vec![("kind".to_string(), "checkpoint".to_string())];
            let contents = Contents { tensors: tensors(), metadata };
            seeds.push(safetensors::to_bytes(&contents).unwrap());
            seeds.push(safetensors::to_bytes(&Contents::default()).unwrap());
        }
        "npy" => seeds.extend(tensors().iter().map(|(_, x)| npy::to_bytes(x).unwrap())),
        "npz" => {
            for compression in [Compression::Stored, Compression::Deflate] {
                seeds.push(npz::to_bytes(&tensors()[..3], compression).unwrap());
            }
        }
        "idx" => {
            let known = [DType::U8, DType::I32, DType::F32, DType::F64];
            let tensors = tensors().into_iter().filter(|(_, x)| known.contains(&x.dtype()));
            seeds.extend(tensors.map(|(_, x)| idx::encode(&x).unwrap()));
        }
        _ => {
            for colour in [Colour::Grey, Colour::GreyAlpha, Colour::Rgb, Colour::Rgba] {
                let pixels: Vec<u8> = (0..35 * colour.channels()).map(|i| (i * 7) as u8).collect();
                let image = Image::new(7, 5, colour, pixels).unwrap();
                seeds.push(encode_png(&image).unwrap());
            }
        }
    }
    seeds
}

#[test]
fn readers_withstand_what_once_broke_them() {
    let body = |format| BODIES.into_iter().find(|(name, _)| *name == format).unwrap().1;
    // An empty array that has more than 2⁶⁴ elements but for its one axis of length 0.
    let shape = [1 << 26, 0, 1 << 29, u32::MAX].map(u32::to_be_bytes).concat();
    body("idx")(&[&[0, 0, 9, 4], &shape[..]].concat());
    // A header of control characters, each of which takes five to show.
    body("npy")(&[&b"\x93NUMPY\x01\0\xf6\0"[..], &[0; 246]].concat());
}

#[test]
fn readers_withstand_damaged_files() {
    for (seed, (format, body)) in BODIES.into_iter().enumerate() {
        let seeds = seeds(format);
        let valid = seeds.iter().filter(|bytes| body(bytes)).count();
        assert!(valid >= 2, "{format}: {valid} of the files to start from are valid");
        let mut mutator = Mutator::new(seeds, seed as u64);
        let accepted = (0..COUNT).filter(|_| body(&mutator.variant())).count();
        // Else most of a reader is never reached.
        assert!(accepted >= COUNT / 100, "{format}: only {accepted} of {COUNT} are accepted");
        assert!(accepted < COUNT * 3 / 4, "{format}: {accepted} of {COUNT} are accepted");
        let peak_bytes = usage().peak_bytes;
        assert!(peak_bytes < 64 << 20, "{format}: tensors of {peak_bytes} bytes");
        if let Some(peak_bytes) = peak_resident_bytes() {
            assert!(peak_bytes < 512 << 20, "{format}: {peak_bytes} bytes in use");
        }
    }
}
