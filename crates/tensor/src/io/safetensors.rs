//! Files of named tensors in the form that PyTorch's models are exchanged in.
//!
//! A file is the length of its header (8 bytes, little-endian), the header (JSON that gives each
//! tensor's type, shape and place, and texts by key), and the tensors' bytes without gaps. Source:
//! <https://github.com/huggingface/safetensors#format>.

use super::atomic::write_atomically;
use super::{Array, Elements, Encoding, Endian, Fault, open};
use crate::{DType, Error, Result, Tensor};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::{Map, Value, json};
use std::collections::HashSet;
use std::fmt;
use std::io::{self, BufReader, Read, Write};
use std::path::Path;

/// Headers are not longer than this, as the format has it.
const MAX_HEADER_BYTES: u64 = 100_000_000;

/// The key under which a header holds texts.
const METADATA: &str = "__metadata__";

/// What the bytes are called in errors when they come from no file.
const BYTES: &str = "safetensors bytes";

/// What a safetensors file holds.
#[derive(Clone, Debug, Default)]
pub struct Contents {
    /// The tensors, each with its name. No two have the same.
    pub tensors: Vec<(String, Tensor)>,
    /// Texts, each with its key. No two have the same.
    pub metadata: Vec<(String, String)>,
}

impl Contents {
    /// The tensor of a name.
    ///
    /// # Errors
    /// [`Error::Mismatch`], if there is none.
    pub fn tensor(&self, name: &str) -> Result<&Tensor> {
        if let Some((_, tensor)) = self.tensors.iter().find(|(key, _)| key == name) {
            return Ok(tensor);
        }
        let shown: Vec<&str> = self.tensors.iter().take(5).map(|(name, _)| &**name).collect();
        let (shown, more) = (shown.join(", "), self.tensors.len().saturating_sub(5));
        Err(Error::Mismatch(match (self.tensors.len(), more) {
            (0, _) => format!("there is no tensor {name}, nor any other"),
            (_, 0) => format!("there is no tensor {name}: there are {shown}"),
            _ => format!("there is no tensor {name}: there are {shown} and {more} more"),
        }))
    }

    /// The text of a key.
    pub fn text(&self, key: &str) -> Option<&str> {
        self.metadata.iter().find(|(name, _)| name == key).map(|(_, text)| &**text)
    }
}

/// Reads a file. Integers of types that tensors do not have become `i64`.
///
/// # Errors
/// If it cannot be read or is damaged, or holds a type of number that Gradus does not have.
pub fn read(path: impl AsRef<Path>) -> Result<Contents> {
    let path = path.as_ref();
    let contents = open(path).and_then(|(file, len)| decode(&mut BufReader::new(file), len));
    contents.map_err(|fault| fault.of(path))
}

/// Reads what [`to_bytes`] gave, or the bytes of a file.
///
/// # Errors
/// As [`read`].
///
/// ```
/// use gradus_tensor::Tensor;
/// use gradus_tensor::io::safetensors::{Contents, from_bytes, to_bytes};
///
/// let weight = Tensor::from([[1.0f32, 2.0], [3.0, 4.0]]);
/// let tensors = vec![("weight".to_string(), weight)];
/// let bytes = to_bytes(&Contents { tensors, metadata: vec![] })?;
/// assert_eq!(from_bytes(&bytes)?.tensor("weight")?.shape(), [2, 2]);
/// # Ok::<(), gradus_tensor::Error>(())
/// ```
pub fn from_bytes(mut bytes: &[u8]) -> Result<Contents> {
    let len = bytes.len() as u64;
    decode(&mut bytes, len).map_err(|fault| fault.of(BYTES))
}

/// Writes a file, whole or not at all. The same contents give the same bytes, on any machine; read
/// again, tensors and texts are in the same order.
///
/// # Errors
/// If it cannot be written, or two tensors or texts have the same name.
pub fn write(path: impl AsRef<Path>, contents: &Contents) -> Result<()> {
    let path = path.as_ref();
    let plan = Plan::of(contents).map_err(|fault| fault.of(path))?;
    write_atomically(path, |file| plan.write(file))
}

/// The bytes of the file that [`write()`] writes.
///
/// # Errors
/// If two tensors or texts have the same name.
pub fn to_bytes(contents: &Contents) -> Result<Vec<u8>> {
    let plan = Plan::of(contents).map_err(|fault| fault.of(BYTES))?;
    let mut bytes = Vec::with_capacity(plan.header.len() + plan.data_bytes);
    plan.write(&mut bytes).map_err(|error| Error::io(BYTES, error))?;
    Ok(bytes)
}

