//! What is called while a model is trained.

use crate::history::History;
use gradus_nn::schedule::Schedule;
use gradus_nn::{Layer, Optimizer};
use gradus_tensor::Result;

/// Called by a [`Trainer`](crate::Trainer) as it goes; each method does nothing unless it is written.
pub trait Callback: Send {
    /// Before the first epoch.
    ///
    /// # Errors
    /// An error ends the training.
    fn on_start(&mut self, _session: &mut Session<'_>) -> Result<()> {
        Ok(())
    }

    /// After each batch.
    ///
    /// # Errors
    /// An error ends the training.
    fn on_batch_end(&mut self, _session: &mut Session<'_>, _step: &Step) -> Result<()> {
        Ok(())
    }

    /// After each epoch, when its figures are in the history.
    ///
    /// # Errors
    /// An error ends the training.
    fn on_epoch_end(&mut self, _session: &mut Session<'_>) -> Result<()> {
        Ok(())
    }

    /// After the last epoch.
    ///
    /// # Errors
    /// An error ends the training.
    fn on_end(&mut self, _session: &mut Session<'_>) -> Result<()> {
        Ok(())
    }
}

/// A training in progress.
pub struct Session<'a> {
    /// The model.
    pub model: &'a dyn Layer,
    /// The optimizer, whose learning rate may be changed.
    pub optimizer: &'a mut dyn Optimizer,
    /// What was recorded so far.
    pub history: &'a History,
    /// How many epochs there will be.
    pub epochs: usize,
    /// How many batches an epoch has.
    pub batches: usize,
    /// Set it to end the training after this epoch.
    pub stop: bool,
}

/// A batch that was trained on.
#[derive(Clone, Debug)]
pub struct Step {
    /// Its number in the epoch, from 1 on.
    pub batch: usize,
    /// How many samples it had.
    pub samples: u64,
    /// The mean loss of the epoch up to here.
    pub loss: f64,
    /// The figures of the epoch up to here, by name.
    pub figures: Vec<(String, f64)>,
}

/// Gives each step the learning rate that a schedule says.
pub struct Scheduled<S>(pub S);

impl<S: Schedule> Callback for Scheduled<S> {
    fn on_start(&mut self, session: &mut Session<'_>) -> Result<()> {
        let step = session.history.len() * session.batches;
        session.optimizer.set_learning_rate(self.0.learning_rate(step as u64));
        Ok(())
    }

    fn on_batch_end(&mut self, session: &mut Session<'_>, step: &Step) -> Result<()> {
        let done = session.history.len() * session.batches + step.batch;
        session.optimizer.set_learning_rate(self.0.learning_rate(done as u64));
        Ok(())
    }
}
