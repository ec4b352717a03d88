//! Pictures of digits from anywhere, made to look like MNIST's.

use super::{DigitSet, normalise};
use crate::image::{Colour, Image};
use gradus_tensor::{Error, Result, Tensor};

/// MNIST's digits were scaled to fit a square of this side before they were centred.
const BOX: usize = 20;

/// How much brighter or darker than the paper, of 255, something must be to be ink.
const FAINTEST: f32 = 24.0;

/// The part of the darkest ink from which on a pixel counts as part of the digit, when its extent
/// is measured.
const EXTENT: f32 = 0.1;

/// The part of the border that is no darker, or lighter, than paper anywhere.
const EVEN: f32 = 0.9;

/// A picture of one digit as a model for MNIST takes it, `[1, 1, 28, 28]` and normalised.
///
/// The picture may be of any size and colour, dark on light or light on dark, with or without
/// transparent parts. It is made grey; what most of its border looks like is taken for paper, and
/// contrast stretched between paper and the strongest ink; the digit is cut out, scaled by area
/// averaging so that it just fits 20 by 20 pixels, and put into 28 by 28 so that its centre of mass
/// is in the middle.
///
/// # Errors
/// If the picture is blank.
///
/// # Source
/// LeCun, Cortes and Burges, "The MNIST database of handwritten digits": how its images were made.
pub fn prepare(image: &Image) -> Result<Tensor> {
    let ink = ink(image)?;
    let pixels = centred(&ink.cut_out().fitted(BOX).stretched());
    let shape = [1, 1, DigitSet::HEIGHT, DigitSet::WIDTH];
    Ok(normalise(&Tensor::from_vec(pixels, shape)))
}

/// A picture in one channel.
struct Grey {
    width: usize,
    height: usize,
    pixels: Vec<f32>,
}

/// How much ink is where, from 0 for paper to 1 for the strongest.
fn ink(image: &Image) -> Result<Grey> {
    let mut grey = brightness(image);
    let (width, height) = (grey.width, grey.height);
    let mut border: Vec<f32> = (0..grey.pixels.len())
        .filter(|i| {
            let (x, y) = (i % width, i / width);
            x == 0 || y == 0 || x + 1 == width || y + 1 == height
        })
        .map(|i| grey.pixels[i])
        .collect();
    border.sort_by(f32::total_cmp);
    let paper = border[border.len() / 2];
    let lowest = grey.pixels.iter().copied().fold(f32::INFINITY, f32::min);
    let highest = grey.pixels.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    // Ink lies on the side of the paper's brightness where the picture goes further.
    let reach = if paper - lowest > highest - paper { lowest - paper } else { highest - paper };
    if reach.abs() < FAINTEST {
        let message = format_args!(
            "{width} by {height} pixels of about the same brightness: a digit must be drawn, dark \
             on light or light on dark"
        );
        return Err(Error::format("blank picture", message));
    }
    // Nearly all of the border is paper, so that it shows how uneven paper is.
    let rank = (border.len() as f32 * EVEN) as usize;
    let uneven = if reach < 0.0 { border[border.len() - 1 - rank] } else { border[rank] };
    let floor = ((uneven - paper) / reach).min(0.5);
    let ink = |x: f32| (((x - paper) / reach - floor) / (1.0 - floor)).max(0.0);
    grey.pixels.iter_mut().for_each(|x| *x = ink(*x));
    Ok(grey)
}

/// The brightness of each pixel, from 0 to 255, transparent ones on a ground that the others stand
/// out from.
fn brightness(image: &Image) -> Grey {
    let colour = image.colour();
    let channels = colour.channels();
    let alpha = |pixel: &[u8]| match colour.has_alpha() {
        true => pixel[channels - 1] as f32 / 255.0,
        false => 1.0,
    };
    let value = |pixel: &[u8]| match colour {
        Colour::Grey | Colour::GreyAlpha => pixel[0] as f32,
        // ITU-R BT.601, as PIL's and OpenCV's conversion to grey.
        Colour::Rgb | Colour::Rgba => {
            0.299 * pixel[0] as f32 + 0.587 * pixel[1] as f32 + 0.114 * pixel[2] as f32
        }
    };
    let pixels = || image.pixels().chunks_exact(channels);
    let opaque: f64 = pixels().map(|pixel| alpha(pixel) as f64).sum();
    let bright: f64 = pixels().map(|pixel| (alpha(pixel) * value(pixel)) as f64).sum();
    let ground = if bright > 127.5 * opaque { 0.0 } else { 255.0 };
    let over = |pixel| ground + alpha(pixel) * (value(pixel) - ground);
    let pixels = pixels().map(over).collect();
    Grey { width: image.width(), height: image.height(), pixels }
}

