//! Files of tensors that know when they are damaged.
//!
//! The checksum, SHA-256, covers every byte of the file as it was with zeros in the place of the
//! checksum; it is a text among the others in the header, so that every reader of safetensors reads
//! the file.

use crate::file::in_file;
use gradus_tensor::io::atomic::write_atomically;
use gradus_tensor::io::safetensors::{Contents, from_bytes, to_bytes};
use gradus_tensor::{Error, Result};
use sha2::{Digest, Sha256};
use std::fs;
use std::io::Write;
use std::path::Path;

/// The key of the checksum among the texts.
const KEY: &str = "sha256";

/// How many digits it has.
const DIGITS: usize = 64;

/// Writes a file with its checksum, whole or not at all.
pub(crate) fn write(path: &Path, mut contents: Contents) -> Result<()> {
    // First of all texts, so that its place is found without regard to what the others hold.
    contents.metadata.insert(0, (KEY.into(), "0".repeat(DIGITS)));
    let mut bytes = to_bytes(&contents)?;
    let place = place(&bytes).expect("the checksum was put there");
    let sum = digest(&bytes);
    bytes[place..place + DIGITS].copy_from_slice(sum.as_bytes());
    write_atomically(path, |file| file.write_all(&bytes))
}

/// Reads a file, and says whether it has a checksum, which is then right.
pub(crate) fn read(path: &Path) -> Result<(Contents, bool)> {
    let mut bytes = fs::read(path).map_err(|error| Error::io(path, error))?;
    // What is no such file at all is said first, since that says more.
    let contents = in_file(path, from_bytes(&bytes))?;
    let Some(wanted) = contents.text(KEY) else {
        return Ok((contents, false));
    };
    let place = place(&bytes).filter(|place| bytes[*place..].starts_with(wanted.as_bytes()));
    let right = place.is_some_and(|place| {
        bytes[place..place + DIGITS].fill(b'0');
        digest(&bytes) == wanted
    });
    if !right {
        let message = "is damaged: its checksum is not that of its bytes";
        return Err(Error::format(path.display(), message));
    }
    Ok((contents, true))
}

/// Where the digits of the checksum are.
fn place(bytes: &[u8]) -> Option<usize> {
    let before = format!("{{\"__metadata__\":{{\"{KEY}\":\"");
    let place = 8 + before.len();
    let fits = bytes.get(8..place)? == before.as_bytes() && bytes.len() >= place + DIGITS;
    fits.then_some(place)
}

fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use gradus_tensor::Tensor;

    #[test]
    fn every_flipped_bit_and_every_cut_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file.safetensors");
        let tensors = vec![("x".to_string(), Tensor::from([1.0f32, 2.0]))];
        let metadata = vec![("note".to_string(), "some text".to_string())];
        write(&path, Contents { tensors, metadata }).unwrap();
        let whole = fs::read(&path).unwrap();
        let (contents, checked) = read(&path).unwrap();
        assert!(checked && contents.text("note") == Some("some text"));
        for bit in 0..8 * whole.len() {
            let mut bytes = whole.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            fs::write(&path, &bytes).unwrap();
            // A bit of the checksum's own name makes it a file without one.
            assert!(read(&path).is_err() || !read(&path).unwrap().1, "bit {bit} was not missed");
        }
        for len in 0..whole.len() {
            fs::write(&path, &whole[..len]).unwrap();
            let message = read(&path).unwrap_err().to_string();
            assert!(message.contains("file.safetensors"), "{message}");
        }
        let foreign = Contents { tensors: vec![("x".into(), Tensor::ones([2]))], metadata: vec![] };
        gradus_tensor::io::safetensors::write(&path, &foreign).unwrap();
        assert!(!read(&path).unwrap().1);
    }
}
