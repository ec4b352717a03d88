//! Convolutions and matrix products of integers of eight bits, summed exactly.
//!
//! Numbers of x become codes from 0 to 255, those of the weight are codes from -127 to 127, and the
//! products of codes are summed as integers: the same on every instruction set. A matrix product is a
//! convolution of images of one place.
//!
//! Images are first copied as codes, with their padding around them and the channels of a place side by
//! side (`encode`). What a tap of the kernel meets then lies some bytes behind an output's place, as
//! many for all outputs, and a tile of outputs and channels is summed in registers, four channels at a
//! time (`tile`). A processor that has tiles sums these (`tiled`): what outputs read is then copied side by
//! side once for some panels of channels.

mod dots;
mod encode;
mod tile;
mod tiled;

pub(crate) use dots::{Dots, DotsWork};

use crate::Machine;
use crate::conv::Geometry;
use crate::conv::transpose;
use crate::memory::scratch;
use crate::simd::{MAX_LANES, Simd, Vector};
use crate::threads::Shared;
use encode::Images;
use tile::Tile;

/// How many output channels lie side by side in a packed weight.
const WIDTH: usize = 32;

/// How many channels are multiplied at a time.
const STEP: usize = 4;

/// How many outputs one task computes, of [`WIDTH`] channels at a time.
const ROWS: usize = 64;

/// How many panels of [`WIDTH`] channels one task multiplies at most.
const PANELS: usize = 4;

/// The most products that are summed: their sum is never beyond `i32`.
pub const MAX_DEPTH: usize = 1 << 16;

/// How floats become codes: code = x / scale + zero, rounded to the nearest integer from 0 to 255. So
/// zero itself has a code without an error.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CodeScale {
    /// The distance of the numbers that neighbouring codes stand for.
    pub scale: f32,
    /// The code of zero.
    pub zero: u8,
}

impl CodeScale {
    /// The codes of the numbers from `low` to `high`, and of zero if it is outside. What is beyond them
    /// gets the code of the nearest.
    ///
    /// # Panics
    /// If one of them is not finite.
    pub fn covering(low: f32, high: f32) -> Self {
        assert!(low.is_finite() && high.is_finite(), "no codes cover {low} to {high}");
        let (low, high) = (f64::from(low.min(0.0)), f64::from(high.max(0.0)));
        let scale = (high - low) / 255.0;
        // Zero alone, or numbers so small that dividing by their distance would overflow.
        if scale < f64::from(f32::MIN_POSITIVE) {
            return Self { scale: 1.0, zero: 0 };
        }
        Self { scale: scale as f32, zero: (-low / scale).round_ties_even() as u8 }
    }

    /// The number that the code of a number stands for.
    pub fn rounded(self, x: f32) -> f32 {
        let zero = f32::from(self.zero);
        let code = (x * (1.0 / self.scale)).round_ties_even() + zero;
        self.scale * (code.clamp(0.0, 255.0) - zero)
    }
}

/// What becomes of the sums of a convolution.
#[derive(Clone, Copy, Debug, Default)]
pub struct Finish<'a> {
    /// What is added to each output channel.
    pub bias: Option<&'a [f32]>,
    /// Whether y then becomes max(y, 0).
    pub relu: bool,
}

/// A weight of integers.
#[derive(Clone, Copy, Debug)]
pub struct IntegerWeight<'a> {
    /// What [`pack`] made of it.
    pub packed: &'a [u8],
    /// The sum of the codes of each output channel.
    pub sums: &'a [i32],
    /// What a code of each output channel stands for.
    pub scales: &'a [f32],
}

/// How many bytes a weight takes that is packed.
pub fn packed_len(geometry: &Geometry) -> usize {
    let taps: usize = geometry.kernel.iter().product();
    let channels = geometry.in_channels.next_multiple_of(STEP);
    geometry.out_channels.next_multiple_of(WIDTH) * taps * channels
}

