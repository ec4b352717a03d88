//! Writing sequences token after token: the likeliest next one, one drawn at random, or the best of
//! several beginnings.
//!
//! A model takes part by [`NextToken`], which is what a cache of keys and values, the state of a
//! recurrent network, or no state at all have in common.
//!
//! ```
//! use gradus_nn::decode::{Limits, Replay, greedy};
//! use gradus_tensor::{DType, Tensor};
//!
//! // A model of four tokens that counts: after n comes n + 1, and after 3 again 0.
//! let mut model = Replay::new(|tokens: &Tensor| {
//!     let last = tokens.select(1, tokens.len_of(1) - 1);
//!     (last + 1i64).remainder(&Tensor::from(vec![4i64])).one_hot(4).to_dtype(DType::F32)
//! });
//! let prompt = Tensor::from_vec(vec![0i64, 1], [1, 2]);
//! assert_eq!(greedy(&mut model, &prompt, Limits { length: 4, end: None }), [[2, 3, 0, 1]]);
//! ```

mod beam;
mod sample;

pub use beam::{BeamOptions, Hypothesis, beam_search};
pub use sample::{SampleOptions, sample};

use gradus_tensor::{DType, OpError, Tensor, no_grad};

/// A model that says what may come next.
pub trait NextToken {
    /// Takes the tokens that come next in each sequence, `[B, T]` of `i64`: the whole prompt first,
    /// then one at a time. Gives the logits of the token after the last, `[B, V]`.
    fn step(&mut self, tokens: &Tensor) -> Tensor;

    /// Goes on with the sequences that `rows` names (`[B']`, `i64`), in that order, some of them
    /// several times and others not at all.
    fn reorder(&mut self, rows: &Tensor);
}

/// A model without state: each step gives it all tokens anew. Slower than a cache, and right for any
/// model.
#[derive(Debug)]
pub struct Replay<F> {
    model: F,
    tokens: Option<Tensor>,
}

impl<F: FnMut(&Tensor) -> Tensor> Replay<F> {
    /// A model that is a function from tokens `[B, T]` to logits `[B, V]` of what comes after the
    /// last.
    pub fn new(model: F) -> Self {
        Self { model, tokens: None }
    }
}

impl<F: FnMut(&Tensor) -> Tensor> NextToken for Replay<F> {
    fn step(&mut self, tokens: &Tensor) -> Tensor {
        let all = match self.tokens.take() {
            None => tokens.clone(),
            Some(earlier) => Tensor::cat(&[earlier, tokens.clone()], 1),
        };
        self.tokens = Some(all.clone());
        (self.model)(&all)
    }

    fn reorder(&mut self, rows: &Tensor) {
        self.tokens = self.tokens.take().map(|tokens| tokens.index_select(0, rows));
    }
}

/// When a sequence ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How many tokens are written at most, the prompt not among them.
    pub length: usize,
    /// The token that ends a sequence.
    pub end: Option<i64>,
}

/// At most 100 tokens, none of which ends a sequence.
impl Default for Limits {
    fn default() -> Self {
        Self { length: 100, end: None }
    }
}

/// Writes the likeliest token each time; of several, the first. Gives what was written for each
/// prompt `[B, T]`, with the token that ends it.
///
/// # Panics
/// If the prompt is not of `i64` with two axes, or the model does not give logits `[B, V]`.
#[track_caller]
pub fn greedy(model: &mut dyn NextToken, prompt: &Tensor, limits: Limits) -> Vec<Vec<i64>> {
    write(model, prompt, limits, |_, logits, _| highest(logits))
}

/// Writes for each prompt the tokens that a function chooses by the prompt's number, the logits and
/// all tokens so far.
#[track_caller]
fn write(
    model: &mut dyn NextToken,
    prompt: &Tensor,
    limits: Limits,
    mut choose: impl FnMut(usize, &[f64], &[i64]) -> i64,
) -> Vec<Vec<i64>> {
    let mut sequences = prompts(prompt);
    let start = prompt.len_of(1);
    let mut done = vec![false; sequences.len()];
    let mut next = prompt.clone();
    for _ in 0..limits.length {
        if done.iter().all(|&done| done) {
            break;
        }
        let logits = logits(model, &next);
        for (row, (sequence, done)) in sequences.iter_mut().zip(&mut done).enumerate() {
            if !*done {
                let token = choose(row, &logits[row], sequence);
                sequence.push(token);
                *done = limits.end == Some(token);
            }
        }
        // What a finished sequence goes on with does not matter.
        let last = sequences.iter().map(|sequence| sequence[sequence.len() - 1]).collect();
        next = Tensor::from_vec(last, [sequences.len(), 1]).to_device(prompt.device());
    }
    sequences.into_iter().map(|mut sequence| sequence.split_off(start)).collect()
}

/// The rows of a prompt.
#[track_caller]
fn prompts(prompt: &Tensor) -> Vec<Vec<i64>> {
    if prompt.rank() != 2 || prompt.dtype() != DType::I64 || prompt.len_of(1) == 0 {
        complain(format_args!(
            "takes prompts [B, T] of i64 with at least one token, not {} {}",
            prompt.dtype(),
            prompt.shape()
        ));
    }
    prompt.to_vec::<i64>().chunks(prompt.len_of(1)).map(<[i64]>::to_vec).collect()
}

/// The logits that follow each sequence.
#[track_caller]
fn logits(model: &mut dyn NextToken, tokens: &Tensor) -> Vec<Vec<f64>> {
    let logits = no_grad(|| model.step(tokens));
    let rows = tokens.len_of(0);
    if logits.rank() != 2 || logits.len_of(0) != rows || logits.len_of(1) == 0 {
        complain(format_args!(
            "a model gives logits [B, V] for B = {rows} sequences, not {}",
            logits.shape()
        ));
    }
    let numbers = logits.to_dtype(DType::F64).to_vec::<f64>();
    let logits: Vec<Vec<f64>> = numbers.chunks(logits.len_of(1)).map(<[f64]>::to_vec).collect();
    for (row, logits) in logits.iter().enumerate() {
        let possible = logits.iter().any(|&logit| logit > f64::NEG_INFINITY);
        let broken = logits.iter().any(|&logit| logit.is_nan() || logit == f64::INFINITY);
        if broken || !possible {
            complain(format_args!("the logits of sequence {row} are NaN, infinite or all hidden"));
        }
    }
    logits
}

/// The token with the highest logit, the first of several.
fn highest(logits: &[f64]) -> i64 {
    let mut best = 0;
    for (token, &logit) in logits.iter().enumerate() {
        if logit > logits[best] {
            best = token;
        }
    }
    best as i64
}

#[track_caller]
fn complain(message: std::fmt::Arguments<'_>) -> ! {
    panic!("{}", OpError::of("decode", message));
}
