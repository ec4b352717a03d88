//! Trainings that are interrupted and go on to the same bits.

mod common;

use common::*;
use gradus_tensor::{Error, Result};
use gradus_train::*;
use std::fs;
use std::path::Path;
use tempfile::TempDir;

/// Requests an interruption after so many batches of all epochs.
struct After(usize, Interrupt);

impl Callback for After {
    fn on_batch_end(&mut self, session: &mut Session<'_>, _: &Step<'_>) -> Result<()> {
        let Position { batches, batches_done, .. } = session.position;
        if session.history.len() * batches + batches_done == self.0 {
            self.1.request();
        }
        Ok(())
    }
}

fn undisturbed() -> TempDir {
    let folder = TempDir::new().unwrap();
    let ending = trainer(folder.path(), 1).fit(&train(), &valid()).unwrap();
    assert_eq!(ending, Ending::Finished);
    folder
}

/// A training that was interrupted after so many batches.
fn interrupted(folder: &Path, batches: usize) {
    let interrupt = Interrupt::new();
    let after = After(batches, interrupt.clone());
    let options = CheckpointOptions { every_steps: Some(4), ..Default::default() };
    let mut trainer = trainer_saving(folder, 1, options).callback(after).interrupt(interrupt);
    assert_eq!(trainer.fit(&train(), &valid()).unwrap(), Ending::Interrupted);
}

#[test]
fn a_training_interrupted_after_any_batch_ends_with_the_same_bits() {
    let wanted = undisturbed();
    for batches in 1..=27 {
        let folder = TempDir::new().unwrap();
        interrupted(folder.path(), batches);
        let mut second = trainer(folder.path(), 99);
        let resumed = second.resume().unwrap().unwrap();
        assert_eq!((resumed.epochs, resumed.batches), ((batches - 1) / 9, (batches - 1) % 9 + 1));
        assert_eq!(resumed.warning, None);
        assert_eq!(second.fit(&train(), &valid()).unwrap(), Ending::Finished);
        assert_same(folder.path(), wanted.path(), &format!("after {batches} batches"));
        let metrics = fs::read_to_string(folder.path().join("metrics.jsonl")).unwrap();
        assert_eq!(metrics.lines().count(), 3);
    }
}

#[test]
fn the_same_trainer_goes_on_after_an_interruption() {
    let wanted = undisturbed();
    let folder = TempDir::new().unwrap();
    let interrupt = Interrupt::new();
    let mut trainer = trainer(folder.path(), 1)
        .callback(After(13, interrupt.clone()))
        .interrupt(interrupt.clone());
    assert_eq!(trainer.fit(&train(), &valid()).unwrap(), Ending::Interrupted);
    interrupt.clear();
    assert_eq!(trainer.fit(&train(), &valid()).unwrap(), Ending::Finished);
    assert_same(folder.path(), wanted.path(), "in one program");
}

/// Interrupts the first validation.
struct InValidation(Interrupt);

impl Callback for InValidation {
    fn on_validation_start(&mut self, _: &mut Session<'_>) -> Result<()> {
        self.0.request();
        Ok(())
    }
}

#[test]
fn a_validation_that_is_interrupted_is_made_again() {
    let wanted = undisturbed();
    let folder = TempDir::new().unwrap();
    let interrupt = Interrupt::new();
    let mut first =
        trainer(folder.path(), 1).callback(InValidation(interrupt.clone())).interrupt(interrupt);
    assert_eq!(first.fit(&train(), &valid()).unwrap(), Ending::Interrupted);
    let mut second = trainer(folder.path(), 99);
    let resumed = second.resume().unwrap().unwrap();
    assert_eq!((resumed.epochs, resumed.batches), (0, 9));
    second.fit(&train(), &valid()).unwrap();
    assert_same(folder.path(), wanted.path(), "interrupted in validation");
}

#[test]
fn damaged_checkpoints_are_passed_over_in_favour_of_the_newest_whole_one() {
    let wanted = undisturbed();
    let folder = TempDir::new().unwrap();
    interrupted(folder.path(), 14);
    let last = folder.path().join("last.safetensors");
    let whole = fs::read(&last).unwrap();
    let mut flipped = whole.clone();
    let place = flipped.len() - 99;
    flipped[place] ^= 4;
    for damaged in [&flipped[..], &whole[..whole.len() - 1], &whole[..40], &[]] {
        fs::write(&last, damaged).unwrap();
        let mut second = trainer(folder.path(), 99);
        let resumed = second.resume().unwrap().unwrap();
        assert!(resumed.path.ends_with("last-1.safetensors"));
        assert_eq!((resumed.epochs, resumed.batches), (1, 0), "where it was saved before");
        let warning = resumed.warning.unwrap();
        assert!(warning.contains("last.safetensors: ") && warning.contains("last-1"), "{warning}");
    }
    let mut second = trainer(folder.path(), 99);
    second.resume().unwrap().unwrap();
    second.fit(&train(), &valid()).unwrap();
    assert_same(folder.path(), wanted.path(), "from the one before");

    for name in ["last", "last-1"] {
        fs::write(folder.path().join(format!("{name}.safetensors")), &flipped).unwrap();
    }
    let message = trainer(folder.path(), 99).resume().unwrap_err().to_string();
    assert!(message.contains("last.safetensors") && message.contains("checksum"), "{message}");
    let nothing = TempDir::new().unwrap();
    assert_eq!(trainer(nothing.path(), 1).resume().unwrap(), None);
}

