//! Files that are there whole or not at all.

use gradus_tensor::io::atomic::write_atomically;
use gradus_tensor::{Error, OpError};
use std::fs;
use std::io::{self, Write};
use std::path::Path;

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_file_is_written_and_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    for text in ["first", "second, longer", ""] {
        write_atomically(&path, |file| file.write_all(text.as_bytes())).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
        assert_eq!(names(folder.path()), ["file"]);
    }
}

#[test]
fn a_failure_leaves_what_was_there_before() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    let fail = |file: &mut dyn Write| {
        file.write_all(&[7; 100_000])?;
        Err(io::Error::other("the sky fell: look up"))
    };
    let error = write_atomically(&path, |file| fail(file)).unwrap_err().to_string();
    assert_eq!(error, format!("{}: the sky fell: look up", path.display()));
    assert_eq!(names(folder.path()), [""; 0]);

    fs::write(&path, "before").unwrap();
    write_atomically(&path, |file| fail(file)).unwrap_err();
    assert_eq!(fs::read_to_string(&path).unwrap(), "before");
    let panicked = std::panic::catch_unwind(|| write_atomically(&path, |_| panic!("in the midst")));
    assert!(panicked.is_err());
    assert_eq!(fs::read_to_string(&path).unwrap(), "before");
    assert_eq!(names(folder.path()), ["file"]);
}

#[test]
fn an_error_of_gradus_passes_through() {
    let folder = tempfile::tempdir().unwrap();
    let inner = || Error::from(OpError::of("matmul", "no"));
    let error = write_atomically(folder.path().join("file"), |_| Err(inner().into())).unwrap_err();
    assert!(matches!(error, Error::Op(_)));
    assert_eq!(error.to_string(), "matmul: no");
}

#[test]
fn errors_name_the_path_and_the_cure() {
    let folder = tempfile::tempdir().unwrap();
    let message = |path: &Path| write_atomically(path, |_| Ok(())).unwrap_err().to_string();
    let missing = folder.path().join("missing");
    let file = missing.join("file");
    let expected =
        format!("{}: there is no folder {}: make it first", file.display(), missing.display());
    assert_eq!(message(&file), expected);
    let expected = format!("{}: is a folder: name a file", folder.path().display());
    assert_eq!(message(folder.path()), expected);
    fs::write(folder.path().join("file"), "").unwrap();
    let below = folder.path().join("file").join("below");
    assert!(message(&below).starts_with(&below.display().to_string()));
}

#[test]
fn threads_may_write_the_same_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    std::thread::scope(|scope| {
        for byte in b'a'..b'e' {
            let path = &path;
            scope.spawn(move || {
                for _ in 0..20 {
                    write_atomically(path, |file| file.write_all(&[byte; 10_000])).unwrap();
                }
            });
        }
    });
    let bytes = fs::read(&path).unwrap();
    assert!(bytes.len() == 10_000 && bytes.iter().all(|&byte| byte == bytes[0]));
    assert_eq!(names(folder.path()), ["file"]);
}

#[cfg(unix)]
#[test]
fn links_permissions_and_devices_stay_what_they_are() {
    use std::os::unix::fs::{FileTypeExt, PermissionsExt, symlink};
    let folder = tempfile::tempdir().unwrap();
    let (path, link) = (folder.path().join("file"), folder.path().join("link"));
    fs::write(&path, "before").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    symlink("file", &link).unwrap();
    write_atomically(&link, |file| file.write_all(b"after")).unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "after");
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);

    write_atomically("/dev/null", |file| file.write_all(b"gone")).unwrap();
    assert!(fs::metadata("/dev/null").unwrap().file_type().is_char_device());
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_named() {
    let error = write_atomically("/dev/full", |file| file.write_all(b"text")).unwrap_err();
    let error = error.to_string();
    assert!(error.starts_with("/dev/full: "), "{error}");
    assert!(error.ends_with("free some space, or write elsewhere"), "{error}");
}
