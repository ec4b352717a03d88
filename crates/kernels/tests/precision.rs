//! Products of numbers rounded to `bf16` against sums in f64 of the rounded numbers' products, on
//! every instruction set and number of threads.

mod numbers;

use gradus_kernels::gemm::{Bias, Matrix, Size, matmul};
use gradus_kernels::{Isa, Machine, Precision};
use half::bf16;
use numbers::numbers;

/// A number as products take it: rounded to the nearest, and zero if it is denormal.
fn rounded(x: f32) -> f64 {
    let x = bf16::from_f32(x).to_f32();
    if x.is_subnormal() { 0.0 } else { f64::from(x) }
}

/// True if products of this size and of the lowest precision are those of rounded numbers.
fn rounds(isa: Isa, size: Size) -> bool {
    let Size { rows, columns, depth, .. } = size;
    let packed = rows > 1 && columns > 1 && rows * columns * depth > 4096;
    let tiled = depth >= 32 && rows * columns >= 16 * (rows + columns);
    packed && (isa.multiplies_pairs() || isa.multiplies_tiles() && tiled)
}

/// What goes into a number of a product.
struct Truth {
    /// Σ a b of the numbers as they are.
    exact: f64,
    /// Σ a b of the rounded numbers.
    rounded: f64,
    /// Σ |a b|.
    magnitude: f64,
}

/// What goes into each number of the product of two matrices that lie row by row.
fn truth(size: Size, a: &[f32], b: &[f32]) -> Vec<Truth> {
    let Size { rows, columns, depth, .. } = size;
    let mut truth = vec![];
    for (i, j) in (0..rows).flat_map(|i| (0..columns).map(move |j| (i, j))) {
        let mut sums = Truth { exact: 0.0, rounded: 0.0, magnitude: 0.0 };
        for k in 0..depth {
            let (a, b) = (a[i * depth + k], b[k * columns + j]);
            let product = f64::from(a) * f64::from(b);
            sums.exact += product;
            sums.rounded += rounded(a) * rounded(b);
            sums.magnitude += product.abs();
        }
        truth.push(sums);
    }
    truth
}

fn product(on: Machine, precision: Precision, size: Size, a: &[f32], b: &[f32]) -> Vec<f32> {
    let mut out = vec![f32::NAN; size.rows * size.columns];
    let left = |_| Matrix::row_major(a, size.depth);
    let right = |_| Matrix::row_major(b, size.columns);
    matmul(on, precision, size, left, right, Bias::None, &mut out);
    out
}

/// The largest that a sum is off by roundings of the sums and by what is too small for `f32`.
fn summing(size: Size, magnitude: f64) -> f64 {
    let depth = size.depth as f64;
    magnitude * 6e-8 * (2.0 + depth.min(512.0)) + depth * f64::from(f32::MIN_POSITIVE)
}

/// Checks a product of the precision that may round.
fn check(on: Machine, size: Size, [a, b]: [&[f32]; 2], truth: &[Truth]) -> Vec<f32> {
    let out = product(on, Precision::Medium, size, a, b);
    for (i, (&value, truth)) in out.iter().zip(truth).enumerate() {
        let value = f64::from(value);
        // Two numbers lose 2⁻⁸ of themselves each.
        let bound =
            summing(size, truth.magnitude) + truth.magnitude * (2.0 / 256.0 + 1.0 / 65536.0);
        let error = (value - truth.exact).abs();
        assert!(error <= bound, "{on:?} {size:?}: error {error} at {i}");
        let wanted = if rounds(on.isa, size) { truth.rounded } else { truth.exact };
        let error = (value - wanted).abs();
        let bound = summing(size, truth.magnitude);
        assert!(error <= bound, "{on:?} {size:?}: {value} at {i}, not {wanted}");
    }
    out
}

fn sizes() -> Vec<Size> {
    let sizes = [
        (2, 3, 5),
        (1, 700, 33),
        (600, 1, 40),
        (8, 48, 300),
        (7, 47, 299),
        (9, 49, 301),
        (17, 50, 9),
        (33, 97, 1030),
        (300, 40, 70),
        (40, 100, 513),
        (40, 16, 64),
        (40, 17, 65),
    ];
    sizes.map(|(rows, columns, depth)| Size { batch: 1, rows, columns, depth }).to_vec()
}

fn machines(isa: Isa) -> [Machine; 3] {
    [1, 2, 3].map(|threads| Machine { isa, threads })
}

/// Numbers of which each is changed.
fn changed(count: usize, seed: u64, change: impl Fn(usize, f32) -> f32) -> Vec<f32> {
    numbers::<f32>(count, seed).into_iter().enumerate().map(|(i, x)| change(i, x)).collect()
}

