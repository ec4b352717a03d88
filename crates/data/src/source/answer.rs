//! What a model is to answer: classes, numbers, or labels of which several may hold.

use gradus_tensor::{DType, Device, Error, OpError, Result, Shape, Tensor};
use serde::{Deserialize, Serialize};
use std::fmt;

/// What the numbers that a model gives mean.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Answers {
    /// One of these classes: targets `[B]` of `i64`, outputs `[B, classes]` before softmax.
    Classes(Vec<String>),
    /// Numbers: targets and outputs `[B, numbers]` of `f32`, scaled.
    Numbers(Vec<Number>),
    /// Each of these labels holds or not: targets `[B, labels]` of `f32`, 0 or 1, outputs of the
    /// same shape before the sigmoid.
    Labels(Vec<String>),
    /// One of these classes for each pixel: targets `[B, H, W]` of `i64`, -100 where nothing is to be
    /// told, outputs `[B, classes, H, W]` before softmax.
    Mask(Vec<String>),
    /// The token that comes next, at each place: targets `[B, T]` of `i64`, outputs
    /// `[B, T, vocabulary]` before softmax.
    NextToken,
}

/// A number to be told, and how it is scaled: the model is given (x - mean) / deviation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Number {
    /// What it is called.
    pub name: String,
    /// Its mean over the training samples.
    pub mean: f64,
    /// Its standard deviation over them, or 1.
    pub deviation: f64,
    /// What it is measured in; nothing if that was not said.
    pub unit: String,
}

/// What a model said of one sample.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Answer {
    /// The classes with their probabilities, the likeliest first.
    Classes(Vec<(String, f64)>),
    /// The numbers, with names and units.
    Numbers(Vec<(String, f64, String)>),
    /// The labels with their probabilities.
    Labels(Vec<(String, f64)>),
    /// The classes that pixels were taken for with their shares of the picture, the largest first.
    Mask(Vec<(String, f64)>),
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let said: Vec<String> = match self {
            Self::Mask(classes) => classes
                .iter()
                .map(|(name, share)| format!("{name} {:.1} %", 100.0 * share))
                .collect(),
            Self::Classes(classes) => {
                let best = classes.iter().take(3);
                best.map(|(name, p)| format!("{name} {:.1} %", 100.0 * p)).collect()
            }
            Self::Labels(labels) => {
                let held: Vec<String> = labels
                    .iter()
                    .filter(|(_, p)| *p >= 0.5)
                    .map(|(name, p)| format!("{name} {:.1} %", 100.0 * p))
                    .collect();
                if held.is_empty() { vec!["none".into()] } else { held }
            }
            Self::Numbers(numbers) => {
                let number = |(name, x, unit): &(String, f64, String)| match unit.is_empty() {
                    true => format!("{name} {x:.4}"),
                    false => format!("{name} {x:.4} {unit}"),
                };
                numbers.iter().map(number).collect()
            }
        };
        f.write_str(&said.join(", "))
    }
}

impl Answers {
    /// How many numbers a model gives for a sample; none where the vocabulary says so.
    pub fn width(&self) -> Option<usize> {
        match self {
            Self::Classes(names) | Self::Labels(names) | Self::Mask(names) => Some(names.len()),
            Self::Numbers(numbers) => Some(numbers.len()),
            Self::NextToken => None,
        }
    }

    /// What outputs `[B, width]` say, a sample each, or `[B, width, H, W]` of masks. Two classes may also come as one number, the
    /// second one's before the sigmoid.
    ///
    /// # Errors
    /// If the outputs are of another shape, or tokens that the vocabulary reads.
    pub fn decode(&self, outputs: &Tensor) -> Result<Vec<Answer>> {
        let Some(width) = self.width() else {
            let message = "tokens are told by their vocabulary: use Vocabulary::decode";
            return Err(OpError::of("decode", message).into());
        };
        if let Self::Mask(names) = self {
            return masks(names, outputs);
        }
        let own = match **outputs.shape() {
            [_, own] => own,
            _ => 0,
        };
        let single = matches!(self, Self::Classes(names) if names.len() == 2) && own == 1;
        if own != width && !single {
            let message = format_args!(
                "outputs of shape {} are not those of a model of {width} answers, [B, {width}]",
                outputs.shape()
            );
            return Err(OpError::of("decode", message).into());
        }
        let numbers: Vec<f64> = outputs.detach().to_dtype(DType::F64).try_to_vec()?;
        Ok(numbers.chunks(own).map(|row| self.answer(row)).collect())
    }

