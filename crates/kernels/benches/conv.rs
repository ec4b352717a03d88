//! How long convolutions take: the median of several runs of each direction, and of the forward one of
//! a weight that is kept, and the arithmetic that is in `GFLOP/s`. `cargo bench -p gradus-kernels --bench conv`; compare with `conv.py` beside
//! this file, run at the same time of day on the same cores.

mod median;
mod square;

use gradus_kernels::conv::{self, Geometry, Weight};
use gradus_kernels::memory::Block;
use gradus_kernels::{Machine, Precision, Strided};
use median::median;
use std::hint::black_box;

/// Batch, channels in and out, length of the sides, kernel, stride, groups.
const LAYERS: &[(&str, [usize; 7])] = &[
    ("digits 1", [64, 1, 32, 28, 3, 1, 1]),
    ("digits 2", [64, 32, 64, 14, 3, 1, 1]),
    ("stem", [8, 3, 64, 224, 7, 2, 1]),
    ("block 1", [8, 64, 64, 56, 3, 1, 1]),
    ("block 2", [8, 128, 128, 28, 3, 1, 1]),
    ("halving", [8, 128, 256, 28, 3, 2, 1]),
    ("halving 1x1", [8, 64, 128, 56, 1, 2, 1]),
    ("block 4", [8, 512, 512, 7, 3, 1, 1]),
    ("1x1", [8, 256, 64, 56, 1, 1, 1]),
    ("depthwise", [8, 96, 96, 56, 3, 1, 96]),
    ("one image", [1, 64, 64, 56, 3, 1, 1]),
    ("one stem", [1, 3, 64, 224, 7, 2, 1]),
    ("one 2", [1, 128, 128, 28, 3, 1, 1]),
    ("one 3", [1, 256, 256, 14, 3, 1, 1]),
    ("one 4", [1, 512, 512, 7, 3, 1, 1]),
    ("one half 2", [1, 64, 128, 56, 3, 2, 1]),
    ("one half 3", [1, 128, 256, 28, 3, 2, 1]),
    ("one half 4", [1, 256, 512, 14, 3, 2, 1]),
    ("one 1x1 2", [1, 64, 128, 56, 1, 2, 1]),
    ("one 1x1 3", [1, 128, 256, 28, 1, 2, 1]),
    ("one 1x1 4", [1, 256, 512, 14, 1, 2, 1]),
    ("cifar 1", [32, 64, 64, 32, 3, 1, 1]),
    ("cifar 2", [32, 128, 128, 16, 3, 1, 1]),
    ("cifar 3", [32, 256, 256, 8, 3, 1, 1]),
    ("cifar 4", [32, 512, 512, 4, 3, 1, 1]),
    ("cifar half", [32, 64, 128, 32, 3, 2, 1]),
    ("u-net 1", [4, 32, 32, 128, 3, 1, 1]),
    ("u-net 2", [4, 64, 64, 64, 3, 1, 1]),
    ("u-net 3", [4, 128, 128, 32, 3, 1, 1]),
    ("u-net 4", [4, 256, 256, 16, 3, 1, 1]),
    ("u-net up", [4, 64, 32, 128, 3, 1, 1]),
];

fn main() {
    let on = Machine::from_environment().unwrap_or_else(|error| panic!("{error}"));
    println!("{on:?}");
    // Words on the command line choose layers.
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let chosen = |name: &str| words.is_empty() || words.iter().any(|word| name.contains(word));
    for &(name, [batch, inputs, outputs, side, kernel, stride, groups]) in
        LAYERS.iter().filter(|(name, _)| chosen(name))
    {
        let sizes = [inputs, outputs, side, kernel, stride];
        let geometry = Geometry { groups, ..square::geometry(batch, sizes) };
        for precision in [Precision::Highest, Precision::Medium] {
            layer(on, precision, name, &geometry);
        }
    }
}

fn layer(on: Machine, precision: Precision, name: &str, geometry: &Geometry) {
    let shapes = [geometry.input_shape(), geometry.weight_shape(), geometry.output_shape()];
    let data = shapes.map(|shape| Vec::from_iter(square::numbers(shape.iter().product())));
    let strides = shapes.map(square::strides);
    let [x, w, y] = [0, 1, 2].map(|i| square::view(&data[i], &shapes[i], &strides[i]));
    let bias = vec![0.5; geometry.out_channels];
    let mut outs = data.clone();
    let [by_input, by_weight, out] = &mut outs;
    let products = data[1].len() * geometry.batch * geometry.output.iter().product::<usize>();
    let mut memory = Block::new(size_of_val(&data[1][..])).expect("there is memory");
    memory.slice_mut().copy_from_slice(&data[1]);
    let numbers = Strided { data: memory.slice(), ..w };
    let kept = Weight { numbers, kept_with: Some(&memory) };
    let times = [
        median(|| conv::forward(on, precision, geometry, x, w, Some(&bias), out)),
        median(|| conv::forward(on, precision, geometry, x, kept, Some(&bias), out)),
        median(|| conv::input_gradient(on, precision, geometry, y, w, None, by_input)),
        median(|| conv::weight_gradient(on, precision, geometry, x, y, by_weight)),
    ];
    black_box(&outs);
    let columns = times.map(|time| {
        let rate = 2.0 * products as f64 / time.as_secs_f64() / 1e9;
        format!("{:9.3} ms {rate:6.0}", time.as_secs_f64() * 1e3)
    });
    println!("{name:10} {precision}: forward, kept, by input, by weight: {}", columns.join(" "));
}
