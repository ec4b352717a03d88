//! The training loop.

use crate::callback::{Callback, Session, Step};
use crate::history::{Epoch, History};
use crate::metrics::{Mean, Metric};
use gradus_data::{Batch, DataLoader};
use gradus_nn::{Layer, Optimizer};
use gradus_tensor::{Result, Tensor, no_grad};
use std::time::Instant;

/// A function of a model's output and the target that training makes small.
pub type Loss = Box<dyn Fn(&Tensor, &Tensor) -> Tensor + Send + Sync>;

/// Trains a model: epoch after epoch, batch after batch, forward, backward, step.
///
/// ```
/// use gradus_data::{DataLoader, LoaderOptions, TensorDataset};
/// use gradus_nn::{Linear, Module, Sgd, SgdOptions, losses::mse_loss};
/// use gradus_tensor::{Rng, Tensor};
/// use gradus_train::Trainer;
///
/// # fn main() -> gradus_tensor::Result<()> {
/// let mut rng = Rng::new(1);
/// let x = Tensor::randn([256, 3], &mut rng);
/// let y = x.sum(1).unsqueeze(1);
/// let loader = DataLoader::new(TensorDataset::new(x, y), LoaderOptions::default());
/// let model = Linear::new(3, 1, &mut rng);
/// let optimizer = Sgd::new(model.params(), SgdOptions { learning_rate: 0.1, ..Default::default() });
/// let mut trainer = Trainer::new(model, mse_loss, optimizer);
/// trainer.fit(&loader, None, 10)?;
/// assert!(trainer.history().last("train_loss").unwrap() < 0.01);
/// # Ok(())
/// # }
/// ```
pub struct Trainer<M> {
    model: M,
    loss: Loss,
    optimizer: Box<dyn Optimizer>,
    metrics: Vec<Box<dyn Metric>>,
    callbacks: Vec<Box<dyn Callback>>,
    history: History,
    /// What this call of `fit` is to do.
    plan: Plan,
}

/// How far a training goes.
#[derive(Clone, Copy, Debug, Default)]
struct Plan {
    epochs: usize,
    batches: usize,
}

impl<M: Layer> Trainer<M> {
    /// A trainer of a model, which makes `loss(output, target)` small.
    pub fn new(
        model: M,
        loss: impl Fn(&Tensor, &Tensor) -> Tensor + Send + Sync + 'static,
        optimizer: impl Optimizer + 'static,
    ) -> Self {
        Self {
            model,
            loss: Box::new(loss),
            optimizer: Box::new(optimizer),
            metrics: vec![],
            callbacks: vec![],
            history: History::default(),
            plan: Plan::default(),
        }
    }

    /// Also records a figure, for training and for validation.
    pub fn metric(mut self, metric: impl Metric + 'static) -> Self {
        self.metrics.push(Box::new(metric));
        self
    }

    /// Also calls a callback, after those that were added before.
    pub fn callback(mut self, callback: impl Callback + 'static) -> Self {
        self.callbacks.push(Box::new(callback));
        self
    }

    /// The model.
    pub fn model(&self) -> &M {
        &self.model
    }

    /// The optimizer.
    pub fn optimizer(&mut self) -> &mut dyn Optimizer {
        &mut *self.optimizer
    }

    /// What was recorded, epoch by epoch.
    pub fn history(&self) -> &History {
        &self.history
    }

    /// Continues after epochs that were trained before.
    pub fn set_history(&mut self, history: History) {
        self.history = history;
    }

    /// The model, trained.
    pub fn into_model(self) -> M {
        self.model
    }

