//! Pictures with masks, which say of each pixel what it shows.

use super::decode::{ENDINGS, read};
use super::files::ImageFolderOptions;
use super::fit::Form;
use crate::image::decode_png_levels;
use crate::source::cache::Cache;
use crate::source::folder::{self, Parts};
use crate::{Batch, Dataset, Sample, TargetKind, file};
use gradus_tensor::{Device, Error, Result, Tensor};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The largest file of a mask that is read.
const MOST_BYTES: usize = 64 << 20;

/// The class of a pixel of which nothing is told, as losses and metrics leave it out.
const NOTHING: i64 = -100;

/// The level that stands for it in memory.
const IGNORED: u8 = u8::MAX;

/// A picture and its mask.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::source) struct Pair {
    pub(in crate::source) picture: PathBuf,
    mask: PathBuf,
}

/// The levels of masks that stand for classes, and the one that says nothing.
#[derive(Clone, Copy, Debug)]
struct Levels {
    classes: usize,
    ignore: Option<u8>,
}

/// The pictures of all parts with their masks, and the names of the classes.
///
/// # Errors
/// If a folder cannot be read or is empty, a picture has no mask, or there are too many classes.
pub(in crate::source) fn open_masked(
    options: &ImageFolderOptions,
    masks: &str,
) -> Result<(Parts<Vec<Pair>>, Vec<String>)> {
    let wrong = |message: &str| Err(Error::Setting(format!("images: {message}")));
    if options.labels.is_some() || options.name_column.is_some() {
        return wrong("pictures have masks or a table of labels: leave one out");
    }
    if options.valid.is_some() || options.test.is_some() {
        return wrong(
            "pictures with masks lie in one folder: name folders in it train, valid, test",
        );
    }
    let root = Path::new(&options.path);
    // Beside the program's folder or within that of the pictures.
    let inner = root.join(masks);
    let masks = if Path::new(masks).is_dir() { Path::new(masks) } else { &inner };
    let parts = Parts::find(&options.path, None, None)?;
    let parts = parts.try_map(|part| pairs(root, &part, masks))?;
    let names = match &options.classes[..] {
        [] => (0..count(&parts, options.ignore)?).map(|class| class.to_string()).collect(),
        names => names.to_vec(),
    };
    match names.len() {
        2..=255 => Ok((parts, names)),
        other => wrong(&format!("masks are of 2 to 255 classes, not of {other}")),
    }
}

/// The pictures in a folder within `root`, each with its mask.
fn pairs(root: &Path, part: &Path, masks: &Path) -> Result<Vec<Pair>> {
    let mut pairs = vec![];
    for picture in folder::files(part, &ENDINGS)? {
        // The masks may lie in the midst of the pictures.
        if picture.starts_with(masks) {
            continue;
        }
        let name = picture.strip_prefix(root).unwrap_or(&picture).with_extension("png");
        let mask = masks.join(name);
        if !mask.is_file() {
            let message = format_args!("has no mask {}: add it", mask.display());
            return Err(Error::format(picture.display(), message));
        }
        pairs.push(Pair { picture, mask });
    }
    match pairs.is_empty() {
        true => Err(Error::format(part.display(), "holds no picture: fill it")),
        false => Ok(pairs),
    }
}

/// How many classes the masks go through.
fn count(parts: &Parts<Vec<Pair>>, ignore: Option<u8>) -> Result<usize> {
    let all = [Some(&parts.train), parts.valid.as_ref(), parts.test.as_ref()];
    let mut most = 0;
    for pair in all.into_iter().flatten().flatten() {
        let mask = read_mask(&pair.mask)?;
        let levels = mask.pixels().iter().filter(|level| Some(**level) != ignore);
        most = levels.fold(most, |most, &level| most.max(level as usize + 1));
    }
    Ok(most)
}

fn read_mask(path: &Path) -> Result<crate::image::Image> {
    file::in_file(path, decode_png_levels(&file::read(path, MOST_BYTES)?))
}

