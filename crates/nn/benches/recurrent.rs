//! How long a step of training takes for recurrent layers, forward and back: the median and the
//! shortest of several runs, and the arithmetic that is in `GFLOP/s`.
//!
//! `cargo bench -p gradus-nn --bench recurrent`; compare with `recurrent.py` beside this file, run
//! at the same time of day on the same cores.

use gradus_nn::{Gru, GruOptions, Lstm, LstmOptions, Module, Recurrent, Rnn, RnnOptions};
use gradus_tensor::{Rng, Tensor, no_grad};
use std::hint::black_box;
use std::time::{Duration, Instant};

const BATCH: usize = 32;
const TIME: usize = 64;
const INPUTS: usize = 128;
const HIDDEN: usize = 256;
const LAYERS: usize = 2;

/// Nanoseconds that pass, or, with one thread, those in which it ran, where the system tells: what
/// others run does not count then.
fn clock_ns(start: Instant) -> u64 {
    let one = std::env::var("GRADUS_THREADS").is_ok_and(|threads| threads == "1");
    let told = one.then(|| std::fs::read_to_string("/proc/self/schedstat").ok()).flatten();
    let ran = told.and_then(|told| told.split(' ').next()?.parse().ok());
    ran.unwrap_or(start.elapsed().as_nanos() as u64)
}

/// The median and the least time, in seconds, of at least ten runs and half a second.
fn times(mut body: impl FnMut()) -> [f64; 2] {
    body();
    let start = Instant::now();
    let mut times = vec![];
    while times.len() < 10 || start.elapsed() < Duration::from_millis(500) {
        let before = clock_ns(start);
        body();
        times.push((clock_ns(start) - before) as f64 / 1e9);
    }
    times.sort_by(f64::total_cmp);
    [times[times.len() / 2], times[0]]
}

fn main() {
    let rng = &mut Rng::new(1);
    let num_layers = LAYERS;
    let lstm = LstmOptions { num_layers, ..Default::default() };
    let gru = GruOptions { num_layers, ..Default::default() };
    let rnn = RnnOptions { num_layers, ..Default::default() };
    let layers: [(&str, usize, Box<dyn Recurrent>); 3] = [
        ("LSTM", 4, Box::new(Lstm::with_options(INPUTS, HIDDEN, lstm, rng))),
        ("GRU", 3, Box::new(Gru::with_options(INPUTS, HIDDEN, gru, rng))),
        ("RNN", 1, Box::new(Rnn::with_options(INPUTS, HIDDEN, rnn, rng))),
    ];
    let x = Tensor::randn([BATCH, TIME, INPUTS], rng).requires_grad();
    for (name, gates, layer) in layers {
        let each = gates * HIDDEN * (INPUTS + (2 * LAYERS - 1) * HIDDEN);
        let forward = 2.0 * (BATCH * TIME * each) as f64;
        let used = times(|| drop(black_box(no_grad(|| layer.run(&x, None)))));
        let trained = times(|| {
            let gradients = layer.run(&x, None).0.sum(..).backward();
            assert!(layer.unreached(&gradients).is_empty());
        });
        for (what, times, work) in [("use", used, forward), ("training", trained, 3.0 * forward)] {
            let [median, least] = times;
            let rate = work / least / 1e9;
            println!(
                "{name:4} {what:8} {:8.3} ms, at best {:8.3} ms {rate:6.0}",
                median * 1e3,
                least * 1e3
            );
        }
    }
}
