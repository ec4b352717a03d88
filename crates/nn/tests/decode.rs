//! Writing sequences: known answers on small distributions, and models with caches.

use gradus_nn::decode::*;
use gradus_nn::*;
use gradus_tensor::{Rng, Tensor};
use std::collections::BTreeSet;

/// A model of `V` tokens whose next token depends on the last two, by a random table.
fn table(vocabulary: usize, seed: u64) -> Tensor {
    let shape = [vocabulary, vocabulary, vocabulary];
    Tensor::randn(shape, &mut Rng::new(seed)) * 1.5
}

fn model(table: &Tensor) -> impl FnMut(&Tensor) -> Tensor {
    let vocabulary = table.len_of(0);
    let rows = table.reshape([vocabulary * vocabulary, vocabulary]);
    move |tokens| {
        let len = tokens.len_of(1);
        let last = tokens.select(1, len - 1);
        rows.index_select(0, &(tokens.select(1, len - 2) * vocabulary as i64 + last))
    }
}

/// All sequences after a prompt with their probabilities' logarithms, by the definition.
fn all_sequences(table: &Tensor, prompt: [i64; 2], limits: Limits) -> Vec<(Vec<i64>, f64)> {
    let vocabulary = table.len_of(0);
    let logits: Vec<f64> = table.to_vec::<f32>().into_iter().map(f64::from).collect();
    let mut open = vec![(vec![], 0.0)];
    let mut all = vec![];
    for _ in 0..limits.length {
        let mut next = vec![];
        for (tokens, sum) in open {
            let context = [&prompt[..], &tokens].concat();
            let [.., a, b] = context[..] else { unreachable!() };
            let row = &logits[(a as usize * vocabulary + b as usize) * vocabulary..][..vocabulary];
            let total: f64 = row.iter().map(|x| x.exp()).sum();
            for (token, logit) in row.iter().enumerate() {
                let longer = [&tokens[..], &[token as i64]].concat();
                let ends = limits.end == Some(token as i64);
                if ends { &mut all } else { &mut next }.push((longer, sum + logit - total.ln()));
            }
        }
        open = next;
    }
    all.extend(open);
    all
}

fn prompt() -> Tensor {
    Tensor::from_vec(vec![1i64, 2, 0, 3], [2, 2])
}

#[test]
fn with_enough_beams_the_search_is_exhaustive() {
    for (length_penalty, seed) in [(0.0, 1), (0.7, 2), (2.5, 3), (-1.0, 4)] {
        let table = table(4, seed);
        let limits = Limits { length: 4, end: Some(0) };
        let options = BeamOptions { limits, beams: 256, length_penalty };
        let found = beam_search(&mut Replay::new(model(&table)), &prompt(), options);
        for (found, prompt) in found.iter().zip([[1, 2], [0, 3]]) {
            let mut all = all_sequences(&table, prompt, limits);
            let score = |tokens: &[i64], sum: f64| {
                sum / ((5.0 + tokens.len() as f64) / 6.0).powf(length_penalty)
            };
            all.sort_by(|a, b| score(&b.0, b.1).total_cmp(&score(&a.0, a.1)));
            assert_eq!(found.len(), all.len());
            for (found, (tokens, sum)) in found.iter().zip(&all) {
                assert!((found.score - score(tokens, *sum)).abs() < 1e-9);
                // Different sequences may have the same factors.
                let (_, own) = all.iter().find(|(tokens, _)| *tokens == found.tokens).unwrap();
                assert!((found.log_probability - own).abs() < 1e-9, "penalty {length_penalty}");
            }
            let different: BTreeSet<_> = found.iter().map(|found| &found.tokens).collect();
            assert_eq!(different.len(), all.len());
        }
    }
}

#[test]
fn more_beams_find_no_worse_and_one_is_greedy() {
    let limits = Limits { length: 6, end: None };
    let mut better = 0;
    for seed in 10..30 {
        let table = table(5, seed);
        let search = |beams: usize| {
            let options = BeamOptions { limits, beams, ..Default::default() };
            beam_search(&mut Replay::new(model(&table)), &prompt(), options)
        };
        let (one, many) = (search(1), search(4));
        let written = greedy(&mut Replay::new(model(&table)), &prompt(), limits);
        for ((one, many), written) in one.iter().zip(&many).zip(&written) {
            assert_eq!((one.len(), many.len()), (1, 4));
            assert_eq!(&one[0].tokens, written);
            assert!(many.windows(2).all(|pair| pair[0].score >= pair[1].score));
            better += usize::from(many[0].log_probability > one[0].log_probability + 1e-9);
            assert_eq!(many[0].tokens.len(), 6);
        }
    }
    assert!(better > 10, "four beams were better than one only {better} times of 40");
}

