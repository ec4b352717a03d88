//! Bringing pictures to one size and one kind of colour.

use crate::image::{Colour, Image};
use gradus_tensor::{Error, Result};
use serde::{Deserialize, Serialize};

/// How pictures become what a model is given.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ImageOptions {
    /// The height that all get; by default their own, if they have the same.
    pub height: Option<usize>,
    /// The width that all get.
    pub width: Option<usize>,
    /// What is done where the shape is another.
    pub fit: Fit,
    /// 1 for grey, 3 for red, green and blue; by default 1 if they are all grey.
    pub channels: Option<usize>,
    /// The mean of each channel that is taken off, black being 0 and white 1; by default that of the
    /// training pictures.
    pub mean: Option<Vec<f64>>,
    /// The standard deviation of each channel that it is divided by.
    pub deviation: Option<Vec<f64>>,
    /// How many bytes of memory may hold pictures, so that they are not decoded once more in each
    /// epoch. By default 1 GiB.
    pub cache_bytes: Option<u64>,
}

/// What is done with a picture whose sides are in another proportion.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fit {
    /// The middle is kept, and what is too long is cut off at both ends.
    #[default]
    Crop,
    /// All is kept, with black beside it.
    Pad,
    /// It is stretched.
    Stretch,
}

impl ImageOptions {
    /// Refuses what cannot be.
    ///
    /// # Errors
    /// If a size is 0 or too large, only one side is given, or the channels are not 1 or 3.
    pub fn check(&self) -> Result<()> {
        if self.height.is_some() != self.width.is_some() {
            let message = "images: give height and width, or neither".into();
            return Err(Error::Setting(message));
        }
        if let (Some(height), Some(width)) = (self.height, self.width)
            && crate::image::check_size(width, height).is_err()
        {
            let message =
                format!("images: {height} by {width} pixels are none or too many: give a size");
            return Err(Error::Setting(message));
        }
        if let Some(channels) = self.channels.filter(|channels| ![1, 3].contains(channels)) {
            let message =
                format!("images: channels = {channels} is neither 1 (grey) nor 3 (colour)");
            return Err(Error::Setting(message));
        }
        if self.mean.is_some() != self.deviation.is_some() {
            return Err(Error::Setting("images: give mean and deviation, or neither".into()));
        }
        Ok(())
    }
}

/// The size and the colour of pictures that a model is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Form {
    /// 1 for grey, 3 for red, green and blue.
    pub channels: usize,
    /// The number of rows.
    pub height: usize,
    /// The number of pixels in a row.
    pub width: usize,
    /// What is done where the proportion is another.
    pub fit: Fit,
}

impl Form {
    /// How many numbers a picture has.
    pub fn count(&self) -> usize {
        self.channels * self.height * self.width
    }

    /// Refuses what cannot be.
    pub(in crate::source) fn check(&self) -> Result<()> {
        let Self { channels, height, width, .. } = *self;
        if ![1, 3].contains(&channels) {
            let message =
                format!("pictures of {channels} channels are neither grey nor of colours");
            return Err(Error::Setting(message));
        }
        crate::image::check_size(width, height)
    }

    /// The pixels of a picture brought into this form, channel after channel. What is transparent is
    /// shown on white; grey is 0.299 red + 0.587 green + 0.114 blue.
    ///
    /// # Source
    /// ITU-R BT.601 for grey.
    pub fn apply(&self, image: &Image) -> Vec<u8> {
        let planes = self.planes(image);
        let (own_height, own_width) = (image.height(), image.width());
        if (own_height, own_width) == (self.height, self.width) {
            return planes.concat();
        }
        let (rows, columns) = self.windows(own_height, own_width);
        let resize = |plane: &Vec<u8>| resize(plane, own_width, &rows, &columns);
        planes.iter().flat_map(resize).collect()
    }

    /// The channels of a picture.
    fn planes(&self, image: &Image) -> Vec<Vec<u8>> {
        let channels = image.colour().channels();
        let pixel = |pixel: &[u8]| -> [u8; 3] {
            let grey = [pixel[0]; 3];
            match image.colour() {
                Colour::Grey => grey,
                Colour::GreyAlpha => grey.map(|x| on_white(x, pixel[1])),
                Colour::Rgb => [pixel[0], pixel[1], pixel[2]],
                Colour::Rgba => [pixel[0], pixel[1], pixel[2]].map(|x| on_white(x, pixel[3])),
            }
        };
        let pixels = image.pixels().chunks(channels).map(pixel);
        if self.channels == 3 {
            let count = image.width() * image.height();
            let mut planes: Vec<Vec<u8>> = (0..3).map(|_| Vec::with_capacity(count)).collect();
            for pixel in pixels {
                planes.iter_mut().zip(pixel).for_each(|(plane, x)| plane.push(x));
            }
            return planes;
        }
        let grey = |[red, green, blue]: [u8; 3]| {
            let sum = 299 * red as u32 + 587 * green as u32 + 114 * blue as u32;
            ((sum + 500) / 1000) as u8
        };
        vec![pixels.map(grey).collect()]
    }

