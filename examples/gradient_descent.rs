//! Three ways downhill: with the gradient over all samples, over one, or over a few at a time.
//!
//! `cargo run --release --example gradient_descent`

use gradus::prelude::*;
use std::time::Instant;

const SAMPLES: usize = 512;
const EPOCHS: u64 = 12;

/// A way downhill.
struct Way {
    name: &'static str,
    batch_size: usize,
    learning_rate: f64,
}

const WAYS: [Way; 3] = [
    Way { name: "batch", batch_size: SAMPLES, learning_rate: 0.3 },
    Way { name: "mini-batch", batch_size: 32, learning_rate: 0.1 },
    Way { name: "stochastic", batch_size: 1, learning_rate: 0.01 },
];

/// What one way came to.
struct Outcome {
    /// The error over all samples, before the first epoch and after each.
    errors: Vec<f32>,
    steps: usize,
    seconds: f64,
}

fn main() -> Result<()> {
    // t = 2 x₁ - 3 x₂ + x₃ + 0.5, and noise of standard deviation 0.1.
    let mut rng = Rng::new(7);
    let x = Tensor::randn([SAMPLES, 3], &mut rng);
    let truth = Tensor::from([[2f32], [-3.0], [1.0]]);
    let target = x.matmul(&truth) + 0.5 + Tensor::randn([SAMPLES, 1], &mut rng) * 0.1;

    let mut outcomes = vec![];
    for way in &WAYS {
        outcomes.push(descend(&x, &target, way)?);
    }

    println!("A linear model, {SAMPLES} samples, the mean squared error after each epoch.");
    println!("The noise in the targets alone makes it about 0.01.\n");
    let names: String = WAYS.iter().map(|way| format!("{:>12}", way.name)).collect();
    println!("epoch       {names}");
    let row = |name: &str, cell: &dyn Fn(&Outcome, &Way) -> String| {
        let cells = outcomes.iter().zip(&WAYS).map(|(outcome, way)| cell(outcome, way));
        println!("{name:<12}{}", cells.map(|cell| format!("{cell:>12}")).collect::<String>());
    };
    for epoch in 0..=EPOCHS as usize {
        row(&epoch.to_string(), &|outcome, _| format!("{:.5}", outcome.errors[epoch]));
    }
    println!();
    row("batch size", &|_, way| way.batch_size.to_string());
    row("step size", &|_, way| way.learning_rate.to_string());
    row("steps", &|outcome, _| outcome.steps.to_string());
    row("time", &|outcome, _| format!("{:.1} ms", 1e3 * outcome.seconds));
    println!(
        "\nThe whole set gives the exact gradient, but one step an epoch. Single samples give many\n\
         steps in noisy directions, so that each must be small. A few at a time have most of both."
    );
    Ok(())
}

/// Goes downhill from the same start.
fn descend(x: &Tensor, target: &Tensor, way: &Way) -> Result<Outcome> {
    let samples = TensorDataset::new(x.clone(), target.clone());
    let options =
        LoaderOptions { batch_size: way.batch_size, shuffle: Some(1), ..Default::default() };
    let loader = DataLoader::new(samples, options);
    let model = Linear::new(3, 1, &mut Rng::new(1));
    let options = SgdOptions { learning_rate: way.learning_rate, ..Default::default() };
    let mut optimizer = Sgd::new(model.params(), options);

    let error = || no_grad(|| mse_loss(&model.forward(x), target).item::<f32>());
    let mut outcome = Outcome { errors: vec![error()], steps: 0, seconds: 0.0 };
    for epoch in 0..EPOCHS {
        let start = Instant::now();
        for batch in loader.epoch(epoch) {
            let batch = batch?;
            let loss = mse_loss(&model.forward(batch.input()), batch.target());
            optimizer.step(&loss.backward());
            outcome.steps += 1;
        }
        outcome.seconds += start.elapsed().as_secs_f64();
        outcome.errors.push(error());
    }
    Ok(outcome)
}
