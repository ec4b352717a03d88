//! How long a step takes, and what it needs.

use crate::workload::Task;
use gradus_kernels::memory::peak_resident_bytes;
use serde::{Deserialize, Serialize};
use std::time::{Duration, Instant};

/// What one process measured; the peers' scripts print the same.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Measurement {
    /// The median time of a step, in milliseconds.
    pub step_ms: f64,
    /// The most memory that the process had, in MiB.
    pub peak_mib: f64,
}

/// Steps that are too short for the clock are timed in groups of this length.
const GROUP: Duration = Duration::from_millis(2);

/// Times steps for some seconds, after three that warm up.
pub fn measure(task: &mut dyn Task, seconds: f64) -> Measurement {
    for _ in 0..3 {
        task.step();
    }
    let start = Instant::now();
    task.step();
    let group = (GROUP.as_secs_f64() / start.elapsed().as_secs_f64()).ceil().max(1.0) as u32;
    let mut times = vec![];
    let start = Instant::now();
    while times.len() < 3 || start.elapsed().as_secs_f64() < seconds {
        let start = Instant::now();
        for _ in 0..group {
            task.step();
        }
        times.push(start.elapsed().as_secs_f64() * 1e3 / f64::from(group));
    }
    let peak_bytes = peak_resident_bytes().unwrap_or(0);
    Measurement { step_ms: median(&mut times), peak_mib: peak_bytes as f64 / (1 << 20) as f64 }
}

/// The middle of some numbers; NaN of none.
pub fn median(numbers: &mut [f64]) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers.get(numbers.len() / 2).copied().unwrap_or(f64::NAN)
}
