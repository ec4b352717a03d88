//! Flips, crops and changes of size.

use super::geometry::Geometry;
use super::matrix::Matrix;
use super::picture::Picture;
use super::{PictureTransform, chance, setting, within};
use gradus_tensor::{Result, Rng};

/// The settings of [`HorizontalFlip`] and [`VerticalFlip`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FlipOptions {
    /// How often a picture is turned round.
    pub probability: f64,
}

impl Default for FlipOptions {
    fn default() -> Self {
        Self { probability: 0.5 }
    }
}

/// Exchanges left and right. PyTorch: `torchvision.transforms.RandomHorizontalFlip`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct HorizontalFlip(FlipOptions);

/// Exchanges up and down. PyTorch: `torchvision.transforms.RandomVerticalFlip`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct VerticalFlip(FlipOptions);

impl HorizontalFlip {
    /// A flip with settings.
    ///
    /// # Errors
    /// If the probability is none.
    pub fn new(options: FlipOptions) -> Result<Self> {
        setting::probability("horizontal_flip", "probability", options.probability)?;
        Ok(Self(options))
    }
}

impl VerticalFlip {
    /// A flip with settings.
    ///
    /// # Errors
    /// If the probability is none.
    pub fn new(options: FlipOptions) -> Result<Self> {
        setting::probability("vertical_flip", "probability", options.probability)?;
        Ok(Self(options))
    }
}

impl PictureTransform for HorizontalFlip {
    fn change(&self, picture: &mut Picture, rng: &mut Rng) -> Result<()> {
        if chance(self.0.probability, rng) {
            let turn = Matrix::scaling(-1.0, 1.0);
            let back = Matrix::translation(picture.width() as f64, 0.0);
            Geometry::within(picture, turn.then(back), 0.0).apply(picture);
        }
        Ok(())
    }
}

impl PictureTransform for VerticalFlip {
    fn change(&self, picture: &mut Picture, rng: &mut Rng) -> Result<()> {
        if chance(self.0.probability, rng) {
            let turn = Matrix::scaling(1.0, -1.0);
            let back = Matrix::translation(0.0, picture.height() as f64);
            Geometry::within(picture, turn.then(back), 0.0).apply(picture);
        }
        Ok(())
    }
}

/// The settings of [`RandomCrop`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CropOptions {
    /// The rows and columns that are kept.
    pub size: [usize; 2],
    /// How many pixels are added at each edge before.
    pub padding: usize,
    /// What these are: 0 is black and 1 is white.
    pub fill: f64,
}

impl Default for CropOptions {
    /// What is usual for CIFAR-10.
    fn default() -> Self {
        Self { size: [32, 32], padding: 4, fill: 0.0 }
    }
}

/// The settings of [`CentreCrop`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CentreCropOptions {
    /// The rows and columns that are kept.
    pub size: [usize; 2],
}

impl Default for CentreCropOptions {
    fn default() -> Self {
        Self { size: [224, 224] }
    }
}

/// How far a picture with so much padding goes beyond a crop along each axis.
fn room(name: &str, picture: &Picture, size: [usize; 2], padding: usize) -> Result<[usize; 2]> {
    let [height, width] = [picture.height(), picture.width()].map(|len| len + 2 * padding);
    if height >= size[0] && width >= size[1] {
        return Ok([height - size[0], width - size[1]]);
    }
    let message = format_args!(
        "{} by {} rows and columns cannot be cut out of a picture of {} by {} with {padding} around \
         it: resize it before, or pad more",
        size[0],
        size[1],
        picture.height(),
        picture.width(),
    );
    Err(setting::wrong(name, message))
}

/// Keeps a rectangle of a size from anywhere in a picture, which may be padded before. PyTorch:
/// `torchvision.transforms.RandomCrop`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RandomCrop(CropOptions);

/// Keeps the middle of a picture. PyTorch: `torchvision.transforms.CenterCrop`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CentreCrop(CentreCropOptions);

impl RandomCrop {
    /// A crop with settings.
    ///
    /// # Errors
    /// If the size is empty.
    pub fn new(options: CropOptions) -> Result<Self> {
        let name = "random_crop";
        setting::size(name, options.size)?;
        setting::between(name, "padding", options.padding as f64, [0.0, 65536.0])?;
        setting::between(name, "fill", options.fill, [f64::MIN, f64::MAX])?;
        Ok(Self(options))
    }
}

impl CentreCrop {
    /// A crop with settings.
    ///
    /// # Errors
    /// If the size is empty.
    pub fn new(options: CentreCropOptions) -> Result<Self> {
        setting::size("centre_crop", options.size)?;
        Ok(Self(options))
    }
}

impl PictureTransform for RandomCrop {
    fn change(&self, picture: &mut Picture, rng: &mut Rng) -> Result<()> {
        let CropOptions { size, padding, fill } = self.0;
        let room = room("random_crop", picture, size, padding)?;
        let [top, left] = room.map(|room| rng.below(room as u64 + 1) as isize - padding as isize);
        Geometry::crop(top, left, size, fill).apply(picture);
        Ok(())
    }
}

impl PictureTransform for CentreCrop {
    fn change(&self, picture: &mut Picture, _: &mut Rng) -> Result<()> {
        // Half a pixel goes to the even side, as torchvision has it.
        let [top, left] = room("centre_crop", picture, self.0.size, 0)?
            .map(|room| (room as f64 / 2.0).round_ties_even() as isize);
        Geometry::crop(top, left, self.0.size, 0.0).apply(picture);
        Ok(())
    }
}

