//! Normalisations and their gradients against plain loops in f64, on every instruction set and for
//! any number of threads.

use gradus_kernels::memory::scratch;
use gradus_kernels::norm::{
    Affine, Behind, ChannelNorm, Given, Planes, RowNorm, channel_moments, normalize_channels,
    normalize_channels_gradient, normalize_rows, normalize_rows_gradient,
};
use gradus_kernels::random::{Distribution, fill};
use gradus_kernels::{Isa, Machine};

fn machines() -> impl Iterator<Item = Machine> {
    Isa::available().flat_map(|isa| [1, 3].map(|threads| Machine { isa, threads }))
}

fn normal(count: usize, key: u64) -> Vec<f32> {
    let mut numbers = vec![0f32; count];
    let machine = Machine { isa: Isa::Portable, threads: 1 };
    fill(machine, Distribution::Normal, (key, 0), &mut numbers);
    numbers
}

#[track_caller]
fn assert_near(value: &[f32], wanted: &[f64], bound: f64, what: &str) {
    assert_eq!(value.len(), wanted.len());
    let scale = wanted.iter().fold(1.0, |scale: f64, x| scale.max(x.abs()));
    for (i, (&value, &wanted)) in value.iter().zip(wanted).enumerate() {
        let error = (value as f64 - wanted).abs();
        assert!(error <= bound * scale, "{what}: number {i} is {value}, not {wanted}");
    }
}

/// A normalisation by its definition: which group each number is normalised in, and which weight
/// and bias it has.
struct Definition {
    groups: usize,
    params: usize,
    group: Box<dyn Fn(usize) -> usize>,
    param: Box<dyn Fn(usize) -> usize>,
    centered: bool,
    constant: bool,
}

/// Results and gradients of a normalisation.
#[derive(Default)]
struct Wanted {
    out: Vec<f64>,
    by_x: Vec<f64>,
    by_weight: Vec<f64>,
    by_bias: Vec<f64>,
}

const EPSILON: f64 = 1e-5;

impl Definition {
    fn mean(&self, values: &[f64]) -> Vec<f64> {
        let (mut sums, mut counts) = (vec![0.0; self.groups], vec![0.0; self.groups]);
        for (i, value) in values.iter().enumerate() {
            sums[(self.group)(i)] += value;
            counts[(self.group)(i)] += 1.0;
        }
        sums.iter().zip(counts).map(|(sum, count)| sum / count).collect()
    }

    fn compute(&self, x: &[f32], grad: &[f32], weight: &[f32], bias: &[f32]) -> Wanted {
        let x: Vec<f64> = x.iter().map(|&x| x as f64).collect();
        let of = |values: &[f64], i| values[(self.group)(i)];
        let mean = if self.centered { self.mean(&x) } else { vec![0.0; self.groups] };
        let deviation: Vec<f64> = x.iter().enumerate().map(|(i, x)| x - of(&mean, i)).collect();
        let variance = self.mean(&deviation.iter().map(|d| d * d).collect::<Vec<_>>());
        let scale: Vec<f64> = variance.iter().map(|v| 1.0 / (v + EPSILON).sqrt()).collect();
        let n: Vec<f64> = deviation.iter().enumerate().map(|(i, d)| d * of(&scale, i)).collect();
        let h: Vec<f64> =
            grad.iter().enumerate().map(|(i, &g)| (g * weight[(self.param)(i)]) as f64).collect();
        let level = if self.centered { self.mean(&h) } else { vec![0.0; self.groups] };
        let slope = self.mean(&h.iter().zip(&n).map(|(h, n)| h * n).collect::<Vec<_>>());
        let mut wanted = Wanted {
            by_weight: vec![0.0; self.params],
            by_bias: vec![0.0; self.params],
            ..Default::default()
        };
        for i in 0..x.len() {
            let param = (self.param)(i);
            wanted.out.push(n[i] * weight[param] as f64 + bias[param] as f64);
            let through = of(&level, i) + n[i] * of(&slope, i);
            let through = if self.constant { 0.0 } else { through };
            wanted.by_x.push((h[i] - through) * of(&scale, i));
            wanted.by_weight[param] += grad[i] as f64 * n[i];
            wanted.by_bias[param] += grad[i] as f64;
        }
        wanted
    }
}

