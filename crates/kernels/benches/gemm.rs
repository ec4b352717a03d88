//! How fast matrix products are, in GFLOP/s, by precision: the median of several runs;
//! and where the right operand is a constant that is packed once.
//! `cargo bench -p gradus-kernels --bench gemm`

mod median;

use gradus_kernels::gemm::{Bias, Constant, Matrix, Size, matmul, matmul_by_constant};
use gradus_kernels::memory::Block;
use gradus_kernels::{Machine, Precision};
use median::median;

/// Rows, columns and depth.
const PRODUCTS: &[[usize; 3]] = &[
    [128, 128, 128],
    [512, 512, 512],
    [1024, 1024, 1024],
    [2048, 2048, 2048],
    [64, 128, 784],
    [512, 3072, 768],
    [2048, 256, 256],
    [2048, 1024, 256],
    [256, 1024, 2048],
    [16, 2304, 768],
    [128, 2304, 768],
    [1, 4096, 4096],
    [1, 768, 3072],
    [1, 256, 256],
];

fn main() {
    let on = Machine::from_environment().unwrap_or_else(|error| panic!("{error}"));
    println!("{on:?}");
    for &[rows, columns, depth] in PRODUCTS {
        let numbers = |count: usize| -> Vec<f32> {
            (0..count).map(|i| (i * 37 % 101) as f32 / 101.0 - 0.5).collect()
        };
        let (a, b) = (numbers(rows * depth), numbers(depth * columns));
        let mut memory = Block::new(size_of_val(&b[..])).expect("memory for the right operand");
        memory.slice_mut().copy_from_slice(&b);
        let mut out = vec![0.0; rows * columns];
        let size = Size { batch: 1, rows, columns, depth };
        let mut line = |name: &str, multiply: &dyn Fn(Precision, &mut [f32])| {
            let rates = [Precision::Highest, Precision::Medium].map(|precision| {
                // Twice, as what is kept is packed the second time.
                (0..2).for_each(|_| multiply(precision, &mut out));
                let time = median(|| multiply(precision, &mut out));
                let rate = 2.0 * (rows * columns * depth) as f64 / time.as_secs_f64() / 1e9;
                format!("{precision} {rate:6.0}")
            });
            println!("{rows:5} x {depth:5} x {columns:5}, {name}: {}", rates.join(", "));
        };
        // As linear layers multiply: forward, and for the gradients by input and by weight.
        for (turned, name) in
            [((false, true), "A Bᵀ"), ((false, false), "A B"), ((true, false), "Aᵀ B")]
        {
            let left = |_| matrix(&a, [rows, depth], turned.0);
            let right = |_| matrix(&b, [depth, columns], turned.1);
            line(name, &|precision, out| matmul(on, precision, size, left, right, Bias::None, out));
        }
        let left = matrix(&a, [rows, depth], false);
        let right = matrix(memory.slice(), [depth, columns], true);
        let constant = Constant { matrix: right, memory: &memory };
        line("A Bᵀ, B kept", &|precision, out| {
            matmul_by_constant(on, precision, size, left, constant, Bias::None, out);
        });
    }
}

/// A matrix whose rows, or whose columns, lie side by side.
fn matrix(data: &[f32], [rows, columns]: [usize; 2], turned: bool) -> Matrix<'_, f32> {
    let (row_stride, column_stride) =
        if turned { (1, rows as isize) } else { (columns as isize, 1) };
    Matrix { data, offset: 0, row_stride, column_stride }
}
