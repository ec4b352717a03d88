//! What was found in a test, and the report of it.

use crate::trained::{Classified, Test};
use gradus_data::Dataset;
use gradus_data::image::{Image, encode_png};
use gradus_data::source::Answers;
use gradus_nn::{Layer, summary};
use gradus_tensor::io::atomic::write_atomically;
use gradus_tensor::{DType, Result, Tensor};
use gradus_train::recipe::Recipe;
use gradus_train::recipe::lists::data::Data;
use gradus_train::{
    Answer, Confusion, ConfusionMatrix, Input, Prediction, Predictions, Report, RunFolder,
};
use std::io::Write;

/// How many answers are kept: of mistakes, and beside them of right ones.
const MISTAKES: usize = 500;
const RIGHT_ONES: usize = 24;

/// Writes what was found in the test, the table of the model's layers, and `report.html`.
///
/// # Errors
/// If a file cannot be written or a sample cannot be read.
pub fn write(
    run: &RunFolder,
    recipe: &Recipe,
    data: &Data,
    model: &dyn Layer,
    test: Option<&Test>,
) -> Result<()> {
    let classified = test.and_then(|test| Some((test, test.classified.as_ref()?)));
    if let (Some((test, classified)), Answers::Classes(names)) = (classified, data.answers()) {
        confusion(names, classified).write(run)?;
        predictions(names, &*test.part, classified)?.write(run)?;
    }
    let layers = summary(model, data.input(1));
    write_atomically(run.file("model.txt"), |file| writeln!(file, "{layers}"))?;
    let subtitle = format!("By the recipe {}", recipe.run().name);
    Report { subtitle, ..Report::of_run(run)? }.write(run)
}

fn confusion(names: &[String], classified: &Classified) -> Confusion {
    let mut matrix = ConfusionMatrix::new(names.len());
    for (&truth, &guess) in classified.truths.iter().zip(&classified.guesses) {
        matrix.add(truth, guess);
    }
    Confusion { classes: names.to_vec(), counts: matrix.counts().to_vec() }
}

/// The samples that were taken for others, the most confident first, and some that were not.
fn predictions(
    names: &[String],
    part: &dyn Dataset,
    classified: &Classified,
) -> Result<Predictions> {
    let Classified { probabilities, guesses, truths } = classified;
    let confidence = |index: usize| probabilities[index][guesses[index]];
    let mut mistakes: Vec<usize> = classified.mistakes().collect();
    mistakes.sort_by(|&a, &b| confidence(b).total_cmp(&confidence(a)));
    mistakes.truncate(MISTAKES);
    let right = (0..truths.len()).filter(|&index| guesses[index] == truths[index]);
    let prediction = |index: usize| {
        Ok(Prediction {
            index,
            input: match picture(part.sample(index)?.input()) {
                Some(picture) => Input::Picture(encode_png(&picture)?),
                None => Input::Hidden,
            },
            truth: Some(Answer::Name(names[truths[index]].clone())),
            guess: Answer::Name(names[guesses[index]].clone()),
            confidence: Some(confidence(index).into()),
        })
    };
    let kept = mistakes.into_iter().chain(right.take(RIGHT_ONES));
    let samples = kept.map(prediction).collect::<Result<_>>()?;
    Ok(Predictions { total: truths.len() as u64, samples })
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
