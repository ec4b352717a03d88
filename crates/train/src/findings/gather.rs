//! From a model's answers in a test to what is found in them.

use super::{
    Answer, Findings, Input, LabelFindings, LanguageFindings, NumberFindings, Prediction,
    Predictions,
};
use crate::metrics::ConfusionMatrix;
use crate::report::Confusion;
use crate::run::RunFolder;
use gradus_data::Dataset;
use gradus_data::image::{Image, encode_png};
use gradus_data::source::{self, Answers, Encoder, Number, Unit, Vocabulary};
use gradus_nn::Layer;
use gradus_nn::decode::{Limits, Replay, SampleOptions, sample};
use gradus_tensor::{DType, Result, Rng, Tensor, no_grad};
use std::collections::BTreeSet;

/// How many answers are kept: of mistakes, of right ones beside them, of pairs of numbers, and of
/// those of them that are farthest from the truth.
const MISTAKES: usize = 500;
const RIGHT_ONES: usize = 24;
const PAIRS: usize = 2000;
const FARTHEST: usize = 24;

/// How many texts a model goes on with, and with what temperature it draws.
const TEXTS: usize = 4;
pub(crate) const TEMPERATURE: f64 = 0.8;

/// Gathers what a model answers to the samples of a test, in their order, and makes of it what a
/// report shows.
///
/// ```
/// use gradus_data::source::{DataOptions, Source, prepare};
/// use gradus_data::Dataset;
/// use gradus_nn::{Flatten, Layer, Linear, Sequential};
/// use gradus_tensor::Rng;
/// use gradus_train::Gather;
///
/// # fn main() -> gradus_tensor::Result<()> {
/// let data = prepare(&DataOptions::of(Source::Digits), 1)?;
/// let test = data.test.as_ref().unwrap();
/// let model = Sequential::new().then(Flatten).then(Linear::new(784, 10, &mut Rng::new(1)));
/// let mut gather = Gather::new(&data.encoder);
/// let batch = test.batch(&(0..50).collect::<Vec<_>>())?;
/// gather.add(&model.forward(batch.input()), batch.target());
/// let found = gather.finish(&**test, &model, 1)?;
/// let counts = found.confusion.unwrap().counts;
/// assert_eq!(counts.iter().flatten().sum::<u64>(), 50);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Gather<'a> {
    encoder: &'a Encoder,
    kept: Kept,
}

/// What is kept of the answers.
#[derive(Debug)]
enum Kept {
    /// Of each sample the true class, the guess, and the guess's probability.
    Classes(Vec<(usize, usize, f64)>),
    /// Of each number, of each sample, the true and the predicted one.
    Numbers(Vec<Vec<(f64, f64)>>),
    /// Of each label, of each sample, whether it holds and its probability.
    Labels(Vec<Vec<(bool, f64)>>),
    /// Of each place in the window the sum of -ln p; and how many windows there were.
    Language(Vec<f64>, u64),
    /// Nothing: the outputs are not what is understood here.
    Nothing,
}

/// What was found in a test.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Found {
    /// How often each class was taken for each.
    pub confusion: Option<Confusion>,
    /// What else there is by the kind of answers.
    pub findings: Option<Findings>,
    /// Single answers.
    pub predictions: Option<Predictions>,
}

impl Found {
    /// Writes the files that a report is made of into the folder of a run.
    ///
    /// # Errors
    /// If one cannot be written.
    pub fn write(&self, run: &RunFolder) -> Result<()> {
        self.confusion.iter().try_for_each(|confusion| confusion.write(run))?;
        self.findings.iter().try_for_each(|findings| findings.write(run))?;
        self.predictions.iter().try_for_each(|predictions| predictions.write(run))
    }
}

impl<'a> Gather<'a> {
    /// Gathers answers that mean what an encoder says.
    pub fn new(encoder: &'a Encoder) -> Self {
        let kept = match encoder.answers() {
            Answers::Classes(_) => Kept::Classes(vec![]),
            Answers::Numbers(numbers) => Kept::Numbers(vec![vec![]; numbers.len()]),
            Answers::Labels(names) => Kept::Labels(vec![vec![]; names.len()]),
            Answers::NextToken => Kept::Language(vec![], 0),
            _ => Kept::Nothing,
        };
        Self { encoder, kept }
    }