/// Pictures with masks in files, decoded and brought into one form when they are asked for, of which
/// as many as may be are kept in memory: `[C, H, W]` of `u8`, with targets `[H, W]` of `i64`.
pub(in crate::source) struct Masked {
    pairs: Arc<[Pair]>,
    form: Form,
    levels: Levels,
    /// The pixels of a picture, then the classes of its mask.
    cache: Cache<u8>,
}

impl Masked {
    /// Pairs of pictures and masks, of so many classes, of which `cache_bytes` may be kept in memory.
    pub(in crate::source) fn new(
        pairs: Vec<Pair>,
        form: Form,
        (classes, ignore): (usize, Option<u8>),
        cache_bytes: u64,
    ) -> Self {
        let cache = Cache::new(pairs.len(), cache_bytes);
        Self { pairs: pairs.into(), form, levels: Levels { classes, ignore }, cache }
    }

    /// What a pair of files holds, as it is kept.
    fn read(&self, Pair { picture, mask }: &Pair) -> Result<Vec<u8>> {
        let (image, levels) = (read(picture)?, read_mask(mask)?);
        if (image.width(), image.height()) != (levels.width(), levels.height()) {
            let message = format_args!(
                "is {} by {} pixels, but {} is {} by {}: masks are as large as their pictures",
                levels.width(),
                levels.height(),
                picture.display(),
                image.width(),
                image.height()
            );
            return Err(Error::format(mask.display(), message));
        }
        let Levels { classes, ignore } = self.levels;
        let strange = |level: &&u8| **level as usize >= classes && Some(**level) != ignore;
        if let Some(level) = levels.pixels().iter().find(strange) {
            let message = format_args!(
                "has the level {level}, but there are {classes} classes, from 0 on: name more, or \
                 ignore it"
            );
            return Err(Error::format(mask.display(), message));
        }
        let mut all = self.form.apply(&image);
        let nearest = self.form.nearest(&levels, IGNORED).into_iter();
        all.extend(nearest.map(|level| if Some(level) == ignore { IGNORED } else { level }));
        Ok(all)
    }
}

impl Dataset for Masked {
    fn len(&self) -> usize {
        self.pairs.len()
    }

    fn sample(&self, index: usize) -> Result<Sample> {
        Ok(self.batch(&[index])?.single().of_kind(TargetKind::Mask { fill: NOTHING as f64 }))
    }

    fn batch(&self, indices: &[usize]) -> Result<Batch> {
        let Form { channels, height, width, .. } = self.form;
        let (mut pixels, mut classes) = (vec![], vec![]);
        let mut both = vec![];
        for &index in indices {
            both.clear();
            self.cache.append(index, &mut both, || self.read(&self.pairs[index]))?;
            let (own, mask) = both.split_at(self.form.count());
            pixels.extend_from_slice(own);
            let class = |&level: &u8| if level == IGNORED { NOTHING } else { level as i64 };
            classes.extend(mask.iter().map(class));
        }
        let (count, cpu) = (indices.len(), Device::cpu());
        let input = Tensor::try_from_slice(&pixels, [count, channels, height, width].into(), cpu)?;
        let target = Tensor::try_from_slice(&classes, [count, height, width].into(), cpu)?;
        Ok(Batch::new(input, target))
    }
}

#[cfg(test)]
mod tests {
    use super::super::fit::Fit;
    use super::*;
    use crate::image::{Colour, Image, write_png};
    use std::fs;

