//! Pictures, and PNG files of them.

mod codec;

pub use codec::{decode_png, decode_png_levels, encode_png, read_png, write_png};

use gradus_tensor::{DType, Error, Result, Tensor};

/// What the numbers of a pixel mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colour {
    /// Brightness.
    Grey,
    /// Brightness and opacity.
    GreyAlpha,
    /// Red, green and blue.
    Rgb,
    /// Red, green, blue and opacity.
    Rgba,
}

impl Colour {
    /// How many numbers a pixel has.
    pub fn channels(self) -> usize {
        match self {
            Self::Grey => 1,
            Self::GreyAlpha => 2,
            Self::Rgb => 3,
            Self::Rgba => 4,
        }
    }

    /// True if a pixel says how opaque it is.
    pub fn has_alpha(self) -> bool {
        matches!(self, Self::GreyAlpha | Self::Rgba)
    }

    fn of_channels(channels: usize) -> Option<Self> {
        [Self::Grey, Self::GreyAlpha, Self::Rgb, Self::Rgba]
            .into_iter()
            .find(|colour| colour.channels() == channels)
    }
}

/// A picture of 8 bits a number: rows from the top, pixels from the left, the numbers of a pixel
/// side by side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    width: usize,
    height: usize,
    colour: Colour,
    pixels: Vec<u8>,
}

impl Image {
    /// The most pixels that a picture may have, 2²⁶: eight thousand by eight thousand.
    pub const MOST_PIXELS: usize = 1 << 26;

    /// A picture of these numbers.
    ///
    /// # Errors
    /// If it has no pixels or more than [`Image::MOST_PIXELS`], or there are not as many numbers as
    /// the size and the kind of colour take.
    pub fn new(width: usize, height: usize, colour: Colour, pixels: Vec<u8>) -> Result<Self> {
        check_size(width, height)?;
        let (count, channels) = (pixels.len(), colour.channels());
        if count != width * height * channels {
            let message = format_args!(
                "{count} numbers do not fill {width} by {height} pixels of {channels} each"
            );
            return Err(Error::format("picture", message));
        }
        Ok(Self::filled(width, height, colour, pixels))
    }

    /// A picture of as many numbers as it takes.
    pub(crate) fn filled(width: usize, height: usize, colour: Colour, pixels: Vec<u8>) -> Self {
        debug_assert_eq!(pixels.len(), width * height * colour.channels());
        Self { width, height, colour, pixels }
    }

    /// The picture that a tensor `[C, H, W]` of `u8` holds, C being 1 to 4.
    ///
    /// # Errors
    /// If its shape or type is another.
    pub fn from_tensor(x: &Tensor) -> Result<Self> {
        let colour = match **x.shape() {
            [channels, _, _] if x.dtype() == DType::U8 => Colour::of_channels(channels),
            _ => None,
        };
        let Some(colour) = colour else {
            let message = format_args!(
                "a picture is made from u8 of shape [C, H, W] with 1 to 4 channels, not from {} of \
                 shape {}",
                x.dtype(),
                x.shape()
            );
            return Err(Error::format("picture", message));
        };
        let (height, width) = (x.len_of(1), x.len_of(2));
        check_size(width, height)?;
        Self::new(width, height, colour, x.permute(&[1, 2, 0]).try_to_vec()?)
    }

    /// The picture as a tensor `[C, H, W]` of `u8`.
    pub fn to_tensor(&self) -> Tensor {
        let shape = [self.height, self.width, self.colour.channels()];
        Tensor::from_slice(&self.pixels, shape).permute(&[2, 0, 1])
    }

    /// The number of pixels in a row.
    pub fn width(&self) -> usize {
        self.width
    }

    /// The number of rows.
    pub fn height(&self) -> usize {
        self.height
    }

    /// What the numbers of a pixel mean.
    pub fn colour(&self) -> Colour {
        self.colour
    }

    /// The numbers of all pixels.
    pub fn pixels(&self) -> &[u8] {
        &self.pixels
    }
}

/// Refuses pictures that are empty or too large.
pub(crate) fn check_size(width: usize, height: usize) -> Result<()> {
    let most = Image::MOST_PIXELS;
    if width.checked_mul(height).is_some_and(|count| (1..=most).contains(&count)) {
        return Ok(());
    }
    let message = format_args!("{width} by {height} pixels: a picture has 1 to {most}");
    Err(Error::format("picture", message))
}