    /// Takes in the answers to a batch. A model that answers in another shape than that of its kind of
    /// answers is not told of.
    pub fn add(&mut self, output: &Tensor, target: &Tensor) {
        let width = self.encoder.outputs();
        let fits = match &self.kept {
            Kept::Classes(_) => {
                // Two classes may be told by one score.
                let fits = |own: usize| own == width || own == 1 && width == 2;
                matches!(**output.shape(), [_, own] if fits(own)) && target.rank() == 1
            }
            Kept::Numbers(_) | Kept::Labels(_) => {
                output.rank() == 2 && output.len_of(1) == width && output.shape() == target.shape()
            }
            Kept::Language(sums, _) => {
                let [shape @ .., tokens] = &**output.shape() else { return };
                let places = sums.is_empty() || target.len_of(-1) == sums.len();
                target.rank() == 2 && *shape == **target.shape() && *tokens == width && places
            }
            Kept::Nothing => false,
        };
        if !fits {
            self.kept = Kept::Nothing;
            return;
        }
        let pairs = || numbers(target).into_iter().zip(numbers(output)).enumerate();
        match &mut self.kept {
            Kept::Classes(all) => all.extend(classified(output, target)),
            Kept::Numbers(all) => {
                let Answers::Numbers(scales) = self.encoder.answers() else { return };
                for (place, (truth, guess)) in pairs() {
                    let Number { mean, deviation, .. } = scales[place % width];
                    let own = |x: f64| mean + deviation * x;
                    all[place % width].push((own(truth), own(guess)));
                }
            }
            Kept::Labels(all) => {
                for (place, (truth, score)) in pairs() {
                    all[place % width].push((truth > 0.5, 1.0 / (1.0 + (-score).exp())));
                }
            }
            Kept::Language(sums, windows) => {
                let losses = no_grad(|| {
                    let scores = output.detach().to_dtype(DType::F32).log_softmax(-1);
                    scores.gather(2, &target.unsqueeze(2)).squeeze(2)
                });
                sums.resize(target.len_of(1), 0.0);
                *windows += target.len_of(0) as u64;
                for (place, score) in numbers(&losses).into_iter().enumerate() {
                    sums[place % target.len_of(1)] -= score;
                }
            }
            Kept::Nothing => {}
        }
    }

    /// What was found in the answers to all samples of `part`. A language model also goes on with
    /// some texts of it, drawn by a seed.
    ///
    /// # Errors
    /// If a sample cannot be read.
    pub fn finish(self, part: &dyn Dataset, model: &dyn Layer, seed: u64) -> Result<Found> {
        let encoder = self.encoder;
        match (self.kept, encoder.answers()) {
            (Kept::Classes(all), Answers::Classes(names)) if !all.is_empty() => {
                classes(encoder, names, &all, part)
            }
            (Kept::Numbers(all), Answers::Numbers(asked)) => {
                let each = asked.iter().zip(&all);
                let findings =
                    each.map(|(asked, pairs)| NumberFindings::of(&asked.name, &asked.unit, pairs));
                Ok(Found {
                    findings: Some(Findings::Numbers(findings.collect())),
                    predictions: Some(measured(encoder, asked, &all, part)?),
                    ..Default::default()
                })
            }
            (Kept::Labels(all), Answers::Labels(names)) => labelled(encoder, names, &all, part),
            (Kept::Language(sums, windows), _) if windows > 0 => {
                let (places, count) = (sums.len() as f64, windows as f64);
                let language = LanguageFindings {
                    tokens: windows * sums.len() as u64,
                    loss: sums.iter().sum::<f64>() / (places * count),
                    by_place: sums.iter().map(|sum| sum / count).collect(),
                };
                // What is no number cannot be drawn by.
                let predictions = match encoder.vocabulary().filter(|_| language.loss.is_finite()) {
                    Some(vocabulary) => Some(written(vocabulary, part, model, seed)?),
                    None => None,
                };
                let findings = Some(Findings::Language(language));
                Ok(Found { findings, predictions, ..Default::default() })
            }
            _ => Ok(Found::default()),
        }
    }
}

fn numbers(x: &Tensor) -> Vec<f64> {
    x.detach().to_dtype(DType::F64).to_vec()
}