#[test]
fn numbers_are_rounded_to_the_nearest_and_summed_in_full() {
    let power = |x: f32, bits: f32| (x * bits).round().exp2();
    // A number between two of bf16, to which halves to even matter.
    let tie = |x: f32| f32::from_bits(x.to_bits() & 0xffff_0000 | 0x8000);
    type Change = Box<dyn Fn(usize, f32) -> f32>;
    let changes: [(&str, Change); 6] = [
        ("usual", Box::new(|_, x| x)),
        ("ties", Box::new(move |_, x| tie(x))),
        ("of many magnitudes", Box::new(move |i, x| x * power(x + (i % 7) as f32 / 7.0, 30.0))),
        ("denormal", Box::new(|i, x| if i % 3 == 0 { x * 1e-39 } else { x })),
        ("nearly too large", Box::new(|_, x| x * 1e17)),
        ("nearly too small", Box::new(|_, x| x * 1e-19)),
    ];
    for (name, change) in &changes {
        for size in sizes() {
            let a = changed(size.rows * size.depth, 1, change);
            let b = changed(size.columns * size.depth, 2, change);
            let truth = truth(size, &a, &b);
            for isa in Isa::available() {
                let [one, others @ ..] = machines(isa).map(|on| check(on, size, [&a, &b], &truth));
                for other in others {
                    assert_eq!(one, other, "{name}, {isa} {size:?}: depends on the threads");
                }
            }
        }
    }
}

#[test]
fn infinities_and_nan_reach_what_they_have_a_part_in() {
    let size = Size { batch: 1, rows: 20, columns: 50, depth: 37 };
    let b = numbers::<f32>(size.columns * size.depth, 2);
    for special in [f32::INFINITY, f32::NEG_INFINITY, f32::NAN, f32::MAX] {
        let place = 7 * size.depth + size.depth - 1;
        let a = changed(size.rows * size.depth, 1, |i, x| if i == place { special } else { x });
        for on in Isa::available().flat_map(machines) {
            let out = product(on, Precision::Medium, size, &a, &b);
            let wanted = truth(size, &a, &b);
            for (i, (&value, truth)) in out.iter().zip(&wanted).enumerate() {
                // The largest number of 32 bits is infinite in bf16.
                let rounds = rounds(on.isa, size);
                let wanted = if rounds { truth.rounded } else { truth.exact };
                let right = match (i / size.columns == 7, wanted.is_finite()) {
                    (true, false) => {
                        f64::from(value) == wanted || value.is_nan() && wanted.is_nan()
                    }
                    (true, true) => value.is_finite(),
                    (false, _) => (f64::from(value) - wanted).abs() < 1e-4,
                };
                assert!(right, "{special} {on:?}: {value} at {i}, not {wanted}");
            }
        }
    }
}

/// Tiles multiply numbers split into parts: those of products so large are, unless a number would lose by it.
#[test]
fn split_numbers_lose_no_more_than_they_may() {
    let size = Size { batch: 1, rows: 110, columns: 130, depth: 300 };
    let b = numbers::<f32>(size.columns * size.depth, 2);
    for special in [0.5, f32::INFINITY, f32::NAN, f32::MAX, 1e-39] {
        let place = 7 * size.depth + 3;
        let a = changed(size.rows * size.depth, 1, |i, x| if i == place { special } else { x });
        let truth = truth(size, &a, &b);
        for on in Isa::available().map(|isa| Machine { isa, threads: 2 }) {
            for (precision, bound) in [(Precision::Highest, 1.2e-6), (Precision::High, 2e-5)] {
                let out = product(on, precision, size, &a, &b);
                for (i, (&value, truth)) in out.iter().zip(&truth).enumerate() {
                    let (value, wanted) = (f64::from(value), truth.exact);
                    let right = (value - wanted).abs() <= bound * truth.magnitude
                        || value == wanted
                        || value.is_nan() && wanted.is_nan();
                    assert!(right, "{special} {on:?} {precision}: {value} at {i}, not {wanted}");
                }
            }
            let highest = product(on, Precision::Highest, size, &a, &b);
            let high = product(on, Precision::High, size, &a, &b);
            let splits = on.isa.multiplies_tiles() && special == 0.5;
            assert_eq!(highest.iter().zip(&high).any(|(a, b)| a != b && !a.is_nan()), splits);
        }
    }
}

