//! `gradus weights` as its users meet it.

use gradus_tensor::io::safetensors::{self, Contents};
use gradus_tensor::io::{load_weights, npz};
use gradus_tensor::{DType, Tensor};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tempfile::TempDir;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tensor/tests/fixtures").join(name)
}

/// `gradus weights` of a file with options.
fn run(file: &Path, options: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gradus"));
    command.arg("weights").arg(file).args(options).output().unwrap()
}

#[track_caller]
fn succeed(file: &Path, options: &[&str]) -> String {
    let output = run(file, options);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// What is said when it fails, which is one line.
#[track_caller]
fn fail(file: &Path, options: &[&str], code: i32) -> String {
    let output = run(file, options);
    assert_eq!(output.status.code(), Some(code));
    assert!(output.stdout.is_empty());
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(
        errors.starts_with("error: ") && (code == 2 || errors.lines().count() == 1),
        "{errors}"
    );
    errors
}

fn numbers(x: &Tensor) -> Vec<f64> {
    x.to_dtype(DType::F64).to_vec()
}

#[test]
fn tensors_are_listed_with_types_and_shapes() {
    let lines = succeed(&fixture("checkpoint.pt"), &[]);
    let expected = "\
0.weight               f32   [2, 3]
0.bias                 f32   [2]
1.weight               f32   [2]
1.bias                 f32   [2]
1.running_mean         f32   [2]
1.running_var          f32   [2]
1.num_batches_tracked  i64   []
7 tensors of 17 numbers, under state_dict
not taken: epoch, optimizer
";
    assert_eq!(lines, expected);
    let lines = succeed(&fixture("state.pt"), &["--json"]);
    assert_eq!(lines.lines().next(), Some(r#"{"name":"0.weight","type":"f32","shape":[2,3]}"#));
    assert_eq!(lines.lines().count(), 7);
    assert!(succeed(&fixture("stored.npz"), &[]).contains("little/f4  f32   [2, 3]"));
    let lines = succeed(&fixture("reference.safetensors"), &[]);
    let words = |line: &str| line.split_whitespace().map(str::to_string).collect::<Vec<_>>();
    // Widened.
    assert!(lines.lines().any(|line| words(line) == ["i16", "i64", "[2,", "3]"]), "{lines}");
}

#[test]
fn files_are_converted_under_other_names() {
    let folder = TempDir::new().unwrap();
    let before = load_weights(fixture("state.pt")).unwrap().tensors;
    for name in ["out.safetensors", "out.npz"] {
        let path = folder.path().join(name);
        let renames = ["--rename", "0 -> fc", "--rename", "1.running_* -> norm.*"];
        let to = ["--to", path.to_str().unwrap()];
        let lines = succeed(&fixture("state.pt"), &[&renames[..], &to].concat());
        assert!(lines.contains("fc.weight  ") && lines.contains("written to"), "{lines}");
        let after = match name {
            "out.npz" => npz::read(&path).unwrap(),
            _ => safetensors::read(&path).unwrap().tensors,
        };
        let names: Vec<&str> = after.iter().map(|(name, _)| name.as_str()).collect();
        let expected = [
            "fc.weight",
            "fc.bias",
            "1.weight",
            "1.bias",
            "norm.mean",
            "norm.var",
            "1.num_batches_tracked",
        ];
        assert_eq!(names, expected);
        for ((_, x), (_, y)) in before.iter().zip(&after) {
            assert_eq!((x.spec(), numbers(x)), (y.spec(), numbers(y)));
        }
    }
}

#[test]
fn mistakes_are_told_in_one_sentence() {
    let state = &fixture("state.pt");
    let message = fail(&fixture("evil_state.pt"), &[], 1);
    assert!(message.contains("is refused, for it asks to call __builtin__.getattr"), "{message}");
    assert!(fail(&fixture("missing.pt"), &[], 1).contains("check the path"));
    assert!(fail(&fixture("make_torch.py"), &[], 1).contains("is no file of weights"));
    assert!(fail(state, &["--rename", "2 -> x"], 1).contains("matches no name"));
    assert!(fail(state, &["--rename", "0 -> 1"], 1).contains("two values come to the name"));
    assert!(fail(state, &["--rename", "0"], 2).contains("has no arrow"));
    assert!(fail(state, &["--to", "x.pt"], 2).contains("is .safetensors or .npz"));
}

#[test]
fn names_cannot_speak_to_the_terminal() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("x.safetensors");
    let tensors = vec![("a\u{1b}[2Jb".to_string(), Tensor::zeros(()))];
    safetensors::write(&path, &Contents { tensors, metadata: vec![] }).unwrap();
    let lines = succeed(&path, &[]);
    assert!(lines.contains(r"a\u{1b}[2Jb  f32   []"), "{lines}");
}
