//! Kernels that take elements from where indices point, and their transposes, which put them there.
//!
//! Indices count along one axis and have been checked by [`out_of_range`]. Where several point to
//! the same place, what they bring is added in their order, whatever the number of threads: tasks
//! share the places out among them, not the indices.

use crate::exact::copy;
use crate::memory::{Scratch, scratch};
use crate::reduce::{Reducible, Reduction};
use crate::simd::{Routine, Simd};
use crate::strided::{Axes, Strided, Tiles};
use crate::threads::Shared;
use crate::tiles::TASK;
use crate::{Chunks, Element, Machine, Number};

/// The first index that is negative or not below `len`, if there is one.
pub fn out_of_range(indices: &[i64], len: usize) -> Option<i64> {
    // As an unsigned number, a negative index is larger than any length.
    indices.iter().copied().find(|&index| index as u64 >= len as u64)
}

/// Takes one element for each index: out[i…, j, k…] = x[i…, indices[i…, j, k…], k…], where j counts
/// along `axis`.
///
/// # Panics
/// If there are not as many indices as elements in `out`, or an index leaves the memory of `x`.
pub fn gather<T: Element>(
    on: Machine,
    x: Strided<'_, T>,
    axis: usize,
    indices: &[i64],
    out: &mut [T],
) {
    assert_eq!(indices.len(), out.len());
    let (mut shape, mut strides) = (x.shape.to_vec(), x.strides.to_vec());
    let others: usize =
        shape.iter().enumerate().filter(|(i, _)| *i != axis).map(|(_, n)| n).product();
    shape[axis] = out.len() / others.max(1);
    let step = std::mem::replace(&mut strides[axis], 0);
    let axes = Axes::joined(&shape, &strides);
    on.for_each(Chunks::new(out, TASK), 2 * indices.len(), |index, out| {
        let indices = &indices[index * TASK..][..out.len()];
        let mut pairs = out.iter_mut().zip(indices);
        axes.runs(index * TASK, indices.len(), |position, stride, count| {
            let first = x.offset.wrapping_add_signed(position);
            for (i, (out, &index)) in pairs.by_ref().take(count).enumerate() {
                *out =
                    x.data[first.wrapping_add_signed(i as isize * stride + index as isize * step)];
            }
        });
    });
}

/// Takes one slice of an axis for each index: `out[i…, j, k…] = x[i…, indices[j], k…]`, where j counts
/// along `axis`.
///
/// # Panics
/// If the lengths do not fit, or an index leaves the memory of `x`.
pub fn index_select<T: Element>(
    on: Machine,
    x: Strided<'_, T>,
    axis: usize,
    indices: &[i64],
    out: &mut [T],
) {
    let outer = Axes::joined(&x.shape[..axis], &x.strides[..axis]);
    let inner = Axes::joined(&x.shape[axis + 1..], &x.strides[axis + 1..]);
    let inner_len = inner.len();
    assert_eq!(out.len(), outer.len() * indices.len() * inner_len);
    if out.is_empty() {
        return;
    }
    let rows = (TASK / inner_len).max(1);
    let cost_ns = out.len() / 2 + outer.len() * indices.len() * 5;
    on.for_each(Chunks::new(out, rows * inner_len), cost_ns, |task, out| {
        let mut row = task * rows;
        let mut out = out.chunks_exact_mut(inner_len);
        while out.len() > 0 {
            let start = row % indices.len();
            let mut base = 0;
            outer.runs(row / indices.len(), 1, |position, _, _| base = position);
            for (&index, out) in indices[start..].iter().zip(out.by_ref()) {
                let shift = base + index as isize * x.strides[axis];
                copy_row(&x, x.offset.wrapping_add_signed(shift), &inner, out);
                row += 1;
            }
        }
    });
}

/// Copies one slice of a view, whose axes are `inner`, that starts at `first`.
#[inline(always)]
fn copy_row<T: Element>(x: &Strided<'_, T>, first: usize, inner: &Axes, out: &mut [T]) {
    if inner.is_contiguous() {
        return out.copy_from_slice(&x.data[first..][..out.len()]);
    }
    let mut out = out.iter_mut();
    inner.runs(0, inner.len(), |position, stride, count| {
        let first = first.wrapping_add_signed(position);
        for (i, out) in out.by_ref().take(count).enumerate() {
            *out = x.data[first.wrapping_add_signed(i as isize * stride)];
        }
    });
}

