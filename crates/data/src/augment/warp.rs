//! Turns, stretches, shears and other points of view.

use super::geometry::Geometry;
use super::matrix::Matrix;
use super::picture::Picture;
use super::{PictureTransform, chance, setting, within};
use gradus_tensor::{Result, Rng};

/// The settings of [`Rotation`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RotationOptions {
    /// How far a picture is turned at most, in degrees to either side.
    pub degrees: f64,
    /// Makes the picture so large that nothing of it is lost.
    pub expand: bool,
    /// What comes in over the edges: 0 is black and 1 is white.
    pub fill: f64,
}

impl Default for RotationOptions {
    fn default() -> Self {
        Self { degrees: 10.0, expand: false, fill: 0.0 }
    }
}

/// Turns a picture about its centre, all angles being equally likely. PyTorch:
/// `torchvision.transforms.RandomRotation`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rotation(RotationOptions);

impl Rotation {
    /// A turn with settings.
    ///
    /// # Errors
    /// If a number cannot be.
    pub fn new(options: RotationOptions) -> Result<Self> {
        setting::between("rotation", "degrees", options.degrees, [0.0, 180.0])?;
        setting::between("rotation", "fill", options.fill, [f64::MIN, f64::MAX])?;
        Ok(Self(options))
    }
}

impl PictureTransform for Rotation {
    fn change(&self, picture: &mut Picture, rng: &mut Rng) -> Result<()> {
        let RotationOptions { degrees, expand, fill } = self.0;
        turn(picture, within([-degrees, degrees], rng), expand, fill);
        Ok(())
    }
}

/// Turns a picture clockwise about its centre.
pub(super) fn turn(picture: &mut Picture, degrees: f64, expand: bool, fill: f64) {
    let (height, width) = (picture.height() as f64, picture.width() as f64);
    let mut matrix = Matrix::rotation(degrees).about(width / 2.0, height / 2.0);
    let mut geometry = Geometry::within(picture, matrix, fill);
    if expand {
        let (sin, cos) = degrees.to_radians().sin_cos();
        // A thousandth of a pixel is rounding, not picture.
        let cover = |x: f64| (x - 1e-3).ceil();
        let new_width = cover(width * cos.abs() + height * sin.abs());
        let new_height = cover(width * sin.abs() + height * cos.abs());
        let shift = ((new_width - width) / 2.0, (new_height - height) / 2.0);
        matrix = matrix.then(Matrix::translation(shift.0, shift.1));
        geometry =
            Geometry { matrix, height: new_height as usize, width: new_width as usize, fill };
    }
    geometry.apply(picture);
}

/// The settings of [`Affine`]: how far the changes go at most.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AffineOptions {
    /// The turn, in degrees to either side.
    pub degrees: f64,
    /// The change of size: 0.1 makes a picture up to 1.1 times as large or as small.
    pub scale: f64,
    /// The shift right or left and down or up, as shares of the width and of the height.
    pub shift: [f64; 2],
    /// The shear along rows and along columns, in degrees to either side.
    pub shear: [f64; 2],
    /// What comes in over the edges: 0 is black and 1 is white.
    pub fill: f64,
}

impl Default for AffineOptions {
    fn default() -> Self {
        Self { degrees: 10.0, scale: 0.1, shift: [0.1, 0.1], shear: [0.0, 0.0], fill: 0.0 }
    }
}

/// Shears, turns, scales and shifts a picture about its centre, all amounts up to the most being
/// equally likely. PyTorch: `torchvision.transforms.RandomAffine`.
///
/// The logarithm of the scale is what is drawn evenly, so that twice as large is as likely as half.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Affine(AffineOptions);

impl Affine {
    /// A change with settings.
    ///
    /// # Errors
    /// If a number cannot be.
    pub fn new(options: AffineOptions) -> Result<Self> {
        let check = |name, value, most| setting::between("affine", name, value, [0.0, most]);
        check("degrees", options.degrees, 180.0)?;
        check("scale", options.scale, 100.0)?;
        options.shift.into_iter().try_for_each(|shift| check("shift", shift, 1.0))?;
        options.shear.into_iter().try_for_each(|shear| check("shear", shear, 80.0))?;
        setting::between("affine", "fill", options.fill, [f64::MIN, f64::MAX])?;
        Ok(Self(options))
    }
}

impl PictureTransform for Affine {
    fn change(&self, picture: &mut Picture, rng: &mut Rng) -> Result<()> {
        let AffineOptions { degrees, scale, shift, shear, fill } = self.0;
        let mut draw = |most: f64| within([-most, most], rng);
        let angle = draw(degrees);
        let scale = draw(scale.ln_1p()).exp();
        let (height, width) = (picture.height() as f64, picture.width() as f64);
        let (down, right) = (draw(shift[1] * height), draw(shift[0] * width));
        let shear = shear.map(|most| draw(most).to_radians().tan());
        let matrix = Matrix::shear(shear[0], shear[1])
            .then(Matrix::rotation(angle))
            .then(Matrix::scaling(scale, scale))
            .about(width / 2.0, height / 2.0)
            .then(Matrix::translation(right, down));
        Geometry::within(picture, matrix, fill).apply(picture);
        Ok(())
    }
}

/// The settings of [`Perspective`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PerspectiveOptions {
    /// How far each corner moves inwards at most, as a share of half the width and half the height.
    pub distortion: f64,
    /// How often a picture is changed.
    pub probability: f64,
    /// What comes in over the edges: 0 is black and 1 is white.
    pub fill: f64,
}

impl Default for PerspectiveOptions {
    fn default() -> Self {
        Self { distortion: 0.5, probability: 0.5, fill: 0.0 }
    }
}

/// Shows a picture as from another place: its corners move inwards. PyTorch:
/// `torchvision.transforms.RandomPerspective`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Perspective(PerspectiveOptions);

impl Perspective {
    /// A change with settings.
    ///
    /// # Errors
    /// If a number cannot be.
    pub fn new(options: PerspectiveOptions) -> Result<Self> {
        let name = "perspective";
        // Where all corners may meet in the middle, no map takes them there.
        setting::between(name, "distortion", options.distortion, [0.0, 0.95])?;
        setting::probability(name, "probability", options.probability)?;
        setting::between(name, "fill", options.fill, [f64::MIN, f64::MAX])?;
        Ok(Self(options))
    }
}

impl PictureTransform for Perspective {
    fn change(&self, picture: &mut Picture, rng: &mut Rng) -> Result<()> {
        let PerspectiveOptions { distortion, probability, fill } = self.0;
        if !chance(probability, rng) {
            return Ok(());
        }
        let (height, width) = (picture.height() as f64, picture.width() as f64);
        let from = [[0.0, 0.0], [width, 0.0], [width, height], [0.0, height]];
        let to = from.map(|[x, y]| {
            let mut inwards = |len: f64| within([0.0, distortion * len / 2.0], rng);
            let (right, down) = (inwards(width), inwards(height));
            [if x == 0.0 { right } else { x - right }, if y == 0.0 { down } else { y - down }]
        });
        let matrix = Matrix::perspective(from, to)?;
        Geometry::within(picture, matrix, fill).apply(picture);
        Ok(())
    }
}
