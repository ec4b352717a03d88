//! `gradus new` makes a project whose program is an example that is compiled with the library.

use std::fs;
use std::process::{Command, Output, Stdio};

fn new(arguments: &[&str], folder: &std::path::Path) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gradus"));
    command.current_dir(folder).arg("new").args(arguments).stdin(Stdio::null());
    command.output().unwrap()
}

#[test]
fn a_project_is_whole() {
    let folder = tempfile::tempdir().unwrap();
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
    let made = new(&["letters", "--path", source], folder.path());
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let said = String::from_utf8(made.stdout).unwrap();
    assert_eq!(said, "written: letters\ngo on:   cd letters && cargo run --release\n");
    let read = |name: &str| fs::read_to_string(folder.path().join("letters").join(name)).unwrap();
    let example = fs::read_to_string(format!("{source}/examples/digits.rs")).unwrap();
    assert_eq!(read("src/main.rs"), example);
    assert!(read("README.md").starts_with("# letters\n"));
    assert!(read(".gitignore").contains("/target"));

    // Cargo takes the manifest: the package and the library that it is built with.
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["metadata", "--offline", "--no-deps", "--format-version", "1"]);
    let output = cargo.current_dir(folder.path().join("letters")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let package = &metadata["packages"][0];
    assert_eq!(package["name"], "letters");
    assert_eq!(package["dependencies"][0]["name"], "gradus");
    let library = fs::canonicalize(source).unwrap();
    assert_eq!(package["dependencies"][0]["path"], library.to_str().unwrap());

    let made = new(&["numbers", "--json"], folder.path());
    assert!(made.status.success());
    let manifest = fs::read_to_string(folder.path().join("numbers/Cargo.toml")).unwrap();
    let version = env!("CARGO_PKG_VERSION");
    assert!(manifest.contains(&format!("gradus = \"{version}\"")), "{manifest}");
}

#[test]
fn what_cannot_be_is_said_in_a_sentence() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("there")).unwrap();
    for (arguments, sentence) in [
        (&["there"][..], "error: there is there already: remove it, or take another name"),
        (
            &["9lives"],
            "error: `9lives` cannot be the name of a project: take letters, digits, - and _",
        ),
        (&["a b"], "error: `a b` cannot be the name of a project: "),
        (&["gradus"], "error: `gradus` cannot be the name of a project: "),
        (&["mine", "--path", "nowhere"], "error: nowhere: "),
        (&["mine", "--path", "there"], "error: "),
    ] {
        let Output { status, stderr, .. } = new(arguments, folder.path());
        let said = String::from_utf8(stderr).unwrap();
        assert_eq!(status.code(), Some(1), "{said}");
        assert!(said.starts_with(sentence) && said.lines().count() == 1, "{said}");
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left");
}
