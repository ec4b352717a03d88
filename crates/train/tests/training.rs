//! The loop, its callbacks, and what is saved of it.

use gradus_data::{DataLoader, LoaderOptions, TensorDataset};
use gradus_nn::losses::{cross_entropy, mse_loss};
use gradus_nn::schedule::Cosine;
use gradus_nn::{Adam, AdamOptions, Linear, Module, Relu, Sequential, Sgd, SgdOptions};
use gradus_tensor::io::safetensors::{self, Contents};
use gradus_tensor::{DType, Error, Result, Rng, Tensor};
use gradus_train::*;
use std::fs;
use std::sync::{Arc, Mutex};
use tempfile::TempDir;

/// Points in three clouds, and which cloud each belongs to.
fn clouds(count: usize, seed: u64) -> TensorDataset {
    let mut rng = Rng::new(seed);
    let classes = Tensor::randint(0, 3, [count], &mut rng);
    let angle = classes.to_dtype(DType::F32) * 2.1;
    let centres = Tensor::stack(&[angle.cos(), angle.sin()], 1);
    TensorDataset::new(centres + Tensor::randn([count, 2], &mut rng) * 0.2, classes)
}

fn network(seed: u64) -> Sequential {
    let mut rng = Rng::new(seed);
    Sequential::new()
        .then(Linear::new(2, 16, &mut rng))
        .then(Relu)
        .then(Linear::new(16, 3, &mut rng))
}

fn adam(model: &Sequential) -> Adam {
    Adam::new(model.params(), AdamOptions { learning_rate: 0.01, ..Default::default() })
}

fn loader(set: TensorDataset, shuffle: Option<u64>) -> DataLoader {
    DataLoader::new(set, LoaderOptions { batch_size: 32, shuffle, ..Default::default() })
}

#[test]
fn one_batch_is_learnt_by_heart() {
    let model = network(1);
    let optimizer = adam(&model);
    let mut rng = Rng::new(2);
    // Classes drawn at random: there is nothing to learn but the samples themselves.
    let set =
        TensorDataset::new(Tensor::randn([8, 2], &mut rng), Tensor::randint(0, 3, [8], &mut rng));
    let mut trainer = Trainer::new(model, cross_entropy, optimizer).metric(Accuracy::default());
    trainer = trainer.epochs(800);
    trainer.fit(&loader(set, None), None).unwrap();
    assert!(trainer.history().last("train_loss").unwrap() < 0.01);
    assert_eq!(trainer.history().last("train_accuracy"), Some(1.0));
}

#[test]
fn training_generalises_and_evaluation_agrees_with_its_own_count() {
    let model = network(1);
    let optimizer = adam(&model);
    let mut trainer = Trainer::new(model, cross_entropy, optimizer).metric(Accuracy::default());
    let valid = clouds(100, 5);
    trainer = trainer.epochs(5);
    trainer.fit(&loader(clouds(512, 4), Some(1)), &loader(clouds(100, 5), None)).unwrap();
    let accuracy = trainer.history().last("valid_accuracy").unwrap();
    assert!(accuracy > 0.95, "{accuracy}");
    assert_eq!(trainer.history().len(), 5);

    let figures = trainer.evaluate(&loader(valid, None)).unwrap();
    let figure = |name: &str| figures.iter().find(|(own, _)| own == name).unwrap().1;
    assert_eq!(figure("accuracy"), accuracy);
    assert_eq!(figure("loss"), trainer.history().last("valid_loss").unwrap());
}

#[test]
fn the_best_weights_are_those_of_the_lowest_figure() {
    let folder = TempDir::new().unwrap();
    // Who trains by the library has made no folder for it.
    let place = folder.path().join("runs/first");
    let model = network(1);
    // Steps so long that the loss goes up and down.
    let options = SgdOptions { learning_rate: 2.0, momentum: 0.9, ..Default::default() };
    let optimizer = Sgd::new(model.params(), options);
    let mut trainer = Trainer::new(model, cross_entropy, optimizer)
        .checkpoints(Checkpoints::new(&place, "valid_loss"))
        .epochs(6);
    let valid = loader(clouds(100, 5), None);
    trainer.fit(&loader(clouds(256, 4), Some(1)), &valid).unwrap();
    let lowest = trainer.history().lowest("valid_loss").unwrap().get("valid_loss").unwrap();
    read_weights(place.join("best.safetensors"), trainer.model()).unwrap();
    let loss = trainer.evaluate(&valid).unwrap()[0].1;
    assert_eq!(loss, lowest);
}