/// The types of numbers by their names in headers.
const ENCODINGS: [(&str, Encoding); 12] = [
    ("BOOL", Encoding::Same(DType::Bool)),
    ("U8", Encoding::Same(DType::U8)),
    ("I32", Encoding::Same(DType::I32)),
    ("I64", Encoding::Same(DType::I64)),
    ("BF16", Encoding::Same(DType::BF16)),
    ("F16", Encoding::Same(DType::F16)),
    ("F32", Encoding::Same(DType::F32)),
    ("F64", Encoding::Same(DType::F64)),
    ("I8", Encoding::I8),
    ("I16", Encoding::I16),
    ("U16", Encoding::U16),
    ("U32", Encoding::U32),
];

/// A file before it is written.
struct Plan<'a> {
    /// All bytes before the tensors'.
    header: Vec<u8>,
    /// The tensors in the order of their bytes.
    tensors: Vec<&'a Tensor>,
    data_bytes: usize,
}

impl<'a> Plan<'a> {
    /// The header names tensors in the order of `contents`. Their bytes lie with the widest numbers
    /// first, so that each tensor starts where its numbers can be read in place.
    fn of(contents: &'a Contents) -> Result<Self, Fault> {
        let named = |(name, _): &'a (String, Tensor)| (name.as_str(), "tensors");
        let texts = |(key, _): &'a (String, String)| (key.as_str(), "texts");
        unique(contents.tensors.iter().map(named))?;
        unique(contents.metadata.iter().map(texts))?;
        let size = |index: usize| contents.tensors[index].1.dtype().size_bytes();
        let mut order: Vec<usize> = (0..contents.tensors.len()).collect();
        order.sort_by_key(|&index| std::cmp::Reverse(size(index)));
        let mut offsets = vec![(0, 0); order.len()];
        let mut end = 0;
        for &index in &order {
            let start = end;
            end += contents.tensors[index].1.count() * size(index);
            offsets[index] = (start, end);
        }

        let mut entries = Map::new();
        if !contents.metadata.is_empty() {
            let texts = contents.metadata.iter();
            let texts: Map<_, _> = texts.map(|(key, text)| (key.clone(), json!(text))).collect();
            entries.insert(METADATA.into(), Value::Object(texts));
        }
        for ((name, tensor), (start, end)) in contents.tensors.iter().zip(offsets) {
            let encoding = Encoding::Same(tensor.dtype());
            let known = ENCODINGS.iter().find(|(_, other)| *other == encoding);
            let (dtype, _) = known.expect("every type of tensors has a name");
            let shape = tensor.shape().to_vec();
            let entry = json!({ "dtype": dtype, "shape": shape, "data_offsets": [start, end] });
            entries.insert(name.clone(), entry);
        }
        let mut text = Value::Object(entries).to_string().into_bytes();
        // Spaces, so that the tensors' bytes start at a multiple of 8.
        text.resize(text.len().next_multiple_of(8), b' ');
        if text.len() as u64 > MAX_HEADER_BYTES {
            return Err(Fault::form(format_args!(
                "the header would take {} bytes, and the format allows {MAX_HEADER_BYTES}: \
                 save fewer tensors or shorter texts",
                text.len()
            )));
        }
        let mut header = (text.len() as u64).to_le_bytes().to_vec();
        header.append(&mut text);
        let tensors = order.into_iter().map(|index| &contents.tensors[index].1).collect();
        Ok(Self { header, tensors, data_bytes: end })
    }

    fn write(&self, writer: &mut impl Write) -> io::Result<()> {
        writer.write_all(&self.header)?;
        for tensor in &self.tensors {
            writer.write_all(Elements::of(tensor)?.bytes())?;
        }
        Ok(())
    }
}

/// Checks that no two names are the same, and that none is reserved.
fn unique<'a>(names: impl Iterator<Item = (&'a str, &'a str)>) -> Result<(), Fault> {
    let mut seen = HashSet::new();
    for (name, kind) in names {
        if !seen.insert(name) {
            return Err(Fault::form(format_args!(
                "two {kind} are named {name}: names must differ"
            )));
        }
        if name == METADATA && kind == "tensors" {
            return Err(Fault::form(format_args!("no tensor can be named {METADATA}: rename it")));
        }
    }
    Ok(())
}