/// The settings of [`Pad`].
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct PadOptions {
    /// How many pixels are added at the left, upper, right and lower edge.
    pub edges: [usize; 4],
    /// What these are: 0 is black and 1 is white.
    pub fill: f64,
}

/// Adds pixels at the edges. PyTorch: `torchvision.transforms.Pad`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pad(PadOptions);

impl Pad {
    /// A padding with settings.
    ///
    /// # Errors
    /// If a number cannot be.
    pub fn new(options: PadOptions) -> Result<Self> {
        for edge in options.edges {
            setting::between("pad", "an edge", edge as f64, [0.0, 65536.0])?;
        }
        setting::between("pad", "fill", options.fill, [f64::MIN, f64::MAX])?;
        Ok(Self(options))
    }
}

impl PictureTransform for Pad {
    fn change(&self, picture: &mut Picture, _: &mut Rng) -> Result<()> {
        let PadOptions { edges: [left, top, right, bottom], fill } = self.0;
        let size = [picture.height() + top + bottom, picture.width() + left + right];
        setting::size("pad", size)?;
        Geometry::crop(-(top as isize), -(left as isize), size, fill).apply(picture);
        Ok(())
    }
}

/// The settings of [`Resize`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ResizeOptions {
    /// The rows and columns of the new picture.
    pub size: [usize; 2],
    /// Keeps the picture's proportions: it just covers the size, and may go beyond it along one
    /// axis.
    pub cover: bool,
}

impl Default for ResizeOptions {
    fn default() -> Self {
        Self { size: [224, 224], cover: false }
    }
}

/// Makes pictures of one size, by linear interpolation and, where they become smaller, by means.
/// PyTorch: `torchvision.transforms.Resize`, of two numbers, or of one where `cover` is set.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Resize(ResizeOptions);

impl Resize {
    /// A change of size with settings.
    ///
    /// # Errors
    /// If the size is empty.
    pub fn new(options: ResizeOptions) -> Result<Self> {
        setting::size("resize", options.size)?;
        Ok(Self(options))
    }
}

impl PictureTransform for Resize {
    fn change(&self, picture: &mut Picture, _: &mut Rng) -> Result<()> {
        let [mut height, mut width] = self.0.size;
        let old = [picture.height(), picture.width()];
        setting::size("resize", old)?;
        if self.0.cover {
            let factor = (height as f64 / old[0] as f64).max(width as f64 / old[1] as f64);
            // The longer side is cut down to a whole number, as torchvision does.
            height = height.max((old[0] as f64 * factor) as usize);
            width = width.max((old[1] as f64 * factor) as usize);
            setting::size("resize", [height, width])?;
        }
        Geometry::resize(picture, height, width).apply(picture);
        Ok(())
    }
}

/// The settings of [`RandomResizedCrop`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ResizedCropOptions {
    /// The rows and columns of the new picture.
    pub size: [usize; 2],
    /// From which to which share of the picture's area is kept.
    pub scale: [f64; 2],
    /// From which to which ratio of width to height it has.
    pub ratio: [f64; 2],
}

impl Default for ResizedCropOptions {
    fn default() -> Self {
        Self { size: [224, 224], scale: [0.08, 1.0], ratio: [3.0 / 4.0, 4.0 / 3.0] }
    }
}

/// Keeps a rectangle of random size, proportions and place, brought to one size. PyTorch:
/// `torchvision.transforms.RandomResizedCrop`.
///
/// # Source
/// Szegedy et al. 2015, "Going Deeper with Convolutions", section 6.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RandomResizedCrop(ResizedCropOptions);

impl RandomResizedCrop {
    /// A crop with settings.
    ///
    /// # Errors
    /// If the size is empty or a range cannot be.
    pub fn new(options: ResizedCropOptions) -> Result<Self> {
        let name = "random_resized_crop";
        setting::size(name, options.size)?;
        setting::range(name, "scale", options.scale, [1e-6, 1.0])?;
        setting::range(name, "ratio", options.ratio, [1e-3, 1e3])?;
        Ok(Self(options))
    }

    /// The upper left corner and the size of what is kept.
    fn draw(&self, [height, width]: [usize; 2], rng: &mut Rng) -> ([isize; 2], [usize; 2]) {
        let area = (height * width) as f64;
        let [low, high] = self.0.ratio;
        // A rectangle that does not fit is drawn again, ten times at most, as in torchvision.
        for _ in 0..10 {
            let target = area * within(self.0.scale, rng);
            let ratio = within([low.ln(), high.ln()], rng).exp();
            let w = (target * ratio).sqrt().round() as usize;
            let h = (target / ratio).sqrt().round() as usize;
            if (1..=height).contains(&h) && (1..=width).contains(&w) {
                let top = rng.below((height - h) as u64 + 1) as isize;
                let left = rng.below((width - w) as u64 + 1) as isize;
                return ([top, left], [h, w]);
            }
        }
        // The largest from the middle that has a ratio that is allowed.
        let ratio = (width as f64 / height as f64).clamp(low, high);
        let h = ((width as f64 / ratio).round() as usize).clamp(1, height);
        let w = ((height as f64 * ratio).round() as usize).clamp(1, width);
        ([(height - h) as isize / 2, (width - w) as isize / 2], [h, w])
    }
}

impl PictureTransform for RandomResizedCrop {
    fn change(&self, picture: &mut Picture, rng: &mut Rng) -> Result<()> {
        let old = [picture.height(), picture.width()];
        setting::size("random_resized_crop", old)?;
        let ([top, left], size) = self.draw(old, rng);
        Geometry::crop(top, left, size, 0.0).apply(picture);
        let [height, width] = self.0.size;
        Geometry::resize(picture, height, width).apply(picture);
        Ok(())
    }
}
