//! The training loop.

use crate::callback::{Callback, Session, Step};
use crate::checkpoint::Checkpoint;
use crate::finder::{self, FinderOptions, RateCurve};
use crate::history::{Epoch, History};
use crate::metrics::{Mean, Metric};
use gradus_data::{Batch, DataLoader};
use gradus_nn::{Accumulator, ClipNorm, Layer, Optimizer, clip_grad_norm, clip_grad_value};
use gradus_tensor::{Gradients, Result, Tensor, no_grad};
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
    clip: Option<Clip>,
    /// How many batches make a step.
    accumulate: usize,
    /// What this call of `fit` is to do.
    plan: Plan,
}

/// How gradients are clipped before a step.
#[derive(Clone, Copy, Debug)]
enum Clip {
    Norm(ClipNorm),
    Value(f64),
}

/// How far a training goes.
#[derive(Clone, Copy, Debug, Default)]
struct Plan {
    epochs: usize,
    batches: usize,
    steps: usize,
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
            clip: None,
            accumulate: 1,
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

    /// Shortens the gradients of each step to a norm; see [`clip_grad_norm`].
    pub fn clip_norm(mut self, max: f64) -> Self {
        self.clip = Some(Clip::Norm(ClipNorm { max, ..Default::default() }));
        self
    }

    /// Brings each number of the gradients of a step into ±limit; see [`clip_grad_value`].
    pub fn clip_value(mut self, limit: f64) -> Self {
        self.clip = Some(Clip::Value(limit));
        self
    }

    /// Makes a step after so many batches, by the mean of their gradients: as if they were one, for
    /// a loss that is a mean over samples. The last step of an epoch takes the batches that are left.
    ///
    /// # Panics
    /// If there are none.
    #[track_caller]
    pub fn accumulate(mut self, batches: usize) -> Self {
        assert!(batches > 0, "a step of 0 batches: give 1 or more");
        self.accumulate = batches;
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
        let steps = train.len().div_ceil(self.accumulate);
        self.plan = Plan { epochs, batches: train.len(), steps };
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

    /// Trains one batch after another with ever larger learning rates, and shows the losses: where
    /// they fall fastest is a good learning rate. The model, the optimizer and the history are then
    /// as they were.
    ///
    /// # Errors
    /// If a batch cannot be read.
    ///
    /// # Panics
    /// If the options cannot be, or the loader has no batch.
    #[track_caller]
    pub fn find_learning_rate(
        &mut self,
        loader: &DataLoader,
        options: FinderOptions,
    ) -> Result<RateCurve> {
        let before = Checkpoint::capture(&self.model, &*self.optimizer, &self.history);
        let learning_rate = self.optimizer.learning_rate();
        self.model.train();
        let curve = finder::sweep(loader, options, |batch, rate| {
            self.optimizer.set_learning_rate(rate);
            let (loss, gradients) = self.derive(batch);
            self.step(gradients);
            loss
        });
        self.optimizer.set_learning_rate(learning_rate);
        before.restore(&self.model, &mut *self.optimizer)?;
        curve
    }

    fn train_epoch(&mut self, loader: &DataLoader) -> Result<Vec<(String, f64)>> {
        self.model.train();
        self.metrics.iter_mut().for_each(|metric| metric.reset());
        let mut mean = Mean::default();
        let mut gathered = Accumulator::new(self.optimizer.params());
        let mut steps = 0;
        for (index, batch) in loader.epoch(self.history.len() as u64).enumerate() {
            let batch = batch?;
            let samples = batch.input().len_of(0) as u64;
            let (loss, gradients) = self.derive(&batch);
            if self.accumulate == 1 {
                self.step(gradients);
                steps += 1;
            } else {
                gathered.add(&gradients, samples as f64);
                if (index + 1).is_multiple_of(self.accumulate) || index + 1 == loader.len() {
                    self.step(gathered.take());
                    steps += 1;
                }
            }
            mean.add(loss, samples);
            let step = Step {
                batch: index + 1,
                steps,
                samples,
                loss: mean.value(),
                figures: self.metrics.iter().map(|m| (m.name().into(), m.value())).collect(),
            };
            self.tell(|callback, session| callback.on_batch_end(session, &step))?;
        }
        Ok(self.figures("train", &mean))
    }

    /// Forward and backward: the loss of a batch and its gradients.
    fn derive(&mut self, batch: &Batch) -> (f64, Gradients) {
        let (input, target) = (batch.input(), batch.target());
        let output = self.model.forward(input);
        let loss = (self.loss)(&output, target);
        let gradients = loss.backward();
        self.metrics.iter_mut().for_each(|metric| metric.update(&output, target));
        (number(&loss), gradients)
    }

    /// Makes a step by gradients, clipped if they are to be.
    fn step(&mut self, mut gradients: Gradients) {
        match self.clip {
            Some(Clip::Norm(clip)) => {
                clip_grad_norm(&self.optimizer.params(), &mut gradients, clip);
            }
            Some(Clip::Value(limit)) => {
                clip_grad_value(&self.optimizer.params(), &mut gradients, limit);
            }
            None => {}
        }
        self.optimizer.step(&gradients);
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
            steps: self.plan.steps,
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
