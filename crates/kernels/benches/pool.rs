//! How long pooling by windows takes, and the way back: the median of several runs, and the time for
//! each number of the result. `cargo bench -p gradus-kernels --bench pool`.

mod median;

use gradus_kernels::Machine;
use gradus_kernels::pool::{Pool, Window, average_pool, max_pool, scatter_planes};
use median::median;
use std::hint::black_box;

/// How many planes there are, how long their sides are, and the windows and the padding.
const PLANES: &[(usize, usize, usize, usize)] = &[
    (64 * 32, 28, 2, 0),
    (64 * 64, 14, 2, 0),
    (64 * 32, 32, 2, 0),
    (64, 112, 3, 1),
    (16 * 64, 112, 3, 1),
];

fn main() {
    let on = Machine::from_environment().unwrap_or_else(|error| panic!("{error}"));
    println!("{on:?}");
    for &(planes, side, size, padding) in PLANES {
        let window = Window::Sliding { size, stride: 2, padding, dilation: 1 };
        let pool = Pool {
            windows: [Window::EACH, window, window],
            input: [1, side, side],
            output: [1, side / 2, side / 2],
            counts_padding: true,
        };
        let x: Vec<f32> =
            (0..planes * side * side).map(|i| (i * 37 % 101) as f32 / 101.0 - 0.5).collect();
        let mut back = vec![0.0; x.len()];
        let mut out = vec![0.0; x.len() / 4];
        let mut indices = vec![0; out.len()];
        let times = [
            median(|| max_pool(on, pool, &x, &mut out, Some(&mut indices))),
            median(|| max_pool(on, pool, &x, &mut out, None)),
            median(|| scatter_planes(on, planes, &out, &indices, &mut back)),
            median(|| average_pool(on, pool, &x, &mut out)),
        ];
        black_box((&out, &indices, &back));
        let columns = times.map(|time| {
            let each = time.as_secs_f64() * 1e9 / out.len() as f64;
            format!("{:7.3} ms {each:5.2} ns each", time.as_secs_f64() * 1e3)
        });
        println!(
            "{planes} planes of {side} by {side}, windows of {size}: largest and where, largest, back, \
             mean: {}",
            columns.join(" ")
        );
    }
}
