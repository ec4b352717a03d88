//! What is beside the arithmetic: nanoseconds for an op on a tiny tensor, with and without an entry on
//! the tape and with its way back, and microseconds for the parts of a training step of small networks.
//! `cargo bench -p gradus-nn --bench overhead`. With a number of seconds as its argument it goes on as
//! long for each network, for a profiler to look at.

use gradus_nn::losses::{cross_entropy, mse_loss};
use gradus_nn::{
    Adam, AdamOptions, Layer, Linear, Module, Optimizer, Relu, Sequential, Sgd, SgdOptions,
    Sigmoid, Tanh,
};
use gradus_tensor::ops::LossReduction;
use gradus_tensor::{Gradients, Rng, Tensor, no_grad};
use std::hint::black_box;
use std::time::Instant;

/// How many calls are timed together.
const GROUP: usize = 50;

fn main() {
    ops();
    steps(std::env::args().find_map(|text| text.parse().ok()).unwrap_or(1.0));
}

fn ops() {
    let mut rng = Rng::new(1);
    let x = Tensor::randn([4, 4], &mut rng).requires_grad();
    let y = Tensor::randn([4, 4], &mut rng).requires_grad();
    let bias = Tensor::randn(4, &mut rng).requires_grad();
    let ops: [(&str, &dyn Fn() -> Tensor); 8] = [
        ("x + y", &|| &x + &y),
        ("x y", &|| &x * &y),
        ("2 x", &|| &x * 2.0),
        ("tanh x", &|| x.tanh()),
        ("x matmul y", &|| x.matmul(&y)),
        ("linear", &|| x.linear(&y, Some(&bias))),
        ("sum", &|| x.sum(..)),
        ("squared error", &|| x.squared_error(&y, LossReduction::Mean)),
    ];
    println!("{:15} {:>10} {:>10} {:>10}", "ns for [4, 4]", "no tape", "tape", "and back");
    for (name, op) in ops {
        let ones = op().ones_like();
        let plain = nanoseconds(|| drop(black_box(no_grad(op))));
        let taped = nanoseconds(|| drop(black_box(op())));
        let back = nanoseconds(|| drop(black_box(op().backward_from(&ones))));
        println!("{name:15} {plain:10.0} {taped:10.0} {back:10.0}");
    }
}

/// How long a call takes.
fn nanoseconds(call: impl Fn()) -> f64 {
    let times = (0..500).map(|_| {
        let start = Instant::now();
        (0..GROUP).for_each(|_| call());
        microseconds(start) * 1e3 / GROUP as f64
    });
    median(times.collect())
}

fn steps(seconds: f64) {
    let rng = &mut Rng::new(1);
    let model = Sequential::new()
        .then(Linear::new(2, 4, rng))
        .then(Tanh)
        .then(Linear::new(4, 1, rng))
        .then(Sigmoid);
    let (x, y) = (Tensor::randn([4, 2], rng), Tensor::rand([4, 1], rng));
    let loss = || mse_loss(&model.forward(&x), &y);
    let mut optimizer = Sgd::new(model.params(), SgdOptions::default());
    time("XOR 2-4-1, batch 4, SGD", seconds, loss, |gradients| optimizer.step(gradients));

    let model = Sequential::new()
        .then(Linear::new(784, 128, rng))
        .then(Relu)
        .then(Linear::new(128, 10, rng));
    let (x, y) = (Tensor::randn([64, 784], rng), Tensor::randint(0, 10, 64, rng));
    let loss = || cross_entropy(&model.forward(&x), &y);
    let mut optimizer = Adam::new(model.params(), AdamOptions::default());
    time("MLP 784-128-10, batch 64, Adam", seconds, loss, |gradients| optimizer.step(gradients));
}

/// Prints the median times of the three parts of a step, and of a whole one.
fn time(name: &str, seconds: f64, loss: impl Fn() -> Tensor, mut update: impl FnMut(&Gradients)) {
    let mut times: [Vec<f64>; 4] = Default::default();
    let start = Instant::now();
    while start.elapsed().as_secs_f64() < seconds {
        let whole = Instant::now();
        for _ in 0..GROUP {
            let loss = loss();
            update(&loss.backward());
            loss.item::<f32>();
        }
        times[3].push(microseconds(whole) / GROUP as f64);
        for _ in 0..GROUP {
            let start = Instant::now();
            let loss = loss();
            times[0].push(microseconds(start));
            let start = Instant::now();
            let gradients = loss.backward();
            times[1].push(microseconds(start));
            let start = Instant::now();
            update(&gradients);
            times[2].push(microseconds(start));
        }
    }
    let [forward, backward, update, whole] = times.map(median);
    println!(
        "{name}: forward {forward:.2}, backward {backward:.2}, update {update:.2}, a step \
         {whole:.2} µs"
    );
}

fn microseconds(start: Instant) -> f64 {
    start.elapsed().as_secs_f64() * 1e6
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}
