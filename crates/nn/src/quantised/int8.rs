//! Models whose convolutions and linear layers compute with integers of eight bits.

use super::ranges::{Counts, Ranges, Reach};
use crate::gradients::norm;
use crate::module::modes;
use crate::param::{Use, Watch};
use crate::pattern::matches;
use crate::{Layer, Param};
use gradus_tensor::kernel::CodeScale;
use gradus_tensor::ops::Int8Weight;
use gradus_tensor::{DType, Error, Result, Shape, Tensor, no_grad};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};

/// The settings of [`quantise_int8`].
#[derive(Clone, Debug, PartialEq)]
pub struct Int8Calibration {
    /// The names of the weights that are taken; see [`Module::params_matching`](crate::Module).
    pub pattern: String,
    /// The names, or patterns of names, of those that are left as they are.
    pub skip: Vec<String>,
    /// Which numbers of a layer's inputs get codes.
    pub ranges: Ranges,
}

impl Default for Int8Calibration {
    /// All layers, with the ranges of least error.
    fn default() -> Self {
        Self { pattern: "*".into(), skip: vec![], ranges: Ranges::default() }
    }
}

/// What became of one layer.
#[derive(Clone, Debug, PartialEq)]
pub struct Int8Layer {
    /// The name of its weight.
    pub name: String,
    /// The weight's shape.
    pub shape: Shape,
    /// How its inputs become codes.
    pub input: CodeScale,
    /// How far its outputs, before any ReLU, are from those of floats for the same inputs,
    /// ‖y - ŷ‖ / ‖y‖ over all samples.
    pub relative_error: f64,
    /// How many bytes the weight took.
    pub bytes_before: usize,
    /// How many bytes its codes and scales take.
    pub bytes: usize,
}

impl Int8Layer {
    /// The ratio of the outputs to their errors in decibels, -20 log₁₀ of [`Int8Layer::relative_error`].
    pub fn decibels(&self) -> f64 {
        -20.0 * self.relative_error.log10()
    }
}

/// `layer1.0.conv1.weight [64, 64, 3, 3]: 147456 -> 37632 bytes, error 0.0098 (40.2 dB)`.
impl fmt::Display for Int8Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, shape, relative_error, bytes_before, bytes, .. } = self;
        let decibels = self.decibels();
        write!(f, "{name} {shape}: {bytes_before} -> {bytes} bytes, ")?;
        write!(f, "error {relative_error:.4} ({decibels:.1} dB)")
    }
}

/// What became of a model.
#[derive(Clone, Debug, PartialEq)]
pub struct Int8Report {
    /// The layers that compute with integers.
    pub layers: Vec<Int8Layer>,
    /// The weights that stay floats though they were asked for, each with the reason.
    pub left: Vec<(String, String)>,
    /// How far the model's outputs are from those of before, ‖y - ŷ‖ / ‖y‖ over all samples.
    pub output_error: f64,
}

/// A line for each layer, those that stay floats last, and one for the model's outputs.
impl fmt::Display for Int8Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for layer in &self.layers {
            writeln!(f, "{layer}")?;
        }
        for (name, reason) in &self.left {
            writeln!(f, "{name} stays floats: {reason}")?;
        }
        write!(f, "the model's outputs: error {:.4}", self.output_error)
    }
}

