//! The loader: the same batches however they are made, and errors that reach the one who asks.

use gradus_data::{
    Augment, BadSamples, Batch, DataLoader, Dataset, LoaderOptions, Sample, TensorDataset,
};
use gradus_tensor::{Error, OpError, Result, Tensor};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

fn counting(count: i64) -> TensorDataset {
    let numbers = Tensor::arange(0, count, 1);
    TensorDataset::new(numbers.clone(), numbers)
}

fn numbers(batches: impl Iterator<Item = Result<Batch>>) -> Vec<Vec<i64>> {
    batches.map(|batch| batch.unwrap().input().to_vec()).collect()
}

#[test]
fn batches_in_order_and_the_rest() {
    let options = LoaderOptions { batch_size: 4, ..Default::default() };
    let loader = DataLoader::new(counting(10), options);
    assert_eq!(numbers(loader.epoch(3)), [vec![0, 1, 2, 3], vec![4, 5, 6, 7], vec![8, 9]]);
    assert_eq!(loader.len(), 3);
    let loader = DataLoader::new(counting(10), LoaderOptions { drop_last: true, ..options });
    assert_eq!(numbers(loader.epoch(0)), [[0, 1, 2, 3], [4, 5, 6, 7]]);
    assert_eq!(loader.len(), 2);
    assert_eq!(loader.epoch(0).len(), 2);
    let empty = DataLoader::new(counting(0), LoaderOptions { workers: 2, ..options });
    assert!(empty.is_empty() && empty.epoch(0).next().is_none());
}

#[test]
fn an_epoch_has_an_order_of_its_own_and_each_sample_once() {
    let options = LoaderOptions { batch_size: 7, shuffle: Some(5), ..Default::default() };
    let loader = DataLoader::new(counting(100), options);
    let first = numbers(loader.epoch(0)).concat();
    let second = numbers(loader.epoch(1)).concat();
    assert_eq!(first, numbers(loader.epoch(0)).concat());
    assert_ne!(first, second);
    for mut order in [first.clone(), second] {
        order.sort_unstable();
        assert!(order.into_iter().eq(0..100));
    }
    let other = DataLoader::new(counting(100), LoaderOptions { shuffle: Some(6), ..options });
    assert_ne!(first, numbers(other.epoch(0)).concat());
}

#[test]
fn the_same_bits_with_any_number_of_workers_and_from_any_batch_on() {
    let set = TensorDataset::new(Tensor::zeros([50, 3]), Tensor::zeros([50]));
    let noisy = Augment::new(set, 1, |sample, rng| {
        // Some take longer than others, so that workers overtake each other.
        std::thread::sleep(Duration::from_micros(rng.below(200)));
        let noise = Tensor::randn(sample.input().shape(), rng);
        Ok(Sample::new(noise, sample.target().clone()))
    });
    let noisy = Arc::new(noisy);
    let bits = |workers, prefetch, epoch, first_batch| -> Vec<Vec<u32>> {
        let shuffle = Some(9);
        let options =
            LoaderOptions { batch_size: 4, shuffle, workers, prefetch, ..Default::default() };
        let batches = DataLoader::new(noisy.clone(), options).epoch_from(epoch, first_batch);
        let left = batches.len();
        let bits: Vec<Vec<u32>> = batches
            .map(|x| x.unwrap().input().to_vec::<f32>().into_iter().map(f32::to_bits).collect())
            .collect();
        assert_eq!(left, bits.len());
        bits
    };
    for epoch in [0, 1] {
        let wanted = bits(0, 0, epoch, 0);
        assert_eq!(wanted.len(), 13);
        for (workers, prefetch) in [(1, 0), (1, 2), (2, 1), (3, 5), (20, usize::MAX)] {
            assert_eq!(wanted, bits(workers, prefetch, epoch, 0));
            assert_eq!(wanted[5..], bits(workers, prefetch, epoch, 5));
        }
        assert!(bits(2, 2, epoch, 13).is_empty() && bits(2, 2, epoch, usize::MAX).is_empty());
    }
    assert_ne!(bits(0, 0, 0, 0), bits(0, 0, 1, 0));
}

/// Does something at sample 10.
struct Trap(fn());

impl Dataset for Trap {
    fn len(&self) -> usize {
        20
    }

    fn sample(&self, index: usize) -> Result<Sample> {
        if index == 10 {
            (self.0)();
            return Err(OpError::of("trap", "sample 10 is missing").into());
        }
        counting(20).sample(index)
    }
}

#[test]
fn an_error_arrives_at_its_batch_and_ends_the_epoch() {
    for workers in [0, 1, 2, 3] {
        let options = LoaderOptions { batch_size: 4, workers, ..Default::default() };
        let mut batches = DataLoader::new(Trap(|| ()), options).epoch(0);
        assert!(batches.next().unwrap().is_ok() && batches.next().unwrap().is_ok());
        let error = batches.next().unwrap().unwrap_err();
        assert_eq!(error.to_string(), "trap: sample 10 is missing");
        assert!(batches.next().is_none());
    }
}

#[test]
fn a_panic_of_a_worker_arrives_as_an_error() {
    for workers in [1, 2] {
        let options = LoaderOptions { batch_size: 4, workers, ..Default::default() };
        let trap = Trap(|| panic!("no {} here", "ink"));
        let mut batches = DataLoader::new(trap, options).epoch(7).skip(2);
        let error = batches.next().unwrap().unwrap_err().to_string();
        let wanted = "data loader: the worker of batch 2 of epoch 7 failed: no ink here";
        assert_eq!(error, wanted);
        assert!(batches.next().is_none());
    }
}

