//! What the program says, to people and to machines.

use gradus_train::is_caught;
use serde_json::Value;
use std::fmt::Display;
use std::io::{ErrorKind, Write};

/// Writes a line to the standard output. Where nobody reads it any more, as behind `| head`, the
/// program ends in silence.
pub fn say(line: impl Display) {
    if let Err(error) = writeln!(std::io::stdout(), "{line}") {
        let code = if error.kind() == ErrorKind::BrokenPipe { 0 } else { 1 };
        std::process::exit(code);
    }
}

/// Writes one JSON object as a line to the standard output.
pub fn say_json(value: &Value) {
    say(value);
}

/// Writes what went wrong to the standard error.
pub fn complain(error: impl Display) {
    // Where even that cannot be written, the exit code still tells.
    let _ = writeln!(std::io::stderr(), "error: {error}");
}

/// Has a panic told in one sentence. What made it is not what a user typed or a file held: those
/// come as errors, also where a recipe asks a library for what it refuses and where a batch takes more
/// memory than there is.
pub fn explain_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let message = panic.payload_as_str().unwrap_or("the program failed");
        if is_caught(message) {
            return;
        }
        complain(message);
        if std::env::var_os("RUST_BACKTRACE").is_some()
            && let Some(location) = panic.location()
        {
            complain(location);
        }
    }));
}
