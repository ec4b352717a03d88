//! Blocks of all larger sizes, cut from one range of addresses.
//!
//! A block is cut from the smallest free part that holds it, and joins its free neighbours when it is
//! given back. So the same memory serves blocks of other sizes later, of which a cache by sizes would
//! keep each its own. The range grows at its end, by as much as is missing.
//!
//! # Source
//! Knuth 1997, "The Art of Computer Programming", volume 1, section 2.5: best fit, with free parts
//! joined.

use super::{HELD, SYSTEM_CALLS};
use std::ptr::NonNull;
use std::sync::atomic::Ordering;

/// Blocks have multiples of this size.
const GRAIN: usize = 4 << 10;

/// A huge page: memory is taken from the system in multiples of it, and given back so.
const HUGE: usize = 2 << 20;

/// The memory taken from the system, by its addresses.
pub(super) struct Range {
    /// What is free of it, in the order of addresses. No two parts touch.
    free: Vec<Part>,
    /// Where what was taken last ends; 0 before anything was.
    end: usize,
    /// How far below the place that the system would choose the range starts.
    apart: usize,
}

/// Addresses from the first on to before the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Part {
    start: usize,
    end: usize,
}

impl Part {
    fn len(self) -> usize {
        self.end - self.start
    }
}

impl Range {
    /// A range that starts so far below the place that the system would choose, if it can be had there.
    /// The system puts all that it maps close together, so that so much stays free to grow into.
    pub(super) const fn new(apart: usize) -> Self {
        Self { free: Vec::new(), end: 0, apart }
    }

    /// The size of the block that holds `len` bytes; none if that is absurd.
    pub(super) fn size(len: usize) -> Option<usize> {
        // Nothing in memory is larger than what differences of addresses can tell.
        len.checked_next_multiple_of(GRAIN).filter(|&size| size <= isize::MAX as usize - HUGE)
    }

    /// Cuts off a block of this [`Range::size`]; none if the system does not give so much.
    pub(super) fn take(&mut self, size: usize) -> Option<NonNull<u8>> {
        let fitting = self.free.iter().enumerate().filter(|(_, part)| part.len() >= size);
        let smallest = fitting.min_by_key(|(_, part)| part.len()).map(|(index, _)| index);
        let index = match smallest {
            Some(index) => index,
            None => self.grow(size)?,
        };
        let part = &mut self.free[index];
        let start = part.start;
        part.start += size;
        if part.len() == 0 {
            self.free.remove(index);
        }
        NonNull::new(std::ptr::with_exposed_provenance_mut(start))
    }

    /// Takes a block back.
    ///
    /// # Safety
    /// `start` must come from [`Range::take`] with the same size and not be used any more.
    pub(super) unsafe fn give_back(&mut self, start: NonNull<u8>, size: usize) {
        let start = start.as_ptr().expose_provenance();
        self.add(Part { start, end: start + size });
    }

    /// Adds a free part, and gives the index of the one that it is in now.
    fn add(&mut self, part: Part) -> usize {
        let index = self.free.partition_point(|other| other.start < part.start);
        let (before, behind) = self.free.split_at_mut(index);
        let before = before.last_mut().filter(|before| before.end == part.start);
        let behind = behind.first_mut().filter(|behind| behind.start == part.end);
        match (before, behind) {
            (Some(before), Some(behind)) => {
                before.end = behind.end;
                self.free.remove(index);
                index - 1
            }
            (Some(before), None) => {
                before.end = part.end;
                index - 1
            }
            (None, Some(behind)) => {
                behind.start = part.start;
                index
            }
            (None, None) => {
                self.free.insert(index, part);
                index
            }
        }
    }

    /// Makes a free part as large as a block of this size, the last one if that can grow, and gives
    /// its index.
    fn grow(&mut self, size: usize) -> Option<usize> {
        let last = self.free.iter().find(|part| part.end == self.end).map_or(0, |part| part.len());
        let more = (size - last).next_multiple_of(HUGE);
        let taken = match map_at(self.end, more) {
            Some(taken) => taken,
            None => self.start_anew(size.next_multiple_of(HUGE))?,
        };
        SYSTEM_CALLS.fetch_add(1, Ordering::Relaxed);
        HELD.fetch_add(taken.len(), Ordering::Relaxed);
        self.end = taken.end;
        Some(self.add(taken))
    }

