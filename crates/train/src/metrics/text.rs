//! Texts: how surprising they are, and how far they are from others.

use super::input::{numbers, refuse};
use super::{Metric, figures};
use crate::state::State;
use gradus_nn::losses::{LossReduction, NllOptions, nll_loss_with};
use gradus_tensor::{DType, Error, Result, Tensor};
use std::collections::HashMap;
use std::hash::Hash;

/// The settings of [`Perplexity`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PerplexityOptions {
    /// A target that does not count, such as that of padding; as for losses, -100 if there is none.
    pub ignore: Option<i64>,
}

/// e to the power of the mean -ln p of the true tokens: among how many, as if equally likely, a model
/// hesitates.
///
/// # Shapes
/// `output: [B, C, …]` before softmax, `target: [B, …]` of token numbers.
#[derive(Clone, Debug, Default)]
pub struct Perplexity {
    options: PerplexityOptions,
    sum: f64,
    count: u64,
}

impl Perplexity {
    /// With settings.
    pub fn new(options: PerplexityOptions) -> Self {
        Self { options, ..Self::default() }
    }
}

impl Metric for Perplexity {
    fn name(&self) -> &str {
        "perplexity"
    }

    fn update(&mut self, output: &Tensor, target: &Tensor) {
        let plain = NllOptions::default();
        let ignore_index = self.options.ignore.or(plain.ignore_index);
        let options = NllOptions { ignore_index, reduction: LossReduction::None, ..plain };
        let losses = nll_loss_with(&output.detach().log_softmax(1), target, &options);
        self.sum += numbers(&losses).into_iter().sum::<f64>();
        let targets = target.to_dtype(DType::I64).to_vec::<i64>();
        self.count +=
            targets.into_iter().filter(|&token| Some(token) != ignore_index).count() as u64;
    }

    fn value(&self) -> f64 {
        (self.sum / self.count as f64).exp()
    }

    fn reset(&mut self) {
        (self.sum, self.count) = (0.0, 0);
    }

    fn state(&self) -> State {
        State::new().with_number("sum", self.sum).with("count", self.count)
    }

    fn load_state(&mut self, state: &State) -> Result<()> {
        (self.sum, self.count) = (state.number("sum")?, state.count("count")?);
        Ok(())
    }
}

/// Which numbers are no part of a text, where metrics of texts are given tokens.
///
/// # Shapes
/// `output: [B, T]` of token numbers, or `[B, C, T]` of which the largest of C counts; `target: [B, T]`
/// of token numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TokenOptions {
    /// A text ends before the first of these.
    pub end: Option<i64>,
    /// These are left out.
    pub padding: Option<i64>,
}

impl TokenOptions {
    /// The texts of a batch: what a model wrote, and what is right.
    #[track_caller]
    fn texts(
        self,
        metric: &'static str,
        output: &Tensor,
        target: &Tensor,
    ) -> Vec<(Vec<i64>, Vec<i64>)> {
        let output = output.detach();
        let output = if output.rank() == 3 { output.argmax(1) } else { output };
        if output.rank() != 2 || target.rank() != 2 || output.len_of(0) != target.len_of(0) {
            refuse(
                metric,
                format_args!(
                    "takes outputs [B, T] or [B, C, T] and targets [B, T], not of shapes {} and {}",
                    output.shape(),
                    target.shape()
                ),
            );
        }
        let rows = |x: &Tensor| -> Vec<Vec<i64>> {
            let numbers = x.to_dtype(DType::I64).to_vec::<i64>();
            let rows = (0..x.len_of(0)).map(|row| &numbers[row * x.len_of(1)..][..x.len_of(1)]);
            let text = |row: &[i64]| -> Vec<i64> {
                let tokens = row.iter().copied().take_while(|&token| Some(token) != self.end);
                tokens.filter(|&token| Some(token) != self.padding).collect()
            };
            rows.map(text).collect()
        };
        rows(&output).into_iter().zip(rows(target)).collect()
    }
}

/// How often each run of n tokens occurs.
fn runs<T: Eq + Hash>(tokens: &[T], n: usize) -> HashMap<&[T], u64> {
    let mut counts = HashMap::new();
    tokens.windows(n).for_each(|run| *counts.entry(run).or_insert(0) += 1);
    counts
}

/// How many runs of n tokens two texts have in common.
fn common<T: Eq + Hash>(text: &[T], other: &[T], n: usize) -> u64 {
    let others = runs(other, n);
    runs(text, n).iter().map(|(run, &count)| count.min(*others.get(run).unwrap_or(&0))).sum()
}

