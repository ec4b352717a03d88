//! `gradus train`.

use crate::output::{say, say_json};
use crate::report::{Test, test};
use crate::trained::{self, absolute};
use crate::watch::Watch;
use crate::{folds, recipes, report};
use clap::Args;
use gradus_nn::Layer;
use gradus_tensor::Result;
use gradus_tensor::io::atomic::write_atomically;
use gradus_tensor::memory::peak_resident_bytes;
use gradus_train::recipe::lists::data::Data;
use gradus_train::recipe::{Draft, Job, Recipe};
use gradus_train::{
    Checkpoints, Ending, Interrupt, MetricsFile, RunFolder, Skipped, Trainer, read_weights,
    write_json,
};
use serde_json::{Map, Value, json};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Train a model by a recipe
///
/// A recipe is a file that names the data, the model and all else that decides how a training goes.
/// The training leaves a folder with its weights, figures and a report.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  gradus train digits\n  gradus train recipe.toml --set \
                        optimizer.learning_rate=0.01\n  gradus train digits --data mnist/ --epochs \
                        20 --seed 7\n  gradus train recipe.toml --folds 5\n  gradus train --resume runs/digits-1")]
pub struct Train {
    /// The recipe: a file, or the name of a built-in one (see gradus recipes)
    #[arg(value_parser = recipes::known, required_unless_present = "resume")]
    recipe: Option<String>,
    /// Change a value of the recipe; may be given several times
    #[arg(long, value_name = "PATH=VALUE")]
    set: Vec<String>,
    /// Where the data are, short for --set data.path=PATH
    #[arg(long, value_name = "PATH")]
    data: Option<PathBuf>,
    /// Make the run's folder in this one
    #[arg(long, value_name = "DIR", default_value = "runs")]
    runs: PathBuf,
    /// How often to go through the data, short for --set run.epochs=N
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    epochs: Option<u32>,
    /// How many samples to look at for a step, short for --set run.batch=N
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    batch: Option<u32>,
    /// What first weights and the order of samples are drawn from, short for --set run.seed=N
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Cross-validate: cut the data into N parts and train N models, each without another part, which
    /// it is validated with
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(2..=1000))]
    folds: Option<u64>,
    /// Go on with an earlier training that was interrupted: the one in this folder, or the newest of
    /// the recipe. Its settings are kept
    #[arg(long, value_name = "RUN", num_args = 0..=1, conflicts_with_all = ["data", "epochs", "batch", "seed", "set", "folds"])]
    resume: Option<Option<PathBuf>>,
    #[command(flatten)]
    watch: Watch,
}

/// Who watches a training, and of what it is a part.
pub struct Way<'a> {
    /// How it is watched.
    pub watch: &'a Watch,
    /// True for a fold: its run is within that of the cross-validation.
    pub is_fold: bool,
}

impl Train {
    /// Trains, tests and reports.
    ///
    /// # Errors
    /// If the recipe cannot be, data cannot be read, or the run's folder cannot be written.
    pub fn run(self) -> Result<()> {
        let way = Way { watch: &self.watch, is_fold: false };
        if let Some(resume) = &self.resume {
            let run = self.earlier(resume)?;
            if let Some(folds) = folds::of(&run)? {
                return folds::resume(&run, folds, &self.watch);
            }
            let recipe = trained::recipe(&run)?.check()?;
            return complete(&recipe, |_| Ok(run), &way);
        }
        let draft = self.draft()?;
        if let Some(folds) = self.folds {
            return folds::begin(&self.runs, draft, folds, &self.watch);
        }
        let recipe = draft.check()?;
        let create = |data: &Data| {
            let run = RunFolder::create(&self.runs, &recipe.run().name)?;
            settle(&run, &recipe, data)?;
            Ok(run)
        };
        complete(&recipe, create, &way)
    }

    /// The run to go on with.
    fn earlier(&self, resume: &Option<PathBuf>) -> Result<RunFolder> {
        match resume {
            Some(path) => RunFolder::open(path),
            None => RunFolder::newest(&self.runs, &self.draft()?.check()?.run().name),
        }
    }

    /// The recipe with the values that the options give.
    fn draft(&self) -> Result<Draft> {
        let name = self.recipe.as_deref().unwrap_or_default();
        let mut draft = recipes::draft(name)?;
        if let Some(path) = &self.data {
            draft.set(&format!("data.path={:?}", absolute(path)?))?;
        }
        let numbers = [
            ("run.epochs", self.epochs.map(u64::from)),
            ("run.batch", self.batch.map(u64::from)),
            ("run.seed", self.seed),
        ];
        for (path, number) in numbers {
            if let Some(number) = number {
                draft.set(&format!("{path}={number}"))?;
            }
        }
        self.set.iter().try_for_each(|assignment| draft.set(assignment))?;
        Ok(draft)
    }
}

