//! The changes of training samples that a recipe can name.

use crate::recipe::entry::{Entry, Outline, Part, Product, entry, option_fields, option_read};
use crate::recipe::field::{Field, POSITIVE, SHARE};
use gradus_data::augment::*;
use gradus_tensor::Result;

/// A change of samples.
pub enum Change {
    /// Of each sample by itself.
    Sample(Box<dyn Transform>),
    /// Of batches as wholes.
    Batch(Box<dyn BatchTransform>),
}

/// What changes are made for.
#[derive(Clone, Copy, Debug)]
pub struct ChangeSite {
    /// How many classes there are, where samples have classes.
    pub classes: Option<usize>,
}

impl Product for Change {
    type Site = ChangeSite;
    const NAME: &'static str = "augmentations";
    const NOUN: &'static str = "augmentation";

    fn entries() -> Vec<Entry<Self>> {
        let tables = [places(), colours(), policies(), others(), batches(), combined()];
        tables.into_iter().flatten().collect()
    }
}

/// Each change of a sample: what a recipe calls it, its type and options, what it is, and its
/// settings, whose defaults are those of the options.
macro_rules! changes {
    ($($kind:ident = $type:ident($options:ty), $doc:literal { $($fields:tt)* })*) => {
        vec![$(Entry {
            outline: Outline {
                kind: stringify!($kind),
                doc: $doc,
                fields: option_fields!($options { $($fields)* }),
            },
            make: |settings, _| {
                let options = option_read!(settings, $options { $($fields)* });
                Ok(Change::Sample(Box::new($type::new(options)?)))
            },
        }),*]
    };
}

fn places() -> Vec<Entry<Change>> {
    changes! {
        horizontal_flip = HorizontalFlip(FlipOptions), "Exchanges left and right." {
            probability, SHARE => "How often.";
        }
        vertical_flip = VerticalFlip(FlipOptions), "Exchanges up and down." {
            probability, SHARE => "How often.";
        }
        random_crop = RandomCrop(CropOptions), "Keeps a random part of a picture with edges added." {
            size, 1.. => "The rows and columns that are kept.";
            padding => "How many pixels are added at each edge before.";
            fill => "What these are: 0 is black and 1 is white.";
        }
        centre_crop = CentreCrop(CentreCropOptions), "Keeps the middle of a picture." {
            size, 1.. => "The rows and columns that are kept.";
        }
        random_resized_crop = RandomResizedCrop(ResizedCropOptions), "Keeps a random part of a picture and gives it another size." {
            size, 1.. => "The rows and columns of the new picture.";
            scale, SHARE => "From which to which share of the area is kept.";
            ratio, POSITIVE => "From which to which ratio of width to height.";
        }
        pad = Pad(PadOptions), "Adds pixels around a picture." {
            edges => "How many at the left, upper, right and lower edge.";
            fill => "What these are: 0 is black and 1 is white.";
        }
        resize = Resize(ResizeOptions), "Gives a picture another size." {
            size, 1.. => "The rows and columns of the new picture.";
            cover => "Keep proportions: just cover the size.";
        }
        rotation = Rotation(RotationOptions), "Turns a picture about its centre." {
            degrees, 0.0..=180.0 => "The turn, to either side at most.";
            expand => "Make room for the corners.";
            fill => "What comes in over the edges: 0 is black and 1 is white.";
        }
        affine = Affine(AffineOptions), "Turns, scales, shifts and shears a picture." {
            degrees, 0.0..=180.0 => "The turn, to either side at most.";
            scale, 0.0..=100.0 => "The change of size at most: 0.1 for up to 1.1 times as large or as small.";
            shift, SHARE => "The shift along height and width at most, as shares of them.";
            shear, 0.0..=80.0 => "The shear in degrees at most.";
            fill => "What comes in over the edges: 0 is black and 1 is white.";
        }
        perspective = Perspective(PerspectiveOptions), "Looks at a picture from the side." {
            distortion, SHARE => "How far corners move, as a share of half a side.";
            probability, SHARE => "How often.";
            fill => "What comes in over the edges: 0 is black and 1 is white.";
        }
    }
}

fn colours() -> Vec<Entry<Change>> {
    changes! {
        colour_jitter = ColourJitter(ColourJitterOptions), "Changes brightness, contrast, saturation and hue." {
            brightness, 0.0.. => "By which share brightness changes at most.";
            contrast, 0.0.. => "By which share contrast changes at most.";
            saturation, 0.0.. => "By which share saturation changes at most.";
            hue, 0.0..=0.5 => "By which share of the circle hues turn at most.";
        }
        grayscale = Grayscale(GrayscaleOptions), "Takes the colours away." {
            probability, SHARE => "How often.";
        }
        gaussian_blur = GaussianBlur(BlurOptions), "Blurs a picture." {
            kernel, 1..=1023 => "How many pixels wide the mean is: an odd number.";
            sigma, POSITIVE => "From which to which standard deviation, in pixels.";
            probability, SHARE => "How often.";
        }
        gaussian_noise = GaussianNoise(NoiseOptions), "Adds noise to a picture." {
            deviation, 0.0..=100.0 => "The standard deviation, white being 1.";
            probability, SHARE => "How often.";
        }
        erasing = Erasing(ErasingOptions), "Erases a rectangle of a picture." {
            probability, SHARE => "How often.";
            scale, SHARE => "From which to which share of the area is erased.";
            ratio, POSITIVE => "From which to which ratio of height to width.";
            fill => "What it is filled with: 0 is black and 1 is white.";
        }
        cutout = Cutout(CutoutOptions), "Covers squares of a picture." {
            side, 0..=65536 => "The side of the squares, in pixels.";
            count, 0..=1000 => "How many there are.";
            fill => "What they are filled with: 0 is black and 1 is white.";
        }
    }
}