    /// Takes memory at another place: far from what the system maps, or wherever it can be had.
    fn start_anew(&self, size: usize) -> Option<Part> {
        let near = map(size)?;
        let far = near.start.checked_sub(self.apart).filter(|_| self.end == 0);
        match far.and_then(|far| map_at(far, size)) {
            Some(taken) => {
                // SAFETY: nobody knows of this memory yet.
                unsafe { unmap(near) };
                Some(taken)
            }
            None => Some(near),
        }
    }

    /// Gives what is free back to the system, as far as it fills huge pages.
    pub(super) fn trim(&mut self) {
        for part in std::mem::take(&mut self.free) {
            let start = part.start.next_multiple_of(HUGE);
            let whole = Part { start, end: (part.end / HUGE * HUGE).max(start) };
            if whole.len() == 0 {
                self.free.push(part);
                continue;
            }
            // SAFETY: what is free came from the system, and nobody uses it.
            unsafe { unmap(whole) };
            HELD.fetch_sub(whole.len(), Ordering::Relaxed);
            if whole.end == self.end {
                self.end = whole.start;
            }
            let edges = [Part { end: whole.start, ..part }, Part { start: whole.end, ..part }];
            self.free.extend(edges.into_iter().filter(|edge| edge.len() > 0));
        }
    }
}

/// Maps zeroed memory from a huge page's start on.
fn map(size: usize) -> Option<Part> {
    // A mapping larger by a huge page holds a part that starts where a huge page does.
    let whole = ask(0, size.checked_add(HUGE)?)?;
    let start = whole.start.next_multiple_of(HUGE);
    let part = Part { start, end: start + size };
    for cut_off in [Part { end: part.start, ..whole }, Part { start: part.end, ..whole }] {
        // SAFETY: nobody knows of this memory yet.
        unsafe { unmap(cut_off) };
    }
    on_huge_pages(part);
    Some(part)
}

/// As [`map`], from the given address on, or not at all.
fn map_at(start: usize, size: usize) -> Option<Part> {
    if start == 0 {
        return None;
    }
    let part = ask(start, size)?;
    if part.start != start {
        // SAFETY: nobody knows of this memory yet.
        unsafe { unmap(part) };
        return None;
    }
    on_huge_pages(part);
    Some(part)
}

/// Asks the system for memory, which it may put elsewhere than at the address that is wished for.
#[cfg(unix)]
fn ask(wish: usize, size: usize) -> Option<Part> {
    let wish = std::ptr::without_provenance_mut(wish);
    let protection = libc::PROT_READ | libc::PROT_WRITE;
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
    // SAFETY: without MAP_FIXED an anonymous mapping touches nothing that is there.
    let start = unsafe { libc::mmap(wish, size, protection, flags, -1, 0) };
    if start == libc::MAP_FAILED {
        return None;
    }
    let start = start.expose_provenance();
    Some(Part { start, end: start + size })
}

/// Without a way to map memory there is none.
#[cfg(not(unix))]
fn ask(_wish: usize, _size: usize) -> Option<Part> {
    None
}

/// Asks for huge pages, where the system has them.
fn on_huge_pages(part: Part) {
    #[cfg(target_os = "linux")]
    // SAFETY: this is advice on memory of our own, and changes nothing in it.
    unsafe {
        let start = std::ptr::with_exposed_provenance_mut(part.start);
        libc::madvise(start, part.len(), libc::MADV_HUGEPAGE);
    }
    let _ = part;
}

