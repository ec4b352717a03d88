//! Products with codes against a plain loop in f64, on every instruction set and number of threads.

mod numbers;

use gradus_kernels::quantised::{CHUNK, CodeBits, CodeFormat, Codes, linear};
use gradus_kernels::{Isa, Machine};
use numbers::numbers;

/// A matrix of codes with its scales and zeros.
struct Matrix {
    format: CodeFormat,
    plain: Vec<Vec<u8>>,
    codes: Vec<u8>,
    scales: Vec<f32>,
    zeros: Vec<f32>,
}

impl Matrix {
    fn new(format: CodeFormat, rows: usize, depth: usize) -> Self {
        let count = format.bits.count();
        let code = |x: &f32| (((x + 1.0) / 2.0 * count as f32) as usize).min(count - 1) as u8;
        let plain: Vec<Vec<u8>> = (0..rows)
            .map(|row| numbers::<f32>(depth, row as u64 + 5).iter().map(code).collect())
            .collect();
        let mut codes = vec![0; rows * format.row_bytes(depth)];
        for (row, codes) in plain.iter().zip(codes.chunks_exact_mut(format.row_bytes(depth).max(1)))
        {
            format.encode(row, codes);
        }
        let groups = rows * format.row_groups(depth);
        let zeros = numbers::<f32>(groups, 3).into_iter().map(|x| (x + 1.0) * count as f32 / 2.0);
        Self { format, plain, codes, scales: numbers(groups, 2), zeros: zeros.collect() }
    }

    fn codes(&self, with_zeros: bool) -> Codes<'_> {
        let Self { format, codes, scales, zeros, .. } = self;
        Codes { format: *format, codes, scales, zeros: with_zeros.then_some(zeros) }
    }

    /// The number that a code stands for.
    fn number(&self, row: usize, index: usize, with_zeros: bool) -> f64 {
        let groups = self.format.row_groups(self.plain[row].len());
        let group = row * groups + index / self.format.group;
        let zero = if with_zeros { self.zeros[group] } else { self.format.bits.middle() };
        self.scales[group] as f64 * (self.plain[row][index] as f64 - zero as f64)
    }
}

#[test]
fn products_equal_the_definition_on_every_instruction_set_and_thread_count() {
    for bits in [CodeBits::Eight, CodeBits::Four] {
        for (rows, columns, depth, group) in [
            (1, 5, 64, 32),
            (1, 130, 200, 64),
            (3, 70, 31, 32),
            (9, 65, 257, 128),
            (6, 17, 1100, 96),
        ] {
            let format = CodeFormat { bits, group };
            let matrix = Matrix::new(format, columns, depth);
            let x: Vec<f32> = numbers(rows * depth, 1);
            let bias: Vec<f32> = numbers(columns, 4);
            for with_zeros in [false, true] {
                for isa in Isa::available() {
                    let run = |threads| {
                        let mut out = vec![f32::NAN; rows * columns];
                        let on = Machine { isa, threads };
                        let bias = with_zeros.then_some(&bias[..]);
                        linear(on, depth, &x, matrix.codes(with_zeros), bias, &mut out);
                        out
                    };
                    let out = run(1);
                    assert_eq!(out, run(3), "{isa} depends on the number of threads");
                    for (index, &found) in out.iter().enumerate() {
                        let (row, column) = (index / columns, index % columns);
                        let products = (0..depth).map(|k| {
                            let x = x[row * depth + k] as f64;
                            (x * matrix.number(column, k, with_zeros), x.abs())
                        });
                        let bias = if with_zeros { bias[column] as f64 } else { 0.0 };
                        let (sum, magnitude) = products
                            .fold((bias, bias.abs()), |(sum, all), (p, x)| (sum + p, all + x));
                        // A number is the difference of a code and a zero, and errs as these do.
                        let bound = 2e-7 * magnitude * bits.count() as f64;
                        let error = (found as f64 - sum).abs();
                        assert!(error <= bound, "{isa} {format:?}: {found}, not {sum}");
                    }
                }
            }
        }
    }
}

#[test]
fn a_row_is_the_same_bits_whatever_rows_are_beside_it() {
    let format = CodeFormat { bits: CodeBits::Four, group: CHUNK };
    let (columns, depth) = (41, 1000);
    let matrix = Matrix::new(format, columns, depth);
    let x: Vec<f32> = numbers(6 * depth, 1);
    for isa in Isa::available() {
        let on = Machine { isa, threads: 2 };
        let mut all = vec![0.0; 6 * columns];
        linear(on, depth, &x, matrix.codes(true), None, &mut all);
        for row in 0..6 {
            let mut one = vec![0.0; columns];
            linear(on, depth, &x[row * depth..][..depth], matrix.codes(true), None, &mut one);
            assert_eq!(one, all[row * columns..][..columns], "{isa}, row {row}");
        }
    }
}

#[test]
fn codes_come_back_as_they_were() {
    for bits in [CodeBits::Eight, CodeBits::Four] {
        let format = CodeFormat { bits, group: CHUNK };
        let codes: Vec<u8> = (0..77).map(|i| (i * 7 % bits.count()) as u8).collect();
        let mut row = vec![1; format.row_bytes(codes.len())];
        format.encode(&codes, &mut row);
        let back: Vec<u8> = (0..codes.len()).map(|index| format.decode(&row, index)).collect();
        assert_eq!(back, codes);
    }
}

#[test]
#[should_panic]
fn groups_are_whole_chunks() {
    let format = CodeFormat { bits: CodeBits::Eight, group: CHUNK + 1 };
    let weight = Codes { format, codes: &[0; 64], scales: &[1.0, 1.0], zeros: None };
    linear(Machine { isa: Isa::Portable, threads: 1 }, 64, &[0.0; 64], weight, None, &mut [0.0]);
}