    fn answer(&self, row: &[f64]) -> Answer {
        let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
        match self {
            Self::Classes(names) => {
                let parts = match row {
                    [x] if names.len() == 2 => vec![sigmoid(-x), sigmoid(*x)],
                    row => softmax(row),
                };
                let mut ranked: Vec<(String, f64)> = names.iter().cloned().zip(parts).collect();
                ranked.sort_by(|a, b| b.1.total_cmp(&a.1));
                Answer::Classes(ranked)
            }
            Self::Labels(names) => {
                Answer::Labels(names.iter().cloned().zip(row.iter().map(|&x| sigmoid(x))).collect())
            }
            Self::Numbers(numbers) => {
                let number = |(number, x): (&Number, &f64)| {
                    let value = number.mean + number.deviation * x;
                    (number.name.clone(), value, number.unit.clone())
                };
                Answer::Numbers(numbers.iter().zip(row).map(number).collect())
            }
            // These have no row of numbers for a sample.
            Self::NextToken | Self::Mask(_) => Answer::Numbers(vec![]),
        }
    }
}

/// What outputs `[B, classes, H, W]` say of each picture.
fn masks(names: &[String], outputs: &Tensor) -> Result<Vec<Answer>> {
    let &[_, classes, height, width] = &outputs.shape()[..] else {
        return Err(no_masks(names, outputs));
    };
    if classes != names.len() || height * width == 0 {
        return Err(no_masks(names, outputs));
    }
    let guesses: Vec<i64> = outputs.detach().argmax(1).try_to_vec()?;
    let answer = |guesses: &[i64]| {
        let mut counts = vec![0usize; classes];
        guesses.iter().for_each(|&class| counts[class as usize] += 1);
        let share = |count: usize| count as f64 / guesses.len() as f64;
        let there = names.iter().zip(counts).filter(|(_, count)| *count > 0);
        let mut ranked: Vec<_> = there.map(|(name, count)| (name.clone(), share(count))).collect();
        ranked.sort_by(|a, b| b.1.total_cmp(&a.1));
        Answer::Mask(ranked)
    };
    Ok(guesses.chunks(height * width).map(answer).collect())
}

fn no_masks(names: &[String], outputs: &Tensor) -> Error {
    let message = format_args!(
        "outputs of shape {} are no masks of {} classes, [B, {1}, H, W]",
        outputs.shape(),
        names.len()
    );
    OpError::of("decode", message).into()
}

fn softmax(row: &[f64]) -> Vec<f64> {
    let highest = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let parts: Vec<f64> = row.iter().map(|x| (x - highest).exp()).collect();
    let sum: f64 = parts.iter().sum();
    parts.into_iter().map(|part| part / sum).collect()
}

/// The targets of samples in memory.
#[derive(Clone, Debug, PartialEq)]
pub enum Targets {
    /// The number of each sample's class.
    Classes(Vec<u32>),
    /// So many numbers of each sample, side by side.
    Numbers(Vec<f32>, usize),
}

impl Targets {
    /// How many samples have one.
    pub fn len(&self) -> usize {
        match self {
            Self::Classes(classes) => classes.len(),
            Self::Numbers(numbers, width) => numbers.len() / width,
        }
    }

    /// True if there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Those of some samples, `[B]` of `i64` or `[B, width]` of `f32`.
    ///
    /// # Errors
    /// If there is not enough memory.
    pub fn gather(&self, indices: &[usize]) -> Result<Tensor> {
        match self {
            Self::Classes(classes) => {
                let classes: Vec<i64> = indices.iter().map(|&i| classes[i] as i64).collect();
                Tensor::try_from_slice(&classes, Shape::from(indices.len()), Device::cpu())
            }
            Self::Numbers(numbers, width) => {
                let rows = indices.iter().flat_map(|&i| &numbers[i * width..(i + 1) * width]);
                let rows: Vec<f32> = rows.copied().collect();
                Tensor::try_from_slice(&rows, [indices.len(), *width].into(), Device::cpu())
            }
        }
    }