#[test]
fn a_damaged_checkpoint_never_takes_the_place_of_a_whole_one() {
    let folder = TempDir::new().unwrap();
    interrupted(folder.path(), 14);
    let last = folder.path().join("last.safetensors");
    fs::write(&last, "damaged").unwrap();
    let before = fs::read(folder.path().join("last-1.safetensors")).unwrap();
    let interrupt = Interrupt::new();
    let after = After(15, interrupt.clone());
    let mut second = trainer(folder.path(), 99).callback(after).interrupt(interrupt);
    second.resume().unwrap();
    second.fit(&train(), &valid()).unwrap();
    assert!(Checkpoint::read(&last).is_ok());
    assert!(fs::read(folder.path().join("last-1.safetensors")).unwrap() == before);
}

#[test]
fn a_training_that_was_stopped_is_not_resumed() {
    struct Stop;
    impl Callback for Stop {
        fn on_epoch_end(&mut self, session: &mut Session<'_>) -> Result<()> {
            session.stop("enough");
            Ok(())
        }
    }
    let folder = TempDir::new().unwrap();
    let enough = Ending::Stopped("enough".into());
    let mut first = trainer(folder.path(), 1).callback(Stop);
    assert_eq!(first.fit(&train(), &valid()).unwrap(), enough);
    let mut second = trainer(folder.path(), 99);
    second.resume().unwrap();
    assert_eq!(second.fit(&train(), &valid()).unwrap(), enough);
    assert_eq!(second.history().len(), 1);
}

#[test]
fn what_does_not_fit_is_refused() {
    let folder = TempDir::new().unwrap();
    interrupted(folder.path(), 5);
    // Another number of batches: the position means nothing.
    let mut other = trainer(folder.path(), 99);
    other.resume().unwrap();
    let error = other.fit(&loader(clouds(300, 4), Some(7)), &valid()).unwrap_err().to_string();
    assert!(error.contains("5 of 9 batches") && error.contains("19"), "{error}");
    // A part that is missing.
    let model = network(1, Activations::default());
    let optimizer = adam(&model);
    let mut bare = Trainer::new(model, gradus_nn::losses::cross_entropy, optimizer)
        .checkpoints(Checkpoints::new(folder.path(), "train_loss"));
    let Err(Error::Mismatch(message)) = bare.resume() else {
        panic!("a state was dropped in silence");
    };
    assert!(message.contains("last.safetensors") && message.contains("accuracy"), "{message}");
}

#[test]
fn as_many_are_kept_as_the_policy_says() {
    let kept = |options: CheckpointOptions| -> Vec<String> {
        let folder = TempDir::new().unwrap();
        let model = network(1, Activations::default());
        let optimizer = adam(&model);
        let checkpoints = Checkpoints::with_options(folder.path(), options).unwrap();
        let mut trainer = Trainer::new(model, gradus_nn::losses::cross_entropy, optimizer)
            .checkpoints(checkpoints)
            .epochs(7);
        trainer.fit(&train(), &valid()).unwrap();
        let entries = fs::read_dir(folder.path()).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = names.filter(|name| name.ends_with(".safetensors")).collect();
        for name in names.iter().filter(|name| *name != "best.safetensors") {
            let checkpoint = Checkpoint::read(folder.path().join(name)).unwrap();
            let epochs = checkpoint.history().len();
            match name.strip_prefix("epoch-").and_then(|name| name.strip_suffix(".safetensors")) {
                Some(epoch) => assert_eq!(epoch, epochs.to_string()),
                None => assert!(epochs > 4, "{name} is of epoch {epochs}"),
            }
        }
        names.iter_mut().for_each(|name| *name = name.replace(".safetensors", ""));
        names.sort();
        names
    };
    let options = CheckpointOptions::default;
    assert_eq!(kept(options()), ["best", "last", "last-1"]);
    assert_eq!(kept(CheckpointOptions { keep_last: 1, ..options() }), ["best", "last"]);
    let three = CheckpointOptions { keep_last: 3, keep_every_epochs: Some(3), ..options() };
    assert_eq!(kept(three), ["best", "epoch-3", "epoch-6", "last", "last-1", "last-2"]);
    // Epochs 5 and 7: the last is always written.
    let fifth = CheckpointOptions { every_epochs: 5, ..options() };
    assert_eq!(kept(fifth), ["best", "last", "last-1"]);
    let message = CheckpointOptions { keep_last: 0, ..options() }.check().unwrap_err().to_string();
    assert!(message.contains("keep_last is 0"), "{message}");
}
