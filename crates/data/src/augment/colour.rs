//! Changes of colour. They take pictures of one colour or of red, green and blue, of `u8` or of
//! `f32` from 0 to 1.

use super::picture::{Picture, Pixels};
use super::resample::Level;
use super::{PictureTransform, chance, setting, within};
use gradus_tensor::{Error, OpError, Result, Rng};

/// How much red, green and blue make grey: ITU-R recommendation 601, as torchvision rounds it.
const GREY: [f32; 3] = [0.2989, 0.587, 0.114];

impl Picture {
    /// Blends each number with a fixed one: `factor · x + (1 - factor) · other`.
    fn blend(&mut self, factor: f64, other: f32) {
        let factor = factor as f32;
        self.map(|x| factor * x + (1.0 - factor) * other);
    }

    /// Multiplies all numbers: 0 is black and 1 the same. PyTorch:
    /// `torchvision.transforms.functional.adjust_brightness`.
    ///
    /// # Errors
    /// If numbers are not from 0 to 1, as for all changes of colour.
    pub fn brighten(&mut self, factor: f64) -> Result<()> {
        self.check_colours("brightness")?;
        self.blend(factor, 0.0);
        Ok(())
    }

    /// Moves all numbers from the mean brightness: 0 is grey and 1 the same. PyTorch:
    /// `torchvision.transforms.functional.adjust_contrast`.
    ///
    /// # Errors
    /// If numbers are not from 0 to 1.
    pub fn contrast(&mut self, factor: f64) -> Result<()> {
        self.check_colours("contrast")?;
        let mut sum = 0.0;
        self.visit(|rgb| sum += f64::from(grey_of(rgb)));
        let mean = sum / (self.height() * self.width()) as f64;
        self.blend(factor, mean as f32);
        Ok(())
    }

    /// Moves all colours from grey: 0 is grey and 1 the same. PyTorch:
    /// `torchvision.transforms.functional.adjust_saturation`.
    ///
    /// # Errors
    /// If numbers are not from 0 to 1.
    pub fn saturate(&mut self, factor: f64) -> Result<()> {
        self.check_colours("saturation")?;
        let factor = factor as f32;
        self.map_rgb(|rgb| {
            let grey = grey_of(rgb);
            rgb.map(|x| factor * x + (1.0 - factor) * grey)
        });
        Ok(())
    }

    /// Turns all colours round the circle of hues by a share of it. PyTorch:
    /// `torchvision.transforms.functional.adjust_hue`.
    ///
    /// # Errors
    /// If numbers are not from 0 to 1.
    pub fn turn_hue(&mut self, share: f64) -> Result<()> {
        self.check_colours("hue")?;
        self.map_rgb(|rgb| {
            let [hue, saturation, value] = to_hsv(rgb);
            to_rgb([(hue + share as f32).rem_euclid(1.0), saturation, value])
        });
        Ok(())
    }

    /// Takes the colours away, but keeps the number of planes.
    ///
    /// # Errors
    /// If numbers are not from 0 to 1.
    pub fn make_grey(&mut self) -> Result<()> {
        self.check_colours("grayscale")?;
        self.map_rgb(|rgb| [grey_of(rgb); 3]);
        Ok(())
    }

    /// Exchanges dark and light.
    ///
    /// # Errors
    /// If numbers are not from 0 to 1.
    pub fn invert(&mut self) -> Result<()> {
        self.check_colours("invert")?;
        self.map(|x| 1.0 - x);
        Ok(())
    }

    /// Exchanges dark and light where it is light: from a threshold on.
    ///
    /// # Errors
    /// If numbers are not from 0 to 1.
    pub fn solarize(&mut self, threshold: f64) -> Result<()> {
        self.check_colours("solarize")?;
        self.map(|x| if x >= threshold as f32 { 1.0 - x } else { x });
        Ok(())
    }

    /// Keeps the first bits, of eight, of each number.
    ///
    /// # Errors
    /// If numbers are not from 0 to 1.
    pub fn posterize(&mut self, bits: u32) -> Result<()> {
        self.check_colours("posterize")?;
        let kept = !0u8 << 8u32.saturating_sub(bits).min(7);
        self.map(|x| f32::from(u8::from_f32(x * 255.0) & kept) / 255.0);
        Ok(())
    }

