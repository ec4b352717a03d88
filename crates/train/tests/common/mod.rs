//! A small training with everything in it that a checkpoint must hold. Not every test uses all of it.

use gradus_data::{DataLoader, LoaderOptions, TensorDataset};
use gradus_nn::losses::cross_entropy;
use gradus_nn::schedule::{Cosine, ReduceOnPlateauOptions};
use gradus_nn::{Adam, AdamOptions, BatchNorm1d, Dropout, Linear, Module, Relu, Sequential};
use gradus_tensor::io::safetensors;
use gradus_tensor::{DType, Rng, Tensor};
use gradus_train::*;
use std::path::Path;

/// Points in three clouds, and which cloud each belongs to.
pub fn clouds(count: usize, seed: u64) -> TensorDataset {
    let mut rng = Rng::new(seed);
    let classes = Tensor::randint(0, 3, [count], &mut rng);
    let angle = classes.to_dtype(DType::F32) * 2.1;
    let centres = Tensor::stack(&[angle.cos(), angle.sin()], 1);
    TensorDataset::new(centres + Tensor::randn([count, 2], &mut rng) * 0.5, classes)
}

pub fn loader(set: TensorDataset, shuffle: Option<u64>) -> DataLoader {
    DataLoader::new(set, LoaderOptions { batch_size: 16, shuffle, ..Default::default() })
}

/// Nine batches, of which the last is small.
pub fn train() -> DataLoader {
    loader(clouds(130, 4), Some(7))
}

pub fn valid() -> DataLoader {
    loader(clouds(40, 5), None)
}

/// A network with dropout and running means, whose activations are reported.
pub fn network(seed: u64, activations: Activations) -> Sequential {
    let mut rng = Rng::new(seed);
    Sequential::new()
        .then(Linear::new(2, 16, &mut rng))
        .then(BatchNorm1d::new(16))
        .then(Observed::new("relu", Relu, activations))
        .then(Dropout::new(0.2, &mut rng))
        .then(Linear::new(16, 3, &mut rng))
}

pub fn adam(model: &Sequential) -> Adam {
    Adam::new(model.params(), AdamOptions { learning_rate: 0.01, ..Default::default() })
}

/// Three epochs in which two batches make a step, with a schedule and a plateau, and checkpoints in
/// a folder. The seed is that of the first weights, which a resumed training has no use for.
pub fn trainer(folder: &Path, seed: u64) -> Trainer<Sequential> {
    trainer_saving(folder, seed, CheckpointOptions::default())
}

/// The same with other checkpoints.
pub fn trainer_saving(folder: &Path, seed: u64, options: CheckpointOptions) -> Trainer<Sequential> {
    let statistics = StatisticsOptions { every_steps: 2, histogram: Some(5) };
    let statistics = Statistics::new(folder.join("steps.jsonl"), statistics).unwrap();
    let model = network(seed, statistics.activations());
    let optimizer = adam(&model);
    let plateau = ReduceOnPlateauOptions { patience: 0, ..Default::default() };
    Trainer::new(model, cross_entropy, optimizer)
        .metric(Accuracy::default())
        .accumulate(2)
        .clip_norm(1.0)
        .callback(Scheduled(Cosine { start: 0.01, end: 0.001, steps: 15 }))
        .callback(Plateau::new("valid_loss", plateau))
        .callback(EarlyStopping::new("valid_loss"))
        .callback(Averages::ema(0.9).unwrap())
        .callback(NanGuard::default())
        .callback(statistics)
        .callback(MetricsFile::new(folder.join("metrics.jsonl")))
        .checkpoints(Checkpoints::with_options(folder, options).unwrap())
        .epochs(3)
}

/// The tensors of a file, as bits.
pub fn tensors(path: &Path) -> Vec<(String, Vec<u64>)> {
    let contents = safetensors::read(path).unwrap();
    let bits = |x: &Tensor| {
        let wide = x.to_dtype(DType::F64).to_vec::<f64>();
        wide.into_iter().map(f64::to_bits).collect()
    };
    contents.tensors.iter().map(|(name, x)| (name.clone(), bits(x))).collect()
}

/// The figures of each epoch as texts, without the times.
pub fn figures(history: &History) -> Vec<String> {
    history.epochs().iter().map(|epoch| format!("{:?}", epoch.figures)).collect()
}

/// That two folders hold trainings that came to the same bits.
pub fn assert_same(found: &Path, wanted: &Path, what: &str) {
    for file in ["last.safetensors", "best.safetensors"] {
        assert!(
            tensors(&found.join(file)) == tensors(&wanted.join(file)),
            "{what}: {file} differs"
        );
    }
    let history = |folder: &Path| {
        let checkpoint = Checkpoint::read(folder.join("last.safetensors")).unwrap();
        figures(checkpoint.history())
    };
    assert_eq!(history(found), history(wanted), "{what}");
    let steps = |folder: &Path| std::fs::read_to_string(folder.join("steps.jsonl")).unwrap();
    assert_eq!(steps(found), steps(wanted), "{what}");
}
