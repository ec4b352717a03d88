//! Covering parts of a picture.

use super::picture::{Picture, Pixels};
use super::{PictureTransform, chance, setting, within};
use gradus_tensor::{Result, Rng, Tensor};

/// The settings of [`Erasing`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ErasingOptions {
    /// How often a picture is changed.
    pub probability: f64,
    /// From which to which share of the area is erased.
    pub scale: [f64; 2],
    /// From which to which ratio of height to width the rectangle has.
    pub ratio: [f64; 2],
    /// What it is filled with, black being 0 and white 1; none for a random number at each place.
    pub fill: Option<f64>,
}

impl Default for ErasingOptions {
    fn default() -> Self {
        Self { probability: 0.5, scale: [0.02, 0.33], ratio: [0.3, 3.3], fill: Some(0.0) }
    }
}

/// Erases a rectangle. PyTorch: `torchvision.transforms.RandomErasing`, but random numbers are even
/// from black to white.
///
/// # Source
/// Zhong et al. 2017, "Random Erasing Data Augmentation", algorithm 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Erasing(ErasingOptions);

impl Erasing {
    /// A change with settings.
    ///
    /// # Errors
    /// If a number cannot be.
    pub fn new(options: ErasingOptions) -> Result<Self> {
        let name = "erasing";
        setting::probability(name, "probability", options.probability)?;
        setting::range(name, "scale", options.scale, [0.0, 1.0])?;
        setting::range(name, "ratio", options.ratio, [1e-3, 1e3])?;
        setting::between(name, "fill", options.fill.unwrap_or(0.0), [f64::MIN, f64::MAX])?;
        Ok(Self(options))
    }
}

impl PictureTransform for Erasing {
    fn change(&self, picture: &mut Picture, rng: &mut Rng) -> Result<()> {
        if !chance(self.0.probability, rng) {
            return Ok(());
        }
        let (height, width) = (picture.height(), picture.width());
        let [low, high] = self.0.ratio;
        // As in the paper, a rectangle that does not fit is drawn again, but not for ever.
        for _ in 0..10 {
            let area = (height * width) as f64 * within(self.0.scale, rng);
            let ratio = within([low.ln(), high.ln()], rng).exp();
            let h = (area * ratio).sqrt().round() as usize;
            let w = (area / ratio).sqrt().round() as usize;
            if h < height && w < width {
                let top = rng.below((height - h) as u64 + 1) as usize;
                let left = rng.below((width - w) as u64 + 1) as usize;
                return cover(picture, [top, left], [h, w], self.0.fill, rng);
            }
        }
        Ok(())
    }
}

/// The settings of [`Cutout`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CutoutOptions {
    /// The side of the squares, in pixels.
    pub side: usize,
    /// How many there are.
    pub count: usize,
    /// What they are filled with: 0 is black and 1 is white.
    pub fill: f64,
}

impl Default for CutoutOptions {
    /// What the paper has for CIFAR-10.
    fn default() -> Self {
        Self { side: 16, count: 1, fill: 0.0 }
    }
}

/// Covers squares whose centres are anywhere in the picture: they may go beyond its edges.
///
/// # Source
/// DeVries and Taylor 2017, "Improved Regularization of Convolutional Neural Networks with Cutout",
/// section 3.2.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cutout(CutoutOptions);

impl Cutout {
    /// A change with settings.
    ///
    /// # Errors
    /// If a number cannot be.
    pub fn new(options: CutoutOptions) -> Result<Self> {
        setting::between("cutout", "side", options.side as f64, [0.0, 65536.0])?;
        setting::between("cutout", "count", options.count as f64, [0.0, 1000.0])?;
        setting::between("cutout", "fill", options.fill, [f64::MIN, f64::MAX])?;
        Ok(Self(options))
    }
}

impl PictureTransform for Cutout {
    fn change(&self, picture: &mut Picture, rng: &mut Rng) -> Result<()> {
        for _ in 0..self.0.count {
            let span = |len: usize, rng: &mut Rng| {
                let centre = rng.below(len as u64) as usize;
                let start = centre.saturating_sub(self.0.side / 2);
                let end = (centre + self.0.side.div_ceil(2)).min(len);
                (start, end - start)
            };
            let (top, height) = span(picture.height(), rng);
            let (left, width) = span(picture.width(), rng);
            cover(picture, [top, left], [height, width], Some(self.0.fill), rng)?;
        }
        Ok(())
    }
}

/// Fills a rectangle within a picture with one number, or with random ones.
fn cover(
    picture: &mut Picture,
    [top, left]: [usize; 2],
    [height, width]: [usize; 2],
    fill: Option<f64>,
    rng: &mut Rng,
) -> Result<()> {
    let count = picture.channels() * height * width;
    let numbers = match fill {
        Some(fill) => vec![fill as f32; count],
        None => Tensor::rand([count], rng).try_to_vec::<f32>()?,
    };
    let mut numbers = numbers.into_iter();
    let (area, columns) = (picture.height() * picture.width(), picture.width());
    for channel in 0..picture.channels() {
        for row in top..top + height {
            let start = channel * area + row * columns + left;
            match &mut picture.pixels {
                Pixels::U8(planes) => {
                    let places = planes.numbers[start..][..width].iter_mut().zip(&mut numbers);
                    places.for_each(|(place, x)| *place = (x * 255.0).round() as u8);
                }
                Pixels::F32(planes) => {
                    let places = planes.numbers[start..][..width].iter_mut().zip(&mut numbers);
                    places.for_each(|(place, x)| *place = x);
                }
            }
        }
    }
    Ok(())
}
