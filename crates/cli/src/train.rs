//! `gradus train`.

use crate::digits::{self, Answers, DigitsNet, NAME};
use crate::output::say_json;
use crate::report;
use clap::{Args, ValueEnum};
use gradus_data::augment::{Affine, AffineOptions, Augment};
use gradus_data::digits::{Digits, MEAN, STANDARD_DEVIATION};
use gradus_data::{DataLoader, Dataset, LoaderOptions, random_split};
use gradus_nn::schedule::Cosine;
use gradus_nn::{Adam, AdamOptions, Module, losses::cross_entropy};
use gradus_tensor::memory::peak_resident_bytes;
use gradus_tensor::{Error, Result, Rng};
use gradus_train::{
    Accuracy, Callback, Checkpoints, Ending, Interrupt, Journal, MetricsFile, Progress, RunFolder,
    Scheduled, Session, Trainer, read_weights, write_json,
};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

/// Train a model
///
/// Trains the introductory network (two convolutions, two fully connected layers) to read
/// handwritten digits, and leaves a folder with its weights, figures and a report.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  gradus train digits\n  gradus train digits --data mnist/ \
                        --epochs 20 --seed 7\n  gradus train digits --resume runs/digits-1")]
pub struct Train {
    /// What to train
    task: Task,
    /// Train on the IDX files of MNIST in this folder (train-images-idx3-ubyte …, plain or gzipped)
    /// instead of the 10,000 digits within the program
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Make the run's folder in this one
    #[arg(long, value_name = "DIR", default_value = "runs")]
    runs: PathBuf,
    /// How often to go through the data
    #[arg(long, value_name = "N", default_value_t = 12, value_parser = clap::value_parser!(u32).range(1..))]
    epochs: u32,
    /// How many digits to look at for a step
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..))]
    batch: u32,
    /// What the first weights and the order of the digits are drawn from
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// Go on with an earlier training that was interrupted: the one in this folder, or the newest.
    /// Its settings are kept
    #[arg(long, value_name = "RUN", num_args = 0..=1, conflicts_with_all = ["data", "epochs", "batch", "seed"])]
    resume: Option<Option<PathBuf>>,
    /// Write one JSON object a line instead of a progress bar
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Task {
    /// Handwritten digits
    Digits,
}

/// What decides how a training goes.
#[derive(Clone, Debug, PartialEq)]
struct Settings {
    data: Option<PathBuf>,
    epochs: usize,
    batch: usize,
    seed: u64,
}

/// How far the first step goes.
const LEARNING_RATE: f64 = 2e-3;

/// How far training digits are shifted at most, of their 28 pixels.
const SHIFT_PIXELS: f64 = 2.0;

/// How training digits are changed, anew in each epoch; beyond their edges is blank paper.
const CHANGES: AffineOptions = AffineOptions {
    degrees: 10.0,
    scale: 0.1,
    shift: [SHIFT_PIXELS / 28.0, SHIFT_PIXELS / 28.0],
    shear: [0.0, 0.0],
    fill: -MEAN / STANDARD_DEVIATION,
};

/// One in so many of the training digits is kept for validation.
const VALIDATION: usize = 10;

impl Settings {
    fn to_json(&self) -> Value {
        json!({
            "task": NAME,
            "data": self.data,
            "epochs": self.epochs,
            "batch": self.batch,
            "seed": self.seed,
            "learning_rate": LEARNING_RATE,
            "schedule": "cosine",
            "optimizer": "adam",
            "augmentation": format!(
                "turned by {} degrees, scaled by {} %, shifted by {} pixels at most",
                CHANGES.degrees,
                100.0 * CHANGES.scale,
                SHIFT_PIXELS
            ),
            "validation": format!("1/{VALIDATION} of the training digits"),
            "version": env!("CARGO_PKG_VERSION"),
        })
    }

    fn from_json(run: &RunFolder, config: &Value) -> Result<Self> {
        digits::check_config(run, config)?;
        let number = |name: &str| match config[name].as_u64() {
            Some(number) => Ok(number),
            None => {
                let path = run.file("config.json");
                Err(Error::format(path.display(), format_args!("{name} is not a whole number")))
            }
        };
        Ok(Self {
            data: digits::data_folder(config),
            epochs: number("epochs")? as usize,
            batch: number("batch")? as usize,
            seed: number("seed")?,
        })
    }
}

impl Train {
    /// Trains, tests and reports.
    ///
    /// # Errors
    /// If data cannot be read or the run's folder cannot be written.
    pub fn run(self) -> Result<()> {
        let start = Instant::now();
        let Task::Digits = self.task;
        let (run, settings, data) = self.open()?;
        if !self.json {
            eprintln!("{} digits to learn from, in {}", data.train.len(), run.path().display());
        }
        let trainer = train(&run, &settings, &data, self.json)?;

        let model = trainer.model();
        read_weights(run.file("best.safetensors"), model)?;
        let answers = Answers::of(model, &data.test);
        let wall_s = start.elapsed().as_secs_f64();
        let result = json!({
            "test_accuracy": answers.accuracy(),
            "test_loss": answers.loss(),
            "wall_s": (wall_s * 1000.0).round() / 1000.0,
            "peak_rss_bytes": peak_resident_bytes(),
            "run": run.path(),
        });
        write_json(run.file("result.json"), &result)?;
        let facts = report::Facts {
            run: &run,
            config: &settings.to_json(),
            result: &result,
            history: trainer.history(),
        };
        report::write(&facts, model, &data.test, &answers)?;
        if self.json {
            say_json(&result);
        } else {
            say_result(&run, &answers, wall_s);
        }
        Ok(())
    }

