//! Going through a data set in batches.

use crate::augment::stream;
use crate::faults::{BadSamples, Faults};
use crate::weights::draw;
use crate::{Batch, Dataset};
use gradus_tensor::{OpError, Result};
use std::any::Any;
use std::ops::Range;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{Builder, JoinHandle};

/// How a [`DataLoader`] goes through its data set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoaderOptions {
    /// How many samples make a batch.
    pub batch_size: usize,
    /// The seed of the random order, which is another one in each epoch; none for the order of the
    /// data set.
    pub shuffle: Option<u64>,
    /// Leaves out the last batch if it is smaller than the others.
    pub drop_last: bool,
    /// How many threads make batches ahead; with 0, each is made when it is asked for.
    pub workers: usize,
    /// How many batches each of these threads makes ahead, besides the one it works on.
    pub prefetch: usize,
    /// What is done where a sample cannot be read.
    pub bad_samples: BadSamples,
}

impl Default for LoaderOptions {
    fn default() -> Self {
        Self {
            batch_size: 32,
            shuffle: None,
            drop_last: false,
            workers: 0,
            prefetch: 2,
            bad_samples: BadSamples::Stop,
        }
    }
}

/// Goes through a data set in batches, epoch by epoch. PyTorch: `torch.utils.data.DataLoader`.
///
/// The batches of an epoch depend on the data set, the options and the epoch's number alone, never
/// on the number of workers or on what was loaded before: so a training that is resumed sees what
/// it would have seen.
#[derive(Clone)]
pub struct DataLoader {
    dataset: Arc<dyn Dataset>,
    options: LoaderOptions,
    /// What each sample is drawn by, if an epoch draws them with replacement.
    weights: Option<Arc<[f64]>>,
    faults: Arc<Faults>,
}

impl DataLoader {
    /// A loader of a data set.
    ///
    /// # Panics
    /// If the batch size is 0.
    #[track_caller]
    pub fn new(dataset: impl Dataset + 'static, options: LoaderOptions) -> Self {
        assert!(options.batch_size > 0, "a loader's batch_size is 0: give 1 or more");
        Self { dataset: Arc::new(dataset), options, weights: None, faults: Arc::default() }
    }

    /// Draws the samples of each epoch with replacement, as many as there are, each as likely as its
    /// weight says: so that rare classes are seen as often as others, for instance. They depend on
    /// the weights, the seed of `shuffle` (0 without one) and the epoch's number alone. PyTorch:
    /// `torch.utils.data.WeightedRandomSampler`.
    ///
    /// ```
    /// use gradus_data::{DataLoader, LoaderOptions, TensorDataset};
    /// use gradus_tensor::Tensor;
    ///
    /// let set = TensorDataset::new(Tensor::zeros([4, 3]), Tensor::arange(0, 4, 1));
    /// let loader = DataLoader::new(set, LoaderOptions::default()).weighted(vec![0., 1., 0., 0.]);
    /// assert_eq!(loader.epoch(0).next().unwrap().unwrap().target().to_vec::<i64>(), [1; 4]);
    /// ```
    ///
    /// # Panics
    /// If there are not as many weights as samples, one is negative or not finite, or none is above
    /// 0.
    #[track_caller]
    pub fn weighted(mut self, weights: Vec<f64>) -> Self {
        let (count, samples) = (weights.len(), self.dataset.len());
        assert!(count == samples, "{count} weights for {samples} samples: give one for each");
        let wrong = weights.iter().find(|weight| !weight.is_finite() || **weight < 0.0);
        assert!(wrong.is_none(), "a sample's weight is {}: give 0 or more", wrong.unwrap_or(&0.0));
        let some = weights.iter().any(|&weight| weight > 0.0);
        assert!(some || samples == 0, "all weights are 0, so that no sample can be drawn");
        self.weights = Some(weights.into());
        self
    }

    /// What could not be read so far, in all epochs and by all copies of this loader.
    pub fn faults(&self) -> &Faults {
        &self.faults
    }

    /// The number of batches of an epoch.
    pub fn len(&self) -> usize {
        let (count, size) = (self.dataset.len(), self.options.batch_size);
        if self.options.drop_last { count / size } else { count.div_ceil(size) }
    }

    /// How many samples the batch of a number has, counted from 0, if all of them can be read.
    pub fn batch_len(&self, number: usize) -> usize {
        let (count, size) = (self.dataset.len(), self.options.batch_size);
        count.saturating_sub(number.saturating_mul(size)).min(size)
    }

    /// True if an epoch has no batch.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The data set.
    pub fn dataset(&self) -> &Arc<dyn Dataset> {
        &self.dataset
    }

    /// How it is gone through.
    pub fn options(&self) -> &LoaderOptions {
        &self.options
    }

    /// The batches of an epoch.
    pub fn epoch(&self, epoch: u64) -> Batches {
        self.epoch_from(epoch, 0)
    }

