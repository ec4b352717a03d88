//! How fast an LSTM goes through sequences and back, by precision: milliseconds, and the GFLOP/s of
//! its products. `cargo bench -p gradus-kernels --bench recurrent`

mod median;

use gradus_kernels::recurrent::{Cell, Gradients, Inputs, Results, Steps, forward, gradient};
use gradus_kernels::{Machine, Precision};
use median::median;
use std::time::Duration;

/// Sequences, times and hidden units.
const SIZES: &[[usize; 3]] = &[[32, 64, 256], [64, 64, 128], [16, 64, 512]];

fn main() {
    let on = Machine::from_environment().unwrap_or_else(|error| panic!("{error}"));
    println!("{on:?}");
    for &[batch, times, size] in SIZES {
        for precision in [Precision::Highest, Precision::Medium] {
            run(on, precision, [batch, times, size]);
        }
    }
}

fn run(on: Machine, precision: Precision, [batch, times, size]: [usize; 3]) {
    let numbers = |count: usize| -> Vec<f32> {
        (0..count).map(|i| (i * 37 % 101) as f32 / 1010.0 - 0.05).collect()
    };
    let (rows, gates) = (batch * times, 4 * size);
    let steps = Steps::batch_first(batch, times);
    let (x, weight) = (numbers(rows * gates), numbers(gates * size));
    let (hidden, cell) = (numbers(batch * size), numbers(batch * size));
    let inputs = Inputs { x: &x, weight: &weight, bias: None, hidden: &hidden, cell: &cell };
    let mut out = vec![0.0; (rows + 2 * batch) * size];
    let mut saved = vec![0.0; rows * Cell::Lstm.saved() * size];
    let there = median(|| {
        forward(on, precision, Cell::Lstm, &steps, inputs, (&mut out, &mut saved));
    });
    let grad = numbers(out.len());
    let mut by = [x.len(), weight.len(), hidden.len(), cell.len()].map(|len| vec![0.0; len]);
    let back = median(|| {
        let [x, weight, hidden, cell] = &mut by;
        let by = Gradients { x, weight, bias: None, hidden, cell };
        let results = Results { out: &out, saved: &saved, grad: &grad };
        gradient(on, precision, Cell::Lstm, &steps, inputs, results, by);
    });
    let work = 2.0 * (rows * gates * size) as f64;
    let rate = |time: Duration, products: f64| products * work / time.as_secs_f64() / 1e9;
    println!(
        "{batch} sequences of {times}, {size} units, {precision}: forward {:.2} ms, {:.0} GFLOP/s; \
         back {:.2} ms, {:.0} GFLOP/s",
        there.as_secs_f64() * 1e3,
        rate(there, 1.0),
        back.as_secs_f64() * 1e3,
        rate(back, 2.0),
    );
}
