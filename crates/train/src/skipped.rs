//! What a training goes without.

use crate::history::History;
use crate::state::State;
use gradus_data::{BadSamples, Batch, DataLoader};
use gradus_tensor::{Error, Result};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fmt::{Display, Formatter};

/// So many complaints are remembered: whoever has more knows what to look for.
const MOST: usize = 100;

/// Samples that a training left out because they could not be read, where its loaders are told to
/// [skip](BadSamples::Skip) such.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Skipped {
    /// How often a sample was left out; the same one counts again in each epoch.
    pub count: u64,
    /// What was wrong, each complaint once, with the name of the file; the first hundred.
    pub complaints: BTreeSet<String>,
}

impl Skipped {
    /// Notes how many samples a batch of a loader lacks, and why; gives the number.
    pub(crate) fn note(&mut self, loader: &DataLoader, number: usize, batch: &Batch) -> u64 {
        let lacking = loader.batch_len(number).saturating_sub(batch.len()) as u64;
        if lacking > 0 {
            let free = MOST.saturating_sub(self.complaints.len());
            let new = loader.faults().samples().into_iter().map(|(_, complaint)| complaint);
            let new: Vec<String> = new.filter(|own| !self.complaints.contains(own)).collect();
            self.complaints.extend(new.into_iter().take(free));
        }
        lacking
    }

    /// The complaints, with the numbers of a history and of the epoch in progress.
    pub(crate) fn counted(&self, history: &History, running: u64) -> Self {
        let figures = history.epochs().iter().flat_map(|epoch| &epoch.figures);
        let done = figures.filter(|(name, _)| name.ends_with("_skipped"));
        let done: f64 = done.map(|(_, count)| count).sum();
        Self { count: done as u64 + running, complaints: self.complaints.clone() }
    }

    /// The figure of a number, where a loader leaves samples out at all.
    pub(crate) fn figure(loader: &DataLoader, count: u64) -> Option<(&'static str, f64)> {
        (loader.options().bad_samples == BadSamples::Skip).then_some(("skipped", count as f64))
    }

    /// What a checkpoint remembers; the numbers are in the history.
    pub(crate) fn state(&self) -> State {
        let complaints: Vec<&str> = self.complaints.iter().map(String::as_str).collect();
        match complaints.is_empty() {
            true => State::new(),
            false => State::new().with("complaints", complaints),
        }
    }

    /// Goes on from what [`Skipped::state`] gave.
    pub(crate) fn load(state: &State) -> Result<Self> {
        let list = state.get("complaints").and_then(Value::as_array);
        let texts = list.and_then(|list| {
            list.iter().map(|text| text.as_str().map(String::from)).collect::<Option<_>>()
        });
        let damaged = || Error::Mismatch("the saved state lacks what was left out".into());
        Ok(Self { count: 0, complaints: texts.ok_or_else(damaged)? })
    }
}

/// One sentence.
impl Display for Skipped {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        let Some(first) = self.complaints.first() else {
            return write!(f, "every sample could be read");
        };
        let times = match self.count {
            1 => "once".to_string(),
            count => format!("{count} times"),
        };
        write!(f, "{times} a sample was left out that could not be read: {first}")?;
        match self.complaints.len() - 1 {
            0 => Ok(()),
            more => write!(f, "; and {more} more like it"),
        }
    }
}
