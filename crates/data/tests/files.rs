//! Readers of outside bytes: what they read, what they refuse, and that nothing makes them panic.

use flate2::Compression;
use flate2::write::GzEncoder;
use gradus_data::idx;
use gradus_data::image::{Colour, Image, decode_png, encode_png, read_png, write_png};
use gradus_tensor::{DType, Error, Rng, Tensor};
use std::io::Write;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packed = GzEncoder::new(vec![], Compression::best());
    packed.write_all(bytes).unwrap();
    packed.finish().unwrap()
}

/// Tries a file cut off after every byte, and with every bit flipped: an error or not, but never a
/// panic, and errors of one line. Gives how many of each were refused.
fn damage<T>(bytes: &[u8], decode: impl Fn(&[u8]) -> Result<T, Error>) -> (usize, usize) {
    let refused = |bytes: &[u8]| match decode(bytes) {
        Ok(_) => false,
        Err(error) => {
            assert!(matches!(error, Error::Format { .. }), "{error:?}");
            assert!(!error.to_string().contains('\n'), "{error}");
            true
        }
    };
    let cut = (0..bytes.len()).filter(|&len| refused(&bytes[..len])).count();
    let flipped = |bit: &usize| {
        let mut bytes = bytes.to_vec();
        bytes[bit / 8] ^= 1 << (bit % 8);
        refused(&bytes)
    };
    (cut, (0..8 * bytes.len()).filter(flipped).count())
}

#[test]
fn idx_of_every_type_survives() {
    let x = Tensor::from([[-1.5f64, 0.0, 2.0], [3.25, 4.0, 100.0]]);
    for dtype in [DType::F32, DType::F64, DType::I32] {
        let x = x.to_dtype(dtype);
        let bytes = idx::encode(&x).unwrap();
        for bytes in [gzip(&bytes), bytes] {
            let read = idx::decode(&bytes).unwrap();
            assert_eq!((read.dtype(), read.shape()), (dtype, x.shape()));
            let numbers = |x: &Tensor| x.to_dtype(DType::F64).to_vec::<f64>();
            assert_eq!(numbers(&read), numbers(&x));
        }
    }
    // -2 and 3, of 8 and of 16 bits.
    for bytes in [&b"\0\0\x09\x01\0\0\0\x02\xfe\x03"[..], b"\0\0\x0b\x01\0\0\0\x02\xff\xfe\0\x03"] {
        assert_eq!(idx::decode(bytes).unwrap().to_vec::<i32>(), [-2, 3]);
    }
    assert_eq!(idx::decode(b"\0\0\x08\x00\x07").unwrap().item::<u8>(), 7);
    let error = idx::encode(&Tensor::from([1i64])).unwrap_err().to_string();
    assert!(error.contains("not i64: use to_dtype"), "{error}");
}

#[test]
fn damaged_idx_is_refused() {
    let x = Tensor::from_vec((0..24).collect::<Vec<u8>>(), [2, 3, 4]);
    let plain = idx::encode(&x).unwrap();
    let (cut, _) = damage(&plain, idx::decode);
    assert_eq!(cut, plain.len());
    let packed = gzip(&plain);
    let (cut, _) = damage(&packed, idx::decode);
    assert_eq!(cut, packed.len());
    let says = |bytes: &[u8], part: &str| {
        let error = idx::decode(bytes).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    };
    says(b"P5 28 28 255", "does not begin like an IDX file");
    says(b"\0\0\x0a\x01\0\0\0\0", "elements of an unknown type, 0x0a");
    says(&[&[0, 0, 8, 9][..], &[0; 36]].concat(), "9 axes");
    says(&[&plain[..], &[0]].concat(), "holds more than the [2, 3, 4]");
    says(&gzip(&[&plain[..], &[0]].concat()), "holds more than the [2, 3, 4]");
}

#[test]
fn absurd_sizes_are_refused_before_memory_is_asked_for() {
    let says = |bytes: &[u8], part: &str| {
        let error = idx::decode(bytes).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    };
    let largest = [&[0, 0, 14, 8][..], &[0xff; 32]].concat();
    let large = [0, 0, 8, 2, 0, 0, 0x70, 0, 0, 0, 0x70, 0];
    for bytes in [largest.clone(), gzip(&largest)] {
        says(&bytes, "more than the 1 GiB that is read");
    }
    for bytes in [large.to_vec(), gzip(&large)] {
        says(&bytes, "is cut off: it claims to hold [28672, 28672]");
    }
    // A megabyte of nothing after a small array: a bomb is not unpacked.
    let bomb = [&b"\0\0\x08\x01\0\0\0\x01"[..], &vec![0; 1 << 20]].concat();
    says(&gzip(&bomb), "holds more than the [1]");
    let image = Image::new(1, 1, Colour::Grey, vec![0]).unwrap();
    for (width, part) in [(u32::MAX, "a picture has 1 to"), (1 << 24, "is cut off")] {
        let mut png = encode_png(&image).unwrap();
        png[16..20].copy_from_slice(&width.to_be_bytes());
        let sum = crc32(&png[12..29]);
        png[29..33].copy_from_slice(&sum.to_be_bytes());
        let error = decode_png(&png).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    }
}

/// The checksum of PNG's chunks.
fn crc32(bytes: &[u8]) -> u32 {
    let mut sum = flate2::Crc::new();
    sum.update(bytes);
    sum.sum()
}

