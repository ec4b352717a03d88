//! NumPy's files of one array.
//!
//! A file is `\x93NUMPY`, a version, the length of its header (2 bytes in version 1, else 4), the
//! header (a Python dictionary that gives the type, the order and the shape), and the numbers.
//! Source: <https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html>.

use super::atomic::write_atomically;
use super::{Array, Elements, Encoding, Endian, Fault, open};
use crate::{DType, Result, Tensor};
use std::io::{BufReader, Read, Write};
use std::path::Path;

/// How every file starts.
const MAGIC: &[u8; 6] = b"\x93NUMPY";

/// Longer headers are of arrays of records, which tensors cannot hold.
const MAX_HEADER_BYTES: u64 = 1 << 16;

/// What the bytes are called in errors when they come from no file.
const BYTES: &str = "npy bytes";

/// Reads a file. Integers of types that tensors do not have become `i64`; an array in Fortran's
/// order becomes a view with its axes reversed. NumPy: `numpy.load`.
///
/// # Errors
/// If it cannot be read or is damaged, or holds anything but numbers and truth values.
pub fn read(path: impl AsRef<Path>) -> Result<Tensor> {
    let path = path.as_ref();
    let tensor = open(path).and_then(|(file, len)| decode(&mut BufReader::new(file), len));
    tensor.map_err(|fault| fault.of(path))
}

/// Reads what [`to_bytes`] gave, or the bytes of a file.
///
/// # Errors
/// As [`read`].
///
/// ```
/// use gradus_tensor::Tensor;
/// use gradus_tensor::io::npy::{from_bytes, to_bytes};
///
/// let x = from_bytes(&to_bytes(&Tensor::from([[1, 2, 3], [4, 5, 6]]))?)?;
/// assert_eq!(x.shape(), [2, 3]);
/// # Ok::<(), gradus_tensor::Error>(())
/// ```
pub fn from_bytes(mut bytes: &[u8]) -> Result<Tensor> {
    let len = bytes.len() as u64;
    decode(&mut bytes, len).map_err(|fault| fault.of(BYTES))
}

/// Writes a file, whole or not at all, byte for byte as NumPy does. NumPy: `numpy.save`.
///
/// # Errors
/// If it cannot be written, or the numbers are `bf16`, for which NumPy has no type.
pub fn write(path: impl AsRef<Path>, tensor: &Tensor) -> Result<()> {
    let path = path.as_ref();
    let header = header(tensor).map_err(|fault| fault.of(path))?;
    write_atomically(path, |file| {
        file.write_all(&header)?;
        file.write_all(Elements::of(tensor)?.bytes())
    })
}

/// The bytes of the file that [`write()`] writes.
///
/// # Errors
/// If the numbers are `bf16`, for which NumPy has no type.
pub fn to_bytes(tensor: &Tensor) -> Result<Vec<u8>> {
    let mut bytes = header(tensor).map_err(|fault| fault.of(BYTES))?;
    bytes.extend_from_slice(Elements::of(tensor)?.bytes());
    Ok(bytes)
}

/// Everything before the numbers.
pub(super) fn header(tensor: &Tensor) -> Result<Vec<u8>, Fault> {
    let dtype = match tensor.dtype() {
        DType::Bool => "|b1",
        DType::U8 => "|u1",
        DType::I32 => "<i4",
        DType::I64 => "<i8",
        DType::F16 => "<f2",
        DType::F32 => "<f4",
        DType::F64 => "<f8",
        DType::BF16 => {
            return Err(Fault::form("cannot hold bf16 numbers: convert with to_dtype(DType::F32)"));
        }
    };
    let lens: Vec<String> = tensor.shape().iter().map(usize::to_string).collect();
    let comma = if lens.len() == 1 { "," } else { "" };
    let shape = format!("({}{comma})", lens.join(", "));
    let mut text = format!("{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, }}");
    // As NumPy has it, the first length may grow to 21 digits in place.
    let digits = lens.first().map_or(21, String::len);
    text.push_str(&" ".repeat(21 - digits));
    // At least one space and a line feed, up to a multiple of 64 bytes.
    let whole = MAGIC.len() + 4 + text.len() + 1;
    text.push_str(&" ".repeat(64 - whole % 64));
    text.push('\n');
    let mut bytes = MAGIC.to_vec();
    bytes.extend([1, 0]);
    bytes.extend((text.len() as u16).to_le_bytes());
    bytes.extend(text.into_bytes());
    Ok(bytes)
}

