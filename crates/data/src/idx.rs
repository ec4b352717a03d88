//! Arrays in the IDX format of the MNIST database, plain or compressed with gzip.
//!
//! A file holds two zero bytes, the type of its elements, the number of axes, the length of each
//! axis as an unsigned integer of 32 bits, and the elements in row-major order; all of them
//! big-endian.
//!
//! # Source
//! LeCun, Cortes and Burges, "The MNIST database of handwritten digits", "File formats".

use crate::file::{self, GZIP, MOST_INFLATED};
use flate2::read::MultiGzDecoder;
use gradus_tensor::{DType, Device, Error, Result, Shape, Tensor};
use std::io::Read;
use std::path::Path;

/// The most bytes that the elements of an array may take: 1 GiB, several times the largest set of
/// digits there is (EMNIST).
const MOST_BYTES: usize = 1 << 30;

/// The type of an array's elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    U8,
    I8,
    I16,
    I32,
    F32,
    F64,
}

impl Kind {
    fn from_code(code: u8) -> Option<Self> {
        Some(match code {
            0x08 => Self::U8,
            0x09 => Self::I8,
            0x0b => Self::I16,
            0x0c => Self::I32,
            0x0d => Self::F32,
            0x0e => Self::F64,
            _ => return None,
        })
    }

    fn size_bytes(self) -> usize {
        match self {
            Self::U8 | Self::I8 => 1,
            Self::I16 => 2,
            Self::I32 | Self::F32 => 4,
            Self::F64 => 8,
        }
    }
}

/// An array as it lies in a file.
#[derive(Debug)]
pub(crate) struct Array {
    pub(crate) kind: Kind,
    pub(crate) shape: Shape,
    /// The elements, big-endian.
    pub(crate) bytes: Vec<u8>,
}

/// The array in a file.
///
/// Integers of 8 bits with a sign, and those of 16 bits, become `i32`.
///
/// # Errors
/// If the file cannot be read or is not an array in the IDX format.
pub fn read(path: impl AsRef<Path>) -> Result<Tensor> {
    to_tensor(read_array(path.as_ref())?)
}

pub(crate) fn read_array(path: &Path) -> Result<Array> {
    // What does not compress gets a little longer.
    let bytes = file::read(path, MOST_BYTES + (1 << 20))?;
    file::in_file(path, decode_array(&bytes))
}

/// The array that bytes in the IDX format hold, plain or compressed with gzip.
///
/// ```
/// use gradus_data::idx;
/// use gradus_tensor::Tensor;
///
/// # fn main() -> gradus_tensor::Result<()> {
/// let labels = Tensor::from([5u8, 0, 4]);
/// let bytes = idx::encode(&labels)?;
/// assert_eq!(bytes, [0, 0, 8, 1, 0, 0, 0, 3, 5, 0, 4]);
/// assert_eq!(idx::decode(&bytes)?.to_vec::<u8>(), [5, 0, 4]);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// If they are something else, too few or too many.
pub fn decode(bytes: &[u8]) -> Result<Tensor> {
    to_tensor(decode_array(bytes)?)
}

pub(crate) fn decode_array(bytes: &[u8]) -> Result<Array> {
    if !bytes.starts_with(&GZIP) {
        return unpack(bytes, bytes.len());
    }
    unpack(MultiGzDecoder::new(bytes), bytes.len().saturating_mul(MOST_INFLATED))
}

