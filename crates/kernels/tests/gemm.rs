//! Matrix products against a plain loop in f64, on every instruction set and number of threads.

mod numbers;

use gradus_kernels::gemm::{Bias, Constant, Matrix, Size, matmul, matmul_by_constant};
use gradus_kernels::memory::Block;
use gradus_kernels::{Float, Isa, Machine, Precision};
use numbers::numbers;

#[derive(Clone, Copy, Debug)]
enum Order {
    RowMajor,
    ColumnMajor,
    Spread,
}

/// A matrix of `rows` rows and `columns` columns somewhere in `data`.
fn matrix<T: Float>(
    data: &[T],
    rows: usize,
    columns: usize,
    order: Order,
    index: usize,
) -> Matrix<'_, T> {
    let (row_stride, column_stride) = match order {
        Order::RowMajor => (columns as isize, 1),
        Order::ColumnMajor => (1, rows as isize),
        Order::Spread => (-2 * columns as isize, 2),
    };
    let first = if row_stride < 0 { 2 * columns * rows.saturating_sub(1) } else { 0 };
    Matrix { data, offset: first + index * rows * columns, row_stride, column_stride }
}

fn at<T: Float>(matrix: &Matrix<'_, T>, row: usize, column: usize) -> f64 {
    let step = row as isize * matrix.row_stride + column as isize * matrix.column_stride;
    matrix.data[matrix.offset.wrapping_add_signed(step)].to_f64()
}

/// Multiplies on one machine and compares with the sum of products in f64: the error may not be
/// more than that of `depth` roundings.
fn check<T: Float>(
    on: Machine,
    size: Size,
    orders: (Order, Order),
    bias: char,
    epsilon: f64,
) -> Vec<T> {
    let Size { batch, rows, columns, depth } = size;
    let a: Vec<T> = numbers((batch + 2) * rows * depth.max(1) + 8, 1);
    let b: Vec<T> = numbers((batch + 2) * columns * depth.max(1) + 8, 2);
    let row_bias: Vec<T> = numbers(rows, 3);
    let column_bias: Vec<T> = numbers(columns, 4);
    let left = |i| matrix(&a, rows, depth, orders.0, i);
    let right = |i| matrix(&b, depth, columns, orders.1, i);
    let added = match bias {
        'r' => Bias::Rows(&row_bias[..]),
        'c' => Bias::Columns(&column_bias[..]),
        _ => Bias::None,
    };
    let mut out = vec![T::NAN; batch * rows * columns];
    matmul(on, Precision::Highest, size, left, right, added, &mut out);
    for i in 0..batch {
        for r in 0..rows {
            for c in 0..columns {
                let products = (0..depth).map(|k| at(&left(i), r, k) * at(&right(i), k, c));
                let (sum, magnitude) =
                    products.fold((0.0, 1.0), |(sum, all), p: f64| (sum + p, all + p.abs()));
                let bias = match bias {
                    'r' => row_bias[r].to_f64(),
                    'c' => column_bias[c].to_f64(),
                    _ => 0.0,
                };
                let value = out[(i * rows + r) * columns + c].to_f64();
                let error = (value - sum - bias).abs();
                let bound = epsilon * magnitude * (2.0 + (depth.min(256) as f64).sqrt());
                assert!(error <= bound, "{on:?} {size:?} {orders:?}: error {error} at {r}, {c}");
            }
        }
    }
    out
}

#[test]
fn products_of_no_depth_are_the_bias_even_if_there_is_no_memory() {
    let bias = [1f32, 2.0, 3.0];
    for rows in [1, 4] {
        let size = Size { batch: 2, rows, columns: 3, depth: 0 };
        for strides in [[1, 1], [1, 5], [5, 1], [5, 5]] {
            let [row_stride, column_stride] = strides;
            let nothing = |_| Matrix { data: &[], offset: 0, row_stride, column_stride };
            for on in Isa::available().map(|isa| Machine { isa, threads: 2 }) {
                let mut out = vec![f32::NAN; 2 * rows * 3];
                let bias = Bias::Columns(&bias);
                matmul(on, Precision::Highest, size, nothing, nothing, bias, &mut out);
                assert_eq!(out, [1.0, 2.0, 3.0].repeat(2 * rows), "{on:?} {strides:?}");
            }
        }
    }
}

