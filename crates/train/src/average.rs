//! Averages of the weights that a training goes through.

use crate::callback::{Callback, Session};
use crate::parts::buffers;
use crate::state::State;
use gradus_nn::{AveragedWeights, Averaging};
use gradus_tensor::{Error, Result};

/// What [`Averages`] average, and when.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AverageOptions {
    /// How.
    pub averaging: Averaging,
    /// Takes in the weights after every so many steps; none for once at the end of each epoch.
    pub every_steps: Option<usize>,
    /// Begins in this epoch, the first being 1.
    pub first_epoch: usize,
}

impl Default for AverageOptions {
    /// An exponential average of decay 0.999, from the first step on.
    fn default() -> Self {
        let averaging = Averaging::Exponential { decay: 0.999 };
        Self { averaging, every_steps: Some(1), first_epoch: 1 }
    }
}

/// Averages the weights, and the running means beside them. From when there are averages on, it is
/// they that are evaluated and kept as the best in place of the model's own.
///
/// ```
/// use gradus_train::Averages;
///
/// let averages = Averages::ema(0.99)?;
/// assert!(Averages::ema(1.5).is_err());
/// # Ok::<(), gradus_tensor::Error>(())
/// ```
///
/// # Source
/// That of [`AveragedWeights`].
#[derive(Debug)]
pub struct Averages {
    options: AverageOptions,
    weights: Option<AveragedWeights>,
    /// What was saved, until there are weights that it belongs to.
    saved: Option<State>,
}

impl Averages {
    /// An exponential moving average, taken after each step.
    ///
    /// # Errors
    /// [`Error::Setting`], if the decay is not from 0 to below 1.
    pub fn ema(decay: f64) -> Result<Self> {
        let averaging = Averaging::Exponential { decay };
        Self::new(AverageOptions { averaging, ..Default::default() })
    }

    /// Stochastic weight averaging: the mean of the weights at the ends of epochs from one on.
    ///
    /// # Errors
    /// [`Error::Setting`], if the first epoch is 0.
    pub fn swa(first_epoch: usize) -> Result<Self> {
        Self::new(AverageOptions { averaging: Averaging::Mean, every_steps: None, first_epoch })
    }

    /// Averages as options say.
    ///
    /// # Errors
    /// [`Error::Setting`], if they cannot be.
    pub fn new(options: AverageOptions) -> Result<Self> {
        let setting = |message: String| Err(Error::Setting(format!("averages: {message}")));
        match options {
            AverageOptions { averaging: Averaging::Exponential { decay }, .. }
                if !(0.0..1.0).contains(&decay) =>
            {
                setting(format!("the decay is {decay}: give a number from 0 to below 1"))
            }
            AverageOptions { every_steps: Some(0), .. } => {
                setting("every_steps is 0: give 1 or more".into())
            }
            AverageOptions { first_epoch: 0, .. } => {
                setting("first_epoch is 0: the first is 1".into())
            }
            options => Ok(Self { options, weights: None, saved: None }),
        }
    }

    /// True if the weights of now are to be taken in.
    fn is_due(&self, session: &Session<'_>) -> bool {
        if session.history.len() + 1 < self.options.first_epoch {
            return false;
        }
        let position = session.position;
        match self.options.every_steps {
            Some(every) => session.steps_made().is_multiple_of(every as u64),
            None => position.steps_done == position.steps,
        }
    }
}

impl Callback for Averages {
    fn on_start(&mut self, session: &mut Session<'_>) -> Result<()> {
        if self.weights.is_none() {
            let params = session.model.named_params().into_iter().map(|(_, param)| param);
            let weights = AveragedWeights::new(params.collect(), self.options.averaging);
            self.weights = Some(weights.buffers(buffers(session.model)));
        }
        if let (Some(weights), Some(saved)) = (&mut self.weights, self.saved.take()) {
            weights.load_state_dict(saved.tensors())?;
        }
        Ok(())
    }

    // Running means have moved by then, and a batch that completes no step changes no weight.
    fn on_step(&mut self, session: &mut Session<'_>) -> Result<()> {
        if self.is_due(session)
            && let Some(weights) = &mut self.weights
        {
            weights.update();
        }
        Ok(())
    }

    fn averages(&mut self) -> Option<&mut AveragedWeights> {
        self.weights.as_mut().filter(|weights| weights.count() > 0)
    }

    fn state(&self) -> State {
        match (&self.weights, &self.saved) {
            (_, Some(saved)) => saved.clone(),
            (Some(weights), None) => State::new().with_tensors(weights.state_dict()),
            (None, None) => State::new(),
        }
    }

    fn load_state(&mut self, state: &State) -> Result<()> {
        self.saved = Some(state.clone());
        Ok(())
    }
}
