//! How long something takes.

use std::time::{Duration, Instant};

/// The median time of at least five runs and a quarter of a second.
pub fn median(mut body: impl FnMut()) -> Duration {
    body();
    let start = Instant::now();
    let mut times = vec![];
    while times.len() < 5 || start.elapsed() < Duration::from_millis(250) {
        let start = Instant::now();
        body();
        times.push(start.elapsed());
    }
    times.sort();
    times[times.len() / 2]
}