impl Grey {
    /// The part in which there is ink.
    fn cut_out(&self) -> Self {
        let rows = self.pixels.chunks_exact(self.width);
        let inked = |row: &[f32]| row.iter().any(|&x| x >= EXTENT);
        let inked_rows: Vec<usize> =
            rows.clone().enumerate().filter(|(_, row)| inked(row)).map(|(y, _)| y).collect();
        let columns: Vec<usize> =
            (0..self.width).filter(|&x| rows.clone().any(|row| row[x] >= EXTENT)).collect();
        let (top, bottom) = (inked_rows[0], inked_rows[inked_rows.len() - 1]);
        let (left, right) = (columns[0], columns[columns.len() - 1]);
        let kept = rows.skip(top).take(bottom + 1 - top);
        let pixels = kept.flat_map(|row| row[left..=right].to_vec()).collect();
        Self { width: right + 1 - left, height: bottom + 1 - top, pixels }
    }

    /// The picture scaled so that its longer side is `side`.
    fn fitted(&self, side: usize) -> Self {
        let longer = self.width.max(self.height);
        let scaled = |len: usize| ((len * side + longer / 2) / longer).max(1);
        let (width, height) = (scaled(self.width), scaled(self.height));
        let (across, down) = (Weights::new(self.width, width), Weights::new(self.height, height));
        let narrow: Vec<f32> =
            self.pixels.chunks_exact(self.width).flat_map(|row| across.apply(row)).collect();
        let mut pixels = vec![0.0; width * height];
        for x in 0..width {
            let column: Vec<f32> = narrow.iter().skip(x).step_by(width).copied().collect();
            for (y, value) in down.apply(&column).into_iter().enumerate() {
                pixels[y * width + x] = value;
            }
        }
        Self { width, height, pixels }
    }

    /// The picture with its strongest ink at 1: thin lines grow faint when they are averaged.
    fn stretched(mut self) -> Self {
        let most = self.pixels.iter().copied().fold(0.0, f32::max);
        self.pixels.iter_mut().for_each(|x| *x /= most);
        self
    }
}

/// How much each pixel of a line counts for each of a line of another length: the part that it
/// covers.
struct Weights(Vec<(usize, Vec<f32>)>);

impl Weights {
    fn new(from: usize, to: usize) -> Self {
        let scale = from as f64 / to as f64;
        let weights = |i: usize| {
            let (start, end) = (i as f64 * scale, (i + 1) as f64 * scale);
            let first = start as usize;
            let last = (end.ceil() as usize).clamp(first + 1, from);
            let part = |j: usize| ((j + 1) as f64).min(end) - (j as f64).max(start);
            (first, (first..last).map(|j| (part(j) / scale) as f32).collect())
        };
        Self((0..to).map(weights).collect())
    }

    fn apply(&self, line: &[f32]) -> Vec<f32> {
        let sum = |(first, weights): &(usize, Vec<f32>)| {
            line[*first..].iter().zip(weights).map(|(x, weight)| x * weight).sum()
        };
        self.0.iter().map(sum).collect()
    }
}

/// The digit in MNIST's size, its centre of mass in the middle.
fn centred(digit: &Grey) -> Vec<u8> {
    let mass: f32 = digit.pixels.iter().sum();
    let indexed = || digit.pixels.iter().enumerate();
    let across = indexed().map(|(i, x)| (i % digit.width) as f32 * x).sum::<f32>() / mass;
    let down = indexed().map(|(i, x)| (i / digit.width) as f32 * x).sum::<f32>() / mass;
    let start = |centre: f32, len: usize, whole: usize| {
        // The middle of 28 pixels is pixel 14 of 0 to 27, as MNIST has it.
        let start = (whole as f32 / 2.0 - centre).round().max(0.0) as usize;
        start.min(whole - len)
    };
    let left = start(across, digit.width, DigitSet::WIDTH);
    let top = start(down, digit.height, DigitSet::HEIGHT);
    let mut pixels = vec![0; DigitSet::WIDTH * DigitSet::HEIGHT];
    for (i, x) in indexed() {
        let place = (top + i / digit.width) * DigitSet::WIDTH + left + i % digit.width;
        pixels[place] = (255.0 * x).round() as u8;
    }
    pixels
}
