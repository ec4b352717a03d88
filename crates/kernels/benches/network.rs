//! How long the convolutions of ResNet-18 take for one image, or as many as the command line says, one
//! after another as in the network: together their weights are larger than the caches, so that they come
//! from memory, as they do not in the bench `conv`. `cargo bench -p gradus-kernels --bench network`.

mod square;

use gradus_kernels::conv::{self, Geometry, Weight};
use gradus_kernels::memory::Block;
use gradus_kernels::{Machine, Precision};
use std::hint::black_box;
use std::time::{Duration, Instant};

/// Channels in and out, length of the sides, kernel, stride, and how often.
const LAYERS: &[(&str, [usize; 6])] = &[
    ("stem", [3, 64, 224, 7, 2, 1]),
    ("1", [64, 64, 56, 3, 1, 4]),
    ("half 2", [64, 128, 56, 3, 2, 1]),
    ("1x1 2", [64, 128, 56, 1, 2, 1]),
    ("2", [128, 128, 28, 3, 1, 3]),
    ("half 3", [128, 256, 28, 3, 2, 1]),
    ("1x1 3", [128, 256, 28, 1, 2, 1]),
    ("3", [256, 256, 14, 3, 1, 3]),
    ("half 4", [256, 512, 14, 3, 2, 1]),
    ("1x1 4", [256, 512, 14, 1, 2, 1]),
    ("4", [512, 512, 7, 3, 1, 3]),
];

/// One of the convolutions.
struct Layer {
    name: &'static str,
    geometry: Geometry,
    weight: Block,
    times: Vec<Duration>,
}

fn main() {
    let on = Machine::from_environment().unwrap_or_else(|error| panic!("{error}"));
    let batch = std::env::args().skip(1).find_map(|word| word.parse().ok()).unwrap_or(1);
    println!("{on:?}, {batch} images");
    let mut layers: Vec<Layer> = vec![];
    for (name, sizes) in LAYERS {
        layers.extend((0..sizes[5]).map(|_| layer(name, batch, sizes)));
    }
    let x: Vec<f32> = square::numbers(batch * 64 * 112 * 112).collect();
    let mut out = x.clone();
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(1) {
        for Layer { geometry, weight, times, .. } in &mut layers {
            let shapes = [geometry.input_shape(), geometry.weight_shape()];
            let strides = shapes.map(square::strides);
            let numbers = square::view(weight.slice(), &shapes[1], &strides[1]);
            let x = square::view(&x, &shapes[0], &strides[0]);
            let weight = Weight { numbers, kept_with: Some(weight) };
            let out = &mut out[..geometry.output_shape().iter().product()];
            let start = Instant::now();
            conv::forward(on, Precision::Highest, geometry, x, weight, None, out);
            times.push(start.elapsed());
        }
    }
    black_box(&out);
    let mut total = 0.0;
    for Layer { name, times, .. } in &mut layers {
        times.sort();
        let median = times[times.len() / 2].as_secs_f64() * 1e3;
        println!("{name:7} {median:8.3} ms");
        total += median;
    }
    println!("all     {total:8.3} ms");
}

fn layer(name: &'static str, batch: usize, sizes: &[usize; 6]) -> Layer {
    let &[inputs, outputs, side, kernel, stride, _] = sizes;
    let geometry = square::geometry(batch, [inputs, outputs, side, kernel, stride]);
    let count: usize = geometry.weight_shape().iter().product();
    let mut weight = Block::new(count * size_of::<f32>()).expect("there is memory");
    weight.slice_mut().iter_mut().zip(square::numbers(count)).for_each(|(x, number)| *x = number);
    Layer { name, geometry, weight, times: vec![] }
}
