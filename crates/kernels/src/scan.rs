//! Running sums, products and linear recurrences along an axis.
//!
//! `f32` is computed with as `f64`, so that the error of the last element of a long axis is that of
//! one rounding.

use crate::exact::copy;
use crate::memory::{Scratch, scratch};
use crate::simd::{Routine, Simd};
use crate::strided::Strided;
use crate::threads::Shared;
use crate::tiles::TASK;
use crate::{Bool, Element, Machine, Number};

/// What a scan computes of the elements so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scan {
    /// Their sum.
    Sum,
    /// Their product.
    Product,
}

/// Numbers that can be scanned, with the type in which their totals are computed.
pub trait Scannable: Number {
    /// The type of totals.
    type Total: Number;
    /// The number as a total.
    fn widen(self) -> Self::Total;
    /// The number nearest to a total.
    fn narrow(total: Self::Total) -> Self;
}

impl Scannable for f32 {
    type Total = f64;
    #[inline(always)]
    fn widen(self) -> f64 {
        self as f64
    }
    #[inline(always)]
    fn narrow(total: f64) -> Self {
        total as Self
    }
}

/// Implements [`Scannable`] for types that are their own totals.
macro_rules! scannable {
    ($($name:ident)*) => {$(
        impl Scannable for $name {
            type Total = Self;
            #[inline(always)]
            fn widen(self) -> Self {
                self
            }
            #[inline(always)]
            fn narrow(total: Self) -> Self {
                total
            }
        }
    )*};
}
scannable!(f64 i64 i32 u8 Bool);

/// Which way a scan goes along an axis, and which axis that is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Way {
    /// The axis.
    pub axis: usize,
    /// True if the last element comes first.
    pub reverse: bool,
}

/// Scans an axis: out₀ = x₀, outᵢ = outᵢ₋₁ + xᵢ, or · for products.
///
/// # Panics
/// If the lengths differ.
pub fn scan<T: Scannable>(on: Machine, scan: Scan, way: Way, x: Strided<'_, T>, out: &mut [T]) {
    let x = Source::new(on, x, way, out.len());
    match scan {
        Scan::Sum => run(on, Sum, &x, &x, out),
        Scan::Product => run(on, Product, &x, &x, out),
    }
}

/// A linear recurrence along an axis: out₀ = x₀, outᵢ = factorᵢ · outᵢ₋₁ + xᵢ.
///
/// # Panics
/// If the lengths differ.
pub fn linear_scan<T: Scannable>(
    on: Machine,
    way: Way,
    factor: Strided<'_, T>,
    x: Strided<'_, T>,
    out: &mut [T],
) {
    let (factor, x) = (Source::new(on, factor, way, out.len()), Source::new(on, x, way, out.len()));
    run(on, Linear, &factor, &x, out);
}

/// How a total becomes the next one.
trait Code: Copy + Send + Sync {
    fn start<N: Number>(self) -> N;
    fn next<N: Number>(self, total: N, factor: N, x: N) -> N;
}

#[derive(Clone, Copy)]
struct Sum;

impl Code for Sum {
    #[inline(always)]
    fn start<N: Number>(self) -> N {
        N::ZERO
    }
    #[inline(always)]
    fn next<N: Number>(self, total: N, _: N, x: N) -> N {
        total.plus(x)
    }
}

#[derive(Clone, Copy)]
struct Product;

impl Code for Product {
    #[inline(always)]
    fn start<N: Number>(self) -> N {
        N::ONE
    }
    #[inline(always)]
    fn next<N: Number>(self, total: N, _: N, x: N) -> N {
        total.times(x)
    }
}

#[derive(Clone, Copy)]
struct Linear;

impl Code for Linear {
    #[inline(always)]
    fn start<N: Number>(self) -> N {
        N::ZERO
    }
    #[inline(always)]
    fn next<N: Number>(self, total: N, factor: N, x: N) -> N {
        total.times(factor).plus(x)
    }
}

