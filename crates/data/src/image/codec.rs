//! PNG files.

use super::{Colour, Image, check_size};
use crate::file::{self, MOST_INFLATED};
use gradus_tensor::io::atomic::write_atomically;
use gradus_tensor::{Error, Result};
use png::{BitDepth, ColorType, Decoder, Encoder, Limits, OutputInfo, Transformations};
use std::io::{Cursor, Write};
use std::path::Path;

/// The largest file that is read: the largest picture, uncompressed.
const MOST_BYTES: usize = 4 * Image::MOST_PIXELS;

/// What text, colour profile and the like may take in memory, beside the picture.
const MOST_BESIDE_BYTES: usize = 16 << 20;

/// The picture in a PNG file; see [`decode_png`].
///
/// # Errors
/// If the file cannot be read or is not a picture in PNG.
pub fn read_png(path: impl AsRef<Path>) -> Result<Image> {
    let path = path.as_ref();
    file::in_file(path, decode_png(&file::read(path, MOST_BYTES)?))
}

/// The picture that bytes in the PNG format hold, with 8 bits a number: palettes are looked up,
/// fewer bits are stretched, of 16 bits the upper half is kept. Of a moving picture it is the first
/// one.
///
/// ```
/// use gradus_data::image::{Colour, Image, decode_png, encode_png};
///
/// # fn main() -> gradus_tensor::Result<()> {
/// let image = Image::new(2, 1, Colour::Grey, vec![0, 255])?;
/// assert_eq!(decode_png(&encode_png(&image)?)?, image);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// If they are something else, cut off, damaged, or of a picture larger than
/// [`Image::MOST_PIXELS`].
pub fn decode_png(bytes: &[u8]) -> Result<Image> {
    let (frame, mut pixels) = decoded(bytes, Transformations::normalize_to_color8())?;
    let colour = match (frame.color_type, frame.bit_depth) {
        (ColorType::Grayscale, BitDepth::Eight) => Colour::Grey,
        (ColorType::GrayscaleAlpha, BitDepth::Eight) => Colour::GreyAlpha,
        (ColorType::Rgb, BitDepth::Eight) => Colour::Rgb,
        (ColorType::Rgba, BitDepth::Eight) => Colour::Rgba,
        (colour, depth) => return Err(broken(&format!("has pixels of {colour:?}, {depth:?}"))),
    };
    pixels.truncate(frame.buffer_size());
    Image::new(frame.width as usize, frame.height as usize, colour, pixels)
}

/// The number of each pixel of a PNG file as it stands there: a grey level that is not stretched, or
/// a place in the palette. That is what masks say, as a picture of grey levels.
///
/// # Errors
/// As [`decode_png`], and if pixels are of more than one number or of 16 bits.
pub fn decode_png_levels(bytes: &[u8]) -> Result<Image> {
    let (frame, packed) = decoded(bytes, Transformations::IDENTITY)?;
    let bits = match (frame.color_type, frame.bit_depth) {
        (ColorType::Grayscale | ColorType::Indexed, BitDepth::One) => 1,
        (ColorType::Grayscale | ColorType::Indexed, BitDepth::Two) => 2,
        (ColorType::Grayscale | ColorType::Indexed, BitDepth::Four) => 4,
        (ColorType::Grayscale | ColorType::Indexed, BitDepth::Eight) => 8,
        (colour, depth) => {
            return Err(broken(&format!(
                "has pixels of {colour:?}, {depth:?}: a mask has one number of 8 bits for each, \
                 grey or of a palette"
            )));
        }
    };
    let (width, height) = (frame.width as usize, frame.height as usize);
    // The first pixel is in the highest bits of the first byte.
    let level = |row: &[u8], x: usize| {
        let byte = row[x * bits / 8] as usize;
        (byte >> (8 - bits - x * bits % 8) & ((1 << bits) - 1)) as u8
    };
    let rows = packed.chunks_exact(frame.line_size).take(height);
    let levels = rows.flat_map(|row| (0..width).map(move |x| level(row, x))).collect();
    Image::new(width, height, Colour::Grey, levels)
}

/// What a file holds, transformed.
fn decoded(bytes: &[u8], transformations: Transformations) -> Result<(OutputInfo, Vec<u8>)> {
    if !bytes.starts_with(b"\x89PNG") {
        return Err(broken("is not a PNG file: convert the picture to PNG"));
    }
    let limits = Limits { bytes: MOST_BESIDE_BYTES };
    let mut decoder = Decoder::new_with_limits(Cursor::new(bytes), limits);
    decoder.set_transformations(transformations);
    let damaged = |error| broken(&format!("is damaged: {error}"));
    let info = decoder.read_header_info().map_err(damaged)?;
    let (width, height) = (info.width as usize, info.height as usize);
    check_size(width, height)?;
    // Before memory is asked for, what was promised must be possible.
    let packed_size = (width * info.bits_per_pixel()).div_ceil(8) * height;
    if packed_size / MOST_INFLATED > bytes.len() {
        return Err(broken(&format!("is cut off: it claims to hold {width} by {height} pixels")));
    }
    let mut reader = decoder.read_info().map_err(damaged)?;
    let Some(size) = reader.output_buffer_size() else {
        return Err(broken("is too large"));
    };
    let mut pixels = vec![0; size];
    let frame = reader.next_frame(&mut pixels).map_err(damaged)?;
    Ok((frame, pixels))
}

/// A picture as a PNG file.
///
/// # Errors
/// If it is too large for the format.
pub fn encode_png(image: &Image) -> Result<Vec<u8>> {
    let mut bytes = vec![];
    let failed = |error| Error::format("picture", error);
    let side = |len: usize| {
        u32::try_from(len).map_err(|_| broken(&format!("has no side of {len} pixels")))
    };
    let mut encoder = Encoder::new(&mut bytes, side(image.width())?, side(image.height())?);
    encoder.set_depth(BitDepth::Eight);
    encoder.set_color(match image.colour() {
        Colour::Grey => ColorType::Grayscale,
        Colour::GreyAlpha => ColorType::GrayscaleAlpha,
        Colour::Rgb => ColorType::Rgb,
        Colour::Rgba => ColorType::Rgba,
    });
    let mut writer = encoder.write_header().map_err(failed)?;
    writer.write_image_data(image.pixels()).map_err(failed)?;
    writer.finish().map_err(failed)?;
    Ok(bytes)
}

/// Writes a picture as a PNG file, whole or not at all.
///
/// # Errors
/// If it is too large for the format, or the file cannot be written.
pub fn write_png(path: impl AsRef<Path>, image: &Image) -> Result<()> {
    let bytes = encode_png(image)?;
    write_atomically(path, |file| file.write_all(&bytes))
}

fn broken(message: &str) -> Error {
    Error::format("PNG picture", message)
}
