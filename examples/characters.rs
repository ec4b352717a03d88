//! Three networks that learn to write, character by character: an LSTM, a GRU and a Transformer.
//!
//! `cargo run --release --example characters -- lstm shakespeare.txt --valid other.txt`
//!
//! Any text in UTF-8 will do, plain or gzipped. Without `--valid`, the last tenth of the text is
//! kept for validation. The perplexity is exp of the mean cross-entropy of a character: among how
//! many characters, all equally likely, the network is as unsure.

use clap::{Parser, ValueEnum};
use gradus::data::text::{self, Characters, Windows};
use gradus::models::{LanguageModel, LanguageModelOptions, Reader};
use gradus::nn::decode::{Limits, Replay, SampleOptions, sample};
use gradus::nn::schedule::{Cosine, Schedule};
use gradus::prelude::*;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

/// Trains a network to write.
#[derive(Parser)]
struct Options {
    /// The network.
    network: Network,
    /// The text to learn from.
    text: PathBuf,
    /// The text to validate with.
    #[arg(long)]
    valid: Option<PathBuf>,
    /// How many steps to make.
    #[arg(long, default_value_t = 1000)]
    steps: usize,
    /// How many windows of text a step sees.
    #[arg(long, default_value_t = 32)]
    batch: usize,
    /// How many characters a window has.
    #[arg(long, default_value_t = 64)]
    window: usize,
    /// Where random numbers start.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// How many characters to write at the end.
    #[arg(long, default_value_t = 300)]
    write: usize,
}

#[derive(Clone, Copy, ValueEnum)]
enum Network {
    /// A recurrent network of two layers with 128 LSTM cells.
    Lstm,
    /// A recurrent network of two layers with 128 GRU cells.
    Gru,
    /// A Transformer of two layers with 128 features and 4 heads.
    Transformer,
}

const LEARNING_RATE: f64 = 3e-3;

impl Network {
    fn reader(self) -> Reader {
        match self {
            Self::Lstm => Reader::Lstm,
            Self::Gru => Reader::Gru,
            Self::Transformer => Reader::Transformer,
        }
    }
}

/// The mean cross-entropy of all characters of a batch.
fn loss(writer: &LanguageModel, input: &Tensor, target: &Tensor) -> Tensor {
    cross_entropy(&writer.forward(input).flatten(0, 1), &target.flatten(0, 1))
}

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("characters: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<()> {
    let mut train = text::read(&options.text)?;
    let valid = match &options.valid {
        Some(path) => text::read(path)?,
        None => {
            let start = train.char_indices().nth(train.chars().count() * 9 / 10);
            train.split_off(start.map_or(0, |(place, _)| place))
        }
    };
    let characters = Characters::of(&(train.clone() + &valid));
    let windows = |text: &str| -> Result<Windows> {
        Ok(Windows::new(characters.encode(text)?, options.window))
    };
    let loader_options = LoaderOptions {
        batch_size: options.batch,
        shuffle: Some(options.seed),
        drop_last: true,
        ..Default::default()
    };
    let loader = DataLoader::new(windows(&train)?, loader_options);
    let rng = &mut Rng::new(options.seed);
    let settings = LanguageModelOptions {
        reader: options.network.reader(),
        vocabulary: characters.len(),
        length: options.window,
        ..Default::default()
    };
    let writer = LanguageModel::new(settings, rng)?;
    println!("{} characters, {} parameters", characters.len(), writer.param_count());

    learn(&writer, &loader, options)?;
    let perplexity = validate(&writer, windows(&valid)?, options.batch)?;
    println!("validation perplexity {perplexity:.4}");
    println!("{}", characters.decode(&write(&writer, options, rng)));
    Ok(())
}

fn learn(writer: &LanguageModel, loader: &DataLoader, options: &Options) -> Result<()> {
    if loader.is_empty() {
        let needed = options.batch * options.window + 1;
        let message = format!("the text is too short: a step needs {needed} characters");
        return Err(gradus::Error::Mismatch(message));
    }
    let settings = AdamOptions { learning_rate: LEARNING_RATE, ..Default::default() };
    let mut optimizer = Adam::new(writer.params(), settings);
    let schedule = Cosine { start: LEARNING_RATE, end: 0.0, steps: options.steps as u64 };
    let batches = (0..).flat_map(|epoch| loader.epoch(epoch)).take(options.steps);
    let (start, mut sum) = (Instant::now(), 0.0);
    for (step, batch) in batches.enumerate() {
        let batch = batch?;
        let loss = loss(writer, batch.input(), batch.target());
        optimizer.set_learning_rate(schedule.learning_rate(step as u64));
        optimizer.step(&loss.backward());
        sum += loss.item::<f32>();
        if (step + 1) % 100 == 0 {
            let step_ms = start.elapsed().as_secs_f64() * 1e3 / (step + 1) as f64;
            println!("step {:5}  loss {:.4}  {step_ms:.1} ms a step", step + 1, sum / 100.0);
            sum = 0.0;
        }
    }
    Ok(())
}

fn validate(writer: &LanguageModel, windows: Windows, batch_size: usize) -> Result<f64> {
    writer.eval();
    let loader = DataLoader::new(windows, LoaderOptions { batch_size, ..Default::default() });
    let (mut sum, mut count) = (0.0, 0);
    for batch in loader.epoch(0) {
        let batch = batch?;
        let loss = no_grad(|| loss(writer, batch.input(), batch.target()));
        sum += f64::from(loss.item::<f32>()) * batch.len() as f64;
        count += batch.len();
    }
    Ok((sum / f64::from(count as u32)).exp())
}

/// Writes on from the first character, each drawn from what the network thinks comes next.
fn write(writer: &LanguageModel, options: &Options, rng: &mut Rng) -> Vec<i64> {
    let mut model = Replay::new(|tokens: &Tensor| {
        let seen = tokens.len_of(1).min(options.window);
        let window = tokens.narrow(1, tokens.len_of(1) - seen, seen);
        writer.forward(&window).select(1, seen - 1)
    });
    let limits = Limits { length: options.write, end: None };
    let first = Tensor::from_vec(vec![0i64], [1, 1]);
    sample(&mut model, &first, SampleOptions { limits, ..Default::default() }, rng).concat()
}