/// An input, its elements side by side, as [outer, len, inner] about the scanned axis.
struct Source<'a, T> {
    memory: Option<&'a [T]>,
    packed: Scratch<T>,
    outer: usize,
    len: usize,
    inner: usize,
    reverse: bool,
}

impl<'a, T: Element> Source<'a, T> {
    fn new(on: Machine, x: Strided<'a, T>, way: Way, count: usize) -> Self {
        assert_eq!(x.len(), count);
        let memory = x.contiguous();
        let mut packed = scratch(if memory.is_some() { 0 } else { count });
        if memory.is_none() {
            copy(on, x, &mut packed);
        }
        Self {
            memory,
            packed,
            outer: x.shape[..way.axis].iter().product(),
            len: x.shape[way.axis],
            inner: x.shape[way.axis + 1..].iter().product(),
            reverse: way.reverse,
        }
    }

    fn get(&self) -> &[T] {
        self.memory.unwrap_or(&self.packed)
    }
}

/// How many neighbouring scans one unit of work has.
const COLUMNS: usize = 256;

fn run<T: Scannable>(
    on: Machine,
    code: impl Code,
    factor: &Source<'_, T>,
    x: &Source<'_, T>,
    out: &mut [T],
) {
    let &Source { outer, len, inner, reverse, .. } = x;
    if out.is_empty() {
        return;
    }
    let blocks = inner.div_ceil(COLUMNS);
    let units = outer * blocks;
    let units_per_task = (TASK / (len * COLUMNS.min(inner))).max(1);
    let cost_ns = out.len();
    let (factor, x) = (factor.get(), x.get());
    let shared = &Shared::new(out);
    on.parallel(units.div_ceil(units_per_task), cost_ns, |task| {
        let first = task * units_per_task;
        for unit in first..units.min(first + units_per_task) {
            let start = unit / blocks * len * inner + unit % blocks * COLUMNS;
            let width = COLUMNS.min(inner - unit % blocks * COLUMNS);
            on.isa.run(Unit { code, factor, x, shared, start, len, inner, width, reverse });
        }
    });
}

/// Some neighbouring scans: element `i` of scan `c` lies at `start + i * inner + c`.
struct Unit<'a, C, T> {
    code: C,
    factor: &'a [T],
    x: &'a [T],
    shared: &'a Shared<'a, T>,
    start: usize,
    len: usize,
    inner: usize,
    width: usize,
    reverse: bool,
}

impl<C: Code, T: Scannable> Routine for Unit<'_, C, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        if self.inner == 1 { self.one() } else { self.many() }
    }
}

impl<C: Code, T: Scannable> Unit<'_, C, T> {
    /// A single scan of elements side by side.
    #[inline(always)]
    fn one(self) {
        let (factor, x) =
            (&self.factor[self.start..][..self.len], &self.x[self.start..][..self.len]);
        // SAFETY: each unit has elements of its own.
        let out = unsafe { self.shared.slice(self.start, self.len) };
        let mut total = self.code.start::<T::Total>();
        let mut step = |((out, &factor), &x): ((&mut T, &T), &T)| {
            total = self.code.next(total, factor.widen(), x.widen());
            *out = T::narrow(total);
        };
        let elements = out.iter_mut().zip(factor).zip(x);
        if self.reverse {
            elements.rev().for_each(&mut step);
        } else {
            elements.for_each(&mut step);
        }
    }

    /// Scans side by side, all of them a step at a time.
    #[inline(always)]
    fn many(self) {
        let mut totals = [self.code.start::<T::Total>(); COLUMNS];
        for step in 0..self.len {
            let row = if self.reverse { self.len - 1 - step } else { step };
            let start = self.start + row * self.inner;
            let (factor, x) = (&self.factor[start..][..self.width], &self.x[start..][..self.width]);
            // SAFETY: each unit has columns of its own, and holds one row of them at a time.
            let out = unsafe { self.shared.slice(start, self.width) };
            for (((out, total), &factor), &x) in out.iter_mut().zip(&mut totals).zip(factor).zip(x)
            {
                *total = self.code.next(*total, factor.widen(), x.widen());
                *out = T::narrow(*total);
            }
        }
    }
}
