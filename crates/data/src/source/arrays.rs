//! Arrays of NumPy: npy and npz.

use super::answer::{Answers, Number, Targets};
use super::folder::Parts;
use super::table::encoder::moments;
use gradus_tensor::io::{npy, npz};
use gradus_tensor::{DType, Error, Result, Tensor};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// Where arrays lie: inputs `[N, ...]` and targets `[N]` or `[N, K]`, each in an npy file, or both
/// in an npz file.
///
/// Whole numbers as targets are classes, other numbers are to be told as they are. Inputs of `u8`
/// and the shape `[N, H, W]` or `[N, C, H, W]` are pictures.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ArrayOptions {
    /// The npz file, with `x` and `y`, or with `x_train`, `y_train`, and also `x_valid`, `y_valid`,
    /// `x_test` and `y_test`; or else the npy file of inputs.
    pub path: String,
    /// The npy file of targets.
    pub targets: Option<String>,
    /// The npy files of inputs and targets to validate with.
    pub valid: Option<[String; 2]>,
    /// The npy files of inputs and targets to be tested with.
    pub test: Option<[String; 2]>,
    /// True if the channels of pictures are the last axis.
    pub channels_last: bool,
    /// The names of the classes; by default their numbers.
    pub classes: Vec<String>,
}

/// Inputs and targets, and where they come from.
pub(super) struct Arrays {
    pub(super) input: Tensor,
    pub(super) target: Tensor,
    path: PathBuf,
}

/// The arrays of all parts.
pub(super) fn open(options: &ArrayOptions) -> Result<Parts<Arrays>> {
    let path = Path::new(&options.path);
    if super::folder::has_ending(path, &["npz"]) {
        return open_npz(path, options);
    }
    let Some(targets) = &options.targets else {
        let message = "arrays: say which npy file has the targets, or give an npz file with both";
        return Err(Error::Setting(message.into()));
    };
    let part = |input: &str, target: &str| {
        let path = PathBuf::from(input);
        joined(npy::read(&path)?, npy::read(target)?, path, options)
    };
    let two = |both: &Option<[String; 2]>| {
        both.as_ref().map(|[input, target]| part(input, target)).transpose()
    };
    Ok(Parts {
        train: part(&options.path, targets)?,
        valid: two(&options.valid)?,
        test: two(&options.test)?,
    })
}

fn open_npz(path: &Path, options: &ArrayOptions) -> Result<Parts<Arrays>> {
    let arrays = npz::read(path)?;
    let find = |name: &str| {
        arrays.iter().find(|(own, _)| own.to_lowercase() == name).map(|(_, x)| x.clone())
    };
    let part = |end: &str| match (find(&format!("x{end}")), find(&format!("y{end}"))) {
        (Some(input), Some(target)) => joined(input, target, path.to_path_buf(), options).map(Some),
        _ => Ok(None),
    };
    let train = match part("_train")? {
        Some(train) => Some(train),
        None => part("")?,
    };
    let Some(train) = train else {
        let names: Vec<&str> = arrays.iter().map(|(name, _)| &name[..]).collect();
        let message = format_args!(
            "holds {}, neither x and y nor x_train and y_train: name its arrays so",
            names.join(", ")
        );
        return Err(Error::format(path.display(), message));
    };
    Ok(Parts { train, valid: part("_valid")?, test: part("_test")? })
}

fn joined(input: Tensor, target: Tensor, path: PathBuf, options: &ArrayOptions) -> Result<Arrays> {
    let (x, y) = (input.shape(), target.shape());
    if x.rank() == 0 || !(1..=2).contains(&y.rank()) || x[0] != y[0] || x.count() == 0 {
        let message = format_args!(
            "has inputs of shape {x} for targets of shape {y}: as many targets as inputs along the \
             first axis are needed, of one axis or two"
        );
        return Err(Error::format(path.display(), message));
    }
    let input = match (input.rank(), options.channels_last) {
        (1, _) => input.unsqueeze(1),
        (3, false) if input.dtype() == DType::U8 => input.unsqueeze(1),
        (4, true) => input.permute(&[0, 3, 1, 2]),
        (_, false) => input,
        (rank, true) => {
            let message = format_args!(
                "has inputs of {rank} axes: channels_last is for [N, H, W, C]: leave it out"
            );
            return Err(Error::format(path.display(), message));
        }
    };
    Ok(Arrays { input, target, path })
}

/// What the targets to learn from mean, and how they are scaled.
pub(super) fn answers(
    parts: &Parts<Arrays>,
    train: &[usize],
    options: &ArrayOptions,
) -> Result<Answers> {
    let target = &parts.train.target;
    if is_class(target) {
        let all = [Some(&parts.train), parts.valid.as_ref(), parts.test.as_ref()];
        let mut highest = 0;
        for arrays in all.into_iter().flatten() {
            highest = highest.max(classes(arrays)?.into_iter().max().unwrap_or(0));
        }
        let count = highest as usize + 1;
        return match options.classes.len() {
            0 => Ok(Answers::Classes((0..count).map(|class| class.to_string()).collect())),
            named if named < count => {
                let message = format!("arrays: there are {count} classes, but {named} are named");
                Err(Error::Setting(message))
            }
            _ => Ok(Answers::Classes(options.classes.clone())),
        };
    }
    let width = if target.rank() == 1 { 1 } else { target.len_of(1) };
    let numbers: Vec<f64> = target.to_dtype(DType::F64).try_to_vec()?;
    let number = |place: usize| {
        let own = train.iter().map(|&row| numbers[row * width + place]);
        let (mean, deviation) = moments(own);
        let deviation = if deviation > 0.0 { deviation } else { 1.0 };
        let name = if width == 1 { "y".into() } else { format!("y{place}") };
        Number { name, mean, deviation, unit: String::new() }
    };
    let numbers: Vec<Number> = (0..width).map(number).collect();
    if numbers.iter().any(|number| !number.mean.is_finite()) {
        let message = "has targets that are not finite: leave those samples out";
        return Err(Error::format(parts.train.path.display(), message));
    }
    Ok(Answers::Numbers(numbers))
}