/// Lets the convolutions and linear layers of a model that is trained compute with integers of eight
/// bits, inputs as well as weights, and says what became of each. Weights have a scale for each
/// output; how a layer's inputs become integers is learnt from samples: some batches of what the model
/// will be given. The weights are frozen, and no gradient passes these layers from then on.
///
/// Fold batch norms first: see [`fold_norms`](crate::fold_norms). A ReLU behind a layer in a
/// [`Sequential`](crate::Sequential) is done by the layer. Convolutions in groups and transposed ones
/// stay floats, as do weights that no [`Linear`](crate::Linear), [`Conv2d`](crate::Conv2d) or their kin
/// ever used; [`Int8Report::left`] lists them.
///
/// # Errors
/// [`Error::Setting`] if the model is in training, there are no samples, no layer can be taken, or a
/// setting cannot be. Then nothing is changed.
///
/// # Panics
/// If the model does not take the samples.
///
/// # Source
/// Jacob et al. 2018, "Quantization and Training of Neural Networks for Efficient
/// Integer-Arithmetic-Only Inference". PyTorch: `torch.ao.quantization`, post-training static
/// quantisation.
///
/// ```
/// use gradus_nn::quantised::{Int8Calibration, quantise_int8};
/// use gradus_nn::{Layer, Linear, Module, Relu, Sequential};
/// use gradus_tensor::{Rng, Tensor, no_grad};
///
/// let rng = &mut Rng::new(1);
/// let model = Sequential::new()
///     .then(Linear::new(64, 128, rng))
///     .then(Relu)
///     .then(Linear::new(128, 10, rng));
/// model.eval();
/// let samples: Vec<Tensor> = (0..4).map(|_| Tensor::randn([32, 64], rng)).collect();
/// let report = quantise_int8(&model, &samples, &Int8Calibration::default())?;
/// println!("{report}");
/// assert!(report.layers.len() == 2 && report.output_error < 0.02);
/// let y = no_grad(|| model.forward(&samples[0]));
/// # assert_eq!(y.shape(), [32, 10]);
/// # Ok::<(), gradus_tensor::Error>(())
/// ```
pub fn quantise_int8(
    model: &dyn Layer,
    samples: &[Tensor],
    calibration: &Int8Calibration,
) -> Result<Int8Report> {
    calibration.ranges.check()?;
    if modes(model).contains(&true) {
        return Err(Error::Setting("the model is in training: call eval() first".into()));
    }
    if samples.is_empty() {
        return Err(Error::Setting("there are no samples to calibrate with".into()));
    }
    let run = || no_grad(|| samples.iter().map(|x| model.forward(x)).collect::<Vec<_>>());
    let Int8Calibration { pattern, skip, .. } = calibration;
    let wanted = |name: &str| matches(pattern, name) && !skip.iter().any(|x| matches(x, name));
    let mut params = model.named_params();
    params.retain(|(name, param)| wanted(name) && param.is_plain() && param.shape().rank() >= 2);
    let inputs = calibrate(&params, calibration.ranges, &run);

    let (mut chosen, mut left) = (vec![], vec![]);
    for ((name, param), input) in params.into_iter().zip(inputs) {
        let weight = input.map_err(str::to_string).and_then(|input| {
            let weight = Int8Weight::new(&param.tensor(), input);
            weight.map_err(|error| error.to_string())
        });
        match weight {
            Ok(weight) => chosen.push((name, param, weight)),
            Err(reason) => left.push((name, reason)),
        }
    }
    if chosen.is_empty() {
        let first = left.first().map_or("no weight has such a name".into(), |(name, reason)| {
            format!("{name}: {reason}")
        });
        return Err(Error::Setting(format!("no layer can compute with integers: {first}")));
    }

    let watches: Vec<_> = chosen.iter().map(|(_, _, weight)| Compare::new(weight)).collect();
    let watching = chosen.iter().zip(&watches).map(|((_, param, _), watch)| (param, watch));
    let before = watched(watching, &run);
    let layer = |((name, param, weight), watch): (&(String, Param, Int8Weight), &Arc<Compare>)| {
        let old = param.tensor();
        Int8Layer {
            name: name.clone(),
            shape: *weight.shape(),
            input: weight.input(),
            relative_error: lock(&watch.distance).relative(),
            bytes_before: old.count() * old.dtype().size_bytes(),
            bytes: weight.size_bytes(),
        }
    };
    let layers = chosen.iter().zip(&watches).map(layer).collect();
    chosen.into_iter().for_each(|(_, param, weight)| param.set_int8(weight));
    let mut distance = Distance::default();
    before.iter().zip(run()).for_each(|(before, after)| distance.add(before, &after));
    Ok(Int8Report { layers, left, output_error: distance.relative() })
}

