//! How long products and convolutions of integers of eight bits take beside those of `f32`: the median
//! of several runs. `cargo bench -p gradus-kernels --bench integer`.

mod median;
mod square;

use gradus_kernels::conv::{self, Geometry};
use gradus_kernels::gemm::{Bias, Matrix, Size, matmul};
use gradus_kernels::integer::{self, CodeScale, Finish, IntegerWeight, pack, packed_len};
use gradus_kernels::{Machine, Precision};
use median::median;

/// Batch, channels in and out, length of the sides, kernel, stride. A side of 1 is a matrix product.
const LAYERS: &[(&str, [usize; 6])] = &[
    ("linear", [64, 1024, 1024, 1, 1, 1]),
    ("linear 1", [1, 1024, 1024, 1, 1, 1]),
    ("stem", [8, 3, 64, 224, 7, 2]),
    ("block 1", [8, 64, 64, 56, 3, 1]),
    ("block 2", [8, 128, 128, 28, 3, 1]),
    ("halving", [8, 128, 256, 28, 3, 2]),
    ("block 3", [8, 256, 256, 14, 3, 1]),
    ("block 4", [8, 512, 512, 7, 3, 1]),
    ("one image", [1, 64, 64, 56, 3, 1]),
];

fn main() {
    let on = Machine::from_environment().unwrap_or_else(|error| panic!("{error}"));
    println!("{on:?}");
    for &(name, [batch, inputs, outputs, side, kernel, stride]) in LAYERS {
        let geometry = square::geometry(batch, [inputs, outputs, side, kernel, stride]);
        let shapes = [geometry.input_shape(), geometry.weight_shape(), geometry.output_shape()];
        let places = batch * geometry.output.iter().product::<usize>();
        let products = shapes[1].iter().product::<usize>() * places;
        let times = [floats(on, &geometry, shapes), integers(on, &geometry, shapes)];
        let columns = times.map(|seconds| {
            format!("{:8.3} ms {:6.0} GOP/s", seconds * 1e3, 2.0 * products as f64 / seconds / 1e9)
        });
        println!("{name:10}: f32 {}, int8 {}: {:.2}x", columns[0], columns[1], times[0] / times[1]);
    }
}

fn numbers(shape: [usize; 5]) -> Vec<f32> {
    square::numbers(shape.iter().product()).collect()
}

fn floats(on: Machine, geometry: &Geometry, shapes: [[usize; 5]; 3]) -> f64 {
    let [x, w, mut out] = shapes.map(numbers);
    let bias = vec![0.5; geometry.out_channels];
    if geometry.input == [1; 3] {
        let (rows, depth) = (geometry.batch, geometry.in_channels);
        let size = Size { batch: 1, rows, columns: geometry.out_channels, depth };
        let right =
            Matrix { data: &w[..], offset: 0, row_stride: 1, column_stride: depth as isize };
        let bias = Bias::Columns(&bias);
        let left = Matrix::row_major(&x, depth);
        let body = || matmul(on, Precision::Highest, size, |_| left, |_| right, bias, &mut out);
        return median(body).as_secs_f64();
    }
    let strides = shapes.map(square::strides);
    let x = square::view(&x, &shapes[0], &strides[0]);
    let w = square::view(&w, &shapes[1], &strides[1]);
    let body = || conv::forward(on, Precision::Highest, geometry, x, w, Some(&bias), &mut out);
    median(body).as_secs_f64()
}

fn integers(on: Machine, geometry: &Geometry, shapes: [[usize; 5]; 3]) -> f64 {
    let [x, w, mut out] = shapes.map(numbers);
    let outputs = geometry.out_channels;
    let codes: Vec<i8> = w.iter().map(|w| (w * 254.0) as i8).collect();
    let sum = |row: &[i8]| row.iter().map(|&code| i32::from(code)).sum();
    let sums: Vec<i32> = codes.chunks(codes.len() / outputs).map(sum).collect();
    let (scales, bias) = (vec![1.0 / 254.0; outputs], vec![0.5; outputs]);
    let mut packed = vec![0; packed_len(geometry)];
    pack(geometry, &codes, &mut packed);
    let weight = IntegerWeight { packed: &packed, sums: &sums, scales: &scales };
    let input = CodeScale { scale: 1.0 / 255.0, zero: 128 };
    let finish = Finish { bias: Some(&bias), relu: false };
    let body = || integer::forward(on, geometry, input, &x, weight, finish, &mut out);
    median(body).as_secs_f64()
}
