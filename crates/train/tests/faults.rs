//! Data that goes bad, numbers that are none, and what else may end a training.

mod common;

use common::*;
use gradus_data::{DataLoader, Dataset, LoaderOptions, Sample, TensorDataset};
use gradus_nn::losses::{cross_entropy, mse_loss};
use gradus_nn::{Layer, Linear, Module, Sgd, SgdOptions, split_by_name};
use gradus_tensor::{Error, Result, Rng, Tensor};
use gradus_train::*;
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// Samples in files of their own: two numbers and a class.
struct Files(PathBuf, usize);

impl Files {
    fn write(folder: &Path, count: usize) -> Self {
        let set = clouds(count, 4);
        for index in 0..count {
            let sample = set.sample(index).unwrap();
            let point = sample.input().to_vec::<f32>();
            let class = sample.target().to_vec::<i64>();
            let text = format!("{} {} {}", point[0], point[1], class[0]);
            fs::write(folder.join(format!("{index}.txt")), text).unwrap();
        }
        Self(folder.into(), count)
    }
}

impl Dataset for Files {
    fn len(&self) -> usize {
        self.1
    }

    fn sample(&self, index: usize) -> Result<Sample> {
        let path = self.0.join(format!("{index}.txt"));
        let text = fs::read_to_string(&path).map_err(|error| Error::io(&path, error))?;
        let numbers: Vec<f32> = text.split(' ').map(|word| word.parse().unwrap()).collect();
        let class = Tensor::from(numbers[2] as i64);
        Ok(Sample::new(Tensor::from([numbers[0], numbers[1]]), class))
    }
}

#[test]
fn a_training_goes_on_when_a_vanished_file_is_back() {
    let data = TempDir::new().unwrap();
    Files::write(data.path(), 130);
    for workers in [0, 2] {
        let train = || {
            let files = Files(data.path().into(), 130);
            let shuffle = Some(7);
            DataLoader::new(
                files,
                LoaderOptions { batch_size: 16, shuffle, workers, ..Default::default() },
            )
        };
        let wanted = TempDir::new().unwrap();
        trainer(wanted.path(), 1).fit(&train(), &valid()).unwrap();

        let folder = TempDir::new().unwrap();
        let (file, away) = (data.path().join("77.txt"), data.path().join("away"));
        let mut first = trainer(folder.path(), 1).callback(Vanish(file.clone(), away.clone()));
        let error = first.fit(&train(), &valid()).unwrap_err().to_string();
        assert!(error.contains("77.txt") && error.contains("check the path"), "{error}");
        fs::rename(&away, &file).unwrap();
        let mut second = trainer(folder.path(), 99);
        assert_eq!(second.resume().unwrap().unwrap().epochs, 1);
        second.fit(&train(), &valid()).unwrap();
        assert_same(folder.path(), wanted.path(), "after a file vanished");
    }
}

/// Moves a file away after the first epoch.
struct Vanish(PathBuf, PathBuf);

impl Callback for Vanish {
    fn on_epoch_end(&mut self, session: &mut Session<'_>) -> Result<()> {
        if session.history.len() == 1 {
            fs::rename(&self.0, &self.1).unwrap();
        }
        Ok(())
    }
}

fn line(learning_rate: f64) -> (Linear, Sgd) {
    let model = Linear::new(2, 1, &mut Rng::new(1));
    let options = SgdOptions { learning_rate, ..Default::default() };
    let optimizer = Sgd::new(model.params(), options);
    (model, optimizer)
}

fn ones(count: usize) -> TensorDataset {
    TensorDataset::new(Tensor::ones([count, 2]), Tensor::ones([count, 1]))
}

fn batches_of(set: TensorDataset, batch_size: usize) -> DataLoader {
    DataLoader::new(set, LoaderOptions { batch_size, ..Default::default() })
}

