//! A caching allocator for tensors' bytes and kernels' scratch space.
//!
//! Memory that is given back is kept and handed out again, so that a training loop, once it has run
//! a few steps, neither asks the system for memory nor takes page faults. The sizes of small blocks are
//! rounded up to classes, four for each doubling, each of which has its cache. Larger blocks are cut
//! from one range of addresses (`range`), on huge pages where the system has them, so that their memory
//! serves other sizes too.
//!
//! All memory is initialised: zero when it comes from the system, old numbers when it is reused.

mod range;

pub use crate::counted::Counted;
pub use crate::pooled::{Pooled, PooledBox};

use bytemuck::Pod;
use range::Range;
use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::any::Any;
use std::cell::Cell;
use std::fmt;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Every block starts at a multiple of this: a cache line, and the widest vector.
pub const ALIGN: usize = 64;

/// Blocks up to this size are small: first cached by the thread that gives them back.
const LOCAL: usize = 64 << 10;

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

/// The system refused to give memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutOfMemory {
    /// How many bytes were asked for.
    pub bytes: usize,
}

impl fmt::Display for OutOfMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "out of memory: the system did not give {} bytes", self.bytes)
    }
}

impl std::error::Error for OutOfMemory {}

/// Bytes from the allocator, aligned to [`ALIGN`], given back when dropped.
pub struct Block {
    start: NonNull<u8>,
    /// The bytes asked for, not the bytes of the class.
    len: usize,
    /// What [`Block::derived`] keeps.
    derived: Mutex<Option<Arc<dyn Any + Send + Sync>>>,
}

// SAFETY: a block owns its memory, as a Box does.
unsafe impl Send for Block {}
// SAFETY: shared access to a block only reads.
unsafe impl Sync for Block {}

impl Block {
    /// Takes `len` bytes. What they hold is unspecified, but initialised.
    ///
    /// # Errors
    /// If the system has no more memory, even after all cached memory was given back to it.
    #[inline]
    pub fn new(len: usize) -> Result<Self, OutOfMemory> {
        match len {
            0 => Ok(Self::from_parts(NonNull::<Line>::dangling().cast(), len)),
            _ => Self::take(len),
        }
    }

    #[inline]
    fn take(len: usize) -> Result<Self, OutOfMemory> {
        let kind = Kind::of(len).ok_or(OutOfMemory { bytes: len })?;
        let start = kind.take().ok_or(OutOfMemory { bytes: len })?;
        let live = LIVE.fetch_add(kind.size(), Ordering::Relaxed) + kind.size();
        // To look is much cheaper than to write.
        if live > PEAK.load(Ordering::Relaxed) {
            PEAK.fetch_max(live, Ordering::Relaxed);
        }
        Ok(Self::from_parts(start, len))
    }

    fn from_parts(start: NonNull<u8>, len: usize) -> Self {
        Self { start, len, derived: Mutex::new(None) }
    }

    fn give_back(&mut self) {
        if let Some(kind) = Kind::of(self.len) {
            LIVE.fetch_sub(kind.size(), Ordering::Relaxed);
            // SAFETY: the block owns its memory, which is of this kind, and is gone now.
            unsafe { kind.give_back(self.start) };
        }
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        // SAFETY: the block owns `len` initialised bytes.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.len) }
    }

    /// The bytes, to be written. What was derived of them goes.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        *self.derived.get_mut().unwrap_or_else(PoisonError::into_inner) = None;
        self.all_mut()
    }

    fn all_mut(&mut self) -> &mut [u8] {
        // SAFETY: the block owns `len` initialised bytes, and is mutably borrowed.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), self.len) }
    }

    /// The bytes as numbers.
    ///
    /// # Panics
    /// If the length is no multiple of the size of `T`.
    pub fn slice<T: Pod>(&self) -> &[T] {
        bytemuck::cast_slice(self.bytes())
    }

    /// The bytes as numbers, to be written.
    ///
    /// # Panics
    /// If the length is no multiple of the size of `T`.
    pub fn slice_mut<T: Pod>(&mut self) -> &mut [T] {
        bytemuck::cast_slice_mut(self.bytes_mut())
    }

    /// What `make` makes of the bytes: kept with them, beside the key, until somebody may write them or
    /// they are given back. One thing is kept: what is asked for by another key, or is of another type,
    /// takes its place.
    pub fn derived<K, V>(&self, key: K, make: impl FnOnce() -> V) -> Arc<(K, V)>
    where
        K: PartialEq + Send + Sync + 'static,
        V: Send + Sync + 'static,
    {
        let mut derived = self.derived.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = derived.clone().and_then(|kept| kept.downcast::<(K, V)>().ok());
        kept.filter(|kept| kept.0 == key).unwrap_or_else(|| {
            // Its memory can be used for what takes its place.
            *derived = None;
            let made = Arc::new((key, make()));
            *derived = Some(made.clone());
            made
        })
    }
}

