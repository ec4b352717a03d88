//! The program as its users meet it: commands, files, errors.

mod few;

use gradus_data::digits;
use gradus_data::image::{Colour, Image, write_png};
use gradus_tensor::io::safetensors;
use gradus_tensor::{DType, Tensor};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// The program with arguments.
fn gradus<S: AsRef<std::ffi::OsStr>>(arguments: &[S]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gradus"));
    command.args(arguments).stdin(Stdio::null());
    command
}

/// Runs the program to its end, which must be a good one.
fn succeed(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?} failed: {errors}");
    String::from_utf8(output.stdout).unwrap()
}

/// The last line, as JSON.
fn last_json(lines: &str) -> Value {
    serde_json::from_str(lines.lines().last().unwrap()).unwrap()
}

/// A place to train in: a folder with few digits and one for runs.
struct Place {
    folder: TempDir,
}

impl Place {
    fn new(train: usize, test: usize) -> Self {
        let place = Self { folder: TempDir::new().unwrap() };
        few::digits(&place.path("data"), train, test);
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// `gradus train digits` on the few digits, with runs in a folder of their own.
    fn train(&self, runs: &str, epochs: usize) -> Command {
        let mut command = gradus(&["train", "digits", "--json", "--data"]);
        command.arg(self.path("data")).arg("--runs").arg(self.path(runs));
        command.args(["--batch", "32", "--epochs", &epochs.to_string()]);
        command
    }
}

/// A file of metrics without the times.
fn metrics(run: &Path) -> Vec<String> {
    let text = fs::read_to_string(run.join("metrics.jsonl")).unwrap();
    text.lines().map(|line| line[..line.find(",\"seconds\"").unwrap()].to_string()).collect()
}

/// The tensors of a file, as bits.
fn tensors(path: &Path) -> Vec<(String, Vec<u64>)> {
    let contents = safetensors::read(path).unwrap();
    let bits = |x: &Tensor| {
        let wide = x.to_dtype(DType::F64).to_vec::<f64>();
        wide.into_iter().map(f64::to_bits).collect()
    };
    contents.tensors.iter().map(|(name, x)| (name.clone(), bits(x))).collect()
}

#[test]
fn a_killed_training_resumes_to_the_same_bits() {
    let place = Place::new(600, 50);
    succeed(&mut place.train("undisturbed", 4));
    let undisturbed = place.path("undisturbed/digits-1");

    // Killed once in the first epochs, and once more after it went on.
    let run = place.path("killed/digits-1");
    for (attempt, epochs) in [(1, 1), (2, 2)] {
        let mut command = match attempt {
            1 => place.train("killed", 4),
            _ => gradus(&["train", "digits", "--json", "--resume", run.to_str().unwrap()]),
        };
        let mut child = command.stdout(Stdio::null()).spawn().unwrap();
        let start = Instant::now();
        while fs::read_to_string(run.join("metrics.jsonl")).unwrap_or_default().lines().count()
            < epochs
        {
            assert!(start.elapsed() < Duration::from_secs(300), "no epoch was finished");
            assert!(child.try_wait().unwrap().is_none(), "it was too fast to be killed");
            std::thread::sleep(Duration::from_millis(1));
        }
        child.kill().unwrap();
        child.wait().unwrap();
    }
    assert!(!run.join("result.json").exists(), "it was killed too late");

    let mut resume = gradus(&["train", "digits", "--json", "--resume", "--runs"]);
    let result = last_json(&succeed(resume.arg(place.path("killed"))));
    assert_eq!(result["run"].as_str().unwrap(), run.to_str().unwrap());
    assert_eq!(metrics(&run), metrics(&undisturbed));
    for file in ["last.safetensors", "best.safetensors"] {
        assert!(tensors(&run.join(file)) == tensors(&undisturbed.join(file)), "{file} differs");
    }
    let results = [&run, &undisturbed].map(|run| {
        let result = fs::read_to_string(run.join("result.json")).unwrap();
        let result: Value = serde_json::from_str(&result).unwrap();
        (result["test_loss"].clone(), result["test_accuracy"].clone())
    });
    assert_eq!(results[0], results[1]);
}

#[test]
fn the_number_of_threads_changes_no_bit_and_the_seed_does() {
    let place = Place::new(320, 40);
    for threads in ["1", "2", "3"] {
        succeed(place.train(threads, 2).env("GRADUS_THREADS", threads));
    }
    succeed(place.train("seed", 2).args(["--seed", "1"]));
    let run = |runs: &str| place.path(runs).join("digits-1");
    assert_eq!(metrics(&run("1")).len(), 2);
    for threads in ["2", "3"] {
        assert_eq!(metrics(&run("1")), metrics(&run(threads)));
        let file = |runs| tensors(&run(runs).join("last.safetensors"));
        assert!(file("1") == file(threads), "the weights differ at {threads} threads");
    }
    assert_ne!(metrics(&run("1")), metrics(&run("seed")));
}

#[test]
fn a_training_leaves_what_it_promises() {
    let place = Place::new(2000, 200);
    let lines = succeed(&mut place.train("runs", 3));
    let epochs: Vec<Value> =
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(epochs.len(), 4, "a line for each epoch and one for the end");
    let result = &epochs[3];
    let accuracy = result["test_accuracy"].as_f64().unwrap();
    assert!(accuracy > 0.8 && accuracy <= 1.0, "{accuracy}");
    assert!(result["test_loss"].as_f64().unwrap() < 1.0);
    assert!(result["wall_s"].as_f64().unwrap() > 0.0);
    assert!(result["peak_rss_bytes"].as_u64().unwrap() > 1 << 20);
    let run = PathBuf::from(result["run"].as_str().unwrap());
    for file in [
        "best.safetensors",
        "best.json",
        "last.safetensors",
        "last.json",
        "last-1.safetensors",
        "metrics.jsonl",
        "config.json",
        "recipe.toml",
        "encoder.json",
        "result.json",
        "report.html",
        "steps.jsonl",
        "events.jsonl",
        "confusion.json",
        "predictions.json",
        "model.txt",
    ] {
        assert!(fs::metadata(run.join(file)).unwrap().len() > 0, "{file}");
    }
    assert_eq!(fs::read_dir(&run).unwrap().count(), 16, "nothing else is left");
    assert_eq!(metrics(&run).len(), 3);

    // The report can be drawn again, by the files alone.
    let report = fs::read_to_string(run.join("report.html")).unwrap();
    fs::remove_file(run.join("report.html")).unwrap();
    succeed(gradus(&["report"]).arg(&run));
    let again = fs::read_to_string(run.join("report.html")).unwrap();
    let sections = |page: &str| page.matches("<section id=").count();
    assert_eq!((sections(&report), sections(&again)), (5, 5));

    // The saved model does as the trained one did.
    let mut eval = gradus(&["eval", "--json"]);
    let tested = last_json(&succeed(eval.arg(&run)));
    assert_eq!(tested["test_accuracy"], result["test_accuracy"]);
    assert_eq!(tested["test_loss"], result["test_loss"]);
    assert_eq!(tested["samples"], 200);

    // Pictures of digits are read, drawn light on dark or dark on light, small or large.
    let test = digits::embedded().unwrap().test;
    let png = place.path("digit.png");
    let mut right = 0;
    for index in 0..10 {
        let picture = test.picture(index);
        let picture = if index % 2 == 0 { picture } else { inverted_and_doubled(&picture) };
        write_png(&png, &picture).unwrap();
        let mut predict = gradus(&["predict", "--json"]);
        let prediction = last_json(&succeed(predict.arg(&run).arg(&png)));
        let probabilities = prediction["probabilities"].as_object().unwrap();
        let sum: f64 = probabilities.values().map(|p| p.as_f64().unwrap()).sum();
        assert!((sum - 1.0).abs() < 1e-5);
        let label = test.labels().narrow(0, index, 1).to_vec::<i64>()[0];
        right += u32::from(prediction["answer"] == label.to_string().as_str());
    }
    assert!(right >= 7, "{right} of 10 digits were read");
    let mut predict = gradus(&["predict"]);
    assert!(succeed(predict.arg(&run).arg(&png)).contains("digit.png: "));
}

/// Dark on light, each pixel as four.
fn inverted_and_doubled(picture: &Image) -> Image {
    let (width, height) = (picture.width(), picture.height());
    let pixels = (0..4 * width * height).map(|at| {
        let (row, column) = (at / (2 * width), at % (2 * width));
        255 - picture.pixels()[row / 2 * width + column / 2]
    });
    Image::new(2 * width, 2 * height, Colour::Grey, pixels.collect()).unwrap()
}

#[test]
fn summaries_and_ops_are_printed() {
    let text = succeed(&mut gradus(&["summary", "digits"]));
    assert!(text.contains("421,642"), "{text}");
    let summary = last_json(&succeed(&mut gradus(&["summary", "digits", "--json"])));
    assert_eq!(summary["parameters"], 421_642);
    assert_eq!(summary["output"], serde_json::json!([1, 10]));
    let table = succeed(&mut gradus(&["ops"]));
    assert!(table.contains("cross_entropy") && table.contains("conv2d"));
    let ops = succeed(&mut gradus(&["ops", "--json"]));
    assert_eq!(ops.lines().count(), gradus_tensor::ops::cases().count());
}

#[test]
fn recipes_are_listed_shown_and_described() {
    let list = succeed(&mut gradus(&["recipes"]));
    assert!(list.contains("digits  ") && list.contains("README"), "{list}");
    let text = succeed(&mut gradus(&["recipes", "digits"]));
    assert!(text.contains("kind = \"conv2d\""), "{text}");
    let json = last_json(&succeed(&mut gradus(&["recipes", "digits", "--json"])));
    assert_eq!(json["recipe"]["run"]["epochs"], 12);
    let schema: Value =
        serde_json::from_str(&succeed(&mut gradus(&["recipes", "--schema"]))).unwrap();
    assert!(schema["$defs"]["layers"].is_object());
    let reference = succeed(&mut gradus(&["recipes", "--reference"]));
    assert!(reference.contains("### `conv2d`"));
    fail(&mut gradus(&["recipes", "letters"]), 2, &["letters", "digits"]);
}

/// A recipe of one's own: text instead of pictures, values changed on the command line, and a model
/// that was never in the program.
#[test]
fn any_recipe_trains() {
    let place = Place::new(64, 10);
    fs::write(place.path("song.txt"), "la la li la lo ".repeat(200)).unwrap();
    let recipe = place.path("song.toml");
    let text = "[run]\nepochs = 2\n[data]\nkind = \"language\"\npath = \"song.txt\"\n\
                text = { unit = \"character\", length = 8 }\n\
                [model]\nlayers = [{ kind = \"embedding\", out = 8 }, { kind = \"gru\", hidden = 16 },\n\
                \"linear\"]\n[optimizer]\nkind = \"adamw\"\nlearning_rate = 0.02\n";
    fs::write(&recipe, text).unwrap();
    let mut train = gradus(&["train", "--json"]);
    train.arg(&recipe).arg("--runs").arg(place.path("runs"));
    train.args(["--set", "model.layers.1.hidden=12", "--set", "run.epochs=3"]);
    let lines = succeed(&mut train);
    let first: Value = serde_json::from_str(lines.lines().next().unwrap()).unwrap();
    let result = last_json(&lines);
    assert!(result["valid_loss"].as_f64() < first["valid_loss"].as_f64(), "{lines}");
    let run = place.path("runs").join("song-1");
    let resolved = fs::read_to_string(run.join("recipe.toml")).unwrap();
    assert!(resolved.contains("hidden = 12") && resolved.contains("weight_decay = "), "{resolved}");
    assert!(fs::read_to_string(run.join("report.html")).unwrap().contains("optimizer.kind"));
    let tested = last_json(&succeed(gradus(&["eval", "--json"]).arg(&run)));
    assert_eq!(tested["valid_loss"], result["valid_loss"]);

    // What cannot be is said in the recipe's line or the option, before any work.
    fs::write(&recipe, text.replace("\"linear\"", "\"linaer\"")).unwrap();
    let mut wrong = gradus(&["train"]);
    wrong.arg(&recipe).arg("--runs").arg(place.path("wrong"));
    fail(&mut wrong, 1, &["song.toml:9:1: there is no layer `linaer`: did you mean `linear`?"]);
    fs::write(&recipe, text).unwrap();
    let mut unfit = gradus(&["train"]);
    unfit.arg(&recipe).args(["--set", "model.layers.1={kind='conv2d', out=3, kernel=3}"]);
    fail(unfit.arg("--runs").arg(place.path("wrong")), 1, &["--set model.layers.1", "[64, 8, 8]"]);
    assert!(!place.path("wrong").exists());
}

#[test]
fn a_learning_rate_is_looked_for() {
    let place = Place::new(256, 10);
    let mut rate = gradus(&["rate", "digits", "--steps", "60"]);
    let set = format!("data.path={:?}", place.path("data"));
    rate.arg("--set").arg(set).args(["--set", "model.layers=['flatten', 'linear']"]);
    let told = last_json(&succeed(rate.arg("--json")));
    let rates: Vec<f64> = serde_json::from_value(told["rates"].clone()).unwrap();
    let losses: Vec<f64> = serde_json::from_value(told["losses"].clone()).unwrap();
    assert!(rates.len() == losses.len() && rates.len() > 20 && rates[0] == 1e-6, "{told}");
    let lowest = (0..losses.len()).min_by(|&a, &b| losses[a].total_cmp(&losses[b])).unwrap();
    let suggestion = told["suggestion"].as_f64().unwrap();
    assert!((suggestion / (rates[lowest] / 10.0) - 1.0).abs() < 0.06, "{told}");
    fail(
        &mut gradus(&["rate", "digits", "--lowest", "1"]),
        1,
        &["--lowest 1 and --highest 1 are not two numbers above 0 in order"],
    );
}

#[test]
fn every_command_explains_itself() {
    for command in [
        "init",
        "rate",
        "train",
        "recipes",
        "eval",
        "predict",
        "augment",
        "dashboard",
        "report",
        "summary",
        "ops",
        "new",
    ] {
        let help = succeed(&mut gradus(&[command, "--help"]));
        assert!(help.contains("Example") && help.contains("--json"), "{command}: {help}");
    }
    assert!(succeed(&mut gradus(&["--help"])).contains("gradus train digits"));
}

/// Runs the program, which must fail with an exit code, in one sentence that has all the words.
fn fail(command: &mut Command, code: i32, words: &[&str]) {
    let Output { status, stdout, stderr } = command.output().unwrap();
    let message = String::from_utf8(stderr).unwrap();
    assert_eq!(status.code(), Some(code), "{command:?}: {message}");
    assert_eq!(String::from_utf8_lossy(&stdout), "", "{command:?}");
    for word in words {
        assert!(message.contains(word), "{command:?} says \"{message}\", not \"{word}\"");
    }
    for word in ["panicked", "RUST_BACKTRACE", "Err(", "unwrap"] {
        assert!(!message.contains(word), "{command:?} says \"{message}\"");
    }
    if code == 1 {
        let lines: Vec<&str> = message.lines().filter(|line| line.starts_with("error: ")).collect();
        assert_eq!(lines.len(), 1, "{message}");
    }
}

#[test]
fn wrong_usage_is_explained() {
    fail(&mut gradus::<&str>(&[]), 2, &["Usage", "train"]);
    fail(&mut gradus(&["fly"]), 2, &["fly"]);
    fail(&mut gradus(&["train"]), 2, &["RECIPE"]);
    fail(&mut gradus(&["train", "letters"]), 2, &["letters", "digits"]);
    fail(&mut gradus(&["train", "digits", "--epoch", "3"]), 2, &["--epoch", "--epochs"]);
    fail(&mut gradus(&["train", "digits", "--epochs", "0"]), 2, &["--epochs", "0"]);
    fail(&mut gradus(&["train", "digits", "--batch", "many"]), 2, &["--batch", "many"]);
    fail(&mut gradus(&["train", "digits", "--resume", "--seed", "2"]), 2, &["--resume", "--seed"]);
    let mut isa = gradus(&["ops"]);
    fail(isa.env("GRADUS_ISA", "abacus"), 1, &["GRADUS_ISA", "abacus", "portable"]);
    let mut threads = gradus(&["ops"]);
    fail(threads.env("GRADUS_THREADS", "none"), 1, &["GRADUS_THREADS", "none"]);
}

#[test]
fn missing_and_damaged_files_are_explained() {
    let place = Place::new(64, 10);
    let run = || place.path("runs").join("digits-1");
    let data = |name: &str| place.path("data").join(name);
    let digits = || place.train("other", 1);

    fail(gradus(&["eval"]).arg(place.path("nowhere")), 1, &["nowhere", "config.json"]);
    let mut resume = gradus(&["train", "digits", "--resume", "--runs"]);
    fail(resume.arg(place.path("nowhere")), 1, &["no earlier training"]);

    succeed(&mut place.train("runs", 1));
    let mut predict = gradus(&["predict"]);
    fail(predict.arg(run()).arg(place.path("no.png")), 1, &["no.png"]);
    fs::write(place.path("text.png"), "this is no picture").unwrap();
    let mut predict = gradus(&["predict"]);
    fail(predict.arg(run()).arg(place.path("text.png")), 1, &["text.png", "PNG"]);
    write_png(place.path("blank.png"), &Image::new(9, 9, Colour::Grey, vec![255; 81]).unwrap())
        .unwrap();
    let mut predict = gradus(&["predict"]);
    fail(predict.arg(run()).arg(place.path("blank.png")), 1, &["blank"]);

    // Data: cut off, of another kind, missing.
    let images = data("train-images-idx3-ubyte");
    let whole = fs::read(&images).unwrap();
    fs::write(&images, &whole[..whole.len() - 1]).unwrap();
    fail(&mut digits(), 1, &["train-images-idx3-ubyte"]);
    fs::write(&images, fs::read(data("train-labels-idx1-ubyte")).unwrap()).unwrap();
    fail(&mut digits(), 1, &["train-images-idx3-ubyte"]);
    // A header that claims more than there is memory.
    fs::write(&images, [&[0, 0, 8, 3][..], &[0xff; 12], &whole[16..]].concat()).unwrap();
    fail(&mut digits(), 1, &["train-images-idx3-ubyte"]);
    fs::remove_file(&images).unwrap();
    fail(&mut digits(), 1, &["train-images-idx3-ubyte"]);
    assert!(!place.path("other").exists(), "a training without data leaves nothing behind");
    fs::write(&images, &whole).unwrap();

    // Checkpoints: cut off, of another model, with a header that claims too much.
    let best = run().join("best.safetensors");
    let whole = fs::read(&best).unwrap();
    for damaged in [&whole[..whole.len() / 2], &whole[..9], &whole[..0], &[0xff; 64][..]] {
        fs::write(&best, damaged).unwrap();
        fail(gradus(&["eval"]).arg(run()), 1, &["best.safetensors"]);
    }
    let other = vec![("fc9.weight".to_string(), Tensor::ones([2, 2]))];
    let contents = safetensors::Contents { tensors: other, metadata: vec![] };
    safetensors::write(&best, &contents).unwrap();
    fail(gradus(&["eval"]).arg(run()), 1, &["best.safetensors", "fc9.weight"]);
    let resume = || {
        let mut resume = gradus(&["train", "digits", "--resume"]);
        resume.arg(run());
        resume
    };
    fs::write(run().join("last.safetensors"), fs::read(&best).unwrap()).unwrap();
    fail(&mut resume(), 1, &["last.safetensors", "no checkpoint"]);
    fs::write(run().join("last.safetensors"), "{").unwrap();
    fail(&mut resume(), 1, &["last.safetensors"]);
    fs::remove_file(&best).unwrap();
    fail(gradus(&["eval"]).arg(run()), 1, &["best.safetensors", "--resume"]);
    fs::write(run().join("recipe.toml"), "[run]\nepoch = 3").unwrap();
    fail(gradus(&["eval"]).arg(run()), 1, &["recipe.toml:2:1", "`epochs`"]);
    fs::remove_file(run().join("recipe.toml")).unwrap();
    fail(gradus(&["eval"]).arg(run()), 1, &["recipe.toml"]);
    fs::write(run().join("config.json"), "{").unwrap();
    fail(gradus(&["eval"]).arg(run()), 1, &["config.json"]);
}

/// A limit on the size of files stands for a full disk: writing fails in the middle of a file.
#[cfg(unix)]
#[test]
fn a_full_disk_loses_nothing() {
    let place = Place::new(64, 10);
    succeed(&mut place.train("runs", 1));
    let run = place.path("runs").join("digits-1");
    let before: Vec<(PathBuf, Vec<u8>)> = fs::read_dir(&run)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.clone(), fs::read(path).unwrap()))
        .collect();
    // The folder is one of a training of two epochs that was stopped after the first; so is another,
    // for which there is space.
    let recipe = fs::read_to_string(run.join("recipe.toml")).unwrap();
    fs::write(run.join("recipe.toml"), recipe.replace("\nepochs = 1\n", "\nepochs = 2\n")).unwrap();
    let quiet = place.path("quiet");
    fs::create_dir(&quiet).unwrap();
    for entry in fs::read_dir(&run).unwrap().flatten() {
        fs::copy(entry.path(), quiet.join(entry.file_name())).unwrap();
    }
    let resume = |run: &Path| succeed(gradus(&["train", "--json", "--resume"]).arg(run));
    resume(&quiet);

    let mut limited = Command::new("sh");
    limited.args(["-c", "trap '' XFSZ; ulimit -f 64; exec \"$@\"", "sh"]);
    limited.arg(env!("CARGO_BIN_EXE_gradus")).args(["train", "--resume"]).arg(&run);
    let output = limited.output().unwrap();
    let message = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{message}");
    assert!(message.contains("safetensors"), "{message}");
    assert!(!message.contains("panicked"), "{message}");
    let mut left = fs::read_dir(&run).unwrap().flatten();
    assert!(left.all(|entry| !entry.file_name().to_string_lossy().ends_with(".part")));
    for (path, bytes) in before {
        let after = fs::read(&path).unwrap();
        // What went on is told to those who look on, line by line; the figures may be an epoch ahead
        // of the checkpoint.
        if path.extension().is_some_and(|kind| kind == "jsonl") {
            assert!(after.starts_with(&bytes), "{} lost lines", path.display());
        } else if !path.ends_with("recipe.toml") {
            assert!(after == bytes, "{} was changed", path.display());
        }
    }

    // With space again, it comes to what it would have come to.
    resume(&run);
    assert_eq!(metrics(&run).len(), 2);
    assert_eq!(metrics(&run), metrics(&quiet));
    for file in ["last.safetensors", "best.safetensors"] {
        assert!(tensors(&run.join(file)) == tensors(&quiet.join(file)), "{file} differs");
    }
}
