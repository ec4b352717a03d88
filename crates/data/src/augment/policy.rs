//! Changes picked from a list, with magnitudes: AutoAugment, RandAugment, TrivialAugment.

use super::geometry::Geometry;
use super::matrix::Matrix;
use super::picture::Picture;
use super::warp::turn;
use super::{PictureTransform, chance, setting};
use gradus_tensor::{Result, Rng};

/// A change that policies pick. PyTorch: the operations of `torchvision.transforms.autoaugment`;
/// where those of places take the nearest pixel, ours interpolate linearly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Change {
    Identity,
    ShearX,
    ShearY,
    TranslateX,
    TranslateY,
    Rotate,
    Brightness,
    Colour,
    Contrast,
    Sharpness,
    Posterize,
    Solarize,
    AutoContrast,
    Equalize,
    Invert,
}

use Change::*;

/// How far the changes of a policy go at the highest magnitude.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Most {
    shear: f64,
    /// In pixels; none for 150 of 331, the size of the pictures in AutoAugment's paper.
    translate: Option<f64>,
    degrees: f64,
    /// How far brightness, colour, contrast and sharpness go from 1.
    factor: f64,
    /// How many of 8 bits are lost.
    bits: f64,
}

/// Table 6 of AutoAugment's paper, as RandAugment took it over.
const USUAL: Most = Most { shear: 0.3, translate: None, degrees: 30.0, factor: 0.9, bits: 4.0 };

/// Table 5 of TrivialAugment's paper.
const WIDE: Most =
    Most { shear: 0.99, translate: Some(32.0), degrees: 135.0, factor: 0.99, bits: 6.0 };

impl Change {
    /// True if a magnitude may also be negative.
    fn has_sign(self) -> bool {
        !matches!(self, Identity | Posterize | Solarize | AutoContrast | Equalize | Invert)
    }

    /// Changes a picture by a share, from -1 to 1, of the most.
    fn apply(self, picture: &mut Picture, share: f64, most: &Most, fill: f64) -> Result<()> {
        let (height, width) = (picture.height() as f64, picture.width() as f64);
        let factor = 1.0 + most.factor * share;
        let translate = |len: f64| {
            // Whole pixels, towards nothing.
            (share * most.translate.unwrap_or(150.0 / 331.0 * len)).trunc()
        };
        // A shear is about the upper left corner, as torchvision has it.
        let matrix = match self {
            ShearX => Matrix::shear(share * most.shear, 0.0),
            ShearY => Matrix::shear(0.0, share * most.shear),
            TranslateX => Matrix::translation(translate(width), 0.0),
            TranslateY => Matrix::translation(0.0, translate(height)),
            Identity => return Ok(()),
            Rotate => {
                // Positive angles turn to the left there.
                turn(picture, -share * most.degrees, false, fill);
                return Ok(());
            }
            Brightness => return picture.brighten(factor),
            Colour => return picture.saturate(factor),
            Contrast => return picture.contrast(factor),
            Sharpness => return picture.sharpen(factor),
            Posterize => {
                return picture.posterize(8 - (share * most.bits).round_ties_even() as u32);
            }
            Solarize => return picture.solarize(1.0 - share),
            AutoContrast => return picture.auto_contrast(),
            Equalize => return picture.equalize(),
            Invert => return picture.invert(),
        };
        Geometry::within(picture, matrix, fill).apply(picture);
        Ok(())
    }

    /// [`Change::apply`], to either side at random where there are two.
    fn apply_signed(
        self,
        picture: &mut Picture,
        share: f64,
        most: &Most,
        fill: f64,
        rng: &mut Rng,
    ) -> Result<()> {
        let turned = self.has_sign() && chance(0.5, rng);
        self.apply(picture, if turned { -share } else { share }, most, fill)
    }
}

/// A change, how often it is made, and its magnitude from 0 to 9.
type Part = (Change, f64, u32);

