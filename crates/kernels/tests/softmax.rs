//! Softmax and cross-entropy against plain loops in f64, on every instruction set and for any number
//! of threads.

use gradus_kernels::memory::scratch;
use gradus_kernels::random::{Distribution, fill};
use gradus_kernels::{
    CrossEntropy, Isa, Labelled, Machine, Softmax, Total, cross_entropy, cross_entropy_gradient,
    softmax, softmax_gradient,
};

/// Rows and their lengths: shorter and longer than vectors and tiles, and several tasks.
const SHAPES: [(usize, usize); 6] = [(5, 1), (7, 3), (300, 67), (2, 1024), (3, 5003), (1, 40_000)];

fn machines() -> impl Iterator<Item = Machine> {
    Isa::available().flat_map(|isa| [1, 3].map(|threads| Machine { isa, threads }))
}

fn normal(count: usize, scale: f32, key: u64) -> Vec<f32> {
    let mut numbers = vec![0f32; count];
    let machine = Machine { isa: Isa::Portable, threads: 1 };
    fill(machine, Distribution::Normal, (key, 0), &mut numbers);
    numbers.into_iter().map(|x| x * scale).collect()
}

#[track_caller]
fn assert_near(value: &[f32], wanted: &[f64], bound: f64, what: &str) {
    assert_eq!(value.len(), wanted.len());
    for (i, (&value, &wanted)) in value.iter().zip(wanted).enumerate() {
        let error = (value as f64 - wanted).abs();
        assert!(error <= bound, "{what}: number {i} is {value}, not {wanted}");
    }
}

fn log_sum(row: &[f32]) -> f64 {
    let highest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max) as f64;
    highest + row.iter().map(|&x| (x as f64 - highest).exp()).sum::<f64>().ln()
}

#[test]
fn softmax_and_its_gradient_equal_the_definition() {
    for (rows, len) in SHAPES {
        let (x, g) = (normal(rows * len, 4.0, 1), normal(rows * len, 1.0, 2));
        let mut logs = vec![];
        for row in x.chunks(len) {
            let sum = log_sum(row);
            logs.extend(row.iter().map(|&x| x as f64 - sum));
        }
        let plain: Vec<f64> = logs.iter().map(|y| y.exp()).collect();
        let (mut plain_gradient, mut log_gradient) = (vec![], vec![]);
        for (y, g) in plain.chunks(len).zip(g.chunks(len)) {
            let product: f64 = y.iter().zip(g).map(|(y, &g)| y * g as f64).sum();
            let sum: f64 = g.iter().map(|&g| g as f64).sum();
            plain_gradient.extend(y.iter().zip(g).map(|(y, &g)| y * (g as f64 - product)));
            log_gradient.extend(y.iter().zip(g).map(|(y, &g)| g as f64 - y * sum));
        }
        for on in machines() {
            let what = format!("{rows} x {len} on {on:?}");
            let mut out = vec![0f32; rows * len];
            softmax(on, Softmax::Plain, len, &x, &mut out);
            assert_near(&out, &plain, 3e-7, &what);
            let mut gradient = vec![0f32; rows * len];
            softmax_gradient(on, Softmax::Plain, len, (&out, &g), &mut gradient);
            assert_near(&gradient, &plain_gradient, 2e-6, &what);

            softmax(on, Softmax::Log, len, &x, &mut out);
            assert_near(&out, &logs, 4e-6, &what);
            softmax_gradient(on, Softmax::Log, len, (&out, &g), &mut gradient);
            assert_near(&gradient, &log_gradient, 1e-5, &what);
        }
    }
}

#[test]
fn extreme_rows_do_as_they_must() {
    let x = [[f32::NEG_INFINITY; 3], [1e38, 1e38, -1e38], [0.0, f32::NAN, 1.0]].concat();
    for on in machines() {
        let mut out = [0f32; 9];
        softmax(on, Softmax::Plain, 3, &x, &mut out);
        assert!(out[..3].iter().chain(&out[6..]).all(|y| y.is_nan()));
        assert_eq!(out[3..6], [0.5, 0.5, 0.0]);
        softmax(on, Softmax::Log, 3, &x, &mut out);
        assert!(out[..3].iter().chain(&out[6..]).all(|y| y.is_nan()));
        assert!(out[5] < -1e38);
    }
}