/// Reads a file of `len` bytes.
pub(super) fn decode(reader: &mut impl Read, len: u64) -> Result<Tensor, Fault> {
    let (text, rest) = read_header(reader, len)?;
    let Some(header) = Header::parse(&text) else {
        return Err(Fault::form(format_args!("has a damaged header: {}", text.trim_end())));
    };
    let (encoding, endian) = header.encoding()?;
    let mut lens = header.shape;
    if header.fortran {
        lens.reverse();
    }
    let array = Array::new(encoding, endian, &lens)?;
    if array.bytes as u64 != rest {
        let shape = array.shape;
        return Err(Fault::form(match rest < array.bytes as u64 {
            true => format!(
                "was cut off: shape {shape} takes {} bytes, and {rest} follow the header",
                array.bytes
            ),
            false => format!(
                "holds more than one array, of shape {shape}, as {} bytes follow it: save several \
                 arrays as npz",
                rest - array.bytes as u64
            ),
        }));
    }
    let tensor = array.read(reader)?;
    let backwards: Vec<usize> = (0..tensor.rank()).rev().collect();
    Ok(match header.fortran {
        true => tensor.with_layout(tensor.layout().permute(&backwards)),
        false => tensor,
    })
}

/// The text of the header, and how many bytes follow it.
fn read_header(reader: &mut impl Read, len: u64) -> Result<(String, u64), Fault> {
    let cut_off =
        || Fault::form(format_args!("is no npy file, or was cut off: it has {len} bytes"));
    let mut start = [0; 8];
    let rest = len.checked_sub(start.len() as u64).ok_or_else(cut_off)?;
    reader.read_exact(&mut start)?;
    let (magic, version) = start.split_at(MAGIC.len());
    if magic != MAGIC {
        return Err(Fault::form("is no npy file: write it with numpy.save"));
    }
    let mut length = [0; 4];
    let wide = match version[0] {
        1 => 2,
        2 | 3 => 4,
        _ => {
            return Err(Fault::form(format_args!(
                "has version {}.{} of the npy format, and versions 1 to 3 are known",
                version[0], version[1]
            )));
        }
    };
    let rest = rest.checked_sub(wide as u64).ok_or_else(cut_off)?;
    reader.read_exact(&mut length[..wide])?;
    let length = u32::from_le_bytes(length) as u64;
    if length > rest.min(MAX_HEADER_BYTES) {
        return Err(Fault::form(format_args!(
            "was cut off or is damaged: its header would take {length} bytes, and {rest} follow"
        )));
    }
    let mut text = vec![0; length as usize];
    reader.read_exact(&mut text)?;
    // Only names of records can be other than ASCII, and no tensor has those.
    let text = String::from_utf8_lossy(&text).into_owned();
    Ok((text, rest - length))
}

/// What a header says.
#[derive(Debug, PartialEq, Eq)]
struct Header {
    /// The type; empty for records, whose type is a list.
    descr: String,
    fortran: bool,
    shape: Vec<usize>,
}

impl Header {
    /// Reads a Python dictionary of these three entries, in any order; none if it is anything else.
    fn parse(text: &str) -> Option<Self> {
        let mut scanner = Scanner(text);
        let (mut descr, mut fortran, mut shape) = (None, None, None);
        scanner.take('{')?;
        while scanner.take('}').is_none() {
            let key = scanner.text()?;
            scanner.take(':')?;
            match key {
                "descr" if scanner.take('[').is_some() => {
                    return Some(Self { descr: String::new(), fortran: false, shape: vec![] });
                }
                "descr" => descr = Some(scanner.text()?.to_string()),
                "fortran_order" => fortran = Some(scanner.truth()?),
                "shape" => shape = Some(scanner.lens()?),
                _ => return None,
            }
            if scanner.take(',').is_none() {
                scanner.take('}')?;
                break;
            }
        }
        let whole = scanner.0.trim_ascii().is_empty();
        Some(Self { descr: descr?, fortran: fortran?, shape: shape? }).filter(|_| whole)
    }

    fn encoding(&self) -> Result<(Encoding, Endian), Fault> {
        let same = Encoding::Same;
        let mut letters = self.descr.chars();
        let order = letters.next();
        let encoding = match letters.as_str() {
            "b1" => same(DType::Bool),
            "u1" => same(DType::U8),
            "i4" => same(DType::I32),
            "i8" => same(DType::I64),
            "f2" => same(DType::F16),
            "f4" => same(DType::F32),
            "f8" => same(DType::F64),
            "i1" => Encoding::I8,
            "i2" => Encoding::I16,
            "u2" => Encoding::U16,
            "u4" => Encoding::U32,
            _ => return Err(self.unknown()),
        };
        let endian = match order {
            Some('<') => Endian::Little,
            Some('>') => Endian::Big,
            Some('|') if encoding.size_bytes() == 1 => Endian::NATIVE,
            Some('=') => Endian::NATIVE,
            _ => return Err(self.unknown()),
        };
        Ok((encoding, endian))
    }