/// Table 9 of the paper: what was found on ImageNet.
const IMAGENET: [[Part; 2]; 25] = [
    [(Posterize, 0.4, 8), (Rotate, 0.6, 9)],
    [(Solarize, 0.6, 5), (AutoContrast, 0.6, 0)],
    [(Equalize, 0.8, 0), (Equalize, 0.6, 0)],
    [(Posterize, 0.6, 7), (Posterize, 0.6, 6)],
    [(Equalize, 0.4, 0), (Solarize, 0.2, 4)],
    [(Equalize, 0.4, 0), (Rotate, 0.8, 8)],
    [(Solarize, 0.6, 3), (Equalize, 0.6, 0)],
    [(Posterize, 0.8, 5), (Equalize, 1.0, 0)],
    [(Rotate, 0.2, 3), (Solarize, 0.6, 8)],
    [(Equalize, 0.6, 0), (Posterize, 0.4, 6)],
    [(Rotate, 0.8, 8), (Colour, 0.4, 0)],
    [(Rotate, 0.4, 9), (Equalize, 0.6, 0)],
    [(Equalize, 0.0, 0), (Equalize, 0.8, 0)],
    [(Invert, 0.6, 0), (Equalize, 1.0, 0)],
    [(Colour, 0.6, 4), (Contrast, 1.0, 8)],
    [(Rotate, 0.8, 8), (Colour, 1.0, 2)],
    [(Colour, 0.8, 8), (Solarize, 0.8, 7)],
    [(Sharpness, 0.4, 7), (Invert, 0.6, 0)],
    [(ShearX, 0.6, 5), (Equalize, 1.0, 0)],
    [(Colour, 0.4, 0), (Equalize, 0.6, 0)],
    [(Equalize, 0.4, 0), (Solarize, 0.2, 4)],
    [(Solarize, 0.6, 5), (AutoContrast, 0.6, 0)],
    [(Invert, 0.6, 0), (Equalize, 1.0, 0)],
    [(Colour, 0.6, 4), (Contrast, 1.0, 8)],
    [(Equalize, 0.8, 0), (Equalize, 0.6, 0)],
];

/// Table 7 of the paper: what was found on CIFAR-10.
const CIFAR10: [[Part; 2]; 25] = [
    [(Invert, 0.1, 0), (Contrast, 0.2, 6)],
    [(Rotate, 0.7, 2), (TranslateX, 0.3, 9)],
    [(Sharpness, 0.8, 1), (Sharpness, 0.9, 3)],
    [(ShearY, 0.5, 8), (TranslateY, 0.7, 9)],
    [(AutoContrast, 0.5, 0), (Equalize, 0.9, 0)],
    [(ShearY, 0.2, 7), (Posterize, 0.3, 7)],
    [(Colour, 0.4, 3), (Brightness, 0.6, 7)],
    [(Sharpness, 0.3, 9), (Brightness, 0.7, 9)],
    [(Equalize, 0.6, 0), (Equalize, 0.5, 0)],
    [(Contrast, 0.6, 7), (Sharpness, 0.6, 5)],
    [(Colour, 0.7, 7), (TranslateX, 0.5, 8)],
    [(Equalize, 0.3, 0), (AutoContrast, 0.4, 0)],
    [(TranslateY, 0.4, 3), (Sharpness, 0.2, 6)],
    [(Brightness, 0.9, 6), (Colour, 0.2, 8)],
    [(Solarize, 0.5, 2), (Invert, 0.0, 0)],
    [(Equalize, 0.2, 0), (AutoContrast, 0.6, 0)],
    [(Equalize, 0.2, 0), (Equalize, 0.6, 0)],
    [(Colour, 0.9, 9), (Equalize, 0.6, 0)],
    [(AutoContrast, 0.8, 0), (Solarize, 0.2, 8)],
    [(Brightness, 0.1, 3), (Colour, 0.7, 0)],
    [(Solarize, 0.4, 5), (AutoContrast, 0.9, 0)],
    [(TranslateY, 0.9, 9), (TranslateY, 0.7, 9)],
    [(AutoContrast, 0.9, 0), (Solarize, 0.8, 3)],
    [(Equalize, 0.8, 0), (Invert, 0.1, 0)],
    [(TranslateY, 0.7, 9), (AutoContrast, 0.9, 0)],
];

/// The settings of [`AutoAugment`].
#[derive(Clone, Debug, PartialEq)]
pub struct AutoAugmentOptions {
    /// The data set on which the policy was found: `cifar10` or `imagenet`.
    pub policy: String,
    /// What comes in over the edges: 0 is black and 1 is white.
    pub fill: f64,
}

impl Default for AutoAugmentOptions {
    fn default() -> Self {
        Self { policy: "imagenet".into(), fill: 0.0 }
    }
}

/// Two changes one after the other, one of 25 such pairs that a search found. PyTorch:
/// `torchvision.transforms.AutoAugment`.
///
/// # Source
/// Cubuk et al. 2018, "AutoAugment: Learning Augmentation Policies from Data", tables 6, 7 and 9.
#[derive(Clone, Debug, PartialEq)]
pub struct AutoAugment {
    policy: &'static [[Part; 2]; 25],
    fill: f64,
}

