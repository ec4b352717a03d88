//! What a file of PyTorch's holds: a tree of plain values and tensors.

use super::pickle::{Id, Node, Pickle, View};
use crate::io::archive::MAX_RATIO;
use crate::io::{Array, Encoding, Endian, Fault};
use crate::{Error, Layout, Result, Tensor};
use std::collections::HashMap;
use std::io::Read;
use std::sync::Arc;

/// Values within values go no deeper. No state dict is as deep, and no pickle that contains itself
/// comes to an end.
const MAX_DEPTH: usize = 64;

/// A tree has at most so many values.
const MAX_VALUES: usize = 1 << 22;

/// The places of all values, written out, take at most so many bytes.
const MAX_PLACES_BYTES: usize = 1 << 28;

/// A value of Python's.
#[derive(Clone, Debug)]
pub enum Value {
    /// `None`.
    None,
    /// A truth value.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// A float.
    Float(f64),
    /// A text.
    Text(Arc<str>),
    /// Bytes.
    Bytes(Arc<[u8]>),
    /// A type of numbers or a device, by its name: `float32`, `cuda:0`.
    Name(Arc<str>),
    /// A tensor or a parameter. Tensors that shared memory share it.
    Tensor(Tensor),
    /// A list.
    List(Vec<Value>),
    /// A tuple, or a `torch.Size`.
    Tuple(Vec<Value>),
    /// A `dict` or an `OrderedDict`, in its order. No text is twice a key.
    Dict(Vec<(Value, Value)>),
}

impl Value {
    /// What a dictionary has under a text.
    pub fn get(&self, key: &str) -> Option<&Self> {
        let Self::Dict(entries) = self else {
            return None;
        };
        entries.iter().find(|(own, _)| own.as_text() == Some(key)).map(|(_, value)| value)
    }

    /// The text, if it is one.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// True if there is a tensor anywhere in it.
    pub fn holds_tensors(&self) -> bool {
        match self {
            Self::Tensor(_) => true,
            Self::List(values) | Self::Tuple(values) => values.iter().any(Self::holds_tensors),
            Self::Dict(entries) => entries.iter().any(|(_, value)| value.holds_tensors()),
            _ => false,
        }
    }

    /// All tensors, each with the keys and the indices on the way to it, joined by dots.
    ///
    /// # Errors
    /// [`Error::Mismatch`], if two tensors come under one name: `{"a": {"b": x}, "a.b": y}`.
    pub fn tensors(&self) -> Result<Vec<(String, Tensor)>> {
        let mut tensors = vec![];
        self.walk(String::new(), &mut |name, value| {
            if let Self::Tensor(tensor) = value {
                tensors.push((name, tensor.clone()));
            }
        });
        let mut names: Vec<&String> = tensors.iter().map(|(name, _)| name).collect();
        names.sort();
        if let Some(pair) = names.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(Error::Mismatch(format!("two tensors come under the name {}", pair[0])));
        }
        Ok(tensors)
    }

    /// The places of the values that are no tensors, as [`Value::tensors`] names them.
    pub fn others(&self) -> Vec<String> {
        let mut others = vec![];
        self.walk(String::new(), &mut |name, value| {
            if !matches!(value, Self::Tensor(_)) {
                others.push(name);
            }
        });
        others
    }

    /// Shows every value that has no parts, with its place.
    fn walk(&self, place: String, show: &mut dyn FnMut(String, &Self)) {
        let join = |part: &str| match place.as_str() {
            "" => part.to_string(),
            place => format!("{place}.{part}"),
        };
        match self {
            Self::List(values) | Self::Tuple(values) if !values.is_empty() => {
                for (index, value) in values.iter().enumerate() {
                    value.walk(join(&index.to_string()), show);
                }
            }
            Self::Dict(entries) if !entries.is_empty() => {
                for (key, value) in entries {
                    value.walk(join(&key.as_key()), show);
                }
            }
            _ => show(place, self),
        }
    }

    /// How it shows as a key.
    pub(crate) fn as_key(&self) -> String {
        match self {
            Self::Text(text) | Self::Name(text) => text.to_string(),
            Self::Bool(value) => value.to_string(),
            Self::Int(value) => value.to_string(),
            Self::Float(value) => value.to_string(),
            Self::None => "None".to_string(),
            Self::Bytes(_) => "bytes".to_string(),
            Self::Tensor(_) => "tensor".to_string(),
            Self::List(_) | Self::Tuple(_) => "tuple".to_string(),
            Self::Dict(_) => "dict".to_string(),
        }
    }
}

/// The numbers outside of a pickle, by their key and how they lie in the file.
#[derive(Default)]
pub(super) struct Storages(HashMap<(Arc<str>, Encoding), Tensor>);

impl Storages {
    /// Reads the numbers that a tensor is a view of.
    pub(super) fn add(
        &mut self,
        view: &View,
        endian: Endian,
        reader: &mut dyn Read,
    ) -> Result<(), Fault> {
        let tensor = array(view, endian)?.read(&mut { reader })?;
        self.0.insert((view.key.clone(), view.encoding), tensor);
        Ok(())
    }

    /// True if these numbers were read.
    pub(super) fn has(&self, view: &View) -> bool {
        self.0.contains_key(&(view.key.clone(), view.encoding))
    }

