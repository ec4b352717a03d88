//! The report of a training.

use crate::trained::{Classified, Test};
use gradus_data::Dataset;
use gradus_data::image::{Image, encode_png};
use gradus_nn::{Layer, summary};
use gradus_tensor::io::atomic::write_atomically;
use gradus_tensor::{DType, Result, Tensor};
use gradus_train::recipe::Recipe;
use gradus_train::recipe::lists::data::{Answers, Source};
use gradus_train::{
    Best, Chart, Confusion, ConfusionMatrix, History, Mistake, Report, RunFolder, Series, Unit,
};
use serde_json::Value;
use std::io::Write;

/// What a report is made of, beside the model and its test.
pub struct Facts<'a> {
    /// Where it goes.
    pub run: &'a RunFolder,
    /// What the training went by.
    pub recipe: &'a Recipe,
    /// The data.
    pub data: &'a Source,
    /// What came of it.
    pub result: &'a Value,
    /// The figures of the epochs.
    pub history: &'a History,
}

/// A confusion matrix of more classes than these would not be read.
const MOST_CLASSES: usize = 40;

/// Writes `report.html`.
///
/// # Errors
/// If it cannot be written.
pub fn write(facts: &Facts<'_>, model: &dyn Layer, test: Option<&Test>) -> Result<()> {
    let config = facts.recipe.to_json();
    let mut settings = vec![];
    flatten("", &config, &mut settings);
    let classified = test.and_then(|test| test.classified.as_ref());
    let report = Report {
        title: format!("Training {}", facts.run.path().display()),
        subtitle: format!("By the recipe {}", facts.recipe.run().name),
        facts: headline(facts, model, test),
        settings,
        curves: charts(facts.history),
        confusion: classified.and_then(|classified| confusion(facts.data, classified)),
        mistakes: match (test, classified) {
            (Some(test), Some(classified)) => mistakes(facts.data, &*test.part, classified)?,
            _ => vec![],
        },
        model: summary(model, facts.data.input(1)?).to_string(),
    };
    let page = report.to_html();
    write_atomically(facts.run.file("report.html"), |file| file.write_all(page.as_bytes()))
}

/// Every setting with its path.
fn flatten(path: &str, value: &Value, settings: &mut Vec<(String, String)>) {
    let join = |name: &str| if path.is_empty() { name.into() } else { format!("{path}.{name}") };
    match value {
        Value::Object(table) => {
            table.iter().for_each(|(name, value)| flatten(&join(name), value, settings));
        }
        Value::Array(list) if list.iter().any(Value::is_object) => {
            let items = list.iter().enumerate();
            items.for_each(|(index, value)| flatten(&join(&index.to_string()), value, settings));
        }
        Value::String(text) => settings.push((path.into(), text.clone())),
        value => settings.push((path.into(), value.to_string())),
    }
}

fn headline(facts: &Facts<'_>, model: &dyn Layer, test: Option<&Test>) -> Vec<(String, String)> {
    let mebibytes = facts.result["peak_rss_bytes"].as_f64().map(|bytes| bytes / (1 << 20) as f64);
    let seconds = facts.result["wall_s"].as_f64().unwrap_or(f64::NAN);
    let figure = |test: &Test, (name, value): &(String, f64)| {
        let mut label = format!("{} {}", test.name, name.replace('_', " "));
        label[..1].make_ascii_uppercase();
        match unit(name) {
            Unit::Percent => (label, format!("{:.2} %", 100.0 * value)),
            Unit::Number => (label, format!("{value:.4}")),
        }
    };
    let mut headline = vec![];
    if let Some(test) = test {
        headline.extend(test.figures.iter().map(|named| figure(test, named)));
        headline.push(("Samples tested with".into(), test.part.len().to_string()));
    }
    let named = |name: &str, value: String| (name.to_string(), value);
    headline.extend([
        named("Parameters", model.param_count().to_string()),
        named("Time", format!("{seconds:.1} s")),
        named("Peak memory", mebibytes.map_or("unknown".into(), |size| format!("{size:.0} MiB"))),
        named("Seed", facts.recipe.run().seed.to_string()),
    ]);
    headline
}

/// Shares are shown in percent.
fn unit(figure: &str) -> Unit {
    if figure.ends_with("accuracy") { Unit::Percent } else { Unit::Number }
}

/// A chart for each figure that was recorded in training.
fn charts(history: &History) -> Vec<Chart> {
    let Some(epoch) = history.epochs().last() else {
        return vec![];
    };
    let names = epoch.figures.iter().filter_map(|(name, _)| name.strip_prefix("train_"));
    names.map(|name| chart(history, name)).collect()
}

/// The curves of a figure in training and in validation.
fn chart(history: &History, figure: &str) -> Chart {
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
    let best = if figure.ends_with("loss") { Best::Lowest } else { Best::Highest };
    let mut title = figure.replace('_', " ");
    title[..1].make_ascii_uppercase();
    let parts = vec![series("training", "train", None), series("validation", "valid", Some(best))];
    Chart {
        title,
        unit: unit(figure),
        series: parts.into_iter().filter(|series| !series.points.is_empty()).collect(),
    }
}

fn confusion(data: &Source, classified: &Classified) -> Option<Confusion> {
    let Answers::Classes(names) = &data.answers else { return None };
    let mut matrix = ConfusionMatrix::new(names.len());
    for (&truth, &guess) in classified.truths.iter().zip(&classified.guesses) {
        matrix.add(truth, guess);
    }
    let (classes, counts) = (names.clone(), matrix.counts().to_vec());
    (names.len() <= MOST_CLASSES).then_some(Confusion { classes, counts })
}

/// The pictures that were taken for others; none where samples are no pictures.
fn mistakes(data: &Source, part: &dyn Dataset, classified: &Classified) -> Result<Vec<Mistake>> {
    let Answers::Classes(names) = &data.answers else { return Ok(vec![]) };
    let mut mistakes = vec![];
    for index in classified.mistakes() {
        let Some(picture) = picture(part.sample(index)?.input()) else {
            return Ok(vec![]);
        };
        let guess = classified.guesses[index];
        mistakes.push(Mistake {
            png: encode_png(&picture)?,
            truth: names[classified.truths[index]].clone(),
            guess: names[guess].clone(),
            confidence: classified.probabilities[index][guess] as f64,
            index,
        });
    }
    Ok(mistakes)
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
