//! Python's pickles, of which nothing is executed.
//!
//! A pickle is a program for a small machine with a stack and a memo. This one knows the
//! instructions that make plain values, and [`globals`](super::globals) says which names may be
//! called; all else is refused. What it makes are nodes that refer to each other by number: a
//! pickle may share a value a thousand times, or put it into itself, and no memory is lost by it.
//! Source: <https://docs.python.org/3/library/pickletools.html>.

use super::globals::{self, Global, forbidden};
use crate::io::{Encoding, Fault};
use gradus_kernels::MAX_RANK;
use std::collections::HashMap;
use std::io::Read;
use std::sync::Arc;

/// Longer pickles are not of weights, whose numbers lie outside of it.
const MAX_BYTES: u64 = 1 << 26;

/// A pickle makes at most so many values.
const MAX_NODES: usize = 1 << 22;

/// The newest protocol.
const MAX_PROTOCOL: u8 = 5;

/// A name of Python's is not longer.
const MAX_NAME_BYTES: usize = 256;

/// The number of a node.
pub(super) type Id = u32;

/// A value, whose parts are other nodes.
#[derive(Clone, Debug)]
pub(super) enum Node {
    None,
    Bool(bool),
    Int(i64),
    /// An integer of more than 64 bits: its bytes, little-endian.
    Long(Arc<[u8]>),
    Float(f64),
    Text(Arc<str>),
    Bytes(Arc<[u8]>),
    /// The name of a type or a device.
    Name(Arc<str>),
    List(Vec<Id>),
    Tuple(Arc<[Id]>),
    Dict(Vec<(Id, Id)>, Kind),
    Global(Global),
    Storage(Arc<Storage>),
    Tensor(Arc<View>),
}

/// Python's two kinds of dictionaries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Plain,
    Ordered,
}

/// Numbers that lie outside of the pickle.
#[derive(Debug)]
pub(super) struct Storage {
    pub(super) key: Arc<str>,
    /// None where only the tensors know; then the count is one of bytes.
    encoding: Option<Encoding>,
    pub(super) count: u64,
}

/// A tensor: a view of a storage.
#[derive(Debug)]
pub(super) struct View {
    pub(super) key: Arc<str>,
    pub(super) encoding: Encoding,
    /// How many numbers of its type the storage holds.
    pub(super) count: u64,
    pub(super) offset: usize,
    pub(super) lens: Vec<usize>,
    pub(super) strides: Vec<usize>,
}

/// What a pickle made.
#[derive(Debug)]
pub(super) struct Pickle {
    nodes: Vec<Node>,
    root: Id,
}

impl Pickle {
    /// Reads a pickle from where it starts to where it says that it ends.
    pub(super) fn read(reader: &mut dyn Read) -> Result<Self, Fault> {
        let mut machine = Machine::new(reader);
        while machine.step()? {}
        let root = machine.pop()?;
        Ok(Self { nodes: machine.nodes, root })
    }

    pub(super) fn root(&self) -> Id {
        self.root
    }

    pub(super) fn node(&self, id: Id) -> &Node {
        &self.nodes[id as usize]
    }

    pub(super) fn nodes(&self) -> &[Node] {
        &self.nodes
    }
}

struct Machine<'a> {
    reader: std::io::Take<&'a mut dyn Read>,
    nodes: Vec<Node>,
    stack: Vec<Id>,
    /// How high the stack was at each mark.
    marks: Vec<usize>,
    memo: HashMap<u32, Id>,
}

impl<'a> Machine<'a> {
    fn new(reader: &'a mut dyn Read) -> Self {
        let reader = reader.take(MAX_BYTES);
        Self { reader, nodes: vec![], stack: vec![], marks: vec![], memo: HashMap::new() }
    }