fn policies() -> Vec<Entry<Change>> {
    changes! {
        auto_augment = AutoAugment(AutoAugmentOptions), "Changes that were found by a search." {
            policy => "The data on which it was searched for: `cifar10` or `imagenet`.";
            fill => "What comes in over the edges: 0 is black and 1 is white.";
        }
        rand_augment = RandAugment(RandAugmentOptions), "Random changes of one strength." {
            changes, 0..=100 => "How many are made one after another.";
            magnitude, 0.0..=30.0 => "How far they go.";
            fill => "What comes in over the edges: 0 is black and 1 is white.";
        }
        trivial_augment = TrivialAugment(TrivialAugmentOptions), "One random change of random strength." {
            fill => "What comes in over the edges: 0 is black and 1 is white.";
        }
    }
}

fn others() -> Vec<Entry<Change>> {
    changes! {
        token_dropout = TokenDropout(TokenDropoutOptions), "Replaces words of a text." {
            probability, SHARE => "How often a word is replaced.";
            replacement => "The number of the word that takes its place.";
            keep => "The numbers of words that stay.";
        }
        token_swap = TokenSwap(TokenSwapOptions), "Exchanges words of a text." {
            share, 0.0..=10.0 => "How many exchanges there are, as a share of the words.";
            keep => "The numbers of words that stay in their places.";
        }
        spec_augment = SpecAugment(SpecAugmentOptions), "Hides bands of a spectrogram." {
            frequency_masks => "How many bands of frequencies.";
            frequency_width => "How wide they are at most.";
            time_masks => "How many spans of time.";
            time_width => "How long they are at most.";
            time_share, SHARE => "How long they are at most, as a share of the time.";
            time_warp => "How far a moment moves at most.";
            fill => "What they are filled with; if not given, the mean.";
        }
        audio_noise = AudioNoise(AudioNoiseOptions), "Adds noise to a sound." {
            ratio_db => "From which to which ratio of sound to noise, in decibels.";
            probability, SHARE => "How often.";
        }
        audio_shift = AudioShift(AudioShiftOptions), "Moves a sound in time." {
            share, SHARE => "How far at most, as a share of its length.";
            wrap => "What leaves at one end comes in at the other.";
        }
        feature_noise = FeatureNoise(FeatureNoiseOptions), "Adds noise to the numbers of a row." {
            deviation, 0.0.. => "The standard deviation.";
            columns => "The numbers of the columns that are meant; if not given, all.";
        }
    }
}

fn batches() -> Vec<Entry<Change>> {
    let fields = || -> Vec<Field> {
        option_fields!(MixUpOptions {
            alpha, POSITIVE => "Near 0, one of two samples has nearly all; at 1, all shares are equally likely.";
            probability, SHARE => "How often a batch is mixed.";
        })
    };
    vec![
        Entry {
            outline: Outline {
                kind: "mix_up",
                doc: "Mixes each sample of a batch with another, and their targets.",
                fields: fields(),
            },
            make: |settings, site| {
                let (alpha, probability) = (settings.get("alpha"), settings.get("probability"));
                let options = MixUpOptions { alpha, probability, classes: site.classes };
                Ok(Change::Batch(Box::new(MixUp::new(options)?)))
            },
        },
        Entry {
            outline: Outline {
                kind: "cut_mix",
                doc: "Replaces a rectangle of each picture by that of another, and mixes their targets.",
                fields: fields(),
            },
            make: |settings, site| {
                let (alpha, probability) = (settings.get("alpha"), settings.get("probability"));
                let options = CutMixOptions { alpha, probability, classes: site.classes };
                Ok(Change::Batch(Box::new(CutMix::new(options)?)))
            },
        },
    ]
}

fn combined() -> Vec<Entry<Change>> {
    vec![
        entry! {
            one_of(site): "One of some changes, drawn anew for each sample.";
            changes: Vec<Part<Change>> => "The changes.";
            weights: Vec<f64>, 0.0.. => "How likely each is; if not given, all alike.";
            => {
                let changes = samples(&changes, site)?;
                let weights = if weights.is_empty() { vec![1.0; changes.len()] } else { weights };
                Ok(Change::Sample(Box::new(OneOf::new(changes, weights)?)))
            }
        },
        entry! {
            sometimes(site): "Some changes one after another, or none.";
            changes: Vec<Part<Change>> => "The changes.";
            probability: f64 = 0.5, SHARE => "How often.";
            => {
                let changes = Box::new(Compose::new(samples(&changes, site)?));
                Ok(Change::Sample(Box::new(Sometimes::new(changes, probability)?)))
            }
        },
    ]
}

/// Changes of samples; those of batches stand alone.
fn samples(parts: &[Part<Change>], site: &mut ChangeSite) -> Result<Vec<Box<dyn Transform>>> {
    let sample = |part: &Part<Change>| match part.make(site)? {
        Change::Sample(change) => Ok(change),
        Change::Batch(_) => Err(part.place().complain("a change of batches stands alone")),
    };
    parts.iter().map(sample).collect()
}
