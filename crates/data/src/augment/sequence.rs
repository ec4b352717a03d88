//! Changes of texts, of sounds and of rows of tables.

use super::{Transform, chance, setting, within};
use crate::Sample;
use gradus_tensor::{DType, OpError, Result, Rng, Tensor};

/// The settings of [`TokenDropout`].
#[derive(Clone, Debug, PartialEq)]
pub struct TokenDropoutOptions {
    /// How often a token is replaced.
    pub probability: f64,
    /// The token that takes its place: the unknown one, say.
    pub replacement: i64,
    /// Tokens that stay: padding, starts and ends.
    pub keep: Vec<i64>,
}

impl Default for TokenDropoutOptions {
    fn default() -> Self {
        Self { probability: 0.1, replacement: 0, keep: vec![] }
    }
}

/// Replaces tokens of a text at random, so that a model cannot lean on single ones.
///
/// # Shapes
/// `input: [T] -> [T]` of whole numbers.
///
/// # Source
/// Iyyer et al. 2015, "Deep Unordered Composition Rivals Syntactic Methods for Text Classification",
/// section 3.2: word dropout.
#[derive(Clone, Debug, PartialEq)]
pub struct TokenDropout(TokenDropoutOptions);

impl TokenDropout {
    /// A change with settings.
    ///
    /// # Errors
    /// If the probability is none.
    pub fn new(options: TokenDropoutOptions) -> Result<Self> {
        setting::probability("token_dropout", "probability", options.probability)?;
        Ok(Self(options))
    }
}

impl Transform for TokenDropout {
    fn apply(&self, sample: Sample, rng: &mut Rng) -> Result<Sample> {
        let mut tokens = tokens("token_dropout", &sample)?;
        for token in tokens.iter_mut().filter(|token| !self.0.keep.contains(token)) {
            if chance(self.0.probability, rng) {
                *token = self.0.replacement;
            }
        }
        Ok(with_tokens(sample, tokens))
    }
}

/// The settings of [`TokenSwap`].
#[derive(Clone, Debug, PartialEq)]
pub struct TokenSwapOptions {
    /// How many exchanges there are, as a share of the tokens that may move.
    pub share: f64,
    /// Tokens that stay in their places: padding, starts and ends.
    pub keep: Vec<i64>,
}

impl Default for TokenSwapOptions {
    fn default() -> Self {
        Self { share: 0.1, keep: vec![] }
    }
}

/// Exchanges pairs of tokens of a text.
///
/// # Shapes
/// `input: [T] -> [T]` of whole numbers.
///
/// # Source
/// Wei and Zou 2019, "EDA: Easy Data Augmentation Techniques for Boosting Performance on Text
/// Classification Tasks", section 2: random swap, with n = αl.
#[derive(Clone, Debug, PartialEq)]
pub struct TokenSwap(TokenSwapOptions);

impl TokenSwap {
    /// A change with settings.
    ///
    /// # Errors
    /// If the share cannot be.
    pub fn new(options: TokenSwapOptions) -> Result<Self> {
        setting::between("token_swap", "share", options.share, [0.0, 10.0])?;
        Ok(Self(options))
    }
}

impl Transform for TokenSwap {
    fn apply(&self, sample: Sample, rng: &mut Rng) -> Result<Sample> {
        let mut tokens = tokens("token_swap", &sample)?;
        let movable: Vec<usize> =
            (0..tokens.len()).filter(|&i| !self.0.keep.contains(&tokens[i])).collect();
        let count = movable.len() as u64;
        if count > 1 {
            for _ in 0..(self.0.share * count as f64).round() as usize {
                let first = rng.below(count);
                let second = (first + 1 + rng.below(count - 1)) % count;
                tokens.swap(movable[first as usize], movable[second as usize]);
            }
        }
        Ok(with_tokens(sample, tokens))
    }
}

