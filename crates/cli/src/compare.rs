//! `gradus compare`.

use crate::output::{say, say_json};
use crate::trained::Asked;
use clap::Args;
use gradus_tensor::{DType, Error, Result};
use gradus_train::recipe::{Answered, Recipe};
use gradus_train::{Bootstrap, Interval, settings_of};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Compare two trained models on the same held-out samples
///
/// Shows the figures of both, their differences with intervals that hold 95 % of the differences of
/// samples drawn anew (paired bootstrap), and where the recipes differ.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  gradus compare runs/digits-1 runs/digits-2")]
pub struct Compare {
    /// The folder of one training
    first: PathBuf,
    /// The folder of the other
    second: PathBuf,
    /// Test on the data of this path instead of those that the runs came with
    #[arg(long, value_name = "PATH")]
    data: Option<PathBuf>,
    /// Write a JSON object
    #[arg(long)]
    json: bool,
}

/// A figure of both, and second - first.
struct Row {
    name: String,
    first: f64,
    second: f64,
    difference: Interval,
}

impl Compare {
    /// Compares the models.
    ///
    /// # Errors
    /// If a run or the data cannot be read, or they were not tested with the same samples.
    pub fn run(self) -> Result<()> {
        let data = self.data.as_deref();
        let (mut first, mut second) = (Asked::of(self.first, data)?, Asked::of(self.second, data)?);
        check_same(&first, &second)?;
        let rows = rows(&mut first.answered, &mut second.answered)?;
        let settings = differing(&first.recipe, &second.recipe);
        match self.json {
            true => say_json(&to_json(&first, &second, &rows, &settings)),
            false => show(&first, &second, &rows, &settings),
        }
        Ok(())
    }
}

/// Refuses models that were asked different questions.
fn check_same(first: &Asked, second: &Asked) -> Result<()> {
    let wide = |side: &Asked| side.answered.targets().to_dtype(DType::F64).to_vec::<f64>();
    let shape = |side: &Asked| side.answered.targets().shape().to_vec();
    if first.part == second.part && shape(first) == shape(second) && wide(first) == wide(second) {
        return Ok(());
    }
    let told = |side: &Asked| {
        format!("{} with {} {} samples", side.path.display(), side.answered.len(), side.part)
    };
    Err(Error::Setting(format!(
        "these were not tested with the same samples, {} and {}: give both the same with --data, or \
         train them with one seed and one split",
        told(first),
        told(second)
    )))
}

/// The figures that both have.
fn rows(first: &mut Answered, second: &mut Answered) -> Result<Vec<Row>> {
    let pairs: Vec<(usize, usize)> = first
        .figures
        .iter()
        .enumerate()
        .filter_map(|(at, (name, _))| {
            Some((at, second.figures.iter().position(|(own, _)| own == name)?))
        })
        .collect();
    let (one, other) = (first.bootstrap(), second.bootstrap());
    let options = Bootstrap { resamples: one.resamples.min(other.resamples), ..one };
    let intervals = options.intervals(first.len(), |drawn| {
        let (own, others) = (first.figures_of(drawn), second.figures_of(drawn));
        pairs.iter().map(|&(at, there)| others[there] - own[at]).collect()
    })?;
    let row = |(&(at, there), interval): (&(usize, usize), Interval)| {
        let (name, own) = first.figures[at].clone();
        let other = second.figures[there].1;
        let difference = Interval { value: other - own, ..interval };
        Row { name, first: own, second: other, difference }
    };
    Ok(pairs.iter().zip(intervals).map(row).collect())
}

/// The settings in which recipes differ, with the values of both: none where one does not have it.
fn differing(first: &Recipe, second: &Recipe) -> Vec<(String, [Option<String>; 2])> {
    let mut all: BTreeMap<String, [Option<String>; 2]> = BTreeMap::new();
    for (side, recipe) in [first, second].into_iter().enumerate() {
        for (path, value) in settings_of(&recipe.to_json()) {
            all.entry(path).or_default()[side] = Some(value);
        }
    }
    all.into_iter().filter(|(_, [first, second])| first != second).collect()
}

fn to_json(
    first: &Asked,
    second: &Asked,
    rows: &[Row],
    settings: &[(String, [Option<String>; 2])],
) -> Value {
    let figures: Map<String, Value> = rows
        .iter()
        .map(|row| {
            let Row { name, first, second, difference } = row;
            let Interval { value, low, high } = difference;
            let figure = json!({
                "first": first, "second": second, "difference": value, "interval": [low, high],
            });
            (name.clone(), figure)
        })
        .collect();
    let settings: Map<String, Value> =
        settings.iter().map(|(path, values)| (path.clone(), json!(values))).collect();
    json!({
        "first": first.path,
        "second": second.path,
        "part": first.part,
        "samples": first.answered.len(),
        "figures": figures,
        "settings": settings,
    })
}

fn show(first: &Asked, second: &Asked, rows: &[Row], settings: &[(String, [Option<String>; 2])]) {
    let (count, part) = (first.answered.len(), first.part);
    say(format_args!("{count} {part} samples"));
    say(format_args!("first   {}", first.path.display()));
    say(format_args!("second  {}", second.path.display()));
    let wide = rows.iter().map(|row| row.name.len()).max().unwrap_or(0).max("figure".len());
    say(format_args!(
        "\n{:wide$}  {:>8}  {:>8}  {:>8}  95 % of differences",
        "figure", "first", "second", "more"
    ));
    for Row { name, first, second, difference: Interval { value, low, high } } in rows {
        let sure = if *low > 0.0 || *high < 0.0 { "" } else { "  may be chance" };
        let name = name.replace('_', " ");
        say(format_args!(
            "{name:wide$}  {first:8.4}  {second:8.4}  {value:+8.4}  {low:+.4} to {high:+.4}{sure}"
        ));
    }
    if settings.is_empty() {
        say("\nThe recipes are the same.");
        return;
    }
    say("\nThe recipes differ in");
    let absent = || "–".to_string();
    for (path, [first, second]) in settings {
        let (first, second) =
            (first.clone().unwrap_or_else(absent), second.clone().unwrap_or_else(absent));
        say(format_args!("  {path}: {first} → {second}"));
    }
}
