//! Small blocks, which are kept by their size: some by the thread that gives them back, the others for
//! all threads.

use super::{ALIGN, HELD, SYSTEM_CALLS, lock, take_or_trim};
use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::cell::Cell;
use std::ptr::NonNull;
use std::sync::Mutex;
use std::sync::atomic::Ordering;

/// Blocks up to this size are small: first cached by the thread that gives them back.
pub(super) const LOCAL: usize = 64 << 10;

/// The classes up to [`LOCAL`] bytes.
const LOCAL_CLASSES: usize = 4 * (LOCAL.ilog2() as usize - 5) + 1;

/// How many blocks of each class a thread caches: as many as make up [`LOCAL`], but 16 at least, and 256
/// at most. A table, as a division would take longer than all else there is to do.
const LOCAL_COUNTS: [u16; LOCAL_CLASSES] = {
    let mut counts = [0; LOCAL_CLASSES];
    let mut class = 0;
    while class < LOCAL_CLASSES {
        let count = LOCAL / Class(class).size();
        counts[class] = match count {
            ..16 => 16,
            16..256 => count as u16,
            _ => 256,
        };
        class += 1;
    }
    counts
};

/// A size that blocks have, by number: 64, 80, 96, 112, 128, 160 … bytes, each rounded up to whole
/// cache lines.
#[derive(Clone, Copy)]
pub(crate) struct Class(usize);

/// Classes up to 2^46 bytes, more than any machine has.
const CLASSES: usize = 4 * 41 + 1;

impl Class {
    /// The smallest class that holds `len` bytes; none if `len` is absurd.
    pub(crate) const fn of(len: usize) -> Option<Self> {
        let len = if len < ALIGN { ALIGN } else { len };
        // A doubling starts at a power of two and is cut into four steps.
        let doubling = (len - 1).ilog2() as usize;
        let step = (1usize << doubling) / 4;
        let steps = (len - 1 - (1 << doubling)) / step + 1;
        let class = 4 * (doubling - 5) + steps;
        if class < CLASSES { Some(Self(class)) } else { None }
    }

    pub(super) const fn size(self) -> usize {
        let doubling = 5 + self.0 / 4;
        let size = (1usize << doubling) + (self.0 % 4) * ((1 << doubling) / 4);
        size.next_multiple_of(ALIGN)
    }

    /// Takes memory of this size: what was given back or, if there is none, from the system. None if
    /// that has no more either, even after all cached memory was given back to it.
    pub(crate) fn take(self) -> Option<NonNull<u8>> {
        CACHE.with(|cache| cache.shelves.get(self.0)?.take()).or_else(|| self.take_shared())
    }

    /// Keeps memory for whoever takes some of this size next.
    ///
    /// # Safety
    /// `start` must come from [`Class::take`] of the same class and not be used any more.
    pub(crate) unsafe fn give_back(self, start: NonNull<u8>) {
        CACHE.with(|cache| {
            // SAFETY: the caller vouches for the memory.
            let kept = cache.shelves.get(self.0).is_some_and(|shelf| unsafe { shelf.put(start) });
            if !kept {
                // SAFETY: as above.
                unsafe { self.share(start) };
            }
        });
    }

    /// Takes memory that other threads gave back or, if there is none, from the system. Apart, so that
    /// who finds some in the thread's own cache has no registers to save.
    #[cold]
    #[inline(never)]
    fn take_shared(self) -> Option<NonNull<u8>> {
        let shared = lock(&SHELVES[self.0]).take();
        shared.or_else(|| take_or_trim(|| self.allocate()))
    }

    /// Keeps memory for any thread.
    ///
    /// # Safety
    /// As for [`Class::give_back`].
    #[cold]
    #[inline(never)]
    unsafe fn share(self, start: NonNull<u8>) {
        CACHE.with(LocalCache::open);
        // SAFETY: the caller vouches for the memory.
        unsafe { lock(&SHELVES[self.0]).put(start) };
    }

    /// Takes zeroed memory from the system.
    fn allocate(self) -> Option<NonNull<u8>> {
        let size = self.size();
        let layout = Layout::from_size_align(size, ALIGN).ok()?;
        // SAFETY: the layout's size is not zero.
        let start = NonNull::new(unsafe { alloc_zeroed(layout) })?;
        SYSTEM_CALLS.fetch_add(1, Ordering::Relaxed);
        HELD.fetch_add(size, Ordering::Relaxed);
        Some(start)
    }

    /// Gives memory back to the system.
    ///
    /// # Safety
    /// `start` must come from [`Class::allocate`] of the same class and not be used any more.
    unsafe fn free(self, start: NonNull<u8>) {
        let size = self.size();
        HELD.fetch_sub(size, Ordering::Relaxed);
        if let Ok(layout) = Layout::from_size_align(size, ALIGN) {
            // SAFETY: the block comes from the global allocator with this layout.
            unsafe { dealloc(start.as_ptr(), layout) };
        }
    }
}

