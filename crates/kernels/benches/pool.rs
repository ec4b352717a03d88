//! How long pooling by windows of two by two takes: the median of several runs, and the time for
//! each number of the result. `cargo bench -p gradus-kernels --bench pool`.

mod median;

use gradus_kernels::Machine;
use gradus_kernels::pool::{Pool, Window, average_pool, max_pool};
use median::median;
use std::hint::black_box;

/// How many planes there are, and how long their sides are.
const PLANES: &[(usize, usize)] = &[(64 * 32, 28), (64 * 64, 14)];

fn main() {
    let on = Machine::from_environment().unwrap_or_else(|error| panic!("{error}"));
    println!("{on:?}");
    let pair = Window::Sliding { size: 2, stride: 2, padding: 0, dilation: 1 };
    for &(planes, side) in PLANES {
        let pool = Pool {
            windows: [Window::EACH, pair, pair],
            input: [1, side, side],
            output: [1, side / 2, side / 2],
            counts_padding: true,
        };
        let x: Vec<f32> =
            (0..planes * side * side).map(|i| (i * 37 % 101) as f32 / 101.0 - 0.5).collect();
        let mut out = vec![0.0; x.len() / 4];
        let mut indices = vec![0; out.len()];
        let times = [
            median(|| max_pool(on, pool, &x, &mut out, Some(&mut indices))),
            median(|| average_pool(on, pool, &x, &mut out)),
        ];
        black_box((&out, &indices));
        let columns = times.map(|time| {
            let each = time.as_secs_f64() * 1e9 / out.len() as f64;
            format!("{:7.3} ms {each:5.2} ns each", time.as_secs_f64() * 1e3)
        });
        println!("{planes} planes of {side} by {side}, largest, mean: {}", columns.join(" "));
    }
}
