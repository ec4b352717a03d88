//! How long self-attention takes, and its gradient: the median of several runs, and the share of what
//! the products alone would take at the processor's limit.
//! `cargo bench -p gradus-kernels --bench attention`.

mod median;

use gradus_kernels::attention::{
    Attention, Heads, Results, self_attention, self_attention_gradient,
};
use gradus_kernels::{Machine, Precision, multiply_adds};
use median::median;

/// Examples, elements, heads and features of each; whether an element sees those before it alone.
const SIZES: &[([usize; 4], bool)] =
    &[([16, 128, 8, 32], false), ([1, 128, 12, 64], true), ([4, 512, 8, 64], true)];

fn main() {
    let on = Machine::from_environment().unwrap_or_else(|error| panic!("{error}"));
    println!("{on:?}");
    for &([batch, elements, heads, features], causal) in SIZES {
        let size = Heads { batch, elements, heads, features };
        let width = heads * features;
        let numbers = |len: usize| -> Vec<f32> {
            (0..len).map(|i| (i * 37 % 101) as f32 / 101.0 - 0.5).collect()
        };
        let (x, grad) = (numbers(3 * batch * elements * width), numbers(batch * elements * width));
        let (mut out, mut log_sums) = (grad.clone(), vec![0.0; batch * heads * elements]);
        let mut by_x = x.clone();
        for precision in [Precision::Highest, Precision::Medium] {
            let how = Attention { scale: 0.2, causal, dropout: None, precision };
            let inputs = (&x[..], None);
            let forward =
                median(|| self_attention(on, how, size, inputs, (&mut out, &mut log_sums)));
            let results = Results { out: &out, log_sums: &log_sums, grad: &grad };
            let gradient =
                median(|| self_attention_gradient(on, how, size, inputs, results, &mut by_x));
            let seen = if causal { 2 } else { 1 };
            let product = 2 * batch * heads * elements * elements * features / seen;
            let limit = limit(on, precision) * on.threads as f64;
            let shares = [(forward, 2), (gradient, 5)].map(|(time, products)| {
                let ideal = (products * product) as f64 / limit;
                format!(
                    "{:8.3} ms {:3.0} %",
                    time.as_secs_f64() * 1e3,
                    100.0 * ideal / time.as_secs_f64()
                )
            });
            println!("{size:?}, {precision}: forward, gradient: {}", shares.join(" "));
        }
    }
}

/// Operations a second of one thread.
fn limit(on: Machine, precision: Precision) -> f64 {
    let count = 1 << 20;
    let mut operations = 0.0;
    let time = median(|| operations = multiply_adds(on, precision, count));
    operations / time.as_secs_f64()
}
