//! The persistent thread pool and [`Machine`], through which kernels use it.
//!
//! A parallel region has a number of tasks. The caller and the pool's workers take them one by one
//! from a shared counter, so a worker that starts late or loses its core takes fewer. A worker that
//! waits spins for a short while and then sleeps. One region runs at a time: a caller who finds the
//! pool in use, or who is himself inside a region, does all his tasks alone.
//!
//! How the work is cut into tasks depends on its size and never on the number of threads. Results
//! are therefore the same bits at any number of threads.

use crate::Isa;
use smallvec::SmallVec;
use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, TryLockError};
use std::thread::Thread;

/// What kernels run on: an instruction set and a number of threads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Machine {
    /// The instruction set.
    pub isa: Isa,
    /// The most threads to use, the caller's included; at least 1.
    pub threads: usize,
}

/// Work below this estimate, in nanoseconds of one core, is not shared out: waking the others
/// would take longer than they could save.
const FORK_NS: usize = 10_000;

/// How often a worker looks for work before it sleeps: about 30 microseconds.
const SPINS: usize = 1_000;

impl Machine {
    /// The machine that the environment asks for: `GRADUS_ISA` names the instruction set (else the
    /// fastest there is), `GRADUS_THREADS` the number of threads (else one for each core).
    ///
    /// # Errors
    /// One sentence, if a variable has a value that cannot be.
    pub fn from_environment() -> Result<Self, String> {
        let cores = std::thread::available_parallelism().map_or(1, |n| n.get());
        let threads = match std::env::var_os("GRADUS_THREADS") {
            None => cores,
            Some(text) => match text.to_str().and_then(|text| text.parse().ok()) {
                Some(count @ 1..=1024) => count,
                _ => {
                    let text = text.to_string_lossy();
                    return Err(format!(
                        "GRADUS_THREADS is '{text}': give a number from 1 to 1024"
                    ));
                }
            },
        };
        Ok(Self { isa: Isa::from_environment()?, threads })
    }

    /// True if work of such an estimate is shared out.
    pub(crate) fn shares(self, cost_ns: usize) -> bool {
        self.threads > 1 && cost_ns >= FORK_NS
    }

    /// Runs `body(0)`, `body(1)` … `body(tasks - 1)`, each once, in any order, on several threads
    /// if the whole is estimated to take one core long enough.
    ///
    /// # Panics
    /// With the panic of a task, once all threads have left the region.
    pub fn parallel(self, tasks: usize, cost_ns: usize, body: impl Fn(usize) + Sync) {
        if tasks > 1
            && self.shares(cost_ns)
            && let Some(mut pool) = Pool::try_enter()
        {
            let workers = (self.threads - 1).min(tasks - 1);
            return pool.run(workers, tasks, &body);
        }
        (0..tasks).for_each(body);
    }

    /// Cuts slices into chunks and runs `body(index, chunk)` for each; see [`Machine::parallel`].
    ///
    /// `chunks` is one [`Chunks`], or a tuple or an array of them, that have as many chunks.
    pub fn for_each<C: Chunked>(
        self,
        chunks: C,
        cost_ns: usize,
        body: impl Fn(usize, C::Chunk) + Sync,
    ) {
        self.parallel(chunks.count(), cost_ns, |index| {
            // SAFETY: `parallel` hands out each index once, and chunks of different indices do
            // not overlap.
            body(index, unsafe { chunks.chunk(index) });
        });
    }
}

/// Slices cut into chunks that tasks may write at the same time.
///
/// # Safety
/// Chunks of different indices must not overlap.
pub unsafe trait Chunked: Sync {
    /// One chunk.
    type Chunk;

    /// How many chunks there are.
    fn count(&self) -> usize;

    /// The chunk of an index.
    ///
    /// # Safety
    /// `index < count()`, and each index may be asked for once only.
    unsafe fn chunk(&self, index: usize) -> Self::Chunk;
}

/// A slice cut into chunks of the same length, the last one shorter.
pub struct Chunks<'a, T> {
    first: AtomicPtr<T>,
    len: usize,
    chunk_len: usize,
    slice: std::marker::PhantomData<&'a mut [T]>,
}