    /// Does one instruction; false at the end.
    fn step(&mut self) -> Result<bool, Fault> {
        let [code] = self.array()?;
        if let Some(node) = self.literal(code)? {
            self.push(node)?;
            return Ok(true);
        }
        match code {
            b'.' => return Ok(false),
            // The protocol, and how many bytes belong together.
            0x80 => match self.array()? {
                [0..=MAX_PROTOCOL] => {}
                [other] => return Err(broken(format_args!("has protocol {other}, not 0 to 5"))),
            },
            0x95 => drop(self.array::<8>()?),
            b'(' => self.marks.push(self.stack.len()),
            b'0' if self.stack.len() == self.floor() => drop(self.pop_mark()?),
            b'0' => drop(self.pop()?),
            b'1' => drop(self.pop_mark()?),
            b'2' => self.stack.push(self.top()?),
            b'a' | b'e' | b'l' | b't' | 0x85..=0x87 | b'd' | b's' | b'u' => self.gather(code)?,
            b'h' | b'j' | b'q' | b'r' | 0x94 => self.remember(code)?,
            b'c' => {
                let (module, name) = (self.line()?, self.line()?);
                self.push(Node::Global(globals::find(&module, &name)?))?;
            }
            0x93 => {
                let (name, module) = (self.pop_text()?, self.pop_text()?);
                self.push(Node::Global(globals::find(&module, &name)?))?;
            }
            b'R' => self.call()?,
            b'b' => self.set_state()?,
            b'Q' => self.storage()?,
            _ => return Err(self.unknown(code)),
        }
        Ok(true)
    }

    /// The value that an instruction is; none if it is one that takes others.
    fn literal(&mut self, code: u8) -> Result<Option<Node>, Fault> {
        Ok(Some(match code {
            b'N' => Node::None,
            0x88 => Node::Bool(true),
            0x89 => Node::Bool(false),
            b'K' => Node::Int(self.number(1)? as i64),
            b'M' => Node::Int(self.number(2)? as i64),
            b'J' => Node::Int(self.number(4)? as i32 as i64),
            0x8a => self.long(1)?,
            0x8b => self.long(4)?,
            b'G' => Node::Float(f64::from_be_bytes(self.array()?)),
            b'U' | 0x8c => self.text(1)?,
            b'T' | b'X' => self.text(4)?,
            0x8d => self.text(8)?,
            b'C' => Node::Bytes(self.bytes(1)?.into()),
            b'B' => Node::Bytes(self.bytes(4)?.into()),
            0x8e | 0x96 => Node::Bytes(self.bytes(8)?.into()),
            b']' => Node::List(vec![]),
            b')' => Node::Tuple([].into()),
            b'}' => Node::Dict(vec![], Kind::Plain),
            _ => return Ok(None),
        }))
    }

    /// Puts values into a list, a tuple or a dictionary.
    fn gather(&mut self, code: u8) -> Result<(), Fault> {
        let parts = match code {
            b'a' | 0x85 => self.pop_last(1)?,
            b's' | 0x86 => self.pop_last(2)?,
            0x87 => self.pop_last(3)?,
            _ => self.pop_mark()?,
        };
        match code {
            b'l' => return self.push(Node::List(parts)),
            b't' | 0x85..=0x87 => return self.push(Node::Tuple(parts.into())),
            b'd' => self.push(Node::Dict(vec![], Kind::Plain))?,
            _ => {}
        }
        let target = self.top()? as usize;
        match (code, &mut self.nodes[target]) {
            (b'a' | b'e', Node::List(list)) => list.extend(parts),
            (b's' | b'u' | b'd', Node::Dict(entries, _)) if parts.len() % 2 == 0 => {
                entries.extend(parts.chunks(2).map(|pair| (pair[0], pair[1])));
            }
            _ => return Err(broken("puts values into what cannot take them")),
        }
        Ok(())
    }

    /// Keeps a value under a number, or fetches it.
    fn remember(&mut self, code: u8) -> Result<(), Fault> {
        let number = match code {
            b'h' | b'q' => self.number(1)? as u32,
            b'j' | b'r' => self.number(4)? as u32,
            _ => self.memo.len() as u32,
        };
        if matches!(code, b'h' | b'j') {
            let Some(&id) = self.memo.get(&number) else {
                return Err(broken("takes a value that it has not made"));
            };
            self.stack.push(id);
        } else {
            let top = self.top()?;
            self.memo.insert(number, top);
        }
        Ok(())
    }

