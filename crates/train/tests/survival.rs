//! Trainings that are killed, interrupted, or denied the disk, and end with the same bits.
//!
//! The tests run this very program again as a child, which is then told by an environment variable
//! where to train.

#![cfg(unix)]

mod common;

use common::*;
use gradus_tensor::{Result, Rng};
use gradus_train::*;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Where the child trains; a file in there that makes it sleep while it is there, and one by which the
/// child says that it does.
const FOLDER: &str = "GRADUS_TEST_FOLDER";
const SLEEP: &str = "sleep";
const SLEEPING: &str = "sleeping";

/// Sleeps after a batch, if it is told to.
struct Sleep(std::path::PathBuf);

impl Callback for Sleep {
    fn on_batch_end(&mut self, _: &mut Session<'_>, _: &Step<'_>) -> Result<()> {
        let start = Instant::now();
        while self.0.exists() && start.elapsed() < Duration::from_secs(60) {
            fs::write(self.0.with_file_name(SLEEPING), "").unwrap();
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    }
}

/// The child: trains, or goes on with, a training in the folder, and ends with the exit codes of the
/// program. Without a folder it is no child and has nothing to do.
#[test]
fn child() {
    let Ok(folder) = std::env::var(FOLDER) else {
        return;
    };
    std::process::exit(match train_in(Path::new(&folder)) {
        Ok(Ending::Interrupted) => 130,
        Ok(_) => 0,
        Err(error) => {
            eprintln!("error: {error}");
            1
        }
    });
}

fn train_in(folder: &Path) -> Result<Ending> {
    let options = CheckpointOptions { every_steps: Some(2), ..Default::default() };
    let mut trainer = trainer_saving(folder, std::process::id().into(), options)
        .callback(Sleep(folder.join(SLEEP)))
        .interrupt(Interrupt::on_signals()?);
    match trainer.resume()? {
        Some(Resumed { warning: Some(warning), .. }) => eprintln!("warning: {warning}"),
        Some(_) => {}
        None => trainer.restore(&Checkpoint::read(folder.join("start.safetensors"))?)?,
    }
    fs::write(folder.join("started"), "").unwrap();
    trainer.fit(&train(), &valid())
}

/// A folder with what every training starts from: the first weights do not depend on the child.
fn place() -> TempDir {
    let folder = TempDir::new().unwrap();
    let start = trainer(folder.path(), 1).checkpoint();
    start.write(folder.path().join("start.safetensors")).unwrap();
    folder
}

fn command(folder: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "child", "--nocapture", "--test-threads", "1"]);
    command.env(FOLDER, folder).stdin(Stdio::null()).stdout(Stdio::null());
    command
}

fn finish(folder: &Path) -> String {
    let Output { status, stderr, .. } = command(folder).output().unwrap();
    let errors = String::from_utf8_lossy(&stderr).to_string();
    assert!(status.success(), "{status}: {errors}");
    errors
}

fn undisturbed() -> TempDir {
    let folder = place();
    finish(folder.path());
    folder
}

fn send(signal: &str, child: &Child) {
    let status = Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap();
    assert!(status.success());
}

