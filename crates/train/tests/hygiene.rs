//! Gradients gathered and clipped, trainings that end by themselves, learning rates that are found.

use gradus_data::{DataLoader, LoaderOptions, TensorDataset, k_fold};
use gradus_nn::losses::mse_loss;
use gradus_nn::schedule::{Goal, OneCycle, ReduceOnPlateauOptions, Schedule};
use gradus_nn::{Adam, AdamOptions, Layer, Linear, Module, Sgd, SgdOptions, grad_norm};
use gradus_tensor::{Result, Rng, Tensor};
use gradus_train::{
    Callback, EarlyStopping, Epoch, FinderOptions, History, Plateau, RateCurve, Scheduled, Session,
    Step, Trainer, cross_validate,
};
use std::sync::{Arc, Mutex};

/// Forty samples of a linear function.
fn set() -> TensorDataset {
    let x = Tensor::randn([40, 3], &mut Rng::new(1));
    let y = x.sum(1).unsqueeze(1) * 5.0;
    TensorDataset::new(x, y)
}

fn loader(batch_size: usize) -> DataLoader {
    DataLoader::new(set(), LoaderOptions { batch_size, ..Default::default() })
}

fn model() -> Linear {
    Linear::new(3, 1, &mut Rng::new(2))
}

fn sgd(model: &Linear) -> Sgd {
    Sgd::new(model.params(), SgdOptions { learning_rate: 0.1, ..Default::default() })
}

fn trainer() -> Trainer<Linear> {
    let model = model();
    let optimizer = sgd(&model);
    Trainer::new(model, mse_loss, optimizer)
}

fn weights(model: &Linear) -> Vec<f32> {
    model.params().iter().flat_map(|param| param.tensor().to_vec::<f32>()).collect()
}

fn assert_near(found: &[f32], wanted: &[f32]) {
    for (found, wanted) in found.iter().zip(wanted) {
        assert!((found - wanted).abs() < 1e-5, "{found}, not {wanted}");
    }
}

#[test]
fn gathered_batches_are_one_large_batch() {
    // 40 samples: batches of 12, 12, 12 and 4, of which two make a step; or 24 and 16 at once.
    let mut pieces = trainer().accumulate(2).epochs(3);
    pieces.fit(&loader(12), None).unwrap();
    let mut whole = trainer().epochs(3);
    whole.fit(&loader(24), None).unwrap();
    assert_near(&weights(pieces.model()), &weights(whole.model()));
    // An odd number: the last batch is a step of its own.
    let mut pieces = trainer().accumulate(3).epochs(2);
    pieces.fit(&loader(8), None).unwrap();
    let mut whole = trainer().epochs(2);
    whole.fit(&loader(24), None).unwrap();
    assert_near(&weights(pieces.model()), &weights(whole.model()));
}

#[test]
fn clipped_gradients_make_short_steps() {
    let before = weights(&model());
    let steps = |trainer: Trainer<Linear>| -> Vec<f64> {
        let mut trainer = trainer;
        trainer.fit(&loader(40), None).unwrap();
        let after = weights(trainer.model());
        after.iter().zip(&before).map(|(a, b)| (a - b) as f64 / 0.1).collect()
    };
    let norm = |steps: &[f64]| steps.iter().map(|x| x * x).sum::<f64>().sqrt();
    assert!(norm(&steps(trainer())) > 2.0);
    assert!((norm(&steps(trainer().clip_norm(0.5))) - 0.5).abs() < 1e-4);
    let clipped = steps(trainer().clip_value(0.25));
    assert!(clipped.iter().all(|x| x.abs() < 0.2501));
    assert!(clipped.iter().any(|x| x.abs() > 0.2499));
}

/// Writes down the learning rate and the momentum after each batch.
struct Settings(Arc<Mutex<Vec<(f64, f64)>>>);

