//! Readers of outside bytes on thousands of damaged files, the same each time. `fuzz/` tries the
//! same on inputs without end.

mod bodies;
mod mutate;
mod seeds;

use bodies::BODIES;
use gradus_tensor::memory::{peak_resident_bytes, usage};
use mutate::Mutator;
use std::fs;
use std::path::Path;

/// How many damaged files each reader is tried on.
const COUNT: usize = 5_000;

fn body(format: &str) -> bodies::Body {
    BODIES.into_iter().find(|(name, _)| *name == format).unwrap().1
}

#[test]
fn readers_withstand_what_once_broke_them() {
    // An empty array that has more than 2⁶⁴ elements but for its one axis of length 0.
    let shape = [1 << 26, 0, 1 << 29, u32::MAX].map(u32::to_be_bytes).concat();
    body("idx")(&[&[0, 0, 9, 4], &shape[..]].concat());
    // A header of control characters, each of which takes five to show.
    body("npy")(&[&b"\x93NUMPY\x01\0\xf6\0"[..], &[0; 246]].concat());
    // Tables within tables without end.
    let deep = format!("{} = 1", vec!["a"; 20_000].join("."));
    assert!(!body("recipe")(deep.as_bytes()));
    assert!(!body("recipe")(&[b'['; 20_000]));
    assert!(!body("json_lines")(&[b'['; 20_000]));
}

#[test]
fn readers_withstand_damaged_files() {
    for (seed, (format, body)) in BODIES.into_iter().enumerate() {
        let made = seeds::made(format);
        assert!(made.iter().all(|bytes| body(bytes)), "{format}: a file to start from is refused");
        let seeds = [seeds::found(format), made].concat();
        let valid = seeds.iter().filter(|bytes| body(bytes)).count();
        assert!(valid >= 1, "{format}: none of the files to start from is valid");
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

/// `cargo test --test fuzz -- --ignored` writes what libFuzzer is to start from.
#[test]
#[ignore = "it writes files, for libFuzzer"]
fn seeds_for_fuzzing() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    for (format, _) in BODIES {
        let folder = corpus.join(format);
        fs::create_dir_all(&folder).unwrap();
        let seeds = [seeds::found(format), seeds::made(format)].concat();
        for (number, bytes) in seeds.iter().enumerate() {
            fs::write(folder.join(format!("seed-{number}")), bytes).unwrap();
        }
    }
}
