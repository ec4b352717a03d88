//! The program as it is interrupted, and as it goes on.

#![cfg(unix)]

use gradus_data::{digits, idx};
use gradus_tensor::io::safetensors;
use gradus_tensor::{DType, Tensor};
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// A folder with a few digits in MNIST's files.
fn few_digits(folder: &Path) {
    let digits = digits::embedded().unwrap();
    for (name, set, count) in [("train", &digits.train, 400), ("t10k", &digits.test, 50)] {
        let write = |kind: &str, x: &Tensor| {
            let path = folder.join(format!("{name}-{kind}-ubyte"));
            fs::write(path, idx::encode(x).unwrap()).unwrap();
        };
        write("images-idx3", &set.images().narrow(0, 0, count).squeeze(1));
        write("labels-idx1", &set.labels().narrow(0, 0, count).to_dtype(DType::U8));
    }
}

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
    few_digits(folder.path());
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