impl AutoAugment {
    /// A policy with settings.
    ///
    /// # Errors
    /// If there is no such policy.
    pub fn new(options: AutoAugmentOptions) -> Result<Self> {
        let name = "auto_augment";
        setting::between(name, "fill", options.fill, [f64::MIN, f64::MAX])?;
        let policy = match options.policy.as_str() {
            "cifar10" => &CIFAR10,
            "imagenet" => &IMAGENET,
            other => {
                let message = format_args!("there is no policy {other:?}: cifar10 or imagenet");
                return Err(setting::wrong(name, message));
            }
        };
        Ok(Self { policy, fill: options.fill })
    }
}

impl PictureTransform for AutoAugment {
    fn change(&self, picture: &mut Picture, rng: &mut Rng) -> Result<()> {
        let pair = &self.policy[rng.below(25) as usize];
        for &(change, probability, magnitude) in pair {
            if chance(probability, rng) {
                let share = f64::from(magnitude) / 9.0;
                change.apply_signed(picture, share, &USUAL, self.fill, rng)?;
            }
        }
        Ok(())
    }
}

/// What RandAugment and TrivialAugment pick from.
const ALL: [Change; 14] = [
    Identity,
    ShearX,
    ShearY,
    TranslateX,
    TranslateY,
    Rotate,
    Brightness,
    Colour,
    Contrast,
    Sharpness,
    Posterize,
    Solarize,
    AutoContrast,
    Equalize,
];

/// The highest magnitude of [`RandAugmentOptions`].
const HIGHEST: f64 = 30.0;

/// The settings of [`RandAugment`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RandAugmentOptions {
    /// How many changes are made one after another.
    pub changes: usize,
    /// How far they go, from 0 to 30.
    pub magnitude: f64,
    /// What comes in over the edges: 0 is black and 1 is white.
    pub fill: f64,
}

impl Default for RandAugmentOptions {
    fn default() -> Self {
        Self { changes: 2, magnitude: 9.0, fill: 0.0 }
    }
}

/// Some changes of 14, all as far. PyTorch: `torchvision.transforms.RandAugment`.
///
/// # Source
/// Cubuk et al. 2019, "RandAugment: Practical Automated Data Augmentation with a Reduced Search
/// Space", figure 2.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RandAugment(RandAugmentOptions);

impl RandAugment {
    /// A policy with settings.
    ///
    /// # Errors
    /// If a number cannot be.
    pub fn new(options: RandAugmentOptions) -> Result<Self> {
        let name = "rand_augment";
        setting::between(name, "changes", options.changes as f64, [0.0, 100.0])?;
        setting::between(name, "magnitude", options.magnitude, [0.0, HIGHEST])?;
        setting::between(name, "fill", options.fill, [f64::MIN, f64::MAX])?;
        Ok(Self(options))
    }
}

impl PictureTransform for RandAugment {
    fn change(&self, picture: &mut Picture, rng: &mut Rng) -> Result<()> {
        for _ in 0..self.0.changes {
            let change = ALL[rng.below(ALL.len() as u64) as usize];
            let share = self.0.magnitude / HIGHEST;
            change.apply_signed(picture, share, &USUAL, self.0.fill, rng)?;
        }
        Ok(())
    }
}

/// The settings of [`TrivialAugment`].
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct TrivialAugmentOptions {
    /// What comes in over the edges: 0 is black and 1 is white.
    pub fill: f64,
}

/// One change of 14, as far as chance has it. PyTorch: `torchvision.transforms.TrivialAugmentWide`.
///
/// # Source
/// Müller and Hutter 2021, "TrivialAugment: Tuning-free Yet State-of-the-Art Data Augmentation",
/// table 5, wide.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TrivialAugment(TrivialAugmentOptions);

impl TrivialAugment {
    /// A policy with settings.
    ///
    /// # Errors
    /// If a number cannot be.
    pub fn new(options: TrivialAugmentOptions) -> Result<Self> {
        setting::between("trivial_augment", "fill", options.fill, [f64::MIN, f64::MAX])?;
        Ok(Self(options))
    }
}