    /// Stretches each colour so that its least number is 0 and its largest 1.
    ///
    /// # Errors
    /// If numbers are not from 0 to 1.
    pub fn auto_contrast(&mut self) -> Result<()> {
        self.check_colours("auto_contrast")?;
        match &mut self.pixels {
            Pixels::U8(planes) => {
                let area = planes.area();
                planes.numbers.chunks_exact_mut(area).for_each(|plane| stretch(plane, 255.0));
            }
            Pixels::F32(planes) => {
                let area = planes.area();
                planes.numbers.chunks_exact_mut(area).for_each(|plane| stretch(plane, 1.0));
            }
        }
        Ok(())
    }

    /// Changes each colour so that all of 256 steps of brightness are about as frequent.
    ///
    /// # Errors
    /// If numbers are not from 0 to 1.
    pub fn equalize(&mut self) -> Result<()> {
        self.check_colours("equalize")?;
        match &mut self.pixels {
            Pixels::U8(planes) => {
                let area = planes.area();
                for plane in planes.numbers.chunks_exact_mut(area) {
                    let table = even(plane.iter().copied());
                    plane.iter_mut().for_each(|x| *x = table[*x as usize]);
                }
            }
            Pixels::F32(planes) => {
                let area = planes.area();
                for plane in planes.numbers.chunks_exact_mut(area) {
                    let step = |x: f32| u8::from_f32(x * 255.0);
                    let table = even(plane.iter().map(|&x| step(x)));
                    plane.iter_mut().for_each(|x| *x = f32::from(table[step(*x) as usize]) / 255.0);
                }
            }
        }
        Ok(())
    }

    /// Makes edges stronger (from 1 on) or weaker (to 0). PyTorch:
    /// `torchvision.transforms.functional.adjust_sharpness`.
    ///
    /// # Errors
    /// If numbers are not from 0 to 1.
    pub fn sharpen(&mut self, factor: f64) -> Result<()> {
        self.check_colours("sharpness")?;
        match &mut self.pixels {
            Pixels::U8(planes) => {
                let (area, width) = (planes.area(), planes.width);
                let planes = planes.numbers.chunks_exact_mut(area);
                planes.for_each(|plane| sharpen(plane, width, factor as f32, 255.0));
            }
            Pixels::F32(planes) => {
                let (area, width) = (planes.area(), planes.width);
                let planes = planes.numbers.chunks_exact_mut(area);
                planes.for_each(|plane| sharpen(plane, width, factor as f32, 1.0));
            }
        }
        Ok(())
    }

    /// Refuses what has no colours: another number of planes, or numbers that were normalised.
    pub(super) fn check_colours(&self, name: &'static str) -> Result<()> {
        let channels = self.channels();
        if channels != 1 && channels != 3 {
            let message = format_args!(
                "changes of colour are for pictures of 1 or 3 channels, and this one has {channels}"
            );
            return Err(OpError::of(name, message).into());
        }
        self.check_range(name)
    }

    /// Refuses floats beyond black and white.
    pub(super) fn check_range(&self, name: &'static str) -> Result<()> {
        let Pixels::F32(planes) = &self.pixels else { return Ok(()) };
        match planes.numbers.iter().find(|x| !(-1e-4..=1.0001).contains(*x)) {
            None => Ok(()),
            Some(x) => {
                let message = format_args!(
                    "pixels of f32 are from 0 to 1, and here is {x}: put this change before \
                     normalising"
                );
                Err(Error::from(OpError::of(name, message)))
            }
        }
    }

    /// Changes each number, 0 being black and 1 white.
    fn map(&mut self, change: impl Fn(f32) -> f32) {
        match &mut self.pixels {
            Pixels::U8(planes) => {
                let table: [u8; 256] = std::array::from_fn(|x| {
                    u8::from_f32(change(x as f32 / 255.0).clamp(0.0, 1.0) * 255.0)
                });
                planes.numbers.iter_mut().for_each(|x| *x = table[*x as usize]);
            }
            Pixels::F32(planes) => {
                planes.numbers.iter_mut().for_each(|x| *x = change(*x).clamp(0.0, 1.0));
            }
        }
    }

