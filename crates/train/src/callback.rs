//! What is called while a model is trained.

use crate::history::History;
use crate::metrics::Metric;
use crate::state::State;
use gradus_data::Batch;
use gradus_nn::schedule::Schedule;
use gradus_nn::{AveragedWeights, Layer, Optimizer};
use gradus_tensor::{Gradients, Result, Tensor};

/// Called by a [`Trainer`](crate::Trainer) as it goes; each method does nothing unless it is written.
///
/// In a training without disturbance the order is: `on_start`; for each epoch `on_epoch_start`, for
/// each batch `on_batch_start`, `on_gradients`, `on_step` (if the batch completes a step),
/// `on_batch_end`; `on_validation_start`, `on_validation_end`, `on_epoch_end`; `on_end`. A training
/// that is resumed calls `on_start` and goes on in the midst of that.
///
/// ```
/// use gradus_tensor::Result;
/// use gradus_train::{Callback, Session, State};
///
/// /// Counts epochs, also over interruptions.
/// #[derive(Default)]
/// struct Counter(u64);
///
/// impl Callback for Counter {
///     fn on_epoch_end(&mut self, _: &mut Session<'_>) -> Result<()> {
///         self.0 += 1;
///         Ok(())
///     }
///
///     fn state(&self) -> State {
///         State::new().with("epochs", self.0)
///     }
///
///     fn load_state(&mut self, state: &State) -> Result<()> {
///         self.0 = state.count("epochs")?;
///         Ok(())
///     }
/// }
/// ```
pub trait Callback: Send {
    /// Under which name checkpoints hold its state: by default that of the type.
    fn name(&self) -> &str {
        let whole = std::any::type_name::<Self>();
        let path = whole.split('<').next().unwrap_or(whole);
        path.rsplit("::").next().unwrap_or(path)
    }

    /// Before the first epoch, or before a training goes on.
    ///
    /// # Errors
    /// An error ends the training.
    fn on_start(&mut self, _session: &mut Session<'_>) -> Result<()> {
        Ok(())
    }

    /// Before the first batch of an epoch.
    ///
    /// # Errors
    /// An error ends the training.
    fn on_epoch_start(&mut self, _session: &mut Session<'_>) -> Result<()> {
        Ok(())
    }

    /// Before a batch is trained on.
    ///
    /// # Errors
    /// An error ends the training.
    fn on_batch_start(&mut self, _session: &mut Session<'_>, _batch: &Batch) -> Result<()> {
        Ok(())
    }

    /// When the gradients of a batch are there, before a step is made by them: they may be changed.
    ///
    /// # Errors
    /// An error ends the training, without the step.
    fn on_gradients(
        &mut self,
        _session: &mut Session<'_>,
        _derived: &mut Derived<'_>,
    ) -> Result<()> {
        Ok(())
    }

    /// After a step of the optimizer.
    ///
    /// # Errors
    /// An error ends the training.
    fn on_step(&mut self, _session: &mut Session<'_>) -> Result<()> {
        Ok(())
    }

    /// After each batch.
    ///
    /// # Errors
    /// An error ends the training.
    fn on_batch_end(&mut self, _session: &mut Session<'_>, _step: &Step<'_>) -> Result<()> {
        Ok(())
    }

    /// Before the model is evaluated after an epoch.
    ///
    /// # Errors
    /// An error ends the training.
    fn on_validation_start(&mut self, _session: &mut Session<'_>) -> Result<()> {
        Ok(())
    }

    /// After the model was evaluated, with what was found.
    ///
    /// # Errors
    /// An error ends the training.
    fn on_validation_end(
        &mut self,
        _session: &mut Session<'_>,
        _figures: &[(String, f64)],
    ) -> Result<()> {
        Ok(())
    }

    /// After each epoch, when its figures are in the history.
    ///
    /// # Errors
    /// An error ends the training.
    fn on_epoch_end(&mut self, _session: &mut Session<'_>) -> Result<()> {
        Ok(())
    }

    /// After the last epoch, or where the training is stopped or interrupted.
    ///
    /// # Errors
    /// An error ends the training.
    fn on_end(&mut self, _session: &mut Session<'_>) -> Result<()> {
        Ok(())
    }

    /// Weights that are evaluated, and kept as the best, in place of the model's own.
    fn averages(&mut self) -> Option<&mut AveragedWeights> {
        None
    }

    /// What it must remember for a training to go on as if it had never stopped. What follows from
    /// the history and the position in the epoch need not be among it.
    fn state(&self) -> State {
        State::new()
    }

    /// Goes on from what [`Callback::state`] gave. It comes before `on_start`.
    ///
    /// # Errors
    /// [`Error::Mismatch`](gradus_tensor::Error::Mismatch), if that was something else.
    fn load_state(&mut self, _state: &State) -> Result<()> {
        Ok(())
    }
}

