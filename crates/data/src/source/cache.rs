//! Keeping in memory what is read from files, as much as may be.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// How many bytes are kept unless told.
pub(super) const BYTES: u64 = 1 << 30;

/// What was read of each of many files, as far as memory is given to it.
///
/// What is asked for first is kept, and nothing is ever thrown out: an epoch asks for each once, so
/// that it is as good to keep these as any.
pub(super) struct Cache<T> {
    kept: Vec<OnceLock<Box<[T]>>>,
    /// How many bytes more may be kept.
    left: AtomicU64,
}

impl<T: Clone> Cache<T> {
    /// For so many files, and at most so many bytes.
    pub(super) fn new(count: usize, bytes: u64) -> Self {
        Self { kept: (0..count).map(|_| OnceLock::new()).collect(), left: bytes.into() }
    }

    /// Adds what a file holds to `all`: as it was kept, or as `read` gives it.
    pub(super) fn append<E>(
        &self,
        index: usize,
        all: &mut Vec<T>,
        read: impl FnOnce() -> Result<Vec<T>, E>,
    ) -> Result<(), E> {
        if let Some(kept) = self.kept[index].get() {
            all.extend_from_slice(kept);
            return Ok(());
        }
        let own = read()?;
        all.extend_from_slice(&own);
        let size = size_of_val(&own[..]) as u64;
        let take = |left: u64| left.checked_sub(size);
        if self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_ok()
            && self.kept[index].set(own.into()).is_err()
        {
            // Another thread kept it meanwhile.
            self.left.fetch_add(size, Ordering::Relaxed);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_much_is_kept_as_may_be() {
        let cache = Cache::new(3, 9);
        let ask = |index: usize, fresh: Result<Vec<u16>, ()>| {
            let mut all = vec![7];
            cache.append(index, &mut all, || fresh).map(|()| all)
        };
        assert_eq!(ask(2, Err(())), Err(()));
        assert_eq!(ask(2, Ok(vec![1, 2])), Ok(vec![7, 1, 2]));
        assert_eq!(ask(2, Err(())), Ok(vec![7, 1, 2]));
        assert_eq!(ask(0, Ok(vec![1, 2, 3])), Ok(vec![7, 1, 2, 3]));
        assert_eq!(ask(0, Err(())), Err(()));
        assert_eq!(ask(1, Ok(vec![5])), Ok(vec![7, 5]));
        assert_eq!(ask(1, Err(())), Ok(vec![7, 5]));
    }
}