fn tokens(name: &'static str, sample: &Sample) -> Result<Vec<i64>> {
    let input = sample.input();
    if input.dtype().is_float() || input.rank() != 1 {
        let message = format_args!(
            "a text is whole numbers of shape [T], not {} of shape {}",
            input.dtype(),
            input.shape()
        );
        return Err(OpError::of(name, message).into());
    }
    input.to_dtype(DType::I64).try_to_vec()
}

fn with_tokens(sample: Sample, tokens: Vec<i64>) -> Sample {
    let old = sample.input();
    let input = Tensor::from_vec(tokens, *old.shape()).to_dtype(old.dtype());
    sample.with_input(input)
}

/// The numbers of an input of floats, computed in `f32`.
fn floats(name: &'static str, sample: &Sample) -> Result<Vec<f32>> {
    let input = sample.input();
    if !input.dtype().is_float() || input.rank() == 0 {
        let message = format_args!(
            "takes floats of one axis or more, not {} of shape {}",
            input.dtype(),
            input.shape()
        );
        return Err(OpError::of(name, message).into());
    }
    input.to_dtype(DType::F32).try_to_vec()
}

fn with_floats(sample: Sample, numbers: Vec<f32>) -> Sample {
    let old = sample.input();
    let input = Tensor::from_vec(numbers, *old.shape()).to_dtype(old.dtype());
    sample.with_input(input)
}

/// The settings of [`SpecAugment`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SpecAugmentOptions {
    /// How many bands of frequencies are covered.
    pub frequency_masks: usize,
    /// How many frequencies a band has at most.
    pub frequency_width: usize,
    /// How many stretches of time are covered.
    pub time_masks: usize,
    /// How many frames a stretch has at most.
    pub time_width: usize,
    /// The largest share of all frames that a stretch may have.
    pub time_share: f64,
    /// By how many frames a point in time moves at most, its surroundings being stretched.
    pub time_warp: usize,
    /// What the covered places are filled with; none for the mean of the spectrogram.
    pub fill: Option<f64>,
}

impl Default for SpecAugmentOptions {
    /// The paper's policy "LD" (LibriSpeech double), without its warp of time.
    fn default() -> Self {
        Self {
            frequency_masks: 2,
            frequency_width: 27,
            time_masks: 2,
            time_width: 100,
            time_share: 1.0,
            time_warp: 0,
            fill: None,
        }
    }
}

/// Warps the time of a spectrogram and covers bands of frequencies and stretches of time.
///
/// Time is warped along straight lines: a point moves, and the frames to its sides are stretched or
/// pressed together by linear interpolation.
///
/// # Shapes
/// `input: [.., F, T] -> [.., F, T]`, all channels being covered alike.
///
/// # Source
/// Park et al. 2019, "SpecAugment: A Simple Data Augmentation Method for Automatic Speech
/// Recognition", section 2.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SpecAugment(SpecAugmentOptions);

impl SpecAugment {
    /// A change with settings.
    ///
    /// # Errors
    /// If a number cannot be.
    pub fn new(options: SpecAugmentOptions) -> Result<Self> {
        let name = "spec_augment";
        for (what, count) in
            [("frequency_masks", options.frequency_masks), ("time_masks", options.time_masks)]
        {
            setting::between(name, what, count as f64, [0.0, 1000.0])?;
        }
        setting::probability(name, "time_share", options.time_share)?;
        setting::between(name, "fill", options.fill.unwrap_or(0.0), [f64::MIN, f64::MAX])?;
        Ok(Self(options))
    }
}

