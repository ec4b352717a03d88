//! The report of a run by the files in its folder.

use super::{Best, Chart, Confusion, Report, Series, Unit};
use crate::file::in_file;
use crate::findings::{Findings, Predictions};
use crate::history::{Epoch, History};
use crate::run::RunFolder;
use crate::shares::is_share;
use gradus_nn::grouped;
use gradus_tensor::Result;
use gradus_tensor::io::atomic::write_atomically;
use serde_json::Value;
use std::io::Write;

impl Report {
    /// The report of a run, by what its folder holds: `config.json`, `metrics.jsonl`,
    /// `result.json`, `confusion.json`, `findings.json`, `predictions.json`, and `model.txt`, the table
    /// of its layers. What is not there is not in the report.
    ///
    /// # Errors
    /// If a file cannot be read or is damaged.
    pub fn of_run(run: &RunFolder) -> Result<Self> {
        let config = run.read_config()?;
        let result = run.read_json("result.json")?.unwrap_or_default();
        let history = history(run)?;
        let predictions = Predictions::read(run)?;
        let findings = Findings::read(run)?;
        // A recipe says all there is to say.
        let recipe = config.get("recipe").filter(|recipe| recipe.is_object());
        let name_of_recipe = recipe.and_then(|recipe| recipe["run"]["name"].as_str());
        let settings = settings_of(recipe.unwrap_or(&config));
        let mut facts = tested(&result, findings.as_ref());
        facts.extend(trained(&config, &result, &history, predictions.as_ref()));
        let name = run.path().file_name().map(|name| name.to_string_lossy().into_owned());
        Ok(Self {
            title: name.unwrap_or_else(|| run.path().display().to_string()),
            subtitle: name_of_recipe
                .map(|name| format!("By the recipe {name}"))
                .unwrap_or_default(),
            facts,
            settings,
            curves: curves(&history),
            confusion: Confusion::read(run)?,
            findings,
            predictions,
            model: run.read_text("model.txt")?.unwrap_or_default(),
        })
    }

    /// Writes the page to `report.html` in the folder of a run, whole or not at all.
    ///
    /// # Errors
    /// If the file cannot be written.
    ///
    /// # Panics
    /// As [`Report::to_html`].
    #[track_caller]
    pub fn write(&self, run: &RunFolder) -> Result<()> {
        let page = self.to_html();
        write_atomically(run.file("report.html"), |file| file.write_all(page.as_bytes()))
    }
}

fn history(run: &RunFolder) -> Result<History> {
    let text = run.read_text("metrics.jsonl")?.unwrap_or_default();
    in_file(&run.file("metrics.jsonl"), History::from_json_lines(&text))
}

/// Settings within settings as one list, by names with dots.
pub fn settings_of(config: &Value) -> Vec<(String, String)> {
    let mut settings = vec![];
    flatten("", config, &mut settings);
    settings
}

fn flatten(path: &str, value: &Value, settings: &mut Vec<(String, String)>) {
    let join = |name: &str| if path.is_empty() { name.into() } else { format!("{path}.{name}") };
    match value {
        Value::Object(object) => {
            object.iter().for_each(|(name, value)| flatten(&join(name), value, settings));
        }
        Value::Array(list) if list.iter().any(Value::is_object) => {
            let items = list.iter().enumerate();
            items.for_each(|(index, value)| flatten(&join(&index.to_string()), value, settings));
        }
        Value::Null => {}
        Value::String(text) => settings.push((path.into(), text.clone())),
        value => settings.push((path.into(), value.to_string())),
    }
}

fn unit(figure: &str) -> Unit {
    if is_share(figure) { Unit::Percent } else { Unit::Number }
}

/// Which value of a figure is good; none if that is not known of it.
fn best(figure: &str) -> Option<Best> {
    const ERRORS: [&str; 9] =
        ["loss", "error", "mae", "mse", "rmse", "perplexity", "wer", "cer", "ece"];
    match figure {
        _ if is_share(figure) || ["r2", "bleu", "rouge"].contains(&figure) => Some(Best::Highest),
        _ if figure.split('_').any(|word| ERRORS.contains(&word)) => Some(Best::Lowest),
        _ => None,
    }
}

