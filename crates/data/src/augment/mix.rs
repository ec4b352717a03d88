//! Mixing the samples of a batch with each other.

use super::{BatchTransform, chance, setting};
use crate::Batch;
use gradus_tensor::{DType, OpError, Result, Rng, Tensor};

/// The settings of [`MixUp`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MixUpOptions {
    /// Of the distribution Beta(α, α) of the shares: near 0, one of two samples has nearly all; at 1,
    /// all shares are equally likely.
    pub alpha: f64,
    /// The number of classes of targets that are class numbers; none for targets that are numbers
    /// themselves, which are mixed as they are.
    pub classes: Option<usize>,
    /// How often a batch is mixed.
    pub probability: f64,
}

impl Default for MixUpOptions {
    fn default() -> Self {
        Self { alpha: 0.2, classes: None, probability: 1.0 }
    }
}

/// Mixes each sample of a batch with another one: x = λ x₁ + (1 - λ) x₂, and the same of the targets.
/// PyTorch: `torchvision.transforms.v2.MixUp`.
///
/// Targets that are classes become shares of classes, `[B, C]`, which `cross_entropy` takes.
///
/// # Source
/// Zhang et al. 2017, "mixup: Beyond Empirical Risk Minimization", equation 1; as in its figure 1,
/// λ is one of a batch, and partners are the batch in another order.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MixUp(MixUpOptions);

impl MixUp {
    /// A mixture with settings.
    ///
    /// # Errors
    /// If a number cannot be.
    pub fn new(options: MixUpOptions) -> Result<Self> {
        check("mix_up", options)?;
        Ok(Self(options))
    }
}

impl BatchTransform for MixUp {
    fn apply(&self, batch: Batch, rng: &mut Rng) -> Result<Batch> {
        let target = targets("mix_up", batch.target(), self.0.classes)?;
        if !batch.input().dtype().is_float() {
            let message = format_args!(
                "inputs of {} cannot be mixed: normalise them to floats before",
                batch.input().dtype()
            );
            return Err(OpError::of("mix_up", message).into());
        }
        if !chance(self.0.probability, rng) {
            return Ok(Batch::new(batch.input().clone(), target));
        }
        let share = beta(self.0.alpha, rng);
        let others = others(batch.len(), rng);
        Ok(Batch::new(mixed(batch.input(), &others, share), mixed(&target, &others, share)))
    }
}

/// The settings of [`CutMix`].
pub type CutMixOptions = MixUpOptions;

/// Replaces a rectangle of each picture of a batch by that of another one, and mixes the targets by
/// its share of the area. PyTorch: `torchvision.transforms.v2.CutMix`.
///
/// # Shapes
/// `input: [B, C, H, W]`, `target: [B] -> [B, C]`.
///
/// # Source
/// Yun et al. 2019, "CutMix: Regularization Strategy to Train Strong Classifiers with Localizable
/// Features", equations 1 and 2. The paper has α = 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CutMix(CutMixOptions);

impl CutMix {
    /// A mixture with settings.
    ///
    /// # Errors
    /// If a number cannot be.
    pub fn new(options: CutMixOptions) -> Result<Self> {
        check("cut_mix", options)?;
        Ok(Self(options))
    }
}

impl BatchTransform for CutMix {
    fn apply(&self, batch: Batch, rng: &mut Rng) -> Result<Batch> {
        let target = targets("cut_mix", batch.target(), self.0.classes)?;
        let input = batch.input();
        let [count, _, height, width] = **input.shape() else {
            let message = format_args!("pictures are [B, C, H, W], not of shape {}", input.shape());
            return Err(OpError::of("cut_mix", message).into());
        };
        if !chance(self.0.probability, rng) {
            return Ok(Batch::new(input.clone(), target));
        }
        let side = (1.0 - beta(self.0.alpha, rng)).sqrt();
        let mut span = |len: usize| {
            let centre = rng.below(len.max(1) as u64) as usize;
            // Half of a whole number, as the paper's own program has it.
            let half = (side * len as f64) as usize / 2;
            let start = centre.saturating_sub(half);
            (start, (centre + half).min(len) - start)
        };
        let (top, rows) = span(height);
        let (left, columns) = span(width);
        let others = others(count, rng);
        let share = 1.0 - (rows * columns) as f64 / (height * width).max(1) as f64;
        let input = patched(input, &others, (top, rows), (left, columns));
        Ok(Batch::new(input, mixed(&target, &others, share)))
    }
}

fn check(name: &str, options: MixUpOptions) -> Result<()> {
    setting::between(name, "alpha", options.alpha, [1e-3, 1e3])?;
    setting::between(name, "classes", options.classes.unwrap_or(2) as f64, [2.0, 1e6])?;
    setting::probability(name, "probability", options.probability)
}

