//! Handwritten digits: the data, the network, and what the commands share.

use gradus_data::digits::{self, CLASSES, DigitSet, Digits, normalise};
use gradus_nn::{Conv2d, ConvOptions, Layer, Linear, Module, PoolOptions};
use gradus_tensor::{Error, Result, Rng, Tensor, no_grad};
use gradus_train::{RunFolder, read_weights};
use serde_json::Value;
use std::path::{Path, PathBuf};

/// The name of the task in run folders and configurations.
pub const NAME: &str = "digits";

/// The introductory text's network: two convolutions of 3x3 with ReLU and 2x2 max pooling, two
/// fully connected layers.
///
/// # Shapes
/// `x: [B, 1, 28, 28] -> [B, 10]`, one score for each digit.
#[derive(Debug, Module)]
pub struct DigitsNet {
    conv1: Conv2d,
    conv2: Conv2d,
    fc1: Linear,
    fc2: Linear,
}

impl DigitsNet {
    /// A network with random first weights.
    pub fn new(rng: &mut Rng) -> Self {
        let same = ConvOptions { padding: 1.into(), ..Default::default() };
        Self {
            conv1: Conv2d::new(1, 32, 3, same, rng),
            conv2: Conv2d::new(32, 64, 3, same, rng),
            fc1: Linear::new(64 * 7 * 7, 128, rng),
            fc2: Linear::new(128, CLASSES, rng),
        }
    }
}

impl Layer for DigitsNet {
    fn forward(&self, x: &Tensor) -> Tensor {
        let x = self.conv1.forward(x).relu().max_pool2d(2, PoolOptions::default());
        let x = self.conv2.forward(&x).relu().max_pool2d(2, PoolOptions::default());
        let x = self.fc1.forward(&x.flatten(1, -1)).relu();
        self.fc2.forward(&x)
    }
}

/// The digits of a folder in MNIST's format, or those within the program.
///
/// # Errors
/// If the folder cannot be read.
pub fn load(folder: Option<&Path>) -> Result<Digits> {
    match folder {
        Some(folder) => digits::from_folder(folder),
        None => digits::embedded(),
    }
}

/// The trained network of a run.
///
/// # Errors
/// If the folder is not that of a training on digits that has finished an epoch.
pub fn load_model(run: &RunFolder) -> Result<DigitsNet> {
    check_config(run, &run.read_config()?)?;
    let weights = run.file("best.safetensors");
    if !weights.is_file() {
        let path = run.path().display();
        return Err(Error::Setting(format!(
            "{path} has no best.safetensors yet: no epoch was finished; go on with gradus train \
             digits --resume {path}"
        )));
    }
    let model = DigitsNet::new(&mut Rng::new(0));
    read_weights(weights, &model)?;
    model.eval();
    Ok(model)
}

/// Refuses the configuration of another task.
///
/// # Errors
/// [`Error::Setting`], if it is.
pub fn check_config(run: &RunFolder, config: &Value) -> Result<()> {
    match config["task"].as_str() {
        Some(NAME) => Ok(()),
        _ => {
            let path = run.path().display();
            Err(Error::Setting(format!("{path} is not the folder of a training on {NAME}")))
        }
    }
}

/// The folder of data that a run was trained on, if it was not the digits within the program.
pub fn data_folder(config: &Value) -> Option<PathBuf> {
    config["data"].as_str().map(PathBuf::from)
}

/// The probabilities of the classes for each normalised image, `[N, 1, 28, 28] -> [N, 10]`.
pub fn probabilities(model: &DigitsNet, images: &Tensor) -> Tensor {
    let parts: Vec<Tensor> = (0..images.len_of(0))
        .step_by(BATCH)
        .map(|start| {
            let part = images.narrow(0, start, BATCH.min(images.len_of(0) - start));
            no_grad(|| model.forward(&part).softmax(-1))
        })
        .collect();
    Tensor::cat(&parts, 0)
}

/// How many images are looked at together.
const BATCH: usize = 256;

/// How a network does on a set of digits.
pub struct Answers {
    /// Its probabilities, `[N, 10]`, in rows.
    pub probabilities: Vec<Vec<f32>>,
    /// The digits it takes the images for.
    pub guesses: Vec<usize>,
    /// The digits they are.
    pub truths: Vec<usize>,
}

impl Answers {
    /// Asks a network about all images of a set.
    pub fn of(model: &DigitsNet, set: &DigitSet) -> Self {
        let probabilities = probabilities(model, &normalise(&set.images()));
        let numbers = |x: Tensor| x.to_vec::<i64>().into_iter().map(|x| x as usize).collect();
        let rows = probabilities.to_vec::<f32>();
        Self {
            guesses: numbers(probabilities.argmax(-1)),
            truths: numbers(set.labels()),
            probabilities: rows.chunks(CLASSES).map(<[f32]>::to_vec).collect(),
        }
    }

    /// The numbers of the images that were taken for another digit.
    pub fn mistakes(&self) -> impl Iterator<Item = usize> {
        (0..self.truths.len()).filter(|&index| self.guesses[index] != self.truths[index])
    }

    /// The share of right answers.
    pub fn accuracy(&self) -> f64 {
        let count = self.truths.len();
        (count - self.mistakes().count()) as f64 / count as f64
    }

    /// The mean of -ln p over all images, p being the probability of the right digit.
    pub fn loss(&self) -> f64 {
        let right = self.probabilities.iter().zip(&self.truths).map(|(p, &truth)| p[truth]);
        right.map(|p| -(p.max(f32::MIN_POSITIVE) as f64).ln()).sum::<f64>()
            / self.truths.len() as f64
    }
}
