//! The report of a training on digits.

use crate::digits::{Answers, DigitsNet};
use gradus_data::digits::{CLASSES, DigitSet};
use gradus_data::image::encode_png;
use gradus_nn::{Module, summary};
use gradus_tensor::Result;
use gradus_tensor::io::atomic::write_atomically;
use gradus_train::{
    Best, Chart, Confusion, ConfusionMatrix, History, Mistake, Report, RunFolder, Series, Unit,
};
use serde_json::Value;
use std::io::Write;

/// What a report is made of, beside the model and its answers.
pub struct Facts<'a> {
    /// Where it goes.
    pub run: &'a RunFolder,
    /// The settings.
    pub config: &'a Value,
    /// The figures of the test.
    pub result: &'a Value,
    /// The figures of the epochs.
    pub history: &'a History,
}

/// Writes `report.html`.
///
/// # Errors
/// If it cannot be written.
pub fn write(
    facts: &Facts<'_>,
    model: &DigitsNet,
    test: &DigitSet,
    answers: &Answers,
) -> Result<()> {
    let config = facts.config.as_object().into_iter().flatten();
    let report = Report {
        title: format!("Training {}", facts.run.path().display()),
        subtitle: "A network that reads handwritten digits".into(),
        facts: headline(facts, model, answers),
        settings: config.map(|(name, value)| (name.clone(), text(name, value))).collect(),
        curves: vec![
            chart(facts.history, "Loss", "loss", Unit::Number, Best::Lowest),
            chart(facts.history, "Accuracy", "accuracy", Unit::Percent, Best::Highest),
        ],
        confusion: Some(confusion(answers)),
        mistakes: mistakes(test, answers)?,
        model: summary(model, [1, 1, 28, 28]).to_string(),
    };
    let page = report.to_html();
    write_atomically(facts.run.file("report.html"), |file| file.write_all(page.as_bytes()))
}

/// A setting as people write it.
fn text(name: &str, value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null if name == "data" => "the digits within the program".into(),
        value => value.to_string(),
    }
}

fn headline(facts: &Facts<'_>, model: &DigitsNet, answers: &Answers) -> Vec<(String, String)> {
    let mebibytes = facts.result["peak_rss_bytes"].as_f64().map(|bytes| bytes / (1 << 20) as f64);
    let seconds = facts.result["wall_s"].as_f64().unwrap_or(f64::NAN);
    let named = |name: &str, value: String| (name.to_string(), value);
    vec![
        named("Test accuracy", format!("{:.2} %", 100.0 * answers.accuracy())),
        named("Test loss", format!("{:.4}", answers.loss())),
        named("Test digits", answers.truths.len().to_string()),
        named("Parameters", model.param_count().to_string()),
        named("Time", format!("{seconds:.1} s")),
        named("Peak memory", mebibytes.map_or("unknown".into(), |size| format!("{size:.0} MiB"))),
        named("Seed", facts.config["seed"].to_string()),
    ]
}

/// The curves of a figure in training and in validation.
fn chart(history: &History, title: &str, figure: &str, unit: Unit, best: Best) -> Chart {
    let series = |name: &str, prefix: &str, best| Series {
        name: name.into(),
        points: history
            .epochs()
            .iter()
            .filter_map(|epoch| {
                Some((epoch.number as f64, epoch.get(&format!("{prefix}_{figure}"))?))
            })
            .collect(),
        best,
    };
    Chart {
        title: title.into(),
        unit,
        series: vec![series("training", "train", None), series("validation", "valid", Some(best))],
    }
}

fn confusion(answers: &Answers) -> Confusion {
    let mut matrix = ConfusionMatrix::new(CLASSES);
    for (&truth, &guess) in answers.truths.iter().zip(&answers.guesses) {
        matrix.add(truth, guess);
    }
    Confusion {
        classes: (0..CLASSES).map(|digit| digit.to_string()).collect(),
        counts: matrix.counts().to_vec(),
    }
}

/// The digits that were taken for others.
fn mistakes(test: &DigitSet, answers: &Answers) -> Result<Vec<Mistake>> {
    let mistake = |index: usize| {
        let guess = answers.guesses[index];
        Ok(Mistake {
            png: encode_png(&test.picture(index))?,
            truth: answers.truths[index].to_string(),
            guess: guess.to_string(),
            confidence: answers.probabilities[index][guess] as f64,
            index,
        })
    };
    answers.mistakes().map(mistake).collect()
}