    /// The classes of some samples, if they have classes.
    pub fn classes(&self, indices: &[usize]) -> Option<Vec<u32>> {
        match self {
            Self::Classes(classes) => Some(indices.iter().map(|&i| classes[i]).collect()),
            Self::Numbers(..) => None,
        }
    }
}

/// The number of a class by its name.
pub(super) fn class_of(names: &[String], name: &str) -> Result<u32> {
    match names.iter().position(|other| other == name) {
        Some(place) => Ok(place as u32),
        None => {
            let known: Vec<&str> = names.iter().take(10).map(String::as_str).collect();
            let more = if names.len() > known.len() { ", …" } else { "" };
            let message = format!(
                "the class {name:?} is none of those that were learnt from ({}{more})",
                known.join(", ")
            );
            Err(Error::format("target", message))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(all: &[&str]) -> Vec<String> {
        all.iter().map(|name| name.to_string()).collect()
    }

    #[test]
    fn outputs_are_told_to_people() {
        let said = |answers: &Answers, outputs: Tensor| {
            let all = answers.decode(&outputs).unwrap();
            all.iter().map(Answer::to_string).collect::<Vec<_>>()
        };
        let classes = Answers::Classes(names(&["cat", "dog"]));
        let outputs = Tensor::from([[0.0f32, 3f32.ln()], [1000.0, 0.0]]);
        assert_eq!(said(&classes, outputs), ["dog 75.0 %, cat 25.0 %", "cat 100.0 %, dog 0.0 %"]);
        let single = said(&classes, Tensor::from([[3f32.ln()]]));
        assert_eq!(single, ["dog 75.0 %, cat 25.0 %"]);
        let labels = Answers::Labels(names(&["red", "round"]));
        let outputs = Tensor::from([[2.0f32, -2.0], [-1.0, -1.0]]);
        assert_eq!(said(&labels, outputs), ["red 88.1 %", "none"]);
        let number = |unit: &str| Number {
            name: "price".into(),
            mean: 10.0,
            deviation: 2.0,
            unit: unit.into(),
        };
        let numbers = Answers::Numbers(vec![number("€"), number("")]);
        let outputs = Tensor::from([[0.5f32, -1.0]]);
        assert_eq!(said(&numbers, outputs), ["price 11.0000 €, price 8.0000"]);
        let error = classes.decode(&Tensor::zeros([2, 3])).unwrap_err().to_string();
        assert_eq!(
            error,
            "decode: outputs of shape [2, 3] are not those of a model of 2 answers, [B, 2]"
        );
        let mask = Answers::Mask(names(&["road", "sky", "tree"]));
        let outputs = Tensor::from_vec(vec![1.0f32, 1.0, 2.0, 0.0, 0.0, 0.0], [1, 3, 1, 2]);
        assert_eq!(said(&mask, outputs), ["road 50.0 %, sky 50.0 %"]);
        let error = mask.decode(&Tensor::zeros([2, 3])).unwrap_err().to_string();
        let wanted = "decode: outputs of shape [2, 3] are no masks of 3 classes, [B, 3, H, W]";
        assert_eq!(error, wanted);
        assert!(Answers::NextToken.decode(&Tensor::zeros([2, 3])).is_err());
        assert!(numbers.decode(&Tensor::zeros([3])).is_err());
    }

    #[test]
    fn targets_are_gathered() {
        let classes = Targets::Classes(vec![2, 0, 1]);
        assert_eq!(classes.gather(&[2, 2, 0]).unwrap().to_vec::<i64>(), [1, 1, 2]);
        let numbers = Targets::Numbers(vec![1.0, 2.0, 3.0, 4.0], 2);
        let rows = numbers.gather(&[1]).unwrap();
        assert_eq!((rows.to_vec::<f32>(), numbers.len()), (vec![3.0, 4.0], 2));
        assert_eq!(rows.shape(), [1, 2]);
        assert_eq!(classes.classes(&[1]), Some(vec![0]));
        assert_eq!(numbers.classes(&[1]), None);
        let error = class_of(&names(&["a", "b"]), "c").unwrap_err().to_string();
        let wanted = "target: the class \"c\" is none of those that were learnt from (a, b)";
        assert_eq!(error, wanted);
    }
}
