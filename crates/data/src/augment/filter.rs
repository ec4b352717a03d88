//! Blur and noise of pictures.

use super::picture::{Picture, Pixels};
use super::resample::Level;
use super::{PictureTransform, chance, setting, within};
use gradus_tensor::{OpError, Result, Rng, Tensor};

/// The settings of [`GaussianBlur`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BlurOptions {
    /// How many pixels wide the mean is: an odd number.
    pub kernel: usize,
    /// From which to which standard deviation, in pixels.
    pub sigma: [f64; 2],
    /// How often a picture is blurred.
    pub probability: f64,
}

impl Default for BlurOptions {
    fn default() -> Self {
        Self { kernel: 5, sigma: [0.1, 2.0], probability: 1.0 }
    }
}

/// Blurs a picture: each pixel becomes a mean of its neighbours with the weights of a normal
/// distribution, edges being mirrored. PyTorch: `torchvision.transforms.GaussianBlur`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GaussianBlur(BlurOptions);

impl GaussianBlur {
    /// A blur with settings.
    ///
    /// # Errors
    /// If a number cannot be.
    pub fn new(options: BlurOptions) -> Result<Self> {
        let name = "gaussian_blur";
        if options.kernel.is_multiple_of(2) || options.kernel > 1023 {
            let message =
                format_args!("kernel is {}: give an odd number from 1 to 1023", options.kernel);
            return Err(setting::wrong(name, message));
        }
        setting::range(name, "sigma", options.sigma, [1e-3, 1e3])?;
        setting::probability(name, "probability", options.probability)?;
        Ok(Self(options))
    }
}

impl PictureTransform for GaussianBlur {
    fn change(&self, picture: &mut Picture, rng: &mut Rng) -> Result<()> {
        if chance(self.0.probability, rng) {
            return picture.blur(self.0.kernel, within(self.0.sigma, rng));
        }
        Ok(())
    }
}

impl Picture {
    /// Blurs by an odd number of pixels and a standard deviation; see [`GaussianBlur`].
    ///
    /// # Errors
    /// If the picture is too small for the mirrored edges: a side is not above half the kernel.
    pub fn blur(&mut self, kernel: usize, sigma: f64) -> Result<()> {
        let half = kernel / 2;
        if self.height().min(self.width()) <= half {
            let message = format_args!(
                "a kernel of {kernel} pixels is too wide for a picture of {} by {}: give one below \
                 twice the shorter side",
                self.width(),
                self.height()
            );
            return Err(OpError::of("gaussian_blur", message).into());
        }
        let density = |x: usize| (-0.5 * ((x as f64 - half as f64) / sigma).powi(2)).exp();
        let total: f64 = (0..kernel).map(density).sum();
        let weights: Vec<f32> = (0..kernel).map(|x| (density(x) / total) as f32).collect();
        match &mut self.pixels {
            Pixels::U8(planes) => {
                let (area, width) = (planes.area(), planes.width);
                let planes = planes.numbers.chunks_exact_mut(area);
                planes.for_each(|plane| blur(plane, width, &weights));
            }
            Pixels::F32(planes) => {
                let (area, width) = (planes.area(), planes.width);
                let planes = planes.numbers.chunks_exact_mut(area);
                planes.for_each(|plane| blur(plane, width, &weights));
            }
        }
        Ok(())
    }
}

fn blur<T: Level>(plane: &mut [T], width: usize, weights: &[f32]) {
    let height = plane.len() / width;
    let half = weights.len() / 2;
    // Pixels beyond an edge are those as far on this side; the edge's own comes once.
    let mirrored = |place: usize, len: usize| {
        let place = place.abs_diff(half);
        if place < len { place } else { 2 * (len - 1) - place }
    };
    let mut rows = vec![0.0f32; plane.len()];
    let mut wide = vec![0.0f32; width + 2 * half];
    for (old, new) in plane.chunks_exact(width).zip(rows.chunks_exact_mut(width)) {
        for (place, x) in wide.iter_mut().enumerate() {
            *x = old[mirrored(place, width)].to_f32();
        }
        for (index, new) in new.iter_mut().enumerate() {
            *new = wide[index..].iter().zip(weights).map(|(x, weight)| x * weight).sum();
        }
    }
    let mut sums = vec![0.0f32; width];
    for y in 0..height {
        sums.fill(0.0);
        for (tap, weight) in weights.iter().enumerate() {
            let row = &rows[mirrored(y + tap, height) * width..][..width];
            sums.iter_mut().zip(row).for_each(|(sum, x)| *sum += x * weight);
        }
        let new = plane[y * width..].iter_mut().zip(&sums);
        new.for_each(|(new, &sum)| *new = T::from_f32(sum));
    }
}

/// The settings of [`GaussianNoise`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NoiseOptions {
    /// The standard deviation, white being 1.
    pub deviation: f64,
    /// How often noise is added.
    pub probability: f64,
}

impl Default for NoiseOptions {
    fn default() -> Self {
        Self { deviation: 0.05, probability: 1.0 }
    }
}

/// Adds normal noise to each number of a picture, which stays between black and white. PyTorch:
/// `torchvision.transforms.v2.GaussianNoise`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GaussianNoise(NoiseOptions);

impl GaussianNoise {
    /// Noise with settings.
    ///
    /// # Errors
    /// If a number cannot be.
    pub fn new(options: NoiseOptions) -> Result<Self> {
        let name = "gaussian_noise";
        setting::between(name, "deviation", options.deviation, [0.0, 100.0])?;
        setting::probability(name, "probability", options.probability)?;
        Ok(Self(options))
    }
}

impl PictureTransform for GaussianNoise {
    fn change(&self, picture: &mut Picture, rng: &mut Rng) -> Result<()> {
        picture.check_range("gaussian_noise")?;
        if !chance(self.0.probability, rng) {
            return Ok(());
        }
        let count = picture.channels() * picture.height() * picture.width();
        let noise = Tensor::randn([count], rng).try_to_vec::<f32>()?;
        let deviation = self.0.deviation as f32;
        match &mut picture.pixels {
            Pixels::U8(planes) => {
                let noisy = planes.numbers.iter_mut().zip(noise);
                noisy.for_each(|(x, z)| *x = u8::from_f32(f32::from(*x) + deviation * 255.0 * z));
            }
            Pixels::F32(planes) => {
                let noisy = planes.numbers.iter_mut().zip(noise);
                noisy.for_each(|(x, z)| *x = (*x + deviation * z).clamp(0.0, 1.0));
            }
        }
        Ok(())
    }
}
