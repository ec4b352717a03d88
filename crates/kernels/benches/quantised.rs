//! How long the matrices of GPT-2's smallest take one token and thirty-two, as `f32` and as codes of
//! eight and of four bits: the median of several runs. `cargo bench -p gradus-kernels --bench quantised`.

mod median;

use gradus_kernels::gemm::{Bias, Matrix, Size, matmul};
use gradus_kernels::memory::{Scratch, scratch};
use gradus_kernels::quantised::{CodeBits, CodeFormat, Codes, linear};
use gradus_kernels::{Machine, Precision};
use median::median;

/// Rows and columns of the matrices of a layer.
const LAYER: [[usize; 2]; 4] = [[2304, 768], [768, 768], [3072, 768], [768, 3072]];

/// The table of words, which is also the last matrix.
const WORDS: [usize; 2] = [50_257, 768];

fn main() {
    let on = Machine::from_environment().unwrap_or_else(|error| panic!("{error}"));
    println!("{on:?}");
    let layers: Vec<[usize; 2]> = LAYER.repeat(12);
    let with_words = [&layers[..], &[WORDS]].concat();
    let eight = CodeFormat { bits: CodeBits::Eight, group: 3072 };
    let four = CodeFormat { bits: CodeBits::Four, group: 64 };
    for (matrices, tokens) in [(&with_words, 1), (&layers, 32)] {
        floats(on, matrices, tokens);
        for format in [eight, four] {
            codes(on, matrices, tokens, format);
        }
    }
}

/// Numbers between -1 and 1.
fn numbers(count: usize) -> Scratch<f32> {
    let mut numbers = scratch(count);
    for (i, number) in numbers.iter_mut().enumerate() {
        *number = (i * 37 % 101) as f32 / 50.5 - 1.0;
    }
    numbers
}

fn print(what: &str, matrices: &[[usize; 2]], tokens: usize, bytes: usize, body: impl FnMut()) {
    // Words on the command line choose.
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    if !words.is_empty() && !words.iter().any(|word| what.contains(word)) {
        return;
    }
    let seconds = median(body).as_secs_f64();
    let products: usize = matrices.iter().map(|[rows, depth]| rows * depth * tokens).sum();
    let (rate, read) = (2.0 * products as f64 / seconds / 1e9, bytes as f64 / seconds / 1e9);
    println!(
        "{tokens:2} tokens, {what:10}: {:7.3} ms {rate:6.1} GFLOP/s {read:5.1} GB/s",
        seconds * 1e3
    );
}

fn floats(on: Machine, matrices: &[[usize; 2]], tokens: usize) {
    let weights: Vec<_> = matrices.iter().map(|[rows, depth]| numbers(rows * depth)).collect();
    let (x, mut out) = (numbers(tokens * 3072), numbers(tokens * WORDS[0]));
    let bytes = weights.iter().map(|weight| 4 * weight.len()).sum();
    print("f32", matrices, tokens, bytes, || {
        for (&[columns, depth], weight) in matrices.iter().zip(&weights) {
            let size = Size { batch: 1, rows: tokens, columns, depth };
            let right = |_| Matrix {
                data: &weight[..],
                offset: 0,
                row_stride: 1,
                column_stride: depth as isize,
            };
            let left = |_| Matrix::row_major(&x, depth);
            let out = &mut out[..tokens * columns];
            matmul(on, Precision::Highest, size, left, right, Bias::None, out);
        }
    });
}

fn codes(on: Machine, matrices: &[[usize; 2]], tokens: usize, format: CodeFormat) {
    let weights: Vec<_> = matrices
        .iter()
        .map(|&[rows, depth]| {
            let format = CodeFormat { group: format.group.min(depth), ..format };
            let mut codes = scratch::<u8>(rows * format.row_bytes(depth));
            codes.iter_mut().enumerate().for_each(|(i, code)| *code = (i * 37 % 101) as u8);
            (format, codes, numbers(rows * format.row_groups(depth)))
        })
        .collect();
    let (x, mut out) = (numbers(tokens * 3072), numbers(tokens * WORDS[0]));
    let bytes = weights.iter().map(|(_, codes, scales)| codes.len() + 4 * scales.len()).sum();
    let what = format!("{:?} bits", format.bits);
    print(&what, matrices, tokens, bytes, || {
        for (&[columns, depth], (format, codes, scales)) in matrices.iter().zip(&weights) {
            let weight = Codes { format: *format, codes, scales, zeros: None };
            let out = &mut out[..tokens * columns];
            linear(on, depth, &x[..tokens * depth], weight, None, out);
        }
    });
}
