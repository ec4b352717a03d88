//! Gradus and its peers on the same work, side by side: see the README beside this crate.

mod compare;
mod evidence;
mod limit;
mod line;
mod machine;
mod markdown;
mod measure;
mod models;
mod page;
mod peer;
mod program;
mod split;
mod workload;
mod workloads;

use clap::{Args, Parser, Subcommand};
use gradus::tensor::io::safetensors::{self, Contents};
use gradus::tensor::{Precision, with_precision};
use gradus_kernels::Isa;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::ExitCode;
use workload::{Task, Workload};
use workloads::WORKLOADS;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// Times Gradus and its peers on the same work, interleaved, each in its own process.
#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    comparison: Comparison,
}

#[derive(Subcommand)]
enum Command {
    /// Lists the workloads.
    List,
    /// Times one workload of Gradus alone and prints a line of JSON.
    One {
        #[command(flatten)]
        alone: Alone,
        /// How long to time it.
        #[arg(long, default_value_t = 2.0)]
        seconds: f64,
    },
    /// Makes some steps of one workload of Gradus and prints their losses.
    Steps {
        #[command(flatten)]
        alone: Alone,
        /// How many.
        count: usize,
    },
    /// Does one workload of Gradus as it is asked to, a line each way: 'losses COUNT', 'time SECONDS'.
    Serve {
        #[command(flatten)]
        alone: Alone,
    },
    /// Writes the weights and inputs of a workload to a file of safetensors.
    Tensors {
        /// The workload.
        name: String,
        /// The file.
        file: PathBuf,
    },
    /// Measures what products of f32 lose that are made of products of bf16.
    Split {
        /// Renews split.md and its images in this folder: `docs`, say.
        #[arg(long)]
        write: Option<PathBuf>,
    },
}

/// One workload of Gradus.
#[derive(Args)]
struct Alone {
    /// The workload.
    name: String,
    /// What products may lose: highest, high or medium.
    #[arg(long, default_value_t)]
    precision: Precision,
}

/// What to compare, and how.
#[derive(Args)]
pub struct Comparison {
    /// The workloads whose names begin so; all, if none is given.
    names: Vec<String>,
    /// How often each is timed.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// How long each time.
    #[arg(long, default_value_t = 1.0)]
    seconds: f64,
    /// The Python that has PyTorch.
    #[arg(long, default_value = "python3")]
    python: PathBuf,
    /// The program built from `peers/candle`: candle takes part.
    #[arg(long)]
    candle: Option<PathBuf>,
    /// The program built from `peers/burn`: burn takes part.
    #[arg(long)]
    burn: Option<PathBuf>,
    /// The processors to run on.
    #[arg(long, default_value = "0,1")]
    cpus: String,
    /// Times Gradus with these instruction sets too: avx512,avx2 say.
    #[arg(long, value_delimiter = ',')]
    isa: Vec<Isa>,
    /// Leaves out what needs a C++ compiler on the machine: PyTorch's compiled variants.
    #[arg(long)]
    no_compile: bool,
    /// Prints a line of JSON for each workload instead of the page.
    #[arg(long)]
    json: bool,
    /// Also writes the page to this file: `docs/PERFORMANCE.md`, say.
    #[arg(long)]
    write: Option<PathBuf>,
}

impl Comparison {
    /// As many threads as processors.
    fn threads(&self) -> usize {
        self.cpus.split(',').count()
    }

    /// The start of a command that runs on the processors alone.
    fn pinned(&self) -> std::process::Command {
        let mut command = std::process::Command::new("taskset");
        command.args(["-c", &self.cpus]);
        command
    }
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let done = match cli.command {
        None => compare::run(&cli.comparison),
        Some(Command::List) => {
            WORKLOADS.iter().for_each(|own| println!("{:20} {}", own.name, own.title));
            Ok(())
        }
        Some(Command::One { alone, seconds }) => alone.with(|task| {
            measure::steps(task, 3);
            println!("{}", json!(measure::measure(task, seconds)?));
            Ok(())
        }),
        Some(Command::Steps { alone, count }) => alone.with(|task| {
            println!("{}", json!(measure::steps(task, count)));
            Ok(())
        }),
        Some(Command::Serve { alone }) => alone.with(serve),
        Some(Command::Tensors { name, file }) => find(&name).and_then(|workload| {
            let tensors = (workload.make)().tensors();
            Ok(safetensors::write(file, &Contents { tensors, ..Default::default() })?)
        }),
        Some(Command::Split { write }) => split::run(write.as_deref()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("gradus-bench: {error}");
            ExitCode::FAILURE
        }
    }
}

impl Alone {
    /// Makes the workload ready and works on it.
    fn with(&self, work: impl FnOnce(&mut dyn Task) -> Result<()>) -> Result<()> {
        let workload = find(&self.name)?;
        with_precision(self.precision, || work(&mut *(workload.make)()))
    }
}

/// Answers requests until there are no more.
fn serve(task: &mut dyn Task) -> Result<()> {
    for request in std::io::stdin().lines() {
        let request = request?;
        let answer: Value = match request.split_once(' ') {
            Some(("losses", count)) => json!(measure::steps(task, count.parse()?)),
            Some(("time", seconds)) => json!(measure::measure(task, seconds.parse()?)?),
            _ => return Err(format!("'{request}' is neither 'losses N' nor 'time S'").into()),
        };
        println!("{answer}");
    }
    Ok(())
}

fn find(name: &str) -> Result<&'static Workload> {
    let found = WORKLOADS.iter().find(|own| own.name == name);
    Ok(found
        .ok_or_else(|| format!("there is no workload {name}: 'gradus-bench list' shows them"))?)
}