impl Transform for SpecAugment {
    fn apply(&self, sample: Sample, rng: &mut Rng) -> Result<Sample> {
        let mut numbers = floats("spec_augment", &sample)?;
        let &[.., frequencies, frames] = &sample.input().shape()[..] else {
            let shape = sample.input().shape();
            let message = format_args!("a spectrogram is [.., F, T], not of shape {shape}");
            return Err(OpError::of("spec_augment", message).into());
        };
        if numbers.is_empty() {
            return Ok(sample);
        }
        self.warp(&mut numbers, frames, rng);
        let mean = || numbers.iter().map(|&x| f64::from(x)).sum::<f64>() / numbers.len() as f64;
        let fill = self.0.fill.unwrap_or_else(mean) as f32;
        let mut span = |most: usize, len: usize| {
            let width = rng.below(most.min(len) as u64 + 1) as usize;
            let start = rng.below((len - width) as u64 + 1) as usize;
            start..start + width
        };
        for _ in 0..self.0.frequency_masks {
            let band = span(self.0.frequency_width, frequencies);
            for channel in numbers.chunks_exact_mut(frequencies * frames) {
                channel[band.start * frames..band.end * frames].fill(fill);
            }
        }
        let longest = self.0.time_width.min((self.0.time_share * frames as f64) as usize);
        for _ in 0..self.0.time_masks {
            let stretch = span(longest, frames);
            numbers.chunks_exact_mut(frames).for_each(|row| row[stretch.clone()].fill(fill));
        }
        Ok(with_floats(sample, numbers))
    }
}

impl SpecAugment {
    /// Moves a point in time, if there is room for it.
    fn warp(&self, numbers: &mut [f32], frames: usize, rng: &mut Rng) {
        let most = self.0.time_warp;
        if most == 0 || frames <= 2 * most + 1 {
            return;
        }
        let from = (most as u64 + rng.below((frames - 2 * most) as u64)) as f64;
        let to = from + within([-(most as f64), most as f64], rng);
        let last = (frames - 1) as f64;
        // Where each new frame comes from, along two straight lines.
        let places: Vec<f64> = (0..frames)
            .map(|frame| match frame as f64 {
                frame if frame <= to && to > 0.0 => frame * from / to,
                frame => from + (frame - to) * (last - from) / (last - to).max(1e-9),
            })
            .map(|place| place.clamp(0.0, last))
            .collect();
        for row in numbers.chunks_exact_mut(frames) {
            let old = row.to_vec();
            for (new, place) in row.iter_mut().zip(&places) {
                let (first, along) = (*place as usize, place.fract() as f32);
                let next = old[(first + 1).min(frames - 1)];
                *new = old[first] * (1.0 - along) + next * along;
            }
        }
    }
}

/// The settings of [`AudioNoise`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AudioNoiseOptions {
    /// From which to which ratio of sound to noise, in decibels: the lower, the noisier.
    pub ratio_db: [f64; 2],
    /// How often noise is added.
    pub probability: f64,
}

impl Default for AudioNoiseOptions {
    fn default() -> Self {
        Self { ratio_db: [10.0, 40.0], probability: 1.0 }
    }
}

/// Adds white noise to a sound, as strong as its own mean power over 10^(ratio / 10). PyTorch:
/// `torchaudio.functional.add_noise`. Silence stays silence.
///
/// # Shapes
/// `input: [.., T] -> [.., T]`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AudioNoise(AudioNoiseOptions);

impl AudioNoise {
    /// Noise with settings.
    ///
    /// # Errors
    /// If a number cannot be.
    pub fn new(options: AudioNoiseOptions) -> Result<Self> {
        setting::range("audio_noise", "ratio_db", options.ratio_db, [-100.0, 200.0])?;
        setting::probability("audio_noise", "probability", options.probability)?;
        Ok(Self(options))
    }
}

impl Transform for AudioNoise {
    fn apply(&self, sample: Sample, rng: &mut Rng) -> Result<Sample> {
        let mut numbers = floats("audio_noise", &sample)?;
        if numbers.is_empty() || !chance(self.0.probability, rng) {
            return Ok(sample);
        }
        let squares: f64 = numbers.iter().map(|&x| f64::from(x).powi(2)).sum();
        let power = squares / numbers.len() as f64;
        let ratio = 10f64.powf(within(self.0.ratio_db, rng) / 10.0);
        add_noise(&mut numbers, (power / ratio).sqrt(), rng)?;
        Ok(with_floats(sample, numbers))
    }
}