/// Of each sample of a batch the true class, the guess, and the guess's probability. Two classes may
/// be told by one score, of the second.
fn classified(output: &Tensor, target: &Tensor) -> Vec<(usize, usize, f64)> {
    let scores = output.detach().to_dtype(DType::F64);
    let both = || Tensor::cat(&[scores.zeros_like(), scores.clone()], 1);
    let scores = if output.len_of(1) == 1 { both() } else { scores };
    let probabilities = scores.softmax(-1);
    let guesses = probabilities.argmax(-1).to_vec::<i64>();
    let sure = probabilities.max(-1).to_vec::<f64>();
    let truths = target.to_dtype(DType::I64).to_vec::<i64>();
    let all = truths.into_iter().zip(guesses).zip(sure);
    all.map(|((truth, guess), sure)| (truth as usize, guess as usize, sure)).collect()
}

/// The samples that were taken for others, the most confident first, and some that were not.
fn classes(
    encoder: &Encoder,
    names: &[String],
    all: &[(usize, usize, f64)],
    part: &dyn Dataset,
) -> Result<Found> {
    let mut matrix = ConfusionMatrix::new(names.len());
    all.iter().for_each(|&(truth, guess, _)| matrix.add(truth, guess));
    let is_wrong = |index: &usize| all[*index].0 != all[*index].1;
    let mut mistakes: Vec<usize> = (0..all.len()).filter(is_wrong).collect();
    mistakes.sort_by(|&a, &b| all[b].2.total_cmp(&all[a].2));
    mistakes.truncate(MISTAKES);
    let right = (0..all.len()).filter(|index| !is_wrong(index)).take(RIGHT_ONES);
    let prediction = |index: usize| {
        let (truth, guess, sure) = all[index];
        Ok(Prediction {
            index,
            input: input(encoder, part.sample(index)?.input())?,
            truth: Some(Answer::Name(names[truth].clone())),
            guess: Answer::Name(names[guess].clone()),
            confidence: Some(sure),
            ..Default::default()
        })
    };
    let samples = mistakes.into_iter().chain(right).map(prediction).collect::<Result<_>>()?;
    Ok(Found {
        confusion: Some(Confusion { classes: names.to_vec(), counts: matrix.counts().to_vec() }),
        findings: None,
        predictions: Some(Predictions { total: all.len() as u64, samples }),
    })
}

/// Pairs of numbers from all over the test, and those that are farthest from each other with what
/// the model was given.
fn measured(
    encoder: &Encoder,
    asked: &[Number],
    all: &[Vec<(f64, f64)>],
    part: &dyn Dataset,
) -> Result<Predictions> {
    let count = all.first().map_or(0, Vec::len);
    let each = all.len().max(1);
    let every = count.div_ceil((PAIRS / each).max(1)).max(1);
    let mut samples = vec![];
    for (number, pairs) in asked.iter().zip(all) {
        // What is not finite is farthest.
        let far = |index: usize| (pairs[index].0 - pairs[index].1).abs();
        let mut order: Vec<usize> = (0..count).collect();
        order.sort_by(|&a, &b| far(b).total_cmp(&far(a)));
        order.truncate((FARTHEST / each).max(1));
        let shown = BTreeSet::from_iter(order);
        for (index, &(truth, guess)) in pairs.iter().enumerate() {
            let is_shown = shown.contains(&index);
            if !is_shown && index % every != 0 {
                continue;
            }
            samples.push(Prediction {
                index,
                input: match is_shown {
                    true => input(encoder, part.sample(index)?.input())?,
                    false => Input::Hidden,
                },
                of: number.name.clone(),
                truth: Some(Answer::Number(truth)),
                guess: Answer::Number(guess),
                confidence: None,
            });
        }
    }
    Ok(Predictions { total: count as u64, samples })
}

