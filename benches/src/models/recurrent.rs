//! Recurrent networks over sequences of words.

use super::{classes, rng};
use crate::workload::{Task, Training};
use gradus::prelude::*;

const WORDS: usize = 10_000;
const HIDDEN: usize = 256;
const BATCH: usize = 32;
const TIME: usize = 64;

/// Embedded words through two recurrent layers into logits.
#[derive(Debug, Module)]
struct Reader {
    embedding: Embedding,
    recurrent: Box<dyn Layer>,
    output: Linear,
}

impl Reader {
    fn features(&self, x: &Tensor) -> Tensor {
        self.recurrent.forward(&self.embedding.forward(x))
    }

    /// The logits at every time, `[B T, N]`.
    fn everywhere(&self, x: &Tensor) -> Tensor {
        self.output.forward(&self.features(x).flatten(0, 1))
    }

    /// The logits at the last time, `[B, N]`.
    fn at_the_end(&self, x: &Tensor) -> Tensor {
        self.output.forward(&self.features(x).select(1, TIME - 1))
    }
}

fn lstm(rng: &mut Rng) -> Box<dyn Layer> {
    let options = LstmOptions { num_layers: 2, ..Default::default() };
    Box::new(Lstm::with_options(128, HIDDEN, options, rng))
}

fn gru(rng: &mut Rng) -> Box<dyn Layer> {
    let options = GruOptions { num_layers: 2, ..Default::default() };
    Box::new(Gru::with_options(128, HIDDEN, options, rng))
}

/// Which word comes next, at every time.
fn language(recurrent: fn(&mut Rng) -> Box<dyn Layer>) -> Box<dyn Task> {
    train(recurrent, WORDS, BATCH * TIME, |model, x, y| cross_entropy(&model.everywhere(x), y))
}

/// Which of ten classes a sequence is of.
fn classification(recurrent: fn(&mut Rng) -> Box<dyn Layer>) -> Box<dyn Task> {
    train(recurrent, 10, BATCH, |model, x, y| cross_entropy(&model.at_the_end(x), y))
}

fn train(
    recurrent: fn(&mut Rng) -> Box<dyn Layer>,
    outputs: usize,
    targets: usize,
    loss: fn(&Reader, &Tensor, &Tensor) -> Tensor,
) -> Box<dyn Task> {
    let rng = &mut rng();
    let model = Reader {
        embedding: Embedding::new(WORDS, 128, rng),
        recurrent: recurrent(rng),
        output: Linear::new(HIDDEN, outputs, rng),
    };
    Box::new(Training {
        optimizer: Adam::new(model.params(), AdamOptions::default()),
        model,
        x: classes(BATCH * TIME, WORDS, rng).reshape([BATCH, TIME]),
        y: classes(targets, outputs, rng),
        loss,
    })
}

pub fn lstm_language() -> Box<dyn Task> {
    language(lstm)
}

pub fn gru_language() -> Box<dyn Task> {
    language(gru)
}

pub fn lstm_classes() -> Box<dyn Task> {
    classification(lstm)
}

pub fn gru_classes() -> Box<dyn Task> {
    classification(gru)
}
