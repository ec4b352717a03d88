//! Beam search: the best sequences, among those whose beginnings were among the best.

use super::{Limits, NextToken, complain, logits, prompts};
use gradus_tensor::{Tensor, no_grad};

/// The settings of [`beam_search`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BeamOptions {
    /// When a sequence ends.
    pub limits: Limits,
    /// How many sequences are followed at once.
    pub beams: usize,
    /// α: how much longer sequences are favoured, whose probability is a product of more factors. 0
    /// compares probabilities as they are.
    pub length_penalty: f64,
}

/// Four beams, and probabilities as they are.
impl Default for BeamOptions {
    fn default() -> Self {
        Self { limits: Limits::default(), beams: 4, length_penalty: 0.0 }
    }
}

impl BeamOptions {
    /// A sum of logarithms for a sequence of a length, as it is compared with others.
    fn score(&self, log_probability: f64, length: usize) -> f64 {
        log_probability / ((5.0 + length as f64) / 6.0).powf(self.length_penalty)
    }

    /// The score that a sequence can still reach: its probability only falls.
    fn highest_score(&self, beam: &Beam) -> f64 {
        let next = self.score(beam.log_probability, beam.tokens.len() + 1);
        next.max(self.score(beam.log_probability, self.limits.length))
    }
}

/// A sequence that beam search found.
#[derive(Clone, Debug, PartialEq)]
pub struct Hypothesis {
    /// What was written after the prompt, with the token that ends it.
    pub tokens: Vec<i64>,
    /// ln P(tokens | prompt).
    pub log_probability: f64,
    /// By which sequences are compared: `log_probability / ((5 + length) / 6)^α`.
    pub score: f64,
}

/// A beginning that is followed.
#[derive(Clone)]
struct Beam {
    /// Which prompt it goes on from.
    prompt: usize,
    tokens: Vec<i64>,
    log_probability: f64,
}

/// A beginning with one more token.
struct Candidate {
    row: usize,
    token: i64,
    log_probability: f64,
}

/// Finds likely sequences after each prompt `[B, T]`: of all that go on from the sequences followed
/// so far, the best are followed next. Gives for each prompt the best, at most as many as there are
/// beams, best first.
///
/// It ends when no sequence that is followed can overtake those that have ended, so that with as many
/// beams as there are sequences it is an exhaustive search.
///
/// # Panics
/// If there is no beam, the prompt is not of `i64` with two axes, or the model does not give logits
/// `[B, V]`.
///
/// # Source
/// Sutskever, Vinyals, Le 2014, "Sequence to Sequence Learning with Neural Networks", section 3.2;
/// the length penalty is that of Wu et al. 2016, "Google's Neural Machine Translation System",
/// equation 14.
///
/// ```
/// use gradus_nn::decode::{BeamOptions, Limits, Replay, beam_search};
/// use gradus_tensor::Tensor;
///
/// // After 0 the tokens 1 and 2 have 0.6 and 0.4, but after 1 all is uncertain.
/// let table = [[0.0, 0.6, 0.4], [0.4, 0.3, 0.3], [0.9, 0.05, 0.05]].concat();
/// let table = Tensor::from_vec(table.iter().map(|p: &f64| p.ln()).collect(), [3, 3]);
/// let mut model = Replay::new(|tokens: &Tensor| {
///     table.index_select(0, &tokens.select(1, tokens.len_of(1) - 1))
/// });
/// let limits = Limits { length: 2, end: None };
/// let options = BeamOptions { limits, beams: 2, ..Default::default() };
/// let found = beam_search(&mut model, &Tensor::from_vec(vec![0i64], [1, 1]), options);
/// assert_eq!(found[0][0].tokens, [2, 0]);
/// assert!((found[0][0].log_probability - 0.36f64.ln()).abs() < 1e-12);
/// ```
#[track_caller]
pub fn beam_search(
    model: &mut dyn NextToken,
    prompt: &Tensor,
    options: BeamOptions,
) -> Vec<Vec<Hypothesis>> {
    if options.beams == 0 {
        complain(format_args!("at least one beam is followed, not 0"));
    }
    let count = prompts(prompt).len();
    let mut search = Search { options, found: vec![vec![]; count] };
    let mut beams: Vec<Beam> =
        (0..count).map(|prompt| Beam { prompt, tokens: vec![], log_probability: 0.0 }).collect();
    let mut next = prompt.clone();
    // Without a prompt there is nothing to ask the model.
    let steps = if count == 0 { 0 } else { options.limits.length };
    for _ in 0..steps {
        let log_probabilities: Vec<Vec<f64>> =
            logits(model, &next).iter().map(|logits| log_softmax(logits)).collect();
        let rows;
        (beams, rows) = search.advance(&beams, &log_probabilities);
        if beams.is_empty() {
            break;
        }
        let rows = Tensor::from_vec(rows, [beams.len()]).to_device(prompt.device());
        no_grad(|| model.reorder(&rows));
        let last = beams.iter().map(|beam| beam.tokens[beam.tokens.len() - 1]).collect();
        next = Tensor::from_vec(last, [beams.len(), 1]).to_device(prompt.device());
    }
    for beam in beams {
        search.keep(beam);
    }
    search.found
}