fn wait_for(path: &Path) {
    let start = Instant::now();
    while !path.exists() {
        assert!(start.elapsed() < Duration::from_secs(120), "{} never came", path.display());
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Waits until a child ends, but not so long as one sleeps.
fn ended(mut child: Child) -> ExitStatus {
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        assert!(start.elapsed() < Duration::from_secs(50), "the child did not end");
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn assert_no_parts(folder: &Path) {
    let parts = fs::read_dir(folder).unwrap().flatten();
    let mut parts = parts.filter(|entry| entry.file_name().to_string_lossy().ends_with(".part"));
    assert!(parts.next().is_none(), "a temporary file is left");
}

/// Five kills; with the environment variable GRADUS_SOAK, as many as it says.
#[test]
fn a_training_killed_at_random_instants_loses_nothing() {
    let soak = std::env::var("GRADUS_SOAK").ok();
    let wanted_kills = soak.map_or(5, |count| count.parse().expect("GRADUS_SOAK is a number"));
    let start = Instant::now();
    let wanted = undisturbed();
    let whole = start.elapsed();
    // Where they fall is not for a seed to say: the system's clock has a hand in it.
    let mut rng = Rng::new(std::process::id().into());
    let (mut kills, mut trainings) = (0u32, 0);
    while kills < wanted_kills {
        let folder = place();
        trainings += 1;
        loop {
            let mut child = command(folder.path()).stderr(Stdio::null()).spawn().unwrap();
            std::thread::sleep(whole.mul_f64(rng.uniform() * 0.7));
            child.kill().unwrap();
            let status = child.wait().unwrap();
            if status.success() {
                break;
            }
            assert_eq!(status.code(), None, "the child failed by itself");
            kills += 1;
            if kills.is_multiple_of(8) {
                // A long run of early kills is no progress.
                finish(folder.path());
                break;
            }
        }
        assert_same(folder.path(), wanted.path(), &format!("after {kills} kills"));
        assert_no_parts(folder.path());
    }
    println!("{kills} kills in {trainings} trainings, all ended in the same bits");
}

#[test]
fn ctrl_c_finishes_the_step_and_saves() {
    let wanted = undisturbed();
    for signal in ["-INT", "-TERM"] {
        let folder = place();
        let child = command(folder.path()).spawn().unwrap();
        wait_for(&folder.path().join("started"));
        send(signal, &child);
        assert_eq!(ended(child).code(), Some(130));
        finish(folder.path());
        assert_same(folder.path(), wanted.path(), signal);
    }
}

#[test]
fn a_second_ctrl_c_ends_at_once() {
    let wanted = undisturbed();
    let folder = place();
    fs::write(folder.path().join(SLEEP), "").unwrap();
    let child = command(folder.path()).spawn().unwrap();
    wait_for(&folder.path().join("started"));
    send("-INT", &child);
    // Time for the first to arrive: two at once may count as one.
    std::thread::sleep(Duration::from_millis(300));
    send("-INT", &child);
    assert_eq!(ended(child).code(), Some(130));
    fs::remove_file(folder.path().join(SLEEP)).unwrap();
    finish(folder.path());
    assert_same(folder.path(), wanted.path(), "after two signals");
}

/// A limit on the size of files stands for a full disk: writing fails in the midst of a file.
#[test]
fn a_full_disk_leaves_the_earlier_checkpoint_whole() {
    let wanted = undisturbed();
    let folder = place();
    let interrupted = interrupt_early(folder.path());
    let mut limited = Command::new("sh");
    limited.args(["-c", "trap '' XFSZ; ulimit -f 8; exec \"$@\"", "sh"]);
    let inner = command(folder.path());
    limited.arg(inner.get_program()).args(inner.get_args()).env(FOLDER, folder.path());
    let Output { status, stderr, .. } = limited.stdin(Stdio::null()).output().unwrap();
    let message = String::from_utf8_lossy(&stderr);
    assert_eq!(status.code(), Some(1), "{message}");
    let lines: Vec<&str> = message.lines().filter(|line| line.starts_with("error: ")).collect();
    assert_eq!(lines.len(), 1, "{message}");
    assert!(lines[0].contains("last.safetensors: "), "{message}");
    let last = fs::read(folder.path().join("last.safetensors")).unwrap();
    assert!(last == interrupted, "the earlier checkpoint was changed");
    assert_no_parts(folder.path());
    finish(folder.path());
    assert_same(folder.path(), wanted.path(), "after the disk was full");
}

/// Trains for some steps; gives the last checkpoint's bytes.
fn interrupt_early(folder: &Path) -> Vec<u8> {
    // It sleeps after the first batch until the signal is there.
    fs::write(folder.join(SLEEP), "").unwrap();
    let child = command(folder).spawn().unwrap();
    wait_for(&folder.join(SLEEPING));
    send("-INT", &child);
    fs::remove_file(folder.join(SLEEP)).unwrap();
    assert_eq!(ended(child).code(), Some(130));
    fs::read(folder.join("last.safetensors")).unwrap()
}

#[test]
fn a_damaged_checkpoint_is_told_and_passed_over() {
    let wanted = undisturbed();
    let folder = place();
    interrupt_early(folder.path());
    // So that there is one before the last in any case.
    let last = folder.path().join("last.safetensors");
    fs::copy(&last, folder.path().join("last-1.safetensors")).unwrap();
    let mut bytes = fs::read(&last).unwrap();
    bytes.truncate(bytes.len() - 100);
    fs::write(&last, bytes).unwrap();
    let told = finish(folder.path());
    assert!(told.contains("warning: ") && told.contains("last-1.safetensors"), "{told}");
    assert_same(folder.path(), wanted.path(), "from the one before");
}

#[test]
fn a_folder_that_cannot_be_written_to_is_told() {
    use std::os::unix::fs::PermissionsExt;
    let folder = place();
    let closed = folder.path().join("closed");
    fs::create_dir(&closed).unwrap();
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o555)).unwrap();
    // Nothing is closed to the administrator but what the system keeps for itself.
    let administrator = fs::write(closed.join("file"), "").is_ok();
    let closed = if administrator { Path::new("/proc/self") } else { &closed };
    let model = network(1, Activations::default());
    let optimizer = adam(&model);
    let mut trainer = Trainer::new(model, gradus_nn::losses::cross_entropy, optimizer)
        .checkpoints(Checkpoints::new(closed, "valid_loss"));
    let error = trainer.fit(&train(), &valid()).unwrap_err().to_string();
    assert!(error.contains(closed.to_str().unwrap()) && error.lines().count() == 1, "{error}");
    // What was trained is still there, and can be written elsewhere.
    trainer.checkpoint().write(folder.path().join("elsewhere.safetensors")).unwrap();
    let saved = Checkpoint::read(folder.path().join("elsewhere.safetensors")).unwrap();
    assert_eq!(saved.history().len(), 1);
}