impl<'a, T> Chunks<'a, T> {
    /// Cuts `slice` into chunks of `chunk_len`.
    ///
    /// # Panics
    /// If `chunk_len` is 0.
    pub fn new(slice: &'a mut [T], chunk_len: usize) -> Self {
        assert!(chunk_len > 0);
        let len = slice.len();
        let first = AtomicPtr::new(slice.as_mut_ptr());
        Self { first, len, chunk_len, slice: std::marker::PhantomData }
    }
}

// SAFETY: chunk i covers the elements from i * chunk_len up to (i + 1) * chunk_len, no others.
unsafe impl<'a, T: Send + Sync> Chunked for Chunks<'a, T> {
    type Chunk = &'a mut [T];

    fn count(&self) -> usize {
        // Most slices are short, and to divide takes long.
        if self.len <= self.chunk_len { self.len.min(1) } else { self.len.div_ceil(self.chunk_len) }
    }

    unsafe fn chunk(&self, index: usize) -> &'a mut [T] {
        let start = index * self.chunk_len;
        let len = self.chunk_len.min(self.len - start);
        let first = self.first.load(Ordering::Relaxed);
        // SAFETY: start + len lies within the slice that is mutably borrowed for 'a, and the
        // caller promises to ask for each index once.
        unsafe { std::slice::from_raw_parts_mut(first.add(start), len) }
    }
}

/// A slice cut into chunks that are only read.
pub(crate) struct Pieces<'a, T> {
    slice: &'a [T],
    len: usize,
}

impl<'a, T> Pieces<'a, T> {
    /// Cuts `slice` into pieces of `len`, the last one shorter.
    pub(crate) fn new(slice: &'a [T], len: usize) -> Self {
        assert!(len > 0);
        Self { slice, len }
    }
}

// SAFETY: nobody writes the pieces.
unsafe impl<'a, T: Sync> Chunked for Pieces<'a, T> {
    type Chunk = &'a [T];

    fn count(&self) -> usize {
        self.slice.len().div_ceil(self.len)
    }

    unsafe fn chunk(&self, index: usize) -> &'a [T] {
        let rest = &self.slice[index * self.len..];
        &rest[..rest.len().min(self.len)]
    }
}

/// The chunks of several slices as those of one: first all of the first slice, then all of the
/// second, and so on.
pub(crate) struct Row<C> {
    /// Each beside the number of chunks that come before its own.
    parts: SmallVec<[(usize, C); 8]>,
    count: usize,
}

impl<C: Chunked> Row<C> {
    pub(crate) fn new(parts: impl Iterator<Item = C>) -> Self {
        let mut count = 0;
        let place = |part: C| {
            let before = count;
            count += part.count();
            (before, part)
        };
        let parts = parts.map(place).collect();
        Self { parts, count }
    }
}

// SAFETY: a chunk is one of one part, and chunks of different indices of a part do not overlap.
unsafe impl<C: Chunked> Chunked for Row<C> {
    type Chunk = C::Chunk;

    fn count(&self) -> usize {
        self.count
    }

    unsafe fn chunk(&self, index: usize) -> C::Chunk {
        // Of parts without a chunk, which start where the next one does, this finds none.
        let (before, part) = &self.parts[self.parts.partition_point(|(at, _)| *at <= index) - 1];
        // SAFETY: the index lies within the part, and comes once as the caller promises.
        unsafe { part.chunk(index - before) }
    }
}

// SAFETY: chunks of different indices of any part do not overlap.
unsafe impl<C: Chunked, const N: usize> Chunked for [C; N] {
    type Chunk = [C::Chunk; N];

    fn count(&self) -> usize {
        assert!(self.iter().all(|part| part.count() == self[0].count()));
        self[0].count()
    }

    unsafe fn chunk(&self, index: usize) -> Self::Chunk {
        // SAFETY: the caller's promise holds for all parts.
        self.each_ref().map(|part| unsafe { part.chunk(index) })
    }
}