/// What was found so far.
struct Search {
    options: BeamOptions,
    /// For each prompt the best sequences, best first.
    found: Vec<Vec<Hypothesis>>,
}

impl Search {
    /// The beams that are followed next, and from which rows they come.
    fn advance(&mut self, beams: &[Beam], log_probabilities: &[Vec<f64>]) -> (Vec<Beam>, Vec<i64>) {
        let (mut next, mut rows) = (vec![], vec![]);
        let mut start = 0;
        for of_prompt in beams.chunk_by(|a, b| a.prompt == b.prompt) {
            let best = self.best(of_prompt, &log_probabilities[start..]);
            let mut followed = vec![];
            for (rank, candidate) in best.into_iter().enumerate() {
                let mut beam = of_prompt[candidate.row].clone();
                beam.tokens.push(candidate.token);
                beam.log_probability = candidate.log_probability;
                if self.options.limits.end != Some(candidate.token) {
                    followed.push((beam, (start + candidate.row) as i64));
                } else if rank < self.options.beams {
                    self.keep(beam);
                }
            }
            followed.truncate(self.options.beams);
            if !self.is_done(&followed) {
                let (beams, from): (Vec<_>, Vec<_>) = followed.into_iter().unzip();
                next.extend(beams);
                rows.extend(from);
            }
            start += of_prompt.len();
        }
        (next, rows)
    }

    /// The best ways in which beams of a prompt go on, best first: twice as many as there are beams,
    /// for at most half of them end.
    fn best(&self, beams: &[Beam], log_probabilities: &[Vec<f64>]) -> Vec<Candidate> {
        let mut all = vec![];
        for (row, (beam, log_probabilities)) in beams.iter().zip(log_probabilities).enumerate() {
            for (token, log_probability) in log_probabilities.iter().enumerate() {
                if *log_probability > f64::NEG_INFINITY {
                    let log_probability = beam.log_probability + log_probability;
                    all.push(Candidate { row, token: token as i64, log_probability });
                }
            }
        }
        let order = |a: &Candidate, b: &Candidate| {
            let by_probability = b.log_probability.total_cmp(&a.log_probability);
            by_probability.then((a.row, a.token).cmp(&(b.row, b.token)))
        };
        let wanted = 2 * self.options.beams;
        if wanted < all.len() {
            all.select_nth_unstable_by(wanted, order);
            all.truncate(wanted);
        }
        all.sort_unstable_by(order);
        all
    }

    /// Keeps a sequence if it is among the best of its prompt.
    fn keep(&mut self, beam: Beam) {
        let Beam { prompt, tokens, log_probability } = beam;
        let score = self.options.score(log_probability, tokens.len());
        let found = &mut self.found[prompt];
        let place = found.partition_point(|other| other.score >= score);
        found.insert(place, Hypothesis { tokens, log_probability, score });
        found.truncate(self.options.beams);
    }

    /// True if none of the beams of a prompt can still be among the best.
    fn is_done(&self, followed: &[(Beam, i64)]) -> bool {
        let Some((first, _)) = followed.first() else { return true };
        let found = &self.found[first.prompt];
        let can_win = |(beam, _): &(Beam, i64)| {
            found.len() < self.options.beams
                || found.last().is_none_or(|worst| self.options.highest_score(beam) > worst.score)
        };
        !followed.iter().any(can_win)
    }
}

/// The logarithms of probabilities.
fn log_softmax(logits: &[f64]) -> Vec<f64> {
    let highest = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = logits.iter().map(|logit| (logit - highest).exp()).sum();
    logits.iter().map(|logit| logit - highest - sum.ln()).collect()
}
