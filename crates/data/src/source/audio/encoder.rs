//! How sound becomes numbers.

use super::decode::{Sound, read};
use super::resample::resample;
use super::spectrogram::Spectrogram;
use gradus_tensor::{Device, Error, Result, Shape, Tensor};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// Where sounds lie: a folder that holds a folder of WAV or FLAC files for each class, or a folder
/// and a table of their names and what is to be told of them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct AudioFolderOptions {
    /// The folder to learn from. It may hold the folders `train`, `valid` and `test`.
    pub path: String,
    /// One to validate with; without it, sounds are held out of the first.
    pub valid: Option<String>,
    /// One to be tested with.
    pub test: Option<String>,
    /// A table, CSV, of the names of the files within the folder and of what to tell. Without it,
    /// folders are classes.
    pub labels: Option<String>,
    /// The column of names; by default the first.
    pub name_column: Option<String>,
}

/// How sound becomes what a model is given.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct AudioOptions {
    /// How many numbers make a second; by default as the sounds have it, or 16000 if they differ.
    pub rate: Option<u32>,
    /// How long all sounds get, by silence at the end or by cutting it off; by default as the longest
    /// of a hundred, but no more than ten.
    pub seconds: Option<f64>,
    /// What the model is given.
    pub features: AudioFeatures,
    /// How many numbers a frame of a spectrogram is made of; by default 25 milliseconds.
    pub window: Option<usize>,
    /// How many numbers lie between frames; by default 10 milliseconds.
    pub hop: Option<usize>,
    /// How many pitches a spectrogram tells.
    pub mels: usize,
    /// How many bytes of memory may hold what was read. By default 1 GiB.
    pub cache_bytes: Option<u64>,
}

impl Default for AudioOptions {
    fn default() -> Self {
        Self {
            rate: None,
            seconds: None,
            features: AudioFeatures::LogMel,
            window: None,
            hop: None,
            mels: 64,
            cache_bytes: None,
        }
    }
}

/// What a model is given of a sound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AudioFeatures {
    /// How loud each pitch is at each moment: `[1, mels, frames]`.
    #[default]
    LogMel,
    /// The sound itself: `[1, samples]`.
    Waveform,
}

/// How sound becomes numbers, as told or as the training sounds show.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct AudioEncoder {
    /// How many numbers make a second.
    pub rate: u32,
    /// How many numbers all sounds get.
    pub samples: usize,
    /// What the model is given.
    pub features: AudioFeatures,
    /// How many numbers a frame is made of.
    pub window: usize,
    /// How many numbers lie between frames.
    pub hop: usize,
    /// How many pitches are told.
    pub mels: usize,
}

/// So many sounds are looked at to see their rate and length.
const LOOKED_AT: usize = 100;

/// The longest that sounds become unless told, in seconds.
const LONGEST_S: f64 = 10.0;

/// The most numbers that a sound may become: an hour at 48 kHz and some more.
const MOST_SAMPLES: f64 = (1 << 28) as f64;

impl AudioEncoder {
    /// As the options tell, or as sounds in files show.
    ///
    /// # Errors
    /// If the options cannot be, or no file can be read.
    pub fn learn(files: &[PathBuf], options: &AudioOptions) -> Result<Self> {
        if let Some(seconds) = options.seconds.filter(|seconds| seconds.is_nan() || *seconds <= 0.0)
        {
            let message = format!("audio: seconds = {seconds} is no length: give one above 0");
            return Err(Error::Setting(message));
        }
        let (mut rates, mut longest, mut fault) = (vec![], 0.0f64, None);
        if options.rate.is_none() || options.seconds.is_none() {
            let step = files.len().div_ceil(LOOKED_AT).max(1);
            for file in files.iter().step_by(step) {
                match read(file, options.seconds.unwrap_or(LONGEST_S)) {
                    Ok(Sound { rate, samples }) => {
                        rates.push(rate);
                        longest = longest.max(samples.len() as f64 / rate as f64);
                    }
                    Err(error) => fault = fault.or(Some(error)),
                }
            }
            if let (true, Some(fault)) = (rates.is_empty(), fault) {
                return Err(fault);
            }
        }
        let same = rates.first().copied().filter(|&first| rates.iter().all(|&rate| rate == first));
        let rate = options.rate.or(same).unwrap_or(16_000);
        let samples = (options.seconds.unwrap_or(longest) * rate as f64).round();
        let window = options.window.unwrap_or((rate as usize / 40).max(2));
        let hop = options.hop.unwrap_or((rate as usize / 100).max(1));
        let own = Self {
            rate,
            samples: samples.clamp(1.0, MOST_SAMPLES) as usize,
            features: options.features,
            window,
            hop,
            mels: options.mels,
        };
        own.check(samples)?;
        Ok(own)
    }

