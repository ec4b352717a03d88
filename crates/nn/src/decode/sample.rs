//! Tokens drawn at random.

use super::{Limits, NextToken, complain, highest, prompts, write};
use gradus_tensor::{Rng, Tensor};
use std::collections::BTreeSet;

/// How tokens are drawn: what is set works in the order of the fields.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SampleOptions {
    /// When a sequence ends.
    pub limits: Limits,
    /// Makes tokens that are in the sequence already less likely: a positive logit is divided by
    /// this, a negative one multiplied. Keskar et al. 2019, "CTRL", section 4.1.
    pub repetition_penalty: f64,
    /// What logits are divided by: below 1 likely tokens become likelier, and 0 leaves only the
    /// likeliest.
    pub temperature: f64,
    /// Leaves the k likeliest tokens. Fan, Lewis, Dauphin 2018, "Hierarchical Neural Story
    /// Generation", section 5.4.
    pub top_k: Option<usize>,
    /// Leaves the fewest likeliest tokens that together have at least this probability. Holtzman et
    /// al. 2020, "The Curious Case of Neural Text Degeneration", equations 2 and 3.
    pub top_p: Option<f64>,
}

/// The model's own probabilities.
impl Default for SampleOptions {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            repetition_penalty: 1.0,
            temperature: 1.0,
            top_k: None,
            top_p: None,
        }
    }
}

impl SampleOptions {
    /// The probabilities from which the next token is drawn, by its logits and the tokens so far.
    ///
    /// ```
    /// use gradus_nn::decode::SampleOptions;
    ///
    /// let options = SampleOptions { top_k: Some(2), ..Default::default() };
    /// let logits = [1.0, 2.0, 4.0].map(f64::ln);
    /// let probabilities = options.probabilities(&logits, &[]);
    /// assert!((probabilities[2] - 2.0 / 3.0).abs() < 1e-12);
    /// assert_eq!(probabilities[0], 0.0);
    /// ```
    ///
    /// # Panics
    /// If a setting is out of its range.
    #[track_caller]
    pub fn probabilities(&self, logits: &[f64], tokens: &[i64]) -> Vec<f64> {
        self.check();
        let mut logits = logits.to_vec();
        for token in BTreeSet::from_iter(tokens) {
            if let Some(logit) = usize::try_from(*token).ok().and_then(|i| logits.get_mut(i)) {
                let factor = self.repetition_penalty;
                *logit = if *logit > 0.0 { *logit / factor } else { *logit * factor };
            }
        }
        let best = highest(&logits) as usize;
        if self.temperature == 0.0 {
            return (0..logits.len()).map(|token| f64::from(token == best)).collect();
        }
        let highest = logits[best];
        let weight = |logit: &f64| ((logit - highest) / self.temperature).exp();
        let mut weights: Vec<f64> = logits.iter().map(weight).collect();
        self.leave_the_likeliest(&mut weights);
        let sum: f64 = weights.iter().sum();
        weights.iter().map(|weight| weight / sum).collect()
    }

    /// Makes all weights zero but those that top-k and top-p leave.
    fn leave_the_likeliest(&self, weights: &mut [f64]) {
        if self.top_k.is_none() && self.top_p.is_none() {
            return;
        }
        let mut order: Vec<usize> = (0..weights.len()).collect();
        // Of equal weights the first comes first, as sorting is stable.
        order.sort_by(|&a, &b| weights[b].total_cmp(&weights[a]));
        let mut left = self.top_k.unwrap_or(usize::MAX).min(order.len());
        if let Some(share) = self.top_p {
            let all: f64 = order[..left].iter().map(|&token| weights[token]).sum();
            let mut sum = 0.0;
            left = order[..left]
                .iter()
                .position(|&token| {
                    sum += weights[token];
                    sum >= share * all
                })
                .map_or(left, |last| last + 1);
        }
        for &token in &order[left..] {
            weights[token] = 0.0;
        }
    }

    #[track_caller]
    fn check(&self) {
        let Self { repetition_penalty, temperature, top_k, top_p, .. } = *self;
        if !(repetition_penalty > 0.0 && repetition_penalty.is_finite()) {
            complain(format_args!("a repetition penalty is above 0, not {repetition_penalty}"));
        }
        if !(temperature >= 0.0 && temperature.is_finite()) {
            complain(format_args!("a temperature is not below 0, as {temperature} is"));
        }
        if top_k == Some(0) {
            complain(format_args!("top_k leaves at least 1 token, not 0"));
        }
        if let Some(share) = top_p.filter(|share| !(*share > 0.0 && *share <= 1.0)) {
            complain(format_args!("top_p lies above 0 and up to 1, not at {share}"));
        }
    }
}

/// Draws each token by its probability. Gives what was written for each prompt `[B, T]`, with the
/// token that ends it. Each sequence has a random stream of its own, split off from `rng`, so that
/// others do not change what it draws.
///
/// # Panics
/// If a setting is out of its range, the prompt is not of `i64` with two axes, or the model does not
/// give logits `[B, V]`.
#[track_caller]
pub fn sample(
    model: &mut dyn NextToken,
    prompt: &Tensor,
    options: SampleOptions,
    rng: &mut Rng,
) -> Vec<Vec<i64>> {
    options.check();
    let mut streams: Vec<Rng> = prompts(prompt).iter().map(|_| rng.split()).collect();
    write(model, prompt, options.limits, |row, logits, tokens| {
        draw(&options.probabilities(logits, tokens), streams[row].uniform())
    })
}

/// The token at a place in [0, 1) of the probabilities laid side by side.
fn draw(probabilities: &[f64], place: f64) -> i64 {
    let mut end = 0.0;
    let mut last = 0;
    for (token, &probability) in probabilities.iter().enumerate() {
        if probability > 0.0 {
            end += probability;
            last = token;
            if place < end {
                break;
            }
        }
    }
    last as i64
}
