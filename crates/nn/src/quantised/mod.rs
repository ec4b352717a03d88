//! Models whose weights are kept as integers of a few bits, for use, not for training.
//!
//! What bounds a model that writes token after token is the memory that its weights take: with eight
//! bits instead of 32 it writes up to four times as fast, with four bits up to seven times.
//! [`quantise`] keeps weights so, and needs no data.
//!
//! What bounds a model of images is arithmetic. [`quantise_int8`] makes its convolutions and linear
//! layers multiply integers of eight bits, inputs as well as weights, and needs some samples.

mod int8;
mod ranges;

pub use int8::{Int8Calibration, Int8Layer, Int8Report, quantise_int8};
pub use ranges::Ranges;

use crate::gradients::norm;
use crate::pattern::matches;
use crate::{Module, Param};
use gradus_tensor::ops::{Int8Weight, QuantiseOptions, QuantisedMatrix};
use gradus_tensor::{Error, Result, Tensor, no_grad};
use std::collections::HashMap;
use std::fmt;

/// What became of one matrix.
#[derive(Clone, Debug, PartialEq)]
pub struct QuantisedParam {
    /// Its name.
    pub name: String,
    /// Its shape.
    pub shape: [usize; 2],
    /// How far the codes are from the numbers, ‖W - Ŵ‖ / ‖W‖.
    pub relative_error: f64,
    /// How many bytes it took.
    pub bytes_before: usize,
    /// How many bytes its codes, scales and zeros take.
    pub bytes: usize,
}

/// `layers.0.linear1.weight [3072, 768]: 9437184 -> 1327104 bytes, error 0.0981`.
impl fmt::Display for QuantisedParam {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, shape, relative_error, bytes_before, bytes } = self;
        write!(f, "{name} {shape:?}: {bytes_before} -> {bytes} bytes, error {relative_error:.4}")
    }
}

/// Keeps the matrices among a model's parameters whose names fit a pattern (see
/// [`Module::params_matching`]) as codes, and says what became of each. They are frozen from then on.
///
/// Linear layers, embeddings and attention compute with the codes themselves; whatever else asks for
/// such a parameter gets the numbers that its codes stand for.
///
/// # Errors
/// [`Error::Setting`] for options that cannot be, or if no matrix has such a name; [`Error::Op`] for a
/// matrix with numbers that are not finite. Then nothing is changed.
///
/// ```
/// use gradus_nn::quantised::quantise;
/// use gradus_nn::{Layer, Linear};
/// use gradus_tensor::ops::QuantiseOptions;
/// use gradus_tensor::{Rng, Tensor};
///
/// let mut rng = Rng::new(1);
/// let layer = Linear::new(256, 10, &mut rng);
/// let x = Tensor::randn([1, 256], &mut rng);
/// let before = layer.forward(&x);
/// let report = quantise(&layer, "*", QuantiseOptions::default())?;
/// assert_eq!(report[0].name, "weight");
/// assert!(report[0].relative_error < 0.01);
/// assert!((layer.forward(&x) - before).abs().max(..).item::<f32>() < 0.05);
/// # Ok::<(), gradus_tensor::Error>(())
/// ```
pub fn quantise<M: Module + ?Sized>(
    model: &M,
    pattern: &str,
    options: QuantiseOptions,
) -> Result<Vec<QuantisedParam>> {
    let params = model.named_params().into_iter();
    let chosen = params.filter(|(name, param)| matches(pattern, name) && is_plain_matrix(param));
    let mut done = vec![];
    for (name, param) in chosen {
        let matrix = param.tensor().detach();
        let codes = QuantisedMatrix::new(&matrix, options)?;
        let error =
            no_grad(|| Ok::<_, Error>(&matrix - codes.numbers()?.to_dtype(matrix.dtype())))?;
        let length = norm(&matrix);
        let report = QuantisedParam {
            name,
            shape: codes.shape(),
            relative_error: if length > 0.0 { norm(&error) / length } else { 0.0 },
            bytes_before: matrix.count() * matrix.dtype().size_bytes(),
            bytes: codes.size_bytes(),
        };
        done.push((param, codes, report));
    }
    if done.is_empty() {
        return Err(Error::Setting(format!("no matrix has a name that fits '{pattern}'")));
    }
    Ok(done
        .into_iter()
        .map(|(param, codes, report)| {
            param.set_codes(codes);
            report
        })
        .collect())
}

fn is_plain_matrix(param: &Param) -> bool {
    param.is_plain() && param.shape().rank() == 2
}

/// The names of what a weight of codes is saved as, behind its own.
const FORMAT: &str = "format";
const PARTS: [&str; 4] = ["codes", "scales", "zeros", "input"];

