//! What the machine and the software on it are.

use crate::{Comparison, Result};
use std::process::Command;

/// Today.
pub fn date() -> Result<String> {
    told(Command::new("date").arg("+%Y-%m-%d"))
}

/// The version of PyTorch, and what it says to multiply matrices with.
pub fn pytorch(on: &Comparison) -> Result<String> {
    let program = "import torch; c = torch.__config__.show(); print(torch.__version__, \
                   next((l.strip(' -') for l in c.splitlines() if 'Math Kernel' in l), ''), sep=', ')";
    told(Command::new(&on.python).args(["-c", program]))
}

/// How this program was called, from the repository.
pub fn command() -> String {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    format!("cargo run --release -p gradus-bench -- {}", arguments.join(" ")).trim_end().to_string()
}

/// The processor and the memory, in one line.
pub fn described() -> String {
    let processors = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let of = |key: &str| {
        let line = processors.lines().find(|line| line.starts_with(key));
        let value = line.and_then(|line| line.split(':').nth(1));
        value.map_or("unknown".to_string(), |value| value.trim().to_string())
    };
    let tiles = if of("flags").contains("amx_bf16") { "AMX" } else { "no AMX" };
    let memory = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let kibibytes = memory.split_whitespace().nth(1).and_then(|number| number.parse::<f64>().ok());
    let gibibytes =
        kibibytes.map_or("unknown".to_string(), |kib| format!("{:.1}", kib / 1048576.0));
    let (name, family, model) = (of("model name"), of("cpu family"), of("model\t"));
    format!("{name} (family {family}, model {model}), {tiles}; {gibibytes} GiB")
}

fn told(command: &mut Command) -> Result<String> {
    let output = command.output().map_err(|error| format!("{command:?}: {error}"))?;
    if !output.status.success() {
        return Err(format!("{command:?}: {}", String::from_utf8_lossy(&output.stderr)).into());
    }
    Ok(String::from_utf8(output.stdout)?.trim().to_string())
}
