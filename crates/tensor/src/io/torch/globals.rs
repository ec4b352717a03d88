//! The few names of Python that a file of weights may ask for.
//!
//! Python would import and call whatever a pickle names. Here a name is looked up in this list, and
//! stands for an action of ours; every other name is refused before anything is made of it.

use crate::DType;
use crate::io::{Encoding, Fault};
use std::fmt;

/// What a name stands for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Global {
    /// Makes an empty dictionary, or one of pairs.
    OrderedDict,
    /// Makes a tensor of a storage; the number is that of the function's version.
    RebuildTensor(u8),
    /// Gives the tensor that a parameter holds.
    RebuildParameter,
    /// Makes a tuple of lengths.
    Size,
    /// Makes the name of a device.
    Device,
    /// The kind of a storage; none where only the tensors know the type of its numbers.
    Storage(Option<Encoding>),
    /// A type of numbers, by PyTorch's name.
    Type(&'static str),
}

impl Global {
    /// The name, if it is that of a type of numbers.
    pub(super) fn type_name(self) -> Option<&'static str> {
        match self {
            Self::Type(name) => Some(name),
            _ => None,
        }
    }
}

/// The kinds of storages that have a type.
const STORAGES: [(&str, Encoding); 10] = [
    ("FloatStorage", Encoding::Same(DType::F32)),
    ("DoubleStorage", Encoding::Same(DType::F64)),
    ("HalfStorage", Encoding::Same(DType::F16)),
    ("BFloat16Storage", Encoding::Same(DType::BF16)),
    ("LongStorage", Encoding::Same(DType::I64)),
    ("IntStorage", Encoding::Same(DType::I32)),
    ("ShortStorage", Encoding::I16),
    ("CharStorage", Encoding::I8),
    ("ByteStorage", Encoding::Same(DType::U8)),
    ("BoolStorage", Encoding::Same(DType::Bool)),
];

/// PyTorch's types of numbers, with how those that can be read lie in a file.
const TYPES: [(&str, Option<Encoding>); 24] = [
    ("float32", Some(Encoding::Same(DType::F32))),
    ("float64", Some(Encoding::Same(DType::F64))),
    ("float16", Some(Encoding::Same(DType::F16))),
    ("bfloat16", Some(Encoding::Same(DType::BF16))),
    ("int64", Some(Encoding::Same(DType::I64))),
    ("int32", Some(Encoding::Same(DType::I32))),
    ("int16", Some(Encoding::I16)),
    ("int8", Some(Encoding::I8)),
    ("uint8", Some(Encoding::Same(DType::U8))),
    ("uint16", Some(Encoding::U16)),
    ("uint32", Some(Encoding::U32)),
    ("bool", Some(Encoding::Same(DType::Bool))),
    ("uint64", None),
    ("complex32", None),
    ("complex64", None),
    ("complex128", None),
    ("float8_e4m3fn", None),
    ("float8_e4m3fnuz", None),
    ("float8_e5m2", None),
    ("float8_e5m2fnuz", None),
    ("float8_e8m0fnu", None),
    ("float4_e2m1fn_x2", None),
    ("qint8", None),
    ("quint8", None),
];

/// Looks a name up.
pub(super) fn find(module: &str, name: &str) -> Result<Global, Fault> {
    let storage = || STORAGES.iter().find(|(known, _)| *known == name);
    let dtype = || TYPES.iter().find(|(known, _)| *known == name);
    Ok(match (module, name) {
        ("collections", "OrderedDict") => Global::OrderedDict,
        ("torch._utils", "_rebuild_tensor") => Global::RebuildTensor(1),
        ("torch._utils", "_rebuild_tensor_v2") => Global::RebuildTensor(2),
        ("torch._utils", "_rebuild_tensor_v3") => Global::RebuildTensor(3),
        ("torch._utils", "_rebuild_parameter") => Global::RebuildParameter,
        ("torch", "Size") => Global::Size,
        ("torch", "device") => Global::Device,
        ("torch.storage", "UntypedStorage") => Global::Storage(None),
        ("torch" | "torch.cuda", _) => match (storage(), dtype()) {
            (Some((_, encoding)), _) => Global::Storage(Some(*encoding)),
            (_, Some((name, _))) if module == "torch" => Global::Type(name),
            _ => return Err(refused(module, name)),
        },
        _ => return Err(refused(module, name)),
    })
}

/// How numbers of one of PyTorch's types lie in a file.
pub(super) fn encoding(dtype: &str) -> Result<Encoding, Fault> {
    let known = TYPES.iter().find(|(name, _)| *name == dtype).and_then(|(_, encoding)| *encoding);
    let cure = match dtype {
        _ if dtype.starts_with("complex") => COMPLEX,
        "uint64" => "save x.to(torch.int64)",
        _ => "save x.float()",
    };
    known.ok_or_else(|| {
        let what =
            format_args!("holds numbers of type {dtype}, which Gradus does not have: {cure}");
        Fault::form(what)
    })
}

const COMPLEX: &str = "save torch.view_as_real(x)";

/// The complaint about a name that is not on the list.
fn refused(module: &str, name: &str) -> Fault {
    let (what, cure) = match (module, name) {
        ("torch" | "torch.cuda", _) if name.starts_with("Complex") => ("complex numbers", COMPLEX),
        ("torch" | "torch.cuda", _) if name.starts_with('Q') => {
            ("quantised numbers", "save x.dequantize()")
        }
        ("torch._utils", "_rebuild_qtensor") => ("quantised numbers", "save x.dequantize()"),
        ("torch._utils", "_rebuild_sparse_tensor") => ("a sparse tensor", "save x.to_dense()"),
        _ => return forbidden(format_args!("call {module}.{name}")),
    };
    Fault::form(format_args!("holds {what} ({module}.{name}), which Gradus does not have: {cure}"))
}

/// The complaint about a file that wants more than to be read.
pub(super) fn forbidden(wish: impl fmt::Display) -> Fault {
    Fault::form(format_args!(
        "is refused, for it asks to {wish}, and reading weights runs no code: save the model's \
         state_dict()"
    ))
}
