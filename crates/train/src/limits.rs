//! Callbacks that change what is trained, and for how long.

use crate::callback::{Callback, Session};
use gradus_nn::Param;
use gradus_tensor::{Error, Result};
use std::collections::HashSet;
use std::time::Instant;

/// Ends the training for now when another epoch would not fit into a time: one that takes as long as
/// the longest since the training was started or resumed. The time is of one run of the program.
#[derive(Clone, Debug)]
pub struct TimeBudget {
    seconds: f64,
    /// When the training started, and when this epoch did.
    start: Instant,
    epoch_start: Instant,
    longest_s: f64,
}

impl TimeBudget {
    /// So many seconds.
    ///
    /// # Errors
    /// [`Error::Setting`], if they are not positive.
    pub fn new(seconds: f64) -> Result<Self> {
        let now = Instant::now();
        match seconds > 0.0 {
            true => Ok(Self { seconds, start: now, epoch_start: now, longest_s: 0.0 }),
            false => Err(Error::Setting(format!(
                "time budget: {seconds} seconds: give a positive number"
            ))),
        }
    }
}

impl Callback for TimeBudget {
    fn on_start(&mut self, _: &mut Session<'_>) -> Result<()> {
        (self.start, self.epoch_start) = (Instant::now(), Instant::now());
        Ok(())
    }

    fn on_epoch_start(&mut self, _: &mut Session<'_>) -> Result<()> {
        self.epoch_start = Instant::now();
        Ok(())
    }

    fn on_epoch_end(&mut self, session: &mut Session<'_>) -> Result<()> {
        self.longest_s = self.longest_s.max(self.epoch_start.elapsed().as_secs_f64());
        let (used, next) = (self.start.elapsed().as_secs_f64(), self.longest_s);
        if used + next > self.seconds && session.history.len() < session.position.epochs {
            let budget = self.seconds;
            session.pause(format!(
                "of {budget} s {used:.1} s are used, and another epoch would take {next:.1} s"
            ));
        }
        Ok(())
    }
}

/// Trains the parameters whose names fit a pattern from an epoch on; before, they should be frozen.
///
/// The optimizer must have been made of all parameters that are ever trained, such as
/// [`params_matching`](gradus_nn::Module::params_matching)`("*")`.
#[derive(Clone, Debug)]
pub struct Unfreeze {
    /// In which names `*` stands for any characters or none.
    pub pattern: String,
    /// The epoch, the first being 1.
    pub epoch: usize,
}

impl Unfreeze {
    fn apply(&self, session: &Session<'_>) -> Result<()> {
        let Self { pattern, epoch } = self;
        let params = session.model.params_matching(pattern);
        if params.is_empty() {
            let first = session.model.named_params().into_iter().next();
            let first = first.map_or("none".into(), |(name, _)| name);
            return Err(Error::Setting(format!(
                "unfreeze: no parameter's name fits `{pattern}`: the first name is {first}"
            )));
        }
        let trained: HashSet<u64> = session.optimizer.params().iter().map(Param::id).collect();
        if !params.iter().all(|param| trained.contains(&param.id())) {
            return Err(Error::Setting(format!(
                "unfreeze: the optimizer was not given all parameters `{pattern}`: make it of \
                 those that are frozen at first, too"
            )));
        }
        if session.history.len() + 1 >= *epoch {
            params.iter().for_each(Param::unfreeze);
        }
        Ok(())
    }
}

impl Callback for Unfreeze {
    fn on_start(&mut self, session: &mut Session<'_>) -> Result<()> {
        self.apply(session)
    }

    fn on_epoch_start(&mut self, session: &mut Session<'_>) -> Result<()> {
        self.apply(session)
    }
}
