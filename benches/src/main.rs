//! Gradus and PyTorch on the same work, side by side: see the README beside this crate.

mod compare;
mod limit;
mod measure;
mod models;
mod peer;
mod table;
mod workload;

use clap::{Args, Parser, Subcommand};
use gradus::tensor::io::safetensors::{self, Contents};
use gradus::tensor::{Precision, with_precision};
use serde_json::json;
use std::path::PathBuf;
use std::process::ExitCode;
use workload::{WORKLOADS, Workload};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// Times Gradus and PyTorch on the same work, interleaved, each in its own process.
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
    /// Runs one workload of Gradus alone and prints a line of JSON.
    One {
        /// The workload.
        name: String,
        /// How long to time it.
        #[arg(long, default_value_t = 2.0)]
        seconds: f64,
        /// Prints the losses of this many steps instead of timing them.
        #[arg(long)]
        losses: Option<usize>,
        /// Writes the weights and inputs to this file first.
        #[arg(long)]
        tensors: Option<PathBuf>,
        /// What products may lose: highest, high or medium.
        #[arg(long, default_value_t)]
        precision: Precision,
    },
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
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,
    /// The Python that has PyTorch.
    #[arg(long, default_value = "python3")]
    python: PathBuf,
    /// The processors to run on.
    #[arg(long, default_value = "0,1")]
    cpus: String,
    /// Leaves out what needs a C++ compiler on the machine: PyTorch's compiled variants.
    #[arg(long)]
    no_compile: bool,
    /// Prints a line of JSON for each workload instead of the table.
    #[arg(long)]
    json: bool,
    /// Also writes the table to this file: `docs/PERFORMANCE.md`, say.
    #[arg(long)]
    write: Option<PathBuf>,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let done = match cli.command {
        None => compare::run(&cli.comparison),
        Some(Command::List) => {
            WORKLOADS.iter().for_each(|own| println!("{:16} {}", own.name, own.title));
            Ok(())
        }
        Some(Command::One { name, seconds, losses, tensors, precision }) => {
            with_precision(precision, || one(&name, seconds, losses, tensors))
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("gradus-bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn one(name: &str, seconds: f64, losses: Option<usize>, tensors: Option<PathBuf>) -> Result<()> {
    let workload = find(name)?;
    let mut task = (workload.make)();
    if let Some(path) = tensors {
        safetensors::write(path, &Contents { tensors: task.tensors(), ..Default::default() })?;
    }
    match losses {
        Some(count) => {
            let losses: Vec<f64> = (0..count).map(|_| task.step()).collect();
            println!("{}", json!({ "losses": losses }));
        }
        None => println!("{}", serde_json::to_string(&measure::measure(&mut *task, seconds))?),
    }
    Ok(())
}

fn find(name: &str) -> Result<&'static Workload> {
    let found = WORKLOADS.iter().find(|own| own.name == name);
    Ok(found
        .ok_or_else(|| format!("there is no workload {name}: 'gradus-bench list' shows them"))?)
}
