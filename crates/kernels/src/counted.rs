//! The system's allocator with a counter.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

/// The system's allocator, which counts how often it is asked for memory: a test or a benchmark that
/// makes it its own sees what some work takes beside tensors' bytes.
///
/// ```
/// use gradus_kernels::memory::Counted;
///
/// #[global_allocator]
/// static COUNTED: Counted = Counted;
///
/// let before = Counted::calls();
/// drop(vec![1; 100]);
/// assert_eq!(Counted::calls() - before, 1);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Counted;

static CALLS: AtomicUsize = AtomicUsize::new(0);

impl Counted {
    /// How often memory was asked for until now, by all threads.
    pub fn calls() -> usize {
        CALLS.load(Ordering::Relaxed)
    }
}

// SAFETY: the system's allocator does all the work.
unsafe impl GlobalAlloc for Counted {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        CALLS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller's promises are those that the system's allocator wants.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        CALLS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: as in `alloc`.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, start: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        CALLS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: as in `alloc`; the memory came from the system's allocator.
        unsafe { System.realloc(start, layout, size) }
    }

    unsafe fn dealloc(&self, start: *mut u8, layout: Layout) {
        // SAFETY: the memory came from the system's allocator with this layout.
        unsafe { System.dealloc(start, layout) }
    }
}