    /// What calling a name with arguments gives.
    fn call(&mut self) -> Result<(), Fault> {
        let arguments = self.pop_tuple()?;
        let id = self.pop()?;
        let Node::Global(global) = *self.node(id) else {
            return Err(forbidden("call what is no function"));
        };
        let made = match (global, &*arguments) {
            (Global::OrderedDict, []) => Node::Dict(vec![], Kind::Ordered),
            (Global::Size, &[lens]) => match self.node(lens) {
                Node::Tuple(lens) => Node::Tuple(lens.clone()),
                _ => return Err(misused(global)),
            },
            (Global::Device, parts) => self.device(parts)?,
            (Global::RebuildParameter, &[tensor, _, hooks]) => {
                self.no_hooks(hooks)?;
                match self.node(tensor) {
                    Node::Tensor(view) => Node::Tensor(view.clone()),
                    _ => return Err(misused(global)),
                }
            }
            (Global::RebuildTensor(version), parts) => self.tensor(version, parts)?,
            _ => return Err(misused(global)),
        };
        self.push(made)
    }

    fn device(&self, parts: &[Id]) -> Result<Node, Fault> {
        let parts: Vec<&Node> = parts.iter().map(|&id| self.node(id)).collect();
        Ok(Node::Name(match parts[..] {
            [Node::Text(kind)] => kind.clone(),
            [Node::Text(kind), Node::Int(index)] if kind.len() <= MAX_NAME_BYTES => {
                format!("{kind}:{index}").into()
            }
            _ => return Err(misused(Global::Device)),
        }))
    }

    /// The tensor of PyTorch's `_rebuild_tensor(storage, offset, size, stride)`; the second version
    /// adds whether gradients are wanted, hooks and, perhaps, notes; the third the type as well.
    fn tensor(&self, version: u8, parts: &[Id]) -> Result<Node, Fault> {
        let misused = || misused(Global::RebuildTensor(version));
        let counts = [4..=4, 6..=7, 7..=8];
        if !counts[version as usize - 1].contains(&parts.len()) {
            return Err(misused());
        }
        let Node::Storage(storage) = self.node(parts[0]) else {
            return Err(misused());
        };
        if version > 1 {
            self.no_hooks(parts[5])?;
        }
        let notes = parts.get(if version == 3 { 7 } else { 6 });
        match notes.map(|&notes| self.node(notes)) {
            None | Some(Node::None) => {}
            Some(Node::Dict(entries, _)) if entries.is_empty() => {}
            Some(_) => {
                let message = "holds a tensor whose sign is kept apart: save x.resolve_neg()";
                return Err(Fault::form(message));
            }
        }
        let encoding = match (version, storage.encoding) {
            (3, None) => match *self.node(parts[6]) {
                Node::Global(Global::Type(name)) => globals::encoding(name)?,
                _ => return Err(misused()),
            },
            (1 | 2, Some(encoding)) => encoding,
            _ => return Err(broken("does not say of what type the numbers of a tensor are")),
        };
        let unit = if storage.encoding.is_none() { encoding.size_bytes() as u64 } else { 1 };
        let (lens, strides) = (self.sizes(parts[2])?, self.sizes(parts[3])?);
        let Node::Int(offset) = *self.node(parts[1]) else {
            return Err(misused());
        };
        let offset = usize::try_from(offset).map_err(|_| misused())?;
        if lens.len() != strides.len() || storage.count % unit != 0 {
            return Err(misused());
        }
        let (key, count) = (storage.key.clone(), storage.count / unit);
        Ok(Node::Tensor(Arc::new(View { key, encoding, count, offset, lens, strides })))
    }