/// Only the lowest precision rounds numbers of 32 bits, and nothing rounds those of 64.
#[test]
fn what_may_not_be_lost_is_not() {
    let size = Size { batch: 1, rows: 24, columns: 60, depth: 80 };
    let a = numbers::<f32>(size.rows * size.depth, 1);
    let b = numbers::<f32>(size.columns * size.depth, 2);
    let wide = |x: &[f32]| x.iter().map(|&x| f64::from(x)).collect::<Vec<f64>>();
    let (wide_a, wide_b) = (wide(&a), wide(&b));
    for on in Isa::available().flat_map(machines) {
        let highest = product(on, Precision::Highest, size, &a, &b);
        assert_eq!(highest, product(on, Precision::High, size, &a, &b));
        let medium = product(on, Precision::Medium, size, &a, &b);
        assert_eq!(highest != medium, rounds(on.isa, size), "{on:?}");
        let [highest, medium] = [Precision::Highest, Precision::Medium].map(|precision| {
            let mut out = vec![f64::NAN; size.rows * size.columns];
            let left = |_| Matrix::row_major(&wide_a[..], size.depth);
            let right = |_| Matrix::row_major(&wide_b[..], size.columns);
            matmul(on, precision, size, left, right, Bias::None, &mut out);
            out
        });
        assert_eq!(highest, medium);
    }
}

/// Any strides, batches and biases.
#[test]
fn operands_lie_anywhere() {
    let size = Size { batch: 3, rows: 21, columns: 53, depth: 67 };
    let Size { batch, rows, columns, depth } = size;
    let a = numbers::<f32>(batch * rows * depth, 1);
    let b = numbers::<f32>(batch * columns * depth, 2);
    let bias = numbers::<f32>(columns, 3);
    let turned = |x: &[f32], [rows, columns]: [usize; 2]| -> Vec<f32> {
        let matrices = x.chunks_exact(rows * columns);
        let turned = matrices
            .flat_map(|matrix| (0..rows * columns).map(|i| matrix[i % rows * columns + i / rows]));
        turned.collect()
    };
    let (turned_a, turned_b) = (turned(&a, [rows, depth]), turned(&b, [depth, columns]));
    for on in Isa::available().flat_map(machines) {
        let run = |a: &[f32], b: &[f32], turned: bool| {
            let mut out = vec![f32::NAN; batch * rows * columns];
            let matrix = |data, offset, [rows, columns]: [usize; 2]| {
                let strides = if turned { (1, rows as isize) } else { (columns as isize, 1) };
                Matrix { data, offset, row_stride: strides.0, column_stride: strides.1 }
            };
            let left = |i| matrix(a, i * rows * depth, [rows, depth]);
            let right = |i| matrix(b, i * depth * columns, [depth, columns]);
            matmul(on, Precision::Medium, size, left, right, Bias::Columns(&bias), &mut out);
            out
        };
        let straight = run(&a, &b, false);
        assert_eq!(straight, run(&turned_a, &turned_b, true), "{on:?}");
        let one = Size { batch: 1, ..size };
        for (i, out) in straight.chunks_exact(rows * columns).enumerate() {
            let (a, b) = (&a[i * rows * depth..], &b[i * depth * columns..]);
            let plain = product(on, Precision::Medium, one, a, b);
            for (j, (&with, &without)) in out.iter().zip(&plain).enumerate() {
                assert_eq!(with, without + bias[j % columns], "{on:?}");
            }
        }
    }
}

/// The numbers of a matrix that lies row by row, column by column.
fn turned(data: &[f32], columns: usize) -> Vec<f32> {
    let rows = data.len() / columns;
    (0..data.len()).map(|i| data[i % rows * columns + i / rows]).collect()
}

#[test]
fn however_operands_lie_the_bits_are_the_same() {
    let more = [(256, 96, 130), (300, 200, 129), (272, 288, 64), (257, 340, 300)];
    let more = more.map(|(rows, columns, depth)| Size { batch: 1, rows, columns, depth });
    // Small products and those with a vector have loops of their own.
    let large = |size: &Size| size.rows.min(size.columns) > 1 && size.columns * size.depth > 4096;
    for size in sizes().into_iter().filter(large).chain(more) {
        let Size { rows, columns, depth, .. } = size;
        let (a, b) = (numbers::<f32>(rows * depth, 1), numbers::<f32>(depth * columns, 2));
        let (a_turned, b_turned) = (turned(&a, depth), turned(&b, columns));
        let by_columns = |data, row_stride| Matrix {
            row_stride: 1,
            column_stride: row_stride as isize,
            ..Matrix::row_major(data, row_stride)
        };
        for on in Isa::available().flat_map(machines) {
            for precision in [Precision::Highest, Precision::Medium] {
                let lefts = [Matrix::row_major(&a, depth), by_columns(&a_turned, rows)];
                let rights = [Matrix::row_major(&b, columns), by_columns(&b_turned, depth)];
                let plain = product(on, precision, size, &a, &b);
                for (left, right) in lefts.iter().flat_map(|a| rights.iter().map(move |b| (a, b))) {
                    let mut out = vec![f32::NAN; rows * columns];
                    matmul(on, precision, size, |_| *left, |_| *right, Bias::None, &mut out);
                    assert!(out == plain, "{on:?} {precision} {size:?}");
                }
            }
        }
    }
}