    /// Refuses what cannot be, `samples` being how many numbers sounds should get.
    pub(in crate::source) fn check(&self, samples: f64) -> Result<()> {
        let Self { rate, window, hop, mels, .. } = *self;
        let message = if rate == 0 {
            "audio: rate = 0 makes no second: give 1 or more".into()
        } else if !(1.0..=MOST_SAMPLES).contains(&samples) {
            format!("audio: {samples} numbers of {rate} Hz are none or too many: set seconds")
        } else if !(2..=1 << 16).contains(&window) {
            format!("audio: window = {window} is not from 2 to 65536")
        } else if hop == 0 {
            "audio: hop = 0 never comes to an end: give 1 or more".into()
        } else if !(1..=window).contains(&mels) {
            format!("audio: mels = {mels} is not from 1 to the window of {window}")
        } else {
            return Ok(());
        };
        Err(Error::Setting(message))
    }

    /// The shape of what the model is given of a sound.
    pub fn shape(&self) -> Shape {
        match self.features {
            AudioFeatures::LogMel => [1, self.mels, 1 + self.samples / self.hop].into(),
            AudioFeatures::Waveform => [1, self.samples].into(),
        }
    }

    /// How sounds are turned into what the model is given.
    pub(super) fn spectrogram(&self) -> Result<Option<Spectrogram>> {
        match self.features {
            AudioFeatures::LogMel => Spectrogram::new(self).map(Some),
            AudioFeatures::Waveform => Ok(None),
        }
    }

    /// What the model is given of the sound in a file, not yet standardised.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn read(&self, path: &Path) -> Result<Tensor> {
        self.read_with(path, self.spectrogram()?.as_ref())
    }

    pub(super) fn read_with(
        &self,
        path: &Path,
        spectrogram: Option<&Spectrogram>,
    ) -> Result<Tensor> {
        let seconds = self.samples as f64 / self.rate as f64;
        // A little more, for the filter at the end.
        let sound = read(path, seconds + 0.1)?;
        let mut samples = resample(&sound.samples, sound.rate, self.rate);
        samples.resize(self.samples, 0.0);
        match spectrogram {
            Some(spectrogram) => spectrogram.of(&samples),
            None => Tensor::try_from_slice(&samples, [1, self.samples].into(), Device::cpu()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::decode::tests::encode;
    use super::*;
    use std::fs;

    #[test]
    fn sounds_show_their_rate_and_length() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, count: usize, rate: u32| {
            let path = folder.path().join(name);
            fs::write(&path, encode(&vec![3000; count], 1, rate)).unwrap();
            path
        };
        let same = [write("a.wav", 400, 8000), write("b.wav", 800, 8000)];
        let options = AudioOptions { mels: 10, ..Default::default() };
        let own = AudioEncoder::learn(&same, &options).unwrap();
        assert_eq!((own.rate, own.samples, own.window, own.hop), (8000, 800, 200, 80));
        assert_eq!(own.shape(), [1, 10, 11]);
        let x = own.read(&same[0]).unwrap();
        assert_eq!(*x.shape(), own.shape());
        // Sound, then the silence that was added.
        let x = x.to_vec::<f32>();
        assert!(x[1] > 0.0 && (x[10] - 1e-6f32.ln()).abs() < 1e-3, "{x:?}");
        let other = write("c.wav", 400, 4000);
        let own = AudioEncoder::learn(&[same[0].clone(), other], &options).unwrap();
        assert_eq!((own.rate, own.samples), (16_000, 1600));
        let plain = AudioOptions { features: AudioFeatures::Waveform, ..options };
        let own = AudioEncoder::learn(&same, &plain).unwrap();
        let x = own.read(&same[0]).unwrap().to_vec::<f32>();
        assert_eq!((x[399], x[400], x.len()), (3000.0 / 32768.0, 0.0, 800));
    }

    #[test]
    fn options_that_cannot_be() {
        let told = || AudioOptions { rate: Some(8000), seconds: Some(1.0), ..Default::default() };
        let said =
            |options: AudioOptions| AudioEncoder::learn(&[], &options).unwrap_err().to_string();
        for (options, wanted) in [
            (
                AudioOptions { seconds: Some(0.0), ..told() },
                "audio: seconds = 0 is no length: give one above 0",
            ),
            (
                AudioOptions { seconds: Some(1e9), ..told() },
                "audio: 8000000000000 numbers of 8000 Hz are none or too many: set seconds",
            ),
            (
                AudioOptions { window: Some(1), ..told() },
                "audio: window = 1 is not from 2 to 65536",
            ),
            (
                AudioOptions { hop: Some(0), ..told() },
                "audio: hop = 0 never comes to an end: give 1 or more",
            ),
            (
                AudioOptions { mels: 0, ..told() },
                "audio: mels = 0 is not from 1 to the window of 200",
            ),
        ] {
            assert_eq!(said(options), wanted);
        }
    }
}