/// The seventh of ten samples is no number.
fn with_a_hole() -> TensorDataset {
    let mut numbers = vec![1f32; 20];
    numbers[12] = f32::NAN;
    TensorDataset::new(Tensor::from_vec(numbers, [10, 2]), Tensor::ones([10, 1]))
}

#[test]
fn a_loss_that_is_no_number_ends_the_training_before_the_step() {
    for accumulate in [1, 2, 3] {
        let (model, optimizer) = line(0.1);
        let folder = TempDir::new().unwrap();
        let options = CheckpointOptions { every_steps: Some(1), ..Default::default() };
        let mut trainer = Trainer::new(model, mse_loss, optimizer)
            .accumulate(accumulate)
            .callback(NanGuard::default())
            .checkpoints(Checkpoints::with_options(folder.path(), options).unwrap());
        let error = trainer.fit(&batches_of(with_a_hole(), 2), None).unwrap_err().to_string();
        let wanted = "nan guard: in batch 4 of epoch 1 the loss is NaN; the first NaN came from ";
        assert!(error.starts_with(wanted), "{error}");
        assert!(trainer.model().params().iter().all(|param| finite(&param.tensor())));
        let last = folder.path().join("last.safetensors");
        let (model, mut optimizer) = line(0.1);
        Checkpoint::restore_from(last, &model, &mut optimizer).unwrap();
        assert!(model.params().iter().all(|param| finite(&param.tensor())));
    }
}

fn finite(x: &Tensor) -> bool {
    x.to_vec::<f32>().iter().all(|x| x.is_finite())
}

#[test]
fn a_gradient_and_a_weight_that_are_no_numbers_are_named() {
    // √x has the derivative ∞ at 0.
    let loss = |output: &Tensor, _: &Tensor| (output * 0.0).sqrt().mean(..);
    let (model, optimizer) = line(0.1);
    let mut trainer = Trainer::new(model, loss, optimizer).callback(NanGuard::default());
    let error = trainer.fit(&batches_of(ones(4), 2), None).unwrap_err().to_string();
    assert!(error.contains("a gradient is not finite; the first NaN came from"), "{error}");
    assert!(error.contains("the first such gradient is that of weight"), "{error}");

    let (model, optimizer) = line(1e38);
    let loss = |output: &Tensor, _: &Tensor| (output * 1e10).mean(..);
    let mut trainer = Trainer::new(model, loss, optimizer).callback(NanGuard::default());
    let error = trainer.fit(&batches_of(ones(4), 2), None).unwrap_err().to_string();
    assert!(error.contains("made weight infinite or NaN"), "{error}");
    assert!(error.contains("learning rate of 1"), "{error}");
}

/// Wants more memory than any machine has, for batches of more than eight.
#[derive(Debug, Module)]
struct Greedy(Linear);

impl Layer for Greedy {
    fn forward(&self, x: &Tensor) -> Tensor {
        if x.len_of(0) > 8 {
            return Tensor::zeros([1 << 45, 1]);
        }
        self.0.forward(x)
    }
}

#[test]
fn memory_that_the_system_does_not_give_is_an_error_with_a_smaller_batch() {
    let fit = |size: usize| {
        let (model, optimizer) = line(0.1);
        let mut trainer = Trainer::new(Greedy(model), mse_loss, optimizer);
        trainer.fit(&batches_of(ones(24), size), None).map_err(|error| error.to_string())
    };
    let error = fit(12).unwrap_err();
    assert!(error.starts_with("batch 1 of epoch 1, of 12 samples: "), "{error}");
    assert!(error.contains("out of memory: ") && error.contains("to 6 or less"), "{error}");
    assert_eq!(fit(6), Ok(Ending::Finished));
}

