//! How loud each pitch is at each moment.

use super::encoder::AudioEncoder;
use gradus_tensor::{Device, Result, Tensor};
use std::f64::consts::TAU;

/// What is added before the logarithm, lest silence be infinitely far from sound.
const FLOOR: f64 = 1e-6;

/// Makes log-mel spectrograms: of frames of a sound under a Hann window, the power at each
/// frequency, summed by triangles that are evenly spaced on the mel scale, ln(x + 10⁻⁶).
///
/// # Shapes
/// `[samples] -> [1, mels, frames]`, with 1 + ⌊samples / hop⌋ frames, the first centred on the first
/// sample and the ends mirrored.
///
/// # Source
/// The mel scale is 2595 log₁₀(1 + f / 700). torchaudio: `MelSpectrogram` with its own defaults for
/// scale and norm.
#[derive(Clone, Debug)]
pub(super) struct Spectrogram {
    window: usize,
    hop: usize,
    mels: usize,
    /// The window times cosines, then times sines: `[window, 2 bins]`.
    waves: Tensor,
    /// The triangles, `[bins, mels]`.
    triangles: Tensor,
}

impl Spectrogram {
    pub(super) fn new(options: &AudioEncoder) -> Result<Self> {
        let AudioEncoder { window, hop, mels, rate, .. } = *options;
        let bins = window / 2 + 1;
        let mut waves = vec![0.0f32; window * 2 * bins];
        for place in 0..window {
            let hann = 0.5 - 0.5 * (TAU * place as f64 / window as f64).cos();
            for bin in 0..bins {
                // Reduced, so that large products lose no digits.
                let angle = TAU * (place * bin % window) as f64 / window as f64;
                waves[place * 2 * bins + bin] = (hann * angle.cos()) as f32;
                waves[place * 2 * bins + bins + bin] = (hann * angle.sin()) as f32;
            }
        }
        let triangles = triangles(bins, mels, rate);
        let cpu = Device::cpu();
        Ok(Self {
            window,
            hop,
            mels,
            waves: Tensor::try_from_slice(&waves, [window, 2 * bins].into(), cpu)?,
            triangles: Tensor::try_from_slice(&triangles, [bins, mels].into(), cpu)?,
        })
    }

    /// The spectrogram of a sound, `[1, mels, frames]`.
    pub(super) fn of(&self, samples: &[f32]) -> Result<Tensor> {
        let (half, len) = (self.window / 2, samples.len() as i64);
        let frames = 1 + samples.len() / self.hop;
        let mut framed = Vec::with_capacity(frames * self.window);
        for frame in 0..frames {
            let start = (frame * self.hop) as i64 - half as i64;
            framed.extend((start..start + self.window as i64).map(|i| samples[mirror(i, len)]));
        }
        let shape = [frames, self.window].into();
        let framed = Tensor::try_from_slice(&framed, shape, Device::cpu())?;
        let waves = framed.matmul(&self.waves);
        let bins = waves.len_of(1) / 2;
        let (cos, sin) = (waves.narrow(1, 0, bins), waves.narrow(1, bins, bins));
        let power = &cos * &cos + &sin * &sin;
        let mels = (power.matmul(&self.triangles) + FLOOR).log();
        Ok(mels.transpose(0, 1).contiguous().reshape([1, self.mels, frames]))
    }
}

/// A place within `len`, for one that may be beyond its ends: mirrored there, as often as it takes.
fn mirror(place: i64, len: i64) -> usize {
    if len == 1 {
        return 0;
    }
    let period = 2 * (len - 1);
    let place = place.rem_euclid(period);
    place.min(period - place) as usize
}

/// The weights of the bins in each triangle, `[bins, mels]`.
fn triangles(bins: usize, mels: usize, rate: u32) -> Vec<f32> {
    let highest = rate as f64 / 2.0;
    let most = 2595.0 * (1.0 + highest / 700.0).log10();
    let hertz = |corner: usize| {
        700.0 * (10f64.powf(most * corner as f64 / (mels + 1) as f64 / 2595.0) - 1.0)
    };
    let corners: Vec<f64> = (0..mels + 2).map(hertz).collect();
    let mut weights = vec![0.0; bins * mels];
    for (bin, weights) in weights.chunks_mut(mels).enumerate() {
        let own = highest * bin as f64 / (bins - 1) as f64;
        for (mel, weight) in weights.iter_mut().enumerate() {
            let &[low, middle, high] = &corners[mel..mel + 3] else { continue };
            let up = (own - low) / (middle - low);
            let down = (high - own) / (high - middle);
            *weight = up.min(down).max(0.0) as f32;
        }
    }
    weights
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::audio::AudioFeatures;

    fn encoder(window: usize, hop: usize, mels: usize) -> AudioEncoder {
        AudioEncoder {
            rate: 8000,
            samples: 400,
            features: AudioFeatures::LogMel,
            window,
            hop,
            mels,
        }
    }

    #[test]
    fn a_spectrogram_is_that_of_the_definition() {
        let (window, hop, mels) = (64, 40, 9);
        let own = Spectrogram::new(&encoder(window, hop, mels)).unwrap();
        let sound: Vec<f32> = (0..400)
            .map(|i| (0.3 * i as f32).sin() + 0.5 * (i as f32 * i as f32 * 0.001).cos())
            .collect();
        let x = own.of(&sound).unwrap();
        assert_eq!(x.shape(), [1, mels, 11]);
        let x = x.to_vec::<f32>();
        let weights = triangles(33, mels, 8000);
        for frame in 0..11 {
            let power: Vec<f64> = (0..33)
                .map(|bin| {
                    let (mut cos, mut sin) = (0.0, 0.0);
                    for place in 0..window {
                        let at = mirror((frame * hop + place) as i64 - 32, 400);
                        let hann = 0.5 - 0.5 * (TAU * place as f64 / 64.0).cos();
                        let angle = TAU * (place * bin) as f64 / 64.0;
                        cos += sound[at] as f64 * hann * angle.cos();
                        sin += sound[at] as f64 * hann * angle.sin();
                    }
                    cos * cos + sin * sin
                })
                .collect();
            for mel in 0..mels {
                let sum: f64 = power
                    .iter()
                    .enumerate()
                    .map(|(bin, p)| p * weights[bin * mels + mel] as f64)
                    .sum();
                let wanted = (sum + FLOOR).ln() as f32;
                let own = x[mel * 11 + frame];
                assert!(
                    (own - wanted).abs() < 5e-4,
                    "mel {mel}, frame {frame}: {own} for {wanted}"
                );
            }
        }
    }

    #[test]
    fn triangles_overlap_and_ends_are_mirrored() {
        let weights = triangles(257, 20, 16_000);
        // Between the middles of the first and the last, two neighbours share each bin.
        for bin in 30..200 {
            let sum: f32 = weights[bin * 20..(bin + 1) * 20].iter().sum();
            assert!((sum - 1.0).abs() < 1e-5, "{bin}: {sum}");
        }
        let places: Vec<usize> = (-4..7).map(|place| mirror(place, 3)).collect();
        assert_eq!(places, [0, 1, 2, 1, 0, 1, 2, 1, 0, 1, 2]);
        assert_eq!(mirror(-5, 1), 0);
        let short = Spectrogram::new(&encoder(64, 40, 4)).unwrap().of(&[0.5; 3]).unwrap();
        assert_eq!(short.shape(), [1, 4, 1]);
    }
}
