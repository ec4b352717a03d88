//! `gradus train --folds`: cross-validation.

use crate::output::{say, say_json};
use crate::train::{Way, complete, settle, write_settings};
use crate::trained;
use crate::watch::Watch;
use gradus_tensor::{Error, Result};
use gradus_train::recipe::lists::data::Data;
use gradus_train::recipe::{Draft, Recipe};
use gradus_train::{CrossValidation, RunFolder, is_share, write_json};
use serde_json::{Map, Value, json};
use std::path::Path;
use std::time::Instant;

/// In how many folds the training of a folder is cut, if it is a cross-validation.
///
/// # Errors
/// If its settings cannot be read.
pub fn of(run: &RunFolder) -> Result<Option<u64>> {
    Ok(run.read_config()?["folds"].as_u64())
}

/// Trains a model for each fold by a recipe, in a new folder. It is made when all that the first fold
/// needs is there.
///
/// # Errors
/// If a fold cannot be trained, or the folder cannot be written.
pub fn begin(runs: &Path, draft: Draft, folds: u64, watch: &Watch) -> Result<()> {
    let start = Instant::now();
    let first = recipe_of(draft.clone(), 1, folds)?;
    let recipe = draft.check()?;
    let mut made = None;
    let place = |data: &Data| {
        let run = RunFolder::create(runs, &recipe.run().name)?;
        write_settings(&run, &recipe, Map::from_iter([("folds".to_string(), json!(folds))]))?;
        let own = RunFolder::create_at(run.file("fold-1"))?;
        settle(&own, &first, data)?;
        say_fold(1, folds, watch);
        made = Some(run);
        Ok(own)
    };
    complete(&first, place, &Way { watch, is_fold: true })?;
    made.map_or(Ok(()), |run| all(&run, folds, watch, start))
}

/// The recipe of a fold.
fn recipe_of(mut draft: Draft, fold: u64, folds: u64) -> Result<Recipe> {
    draft.set(&format!("data.split.folds={folds}"))?;
    draft.set(&format!("data.split.fold={fold}"))?;
    draft.check()
}

/// Goes on with a cross-validation.
///
/// # Errors
/// If a fold cannot be trained.
pub fn resume(run: &RunFolder, folds: u64, watch: &Watch) -> Result<()> {
    all(run, folds, watch, Instant::now())
}

/// Trains a model for each fold that is not done, each in a folder of its own, and tells their
/// figures.
fn all(run: &RunFolder, folds: u64, watch: &Watch, start: Instant) -> Result<()> {
    let mut all = CrossValidation { folds: vec![] };
    for fold in 1..=folds {
        let own = RunFolder::create_at(run.file(&format!("fold-{fold}")))?;
        if figures(&own)?.is_none() {
            say_fold(fold, folds, watch);
            let recipe = recipe_of(trained::recipe(run)?, fold, folds)?;
            train_fold(&own, &recipe, &Way { watch, is_fold: true })?;
        }
        let Some(figures) = figures(&own)? else {
            let path = run.path().display();
            eprintln!("fold {fold} is paused: go on with gradus train --resume {path}");
            return Ok(());
        };
        all.folds.push(figures);
    }
    let result = result(run, &all, start.elapsed().as_secs_f64());
    write_json(run.file("result.json"), &result)?;
    match watch.json {
        true => say_json(&result),
        false => say_figures(run, &all),
    }
    Ok(())
}

fn say_fold(fold: u64, folds: u64, watch: &Watch) {
    match watch.json {
        true => say_json(&json!({ "fold": fold, "folds": folds })),
        false => eprintln!("fold {fold} of {folds}"),
    }
}

/// Trains the model of a fold, from where it was left if it was.
fn train_fold(own: &RunFolder, recipe: &Recipe, way: &Way<'_>) -> Result<()> {
    let begun = own.file("config.json").is_file();
    let place = |data: &Data| {
        if !begun {
            settle(own, recipe, data)?;
        }
        Ok(own.clone())
    };
    complete(recipe, place, way)
}

/// The figures of a fold, if it is done.
fn figures(fold: &RunFolder) -> Result<Option<Vec<(String, f64)>>> {
    let result = match fold.read_json("result.json")? {
        None => return Ok(None),
        Some(Value::Object(result)) => result,
        Some(_) => {
            let path = fold.file("result.json");
            return Err(Error::format(path.display(), "is damaged: it holds no object"));
        }
    };
    if result.contains_key("paused") {
        return Ok(None);
    }
    let figures = result.into_iter().filter(|(name, _)| is_figure(name));
    Ok(Some(figures.filter_map(|(name, value)| Some((name, value.as_f64()?))).collect()))
}

fn is_figure(name: &str) -> bool {
    name.starts_with("valid_") || name.starts_with("test_")
}

/// The names of the figures, in their order.
fn names(all: &CrossValidation) -> Vec<&str> {
    all.folds.first().into_iter().flatten().map(|(name, _)| name.as_str()).collect()
}

/// The mean of each figure and its deviation between folds, and what they are in each.
fn result(run: &RunFolder, all: &CrossValidation, wall_s: f64) -> Value {
    let mut result = Map::new();
    for name in names(all) {
        result.insert(name.into(), json!(all.mean(name)));
        result.insert(format!("{name}_deviation"), json!(all.std(name)));
        result.insert(format!("{name}_of_folds"), json!(all.figures(name)));
    }
    result.insert("folds".into(), json!(all.folds.len()));
    result.insert("wall_s".into(), json!((wall_s * 1000.0).round() / 1000.0));
    result.insert("run".into(), json!(run.path()));
    Value::Object(result)
}

fn say_figures(run: &RunFolder, all: &CrossValidation) {
    for name in names(all) {
        let (label, mean, deviation) = (name.replace('_', " "), all.mean(name), all.std(name));
        match is_share(name) {
            true => say(format_args!("{label} {:.2} % ± {:.2}", 100.0 * mean, 100.0 * deviation)),
            false => say(format_args!("{label} {mean:.4} ± {deviation:.4}")),
        }
    }
    let (count, path) = (all.folds.len(), run.path().display());
    say(format_args!("mean ± standard deviation of {count} folds; each is in {path}/fold-…"));
}
