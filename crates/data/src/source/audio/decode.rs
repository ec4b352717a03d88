//! Sound in files: WAV and FLAC.

use crate::file;
use claxon::FlacReader;
use gradus_tensor::{Error, Result};
use hound::{SampleFormat, WavReader};
use std::io::Cursor;
use std::path::Path;

/// How names of files that can be read end.
pub const ENDINGS: [&str; 2] = ["wav", "flac"];

/// The largest file that is read.
const MOST_BYTES: usize = 1 << 30;

/// The most numbers that are taken from a file: a good hour of a channel.
const MOST_NUMBERS: usize = 1 << 28;

/// A sound of one channel.
#[derive(Clone, Debug, PartialEq)]
pub struct Sound {
    /// How many numbers make a second.
    pub rate: u32,
    /// The numbers, from -1 to 1.
    pub samples: Vec<f32>,
}

/// The sound in a file, up to so many seconds; see [`decode`].
///
/// # Errors
/// If it cannot be read, or is no sound.
pub fn read(path: &Path, most_seconds: f64) -> Result<Sound> {
    file::in_file(path, decode(&file::read(path, MOST_BYTES)?, most_seconds))
}

/// The sound that bytes hold in the format of WAV or FLAC, whatever their file is called, up to so
/// many seconds. Several channels become their mean.
///
/// # Errors
/// If they are something else, damaged, or of no channel.
pub fn decode(bytes: &[u8], most_seconds: f64) -> Result<Sound> {
    if bytes.starts_with(b"RIFF") {
        wav(bytes, most_seconds)
    } else if bytes.starts_with(b"fLaC") {
        flac(bytes, most_seconds)
    } else {
        Err(broken("is no sound of WAV or FLAC: convert it"))
    }
}

fn wav(bytes: &[u8], most_seconds: f64) -> Result<Sound> {
    let damaged = |error: hound::Error| broken(&format!("is damaged: {error}: get it once more"));
    let mut reader = WavReader::new(Cursor::new(bytes)).map_err(damaged)?;
    let spec = reader.spec();
    let mut mix = Mix::new(spec.channels as usize, spec.sample_rate, most_seconds)?;
    match spec.sample_format {
        SampleFormat::Float => {
            for number in reader.samples::<f32>() {
                if !mix.add(number.map_err(damaged)?) {
                    break;
                }
            }
        }
        SampleFormat::Int => {
            if !(8..=32).contains(&spec.bits_per_sample) {
                return Err(broken(&format!("has numbers of {} bits", spec.bits_per_sample)));
            }
            let full = (1u64 << (spec.bits_per_sample - 1)) as f32;
            for number in reader.samples::<i32>() {
                if !mix.add(number.map_err(damaged)? as f32 / full) {
                    break;
                }
            }
        }
    }
    mix.finish()
}

fn flac(bytes: &[u8], most_seconds: f64) -> Result<Sound> {
    let damaged = |error: claxon::Error| broken(&format!("is damaged: {error}: get it once more"));
    let mut reader = FlacReader::new(Cursor::new(bytes)).map_err(damaged)?;
    let info = reader.streaminfo();
    if !(1..=32).contains(&info.bits_per_sample) {
        return Err(broken(&format!("has numbers of {} bits", info.bits_per_sample)));
    }
    let full = (1u64 << (info.bits_per_sample - 1)) as f32;
    let mut mix = Mix::new(info.channels as usize, info.sample_rate, most_seconds)?;
    for number in reader.samples() {
        if !mix.add(number.map_err(damaged)? as f32 / full) {
            break;
        }
    }
    mix.finish()
}

/// Gathers the mean of the channels.
struct Mix {
    channels: usize,
    rate: u32,
    /// How many numbers are wanted.
    most: usize,
    samples: Vec<f32>,
    sum: f32,
    /// How many channels of the present moment were added.
    place: usize,
}

impl Mix {
    fn new(channels: usize, rate: u32, most_seconds: f64) -> Result<Self> {
        if channels == 0 || rate == 0 {
            let message = format!("has {channels} channels and {rate} numbers a second");
            return Err(broken(&message));
        }
        let most = (most_seconds * rate as f64).ceil();
        let most = if most < MOST_NUMBERS as f64 { most as usize } else { MOST_NUMBERS };
        Ok(Self { channels, rate, most, samples: vec![], sum: 0.0, place: 0 })
    }

