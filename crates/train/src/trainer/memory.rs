//! Whether a batch fits into memory, found out before it is trained on.

use super::Trainer;
use crate::caught::catching;
use crate::parts::Sides;
use gradus_data::{Batch, DataLoader};
use gradus_nn::Layer;
use gradus_tensor::memory::usage;
use gradus_tensor::{Error, Result};
use std::fs;

/// Of how many samples the batches are by which the memory of larger ones is judged. One alone would
/// not do for batch normalisation.
const FEW: usize = 2;
const MORE: usize = 6;

/// How the allocator's complaint begins.
const OUT_OF_MEMORY: &str = "out of memory: ";

/// What the backward pass takes beside what the forward pass keeps, as a share of the latter: a
/// layer's gradients are there while all that is before it is still kept.
const BACKWARD: f64 = 0.25;

impl<M: Layer> Trainer<M> {
    /// Refuses a batch size whose batches would not fit into memory, and says which would.
    ///
    /// What the forward pass keeps of a few samples and of some more tells what it keeps of many. The
    /// system would not refuse memory that it does not have, but kill the program that uses it.
    pub(super) fn check_memory(&mut self, train: &DataLoader) -> Result<()> {
        let size = train.options().batch_size.min(train.dataset().len());
        let budget = self.memory_budget_bytes.or_else(available_bytes);
        let (Some(budget), true) = (budget, size > MORE) else {
            return Ok(());
        };
        let epoch = self.history.len() as u64;
        let set = train.dataset().in_epoch(epoch).unwrap_or_else(|| train.dataset().clone());
        let batch = |count: usize| set.batch(&(0..count).collect::<Vec<_>>());
        // Samples that cannot be read are met again, and told of, in their turn.
        let (Ok(few), Ok(more)) = (batch(FEW), batch(MORE)) else {
            return Ok(());
        };
        let sides = Sides::of(&self.model);
        self.model.train();
        let (few, more) = (self.kept_bytes(&few), self.kept_bytes(&more));
        sides.restore(&self.model)?;

        let each = more.saturating_sub(few) as f64 / (MORE - FEW) as f64 * (1.0 + BACKWARD);
        let params = self.optimizer.params();
        let gradients = params.iter().map(|param| param.tensor());
        let gradients: usize = gradients.map(|x| x.count() * x.dtype().size_bytes()).sum();
        let needed = gradients as f64 + each * size as f64;
        if needed <= budget as f64 {
            return Ok(());
        }
        let fits = ((budget as f64 - gradients as f64) / each).max(0.0) as usize;
        let cure = match fits {
            0 => "not even a batch of one fits: take a smaller model or smaller samples".into(),
            fits => format!(
                "a batch of {fits} fits: set the batch size to that or less, and gather several \
                 for a step if it is to be as large"
            ),
        };
        let (needed, budget) = (in_words(needed), in_words(budget as f64));
        Err(Error::Setting(format!(
            "training on batches of {size} samples takes about {needed} of memory, and there are \
             {budget}; {cure}"
        )))
    }

    /// Trains one batch; tells if it completed a step. Memory that the system does not give is an
    /// error: ops panic where it happens, since nobody could go on from there.
    pub(super) fn train_within_memory(&mut self, batch: &Batch) -> Result<bool> {
        let out_of_memory = |message: &str| message.contains(OUT_OF_MEMORY);
        let message = match catching(out_of_memory, || self.train_batch(batch)) {
            Ok(stepped) => return stepped,
            Err(message) => message,
        };
        // The step may have been made by half: nothing is saved of it.
        let (number, epoch) = (self.running.batches + 1, self.history.len() + 1);
        let (size, half) = (batch.len(), batch.len().div_ceil(2));
        Err(Error::Setting(format!(
            "batch {number} of epoch {epoch}, of {size} samples: {message}; set the batch size to \
             {half} or less, gather several for a step if it is to be as large, and go on from the \
             last checkpoint"
        )))
    }

    /// How much memory the forward pass keeps for the backward pass, the batch included.
    fn kept_bytes(&self, batch: &Batch) -> usize {
        let before = usage().live_bytes;
        let output = self.model.forward(batch.input());
        let loss = (self.loss)(&output, batch.target());
        let kept = usage().live_bytes.saturating_sub(before);
        drop(loss);
        let size = |x: &gradus_tensor::Tensor| x.count() * x.dtype().size_bytes();
        kept + size(batch.input()) + size(batch.target())
    }
}

/// A number of bytes for people.
fn in_words(bytes: f64) -> String {
    match bytes {
        bytes if bytes < 1e6 => format!("{:.1} kB", bytes / 1e3),
        bytes if bytes < 1e9 => format!("{:.1} MB", bytes / 1e6),
        bytes => format!("{:.1} GB", bytes / 1e9),
    }
}

/// How much memory the program may still take: what the machine has, what the group of processes may
/// have that the program belongs to, or what is left of its own limit. None where the system does not
/// tell.
fn available_bytes() -> Option<u64> {
    let info = fs::read_to_string("/proc/meminfo").ok()?;
    let line = info.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let machine = line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)?;
    // What the allocator keeps for reuse counts as taken, but is there to be used.
    let kept = usage().held_bytes.saturating_sub(usage().live_bytes) as u64;
    let group = group_bytes().unwrap_or(u64::MAX);
    let own = own_bytes().unwrap_or(u64::MAX);
    Some(machine.min(group).min(own).saturating_add(kept))
}

/// How many more addresses the program may take (`ulimit -v`), where it has a limit.
fn own_bytes() -> Option<u64> {
    let limits = fs::read_to_string("/proc/self/limits").ok()?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max address space"))?;
    let most: u64 = line.split_whitespace().next()?.parse().ok()?;
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmSize:"))?;
    let now = line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)?;
    Some(most.saturating_sub(now))
}

/// How much more memory the group of processes may take, where it has a limit.
fn group_bytes() -> Option<u64> {
    let text = |name: &str| fs::read_to_string(format!("/sys/fs/cgroup/{name}")).ok();
    let most: u64 = text("memory.max")?.trim().parse().ok()?;
    let now: u64 = text("memory.current")?.trim().parse().ok()?;
    // What is kept of files is given up where memory is wanted.
    let stat = text("memory.stat")?;
    let files = stat.lines().find_map(|line| line.strip_prefix("file "))?.trim().parse().ok()?;
    Some(most.saturating_sub(now.saturating_sub(files)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_told_in_words() {
        let told = [5e3, 2.5e6, 12.34e9].map(in_words);
        assert_eq!(told, ["5.0 kB", "2.5 MB", "12.3 GB"]);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_system_tells_how_much_is_left() {
        assert!((1 << 20..1 << 50).contains(&available_bytes().unwrap()));
    }
}