/// Reads a file of `len` bytes.
pub(super) fn decode(reader: &mut impl Read, len: u64) -> Result<Contents, Fault> {
    let Some(rest) = len.checked_sub(8) else {
        return Err(Fault::form(format_args!(
            "is no safetensors file, or was cut off: it has {len} bytes"
        )));
    };
    let mut length = [0; 8];
    reader.read_exact(&mut length)?;
    let length = u64::from_le_bytes(length);
    if length > rest.min(MAX_HEADER_BYTES) {
        return Err(Fault::form(format_args!(
            "is no safetensors file, or was cut off: its header would take {length} bytes, and \
             {rest} follow"
        )));
    }
    let mut text = vec![0; length as usize];
    reader.read_exact(&mut text)?;
    let header: Header = serde_json::from_slice(&text).map_err(|error| {
        Fault::form(format_args!("is no safetensors file, or its header is damaged: {error}"))
    })?;
    drop(text);
    unique(header.tensors.iter().map(|(name, _)| (name.as_str(), "tensors")))?;
    unique(header.metadata.iter().map(|(key, _)| (key.as_str(), "texts")))?;
    let arrays = header.arrays(rest - length)?;

    let mut tensors: Vec<Option<Tensor>> = vec![None; arrays.len()];
    for (index, array) in arrays {
        tensors[index] = Some(array.read(reader)?);
    }
    let names = header.tensors.into_iter().map(|(name, _)| name);
    Ok(Contents {
        tensors: names.zip(tensors.into_iter().flatten()).collect(),
        metadata: header.metadata,
    })
}

/// A header as it was read.
struct Header {
    tensors: Vec<(String, Entry)>,
    metadata: Vec<(String, String)>,
}

/// A tensor in a header.
#[derive(serde::Deserialize)]
struct Entry {
    dtype: String,
    shape: Vec<usize>,
    data_offsets: (u64, u64),
}

impl Header {
    /// What the tensors are like, in the order of their bytes, each with its place in the header.
    /// Together they take exactly `data_bytes` bytes.
    fn arrays(&self, data_bytes: u64) -> Result<Vec<(usize, Array)>, Fault> {
        let mut order: Vec<usize> = (0..self.tensors.len()).collect();
        order.sort_by_key(|&index| self.tensors[index].1.data_offsets);
        let mut arrays = Vec::with_capacity(order.len());
        let mut end = 0;
        for index in order {
            let (name, entry) = &self.tensors[index];
            let array = entry.array().map_err(|fault| fault.within(format_args!("{name}")))?;
            let offsets = entry.data_offsets;
            if offsets.0 != end || offsets.1.checked_sub(end) != Some(array.bytes as u64) {
                return Err(Fault::form(format_args!(
                    "is damaged: tensor {name} of shape {} takes {} bytes from byte {end} on, but \
                     the header places it at bytes {} to {}",
                    array.shape, array.bytes, offsets.0, offsets.1
                )));
            }
            end = offsets.1;
            arrays.push((index, array));
        }
        if end != data_bytes {
            return Err(Fault::form(format_args!(
                "was cut off or is damaged: its tensors take {end} bytes, and {data_bytes} follow \
                 the header"
            )));
        }
        Ok(arrays)
    }
}

impl Entry {
    fn array(&self) -> Result<Array, Fault> {
        let known = ENCODINGS.iter().find(|(name, _)| *name == self.dtype);
        let Some((_, encoding)) = known else {
            return Err(Fault::form(format_args!(
                "holds numbers of type {}, which Gradus does not have: save it as F32 or I64",
                self.dtype
            )));
        };
        Array::new(*encoding, Endian::Little, &self.shape)
    }
}

impl<'de> Deserialize<'de> for Header {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(HeaderVisitor)
    }
}

struct HeaderVisitor;

impl<'de> Visitor<'de> for HeaderVisitor {
    type Value = Header;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("tensors by name")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Header, A::Error> {
        let mut header = Header { tensors: vec![], metadata: vec![] };
        while let Some(name) = map.next_key::<String>()? {
            if name == METADATA {
                header.metadata.extend(map.next_value::<Texts>()?.0);
            } else {
                header.tensors.push((name, map.next_value()?));
            }
        }
        Ok(header)
    }
}

/// Texts by key, in their order.
struct Texts(Vec<(String, String)>);

impl<'de> Deserialize<'de> for Texts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(TextsVisitor)
    }
}

struct TextsVisitor;

impl<'de> Visitor<'de> for TextsVisitor {
    type Value = Texts;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("texts by key")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Texts, A::Error> {
        let mut texts = vec![];
        while let Some(pair) = map.next_entry()? {
            texts.push(pair);
        }
        Ok(Texts(texts))
    }
}