    /// Lengths of axes, or distances.
    fn sizes(&self, id: Id) -> Result<Vec<usize>, Fault> {
        let size = |&id: &Id| match *self.node(id) {
            Node::Int(size) => usize::try_from(size).ok(),
            _ => None,
        };
        match self.node(id) {
            Node::Tuple(sizes) if sizes.len() <= MAX_RANK => sizes.iter().map(size).collect(),
            _ => None,
        }
        .ok_or_else(|| broken("gives a tensor a size that none can have"))
    }

    /// Refuses functions that Python would call when gradients are computed.
    fn no_hooks(&self, id: Id) -> Result<(), Fault> {
        match self.node(id) {
            Node::None => Ok(()),
            Node::Dict(entries, _) if entries.is_empty() => Ok(()),
            _ => Err(forbidden("attach hooks to a tensor")),
        }
    }

    /// PyTorch gives the dictionary of a model one attribute, `_metadata`, of the versions of its
    /// modules. No other value has a state of its own.
    fn set_state(&mut self) -> Result<(), Fault> {
        let state = self.pop()?;
        let target = self.top()?;
        let Node::Dict(_, Kind::Ordered) = self.node(target) else {
            return Err(forbidden("set the state of an object"));
        };
        let Node::Dict(entries, _) = self.node(state) else {
            return Err(forbidden("set the state of collections.OrderedDict"));
        };
        let [(key, _)] = entries[..] else {
            return Err(forbidden("set the state of collections.OrderedDict"));
        };
        match self.node(key) {
            Node::Text(key) if &**key == "_metadata" => Ok(()),
            Node::Text(key) => Err(forbidden(format_args!("set collections.OrderedDict.{key}"))),
            _ => Err(forbidden("set the state of collections.OrderedDict")),
        }
    }

    /// A storage, by `("storage", kind, key, device, count)`; older files add a None.
    fn storage(&mut self) -> Result<(), Fault> {
        let parts = self.pop_tuple()?;
        let parts: Vec<&Node> = parts.iter().map(|&id| self.node(id)).collect();
        let (tag, kind, key, count) = match parts[..] {
            [tag, kind, key, _, count] | [tag, kind, key, _, count, Node::None] => {
                (tag, kind, key, count)
            }
            _ => return Err(forbidden("load what is no storage of numbers")),
        };
        let made = match (tag, kind, key, count) {
            (
                Node::Text(tag),
                Node::Global(Global::Storage(encoding)),
                Node::Text(key),
                &Node::Int(count @ 0..),
            ) if &**tag == "storage" => {
                Storage { key: key.clone(), encoding: *encoding, count: count as u64 }
            }
            _ => return Err(forbidden("load what is no storage of numbers")),
        };
        self.push(Node::Storage(Arc::new(made)))
    }

    /// The complaint about an instruction that is not done.
    fn unknown(&mut self, code: u8) -> Fault {
        match code {
            b'i' => match (self.line(), self.line()) {
                (Ok(module), Ok(name)) => forbidden(format_args!("make {module}.{name}")),
                _ => forbidden("make an object"),
            },
            b'o' | 0x81 | 0x92 => forbidden("make an object"),
            0x82..=0x84 => forbidden("call a name from Python's registry of extensions"),
            b'P' => forbidden("load what is no storage of numbers"),
            0x8f..=0x91 => Fault::form("holds a set, which no state dict has: save a list"),
            0x97 | 0x98 => Fault::form("keeps bytes outside of its pickle: save with torch.save"),
            b'I' | b'L' | b'F' | b'S' | b'V' | b'g' | b'p' => Fault::form(
                "has a pickle of protocol 0: save it with torch.save, which uses protocol 2",
            ),
            _ => broken(format_args!("has an unknown instruction {code:#04x}")),
        }
    }

    fn node(&self, id: Id) -> &Node {
        &self.nodes[id as usize]
    }

    fn push(&mut self, node: Node) -> Result<(), Fault> {
        if self.nodes.len() == MAX_NODES {
            return Err(broken(format_args!("makes more than {MAX_NODES} values")));
        }
        self.stack.push(self.nodes.len() as Id);
        self.nodes.push(node);
        Ok(())
    }