#[test]
fn averages_are_evaluated_kept_and_given() {
    let folder = TempDir::new().unwrap();
    let (model, optimizer) = line(0.3);
    let mut trainer = Trainer::new(model, mse_loss, optimizer)
        .callback(Averages::ema(0.5).unwrap())
        .checkpoints(Checkpoints::new(folder.path(), "valid_loss"))
        .epochs(2);
    let set = batches_of(ones(4), 4);
    trainer.fit(&set, &set).unwrap();
    // Two steps: the first weights count alone, the second for one half.
    let sum = |model: &Linear| model.forward(&Tensor::ones([1, 2])).item::<f32>();
    let own = sum(trainer.model());
    let loss = trainer.evaluate(&set).unwrap()[0].1;
    assert_eq!(Some(loss), trainer.history().last("valid_loss"));
    assert_eq!(sum(trainer.model()), own, "evaluation leaves the weights");
    let averaged = trainer.into_model();
    assert!((f64::from(sum(&averaged) - 1.0).powi(2) - loss).abs() < 1e-6);
    assert_ne!(sum(&averaged), own);
    let (best, _) = line(0.3);
    read_weights(folder.path().join("best.safetensors"), &best).unwrap();
    let best_loss = f64::from(sum(&best) - 1.0).powi(2);
    let lowest = best_loss <= loss + 1e-6;
    assert!(lowest, "{best_loss} is more than {loss}");
}

#[test]
fn stochastic_averages_are_of_epochs() {
    let (model, optimizer) = line(0.1);
    let weights = |model: &Linear| model.params()[0].tensor().to_vec::<f32>();
    struct Diary(std::sync::Arc<std::sync::Mutex<Vec<Vec<f32>>>>);
    impl Callback for Diary {
        fn on_epoch_end(&mut self, session: &mut Session<'_>) -> Result<()> {
            let weight = session.model.named_params()[0].1.tensor().to_vec::<f32>();
            self.0.lock().unwrap().push(weight);
            Ok(())
        }
    }
    let diary = std::sync::Arc::default();
    let mut trainer = Trainer::new(model, mse_loss, optimizer)
        .callback(Averages::swa(2).unwrap())
        .callback(Diary(std::sync::Arc::clone(&diary)))
        .epochs(4);
    trainer.fit(&batches_of(ones(6), 2), None).unwrap();
    let averaged = weights(&trainer.into_model());
    let diary = diary.lock().unwrap();
    for (index, averaged) in averaged.iter().enumerate() {
        let wanted: f32 = diary[1..].iter().map(|weight| weight[index]).sum::<f32>() / 3.0;
        assert!((averaged - wanted).abs() < 1e-6, "{averaged}, not {wanted}");
    }
}

#[test]
fn frozen_parameters_are_trained_from_an_epoch_on() {
    let folder = TempDir::new().unwrap();
    let make = || {
        let model = Linear::new(2, 1, &mut Rng::new(1));
        let options = SgdOptions { learning_rate: 0.1, ..Default::default() };
        let optimizer = Sgd::new(model.params_matching("*"), options);
        model.freeze("bias");
        Trainer::new(model, mse_loss, optimizer)
            .callback(Unfreeze { pattern: "bias".into(), epoch: 2 })
            .checkpoints(Checkpoints::new(folder.path(), "train_loss"))
    };
    let bias =
        |trainer: &Trainer<Linear>| trainer.model().named_params()[1].1.tensor().to_vec::<f32>()[0];
    let mut first = make();
    let before = bias(&first);
    first.fit(&batches_of(ones(4), 2), None).unwrap();
    assert_eq!(bias(&first), before);
    let mut second = make().epochs(2);
    second.resume().unwrap().unwrap();
    second.fit(&batches_of(ones(4), 2), None).unwrap();
    assert_ne!(bias(&second), before);

    let (model, optimizer) = line(0.1);
    let unknown = Unfreeze { pattern: "head.*".into(), epoch: 1 };
    let mut trainer = Trainer::new(model, mse_loss, optimizer).callback(unknown);
    let error = trainer.fit(&batches_of(ones(4), 2), None).unwrap_err().to_string();
    assert!(error.contains("head.*") && error.contains("weight"), "{error}");
    let model = Linear::new(2, 1, &mut Rng::new(1));
    let (weights, _) = split_by_name(&model, "weight");
    let optimizer = Sgd::new(weights, SgdOptions::default());
    let bias = Unfreeze { pattern: "bias".into(), epoch: 1 };
    let mut trainer = Trainer::new(model, mse_loss, optimizer).callback(bias);
    let error = trainer.fit(&batches_of(ones(4), 2), None).unwrap_err().to_string();
    assert!(error.contains("the optimizer was not given"), "{error}");
}