/// The values of all parameters and buffers as [`Module::state_dict`] gives them, but codes for
/// weights that are kept as codes: `NAME.codes`, `NAME.scales`, maybe `NAME.zeros`, and
/// `NAME.format` with the length of a code, of a group and of a row. Those of [`quantise_int8`] have
/// the length of a code alone in `NAME.format`, and `NAME.input`.
///
/// # Panics
/// If the device fails.
pub fn state_dict<M: Module + ?Sized>(model: &M) -> Vec<(String, Tensor)> {
    let params: HashMap<String, Param> = model.named_params().into_iter().collect();
    let mut state = vec![];
    for (name, value) in model.state_dict() {
        let param = params.get(&name);
        let (format, parts) = if let Some(codes) = param.and_then(Param::codes) {
            let (options, [_, depth]) = (codes.options(), codes.shape());
            (vec![options.bits, options.group.unwrap_or(depth), depth], codes.parts())
        } else if let Some(weight) = param.and_then(Param::int8) {
            (vec![8], weight.parts().unwrap_or_else(|error| panic!("{error}")))
        } else {
            state.push((name, value));
            continue;
        };
        let format: Vec<i64> = format.into_iter().map(|x| x as i64).collect();
        state.push((format!("{name}.{FORMAT}"), Tensor::from(format)));
        state.extend(parts.into_iter().map(|(part, x)| (format!("{name}.{part}"), x)));
    }
    state
}

/// Gives a model what [`state_dict`] gave: weights that were saved as codes are kept as codes. Where
/// batch norms were folded, they must be in the model too: see [`fold_norms`](crate::fold_norms).
///
/// # Errors
/// [`Error::Mismatch`], if the values are those of another model; then nothing is changed.
///
/// ```
/// use gradus_nn::quantised::{load_state_dict, quantise, state_dict};
/// use gradus_nn::{Layer, Linear};
/// use gradus_tensor::ops::QuantiseOptions;
/// use gradus_tensor::{Rng, Tensor};
///
/// let mut rng = Rng::new(1);
/// let (layer, other) = (Linear::new(64, 8, &mut rng), Linear::new(64, 8, &mut rng));
/// quantise(&layer, "*", QuantiseOptions::four_bits())?;
/// load_state_dict(&other, &state_dict(&layer))?;
/// let x = Tensor::randn([2, 64], &mut rng);
/// assert_eq!(other.forward(&x).to_vec::<f32>(), layer.forward(&x).to_vec::<f32>());
/// # Ok::<(), gradus_tensor::Error>(())
/// ```
pub fn load_state_dict<M: Module + ?Sized>(model: &M, state: &[(String, Tensor)]) -> Result<()> {
    let params: HashMap<String, Param> = model.named_params().into_iter().collect();
    let suffix = format!(".{FORMAT}");
    let mut coded = vec![];
    for (name, format) in state {
        // A parameter may itself be called so.
        if let Some(name) = name.strip_suffix(&suffix).filter(|_| !params.contains_key(name)) {
            coded.push((name, read_codes(name, format, state)?));
        }
    }
    let unknown = |name: &str| Error::Mismatch(format!("the model has no weight {name}"));
    // The other values are those of the model as if it had the numbers of the codes.
    let part_of = |name: &str| {
        coded.iter().any(|(own, _)| name.strip_prefix(own).is_some_and(|x| x.starts_with('.')))
    };
    let mut plain: Vec<(String, Tensor)> =
        state.iter().filter(|(name, _)| !part_of(name)).cloned().collect();
    for (name, codes) in &coded {
        let param = params.get(*name).ok_or_else(|| unknown(name))?;
        let numbers = match codes {
            Saved::Matrix(codes) => codes.numbers()?,
            Saved::Int8(codes) => codes.numbers()?,
        };
        if param.shape() != *numbers.shape() {
            return Err(unknown(&format!("{name} of shape {}", numbers.shape())));
        }
        plain.push((name.to_string(), numbers));
    }
    model.load_state_dict(&plain)?;
    for (name, codes) in coded {
        let param = &params[name];
        let device = param.tensor().device();
        match codes {
            Saved::Matrix(codes) => param.set_codes(codes.to_device(device)),
            Saved::Int8(codes) => param.set_int8(codes.to_device(device)),
        }
    }
    Ok(())
}

/// A weight that was saved as codes.
enum Saved {
    Matrix(QuantisedMatrix),
    Int8(Int8Weight),
}

/// A weight from what it was saved as.
fn read_codes(name: &str, format: &Tensor, state: &[(String, Tensor)]) -> Result<Saved> {
    let wrong = || Error::Mismatch(format!("{name}.{FORMAT} is no format of codes"));
    let numbers = format.try_to_vec::<i64>()?;
    let numbers: Option<Vec<usize>> = numbers.iter().map(|&x| usize::try_from(x).ok()).collect();
    let own = |(key, x): &(String, Tensor)| {
        let part = key.strip_prefix(name)?.strip_prefix('.')?;
        Some((PARTS.into_iter().find(|known| *known == part)?, x.clone()))
    };
    let parts: Vec<(&str, Tensor)> = state.iter().filter_map(own).collect();
    let (bits, group, depth) = match numbers.as_deref() {
        Some(&[8]) => return Int8Weight::from_parts(&parts).map(Saved::Int8),
        Some(&[bits, group, depth]) => (bits, group, depth),
        _ => return Err(wrong()),
    };
    let symmetric = !parts.iter().any(|(part, _)| *part == "zeros");
    let codes = parts.iter().find(|(part, _)| *part == "codes").ok_or_else(wrong)?;
    let rows = codes.1.shape().first().copied().ok_or_else(wrong)?;
    let options = QuantiseOptions { bits, group: Some(group), symmetric };
    QuantisedMatrix::from_parts([rows, depth], options, &parts).map(Saved::Matrix)
}