    /// How high the stack was at the last mark: what lies below is not to be taken.
    fn floor(&self) -> usize {
        self.marks.last().copied().unwrap_or(0)
    }

    fn top(&self) -> Result<Id, Fault> {
        self.stack[self.floor()..].last().copied().ok_or_else(missing)
    }

    fn pop(&mut self) -> Result<Id, Fault> {
        let top = self.top()?;
        self.stack.pop();
        Ok(top)
    }

    fn pop_last(&mut self, count: usize) -> Result<Vec<Id>, Fault> {
        let start = self.stack.len().checked_sub(count).filter(|&start| start >= self.floor());
        Ok(self.stack.split_off(start.ok_or_else(missing)?))
    }

    /// Everything above the last mark.
    fn pop_mark(&mut self) -> Result<Vec<Id>, Fault> {
        let mark = self.marks.pop().ok_or_else(missing)?;
        Ok(self.stack.split_off(mark))
    }

    fn pop_text(&mut self) -> Result<Arc<str>, Fault> {
        let id = self.pop()?;
        match self.node(id) {
            Node::Text(text) => Ok(text.clone()),
            _ => Err(forbidden("call what has no name")),
        }
    }

    fn pop_tuple(&mut self) -> Result<Arc<[Id]>, Fault> {
        let id = self.pop()?;
        match self.node(id) {
            Node::Tuple(parts) => Ok(parts.clone()),
            _ => Err(broken("gives arguments that are no tuple")),
        }
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Fault> {
        let mut bytes = [0; N];
        self.reader.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    /// An unsigned number of so many bytes, little-endian.
    fn number(&mut self, width: usize) -> Result<u64, Fault> {
        let mut bytes = [0; 8];
        self.reader.read_exact(&mut bytes[..width])?;
        Ok(u64::from_le_bytes(bytes))
    }

    /// Bytes behind their number. Memory grows only with what is there.
    fn bytes(&mut self, width: usize) -> Result<Vec<u8>, Fault> {
        let count = self.number(width)?;
        let mut bytes = vec![];
        (&mut self.reader).take(count).read_to_end(&mut bytes)?;
        match bytes.len() as u64 == count {
            true => Ok(bytes),
            false => Err(Fault::Io(std::io::ErrorKind::UnexpectedEof.into())),
        }
    }

    fn text(&mut self, width: usize) -> Result<Node, Fault> {
        match String::from_utf8(self.bytes(width)?) {
            Ok(text) => Ok(Node::Text(text.into())),
            Err(_) => Err(broken("holds a text that is not UTF-8")),
        }
    }

    /// An integer of any length, in two's complement.
    fn long(&mut self, width: usize) -> Result<Node, Fault> {
        let bytes = self.bytes(width)?;
        if bytes.len() > 8 {
            return Ok(Node::Long(bytes.into()));
        }
        let negative = bytes.last().is_some_and(|byte| byte & 0x80 != 0);
        let mut wide = if negative { [0xff; 8] } else { [0; 8] };
        wide[..bytes.len()].copy_from_slice(&bytes);
        Ok(Node::Int(i64::from_le_bytes(wide)))
    }

    /// A name, which ends with its line.
    fn line(&mut self) -> Result<String, Fault> {
        let mut line = vec![];
        loop {
            match self.array()? {
                [b'\n'] => break,
                [byte] if line.len() < MAX_NAME_BYTES => line.push(byte),
                _ => return Err(broken("holds a name without an end")),
            }
        }
        Ok(String::from_utf8_lossy(&line).into_owned())
    }
}

/// The complaint about a pickle that Python could not have written.
fn broken(what: impl std::fmt::Display) -> Fault {
    Fault::form(format_args!("is damaged: its pickle {what}"))
}

fn missing() -> Fault {
    broken("takes a value that is not there")
}

fn misused(global: Global) -> Fault {
    broken(format_args!("calls {global:?} with arguments that it does not take"))
}
