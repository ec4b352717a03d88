//! Figures of gradients, weights and activations, step by step.

use crate::callback::{Callback, Derived, Session, Step};
use crate::histogram::Histogram;
use crate::lines::Lines;
use crate::state::to_json;
use gradus_data::Batch;
use gradus_nn::{Layer, Module, Path as ModulePath, Visitor};
use gradus_tensor::{DType, Error, Result, Tensor, no_grad};
use serde_json::{Map, Value, json};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};

/// What [`Statistics`] write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StatisticsOptions {
    /// After every so many steps of the optimizer.
    pub every_steps: usize,
    /// How many bins a [`Histogram`] has; none without histograms.
    pub histogram: Option<usize>,
}

impl Default for StatisticsOptions {
    /// After every tenth step, without histograms.
    fn default() -> Self {
        Self { every_steps: 10, histogram: None }
    }
}

/// Writes lines of JSON about steps to a file, `statistics.jsonl` in the folder of a run: the loss, the
/// learning rate, for each parameter its norm, its gradient's and, if wanted, histograms of both, and
/// for each layer in an [`Observed`] the mean and the deviation of what it gives and the share of its
/// units that are dead.
///
/// A training that is resumed continues the file from where it goes on.
#[derive(Debug)]
pub struct Statistics {
    path: PathBuf,
    options: StatisticsOptions,
    activations: Activations,
    /// None before the training starts.
    lines: Option<Lines>,
    /// What is known of the parameters at this step.
    parameters: Option<Map<String, Value>>,
}

impl Statistics {
    /// Writes to a path.
    ///
    /// # Errors
    /// [`Error::Setting`], if an option is 0.
    pub fn new(path: impl Into<PathBuf>, options: StatisticsOptions) -> Result<Self> {
        if options.every_steps == 0 || options.histogram == Some(0) {
            let message = "statistics: every_steps and the bins of a histogram are 1 or more";
            return Err(Error::Setting(message.into()));
        }
        let (activations, parameters) = Default::default();
        Ok(Self { path: path.into(), options, activations, lines: None, parameters })
    }

    /// What [`Observed`] layers report to.
    pub fn activations(&self) -> Activations {
        self.activations.clone()
    }

    /// True if the next step is to be written down.
    fn is_due(&self, session: &Session<'_>) -> bool {
        (session.steps_made() + 1).is_multiple_of(self.options.every_steps as u64)
    }

    /// The norm of a tensor and its histogram under names that begin with `prefix`.
    fn describe(&self, prefix: &str, x: &Tensor) -> Vec<(String, Value)> {
        let wide = x.detach().to_dtype(DType::F64);
        let norm = no_grad(|| wide.square().sum(..).item::<f64>()).sqrt();
        let mut facts = vec![(format!("{prefix}norm"), to_json(norm))];
        if let Some(bins) = self.options.histogram {
            let Histogram { min, max, counts, not_finite, .. } = Histogram::with_bins(x, bins);
            let histogram =
                json!({ "from": min, "to": max, "counts": counts, "not_finite": not_finite });
            facts.push((format!("{prefix}histogram"), histogram));
        }
        facts
    }
}

impl Callback for Statistics {
    fn on_start(&mut self, session: &mut Session<'_>) -> Result<()> {
        self.lines = Some(Lines::open_until(self.path.clone(), session.steps_made())?);
        Ok(())
    }

    fn on_batch_start(&mut self, session: &mut Session<'_>, _: &Batch) -> Result<()> {
        let mut log = self.activations.lock();
        (log.wanted, log.layers) = (self.is_due(session), Map::new());
        Ok(())
    }

    fn on_gradients(&mut self, session: &mut Session<'_>, derived: &mut Derived<'_>) -> Result<()> {
        if !self.is_due(session) {
            return Ok(());
        }
        let mut parameters = Map::new();
        for (name, param) in session.model.named_params() {
            let mut facts = self.describe("", &param.tensor());
            if let Some(gradient) = param.grad(derived.gradients) {
                facts.extend(self.describe("gradient_", gradient));
            }
            parameters.insert(name, facts.into_iter().collect());
        }
        self.parameters = Some(parameters);
        Ok(())
    }

    fn on_batch_end(&mut self, session: &mut Session<'_>, step: &Step<'_>) -> Result<()> {
        let Some(parameters) = self.parameters.take() else {
            return Ok(());
        };
        let mut log = self.activations.lock();
        log.wanted = false;
        let line = json!({
            "step": session.steps_made(),
            "epoch": session.history.len() + 1,
            "batch": step.batch,
            "loss": to_json(step.loss),
            "learning_rate": to_json(session.optimizer.learning_rate()),
            "parameters": parameters,
            "layers": std::mem::take(&mut log.layers),
        });
        self.lines.as_mut().map_or(Ok(()), |lines| lines.append(&line))
    }
}

/// Where [`Observed`] layers report what they give. Clones are the same place.
#[derive(Clone, Debug, Default)]
pub struct Activations(Arc<Mutex<Log>>);

#[derive(Debug, Default)]
struct Log {
    wanted: bool,
    layers: Map<String, Value>,
}

impl Activations {
    fn lock(&self) -> MutexGuard<'_, Log> {
        self.0.lock().unwrap_or_else(|poison| poison.into_inner())
    }

    /// Looks at what a layer gives, if anybody wants to know.
    fn report(&self, name: &str, output: &Tensor) {
        if !self.lock().wanted || !output.dtype().is_float() || output.count() == 0 {
            return;
        }
        let facts = no_grad(|| {
            let x = output.detach().to_dtype(DType::F64);
            let number = |x: Tensor| x.to_dtype(DType::F64).item::<f64>();
            let mean = number(x.mean(..));
            let deviation = number((&x - mean).square().mean(..)).sqrt();
            let silent = x.max(0).le_scalar(0.0).to_dtype(DType::F64);
            json!({
                "mean": to_json(mean),
                "deviation": to_json(deviation),
                "dead": to_json(number(silent.mean(..))),
            })
        });
        self.lock().layers.insert(name.to_string(), facts);
    }
}

/// A layer that reports what it gives to [`Statistics`]. It does not show in the names of parameters.
///
/// A unit is dead in a batch if it is zero or less for every sample: of a ReLU, whose gradient then
/// is zero.
///
/// ```
/// use gradus_nn::{Linear, Relu, Sequential};
/// use gradus_tensor::Rng;
/// use gradus_train::{Observed, Statistics, StatisticsOptions};
///
/// let path = std::env::temp_dir().join("steps.jsonl");
/// let statistics = Statistics::new(path, StatisticsOptions::default())?;
/// let model = Sequential::new()
///     .then(Linear::new(4, 8, &mut Rng::new(1)))
///     .then(Observed::new("1", Relu, statistics.activations()));
/// # Ok::<(), gradus_tensor::Error>(())
/// ```
#[derive(Debug)]
pub struct Observed {
    name: String,
    layer: Box<dyn Layer>,
    activations: Activations,
}

impl Observed {
    /// Watches a layer under a name.
    pub fn new(
        name: impl Into<String>,
        layer: impl Layer + 'static,
        activations: Activations,
    ) -> Self {
        Self { name: name.into(), layer: Box::new(layer), activations }
    }
}

impl Module for Observed {
    fn visit(&self, path: &mut ModulePath, visitor: &mut dyn Visitor) {
        self.layer.visit(path, visitor);
    }
}

impl Layer for Observed {
    fn forward(&self, x: &Tensor) -> Tensor {
        let output = self.layer.forward(x);
        self.activations.report(&self.name, &output);
        output
    }
}
