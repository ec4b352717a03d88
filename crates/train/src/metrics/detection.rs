//! Boxes found in pictures.

use super::Metric;
use super::input::{numbers, refuse};
use super::overlap::mean;
use crate::state::State;
use gradus_tensor::{Error, Result, Tensor};
use std::collections::BTreeSet;

/// A box that a model found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Detection {
    /// Left, top, right and bottom edge.
    pub edges: [f64; 4],
    /// How sure the model is.
    pub score: f64,
    /// What it is.
    pub class: usize,
}

/// A box that is there.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TrueBox {
    /// Left, top, right and bottom edge.
    pub edges: [f64; 4],
    /// What it is.
    pub class: usize,
}

/// The settings of [`MeanAveragePrecision`].
#[derive(Clone, Debug, PartialEq)]
pub struct DetectionOptions {
    /// How much a box must overlap a true one, as intersection over union, to be right; the figure
    /// is the mean over these.
    pub thresholds: Vec<f64>,
    /// How many boxes of a class, the surest, count in a picture.
    pub most: usize,
}

impl Default for DetectionOptions {
    /// COCO's: 0.5, 0.55 … 0.95, and 100 boxes.
    fn default() -> Self {
        let thresholds = (0..10).map(|i| f64::from(50 + 5 * i) / 100.0).collect();
        Self { thresholds, most: 100 }
    }
}

/// The mean average precision of boxes, as COCO has it: of each class and each threshold of overlap,
/// the mean of precision at the recalls 0, 0.01 … 1; then the mean over classes that are there at
/// all, and over thresholds. With `map_50` and `map_75`, where these thresholds are among the others.
///
/// The surest box first, each takes the true box of its class that it overlaps most, if that is
/// enough and none has taken it. All boxes are kept until it is reset.
///
/// # Shapes
/// `output: [B, N, 6]`: left, top, right, bottom, score, class; `target: [B, M, 5]`: left, top, right,
/// bottom, class. A row whose right edge is not right of its left one stands for no box.
///
/// # Source
/// Lin et al. 2014, "Microsoft COCO: Common Objects in Context", and its evaluation (`pycocotools`),
/// over boxes of all sizes, none of them a crowd.
#[derive(Clone, Debug)]
pub struct MeanAveragePrecision {
    options: DetectionOptions,
    found: Vec<(usize, Detection)>,
    truths: Vec<(usize, TrueBox)>,
    pictures: usize,
}

/// At how many recalls precision is looked up.
const RECALLS: usize = 101;

impl MeanAveragePrecision {
    /// A figure with settings.
    ///
    /// # Errors
    /// If there is no threshold, or one is not between 0 and 1.
    pub fn new(options: DetectionOptions) -> Result<Self> {
        let wrong = options.thresholds.iter().find(|x| !(**x > 0.0 && **x <= 1.0));
        if let Some(threshold) = wrong {
            let message = format!("map: a threshold is {threshold}: give one above 0, to 1");
            return Err(Error::Setting(message));
        }
        if options.thresholds.is_empty() || options.most == 0 {
            return Err(Error::Setting("map: give a threshold and one box or more".into()));
        }
        Ok(Self { options, found: vec![], truths: vec![], pictures: 0 })
    }

    /// Takes in what was found in a picture, and what is there.
    pub fn add(&mut self, found: &[Detection], truths: &[TrueBox]) {
        self.found.extend(found.iter().map(|&found| (self.pictures, found)));
        self.truths.extend(truths.iter().map(|&truth| (self.pictures, truth)));
        self.pictures += 1;
    }

    /// The figure at one threshold of overlap: the mean over the classes that are there.
    pub fn at(&self, threshold: f64) -> f64 {
        let classes: BTreeSet<usize> = self.truths.iter().map(|(_, truth)| truth.class).collect();
        mean(classes.into_iter().map(|class| self.of_class(class, threshold)))
    }

    fn of_class(&self, class: usize, threshold: f64) -> f64 {
        let mut truths = vec![vec![]; self.pictures];
        for (picture, truth) in self.truths.iter().filter(|(_, truth)| truth.class == class) {
            truths[*picture].push(truth.edges);
        }
        let mut found: Vec<&(usize, Detection)> =
            self.found.iter().filter(|(_, found)| found.class == class).collect();
        if found.iter().any(|(_, found)| found.score.is_nan()) {
            return f64::NAN;
        }
        // Of equal scores, the first pictures come first.
        found.sort_by(|(_, a), (_, b)| b.score.total_cmp(&a.score));
        let mut taken: Vec<Vec<bool>> = truths.iter().map(|own| vec![false; own.len()]).collect();
        let mut counted = vec![0; self.pictures];
        let mut right = Vec::with_capacity(found.len());
        for (picture, found) in found {
            counted[*picture] += 1;
            if counted[*picture] > self.options.most {
                continue;
            }
            let own = truths[*picture].iter().map(|edges| overlap(found.edges, *edges)).enumerate();
            // As there, whole overlap may fall short by rounding.
            let enough = threshold.min(1.0 - 1e-10);
            let free = own.filter(|&(index, share)| !taken[*picture][index] && share >= enough);
            // Of equal overlaps, COCO takes the last.
            let best = free.max_by(|(_, a), (_, b)| a.total_cmp(b));
            best.iter().for_each(|&(index, _)| taken[*picture][index] = true);
            right.push(best.is_some());
        }
        interpolated(&right, truths.iter().map(Vec::len).sum())
    }
}