impl Callback for Settings {
    fn on_batch_end(&mut self, session: &mut Session<'_>, _: &Step<'_>) -> Result<()> {
        let momentum = session.optimizer.momentum().unwrap_or(f64::NAN);
        self.0.lock().unwrap().push((session.optimizer.learning_rate(), momentum));
        Ok(())
    }
}

#[test]
fn schedules_count_steps_and_set_momentum() {
    let seen = Arc::default();
    let model = model();
    let options = SgdOptions { learning_rate: 0.1, momentum: 0.5, ..Default::default() };
    let optimizer = Sgd::new(model.params(), options);
    let schedule = OneCycle { peak: 0.01, steps: 4, ..Default::default() };
    let mut trainer = Trainer::new(model, mse_loss, optimizer)
        .accumulate(2)
        .epochs(2)
        .callback(Settings(Arc::clone(&seen)))
        .callback(Scheduled(schedule));
    // Four batches, two steps an epoch.
    trainer.fit(&loader(10), None).unwrap();
    let wanted: Vec<(f64, f64)> = [0, 0, 1, 1, 2, 2, 3, 3]
        .map(|step| (schedule.learning_rate(step), schedule.momentum(step).unwrap()))
        .into();
    assert_eq!(*seen.lock().unwrap(), wanted);
}

fn history(losses: &[f64]) -> History {
    let mut history = History::default();
    for (index, &loss) in losses.iter().enumerate() {
        let figures = vec![("valid_loss".to_string(), loss)];
        history.push(Epoch { number: index + 1, figures, seconds: 0.0 });
    }
    history
}

/// After how many of the figures a callback ends the training.
fn ends(mut callback: impl Callback, figures: &[f64]) -> Option<usize> {
    let model = model();
    let mut optimizer = sgd(&model);
    (1..=figures.len()).find(|&epochs| {
        let history = history(&figures[..epochs]);
        let mut session = Session::new(&model, &mse_loss, &mut optimizer, &history);
        callback.on_epoch_end(&mut session).unwrap();
        session.wishes.stop.is_some()
    })
}

#[test]
fn a_training_ends_when_it_gets_no_better() {
    let losses = [3.0, 2.0, 2.5, 2.1, 1.9, f64::NAN, 1.95, 1.9, 1.0];
    let stop = EarlyStopping { patience: 3, ..EarlyStopping::new("valid_loss") };
    assert_eq!(ends(stop.clone(), &losses), Some(8));
    assert_eq!(ends(EarlyStopping { patience: 2, ..stop.clone() }, &losses), Some(4));
    assert_eq!(ends(EarlyStopping { margin: 0.5, ..stop.clone() }, &losses), Some(5));
    assert_eq!(ends(EarlyStopping { patience: 4, ..stop.clone() }, &losses), None);
    assert_eq!(ends(EarlyStopping { goal: Goal::Highest, ..stop }, &losses), Some(4));

    let mut trainer = trainer().callback(EarlyStopping::new("valid_accuracy"));
    let error = trainer.fit(&loader(40), None).unwrap_err().to_string();
    assert!(error.contains("no figure is called valid_accuracy: there are train_loss"), "{error}");
}

#[test]
fn a_plateau_lowers_the_rate_and_is_found_again_after_a_restart() {
    let options = ReduceOnPlateauOptions { patience: 1, factor: 0.5, ..Default::default() };
    let losses = [3.0, 2.0, 2.0, 2.0, 2.0, 2.0, 1.0];
    let rates = |restart_at: usize| -> Vec<f64> {
        let model = model();
        let mut optimizer = sgd(&model);
        let mut callback = Plateau::new("valid_loss", options);
        let mut rates = vec![];
        for epochs in 1..=losses.len() {
            let history = history(&losses[..epochs]);
            if epochs == restart_at {
                optimizer = sgd(&model);
                callback = Plateau::new("valid_loss", options);
            }
            let mut session = Session::new(&model, &mse_loss, &mut optimizer, &history);
            match epochs == restart_at {
                true => callback.on_start(&mut session).unwrap(),
                false => callback.on_epoch_end(&mut session).unwrap(),
            }
            rates.push(optimizer_rate(&optimizer));
        }
        rates
    };
    assert_eq!(rates(0), [0.1, 0.1, 0.1, 0.05, 0.05, 0.025, 0.025]);
    for restart_at in 1..=losses.len() {
        assert_eq!(rates(restart_at), rates(0));
    }
}