/// The longest runs of tokens that [`Bleu`] counts.
const RUNS: usize = 4;

/// The settings of [`Bleu`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BleuOptions {
    /// What is no part of a text, where tokens are given.
    pub tokens: TokenOptions,
}

/// BLEU over all texts together, from 0 to 100: the geometric mean of the shares of runs of 1 to 4
/// tokens that are also in a reference, times e^(1 - r/c) if the texts (c tokens) are shorter than
/// the references (r tokens).
///
/// As sacreBLEU computes it: texts are split by [`tokenize_13a`]; of several references, the one
/// nearest in length counts for r; where no run of a length is found, half, a quarter, … of one is
/// taken for found.
///
/// # Source
/// Papineni et al. 2002, "BLEU: a Method for Automatic Evaluation of Machine Translation"; Post 2018,
/// "A Call for Clarity in Reporting BLEU Scores".
///
/// ```
/// use gradus_train::{Bleu, Metric};
///
/// let mut bleu = Bleu::default();
/// bleu.add("The cat sat on the mat.", &["The cat sat on the mat."]);
/// assert!((bleu.value() - 100.0).abs() < 1e-9);
/// ```
#[derive(Clone, Debug, Default)]
pub struct Bleu {
    options: BleuOptions,
    /// How many runs of 1 to 4 tokens were found, and how many there are.
    found: [u64; RUNS],
    all: [u64; RUNS],
    len: u64,
    reference_len: u64,
}

impl Bleu {
    /// With settings.
    pub fn new(options: BleuOptions) -> Self {
        Self { options, ..Self::default() }
    }

    /// Takes in a text and what would be right.
    pub fn add(&mut self, text: &str, references: &[&str]) {
        let references: Vec<Vec<String>> =
            references.iter().map(|text| tokenize_13a(text)).collect();
        self.add_tokens(&tokenize_13a(text), &references);
    }

    /// Takes in a text as tokens, and what would be right.
    pub fn add_tokens<T: Eq + Hash>(&mut self, text: &[T], references: &[Vec<T>]) {
        for n in 1..=RUNS {
            let mut most: HashMap<&[T], u64> = HashMap::new();
            for reference in references {
                for (run, count) in runs(reference, n) {
                    let most = most.entry(run).or_insert(0);
                    *most = count.max(*most);
                }
            }
            let own = runs(text, n);
            self.found[n - 1] += own
                .iter()
                .map(|(run, &count)| count.min(*most.get(run).unwrap_or(&0)))
                .sum::<u64>();
            self.all[n - 1] += own.values().sum::<u64>();
        }
        let lens = references.iter().map(Vec::len);
        let nearest = lens.min_by_key(|&len| (len.abs_diff(text.len()), len));
        self.len += text.len() as u64;
        self.reference_len += nearest.unwrap_or(0) as u64;
    }
}

impl Metric for Bleu {
    fn name(&self) -> &str {
        "bleu"
    }

    fn update(&mut self, output: &Tensor, target: &Tensor) {
        for (text, reference) in self.options.tokens.texts("bleu", output, target) {
            self.add_tokens(&text, &[reference]);
        }
    }

    fn value(&self) -> f64 {
        if self.len == 0 && self.reference_len == 0 {
            return f64::NAN;
        }
        // Without a token in common, or with texts too short for runs of 4, there is no mean.
        if self.found == [0; RUNS] || self.all.contains(&0) {
            return 0.0;
        }
        let mut missing = 1.0;
        let logarithms = self.found.iter().zip(&self.all).map(|(&found, &all)| {
            let found = match found {
                0 => {
                    missing /= 2.0;
                    missing
                }
                found => found as f64,
            };
            (found / all as f64).ln()
        });
        let mean = logarithms.sum::<f64>() / RUNS as f64;
        let brevity = (1.0 - self.reference_len as f64 / self.len as f64).min(0.0);
        100.0 * (mean + brevity).exp()
    }

    fn reset(&mut self) {
        *self = Self::new(self.options);
    }

    fn state(&self) -> State {
        State::new()
            .with("found", self.found.to_vec())
            .with("all", self.all.to_vec())
            .with("len", self.len)
            .with("reference_len", self.reference_len)
    }