/// The samples of which a label was told wrongly, those first in which the model was surest of such
/// a label, and some of which none was.
fn labelled(
    encoder: &Encoder,
    names: &[String],
    all: &[Vec<(bool, f64)>],
    part: &dyn Dataset,
) -> Result<Found> {
    let count = all.first().map_or(0, Vec::len);
    // How sure it was of the wrong label that it was surest of.
    let wrongly_sure = |index: usize| {
        let wrong = all.iter().map(|own| own[index]).filter(|(holds, p)| *holds != (*p >= 0.5));
        wrong.map(|(holds, p)| if holds { 1.0 - p } else { p }).reduce(f64::max)
    };
    let sure: Vec<Option<f64>> = (0..count).map(wrongly_sure).collect();
    let mut mistakes: Vec<usize> = (0..count).filter(|&index| sure[index].is_some()).collect();
    let mistaken = mistakes.len() as u64;
    let order = |index: usize| sure[index].unwrap_or(0.0);
    mistakes.sort_by(|&a, &b| order(b).total_cmp(&order(a)));
    mistakes.truncate(MISTAKES);
    let right = (0..count).filter(|&index| sure[index].is_none()).take(RIGHT_ONES);
    let listed = |index: usize, which: fn((bool, f64)) -> bool| {
        let told = names.iter().zip(all).filter(|(_, own)| which(own[index]));
        let told: Vec<&str> = told.map(|(name, _)| name.as_str()).collect();
        Answer::Name(if told.is_empty() { "none".into() } else { told.join(", ") })
    };
    let prediction = |index: usize| {
        Ok(Prediction {
            index,
            input: input(encoder, part.sample(index)?.input())?,
            truth: Some(listed(index, |(holds, _)| holds)),
            guess: listed(index, |(_, p)| p >= 0.5),
            confidence: sure[index],
            ..Default::default()
        })
    };
    let samples = mistakes.into_iter().chain(right).map(prediction).collect::<Result<_>>()?;
    let each = names.iter().zip(all);
    let labels = each.map(|(name, own)| LabelFindings::of(name, own)).collect();
    Ok(Found {
        findings: Some(Findings::Labels { labels, mistaken }),
        predictions: Some(Predictions { total: count as u64, samples }),
        ..Default::default()
    })
}

/// Windows of a text, and how the model goes on with them.
fn written(
    vocabulary: &Vocabulary,
    part: &dyn Dataset,
    model: &dyn Layer,
    seed: u64,
) -> Result<Predictions> {
    let count = part.len().min(TEXTS);
    let windows: Vec<usize> = (0..count).map(|number| number * part.len() / count).collect();
    let prompts = part.batch(&windows)?.input().clone();
    // A model may take windows of one length only: it is given the last tokens of that many.
    let length = prompts.len_of(1);
    let mut model = Replay::new(|tokens: &Tensor| {
        let last = tokens.narrow(1, tokens.len_of(1) - length, length);
        model.forward(&last).select(1, length - 1)
    });
    let limits =
        Limits { length: if vocabulary.unit() == Unit::Word { 60 } else { 240 }, end: None };
    let options = SampleOptions { limits, temperature: TEMPERATURE, ..Default::default() };
    let continued = sample(&mut model, &prompts, options, &mut Rng::new(seed));
    let prompts = prompts.to_vec::<i64>();
    let samples = windows.iter().zip(prompts.chunks(length)).zip(continued);
    let samples = samples.map(|((&index, prompt), continued)| Prediction {
        index,
        input: Input::Text(vocabulary.decode(&tokens(prompt))),
        guess: Answer::Name(vocabulary.decode(&tokens(&continued))),
        ..Default::default()
    });
    Ok(Predictions { total: part.len() as u64, samples: samples.collect() })
}

/// Numbers of tokens as vocabularies have them.
fn tokens(numbers: &[i64]) -> Vec<u32> {
    numbers.iter().map(|&number| number as u32).collect()
}

/// What a model was given, for people.
fn input(encoder: &Encoder, x: &Tensor) -> Result<Input> {
    Ok(match encoder.input() {
        source::Input::Table { columns, .. } => {
            Input::Row(columns.decode(&x.to_dtype(DType::F32).to_vec::<f32>()))
        }
        source::Input::Text { texts, .. } => {
            Input::Text(texts.vocabulary.decode(&tokens(&x.to_dtype(DType::I64).to_vec::<i64>())))
        }
        _ => match picture(x) {
            Some(picture) => Input::Picture(encode_png(&picture)?),
            None => Input::Hidden,
        },
    })
}

/// A sample `[C, H, W]` as a picture, from its least number in black to its greatest in white.
fn picture(x: &Tensor) -> Option<Image> {
    if !matches!(x.shape()[..], [1 | 3, _, _]) || x.count() == 0 {
        return None;
    }
    let x = x.to_dtype(DType::F32);
    let (low, high) = (x.min(..), x.max(..));
    let height = (&high - &low).clamp(f64::from(f32::MIN_POSITIVE), f64::INFINITY);
    let bytes = ((x - low) / height * 255.0).round().to_dtype(DType::U8);
    Image::from_tensor(&bytes).ok()
}