/// The settings of [`AudioShift`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AudioShiftOptions {
    /// How far a sound is moved at most, to either side, as a share of its length.
    pub share: f64,
    /// Brings what leaves at one end back in at the other, where silence would be else.
    pub wrap: bool,
}

impl Default for AudioShiftOptions {
    fn default() -> Self {
        Self { share: 0.1, wrap: false }
    }
}

/// Moves a sound in time.
///
/// # Shapes
/// `input: [.., T] -> [.., T]`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AudioShift(AudioShiftOptions);

impl AudioShift {
    /// A change with settings.
    ///
    /// # Errors
    /// If the share cannot be.
    pub fn new(options: AudioShiftOptions) -> Result<Self> {
        setting::between("audio_shift", "share", options.share, [0.0, 1.0])?;
        Ok(Self(options))
    }
}

impl Transform for AudioShift {
    fn apply(&self, sample: Sample, rng: &mut Rng) -> Result<Sample> {
        let mut numbers = floats("audio_shift", &sample)?;
        let len = sample.input().len_of(-1);
        if numbers.is_empty() {
            return Ok(sample);
        }
        let most = self.0.share * len as f64;
        let shift =
            (within([-most, most], rng).round() as isize).clamp(-(len as isize), len as isize);
        let moved = shift.unsigned_abs();
        for row in numbers.chunks_exact_mut(len) {
            if shift > 0 {
                row.rotate_right(moved);
            } else {
                row.rotate_left(moved);
            }
            let came_in = if shift > 0 { 0..moved } else { len - moved..len };
            if !self.0.wrap {
                row[came_in].fill(0.0);
            }
        }
        Ok(with_floats(sample, numbers))
    }
}

/// The settings of [`FeatureNoise`].
#[derive(Clone, Debug, PartialEq)]
pub struct FeatureNoiseOptions {
    /// The standard deviation. Features that were standardised have 1 themselves.
    pub deviation: f64,
    /// The features that get noise; none for all. Leave out those that are categories.
    pub columns: Option<Vec<usize>>,
}

impl Default for FeatureNoiseOptions {
    fn default() -> Self {
        Self { deviation: 0.05, columns: None }
    }
}

/// Adds normal noise to the features of a row of a table.
///
/// # Shapes
/// `input: [.., D] -> [.., D]`.
///
/// # Source
/// Bishop 1995, "Training with Noise is Equivalent to Tikhonov Regularization".
#[derive(Clone, Debug, PartialEq)]
pub struct FeatureNoise(FeatureNoiseOptions);

impl FeatureNoise {
    /// Noise with settings.
    ///
    /// # Errors
    /// If the deviation cannot be.
    pub fn new(options: FeatureNoiseOptions) -> Result<Self> {
        setting::between("feature_noise", "deviation", options.deviation, [0.0, 1e6])?;
        Ok(Self(options))
    }
}

impl Transform for FeatureNoise {
    fn apply(&self, sample: Sample, rng: &mut Rng) -> Result<Sample> {
        let mut numbers = floats("feature_noise", &sample)?;
        let features = sample.input().len_of(-1);
        if let Some(columns) = &self.0.columns {
            if let Some(column) = columns.iter().find(|&&column| column >= features) {
                let message =
                    format_args!("there is no column {column}, counted from 0, of {features}");
                return Err(OpError::of("feature_noise", message).into());
            }
            let old = numbers.clone();
            add_noise(&mut numbers, self.0.deviation, rng)?;
            for (place, (new, old)) in numbers.iter_mut().zip(old).enumerate() {
                if !columns.contains(&(place % features)) {
                    *new = old;
                }
            }
        } else {
            add_noise(&mut numbers, self.0.deviation, rng)?;
        }
        Ok(with_floats(sample, numbers))
    }
}

fn add_noise(numbers: &mut [f32], deviation: f64, rng: &mut Rng) -> Result<()> {
    let noise = Tensor::randn([numbers.len()], rng).try_to_vec::<f32>()?;
    numbers.iter_mut().zip(noise).for_each(|(x, z)| *x += deviation as f32 * z);
    Ok(())
}