#[test]
fn rows_equal_the_definition() {
    // Rows, their length, the length of runs, the number of weights.
    let cases = [
        (300, 67, 1, 67),
        (5, 5000, 1, 5000),
        (3000, 8, 1, 8),
        (12, 6, 1, 24),
        (6, 4 * 49, 49, 12),
        (40, 33, 33, 8),
    ];
    for (rows, len, run, params) in cases {
        for centered in [true, false] {
            let x: Vec<f32> = normal(rows * len, 1).iter().map(|x| 3.0 * x + 1.0).collect();
            let grad = normal(rows * len, 2);
            let (weight, bias) = (normal(params, 3), normal(params, 4));
            let definition = Definition {
                groups: rows,
                params,
                group: Box::new(move |i| i / len),
                param: Box::new(move |i| i / run % params),
                centered,
                constant: false,
            };
            let wanted = definition.compute(&x, &grad, &weight, &bias);
            let norm = RowNorm { epsilon: EPSILON, centered, run };
            for on in machines() {
                let what = format!("{rows} x {len}, {norm:?} on {on:?}");
                let affine = Affine { weight: Some(&weight), bias: Some(&bias) };
                let (mut out, mut statistics) = (vec![0f32; x.len()], vec![[0.0; 2]; rows]);
                normalize_rows(on, norm, len, (&x, affine), &mut out, &mut statistics);
                assert_near(&out, &wanted.out, 5e-7, &what);
                let given = Given { weight: Some(&weight), ..Given::new(&x, &grad, &statistics) };
                let (mut by_x, mut by_weight, mut by_bias) =
                    (vec![0f32; x.len()], vec![0f32; params], vec![0f32; params]);
                let outputs = [&mut by_x[..], &mut by_weight, &mut by_bias];
                normalize_rows_gradient(on, norm, len, given, outputs);
                assert_near(&by_x, &wanted.by_x, 1e-6, &what);
                assert_near(&by_weight, &wanted.by_weight, 1e-6, &what);
                assert_near(&by_bias, &wanted.by_bias, 1e-6, &what);
            }
        }
    }
}

#[test]
fn channels_equal_the_definition() {
    for (batch, channels, inner) in [(4, 3, 49), (1, 300, 64), (70, 5, 16), (2, 2, 20_000)] {
        for constant in [false, true] {
            let planes = Planes { batch, channels, inner };
            let count = batch * channels * inner;
            let x: Vec<f32> = normal(count, 1).iter().map(|x| 3.0 * x + 1.0).collect();
            let grad = normal(count, 2);
            let (weight, bias) = (normal(channels, 3), normal(channels, 4));
            let channel = move |i| i / inner % channels;
            let definition = Definition {
                groups: channels,
                params: channels,
                group: Box::new(channel),
                param: Box::new(channel),
                centered: true,
                constant,
            };
            let wanted = definition.compute(&x, &grad, &weight, &bias);
            let norm = ChannelNorm { epsilon: EPSILON, constant, behind: Behind::Nothing };
            for on in machines() {
                let what = format!("{planes:?}, {norm:?} on {on:?}");
                let mut statistics = vec![[0.0; 2]; channels];
                channel_moments(on, planes, &x, &mut statistics);
                let affine = Affine { weight: Some(&weight), bias: Some(&bias) };
                let mut out = vec![0f32; count];
                normalize_channels(on, norm, planes, (&x, affine, None), &statistics, &mut out);
                assert_near(&out, &wanted.out, 5e-7, &what);
                let given = Given { weight: Some(&weight), ..Given::new(&x, &grad, &statistics) };
                let (mut by_x, mut by_weight, mut by_bias) =
                    (vec![0f32; count], vec![0f32; channels], vec![0f32; channels]);
                let outputs = [&mut by_x[..], &mut by_weight, &mut by_bias, &mut []];
                normalize_channels_gradient(on, norm, planes, given, outputs);
                assert_near(&by_x, &wanted.by_x, 1e-6, &what);
                assert_near(&by_weight, &wanted.by_weight, 1e-6, &what);
                assert_near(&by_bias, &wanted.by_bias, 1e-6, &what);
            }
        }
    }
}

#[test]
fn what_comes_behind_in_the_same_pass_is_what_comes_after_it() {
    let (batch, channels, inner) = (5, 37, 121);
    let planes = Planes { batch, channels, inner };
    let count = batch * channels * inner;
    let (mut x, grad, z) = (normal(count, 1), normal(count, 2), normal(count, 5));
    x[70] = f32::NAN;
    let (weight, bias) = (normal(channels, 3), normal(channels, 4));
    let (weight, bias) = (Some(&weight[..]), Some(&bias[..]));
    for on in machines() {
        let mut statistics = vec![[0.0; 2]; channels];
        channel_moments(on, planes, &x, &mut statistics);
        let run = |norm: ChannelNorm, grad: &[f32]| {
            let added = (norm.behind == Behind::AddRelu).then_some(&z[..]);
            let mut out = vec![0f32; count];
            let numbers = (&x[..], Affine { weight, bias }, added);
            normalize_channels(on, norm, planes, numbers, &statistics, &mut out);
            let given = Given { weight, bias, added, ..Given::new(&x, grad, &statistics) };
            let lens = [count, channels, channels, added.map_or(0, <[f32]>::len)];
            let mut gradients = lens.map(|len| vec![0f32; len]);
            let outputs = gradients.each_mut().map(|gradient| &mut gradient[..]);
            normalize_channels_gradient(on, norm, planes, given, outputs);
            (out, gradients)
        };
        for constant in [false, true] {
            let plain = ChannelNorm { epsilon: EPSILON, constant, behind: Behind::Nothing };
            let (y, _) = run(plain, &grad);
            for behind in [Behind::Relu, Behind::AddRelu] {
                let add = |(&y, &z): (&f32, &f32)| if behind == Behind::Relu { y } else { y + z };
                let sum: Vec<f32> = y.iter().zip(&z).map(add).collect();
                let cut: Vec<f32> = sum.iter().map(|&y| if y <= 0.0 { 0.0 } else { y }).collect();
                let shut = |(&g, &y): (&f32, &f32)| if y <= 0.0 { 0.0 } else { g };
                let passed: Vec<f32> = grad.iter().zip(&sum).map(shut).collect();
                let (_, mut wanted) = run(plain, &passed);
                if behind == Behind::AddRelu {
                    wanted[3] = passed;
                }
                let (found, gradients) = run(ChannelNorm { behind, ..plain }, &grad);
                // Which NaN it is does not matter.
                let bit = |&x: &f32| if x.is_nan() { 0 } else { x.to_bits() };
                let bits = |x: &[f32]| x.iter().map(bit).collect::<Vec<_>>();
                assert!(bits(&found) == bits(&cut), "{behind:?} on {on:?}");
                for (gradient, wanted) in gradients.iter().zip(&wanted) {
                    assert!(bits(gradient) == bits(wanted), "{behind:?}, {plain:?} on {on:?}");
                }
            }
        }
    }
}