    /// The levels of a mask brought into this form as [`Form::apply`] brings its picture: each is the
    /// nearest one, and `outside` where there is no picture.
    pub(super) fn nearest(&self, mask: &Image, outside: u8) -> Vec<u8> {
        let (height, width) = (mask.height(), mask.width());
        let (down, right) = self.scales(height, width);
        let sources = |count: usize, sources: usize, scale: f64| -> Vec<Option<usize>> {
            let centre = |place| centre(place, count, sources, scale);
            let inside = |x: f64| (0.0..sources as f64).contains(&x).then_some(x as usize);
            (0..count).map(|place| inside(centre(place))).collect()
        };
        let rows = sources(self.height, height, down);
        let columns = sources(self.width, width, right);
        let level = |row: Option<usize>, column: Option<usize>| match (row, column) {
            (Some(row), Some(column)) => mask.pixels()[row * width + column],
            _ => outside,
        };
        let row = |&row: &Option<usize>| columns.iter().map(move |&column| level(row, column));
        rows.iter().flat_map(row).collect()
    }

    /// How many rows and columns of a picture become one.
    fn scales(&self, height: usize, width: usize) -> (f64, f64) {
        let (down, right) = (height as f64 / self.height as f64, width as f64 / self.width as f64);
        match self.fit {
            Fit::Stretch => (down, right),
            Fit::Crop => (down.min(right), down.min(right)),
            Fit::Pad => (down.max(right), down.max(right)),
        }
    }

    /// What each row and each column of the result is made of.
    fn windows(&self, height: usize, width: usize) -> (Vec<Window>, Vec<Window>) {
        let (down, right) = self.scales(height, width);
        (windows(self.height, height, down), windows(self.width, width, right))
    }
}

fn on_white(x: u8, opaque: u8) -> u8 {
    let (x, opaque) = (x as u32, opaque as u32);
    ((x * opaque + 255 * (255 - opaque) + 127) / 255) as u8
}

/// A row or column of the result: where the first of its sources is, and their weights.
struct Window {
    start: usize,
    weights: Vec<f32>,
}

/// The windows of `count` places, each `scale` sources apart, centred among `sources`: a triangle
/// that is as wide as two places or two sources, whichever is more. A place beyond the picture has
/// no weights.
///
/// # Source
/// The antialiased bilinear filter; PyTorch: `interpolate(mode="bilinear", antialias=True)`.
fn windows(count: usize, sources: usize, scale: f64) -> Vec<Window> {
    let reach = scale.max(1.0);
    let window = |place: usize| {
        let centre = centre(place, count, sources, scale);
        if centre < 0.0 || centre > sources as f64 {
            return Window { start: 0, weights: vec![] };
        }
        let start = (centre - reach + 0.5).floor().max(0.0) as usize;
        let end = ((centre + reach + 0.5).floor().max(0.0) as usize).min(sources).max(start + 1);
        let start = start.min(end - 1);
        let weight =
            |source: usize| (1.0 - ((source as f64 + 0.5 - centre) / reach).abs()).max(0.0);
        let sum: f64 = (start..end).map(weight).sum();
        let weights = (start..end).map(|source| (weight(source) / sum) as f32).collect();
        Window { start, weights }
    };
    (0..count).map(window).collect()
}

/// Where a place of `count` has its centre among `sources`: the middle of the result lies on the
/// middle of the picture.
fn centre(place: usize, count: usize, sources: usize, scale: f64) -> f64 {
    (place as f64 + 0.5) * scale + (sources as f64 - scale * count as f64) / 2.0
}