#[test]
fn a_checkpoint_of_something_else_is_refused() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("last.safetensors");
    let model = network(1);
    Checkpoint::capture(&model, &adam(&model), &History::default()).write(&path).unwrap();
    let other = Sequential::new().then(Linear::new(2, 3, &mut Rng::new(1)));
    let checkpoint = Checkpoint::read(&path).unwrap();
    let Err(Error::Mismatch(message)) = checkpoint.restore(&other, &mut adam(&other)) else {
        panic!("the weights of another model were taken");
    };
    assert!(message.contains("2.weight"), "{message}");
    let error = Checkpoint::restore_from(&path, &other, &mut adam(&other)).unwrap_err();
    assert!(error.to_string().contains("last.safetensors"), "{error}");
    let mut sgd = Sgd::new(model.params()[..1].to_vec(), SgdOptions::default());
    assert!(checkpoint.restore(&model, &mut sgd).is_err());

    // Weights are no checkpoint, and neither are tensors with other metadata.
    let description = serde_json::json!({"kind": "weights"});
    write_weights(&path, &model, description).unwrap();
    let message = Checkpoint::read(&path).unwrap_err().to_string();
    assert!(message.contains("no checkpoint"), "{message}");
    for text in ["", "{", "[1]", "{\"kind\": \"checkpoint\"}"] {
        let metadata = vec![("gradus".to_string(), text.to_string())];
        safetensors::write(&path, &Contents { tensors: vec![], metadata }).unwrap();
        let message = Checkpoint::read(&path).unwrap_err().to_string();
        assert!(message.contains("last.safetensors"), "{message}");
    }
}

/// Writes down when it was called, and stops after an epoch.
struct Diary(Arc<Mutex<Vec<String>>>);

impl Diary {
    fn note(&self, text: impl Into<String>) -> Result<()> {
        self.0.lock().unwrap().push(text.into());
        Ok(())
    }
}

impl Callback for Diary {
    fn on_start(&mut self, session: &mut Session<'_>) -> Result<()> {
        self.note(format!("start of {} x {}", session.position.epochs, session.position.batches))
    }

    fn on_batch_end(&mut self, _: &mut Session<'_>, step: &Step<'_>) -> Result<()> {
        self.note(format!("batch {} of {}", step.batch, step.samples))
    }

    fn on_epoch_end(&mut self, session: &mut Session<'_>) -> Result<()> {
        if session.history.len() == 2 {
            session.stop("two are enough");
        }
        self.note(format!("epoch {}", session.history.len()))
    }

    fn on_end(&mut self, _: &mut Session<'_>) -> Result<()> {
        self.note("end")
    }
}

#[test]
fn callbacks_are_called_in_order_and_may_stop() {
    let diary = Arc::default();
    let model = network(1);
    let optimizer = adam(&model);
    let mut trainer =
        Trainer::new(model, cross_entropy, optimizer).callback(Diary(Arc::clone(&diary))).epochs(9);
    let ending = trainer.fit(&loader(clouds(40, 4), None), None).unwrap();
    assert_eq!(ending, Ending::Stopped("two are enough".into()));
    let epoch = |number| ["batch 1 of 32".into(), "batch 2 of 8".into(), format!("epoch {number}")];
    let mut wanted = vec!["start of 9 x 2".to_string()];
    wanted.extend(epoch(1));
    wanted.extend(epoch(2));
    wanted.push("end".into());
    assert_eq!(*diary.lock().unwrap(), wanted);
}

#[test]
fn schedules_set_the_rate_of_each_step() {
    struct Rates(Arc<Mutex<Vec<f64>>>);
    impl Callback for Rates {
        fn on_batch_end(&mut self, session: &mut Session<'_>, _: &Step<'_>) -> Result<()> {
            self.0.lock().unwrap().push(session.optimizer.learning_rate());
            Ok(())
        }
    }
    let rates = Arc::default();
    let model = Linear::new(2, 1, &mut Rng::new(1));
    let optimizer = Sgd::new(model.params(), SgdOptions::default());
    // The rate is written down before the schedule sets that of the next step.
    let mut trainer = Trainer::new(model, mse_loss, optimizer)
        .callback(Rates(Arc::clone(&rates)))
        .callback(Scheduled(Cosine { start: 1.0, end: 0.0, steps: 4 }))
        .epochs(2);
    let set = TensorDataset::new(Tensor::ones([64, 2]), Tensor::ones([64, 1]));
    trainer.fit(&loader(set, None), None).unwrap();
    let wanted =
        [0.0, 0.25, 0.5, 0.75].map(|t: f64| (1.0 + (std::f64::consts::PI * t).cos()) / 2.0);
    for (rate, wanted) in rates.lock().unwrap().iter().zip(wanted) {
        assert!((rate - wanted).abs() < 1e-12, "{rate}, not {wanted}");
    }
}

#[test]
fn run_folders_are_numbered_and_found_again() {
    let folder = TempDir::new().unwrap();
    let runs = folder.path().join("runs");
    assert!(RunFolder::newest(&runs, "digits").unwrap_err().to_string().contains("digits"));
    let config = serde_json::json!({"seed": 3});
    for number in 1..=11 {
        let run = RunFolder::create(&runs, "digits").unwrap();
        assert!(run.path().ends_with(format!("digits-{number}")));
        run.write_config(&config).unwrap();
    }
    let newest = RunFolder::newest(&runs, "digits").unwrap();
    assert!(newest.path().ends_with("digits-11"), "numbers are compared, not texts");
    assert_eq!(newest.read_config().unwrap(), config);
    assert!(RunFolder::open(&runs).unwrap_err().to_string().contains("config.json"));
    fs::write(newest.file("config.json"), "{").unwrap();
    assert!(newest.read_config().unwrap_err().to_string().contains("config.json"));
}