    /// The run's folder, what the training goes by, and the digits.
    fn open(&self) -> Result<(RunFolder, Settings, Digits)> {
        if let Some(resume) = &self.resume {
            let run = match resume {
                Some(path) => RunFolder::open(path)?,
                None => RunFolder::newest(&self.runs, NAME)?,
            };
            let settings = Settings::from_json(&run, &run.read_config()?)?;
            let data = digits::load(settings.data.as_deref())?;
            return Ok((run, settings, data));
        }
        let settings = Settings {
            data: self.data.as_deref().map(absolute).transpose()?,
            epochs: self.epochs as usize,
            batch: self.batch as usize,
            seed: self.seed,
        };
        // Data that cannot be read should not leave an empty run behind.
        let data = digits::load(settings.data.as_deref())?;
        let run = RunFolder::create(&self.runs, NAME)?;
        run.write_config(&settings.to_json())?;
        Ok((run, settings, data))
    }
}

/// A path that still leads to the same folder when the run is resumed from elsewhere.
fn absolute(path: &Path) -> Result<PathBuf> {
    path.canonicalize().map_err(|error| Error::io(path, error))
}

/// Trains a network, from where the run was left if it was.
fn train(
    run: &RunFolder,
    settings: &Settings,
    data: &Digits,
    json: bool,
) -> Result<Trainer<DigitsNet>> {
    let Settings { epochs, batch, seed, .. } = *settings;
    let valid_len = data.train.len() / VALIDATION;
    let mut parts =
        random_split(data.train.clone(), &[data.train.len() - valid_len, valid_len], seed)
            .into_iter();
    let (Some(train), Some(valid)) = (parts.next(), parts.next()) else {
        unreachable!("the digits were split in two");
    };
    let loader = |part: Arc<dyn Dataset>, shuffle| {
        let options =
            LoaderOptions { batch_size: batch, shuffle, workers: 1, ..Default::default() };
        DataLoader::new(part, options)
    };
    let train = Augment::with(train, seed, Affine::new(CHANGES)?);
    let (train, valid) = (loader(Arc::new(train), Some(seed)), loader(Arc::new(valid), None));

    let mut rng = Rng::new(seed);
    let model = DigitsNet::new(&mut rng);
    let options = AdamOptions { learning_rate: LEARNING_RATE, ..Default::default() };
    let optimizer = Adam::new(model.params(), options);
    let steps = (epochs * train.len()) as u64;
    let mut trainer = Trainer::new(model, cross_entropy, optimizer)
        .metric(Accuracy::default())
        .callback(Scheduled(Cosine { start: LEARNING_RATE, end: 0.0, steps }))
        .checkpoints(Checkpoints::new(run.path(), "valid_loss"))
        .interrupt(Interrupt::on_signals()?)
        .epochs(epochs)
        .callback(MetricsFile::new(run.file("metrics.jsonl")))
        .callback(Journal::new(run.path()));
    trainer = match json {
        true => trainer.callback(JsonLines),
        false => trainer.callback(Progress::default()),
    };
    if let Some(warning) = trainer.resume()?.and_then(|resumed| resumed.warning) {
        eprintln!("warning: {warning}");
    }
    if trainer.fit(&train, &valid)? == Ending::Interrupted {
        say_how_to_go_on(run);
    }
    Ok(trainer)
}

/// Ends the program after it was interrupted, with the exit code that shells know for that.
fn say_how_to_go_on(run: &RunFolder) -> ! {
    let path = run.path().display();
    eprintln!("interrupted and saved: go on with gradus train digits --resume {path}");
    std::process::exit(130);
}

/// Writes each epoch's figures as a JSON line.
struct JsonLines;

impl Callback for JsonLines {
    fn on_epoch_end(&mut self, session: &mut Session<'_>) -> Result<()> {
        session.history.epochs().last().iter().for_each(|epoch| say_json(&epoch.to_json()));
        Ok(())
    }
}

fn say_result(run: &RunFolder, answers: &Answers, wall_s: f64) {
    let count = answers.truths.len();
    let wrong = answers.mistakes().count();
    let path = run.path().display();
    crate::output::say(format_args!(
        "test accuracy {:.2} % ({wrong} of {count} digits wrong), loss {:.4}, after {wall_s:.1} s\n\
         report: {path}/report.html\n\
         try it: gradus predict {path} IMAGE.png",
        100.0 * answers.accuracy(),
        answers.loss(),
    ));
}