    /// The batches of an epoch from one on, counted from 0: what is left after an interruption.
    pub fn epoch_from(&self, epoch: u64, first_batch: usize) -> Batches {
        let count = self.dataset.len();
        let order = match (&self.weights, self.options.shuffle) {
            (Some(weights), seed) => draw(weights, count, seed.unwrap_or(0), epoch),
            (None, Some(seed)) => stream(seed, epoch).permutation(count),
            (None, None) => (0..count).collect(),
        };
        let dataset = self.dataset.in_epoch(epoch).unwrap_or_else(|| self.dataset.clone());
        let LoaderOptions { batch_size, bad_samples, .. } = self.options;
        let faults = self.faults.clone();
        let plan = Arc::new(Plan { dataset, order, batch_size, epoch, bad_samples, faults });
        let left = first_batch.min(self.len())..self.len();
        let workers = self.options.workers.min(left.len());
        let workers: Option<Vec<Worker>> = (0..workers)
            .map(|worker| {
                let own = left.clone().skip(worker).step_by(workers).collect();
                Worker::start(plan.clone(), own, self.options.prefetch)
            })
            .collect();
        // Where the system refuses a thread, the one that asks for batches makes them.
        Batches { plan, first: left.start, left, workers: workers.unwrap_or_default() }
    }
}

/// What the batches of an epoch are made of.
struct Plan {
    dataset: Arc<dyn Dataset>,
    order: Vec<usize>,
    batch_size: usize,
    epoch: u64,
    bad_samples: BadSamples,
    faults: Arc<Faults>,
}

impl Plan {
    fn batch(&self, number: usize) -> Result<Batch> {
        let start = number * self.batch_size;
        let end = start.saturating_add(self.batch_size).min(self.order.len());
        let indices = &self.order[start..end];
        match (self.dataset.batch(indices), self.bad_samples) {
            (Err(error), BadSamples::Skip) => self.faults.without(&*self.dataset, indices, error),
            (batch, _) => batch,
        }
    }
}

/// A thread that makes some of the batches.
struct Worker {
    /// Where they come out, in order; none once the thread was told to stop.
    batches: Option<Receiver<Result<Batch>>>,
    thread: Option<JoinHandle<()>>,
}

impl Worker {
    /// A thread that makes batches with these numbers, unless the system refuses it.
    fn start(plan: Arc<Plan>, numbers: Vec<usize>, prefetch: usize) -> Option<Self> {
        // No more than there are batches, lest the channel takes memory for more.
        let (sender, batches) = sync_channel(prefetch.min(numbers.len()));
        let work = move || make_batches(&plan, numbers, &sender);
        let thread = Builder::new().name("gradus-loader".into()).spawn(work).ok()?;
        Some(Self { batches: Some(batches), thread: Some(thread) })
    }

    /// Waits for the next batch.
    fn next(&mut self, epoch: u64, number: usize) -> Result<Batch> {
        if let Some(Ok(batch)) = self.batches.as_ref().map(Receiver::recv) {
            return batch;
        }
        // A thread that ended too early has panicked.
        let outcome = self.thread.take().map_or(Ok(()), JoinHandle::join);
        let reason = outcome.err().map_or("it ended".into(), |panic| message(&*panic));
        let message =
            format_args!("the worker of batch {number} of epoch {epoch} failed: {reason}");
        Err(OpError::of("data loader", message).into())
    }
}

/// What a worker does: until the batches are made or nobody wants them.
fn make_batches(plan: &Plan, numbers: Vec<usize>, sender: &SyncSender<Result<Batch>>) {
    for number in numbers {
        let batch = plan.batch(number);
        let failed = batch.is_err();
        if sender.send(batch).is_err() || failed {
            return;
        }
    }
}

/// What a panic said.
fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| text.to_string());
    text.or_else(|| panic.downcast_ref().cloned()).unwrap_or("it panicked".into())
}

/// The batches of an epoch, or of what is left of one.
///
/// They end after an error. Once this is dropped, no thread works on them any more.
pub struct Batches {
    plan: Arc<Plan>,
    /// The number of the first batch of all.
    first: usize,
    /// The numbers of the batches to come.
    left: Range<usize>,
    workers: Vec<Worker>,
}

impl Iterator for Batches {
    type Item = Result<Batch>;

    fn next(&mut self) -> Option<Result<Batch>> {
        let number = self.left.next()?;
        let batch = match self.workers.len() {
            0 => self.plan.batch(number),
            count => self.workers[(number - self.first) % count].next(self.plan.epoch, number),
        };
        if batch.is_err() {
            self.left = 0..0;
        }
        Some(batch)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.left.size_hint()
    }
}

impl ExactSizeIterator for Batches {}

impl Drop for Batches {
    fn drop(&mut self) {
        // All are told to stop before any is waited for.
        self.workers.iter_mut().for_each(|worker| worker.batches = None);
        for thread in self.workers.iter_mut().filter_map(|worker| worker.thread.take()) {
            // A panic that no batch was asked for after concerns nobody.
            let _ = thread.join();
        }
    }
}