#[test]
fn products_equal_the_definition_on_every_instruction_set_and_thread_count() {
    let orders = [Order::RowMajor, Order::ColumnMajor, Order::Spread];
    let mut sizes = vec![];
    for (rows, columns, depth) in [
        (1, 1, 1),
        (2, 4, 1),
        (4, 2, 4),
        (1, 700, 33),
        (600, 1, 40),
        (1, 1, 1000),
        (1, 601, 503),
        (603, 1, 501),
        (1, 5, 60_000),
        (8, 48, 300),
        (17, 50, 9),
        (33, 97, 260),
        (130, 16, 70),
        (64, 300, 513),
        (100, 200, 330),
        (3, 5, 0),
        (0, 4, 4),
        (4, 0, 4),
    ] {
        for batch in [1, 3] {
            sizes.push(Size { batch, rows, columns, depth });
        }
    }
    sizes.push(Size { batch: 0, rows: 4, columns: 4, depth: 4 });
    for isa in Isa::available() {
        for (index, &size) in sizes.iter().enumerate() {
            let orders = (orders[index % 3], orders[index / 2 % 3]);
            let bias = ['n', 'r', 'c'][index % 3];
            let one = check::<f32>(Machine { isa, threads: 1 }, size, orders, bias, 6e-8);
            let three = check::<f32>(Machine { isa, threads: 3 }, size, orders, bias, 6e-8);
            assert_eq!(one, three, "{isa} {size:?} depends on the number of threads");
            check::<f64>(Machine { isa, threads: 2 }, size, orders, bias, 1.2e-16);
        }
    }
}

#[test]
fn products_by_a_constant_have_the_bits_of_all_others() {
    // The last has more rows than the panels are kept for.
    let all_rows = [2, 7, 40, 3, 7, 300];
    for (columns, depth) in [(100, 330), (5, 900), (2100, 37), (50, 1700)] {
        let len = columns * depth;
        let mut memory = Block::new((2 * len + 8) * size_of::<f32>()).expect("memory");
        let bias: Vec<f32> = numbers(columns, 3);
        for seed in [1, 2] {
            memory.slice_mut().copy_from_slice(&numbers::<f32>(2 * len + 8, seed));
            for (isa, order) in Isa::available().zip([0, 1, 2].into_iter().cycle()) {
                let order = [Order::RowMajor, Order::ColumnMajor, Order::Spread][order];
                for (precision, threads) in
                    [(Precision::Highest, 1), (Precision::Highest, 3), (Precision::Medium, 3)]
                {
                    let on = Machine { isa, threads };
                    for rows in all_rows {
                        let size = Size { batch: 1, rows, columns, depth };
                        let a: Vec<f32> = numbers(rows * depth, rows as u64);
                        let left = Matrix::row_major(&a, depth);
                        let right = matrix(memory.slice(), depth, columns, order, 0);
                        let bias = Bias::Columns(&bias);
                        let mut found = vec![f32::NAN; rows * columns];
                        let mut wanted = found.clone();
                        let constant = Constant { matrix: right, memory: &memory };
                        matmul_by_constant(on, precision, size, left, constant, bias, &mut found);
                        matmul(on, precision, size, |_| left, |_| right, bias, &mut wanted);
                        assert_eq!(found, wanted, "{on:?} {precision} {size:?} {order:?}");
                    }
                }
            }
        }
    }
}

#[test]
fn a_row_by_a_constant_has_the_same_bits_each_time() {
    let (columns, depth) = (300, 900);
    let size = Size { batch: 1, rows: 1, columns, depth };
    let mut memory = Block::new(columns * depth * size_of::<f32>()).expect("memory");
    memory.slice_mut().copy_from_slice(&numbers::<f32>(columns * depth, 1));
    let row: Vec<f32> = numbers(depth, 2);
    let left = Matrix::row_major(&row, depth);
    let right = matrix(memory.slice(), depth, columns, Order::ColumnMajor, 0);
    for on in Isa::available().map(|isa| Machine { isa, threads: 2 }) {
        let mut exact = vec![f32::NAN; columns];
        matmul(on, Precision::Highest, size, |_| left, |_| right, Bias::None, &mut exact);
        for (precision, loss) in [(Precision::Highest, 0.0), (Precision::Medium, 1.0 / 128.0)] {
            let product = || {
                let mut out = vec![f32::NAN; columns];
                let constant = Constant { matrix: right, memory: &memory };
                matmul_by_constant(on, precision, size, left, constant, Bias::None, &mut out);
                out
            };
            let found = product();
            for _ in 0..2 {
                assert_eq!(found, product(), "{on:?} {precision}");
            }
            for (column, (found, exact)) in found.iter().zip(&exact).enumerate() {
                let products = (0..depth).map(|k| at(&left, 0, k) * at(&right, k, column));
                let bound = loss * products.map(f64::abs).sum::<f64>();
                let error = f64::from((found - exact).abs());
                assert!(error <= bound, "{on:?} {precision}: error {error} at {column}");
            }
        }
    }
}
