//! How long kernels take that memory bounds, and how many bytes a second they read and write: the
//! median of several runs. `cargo bench -p gradus-kernels --bench memory`.

mod median;

use gradus_kernels::memory::{Scratch, scratch};
use gradus_kernels::norm::{Affine, Given, RowNorm, normalize_rows, normalize_rows_gradient};
use gradus_kernels::optimizer::{Adam, Rule, Step, update};
use gradus_kernels::{Binary, Machine, Strided, Unary, map, zip};
use median::median;

/// How many numbers a large tensor has.
const LARGE: usize = 16 << 20;

fn main() {
    let on = Machine::from_environment().unwrap_or_else(|error| panic!("{error}"));
    println!("{on:?}");
    optimizer(on);
    elementwise(on);
    layer_norm(on);
}

/// Numbers between -1 and 1.
fn numbers(count: usize) -> Scratch<f32> {
    let mut numbers = scratch(count);
    for (i, number) in numbers.iter_mut().enumerate() {
        *number = (i * 37 % 101) as f32 / 50.5 - 1.0;
    }
    numbers
}

fn print(what: &str, bytes: usize, body: impl FnMut()) {
    let time = median(body).as_secs_f64();
    println!("{what:30} {:8.3} ms {:6.1} GB/s", time * 1e3, bytes as f64 / time / 1e9);
}

/// Adam on 25 parameters of a million numbers.
fn optimizer(on: Machine) {
    let count = 1_000_000;
    let grads: Vec<_> = (0..25).map(|_| numbers(count)).collect();
    let mut values: Vec<_> = (0..75).map(|_| numbers(count)).collect();
    for square in values.iter_mut().skip(2).step_by(3) {
        square.iter_mut().for_each(|x| *x = x.abs());
    }
    let rule = Adam { size: 1e-3, root: 0.5, beta1: 0.9, beta2: 0.999, epsilon: 1e-8 };
    let step = Step::new(Rule::Adam(rule));
    print("adam", 25 * 7 * 4 * count, || {
        let grads = grads.iter().map(|grad| &grad[..]);
        update(on, step, grads, values.iter_mut().map(|value| &mut value[..]));
    });
}

/// Rows of 1024 numbers.
fn whole(data: &[f32]) -> Strided<'_, f32> {
    Strided { data, offset: 0, shape: &[LARGE / 1024, 1024], strides: &[1024, 1] }
}

/// Maps of one number, and zips of two.
fn elementwise(on: Machine) {
    let (x, y, mut out) = (numbers(LARGE), numbers(LARGE), numbers(LARGE));
    let row = Strided { strides: &[0, 1], ..whole(&y) };
    for (what, op) in [("relu", Unary::Relu), ("gelu", Unary::Gelu)] {
        print(what, 2 * 4 * LARGE, || map(on, op, whole(&x), &mut out));
    }
    print("x y", 3 * 4 * LARGE, || zip(on, Binary::Mul, whole(&x), whole(&y), &mut out));
    print("x y, y of a row", 2 * 4 * LARGE, || zip(on, Binary::Mul, whole(&x), row, &mut out));
    print("gelu backward", 3 * 4 * LARGE, || {
        zip(on, Binary::GeluGrad, whole(&x), whole(&y), &mut out);
    });
}

/// Layer norm of 4096 rows of 1024 numbers.
fn layer_norm(on: Machine) {
    let (len, rows) = (1024, 4096);
    let norm = RowNorm { epsilon: 1e-5, centered: true, run: 1 };
    let (x, grad, weight) = (numbers(len * rows), numbers(len * rows), numbers(len));
    let (mut out, mut statistics) = (numbers(len * rows), vec![[0.0; 2]; rows]);
    let affine = Affine { weight: Some(&weight[..]), bias: Some(&weight[..]) };
    print("layer norm", 2 * 4 * len * rows, || {
        normalize_rows(on, norm, len, (&x[..], affine), &mut out, &mut statistics);
    });
    let [mut by_weight, mut by_bias] = [numbers(len), numbers(len)];
    print("layer norm backward", 3 * 4 * len * rows, || {
        let given = Given { weight: affine.weight, ..Given::new(&x, &grad, &statistics) };
        let by = [&mut out[..], &mut by_weight[..], &mut by_bias[..]];
        normalize_rows_gradient(on, norm, len, given, by);
    });
}