    fn load_state(&mut self, state: &State) -> Result<()> {
        let four = |name: &str| -> Result<[u64; RUNS]> {
            let counts = state.counts(name)?;
            let message = format!("the saved counts `{name}` of bleu are not four");
            counts.try_into().map_err(|_| Error::Mismatch(message))
        };
        (self.found, self.all) = (four("found")?, four("all")?);
        (self.len, self.reference_len) = (state.count("len")?, state.count("reference_len")?);
        Ok(())
    }
}

/// The words and signs of a text, as sacreBLEU's tokenizer `13a` splits it: the one of the evaluation
/// of WMT since 2009 (`mteval-v13a.pl`).
pub fn tokenize_13a(text: &str) -> Vec<String> {
    let text = text.replace("<skipped>", "").replace("-\n", "").replace('\n', " ");
    let text = text.replace("&quot;", "\"").replace("&amp;", "&");
    let text = format!(" {} ", text.replace("&lt;", "<").replace("&gt;", ">"));
    let sign = |c: char| c.is_ascii_punctuation() && !matches!(c, '\'' | ',' | '-' | '.');
    let spread: String =
        text.chars().flat_map(|c| if sign(c) { vec![' ', c, ' '] } else { vec![c] }).collect();
    let point = |c: char| c == '.' || c == ',';
    let digit = |c: char| c.is_ascii_digit();
    // A point stays within a number only, and a dash comes off the number before it.
    let spread = spaced(&spread, |a, b| !digit(a) && point(b), "\u{1} \u{2} ");
    let spread = spaced(&spread, |a, b| point(a) && !digit(b), " \u{1} \u{2}");
    let spread = spaced(&spread, |a, b| digit(a) && b == '-', "\u{1} \u{2} ");
    spread.split_whitespace().map(str::to_string).collect()
}

/// A text in which pairs of neighbours are written as a pattern says, the first being its \u{1} and
/// the second its \u{2}. A pair begins behind the one before.
fn spaced(text: &str, is_pair: impl Fn(char, char) -> bool, pattern: &str) -> String {
    let mut spaced = String::with_capacity(2 * text.len());
    let mut rest = text.chars().peekable();
    while let Some(first) = rest.next() {
        match rest.next_if(|&second| is_pair(first, second)) {
            None => spaced.push(first),
            Some(second) => spaced.extend(pattern.chars().map(|c| match c {
                '\u{1}' => first,
                '\u{2}' => second,
                other => other,
            })),
        }
    }
    spaced
}

figures! {
    /// What [`Rouge`] compares.
    RougeFigure: "figure of summaries";
    /// Single tokens.
    One = "rouge_1",
    /// Pairs of tokens.
    Two = "rouge_2",
    /// The longest sequence of tokens that both texts have in this order, with gaps.
    Longest = "rouge_l",
}

/// The mean, over texts, of F1 of what a text and its reference have in common: of its share of the
/// text and its share of the reference, their harmonic mean.
///
/// Texts are split into words of letters and digits in lower case. On texts in ASCII that is as
/// Google's `rouge_score` without stemming does; that one drops all other letters.
///
/// # Source
/// Lin 2004, "ROUGE: A Package for Automatic Evaluation of Summaries", sections 2 and 3.
#[derive(Clone, Debug)]
pub struct Rouge {
    figure: RougeFigure,
    tokens: TokenOptions,
    sum: f64,
    count: u64,
}

impl Rouge {
    /// A figure; the settings say what is no part of a text, where tokens are given.
    pub fn new(figure: RougeFigure, tokens: TokenOptions) -> Self {
        Self { figure, tokens, sum: 0.0, count: 0 }
    }

    /// Takes in a text and what would be right.
    pub fn add(&mut self, text: &str, reference: &str) {
        let words = |text: &str| -> Vec<String> {
            let lower = text.to_lowercase();
            let words = lower.split(|c: char| !c.is_alphanumeric());
            words.filter(|word| !word.is_empty()).map(str::to_string).collect()
        };
        self.add_tokens(&words(text), &words(reference));
    }

    /// Takes in a text as tokens, and what would be right.
    pub fn add_tokens<T: Eq + Hash>(&mut self, text: &[T], reference: &[T]) {
        let runs = |tokens: &[T], n: usize| (tokens.len() + 1).saturating_sub(n) as f64;
        let (both, own, other) = match self.figure {
            RougeFigure::One | RougeFigure::Two => {
                let n = if self.figure == RougeFigure::One { 1 } else { 2 };
                (common(text, reference, n) as f64, runs(text, n), runs(reference, n))
            }
            RougeFigure::Longest => {
                (longest(text, reference) as f64, runs(text, 1), runs(reference, 1))
            }
        };
        // 2 P R / (P + R), P and R being shares of the same count.
        self.sum += if both > 0.0 { 2.0 * both / (own + other) } else { 0.0 };
        self.count += 1;
    }
}

