//! Pictures of digits from anywhere, made to look like MNIST's.

use gradus_data::digits::{self, DigitSet, prepare};
use gradus_data::image::{Colour, Image};

/// A picture in grey of an embedded digit, drawn `scale` times as large on a sheet of its own.
fn drawn(set: &DigitSet, index: usize, scale: usize, sheet: &Sheet) -> Image {
    let digit = set.picture(index);
    let (width, height) = (28 * scale + sheet.left + sheet.right, 28 * scale + sheet.top);
    let mut pixels = vec![0; width * height];
    for y in 0..28 * scale {
        for x in 0..28 * scale {
            let place = (y + sheet.top) * width + x + sheet.left;
            pixels[place] = digit.pixels()[y / scale * 28 + x / scale];
        }
    }
    pixels.iter_mut().for_each(|x| *x = (sheet.shade)(*x));
    Image::new(width, height, Colour::Grey, pixels).unwrap()
}

/// The paper around a digit, and what becomes of white ink on black.
#[derive(Clone, Copy)]
struct Sheet {
    left: usize,
    right: usize,
    top: usize,
    shade: fn(u8) -> u8,
}

const PLAIN: Sheet = Sheet { left: 0, right: 0, top: 0, shade: |x| x };

/// How many of the test set's digits are looked at.
const STEP: usize = 20;

/// How far what becomes of the drawn digits is from the originals: the mean of 1 - cosine of the
/// pixels, paper being 0.
fn distance(draw: impl Fn(&DigitSet, usize) -> Image) -> f64 {
    let set = digits::embedded().unwrap().test;
    let ink = |x: Vec<f32>| -> Vec<f64> {
        x.into_iter()
            .map(|x| x as f64 * digits::STANDARD_DEVIATION + digits::MEAN)
            .map(|x| if x < 1e-6 { 0.0 } else { x })
            .collect()
    };
    let mut sum = 0.0;
    for index in (0..set.len()).step_by(STEP) {
        let prepared = prepare(&draw(&set, index)).unwrap();
        assert_eq!(prepared.shape(), [1, 1, 28, 28]);
        let wanted = ink(digits::normalise(&set.picture(index).to_tensor()).to_vec());
        let prepared = ink(prepared.to_vec());
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        sum += 1.0
            - dot(&wanted, &prepared) / (dot(&wanted, &wanted) * dot(&prepared, &prepared)).sqrt();
    }
    sum / (set.len() / STEP) as f64
}

#[test]
fn a_digit_of_mnist_stays_what_it_is() {
    let far = distance(|set, index| set.picture(index));
    assert!(far < 1e-4, "{far}");
}

#[test]
fn size_place_and_shade_do_not_matter() {
    let same = distance(|set, index| set.picture(index));
    for scale in 1..=8 {
        for (left, right, top) in [(0, 0, 0), (3 * scale, 50, 0), (0, 7, 31)] {
            let shades: [fn(u8) -> u8; 4] = [|x| x, |x| 255 - x, |x| x / 3 + 90, |x| 200 - x / 2];
            for shade in shades {
                let sheet = Sheet { left, right, top, shade };
                let far = distance(|set, index| drawn(set, index, scale, &sheet));
                assert!(far < same + 1e-4, "{scale} {left} {right} {top}: {far}");
            }
        }
    }
}

#[test]
fn colour_and_opacity_do_not_matter() {
    let same = distance(|set, index| drawn(set, index, 2, &PLAIN));
    let coloured = |colour, pixel: fn(u8) -> Vec<u8>| {
        distance(|set, index| {
            let grey = drawn(set, index, 2, &PLAIN);
            let pixels = grey.pixels().iter().flat_map(|&x| pixel(x)).collect();
            Image::new(grey.width(), grey.height(), colour, pixels).unwrap()
        })
    };
    // Blue ink on yellow paper, its ink opaque; ink of any colour on a transparent ground.
    let blue = coloured(Colour::Rgb, |x| vec![255 - x, 255 - x, x / 2]);
    let opaque = coloured(Colour::Rgba, |x| vec![x, x, x, 255]);
    let black = coloured(Colour::GreyAlpha, |x| vec![0, x]);
    let white = coloured(Colour::Rgba, |x| vec![255, 255, 255, x]);
    for (name, far) in [("blue", blue), ("opaque", opaque), ("black", black), ("white", white)] {
        assert!((far - same).abs() < 0.01, "{name}: {far}, {same}");
    }
}

#[test]
fn thin_lines_and_noisy_paper_are_no_obstacle() {
    // An upright line of 2 pixels in 200, and paper that is grainy and darker on one side.
    let pixels = (0..200 * 200).map(|i| {
        let (x, y) = (i % 200, i / 200);
        let line = (99..101).contains(&x) && (40..160).contains(&y);
        if line { 20 } else { (150 + x * 80 / 200 + i * 7 % 13) as u8 }
    });
    let image = Image::new(200, 200, Colour::Grey, pixels.collect()).unwrap();
    let prepared = prepare(&image).unwrap().to_vec::<f32>();
    let bright = |y: usize, x: usize| prepared[y * 28 + x] > 1.5;
    let rows: Vec<usize> = (0..28).filter(|&y| (0..28).any(|x| bright(y, x))).collect();
    let columns: Vec<usize> = (0..28).filter(|&x| (0..28).any(|y| bright(y, x))).collect();
    assert_eq!(rows.len(), 20, "{rows:?}");
    assert!(columns.len() <= 2 && columns[0].abs_diff(14) <= 1, "{columns:?}");
}

#[test]
fn a_blank_picture_is_an_error() {
    let blank = |colour: Colour, number: u8| {
        let pixels = vec![number; 6 * 5 * colour.channels()];
        prepare(&Image::new(6, 5, colour, pixels).unwrap()).unwrap_err().to_string()
    };
    for number in [0, 100, 255] {
        for colour in [Colour::Grey, Colour::GreyAlpha, Colour::Rgb, Colour::Rgba] {
            let error = blank(colour, number);
            assert!(error.starts_with("blank picture: 6 by 5 pixels of about the same"), "{error}");
        }
    }
    let pixel = Image::new(1, 1, Colour::Grey, vec![9]).unwrap();
    assert!(prepare(&pixel).is_err());
    // The smallest and the longest pictures that are not blank.
    for (width, height) in [(3, 3), (1000, 3), (3, 1000)] {
        let mut pixels = vec![255; width * height];
        pixels[width + 1] = 0;
        let image = Image::new(width, height, Colour::Grey, pixels).unwrap();
        assert_eq!(prepare(&image).unwrap().shape(), [1, 1, 28, 28]);
    }
}
