//! The training loop.

mod batches;
mod memory;
mod resume;

pub use resume::Resumed;

use crate::callback::{Callback, Position, Session, Wishes};
use crate::checkpoint::Checkpoint;
use crate::finder::{self, FinderOptions, RateCurve};
use crate::history::History;
use crate::interrupt::Interrupt;
use crate::keep::Checkpoints;
use crate::metrics::Metric;
use crate::skipped::Skipped;
use batches::Running;
use gradus_data::DataLoader;
use gradus_nn::{ClipNorm, Layer, Optimizer};
use gradus_tensor::{Precision, Result, Tensor};

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
/// let mut trainer = Trainer::new(model, mse_loss, optimizer).epochs(10);
/// trainer.fit(&loader, None)?;
/// assert!(trainer.history().last("train_loss").unwrap() < 0.01);
/// # Ok(())
/// # }
/// ```
///
/// With [`Trainer::checkpoints`] and [`Trainer::resume`], a training that was interrupted at any
/// instant goes on to the very bits that it would have come to.
pub struct Trainer<M> {
    model: M,
    loss: Loss,
    optimizer: Box<dyn Optimizer>,
    metrics: Vec<Box<dyn Metric>>,
    callbacks: Vec<Box<dyn Callback>>,
    checkpoints: Option<Checkpoints>,
    interrupt: Interrupt,
    history: History,
    clip: Option<Clip>,
    /// How many batches make a step.
    accumulate: usize,
    epochs: usize,
    memory_budget_bytes: Option<u64>,
    precision: Precision,
    running: Running,
    skipped: Skipped,
    /// Where the training is; the part of it that is known.
    position: Position,
    wishes: Wishes,
}

/// How gradients are clipped before a step.
#[derive(Clone, Copy, Debug)]
enum Clip {
    Norm(ClipNorm),
    Value(f64),
}

