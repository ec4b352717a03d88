//! What to do when a training gets no better.

use crate::callback::{Callback, Session};
use crate::history::History;
use crate::state::State;
use gradus_nn::schedule::{Goal, ReduceOnPlateau, ReduceOnPlateauOptions, Threshold};
use gradus_tensor::Result;

/// Ends the training when a figure has not got better for some epochs.
///
/// It goes by the history alone, so that a training which is resumed ends where it would have. The
/// weights of the best epoch are those that [`Checkpoints`](crate::Checkpoints) keep.
///
/// ```
/// use gradus_train::EarlyStopping;
///
/// let stop = EarlyStopping { patience: 3, ..EarlyStopping::new("valid_loss") };
/// ```
#[derive(Clone, Debug)]
pub struct EarlyStopping {
    /// The figure, such as `valid_loss`.
    pub monitor: String,
    /// Which figures are better.
    pub goal: Goal,
    /// How many epochs may pass without a better figure.
    pub patience: usize,
    /// By how much a figure must be better to count.
    pub margin: f64,
}

impl EarlyStopping {
    /// Ends the training when a figure has not got smaller for 10 epochs.
    pub fn new(monitor: impl Into<String>) -> Self {
        Self { monitor: monitor.into(), goal: Goal::Lowest, patience: 10, margin: 0.0 }
    }

    /// How many epochs have passed since the last better one.
    fn waited(&self, history: &History) -> Result<usize> {
        let (mut best, mut waited): (Option<f64>, usize) = (None, 0);
        for epoch in history.epochs() {
            let figure = epoch.figure(&self.monitor)?;
            let margin = Threshold::Absolute(self.margin);
            let better = best.is_none_or(|best| margin.is_better(self.goal, figure, best));
            if better && !figure.is_nan() {
                (best, waited) = (Some(figure), 0);
            } else {
                waited += 1;
            }
        }
        Ok(waited)
    }
}

impl Callback for EarlyStopping {
    fn on_epoch_end(&mut self, session: &mut Session<'_>) -> Result<()> {
        let waited = self.waited(session.history)?;
        if waited >= self.patience.max(1) {
            session.stop(format!("{} has not got better for {waited} epochs", self.monitor));
        }
        Ok(())
    }
}

/// Lowers the learning rate when a figure has not got better for some epochs; see
/// [`ReduceOnPlateau`].
///
/// It goes by the history. Where that has epochs which it has not seen, it takes them in and lowers
/// the rate as it would have.
#[derive(Clone, Debug)]
pub struct Plateau {
    monitor: String,
    plateau: ReduceOnPlateau,
    /// How many epochs it has taken in.
    seen: usize,
    /// For how many epochs the optimizer has the learning rate already.
    applied: usize,
}

impl Plateau {
    /// Goes by a figure such as `valid_loss`.
    ///
    /// # Panics
    /// If the options cannot be.
    #[track_caller]
    pub fn new(monitor: impl Into<String>, options: ReduceOnPlateauOptions) -> Self {
        Self {
            monitor: monitor.into(),
            plateau: ReduceOnPlateau::new(options),
            seen: 0,
            applied: 0,
        }
    }

    /// Takes in the epochs that it has not seen.
    fn catch_up(&mut self, session: &mut Session<'_>) -> Result<()> {
        let mut rate = session.optimizer.learning_rate();
        for epoch in &session.history.epochs()[self.seen..] {
            let next = self.plateau.step(epoch.figure(&self.monitor)?, rate);
            if epoch.number > self.applied {
                rate = next;
            }
        }
        self.seen = session.history.len();
        session.optimizer.set_learning_rate(rate);
        Ok(())
    }
}

impl Callback for Plateau {
    fn on_start(&mut self, session: &mut Session<'_>) -> Result<()> {
        self.catch_up(session)
    }

    fn on_epoch_end(&mut self, session: &mut Session<'_>) -> Result<()> {
        self.catch_up(session)
    }
    fn state(&self) -> State {
        State::new().with("epochs", self.seen)
    }

    fn load_state(&mut self, state: &State) -> Result<()> {
        self.applied = state.count("epochs")? as usize;
        Ok(())
    }
}
