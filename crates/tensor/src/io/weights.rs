//! Weights from whatever file they come in.

use super::archive::Archive;
use super::torch::{self, Value};
use super::{Fault, npz, open, safetensors};
use crate::{Error, Result, Tensor};
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::Path;

/// Where trainings keep a model's state dict among other things, the likeliest first.
const PARTS: [&str; 3] = ["state_dict", "model_state_dict", "model"];

/// Named tensors from a file, and what else the file holds.
#[derive(Clone, Debug, Default)]
pub struct Weights {
    /// The tensors with their names, in the order of the file.
    pub tensors: Vec<(String, Tensor)>,
    /// Under which key of the file they lie; none if they are all of the file.
    pub part: Option<String>,
    /// The places in the file of what is not among them.
    pub left_out: Vec<String>,
}

/// Reads the weights in a file: safetensors, what `torch.save` wrote (`.pt`, `.pth`, `.bin`), or
/// npz. Its content says which it is, not its name.
///
/// A file of `torch.save`'s may hold a whole training. If its dictionary has a dictionary of tensors
/// under `state_dict`, `model_state_dict` or `model`, those are the weights; else all its tensors
/// are. [`Weights::part`] and [`Weights::left_out`] say what was taken and what was not.
///
/// # Errors
/// If the file cannot be read, is damaged, is of none of these kinds, or holds no tensor; see
/// [`torch::read`], [`safetensors::read`] and [`npz::read`].
///
/// ```
/// use gradus_tensor::Tensor;
/// use gradus_tensor::io::load_weights;
/// use gradus_tensor::io::npz::{self, Compression};
///
/// let path = std::env::temp_dir().join("gradus-weights.npz");
/// npz::write(&path, &[("fc.weight".to_string(), Tensor::zeros([2, 3]))], Compression::Stored)?;
/// let weights = load_weights(&path)?;
/// assert_eq!(weights.tensors[0].0, "fc.weight");
/// # std::fs::remove_file(path).unwrap();
/// # Ok::<(), gradus_tensor::Error>(())
/// ```
pub fn load_weights(path: impl AsRef<Path>) -> Result<Weights> {
    let path = path.as_ref();
    let weights = open(path).and_then(|(file, len)| decode(BufReader::new(file), len));
    let weights = weights.map_err(|fault| fault.of(path))?;
    match weights.tensors.is_empty() {
        true => Err(Error::format(path.display(), "holds no tensors")),
        false => Ok(weights),
    }
}

/// Reads a file of `len` bytes.
fn decode(mut reader: impl Read + Seek, len: u64) -> Result<Weights, Fault> {
    let mut start = vec![];
    (&mut reader).take(10).read_to_end(&mut start)?;
    reader.seek(SeekFrom::Start(0))?;
    let plain = |tensors| Weights { tensors, ..Weights::default() };
    match start[..] {
        [b'P', b'K', 3, 4, ..] => {
            let archive = Archive::open(&mut reader, len, "archive")?;
            if archive.names()?.iter().any(|name| torch::folder(name).is_some()) {
                return state_dict(torch::decode_zip(archive, len)?);
            }
            drop(archive);
            reader.seek(SeekFrom::Start(0))?;
            npz::decode(reader, len).map(plain)
        }
        // How every pickle since the second protocol starts.
        [0x80, 2..=5, ..] => state_dict(torch::decode(reader, len)?),
        // The length of the header, and the header.
        [.., 0, b'{', _] => Ok(plain(safetensors::decode(&mut reader, len)?.tensors)),
        [0x93, b'N', b'U', b'M', b'P', b'Y', ..] => Err(Fault::form(
            "is one array without a name: save it in an npz file, with numpy.savez",
        )),
        _ => Err(Fault::form(
            "is no file of weights that is known: safetensors, .pt of torch.save, or npz",
        )),
    }
}

/// The state dict in what `torch.save` wrote.
fn state_dict(value: Value) -> Result<Weights, Fault> {
    let part = PARTS.into_iter().find(|part| match value.get(part) {
        Some(inner @ Value::Dict(_)) => inner.holds_tensors(),
        _ => false,
    });
    let root = part.and_then(|part| value.get(part)).unwrap_or(&value);
    let (tensors, mut left_out) = (root.tensors()?, root.others());
    if let (Some(part), Value::Dict(entries)) = (part, &value) {
        for place in &mut left_out {
            *place = format!("{part}.{place}");
        }
        let others = entries.iter().map(|(key, _)| key.as_key()).filter(|key| key != part);
        left_out.extend(others);
    }
    Ok(Weights { tensors, part: part.map(str::to_string), left_out })
}