/// Blocks of a class that were given back. They are linked: each begins with the address of the next.
#[derive(Default)]
struct Shelf {
    first: Option<NonNull<u8>>,
}

// SAFETY: a shelf owns its blocks.
unsafe impl Send for Shelf {}

impl Shelf {
    const EMPTY: Self = Self { first: None };

    /// Keeps a block.
    ///
    /// # Safety
    /// The block must be of the shelf's class and not be used any more.
    unsafe fn put(&mut self, block: NonNull<u8>) {
        // SAFETY: the block is nobody else's, and a cache line or more.
        unsafe { block.cast().write(self.first) };
        self.first = Some(block);
    }

    /// The block that was put here last.
    fn take(&mut self) -> Option<NonNull<u8>> {
        let block = self.first?;
        // SAFETY: the address of the next one was written when this block was put here.
        self.first = unsafe { block.cast().read() };
        Some(block)
    }
}

/// The cached blocks of each class.
static SHELVES: [Mutex<Shelf>; CLASSES] = [const { Mutex::new(Shelf::EMPTY) }; CLASSES];

/// A shelf of one thread.
struct OwnShelf {
    blocks: Cell<Shelf>,
    /// For how many more there is room.
    room: Cell<u16>,
}

impl OwnShelf {
    const fn closed() -> Self {
        Self { blocks: Cell::new(Shelf::EMPTY), room: Cell::new(0) }
    }

    /// Keeps a block, if there is room.
    ///
    /// # Safety
    /// As for [`Shelf::put`].
    unsafe fn put(&self, block: NonNull<u8>) -> bool {
        let room = self.room.get();
        if room > 0 {
            let mut blocks = self.blocks.take();
            // SAFETY: the caller vouches for the block.
            unsafe { blocks.put(block) };
            self.blocks.set(blocks);
            self.room.set(room - 1);
        }
        room > 0
    }

    /// The block that was put here last.
    fn take(&self) -> Option<NonNull<u8>> {
        let mut blocks = self.blocks.take();
        let block = blocks.take()?;
        self.blocks.set(blocks);
        self.room.set(self.room.get() + 1);
        Some(block)
    }
}

/// The small blocks that a thread keeps for itself. There is room for none before [`LocalCache::open`],
/// nor when the thread is about to end: so nobody has to ask whether the cache is there.
struct LocalCache {
    shelves: [OwnShelf; LOCAL_CLASSES],
    was_opened: Cell<bool>,
}

impl LocalCache {
    /// Makes room, once, until the thread ends.
    fn open(&self) {
        if !self.was_opened.get() && CLOSING.try_with(|_| ()).is_ok() {
            self.was_opened.set(true);
            for (shelf, &count) in self.shelves.iter().zip(&LOCAL_COUNTS) {
                shelf.room.set(count);
            }
        }
    }

    /// Gives all blocks to whichever thread wants some.
    fn flush(&self) {
        for (own, shared) in self.shelves.iter().zip(&SHELVES) {
            let mut shared = lock(shared);
            while let Some(block) = own.take() {
                // SAFETY: shelves of the same index are of the same class.
                unsafe { shared.put(block) };
            }
        }
    }
}

/// Closes a thread's cache when the thread ends.
struct Closing;

impl Drop for Closing {
    fn drop(&mut self) {
        CACHE.with(|cache| {
            cache.flush();
            cache.shelves.iter().for_each(|shelf| shelf.room.set(0));
        });
    }
}

thread_local! {
    static CACHE: LocalCache = const {
        LocalCache {
            shelves: [const { OwnShelf::closed() }; LOCAL_CLASSES],
            was_opened: Cell::new(false),
        }
    };
    static CLOSING: Closing = const { Closing };
}

/// Gives all that is cached back to the system, but what other threads cache for themselves.
pub(super) fn trim() {
    CACHE.with(LocalCache::flush);
    for (index, shelf) in SHELVES.iter().enumerate() {
        let mut shelf = std::mem::take(&mut *lock(shelf));
        while let Some(block) = shelf.take() {
            // SAFETY: a cached block was allocated in its shelf's class and is not in use.
            unsafe { Class(index).free(block) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_hold_what_they_are_for_and_waste_little() {
        for len in (1..5000).chain([1 << 20, (1 << 20) + 1, (3 << 30) - 7, 1 << 46]) {
            let size = Class::of(len).unwrap().size();
            assert!(size >= len && size.is_multiple_of(ALIGN));
            assert!(size - len <= ALIGN.max(len / 4), "{len} bytes take {size}");
            assert_eq!(Class::of(size).unwrap().size(), size);
        }
        assert!(Class::of(usize::MAX).is_none());
    }
}
