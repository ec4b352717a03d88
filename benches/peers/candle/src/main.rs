//! candle on the workloads of gradus-bench.

mod models;
#[path = "../../serve.rs"]
mod serve;
mod weights;

use candle_core::backprop::GradStore;
use candle_core::{Tensor, Var};
use candle_nn::{AdamW, Optimizer, ParamsAdamW, SGD};
use serve::{Result, Step, Workload};
use std::path::PathBuf;
use weights::Weights;

const WORKLOADS: &[Workload] = &[
    ("W1.train", |file| train(file, models::xor, plain)),
    ("W2.train", |file| train(file, models::mlp, adam)),
    ("W3.train", |file| train(file, models::textbook, momentum)),
    ("W5.lstm", |file| train(file, models::lstm_everywhere, adam)),
    ("W5c.lstm", |file| train(file, models::lstm_at_the_end, adam)),
    ("W6.train", |file| train(file, models::encoder, adam)),
    ("W6.decode", decode),
];

fn main() -> Result<()> {
    let products = if cfg!(feature = "mkl") { "Intel's MKL" } else { "the crate gemm" };
    serve::run(&format!("{}, with {products}", env!("CARGO_PKG_VERSION")), WORKLOADS)
}

/// The loss of a model.
type Loss = Box<dyn Fn() -> candle_core::Result<Tensor>>;

/// A step of an optimizer.
type Update = Box<dyn FnMut(&GradStore) -> candle_core::Result<()>>;

fn train(
    file: PathBuf,
    model: fn(&Weights) -> candle_core::Result<Loss>,
    optimizer: fn(Vec<Var>) -> candle_core::Result<Update>,
) -> Result<Step> {
    let weights = Weights::read(&file, true)?;
    let loss = model(&weights)?;
    let mut update = optimizer(weights.vars)?;
    Ok(Box::new(move || {
        let value = loss()?;
        update(&value.backward()?)?;
        Ok(f64::from(value.to_scalar::<f32>()?))
    }))
}

fn plain(vars: Vec<Var>) -> candle_core::Result<Update> {
    let mut sgd = SGD::new(vars, 0.1)?;
    Ok(Box::new(move |gradients| sgd.step(gradients)))
}

fn adam(vars: Vec<Var>) -> candle_core::Result<Update> {
    let options = ParamsAdamW { lr: 1e-3, weight_decay: 0.0, ..Default::default() };
    let mut adam = AdamW::new(vars, options)?;
    Ok(Box::new(move |gradients| adam.step(gradients)))
}

/// Momentum, which candle's own SGD does not have.
fn momentum(vars: Vec<Var>) -> candle_core::Result<Update> {
    let mut velocities: Vec<Option<Tensor>> = vec![None; vars.len()];
    Ok(Box::new(move |gradients| {
        for (var, velocity) in vars.iter().zip(&mut velocities) {
            let Some(gradient) = gradients.get(var) else { continue };
            let next = match velocity {
                Some(velocity) => ((&*velocity * 0.9)? + gradient)?,
                None => gradient.clone(),
            };
            var.set(&(var.as_tensor() - (&next * 0.01)?)?)?;
            *velocity = Some(next.detach());
        }
        Ok(())
    }))
}

fn decode(file: PathBuf) -> Result<Step> {
    let weights = Weights::read(&file, false)?;
    let x = weights.integers("x")?;
    let mut model = models::Gpt::new(&weights)?;
    Ok(Box::new(move || {
        let logits = model.decode(&x)?;
        Ok(f64::from(logits.mean_all()?.to_scalar::<f32>()?))
    }))
}