    /// Changes each pixel of red, green and blue; grey pictures stay as they are.
    fn map_rgb(&mut self, change: impl Fn([f32; 3]) -> [f32; 3]) {
        fn each<T: Level>(numbers: &mut [T], white: f32, change: impl Fn([f32; 3]) -> [f32; 3]) {
            let (red, rest) = numbers.split_at_mut(numbers.len() / 3);
            let (green, blue) = rest.split_at_mut(red.len());
            for ((r, g), b) in red.iter_mut().zip(green).zip(blue) {
                let new = change([*r, *g, *b].map(|x| x.to_f32() / white));
                [*r, *g, *b] = new.map(|x| T::from_f32(x.clamp(0.0, 1.0) * white));
            }
        }
        if self.channels() != 3 {
            return;
        }
        match &mut self.pixels {
            Pixels::U8(planes) => each(&mut planes.numbers, 255.0, change),
            Pixels::F32(planes) => each(&mut planes.numbers, 1.0, change),
        }
    }

    /// Shows each pixel, grey ones three times the same.
    fn visit(&self, mut show: impl FnMut([f32; 3])) {
        let mut each = |number: &dyn Fn(usize) -> f32, area: usize| {
            let (green, blue) = if self.channels() == 3 { (area, 2 * area) } else { (0, 0) };
            (0..area).for_each(|i| show([number(i), number(i + green), number(i + blue)]));
        };
        match &self.pixels {
            Pixels::U8(planes) => {
                each(&|i| f32::from(planes.numbers[i]) / 255.0, planes.area());
            }
            Pixels::F32(planes) => each(&|i| planes.numbers[i], planes.area()),
        }
    }
}

/// The brightness of a pixel. The weights sum up to 0.9999, so a grey pixel is taken as it is.
fn grey_of(rgb: [f32; 3]) -> f32 {
    if rgb[0] == rgb[1] && rgb[1] == rgb[2] {
        return rgb[0];
    }
    rgb.iter().zip(GREY).map(|(x, weight)| x * weight).sum()
}

/// Hue from 0 to 1, saturation and value. Source: Smith 1978, "Color gamut transform pairs".
fn to_hsv([r, g, b]: [f32; 3]) -> [f32; 3] {
    let most = r.max(g).max(b);
    let range = most - r.min(g).min(b);
    if range == 0.0 {
        return [0.0, 0.0, most];
    }
    let hue = match most {
        _ if most == r => (g - b) / range,
        _ if most == g => 2.0 + (b - r) / range,
        _ => 4.0 + (r - g) / range,
    };
    [(hue / 6.0).rem_euclid(1.0), range / most, most]
}

fn to_rgb([hue, saturation, value]: [f32; 3]) -> [f32; 3] {
    let sector = (hue * 6.0).floor();
    let along = hue * 6.0 - sector;
    let low = value * (1.0 - saturation);
    let falling = value * (1.0 - saturation * along);
    let rising = value * (1.0 - saturation * (1.0 - along));
    match sector as i32 % 6 {
        0 => [value, rising, low],
        1 => [falling, value, low],
        2 => [low, value, rising],
        3 => [low, falling, value],
        4 => [rising, low, value],
        _ => [value, low, falling],
    }
}

fn stretch<T: Level>(plane: &mut [T], white: f32) {
    let numbers = plane.iter().map(|x| x.to_f32());
    let (least, most) = numbers.fold((f32::INFINITY, 0.0f32), |(a, b), x| (a.min(x), b.max(x)));
    if most > least {
        let scale = white / (most - least);
        plane.iter_mut().for_each(|x| *x = T::from_f32((x.to_f32() - least) * scale));
    }
}

/// What each of 256 levels becomes, so that all are about as frequent: the rule of PIL's
/// `ImageOps.equalize`, which papers on policies used.
fn even(levels: impl Iterator<Item = u8>) -> [u8; 256] {
    let mut counts = [0usize; 256];
    levels.for_each(|level| counts[level as usize] += 1);
    let last = counts.iter().rev().find(|&&count| count > 0).copied().unwrap_or(0);
    let step = (counts.iter().sum::<usize>() - last) / 255;
    let mut below = step / 2;
    let mut level = 0;
    counts.map(|count| {
        // With hardly any pixels but of the last level, there is nothing to spread.
        let new = below.checked_div(step).map_or(level, |new| new.min(255));
        (below, level) = (below + count, level + 1);
        new as u8
    })
}