/// A name for people: `learning_rate` is "Learning rate".
fn heading(figure: &str) -> String {
    let words = figure.replace('_', " ");
    let mut letters = words.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

/// A chart for each figure, with training and validation in one.
fn curves(history: &History) -> Vec<Chart> {
    let mut figures: Vec<&str> = vec![];
    for (name, _) in history.epochs().iter().flat_map(|epoch| &epoch.figures) {
        let figure = match name.split_once('_') {
            Some(("train" | "valid", figure)) => figure,
            _ => name,
        };
        if !figures.contains(&figure) {
            figures.push(figure);
        }
    }
    figures.into_iter().map(|figure| chart(history, figure)).collect()
}

fn chart(history: &History, figure: &str) -> Chart {
    let points = |name: &str| -> Vec<(f64, f64)> {
        let point = |epoch: &Epoch| Some((epoch.number as f64, epoch.get(name)?));
        history.epochs().iter().filter_map(point).collect()
    };
    let train = points(&format!("train_{figure}"));
    let valid = points(&format!("valid_{figure}"));
    // The best is that of validation, where there is one.
    let best_of_train = best(figure).filter(|_| valid.is_empty());
    let series = [
        ("training", train, best_of_train),
        ("validation", valid, best(figure)),
        ("value", points(figure), None),
    ];
    let series = series.into_iter().filter(|(_, points, _)| !points.is_empty());
    Chart {
        title: heading(figure),
        unit: unit(figure),
        series: series
            .map(|(name, points, best)| Series { name: name.into(), points, best })
            .collect(),
    }
}

/// The headline figures of the test.
fn tested(result: &Value, findings: Option<&Findings>) -> Vec<(String, String)> {
    let mut facts = vec![];
    for (name, value) in result.as_object().into_iter().flatten() {
        let (whose, figure) = match name.split_once('_') {
            Some(("test", figure)) => ("Test", figure),
            Some(("valid", figure)) => ("Validation", figure),
            _ => continue,
        };
        if let Some(value) = value.as_f64() {
            // What was found of a single number tells these with its unit.
            let told = matches!(findings, Some(Findings::Numbers(numbers)) if numbers.len() == 1);
            if !(told && ["mae", "rmse", "r2"].contains(&figure)) {
                let label = format!("{whose} {}", figure.replace('_', " "));
                facts.push((label, unit(figure).written(value)));
            }
        }
    }
    let mut fact = |name: &str, value: f64, unit: &str| {
        let space = if unit.is_empty() { "" } else { "\u{A0}" };
        let value = Unit::Number.written(value);
        facts.push((name.to_string(), format!("{value}{space}{unit}")));
    };
    match findings {
        Some(Findings::Numbers(numbers)) => {
            // Of several, no one speaks for all.
            if let [number] = &numbers[..] {
                fact("Mean absolute error", number.mae, &number.unit);
                fact("Root mean square error", number.rmse, &number.unit);
                fact("R²", number.r2, "");
            }
        }
        Some(Findings::Language(language)) => fact("Perplexity", language.perplexity(), ""),
        Some(Findings::Labels { .. }) | None => {}
    }
    facts
}

/// The headline figures of the training.
fn trained(
    config: &Value,
    result: &Value,
    history: &History,
    predictions: Option<&Predictions>,
) -> Vec<(String, String)> {
    let mut facts = vec![];
    let mut fact = |name: &str, value: Option<String>| {
        facts.extend(value.map(|value| (name.to_string(), value)));
    };
    fact("Test samples", predictions.map(|predictions| grouped(predictions.total)));
    fact("Epochs", (!history.is_empty()).then(|| grouped(history.len() as u64)));
    fact("Parameters", result["parameters"].as_u64().map(grouped));
    fact("Time", result["wall_s"].as_f64().map(|seconds| format!("{seconds:.1} s")));
    let mebibytes = result["peak_rss_bytes"].as_f64().map(|bytes| bytes / (1 << 20) as f64);
    fact("Peak memory", mebibytes.map(|size| format!("{size:.0} MiB")));
    let seeds = [&config["seed"], &config["recipe"]["run"]["seed"]];
    let seed = seeds.into_iter().find(|seed| seed.is_number());
    fact("Seed", seed.map(Value::to_string));
    facts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::findings::{Answer, NumberFindings, Prediction};
    use serde_json::json;
    use std::fs;

    #[test]
    fn a_report_is_made_of_whatever_files_there_are() {
        let folder = tempfile::tempdir().unwrap();
        let run = RunFolder::create(folder.path(), "houses").unwrap();
        assert!(Report::of_run(&run).is_err(), "a run has settings at least");
        run.write_config(
            &json!({ "seed": 7, "model": { "width": 3, "kind": "mlp" }, "none": null }),
        )
        .unwrap();
        let bare = Report::of_run(&run).unwrap();
        let pair = |name: &str, value: &str| (name.to_string(), value.to_string());
        assert_eq!(bare.title, "houses-1");
        assert_eq!(
            bare.settings,
            [pair("seed", "7"), pair("model.width", "3"), pair("model.kind", "mlp")]
        );
        assert!(bare.curves.is_empty() && bare.confusion.is_none() && bare.predictions.is_none());

        let line = |epoch: usize| {
            format!(
                "{{\"epoch\":{epoch},\"train_rmse\":{0},\"valid_rmse\":{0},\"valid_f1\":0.5,\
                 \"learning_rate\":0.1,\"seconds\":1.0}}\n",
                1.0 / epoch as f64
            )
        };
        fs::write(run.file("metrics.jsonl"), line(1) + &line(2)).unwrap();
        fs::write(
            run.file("result.json"),
            "{\"test_rmse\": 0.25, \"test_f1\": 0.5, \"wall_s\": 2}",
        )
        .unwrap();
        fs::write(run.file("model.txt"), "a table").unwrap();
        let number = |index| Prediction {
            index,
            truth: Some(Answer::Number(index as f64)),
            guess: Answer::Number(1.0),
            ..Default::default()
        };
        let predictions = Predictions { total: 40, samples: (0..4).map(number).collect() };
        predictions.write(&run).unwrap();
        let report = Report::of_run(&run).unwrap();
        let titles: Vec<&str> = report.curves.iter().map(|chart| &chart.title[..]).collect();
        assert_eq!(titles, ["Rmse", "F1", "Learning rate"]);
        assert_eq!(report.curves[0].series.len(), 2);
        assert_eq!(report.curves[0].series[1].best, Some(Best::Lowest));
        assert_eq!((report.curves[1].unit, report.curves[1].series.len()), (Unit::Percent, 1));
        assert_eq!(
            report.facts,
            [
                pair("Test rmse", "0.2500"),
                pair("Test f1", "50.00\u{A0}%"),
                pair("Test samples", "40"),
                pair("Epochs", "2"),
                pair("Time", "2.0 s"),
                pair("Seed", "7"),
            ]
        );
        report.write(&run).unwrap();
        let page = fs::read_to_string(run.file("report.html")).unwrap();
        assert!(page.contains("id=\"values\"") && page.contains("a table"), "{page}");
        assert!(page.contains("4 of 40 are shown. Of these: mean absolute error 1.000"), "{page}");

        // What was found of a number has its unit, and takes the place of the metric.
        let found = NumberFindings::of("price", "€", &[(1.0, 3.0), (2.0, 2.0)]);
        Findings::Numbers(vec![found]).write(&run).unwrap();
        let facts = Report::of_run(&run).unwrap().facts;
        let wanted = [
            pair("Test f1", "50.00\u{A0}%"),
            pair("Mean absolute error", "1.000\u{A0}€"),
            pair("Root mean square error", "1.414\u{A0}€"),
            pair("R²", "−7.000"),
        ];
        assert_eq!(facts[..4], wanted);

        for (file, text) in [("metrics.jsonl", "{\"epoch\":"), ("result.json", "{")] {
            fs::write(run.file(file), text).unwrap();
            assert!(Report::of_run(&run).unwrap_err().to_string().contains(file));
            fs::remove_file(run.file(file)).unwrap();
        }
    }
}