fn is_class(target: &Tensor) -> bool {
    target.rank() == 1 && !target.dtype().is_float()
}

fn classes(arrays: &Arrays) -> Result<Vec<u32>> {
    let class = |class: i64| {
        u32::try_from(class).ok().filter(|&class| class < 1 << 20).ok_or_else(|| {
            let message = format_args!("has the target {class}, which is no class from 0 on");
            Error::format(arrays.path.display(), message)
        })
    };
    arrays.target.to_dtype(DType::I64).try_to_vec()?.into_iter().map(class).collect()
}

/// The targets of a part, as the answers have them.
pub(super) fn targets(arrays: &Arrays, answers: &Answers) -> Result<Targets> {
    match answers {
        Answers::Numbers(numbers) => {
            let own: Vec<f64> = arrays.target.to_dtype(DType::F64).try_to_vec()?;
            let width = numbers.len();
            if own.len() != width * arrays.input.len_of(0) {
                let message = format_args!(
                    "has targets of shape {}, but {width} numbers each are learnt",
                    arrays.target.shape()
                );
                return Err(Error::format(arrays.path.display(), message));
            }
            let scaled = own.iter().zip(numbers.iter().cycle());
            let scaled = scaled.map(|(x, number)| ((x - number.mean) / number.deviation) as f32);
            Ok(Targets::Numbers(scaled.collect(), width))
        }
        _ if is_class(&arrays.target) => Ok(Targets::Classes(classes(arrays)?)),
        _ => {
            let message = "has targets that are no classes, though those to learn from are";
            Err(Error::format(arrays.path.display(), message))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(path: &Path) -> ArrayOptions {
        ArrayOptions { path: path.to_str().unwrap().into(), ..Default::default() }
    }

    fn write(path: &Path, tensors: &[(&str, Tensor)]) {
        let named: Vec<(String, Tensor)> =
            tensors.iter().map(|(name, x)| (name.to_string(), x.clone())).collect();
        npz::write(path, &named, npz::Compression::Stored).unwrap();
    }

    #[test]
    fn arrays_are_found_by_name_or_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.npz");
        let pictures = Tensor::zeros(([3, 4, 5], DType::U8));
        let test = ("x_test", pictures.narrow(0, 0, 1));
        let train = ("x_train", pictures);
        let classes = ("y_train", Tensor::from([0i64, 2, 1]));
        write(&path, &[train, classes, test, ("y_test", Tensor::from([3i64]))]);
        let parts = open(&options(&path)).unwrap();
        assert_eq!(parts.train.input.shape(), [3, 1, 4, 5]);
        let known = answers(&parts, &[0, 1, 2], &options(&path)).unwrap();
        assert_eq!(known.width(), Some(4));
        let own = targets(parts.test.as_ref().unwrap(), &known).unwrap();
        assert_eq!(own, Targets::Classes(vec![3]));
        let (x, y) = (folder.path().join("x.npy"), folder.path().join("y.npy"));
        npy::write(&x, &Tensor::zeros([2, 3])).unwrap();
        npy::write(&y, &Tensor::from([[1.0f32, 5.0], [3.0, 5.0]])).unwrap();
        let two = ArrayOptions { targets: Some(y.to_str().unwrap().into()), ..options(&x) };
        let parts = open(&two).unwrap();
        let known = answers(&parts, &[0, 1], &two).unwrap();
        let own = targets(&parts.train, &known).unwrap();
        assert_eq!(own, Targets::Numbers(vec![-1.0, 0.0, 1.0, 0.0], 2));
    }

    #[test]
    fn arrays_that_do_not_fit_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.npz");
        let said = |tensors: &[(&str, Tensor)]| {
            write(&path, tensors);
            let parts = open(&options(&path));
            let error = match parts {
                Ok(parts) => answers(&parts, &[0], &options(&path)).unwrap_err(),
                Err(error) => error,
            };
            error.to_string().replacen(&path.display().to_string(), "a.npz", 1)
        };
        let x = ("x", Tensor::zeros([2, 3]));
        let wanted = "a.npz: holds x, neither x and y nor x_train and y_train: name its arrays so";
        assert_eq!(said(std::slice::from_ref(&x)), wanted);
        let wanted = "a.npz: has inputs of shape [2, 3] for targets of shape [3]: as many targets \
                      as inputs along the first axis are needed, of one axis or two";
        assert_eq!(said(&[x.clone(), ("y", Tensor::zeros([3]))]), wanted);
        let wanted = "a.npz: has the target -1, which is no class from 0 on";
        assert_eq!(said(&[x.clone(), ("y", Tensor::from([-1i64, 0]))]), wanted);
        let wanted = "a.npz: has targets that are not finite: leave those samples out";
        assert_eq!(said(&[x, ("y", Tensor::from([f32::NAN, 0.0]))]), wanted);
        let error = open(&options(Path::new("x.npy"))).err().unwrap().to_string();
        let wanted = "arrays: say which npy file has the targets, or give an npz file with both";
        assert_eq!(error, wanted);
    }
}