// SAFETY: chunks of different indices of either part do not overlap.
unsafe impl<A: Chunked, B: Chunked> Chunked for (A, B) {
    type Chunk = (A::Chunk, B::Chunk);

    fn count(&self) -> usize {
        assert_eq!(self.0.count(), self.1.count());
        self.0.count()
    }

    unsafe fn chunk(&self, index: usize) -> Self::Chunk {
        // SAFETY: the caller's promise holds for both parts.
        unsafe { (self.0.chunk(index), self.1.chunk(index)) }
    }
}

// SAFETY: chunks of different indices of any part do not overlap.
unsafe impl<A: Chunked, B: Chunked, C: Chunked> Chunked for (A, B, C) {
    type Chunk = (A::Chunk, B::Chunk, C::Chunk);

    fn count(&self) -> usize {
        assert_eq!(self.0.count(), self.1.count());
        assert_eq!(self.0.count(), self.2.count());
        self.0.count()
    }

    unsafe fn chunk(&self, index: usize) -> Self::Chunk {
        // SAFETY: the caller's promise holds for all parts.
        unsafe { (self.0.chunk(index), self.1.chunk(index), self.2.chunk(index)) }
    }
}

/// A slice whose parts several tasks write at the same time, where they do not lie in chunks.
pub(crate) struct Shared<'a, T> {
    first: AtomicPtr<T>,
    len: usize,
    slice: std::marker::PhantomData<&'a mut [T]>,
}

impl<'a, T> Shared<'a, T> {
    pub(crate) fn new(slice: &'a mut [T]) -> Self {
        let len = slice.len();
        let first = AtomicPtr::new(slice.as_mut_ptr());
        Self { first, len, slice: std::marker::PhantomData }
    }

    /// The length of the whole slice.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// A part of the slice.
    ///
    /// # Panics
    /// If the part reaches beyond the slice.
    ///
    /// # Safety
    /// No other part that is in use may overlap this one.
    pub(crate) unsafe fn slice(&self, start: usize, len: usize) -> &'a mut [T] {
        assert!(start <= self.len && len <= self.len - start);
        // SAFETY: the part lies within the slice, which is mutably borrowed for 'a, and the caller
        // promises that no other part overlaps it.
        unsafe {
            std::slice::from_raw_parts_mut(self.first.load(Ordering::Relaxed).add(start), len)
        }
    }

    /// Where an element lies, if it is one: nothing may be read or written there.
    pub(crate) fn address(&self, index: usize) -> *const T {
        self.first.load(Ordering::Relaxed).wrapping_add(index)
    }

    /// Where an element lies.
    ///
    /// # Safety
    /// `start` must be within the slice, and what is written through the pointer must not overlap a
    /// part in use.
    pub(crate) unsafe fn pointer(&self, start: usize) -> *mut T {
        // SAFETY: the caller vouches that the element lies within the slice.
        unsafe { self.first.load(Ordering::Relaxed).add(start) }
    }
}

/// The body of a region: a function of the task's index.
type Body<'a> = &'a (dyn Fn(usize) + Sync);

/// The region that runs now, as the workers see it.
struct Region {
    /// Counts regions: a change tells waiting workers that there is a new one.
    epoch: AtomicUsize,
    /// Workers inside the region, and, in the highest bit, whether it is open.
    inside: AtomicUsize,
    /// How many workers may join.
    wanted: AtomicUsize,
    /// The next task to take.
    next: AtomicUsize,
    tasks: AtomicUsize,
    /// Points to the [`Body`], which lives on the caller's stack while the region is open.
    body: AtomicPtr<Body<'static>>,
    panic: Mutex<Option<Box<dyn Any + Send>>>,
}

/// The bit of [`Region::inside`] that says that workers may join.
const OPEN: usize = 1 << (usize::BITS - 1);

static REGION: Region = Region {
    epoch: AtomicUsize::new(0),
    inside: AtomicUsize::new(0),
    wanted: AtomicUsize::new(0),
    next: AtomicUsize::new(0),
    tasks: AtomicUsize::new(0),
    body: AtomicPtr::new(std::ptr::null_mut()),
    panic: Mutex::new(None),
};