/// The length of the longest sequence that two texts have in common.
fn longest<T: Eq>(text: &[T], other: &[T]) -> usize {
    let mut row = vec![0; other.len() + 1];
    for token in text {
        let mut corner = 0;
        for (index, own) in other.iter().enumerate() {
            let above = row[index + 1];
            row[index + 1] = if token == own { corner + 1 } else { above.max(row[index]) };
            corner = above;
        }
    }
    row[other.len()]
}

impl Metric for Rouge {
    fn name(&self) -> &str {
        self.figure.name()
    }

    fn update(&mut self, output: &Tensor, target: &Tensor) {
        for (text, reference) in self.tokens.texts(self.figure.name(), output, target) {
            self.add_tokens(&text, &reference);
        }
    }

    fn value(&self) -> f64 {
        self.sum / self.count as f64
    }

    fn reset(&mut self) {
        (self.sum, self.count) = (0.0, 0);
    }

    fn state(&self) -> State {
        State::new().with_number("sum", self.sum).with("count", self.count)
    }

    fn load_state(&mut self, state: &State) -> Result<()> {
        (self.sum, self.count) = (state.number("sum")?, state.count("count")?);
        Ok(())
    }
}

figures! {
    /// What [`ErrorRate`] counts.
    ErrorUnit: "error rate";
    /// Words, which spaces separate.
    Words = "wer",
    /// Characters, spaces within the text included.
    Characters = "cer",
}

/// The fewest words (or characters) to be inserted, deleted or replaced to make the references of
/// texts, over how many the references have; above 1, if more is wrong than there is. The reference
/// implementation is `jiwer`.
///
/// # Source
/// Levenshtein 1966, "Binary codes capable of correcting deletions, insertions, and reversals".
#[derive(Clone, Debug)]
pub struct ErrorRate {
    unit: ErrorUnit,
    tokens: TokenOptions,
    edits: u64,
    count: u64,
}

impl ErrorRate {
    /// A rate; the settings say what is no part of a text, where tokens are given.
    pub fn new(unit: ErrorUnit, tokens: TokenOptions) -> Self {
        Self { unit, tokens, edits: 0, count: 0 }
    }

    /// Takes in a text and what would be right.
    pub fn add(&mut self, text: &str, reference: &str) {
        match self.unit {
            ErrorUnit::Words => {
                let words = |text: &'_ str| -> Vec<String> {
                    text.split_whitespace().map(str::to_string).collect()
                };
                self.add_tokens(&words(text), &words(reference));
            }
            ErrorUnit::Characters => {
                let characters = |text: &str| text.trim().chars().collect::<Vec<char>>();
                self.add_tokens(&characters(text), &characters(reference));
            }
        }
    }

    /// Takes in a text as tokens, and what would be right.
    pub fn add_tokens<T: Eq>(&mut self, text: &[T], reference: &[T]) {
        self.edits += distance(text, reference) as u64;
        self.count += reference.len() as u64;
    }
}

/// How many insertions, deletions and replacements are between two texts at least.
fn distance<T: Eq>(text: &[T], other: &[T]) -> usize {
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (line, token) in text.iter().enumerate() {
        let mut corner = line;
        row[0] = line + 1;
        for (index, own) in other.iter().enumerate() {
            let replaced = corner + usize::from(token != own);
            corner = row[index + 1];
            row[index + 1] = replaced.min(corner + 1).min(row[index] + 1);
        }
    }
    row[other.len()]
}

impl Metric for ErrorRate {
    fn name(&self) -> &str {
        self.unit.name()
    }

    fn update(&mut self, output: &Tensor, target: &Tensor) {
        for (text, reference) in self.tokens.texts(self.unit.name(), output, target) {
            self.add_tokens(&text, &reference);
        }
    }

    fn value(&self) -> f64 {
        self.edits as f64 / self.count as f64
    }

    fn reset(&mut self) {
        (self.edits, self.count) = (0, 0);
    }

    fn state(&self) -> State {
        State::new().with("edits", self.edits).with("count", self.count)
    }

    fn load_state(&mut self, state: &State) -> Result<()> {
        (self.edits, self.count) = (state.count("edits")?, state.count("count")?);
        Ok(())
    }
}