/// Blends the inner pixels of a plane with the mean of their neighbourhood, in which they count five
/// times.
fn sharpen<T: Level>(plane: &mut [T], width: usize, factor: f32, white: f32) {
    let old: Vec<f32> = plane.iter().map(|x| x.to_f32()).collect();
    let height = old.len() / width;
    for y in 1..height.saturating_sub(1) {
        for x in 1..width.saturating_sub(1) {
            let place = y * width + x;
            let row = |start: usize| old[start - 1] + old[start] + old[start + 1];
            let sum = row(place - width) + row(place) + row(place + width) + 4.0 * old[place];
            let new = factor * old[place] + (1.0 - factor) * sum / 13.0;
            plane[place] = T::from_f32(new.clamp(0.0, white));
        }
    }
}

/// The settings of [`ColourJitter`]: how far each change goes at most.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ColourJitterOptions {
    /// Brightness is multiplied by a number from 1 - `brightness` to 1 + `brightness`.
    pub brightness: f64,
    /// The same of contrast.
    pub contrast: f64,
    /// The same of saturation.
    pub saturation: f64,
    /// The share of the circle of hues by which colours turn to either side, up to 0.5.
    pub hue: f64,
}

impl Default for ColourJitterOptions {
    fn default() -> Self {
        Self { brightness: 0.2, contrast: 0.2, saturation: 0.2, hue: 0.0 }
    }
}

/// Changes brightness, contrast, saturation and hue, in random order. PyTorch:
/// `torchvision.transforms.ColorJitter`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ColourJitter(ColourJitterOptions);

impl ColourJitter {
    /// A change with settings.
    ///
    /// # Errors
    /// If a number cannot be.
    pub fn new(options: ColourJitterOptions) -> Result<Self> {
        let check = |name, value, most| setting::between("colour_jitter", name, value, [0.0, most]);
        check("brightness", options.brightness, 100.0)?;
        check("contrast", options.contrast, 100.0)?;
        check("saturation", options.saturation, 100.0)?;
        check("hue", options.hue, 0.5)?;
        Ok(Self(options))
    }
}

impl PictureTransform for ColourJitter {
    fn change(&self, picture: &mut Picture, rng: &mut Rng) -> Result<()> {
        let factor = |most: f64, rng: &mut Rng| within([(1.0 - most).max(0.0), 1.0 + most], rng);
        for change in rng.permutation(4) {
            match change {
                0 if self.0.brightness > 0.0 => picture.brighten(factor(self.0.brightness, rng))?,
                1 if self.0.contrast > 0.0 => picture.contrast(factor(self.0.contrast, rng))?,
                2 if self.0.saturation > 0.0 => picture.saturate(factor(self.0.saturation, rng))?,
                3 if self.0.hue > 0.0 => {
                    picture.turn_hue(within([-self.0.hue, self.0.hue], rng))?;
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// The settings of [`Grayscale`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GrayscaleOptions {
    /// How often the colours are taken away.
    pub probability: f64,
}

impl Default for GrayscaleOptions {
    fn default() -> Self {
        Self { probability: 0.1 }
    }
}

/// Takes the colours away, but keeps the number of planes. PyTorch:
/// `torchvision.transforms.RandomGrayscale`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Grayscale(GrayscaleOptions);

impl Grayscale {
    /// A change with settings.
    ///
    /// # Errors
    /// If the probability is none.
    pub fn new(options: GrayscaleOptions) -> Result<Self> {
        setting::probability("grayscale", "probability", options.probability)?;
        Ok(Self(options))
    }
}

impl PictureTransform for Grayscale {
    fn change(&self, picture: &mut Picture, rng: &mut Rng) -> Result<()> {
        if chance(self.0.probability, rng) { picture.make_grey() } else { Ok(()) }
    }
}
