//! Pictures in files of several formats.

use crate::file;
use crate::image::{Colour, Image, decode_png};
use gradus_tensor::{Error, Result};
use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits};
use std::io::Cursor;
use std::path::Path;

/// How names of pictures that can be read end.
pub const ENDINGS: [&str; 6] = ["png", "jpg", "jpeg", "webp", "gif", "bmp"];

/// The largest file that is read.
const MOST_BYTES: usize = 256 << 20;

/// The formats besides PNG, with what their files begin with.
const FORMATS: [(ImageFormat, &[u8]); 5] = [
    (ImageFormat::Jpeg, b"\xff\xd8\xff"),
    (ImageFormat::WebP, b"RIFF"),
    (ImageFormat::Gif, b"GIF87a"),
    (ImageFormat::Gif, b"GIF89a"),
    (ImageFormat::Bmp, b"BM"),
];

/// The picture in a file; see [`decode`].
///
/// # Errors
/// If it cannot be read, or is no picture.
pub fn read(path: &Path) -> Result<Image> {
    file::in_file(path, decode(&file::read(path, MOST_BYTES)?))
}

/// The picture that bytes hold in the format of PNG, JPEG, WebP, GIF or BMP, whatever their file is
/// called. Of a moving picture it is the first one; one that a camera marked as lying on its side is
/// put upright.
///
/// # Errors
/// If they are something else, damaged, or of a picture larger than [`Image::MOST_PIXELS`].
pub fn decode(bytes: &[u8]) -> Result<Image> {
    if bytes.starts_with(b"\x89PNG") {
        return decode_png(bytes);
    }
    let Some((format, _)) = FORMATS.into_iter().find(|(_, magic)| bytes.starts_with(magic)) else {
        let message = match bytes.is_empty() {
            true => "is empty: get it once more",
            false => "is no picture of PNG, JPEG, WebP, GIF or BMP: convert it",
        };
        return Err(Error::format("picture", message));
    };
    let damaged = |error| Error::format("picture", format_args!("is damaged: {error}"));
    let mut decoder =
        ImageReader::with_format(Cursor::new(bytes), format).into_decoder().map_err(damaged)?;
    let (width, height) = decoder.dimensions();
    crate::image::check_size(width as usize, height as usize)?;
    let mut limits = Limits::default();
    limits.max_alloc = Some(8 * Image::MOST_PIXELS as u64);
    decoder.set_limits(limits).map_err(damaged)?;
    let upright = decoder.orientation().map_err(damaged)?;
    let mut picture = DynamicImage::from_decoder(decoder).map_err(damaged)?;
    picture.apply_orientation(upright);
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    let colour = picture.color();
    let (colour, pixels) = match (colour.has_color(), colour.has_alpha()) {
        (false, false) => (Colour::Grey, picture.into_luma8().into_raw()),
        (false, true) => (Colour::GreyAlpha, picture.into_luma_alpha8().into_raw()),
        (true, false) => (Colour::Rgb, picture.into_rgb8().into_raw()),
        (true, true) => (Colour::Rgba, picture.into_rgba8().into_raw()),
    };
    Image::new(width, height, colour, pixels)
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::ImageEncoder;

    /// A picture in a format.
    pub(super) fn encode(image: &Image, format: ImageFormat) -> Vec<u8> {
        let colour = match image.colour() {
            Colour::Grey => image::ExtendedColorType::L8,
            _ => image::ExtendedColorType::Rgb8,
        };
        let (width, height) = (image.width() as u32, image.height() as u32);
        let mut bytes = Cursor::new(vec![]);
        match format {
            ImageFormat::Jpeg => image::codecs::jpeg::JpegEncoder::new_with_quality(&mut bytes, 95)
                .write_image(image.pixels(), width, height, colour)
                .unwrap(),
            ImageFormat::WebP => image::codecs::webp::WebPEncoder::new_lossless(&mut bytes)
                .write_image(image.pixels(), width, height, colour)
                .unwrap(),
            ImageFormat::Gif => image::codecs::gif::GifEncoder::new(&mut bytes)
                .encode(image.pixels(), width, height, colour)
                .unwrap(),
            _ => image::codecs::bmp::BmpEncoder::new(&mut bytes)
                .encode(image.pixels(), width, height, colour)
                .unwrap(),
        }
        bytes.into_inner()
    }

    fn smooth(width: usize, height: usize) -> Image {
        let pixel = |place: usize| {
            let (x, y) = (place % width, place / width);
            [(x * 255 / width) as u8, (y * 255 / height) as u8, 128]
        };
        let pixels = (0..width * height).flat_map(pixel).collect();
        Image::new(width, height, Colour::Rgb, pixels).unwrap()
    }

    #[test]
    fn every_format_is_read() {
        let image = smooth(24, 16);
        for (format, most) in [
            (ImageFormat::Jpeg, 8),
            (ImageFormat::WebP, 0),
            (ImageFormat::Gif, 48),
            (ImageFormat::Bmp, 0),
        ] {
            let read = decode(&encode(&image, format)).unwrap();
            assert_eq!((read.width(), read.height()), (24, 16), "{format:?}");
            // A GIF may also tell how opaque each pixel is.
            let channels = read.colour().channels();
            for (own, other) in read.pixels().chunks(channels).zip(image.pixels().chunks(3)) {
                for (own, other) in own.iter().zip(other) {
                    assert!(own.abs_diff(*other) <= most, "{format:?}: {own} for {other}");
                }
            }
        }
        assert_eq!(decode(&crate::image::encode_png(&image).unwrap()).unwrap(), image);
    }

    #[test]
    fn what_is_no_picture_is_refused() {
        let said = |bytes: &[u8]| decode(bytes).unwrap_err().to_string();
        assert_eq!(said(b""), "picture: is empty: get it once more");
        let wanted = "picture: is no picture of PNG, JPEG, WebP, GIF or BMP: convert it";
        assert_eq!(said(b"<svg>"), wanted);
        for format in [ImageFormat::Jpeg, ImageFormat::WebP, ImageFormat::Gif, ImageFormat::Bmp] {
            let bytes = encode(&smooth(24, 16), format);
            let error = said(&bytes[..20]);
            assert!(error.starts_with("picture: "), "{error}");
        }
        // A picture of 2³⁰ pixels in 54 bytes.
        let mut bmp = encode(&smooth(2, 2), ImageFormat::Bmp);
        bmp[18..22].copy_from_slice(&(1u32 << 15).to_le_bytes());
        bmp[22..26].copy_from_slice(&(1u32 << 15).to_le_bytes());
        let wanted = "picture: 32768 by 32768 pixels: a picture has 1 to 67108864";
        assert_eq!(said(&bmp), wanted);
    }

    #[test]
    fn a_picture_on_its_side_is_put_upright() {
        let jpeg = encode(&smooth(24, 16), ImageFormat::Jpeg);
        // The mark of a camera, "turn by 90° clockwise": a list of one entry, orientation = 6.
        let mut marked = jpeg[..2].to_vec();
        marked.extend(b"\xff\xe1\x00\x22Exif\0\0MM\0\x2a\0\0\0\x08\0\x01");
        marked.extend(b"\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0");
        marked.extend(&jpeg[2..]);
        let read = decode(&marked).unwrap();
        assert_eq!((read.width(), read.height()), (16, 24));
        // What was at the bottom left is at the top left.
        let corner = &read.pixels()[..3];
        assert!(corner[0] < 32 && corner[1] > 220, "{corner:?}");
    }
}
