//! What the batches of CIFAR-10 cost beside the training that they feed:
//! `cargo run --release --example pipeline`.
//!
//! Pictures of its shape, of noise, are cropped at random with edges of four pixels, flipped and
//! standardised in batches of 256, and a small residual network makes steps with them, all as in
//! `recipes/cifar10.toml`.

use gradus::data::Batch;
use gradus::data::augment::*;
use gradus::data::source::{Pixels, Standard, Standardised, Targets};
use gradus::models::{ResNet9, ResNet9Options};
use gradus::prelude::*;
use gradus::train::Usage;
use std::sync::Arc;
use std::time::Instant;

const BATCH: usize = 256;
/// How many batches an epoch has.
const BATCHES: usize = 40;
/// How many steps are timed together, and how often that is done.
const STEPS: usize = 5;
const ROUNDS: usize = 3;

fn main() -> Result<()> {
    let pictures = pictures()?;
    let options = LoaderOptions { batch_size: BATCH, shuffle: Some(1), ..Default::default() };
    let alone = DataLoader::new(pictures.clone(), options);
    let beside = DataLoader::new(pictures, LoaderOptions { workers: 1, ..options });

    // The first epoch takes memory that the others use again.
    let making = (0..3).try_fold(Cost::default(), |_, epoch| {
        Cost::of(BATCHES, || alone.epoch(epoch).try_for_each(|batch| batch.map(drop)))
    })?;
    let samples_per_s = BATCH as f64 / making.wall_s;
    println!("a batch, on one thread       {making}, {samples_per_s:.0} pictures a second");

    let mut network = Network::new()?;
    let same = alone.epoch(0).next().expect("there is a batch")?;
    network.step(&same);
    let (mut still, mut fed) = (vec![], vec![]);
    for round in 0..ROUNDS {
        still.push(Cost::of(STEPS, || {
            (0..STEPS).for_each(|_| network.step(&same));
            Ok(())
        })?);
        fed.push(Cost::of(STEPS, || {
            let mut batches = beside.epoch(round as u64).take(STEPS);
            batches.try_for_each(|batch| batch.map(|batch| network.step(&batch)))
        })?);
    }
    let (still, fed) = (Cost::least(still), Cost::least(fed));
    println!("a step, its batch made before {still}");
    println!("a step, a worker making them  {fed}");
    let share = still.cpu_s / (still.cpu_s + making.cpu_s);
    println!("computing takes {:.1} % of the processors' time", 100.0 * share);
    println!("and {:.1} % of the steps' wall time", 100.0 * (still.wall_s / fed.wall_s).min(1.0));
    Ok(())
}

/// An epoch's pictures, as a recipe would prepare them.
fn pictures() -> Result<Arc<dyn Dataset>> {
    let mut rng = Rng::new(1);
    let count = BATCH * BATCHES;
    let bytes: Vec<u8> = (0..count * 3072).map(|_| rng.below(256) as u8).collect();
    let classes = (0..count).map(|number| number as u32 % 10).collect();
    let pixels = Pixels::new(bytes, [3, 32, 32], Targets::Classes(classes));
    let changes = Compose::new(vec![
        Box::new(RandomCrop::new(CropOptions::default())?),
        Box::new(HorizontalFlip::new(FlipOptions::default())?),
    ]);
    let standard = Standard::new(vec![0.49, 0.48, 0.45], vec![0.25, 0.24, 0.26])?;
    Ok(Arc::new(Standardised::new(Arc::new(Augment::with(pixels, 1, changes)), standard)))
}

struct Network {
    model: ResNet9,
    optimizer: Sgd,
}

impl Network {
    fn new() -> Result<Self> {
        let options = ResNet9Options { width: 32, ..Default::default() };
        let model = ResNet9::new(options, &mut Rng::new(1))?;
        let options = SgdOptions {
            learning_rate: 0.01,
            momentum: 0.9,
            nesterov: true,
            weight_decay: 5e-4,
            ..Default::default()
        };
        let optimizer = Sgd::new(model.params(), options);
        Ok(Self { model, optimizer })
    }

    fn step(&mut self, batch: &Batch) {
        let loss = cross_entropy(&self.model.forward(batch.input()), batch.target());
        self.optimizer.step(&loss.backward());
    }
}

/// What one of several equal pieces of work took.
#[derive(Clone, Copy, Debug, Default)]
struct Cost {
    wall_s: f64,
    /// The time of all processors together.
    cpu_s: f64,
}

impl Cost {
    fn of(pieces: usize, work: impl FnOnce() -> Result<()>) -> Result<Self> {
        let used = || Usage::now().map_or(f64::NAN, |usage| usage.cpu_s);
        let (start, before) = (Instant::now(), used());
        work()?;
        let (wall_s, cpu_s) = (start.elapsed().as_secs_f64(), used() - before);
        Ok(Self { wall_s: wall_s / pieces as f64, cpu_s: cpu_s / pieces as f64 })
    }

    /// The one that was disturbed least.
    fn least(all: Vec<Self>) -> Self {
        all.into_iter().min_by(|a, b| a.wall_s.total_cmp(&b.wall_s)).unwrap_or_default()
    }
}

impl std::fmt::Display for Cost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { wall_s, cpu_s } = self;
        write!(f, "{:8.2} ms, {:8.2} ms of processors", 1e3 * wall_s, 1e3 * cpu_s)
    }
}