#[test]
fn a_time_budget_ends_before_it_is_spent_and_the_rest_can_follow() {
    struct Slow;
    impl Callback for Slow {
        fn on_batch_end(&mut self, _: &mut Session<'_>, _: &Step<'_>) -> Result<()> {
            std::thread::sleep(std::time::Duration::from_millis(40));
            Ok(())
        }
    }
    let (model, optimizer) = line(0.1);
    let mut trainer = Trainer::new(model, mse_loss, optimizer)
        .callback(Slow)
        .callback(TimeBudget::new(0.3).unwrap())
        .epochs(100);
    let set = batches_of(ones(4), 2);
    let ending = trainer.fit(&set, None).unwrap();
    assert!(matches!(&ending, Ending::Paused(reason) if reason.contains("0.3 s")), "{ending:?}");
    let epochs = trainer.history().len();
    assert!((1..4).contains(&epochs), "{epochs}");
    let used: f64 = trainer.history().epochs().iter().map(|epoch| epoch.seconds).sum();
    assert!(epochs == 1 || used < 0.3, "{used} s");
    trainer.fit(&set, None).unwrap();
    assert!(trainer.history().len() > epochs);
    assert!(TimeBudget::new(f64::NAN).is_err());
}

#[test]
fn statistics_tell_norms_and_dead_units() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("steps.jsonl");
    let options = StatisticsOptions { every_steps: 2, histogram: Some(4) };
    let statistics = Statistics::new(&path, options).unwrap();
    let model = network(1, statistics.activations());
    let optimizer = adam(&model);
    let mut trainer = Trainer::new(model, cross_entropy, optimizer).callback(statistics);
    trainer.fit(&train(), None).unwrap();
    let text = fs::read_to_string(&path).unwrap();
    let lines: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(
        lines.iter().map(|line| line["step"].as_u64().unwrap()).collect::<Vec<_>>(),
        [2, 4, 6, 8]
    );
    for line in &lines {
        let weight = &line["parameters"]["0.weight"];
        assert!(weight["norm"].as_f64().unwrap() > 0.0, "{line}");
        assert!(weight["gradient_norm"].as_f64().unwrap() > 0.0, "{line}");
        let counts = weight["gradient_histogram"]["counts"].as_array().unwrap();
        assert_eq!(counts.iter().map(|count| count.as_u64().unwrap()).sum::<u64>(), 32);
        let relu = &line["layers"]["relu"];
        assert!(relu["mean"].as_f64().unwrap() > 0.0, "{line}");
        assert!((0.0..0.5).contains(&relu["dead"].as_f64().unwrap()), "{line}");
    }
}

#[test]
fn a_trainer_takes_boxed_layers_callbacks_and_metrics() {
    let model: Box<dyn Layer> = Box::new(network(1, Activations::default()));
    let options = SgdOptions { learning_rate: 0.1, ..Default::default() };
    let optimizer = Sgd::new(model.params(), options);
    let stop: Box<dyn Callback> = Box::new(EarlyStopping::new("valid_loss"));
    let accuracy: Box<dyn Metric> = Box::new(Accuracy::default());
    let mut trainer: Trainer<Box<dyn Layer>> = Trainer::new(model, cross_entropy, optimizer)
        .callbacks([stop, Box::new(NanGuard::default())])
        .metrics([accuracy])
        .epochs(2);
    assert_eq!(trainer.fit(&train(), &valid()).unwrap(), Ending::Finished);
    assert!(trainer.history().last("valid_accuracy").unwrap() > 0.5);
}
