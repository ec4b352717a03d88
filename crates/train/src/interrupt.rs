//! Ending a training from outside.

use gradus_tensor::{Error, Result};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A wish that a training end after the step it is at; clones are the same wish.
///
/// A [`Trainer`](crate::Trainer) that is told of it writes a checkpoint and returns
/// [`Ending::Interrupted`](crate::Ending::Interrupted).
///
/// ```
/// use gradus_train::Interrupt;
///
/// let interrupt = Interrupt::new();
/// let other = interrupt.clone();
/// std::thread::spawn(move || other.request()).join().unwrap();
/// assert!(interrupt.is_requested());
/// ```
#[derive(Clone, Debug, Default)]
pub struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Nobody wishes anything yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// One that Ctrl-C (SIGINT) and SIGTERM request. A second of them ends the program at once, with
    /// the exit code that shells know: 130 or 143.
    ///
    /// # Errors
    /// If the system refuses.
    pub fn on_signals() -> Result<Self> {
        let interrupt = Self::new();
        for signal in [SIGINT, SIGTERM] {
            // What is registered first runs first: it ends the program if the flag is set already.
            let twice =
                flag::register_conditional_shutdown(signal, 128 + signal, interrupt.0.clone());
            let once = flag::register(signal, interrupt.0.clone());
            if let Err(error) = twice.and(once) {
                let message = format!("the system does not let signal {signal} be caught: {error}");
                return Err(Error::Setting(message));
            }
        }
        Ok(interrupt)
    }

    /// Wishes that the training end.
    pub fn request(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Takes the wish back.
    pub fn clear(&self) {
        self.0.store(false, Ordering::Relaxed);
    }

    /// True if somebody wishes it.
    pub fn is_requested(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