/// Ten samples, of which those that a mask names cannot be read.
struct Holes(u32);

impl Dataset for Holes {
    fn len(&self) -> usize {
        10
    }

    fn sample(&self, index: usize) -> Result<Sample> {
        match self.0 >> index & 1 {
            1 => Err(Error::format(format_args!("{index}.png"), "is damaged")),
            _ => counting(10).sample(index),
        }
    }
}

#[test]
fn bad_samples_are_left_out_and_counted() {
    for workers in [0, 1, 3] {
        let options = LoaderOptions {
            batch_size: 4,
            workers,
            bad_samples: BadSamples::Skip,
            ..Default::default()
        };
        let loader = DataLoader::new(Holes(0b0000_100010), options);
        for epoch in 0..2 {
            assert_eq!(numbers(loader.epoch(epoch)), [vec![0, 2, 3], vec![4, 6, 7], vec![8, 9]]);
        }
        // A copy counts with it.
        assert_eq!(loader.clone().faults().count(), 4);
        let said = |index: usize| (index, format!("{index}.png: is damaged"));
        assert_eq!(loader.faults().samples(), [said(1), said(5)]);
        // A batch of which nothing is left says so.
        let mut batches = DataLoader::new(Holes(0b1111), options).epoch(0);
        let error = batches.next().unwrap().unwrap_err().to_string();
        let wanted = "data loader: no sample of a batch of 4 can be read: 0.png: is damaged";
        assert_eq!(error, wanted);
        assert!(batches.next().is_none());
        // What is no file's fault is never left out.
        let mut batches = DataLoader::new(Trap(|| ()), options).epoch(0).skip(2);
        let error = batches.next().unwrap().unwrap_err().to_string();
        assert_eq!(error, "trap: sample 10 is missing");
    }
}

/// Counts the samples that were asked for, and takes its time.
struct Slow(Arc<AtomicUsize>);

impl Dataset for Slow {
    fn len(&self) -> usize {
        100_000
    }

    fn sample(&self, index: usize) -> Result<Sample> {
        self.0.fetch_add(1, Ordering::SeqCst);
        std::thread::sleep(Duration::from_millis(1));
        Ok(Sample::new(Tensor::from(index as i64), Tensor::from(index as i64)))
    }
}

#[test]
fn workers_stop_when_nobody_wants_their_batches() {
    let count = Arc::new(AtomicUsize::new(0));
    let options = LoaderOptions { batch_size: 1, workers: 3, prefetch: 2, ..Default::default() };
    let loader = DataLoader::new(Slow(count.clone()), options);
    let mut batches = loader.epoch(0);
    assert_eq!(batches.next().unwrap().unwrap().input().to_vec::<i64>(), [0]);
    std::thread::sleep(Duration::from_millis(50));
    // Each has made those it may make ahead, and one that it cannot get rid of; and one was taken.
    assert!(count.load(Ordering::SeqCst) <= 3 * 3 + 1);
    drop(batches);
    let stopped = count.load(Ordering::SeqCst);
    std::thread::sleep(Duration::from_millis(20));
    assert_eq!(stopped, count.load(Ordering::SeqCst));
    // The loader and this test hold the only references left.
    drop(loader);
    assert_eq!(Arc::strong_count(&count), 1);
}

#[test]
#[should_panic(expected = "a loader's batch_size is 0")]
fn a_batch_has_samples() {
    DataLoader::new(counting(1), LoaderOptions { batch_size: 0, ..Default::default() });
}

#[test]
fn samples_are_drawn_by_weight_and_the_drawing_goes_on_where_it_stopped() {
    let weights: Vec<f64> = (0..40).map(|i| if i < 36 { 1.0 } else { 9.0 }).collect();
    for workers in [0, 2] {
        let options =
            LoaderOptions { batch_size: 7, shuffle: Some(3), workers, ..Default::default() };
        let loader = DataLoader::new(counting(40), options).weighted(weights.clone());
        let first = numbers(loader.epoch(0));
        assert_eq!(first.concat().len(), 40);
        assert_eq!(first, numbers(loader.epoch(0)));
        assert_ne!(first, numbers(loader.epoch(1)));
        assert_eq!(first[3..], numbers(loader.epoch_from(0, 3)));
        let rare =
            |epoch| numbers(loader.epoch(epoch)).concat().iter().filter(|i| **i >= 36).count();
        // Half of all, though they are a tenth.
        let share = (0..50).map(rare).sum::<usize>() as f64 / 2000.0;
        assert!((share - 0.5).abs() < 0.05, "{share}");
    }
}

#[test]
#[should_panic(expected = "2 weights for 3 samples: give one for each")]
fn each_sample_has_a_weight() {
    let _ = DataLoader::new(counting(3), LoaderOptions::default()).weighted(vec![1.0; 2]);
}

#[test]
#[should_panic(expected = "a sample's weight is -1: give 0 or more")]
fn a_weight_is_not_negative() {
    let _ = DataLoader::new(counting(2), LoaderOptions::default()).weighted(vec![1.0, -1.0]);
}
