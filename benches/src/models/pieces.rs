//! Single pieces of training.

use super::{classes, rng};
use crate::workload::Task;
use gradus::prelude::*;

/// Calls a function of leaves, and sends a gradient back if there is one.
pub struct Piece {
    pub inputs: Vec<(&'static str, Tensor)>,
    pub upstream: Option<Tensor>,
    pub forward: fn(&[Tensor]) -> Tensor,
}

impl Task for Piece {
    fn step(&mut self) -> f64 {
        let inputs: Vec<Tensor> = self.inputs.iter().map(|(_, x)| x.clone()).collect();
        let y = (self.forward)(&inputs);
        let leaf = inputs[0].needs_grad().then(|| match &self.upstream {
            Some(upstream) => y.backward_from(upstream),
            None => y.backward(),
        });
        let shown = match &leaf {
            Some(gradients) => gradients.get(&inputs[0]).expect("a gradient by the first input"),
            None => &y,
        };
        f64::from(shown.flatten(0, -1).narrow(0, 0, 1).item::<f32>())
    }

    fn tensors(&self) -> Vec<(String, Tensor)> {
        let inputs = self.inputs.iter().map(|(name, x)| (name.to_string(), x.detach()));
        let upstream = self.upstream.iter().map(|x| ("upstream".to_string(), x.clone()));
        inputs.chain(upstream).collect()
    }
}

fn scaled_gelu(x: &[Tensor]) -> Tensor {
    (&x[0] * &x[1] + &x[2]).gelu()
}

/// x, w and b of 16 million, and a gradient.
fn gelu_tensors() -> [Tensor; 4] {
    let rng = &mut rng();
    let large = [16_384, 1024];
    [
        Tensor::randn(large, rng),
        Tensor::randn(1024, rng),
        Tensor::randn(1024, rng),
        Tensor::randn(large, rng),
    ]
}

pub fn gelu() -> Box<dyn Task> {
    let [x, w, b, _] = gelu_tensors();
    let inputs = vec![("x", x), ("w", w), ("b", b)];
    Box::new(Piece { inputs, upstream: None, forward: scaled_gelu })
}

pub fn gelu_backward() -> Box<dyn Task> {
    let [x, w, b, upstream] = gelu_tensors();
    let inputs = vec![("x", x.requires_grad()), ("w", w.requires_grad()), ("b", b.requires_grad())];
    Box::new(Piece { inputs, upstream: Some(upstream), forward: scaled_gelu })
}

pub fn cross_entropy() -> Box<dyn Task> {
    let rng = &mut rng();
    let x = Tensor::randn([256, 32_000], rng).requires_grad();
    let y = classes(256, 32_000, rng);
    Box::new(Piece {
        inputs: vec![("x", x), ("y", y)],
        upstream: None,
        forward: |x| x[0].cross_entropy(&x[1]),
    })
}

pub fn layer_norm() -> Box<dyn Task> {
    let rng = &mut rng();
    let x = Tensor::randn([4096, 1024], rng).requires_grad();
    let (w, b) =
        (Tensor::randn(1024, rng).requires_grad(), Tensor::randn(1024, rng).requires_grad());
    let upstream = Tensor::randn([4096, 1024], rng);
    Box::new(Piece {
        inputs: vec![("x", x), ("w", w), ("b", b)],
        upstream: Some(upstream),
        forward: |x| {
            let options = gradus::tensor::ops::NormOptions {
                weight: Some(x[1].clone()),
                bias: Some(x[2].clone()),
                epsilon: 1e-5,
            };
            x[0].layer_norm([1024], &options)
        },
    })
}

/// Steps of an optimizer alone.
struct Steps {
    params: Vec<Param>,
    gradients: Gradients,
    optimizer: Adam,
}

impl Task for Steps {
    fn step(&mut self) -> f64 {
        self.optimizer.step(&self.gradients);
        let first = self.params[0].tensor();
        f64::from(first.detach().flatten(0, -1).narrow(0, 0, 1).item::<f32>())
    }

    fn tensors(&self) -> Vec<(String, Tensor)> {
        let params = self.params.iter().enumerate();
        params
            .flat_map(|(i, param)| {
                let gradient = param.grad(&self.gradients).expect("each has one").clone();
                [(format!("p{i}"), param.tensor().detach()), (format!("g{i}"), gradient)]
            })
            .collect()
    }
}

pub fn adam() -> Box<dyn Task> {
    let rng = &mut rng();
    let million = [1000, 1000];
    let params: Vec<Param> = (0..25).map(|_| Param::new(Tensor::randn(million, rng))).collect();
    let products =
        params.iter().map(|param| (param.tensor() * Tensor::randn(million, rng)).sum(..));
    let gradients = products.reduce(|a, b| a + b).expect("there are some").backward();
    let optimizer = Adam::new(params.clone(), AdamOptions::default());
    Box::new(Steps { params, gradients, optimizer })
}