/// Numbers of which the mean is thousands of standard deviations are normalised as if it were 0.
#[test]
fn numbers_far_from_zero_keep_their_accuracy() {
    let len = 4096;
    let x: Vec<f32> = normal(3 * len, 5).iter().map(|x| x + 10_000.0).collect();
    let definition = Definition {
        groups: 3,
        params: 1,
        group: Box::new(move |i| i / len),
        param: Box::new(|_| 0),
        centered: true,
        constant: false,
    };
    let wanted = definition.compute(&x, &x, &[1.0], &[0.0]);
    for on in machines() {
        let none = Affine { weight: None, bias: None };
        let (mut out, mut statistics) = (vec![0f32; x.len()], vec![[0.0; 2]; 3]);
        let norm = RowNorm { epsilon: EPSILON, centered: true, run: 1 };
        normalize_rows(on, norm, len, (&x, none), &mut out, &mut statistics);
        assert_near(&out, &wanted.out, 1e-6, &format!("rows on {on:?}"));

        let planes = Planes { batch: 1, channels: 3, inner: len };
        channel_moments(on, planes, &x, &mut statistics);
        let norm = ChannelNorm { epsilon: EPSILON, constant: false, behind: Behind::Nothing };
        normalize_channels(on, norm, planes, (&x, none, None), &statistics, &mut out);
        assert_near(&out, &wanted.out, 1e-6, &format!("channels on {on:?}"));
    }
}

#[test]
fn results_do_not_depend_on_the_number_of_threads() {
    let (rows, len) = (5000, 24);
    let (x, grad) = (normal(rows * len, 6), normal(rows * len, 7));
    let norm = RowNorm { epsilon: EPSILON, centered: true, run: 1 };
    for isa in Isa::available() {
        let [one, two] = [1, 2].map(|threads| {
            let on = Machine { isa, threads };
            let (mut out, mut statistics) = (vec![0f32; x.len()], vec![[0.0; 2]; rows]);
            let none = Affine { weight: None, bias: None };
            normalize_rows(on, norm, len, (&x, none), &mut out, &mut statistics);
            let given = Given::new(&x, &grad, &statistics);
            let (mut by_weight, mut by_bias) = (vec![0f32; len], vec![0f32; len]);
            let outputs = [&mut out[..], &mut by_weight, &mut by_bias];
            normalize_rows_gradient(on, norm, len, given, outputs);
            (out, by_weight, by_bias)
        });
        assert_eq!(one, two);
    }
}

#[test]
fn large_results_are_the_same_numbers() {
    // So much is written past the caches: the first rows alone are not.
    let (len, rows, few) = (1040, 4100, 50);
    let norm = RowNorm { epsilon: EPSILON, centered: true, run: 1 };
    let (x, grad, weight) = (normal(rows * len, 1), normal(rows * len, 2), normal(len, 3));
    let both = |machine, rows: usize| {
        let affine = Affine { weight: Some(&weight[..]), bias: None };
        let (x, grad) = (&x[..rows * len], &grad[..rows * len]);
        let [mut out, mut by_x] = [x, x].map(|x| scratch::<f32>(x.len()));
        let mut statistics = vec![[0.0; 2]; rows];
        normalize_rows(machine, norm, len, (x, affine), &mut out, &mut statistics);
        let given = Given { weight: affine.weight, ..Given::new(x, grad, &statistics) };
        normalize_rows_gradient(machine, norm, len, given, [&mut by_x, &mut [], &mut []]);
        (out, by_x)
    };
    for machine in machines() {
        let (all, some) = (both(machine, rows), both(machine, few));
        assert!(all.0[..few * len] == some.0[..], "{machine:?}");
        assert!(all.1[..few * len] == some.1[..], "{machine:?}");
    }
}
