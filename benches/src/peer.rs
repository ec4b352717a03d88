//! Who takes part, each in a process of its own.

use crate::measure::{Measurement, Steps};
use crate::program::Program;
use crate::{Comparison, Result};
use gradus_kernels::{Isa, Precision};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::fmt;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Who does a workload, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// Gradus with an instruction set.
    Gradus(Isa),
    /// Gradus with products that may be rounded to `bf16`.
    Rounded(Isa),
    /// PyTorch, in one of the variants that its script knows.
    PyTorch(&'static str),
    /// A framework whose workloads are a program of their own.
    Program(Program),
}

/// What every process prints when it is asked for losses.
#[derive(Deserialize)]
struct Losses {
    losses: Vec<f64>,
}

/// How long the threads of one that has been timed are given to fall asleep.
const PAUSE: Duration = Duration::from_millis(50);

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gradus(isa) => write!(f, "Gradus {isa}"),
            Self::Rounded(isa) => write!(f, "Gradus {isa} bf16"),
            Self::PyTorch(variant) => write!(f, "PyTorch {variant}"),
            Self::Program(program) => write!(f, "{program}"),
        }
    }
}

impl Peer {
    /// PyTorch as it is.
    pub const DEFAULT: Self = Self::PyTorch("eager");
    /// PyTorch's autocast.
    pub const AUTOCAST: Self = Self::PyTorch("bf16");

    /// Starts a process that reads the weights and inputs of a workload and waits.
    pub fn start(self, on: &Comparison, workload: &str, tensors: &Path) -> Result<Serving> {
        let mut command = on.pinned();
        match self {
            Self::Gradus(_) | Self::Rounded(_) => {
                command.args([exe()?.as_str(), "serve", workload])
            }
            Self::PyTorch(_) => command.arg(&on.python).arg(script()).arg(workload),
            Self::Program(program) => command.arg(program.path(on)?).arg(workload),
        };
        self.options(&mut command, on, tensors);
        Serving::start(format!("{workload}, {self}"), command)
    }

    /// The milliseconds from the start of a process to the end of its first step.
    pub fn first_step_ms(self, on: &Comparison, workload: &str, tensors: &Path) -> Result<f64> {
        let mut command = on.pinned();
        match self {
            Self::PyTorch(_) => {
                command.arg(&on.python).args([&script()]).args([workload, "--once"])
            }
            _ => command.args([exe()?.as_str(), "steps", workload, "1"]),
        };
        self.options(&mut command, on, tensors);
        sleep(PAUSE);
        let start = Instant::now();
        let Steps { .. } = answer_of(command)?;
        Ok(start.elapsed().as_secs_f64() * 1e3)
    }

    fn options(self, command: &mut Command, on: &Comparison, tensors: &Path) {
        let threads = on.threads().to_string();
        match self {
            Self::Gradus(isa) | Self::Rounded(isa) => {
                let precision =
                    if self == Self::Gradus(isa) { Precision::Highest } else { Precision::Medium };
                command.args(["--precision", &precision.to_string()]);
                command.env("GRADUS_ISA", isa.to_string()).env("GRADUS_THREADS", threads);
            }
            Self::PyTorch(variant) => {
                command.args(["--variant", variant, "--threads", &threads]);
                command.arg("--tensors").arg(tensors);
                command.env("GOMP_CPU_AFFINITY", on.cpus.replace(',', " "));
            }
            Self::Program(_) => {
                command.arg("--tensors").arg(tensors);
                // More threads of MKL would spin for the processors that candle's own need: with as many
                // as processors it took four times as long.
                command.env("RAYON_NUM_THREADS", &threads).env("MKL_NUM_THREADS", "1");
            }
        }
    }
}

/// The output of a process as JSON.
pub fn answer_of<T: DeserializeOwned>(mut command: Command) -> Result<T> {
    let output = command.output()?;
    if !output.status.success() {
        return Err(last_line(&output.stderr).into());
    }
    let told = String::from_utf8(output.stdout)?;
    Ok(serde_json::from_str(&told).map_err(|error| format!("{error}: {told}"))?)
}

fn last_line(told: &[u8]) -> String {
    let told = String::from_utf8_lossy(told);
    told.trim().lines().last().unwrap_or("it ended without a word").to_string()
}

/// A process that answers requests: a line each way.
pub struct Serving {
    /// The workload and the peer, for complaints.
    name: String,
    process: Child,
    requests: ChildStdin,
    answers: BufReader<ChildStdout>,
    /// What the process says beside its answers. A file, so that no amount of it makes it wait.
    said: File,
}

impl Serving {
    fn start(name: String, mut command: Command) -> Result<Self> {
        let said = tempfile::tempfile()?;
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(said.try_clone()?);
        let mut process = command.spawn()?;
        let requests = process.stdin.take().ok_or("a process has no input")?;
        let answers = process.stdout.take().ok_or("a process has no output")?;
        Ok(Self { name, process, requests, answers: BufReader::new(answers), said })
    }

    /// Makes some steps, which also warm up.
    pub fn losses(&mut self, count: usize) -> Result<Vec<f64>> {
        let Losses { losses } = self.ask(format!("losses {count}"))?;
        Ok(losses)
    }

    /// Times steps for some seconds.
    pub fn measure(&mut self, seconds: f64) -> Result<Measurement> {
        sleep(PAUSE);
        self.ask(format!("time {seconds}"))
    }

    fn ask<T: DeserializeOwned>(&mut self, request: String) -> Result<T> {
        let mut answer = String::new();
        let asked = writeln!(self.requests, "{request}");
        let read = asked.and_then(|()| self.answers.read_line(&mut answer));
        if read.map_or(true, |count| count == 0) {
            let mut said = vec![];
            self.said.rewind()?;
            self.said.read_to_end(&mut said)?;
            return Err(format!("{}: {}", self.name, last_line(&said)).into());
        }
        let name = &self.name;
        Ok(serde_json::from_str(&answer)
            .map_err(|error| format!("{name}: {error}: {}", answer.trim()))?)
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// This program.
pub fn exe() -> Result<String> {
    Ok(std::env::current_exe()?.to_string_lossy().into_owned())
}

fn script() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("peers/pytorch.py")
}