impl Drop for Block {
    #[inline]
    fn drop(&mut self) {
        if self.len > 0 {
            self.give_back();
        }
    }
}

impl fmt::Debug for Block {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Block({} bytes)", self.len)
    }
}

/// Scratch space for `len` numbers, whose values are unspecified.
///
/// # Panics
/// If the system has no more memory.
pub fn scratch<T: Pod>(len: usize) -> Scratch<T> {
    match Block::new(len * size_of::<T>()) {
        Ok(block) => Scratch { block, element: std::marker::PhantomData },
        Err(error) => panic!("{error}"),
    }
}

/// Scratch space of a kernel: a slice that is given back when dropped.
#[derive(Debug)]
pub struct Scratch<T> {
    block: Block,
    element: std::marker::PhantomData<T>,
}

impl<T: Pod> std::ops::Deref for Scratch<T> {
    type Target = [T];
    #[inline]
    fn deref(&self) -> &[T] {
        self.block.slice()
    }
}

impl<T: Pod> std::ops::DerefMut for Scratch<T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut [T] {
        // Nothing is ever derived of scratch space.
        bytemuck::cast_slice_mut(self.block.all_mut())
    }
}

/// What the allocator holds, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// In blocks that are in use.
    pub live_bytes: usize,
    /// The most that ever was in use at once.
    pub peak_bytes: usize,
    /// Taken from the system: in use or kept for reuse.
    pub held_bytes: usize,
    /// How often the system was asked for memory.
    pub system_calls: usize,
}

static LIVE: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);
static HELD: AtomicUsize = AtomicUsize::new(0);
static SYSTEM_CALLS: AtomicUsize = AtomicUsize::new(0);

/// What the allocator holds now.
pub fn usage() -> Usage {
    Usage {
        live_bytes: LIVE.load(Ordering::Relaxed),
        peak_bytes: PEAK.load(Ordering::Relaxed),
        held_bytes: HELD.load(Ordering::Relaxed),
        system_calls: SYSTEM_CALLS.load(Ordering::Relaxed),
    }
}

/// The most memory that the whole process ever had in use at once, in bytes, as the system counts
/// it (the peak resident set): not only tensors but code, stacks and everything else. None where
/// the system does not tell.
pub fn peak_resident_bytes() -> Option<u64> {
    peak_resident()
}

/// `getrusage` would also count what the parent had in use before this process was started.
#[cfg(target_os = "linux")]
fn peak_resident() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kibibytes.checked_mul(1024)
}

#[cfg(all(unix, not(target_os = "linux")))]
fn peak_resident() -> Option<u64> {
    let mut usage = std::mem::MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: the call writes to the structure it is given, and to nothing else.
    let usage = unsafe {
        if libc::getrusage(libc::RUSAGE_SELF, usage.as_mut_ptr()) != 0 {
            return None;
        }
        usage.assume_init()
    };
    // Apple's systems count bytes, all others kibibytes.
    let unit = if cfg!(target_vendor = "apple") { 1 } else { 1024 };
    u64::try_from(usage.ru_maxrss).ok()?.checked_mul(unit)
}

#[cfg(not(unix))]
fn peak_resident() -> Option<u64> {
    None
}

/// Gives all cached memory back to the system, but what other threads cache for themselves.
pub fn trim() {
    lock(&RANGE).trim();
    CACHE.with(LocalCache::flush);
    for (index, shelf) in SHELVES.iter().enumerate() {
        let mut shelf = std::mem::take(&mut *lock(shelf));
        while let Some(block) = shelf.take() {
            // SAFETY: a cached block was allocated in its shelf's class and is not in use.
            unsafe { Class(index).free(block) };
        }
    }
}

/// Where a block's memory comes from.
#[derive(Clone, Copy)]
enum Kind {
    /// From the cache of a class.
    Small(Class),
    /// From the range, of this size.
    Large(usize),
}

impl Kind {
    /// That of a block of `len` bytes; none if `len` is absurd.
    #[inline]
    fn of(len: usize) -> Option<Self> {
        // Without a way to map memory there is no range.
        match cfg!(unix) && len > LOCAL {
            true => Range::size(len).map(Self::Large),
            false => Class::of(len).map(Self::Small),
        }
    }

    fn size(self) -> usize {
        match self {
            Self::Small(class) => class.size(),
            Self::Large(size) => size,
        }
    }

    /// Takes memory: what was given back or, if there is none that fits, from the system. None if that
    /// has no more either, even after all cached memory was given back to it.
    fn take(self) -> Option<NonNull<u8>> {
        match self {
            Self::Small(class) => class.take(),
            Self::Large(size) => take_or_trim(|| lock(&RANGE).take(size)),
        }
    }

