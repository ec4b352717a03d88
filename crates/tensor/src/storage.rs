//! The memory behind tensors.

use crate::cpu::{Deferred, Summed};
use gradus_kernels::memory::Block;
use std::any::Any;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Memory on some device that holds a tensor's elements.
pub enum Buffer {
    /// Memory of the machine itself.
    Host(Block),
    /// Memory of the machine itself, whose numbers are computed when somebody asks for it.
    Deferred(Box<Deferred>),
    /// The same, whose numbers are sums of such numbers.
    Summed(Box<Summed>),
    /// No memory at all: of tensors that have a shape only.
    Nothing,
    /// Memory of another device, known to its backend.
    Device(Box<dyn Any + Send + Sync>),
}

impl Buffer {
    /// The machine's own memory, if that is what it is. What waits to be computed is, first.
    pub fn host(&self) -> Option<&Block> {
        match self {
            Self::Host(block) => Some(block),
            Self::Deferred(deferred) => Some(deferred.block()),
            Self::Summed(summed) => Some(summed.block()),
            _ => None,
        }
    }

    /// The machine's own memory, to be written, if that is what it is.
    pub fn host_mut(&mut self) -> Option<&mut Block> {
        match self {
            Self::Host(block) => Some(block),
            Self::Deferred(deferred) => Some(deferred.block_mut()),
            Self::Summed(summed) => Some(summed.block_mut()),
            _ => None,
        }
    }

    /// What waits to be computed, or did.
    pub(crate) fn deferred(&self) -> Option<&Deferred> {
        match self {
            Self::Deferred(deferred) => Some(deferred),
            _ => None,
        }
    }
}

impl fmt::Debug for Buffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host(block) => block.fmt(f),
            Self::Deferred(deferred) => deferred.fmt(f),
            Self::Summed(summed) => summed.fmt(f),
            Self::Nothing => f.write_str("Nothing"),
            Self::Device(_) => f.write_str("Device"),
        }
    }
}

/// What a mutex guards, even if somebody panicked who held it.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