/// Trains, tests and reports, in a folder that is made when all that the training needs is there: what
/// cannot be trained should not leave an empty one behind.
///
/// # Errors
/// If data cannot be read, something cannot be made of the recipe, or the folder cannot be written.
pub fn complete(
    recipe: &Recipe,
    place: impl FnOnce(&Data) -> Result<RunFolder>,
    way: &Way<'_>,
) -> Result<()> {
    let start = Instant::now();
    let data = recipe.data()?;
    let job = recipe.job(&data, recipe.model(&data)?)?;
    // What cannot be made is to be known before there is a folder for it.
    recipe.callbacks("")?;
    let run = place(&data)?;
    if !way.watch.json {
        let (count, path) = (data.train.len(), run.path().display());
        eprintln!("{count} samples to learn from, in {path}");
    }
    let (trainer, ending) = fit(&run, recipe, job, way)?;

    let model = trainer.model();
    read_weights(run.file("best.safetensors"), model)?;
    let test = test(recipe, &data, model)?;
    let wall_s = start.elapsed().as_secs_f64();
    let skipped = trainer.skipped();
    let mut result = result(&run, model, test.as_ref(), &skipped, wall_s);
    if let (true, Some(valid), Some("test")) =
        (way.is_fold, &data.valid, test.as_ref().map(|test| test.name))
    {
        // What a fold is for is the part that it holds out.
        for (name, figure) in recipe.evaluate(&data, model, valid, |_, _| {})? {
            result.insert(format!("valid_{name}"), json!(figure));
        }
    }
    if let Ending::Paused(reason) = ending {
        result.insert("paused".into(), json!(reason));
    }
    let result = Value::Object(result);
    write_json(run.file("result.json"), &result)?;
    let sentence = test.as_ref().map(Test::sentence);
    report::write(&run, recipe, &data, model, test)?;
    match way.watch.json {
        true => say_json(&result),
        false => say_result(&run, sentence, &skipped, wall_s),
    }
    Ok(())
}

/// Writes what a run needs to be gone on with into its new folder.
///
/// # Errors
/// If it cannot be written.
pub fn settle(run: &RunFolder, recipe: &Recipe, data: &Data) -> Result<()> {
    data.encoder.write(run.file("encoder.json"))?;
    write_settings(run, recipe, Map::new())
}

/// Writes the recipe as it was resolved, and the settings, with some more.
///
/// # Errors
/// If they cannot be written.
pub fn write_settings(run: &RunFolder, recipe: &Recipe, more: Map<String, Value>) -> Result<()> {
    let text = recipe.to_toml();
    write_atomically(run.file("recipe.toml"), |file| file.write_all(text.as_bytes()))?;
    let mut config = more;
    config.insert("task".into(), json!(recipe.run().name));
    config.insert("recipe".into(), recipe.to_json());
    config.insert("version".into(), json!(env!("CARGO_PKG_VERSION")));
    // Written last: a folder without it was never begun.
    run.write_config(&Value::Object(config))
}

/// Trains, from where the run was left if it was.
fn fit(
    run: &RunFolder,
    recipe: &Recipe,
    job: Job,
    way: &Way<'_>,
) -> Result<(Trainer<Box<dyn Layer>>, Ending)> {
    let Job { trainer, train, valid } = job;
    let interrupt = Interrupt::on_signals()?;
    let trainer = trainer
        .callbacks(recipe.callbacks(run.path())?)
        .checkpoints(Checkpoints::with_options(run.path(), recipe.checkpoints())?)
        .interrupt(interrupt.clone())
        .callback(MetricsFile::new(run.file("metrics.jsonl")));
    let mut trainer = way.watch.over(trainer, run, &interrupt, recipe)?;
    if let Some(warning) = trainer.resume()?.and_then(|resumed| resumed.warning) {
        eprintln!("warning: {warning}");
    }
    let ending = trainer.fit(&train, valid.as_ref())?;
    match &ending {
        Ending::Interrupted => {
            let whole = run.path().parent().filter(|_| way.is_fold);
            say_how_to_go_on(whole.unwrap_or(run.path()))
        }
        Ending::Finished => {}
        Ending::Stopped(reason) => eprintln!("stopped: {reason}"),
        Ending::Paused(reason) => eprintln!("paused: {reason}"),
    }
    Ok((trainer, ending))
}

/// Ends the program after it was interrupted, with the exit code that shells know for that.
fn say_how_to_go_on(run: &Path) -> ! {
    let path = run.display();
    eprintln!("interrupted and saved: go on with gradus train --resume {path}");
    std::process::exit(130);
}

/// What came of a training.
fn result(
    run: &RunFolder,
    model: &dyn Layer,
    test: Option<&Test<'_>>,
    skipped: &Skipped,
    wall_s: f64,
) -> Map<String, Value> {
    let mut result = Map::new();
    for (name, figure) in test.iter().flat_map(|test| &test.figures) {
        let prefix = test.map_or("", |test| test.name);
        result.insert(format!("{prefix}_{name}"), json!(figure));
    }
    if skipped.count > 0 {
        result.insert("skipped".into(), json!(skipped.count));
        result.insert("skipped_because".into(), json!(skipped.complaints));
    }
    result.insert("wall_s".into(), json!((wall_s * 1000.0).round() / 1000.0));
    result.insert("peak_rss_bytes".into(), json!(peak_resident_bytes()));
    result.insert("parameters".into(), json!(model.param_count()));
    result.insert("run".into(), json!(run.path()));
    result
}

fn say_result(run: &RunFolder, test: Option<String>, skipped: &Skipped, wall_s: f64) {
    let path = run.path().display();
    if skipped.count > 0 {
        say(skipped);
    }
    if let Some(test) = test {
        say(format_args!("{test}, after {wall_s:.1} s"));
    }
    say(format_args!("report: {path}/report.html\ntry it: gradus predict {path} FILE"));
}
