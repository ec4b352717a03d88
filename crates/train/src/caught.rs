//! Panics that become errors, and so are not to be told twice.

use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

thread_local! {
    /// Which panics of this thread become errors, by their messages.
    static WHICH: Cell<fn(&str) -> bool> = const { Cell::new(none) };
}

fn none(_: &str) -> bool {
    false
}

/// True if a panic with this message on this thread becomes an error that somebody is told of, so
/// that a panic hook need not speak.
pub fn is_caught(message: &str) -> bool {
    WHICH.get()(message)
}

/// Runs `body`; a panic becomes its message if that is one of `which`, and goes on if not.
pub(crate) fn catching<T>(
    which: fn(&str) -> bool,
    body: impl FnOnce() -> T,
) -> std::result::Result<T, String> {
    let before = WHICH.replace(which);
    let outcome = catch_unwind(AssertUnwindSafe(body));
    WHICH.set(before);
    outcome.or_else(|panic| match message(&*panic) {
        message if which(message) => Err(message.to_string()),
        _ => resume_unwind(panic),
    })
}

/// What a panic says.
fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("this failed")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_caught_or_goes_on() {
        let one = |message: &str| message == "one";
        assert_eq!(catching(one, || 3), Ok(3));
        let caught = catching(
            |_| true,
            || {
                assert!(is_caught("one") && is_caught("two"));
                let inner: Result<(), String> = catching(one, || {
                    assert!(is_caught("one") && !is_caught("two"));
                    panic!("one")
                });
                assert_eq!(inner, Err("one".to_string()));
                assert!(is_caught("two"));
                let _: Result<(), String> = catching(one, || panic!("{}", 2));
            },
        );
        assert_eq!(caught, Err("2".to_string()));
        assert!(!is_caught("one"));
    }
}