    /// The complaint about a type that tensors cannot have.
    fn unknown(&self) -> Fault {
        let descr = &self.descr;
        let kind = descr.trim_start_matches(['<', '>', '|', '=']).chars().next();
        Fault::form(match kind {
            None => "holds records: save each field as an array of its own".to_string(),
            Some('u' | 'i') => format!("holds integers of type {descr}: save x.astype('int64')"),
            Some('f' | 'V') => format!("holds numbers of type {descr}: save x.astype('float32')"),
            Some('c') => {
                format!("holds complex numbers of type {descr}: save x.real and x.imag")
            }
            Some('O') => "holds Python objects, not numbers: save an array of numbers".to_string(),
            _ => format!("holds type {descr}, not numbers: save an array of numbers"),
        })
    }
}

/// What is left of a header.
struct Scanner<'a>(&'a str);

impl<'a> Scanner<'a> {
    /// Takes a sign, after any space.
    fn take(&mut self, sign: char) -> Option<()> {
        self.0 = self.0.trim_ascii_start().strip_prefix(sign)?;
        Some(())
    }

    /// Takes a text in quotes.
    fn text(&mut self) -> Option<&'a str> {
        let quote = if self.take('\'').is_some() { '\'' } else { self.take('"').map(|()| '"')? };
        let (text, rest) = self.0.split_once(quote)?;
        self.0 = rest;
        Some(text)
    }

    /// Takes `True` or `False`.
    fn truth(&mut self) -> Option<bool> {
        let text = self.0.trim_ascii_start();
        let (rest, truth) = match text.strip_prefix("True") {
            Some(rest) => (rest, true),
            None => (text.strip_prefix("False")?, false),
        };
        self.0 = rest;
        Some(truth)
    }

    /// Takes a tuple of lengths.
    fn lens(&mut self) -> Option<Vec<usize>> {
        let mut lens = vec![];
        self.take('(')?;
        while self.take(')').is_none() {
            lens.push(self.number()?);
            if self.take(',').is_none() {
                self.take(')')?;
                break;
            }
        }
        Some(lens)
    }

    /// Takes a length. Python 2 wrote an L behind long ones.
    fn number(&mut self) -> Option<usize> {
        let text = self.0.trim_ascii_start();
        let end = text.find(|sign: char| !sign.is_ascii_digit()).unwrap_or(text.len());
        let (digits, rest) = text.split_at(end);
        self.0 = rest.strip_prefix('L').unwrap_or(rest);
        digits.parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_read_in_any_order_and_spacing() {
        let expected =
            |shape: &[usize]| Header { descr: "<f4".into(), fortran: true, shape: shape.into() };
        for (shape, lens) in [
            ("()", vec![]),
            ("(3,)", vec![3]),
            ("( 3 , 4 )", vec![3, 4]),
            ("(3L, 4L,)", vec![3, 4]),
        ] {
            for text in [
                format!("{{'descr': '<f4', 'fortran_order': True, 'shape': {shape}, }}   \n"),
                format!("{{\"shape\":{shape},\"fortran_order\":True,\"descr\":\"<f4\"}}"),
                format!(" {{'fortran_order':\nTrue ,'shape':{shape} ,'descr' : '<f4' , }}"),
            ] {
                assert_eq!(Header::parse(&text), Some(expected(&lens)), "{text}");
            }
        }
    }

    #[test]
    fn what_is_no_header_is_refused() {
        let good = "{'descr': '<f4', 'fortran_order': True, 'shape': (3,), }";
        assert!(Header::parse(good).is_some());
        for (from, to) in [
            ("'descr': '<f4', ", ""),
            ("True", "Perhaps"),
            ("(3,)", "3"),
            ("(3,)", "(-3,)"),
            ("(3,)", "(3 4)"),
            ("(3,)", "(3,,)"),
            ("(3,)", "(99999999999999999999999,)"),
            ("(3,), }", "(3,), } more"),
            ("(3,), }", "(3,),"),
            ("descr", "more"),
            ("'<f4'", "<f4"),
            ("{", ""),
        ] {
            let text = good.replace(from, to);
            assert_eq!(Header::parse(&text), None, "{text}");
        }
    }
}