/// Gives memory back to the system.
///
/// # Safety
/// It must come from [`ask`] and not be used any more.
unsafe fn unmap(part: Part) {
    #[cfg(unix)]
    if part.len() > 0 {
        // SAFETY: the caller vouches for the memory.
        unsafe { libc::munmap(std::ptr::with_exposed_provenance_mut(part.start), part.len()) };
    }
    let _ = part;
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use crate::random::Philox;
    use std::sync::atomic::AtomicUsize;

    const MIB: usize = 1 << 20;

    /// A range apart from those of all other tests, which run at the same time.
    fn range() -> Range {
        static COUNT: AtomicUsize = AtomicUsize::new(5);
        Range::new(COUNT.fetch_add(1, Ordering::Relaxed) << 38)
    }

    fn take(range: &mut Range, size: usize) -> Part {
        let start = range.take(size).unwrap().as_ptr().expose_provenance();
        Part { start, end: start + size }
    }

    fn give_back(range: &mut Range, part: Part) {
        let start = NonNull::new(std::ptr::with_exposed_provenance_mut(part.start)).unwrap();
        // SAFETY: the tests give back what they took, once.
        unsafe { range.give_back(start, part.len()) };
    }

    fn bytes<'a>(part: Part) -> &'a mut [u8] {
        let start = std::ptr::with_exposed_provenance_mut(part.start);
        // SAFETY: the tests look at what they took, until they give it back.
        unsafe { std::slice::from_raw_parts_mut(start, part.len()) }
    }

    #[test]
    fn what_is_given_back_serves_other_sizes() {
        let mut range = range();
        let blocks = [3, 3, 3, 3].map(|size| take(&mut range, size * MIB));
        let first = blocks[0].start;
        assert!(first.is_multiple_of(HUGE) && range.end == first + 12 * MIB);
        give_back(&mut range, blocks[1]);
        give_back(&mut range, blocks[2]);
        // The two are one part of 6 MiB, of which 2 are left.
        let four = take(&mut range, 4 * MIB);
        assert_eq!(four.start, first + 3 * MIB);
        for block in [blocks[3], four, blocks[0]] {
            give_back(&mut range, block);
        }
        assert_eq!(range.free, [Part { start: first, end: first + 12 * MIB }]);
        let places = [7, 5].map(|size| take(&mut range, size * MIB).start - first);
        assert_eq!(places, [0, 7 * MIB]);
        assert!(range.free.is_empty() && range.end == first + 12 * MIB);
        let end = range.end;
        give_back(&mut range, Part { start: first, end });
        range.trim();
    }

    #[test]
    fn a_block_comes_from_the_smallest_part_that_holds_it() {
        let mut range = range();
        let blocks = [6, 1, 3, 1, 4, 1].map(|size| take(&mut range, size * MIB));
        for large in [0, 2, 4] {
            give_back(&mut range, blocks[large]);
        }
        let places = [4, 2, 5].map(|size| take(&mut range, size * MIB).start - blocks[0].start);
        assert_eq!(places, [11 * MIB, 7 * MIB, 0]);
        let (start, end) = (blocks[0].start, range.end);
        give_back(&mut range, Part { start, end });
        range.trim();
    }

    #[test]
    fn the_range_grows_by_what_is_missing() {
        let mut range = range();
        let [first, last] = [2, 4].map(|size| take(&mut range, size * MIB));
        give_back(&mut range, last);
        let longer = take(&mut range, 7 * MIB);
        assert_eq!((longer.start, range.end), (last.start, first.start + 10 * MIB));
        assert!(bytes(longer).iter().all(|&byte| byte == 0));
        bytes(longer).fill(1);
        give_back(&mut range, longer);
        // What goes back to the system is taken again as if it never had been, with zeros.
        range.trim();
        assert_eq!((range.end, range.free.len()), (longer.start, 0));
        let again = take(&mut range, 5 * MIB);
        assert_eq!(again.start, longer.start);
        assert!(bytes(again).iter().all(|&byte| byte == 0));
        bytes(again).fill(2);
        give_back(&mut range, again);
        give_back(&mut range, first);
        range.trim();
    }

    #[test]
    fn a_range_that_cannot_grow_goes_on_elsewhere() {
        let mut range = range();
        let first = take(&mut range, MIB);
        let rest = take(&mut range, MIB);
        let wall = map_at(range.end, HUGE).unwrap();
        give_back(&mut range, rest);
        let second = take(&mut range, 4 * MIB);
        assert!(second.start.is_multiple_of(HUGE) && second.end == range.end);
        assert!(second.end <= first.start || second.start >= wall.end);
        bytes(second).fill(1);
        assert_eq!(take(&mut range, MIB), rest, "the part before the wall is not forgotten");
        for block in [first, rest, second] {
            give_back(&mut range, block);
        }
        range.trim();
        assert!(range.free.is_empty());
        // SAFETY: only this test knows of it.
        unsafe { unmap(wall) };
    }

    #[test]
    fn edges_of_huge_pages_stay_when_the_rest_is_given_to_the_system() {
        let mut range = range();
        let blocks = [1, 8, 1].map(|size| take(&mut range, size * MIB));
        give_back(&mut range, blocks[1]);
        range.trim();
        let start = blocks[0].start;
        let [before, behind] = [(1, 2), (8, 9)];
        let edge = |(from, to)| Part { start: start + from * MIB, end: start + to * MIB };
        assert_eq!(range.free, [edge(before), edge(behind)]);
        bytes(edge(before)).fill(1);
        bytes(edge(behind)).fill(1);
        assert_eq!(bytes(blocks[0])[0], 0, "what is in use stays");
        for block in [blocks[0], blocks[2]] {
            give_back(&mut range, block);
        }
        range.trim();
        assert!(range.free.is_empty());
    }

    #[test]
    fn refusals_leave_the_range_as_it_was() {
        let mut range = range();
        let block = take(&mut range, MIB);
        let (free, end) = (range.free.clone(), range.end);
        assert!(range.take(1 << 47).is_none());
        assert_eq!((&range.free, range.end), (&free, end));
        assert_eq!(Range::size(usize::MAX), None);
        assert_eq!(Range::size(isize::MAX as usize), None);
        assert_eq!(Range::size(GRAIN + 1), Some(2 * GRAIN));
        give_back(&mut range, block);
        range.trim();
    }

    /// Takes and gives back at random, beside a list of what is in use.
    #[test]
    fn blocks_never_overlap_and_all_join_at_the_end() {
        let numbers = Philox::new(5);
        let mut range = range();
        let mut used: Vec<Part> = vec![];
        for round in 0..4000 {
            let [what, which, small, mark] = numbers.block(round, 0);
            if what % 2 == 0 && used.len() < 60 {
                // Mostly small ones, some up to 1 MiB.
                let size = GRAIN * (1 + ((small as usize % 256) >> (what / 2 % 8)));
                let block = take(&mut range, size);
                assert!(block.start.is_multiple_of(GRAIN));
                let apart = |other: &Part| other.end <= block.start || other.start >= block.end;
                assert!(used.iter().chain(&range.free).all(apart), "{block:?} overlaps");
                let bytes = bytes(block);
                (bytes[0], bytes[size - 1]) = (mark as u8, mark as u8);
                used.push(block);
            } else if !used.is_empty() {
                let block = used.swap_remove(which as usize % used.len());
                assert_eq!(bytes(block)[0], bytes(block)[block.len() - 1], "somebody wrote here");
                give_back(&mut range, block);
            }
            let joined = range.free.windows(2).all(|pair| pair[0].end < pair[1].start);
            assert!(joined, "{:?} are not in order, or touch", range.free);
        }
        // Sixty blocks have 8 MiB on average.
        let lowest = used.iter().chain(&range.free).map(|part| part.start).min().unwrap();
        assert!(range.end - lowest <= 20 * MIB, "{} bytes", range.end - lowest);
        for block in used {
            give_back(&mut range, block);
        }
        assert_eq!(range.free, [Part { start: lowest, end: range.end }]);
        range.trim();
        assert!(range.free.is_empty());
    }

    #[test]
    fn the_same_requests_again_take_nothing_from_the_system() {
        let mut range = range();
        let kept = take(&mut range, 5 * MIB);
        let mut step = || {
            let sizes = [3, 9, 1, 4, 7, 2].map(|size| size * MIB / 2);
            let blocks = sizes.map(|size| take(&mut range, size));
            for index in [2, 0, 5, 1] {
                give_back(&mut range, blocks[index]);
            }
            let scratch = take(&mut range, 6 * MIB);
            for block in [blocks[3], scratch, blocks[4]] {
                give_back(&mut range, block);
            }
            (scratch, range.free.clone(), range.end)
        };
        let first = step();
        for _ in 0..5 {
            assert_eq!(step(), first);
        }
        give_back(&mut range, kept);
        range.trim();
    }
}