/// Packs the codes of a weight, of [`Geometry::weight_shape`], from -127 to 127.
///
/// # Panics
/// If there are not as many codes, or not as many bytes as [`packed_len`] says.
pub fn pack(geometry: &Geometry, codes: &[i8], packed: &mut [u8]) {
    let taps: usize = geometry.kernel.iter().product();
    let channels = geometry.in_channels;
    assert_eq!(codes.len(), geometry.out_channels * channels * taps);
    assert_eq!(packed.len(), packed_len(geometry));
    packed.fill(0);
    for (index, &code) in codes.iter().enumerate() {
        packed[packed_place(taps, channels, index)] = code as u8;
    }
}

/// The codes of a weight that [`pack`] packed.
///
/// # Panics
/// As [`pack`].
pub fn unpack(geometry: &Geometry, packed: &[u8], codes: &mut [i8]) {
    let taps: usize = geometry.kernel.iter().product();
    let channels = geometry.in_channels;
    assert_eq!(codes.len(), geometry.out_channels * channels * taps);
    assert_eq!(packed.len(), packed_len(geometry));
    for (index, code) in codes.iter_mut().enumerate() {
        *code = packed[packed_place(taps, channels, index)] as i8;
    }
}

/// Where the code of a number of the weight lies in the packed ones.
fn packed_place(taps: usize, channels: usize, index: usize) -> usize {
    let (tap, rest) = (index % taps, index / taps);
    let (channel, output) = (rest % channels, rest / channels);
    let step = (output / WIDTH * taps + tap) * channels.div_ceil(STEP) + channel / STEP;
    (step * WIDTH + output % WIDTH) * STEP + channel % STEP
}

/// out = the convolution of x with a weight, both as integers, plus the bias of each output channel:
/// y = scale · scaleₒ · Σ (code - zero) · codeₒ + biasₒ, and max(y, 0) if [`Finish::relu`]. A number
/// that is NaN has some code.
///
/// x is of [`Geometry::input_shape`], contiguous, and there is one group.
///
/// # Panics
/// If a slice does not have the length that the geometry says, or no products or more than
/// [`MAX_DEPTH`] are summed.
pub fn forward(
    on: Machine,
    geometry: &Geometry,
    input: CodeScale,
    x: &[f32],
    weight: IntegerWeight<'_>,
    finish: Finish<'_>,
    out: &mut [f32],
) {
    let outputs = geometry.out_channels;
    let depth: usize = geometry.weight_shape()[1..].iter().product();
    assert!(geometry.groups == 1 && (1..=MAX_DEPTH).contains(&depth));
    assert_eq!(x.len(), geometry.input_shape().iter().product::<usize>());
    assert_eq!(weight.packed.len(), packed_len(geometry));
    assert_eq!([weight.sums.len(), weight.scales.len()], [outputs; 2]);
    assert!(finish.bias.is_none_or(|bias| bias.len() == outputs));
    assert_eq!(out.len(), geometry.output_shape().iter().product::<usize>());
    if out.is_empty() {
        return;
    }
    let images = &Images::new(on, geometry, input, x);
    let ends = &Ends::new(input, weight, finish);
    let whole = Task {
        images,
        ends,
        weight,
        rows: 0..geometry.batch * images.places(),
        panels: 0..outputs.div_ceil(WIDTH),
        out: &Shared::new(out),
    };
    whole.in_parts(on, depth, |task| match on.isa.multiplies_tiles() {
        true => on.isa.run_tiles(task),
        false => dots::run(on.isa, task),
    });
}

/// What becomes of sums: where each of them starts, what it is multiplied by, what is added, and what
/// the outputs are at least. There are whole panels.
struct Ends {
    starts: Vec<i32>,
    factors: Vec<f32>,
    terms: Vec<f32>,
    least: f32,
}

impl Ends {
    fn new(input: CodeScale, weight: IntegerWeight<'_>, finish: Finish<'_>) -> Self {
        let len = weight.sums.len().next_multiple_of(WIDTH);
        let least = if finish.relu { 0.0 } else { f32::NEG_INFINITY };
        let (starts, factors, terms) = (vec![0; len], vec![0.0; len], vec![0.0; len]);
        let mut ends = Self { starts, factors, terms, least };
        for (i, (&sum, scale)) in weight.sums.iter().zip(weight.scales).enumerate() {
            ends.starts[i] = -i32::from(input.zero) * sum;
            ends.factors[i] = input.scale * scale;
            ends.terms[i] = finish.bias.map_or(0.0, |bias| bias[i]);
        }
        ends
    }
}

