//! What a network will see, on one sheet.

use super::picture::{Picture, Pixels};
use super::setting;
use crate::image::{Colour, Image};
use crate::{Dataset, Sample};
use gradus_tensor::{OpError, Result};

/// The settings of [`contact_sheet`].
#[derive(Clone, Debug, PartialEq)]
pub struct SheetOptions {
    /// How many samples are shown, a row each.
    pub samples: usize,
    /// In how many epochs each is shown, from the first one on, a column each.
    pub epochs: usize,
    /// The least side of a picture on the sheet: smaller ones are shown with larger pixels.
    pub side: usize,
    /// The mean and the deviation of each channel, to be undone; none for pictures from 0 to 1.
    /// Others that go beyond are stretched from black to white, each by itself.
    pub normalisation: Option<(Vec<f64>, Vec<f64>)>,
}

impl Default for SheetOptions {
    fn default() -> Self {
        Self { samples: 8, epochs: 8, side: 96, normalisation: None }
    }
}

/// What boxes and points are drawn in.
const INK: [u8; 3] = [255, 96, 0];
/// What the sheet is made of.
const PAPER: u8 = 255;
/// The pixels between pictures.
const GAP: usize = 4;

/// Pictures of the first samples of a data set as they are in the first epochs: what a network will
/// see of them. Boxes and points are drawn, and masks shine through.
///
/// # Errors
/// If a sample cannot be read, or its input is no picture of 1 or 3 channels.
pub fn contact_sheet(dataset: &dyn Dataset, options: &SheetOptions) -> Result<Image> {
    let (rows, columns) = (options.samples.min(dataset.len()), options.epochs);
    if rows == 0 || columns == 0 {
        return Err(setting::wrong("contact_sheet", "there is nothing to show: give 1 or more"));
    }
    let mut cells = Vec::with_capacity(rows * columns);
    for epoch in 0..columns {
        let changed = dataset.in_epoch(epoch as u64);
        let dataset = changed.as_deref().unwrap_or(dataset);
        for row in 0..rows {
            cells.push(Cell::of(&dataset.sample(row)?, options)?);
        }
    }
    let height = cells.iter().map(|cell| cell.height).max().unwrap_or(1) + GAP;
    let width = cells.iter().map(|cell| cell.width).max().unwrap_or(1) + GAP;
    let (sheet_height, sheet_width) = (rows * height + GAP, columns * width + GAP);
    setting::size("contact_sheet", [sheet_height, sheet_width])?;
    let mut pixels = vec![PAPER; sheet_height * sheet_width * 3];
    for (index, cell) in cells.iter().enumerate() {
        let (column, row) = (index / rows, index % rows);
        for (y, line) in cell.pixels.chunks_exact(cell.width * 3).enumerate() {
            let start = (GAP + row * height + y) * sheet_width + GAP + column * width;
            pixels[3 * start..][..line.len()].copy_from_slice(line);
        }
    }
    Image::new(sheet_width, sheet_height, Colour::Rgb, pixels)
}

/// A picture as it comes onto the sheet: red, green and blue side by side.
struct Cell {
    height: usize,
    width: usize,
    pixels: Vec<u8>,
}

impl Cell {
    fn of(sample: &Sample, options: &SheetOptions) -> Result<Self> {
        let picture = Picture::of_sample(sample)?;
        let levels = levels(&picture, options)?;
        let (old_height, old_width) = (picture.height(), picture.width());
        let area = old_height * old_width;
        let factor = options.side.div_ceil(old_height.max(old_width)).max(1);
        let (height, width) = (old_height * factor, old_width * factor);
        setting::size("contact_sheet", [height, width])?;
        let mut pixels = Vec::with_capacity(height * width * 3);
        for place in 0..height * width {
            let old = place / width / factor * old_width + place % width / factor;
            let second = if picture.channels() == 3 { area } else { 0 };
            let mut colour = [old, old + second, old + 2 * second].map(|i| levels[i]);
            let marked = |mask: &super::Planes<f64>| mask.numbers[old] != 0.0;
            if picture.mask.as_ref().is_some_and(marked) {
                let blend = |(x, ink): (u8, u8)| ((u16::from(x) + u16::from(ink)) / 2) as u8;
                colour = std::array::from_fn(|i| blend((colour[i], INK[i])));
            }
            pixels.extend(colour);
        }
        let mut cell = Self { height, width, pixels };
        let scale = |x: f64| (x * factor as f64) as isize;
        for region in &picture.boxes {
            let [left, top, right, bottom] = region.edges.map(scale);
            (left..right).for_each(|x| [top, bottom - 1].iter().for_each(|&y| cell.dot(x, y)));
            (top..bottom).for_each(|y| [left, right - 1].iter().for_each(|&x| cell.dot(x, y)));
        }
        for point in &picture.points {
            let (x, y) = (scale(point.x), scale(point.y));
            (-1..=1).for_each(|d| (-1..=1).for_each(|e| cell.dot(x + d, y + e)));
        }
        Ok(cell)
    }

    fn dot(&mut self, x: isize, y: isize) {
        if (0..self.width as isize).contains(&x) && (0..self.height as isize).contains(&y) {
            let place = y as usize * self.width + x as usize;
            self.pixels[3 * place..][..3].copy_from_slice(&INK);
        }
    }
}

/// The numbers of a picture from black to white.
fn levels(picture: &Picture, options: &SheetOptions) -> Result<Vec<u8>> {
    let channels = picture.channels();
    if channels != 1 && channels != 3 {
        let message = format_args!("shows pictures of 1 or 3 channels, not of {channels}");
        return Err(OpError::of("contact_sheet", message).into());
    }
    let planes = match &picture.pixels {
        Pixels::U8(planes) => return Ok(planes.numbers.clone()),
        Pixels::F32(planes) => planes,
    };
    let mut numbers = planes.numbers.clone();
    if let Some((means, deviations)) = &options.normalisation {
        if means.len() != channels || deviations.len() != channels {
            let message =
                format_args!("give a mean and a deviation for each of {channels} channels");
            return Err(setting::wrong("contact_sheet", message));
        }
        let planes = numbers.chunks_exact_mut(planes.area()).zip(means.iter().zip(deviations));
        for (plane, (&mean, &deviation)) in planes {
            plane.iter_mut().for_each(|x| *x = *x * deviation as f32 + mean as f32);
        }
    }
    let least = numbers.iter().copied().fold(0.0, f32::min);
    let most = numbers.iter().copied().fold(1.0, f32::max);
    // A little beyond is rounding, not a picture that was normalised.
    let (least, most) = if least > -0.01 && most < 1.01 { (0.0, 1.0) } else { (least, most) };
    let level = |x: f32| ((x - least) / (most - least) * 255.0 + 0.5) as u8;
    Ok(numbers.into_iter().map(level).collect())
}