    fn write(path: &Path, width: usize, levels: &[u8]) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let height = levels.len() / width;
        write_png(path, &Image::new(width, height, Colour::Grey, levels.into()).unwrap()).unwrap();
    }

    fn options(root: &Path) -> ImageFolderOptions {
        let path = root.join("pictures").to_str().unwrap().to_string();
        ImageFolderOptions { path, ignore: Some(255), ..Default::default() }
    }

    #[test]
    fn pictures_come_with_their_masks() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let masks = root.join("masks");
        for (name, levels) in [("a", [0, 1, 2, 255]), ("deep/b", [1, 1, 0, 0])] {
            write(&root.join("pictures").join(name).with_extension("png"), 2, &[9; 4]);
            write(&masks.join(name).with_extension("png"), 2, &levels);
        }
        let told = options(root);
        let open = |told: &ImageFolderOptions| open_masked(told, masks.to_str().unwrap());
        let (parts, names) = open(&told).unwrap();
        assert_eq!(names, ["0", "1", "2"]);
        assert!(parts.train[1].picture.ends_with("deep/b.png"));
        let form = Form { channels: 1, height: 2, width: 4, fit: Fit::Pad };
        let set = Masked::new(parts.train.clone(), form, (3, told.ignore), 1000);
        let batch = set.batch(&[1, 0]).unwrap();
        assert_eq!(batch.input().shape(), [2, 1, 2, 4]);
        assert_eq!(batch.target().shape(), [2, 2, 4]);
        let wanted =
            [[-100, 1, 1, -100, -100, 0, 0, -100], [-100, 0, 1, -100, -100, 2, -100, -100]];
        assert_eq!(batch.target().to_vec::<i64>(), wanted.concat());
        let sample = set.sample(0).unwrap();
        assert_eq!(*sample.kind(), TargetKind::Mask { fill: -100.0 });
        assert_eq!(sample.target().to_vec::<i64>(), wanted[1]);

        // What does not fit together is told with the names.
        let few = Masked::new(parts.train.clone(), form, (2, told.ignore), 1000);
        let error = few.sample(0).err().unwrap().to_string();
        let wanted = "has the level 2, but there are 2 classes, from 0 on: name more, or ignore it";
        assert_eq!(error, format!("{}: {wanted}", masks.join("a.png").display()));
        write(&masks.join("a.png"), 1, &[0, 1]);
        let other = Masked::new(parts.train, form, (3, None), 1000);
        let error = other.sample(0).err().unwrap().to_string();
        assert!(
            error.contains("is 1 by 2 pixels, but ") && error.contains("is 2 by 2:"),
            "{error}"
        );
        fs::remove_file(masks.join("deep/b.png")).unwrap();
        let error = open(&told).err().unwrap().to_string();
        let wanted = format!("has no mask {}: add it", masks.join("deep/b.png").display());
        assert!(error.ends_with(&wanted), "{error}");
        let both = ImageFolderOptions { labels: Some("x.csv".into()), ..told.clone() };
        let wanted = "images: pictures have masks or a table of labels: leave one out";
        assert_eq!(open(&both).err().unwrap().to_string(), wanted);
    }

    #[test]
    fn levels_are_read_as_they_stand() {
        // Four pixels in two bits each, grey and of a palette: 0, 1, 2, 3.
        for colour in [png::ColorType::Grayscale, png::ColorType::Indexed] {
            let mut bytes = vec![];
            let mut encoder = png::Encoder::new(&mut bytes, 4, 1);
            encoder.set_color(colour);
            encoder.set_depth(png::BitDepth::Two);
            encoder.set_palette(vec![200; 12]);
            let mut writer = encoder.write_header().unwrap();
            writer.write_image_data(&[0b00_01_10_11]).unwrap();
            writer.finish().unwrap();
            assert_eq!(decode_png_levels(&bytes).unwrap().pixels(), [0, 1, 2, 3], "{colour:?}");
        }
        let rgb = Image::new(1, 1, Colour::Rgb, vec![1, 2, 3]).unwrap();
        let error = decode_png_levels(&crate::image::encode_png(&rgb).unwrap()).unwrap_err();
        let wanted = "PNG picture: has pixels of Rgb, Eight: a mask has one number of 8 bits for each, \
                      grey or of a palette";
        assert_eq!(error.to_string(), wanted);
    }
}