fn optimizer_rate(optimizer: &dyn gradus_nn::Optimizer) -> f64 {
    optimizer.learning_rate()
}

#[test]
fn a_learning_rate_is_found_and_nothing_is_changed() {
    let model = model();
    let optimizer = Adam::new(model.params(), AdamOptions::default());
    let mut trainer = Trainer::new(model, mse_loss, optimizer);
    trainer.fit(&loader(8), None).unwrap();
    let state = |trainer: &mut Trainer<Linear>| {
        let numbers = trainer.optimizer().state_dict().into_iter();
        let numbers = numbers.filter(|(name, _)| !name.ends_with("step"));
        let numbers: Vec<Vec<f32>> = numbers.map(|(_, x)| x.to_vec()).collect();
        (weights(trainer.model()), numbers, trainer.optimizer().learning_rate())
    };
    let before = state(&mut trainer);
    let options = FinderOptions { lowest: 1e-5, highest: 100.0, ..Default::default() };
    let curve = trainer.find_learning_rate(&loader(40), options).unwrap();
    assert_eq!(state(&mut trainer), before);
    assert_eq!(trainer.history().len(), 1);
    assert!(curve.rates.len() > 30 && curve.rates.len() == curve.losses.len());
    assert!(curve.rates.windows(2).all(|pair| pair[0] < pair[1]));
    let (steepest, suggestion) = (curve.steepest().unwrap(), curve.suggestion().unwrap());
    assert!((1e-3..10.0).contains(&steepest), "{steepest}");
    assert!((1e-3..10.0).contains(&suggestion), "{suggestion}");
}

#[test]
fn a_curve_says_where_it_is_steepest() {
    let curve = |losses: &[f64]| {
        let rates = (0..losses.len()).map(|index| 10f64.powi(index as i32 - 5)).collect();
        RateCurve { rates, losses: losses.into() }
    };
    let falling = curve(&[5.0, 5.0, 4.5, 3.0, 2.5, 2.4, 9.0]);
    assert_eq!(falling.steepest(), Some(falling.rates[2]));
    assert_eq!(falling.suggestion(), Some(falling.rates[5] / 10.0));
    let rising = curve(&[1.0, 2.0, 3.0]);
    assert_eq!((rising.steepest(), rising.suggestion()), (None, None));
}

#[test]
fn figures_of_folds_have_a_mean_and_a_spread() {
    let folds = k_fold(set(), 4, 0);
    let outcome = cross_validate(&folds, |number, fold| {
        assert_eq!(fold.valid.indices().len(), 10);
        Ok(vec![("loss".into(), number as f64)])
    });
    let outcome = outcome.unwrap();
    assert_eq!(outcome.figures("loss"), [0.0, 1.0, 2.0, 3.0]);
    assert_eq!(outcome.mean("loss"), 1.5);
    assert!((outcome.std("loss") - (5.0f64 / 3.0).sqrt()).abs() < 1e-12);
    assert!(outcome.mean("accuracy").is_nan());
}

#[test]
fn frozen_parameters_do_not_count_for_the_norm() {
    let model = model();
    let gradients = model.forward(&Tensor::ones([4, 3])).sum(..).backward();
    let norm = |model: &Linear| grad_norm(&model.params(), &gradients, 2.0);
    // Each weight and the bias have a gradient of 4.
    assert_eq!(norm(&model), 8.0);
    model.freeze("weight");
    assert_eq!(norm(&model), 4.0);
}
