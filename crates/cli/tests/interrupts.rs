//! The program as it is interrupted, and as it goes on.

#![cfg(unix)]

mod few;

use gradus_tensor::io::safetensors;
use gradus_tensor::{DType, Rng, Tensor};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

fn train(data: &Path, runs: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gradus"));
    command.args(["train", "digits", "--json", "--batch", "16", "--epochs", "3", "--data"]);
    command.arg(data).arg("--runs").arg(runs).stdin(Stdio::null()).stdout(Stdio::null());
    command
}

fn weights(run: &Path) -> Vec<(String, Vec<f32>)> {
    let contents = safetensors::read(run.join("best.safetensors")).unwrap();
    contents.tensors.iter().map(|(name, x)| (name.clone(), x.to_vec())).collect()
}

#[test]
fn an_interrupted_training_says_how_to_go_on_and_ends_with_the_same_bits() {
    let folder = TempDir::new().unwrap();
    few::digits(folder.path(), 400, 50);
    let (quiet, noisy) = (folder.path().join("quiet"), folder.path().join("noisy"));
    assert!(train(folder.path(), &quiet).status().unwrap().success());

    let run = noisy.join("digits-1");
    let mut child = train(folder.path(), &noisy).stderr(Stdio::piped()).spawn().unwrap();
    let start = Instant::now();
    while !run.join("metrics.jsonl").exists() {
        assert!(start.elapsed() < Duration::from_secs(120), "no epoch was finished");
        assert!(child.try_wait().unwrap().is_none(), "it was too fast to be interrupted");
        std::thread::sleep(Duration::from_millis(1));
    }
    Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    let output = child.wait_with_output().unwrap();
    let message = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(130), "{message}");
    let wanted = format!("gradus train --resume {}", run.display());
    assert!(message.contains(&wanted), "{message}");

    let mut resume = Command::new(env!("CARGO_BIN_EXE_gradus"));
    resume.args(["train", "--json", "--resume"]).arg(&run).stdin(Stdio::null());
    let output = resume.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(weights(&run) == weights(&quiet.join("digits-1")));
}

/// A short training in which random numbers, a schedule, steps of two batches and checkpoints within
/// epochs have a part.
fn short(data: &Path, runs: &Path) -> Command {
    let mut command = train(data, runs);
    for set in [
        "model.layers=['flatten', {kind='linear', out=12}, 'relu', {kind='dropout', p=0.2}, 'linear']",
        "run.accumulate=2",
        "run.workers=2",
        "checkpoints.every_steps=3",
        "callbacks=[{kind='ema', decay=0.9}]",
    ] {
        command.args(["--set", set]);
    }
    command
}

/// The folder of the training in a folder of runs, if it was begun: what was killed before it wrote
/// its settings has none.
fn begun(runs: &Path) -> Option<PathBuf> {
    let mut folders = fs::read_dir(runs).into_iter().flatten().flatten().map(|entry| entry.path());
    folders.find(|folder| folder.join("config.json").is_file())
}

/// The tensors of a file, as bits.
fn bits(path: &Path) -> Vec<(String, Vec<u64>)> {
    let contents = safetensors::read(path).unwrap();
    let bits = |x: &Tensor| {
        let wide = x.to_dtype(DType::F64).to_vec::<f64>();
        wide.into_iter().map(f64::to_bits).collect()
    };
    contents.tensors.iter().map(|(name, x)| (name.clone(), bits(x))).collect()
}

/// What a training came to, without times.
fn outcome(run: &Path) -> (Vec<String>, Value, Value) {
    let metrics = fs::read_to_string(run.join("metrics.jsonl")).unwrap();
    let metrics = metrics.lines().map(|line| line[..line.find(",\"seconds\"").unwrap()].into());
    let result: Value =
        serde_json::from_str(&fs::read_to_string(run.join("result.json")).unwrap()).unwrap();
    (metrics.collect(), result["test_loss"].clone(), result["test_accuracy"].clone())
}

/// Three kills; with the environment variable GRADUS_SOAK, as many as it says.
#[test]
fn a_soak_of_kills_at_random_instants_ends_in_the_same_bits() {
    let wanted_kills: u32 =
        std::env::var("GRADUS_SOAK").map_or(3, |count| count.parse().expect("a number"));
    let folder = TempDir::new().unwrap();
    few::digits(folder.path(), 400, 50);
    let quiet = folder.path().join("quiet");
    let start = Instant::now();
    assert!(short(folder.path(), &quiet).status().unwrap().success());
    let whole = start.elapsed();
    let quiet = begun(&quiet).unwrap();

    // Where the kills fall is not for a seed to say: the system's clock has a hand in it.
    let mut rng = Rng::new(std::process::id().into());
    let (mut kills, mut trainings) = (0, 0);
    let soak = Instant::now();
    while kills < wanted_kills {
        let runs = folder.path().join(format!("noisy-{trainings}"));
        trainings += 1;
        let go_on = || match begun(&runs) {
            None => short(folder.path(), &runs),
            Some(_) => {
                let mut resume = Command::new(env!("CARGO_BIN_EXE_gradus"));
                resume.args(["train", "digits", "--json", "--resume", "--runs"]).arg(&runs);
                resume.stdin(Stdio::null()).stdout(Stdio::null());
                resume
            }
        };
        // At last it is left alone: a long run of early kills is no progress.
        let done = (0..7).any(|_| {
            let mut child = go_on().spawn().unwrap();
            std::thread::sleep(whole.mul_f64(rng.uniform() * 0.9));
            child.kill().unwrap();
            let status = child.wait().unwrap();
            assert!(status.success() || status.code().is_none(), "the program failed by itself");
            kills += u32::from(!status.success());
            status.success()
        });
        assert!(done || go_on().status().unwrap().success());
        let run = begun(&runs).unwrap();
        for file in ["last.safetensors", "best.safetensors"] {
            let same = bits(&run.join(file)) == bits(&quiet.join(file));
            assert!(same, "{file} differs after {kills} kills");
        }
        assert_eq!(outcome(&run), outcome(&quiet), "after {kills} kills");
        let mut left = fs::read_dir(&run).unwrap().flatten();
        let part = left.find(|entry| entry.file_name().to_string_lossy().ends_with(".part"));
        assert!(part.is_none(), "{part:?} is left");
        fs::remove_dir_all(&runs).unwrap();
    }
    let seconds = soak.elapsed().as_secs_f64();
    println!("{kills} kills in {trainings} trainings and {seconds:.0} s: the same bits");
}
