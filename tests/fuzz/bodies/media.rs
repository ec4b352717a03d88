//! Files of pictures and sounds.

use super::{MAX_RATIO, accepted};
use gradus_data::image::{Image, decode_png, encode_png};
use gradus_data::source::cifar::{self, Variant};
use gradus_data::source::{picture_file, sound_file};

/// So many numbers a byte of FLAC gives at most: a block of 65536 equal ones takes some 13 bytes.
const MAX_SAMPLES: usize = 8192;

pub fn try_png(bytes: &[u8]) -> bool {
    let Some(read) = accepted(decode_png(bytes)) else {
        return false;
    };
    // A pixel of one bit becomes four bytes.
    assert!(read.pixels().len() <= 32 * MAX_RATIO * bytes.len());
    assert!(decode_png(&encode_png(&read).unwrap()).unwrap() == read);
    true
}

pub fn try_picture(bytes: &[u8]) -> bool {
    let Some(read) = accepted(picture_file::decode(bytes)) else {
        return false;
    };
    // How much a byte may hold has no bound here: WebP needs none for pixels that are all the same.
    let count = read.width() * read.height();
    assert!((1..=Image::MOST_PIXELS).contains(&count));
    assert_eq!(read.pixels().len(), count * read.colour().channels());
    // Larger ones would take all of the time.
    if count <= 1 << 16 {
        assert!(picture_file::decode(&encode_png(&read).unwrap()).unwrap() == read);
    }
    true
}

pub fn try_cifar(bytes: &[u8]) -> bool {
    let variants = [(Variant::Cifar10, 1, 10), (Variant::Fine, 2, 100), (Variant::Coarse, 2, 20)];
    // What is added to does not change, whether the bytes are accepted or not.
    let before = ([7u8, 8], [9u32]);
    let read = variants.map(|(variant, labels, count)| {
        let (mut pixels, mut classes) = (before.0.to_vec(), before.1.to_vec());
        let fits = accepted(cifar::decode(bytes, variant, &mut pixels, &mut classes)).is_some();
        assert!(pixels.starts_with(&before.0) && classes.starts_with(&before.1));
        let (pixels, classes) = (&pixels[2..], &classes[1..]);
        if fits {
            assert!(!classes.is_empty() && classes.iter().all(|&class| class < count));
            assert_eq!(pixels.len(), 3072 * classes.len());
            // All bytes are there again, but those of the other label.
            let place = (variant == Variant::Fine) as usize;
            for (number, record) in bytes.chunks(labels + 3072).enumerate() {
                assert_eq!(record[place] as u32, classes[number]);
                assert_eq!(record[labels..], pixels[3072 * number..][..3072]);
            }
        }
        fits
    });
    read.contains(&true)
}

pub fn try_sound(bytes: &[u8]) -> bool {
    let decode = |seconds| accepted(sound_file::decode(bytes, seconds));
    let Some(read) = decode(60.0) else {
        return false;
    };
    assert!(read.rate > 0 && read.samples.iter().all(|x| x.is_finite()));
    let most = (60.0 * read.rate as f64).min((MAX_SAMPLES * bytes.len()) as f64);
    assert!((1..=most as usize).contains(&read.samples.len()));
    // Less of it is its start.
    let start = decode(2.5 / read.rate as f64).expect("the start of what can be read");
    assert_eq!(start.samples[..], read.samples[..read.samples.len().min(3)]);
    true
}