    /// Trains until the history has `epochs` epochs or a callback stops it, and puts the model into
    /// evaluation.
    ///
    /// # Errors
    /// If a batch cannot be read or a callback fails.
    ///
    /// # Panics
    /// If the model does not take what the loaders give.
    pub fn fit(
        &mut self,
        train: &DataLoader,
        valid: Option<&DataLoader>,
        epochs: usize,
    ) -> Result<()> {
        let mut stopped = false;
        self.plan = Plan { epochs, batches: train.len() };
        self.tell(|callback, session| callback.on_start(session))?;
        while self.history.len() < epochs && !stopped {
            let start = Instant::now();
            let learning_rate = self.optimizer.learning_rate();
            let mut figures = self.train_epoch(train)?;
            if let Some(valid) = valid {
                figures.extend(self.measure(valid, "valid")?);
            }
            figures.push(("learning_rate".into(), learning_rate));
            let seconds = start.elapsed().as_secs_f64();
            self.history.push(Epoch { number: self.history.len() + 1, figures, seconds });
            stopped = self.tell(|callback, session| callback.on_epoch_end(session))?;
        }
        self.model.eval();
        self.tell(|callback, session| callback.on_end(session))?;
        Ok(())
    }

    /// The loss and the figures over all batches of a loader, by name.
    ///
    /// # Errors
    /// If a batch cannot be read.
    pub fn evaluate(&mut self, loader: &DataLoader) -> Result<Vec<(String, f64)>> {
        self.measure(loader, "")
    }

    fn train_epoch(&mut self, loader: &DataLoader) -> Result<Vec<(String, f64)>> {
        self.model.train();
        self.metrics.iter_mut().for_each(|metric| metric.reset());
        let mut mean = Mean::default();
        for (index, batch) in loader.epoch(self.history.len() as u64).enumerate() {
            let batch = batch?;
            let (samples, loss) = self.train_batch(&batch);
            mean.add(loss, samples);
            let step = Step {
                batch: index + 1,
                samples,
                loss: mean.value(),
                figures: self.metrics.iter().map(|m| (m.name().into(), m.value())).collect(),
            };
            self.tell(|callback, session| callback.on_batch_end(session, &step))?;
        }
        Ok(self.figures("train", &mean))
    }

    /// Forward, backward and step; gives the number of samples and their loss.
    fn train_batch(&mut self, batch: &Batch) -> (u64, f64) {
        let (input, target) = (batch.input(), batch.target());
        let output = self.model.forward(input);
        let loss = (self.loss)(&output, target);
        self.optimizer.step(&loss.backward());
        self.metrics.iter_mut().for_each(|metric| metric.update(&output, target));
        (input.len_of(0) as u64, number(&loss))
    }

    /// The loss and the figures over a loader, in evaluation.
    fn measure(&mut self, loader: &DataLoader, prefix: &str) -> Result<Vec<(String, f64)>> {
        self.model.eval();
        self.metrics.iter_mut().for_each(|metric| metric.reset());
        let mut mean = Mean::default();
        for batch in loader.epoch(0) {
            let batch = batch?;
            let (input, target) = (batch.input(), batch.target());
            no_grad(|| {
                let output = self.model.forward(input);
                mean.add(number(&(self.loss)(&output, target)), input.len_of(0) as u64);
                self.metrics.iter_mut().for_each(|metric| metric.update(&output, target));
            });
        }
        Ok(self.figures(prefix, &mean))
    }

    fn figures(&self, prefix: &str, loss: &Mean) -> Vec<(String, f64)> {
        let name = |name: &str| match prefix {
            "" => name.to_string(),
            prefix => format!("{prefix}_{name}"),
        };
        let mut figures = vec![(name("loss"), loss.value())];
        figures.extend(self.metrics.iter().map(|metric| (name(metric.name()), metric.value())));
        figures
    }

    /// Calls every callback; true if one of them wants training to stop.
    fn tell(
        &mut self,
        call: impl Fn(&mut dyn Callback, &mut Session<'_>) -> Result<()>,
    ) -> Result<bool> {
        let mut session = Session {
            model: &self.model,
            optimizer: &mut *self.optimizer,
            history: &self.history,
            epochs: self.plan.epochs,
            batches: self.plan.batches,
            stop: false,
        };
        for callback in &mut self.callbacks {
            call(&mut **callback, &mut session)?;
        }
        Ok(session.stop)
    }
}

fn number(loss: &Tensor) -> f64 {
    loss.detach().to_dtype(gradus_tensor::DType::F64).item()
}