/// Copies `x`, and adds each slice of `source` where its index points: out = x, then
/// `out[i…, indices[j], k…] += source[i…, j, k…]`, where j counts along `axis`.
///
/// Long sums are added in groups, so their error does not grow with the number of indices that point
/// to one place.
///
/// # Panics
/// If the lengths do not fit, or an index is out of range.
pub fn index_add<T: Reducible>(
    on: Machine,
    x: Strided<'_, T>,
    axis: usize,
    indices: &[i64],
    source: Strided<'_, T>,
    out: &mut [T],
) {
    let len = x.shape[axis];
    let inner: usize = x.shape[axis + 1..].iter().product();
    assert_eq!(x.len(), out.len());
    assert_eq!(source.len() * len, out.len() * indices.len());
    if out.is_empty() {
        return;
    }
    let (groups, source, x) = (&Groups::new(indices, len), &Packed::new(on, source), Tiles::new(x));
    // Rows to a task: as many tasks for each outer index as balance well, but none too small.
    let rows = (len / 256).max(1024 / inner).clamp(1, len);
    let tasks = len.div_ceil(rows);
    let cost_ns = (out.len() + source.len()) / 4;
    let shared = &Shared::new(out);
    on.parallel(out_count(shared, len * inner) * tasks, cost_ns, |task| {
        let (outer, first) = (task / tasks, task % tasks * rows);
        let rows = first..len.min(first + rows);
        let start = (outer * len + first) * inner;
        // SAFETY: each task has rows of an outer index of its own.
        let out = unsafe { shared.slice(start, rows.len() * inner) };
        x.gather(start, out);
        let source = &source.get()[outer * groups.order.len() * inner..];
        on.isa.run(AddTask { groups, rows, source, inner, out });
    });
}

/// How many parts of a length a shared slice has.
fn out_count<T>(shared: &Shared<'_, T>, part: usize) -> usize {
    shared.len() / part
}

/// A view's elements side by side: those in memory, or a copy.
enum Packed<'a, T> {
    Memory(&'a [T]),
    Copy(Scratch<T>),
}

impl<'a, T: Element> Packed<'a, T> {
    fn new(on: Machine, view: Strided<'a, T>) -> Self {
        if let Some(memory) = view.contiguous() {
            return Self::Memory(memory);
        }
        let mut packed = scratch(view.len());
        copy(on, view, &mut packed);
        Self::Copy(packed)
    }

    fn get(&self) -> &[T] {
        match self {
            Self::Memory(memory) => memory,
            Self::Copy(copy) => copy,
        }
    }

    fn len(&self) -> usize {
        self.get().len()
    }
}

/// The places of indices, grouped by what they point to, in their order.
struct Groups {
    /// Where in `order` the group of each value starts, and where the last one ends.
    starts: Scratch<usize>,
    order: Scratch<usize>,
}

impl Groups {
    fn new(indices: &[i64], len: usize) -> Self {
        // While the groups are filled, the start of each stands one place further on, and grows until
        // it is that of the next.
        let mut starts = scratch(len + 2);
        starts.fill(0);
        for &index in indices {
            assert!((index as usize) < len);
            starts[index as usize + 2] += 1;
        }
        for i in 0..=len {
            starts[i + 1] += starts[i];
        }
        let mut order = scratch(indices.len());
        for (place, &index) in indices.iter().enumerate() {
            let next = &mut starts[index as usize + 1];
            order[*next] = place;
            *next += 1;
        }
        Self { starts, order }
    }

    fn of(&self, value: usize) -> &[usize] {
        &self.order[self.starts[value]..self.starts[value + 1]]
    }
}

/// How many rows are added one by one. The sums of such groups are added in pairs, those in pairs
/// again, and so on.
const GROUP: usize = 64;

/// Adds rows of `source` to some rows of the output.
struct AddTask<'a, T> {
    groups: &'a Groups,
    rows: std::ops::Range<usize>,
    source: &'a [T],
    inner: usize,
    out: &'a mut [T],
}

impl<T: Reducible> Routine for AddTask<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, isa: S) {
        let Self { groups, rows, source, inner, out } = self;
        for (value, out) in rows.zip(out.chunks_exact_mut(inner)) {
            let places = groups.of(value);
            if places.len() <= GROUP {
                add_rows(isa, source, places, out);
            } else {
                add_tree(isa, source, places, out);
            }
        }
    }
}

/// Adds some rows of `source` to `out`, one by one.
#[inline(always)]
fn add_rows<S: Simd, T: Reducible>(isa: S, source: &[T], places: &[usize], out: &mut [T]) {
    for place in places {
        T::reduce_rows(isa, Reduction::Sum, &source[place * out.len()..][..out.len()], out);
    }
}