#[test]
fn cross_entropy_and_its_gradient_equal_the_definition() {
    for (rows, classes) in SHAPES {
        for (weighted, label_smoothing) in [(false, 0.0), (true, 0.0), (false, 0.1), (true, 0.3)] {
            let logits = normal(rows * classes, 4.0, 3);
            let target: Vec<i64> = (0..rows)
                .map(|row| if row == 1 { -1 } else { (row * 7 % classes) as i64 })
                .collect();
            let weights: Vec<f32> = normal(classes, 1.0, 4).into_iter().map(f32::abs).collect();
            let grad = normal(rows, 1.0, 5);
            let weight = weighted.then_some(&weights[..]);
            let view = Labelled { logits: &logits, classes, target: &target, weight };
            let options =
                CrossEntropy { label_smoothing, ignore_index: Some(-1), total: Total::Rows };

            let (mut losses, mut sums, mut slopes) = (vec![], vec![], vec![]);
            let mut weight_sum = 0.0;
            for (row, x) in logits.chunks(classes).enumerate() {
                let sum = log_sum(x);
                sums.push(sum);
                let mut q = vec![0.0; classes];
                if let Ok(class) = usize::try_from(target[row]) {
                    weight_sum += if weighted { weights[class] as f64 } else { 1.0 };
                    for (i, q) in q.iter_mut().enumerate() {
                        let w = if weighted { weights[i] as f64 } else { 1.0 };
                        let hit = if i == class { 1.0 - label_smoothing } else { 0.0 };
                        *q = w * (hit + label_smoothing / classes as f64);
                    }
                }
                losses.push(q.iter().zip(x).map(|(q, &x)| q * (sum - x as f64)).sum::<f64>());
                let total: f64 = q.iter().sum();
                let slope = |(q, &x): (&f64, &f32)| total * (x as f64 - sum).exp() - q;
                slopes.extend(q.iter().zip(x).map(slope));
            }
            let each = slopes.chunks(classes).zip(&grad);
            let gradients: Vec<f64> =
                each.flat_map(|(row, &g)| row.iter().map(move |slope| slope * g as f64)).collect();
            for on in machines() {
                let what = format!("{rows} x {classes}, {options:?}, {weighted} on {on:?}");
                let (mut loss, mut log_sum) = (vec![0f32; rows], vec![0f64; rows]);
                cross_entropy(on, options, view, &mut loss, &mut log_sum);
                assert_near(&loss, &losses, 2e-5, &what);
                let error = log_sum.iter().zip(&sums).map(|(a, b)| (a - b).abs());
                assert!(error.fold(0.0, f64::max) < 1e-6, "{what}");
                let mut gradient = vec![0f32; rows * classes];
                cross_entropy_gradient(on, options, view, (&log_sum, &grad), &mut gradient);
                assert_near(&gradient, &gradients, 2e-6, &what);

                for (total, divisor) in [(Total::Sum, 1.0), (Total::Mean, weight_sum)] {
                    let options = CrossEntropy { total, ..options };
                    let (mut loss, mut log_sum) = ([0f32], vec![0f64; rows + 1]);
                    cross_entropy(on, options, view, &mut loss, &mut log_sum);
                    let bound = 2e-5 * rows as f64 / divisor;
                    assert_near(&loss, &[losses.iter().sum::<f64>() / divisor], bound, &what);
                    let given = (&log_sum[..], &[1.5][..]);
                    cross_entropy_gradient(on, options, view, given, &mut gradient);
                    let wanted: Vec<f64> = slopes.iter().map(|x| x * 1.5 / divisor).collect();
                    assert_near(&gradient, &wanted, 4e-6 / divisor, &what);
                }
            }
        }
    }
}

#[test]
fn large_gradients_are_the_same_numbers() {
    // So much is written past the caches: the first rows alone are not.
    let (classes, rows, few) = (5008, 900, 9);
    let x = normal(rows * classes, 3.0, 1);
    let target: Vec<i64> = (0..rows as i64).map(|row| row * 173 % classes as i64).collect();
    let options = CrossEntropy { label_smoothing: 0.1, ignore_index: None, total: Total::Rows };
    let gradient = |machine, rows: usize| {
        let rows = Labelled {
            logits: &x[..rows * classes],
            classes,
            target: &target[..rows],
            weight: None,
        };
        let (mut loss, mut log_sum) = (vec![1f32; rows.target.len()], vec![0.0; rows.target.len()]);
        cross_entropy(machine, options, rows, &mut loss, &mut log_sum);
        let mut out = scratch::<f32>(rows.logits.len());
        cross_entropy_gradient(machine, options, rows, (&log_sum, &loss), &mut out);
        out
    };
    for machine in machines() {
        let (all, some) = (gradient(machine, rows), gradient(machine, few));
        assert!(all[..few * classes] == some[..], "{machine:?}");
    }
}

#[test]
fn results_do_not_depend_on_the_number_of_threads() {
    let x = normal(4000 * 37, 4.0, 6);
    for isa in Isa::available() {
        let [one, two] = [1, 2].map(|threads| {
            let mut out = vec![0f32; x.len()];
            softmax(Machine { isa, threads }, Softmax::Plain, 37, &x, &mut out);
            out
        });
        assert_eq!(one, two);
    }
}