#[test]
fn each_prompt_is_searched_as_if_alone() {
    let table = table(4, 9);
    let limits = Limits { length: 5, end: Some(2) };
    let options = BeamOptions { limits, beams: 3, length_penalty: 1.0 };
    let both = beam_search(&mut Replay::new(model(&table)), &prompt(), options);
    for (row, both) in both.iter().enumerate() {
        let one = prompt().narrow(0, row, 1);
        let alone = beam_search(&mut Replay::new(model(&table)), &one, options);
        assert_eq!(&alone[0], both);
    }
}

#[test]
fn an_end_token_ends_a_sequence() {
    // 0 follows 1 follows 2 follows 3.
    let mut count = Replay::new(|tokens: &Tensor| {
        let last = tokens.select(1, tokens.len_of(1) - 1);
        (last - 1i64).maximum(&Tensor::from(vec![0i64])).one_hot(4) * 50.0
    });
    let prompt = Tensor::from_vec(vec![1i64, 3], [2, 1]);
    let limits = Limits { length: 9, end: Some(0) };
    assert_eq!(greedy(&mut count, &prompt, limits), [vec![0], vec![2, 1, 0]]);
    let nothing = Limits { length: 0, end: None };
    assert_eq!(greedy(&mut count, &prompt, nothing).concat(), [0i64; 0]);
}

#[test]
fn temperature_top_k_top_p_and_the_penalty() {
    let logits = [0.1f64, 0.4, 0.2, 0.3].map(f64::ln);
    let check = |options: SampleOptions, tokens: &[i64], wanted: [f64; 4]| {
        let found = options.probabilities(&logits, tokens);
        let near = found.iter().zip(&wanted).all(|(x, y)| (x - y).abs() < 1e-12);
        assert!(near, "{options:?}: {found:?} is not {wanted:?}");
    };
    let plain = SampleOptions::default();
    check(plain, &[3, 3], [0.1, 0.4, 0.2, 0.3]);
    check(SampleOptions { temperature: 0.0, ..plain }, &[], [0.0, 1.0, 0.0, 0.0]);
    let sharp = [0.01, 0.16, 0.04, 0.09].map(|x| x / 0.3);
    check(SampleOptions { temperature: 0.5, ..plain }, &[], sharp);
    check(SampleOptions { top_k: Some(2), ..plain }, &[], [0.0, 0.4 / 0.7, 0.0, 0.3 / 0.7]);
    check(SampleOptions { top_k: Some(9), ..plain }, &[], [0.1, 0.4, 0.2, 0.3]);
    check(SampleOptions { top_p: Some(0.39), ..plain }, &[], [0.0, 1.0, 0.0, 0.0]);
    check(SampleOptions { top_p: Some(0.6), ..plain }, &[], [0.0, 0.4 / 0.7, 0.0, 0.3 / 0.7]);
    check(SampleOptions { top_p: Some(1.0), ..plain }, &[], [0.1, 0.4, 0.2, 0.3]);
    // 0.4 of 0.7 is enough for 0.55 once only two are left.
    let both = SampleOptions { top_k: Some(2), top_p: Some(0.55), ..plain };
    check(both, &[], [0.0, 1.0, 0.0, 0.0]);
    // Negative logits are doubled: 0.4² and 0.1².
    let penalty = SampleOptions { repetition_penalty: 2.0, ..plain };
    check(penalty, &[0, 1, 1, 7, -1], [0.01, 0.16, 0.2, 0.3].map(|x| x / 0.67));
    let found = penalty.probabilities(&[2.0, 0.0], &[0]);
    assert!((found[0] - 1.0 / (1.0 + (-1f64).exp())).abs() < 1e-12);
}

#[test]
fn tokens_come_as_often_as_they_are_likely() {
    let wanted = [0.1, 0.4, 0.2, 0.3];
    let row = Tensor::from_vec(wanted.iter().map(|p: &f64| p.ln()).collect(), [1, 4]);
    let mut model = Replay::new(|tokens: &Tensor| row.broadcast_to([tokens.len_of(0), 4]));
    let options = SampleOptions { limits: Limits { length: 50, end: None }, ..Default::default() };
    let prompt = Tensor::from_vec(vec![0i64; 200], [200, 1]);
    let draw =
        |model: &mut dyn NextToken, seed: u64| sample(model, &prompt, options, &mut Rng::new(seed));
    let written = draw(&mut model, 3).concat();
    assert_eq!(written.len(), 10_000);
    for (token, wanted) in wanted.iter().enumerate() {
        let count = written.iter().filter(|&&other| other == token as i64).count();
        let share = count as f64 / 1e4;
        // Five standard deviations.
        let bound = 5.0 * (wanted * (1.0 - wanted) / 1e4).sqrt();
        assert!((share - wanted).abs() < bound, "token {token} came with {share}");
    }
    let anew = |seed| {
        let mut model = Replay::new(|tokens: &Tensor| row.broadcast_to([tokens.len_of(0), 4]));
        draw(&mut model, seed).concat()
    };
    assert_eq!(anew(3), written);
    assert_ne!(anew(4), written);
}