impl PictureTransform for TrivialAugment {
    fn change(&self, picture: &mut Picture, rng: &mut Rng) -> Result<()> {
        let change = ALL[rng.below(ALL.len() as u64) as usize];
        let share = rng.below(31) as f64 / 30.0;
        change.apply_signed(picture, share, &WIDE, self.0.fill, rng)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gradus_tensor::Tensor;

    fn picture() -> Picture {
        let numbers = (0..3 * 33 * 33).map(|i: usize| (i * 53 % 256) as u8).collect();
        Picture::from_tensor(&Tensor::from_vec(numbers, [3, 33, 33])).unwrap()
    }

    #[test]
    fn magnitudes_are_those_of_the_tables() {
        let applied = |change: Change, share: f64, most: &Most| {
            let mut changed = picture();
            change.apply(&mut changed, share, most, 0.0).unwrap();
            changed
        };
        let wanted = |change: &dyn Fn(&mut Picture)| {
            let mut changed = picture();
            change(&mut changed);
            changed
        };
        let moved = |matrix: Matrix| {
            wanted(&|picture| Geometry::within(picture, matrix, 0.0).apply(picture))
        };
        assert_eq!(applied(ShearX, 1.0, &USUAL), moved(Matrix::shear(0.3, 0.0)));
        assert_eq!(applied(ShearY, -1.0, &WIDE), moved(Matrix::shear(0.0, -0.99)));
        // 150 of 331 of 33 pixels are 14.95.
        assert_eq!(applied(TranslateX, 1.0, &USUAL), moved(Matrix::translation(14.0, 0.0)));
        assert_eq!(applied(TranslateY, -0.5, &WIDE), moved(Matrix::translation(0.0, -16.0)));
        let turn = Matrix::rotation(-15.0).about(16.5, 16.5);
        assert_eq!(applied(Rotate, 0.5, &USUAL), moved(turn));
        type Factor = fn(&mut Picture, f64) -> Result<()>;
        let factors: [(Change, Factor); 4] = [
            (Brightness, Picture::brighten),
            (Colour, Picture::saturate),
            (Contrast, Picture::contrast),
            (Sharpness, Picture::sharpen),
        ];
        for (change, function) in factors {
            let stronger = wanted(&|picture| function(picture, 1.9).unwrap());
            assert_eq!(applied(change, 1.0, &USUAL), stronger, "{change:?}");
            let weaker = wanted(&|picture| function(picture, 1.0 - 0.99 / 2.0).unwrap());
            assert_eq!(applied(change, -0.5, &WIDE), weaker, "{change:?}");
        }
        let bits = |bits| wanted(&|picture| picture.posterize(bits).unwrap());
        assert_eq!(applied(Posterize, 1.0, &USUAL), bits(4));
        assert_eq!(applied(Posterize, 1.0, &WIDE), bits(2));
        assert_eq!(applied(Posterize, 0.0, &USUAL), picture());
        let half = wanted(&|picture| picture.solarize(0.5).unwrap());
        assert_eq!(applied(Solarize, 0.5, &USUAL), half);
        assert_eq!(applied(Invert, 0.0, &USUAL), wanted(&|picture| picture.invert().unwrap()));
    }

    #[test]
    fn without_magnitude_nothing_moves() {
        let still = ALL.iter().filter(|change| !matches!(change, Equalize));
        for change in still {
            let mut same = picture();
            change.apply(&mut same, 0.0, &WIDE, 0.0).unwrap();
            // Solarizing from white on turns white itself.
            if *change != Solarize {
                assert_eq!(same, picture(), "{change:?}");
            }
        }
    }

    #[test]
    fn a_policy_makes_its_changes_as_often_as_it_says() {
        let share = |policy: &dyn PictureTransform| {
            let mut rng = Rng::new(8);
            let changed = (0..600).filter(|_| {
                let mut changed = picture();
                policy.change(&mut changed, &mut rng).unwrap();
                changed != picture()
            });
            changed.count() as f64 / 600.0
        };
        // Of 14 changes, Identity does nothing, AutoContrast has nothing to do here.
        let trivial = share(&TrivialAugment::new(Default::default()).unwrap());
        assert!((trivial - (1.0 - 2.0 / 14.0 - 0.03)).abs() < 0.06, "{trivial}");
        let random = share(&RandAugment::new(Default::default()).unwrap());
        assert!((random - (1.0 - 4.0 / 196.0)).abs() < 0.03, "{random}");
        let auto = AutoAugmentOptions { policy: "cifar10".into(), fill: 0.0 };
        let auto = share(&AutoAugment::new(auto).unwrap());
        assert!((0.6..0.95).contains(&auto), "{auto}");
    }
}