/// Adds many rows of `source` to `out`, as a tree.
#[inline(always)]
fn add_tree<S: Simd, T: Reducible>(isa: S, source: &[T], places: &[usize], out: &mut [T]) {
    let inner = out.len();
    // Sums wait here for one of as many groups to be added to: as the digits of the number of
    // groups so far wait for a carry.
    let mut waiting = scratch::<T>((places.len().ilog2() as usize + 2) * inner);
    let mut height = 0;
    for (group, places) in places.chunks(GROUP).enumerate() {
        let sum = &mut waiting[height * inner..][..inner];
        sum.fill(T::ZERO);
        add_rows(isa, source, places, sum);
        height += 1;
        for _ in 0..(group + 1).trailing_zeros() {
            add_top(isa, &mut waiting[..height * inner], inner);
            height -= 1;
        }
    }
    while height > 1 {
        add_top(isa, &mut waiting[..height * inner], inner);
        height -= 1;
    }
    T::reduce_rows(isa, Reduction::Sum, &waiting[..inner], out);
}

/// Adds the last of some rows to the one before it.
#[inline(always)]
fn add_top<S: Simd, T: Reducible>(isa: S, rows: &mut [T], inner: usize) {
    let (below, top) = rows.split_at_mut(rows.len() - inner);
    let last = below.len() - inner;
    T::reduce_rows(isa, Reduction::Sum, top, &mut below[last..]);
}

/// What becomes of an element to which an index points.
trait Put<T>: Copy + Send + Sync {
    fn put(self, old: &mut T, new: T);
}

/// The new element takes the old one's place.
#[derive(Clone, Copy)]
struct Replace;

impl<T> Put<T> for Replace {
    #[inline(always)]
    fn put(self, old: &mut T, new: T) {
        *old = new;
    }
}

/// The new element is added to the old one.
#[derive(Clone, Copy)]
struct Add;

impl<T: Number> Put<T> for Add {
    #[inline(always)]
    fn put(self, old: &mut T, new: T) {
        *old = old.plus(new);
    }
}

/// Copies `x`, and puts each element of `source` where its index points: out = x, then
/// out[i…, indices[i…, j, k…], k…] = source[i…, j, k…], where j counts along `axis`. Of several for
/// one place, the last one stays.
///
/// # Panics
/// If the lengths do not fit, or an index leaves `out`.
pub fn scatter<T: Element>(
    on: Machine,
    x: Strided<'_, T>,
    axis: usize,
    indices: &[i64],
    source: Strided<'_, T>,
    out: &mut [T],
) {
    put(on, Replace, x, axis, indices, source, out);
}

/// Copies `x`, and adds each element of `source` where its index points: out = x, then
/// out[i…, indices[i…, j, k…], k…] += source[i…, j, k…], where j counts along `axis`.
///
/// # Panics
/// If the lengths do not fit, or an index leaves `out`.
pub fn scatter_add<T: Number>(
    on: Machine,
    x: Strided<'_, T>,
    axis: usize,
    indices: &[i64],
    source: Strided<'_, T>,
    out: &mut [T],
) {
    put(on, Add, x, axis, indices, source, out);
}

/// How many neighbours one task takes.
const COLUMNS: usize = 256;

fn put<T: Element>(
    on: Machine,
    code: impl Put<T>,
    x: Strided<'_, T>,
    axis: usize,
    indices: &[i64],
    source: Strided<'_, T>,
    out: &mut [T],
) {
    assert_eq!(source.len(), indices.len());
    copy(on, x, out);
    if out.is_empty() || indices.is_empty() {
        return;
    }
    let outer: usize = x.shape[..axis].iter().product();
    let inner: usize = x.shape[axis + 1..].iter().product();
    let (len, count) = (x.shape[axis], indices.len() / (outer * inner));
    assert_eq!(outer * count * inner, indices.len());
    let source = &Packed::new(on, source);
    let blocks = inner.div_ceil(COLUMNS);
    // A unit is some columns of an outer index; a task takes several units if they are small.
    let units = outer * blocks;
    let units_per_task = (TASK / (count * COLUMNS.min(inner))).max(1);
    let shared = &Shared::new(out);
    on.parallel(units.div_ceil(units_per_task), 3 * indices.len(), |task| {
        let first = task * units_per_task;
        for unit in first..units.min(first + units_per_task) {
            let (outer, start) = (unit / blocks, unit % blocks * COLUMNS);
            let columns = start..inner.min(start + COLUMNS);
            for row in 0..count {
                let from = (outer * count + row) * inner;
                let indices = &indices[from..][columns.clone()];
                let source = &source.get()[from..][columns.clone()];
                for ((&index, &new), column) in indices.iter().zip(source).zip(columns.clone()) {
                    assert!((index as u64) < len as u64);
                    let place = (outer * len + index as usize) * inner + column;
                    // SAFETY: each task has columns of an outer index of its own, and holds one
                    // element at a time.
                    code.put(&mut unsafe { shared.slice(place, 1) }[0], new);
                }
            }
        }
    });
}