/// A small language model: tokens and positions, an encoder that looks back, logits.
#[derive(Debug, Module)]
struct Language {
    tokens: Embedding,
    positions: LearnedPositions,
    encoder: TransformerEncoder,
    head: Linear,
}

impl Language {
    fn new() -> Self {
        let rng = &mut Rng::new(8);
        let options =
            TransformerOptions { features: 16, heads: 4, hidden: 32, ..Default::default() };
        let model = Self {
            tokens: Embedding::new(7, 16, rng),
            positions: LearnedPositions::new(20, 16, rng),
            encoder: TransformerEncoder::new(2, options, rng).with_norm(),
            head: Linear::new(16, 7, rng),
        };
        model.eval();
        model
    }

    fn logits(&self, x: &Tensor) -> Tensor {
        self.head.forward(&x.select(1, x.len_of(1) - 1)) * 3.0
    }
}

/// The model with the caches of its layers.
struct Cached<'a> {
    model: &'a Language,
    caches: Vec<KeyValueCache>,
}

impl NextToken for Cached<'_> {
    fn step(&mut self, tokens: &Tensor) -> Tensor {
        let x = self.model.tokens.forward(tokens);
        let x = self.model.positions.add_from(self.caches[0].len(), &x);
        let causal = AttentionMasks::causal();
        self.model.logits(&self.model.encoder.encode_next(&x, causal, &mut self.caches))
    }

    fn reorder(&mut self, rows: &Tensor) {
        self.caches.iter_mut().for_each(|cache| cache.reorder(rows));
    }
}

#[test]
fn a_cached_model_writes_what_the_whole_model_writes() {
    let language = Language::new();
    let whole = || {
        Replay::new(|tokens: &Tensor| {
            let x = language.positions.forward(&language.tokens.forward(tokens));
            language.logits(&language.encoder.encode(&x, AttentionMasks::causal()))
        })
    };
    let cached = || Cached { model: &language, caches: language.encoder.cache() };
    let prompt = Tensor::from_vec(vec![1i64, 2, 3, 4, 5, 6], [2, 3]);
    let limits = Limits { length: 12, end: Some(0) };
    assert_eq!(greedy(&mut cached(), &prompt, limits), greedy(&mut whole(), &prompt, limits));
    let options = SampleOptions { limits, top_k: Some(5), ..Default::default() };
    let draw = |model: &mut dyn NextToken| sample(model, &prompt, options, &mut Rng::new(2));
    assert_eq!(draw(&mut cached()), draw(&mut whole()));
    let options = BeamOptions { limits, beams: 3, length_penalty: 0.6 };
    let tokens = |model: &mut dyn NextToken| -> Vec<Vec<i64>> {
        beam_search(model, &prompt, options).concat().into_iter().map(|h| h.tokens).collect()
    };
    assert_eq!(tokens(&mut cached()), tokens(&mut whole()));
}

#[test]
#[should_panic(
    expected = "decode: takes prompts [B, T] of i64 with at least one token, not i64 [2]"
)]
fn a_prompt_has_two_axes() {
    let mut model = Replay::new(|tokens: &Tensor| tokens.clone());
    greedy(&mut model, &Tensor::from(vec![1i64, 2]), Limits::default());
}

#[test]
#[should_panic(expected = "decode: top_p lies above 0 and up to 1, not at 1.5")]
fn settings_out_of_range_are_refused() {
    SampleOptions { top_p: Some(1.5), ..Default::default() }.probabilities(&[0.0], &[]);
}

#[test]
#[should_panic(expected = "decode: the logits of sequence 0 are NaN, infinite or all hidden")]
fn logits_that_are_no_numbers_are_refused() {
    let mut model = Replay::new(|_: &Tensor| Tensor::full([1, 3], f64::NAN));
    greedy(&mut model, &Tensor::from_vec(vec![1i64], [1, 1]), Limits::default());
}