impl<C: Callback + ?Sized> Callback for Box<C> {
    fn name(&self) -> &str {
        (**self).name()
    }
    fn on_start(&mut self, session: &mut Session<'_>) -> Result<()> {
        (**self).on_start(session)
    }
    fn on_epoch_start(&mut self, session: &mut Session<'_>) -> Result<()> {
        (**self).on_epoch_start(session)
    }
    fn on_batch_start(&mut self, session: &mut Session<'_>, batch: &Batch) -> Result<()> {
        (**self).on_batch_start(session, batch)
    }
    fn on_gradients(&mut self, session: &mut Session<'_>, derived: &mut Derived<'_>) -> Result<()> {
        (**self).on_gradients(session, derived)
    }
    fn on_step(&mut self, session: &mut Session<'_>) -> Result<()> {
        (**self).on_step(session)
    }
    fn on_batch_end(&mut self, session: &mut Session<'_>, step: &Step<'_>) -> Result<()> {
        (**self).on_batch_end(session, step)
    }
    fn on_validation_start(&mut self, session: &mut Session<'_>) -> Result<()> {
        (**self).on_validation_start(session)
    }
    fn on_validation_end(
        &mut self,
        session: &mut Session<'_>,
        figures: &[(String, f64)],
    ) -> Result<()> {
        (**self).on_validation_end(session, figures)
    }
    fn on_epoch_end(&mut self, session: &mut Session<'_>) -> Result<()> {
        (**self).on_epoch_end(session)
    }
    fn on_end(&mut self, session: &mut Session<'_>) -> Result<()> {
        (**self).on_end(session)
    }
    fn averages(&mut self) -> Option<&mut AveragedWeights> {
        (**self).averages()
    }
    fn state(&self) -> State {
        (**self).state()
    }
    fn load_state(&mut self, state: &State) -> Result<()> {
        (**self).load_state(state)
    }
}

/// A training in progress.
pub struct Session<'a> {
    /// The model.
    pub model: &'a dyn Layer,
    /// What is made small, by a model's output and the target.
    pub loss: &'a (dyn Fn(&Tensor, &Tensor) -> Tensor + Send + Sync),
    /// The optimizer, whose learning rate may be changed.
    pub optimizer: &'a mut dyn Optimizer,
    /// What was recorded so far: its length is the number of epochs that are done.
    pub history: &'a History,
    /// Where the training is.
    pub position: Position,
    /// What callbacks want.
    pub wishes: Wishes,
}

/// Where a training is, and how far it goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Position {
    /// How many epochs there will be.
    pub epochs: usize,
    /// How many batches an epoch has.
    pub batches: usize,
    /// How many steps the optimizer makes in an epoch: fewer than there are batches, if several
    /// batches make a step.
    pub steps: usize,
    /// How many batches of this epoch are done.
    pub batches_done: usize,
    /// How many steps of this epoch are done.
    pub steps_done: usize,
}

/// What callbacks want of a training.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wishes {
    /// Why it should end for good.
    pub stop: Option<String>,
    /// Why it should end for now.
    pub pause: Option<String>,
    /// That a checkpoint be written after this batch.
    pub save: bool,
}

impl<'a> Session<'a> {
    /// A training at its beginning, for callbacks that are used in a hand-written loop.
    pub fn new(
        model: &'a dyn Layer,
        loss: &'a (dyn Fn(&Tensor, &Tensor) -> Tensor + Send + Sync),
        optimizer: &'a mut dyn Optimizer,
        history: &'a History,
    ) -> Self {
        let (position, wishes) = Default::default();
        Self { model, loss, optimizer, history, position, wishes }
    }

    /// How many steps the optimizer has made in all epochs together.
    pub fn steps_made(&self) -> u64 {
        (self.history.len() * self.position.steps + self.position.steps_done) as u64
    }

    /// Ends the training for good after this batch or epoch: resumed, it does not go on. The first
    /// reason counts.
    pub fn stop(&mut self, reason: impl Into<String>) {
        self.wishes.stop.get_or_insert(reason.into());
    }

    /// Ends the training for now, after this batch or epoch: resumed, it goes on.
    pub fn pause(&mut self, reason: impl Into<String>) {
        self.wishes.pause.get_or_insert(reason.into());
    }
}

/// What was derived from a batch.
pub struct Derived<'a> {
    /// The batch.
    pub batch: &'a Batch,
    /// Its loss.
    pub loss: f64,
    /// The gradients by the parameters: of this batch, or, where several make a step, of those since
    /// the last step.
    pub gradients: &'a mut Gradients,
}

/// A batch that was trained on.
pub struct Step<'a> {
    /// Its number in the epoch, from 1 on.
    pub batch: usize,
    /// How many steps the optimizer has made in the epoch.
    pub steps: usize,
    /// How many samples it had.
    pub samples: u64,
    /// Its loss.
    pub loss: f64,
    /// The mean loss of the epoch up to here.
    pub mean_loss: f64,
    /// The metrics of the epoch up to here.
    pub metrics: &'a [Box<dyn Metric>],
}

impl Step<'_> {
    /// The figures of the epoch up to here, by name. Some are expensive: ask now and then only.
    pub fn figures(&self) -> Vec<(String, f64)> {
        self.metrics.iter().flat_map(|metric| metric.figures()).collect()
    }
}

/// Gives each step of the optimizer the learning rate that a schedule says, and the momentum if it
/// says one.
pub struct Scheduled<S>(pub S);

impl<S: Schedule> Scheduled<S> {
    /// Prepares the optimizer for its next step.
    fn prepare(&self, session: &mut Session<'_>) {
        let step = session.steps_made();
        session.optimizer.set_learning_rate(self.0.learning_rate(step));
        if let Some(momentum) = self.0.momentum(step) {
            session.optimizer.set_momentum(momentum);
        }
    }
}

impl<S: Schedule> Callback for Scheduled<S> {
    fn on_start(&mut self, session: &mut Session<'_>) -> Result<()> {
        self.prepare(session);
        Ok(())
    }

    fn on_batch_end(&mut self, session: &mut Session<'_>, _: &Step<'_>) -> Result<()> {
        self.prepare(session);
        Ok(())
    }
}
