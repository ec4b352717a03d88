//! Evidence that steady training takes nothing from the system: what a process asks it for does not
//! grow with the number of steps.

use crate::line::Line;
use crate::measure::Steps;
use crate::peer::{answer_of, exe};
use crate::{Comparison, Result};
use std::io::ErrorKind;
use std::path::Path;
use std::process::Command;

/// The trainings that are looked at, of those that were compared.
const TRAININGS: [&str; 6] =
    ["W2.train", "W3.train", "W4c.train", "W5.lstm", "W6.train", "W7.train"];

/// How many steps are made: some, and many more.
pub const STEPS: [usize; 2] = [10, 40];

/// What whole processes asked the system for, from start to end, at each number of steps.
pub struct Evidence {
    pub name: &'static str,
    /// Page faults, as `perf` counts them; none without `perf`.
    pub faults: [Option<u64>; 2],
    /// Calls that map or unmap memory, as `strace` counts them; none without `strace`.
    pub calls: [Option<u64>; 2],
    /// How often the memory pool asked for more.
    pub pool: [Option<usize>; 2],
}

/// Looks at the trainings.
pub fn gather(on: &Comparison, lines: &[Line]) -> Result<Vec<Evidence>> {
    let compared = |name: &&str| lines.iter().any(|line| line.workload.name == *name);
    TRAININGS.into_iter().filter(compared).map(|name| look_at(on, name)).collect()
}

fn look_at(on: &Comparison, name: &'static str) -> Result<Evidence> {
    eprintln!("{name}: what it takes from the system");
    let folder = tempfile::tempdir()?;
    let report = &folder.path().join("report");
    let mut evidence = Evidence { name, faults: [None; 2], calls: [None; 2], pool: [None; 2] };
    for (index, count) in STEPS.into_iter().enumerate() {
        let count = count.to_string();
        let mut plain = on.pinned();
        let program = exe()?;
        let run = [program.as_str(), "steps", name, &count];
        plain.args(run);
        let Steps { system_calls, .. } = answer_of(plain)?;
        evidence.pool[index] = system_calls;

        let mut perf = Command::new("perf");
        perf.args(["stat", "-x", ",", "-e", "page-faults", "-o"]).arg(report);
        evidence.faults[index] = counted(on, perf, &run, report, |line| {
            line.contains("page-faults").then(|| line.split(',').next()).flatten()
        })?;
        let mut strace = Command::new("strace");
        strace.args(["-f", "--seccomp-bpf", "-c", "-e", "trace=%memory", "-o"]).arg(report);
        evidence.calls[index] = counted(on, strace, &run, report, |line| {
            line.ends_with(" total").then(|| line.split_whitespace().nth(3)).flatten()
        })?;
    }
    Ok(evidence)
}

/// Runs a program that watches another, and finds a number in the report that it writes; none if
/// there is no such program.
fn counted(
    on: &Comparison,
    mut watcher: Command,
    run: &[&str],
    report: &Path,
    find: fn(&str) -> Option<&str>,
) -> Result<Option<u64>> {
    watcher
        .args(["taskset", "-c", &on.cpus])
        .args(run)
        .env("GRADUS_THREADS", on.threads().to_string());
    let output = match watcher.output() {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        output => output?,
    };
    if !output.status.success() {
        let told = String::from_utf8_lossy(&output.stderr);
        return Err(format!("{watcher:?}: {}", told.trim()).into());
    }
    let report = std::fs::read_to_string(report)?;
    let found = report.lines().find_map(find).and_then(|number| number.parse().ok());
    Ok(Some(found.ok_or_else(|| format!("{watcher:?} reported no number: {report}"))?))
}
