//! Shares of right answers.

use super::Metric;
use super::input::{guesses, is_binary, refuse, rows, truths};
use crate::state::State;
use gradus_tensor::{Error, Result, Tensor};

/// The share of samples whose largest output is that of the right class; where there is one output a
/// sample, whose sign is right. Of equal outputs the first counts, and one with NaN is wrong.
///
/// # Shapes
/// `output: [B, C, …]`, `target: [B, …]` of class numbers or `[B, C, …]` of shares; or `output: [B]`
/// or `[B, 1]`, positive for class 1, and `target: [B]` or `[B, 1]`.
#[derive(Clone, Debug, Default)]
pub struct Accuracy {
    right: u64,
    count: u64,
}

impl Metric for Accuracy {
    fn name(&self) -> &str {
        "accuracy"
    }

    fn update(&mut self, output: &Tensor, target: &Tensor) {
        let truths = truths("accuracy", output, target);
        let right = guesses("accuracy", output)
            .into_iter()
            .zip(&truths)
            .filter(|(guess, truth)| guess.is_some_and(|guess| guess as i64 == **truth));
        self.right += right.count() as u64;
        self.count += truths.len() as u64;
    }

    fn value(&self) -> f64 {
        self.right as f64 / self.count as f64
    }

    fn reset(&mut self) {
        *self = Self::default();
    }

    fn state(&self) -> State {
        State::new().with("right", self.right).with("count", self.count)
    }

    fn load_state(&mut self, state: &State) -> Result<()> {
        *self = Self { right: state.count("right")?, count: state.count("count")? };
        Ok(())
    }
}

/// The share of samples whose right class is among the k with the largest outputs. Of equal outputs
/// the first count, so that with k = 1 this is [`Accuracy`]. scikit-learn: `top_k_accuracy_score`.
///
/// # Shapes
/// `output: [B, C, …]`, `target: [B, …]` of class numbers or `[B, C, …]` of shares.
#[derive(Clone, Debug)]
pub struct TopAccuracy {
    name: String,
    k: usize,
    right: u64,
    count: u64,
}

impl TopAccuracy {
    /// With the k largest outputs.
    ///
    /// # Errors
    /// If k is 0.
    pub fn new(k: usize) -> Result<Self> {
        if k == 0 {
            return Err(Error::Setting("top_accuracy: k is 0: give 1 or more".into()));
        }
        Ok(Self { name: format!("top_{k}_accuracy"), k, right: 0, count: 0 })
    }
}

impl Metric for TopAccuracy {
    fn name(&self) -> &str {
        &self.name
    }

    fn update(&mut self, output: &Tensor, target: &Tensor) {
        if is_binary(output) {
            refuse(
                "top_accuracy",
                format_args!("takes outputs of several classes, not of shape {}", output.shape()),
            );
        }
        let truths = truths("top_accuracy", output, target);
        for (row, &truth) in rows("top_accuracy", output).rows().zip(&truths) {
            let Some(&own) = usize::try_from(truth).ok().and_then(|truth| row.get(truth)) else {
                refuse(
                    "top_accuracy",
                    format_args!("there is no class {truth}, counted from 0, of {}", row.len()),
                );
            };
            let before = row
                .iter()
                .enumerate()
                .filter(|&(class, &x)| x > own || (x == own && (class as i64) < truth));
            let whole = row.iter().all(|x| !x.is_nan());
            self.right += u64::from(whole && before.count() < self.k);
            self.count += 1;
        }
    }

    fn value(&self) -> f64 {
        self.right as f64 / self.count as f64
    }

    fn reset(&mut self) {
        (self.right, self.count) = (0, 0);
    }

    fn state(&self) -> State {
        State::new().with("right", self.right).with("count", self.count)
    }

    fn load_state(&mut self, state: &State) -> Result<()> {
        (self.right, self.count) = (state.count("right")?, state.count("count")?);
        Ok(())
    }
}