/// Some outputs of some panels of channels.
struct Task<'a> {
    images: &'a Images,
    ends: &'a Ends,
    weight: IntegerWeight<'a>,
    /// The outputs' places, counted through all images.
    rows: std::ops::Range<usize>,
    panels: std::ops::Range<usize>,
    out: &'a Shared<'a, f32>,
}

impl DotsWork for Task<'_> {
    type Output = ();

    #[inline(always)]
    fn run<D: Dots>(self, dots: D) {
        let starts = self.starts();
        let steps = self.images.channels / STEP;
        let panel_len = self.images.taps.len() * steps * WIDTH * STEP;
        let mut block = scratch(ROWS * WIDTH);
        for panel in self.panels.clone() {
            let tile = Tile {
                codes: &self.images.codes,
                taps: &self.images.taps,
                steps,
                weight: &self.weight.packed[panel * panel_len..][..panel_len],
                ends: self.ends,
                first: panel * WIDTH,
            };
            tile.rows(dots, &starts, self.rows.len(), &mut block);
            self.write(dots.isa(), panel * WIDTH, &block);
        }
    }
}

impl Task<'_> {
    /// Cuts the task into small ones, which sum so many products each, and runs these.
    fn in_parts(&self, on: Machine, depth: usize, run: impl Fn(Task<'_>) + Sync) {
        let (rows, panels) = (self.rows.len(), self.panels.len());
        let blocks = rows.div_ceil(ROWS);
        let groups = panels.div_ceil(PANELS);
        let cost_ns = rows * panels * WIDTH * (depth / 128 + 1);
        on.parallel(blocks * groups, cost_ns, |task| {
            let (block, group) = (task % blocks * ROWS, task / blocks * PANELS);
            let rows = block..rows.min(block + ROWS);
            let panels = group..panels.min(group + PANELS);
            run(Task { rows, panels, ..*self });
        });
    }

    /// Where what each output reads starts; those behind the last are the last once more.
    fn starts(&self) -> [usize; ROWS] {
        std::array::from_fn(|i| self.images.start((self.rows.start + i).min(self.rows.end - 1)))
    }

    /// Writes the outputs of a panel, whose channels lie side by side in a block.
    #[inline(always)]
    fn write<S: Simd>(&self, isa: S, channel: usize, block: &[f32]) {
        let outputs = self.weight.sums.len();
        let places = self.images.places();
        let channels = WIDTH.min(outputs - channel);
        let mut row = self.rows.start;
        while row < self.rows.end {
            let (image, place) = (row / places, row % places);
            let count = (places - place).min(self.rows.end - row);
            let start = (image * outputs + channel) * places + place;
            let block = &block[(row - self.rows.start) * WIDTH..];
            if places == 1 {
                // SAFETY: no other task has this output and these channels.
                unsafe { self.out.slice(start, channels) }.copy_from_slice(&block[..channels]);
            } else {
                self.turn(isa, [channels, count], block, start);
            }
            row += count;
        }
    }

    /// Writes places of an image side by side.
    #[inline(always)]
    fn turn<S: Simd>(&self, isa: S, [channels, count]: [usize; 2], block: &[f32], start: usize) {
        let (lanes, places) = (S::F32::LANES, self.images.places());
        for first in (0..count).step_by(lanes) {
            let len = lanes.min(count - first);
            for channel in (0..channels).step_by(lanes) {
                let mut square = [S::F32::splat(isa, 0.0); MAX_LANES];
                for (i, vector) in square.iter_mut().take(len).enumerate() {
                    *vector = S::F32::load(isa, &block[(first + i) * WIDTH + channel..]);
                }
                let square = transpose(square);
                for (i, vector) in square.iter().take(lanes.min(channels - channel)).enumerate() {
                    let to = start + (channel + i) * places + first;
                    // SAFETY: no other task has these outputs and this channel.
                    vector.store_chunk(unsafe { self.out.slice(to, len) });
                }
            }
        }
    }
}