    /// Adds a number; false once there are enough.
    fn add(&mut self, number: f32) -> bool {
        self.sum += number;
        self.place += 1;
        if self.place == self.channels {
            self.samples.push(self.sum / self.channels as f32);
            self.sum = 0.0;
            self.place = 0;
        }
        self.samples.len() < self.most
    }

    fn finish(self) -> Result<Sound> {
        match self.samples.iter().position(|x| !x.is_finite()) {
            Some(place) => Err(broken(&format!("has no finite number at {place}"))),
            None if self.samples.is_empty() => Err(broken("holds nothing")),
            None => Ok(Sound { rate: self.rate, samples: self.samples }),
        }
    }
}

fn broken(message: &str) -> Error {
    Error::format("sound", message)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use hound::{WavSpec, WavWriter};

    /// A WAV file of 16 bits.
    pub(crate) fn encode(samples: &[i16], channels: u16, rate: u32) -> Vec<u8> {
        let spec = WavSpec {
            channels,
            sample_rate: rate,
            bits_per_sample: 16,
            sample_format: SampleFormat::Int,
        };
        let mut bytes = Cursor::new(vec![]);
        let mut writer = WavWriter::new(&mut bytes, spec).unwrap();
        samples.iter().for_each(|&sample| writer.write_sample(sample).unwrap());
        writer.finalize().unwrap();
        bytes.into_inner()
    }

    #[test]
    fn wav_of_several_channels_becomes_one() {
        let bytes = encode(&[16384, 0, -32768, -32768, 0, 8192], 2, 8000);
        let sound = decode(&bytes, 9.0).unwrap();
        assert_eq!(sound, Sound { rate: 8000, samples: vec![0.25, -1.0, 0.125] });
        assert_eq!(decode(&bytes, 2.0 / 8000.0).unwrap().samples, [0.25, -1.0]);
    }

    /// A FLAC file by hand: 16 numbers of 16 bits, all the same.
    pub(crate) fn constant_flac(number: i16) -> Vec<u8> {
        let mut bytes = b"fLaC\x80\0\0\x22".to_vec();
        // Blocks of 16, sizes of frames unknown, 8000 Hz, 1 channel, 16 bits, 16 numbers, no sum.
        bytes.extend([0, 16, 0, 16, 0, 0, 0, 0, 0, 0]);
        bytes.extend([0x01, 0xf4, 0x00, 0xf0, 0, 0, 0, 16]);
        bytes.extend([0; 16]);
        // A frame: its length in 8 bits at the end, 8000 Hz, 16 bits, number 0.
        let mut frame = vec![0xff, 0xf8, 0x64, 0x08, 0x00, 15];
        frame.push(crc(&frame, 8, 0x07) as u8);
        frame.push(0);
        frame.extend(number.to_be_bytes());
        let sum = crc(&frame, 16, 0x8005);
        frame.extend((sum as u16).to_be_bytes());
        bytes.extend(frame);
        bytes
    }

    fn crc(bytes: &[u8], bits: u32, polynomial: u32) -> u32 {
        let mask = (1 << bits) - 1;
        bytes.iter().fold(0, |sum, &byte| {
            (0..8).fold(sum ^ (byte as u32) << (bits - 8), |sum, _| {
                let carry = sum >> (bits - 1) & 1;
                ((sum << 1) ^ (carry * polynomial)) & mask
            })
        })
    }

    #[test]
    fn flac_is_read() {
        let sound = decode(&constant_flac(-16384), 1.0).unwrap();
        assert_eq!(sound, Sound { rate: 8000, samples: vec![-0.5; 16] });
    }

    #[test]
    fn what_is_no_sound_is_refused() {
        let said = |bytes: &[u8]| decode(bytes, 1.0).unwrap_err().to_string();
        assert_eq!(said(b"ID3"), "sound: is no sound of WAV or FLAC: convert it");
        assert_eq!(said(&encode(&[], 1, 8000)), "sound: holds nothing");
        let mut flac = constant_flac(5);
        let last = flac.len() - 4;
        flac[last] ^= 1;
        assert!(said(&flac).starts_with("sound: is damaged: "), "{}", said(&flac));
        assert!(said(&flac[..20]).starts_with("sound: is damaged: "));
        assert!(said(b"RIFF").starts_with("sound: is damaged: "));
    }
}