/// How a training ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// All epochs are done.
    Finished,
    /// A callback stopped it, for this reason.
    Stopped(String),
    /// A callback ended it for now, for this reason: resumed, it goes on.
    Paused(String),
    /// An [`Interrupt`] was requested: resumed, it goes on.
    Interrupted,
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
            checkpoints: None,
            interrupt: Interrupt::new(),
            history: History::default(),
            clip: None,
            accumulate: 1,
            epochs: 1,
            memory_budget_bytes: None,
            precision: Precision::Highest,
            running: Running::default(),
            skipped: Skipped::default(),
            position: Position::default(),
            wishes: Wishes::default(),
        }
    }

    /// How many epochs are trained; one, if nothing is said.
    pub fn epochs(mut self, epochs: usize) -> Self {
        self.epochs = epochs;
        self
    }

    /// Also records a figure, for training and for validation.
    pub fn metric(mut self, metric: impl Metric + 'static) -> Self {
        self.metrics.push(Box::new(metric));
        self
    }

    /// Also records figures.
    pub fn metrics(mut self, metrics: impl IntoIterator<Item = Box<dyn Metric>>) -> Self {
        self.metrics.extend(metrics);
        self
    }

    /// Also calls a callback, after those that were added before.
    pub fn callback(mut self, callback: impl Callback + 'static) -> Self {
        self.callbacks.push(Box::new(callback));
        self
    }

    /// Also calls callbacks.
    pub fn callbacks(mut self, callbacks: impl IntoIterator<Item = Box<dyn Callback>>) -> Self {
        self.callbacks.extend(callbacks);
        self
    }

    /// Writes checkpoints.
    pub fn checkpoints(mut self, checkpoints: Checkpoints) -> Self {
        self.checkpoints = Some(checkpoints);
        self
    }

    /// Ends after the step at which this is requested, and writes a checkpoint.
    pub fn interrupt(mut self, interrupt: Interrupt) -> Self {
        self.interrupt = interrupt;
        self
    }

    /// Shortens the gradients of each step to a norm; see
    /// [`clip_grad_norm`](gradus_nn::clip_grad_norm).
    pub fn clip_norm(mut self, max: f64) -> Self {
        self.clip = Some(Clip::Norm(ClipNorm { max, ..Default::default() }));
        self
    }

    /// Brings each number of the gradients of a step into ±limit; see
    /// [`clip_grad_value`](gradus_nn::clip_grad_value).
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

    /// Trains and validates with matrix products and convolutions that may lose as much as this says;
    /// see [`with_precision`](gradus_tensor::with_precision). Weights and all else stay as they are.
    pub fn precision(mut self, precision: Precision) -> Self {
        self.precision = precision;
        self
    }

    /// Refuses to train batches that would need more memory than this, in place of what the system
    /// has.
    pub fn memory_budget(mut self, bytes: u64) -> Self {
        self.memory_budget_bytes = Some(bytes);
        self
    }

    /// The model. Where a callback averages weights, these are not the averages.
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

    /// What was left out because it could not be read, in all epochs and in validation, where the
    /// loaders say [`BadSamples::Skip`](gradus_data::BadSamples::Skip). The history has the numbers of
    /// each epoch, as `train_skipped` and `valid_skipped`.
    pub fn skipped(&self) -> Skipped {
        self.skipped.counted(&self.history, self.running.skipped)
    }

    /// Continues after epochs that were trained before.
    pub fn set_history(&mut self, history: History) {
        self.history = history;
    }

    /// The model, trained; with the averaged weights, if a callback averages them.
    pub fn into_model(mut self) -> M {
        self.swap_averages();
        self.model
    }

    /// Trains until the history has as many epochs as there should be, a callback stops it or it is
    /// interrupted, and puts the model into evaluation.
    ///
    /// ```
    /// # use gradus_data::{DataLoader, LoaderOptions, TensorDataset};
    /// # use gradus_nn::{Linear, Module, Sgd, SgdOptions, losses::mse_loss};
    /// # use gradus_tensor::{Rng, Tensor};
    /// # use gradus_train::{EarlyStopping, Ending, Trainer};
    /// # fn main() -> gradus_tensor::Result<()> {
    /// # let set = || TensorDataset::new(Tensor::ones([8, 1]), Tensor::ones([8, 1]));
    /// # let train = DataLoader::new(set(), LoaderOptions::default());
    /// # let valid = DataLoader::new(set(), LoaderOptions::default());
    /// # let model = Linear::new(1, 1, &mut Rng::new(1));
    /// # let optimizer = Sgd::new(model.params(), SgdOptions::default());
    /// let stop = EarlyStopping { patience: 2, ..EarlyStopping::new("valid_loss") };
    /// let mut trainer = Trainer::new(model, mse_loss, optimizer).callback(stop).epochs(3);
    /// assert_eq!(trainer.fit(&train, &valid)?, Ending::Finished);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// If a batch cannot be read, a callback fails, a checkpoint cannot be written, or a batch would
    /// need more memory than there is. A training with checkpoints can be resumed after all of them.
    ///
    /// # Panics
    /// If the model does not take what the loaders give.
    pub fn fit<'l>(
        &mut self,
        train: &DataLoader,
        valid: impl Into<Option<&'l DataLoader>>,
    ) -> Result<Ending> {
        self.plan(train)?;
        (self.wishes.pause, self.wishes.save) = (None, false);
        if let Some(checkpoints) = &self.checkpoints {
            checkpoints.make_folder()?;
        }
        self.check_memory(train)?;
        self.tell(|callback, session| callback.on_start(session))?;
        let ending = self.go(train, valid.into())?;
        self.model.eval();
        self.tell(|callback, session| callback.on_end(session))?;
        Ok(ending)
    }

    /// Trains epoch after epoch.
    fn go(&mut self, train: &DataLoader, valid: Option<&DataLoader>) -> Result<Ending> {
        while self.history.len() < self.epochs {
            if let Some(ending) = self.wished_ending() {
                return Ok(ending);
            }
            if let Some(ending) = self.epoch(train, valid)? {
                return Ok(ending);
            }
        }
        Ok(self.wished_stop().unwrap_or(Ending::Finished))
    }

    /// The ending that somebody wants.
    fn wished_ending(&self) -> Option<Ending> {
        let pause = || self.wishes.pause.clone().map(Ending::Paused);
        let interrupt = || self.interrupt.is_requested().then_some(Ending::Interrupted);
        self.wished_stop().or_else(pause).or_else(interrupt)
    }

    /// The end for good that somebody wants.
    fn wished_stop(&self) -> Option<Ending> {
        self.wishes.stop.clone().map(Ending::Stopped)
    }

    /// The loss and the figures over all batches of a loader, by name, with the averaged weights if
    /// a callback averages them.
    ///
    /// # Errors
    /// If a batch cannot be read.
    pub fn evaluate(&mut self, loader: &DataLoader) -> Result<Vec<(String, f64)>> {
        self.with_averages(|trainer| trainer.measure(loader, "", &Interrupt::new()))
            .map(Option::unwrap_or_default)
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
        self.model.train();
        let curve = finder::sweep(loader, options, |batch, rate| {
            self.optimizer.set_learning_rate(rate);
            let (loss, mut gradients, _) = self.derive(batch);
            self.clip(&mut gradients);
            self.optimizer.step(&gradients);
            loss
        });
        before.restore(&self.model, &mut *self.optimizer)?;
        curve
    }

    /// Exchanges the model's weights with the averages of the callback that has some, if one does; a
    /// second time puts both back.
    fn swap_averages(&mut self) {
        let mut averages = self.callbacks.iter_mut().filter_map(|callback| callback.averages());
        if let Some(averages) = averages.next() {
            averages.swap();
        }
    }

    /// Does something with the averages in the place of the model's weights.
    fn with_averages<R>(&mut self, body: impl FnOnce(&mut Self) -> Result<R>) -> Result<R> {
        self.swap_averages();
        let result = body(self);
        self.swap_averages();
        result
    }

    /// Calls every callback, and takes up what they want.
    fn tell(
        &mut self,
        mut call: impl FnMut(&mut dyn Callback, &mut Session<'_>) -> Result<()>,
    ) -> Result<()> {
        let position = Position {
            batches_done: self.running.batches,
            steps_done: self.running.steps,
            ..self.position
        };
        let mut session = Session {
            model: &self.model,
            loss: &*self.loss,
            optimizer: &mut *self.optimizer,
            history: &self.history,
            position,
            wishes: std::mem::take(&mut self.wishes),
        };
        let calls = self.callbacks.iter_mut().map(|callback| call(&mut **callback, &mut session));
        let result = calls.collect();
        self.wishes = session.wishes;
        result
    }
}
