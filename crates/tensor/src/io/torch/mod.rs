//! Files that `torch.save` wrote, read without Python and without running anything in them.
//!
//! Since PyTorch 1.6 a file is a zip archive: `data.pkl` is a pickle of the object, in which each
//! storage of numbers is a key, and `data/KEY` holds the numbers. Before that it was a row of
//! pickles with the numbers behind. Source: `torch/serialization.py`.
//!
//! A pickle is a program, and Python runs whatever it says. Here plain values, tensors, parameters,
//! sizes, types and devices are made, and whatever else a file asks for is refused with its name.

mod globals;
mod pickle;
mod value;

pub use value::Value;

use super::archive::Archive;
use super::{Endian, Fault, open};
use crate::Result;
use pickle::{Id, Node, Pickle, View};
use std::collections::HashMap;
use std::io::{BufReader, Cursor, Read, Seek, SeekFrom};
use std::path::Path;
use value::{Storages, array, tree};

/// What the bytes are called in errors when they come from no file.
const BYTES: &str = "PyTorch bytes";

/// The integer that the first pickle of an old file is, little-endian.
const MAGIC: [u8; 10] = [0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19];

/// The version of the old format.
const VERSION: i64 = 1001;

/// How a zip archive starts.
const ZIP: &[u8; 4] = b"PK\x03\x04";

/// Reads a file that `torch.save` wrote. PyTorch: `torch.load(path, weights_only=True)`.
///
/// Numbers of types that tensors do not have: `int8`, `int16`, `uint16` and `uint32` become `i64`.
/// Tensors keep their strides, and those that shared memory share it. They come to the memory of
/// this machine, wherever they were; whether a gradient was wanted by them is not kept.
///
/// # Errors
/// If the file cannot be read or is damaged; if it asks for anything to be called or made but what
/// is listed above; if it holds complex, quantised or sparse numbers, or floats of 8 bits.
pub fn read(path: impl AsRef<Path>) -> Result<Value> {
    let path = path.as_ref();
    let value = open(path).and_then(|(file, len)| decode(BufReader::new(file), len));
    value.map_err(|fault| fault.of(path))
}

/// Reads the bytes of a file.
///
/// # Errors
/// As [`read`].
pub fn from_bytes(bytes: &[u8]) -> Result<Value> {
    decode(Cursor::new(bytes), bytes.len() as u64).map_err(|fault| fault.of(BYTES))
}

/// Reads a file of `len` bytes.
pub(super) fn decode(mut reader: impl Read + Seek, len: u64) -> Result<Value, Fault> {
    let mut start = vec![];
    (&mut reader).take(ZIP.len() as u64).read_to_end(&mut start)?;
    reader.seek(SeekFrom::Start(0))?;
    match start[..] {
        _ if start == ZIP => decode_zip(Archive::open(reader, len, "file of PyTorch's")?, len),
        // How every pickle since the second protocol starts.
        [0x80, ..] => decode_old(&mut reader.take(len), len),
        _ => Err(unknown()),
    }
}

fn unknown() -> Fault {
    Fault::form("is no file of PyTorch's: write it with torch.save")
}

/// Reads an archive in a file of `len` bytes.
pub(super) fn decode_zip(mut archive: Archive<impl Read + Seek>, len: u64) -> Result<Value, Fault> {
    let names = archive.names()?;
    let Some(folder) = names.iter().find_map(|name| folder(name)) else {
        return Err(Fault::form("holds no data.pkl: it was not written by torch.save"));
    };
    if names.contains(&format!("{folder}constants.pkl")) {
        return Err(Fault::form(
            "is a program of TorchScript, not weights: save its state_dict() with torch.save",
        ));
    }
    let mut endian = Endian::Little;
    let order = format!("{folder}byteorder");
    if names.contains(&order) {
        endian = archive.read(&order, |reader, _| byte_order(reader))?;
    }
    let name = format!("{folder}data.pkl");
    let pickle = archive.read(&name, |reader, _| Pickle::read(&mut BufReader::new(reader)))?;
    let mut storages = Storages::default();
    for view in views(&pickle) {
        if storages.has(view) {
            continue;
        }
        archive.read(&format!("{folder}data/{}", view.key), |reader, size| {
            let bytes = array(view, endian)?.bytes as u64;
            if bytes != size {
                return Err(Fault::form(format_args!(
                    "is damaged: it has {size} bytes, and its numbers take {bytes}"
                )));
            }
            storages.add(view, endian, reader)
        })?;
    }
    tree(&pickle, &storages, len)
}

