//! The processes that do the work: Gradus itself and PyTorch.

use crate::measure::Measurement;
use crate::{Comparison, Result};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

/// Who does a workload, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    Gradus,
    /// Gradus with products that may be rounded to `bf16`.
    Rounded,
    /// PyTorch, in one of the variants that its script knows.
    PyTorch(&'static str),
}

#[derive(Deserialize)]
struct Losses {
    losses: Vec<f64>,
}

impl Peer {
    /// What the table calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Gradus => "Gradus",
            Self::Rounded => "Gradus bf16",
            Self::PyTorch(variant) => variant,
        }
    }

    /// Times a workload on the given weights and inputs.
    pub fn measure(self, on: &Comparison, workload: &str, tensors: &Path) -> Result<Measurement> {
        let seconds = on.seconds.to_string();
        self.call(on, workload, tensors, &["--seconds", &seconds])
    }

    /// The losses of the first steps. Gradus writes the weights and inputs, the others read them.
    pub fn losses(self, on: &Comparison, workload: &str, tensors: &Path) -> Result<Vec<f64>> {
        let path = tensors.to_string_lossy();
        let mut arguments = vec!["--losses", "5"];
        if self == Self::Gradus {
            arguments.extend(["--tensors", &path]);
        }
        let Losses { losses } = self.call(on, workload, tensors, &arguments)?;
        Ok(losses)
    }

    /// The milliseconds from the start of the process to the end of its first step.
    pub fn first_step_ms(self, on: &Comparison, workload: &str, tensors: &Path) -> Result<f64> {
        let start = Instant::now();
        let Losses { .. } = self.call(on, workload, tensors, &["--losses", "1"])?;
        Ok(start.elapsed().as_secs_f64() * 1e3)
    }

    fn call<T: DeserializeOwned>(
        self,
        on: &Comparison,
        workload: &str,
        tensors: &Path,
        arguments: &[&str],
    ) -> Result<T> {
        let mut command = Command::new("taskset");
        command.args(["-c", &on.cpus]);
        let threads = on.cpus.split(',').count().to_string();
        match self {
            Self::Gradus | Self::Rounded => {
                let precision = if self == Self::Rounded { "medium" } else { "highest" };
                command.arg(std::env::current_exe()?).args(["one", workload]);
                command.args(["--precision", precision]).env("GRADUS_THREADS", &threads);
            }
            Self::PyTorch(variant) => {
                command.arg(&on.python).arg(script()).args([workload, "--variant", variant]);
                command.arg("--tensors").arg(tensors).args(["--threads", &threads]);
                command.env("GOMP_CPU_AFFINITY", on.cpus.replace(',', " "));
            }
        }
        let output = command.args(arguments).output()?;
        if !output.status.success() {
            let told = String::from_utf8_lossy(&output.stderr);
            let last = told.lines().last().unwrap_or("nothing was said");
            return Err(format!("{workload}, {}: {last}", self.name()).into());
        }
        let told = String::from_utf8(output.stdout)?;
        let line = told.lines().last().unwrap_or_default();
        Ok(serde_json::from_str(line).map_err(|error| format!("{workload}: {error}: {line}"))?)
    }
}

fn script() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("peers/pytorch.py")
}