/// One channel, first along the rows, then along the columns.
fn resize(plane: &[u8], width: usize, rows: &[Window], columns: &[Window]) -> Vec<u8> {
    let height = plane.len() / width;
    let mut wide = Vec::with_capacity(height * columns.len());
    for row in plane.chunks(width) {
        wide.extend(columns.iter().map(|Window { start, weights }| {
            weights.iter().zip(&row[*start..]).map(|(weight, &x)| weight * x as f32).sum::<f32>()
        }));
    }
    let mut all = Vec::with_capacity(rows.len() * columns.len());
    let mut sums = vec![0.0; columns.len()];
    for Window { start, weights } in rows {
        sums.fill(0.0);
        for (weight, row) in weights.iter().zip(wide.chunks(columns.len()).skip(*start)) {
            sums.iter_mut().zip(row).for_each(|(sum, x)| *sum += weight * x);
        }
        all.extend(sums.iter().map(|x| x.round().clamp(0.0, 255.0) as u8));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(height: usize, width: usize, fit: Fit) -> Form {
        Form { channels: 1, height, width, fit }
    }

    fn grey(width: usize, height: usize, pixels: &[u8]) -> Image {
        Image::new(width, height, Colour::Grey, pixels.into()).unwrap()
    }

    #[test]
    fn pictures_are_made_larger_and_smaller() {
        let image = grey(4, 2, &[0, 80, 160, 240, 40, 120, 200, 255]);
        // By PyTorch's interpolate(mode="bilinear", antialias=True), rounded.
        let down = form(1, 2, Fit::Stretch).apply(&image);
        assert_eq!(down, [77, 198]);
        let up = form(2, 8, Fit::Stretch).apply(&image);
        assert_eq!(up[..8], [0, 20, 60, 100, 140, 180, 220, 240]);
        assert_eq!(up[8..], [40, 60, 100, 140, 180, 214, 241, 255]);
        let other = form(3, 3, Fit::Stretch).apply(&image);
        assert_eq!(other, [24, 120, 216, 44, 140, 227, 64, 160, 239]);
    }

    #[test]
    fn what_does_not_fit_is_cut_padded_or_stretched() {
        let image = grey(4, 2, &[10, 20, 30, 40, 50, 60, 70, 80]);
        assert_eq!(form(2, 2, Fit::Crop).apply(&image), [20, 30, 60, 70]);
        let padded = form(4, 4, Fit::Pad).apply(&image);
        assert_eq!(padded[..4], [0; 4]);
        assert_eq!(padded[4..12], image.pixels()[..]);
        assert_eq!(padded[12..], [0; 4]);
        assert_eq!(form(2, 4, Fit::Crop).apply(&image), image.pixels());
        // A mask comes to lie where its picture does, and no level is between others.
        let mask = |height, width, fit| form(height, width, fit).nearest(&image, 9);
        assert_eq!(mask(2, 2, Fit::Crop), [20, 30, 60, 70]);
        assert_eq!(mask(4, 4, Fit::Pad), [&[9; 4][..], image.pixels(), &[9; 4]].concat());
        assert_eq!(mask(1, 2, Fit::Stretch), [60, 80]);
        assert_eq!(mask(2, 4, Fit::Stretch), image.pixels());
        assert_eq!(mask(2, 8, Fit::Stretch)[..8], [10, 10, 20, 20, 30, 30, 40, 40]);
        // A line of a pixel's height becomes any size, and a pixel too.
        assert_eq!(form(3, 3, Fit::Stretch).apply(&grey(1, 1, &[7])), [7; 9]);
        assert_eq!(form(1, 1, Fit::Crop).apply(&grey(100, 1, &[9; 100])), [9]);
    }

    #[test]
    fn colours_become_one_another() {
        let rgb = Image::new(2, 1, Colour::Rgb, vec![255, 0, 0, 0, 255, 255]).unwrap();
        assert_eq!(form(1, 2, Fit::Crop).apply(&rgb), [76, 179]);
        let colour = Form { channels: 3, height: 1, width: 2, fit: Fit::Crop };
        assert_eq!(colour.apply(&rgb), [255, 0, 0, 255, 0, 255]);
        let clear = Image::new(2, 1, Colour::Rgba, vec![9, 9, 9, 0, 100, 0, 0, 128]).unwrap();
        assert_eq!(colour.apply(&clear), [255, 177, 255, 127, 255, 127]);
        assert_eq!(colour.apply(&grey(2, 1, &[5, 6])), [5, 6, 5, 6, 5, 6]);
    }

    #[test]
    fn options_that_cannot_be() {
        let said = |options: ImageOptions| options.check().unwrap_err().to_string();
        let options = ImageOptions::default;
        for (options, wanted) in [
            (
                ImageOptions { height: Some(3), ..options() },
                "images: give height and width, or neither",
            ),
            (
                ImageOptions { height: Some(0), width: Some(3), ..options() },
                "images: 0 by 3 pixels are none or too many: give a size",
            ),
            (
                ImageOptions { channels: Some(2), ..options() },
                "images: channels = 2 is neither 1 (grey) nor 3 (colour)",
            ),
            (
                ImageOptions { mean: Some(vec![0.5]), ..options() },
                "images: give mean and deviation, or neither",
            ),
        ] {
            assert_eq!(said(options), wanted);
        }
    }
}
