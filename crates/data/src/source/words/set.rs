//! Texts in memory, as numbers.

use super::vocabulary::{Keep, TextOptions, Vocabulary};
use crate::source::answer::Targets;
use crate::{Batch, Dataset, Sample};
use gradus_tensor::{Device, Result, Tensor};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// How a text becomes numbers of a fixed length, by what the training texts hold.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TextEncoder {
    /// What is known.
    pub vocabulary: Vocabulary,
    /// How many numbers a text becomes.
    pub length: usize,
    /// Which end of a text that is too long is kept.
    pub keep: Keep,
}

/// The longest that texts become unless told.
const LONGEST: usize = 512;

impl TextEncoder {
    /// Learns the vocabulary and the length from texts.
    ///
    /// # Errors
    /// If the options cannot be.
    pub fn learn<'a>(
        texts: impl Iterator<Item = &'a str> + Clone,
        options: &TextOptions,
    ) -> Result<Self> {
        let vocabulary = Vocabulary::learn(texts.clone(), options)?;
        let length = options.length.unwrap_or_else(|| {
            let mut lens: Vec<usize> = texts.map(|text| vocabulary.encode(text).len()).collect();
            lens.sort_unstable();
            let most = lens.len().saturating_sub(1) * 95 / 100;
            lens.get(most).map_or(1, |&len| len.clamp(1, LONGEST))
        });
        Ok(Self { vocabulary, length, keep: options.keep })
    }

    /// The numbers of a text as they are, cut to the length but not padded.
    pub fn tokens(&self, text: &str) -> Vec<u32> {
        let mut tokens = self.vocabulary.encode(text);
        match self.keep {
            Keep::Start => tokens.truncate(self.length),
            Keep::End => drop(tokens.drain(..tokens.len().saturating_sub(self.length))),
        }
        tokens
    }

    /// Texts as `[B, length]` of `i64`, padded with 0 at the end.
    ///
    /// # Errors
    /// If there is not enough memory.
    pub fn encode<'a>(&self, texts: impl Iterator<Item = &'a str>) -> Result<Tensor> {
        let mut rows = vec![];
        let mut count = 0;
        for text in texts {
            pad(&mut rows, &self.tokens(text), self.length);
            count += 1;
        }
        Tensor::try_from_slice(&rows, [count, self.length].into(), Device::cpu())
    }
}

fn pad(rows: &mut Vec<i64>, tokens: &[u32], length: usize) {
    let end = rows.len() + length;
    rows.extend(tokens.iter().map(|&token| token as i64));
    rows.resize(end, Vocabulary::PADDING as i64);
}

/// Texts as numbers, end to end, with their targets.
#[derive(Clone)]
pub(in crate::source) struct TextSet {
    tokens: Arc<[u32]>,
    /// Where each text ends.
    ends: Arc<[usize]>,
    targets: Arc<Targets>,
    length: usize,
}

impl TextSet {
    /// As many texts as targets.
    pub(in crate::source) fn new<'a>(
        texts: impl Iterator<Item = &'a str>,
        encoder: &TextEncoder,
        targets: Targets,
    ) -> Self {
        let mut tokens = vec![];
        let add = |text| {
            tokens.extend(encoder.tokens(text));
            tokens.len()
        };
        let ends = texts.map(add).collect();
        Self { tokens: tokens.into(), ends, targets: targets.into(), length: encoder.length }
    }
}

impl Dataset for TextSet {
    fn len(&self) -> usize {
        self.ends.len()
    }

    fn sample(&self, index: usize) -> Result<Sample> {
        Ok(self.batch(&[index])?.single())
    }

    fn batch(&self, indices: &[usize]) -> Result<Batch> {
        let mut rows = Vec::with_capacity(indices.len() * self.length);
        for &index in indices {
            let start = index.checked_sub(1).map_or(0, |before| self.ends[before]);
            pad(&mut rows, &self.tokens[start..self.ends[index]], self.length);
        }
        let shape = [indices.len(), self.length].into();
        let input = Tensor::try_from_slice(&rows, shape, Device::cpu())?;
        Ok(Batch::new(input, self.targets.gather(indices)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_cut_and_padded() {
        let texts = ["a b c d", "", "b"];
        let options = TextOptions { length: Some(3), ..Default::default() };
        let encoder = TextEncoder::learn(texts.into_iter(), &options).unwrap();
        let set = TextSet::new(texts.into_iter(), &encoder, Targets::Classes(vec![0, 1, 2]));
        let batch = set.batch(&[2, 0, 1]).unwrap();
        // b occurs twice and is the first.
        assert_eq!(batch.input().to_vec::<i64>(), [2, 0, 0, 3, 2, 4, 0, 0, 0]);
        assert_eq!(batch.target().to_vec::<i64>(), [2, 0, 1]);
        assert_eq!(set.sample(0).unwrap().input().to_vec::<i64>(), [3, 2, 4]);
        assert_eq!(set.sample(0).unwrap().target().item::<i64>(), 0);
        let end = TextEncoder { keep: Keep::End, ..encoder };
        let ends = end.encode(["a b c d"].into_iter()).unwrap();
        assert_eq!(ends.to_vec::<i64>(), [2, 4, 5]);
    }

    #[test]
    fn most_texts_fit() {
        let texts: Vec<String> = (1..=100).map(|len| "a ".repeat(len)).collect();
        let texts = texts.iter().map(String::as_str);
        let encoder = TextEncoder::learn(texts, &TextOptions::default()).unwrap();
        assert_eq!(encoder.length, 95);
        let none = TextEncoder::learn(std::iter::empty(), &TextOptions::default()).unwrap();
        assert_eq!(none.length, 1);
    }
}