    /// Keeps memory for whoever takes some next.
    ///
    /// # Safety
    /// `start` must come from [`Kind::take`] of the same kind and not be used any more.
    unsafe fn give_back(self, start: NonNull<u8>) {
        // SAFETY: the caller vouches for the memory.
        unsafe {
            match self {
                Self::Small(class) => class.give_back(start),
                Self::Large(size) => lock(&RANGE).give_back(start, size),
            }
        }
    }
}

/// Takes memory and, where there is none, once more after all that is cached went back to the system.
fn take_or_trim(take: impl Fn() -> Option<NonNull<u8>>) -> Option<NonNull<u8>> {
    take().or_else(|| {
        trim();
        take()
    })
}

/// The larger blocks. A tebibyte of addresses is more than machines have memory.
static RANGE: Mutex<Range> = Mutex::new(Range::new((usize::MAX >> 24) + 1));

/// A cache line: what [`Block`]s are aligned to.
#[repr(align(64))]
struct Line;

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

    const fn size(self) -> usize {
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

fn lock<T>(mutex: &'static Mutex<T>) -> MutexGuard<'static, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

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

/// The classes up to [`LOCAL`] bytes.
const LOCAL_CLASSES: usize = 4 * (LOCAL.ilog2() as usize - 5) + 1;

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

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;

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

    #[test]
    fn memory_is_aligned_and_reused() {
        for len in [1, 100, 5000, LOCAL] {
            let mut block = Block::new(len).unwrap();
            block.bytes_mut().fill(7);
            let address = block.bytes().as_ptr() as usize;
            assert_eq!(address % ALIGN, 0);
            drop(block);
            let block = Block::new(len).unwrap();
            assert_eq!(block.bytes().as_ptr() as usize, address, "{len} bytes were not reused");
        }
        // Which memory larger ones get depends on what other tests hold: see `range`.
        for len in [LOCAL + 1, 1 << 20, 5 << 20] {
            assert_eq!(Block::new(len).unwrap().bytes().as_ptr() as usize % ALIGN, 0);
        }
    }

    #[test]
    fn what_is_derived_is_kept_until_the_bytes_may_be_written() {
        let mut block = Block::new(100).unwrap();
        block.bytes_mut().fill(1);
        let sum = |block: &Block| block.bytes().iter().map(|&byte| usize::from(byte)).sum();
        let first: Arc<(u8, usize)> = block.derived(7, || sum(&block));
        let again = block.derived(7, || -> usize { panic!("it is there") });
        assert!(Arc::ptr_eq(&first, &again) && again.1 == 100);
        // Another key, then another type: each takes the place of what was there.
        assert_eq!(block.derived(8, || 5usize).1, 5);
        assert_eq!(block.derived(8, || "five").1, "five");
        assert_eq!(block.derived(8, || 6usize).1, 6);
        block.bytes_mut()[0] = 3;
        assert_eq!(block.derived(8, || sum(&block)).1, 102);
        // A panic leaves nothing behind.
        let panics = || block.derived(9, || -> usize { panic!("no") });
        assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(panics)).is_err());
        assert_eq!(block.derived(9, || 4usize).1, 4);
        let weak = Arc::downgrade(&block.derived(9, || 0usize));
        drop(block);
        assert!(weak.upgrade().is_none());
    }

    #[cfg(unix)]
    #[test]
    fn the_peak_of_the_process_grows_with_what_is_written() {
        let before = peak_resident_bytes().unwrap();
        let mut block = Block::new(256 << 20).unwrap();
        block.bytes_mut().fill(1);
        let after = peak_resident_bytes().unwrap();
        let possible = 256 << 20..64 << 30;
        assert!(possible.contains(&after) && after >= before, "{before} bytes, then {after}");
        drop(block);
        assert!(peak_resident_bytes().unwrap() >= after, "a peak never falls");
    }

    #[test]
    fn absurd_sizes_are_refused() {
        assert_eq!(Block::new(usize::MAX).unwrap_err(), OutOfMemory { bytes: usize::MAX });
        assert!(Block::new((1 << 46) - 1).is_err());
        assert_eq!(Block::new(0).unwrap().bytes(), [0u8; 0]);
    }

    #[test]
    fn threads_share_memory() {
        thread_local! {
            // Given back when the thread ends, and its cache with it.
            static LAST: RefCell<Vec<Block>> = const { RefCell::new(Vec::new()) };
        }
        std::thread::scope(|scope| {
            for seed in 0..4u8 {
                scope.spawn(move || {
                    for round in 0..1000 {
                        let mut blocks: Vec<Block> =
                            (1..20).map(|i| Block::new(i * (round % 50 + 1)).unwrap()).collect();
                        for block in &mut blocks {
                            block.bytes_mut().fill(seed);
                        }
                        assert!(blocks.iter().all(|b| b.bytes().iter().all(|&byte| byte == seed)));
                        LAST.replace(blocks);
                    }
                });
            }
        });
        trim();
    }
}
