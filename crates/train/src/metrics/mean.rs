//! Means.

use crate::state::State;
use gradus_tensor::Result;

/// The mean of numbers, each counted as often as it says.
#[derive(Clone, Debug, Default)]
pub struct Mean {
    sum: f64,
    count: u64,
}

impl Mean {
    /// Takes in a number that stands for `count` of its kind.
    pub fn add(&mut self, value: f64, count: u64) {
        self.sum += value * count as f64;
        self.count += count;
    }

    /// The mean; NaN of nothing.
    pub fn value(&self) -> f64 {
        self.sum / self.count as f64
    }

    /// What was taken in.
    pub fn state(&self) -> State {
        State::new().with_number("sum", self.sum).with("count", self.count)
    }

    /// Goes on from what [`Mean::state`] gave.
    ///
    /// # Errors
    /// [`Error::Mismatch`](gradus_tensor::Error::Mismatch), if that was something else.
    pub fn load_state(&mut self, state: &State) -> Result<()> {
        *self = Self { sum: state.number("sum")?, count: state.count("count")? };
        Ok(())
    }
}
