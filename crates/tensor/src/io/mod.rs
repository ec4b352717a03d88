//! Tensors in files: safetensors, NumPy's npy and npz, and what `torch.save` wrote.
//!
//! Readers trust nothing in a file: sizes are checked against the bytes that are there before any
//! memory is taken for them. Writers give the same bytes for the same tensors, and a file they
//! write is there whole or not at all.

mod archive;
pub mod atomic;
pub mod npy;
pub mod npz;
pub mod safetensors;
pub mod torch;
mod weights;

pub use weights::{Weights, load_weights};

use crate::error::Error;
use crate::kernel::Kernel;
use crate::op::launch;
use crate::storage::Buffer;
use crate::{DType, Result, Shape, Tensor};
use gradus_kernels::memory::Block;
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// What is wrong, said where it is not known yet with which file.
#[derive(Debug)]
enum Fault {
    /// The system did not read or write.
    Io(io::Error),
    /// The bytes do not have the form they should.
    Form(String),
    /// Anything else.
    Other(Error),
}

impl Fault {
    /// A complaint about the form of bytes.
    fn form(message: impl fmt::Display) -> Self {
        Self::Form(message.to_string())
    }

    /// The error that names the file.
    fn of(self, origin: impl AsRef<Path>) -> Error {
        match self {
            Self::Io(error) => Error::io(origin, error),
            Self::Form(message) => Error::format(origin.as_ref().display(), message),
            Self::Other(error) => error,
        }
    }

    /// The same complaint about a part of a file.
    fn within(self, part: impl fmt::Display) -> Self {
        match self {
            Self::Form(message) => Self::Form(format!("{part} {message}")),
            fault => fault,
        }
    }
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::Other(error)
    }
}

/// Opens a file to be read, and tells its length.
fn open(path: &Path) -> Result<(File, u64), Fault> {
    let file = File::open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(Fault::form("is not a file: name a file"));
    }
    Ok((file, metadata.len()))
}

/// The type of the numbers in a file: one that tensors have, or an integer that is widened to `i64`
/// when it is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Encoding {
    Same(DType),
    I8,
    I16,
    U16,
    U32,
}

impl Encoding {
    /// How many bytes a number takes in the file.
    fn size_bytes(self) -> usize {
        match self {
            Self::Same(dtype) => dtype.size_bytes(),
            Self::I8 => 1,
            Self::I16 | Self::U16 => 2,
            Self::U32 => 4,
        }
    }

    /// The type of the tensor that is made of it.
    fn dtype(self) -> DType {
        match self {
            Self::Same(dtype) => dtype,
            _ => DType::I64,
        }
    }

    /// The number in some little-endian bytes. Only for integers that are widened.
    fn widen(self, bytes: &[u8]) -> i64 {
        let mut wide = [0; 8];
        wide[..bytes.len()].copy_from_slice(bytes);
        let unsigned = i64::from_le_bytes(wide);
        match self {
            Self::I8 => unsigned as i8 as i64,
            Self::I16 => unsigned as i16 as i64,
            _ => unsigned,
        }
    }
}

/// The order of the bytes of a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Endian {
    Little,
    Big,
}

impl Endian {
    /// That of this machine.
    const NATIVE: Self = if cfg!(target_endian = "big") { Self::Big } else { Self::Little };
}

/// What numbers in a file are like: their type, byte order and shape.
#[derive(Clone, Copy, Debug)]
struct Array {
    encoding: Encoding,
    endian: Endian,
    shape: Shape,
    /// How many bytes they take in the file.
    bytes: usize,
}