/// The array that a stream of at most so many bytes holds.
fn unpack(mut stream: impl Read, most: usize) -> Result<Array> {
    let mut head = [0; 4];
    fill(&mut stream, &mut head)?;
    let [0, 0, code, rank] = head else {
        return Err(broken("does not begin like an IDX file"));
    };
    let kind = Kind::from_code(code)
        .ok_or_else(|| broken(&format!("has elements of an unknown type, 0x{code:02x}")))?;
    let mut lens = vec![0; rank as usize];
    for len in &mut lens {
        let mut bytes = [0; 4];
        fill(&mut stream, &mut bytes)?;
        *len = u32::from_be_bytes(bytes) as usize;
    }
    let shape = Shape::try_new(&lens).map_err(|error| broken(&format!("has {error}")))?;
    let size = shape.checked_count().and_then(|count| count.checked_mul(kind.size_bytes()));
    // Before memory is asked for, what was promised must be possible.
    let Some(size) = size.filter(|&size| size <= MOST_BYTES) else {
        return Err(broken(&format!("claims to hold {shape}, more than the 1 GiB that is read")));
    };
    if size > most {
        return Err(broken(&format!("is cut off: it claims to hold {shape}")));
    }
    let mut bytes = vec![0; size];
    fill(&mut stream, &mut bytes)?;
    match stream.read(&mut [0]) {
        Ok(0) => Ok(Array { kind, shape, bytes }),
        Ok(_) => Err(broken(&format!("holds more than the {shape} that it claims to hold"))),
        Err(error) => Err(broken(&format!("is damaged: {error}"))),
    }
}

fn fill(stream: &mut impl Read, bytes: &mut [u8]) -> Result<()> {
    stream.read_exact(bytes).map_err(|error| match error.kind() {
        std::io::ErrorKind::UnexpectedEof => broken("is cut off: get it once more"),
        _ => broken(&format!("is damaged: {error}; get it once more")),
    })
}

fn broken(message: &str) -> Error {
    Error::format("IDX data", message)
}

fn to_tensor(array: Array) -> Result<Tensor> {
    let Array { kind, shape, bytes } = array;
    let device = Device::cpu();
    /// The big-endian numbers of a type.
    macro_rules! numbers {
        ($name:ident) => {
            bytes.as_chunks().0.iter().map(|&bytes| $name::from_be_bytes(bytes))
        };
    }
    match kind {
        Kind::U8 => Tensor::try_from_slice(&bytes, shape, device),
        Kind::I8 => Tensor::try_from_slice(
            &bytes.iter().map(|&byte| byte as i8 as i32).collect::<Vec<_>>(),
            shape,
            device,
        ),
        Kind::I16 => {
            Tensor::try_from_slice(&numbers!(i16).map(i32::from).collect::<Vec<_>>(), shape, device)
        }
        Kind::I32 => Tensor::try_from_slice(&numbers!(i32).collect::<Vec<_>>(), shape, device),
        Kind::F32 => Tensor::try_from_slice(&numbers!(f32).collect::<Vec<_>>(), shape, device),
        Kind::F64 => Tensor::try_from_slice(&numbers!(f64).collect::<Vec<_>>(), shape, device),
    }
}

/// A tensor of `u8`, `i32`, `f32` or `f64` in the IDX format.
///
/// # Errors
/// If it is of another type, or too long for the format.
pub fn encode(x: &Tensor) -> Result<Vec<u8>> {
    let (code, elements) = match x.dtype() {
        DType::U8 => (0x08, x.try_to_vec::<u8>()?),
        DType::I32 => (0x0c, big_endian(x.try_to_vec()?, i32::to_be_bytes)),
        DType::F32 => (0x0d, big_endian(x.try_to_vec()?, f32::to_be_bytes)),
        DType::F64 => (0x0e, big_endian(x.try_to_vec()?, f64::to_be_bytes)),
        dtype => {
            let message = format_args!("holds u8, i32, f32 or f64, not {dtype}: use to_dtype");
            return Err(Error::format("the IDX format", message));
        }
    };
    let mut bytes = vec![0, 0, code, x.rank() as u8];
    for &len in x.shape().iter() {
        let len = u32::try_from(len).map_err(|_| {
            Error::format("the IDX format", format_args!("has no axis of length {len}"))
        })?;
        bytes.extend(len.to_be_bytes());
    }
    bytes.extend(elements);
    Ok(bytes)
}

fn big_endian<T, const SIZE: usize>(numbers: Vec<T>, bytes: fn(T) -> [u8; SIZE]) -> Vec<u8> {
    numbers.into_iter().flat_map(bytes).collect()
}