/// Targets that can be mixed: floats as they are, classes as shares of all classes.
fn targets(name: &'static str, target: &Tensor, classes: Option<usize>) -> Result<Tensor> {
    if target.dtype().is_float() {
        return Ok(target.clone());
    }
    let (Some(classes), 1) = (classes, target.rank()) else {
        let message = format_args!(
            "targets of {} and shape {} cannot be mixed: say how many classes there are, of which \
             each target is one",
            target.dtype(),
            target.shape()
        );
        return Err(OpError::of(name, message).into());
    };
    let numbers = target.to_dtype(DType::I64).try_to_vec::<i64>()?;
    let mut shares = vec![0.0f32; numbers.len() * classes];
    for (row, &class) in shares.chunks_exact_mut(classes).zip(&numbers) {
        match usize::try_from(class).ok().filter(|&class| class < classes) {
            Some(class) => row[class] = 1.0,
            None => {
                let message =
                    format_args!("there is no class {class}, counted from 0, of {classes}");
                return Err(OpError::of(name, message).into());
            }
        }
    }
    Ok(Tensor::from_vec(shares, [numbers.len(), classes]))
}

/// Which sample each is mixed with.
fn others(count: usize, rng: &mut Rng) -> Tensor {
    let order = rng.permutation(count).into_iter().map(|index| index as i64);
    Tensor::from(order.collect::<Vec<_>>())
}

fn mixed(x: &Tensor, others: &Tensor, share: f64) -> Tensor {
    x * share + x.index_select(0, others) * (1.0 - share)
}

/// Pictures with a rectangle of others in each.
fn patched(
    x: &Tensor,
    others: &Tensor,
    (top, rows): (usize, usize),
    (left, columns): (usize, usize),
) -> Tensor {
    let (below, right) = (top + rows, left + columns);
    let (height, width) = (x.len_of(2), x.len_of(3));
    let bands = x.narrow(2, top, rows);
    let patch = bands.narrow(3, left, columns).index_select(0, others);
    let band = [bands.narrow(3, 0, left), patch, bands.narrow(3, right, width - right)];
    let band = Tensor::cat(&band, 3);
    Tensor::cat(&[x.narrow(2, 0, top), band, x.narrow(2, below, height - below)], 2)
}

/// A number of the distribution Beta(α, α).
fn beta(alpha: f64, rng: &mut Rng) -> f64 {
    // The share of one of two gamma variables. Below the smallest f64, neither has a share.
    loop {
        let (a, b) = (log_gamma_variate(alpha, rng), log_gamma_variate(alpha, rng));
        let share = 1.0 / (1.0 + (b - a).exp());
        if share.is_finite() {
            return share;
        }
    }
}

/// The logarithm of a number of the distribution Gamma(α, 1).
///
/// Source: Marsaglia and Tsang 2000, "A simple method for generating gamma variables".
fn log_gamma_variate(alpha: f64, rng: &mut Rng) -> f64 {
    if alpha < 1.0 {
        // Their section 6: a variable of α + 1, times a power of a uniform one.
        let power = (1.0 - rng.uniform()).ln() / alpha;
        return log_gamma_variate(alpha + 1.0, rng) + power;
    }
    let d = alpha - 1.0 / 3.0;
    let c = 1.0 / (9.0 * d).sqrt();
    loop {
        // Box and Muller's normal variable.
        let radius = (-2.0 * (1.0 - rng.uniform()).ln()).sqrt();
        let x = radius * (std::f64::consts::TAU * rng.uniform()).cos();
        let v = (1.0 + c * x).powi(3);
        if v > 0.0 && (1.0 - rng.uniform()).ln() < 0.5 * x * x + d - d * v + d * v.ln() {
            return (d * v).ln();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_have_the_moments_of_the_distribution() {
        let mut rng = Rng::new(5);
        for alpha in [0.05, 0.2, 1.0, 4.0] {
            let shares: Vec<f64> = (0..20_000).map(|_| beta(alpha, &mut rng)).collect();
            let mean = shares.iter().sum::<f64>() / shares.len() as f64;
            let squares = shares.iter().map(|x| (x - 0.5).powi(2)).sum::<f64>();
            let variance = squares / shares.len() as f64;
            let wanted = 1.0 / (4.0 * (2.0 * alpha + 1.0));
            assert!((mean - 0.5).abs() < 0.012, "{alpha}: {mean}");
            assert!((variance / wanted - 1.0).abs() < 0.04, "{alpha}: {variance}, not {wanted}");
        }
    }
}
