//! Samples that cannot be read: a file that vanished, was cut off, or never was what it should be.

use crate::{Batch, Dataset};
use gradus_tensor::{Error, OpError, Result};
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What a loader does where a sample cannot be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BadSamples {
    /// The epoch ends with the error.
    #[default]
    Stop,
    /// The batch goes without it, and it is counted.
    Skip,
}

/// What a loader could not read: how often, and which samples.
#[derive(Debug, Default)]
pub struct Faults(Mutex<Seen>);

#[derive(Debug, Default)]
struct Seen {
    count: u64,
    /// The last complaint about each sample, which names its file.
    samples: BTreeMap<usize, String>,
}

impl Faults {
    /// How often a sample was left out; the same one counts again in each epoch.
    pub fn count(&self) -> u64 {
        self.seen().count
    }

    /// The samples that were left out, each with the last complaint about it, which names its file.
    pub fn samples(&self) -> Vec<(usize, String)> {
        self.seen().samples.iter().map(|(&index, said)| (index, said.clone())).collect()
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        // Whoever panicked meanwhile had only counted.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The batch of those samples that can be read, after an error with all of them.
    ///
    /// # Errors
    /// If none can be read, or the error is not about a file: more memory, or another program, would
    /// be the cure.
    pub(crate) fn without(
        &self,
        dataset: &dyn Dataset,
        indices: &[usize],
        mut error: Error,
    ) -> Result<Batch> {
        let mut left = indices.to_vec();
        let mut bad = vec![];
        // Another file may vanish between a look at it and the batch.
        while is_fault(&error) {
            let before = left.len();
            let mut other = None;
            left.retain(|&index| match dataset.sample(index) {
                Ok(_) => true,
                Err(error) if is_fault(&error) => {
                    bad.push((index, error.to_string()));
                    false
                }
                Err(error) => {
                    other = Some(error);
                    true
                }
            });
            if let Some(other) = other {
                return Err(other);
            }
            if left.is_empty() {
                let message =
                    format_args!("no sample of a batch of {} can be read: {error}", indices.len());
                return Err(OpError::of("data loader", message).into());
            }
            if left.len() == before {
                return Err(error);
            }
            match dataset.batch(&left) {
                Ok(batch) => {
                    let mut seen = self.seen();
                    seen.count += bad.len() as u64;
                    seen.samples.extend(bad);
                    return Ok(batch);
                }
                Err(next) => error = next,
            }
        }
        Err(error)
    }
}

/// True for what a file does wrong.
fn is_fault(error: &Error) -> bool {
    matches!(error, Error::Io { .. } | Error::Format { .. })
}
