//! Automatic differentiation: the tape, and walking it backwards.
//!
//! Nothing here knows any op by name.

mod anomaly;
mod backward;
mod check;
mod functional;
mod node;

pub use anomaly::{Anomaly, Phase, detect_anomaly};
pub use backward::{BackwardOptions, Gradients};
pub use check::{GradCheck, GradCheckError, gradcheck, gradgradcheck};
pub use functional::{GradOptions, grad, hvp, jvp, vjp};
pub use node::Hook;

pub(crate) use anomaly::check_forward;
pub(crate) use node::Node;

use gradus_kernels::Precision;
use std::cell::Cell;

/// How ops behave on this thread.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mode {
    /// Ops are recorded where gradients may flow.
    pub(crate) grad: bool,
    /// Results are searched for NaN.
    pub(crate) anomaly: bool,
    /// Ops are listed by [`crate::trace`].
    pub(crate) watched: bool,
    /// What products may lose.
    pub(crate) precision: Precision,
}

thread_local! {
    static MODE: Cell<Mode> = const {
        Cell::new(Mode {
            grad: true,
            anomaly: false,
            watched: false,
            precision: Precision::Highest,
        })
    };
}

/// The mode of this thread.
#[inline]
pub(crate) fn mode() -> Mode {
    MODE.get()
}

/// Runs `body` in a changed mode and restores the old one, whatever happens.
pub(crate) fn with_mode<R>(change: impl FnOnce(&mut Mode), body: impl FnOnce() -> R) -> R {
    struct Restore(Mode);
    impl Drop for Restore {
        fn drop(&mut self) {
            MODE.set(self.0);
        }
    }
    let restore = Restore(mode());
    let mut changed = restore.0;
    change(&mut changed);
    MODE.set(changed);
    body()
}

/// Runs `body` without recording ops: no gradient flows through what it computes.
pub fn no_grad<R>(body: impl FnOnce() -> R) -> R {
    with_mode(|mode| mode.grad = false, body)
}

/// Runs `body` with ops recorded, even inside [`no_grad`].
pub fn enable_grad<R>(body: impl FnOnce() -> R) -> R {
    with_mode(|mode| mode.grad = true, body)
}

/// True if ops are recorded on this thread.
pub fn is_grad_enabled() -> bool {
    mode().grad
}
