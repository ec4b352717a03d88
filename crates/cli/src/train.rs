//! `gradus train`.

use crate::output::{say, say_json};
use crate::report;
use crate::trained::{self, Test, absolute};
use crate::watch::Watch;
use crate::{recipes, trained::test};
use clap::Args;
use gradus_nn::{Layer, Module};
use gradus_tensor::Result;
use gradus_tensor::io::atomic::write_atomically;
use gradus_tensor::memory::peak_resident_bytes;
use gradus_train::recipe::lists::data::Data;
use gradus_train::recipe::{Job, Recipe};
use gradus_train::{
    Checkpoints, Ending, Interrupt, MetricsFile, RunFolder, Trainer, read_weights, write_json,
};
use serde_json::{Map, Value, json};
use std::io::Write;
use std::path::PathBuf;
use std::time::Instant;

/// Train a model by a recipe
///
/// A recipe is a file that names the data, the model and all else that decides how a training goes.
/// The training leaves a folder with its weights, figures and a report.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  gradus train digits\n  gradus train recipe.toml --set \
                        optimizer.learning_rate=0.01\n  gradus train digits --data mnist/ --epochs \
                        20 --seed 7\n  gradus train --resume runs/digits-1")]
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
    /// Go on with an earlier training that was interrupted: the one in this folder, or the newest of
    /// the recipe. Its settings are kept
    #[arg(long, value_name = "RUN", num_args = 0..=1, conflicts_with_all = ["data", "epochs", "batch", "seed", "set"])]
    resume: Option<Option<PathBuf>>,
    #[command(flatten)]
    watch: Watch,
}

/// A training that is about to begin or to go on.
struct Ready {
    run: RunFolder,
    recipe: Recipe,
    data: Data,
    job: Job,
}

impl Train {
    /// Trains, tests and reports.
    ///
    /// # Errors
    /// If the recipe cannot be, data cannot be read, or the run's folder cannot be written.
    pub fn run(self) -> Result<()> {
        let start = Instant::now();
        let ready = self.open()?;
        if !self.watch.json {
            let (count, path) = (ready.data.train.len(), ready.run.path().display());
            eprintln!("{count} samples to learn from, in {path}");
        }
        let trainer = fit(&ready.run, &ready.recipe, ready.job, &self.watch)?;

        let Ready { run, recipe, data, .. } = ready;
        let model = trainer.model();
        read_weights(run.file("best.safetensors"), model)?;
        let test = test(&recipe, &data, model)?;
        let wall_s = start.elapsed().as_secs_f64();
        let skipped = trainer.skipped();
        let mut result = result(&run, model.param_count(), test.as_ref(), wall_s);
        if skipped.count > 0 {
            result["skipped"] = json!(skipped.count);
            result["skipped_because"] = json!(skipped.complaints);
        }
        write_json(run.file("result.json"), &result)?;
        report::write(&run, &recipe, &data, model, test.as_ref())?;
        match self.watch.json {
            true => say_json(&result),
            false => {
                if skipped.count > 0 {
                    say(&skipped);
                }
                say_result(&run, test.as_ref(), wall_s);
            }
        }
        Ok(())
    }

    /// Makes all that the training needs. A new run's folder comes last: what cannot be trained
    /// should not leave an empty one behind.
    fn open(&self) -> Result<Ready> {
        let resumed = self.resume.as_ref().map(|resume| self.earlier(resume)).transpose()?;
        let recipe = match &resumed {
            Some(run) => trained::recipe(run)?.check()?,
            None => self.recipe()?,
        };
        let data = recipe.data()?;
        let job = recipe.job(&data, recipe.model(&data)?)?;
        let run = match resumed {
            Some(run) => run,
            None => create(&self.runs, &recipe, &data)?,
        };
        Ok(Ready { run, recipe, data, job })
    }

    /// The run to go on with.
    fn earlier(&self, resume: &Option<PathBuf>) -> Result<RunFolder> {
        match resume {
            Some(path) => RunFolder::open(path),
            None => RunFolder::newest(&self.runs, &self.recipe()?.run().name),
        }
    }

    /// The recipe with the values that the options give.
    fn recipe(&self) -> Result<Recipe> {
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
        draft.check()
    }
}

/// A new run's folder, with the recipe as it was resolved.
fn create(runs: &PathBuf, recipe: &Recipe, data: &Data) -> Result<RunFolder> {
    let run = RunFolder::create(runs, &recipe.run().name)?;
    let text = recipe.to_toml();
    write_atomically(run.file("recipe.toml"), |file| file.write_all(text.as_bytes()))?;
    data.encoder.write(run.file("encoder.json"))?;
    let config = json!({
        "task": recipe.run().name,
        "recipe": recipe.to_json(),
        "version": env!("CARGO_PKG_VERSION"),
    });
    run.write_config(&config)?;
    Ok(run)
}

/// Trains, from where the run was left if it was.
fn fit(
    run: &RunFolder,
    recipe: &Recipe,
    job: Job,
    watch: &Watch,
) -> Result<Trainer<Box<dyn Layer>>> {
    let Job { trainer, train, valid } = job;
    let interrupt = Interrupt::on_signals()?;
    let trainer = trainer
        .checkpoints(Checkpoints::with_options(run.path(), recipe.checkpoints())?)
        .interrupt(interrupt.clone())
        .callback(MetricsFile::new(run.file("metrics.jsonl")));
    let mut trainer = watch.over(trainer, run, &interrupt, &recipe.to_json())?;
    if let Some(warning) = trainer.resume()?.and_then(|resumed| resumed.warning) {
        eprintln!("warning: {warning}");
    }
    match trainer.fit(&train, valid.as_ref())? {
        Ending::Interrupted => say_how_to_go_on(run),
        Ending::Finished => {}
        Ending::Stopped(reason) | Ending::Paused(reason) => eprintln!("stopped: {reason}"),
    }
    Ok(trainer)
}

/// Ends the program after it was interrupted, with the exit code that shells know for that.
fn say_how_to_go_on(run: &RunFolder) -> ! {
    let path = run.path().display();
    eprintln!("interrupted and saved: go on with gradus train --resume {path}");
    std::process::exit(130);
}

/// What came of a training.
fn result(run: &RunFolder, parameters: usize, test: Option<&Test>, wall_s: f64) -> Value {
    let mut result = Map::new();
    for (name, figure) in test.iter().flat_map(|test| &test.figures) {
        let prefix = test.map_or("", |test| test.name);
        result.insert(format!("{prefix}_{name}"), json!(figure));
    }
    result.insert("wall_s".into(), json!((wall_s * 1000.0).round() / 1000.0));
    result.insert("peak_rss_bytes".into(), json!(peak_resident_bytes()));
    result.insert("parameters".into(), json!(parameters));
    result.insert("run".into(), json!(run.path()));
    Value::Object(result)
}

fn say_result(run: &RunFolder, test: Option<&Test>, wall_s: f64) {
    let path = run.path().display();
    if let Some(test) = test {
        say(format_args!("{}, after {wall_s:.1} s", test.sentence()));
    }
    say(format_args!("report: {path}/report.html\ntry it: gradus predict {path} FILE"));
}
