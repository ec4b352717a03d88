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
    /// How many steps the optimizer makes in an epoch: fewer than there are batches, if several
    /// batches make a step.
    pub steps: usize,
    /// Set it to end the training after this epoch.
    pub stop: bool,
}

/// A batch that was trained on.
#[derive(Clone, Debug)]
pub struct Step {
    /// Its number in the epoch, from 1 on.
    pub batch: usize,
    /// How many steps the optimizer has made in the epoch.
    pub steps: usize,
    /// How many samples it had.
    pub samples: u64,
    /// The mean loss of the epoch up to here.
    pub loss: f64,
    /// The figures of the epoch up to here, by name.
    pub figures: Vec<(String, f64)>,
}

/// Gives each step of the optimizer the learning rate that a schedule says, and the momentum if it
/// says one.
pub struct Scheduled<S>(pub S);

impl<S: Schedule> Scheduled<S> {
    /// Prepares the optimizer for the step after so many of this epoch.
    fn prepare(&self, session: &mut Session<'_>, steps: usize) {
        let step = (session.history.len() * session.steps + steps) as u64;
        session.optimizer.set_learning_rate(self.0.learning_rate(step));
        if let Some(momentum) = self.0.momentum(step) {
            session.optimizer.set_momentum(momentum);
        }
    }
}

impl<S: Schedule> Callback for Scheduled<S> {
    fn on_start(&mut self, session: &mut Session<'_>) -> Result<()> {
        self.prepare(session, 0);
        Ok(())
    }

    fn on_batch_end(&mut self, session: &mut Session<'_>, step: &Step) -> Result<()> {
        self.prepare(session, step.steps);
        Ok(())
    }
}