impl Array {
    /// Numbers of a shape that comes from a file, which must be one that tensors can have.
    fn new(encoding: Encoding, endian: Endian, lens: &[usize]) -> Result<Self, Fault> {
        let shape = Shape::try_new(lens).map_err(Fault::form)?;
        // As if no axis were empty: distances between neighbours must not overflow either.
        let wide = encoding.size_bytes().max(encoding.dtype().size_bytes());
        let total = lens.iter().try_fold(wide, |total, &len| total.checked_mul(len.max(1)));
        if total.is_none_or(|total| total > isize::MAX as usize) {
            return Err(Fault::form(format_args!(
                "has shape {shape}, more than any machine can hold: the file is damaged"
            )));
        }
        Ok(Self { encoding, endian, shape, bytes: shape.count() * encoding.size_bytes() })
    }

    /// Reads the numbers, in row-major order. The caller has checked that so many bytes are there.
    fn read(&self, reader: &mut impl Read) -> Result<Tensor, Fault> {
        let dtype = self.encoding.dtype();
        let count = self.shape.count();
        let mut block = Block::new(count * dtype.size_bytes()).map_err(Error::from)?;
        if let Encoding::Same(_) = self.encoding {
            let bytes = block.bytes_mut();
            reader.read_exact(bytes)?;
            match dtype {
                // Whatever is not zero is true; tensors hold 1 for it.
                DType::Bool => bytes.iter_mut().for_each(|byte| *byte = (*byte != 0) as u8),
                _ if self.endian != Endian::NATIVE => swap(bytes, dtype.size_bytes()),
                _ => {}
            }
        } else {
            self.read_widened(reader, block.slice_mut())?;
        }
        Ok(Tensor::from_buffer(Buffer::Host(block), (self.shape, dtype).into()))
    }

    fn read_widened(&self, reader: &mut impl Read, numbers: &mut [i64]) -> io::Result<()> {
        let size = self.encoding.size_bytes();
        let mut bytes = vec![0; size * numbers.len().min(8192)];
        for part in numbers.chunks_mut(8192) {
            let bytes = &mut bytes[..size * part.len()];
            reader.read_exact(bytes)?;
            if self.endian == Endian::Big {
                swap(bytes, size);
            }
            for (number, bytes) in part.iter_mut().zip(bytes.chunks(size)) {
                *number = self.encoding.widen(bytes);
            }
        }
        Ok(())
    }
}

/// Reverses the bytes of each number.
fn swap(bytes: &mut [u8], size: usize) {
    if size > 1 {
        bytes.chunks_mut(size).for_each(<[u8]>::reverse);
    }
}

/// A tensor's elements as bytes, in row-major order.
struct Elements {
    packed: Tensor,
    /// If they do not lie in the memory of this machine, or in another byte order: a copy.
    copy: Option<Vec<u8>>,
}

impl Elements {
    /// The elements of a tensor of any layout on any device, each in little-endian order.
    fn of(tensor: &Tensor) -> Result<Self> {
        let whole = tensor.is_contiguous();
        let host = tensor.view().buffer.host().is_some();
        let packed = match whole && (host || tensor.layout().offset() == 0) {
            true => tensor.detach(),
            false => launch(&Kernel::Copy, &[tensor], tensor.spec())?,
        };
        let size = packed.dtype().size_bytes();
        let mut copy = None;
        if !host || Endian::NATIVE == Endian::Big {
            let mut bytes = match host {
                true => Self { packed: packed.clone(), copy: None }.bytes().to_vec(),
                false => {
                    let mut bytes = vec![0; packed.count() * size];
                    packed.device().backend().download(packed.view().buffer, &mut bytes)?;
                    bytes
                }
            };
            if Endian::NATIVE == Endian::Big {
                swap(&mut bytes, size);
            }
            copy = Some(bytes);
        }
        Ok(Self { packed, copy })
    }

    fn bytes(&self) -> &[u8] {
        let size = self.packed.dtype().size_bytes();
        let start = self.packed.layout().offset() * size;
        match (&self.copy, self.packed.view().buffer.host()) {
            (Some(copy), _) => copy,
            (None, Some(block)) => &block.bytes()[start..][..self.packed.count() * size],
            (None, None) => &[],
        }
    }
}