/// What stands before `data.pkl`: a folder of any name, or nothing.
pub(super) fn folder(name: &str) -> Option<&str> {
    let folder = name.strip_suffix("data.pkl")?;
    (folder.is_empty() || folder.find('/') == Some(folder.len() - 1)).then_some(folder)
}

fn byte_order(reader: &mut dyn Read) -> Result<Endian, Fault> {
    let mut order = String::new();
    reader.take(16).read_to_string(&mut order)?;
    match order.as_str() {
        "little" => Ok(Endian::Little),
        "big" => Ok(Endian::Big),
        _ => Err(Fault::form(format_args!("is damaged: it says {order}, not little or big"))),
    }
}

/// Reads an old file of `len` bytes: pickles of a magic number, a version, notes on the machine, the
/// object and the keys of its storages; then each storage behind its count of numbers.
fn decode_old(reader: &mut std::io::Take<impl Read>, len: u64) -> Result<Value, Fault> {
    let magic = Pickle::read(reader)?;
    match magic.node(magic.root()) {
        Node::Long(bytes) if bytes[..] == MAGIC => {}
        _ => return Err(unknown()),
    }
    let version = Pickle::read(reader)?;
    match *version.node(version.root()) {
        Node::Int(VERSION) => {}
        _ => return Err(Fault::form("has a version of the old format that is not known")),
    }
    let machine = Pickle::read(reader)?;
    let endian = match is_little(&machine) {
        Some(true) => Endian::Little,
        Some(false) => Endian::Big,
        None => return Err(Fault::form("is damaged: it does not say in which order bytes are")),
    };
    let pickle = Pickle::read(reader)?;
    let keys = Pickle::read(reader)?;
    let mut wanted: HashMap<&str, &View> = HashMap::new();
    for view in views(&pickle) {
        let first = wanted.entry(&view.key).or_insert(view);
        if first.encoding != view.encoding {
            return Err(Fault::form("is damaged: a storage has numbers of two types"));
        }
    }
    let mut storages = Storages::default();
    for key in texts(&keys).ok_or_else(|| Fault::form("is damaged: it has no list of keys"))? {
        let Some(view) = wanted.get(key) else {
            return Err(Fault::form(format_args!("is damaged: no tensor has storage {key}")));
        };
        read_old_storage(reader, view, endian, &mut storages)?;
    }
    tree(&pickle, &storages, len)
}

fn read_old_storage(
    reader: &mut std::io::Take<impl Read>,
    view: &View,
    endian: Endian,
    storages: &mut Storages,
) -> Result<(), Fault> {
    let mut count = [0; 8];
    reader.read_exact(&mut count)?;
    let count = match endian {
        Endian::Little => u64::from_le_bytes(count),
        Endian::Big => u64::from_be_bytes(count),
    };
    let bytes = array(view, endian)?.bytes as u64;
    // Where the storage has no type, it counts bytes.
    if (count != view.count && count != bytes) || bytes > reader.limit() {
        return Err(Fault::form(format_args!(
            "was cut off or is damaged: storage {} should have {} numbers, says that it has \
             {count}, and {} bytes follow",
            view.key,
            view.count,
            reader.limit()
        )));
    }
    storages.add(view, endian, reader)
}

/// What notes on a machine say of its byte order.
fn is_little(machine: &Pickle) -> Option<bool> {
    let Node::Dict(entries, _) = machine.node(machine.root()) else {
        return None;
    };
    let own = entries.iter().find(|(key, _)| text(machine, *key) == Some("little_endian"));
    match *machine.node(own?.1) {
        Node::Bool(little) => Some(little),
        _ => None,
    }
}

/// A pickle that is a list of texts.
fn texts(pickle: &Pickle) -> Option<Vec<&str>> {
    match pickle.node(pickle.root()) {
        Node::List(parts) => parts.iter().map(|&part| text(pickle, part)).collect(),
        _ => None,
    }
}

fn text(pickle: &Pickle, id: Id) -> Option<&str> {
    match pickle.node(id) {
        Node::Text(text) => Some(text),
        _ => None,
    }
}

/// All tensors that a pickle made.
fn views(pickle: &Pickle) -> impl Iterator<Item = &View> {
    pickle.nodes().iter().filter_map(|node| match node {
        Node::Tensor(view) => Some(&**view),
        _ => None,
    })
}
