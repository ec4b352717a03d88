//! Transformers: an encoder of four layers, and one of the shape of GPT-2's smallest.

use super::{classes, rng};
use crate::workload::{Inference, Task, Training};
use gradus::nn::quantised::quantise;
use gradus::prelude::*;
use gradus::tensor::ops::QuantiseOptions;

/// Four layers over features that are given, their mean into ten classes.
#[derive(Debug, Module)]
struct Encoder {
    layers: TransformerEncoder,
    output: Linear,
}

pub fn train() -> Box<dyn Task> {
    let rng = &mut rng();
    let options = TransformerOptions {
        features: 256,
        heads: 8,
        hidden: 1024,
        dropout: 0.0,
        activation: Tensor::gelu,
        ..Default::default()
    };
    let model = Encoder {
        layers: TransformerEncoder::new(4, options, rng),
        output: Linear::new(256, 10, rng),
    };
    Box::new(Training {
        optimizer: Adam::new(model.params(), AdamOptions::default()),
        model,
        x: Tensor::randn([16, 128, 256], rng),
        y: classes(16, 10, rng),
        loss: |model, x, y| {
            let features = model.layers.forward(x).mean(1);
            cross_entropy(&model.output.forward(&features), y)
        },
    })
}

const WORDS: usize = 50_257;
const CONTEXT: usize = 1024;
const LAYERS: usize = 12;
/// How many tokens come before those that are decoded, and how many are decoded in a step.
const PROMPT: usize = 32;
const DECODED: usize = 32;

/// GPT-2: Radford et al. 2019, "Language Models are Unsupervised Multitask Learners".
#[derive(Debug, Module)]
struct Gpt {
    words: Embedding,
    positions: Embedding,
    layers: TransformerEncoder,
}

impl Gpt {
    fn new(rng: &mut Rng) -> Self {
        let options = TransformerOptions {
            features: 768,
            heads: 12,
            hidden: 3072,
            dropout: 0.0,
            activation: Tensor::gelu_tanh,
            norm_first: true,
            ..Default::default()
        };
        let model = Self {
            words: Embedding::new(WORDS, 768, rng),
            positions: Embedding::new(CONTEXT, 768, rng),
            layers: TransformerEncoder::new(LAYERS, options, rng).with_norm(),
        };
        model.eval();
        model
    }

    /// The features of tokens, the first of which has this position.
    fn embed(&self, x: &Tensor, position: usize) -> Tensor {
        let positions = Tensor::arange(position as i64, (position + x.len_of(1)) as i64, 1);
        self.words.forward(x) + self.positions.forward(&positions)
    }

    fn logits(&self, features: &Tensor) -> Tensor {
        self.words.weight.linear(features, None)
    }
}

pub fn forward() -> Box<dyn Task> {
    let rng = &mut rng();
    let model = Gpt::new(rng);
    let x = classes(128, WORDS, rng).reshape([1, 128]);
    let forward = |model: &Gpt, x: &Tensor| {
        let features = model.layers.encode(&model.embed(x, 0), AttentionMasks::causal());
        model.logits(&features)
    };
    Box::new(Inference { model, x, forward })
}

/// Tokens one by one, each the likeliest after those before it.
pub fn decode() -> Box<dyn Task> {
    decode_with(None)
}

/// The same with weights of eight bits.
pub fn decode_int8() -> Box<dyn Task> {
    decode_with(Some(QuantiseOptions::default()))
}

/// The same with weights of four bits.
pub fn decode_int4() -> Box<dyn Task> {
    decode_with(Some(QuantiseOptions::four_bits()))
}

fn decode_with(options: Option<QuantiseOptions>) -> Box<dyn Task> {
    let rng = &mut rng();
    let model = Gpt::new(rng);
    if let Some(options) = options {
        quantise(&model, "*", options).expect("the model has matrices of finite numbers");
    }
    let x = classes(PROMPT, WORDS, rng).reshape([1, PROMPT]);
    let forward = |model: &Gpt, x: &Tensor| {
        let mut caches = model.layers.cache();
        let mut next = |x: &Tensor, position: usize| {
            let x = model.embed(x, position);
            let features = model.layers.encode_next(&x, AttentionMasks::causal(), &mut caches);
            model.logits(&features.narrow(1, features.len_of(1) - 1, 1))
        };
        let mut logits = next(x, 0);
        for index in 0..DECODED {
            let token = logits.argmax(-1).reshape([1, 1]);
            logits = next(&token, PROMPT + index);
        }
        logits
    };
    Box::new(Inference { model, x, forward })
}
