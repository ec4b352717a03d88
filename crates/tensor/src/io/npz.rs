//! NumPy's files of several arrays: zip archives of npy files.
//!
//! Source: <https://numpy.org/doc/stable/reference/generated/numpy.savez.html>.

use super::archive::Archive;
use super::atomic::write_atomically;
use super::{Elements, Fault, npy, open};
use crate::{Error, Result, Tensor};
use std::collections::HashSet;
use std::io::{BufReader, Cursor, Read, Seek, Write};
use std::path::Path;
use zip::result::ZipError;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, System, ZipWriter};

/// What the bytes are called in errors when they come from no file.
const BYTES: &str = "npz bytes";

/// Whether a file is made smaller.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compression {
    /// As it is. NumPy: `numpy.savez`.
    #[default]
    Stored,
    /// By deflate. NumPy: `numpy.savez_compressed`.
    Deflate,
}

/// Reads a file's arrays with their names. NumPy: `numpy.load`.
///
/// # Errors
/// If it cannot be read or is damaged, or holds anything but arrays that [`npy::read`] reads.
pub fn read(path: impl AsRef<Path>) -> Result<Vec<(String, Tensor)>> {
    let path = path.as_ref();
    let tensors = open(path).and_then(|(file, len)| decode(BufReader::new(file), len));
    tensors.map_err(|fault| fault.of(path))
}

/// Reads what [`to_bytes`] gave, or the bytes of a file.
///
/// # Errors
/// As [`read`].
pub fn from_bytes(bytes: &[u8]) -> Result<Vec<(String, Tensor)>> {
    decode(Cursor::new(bytes), bytes.len() as u64).map_err(|fault| fault.of(BYTES))
}

/// Writes a file, whole or not at all. The same tensors give the same bytes.
///
/// # Errors
/// If it cannot be written, two tensors have the same name, or one is `bf16`, for which NumPy has
/// no type.
pub fn write(
    path: impl AsRef<Path>,
    tensors: &[(String, Tensor)],
    compression: Compression,
) -> Result<()> {
    let path = path.as_ref();
    let headers = headers(tensors).map_err(|fault| fault.of(path))?;
    write_atomically(path, |file| Ok(encode(file, tensors, &headers, compression)?))
}

/// The bytes of the file that [`write()`] writes.
///
/// # Errors
/// As [`write()`].
///
/// ```
/// use gradus_tensor::Tensor;
/// use gradus_tensor::io::npz::{Compression, from_bytes, to_bytes};
///
/// let tensors = [("x".to_string(), Tensor::zeros([20, 30]))];
/// let bytes = to_bytes(&tensors, Compression::Deflate)?;
/// assert!(bytes.len() < 400);
/// assert_eq!(from_bytes(&bytes)?[0].1.shape(), [20, 30]);
/// # Ok::<(), gradus_tensor::Error>(())
/// ```
pub fn to_bytes(tensors: &[(String, Tensor)], compression: Compression) -> Result<Vec<u8>> {
    let headers = headers(tensors).map_err(|fault| fault.of(BYTES))?;
    let mut bytes = Cursor::new(vec![]);
    let encoded = encode(&mut bytes, tensors, &headers, compression);
    encoded.map_err(|error| Error::io(BYTES, error.into()))?;
    Ok(bytes.into_inner())
}

/// The header of each array.
fn headers(tensors: &[(String, Tensor)]) -> Result<Vec<Vec<u8>>, Fault> {
    let mut seen = HashSet::new();
    let header = |(name, tensor): &(String, Tensor)| match npy::header(tensor) {
        _ if !seen.insert(name.clone()) => {
            Err(Fault::form(format_args!("two tensors are named {name}: names must differ")))
        }
        header => header.map_err(|fault| fault.within(name)),
    };
    tensors.iter().map(header).collect()
}

fn encode(
    writer: &mut (impl Write + Seek),
    tensors: &[(String, Tensor)],
    headers: &[Vec<u8>],
    compression: Compression,
) -> Result<(), ZipError> {
    let method = match compression {
        Compression::Stored => CompressionMethod::Stored,
        Compression::Deflate => CompressionMethod::Deflated,
    };
    // The same date, rights and system wherever the file is written.
    let options = SimpleFileOptions::default()
        .compression_method(method)
        .last_modified_time(DateTime::default())
        .unix_permissions(0o644)
        .system(System::Unix);
    let mut archive = ZipWriter::new(writer);
    for ((name, tensor), header) in tensors.iter().zip(headers) {
        let elements = Elements::of(tensor).map_err(std::io::Error::from)?;
        let bytes = header.len() + elements.bytes().len();
        // Deflate may need some bytes more than there are.
        let options = options.large_file(bytes > u32::MAX as usize / 2);
        archive.start_file(format!("{name}.npy"), options)?;
        archive.write_all(header)?;
        archive.write_all(elements.bytes())?;
    }
    archive.finish()?;
    Ok(())
}

/// Reads a file of `len` bytes.
pub(super) fn decode(reader: impl Read + Seek, len: u64) -> Result<Vec<(String, Tensor)>, Fault> {
    let mut archive = Archive::open(reader, len, "npz file")?;
    let mut tensors = vec![];
    for name in archive.names()? {
        let Some(stem) = name.strip_suffix(".npy") else {
            return Err(Fault::form(format_args!(
                "holds {name}, which is no array: write it with numpy.savez"
            )));
        };
        let tensor = archive.read(&name, |mut part, size| npy::decode(&mut part, size))?;
        tensors.push((stem.to_string(), tensor));
    }
    Ok(tensors)
}
