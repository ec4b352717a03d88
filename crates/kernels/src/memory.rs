//! A caching allocator for tensors' bytes and kernels' scratch space.
//!
//! Memory that is given back is kept and handed out again, so that a training loop, once it has run
//! a few steps, neither asks the system for memory nor takes page faults. The sizes of small blocks are
//! rounded up to classes, each of which has its cache (`classes`). Larger blocks are cut from one range
//! of addresses (`range`), on huge pages where the system has them, so that their memory serves other
//! sizes too.
//!
//! All memory is initialised: zero when it comes from the system, old numbers when it is reused.

mod classes;
mod range;

pub use crate::counted::Counted;
pub use crate::pooled::{Pooled, PooledBox};
pub(crate) use classes::Class;

use bytemuck::Pod;
use classes::LOCAL;
use range::Range;
use std::any::Any;
use std::fmt;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Every block starts at a multiple of this: a cache line, and the widest vector.
pub const ALIGN: usize = 64;

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
    classes::trim();
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

fn lock<T>(mutex: &'static Mutex<T>) -> MutexGuard<'static, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;

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
