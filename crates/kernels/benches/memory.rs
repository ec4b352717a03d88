//! How long kernels take that memory bounds, and how many bytes a second they read and write: the
//! median of several runs. `cargo bench -p gradus-kernels --bench memory`.

mod median;

use gradus_kernels::chain::{Chain, Source, Step};
use gradus_kernels::memory::{Scratch, scratch};
use gradus_kernels::norm::{Affine, Given, RowNorm, normalize_rows, normalize_rows_gradient};
use gradus_kernels::optimizer::{self, Adam, Rule, update};
use gradus_kernels::{
    Binary, CrossEntropy, Labelled, Machine, Strided, Total, Unary, cross_entropy,
    cross_entropy_gradient, map, zip,
};
use median::median;

/// How many numbers a large tensor has.
const LARGE: usize = 16 << 20;

fn main() {
    let on = Machine::from_environment().unwrap_or_else(|error| panic!("{error}"));
    println!("{on:?}");
    optimizer(on);
    elementwise(on);
    chain(on);
    layer_norm(on);
    losses(on);
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
    let step = optimizer::Step::new(Rule::Adam(rule));
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

/// gelu(x · w + b), and the gradient of it.
fn chain(on: Machine) {
    use Source::{Input, Step as Result};
    let (x, grad, mut out, mut inner) =
        (numbers(LARGE), numbers(LARGE), numbers(LARGE), numbers(LARGE));
    let row = Strided { strides: &[0, 1], ..whole(&grad) };
    let line =
        [Step::Zip(Binary::Mul, Input(0), Input(1)), Step::Zip(Binary::Add, Result(0), Input(1))];
    let shifted = Chain::new(LARGE, &[whole(&x), row], line.to_vec());
    print("x w + b", 2 * 4 * LARGE, || shifted.run(on, vec![(1, &mut out)]));
    let forward = [&line[..], &[Step::Map(Unary::Gelu, Result(1))]].concat();
    let forward = Chain::new(LARGE, &[whole(&x), row], forward);
    print("gelu(x w + b)", 2 * 4 * LARGE, || forward.run(on, vec![(2, &mut out)]));
    print("gelu(x w + b), x w + b", 3 * 4 * LARGE, || {
        forward.run(on, vec![(1, &mut inner), (2, &mut out)]);
    });
    let backward = [&line[..], &[Step::Zip(Binary::GeluGrad, Result(1), Input(2))]].concat();
    let backward = Chain::new(LARGE, &[whole(&x), row, whole(&grad)], backward);
    print("its gradient", 3 * 4 * LARGE, || backward.run(on, vec![(2, &mut out)]));
}

/// The cross-entropy of 256 rows of 32,000 logits.
fn losses(on: Machine) {
    let (count, classes) = (256, 32_000);
    let (logits, mut out) = (numbers(count * classes), numbers(count * classes));
    let target: Vec<i64> = (0..count as i64).map(|i| i * 119 % classes as i64).collect();
    let options = CrossEntropy { label_smoothing: 0.0, ignore_index: None, total: Total::Mean };
    let rows = Labelled { logits: &logits, classes, target: &target, weight: None };
    let (mut loss, mut log_sum) = ([0.0], vec![0.0; count + 1]);
    print("cross-entropy", 4 * count * classes, || {
        cross_entropy(on, options, rows, &mut loss, &mut log_sum);
    });
    print("cross-entropy backward", 2 * 4 * count * classes, || {
        let given = (&log_sum[..], &[1.0][..]);
        cross_entropy_gradient(on, options, rows, given, &mut out);
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
