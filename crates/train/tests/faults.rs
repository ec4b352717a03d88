//! Data that goes bad, numbers that are none, and what else may end a training.

mod common;

use common::*;
use gradus_data::image::{Colour, Image, write_png};
use gradus_data::source::{
    DataOptions, ImageFolderOptions, ImageOptions, Source, SplitOptions, prepare,
};
use gradus_data::{BadSamples, DataLoader, Dataset, LoaderOptions, Sample, TensorDataset};
use gradus_nn::losses::{cross_entropy, mse_loss};
use gradus_nn::{Flatten, Layer, Linear, Module, Sequential, Sgd, SgdOptions, split_by_name};
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

/// Pictures of one shade each in a folder, which their files are named after, in two classes.
fn write_shades(folder: &Path) {
    for shade in 1..=24_u8 {
        let class = folder.join(if shade.is_multiple_of(2) { "even" } else { "odd" });
        fs::create_dir_all(&class).unwrap();
        let picture = Image::new(3, 2, Colour::Grey, vec![shade; 6]).unwrap();
        write_png(class.join(format!("{shade}.png")), &picture).unwrap();
    }
}

/// The pictures of a folder as they are read anew in each epoch, not standardised.
fn shades(folder: &Path, options: LoaderOptions) -> DataLoader {
    let source = Source::ImageFolder(ImageFolderOptions {
        path: folder.display().to_string(),
        ..Default::default()
    });
    let (mean, deviation) = (Some(vec![0.0]), Some(vec![1.0]));
    let images = ImageOptions { mean, deviation, cache_bytes: Some(0), ..Default::default() };
    let split = SplitOptions { valid: 0.0, ..Default::default() };
    let data = DataOptions { images, split, ..DataOptions::of(source) };
    DataLoader::new(prepare(&data, 1).unwrap().train, options)
}

/// In the second epoch, after its first batch, removes one file and cuts off another.
struct Spoil {
    vanishing: PathBuf,
    cut: PathBuf,
}

impl Callback for Spoil {
    fn on_batch_end(&mut self, session: &mut Session<'_>, step: &Step<'_>) -> Result<()> {
        if (session.history.len(), step.batch) == (1, 1) {
            fs::remove_file(&self.vanishing).unwrap();
            let bytes = fs::read(&self.cut).unwrap();
            fs::write(&self.cut, &bytes[..bytes.len() / 2]).unwrap();
        }
        Ok(())
    }
}

/// Ends for now in the third epoch, after its first batch.
struct PauseInThird;

impl Callback for PauseInThird {
    fn on_batch_end(&mut self, session: &mut Session<'_>, step: &Step<'_>) -> Result<()> {
        if (session.history.len(), step.batch) == (2, 1) {
            session.pause("for a test");
        }
        Ok(())
    }
}

#[test]
fn files_that_vanish_or_break_in_an_epoch_are_left_out_and_counted() {
    let data = TempDir::new().unwrap();
    write_shades(data.path());
    for workers in [0, 2] {
        let options = LoaderOptions {
            batch_size: 4,
            shuffle: Some(3),
            workers,
            prefetch: 1,
            bad_samples: BadSamples::Skip,
            ..Default::default()
        };
        let in_order = LoaderOptions { shuffle: None, ..options };
        let loaders = || (shades(data.path(), options), shades(data.path(), in_order));
        // The files whose turn comes last in the second epoch, when no worker is so far.
        let (train, _) = loaders();
        let last = train.epoch(1).last().unwrap().unwrap();
        let last = last.input().max([1, 2, 3]).to_vec::<f32>();
        let path = |shade: f32| {
            let shade = (shade * 255.0).round() as u32;
            data.path()
                .join(if shade.is_multiple_of(2) { "even" } else { "odd" })
                .join(format!("{shade}.png"))
        };
        let (vanishing, cut) = (path(last[0]), path(last[1]));
        let make = |folder: &Path| {
            let head = Linear::new(6, 2, &mut Rng::new(1));
            let model = Sequential::new().then(Flatten).then(head);
            let optimizer = Sgd::new(model.params(), SgdOptions::default());
            Trainer::new(model, cross_entropy, optimizer)
                .checkpoints(Checkpoints::new(folder, "valid_loss"))
                .callback(Spoil { vanishing: vanishing.clone(), cut: cut.clone() })
                .epochs(3)
        };

        let (train, valid) = loaders();
        let whole = TempDir::new().unwrap();
        let mut undisturbed = make(whole.path());
        undisturbed.fit(&train, &valid).unwrap();
        let counts = |name| {
            let epochs = undisturbed.history().epochs().iter();
            epochs.map(|epoch| epoch.get(name).unwrap()).collect::<Vec<_>>()
        };
        assert_eq!(counts("train_skipped"), [0.0, 2.0, 2.0]);
        assert_eq!(counts("valid_skipped"), [0.0, 2.0, 2.0]);
        let skipped = undisturbed.skipped();
        assert_eq!((skipped.count, skipped.complaints.len()), (8, 2));
        for file in [&vanishing, &cut] {
            let name = file.display().to_string();
            assert!(skipped.complaints.iter().any(|said| said.starts_with(&name)), "{skipped}");
        }
        let sentence = skipped.to_string();
        assert!(sentence.starts_with("8 times a sample was left out that could not be read: "));
        assert!(sentence.ends_with("; and 1 more like it"), "{sentence}");

        // Interrupted, it counts none twice.
        write_shades(data.path());
        let (train, valid) = loaders();
        let folder = TempDir::new().unwrap();
        let ending = make(folder.path()).callback(PauseInThird).fit(&train, &valid).unwrap();
        assert_eq!(ending, Ending::Paused("for a test".into()));
        let mut resumed = make(folder.path());
        assert_eq!(resumed.resume().unwrap().unwrap().batches, 1);
        // Those of two epochs, and of the batch that was trained.
        assert!((4..=6).contains(&resumed.skipped().count));
        resumed.fit(&train, &valid).unwrap();
        assert_eq!(figures(resumed.history()), figures(undisturbed.history()));
        assert_eq!(resumed.skipped(), skipped);
        write_shades(data.path());
    }
}

#[test]
fn a_file_that_breaks_ends_the_training_unless_it_is_to_be_left_out() {
    let data = TempDir::new().unwrap();
    write_shades(data.path());
    let train = shades(data.path(), LoaderOptions::default());
    let cut = data.path().join("even").join("8.png");
    fs::write(&cut, "no picture").unwrap();
    let model = Sequential::new().then(Flatten).then(Linear::new(6, 2, &mut Rng::new(1)));
    let optimizer = Sgd::new(model.params(), SgdOptions::default());
    let mut trainer = Trainer::new(model, cross_entropy, optimizer);
    let error = trainer.fit(&train, None).unwrap_err().to_string();
    assert!(error.starts_with(&cut.display().to_string()), "{error}");
    assert_eq!(trainer.skipped(), Skipped::default());
    assert_eq!(trainer.skipped().to_string(), "every sample could be read");
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
            // A hook need not tell of it: it becomes an error.
            assert!(is_caught("out of memory: 1 GB") && !is_caught("matmul: sizes differ"));
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
        assert_eq!(counts.len(), 4);
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