    /// The tensor that is such a view.
    fn tensor(&self, view: &View) -> Result<Tensor, Fault> {
        let key = &(view.key.clone(), view.encoding);
        let Some(numbers) = self.0.get(key).filter(|x| x.count() as u64 == view.count) else {
            return Err(Fault::form(format_args!("is damaged: storage {} is missing", view.key)));
        };
        let outside = || {
            Fault::form(format_args!(
                "is damaged: a tensor of shape {:?} lies outside of storage {}, which has {} \
                 numbers",
                view.lens, view.key, view.count
            ))
        };
        // Checks that so many elements can be counted.
        let shape = Array::new(view.encoding, Endian::NATIVE, &view.lens)?.shape;
        if shape.count() == 0 {
            return Ok(numbers.with_layout(Layout::contiguous(shape)));
        }
        let mut strides = vec![];
        let mut last = view.offset;
        for (&len, &stride) in view.lens.iter().zip(&view.strides) {
            // How far apart neighbours would be means nothing where there are none.
            let stride = if len == 1 { 0 } else { stride };
            let reach = stride.checked_mul(len - 1).and_then(|reach| last.checked_add(reach));
            last = reach.filter(|&last| last < numbers.count()).ok_or_else(outside)?;
            strides.push(stride as isize);
        }
        if last >= numbers.count() {
            return Err(outside());
        }
        Ok(numbers.with_layout(Layout::strided(shape, &strides, view.offset)))
    }
}

/// What the whole storage of a view is like.
pub(super) fn array(view: &View, endian: Endian) -> Result<Array, Fault> {
    let count = usize::try_from(view.count).unwrap_or(usize::MAX);
    Array::new(view.encoding, endian, &[count])
}

/// The tree of a pickle whose tensors are views of these storages, in a file of `len` bytes.
pub(super) fn tree(pickle: &Pickle, storages: &Storages, len: u64) -> Result<Value, Fault> {
    let elements = len.saturating_mul(MAX_RATIO);
    let (values, places) = (MAX_VALUES, MAX_PLACES_BYTES);
    let mut builder = Builder { pickle, storages, values, places, elements };
    builder.value(pickle.root(), Place::default())
}

/// How far from the root a value is.
#[derive(Clone, Copy, Default)]
struct Place {
    depth: usize,
    /// How long its name may be.
    bytes: usize,
}

impl Place {
    /// That of a part under a key of so many bytes.
    fn of_part(self, key_bytes: usize) -> Self {
        Self { depth: self.depth + 1, bytes: self.bytes.saturating_add(key_bytes) }
    }
}

struct Builder<'a> {
    pickle: &'a Pickle,
    storages: &'a Storages,
    /// How many values may still be made: what is shared is made anew in each place.
    values: usize,
    /// How many bytes their places may still take.
    places: usize,
    /// How many elements tensors may still have: with a stride of 0, a few bytes may show as many.
    elements: u64,
}

impl Builder<'_> {
    fn value(&mut self, id: Id, place: Place) -> Result<Value, Fault> {
        if place.depth > MAX_DEPTH {
            return Err(Fault::form(format_args!("nests values more than {MAX_DEPTH} deep")));
        }
        self.values = self.values.checked_sub(1).ok_or_else(|| {
            Fault::form(format_args!("shares values until there are more than {MAX_VALUES}"))
        })?;
        self.places = self
            .places
            .checked_sub(place.bytes)
            .ok_or_else(|| Fault::form("has keys so long that they alone would fill memory"))?;
        Ok(match self.pickle.node(id) {
            Node::None => Value::None,
            Node::Bool(value) => Value::Bool(*value),
            Node::Int(value) => Value::Int(*value),
            Node::Float(value) => Value::Float(*value),
            Node::Text(text) => Value::Text(text.clone()),
            Node::Bytes(bytes) => Value::Bytes(bytes.clone()),
            Node::Name(name) => Value::Name(name.clone()),
            Node::List(parts) => Value::List(self.all(parts, place)?),
            Node::Tuple(parts) => Value::Tuple(self.all(parts, place)?),
            Node::Dict(entries, _) => self.dict(entries, place)?,
            Node::Tensor(view) => self.tensor(view)?,
            Node::Global(global) => match global.type_name() {
                Some(name) => Value::Name(name.into()),
                None => {
                    let message = format_args!("holds the name {global:?}, which is no value");
                    return Err(Fault::form(message));
                }
            },
            Node::Storage(_) => {
                return Err(Fault::form("holds a storage without a shape: save tensors"));
            }
            Node::Long(_) => {
                return Err(Fault::form("holds an integer of more than 64 bits: save it as text"));
            }
        })
    }

    fn all(&mut self, parts: &[Id], place: Place) -> Result<Vec<Value>, Fault> {
        parts.iter().map(|&part| self.value(part, place.of_part(8))).collect()
    }

    fn dict(&mut self, entries: &[(Id, Id)], place: Place) -> Result<Value, Fault> {
        let mut made: Vec<(Value, Value)> = vec![];
        let mut places = HashMap::new();
        for &(key, value) in entries {
            let key = self.value(key, place.of_part(0))?;
            let bytes = key.as_text().map_or(32, |text| text.len() + 1);
            let value = self.value(value, place.of_part(bytes))?;
            // As in Python, the last value of a key counts, in the place of the first.
            if let Value::Text(text) = &key
                && let Some(place) = places.insert(text.clone(), made.len())
            {
                places.insert(text.clone(), place);
                made[place].1 = value;
                continue;
            }
            made.push((key, value));
        }
        Ok(Value::Dict(made))
    }

    fn tensor(&mut self, view: &View) -> Result<Value, Fault> {
        let tensor = self.storages.tensor(view)?;
        self.elements = self.elements.checked_sub(tensor.count() as u64).ok_or_else(|| {
            Fault::form("repeats its numbers until no machine can hold them: save x.contiguous()")
        })?;
        Ok(Value::Tensor(tensor))
    }
}
