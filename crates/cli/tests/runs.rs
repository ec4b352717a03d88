//! What is made of several trainings, and of data that go bad.

mod few;

use gradus_data::image::{Colour, Image, write_png};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// The program, which is told where to make runs.
fn gradus(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gradus"));
    command.args(arguments).current_dir(folder).stdin(Stdio::null());
    command
}

/// Runs the program to its end, which must be a good one; gives what it said.
fn succeed(command: &mut Command) -> String {
    let Output { status, stdout, stderr } = command.output().unwrap();
    assert!(status.success(), "{command:?} failed: {}", String::from_utf8_lossy(&stderr));
    String::from_utf8(stdout).unwrap()
}

/// Runs the program, which must fail; gives its complaint.
fn fail(command: &mut Command) -> String {
    let Output { status, stderr, .. } = command.output().unwrap();
    let message = String::from_utf8(stderr).unwrap();
    assert_eq!(status.code(), Some(1), "{command:?}: {message}");
    message
}

fn last_json(lines: &str) -> Value {
    serde_json::from_str(lines.lines().last().unwrap()).unwrap()
}

fn read_json(path: PathBuf) -> Value {
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

/// A folder with a few digits in MNIST's files, in a folder of that name.
fn few_digits(name: &str, train: usize, test: usize) -> TempDir {
    let folder = TempDir::new().unwrap();
    few::digits(&folder.path().join(name), train, test);
    folder
}

const SMALL: &str = "model.layers=['flatten', {kind='linear', out=16}, 'relu', 'linear']";

fn train(folder: &Path, more: &[&str]) -> Command {
    train_on(folder, "data", more)
}

fn train_on(folder: &Path, data: &str, more: &[&str]) -> Command {
    let mut command = gradus(folder, &["train", "digits", "--json", "--data", data, "--set"]);
    command.args([SMALL, "--batch", "32"]).args(more);
    command
}

#[test]
fn two_runs_are_compared_on_the_same_samples() {
    let folder = few_digits("data", 400, 150);
    let place = folder.path();
    let first = last_json(&succeed(&mut train(place, &["--epochs", "1"])));
    let second = last_json(&succeed(&mut train(place, &["--epochs", "4"])));

    let runs = ["runs/digits-1", "runs/digits-2"];
    let compared = gradus(place, &["compare", runs[0], runs[1], "--json"]).output().unwrap();
    let compared: Value = last_json(&String::from_utf8(compared.stdout).unwrap());
    assert_eq!((&compared["part"], &compared["samples"]), (&"test".into(), &150.into()));
    assert_eq!(compared["settings"]["run.epochs"], serde_json::json!(["1", "4"]));
    for name in ["loss", "accuracy"] {
        let figure = |run: &Value| run[format!("test_{name}")].as_f64().unwrap();
        let row = &compared["figures"][name];
        let number = |value: &Value| value.as_f64().unwrap();
        assert_eq!(number(&row["first"]), figure(&first));
        assert_eq!(number(&row["second"]), figure(&second));
        let difference = number(&row["difference"]);
        assert_eq!(difference, figure(&second) - figure(&first));
        let (low, high) = (number(&row["interval"][0]), number(&row["interval"][1]));
        assert!(low < difference && difference < high, "{row}");
    }
    // Four epochs are better than one, and surely so.
    assert!(compared["figures"]["loss"]["interval"][1].as_f64().unwrap() < 0.0, "{compared}");
    let told = succeed(&mut gradus(place, &["compare", runs[0], runs[1]]));
    assert!(told.contains("run.epochs: 1 → 4") && told.contains("150 test samples"), "{told}");

    let same = succeed(&mut gradus(place, &["compare", runs[0], runs[0]]));
    assert!(same.contains("The recipes are the same."), "{same}");
    assert!(same.contains("+0.0000 to +0.0000  may be chance"), "{same}");

    // Other samples are another question.
    few::digits(&place.join("other"), 400, 149);
    succeed(train_on(place, "other", &["--epochs", "1"]).args(["--set", "run.name='third'"]));
    let error = fail(&mut gradus(place, &["compare", runs[0], "runs/third-1"]));
    assert!(error.contains("not tested with the same samples"), "{error}");
    assert!(error.contains("150 test samples") && error.contains("149 test samples"), "{error}");
}

#[test]
fn figures_of_a_test_come_with_intervals() {
    let folder = few_digits("data", 200, 100);
    let result = last_json(&succeed(&mut train(folder.path(), &["--epochs", "2"])));
    let tested =
        last_json(&succeed(&mut gradus(folder.path(), &["eval", "runs/digits-1", "--json"])));
    for name in ["test_accuracy", "test_loss"] {
        let value = tested[name].as_f64().unwrap();
        assert_eq!(Some(value), result[name].as_f64());
        let end = |at: usize| tested["intervals"][name][at].as_f64().unwrap();
        assert!(end(0) < value && value < end(1), "{tested}");
    }
    // That of a share p of N samples is about 2 · 1.96 √(p (1 - p) / N) wide.
    let share = tested["test_accuracy"].as_f64().unwrap();
    let interval = &tested["intervals"]["test_accuracy"];
    let wide = interval[1].as_f64().unwrap() - interval[0].as_f64().unwrap();
    let wanted = 2.0 * 1.96 * (share * (1.0 - share) / 100.0).sqrt();
    assert!((wide / wanted - 1.0).abs() < 0.15, "{wide}, not {wanted}");
    let told = succeed(&mut gradus(folder.path(), &["eval", "runs/digits-1"]));
    assert!(told.contains("test accuracy ") && told.contains("of 100 samples"), "{told}");
}

#[test]
fn other_data_is_seen_as_the_training_saw_it() {
    let folder = TempDir::new().unwrap();
    let place = folder.path();
    let write = |name: &str, rows: &[(f64, &str)]| {
        let rows = rows.iter().map(|(x, kind)| format!("{x},{kind}\n"));
        fs::write(place.join(name), rows.fold(String::from("x,kind\n"), |text, row| text + &row))
            .unwrap();
    };
    let known: Vec<(f64, &str)> =
        (-100..100).map(|x| (x as f64 / 100.0, if x < 0 { "down" } else { "up" })).collect();
    write("known.csv", &known);
    let recipe = "[run]\nname = \"signs\"\nepochs = 10\nbatch = 20\n[data]\nkind = \"csv\"\n\
                  path = \"known.csv\"\ntable.target = [\"kind\"]\n[model]\n\
                  kind = \"feed_forward\"\nhidden = [8]\n[optimizer]\nkind = \"adam\"\n\
                  learning_rate = 0.03\n";
    fs::write(place.join("signs.toml"), recipe).unwrap();
    succeed(&mut gradus(place, &["train", "signs.toml"]));
    let eval = |data: &str| gradus(place, &["eval", "runs/signs-1", "--json", "--data", data]);
    // All of these are up. Scaled anew by themselves, half of them would seem to be down.
    let above: Vec<(f64, &str)> = (1..=30).map(|x| (0.5 + x as f64 / 100.0, "up")).collect();
    write("above.csv", &above);
    let tested = last_json(&succeed(&mut eval("above.csv")));
    assert_eq!(
        (tested["samples"].as_u64(), tested["test_accuracy"].as_f64()),
        (Some(30), Some(1.0))
    );
    write("other.csv", &[(0.1, "up"), (0.2, "sideways")]);
    let error = fail(&mut eval("other.csv"));
    let wanted = "other.csv: line 3, column kind: the class \"sideways\" is none of those that were \
                  learnt from (down, up)";
    assert!(error.contains(wanted), "{error}");
}

fn wait_for(path: &Path, child: &mut Child) {
    let start = Instant::now();
    while !path.exists() {
        assert!(start.elapsed() < Duration::from_secs(120), "{} never came", path.display());
        assert!(child.try_wait().unwrap().is_none(), "it ended before {}", path.display());
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn folds_are_trained_one_after_another_and_gone_on_with() {
    let folder = few_digits("data", 300, 50);
    let place = folder.path();
    let whole = ["--epochs", "2", "--folds", "3", "--runs", "whole"];
    let lines = succeed(&mut train(place, &whole));
    let result = last_json(&lines);
    assert_eq!(result["folds"], 3);
    let numbers = |name: &str| -> Vec<f64> {
        let list = result[name].as_array().unwrap();
        list.iter().map(|number| number.as_f64().unwrap()).collect()
    };
    for name in ["valid_accuracy", "valid_loss", "test_loss"] {
        let of_folds = numbers(&format!("{name}_of_folds"));
        let mean = of_folds.iter().sum::<f64>() / 3.0;
        assert!((result[name].as_f64().unwrap() - mean).abs() < 1e-12);
        let squares: f64 = of_folds.iter().map(|x| (x - mean).powi(2)).sum();
        let deviation = result[format!("{name}_deviation")].as_f64().unwrap();
        assert!((deviation - (squares / 2.0).sqrt()).abs() < 1e-12);
        assert!(of_folds[0] != of_folds[1] || of_folds[1] != of_folds[2], "{of_folds:?}");
    }
    let (_, second) = lines.split_once("{\"fold\":2").unwrap();
    let (second, _) = second.split_once("{\"fold\":3").unwrap();
    assert_eq!(second.matches("\"train_loss\"").count(), 2, "{lines}");

    // Killed in the second fold, the first is not trained again.
    let parts = ["--epochs", "2", "--folds", "3", "--runs", "parts"];
    let mut child = train(place, &parts).stdout(Stdio::null()).spawn().unwrap();
    let run = place.join("parts/digits-1");
    wait_for(&run.join("fold-2/config.json"), &mut child);
    child.kill().unwrap();
    child.wait().unwrap();
    let first = fs::metadata(run.join("fold-1/last.safetensors")).unwrap().modified().unwrap();
    let lines = succeed(&mut gradus(place, &["train", "--json", "--resume", "parts/digits-1"]));
    assert_eq!(
        fs::metadata(run.join("fold-1/last.safetensors")).unwrap().modified().unwrap(),
        first
    );
    assert!(!lines.contains("\"fold\":1") && lines.contains("\"fold\":3"), "{lines}");
    let resumed = last_json(&lines);
    for name in ["valid_accuracy_of_folds", "valid_loss_of_folds", "test_loss_of_folds"] {
        assert_eq!(resumed[name], result[name]);
    }
    let own = read_json(run.join("result.json"));
    assert_eq!(own["valid_loss"], result["valid_loss"]);

    // A fold is a run of its own; all together are none.
    let fold =
        last_json(&succeed(&mut gradus(place, &["eval", "parts/digits-1/fold-3", "--json"])));
    assert_eq!(fold["test_loss"], result["test_loss_of_folds"][2]);
    let error = fail(&mut gradus(place, &["eval", "parts/digits-1"]));
    assert!(error.contains("is a cross-validation") && error.contains("fold-1"), "{error}");
    let error = fail(&mut train(place, &["--folds", "400"]));
    assert!(error.contains("300 samples are too few for 400 folds"), "{error}");
    assert!(!place.join("runs").exists(), "what cannot be trained leaves no folder");
}

/// Pictures of two shades in a folder for each, to learn from and to validate with, and a recipe.
fn pictures(folder: &Path) {
    for (part, count) in [("train", 12), ("valid", 4)] {
        for number in 0..2 * count {
            let class = if number % 2 == 0 { "dark" } else { "light" };
            let path = folder.join(part).join(class);
            fs::create_dir_all(&path).unwrap();
            let shade = (number % 2) as u8 * 100 + 50 + number as u8;
            let picture = Image::new(3, 3, Colour::Grey, vec![shade; 9]).unwrap();
            write_png(path.join(format!("{number}.png")), &picture).unwrap();
        }
    }
    let recipe = "[run]\nepochs = 60\nbatch = 4\nworkers = 2\n[data]\nkind = \"image_folder\"\n\
                  path = \"train\"\nvalid = \"valid\"\nimages.cache_bytes = 0\n[model]\n\
                  layers = [\"flatten\", \"linear\"]\n";
    fs::write(folder.join("shades.toml"), recipe).unwrap();
}

/// Starts a training, and spoils two of its files when the first epoch is over.
fn spoil(folder: &Path, bad_samples: &str) -> Output {
    let set = format!("run.bad_samples='{bad_samples}'");
    let mut command = gradus(folder, &["train", "shades.toml", "--set", &set]);
    command.args(["--runs", bad_samples]).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let run = folder.join(bad_samples).join("shades-1");
    wait_for(&run.join("metrics.jsonl"), &mut child);
    fs::remove_file(folder.join("train/dark/4.png")).unwrap();
    // At once: nobody shall see it empty.
    fs::write(folder.join("bad"), "no picture").unwrap();
    fs::rename(folder.join("bad"), folder.join("train/light/7.png")).unwrap();
    child.wait_with_output().unwrap()
}

#[test]
fn files_that_go_bad_in_mid_epoch_end_a_training_or_are_counted() {
    let folder = TempDir::new().unwrap();
    let place = folder.path();
    pictures(place);
    let Output { status, stderr, .. } = spoil(place, "stop");
    let message = String::from_utf8(stderr).unwrap();
    assert_eq!(status.code(), Some(1), "{message}");
    let told = ["4.png", "7.png"].iter().any(|file| message.contains(file));
    assert!(told && message.matches("error: ").count() == 1, "{message}");
    // When they are back, it goes on.
    pictures(place);
    succeed(&mut gradus(place, &["train", "--json", "--resume", "stop/shades-1"]));

    let Output { status, stdout, stderr } = spoil(place, "skip");
    assert!(status.success(), "{}", String::from_utf8_lossy(&stderr));
    let told = String::from_utf8(stdout).unwrap();
    assert!(told.contains("times a sample was left out that could not be read"), "{told}");
    assert!(told.contains("4.png") && told.contains("and 1 more like it"), "{told}");
    let run = place.join("skip/shades-1");
    let result = read_json(run.join("result.json"));
    let epochs: Vec<Value> = fs::read_to_string(run.join("metrics.jsonl"))
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let skipped: Vec<f64> =
        epochs.iter().map(|epoch| epoch["train_skipped"].as_f64().unwrap()).collect();
    assert_eq!((skipped[0], skipped.last()), (0.0, Some(&2.0)), "{skipped:?}");
    assert_eq!(result["skipped"].as_f64(), Some(skipped.iter().sum()));
    assert_eq!(result["skipped_because"].as_array().unwrap().len(), 2);
}