/// How the inputs that each weight meets become codes, or why they cannot.
fn calibrate(
    params: &[(String, Param)],
    ranges: Ranges,
    run: &dyn Fn() -> Vec<Tensor>,
) -> Vec<Result<CodeScale, &'static str>> {
    let seen: Vec<Arc<Seen>> = params.iter().map(|_| Arc::default()).collect();
    watched(params.iter().map(|(_, param)| param).zip(&seen), run);
    let count = |seen: &Arc<Seen>| {
        let seen = lock(&seen.0);
        let ends = if seen.groups { Err("its channels are in groups") } else { seen.reach.ends() };
        ends.map(|ends| Arc::new(Count(Mutex::new(Counts::new(ends)))))
    };
    let counts: Vec<Result<Arc<Count>, _>> = seen.iter().map(count).collect();
    if ranges.wants_counts() {
        let pairs = params.iter().zip(&counts);
        watched(pairs.filter_map(|((_, param), count)| Some((param, count.as_ref().ok()?))), run);
    }
    let choose = |count: Arc<Count>| ranges.choose(&lock(&count.0));
    counts.into_iter().map(|count| count.map(choose)).collect()
}

/// Runs something while parameters are watched.
fn watched<'a, W: Watch + 'static>(
    pairs: impl Iterator<Item = (&'a Param, &'a Arc<W>)>,
    run: &dyn Fn() -> Vec<Tensor>,
) -> Vec<Tensor> {
    /// Ends the watch, also when the model panics.
    struct Watching<'a>(Vec<&'a Param>);
    impl Drop for Watching<'_> {
        fn drop(&mut self) {
            self.0.iter().for_each(|param| param.set_watch(None));
        }
    }
    let mut watching = Watching(vec![]);
    for (param, watch) in pairs {
        param.set_watch(Some(watch.clone()));
        watching.0.push(param);
    }
    run()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poison| poison.into_inner())
}

/// The numbers of an input.
fn numbers(x: &Tensor) -> Vec<f32> {
    x.detach().to_dtype(DType::F32).to_vec()
}

/// How far the inputs reach, and whether channels are in groups.
#[derive(Default)]
struct Seen(Mutex<SeenInputs>);

#[derive(Default)]
struct SeenInputs {
    reach: Reach,
    groups: bool,
}

impl Watch for Seen {
    fn see(&self, using: &Use<'_>) {
        let mut seen = lock(&self.0);
        seen.groups |= using.product.groups() != 1;
        numbers(using.x).into_iter().for_each(|x| seen.reach.add(x));
    }
}

/// How many numbers of the inputs lie where.
struct Count(Mutex<Counts>);

impl Watch for Count {
    fn see(&self, using: &Use<'_>) {
        let mut counts = lock(&self.0);
        numbers(using.x).into_iter().for_each(|x| counts.add(x));
    }
}

/// How far outputs of integers are from those of floats.
struct Compare {
    weight: Int8Weight,
    distance: Mutex<Distance>,
}

impl Compare {
    fn new(weight: &Int8Weight) -> Arc<Self> {
        Arc::new(Self { weight: weight.clone(), distance: Mutex::default() })
    }
}

impl Watch for Compare {
    fn see(&self, using: &Use<'_>) {
        let rounded = using.product.of_int8(using.x, &self.weight, (using.bias, false));
        lock(&self.distance).add(using.output, &rounded);
    }
}

/// ‖y - ŷ‖² and ‖y‖² of some tensors.
#[derive(Default)]
struct Distance {
    error: f64,
    whole: f64,
}

impl Distance {
    fn add(&mut self, y: &Tensor, rounded: &Tensor) {
        self.error += norm(&(y - rounded)).powi(2);
        self.whole += norm(y).powi(2);
    }

    fn relative(&self) -> f64 {
        if self.error == 0.0 { 0.0 } else { (self.error / self.whole).sqrt() }
    }
}
