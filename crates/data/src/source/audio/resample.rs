//! Another number of samples a second.

use std::f64::consts::PI;

/// How many turns of the wave on either side of a sample count.
const TURNS: f64 = 6.0;

/// The part of the highest frequency that is kept: the rest is where the filter falls off.
const KEPT: f64 = 0.99;

/// A sound at another rate: each sample is the sum of those around it, weighted by a wave under a
/// Hann window that lets no frequency pass that the new rate cannot show.
///
/// # Source
/// Smith, "Digital Audio Resampling", <https://ccrma.stanford.edu/~jos/resample/>. torchaudio:
/// `functional.resample`.
pub(super) fn resample(samples: &[f32], from: u32, to: u32) -> Vec<f32> {
    if from == to || samples.is_empty() {
        return samples.to_vec();
    }
    let common = gcd(from, to);
    let (from, to) = ((from / common) as usize, (to / common) as usize);
    let cut = from.min(to) as f64 * KEPT;
    let reach = (TURNS * from as f64 / cut).ceil() as usize;
    // The weights depend only on where between two old samples the new one lies.
    let phases = |phase: usize| -> Vec<f32> {
        let centre = phase as f64 / to as f64;
        let weight = |tap: usize| {
            let place = tap as f64 - reach as f64 - centre;
            let turn = place * cut / from as f64;
            if turn.abs() >= TURNS {
                return 0.0;
            }
            let window = (PI * turn / (2.0 * TURNS)).cos().powi(2);
            let wave = if turn == 0.0 { 1.0 } else { (PI * turn).sin() / (PI * turn) };
            (wave * window * cut / from as f64) as f32
        };
        (0..2 * reach + 2).map(weight).collect()
    };
    let phases: Vec<Vec<f32>> = (0..to).map(phases).collect();
    let count = (samples.len() * to).div_ceil(from);
    let sample = |number: usize| {
        let (place, phase) = (number * from / to, number * from % to);
        let taps = phases[phase].iter().enumerate();
        let tap = |(tap, weight): (usize, &f32)| {
            let index = (place + tap).checked_sub(reach)?;
            Some(weight * samples.get(index)?)
        };
        taps.filter_map(tap).sum()
    };
    (0..count).map(sample).collect()
}

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wave(rate: u32, hertz: f64, count: usize) -> Vec<f32> {
        (0..count).map(|i| (2.0 * PI * hertz * i as f64 / rate as f64).sin() as f32).collect()
    }

    #[test]
    fn waves_keep_their_frequency() {
        for (from, to) in [(44_100, 16_000), (8000, 16_000), (16_000, 8000), (22_050, 22_050)] {
            let new = resample(&wave(from, 440.0, from as usize), from, to);
            let wanted = wave(to, 440.0, to as usize);
            assert_eq!(new.len(), wanted.len());
            let inner = 200..to as usize - 200;
            let pairs = new[inner.clone()].iter().zip(&wanted[inner]);
            let worst = pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(worst < 5e-3, "{from} to {to}: {worst}");
        }
    }

    #[test]
    fn what_the_new_rate_cannot_show_is_gone() {
        let new = resample(&wave(16_000, 6000.0, 16_000), 16_000, 8000);
        let loudest = new[200..7800].iter().fold(0.0f32, |most, x| most.max(x.abs()));
        assert!(loudest < 0.01, "{loudest}");
        assert!(resample(&[], 1, 2).is_empty());
    }
}