thread_local! {
    /// True while this thread runs tasks of a region.
    static INSIDE: Cell<bool> = const { Cell::new(false) };
}

/// A worker's thread and whether it sleeps.
struct Worker {
    thread: Thread,
    asleep: &'static AtomicBool,
}

/// The workers. Whoever holds the lock owns the pool for one region.
struct Pool {
    workers: MutexGuard<'static, Vec<Worker>>,
}

impl Pool {
    /// The pool, if neither this thread nor another is inside a region.
    fn try_enter() -> Option<Self> {
        static WORKERS: OnceLock<Mutex<Vec<Worker>>> = OnceLock::new();
        if INSIDE.get() {
            return None;
        }
        match WORKERS.get_or_init(Default::default).try_lock() {
            Ok(workers) => Some(Self { workers }),
            // A task panicked; the pool itself is whole.
            Err(TryLockError::Poisoned(poison)) => Some(Self { workers: poison.into_inner() }),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    /// Starts workers until there are `count`, or as many as the system allows.
    fn grow(&mut self, count: usize) {
        while self.workers.len() < count {
            let index = self.workers.len();
            let asleep: &'static AtomicBool = Box::leak(Box::new(AtomicBool::new(false)));
            let seen = REGION.epoch.load(Ordering::Acquire);
            let builder = std::thread::Builder::new().name(format!("gradus-{}", index + 1));
            match builder.spawn(move || work(index, asleep, seen)) {
                Ok(handle) => self.workers.push(Worker { thread: handle.thread().clone(), asleep }),
                Err(_) => return,
            }
        }
    }

    fn run(&mut self, workers: usize, tasks: usize, body: Body<'_>) {
        self.grow(workers);
        let workers = workers.min(self.workers.len());
        let mut body: *const (dyn Fn(usize) + Sync) = body;
        REGION.body.store((&raw mut body).cast(), Ordering::Relaxed);
        REGION.tasks.store(tasks, Ordering::Relaxed);
        REGION.next.store(0, Ordering::Relaxed);
        REGION.wanted.store(workers, Ordering::Relaxed);
        REGION.inside.store(OPEN, Ordering::Release);
        REGION.epoch.fetch_add(1, Ordering::SeqCst);
        for worker in &self.workers[..workers] {
            if worker.asleep.load(Ordering::SeqCst) {
                worker.thread.unpark();
            }
        }
        REGION.take_tasks();
        // Late workers stay out from here on; those inside are waited for.
        REGION.inside.fetch_and(!OPEN, Ordering::AcqRel);
        while REGION.inside.load(Ordering::Acquire) != 0 {
            std::hint::spin_loop();
        }
        let panic = REGION.panic.lock().unwrap_or_else(|poison| poison.into_inner()).take();
        if let Some(panic) = panic {
            resume_unwind(panic);
        }
    }
}

impl Region {
    /// Joins the region if it is open and wants the worker.
    fn join(&self, worker: usize) -> bool {
        let joined = self.inside.fetch_update(Ordering::AcqRel, Ordering::Acquire, |inside| {
            (inside & OPEN != 0).then_some(inside + 1)
        });
        if joined.is_err() {
            return false;
        }
        if worker < self.wanted.load(Ordering::Relaxed) {
            return true;
        }
        self.inside.fetch_sub(1, Ordering::Release);
        false
    }

    /// Takes tasks until none is left. The caller must be the region's owner or have joined it.
    fn take_tasks(&self) {
        INSIDE.set(true);
        // SAFETY: the owner keeps the body alive until all who joined have left.
        let body = unsafe { *self.body.load(Ordering::Relaxed) };
        let tasks = self.tasks.load(Ordering::Relaxed);
        let result = catch_unwind(AssertUnwindSafe(|| {
            loop {
                let task = self.next.fetch_add(1, Ordering::Relaxed);
                if task >= tasks {
                    break;
                }
                body(task);
            }
        }));
        if let Err(panic) = result {
            self.next.store(tasks, Ordering::Relaxed);
            *self.panic.lock().unwrap_or_else(|poison| poison.into_inner()) = Some(panic);
        }
        INSIDE.set(false);
    }
}

/// The life of a worker: wait for the next region, join it, take tasks, leave.
fn work(index: usize, asleep: &AtomicBool, mut seen: usize) {
    loop {
        let mut spins = 0;
        while REGION.epoch.load(Ordering::SeqCst) == seen {
            spins += 1;
            if spins < SPINS {
                std::hint::spin_loop();
                continue;
            }
            // The caller raises the epoch before it looks at `asleep`, and this thread looks at
            // the epoch after it has set `asleep`: one of the two sees the other.
            asleep.store(true, Ordering::SeqCst);
            if REGION.epoch.load(Ordering::SeqCst) == seen {
                std::thread::park();
            }
            asleep.store(false, Ordering::SeqCst);
        }
        seen = REGION.epoch.load(Ordering::SeqCst);
        if REGION.join(index) {
            REGION.take_tasks();
            REGION.inside.fetch_sub(1, Ordering::Release);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine(threads: usize) -> Machine {
        Machine { isa: Isa::Portable, threads }
    }

    #[test]
    fn every_task_runs_once_at_any_number_of_threads() {
        for threads in [1, 2, 3, 8] {
            for tasks in [0, 1, 2, 7, 1000] {
                let counts: Vec<AtomicUsize> = (0..tasks).map(|_| AtomicUsize::new(0)).collect();
                machine(threads).parallel(tasks, usize::MAX, |task| {
                    counts[task].fetch_add(1, Ordering::Relaxed);
                });
                assert!(counts.iter().all(|count| count.load(Ordering::Relaxed) == 1));
            }
        }
    }

    #[test]
    fn many_short_regions_from_many_threads_at_once() {
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..2000 {
                        let total = AtomicUsize::new(0);
                        machine(3).parallel(10, usize::MAX, |task| {
                            machine(3).parallel(2, usize::MAX, |_| {
                                total.fetch_add(task, Ordering::Relaxed);
                            });
                        });
                        assert_eq!(total.into_inner(), 90);
                    }
                });
            }
        });
    }

    #[test]
    fn a_panic_in_a_task_reaches_the_caller_and_leaves_the_pool_usable() {
        for round in 0..50 {
            let caught = catch_unwind(|| {
                machine(4).parallel(100, usize::MAX, |task| assert!(task != round, "task {task}"));
            });
            let message = *caught.unwrap_err().downcast::<String>().unwrap();
            assert_eq!(message, format!("task {round}"));
        }
        machine(4).parallel(100, usize::MAX, |_| {});
    }

    #[test]
    fn the_chunks_of_several_slices_are_those_of_each_in_turn() {
        let from: Vec<Vec<usize>> = [3, 0, 25, 10, 0].map(|len| (0..len).collect()).to_vec();
        let mut to: Vec<Vec<usize>> = from.iter().map(|from| vec![99; from.len()]).collect();
        let parts = from.iter().zip(&mut to);
        let row = Row::new(parts.map(|(from, to)| (Pieces::new(from, 10), Chunks::new(to, 10))));
        assert_eq!(row.count(), 1 + 3 + 1);
        machine(2).for_each(row, usize::MAX, |_, (from, to)| to.copy_from_slice(from));
        assert_eq!(to, from);
    }

    #[test]
    fn chunks_cover_their_slices() {
        let mut a = vec![0; 1003];
        let mut b = vec![0; 101];
        let chunks = (Chunks::new(&mut a, 10), Chunks::new(&mut b, 1));
        machine(2).for_each(chunks, usize::MAX, |index, (a, b)| {
            a.fill(index);
            b.fill(a.len());
        });
        assert!(a.iter().enumerate().all(|(i, &value)| value == i / 10));
        assert!(b.iter().enumerate().all(|(i, &len)| len == if i == 100 { 3 } else { 10 }));
    }
}
