//! How long a step takes, and what it needs.

use crate::Result;
use crate::workload::Task;
use gradus_kernels::memory::{peak_resident_bytes, usage};
use serde::{Deserialize, Serialize};
use std::time::{Duration, Instant};

/// What one process measured; the peers print the same.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub struct Measurement {
    /// The median time of a step, in milliseconds.
    pub step_ms: f64,
    /// The most memory that the process had so far, in MiB.
    pub peak_mib: f64,
    /// Page faults of a step, on average over those that were timed.
    pub faults: f64,
}

/// What a process did for some steps from its start on.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Steps {
    /// The loss of each step.
    pub losses: Vec<f64>,
    /// How often the memory pool asked the system for memory.
    #[serde(default)]
    pub system_calls: Option<usize>,
}

/// Steps that are too short for the clock are timed in groups of this length.
const GROUP: Duration = Duration::from_millis(2);

/// Makes some steps.
pub fn steps(task: &mut dyn Task, count: usize) -> Steps {
    let losses = (0..count).map(|_| task.step()).collect();
    Steps { losses, system_calls: Some(usage().system_calls) }
}

/// Times steps for some seconds, two at least, after one that warms up and tells how long they are.
///
/// # Errors
/// If the system does not tell of page faults.
pub fn measure(task: &mut dyn Task, seconds: f64) -> Result<Measurement> {
    let start = Instant::now();
    task.step();
    let group = (GROUP.as_secs_f64() / start.elapsed().as_secs_f64()).ceil().max(1.0) as u32;
    let mut times = vec![];
    let before = page_faults()?;
    let start = Instant::now();
    while times.len() < 2 || start.elapsed().as_secs_f64() < seconds {
        let start = Instant::now();
        for _ in 0..group {
            task.step();
        }
        times.push(start.elapsed().as_secs_f64() * 1e3 / f64::from(group));
    }
    let steps = times.len() as f64 * f64::from(group);
    let faults = (page_faults()? - before) as f64 / steps;
    let peak_bytes = peak_resident_bytes().ok_or("the system does not tell the peak of memory")?;
    let peak_mib = peak_bytes as f64 / (1 << 20) as f64;
    Ok(Measurement { step_ms: median(&mut times), peak_mib, faults })
}

/// How many page faults this process has had, of all its threads, with a read from a disk or without.
fn page_faults() -> Result<u64> {
    let told = std::fs::read_to_string("/proc/self/stat")?;
    // The name of the program, in brackets, may itself have spaces and brackets in it.
    let (_, numbers) = told.rsplit_once(") ").ok_or("/proc/self/stat has no name in it")?;
    let numbers: Vec<&str> = numbers.split(' ').collect();
    let [minor, major] = [7, 9].map(|index| numbers.get(index).and_then(|text| text.parse().ok()));
    let faults = minor.zip(major).map(|(minor, major): (u64, u64)| minor + major);
    Ok(faults.ok_or("/proc/self/stat has no page faults in it")?)
}

/// The middle of some numbers; NaN of none.
pub fn median(numbers: &mut [f64]) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers.get(numbers.len() / 2).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fresh_memory_faults() {
        let before = page_faults().unwrap();
        let pages = vec![1u8; 64 << 20];
        let after = page_faults().unwrap();
        assert!(after > before, "{} bytes, {before} faults before and {after} after", pages.len());
    }

    #[test]
    fn the_median_is_the_middle() {
        assert_eq!(median(&mut [3.0, 1.0, 2.0]), 2.0);
        assert!(median(&mut []).is_nan());
    }
}