/// The mean precision at 101 recalls: at each, the highest at that recall or beyond.
fn interpolated(right: &[bool], truths: usize) -> f64 {
    let mut hits = 0.0;
    let mut curve: Vec<(f64, f64)> = right
        .iter()
        .enumerate()
        .map(|(index, &right)| {
            hits += f64::from(right);
            (hits / truths as f64, hits / (index + 1) as f64)
        })
        .collect();
    let mut highest = 0f64;
    for (_, precision) in curve.iter_mut().rev() {
        highest = highest.max(*precision);
        *precision = highest;
    }
    let at = |step: usize| {
        // Multiples of 0.01, rounded as they are in pycocotools.
        let recall = step as f64 * 0.01;
        let place = curve.partition_point(|(own, _)| *own < recall);
        curve.get(place).map_or(0.0, |(_, precision)| *precision)
    };
    (0..RECALLS).map(at).sum::<f64>() / RECALLS as f64
}

/// The intersection of two boxes over their union.
fn overlap(a: [f64; 4], b: [f64; 4]) -> f64 {
    let area = |[left, top, right, bottom]: [f64; 4]| (right - left) * (bottom - top);
    let width = (a[2].min(b[2]) - a[0].max(b[0])).max(0.0);
    let height = (a[3].min(b[3]) - a[1].max(b[1])).max(0.0);
    let both = width * height;
    both / (area(a) + area(b) - both)
}

impl Metric for MeanAveragePrecision {
    fn name(&self) -> &str {
        "map"
    }

    fn update(&mut self, output: &Tensor, target: &Tensor) {
        let fits = match (&output.shape()[..], &target.shape()[..]) {
            ([pictures, _, 6], [others, _, 5]) => pictures == others,
            _ => false,
        };
        if !fits {
            refuse(
                "map",
                format_args!(
                    "takes outputs [B, N, 6] and targets [B, M, 5], not of shapes {} and {}",
                    output.shape(),
                    target.shape()
                ),
            );
        }
        let (found, truths) = (numbers(output), numbers(target));
        let rows = |numbers: &[f64], picture: usize, rows: usize, width: usize| {
            let own = numbers[picture * rows * width..][..rows * width].chunks(width);
            own.filter(|row| row[2] > row[0]).map(<[f64]>::to_vec).collect::<Vec<_>>()
        };
        for picture in 0..output.len_of(0) {
            let found: Vec<Detection> = rows(&found, picture, output.len_of(1), 6)
                .into_iter()
                .map(|row| Detection {
                    edges: [row[0], row[1], row[2], row[3]],
                    score: row[4],
                    class: row[5] as usize,
                })
                .collect();
            let truths: Vec<TrueBox> = rows(&truths, picture, target.len_of(1), 5)
                .into_iter()
                .map(|row| TrueBox {
                    edges: [row[0], row[1], row[2], row[3]],
                    class: row[4] as usize,
                })
                .collect();
            self.add(&found, &truths);
        }
    }

    fn value(&self) -> f64 {
        mean(self.options.thresholds.iter().map(|&threshold| self.at(threshold)))
    }

    fn figures(&self) -> Vec<(String, f64)> {
        let mut figures = vec![("map".to_string(), self.value())];
        for (name, threshold) in [("map_50", 0.5), ("map_75", 0.75)] {
            if self.options.thresholds.len() > 1 && self.options.thresholds.contains(&threshold) {
                figures.push((name.to_string(), self.at(threshold)));
            }
        }
        figures
    }

    fn reset(&mut self) {
        (self.found, self.truths, self.pictures) = (vec![], vec![], 0);
    }

    fn state(&self) -> State {
        let found = self.found.iter().flat_map(|(picture, found)| {
            let rest = [found.score, found.class as f64, *picture as f64];
            found.edges.into_iter().chain(rest)
        });
        let truths = self.truths.iter().flat_map(|(picture, truth)| {
            truth.edges.into_iter().chain([truth.class as f64, *picture as f64])
        });
        State::new()
            .with_tensor("found", Tensor::from(found.collect::<Vec<f64>>()))
            .with_tensor("truths", Tensor::from(truths.collect::<Vec<f64>>()))
            .with("pictures", self.pictures as u64)
    }

    fn load_state(&mut self, state: &State) -> Result<()> {
        let pictures = state.count("pictures")? as usize;
        let found: Vec<f64> = state.tensor("found")?.try_to_vec()?;
        let truths: Vec<f64> = state.tensor("truths")?.try_to_vec()?;
        let edges = |row: &[f64]| [row[0], row[1], row[2], row[3]];
        let found: Vec<_> = found
            .chunks_exact(7)
            .map(|row| {
                let class = row[5] as usize;
                (row[6] as usize, Detection { edges: edges(row), score: row[4], class })
            })
            .collect();
        let truths: Vec<_> = truths
            .chunks_exact(6)
            .map(|row| (row[5] as usize, TrueBox { edges: edges(row), class: row[4] as usize }))
            .collect();
        let places = found.iter().map(|(at, _)| at).chain(truths.iter().map(|(at, _)| at));
        if places.max().is_some_and(|&at| at >= pictures) {
            let message = format!("saved boxes of map are in more than {pictures} pictures");
            return Err(Error::Mismatch(message));
        }
        (self.found, self.truths, self.pictures) = (found, truths, pictures);
        Ok(())
    }
}