fn random_image(width: usize, height: usize, colour: Colour) -> Image {
    let mut rng = Rng::new(colour.channels() as u64);
    let count = width * height * colour.channels();
    let pixels = (0..count).map(|_| rng.below(256) as u8).collect();
    Image::new(width, height, colour, pixels).unwrap()
}

#[test]
fn png_of_every_colour_survives() {
    let folder = tempfile::tempdir().unwrap();
    for colour in [Colour::Grey, Colour::GreyAlpha, Colour::Rgb, Colour::Rgba] {
        let image = random_image(7, 3, colour);
        let path = folder.path().join("image.png");
        write_png(&path, &image).unwrap();
        assert_eq!(read_png(&path).unwrap(), image);
        let x = image.to_tensor();
        assert_eq!(x.shape(), [colour.channels(), 3, 7]);
        assert_eq!(Image::from_tensor(&x).unwrap(), image);
    }
    let error = read_png(folder.path().join("none.png")).unwrap_err();
    assert!(matches!(error, Error::Io { .. }) && error.to_string().contains("none.png"));
    std::fs::write(folder.path().join("text.png"), "text").unwrap();
    let error = read_png(folder.path().join("text.png")).unwrap_err().to_string();
    assert!(error.ends_with("text.png: is not a PNG file: convert the picture to PNG"), "{error}");
}

/// A PNG file of packed rows.
fn encode(
    colour: png::ColorType,
    depth: png::BitDepth,
    palette: Option<Vec<u8>>,
    size: (u32, u32),
    rows: &[u8],
) -> Vec<u8> {
    let mut bytes = vec![];
    let mut encoder = png::Encoder::new(&mut bytes, size.0, size.1);
    encoder.set_color(colour);
    encoder.set_depth(depth);
    if let Some(palette) = palette {
        encoder.set_palette(palette);
        encoder.set_trns(vec![255, 128]);
    }
    let mut writer = encoder.write_header().unwrap();
    writer.write_image_data(rows).unwrap();
    writer.finish().unwrap();
    bytes
}

#[test]
fn png_of_every_depth_becomes_eight_bits() {
    use png::{BitDepth, ColorType};
    let grey = |depth, width, rows: &[u8]| {
        let image = decode_png(&encode(ColorType::Grayscale, depth, None, (width, 1), rows));
        let image = image.unwrap();
        assert_eq!(image.colour(), Colour::Grey);
        image.pixels().to_vec()
    };
    assert_eq!(grey(BitDepth::One, 8, &[0b1010_0001]), [255, 0, 255, 0, 0, 0, 0, 255]);
    assert_eq!(grey(BitDepth::Two, 4, &[0b0001_1011]), [0, 85, 170, 255]);
    assert_eq!(grey(BitDepth::Four, 3, &[0x0f, 0x10]), [0, 255, 17]);
    assert_eq!(grey(BitDepth::Sixteen, 2, &[0x12, 0x34, 0xff, 0xff]), [0x12, 0xff]);
    let rgb = encode(ColorType::Rgb, BitDepth::Sixteen, None, (1, 1), &[1, 0, 2, 0, 3, 0]);
    assert_eq!(decode_png(&rgb).unwrap().pixels(), [1, 2, 3]);
    let palette = Some(vec![10, 20, 30, 40, 50, 60]);
    let indexed = encode(ColorType::Indexed, BitDepth::One, palette, (2, 1), &[0b0100_0000]);
    let image = decode_png(&indexed).unwrap();
    assert_eq!(image.colour(), Colour::Rgba);
    assert_eq!(image.pixels(), [10, 20, 30, 255, 40, 50, 60, 128]);
}

#[test]
fn damaged_png_is_refused() {
    for colour in [Colour::Grey, Colour::Rgba] {
        let png = encode_png(&random_image(5, 4, colour)).unwrap();
        let (cut, flipped) = damage(&png, decode_png);
        // Nothing of the picture comes after the end of its data.
        let end = png.windows(4).position(|part| part == b"IEND").unwrap() - 4;
        assert!(cut + 16 >= end, "{cut} of {}", png.len());
        assert!(flipped >= 8 * (end - 16), "{flipped} of {}", 8 * png.len());
    }
    let palette = Some(vec![10, 20, 30]);
    let colour = png::ColorType::Indexed;
    // The first pixel is of a colour that the palette lacks.
    let indexed = encode(colour, png::BitDepth::Two, palette, (3, 1), &[0b1100_0000]);
    damage(&indexed, decode_png);
}

#[test]
fn a_picture_has_the_numbers_it_takes() {
    let error = Image::new(2, 2, Colour::Rgb, vec![0; 4]).unwrap_err().to_string();
    assert_eq!(error, "picture: 4 numbers do not fill 2 by 2 pixels of 3 each");
    for (width, height) in [(0, 3), (usize::MAX, 2), (1 << 20, 1 << 20)] {
        let error = Image::new(width, height, Colour::Grey, vec![]).unwrap_err().to_string();
        assert!(error.contains("a picture has 1 to 67108864"), "{error}");
    }
    for x in
        [Tensor::zeros([1, 2, 2]), Tensor::from([[1u8]]), Tensor::zeros(([5, 2, 2], DType::U8))]
    {
        assert!(Image::from_tensor(&x).is_err());
    }
}
