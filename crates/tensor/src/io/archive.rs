//! Parts of zip archives of outside origin.

use super::Fault;
use std::io::{Read, Seek};
use zip::read::ZipFile;
use zip::{CompressionMethod, ZipArchive};

/// Deflate makes nothing smaller than by this factor: two bits for 258 bytes.
pub(super) const MAX_RATIO: u64 = 1032;

/// An archive that is being read.
pub(super) struct Archive<R> {
    zip: ZipArchive<R>,
    /// How many bytes of the file are not yet spoken for: parts that overlap are a trick.
    left: u64,
}

impl<R: Read + Seek> Archive<R> {
    /// Opens an archive of `len` bytes; `kind` says what the file should be.
    pub(super) fn open(reader: R, len: u64, kind: &str) -> Result<Self, Fault> {
        let damaged = |error| Fault::form(format_args!("is no {kind}, or is damaged: {error}"));
        Ok(Self { zip: ZipArchive::new(reader).map_err(damaged)?, left: len })
    }

    /// The names of all parts, in the order of the archive.
    pub(super) fn names(&self) -> Result<Vec<String>, Fault> {
        let name = |name: Result<std::borrow::Cow<'_, str>, _>| match name {
            Ok(name) => Ok(name.into_owned()),
            Err(error) => Err(Fault::form(format_args!("is damaged: {error}"))),
        };
        self.zip.file_names().map(name).collect()
    }

    /// Reads a part with a function that is told its length and must take all of it.
    pub(super) fn read<T>(
        &mut self,
        name: &str,
        decode: impl FnOnce(&mut dyn Read, u64) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        let damaged = |error| Fault::form(format_args!("is damaged: {error}"));
        let part = self.zip.by_name(name).map_err(damaged);
        let read = part.and_then(|part| read_part(part, &mut self.left, decode));
        read.map_err(|fault| match fault {
            // What the decompression says of damaged bytes.
            Fault::Io(error) if error.raw_os_error().is_none() => {
                Fault::form(format_args!("{name} is damaged: {error}"))
            }
            fault => fault.within(name),
        })
    }
}

fn read_part<T>(
    mut part: ZipFile<'_, impl Read>,
    left: &mut u64,
    decode: impl FnOnce(&mut dyn Read, u64) -> Result<T, Fault>,
) -> Result<T, Fault> {
    let (size, packed) = (part.size(), part.compressed_size());
    let possible = match part.compression() {
        CompressionMethod::Stored => packed,
        _ => packed.saturating_mul(MAX_RATIO),
    };
    if packed > *left || size > possible {
        return Err(Fault::form(format_args!(
            "is damaged: it says that {packed} bytes hold {size} bytes"
        )));
    }
    *left -= packed;
    let read = decode(&mut part, size)?;
    // The checksum is compared at the end.
    match part.read(&mut [0])? {
        0 => Ok(read),
        _ => Err(Fault::form("is damaged: it holds more bytes than it says")),
    }
}
